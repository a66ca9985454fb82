package dev.panamba.io;

import dev.panamba.io.AtomicFiles.Content;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Collection;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * The manifest of a directory: {@code SHA256SUMS} with the SHA-256 of every other file, in the format of the command {@code
 * sha256sum}, which can check it too.
 */
public final class Digests {
    /** The manifest's file. */
    public static final String FILE = "SHA256SUMS";

    private static final Pattern LINE = Pattern.compile("([0-9a-f]{64})  ([\\w.-]+)\n");
    private static final long MOST_BYTES = 1 << 16;
    /** Bytes that are read at once. */
    private static final int PART = 1 << 20;

    private Digests() {}

    /**
     * SHA-256.
     *
     * @return a new digest
     */
    public static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("Every Java has SHA-256.", e);
        }
    }

    /**
     * The digest of a file.
     *
     * @param file which is read whole
     * @return SHA-256 in 64 small hexadecimal digits
     * @throws IOException if it cannot be read
     */
    public static String of(Path file) throws IOException {
        if (!Files.isRegularFile(file) && Files.exists(file)) {
            throw new IOException(file + " is no regular file.");
        }
        var digest = sha256();
        try (var channel = FileChannel.open(file)) {
            var part = ByteBuffer.allocate(Math.clamp(channel.size(), 1, PART));
            while (channel.read(part.clear()) >= 0) {
                digest.update(part.flip());
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /**
     * Adds the manifest to the files of a directory. The digests are of what is written, taken while it is.
     *
     * @param files contents by name, written in this order
     * @return the same and the manifest, which comes last
     */
    public static Map<String, Content> with(Map<String, Content> files) {
        var digests = new LinkedHashMap<String, String>();
        var all = new LinkedHashMap<String, Content>();
        files.forEach((name, content) -> all.put(name, channel -> {
            var digesting = new Digesting(channel, sha256());
            content.write(digesting);
            digests.put(name, HexFormat.of().formatHex(digesting.digest.digest()));
        }));
        all.put(FILE, channel -> {
            var lines = new StringBuilder();
            digests.forEach((name, digest) ->
                    lines.append(digest).append("  ").append(name).append('\n'));
            Content.of(lines.toString()).write(channel);
        });
        return all;
    }

    private record Digesting(WritableByteChannel channel, MessageDigest digest) implements WritableByteChannel {
        @Override
        public int write(ByteBuffer bytes) throws IOException {
            var written = bytes.duplicate();
            int count = channel.write(bytes);
            digest.update(written.limit(written.position() + count));
            return count;
        }

        @Override
        public boolean isOpen() {
            return channel.isOpen();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    /**
     * Compares a directory with its manifest.
     *
     * @param directory with a manifest
     * @param names of all files that are of any interest: one that is there and is not in the manifest is refused
     * @throws IOException if a file is missing or not the one that was written, or if the manifest itself is damaged
     */
    public static void check(Path directory, Collection<String> names) throws IOException {
        var digests = read(directory.resolve(FILE));
        for (var name : names) {
            if (!digests.containsKey(name) && Files.exists(directory.resolve(name))) {
                throw new IOException(directory.resolve(name) + " is not in " + FILE + ", so it was put there later.");
            }
        }
        for (var one : digests.entrySet()) {
            var file = directory.resolve(one.getKey());
            if (Files.notExists(file)) {
                throw new IOException(file + " is missing, and " + FILE + " has it.");
            }
            if (!of(file).equals(one.getValue())) {
                throw new IOException(file + " is damaged: it is not what " + FILE + " says was written.");
            }
        }
    }

    private static Map<String, String> read(Path file) throws IOException {
        if (!Files.isRegularFile(file) || Files.size(file) > MOST_BYTES) {
            throw new IOException(file + " is missing or no list of digests.");
        }
        var text = new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
        var digests = new LinkedHashMap<String, String>();
        var lines = LINE.matcher(text);
        int end = 0;
        while (lines.find() && lines.start() == end && digests.put(lines.group(2), lines.group(1)) == null) {
            end = lines.end();
        }
        if (end != text.length() || digests.isEmpty()) {
            throw new IOException(file + " is damaged: it is no list of digests.");
        }
        return digests;
    }
}
