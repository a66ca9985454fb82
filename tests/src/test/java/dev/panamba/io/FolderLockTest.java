package dev.panamba.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** One holder at a time, in this process and in others, as long as it lives. */
class FolderLockTest {
    @TempDir
    private Path folder;

    @Test
    void aSecondIsRefusedAtOnceUntilTheFirstIsClosed() throws IOException {
        for (int round = 0; round < 3; round++) {
            try (var _ = FolderLock.of(folder)) {
                refused();
                try (var other = FolderLock.of(Files.createTempDirectory(folder, "other"))) {
                    assertTrue(other != null, "another folder has another lock");
                }
                refused();
            }
        }
    }

    private void refused() {
        var refused = assertThrows(IOException.class, () -> FolderLock.of(folder));
        assertTrue(refused.getMessage().contains("at work in " + folder), refused.getMessage());
    }

    @Test
    void itGoesWithItsProcess() throws Exception {
        var process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Holder.class.getName(),
                        folder.toString())
                .start();
        try {
            assertEquals("held", process.inputReader().readLine());
            refused();
        } finally {
            process.destroyForcibly();
            assertTrue(process.waitFor(30, TimeUnit.SECONDS));
        }
        assertTrue(Files.exists(folder.resolve(".lock")), "the file stays");
        FolderLock.of(folder).close();
    }

    /** Holds a lock until it is killed. */
    static final class Holder {
        private Holder() {}

        public static void main(String[] arguments) throws Exception {
            try (var _ = FolderLock.of(Path.of(arguments[0]))) {
                System.out.println("held");
                Thread.sleep(60_000);
            }
        }
    }

    @Test
    @Timeout(20)
    void whatIsNoFileIsNotLocked() throws Exception {
        var lock = folder.resolve(".lock");
        var elsewhere = folder.resolve("elsewhere");
        Files.createSymbolicLink(lock, elsewhere);
        assertTrue(assertThrows(IOException.class, () -> FolderLock.of(folder))
                .getMessage()
                .contains("no regular file"));
        assertFalse(Files.exists(elsewhere));
        Files.delete(lock);
        assertEquals(0, new ProcessBuilder("mkfifo", lock.toString()).start().waitFor());
        assertThrows(IOException.class, () -> FolderLock.of(folder));
        Files.delete(lock);
        Files.createDirectory(lock);
        assertThrows(IOException.class, () -> FolderLock.of(folder));
    }
}
