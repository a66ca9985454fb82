package dev.panamba.io;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.ReadableByteChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.AccessMode;
import java.nio.file.CopyOption;
import java.nio.file.DirectoryStream;
import java.nio.file.FileStore;
import java.nio.file.FileSystem;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.nio.file.StandardOpenOption;
import java.nio.file.WatchService;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.FileAttributeView;
import java.nio.file.attribute.UserPrincipalLookupService;
import java.nio.file.spi.FileSystemProvider;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The real file system on a disk that can fail: every change is written down, and a chosen one fails, alone or with all
 * behind it.
 */
final class FaultyFiles extends FileSystemProvider {
    private final FileSystemProvider real;
    private final FileSystem realSystem;
    private final List<String> changes = new ArrayList<>();
    private int failing = Integer.MAX_VALUE;
    private boolean forGood;
    private Path planted;

    FaultyFiles(Path root) {
        realSystem = root.getFileSystem();
        real = realSystem.provider();
    }

    /** Fails the change of this number, counted from 0 from now on, and all behind it if the disk breaks for good. */
    void failAt(int change, boolean forGood) {
        changes.clear();
        failing = change;
        this.forGood = forGood;
    }

    /** Puts a link to a file where the next file is to be created. */
    void plant(Path target) {
        planted = target;
    }

    /** What was tried since the last {@link #failAt}: verb and file name. */
    List<String> changes() {
        return changes;
    }

    private void change(String verb, Path path) throws IOException {
        int number = changes.size();
        // What is temporary has a random part in its name.
        changes.add(verb + " " + unwrap(path).getFileName().toString().replaceFirst("(?<=^.tmp-)[0-9a-f-]{36}-", ""));
        if (number == failing || forGood && number > failing) {
            throw new IOException("No space left on device");
        }
    }

    /** A path of the real file system, seen through this one. */
    Path wrap(Path path) {
        if (path == null || Proxy.isProxyClass(path.getClass())) {
            return path;
        }
        InvocationHandler handler = (_, method, args) -> {
            if (method.getName().equals("getFileSystem")) {
                return system;
            }
            var inner = args == null ? null : args.clone();
            for (int i = 0; inner != null && i < inner.length; i++) {
                inner[i] = inner[i] instanceof Path p ? unwrap(p) : inner[i];
            }
            try {
                var result = method.invoke(path, inner);
                return result instanceof Path p ? wrap(p) : result;
            } catch (InvocationTargetException e) {
                throw e.getCause();
            }
        };
        return (Path) Proxy.newProxyInstance(Path.class.getClassLoader(), new Class<?>[] {Path.class}, handler);
    }

    private Path unwrap(Path path) {
        return Proxy.isProxyClass(path.getClass()) ? realSystem.getPath(path.toString()) : path;
    }

    @Override
    public FileChannel newFileChannel(Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes)
            throws IOException {
        if (options.contains(StandardOpenOption.WRITE)) {
            change("create", path);
            if (planted != null) {
                realSystem.provider().createSymbolicLink(unwrap(path), planted);
                planted = null;
            }
        }
        return new Channel(path, real.newFileChannel(unwrap(path), options, attributes));
    }

    @Override
    public SeekableByteChannel newByteChannel(
            Path path, Set<? extends OpenOption> options, FileAttribute<?>... attributes) throws IOException {
        return newFileChannel(path, options, attributes);
    }

    @Override
    public void createDirectory(Path path, FileAttribute<?>... attributes) throws IOException {
        change("mkdir", path);
        real.createDirectory(unwrap(path), attributes);
    }

    @Override
    public void delete(Path path) throws IOException {
        change("delete", path);
        real.delete(unwrap(path));
    }

    @Override
    public void move(Path from, Path to, CopyOption... options) throws IOException {
        change("move", to);
        real.move(unwrap(from), unwrap(to), options);
    }

    @Override
    public void createSymbolicLink(Path link, Path target, FileAttribute<?>... attributes) throws IOException {
        change("link", link);
        real.createSymbolicLink(unwrap(link), unwrap(target), attributes);
    }

    @Override
    public Path readSymbolicLink(Path link) throws IOException {
        return wrap(real.readSymbolicLink(unwrap(link)));
    }

    @Override
    public void copy(Path from, Path to, CopyOption... options) {
        throw new UnsupportedOperationException();
    }

    @Override
    public DirectoryStream<Path> newDirectoryStream(Path path, DirectoryStream.Filter<? super Path> filter)
            throws IOException {
        var stream = real.newDirectoryStream(unwrap(path), p -> filter.accept(wrap(p)));
        return new DirectoryStream<>() {
            @Override
            public Iterator<Path> iterator() {
                var inner = stream.iterator();
                return new Iterator<>() {
                    @Override
                    public boolean hasNext() {
                        return inner.hasNext();
                    }

                    @Override
                    public Path next() {
                        return wrap(inner.next());
                    }
                };
            }

            @Override
            public void close() throws IOException {
                stream.close();
            }
        };
    }

    @Override
    public boolean isSameFile(Path a, Path b) throws IOException {
        return real.isSameFile(unwrap(a), unwrap(b));
    }

    @Override
    public boolean isHidden(Path path) throws IOException {
        return real.isHidden(unwrap(path));
    }

