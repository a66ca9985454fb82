package dev.panamba.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.train.Checkpoint;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What happens to a process: killed, interrupted, out of room, in a bare environment. */
class ProcessTest {
    @TempDir
    private Path folder;

    private final List<Process> started = new ArrayList<>();
    private Path text;

    @BeforeEach
    void writeText() throws IOException {
        text = Files.writeString(folder.resolve("text.txt"), "The quick brown fox.\n".repeat(300));
    }

    /** A shell that sets something up and then becomes Java, which is to hear an interrupt though a job in the background hears none. */
    private Process start(String before, Object... arguments) throws IOException {
        var words = new ArrayList<>(
                List.of("bash", "-c", before + "; exec /usr/bin/env --default-signal=INT \"$@\"", "bash"));
        words.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        words.addAll(List.of(
                "--enable-native-access=ALL-UNNAMED",
                "--illegal-native-access=deny",
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-XX:-UsePerfData",
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName()));
        Stream.of(arguments).forEach(argument -> words.add(argument.toString()));
        var process = new ProcessBuilder(words)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("output").toFile())
                .start();
        started.add(process);
        return process;
    }

    @AfterEach
    void leaveNothingRunning() {
        started.forEach(Process::destroyForcibly);
    }

    private String output() throws IOException {
        return Files.readString(folder.resolve("output"));
    }

    private Object[] train(Path out, Object... more) {
        return Stream.concat(
                        Stream.of(
                                "train",
                                "--preset",
                                "tiny-moe-mamba",
                                "--data",
                                text,
                                "--out",
                                out,
                                "--batch",
                                2,
                                "--context",
                                16),
                        Stream.of(more))
                .toArray();
    }

    /** Some times in a usual run of the tests, {@code -Dpanamba.kills=200} times in a night. */
    @Test
    void killedAtAnyMomentItGoesOnAndEndsAlike() throws Exception {
        var out = folder.resolve("run");
        var random = new Random(5);
        var same = new Object[] {"--schedule", "constant", "--warmup-steps", 3, "--threads", 2, "--save-every", 2};
        int before = 0;
        int kills = Integer.getInteger("panamba.kills", 12);
        for (int round = 0; round < kills; round++) {
            var begun = Checkpoint.latest(out).isPresent();
            var process = begun
                    ? start(":", "train", "--out", out, "--resume", "--threads", 2, "--save-every", 2)
                    : start(":", train(out, with(same, "--steps", 1_000_000)));
            // Once it saves, at any moment of that.
            int wanted = before + 4;
            while (process.isAlive() && step(out) < wanted) {
                Thread.sleep(2);
            }
            assertTrue(process.isAlive(), () -> "it ended by itself: " + outputOrNothing());
            Thread.sleep(random.nextInt(40));
            process.destroyForcibly().waitFor();
            var latest = Checkpoint.latest(out).orElseThrow();
            assertTrue(latest.step() >= wanted, "a checkpoint was lost");
            before = latest.step();
            var line = Line.run("inspect", latest.directory());
            assertEquals(0, line.exit(), line.err());
            var written = Line.run("generate", "--model", latest.directory(), "--prompt", "a", "--tokens", 1);
            assertEquals(0, written.exit(), written.err());
        }
        var end = Line.run("train", "--out", out, "--resume", "--threads", 2, "--steps", before + 3);
        assertEquals(0, end.exit(), end.err());
        assertEquals(before + 3, Checkpoint.latest(out).orElseThrow().step());
        assertEquals(
                before + 3, Files.readAllLines(out.resolve("metrics.jsonl")).size());
        try (var left = Files.list(out)) {
            var names = left.map(file -> file.getFileName().toString()).toList();
            assertFalse(names.stream().anyMatch(name -> name.startsWith(".tmp-")), names::toString);
            assertEquals(
                    2, names.stream().filter(name -> name.startsWith("step-")).count(), names::toString);
            assertFalse(names.stream().anyMatch(name -> name.startsWith("damaged-")), names::toString);
        }
        var whole = folder.resolve("whole");
        var line = Line.run(train(whole, with(same, "--steps", before + 3)));
        assertEquals(0, line.exit(), line.err());
        assertEquals(timeless(whole), timeless(out), "losses of every step");
        for (var name : List.of("model.safetensors", "trainer.safetensors")) {
            var step = Path.of("step-" + (before + 3), name);
            assertEquals(-1, Files.mismatch(whole.resolve(step), out.resolve(step)), name);
        }
        assertEquals(
                0,
                Line.run("generate", "--model", out, "--prompt", "a", "--tokens", 1)
                        .exit());
    }

    private static Object[] with(Object[] some, Object... more) {
        return Stream.concat(Stream.of(some), Stream.of(more)).toArray();
    }

    /** A second is refused at once, a killed one is in nobody's way. */
    @Test
    void oneTrainsIntoAFolder() throws Exception {
        var out = folder.resolve("run");
        var process = start(":", train(out, "--steps", 1_000_000, "--save-every", 1));
        while (process.isAlive() && step(out) < 2) {
            Thread.sleep(5);
        }
        for (var line : List.of(
                Line.run("train", "--out", out, "--resume", "--steps", 1_000_001),
                Line.run(train(out, "--steps", 1)))) {
            assertEquals(1, line.exit(), line.err());
            assertEquals(1, line.sentences().size(), line.err());
        }
        var second = Line.run("train", "--out", out, "--resume");
        assertTrue(second.err().contains("Another training is at work in " + out), second.err());
        assertTrue(process.isAlive(), output());
        process.destroyForcibly().waitFor();
        int before = step(out);
        assertEquals(
                0,
                Line.run("train", "--out", out, "--resume", "--steps", before + 2)
                        .exit());
        assertEquals(
                before + 2, Files.readAllLines(out.resolve("metrics.jsonl")).size());
    }

    /** Tokens that are cut while a training reads them. */
    @Test
    void aTokenFileThatIsCutEndsInASentence() throws Exception {
        text = Files.writeString(folder.resolve("long.txt"), "The quick brown fox.\n".repeat(20_000));
        var out = folder.resolve("run");
        var process = start(":", train(out, "--steps", 1_000_000, "--save-every", 1));
        while (process.isAlive() && step(out) < 2) {
            Thread.sleep(5);
        }
        try (var channel = FileChannel.open(out.resolve("train.tokens"), StandardOpenOption.WRITE)) {
            channel.truncate(100);
        }
        assertTrue(process.waitFor(30, TimeUnit.SECONDS), "it goes on");
        assertEquals(1, process.exitValue(), output());
        assertOneSentence("train.tokens became shorter");
        int before = step(out);
        Files.delete(out.resolve("train.tokens"));
        var line = Line.run("train", "--out", out, "--resume", "--steps", before + 2);
        assertEquals(0, line.exit(), line.err());
    }

    private static int step(Path out) throws IOException {
        return Checkpoint.latest(out).map(Checkpoint::step).orElse(0);
    }

    private String outputOrNothing() {
        try {
            return output();
        } catch (IOException e) {
            return e.toString();
        }
    }

    @Test
    void interruptedItSavesAndSaysSo() throws Exception {
        var out = folder.resolve("run");
        var process = start(":", train(out, "--steps", 1_000_000, "--save-every", 1_000_000, "--json"));
        while (process.isAlive() && !output().contains("\"step\":20,")) {
            Thread.sleep(5);
        }
        assertTrue(process.isAlive(), output());
        new ProcessBuilder("kill", "-INT", String.valueOf(process.pid()))
                .start()
                .waitFor();
        assertTrue(process.waitFor(20, TimeUnit.SECONDS), "it did not stop");
        assertEquals(130, process.exitValue());
        assertTrue(output().contains("stopped and saved; go on with --resume"), output());
        var latest = Checkpoint.latest(out).orElseThrow();
        assertTrue(latest.step() > 20);
        assertEquals(
                latest.step(), Files.readAllLines(out.resolve("metrics.jsonl")).size());
        assertEquals(
                0,
                Line.run("train", "--out", out, "--resume", "--steps", latest.step() + 1)
                        .exit());
    }

    private Object[] compare(Path out) {
        return new Object[] {
            "compare",
            "--presets",
            "tiny-mamba,tiny-moe-mamba",
            "--data",
            text,
            "--valid",
            text,
            "--out",
            out,
            "--steps",
            200,
            "--batch",
            1,
            "--context",
            8,
            "--save-every",
            20
        };
    }

    /** Killed in its first training and interrupted in its second, it comes to what it would have come to. */
    @Test
    void anEndedComparisonGoesOn() throws Exception {
        var whole = folder.resolve("whole");
        assertEquals(0, Line.run(compare(whole)).exit());
        var out = folder.resolve("run");
        var first = out.resolve("tiny-mamba/seed-1");
        var second = out.resolve("tiny-moe-mamba/seed-1");
        var killed = start(":", compare(out));
        awaitStep(killed, first);
        killed.destroyForcibly().waitFor();
        assertTrue(step(first) < 200, "it was killed too late to tell");
        var interrupted = start(":", compare(out));
        awaitStep(interrupted, second);
        new ProcessBuilder("kill", "-INT", String.valueOf(interrupted.pid()))
                .start()
                .waitFor();
        assertTrue(interrupted.waitFor(20, TimeUnit.SECONDS), "it did not stop");
        assertEquals(130, interrupted.exitValue(), output());
        assertTrue(output().contains("stopped and saved; the same command goes on"), output());
        assertTrue(step(second) < 200, "it was interrupted too late to tell");
        assertFalse(Files.exists(out.resolve("report.md")));
        assertEquals(0, Line.run(compare(out)).exit());
        for (var name : List.of("tiny-mamba/seed-1", "tiny-moe-mamba/seed-1")) {
            assertEquals(timeless(whole.resolve(name)), timeless(out.resolve(name)));
            assertEquals(
                    -1,
                    Files.mismatch(
                            whole.resolve(name).resolve("model.safetensors"),
                            out.resolve(name).resolve("model.safetensors")));
        }
        assertEquals(
                -1,
                Files.mismatch(whole.resolve("tiny-moe-mamba/seed-1/routing.json"), second.resolve("routing.json")));
    }

    private void awaitStep(Process process, Path training) throws Exception {
        while (process.isAlive() && step(training) < 20) {
            Thread.sleep(2);
        }
        assertTrue(process.isAlive(), () -> "it ended by itself: " + outputOrNothing());
    }

    private static List<String> timeless(Path training) throws IOException {
        return Files.readAllLines(training.resolve("metrics.jsonl")).stream()
                .map(line -> line.replaceFirst("\"tokens_per_s\":\\d+,", ""))
                .toList();
    }

    /** A file above the limit fails to be written as on a full disk. */
    @Test
    void withoutRoomItSaysSoAndKeepsWhatWasSaved() throws Exception {
        var out = folder.resolve("run");
        assertEquals(0, Line.run(train(out, "--steps", 2)).exit());
        var process = start("ulimit -f 300", train(out, "--steps", 4, "--resume"));
        assertEquals(1, process.waitFor(), output());
        assertOneSentence("cannot be written");
        assertEquals(2, Checkpoint.latest(out).orElseThrow().step());
        var room = start("ulimit -f 8", train(folder.resolve("none"), "--steps", 1));
        assertEquals(1, room.waitFor(), output());
        assertOneSentence("");
        var end = Line.run("train", "--out", out, "--resume", "--steps", 4);
        assertEquals(0, end.exit(), end.err());
        try (var left = Files.list(out)) {
            assertTrue(left.noneMatch(file -> file.getFileName().toString().startsWith(".tmp-")));
        }
    }

    @Test
    void whereNothingCanBeWrittenItSaysSo() throws Exception {
        var process = start(":", train(Path.of("/proc/panamba"), "--steps", 1));
        assertEquals(1, process.waitFor(), output());
        assertOneSentence("/proc/panamba");
    }

    private void assertOneSentence(String word) throws IOException {
        var sentences =
                output().lines().filter(line -> line.startsWith("panamba: ")).toList();
        assertEquals(1, sentences.size(), output());
        assertTrue(sentences.getFirst().contains(word), output());
        assertFalse(output().contains("\tat "), output());
    }

    /** Whatever a command prints: on a full disk it does not end well. */
    @Test
    void whatCannotBePrintedIsSaid() throws Exception {
        var out = folder.resolve("run");
        assertEquals(0, Line.run(train(out, "--steps", 1)).exit());
        for (var command : List.<Object[]>of(
                new Object[] {"help"},
                new Object[] {"train", "--help"},
                new Object[] {"doctor"},
                new Object[] {"inspect", out},
                new Object[] {"inspect", out.resolve("model.safetensors"), "--json"},
                new Object[] {"eval", "--model", out, "--data", text},
                new Object[] {"generate", "--model", out, "--prompt", "a", "--tokens", 1_000_000},
                train(folder.resolve("full"), "--steps", 1_000_000, "--json"))) {
            var process = start("exec > /dev/full", command);
            assertTrue(process.waitFor(60, TimeUnit.SECONDS), () -> command[0] + " goes on for nobody");
            assertEquals(1, process.exitValue(), output());
            assertOneSentence("Standard output cannot be written: ");
        }
    }

    @Test
    void nothingIsWrittenForAReaderThatHasGone() throws Exception {
        var out = folder.resolve("run");
        assertEquals(0, Line.run(train(out, "--steps", 1)).exit());
        var endless = new Object[] {"generate", "--model", out, "--prompt", "a", "--tokens", 1_000_000};
        for (var command : List.of(endless, train(folder.resolve("json"), "--steps", 1_000_000, "--json"))) {
            var process = start("exec > >(head -c 100 > /dev/null)", command);
            assertTrue(process.waitFor(60, TimeUnit.SECONDS), () -> command[0] + " goes on for nobody");
            assertEquals(1, process.exitValue(), output());
            assertOneSentence("Standard output cannot be written: ");
        }
        // A training's progress is all that it says.
        var training =
                start("exec 2> >(head -c 100 > /dev/null)", train(folder.resolve("progress"), "--steps", 1_000_000));
        assertTrue(training.waitFor(60, TimeUnit.SECONDS), "a training goes on for nobody");
        assertEquals(1, training.exitValue(), output());
    }

    /** What is said beside the result may be lost. */
    @Test
    void aFullLogEndsNoTraining() throws Exception {
        var training = start("exec 2> /dev/full", train(folder.resolve("run"), "--steps", 2));
        assertEquals(0, training.waitFor(), output());
    }

    @Test
    void withoutAHomeNoFolderIsMadeForIt() throws Exception {
        var process = start(
                "export JAVA_TOOL_OPTIONS=-Duser.home=?; unset XDG_CACHE_HOME PANAMBA_CACHE",
                train(folder.resolve("run"), "--steps", 1));
        assertEquals(0, process.waitFor(), output());
        try (var files = Files.list(folder)) {
            assertEquals(
                    List.of("output", "run", "text.txt"),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
    }

    @Test
    void errorsAreSentences() throws Exception {
        var level = start("export PANAMBA_CPU_LEVEL=fast", "doctor");
        assertEquals(1, level.waitFor(), output());
        assertOneSentence("PANAMBA_CPU_LEVEL is 'fast' and must be one of v2, v3, v4, vnni");
        var small = start("export JAVA_TOOL_OPTIONS=-Xmx12m", "inspect", deep());
        assertEquals(1, small.waitFor(), output());
        assertOneSentence("not enough memory");
    }

    /** A mapped file that loses its end is a fault of the memory, which the JVM makes an error of. */
    private Path deep() throws IOException {
        var model = Files.createDirectory(folder.resolve("deep"));
        Files.writeString(model.resolve("config.json"), """
                {"model_type": "panamba", "family": "mamba", "vocab_size": 256, "hidden_size": 4, "num_blocks": 10000}
                """);
        return model;
    }

    @Test
    void aBareEnvironmentIsEnough() throws Exception {
        var out = folder.resolve("имя 名");
        assertEquals(0, Line.run(train(out, "--steps", 1)).exit());
        var process = start(
                "unset $(compgen -e); export LC_ALL=C.UTF-8 XDG_CACHE_HOME=" + folder.resolve("cache"),
                "generate",
                "--model",
                out,
                "--prompt",
                "naïve 😀",
                "--tokens",
                3);
        assertEquals(0, process.waitFor(), output());
        assertTrue(output().startsWith("naïve 😀"), output());
        var bytes = Files.readAllBytes(folder.resolve("output"));
        assertEquals(output(), new String(bytes, StandardCharsets.UTF_8));
    }
}
