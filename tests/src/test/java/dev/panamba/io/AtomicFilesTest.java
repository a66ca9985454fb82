package dev.panamba.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.io.AtomicFiles.Content;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is published is there whole or not at all, whichever write fails. */
class AtomicFilesTest {
    private static final int WRITES = 4;

    @TempDir
    private Path folder;

    /** Writes until the disk is full. */
    private int left;

    private Content writing(String text) {
        return channel -> {
            for (int i = 0; i < WRITES; i++) {
                fail();
                channel.write(ByteBuffer.wrap(text.getBytes()));
            }
            fail();
        };
    }

    private void fail() throws IOException {
        if (left-- == 0) {
            throw new IOException("No space left on device");
        }
    }

    @Test
    void aFileIsOldOrNewWhicheverWriteFails() throws IOException {
        var file = folder.resolve("file");
        for (int n = 0; n <= WRITES; n++) {
            Files.writeString(file, "old");
            left = n;
            var e = assertThrows(IOException.class, () -> AtomicFiles.file(file, writing("new")));
            assertTrue(e.getMessage().contains("No space left"), e.getMessage());
            assertTrue(e.getMessage().contains(folder.toString()), e.getMessage());
            assertEquals("old", Files.readString(file));
            assertEquals(List.of("file"), names(folder));
        }
        left = -1;
        AtomicFiles.file(file, writing("new"));
        assertEquals("new".repeat(WRITES), Files.readString(file));
        assertEquals(List.of("file"), names(folder));
    }

    @Test
    void aDirectoryIsWholeOrAbsentWhicheverWriteFails() throws IOException {
        var directory = folder.resolve("deeper/step-1");
        for (int n = 0; n < 3 * (WRITES + 1); n++) {
            left = n;
            assertThrows(IOException.class, () -> AtomicFiles.directory(directory, files()));
            assertFalse(Files.exists(directory));
            assertEquals(List.of(), names(folder.resolve("deeper")));
        }
        left = -1;
        AtomicFiles.directory(directory, files());
        assertEquals(List.of("a", "b", "c"), names(directory));
        assertEquals(List.of("step-1"), names(folder.resolve("deeper")));
    }

    private Map<String, Content> files() {
        var files = new LinkedHashMap<String, Content>();
        List.of("a", "b", "c").forEach(name -> files.put(name, writing(name)));
        return files;
    }

    @Test
    void aFailureThatIsNoIOExceptionLeavesNothingEither() throws IOException {
        Content broken = channel -> {
            throw new IllegalStateException("closed");
        };
        assertThrows(IllegalStateException.class, () -> AtomicFiles.file(folder.resolve("a"), broken));
        assertThrows(
                IllegalStateException.class, () -> AtomicFiles.directory(folder.resolve("b"), Map.of("c", broken)));
        assertEquals(List.of(), names(folder));
    }

    @Test
    void aRenameThatFailsLeavesTheOldFile() throws IOException {
        var file = Files.writeString(folder.resolve("file"), "old");
        Content vanishing = channel -> {
            Content.of("new").write(channel);
            Files.delete(folder.resolve(".tmp-file"));
        };
        assertThrows(IOException.class, () -> AtomicFiles.file(file, vanishing));
        assertEquals("old", Files.readString(file));
        assertEquals(List.of("file"), names(folder));
    }

    @Test
    void whatIsThereIsNeverOverwrittenByADirectory() throws IOException {
        var full = Files.createDirectory(folder.resolve("full"));
        Files.writeString(full.resolve("mine"), "mine");
        var file = Files.writeString(folder.resolve("file"), "mine");
        var link = Files.createSymbolicLink(folder.resolve("link"), Path.of("nowhere"));
        for (var taken : List.of(full, file, link)) {
            var e = assertThrows(IOException.class, () -> AtomicFiles.directory(taken, Map.of("a", Content.of("a"))));
            assertTrue(e.getMessage().contains("exists already"), e.getMessage());
        }
        assertEquals("mine", Files.readString(full.resolve("mine")));
        assertEquals(List.of("file", "full", "link"), names(folder));
        AtomicFiles.directory(Files.createDirectory(folder.resolve("empty")), Map.of("a", Content.of("a")));
        assertEquals("a", Files.readString(folder.resolve("empty/a")));
    }

