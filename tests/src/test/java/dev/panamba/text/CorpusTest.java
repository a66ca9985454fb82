package dev.panamba.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Documents come whole and in order, whatever holds them, and are cut where tokens end. */
class CorpusTest {
    private static final byte[] BINARY = {'a', 0, 'b'};
    private static final byte[] LATIN1 = "caf\u00E9 au lait".getBytes(StandardCharsets.ISO_8859_1);

    @TempDir
    private Path folder;

    /** Remembers what it reads. */
    private static final class Documents implements Corpus.Reader {
        final List<byte[]> whole = new ArrayList<>();
        final List<byte[]> parts = new ArrayList<>();
        private final ByteArrayOutputStream open = new ByteArrayOutputStream();

        @Override
        public void part(byte[] bytes, int count) {
            assertTrue(count > 0 && count <= 1 << 20, "a part of " + count);
            open.write(bytes, 0, count);
            parts.add(Arrays.copyOf(bytes, count));
        }

        @Override
        public void endOfDocument() {
            whole.add(open.toByteArray());
            open.reset();
        }

        List<String> texts() {
            return whole.stream()
                    .map(b -> new String(b, StandardCharsets.ISO_8859_1))
                    .toList();
        }
    }

    private void files(Path folder) throws IOException {
        Files.createDirectories(folder.resolve("b"));
        Files.writeString(folder.resolve("b/2.txt"), "two");
        Files.writeString(folder.resolve("b/10.txt"), "ten");
        Files.writeString(folder.resolve("a.txt"), "one");
        Files.writeString(folder.resolve("empty.txt"), "");
        Files.write(folder.resolve("image.png"), BINARY);
        Files.write(folder.resolve("latin1.txt"), LATIN1);
    }

    @Test
    void aFolderIsReadInTheOrderOfItsNames() throws IOException {
        files(folder);
        check(Corpus.of(folder));
    }

    @Test
    void aZipIsReadInTheOrderOfItsNames() throws IOException {
        files(folder.resolve("files"));
        var zip = folder.resolve("files.zip");
        try (var out = new ZipOutputStream(Files.newOutputStream(zip));
                var files = Files.walk(folder.resolve("files"))) {
            // The order in the zip is another one.
            for (var file : files.filter(Files::isRegularFile)
                    .sorted((a, b) -> b.compareTo(a))
                    .toList()) {
                out.putNextEntry(
                        new ZipEntry(folder.resolve("files").relativize(file).toString()));
                out.write(Files.readAllBytes(file));
            }
            out.putNextEntry(new ZipEntry("folder/"));
        }
        check(Corpus.of(zip));
        var some = new Documents();
        var summary = new Corpus(zip, name -> name.startsWith("b/")).read(some);
        assertEquals(List.of("ten", "two"), some.texts());
        assertEquals(new Corpus.Summary(2, 0, 6), summary);
    }

    private static void check(Corpus corpus) throws IOException {
        var read = new Documents();
        var summary = corpus.read(read);
        assertEquals(List.of("one", "ten", "two", "", new String(LATIN1, StandardCharsets.ISO_8859_1)), read.texts());
        assertEquals(new Corpus.Summary(5, 1, 9 + LATIN1.length), summary);
    }

    @Test
    void aBrokenZipIsRefusedAndAnEmptyOneHasNoDocuments() throws IOException {
        var zip = folder.resolve("a.zip");
        try (var out = new ZipOutputStream(Files.newOutputStream(zip))) {
            out.putNextEntry(new ZipEntry("a.txt"));
            out.write(new byte[5000]);
            out.closeEntry();
        }
        var whole = Files.readAllBytes(zip);
        Files.write(zip, Arrays.copyOf(whole, whole.length / 2));
        var refused = assertThrows(IOException.class, () -> Corpus.of(zip).read(new Documents()));
        assertTrue(refused.getMessage().startsWith(zip + " is a broken zip"), refused.getMessage());
        var damaged = whole.clone();
        for (int i = 36; i < whole.length - 80; i++) {
            damaged[i] ^= 0x55;
        }
        Files.write(zip, damaged);
        assertThrows(IOException.class, () -> Corpus.of(zip).read(new Documents()));
        new ZipOutputStream(Files.newOutputStream(zip)).close();
        assertEquals(new Corpus.Summary(0, 0, 0), Corpus.of(zip).read(new Documents()));
    }

