package dev.panamba.io;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.io.AtomicFiles.Content;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import dev.panamba.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whichever change to the disk fails, whenever the process is killed: what is there is whole, what was is kept. */
class AtomicFilesCrashTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void fileSurvivesAFailureOfEveryChange(boolean forGood) throws IOException {
        var disk = new FaultyFiles(folder);
        var file = folder.resolve("config.json");
        for (int n = 0; ; n++) {
            Files.writeString(file, "old");
            disk.failAt(n, forGood);
            var failed = fails(() -> AtomicFiles.file(disk.wrap(file), Content.of("new and longer")));
            // The last change forces the folder: the rename has happened, though whether it lasts is not known.
            var renamed = disk.changes().getLast().equals("force " + folder.getFileName());
            assertEquals(
                    failed && !renamed ? "old" : "new and longer", Files.readString(file), disk.changes()::toString);
            if (!failed) {
                assertEquals(
                        List.of(
                                "create .tmp-config.json",
                                "write .tmp-config.json",
                                "force .tmp-config.json",
                                "move config.json",
                                "force " + folder.getFileName()),
                        disk.changes());
                assertEquals(Map.of("config.json", "new and longer"), contents(folder));
                return;
            }
            disk.failAt(Integer.MAX_VALUE, false);
            AtomicFiles.clean(disk.wrap(folder));
            assertEquals(List.of("config.json"), List.copyOf(contents(folder).keySet()));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void directoryAppearsWholeOrNotAtAll(boolean forGood) throws IOException {
        var disk = new FaultyFiles(folder);
        var old = Files.createDirectory(folder.resolve("step-1"));
        Files.writeString(old.resolve("weights"), "first");
        var directory = folder.resolve("step-2");
        for (int n = 0; ; n++) {
            disk.failAt(n, forGood);
            var failed = fails(() -> AtomicFiles.directory(disk.wrap(directory), checkpoint()));
            var published = disk.changes().contains("move step-2")
                    && disk.changes().getLast().equals("force " + folder.getFileName());
            assertEquals(!failed || published, Files.exists(directory), disk.changes()::toString);
            if (Files.exists(directory)) {
                checkWhole(directory);
            }
            assertEquals("first", Files.readString(old.resolve("weights")));
            if (!failed) {
                checkOrder(disk.changes());
                return;
            }
            // The next attempt must not stumble over what this one left behind.
            if (Files.notExists(directory)) {
                AtomicFiles.directory(directory, checkpoint());
                checkWhole(directory);
            }
            AtomicFiles.retire(directory);
            AtomicFiles.clean(folder);
            assertEquals(Map.of("step-1/weights", "first"), contents(folder));
        }
    }

    /** Each file is on the disk before its directory gets its name, and the name is on the disk at the end. */
    private void checkOrder(List<String> changes) {
        int move = changes.indexOf("move step-2");
        for (var name : List.of("model.safetensors", "trainer.json", "empty")) {
            int forced = changes.indexOf("force " + name);
            assertTrue(forced > changes.lastIndexOf("write " + name), name);
            assertTrue(forced > changes.indexOf("create " + name), name);
            assertTrue(forced < move, name);
        }
        assertEquals("force .tmp-step-2", changes.get(move - 1));
        assertEquals(List.of("force " + folder.getFileName()), changes.subList(move + 1, changes.size()));
    }

    private static Map<String, Content> checkpoint() {
        var files = new LinkedHashMap<String, Content>();
        var data = MemorySegment.ofArray(new byte[] {0, 0, -128, 63});
        files.put(
                "model.safetensors",
                channel -> SafeTensors.write(
                        channel, Map.of(), List.of(new Tensor("w", DType.F32, Shape.of(1), data.asReadOnly()))));
        files.put("trainer.json", Content.of("{\"step\": 2}"));
        files.put("empty", Content.of(""));
        return files;
    }

    private static void checkWhole(Path directory) throws IOException {
        var whole = contents(directory);
        assertEquals(List.of("empty", "model.safetensors", "trainer.json"), List.copyOf(whole.keySet()));
        assertEquals("{\"step\": 2}", whole.get("trainer.json"));
        try (var file = SafeTensors.open(directory.resolve("model.safetensors"));
                var arena = Arena.ofConfined()) {
            var value = arena.allocate(JAVA_FLOAT);
            file.read(file.tensor("w"), value);
            assertEquals(1f, value.get(JAVA_FLOAT, 0));
        }
    }

    /** Ends a process that publishes one directory after another without warning, and reads what it left. */
    @Test
    void killedProcessLeavesOnlyWholeDirectories() throws IOException, InterruptedException {
        int kills = Integer.getInteger("panamba.kills", 8);
        for (int round = 0; round < kills; round++) {
            var process = new ProcessBuilder(
                            Path.of(System.getProperty("java.home"), "bin", "java")
                                    .toString(),
                            "-XX:TieredStopAtLevel=1",
                            "-cp",
                            System.getProperty("java.class.path"),
                            Publisher.class.getName(),
                            folder.toString())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
            // The first published directory says that it is at work.
            process.inputReader().readLine();
            Thread.sleep(3 + 17L * (round % 20));
            process.destroyForcibly();
            assertTrue(process.waitFor(30, TimeUnit.SECONDS));
            AtomicFiles.clean(folder);
            int whole = 0;
            try (var all = Files.newDirectoryStream(folder)) {
                for (var directory : all) {
                    assertFalse(directory.getFileName().toString().startsWith(".tmp-"), directory::toString);
                    checkWhole(directory);
                    whole++;
                }
            }
            assertTrue(whole >= 1, "nothing was published");
        }
    }

    /** Publishes checkpoints until it is killed, and keeps the newest. */
    static final class Publisher {
        private Publisher() {}

        public static void main(String[] arguments) throws IOException {
            var folder = Path.of(arguments[0]);
            AtomicFiles.clean(folder);
            long first = System.nanoTime();
            for (long n = first; ; n++) {
                AtomicFiles.directory(folder.resolve("step-" + n), checkpoint());
                if (n > first) {
                    AtomicFiles.retire(folder.resolve("step-" + (n - 1)));
                } else {
                    System.out.println("published");
                }
            }
        }
    }

    private interface Attempt {
        void run() throws IOException;
    }

    private static boolean fails(Attempt attempt) {
        try {
            attempt.run();
            return false;
        } catch (IOException e) {
            assertTrue(e.getMessage().contains("No space left on device"), e::toString);
            return true;
        }
    }

    private static Map<String, String> contents(Path folder) throws IOException {
        var contents = new TreeMap<String, String>();
        try (var files = Files.walk(folder)) {
            for (var file : files.filter(f -> !Files.isDirectory(f)).toList()) {
                contents.put(folder.relativize(file).toString(), Files.readString(file, StandardCharsets.ISO_8859_1));
            }
        }
        return contents;
    }
}