    @Test
    void aDirectoryThatAppearsMeanwhileIsNotOverwritten() throws IOException {
        var place = folder.resolve("place");
        Content racing = channel -> {
            Files.createDirectory(place);
            Files.writeString(place.resolve("mine"), "mine");
        };
        assertThrows(IOException.class, () -> AtomicFiles.directory(place, Map.of("a", racing)));
        assertEquals(List.of("mine"), names(place));
        assertEquals(List.of("place"), names(folder));
    }

    @Test
    void placesThatAreNoneAreRefusedWithWords() throws IOException {
        var missing =
                assertThrows(IOException.class, () -> AtomicFiles.file(folder.resolve("no/file"), Content.of("a")));
        assertTrue(missing.getMessage().contains("there is no folder"), missing.getMessage());
        var directory = assertThrows(IOException.class, () -> AtomicFiles.file(folder, Content.of("a")));
        assertTrue(directory.getMessage().contains("is a directory"), directory.getMessage());
        assertThrows(IOException.class, () -> AtomicFiles.file(Path.of("/"), Content.of("a")));
        assertThrows(IOException.class, () -> AtomicFiles.directory(Path.of("/"), Map.of()));
        assertEquals(List.of(), names(folder));
    }

    @Test
    void leftOversOfAKilledProcessAreCleaned() throws IOException {
        Files.createDirectories(folder.resolve(".tmp-step-7/deep"));
        Files.writeString(folder.resolve(".tmp-step-7/deep/file"), "half");
        Files.createSymbolicLink(folder.resolve(".tmp-config.json"), Path.of("step-7/config.json"));
        Files.writeString(folder.resolve(".tmp-file"), "half");
        Files.writeString(folder.resolve("kept"), "kept");
        AtomicFiles.clean(folder);
        assertEquals(List.of("kept"), names(folder));
    }

    @Test
    void leftOversDoNotHinderTheNextAttempt() throws IOException {
        Files.createDirectories(folder.resolve(".tmp-step-7/deep"));
        Files.writeString(folder.resolve(".tmp-file"), "a long half file");
        AtomicFiles.file(folder.resolve("file"), Content.of("new"));
        AtomicFiles.directory(folder.resolve("step-7"), Map.of("a", Content.of("a")));
        assertEquals("new", Files.readString(folder.resolve("file")));
        assertEquals(List.of("a"), names(folder.resolve("step-7")));
        AtomicFiles.retire(folder.resolve("step-7"));
        assertEquals(List.of("file"), names(folder));
    }

    @Test
    void aCopyIsACopy() throws IOException {
        var from = Files.write(folder.resolve("from"), new byte[3 << 20]);
        AtomicFiles.file(folder.resolve("to"), Content.copyOf(from));
        assertEquals(-1, Files.mismatch(from, folder.resolve("to")));
        assertThrows(
                IOException.class,
                () -> AtomicFiles.file(folder.resolve("no"), Content.copyOf(folder.resolve("missing"))));
    }

    @Test
    void savingOverAMappedFileKeepsTheMapping() throws IOException {
        var file = folder.resolve("file");
        AtomicFiles.file(file, Content.of("old"));
        try (var channel = FileChannel.open(file)) {
            var mapped = channel.map(FileChannel.MapMode.READ_ONLY, 0, 3);
            AtomicFiles.file(file, Content.of("completely new"));
            assertEquals('o', mapped.get(0));
        }
        assertEquals("completely new", Files.readString(file));
    }

    private static List<String> names(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }
}