    @Test
    void whatIsNoTextIsRefusedAsWhatItIs() throws IOException {
        var gzip = new ByteArrayOutputStream();
        try (var out = new GZIPOutputStream(gzip)) {
            out.write(LATIN1);
        }
        var files = Map.of(
                "gzip data", gzip.toByteArray(),
                "text in UTF-16", "No text of bytes.\n".repeat(600).getBytes(StandardCharsets.UTF_16LE),
                "holds weights", "\2\0\0\0\0\0\0\0{}".getBytes(StandardCharsets.ISO_8859_1),
                "a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\n".getBytes(StandardCharsets.UTF_8));
        for (var entry : files.entrySet()) {
            // Its name says nothing.
            var file = Files.write(folder.resolve("data.txt"), entry.getValue());
            var refused = assertThrows(IOException.class, () -> Corpus.of(file).read(new Documents()));
            assertTrue(refused.getMessage().startsWith(file + " is no text: it is "), refused.getMessage());
            assertTrue(refused.getMessage().contains(entry.getKey()), refused.getMessage());
            // One of many is left out.
            var inside = Files.createDirectories(folder.resolve("inside"));
            Files.write(inside.resolve("data.txt"), entry.getValue());
            Files.writeString(inside.resolve("text.txt"), "text");
            var read = new Documents();
            assertEquals(new Corpus.Summary(1, 1, 4), Corpus.of(inside).read(read));
            assertEquals(List.of("text"), read.texts());
        }
        // A page is text, if somebody wants it.
        var page = Files.writeString(folder.resolve("page"), "<html>");
        assertEquals(new Corpus.Summary(1, 0, 6), Corpus.of(page).read(new Documents()));
    }

    @Test
    void whatIsHiddenIsLeftOut() throws IOException {
        var root = folder.resolve(".corpus");
        for (var name : List.of("a", ".a", "b/c", "b/.c", ".git/objects/d", "b/.svn/e", "__MACOSX/._a", "b/..f")) {
            Files.createDirectories(root.resolve(name).getParent());
            Files.writeString(root.resolve(name), name);
        }
        var read = new Documents();
        assertEquals(new Corpus.Summary(2, 0, 4), Corpus.of(root).read(read));
        assertEquals(List.of("a", "b/c"), read.texts());
        var zip = folder.resolve("a.zip");
        try (var out = new ZipOutputStream(Files.newOutputStream(zip))) {
            for (var name : List.of("./a", ".a", "b/c", "b/.c", ".git/objects/d", "__MACOSX/._a")) {
                out.putNextEntry(new ZipEntry(name));
                out.write(name.getBytes(StandardCharsets.UTF_8));
            }
        }
        read = new Documents();
        assertEquals(new Corpus.Summary(2, 0, 6), Corpus.of(zip).read(read));
        assertEquals(List.of("./a", "b/c"), read.texts());
    }

    @Test
    void linksAreFollowedAndLoopsNoticed() throws Exception {
        var root = Files.createDirectories(folder.resolve("root"));
        var other = Files.createDirectories(folder.resolve("other/deep"));
        Files.writeString(root.resolve("a"), "a");
        Files.writeString(other.resolve("b"), "b");
        Files.writeString(folder.resolve("c"), "c");
        Files.createSymbolicLink(root.resolve("0-to-other"), other.getParent());
        Files.createSymbolicLink(root.resolve("to-file"), folder.resolve("c"));
        // Back to itself, to what it stands in, from elsewhere to here, and to nothing.
        Files.createSymbolicLink(root.resolve("self"), root);
        Files.createSymbolicLink(root.resolve("up"), folder);
        Files.createSymbolicLink(other.resolve("back"), root);
        Files.createSymbolicLink(root.resolve("nothing"), root.resolve("none"));
        assertEquals(
                0,
                new ProcessBuilder("mkfifo", root.resolve("fifo").toString())
                        .start()
                        .waitFor());
        var read = new Documents();
        var summary = assertTimeoutPreemptively(
                Duration.ofSeconds(20), () -> Corpus.of(root).read(read));
        assertEquals(List.of("b", "a", "c"), read.texts());
        assertEquals(new Corpus.Summary(3, 4, 3), summary);
        // A link is as good as a folder, and what stands in the folder is found there, not behind a link to it.
        var link = Files.createSymbolicLink(folder.resolve("link"), root);
        assertEquals(summary, Corpus.of(link).read(new Documents()));
    }

