package dev.panamba.text;

import dev.panamba.io.FileType;
import dev.panamba.io.InputFiles;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.function.Predicate;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * Documents to learn from: one text file, the files of a folder, or the entries of a zip, in the order of their names, streamed
 * in parts. In a folder or zip, what is known to be no text or has a zero byte near its start is skipped, and so is a link to a
 * folder that it stands in; hidden files and folders are left out. Other links are followed.
 *
 * @param path the file, folder or zip
 * @param include which documents of a folder or zip, by their path with slashes
 */
public record Corpus(Path path, Predicate<String> include) {
    /** Bytes of a part, about. */
    private static final int PART = 1 << 16;

    /** Who reads a corpus. */
    public interface Reader {
        /**
         * Reads a part of a document.
         *
         * @param bytes a buffer that is used again
         * @param count how many bytes of it
         * @throws IOException if they cannot be kept
         */
        void part(byte[] bytes, int count) throws IOException;

        /**
         * A document of several ends.
         *
         * @throws IOException if that cannot be kept
         */
        void endOfDocument() throws IOException;
    }

    /**
     * What was read.
     *
     * @param documents read
     * @param skipped documents that are no text, and links that lead back
     * @param bytes of the documents
     */
    public record Summary(int documents, int skipped, long bytes) {
        private Summary plus(long more) {
            return more < 0
                    ? new Summary(documents, skipped + 1, bytes)
                    : new Summary(documents + 1, skipped, bytes + more);
        }
    }

    /**
     * All documents.
     *
     * @param path a file, folder or zip
     * @return the corpus
     */
    public static Corpus of(Path path) {
        return new Corpus(path, _ -> true);
    }

    /**
     * Reads all documents.
     *
     * @param reader who gets them, part by part; no part ends inside a token that a usual tokenizer would make, unless a line is
     *     longer than a part
     * @return what was read
     * @throws IOException if a file cannot be read, or is no text but something known, such as gzip data: with what it is
     */
    public Summary read(Reader reader) throws IOException {
        if (Files.isDirectory(path)) {
            return folder(reader);
        }
        try (var in = new PushbackInputStream(InputFiles.stream(path), InputFiles.PROBE)) {
            var type = FileType.of(start(in)).orElse(null);
            if (type == FileType.ZIP) {
                return zip(reader);
            }
            if (type != null && !type.isText()) {
                throw new IOException(path + " is no text: " + type + ".");
            }
            return new Summary(1, 0, document(in, reader));
        }
    }

    /** The first bytes, which stay in the stream. */
    private static byte[] start(PushbackInputStream in) throws IOException {
        var start = in.readNBytes(InputFiles.PROBE);
        in.unread(start);
        return start;
    }

    private Summary folder(Reader reader) throws IOException {
        var walk = new Walk();
        walk.all();
        var summary = new Summary(0, walk.skipped, 0);
        for (var file : walk.files.stream().sorted().toList()) {
            if (include.test(name(file))) {
                try (var in = InputFiles.stream(file)) {
                    summary = summary.plus(oneOfSeveral(in, reader));
                }
            }
        }
        return summary;
    }

    private String name(Path file) {
        return path.relativize(file).toString().replace('\\', '/');
    }

    /** Whether a part of a path is hidden, as .git and what macOS adds to a zip are. */
    private static boolean isHidden(String name) {
        return name.startsWith(".") && !name.equals(".") && !name.equals("..") || name.equals("__MACOSX");
    }

    /** The files of a folder. Links to folders are followed when all that stands here is known: each folder is read once. */
    private final class Walk {
        final List<Path> files = new ArrayList<>();
        private final Set<Path> known = new HashSet<>();
        private final Queue<Path> links = new ArrayDeque<>();
        int skipped;

        void all() throws IOException {
            folder(path);
            while (!links.isEmpty()) {
                var link = links.remove();
                // Whoever goes where he comes from sees himself again, and much that nobody named.
                if (link.getParent().toRealPath().startsWith(link.toRealPath())) {
                    skipped++;
                } else {
                    folder(link);
                }
            }
        }

