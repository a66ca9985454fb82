package dev.panamba.text;

import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.function.Predicate;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * Documents to learn from: one text file, the files of a folder, or the entries of a zip, in the order of their names, streamed
 * in parts. In a folder or zip, what has a zero byte near its start is no text and is skipped.
 *
 * @param path the file, folder or zip
 * @param include which documents of a folder or zip, by their path with slashes
 */
public record Corpus(Path path, Predicate<String> include) {
    /** Bytes of a part, about. */
    private static final int PART = 1 << 16;

    private static final int PROBE = 8192;

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
     * @param skipped documents that are no text
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
     * @throws IOException if a file cannot be read
     */
    public Summary read(Reader reader) throws IOException {
        if (!Files.exists(path)) {
            throw new NoSuchFileException(path.toString());
        }
        if (Files.isDirectory(path)) {
            return folder(reader);
        }
        if (isZip()) {
            return zip(reader);
        }
        try (var in = Files.newInputStream(path)) {
            return new Summary(1, 0, document(in, reader));
        }
    }

    private boolean isZip() throws IOException {
        // What a pipe has given is gone.
        if (!Files.isRegularFile(path)) {
            return false;
        }
        try (var in = Files.newInputStream(path)) {
            var magic = new String(in.readNBytes(4), StandardCharsets.ISO_8859_1);
            return magic.equals("PK\3\4") || magic.equals("PK\5\6");
        }
    }

    private Summary folder(Reader reader) throws IOException {
        var summary = new Summary(0, 0, 0);
        try (var files = Files.walk(path)) {
            for (var file : files.filter(Files::isRegularFile).sorted().toList()) {
                var name = path.relativize(file).toString().replace('\\', '/');
                if (include.test(name)) {
                    try (var in = Files.newInputStream(file)) {
                        summary = summary.plus(oneOfSeveral(in, reader));
                    }
                }
            }
        }
        return summary;
    }

    private Summary zip(Reader reader) throws IOException {
        var summary = new Summary(0, 0, 0);
        try (var zip = new ZipFile(path.toFile())) {
            for (var entry : zip.stream()
                    .filter(e -> !e.isDirectory() && include.test(e.getName()))
                    .sorted((a, b) -> a.getName().compareTo(b.getName()))
                    .toList()) {
                try (var in = zip.getInputStream(entry)) {
                    summary = summary.plus(oneOfSeveral(in, reader));
                }
            }
        } catch (ZipException | EOFException e) {
            throw new IOException(path + " is a broken zip: " + e.getMessage(), e);
        }
        return summary;
    }

    /** Bytes read, or -1 for what is no text. */
    private static long oneOfSeveral(InputStream in, Reader reader) throws IOException {
        var pushback = new PushbackInputStream(in, PROBE);
        var start = pushback.readNBytes(PROBE);
        for (byte b : start) {
            if (b == 0) {
                return -1;
            }
        }
        pushback.unread(start);
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
