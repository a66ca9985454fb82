package dev.panamba.train;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.io.Digests;
import dev.panamba.model.Config;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Weights;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A checkpoint is what was saved, or the one before it is gone on from. */
class CheckpointTest {
    private static final Config CONFIG = new Config(
            4,
            4,
            1,
            new Config.Mamba(4, 1, 2, 1, false, true),
            new Config.None(),
            false,
            Config.Norm.LAYER,
            1e-5,
            false,
            false,
            Config.Position.NONE,
            0);
    /** What a byte can be changed by. */
    private static final int[] ALL = {1, 2, 4, 8, 16, 32, 64, 128, 255};

    private static final Options OPTIONS = Tiny.options(40, 2, 2, 0.01);

    @TempDir
    private Path folder;

    private final List<String> said = new ArrayList<>();

    @BeforeEach
    void saveAtStepsTwoAndFour() throws IOException {
        try (var training = new Tiny.Training(CONFIG, OPTIONS)) {
            for (int step = 1; step <= 4; step++) {
                training.trainer.step(Batches.random(4, 16));
                if (step % 2 == 0) {
                    Checkpoint.save(folder, training.trainer, null, settings -> settings.put("word", "kept"));
                }
            }
        }
    }

    private Path newest(String file) {
        return folder.resolve("step-4").resolve(file);
    }

    private Checkpoint lastGood() throws IOException {
        return Checkpoint.lastGood(folder, said::add).orElseThrow();
    }

    private IOException refused() throws IOException {
        remove("step-2");
        return assertThrows(IOException.class, this::lastGood);
    }

