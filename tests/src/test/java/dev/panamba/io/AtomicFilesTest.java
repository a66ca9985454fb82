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
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
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
            Files.delete(temporaries().getFirst());
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
        AtomicFiles.clean(folder);
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

    private List<Path> temporaries() throws IOException {
        try (var files = Files.newDirectoryStream(folder, ".tmp-*")) {
            return StreamSupport.stream(files.spliterator(), false).toList();
        }
    }

    @Test
    void linksStayAndTheirFilesAreReplaced() throws IOException {
        var other = Files.createDirectory(folder.resolve("other"));
        var file = Files.writeString(other.resolve("file"), "old");
        var relative = Files.createSymbolicLink(folder.resolve("relative"), Path.of("other/file"));
        var chain = Files.createSymbolicLink(folder.resolve("chain"), relative.toAbsolutePath());
        var folderLink = Files.createSymbolicLink(folder.resolve("folder"), Path.of("other"));
        for (var link : List.of(relative, chain, folderLink.resolve("file"), folderLink.resolve("../chain"))) {
            AtomicFiles.file(link, Content.of(link.toString()));
            assertEquals(link.toString(), Files.readString(file));
        }
        for (var link : List.of(relative, chain, folderLink)) {
            assertTrue(Files.isSymbolicLink(link), link::toString);
        }
        var dangling = Files.createSymbolicLink(folder.resolve("dangling"), Path.of("other/new"));
        AtomicFiles.file(dangling, Content.of("new"));
        assertTrue(Files.isSymbolicLink(dangling));
        assertEquals("new", Files.readString(other.resolve("new")));
        assertEquals(List.of("file", "new"), names(other));
        var loop = Files.createSymbolicLink(folder.resolve("loop"), Path.of("loop"));
        var nowhere = Files.createSymbolicLink(folder.resolve("nowhere"), Path.of("missing/file"));
        for (var link : List.of(loop, nowhere)) {
            var e = assertThrows(IOException.class, () -> AtomicFiles.file(link, Content.of("a")));
            assertTrue(e.getMessage().startsWith(link + " cannot be written: "), e.getMessage());
            assertTrue(Files.isSymbolicLink(link));
        }
        assertEquals(List.of("chain", "dangling", "folder", "loop", "nowhere", "other", "relative"), names(folder));
    }

    @Test
    void aFolderBehindALinkIsNotTheOneBeforeIt() throws IOException {
        Files.createDirectories(folder.resolve("a/b"));
        Files.createSymbolicLink(folder.resolve("link"), Path.of("a/b"));
        AtomicFiles.file(folder.resolve("link/../file"), Content.of("new"));
        assertEquals("new", Files.readString(folder.resolve("a/file")));
        AtomicFiles.directory(folder.resolve("link/../new"), Map.of("a", Content.of("a")));
        assertEquals("a", Files.readString(folder.resolve("a/new/a")));
    }

    @Test
    void aDirectoryIsPublishedThroughALink() throws IOException {
        var empty = Files.createDirectory(folder.resolve("empty"));
        var link = Files.createSymbolicLink(folder.resolve("link"), Path.of("empty"));
        AtomicFiles.directory(link, Map.of("a", Content.of("a")));
        assertTrue(Files.isSymbolicLink(link));
        assertEquals("a", Files.readString(empty.resolve("a")));
        assertEquals(List.of("empty", "link"), names(folder));
    }

    /** A pipe that nobody reads would be waited for, and a rename would put a file in the place of a device. */
    @Test
    void whatIsNoFileIsRefusedAndStays() throws IOException, InterruptedException {
        var pipe = folder.resolve("pipe");
        var device = folder.resolve("device");
        assertEquals(0, make("mkfifo", pipe.toString()));
        // Only root makes devices; this one is like that of /dev/null.
        var made = make("mknod", device.toString(), "c", "1", "3") == 0;
        var link = Files.createSymbolicLink(folder.resolve("link"), Path.of("pipe"));
        for (var special : made ? List.of(pipe, device, link) : List.of(pipe, link)) {
            var key = Files.readAttributes(special, BasicFileAttributes.class).fileKey();
            var e = assertThrows(IOException.class, () -> AtomicFiles.file(special, Content.of("a")));
            assertTrue(
                    e.getMessage().startsWith(special + " cannot be written: it is a device, a pipe"), e.getMessage());
            assertThrows(IOException.class, () -> AtomicFiles.checkFile(special));
            assertThrows(IOException.class, () -> AtomicFiles.directory(special, Map.of()));
            assertEquals(
                    key,
                    Files.readAttributes(special, BasicFileAttributes.class).fileKey());
        }
    }

    private static int make(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command).start().waitFor();
    }

    @Test
    void whatIsTemporaryIsNewAndCannotBeGuessed() throws IOException {
        var file = folder.resolve("file");
        var seen = new HashSet<String>();
        Content watching = channel ->
                temporaries().forEach(path -> seen.add(path.getFileName().toString()));
        for (int i = 0; i < 3; i++) {
            AtomicFiles.file(file, watching);
        }
        for (int i = 0; i < 3; i++) {
            AtomicFiles.directory(folder.resolve("new-" + i), Map.of("a", watching));
        }
        assertEquals(6, seen.size(), seen::toString);
        // Whoever guesses it all the same gets nothing written where his link leads to.
        var victim = Files.writeString(folder.resolve("victim"), "mine");
        var disk = new FaultyFiles(folder);
        disk.plant(victim);
        var e = assertThrows(IOException.class, () -> AtomicFiles.file(disk.wrap(file), Content.of("planted")));
        assertTrue(e.getMessage().startsWith(file + " cannot be written: "), e.getMessage());
        assertEquals("mine", Files.readString(victim));
    }

    @Test
    void aFileKeepsItsPermissions() throws IOException {
        var file = Files.writeString(folder.resolve("file"), "old");
        for (var permissions : List.of("rw-------", "rw-rw-rw-", "r--r--r--")) {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
            AtomicFiles.file(
                    file,
                    channel -> assertEquals(
                            permissions,
                            PosixFilePermissions.toString(
                                    Files.getPosixFilePermissions(temporaries().getFirst()))));
            assertEquals(permissions, PosixFilePermissions.toString(Files.getPosixFilePermissions(file)));
        }
    }

    @Test
    void anInterruptedThreadIsToldSo() throws IOException {
        Thread.currentThread().interrupt();
        var e = assertThrows(IOException.class, () -> AtomicFiles.file(folder.resolve("file"), Content.of("a")));
        assertTrue(Thread.interrupted());
        assertTrue(e.getMessage().contains("interrupted"), e.getMessage());
        assertEquals(List.of(), names(folder));
    }

    private static List<String> names(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(f -> f.getFileName().toString()).sorted().toList();
        }
    }
}
