package dev.panamba.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.model.Config;
import dev.panamba.model.ModelFiles;
import dev.panamba.train.Batches;
import dev.panamba.train.Checkpoint;
import dev.panamba.train.Options;
import dev.panamba.train.Tiny;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whichever change to the disk fails while a checkpoint is saved, links and the removal of old ones included. */
class CheckpointCrashTest {
    private static final Config CONFIG = Tiny.families().getFirst();
    private static final Options OPTIONS = Tiny.options(40, 2, 2, 0.01);

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theOldOrTheNewOneIsGoneOnFrom(boolean forGood) throws IOException {
        var disk = new FaultyFiles(folder);
        var before = folder.resolve("before");
        try (var saved = new Tiny.Training(CONFIG, OPTIONS)) {
            for (int step = 1; step <= 3; step++) {
                saved.trainer.step(Batches.random(256, 16));
                if (step < 3) {
                    Checkpoint.save(before, saved.trainer, null, _ -> {});
                }
            }
            for (int n = 0; ; n++) {
                var training = copy(before, folder.resolve("at-" + n));
                disk.failAt(n, forGood);
                boolean failed = false;
                try {
                    Checkpoint.save(disk.wrap(training), saved.trainer, null, _ -> {});
                } catch (IOException e) {
                    assertTrue(e.getMessage().contains("No space left on device"), e.getMessage());
                    failed = true;
                }
                var changes = List.copyOf(disk.changes());
                disk.failAt(Integer.MAX_VALUE, false);
                check(training, changes);
                if (!failed) {
                    checkOrder(changes);
                    assertEquals(List.of("config.json", "model.safetensors", "step-2", "step-3"), names(training));
                    return;
                }
                // What goes on saves again, and that is whole.
                if (Checkpoint.latest(training).orElseThrow().step() < 3) {
                    Checkpoint.save(training, saved.trainer, null, _ -> {});
                }
                AtomicFiles.clean(training);
                assertEquals(
                        3,
                        Checkpoint.lastGood(training, CheckpointCrashTest::nothing)
                                .orElseThrow()
                                .step());
                check(training, List.of());
            }
        }
    }

    private static Path copy(Path from, Path to) throws IOException {
        try (var files = Files.walk(from)) {
            for (var file : files.toList()) {
                Files.copy(file, to.resolve(from.relativize(file).toString()), LinkOption.NOFOLLOW_LINKS);
            }
        }
        return to;
    }

    private static void nothing(String said) {
        throw new AssertionError(said);
    }

    /** Both by its checkpoints and by its links it is a whole training: weights, moments and step are of one moment. */
    private static void check(Path training, List<String> changes) throws IOException {
        var linked = Files.readSymbolicLink(training.resolve("model.safetensors"));
        assertTrue(Files.exists(training.resolve(linked)), () -> linked + " after " + changes);
        ModelFiles.weights(training, false).close();
        var good = Checkpoint.lastGood(training, CheckpointCrashTest::nothing).orElseThrow();
        assertTrue(good.step() == 2 || good.step() == 3, () -> good.step() + " after " + changes);
        try (var rest = new Tiny.Training(ModelFiles.weights(good.directory(), false), OPTIONS)) {
            good.restore(rest.trainer);
            assertEquals(good.step(), rest.trainer.step());
        }
        assertEquals(
                Path.of("step-" + good.step(), "model.safetensors"),
                Files.readSymbolicLink(training.resolve("model.safetensors")));
    }

    /** Every file is forced before the directory has its name, every name before the links, all before the end. */
    private static void checkOrder(List<String> changes) {
        int move = changes.indexOf("move step-3");
        for (var name :
                List.of("config.json", "model.safetensors", "trainer.safetensors", "trainer.json", "SHA256SUMS")) {
            int forced = changes.indexOf("force " + name);
            assertTrue(forced >= 0 && forced < move, name + " in " + changes);
        }
        assertTrue(changes.get(move + 1).startsWith("force at-"), changes.toString());
        for (var name : List.of("config.json", "model.safetensors")) {
            int link = changes.indexOf("move " + name);
            assertTrue(link > move && changes.get(link + 1).startsWith("force at-"), name + " in " + changes);
        }
    }

    private static List<String> names(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return new ArrayList<>(
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
    }

    /** Without a checkpoint there is nothing that a failure could leave half done. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5})
    void aFirstOneThatFailsLeavesNone(int change) throws IOException {
        var disk = new FaultyFiles(folder);
        try (var training = new Tiny.Training(CONFIG, OPTIONS)) {
            disk.failAt(change, false);
            assertThrows(IOException.class, () -> Checkpoint.save(disk.wrap(folder), training.trainer, null, _ -> {}));
            assertTrue(Checkpoint.latest(folder).isEmpty());
        }
    }
}