    private void remove(String directory) throws IOException {
        try (var files = Files.list(folder.resolve(directory))) {
            for (var file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder.resolve(directory));
    }

    private List<String> names() throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    @Test
    void theManifestHasADigestOfEveryOtherFile() throws IOException {
        var lines = Files.readAllLines(newest(Digests.FILE));
        var files = new ArrayList<String>();
        for (var line : lines) {
            var file = line.substring(66);
            files.add(file);
            assertEquals(Digests.of(newest(file)) + "  " + file, line);
        }
        try (var all = Files.list(folder.resolve("step-4"))) {
            files.add(Digests.FILE);
            assertEquals(
                    files.stream().sorted().toList(),
                    all.map(file -> file.getFileName().toString()).sorted().toList());
        }
        assertEquals(4, lastGood().step());
        assertEquals(List.of(), said);
    }

    /** The command's own example, so that both agree on what SHA-256 is. */
    @Test
    void aDigestIsThatOfSha256sum() throws IOException {
        var file = Files.writeString(folder.resolve("abc"), "abc");
        assertEquals("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", Digests.of(file));
    }

    /** The smallest checkpoint there is, byte by byte. */
    @Test
    void everyFlipAndEveryCutIsRefused() throws IOException {
        remove("step-2");
        int tried = 0;
        for (var name :
                List.of(Digests.FILE, "config.json", "model.safetensors", "trainer.safetensors", "trainer.json")) {
            var file = newest(name);
            var whole = Files.readAllBytes(file);
            try (var channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
                for (int i = 0; i < whole.length; i++) {
                    for (int change : name.equals(Digests.FILE) ? ALL : new int[] {1 << i % 8}) {
                        channel.write(ByteBuffer.wrap(new byte[] {(byte) (whole[i] ^ change)}), i);
                        var where = name + ", byte " + i + " ^ " + change;
                        assertThrows(IOException.class, this::lastGood, where);
                        tried++;
                    }
                    channel.write(ByteBuffer.wrap(whole, i, 1), i);
                }
                for (int i = whole.length - 1; i >= 0; i--) {
                    channel.truncate(i);
                    assertThrows(IOException.class, this::lastGood, name + " of " + i + " bytes");
                }
            }
            Files.write(file, Arrays.copyOf(whole, whole.length + 1));
            assertThrows(IOException.class, this::lastGood, name + " and a byte");
            Files.delete(file);
            assertThrows(IOException.class, this::lastGood, name + " is missing");
            Files.write(file, whole);
        }
        assertTrue(tried > 4096, "only " + tried);
        assertEquals(4, lastGood().step());
        assertEquals(List.of("config.json", "model.safetensors", "step-4"), names());
    }

    @Test
    void filesOfAnotherStepOrModelAreRefused() throws IOException {
        for (var name : List.of("model.safetensors", "trainer.safetensors", "trainer.json")) {
            var own = Files.readAllBytes(newest(name));
            Files.copy(
                    folder.resolve("step-2").resolve(name),
                    Files.createTempDirectory(folder, "x").resolve(name));
            Files.write(
                    newest(name), Files.readAllBytes(folder.resolve("step-2").resolve(name)));
            var bad = assertThrows(IOException.class, () -> check("step-4"));
            assertTrue(bad.getMessage().contains(newest(name) + " is damaged"), bad.getMessage());
            Files.write(newest(name), own);
        }
        Files.writeString(
                newest("config.json"), Files.readString(newest("config.json")).replace("1.0E-5", "1.0E-6"));
        assertThrows(IOException.class, () -> check("step-4"));
    }

    /** As lastGood does it where there is nothing to go back to. */
    private void check(String directory) throws IOException {
        var alone = Files.createTempDirectory(folder, "alone");
        Files.createSymbolicLink(alone.resolve(directory), folder.resolve(directory));
        try {
            Checkpoint.lastGood(alone, said::add);
        } catch (IOException e) {
            throw new IOException(e.getMessage().replace(alone.toString(), folder.toString()), e);
        }
    }

    @Test
    void aTokenizerThatWasNotSavedIsRefused() throws IOException {
        Files.writeString(newest("tokenizer.json"), "{}");
        assertTrue(refused().getMessage().contains("tokenizer.json is not in SHA256SUMS"));
    }

    @Test
    void aDamagedOneIsKeptAndTheOneBeforeGoneOnFrom() throws IOException {
        var bytes = Files.readAllBytes(newest("trainer.safetensors"));
        bytes[bytes.length - 1] ^= 1;
        Files.write(newest("trainer.safetensors"), bytes);
        var good = lastGood();
        assertEquals(2, good.step());
        assertEquals(1, said.size());
        assertTrue(
                said.getFirst().contains("trainer.safetensors is damaged")
                        && said.getFirst().contains("kept as damaged-step-4")
                        && said.getFirst().contains("goes on from step 2"),
                said.getFirst());
        assertEquals(List.of("config.json", "damaged-step-4", "model.safetensors", "step-2"), names());
        assertEquals(
                Path.of("step-2", "model.safetensors"), Files.readSymbolicLink(folder.resolve("model.safetensors")));
        try (var training = new Tiny.Training(ModelFiles.weights(good.directory(), false), OPTIONS)) {
            good.restore(training.trainer);
            training.trainer.step(Batches.random(4, 16));
            Checkpoint.save(folder, training.trainer, null, _ -> {});
        }
        assertEquals(3, lastGood().step());
        // A second one of the same step does not overwrite the first.
        Files.write(folder.resolve("step-3/config.json"), new byte[0]);
        Files.move(folder.resolve("step-3"), folder.resolve("step-4"));
        assertEquals(2, lastGood().step());
        assertTrue(names().containsAll(List.of("damaged-step-4", "damaged-step-4-2")), names().toString());
    }

    @Test
    void whereNoneIsGoodNothingIsChanged() throws IOException {
        for (var step : List.of("step-2", "step-4")) {
            Files.write(folder.resolve(step).resolve("config.json"), new byte[0]);
        }
        var refused = assertThrows(IOException.class, this::lastGood);
        assertTrue(refused.getMessage().contains(newest("config.json").toString()), refused.getMessage());
        assertEquals(List.of("config.json", "model.safetensors", "step-2", "step-4"), names());
    }

    /** With a manifest that agrees: what is in it is no training to go on with. */
    @Test
    void aNanInAMomentOrAWeightIsGoneBackFrom() throws IOException {
        for (var name : List.of("trainer.safetensors", "model.safetensors")) {
            for (float wrong : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
                var whole = Files.readAllBytes(newest(name));
                int first = 8
                        + ByteBuffer.wrap(whole).order(ByteOrder.LITTLE_ENDIAN).getInt();
                for (int at : new int[] {first, whole.length - 4}) {
                    var bytes = ByteBuffer.wrap(whole.clone()).order(ByteOrder.LITTLE_ENDIAN);
                    bytes.putFloat(at, wrong);
                    Files.write(newest(name), bytes.array());
                    Seal.again(folder.resolve("step-4"));
                    var bad = assertThrows(IOException.class, () -> check("step-4"));
                    assertTrue(bad.getMessage().contains("a NaN or an infinity in "), bad.getMessage());
                }
                Files.write(newest(name), whole);
            }
        }
        var bytes = Files.readAllBytes(newest("trainer.safetensors"));
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putFloat(bytes.length - 4, Float.NaN);
        Files.write(newest("trainer.safetensors"), bytes);
        Seal.again(folder.resolve("step-4"));
        assertEquals(2, lastGood().step());
    }

    @Test
    void oneWithoutDigestsIsOldOrDamaged() throws IOException {
        Files.delete(newest(Digests.FILE));
        var trainer = Files.readString(newest("trainer.json"));
        var bad = assertThrows(IOException.class, () -> check("step-4"));
        assertTrue(bad.getMessage().contains("has no SHA256SUMS"), bad.getMessage());
        Files.writeString(newest("trainer.json"), trainer.replaceFirst("\"format\" : 2,", ""));
        assertEquals(4, lastGood().step());
        assertTrue(said.getFirst().contains("older version, without digests"), said.getFirst());
    }

    @Test
    void restoringComparesToo() throws IOException {
        var checkpoint = Checkpoint.latest(folder).orElseThrow();
        try (var training = new Tiny.Training(ModelFiles.weights(checkpoint.directory(), false), OPTIONS)) {
            var bytes = Files.readAllBytes(newest("model.safetensors"));
            bytes[bytes.length - 1] ^= 1;
            Files.write(newest("model.safetensors"), bytes);
            assertThrows(IOException.class, () -> checkpoint.restore(training.trainer));
            assertEquals(0, training.trainer.step());
        }
    }

    @Test
    void whatIsNoNumberIsNotSaved() throws IOException {
        try (var weights = Weights.random(CONFIG, 1)) {
            for (var tensor : weights.tensors()) {
                assertTrue(tensor.isFinite());
            }
        }
        try (var training = new Tiny.Training(CONFIG, OPTIONS)) {
            training.trainer.resumeAt(6);
            var places = new ArrayList<>(training.trainer.momentTensors());
            places.addAll(training.weights.tensors());
            for (var tensor : places) {
                for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
                    long last = tensor.shape().elements() - 1;
                    var was = tensor.data().getAtIndex(JAVA_FLOAT, last);
                    tensor.data().setAtIndex(JAVA_FLOAT, last, wrong);
                    var refused = assertThrows(
                            ArithmeticException.class, () -> Checkpoint.save(folder, training.trainer, null, _ -> {}));
                    assertTrue(refused.getMessage().contains(tensor.name() + " holds"), refused.getMessage());
                    tensor.data().setAtIndex(JAVA_FLOAT, last, was);
                }
            }
            assertFalse(Files.exists(folder.resolve("step-6")));
            assertEquals(List.of("config.json", "model.safetensors", "step-2", "step-4"), names());
            Checkpoint.save(folder, training.trainer, null, _ -> {});
            assertEquals(6, lastGood().step());
        }
    }
}