    @Override
    public FileStore getFileStore(Path path) throws IOException {
        return real.getFileStore(unwrap(path));
    }

    @Override
    public void checkAccess(Path path, AccessMode... modes) throws IOException {
        real.checkAccess(unwrap(path), modes);
    }

    @Override
    public <V extends FileAttributeView> V getFileAttributeView(Path path, Class<V> type, LinkOption... options) {
        return real.getFileAttributeView(unwrap(path), type, options);
    }

    @Override
    public <A extends BasicFileAttributes> A readAttributes(Path path, Class<A> type, LinkOption... options)
            throws IOException {
        return real.readAttributes(unwrap(path), type, options);
    }

    @Override
    public Map<String, Object> readAttributes(Path path, String attributes, LinkOption... options) throws IOException {
        return real.readAttributes(unwrap(path), attributes, options);
    }

    @Override
    public void setAttribute(Path path, String attribute, Object value, LinkOption... options) {
        throw new UnsupportedOperationException();
    }

    @Override
    public String getScheme() {
        return "faulty";
    }

    @Override
    public FileSystem newFileSystem(URI uri, Map<String, ?> environment) {
        throw new UnsupportedOperationException();
    }

    @Override
    public FileSystem getFileSystem(URI uri) {
        return system;
    }

    @Override
    public Path getPath(URI uri) {
        throw new UnsupportedOperationException();
    }

    private final FileSystem system = new FileSystem() {
        @Override
        public FileSystemProvider provider() {
            return FaultyFiles.this;
        }

        @Override
        public void close() {}

        @Override
        public boolean isOpen() {
            return true;
        }

        @Override
        public boolean isReadOnly() {
            return false;
        }

        @Override
        public String getSeparator() {
            return realSystem.getSeparator();
        }

        @Override
        public Iterable<Path> getRootDirectories() {
            return List.of();
        }

        @Override
        public Iterable<FileStore> getFileStores() {
            return List.of();
        }

        @Override
        public Set<String> supportedFileAttributeViews() {
            return Set.of("basic");
        }

        @Override
        public Path getPath(String first, String... more) {
            return wrap(realSystem.getPath(first, more));
        }

        @Override
        public PathMatcher getPathMatcher(String pattern) {
            var matcher = realSystem.getPathMatcher(pattern);
            return path -> matcher.matches(unwrap(path));
        }

        @Override
        public UserPrincipalLookupService getUserPrincipalLookupService() {
            throw new UnsupportedOperationException();
        }

        @Override
        public WatchService newWatchService() {
            throw new UnsupportedOperationException();
        }
    };

    /** Writes and forces are changes. A write that fails has put half of its bytes down, as a full disk does. */
    private final class Channel extends FileChannel {
        private final Path path;
        private final FileChannel channel;

        Channel(Path path, FileChannel channel) {
            this.path = path;
            this.channel = channel;
        }

        @Override
        public int write(ByteBuffer from) throws IOException {
            try {
                change("write", path);
            } catch (IOException e) {
                channel.write(from.slice(from.position(), from.remaining() / 2));
                throw e;
            }
            return channel.write(from);
        }

        @Override
        public void force(boolean metadata) throws IOException {
            change("force", path);
            channel.force(metadata);
        }

        @Override
        public int read(ByteBuffer to) throws IOException {
            return channel.read(to);
        }

        @Override
        public int read(ByteBuffer to, long at) throws IOException {
            return channel.read(to, at);
        }

        @Override
        public long read(ByteBuffer[] to, int offset, int length) throws IOException {
            return channel.read(to, offset, length);
        }

        @Override
        public long write(ByteBuffer[] from, int offset, int length) {
            throw new UnsupportedOperationException();
        }

        @Override
        public int write(ByteBuffer from, long at) throws IOException {
            change("write", path);
            return channel.write(from, at);
        }

        @Override
        public long position() throws IOException {
            return channel.position();
        }

        @Override
        public FileChannel position(long position) throws IOException {
            channel.position(position);
            return this;
        }

        @Override
        public long size() throws IOException {
            return channel.size();
        }

        @Override
        public FileChannel truncate(long size) throws IOException {
            change("truncate", path);
            channel.truncate(size);
            return this;
        }

        @Override
        public long transferTo(long at, long count, WritableByteChannel to) throws IOException {
            return channel.transferTo(at, count, to);
        }

        @Override
        public long transferFrom(ReadableByteChannel from, long at, long count) throws IOException {
            change("write", path);
            return channel.transferFrom(from, at, count);
        }

        @Override
        public MappedByteBuffer map(MapMode mode, long at, long size) throws IOException {
            return channel.map(mode, at, size);
        }

        @Override
        public MemorySegment map(MapMode mode, long at, long size, Arena arena) throws IOException {
            return channel.map(mode, at, size, arena);
        }

        @Override
        public FileLock lock(long at, long size, boolean shared) throws IOException {
            return channel.lock(at, size, shared);
        }

        @Override
        public FileLock tryLock(long at, long size, boolean shared) throws IOException {
            return channel.tryLock(at, size, shared);
        }

        @Override
        protected void implCloseChannel() throws IOException {
            channel.close();
        }
    }
}