    @Test
    void foldersThatLinkToEachOtherAreReadOnce() throws IOException {
        var root = Files.createDirectories(folder.resolve("root"));
        for (int i = 0; i < 30; i++) {
            var here = Files.createDirectories(folder.resolve("f" + i));
            Files.writeString(here.resolve("text"), "t");
            for (var name : List.of("x", "y")) {
                Files.createSymbolicLink(here.resolve(name), folder.resolve("f" + (i + 1) % 30));
            }
        }
        Files.createSymbolicLink(root.resolve("first"), folder.resolve("f0"));
        var summary = assertTimeoutPreemptively(
                Duration.ofSeconds(20), () -> Corpus.of(root).read(new Documents()));
        assertEquals(30, summary.documents());
    }

    @Test
    void zipsThatAreNoTextsAreNamed() throws IOException {
        var zip = folder.resolve("a.zip");
        for (var names : Map.of(
                        "torch.save", List.of("archive/data.pkl", "archive/version", "archive/data/0"),
                        "an office document", List.of("[Content_Types].xml", "word/document.xml"),
                        "or a book", List.of("mimetype", "OEBPS/text.html"))
                .entrySet()) {
            try (var out = new ZipOutputStream(Files.newOutputStream(zip))) {
                for (var name : names.getValue()) {
                    out.putNextEntry(new ZipEntry(name));
                    out.write('3');
                }
            }
            var refused = assertThrows(IOException.class, () -> Corpus.of(zip).read(new Documents()));
            assertTrue(refused.getMessage().startsWith(zip + " is no text: "), refused.getMessage());
            assertTrue(refused.getMessage().contains(names.getKey()), refused.getMessage());
        }
    }

    @Test
    void aZipThatCannotBeUnpackedSaysWhy() throws IOException {
        var zip = folder.resolve("a.zip");
        try (var out = new ZipOutputStream(Files.newOutputStream(zip))) {
            out.putNextEntry(new ZipEntry("a.txt"));
            out.write(LATIN1);
        }
        var whole = Files.readAllBytes(zip);
        int central = new String(whole, StandardCharsets.ISO_8859_1).indexOf("PK\1\2");
        // The flag of encryption, and Zstandard as the method, in the entry's two headers.
        for (var wrong : Map.of(
                        "is an encrypted zip", new int[] {6, 1, 8}, "otherwise than by deflate", new int[] {8, 93, 10})
                .entrySet()) {
            var bytes = whole.clone();
            bytes[wrong.getValue()[0]] = (byte) wrong.getValue()[1];
            bytes[central + wrong.getValue()[2]] = (byte) wrong.getValue()[1];
            Files.write(zip, bytes);
            var refused = assertThrows(IOException.class, () -> Corpus.of(zip).read(new Documents()));
            assertTrue(refused.getMessage().startsWith(zip + " is a"), refused.getMessage());
            assertTrue(refused.getMessage().contains(wrong.getKey()), refused.getMessage());
        }
    }

    @Test
    void oneFileIsOneDocumentWithoutAnEnd() throws Exception {
        var file = Files.writeString(folder.resolve("a.txt"), "Hello world");
        var tokens = folder.resolve("tokens");
        TokenFile.write(tokens, Corpus.of(file), Tokenizers.open(TokenizerTest.small()));
        assertArrayEquals(Tokenizers.open(TokenizerTest.small()).encode("Hello world"), read(tokens));
        assertThrows(
                NoSuchFileException.class,
                () -> Corpus.of(folder.resolve("none")).read(new Documents()));
    }

    @Test
    void documentsOfAFolderEndInTheTokenForThat() throws Exception {
        Files.createDirectory(folder.resolve("two"));
        Files.writeString(folder.resolve("two/a"), "Hello");
        Files.writeString(folder.resolve("two/b"), "world");
        var tokenizer = Tokenizers.open(TokenizerTest.small());
        var tokens = folder.resolve("tokens");
        TokenFile.write(tokens, Corpus.of(folder.resolve("two")), tokenizer);
        assertArrayEquals(tokenizer.encode("Hello<|endoftext|>world<|endoftext|>"), read(tokens));
    }