        private void folder(Path folder) throws IOException {
            if (!known.add(folder.toRealPath())) {
                return;
            }
            try (var inside = Files.newDirectoryStream(
                    folder, p -> !isHidden(p.getFileName().toString()))) {
                for (var found : sorted(inside)) {
                    if (Files.isDirectory(found, LinkOption.NOFOLLOW_LINKS)) {
                        folder(found);
                    } else if (Files.isDirectory(found)) {
                        links.add(found);
                    } else if (Files.isRegularFile(found)) {
                        files.add(found);
                    } else {
                        skipped++;
                    }
                }
            }
        }

        private static List<Path> sorted(Iterable<Path> paths) {
            var sorted = new ArrayList<Path>();
            paths.forEach(sorted::add);
            sorted.sort(null);
            return sorted;
        }
    }

    private Summary zip(Reader reader) throws IOException {
        var summary = new Summary(0, 0, 0);
        try (var zip = new ZipFile(path.toFile())) {
            checkHoldsTexts(zip);
            for (var entry : zip.stream()
                    .filter(e -> !e.isDirectory() && include.test(e.getName()))
                    .filter(e -> Arrays.stream(e.getName().split("/")).noneMatch(Corpus::isHidden))
                    .sorted((a, b) -> a.getName().compareTo(b.getName()))
                    .toList()) {
                try (var in = zip.getInputStream(entry)) {
                    summary = summary.plus(oneOfSeveral(in, reader));
                }
            }
        } catch (ZipException | EOFException e) {
            throw new IOException(path + whatIsWrong(String.valueOf(e.getMessage())), e);
        }
        return summary;
    }

    private static String whatIsWrong(String message) {
        return message.contains("encrypted")
                ? " is an encrypted zip, which has no password here: unpack it first."
                : message.contains("compression method")
                        ? " is a zip that is packed otherwise than by deflate: unpack it first (" + message + ")."
                        : " is a broken zip: " + message;
    }

    /** Much else is a zip, and would be read as the little text that it has. */
    private void checkHoldsTexts(ZipFile zip) throws IOException {
        if (zip.stream().anyMatch(e -> e.getName().matches("(.*/)?data\\.pkl"))) {
            throw new IOException(path + " is no text: it is what torch.save writes, a zip of weights.");
        }
        if (zip.getEntry("[Content_Types].xml") != null || zip.getEntry("mimetype") != null) {
            throw new IOException(
                    path + " is no text: it is an office document or a book; save it as plain text first.");
        }
    }

    /** Bytes read, or -1 for what is no text. */
    private static long oneOfSeveral(InputStream in, Reader reader) throws IOException {
        var pushback = new PushbackInputStream(in, InputFiles.PROBE);
        var start = start(pushback);
        if (FileType.of(start).map(type -> !type.isText()).orElse(false)) {
            return -1;
        }
        for (byte b : start) {
            if (b == 0) {
                return -1;
            }
        }
        var bytes = document(pushback, reader);
        reader.endOfDocument();
        return bytes;
    }

    private static long document(InputStream in, Reader reader) throws IOException {
        var buffer = new byte[PART];
        long total = 0;
        int kept = 0;
        while (true) {
            int read = in.readNBytes(buffer, kept, buffer.length - kept);
            int count = kept + read;
            total += read;
            if (count < buffer.length) {
                if (count > 0) {
                    reader.part(buffer, count);
                }
                return total;
            }
            int cut = cut(buffer, count);
            reader.part(buffer, cut);
            kept = count - cut;
            System.arraycopy(buffer, cut, buffer, 0, kept);
        }
    }

    /**
     * Where to cut: between a letter or digit and the line break behind it, which no usual pre-tokenizer joins; else behind the
     * last line break; else in front of a character.
     */
    private static int cut(byte[] bytes, int count) {
        for (int i = count - 1; i > 0; i--) {
            if ((bytes[i] == '\n' || bytes[i] == '\r') && isLetterOrDigit(bytes[i - 1])) {
                return i;
            }
        }
        for (int i = count; i > 0; i--) {
            if (bytes[i - 1] == '\n') {
                return i;
            }
        }
        int i = count - 1;
        // A character has at most three bytes behind its first.
        while (i > count - 4 && (bytes[i] & 0xC0) == 0x80) {
            i--;
        }
        return i;
    }

    private static boolean isLetterOrDigit(byte b) {
        return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9';
    }
}