    @Test
    void tokenisingInPartsIsTokenisingWhole() throws Exception {
        var text = text("prose", 1_150_000);
        var file = Files.writeString(folder.resolve("prose"), text);
        var tokenizer = Tokenizers.open(TokenizerTest.small());
        var tokens = folder.resolve("tokens");
        var summary = TokenFile.write(tokens, Corpus.of(file), tokenizer);
        assertEquals(text.getBytes(StandardCharsets.UTF_8).length, summary.bytes());
        assertArrayEquals(tokenizer.encode(text), read(tokens));
    }

    /** The same at many cuts, a page on both sides of each. */
    @ParameterizedTest
    @ValueSource(strings = {"prose", "windows", "paragraphs", "code"})
    void noTokenReachesOverACut(String kind) throws Exception {
        var tokenizer = Tokenizers.open(TokenizerTest.small());
        var file = Files.writeString(folder.resolve(kind), text(kind, 20_000_000));
        var parts = new Documents();
        Corpus.of(file).read(parts);
        assertTrue(parts.parts.size() >= 20, parts.parts.size() + " parts");
        for (int i = 1; i < parts.parts.size(); i++) {
            var before = new String(parts.parts.get(i - 1), StandardCharsets.UTF_8);
            var left = before.substring(before.lastIndexOf('\n', before.length() - 3000) + 1);
            var right = new String(parts.parts.get(i), 0, 3000, StandardCharsets.UTF_8);
            var ids = new ArrayList<Integer>();
            Arrays.stream(tokenizer.encode(left)).forEach(ids::add);
            Arrays.stream(tokenizer.encode(right)).forEach(ids::add);
            assertEquals(Arrays.stream(tokenizer.encode(left + right)).boxed().toList(), ids);
        }
    }

    /** Real-looking text: words, punctuation, lines, indents, blank lines, some long words. */
    private static String text(String kind, int length) {
        var random = new Random(kind.hashCode());
        var newLine = kind.equals("windows") ? "\r\n" : "\n";
        var words =
                List.of("the", "Mamba", "state", "don't", "café", "10", "x_1", "straße", "你好", "😀", "a", "selective");
        var text = new StringBuilder();
        while (text.length() < length) {
            if (kind.equals("code")) {
                text.append(" ".repeat(4 * random.nextInt(5)));
            }
            for (int i = 1 + random.nextInt(12); i > 0; i--) {
                text.append(words.get(random.nextInt(words.size()))).append(i > 1 ? " " : "");
            }
            text.append(List.of(".", "", ";", " {", "", "!", "  ").get(random.nextInt(7)));
            text.append(newLine.repeat(kind.equals("paragraphs") ? 1 + random.nextInt(3) : 1));
        }
        return text.toString();
    }

    @Test
    void aLineLongerThanAPartIsCutBetweenCharacters() throws IOException {
        var text = "😀é世".repeat(400_000);
        var file = Files.writeString(folder.resolve("line"), text);
        var read = new Documents();
        Corpus.of(file).read(read);
        var joined = new StringBuilder();
        for (var part : read.parts) {
            var piece = new String(part, StandardCharsets.UTF_8);
            assertTrue(!piece.contains("\uFFFD"), "a character was cut");
            joined.append(piece);
        }
        assertEquals(text, joined.toString());
    }

    @Test
    void bytesThatAreNoTextPassThroughInParts() throws IOException {
        var bytes = new byte[3 << 20];
        Arrays.fill(bytes, (byte) 0x80);
        var file = Files.write(folder.resolve("garbage"), bytes);
        var tokens = folder.resolve("tokens");
        TokenFile.write(tokens, Corpus.of(file), Tokenizers.bytes());
        try (var read = TokenFile.open(tokens)) {
            assertEquals(bytes.length, read.length());
        }
    }

    private static int[] read(Path file) throws IOException {
        try (var tokens = TokenFile.open(file)) {
            var ids = new int[(int) tokens.length()];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = tokens.at(i);
            }
            return ids;
        }
    }
}
