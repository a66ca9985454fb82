package dev.panamba.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.io.SafeTensors;
import dev.panamba.model.Presets;
import dev.panamba.tensor.Shape;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Every command does what it is for, on a tiny model. */
class CommandsTest {
    @TempDir
    private static Path folder;

    private static Path text;
    private static Path model;

    @BeforeAll
    static void train() throws IOException {
        text = Files.writeString(folder.resolve("text.txt"), "The quick brown fox — naïve.\n".repeat(100));
        model = folder.resolve("model");
        var line = Line.run(
                "train",
                "--preset",
                "tiny-moe-mamba",
                "--data",
                text,
                "--valid",
                text,
                "--out",
                model,
                "--steps",
                12,
                "--batch",
                2,
                "--context",
                32,
                "--save-every",
                5,
                "--json");
        assertEquals(0, line.exit(), line.err());
        assertEquals(12, line.json().size());
        for (int i = 0; i < 12; i++) {
            var metrics = line.json().get(i);
            assertEquals(i, metrics.path("step").asInt());
            for (var field : List.of("loss", "aux", "grad_norm", "lr", "dropped", "tokens_per_s")) {
                assertTrue(metrics.path(field).isNumber(), field);
            }
            assertEquals(8, metrics.path("load").size());
        }
        assertTrue(line.json().getLast().path("valid_loss").isNumber());
        assertEquals(line.out(), Files.readString(model.resolve("metrics.jsonl")), "the same lines are kept");
        for (var name : List.of("config.json", "model.safetensors", "loss.png", "experts.png", "step-10", "step-12")) {
            assertTrue(Files.exists(model.resolve(name)), name);
        }
        assertFalse(Files.exists(model.resolve("step-0")) || Files.exists(model.resolve("step-5")));
    }

    static List<String> commands() {
        return Main.COMMANDS;
    }

    @ParameterizedTest
    @MethodSource("commands")
    void everyCommandExplainsItself(String command) {
        var help = Line.run("help", command);
        assertEquals(0, help.exit());
        assertTrue(help.out().contains("Usage: panamba " + command), help.out());
        var option = Line.run(command, "--help");
        assertEquals(0, option.exit(), option.err());
        assertEquals(help.out(), option.out());
        assertEquals("", help.err());
        assertFalse(help.out().contains("null") || help.out().contains("${"), help.out());
    }

    @Test
    void panambaExplainsItself() {
        for (var arguments : List.of(new Object[] {"--help"}, new Object[] {"-h"}, new Object[] {"help"})) {
            var help = Line.run(arguments);
            assertEquals(0, help.exit());
            for (var command : commands()) {
                assertTrue(help.out().contains("  " + command + " "), command);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"constant", "COSINE"})
    void resumedTrainingGoesOn(String schedule) throws IOException {
        var out = folder.resolve("resumed-" + schedule);
        var options = new Object[] {
            "train",
            "--preset",
            "tiny-mamba",
            "--data",
            text,
            "--out",
            out,
            "--steps",
            4,
            "--batch",
            2,
            "--context",
            16,
            "--micro-batch",
            1,
            "--schedule",
            schedule,
            "--order",
            "sequential",
            "--decay",
            "matrices",
            "--lr",
            1e-3,
            "--warmup-steps",
            2,
            "--min-lr-ratio",
            0.5,
            "--weight-decay",
            0.01,
            "--clip",
            1,
            "--beta1",
            0.8,
            "--beta2",
            0.9,
            "--eps",
            1e-7,
            "--seed",
            4,
            "--threads",
            1
        };
        assertEquals(0, Line.run(options).exit());
        var more = Line.run("train", "--out", out, "--resume", "--steps", 6, "--json");
        assertEquals(0, more.exit(), more.err());
        assertEquals(2, more.json().size());
        assertEquals(4, more.json().getFirst().path("step").asInt());
        if (schedule.equals("constant")) {
            assertEquals(1e-3, more.json().getLast().path("lr").asDouble(), 1e-12);
        }
        assertEquals(6, Files.readAllLines(out.resolve("metrics.jsonl")).size());
        var again = Line.run("train", "--out", out, "--resume", "--preset", "tiny-mamba");
        assertEquals(0, again.exit(), again.err());
        assertEquals("", again.out());
        var settings = Files.readString(out.resolve("step-6/trainer.json"));
        for (var kept :
                List.of("\"micro_batch\" : 1", "\"order\" : \"sequential\"", "\"seed\" : 4", "\"eps\" : 1.0E-7")) {
            assertTrue(settings.contains(kept), settings);
        }
    }

    @Test
    void theSameCommandGivesTheSameBytes() throws IOException {
        for (var name : List.of("a", "b")) {
            var line = Line.run(
                    "train",
                    "--preset",
                    "tiny-parallel-moe-mamba",
                    "--data",
                    text,
                    "--out",
                    folder.resolve(name),
                    "--steps",
                    5,
                    "--batch",
                    2,
                    "--context",
                    32,
                    "--threads",
                    2);
            assertEquals(0, line.exit(), line.err());
        }
        for (var file : List.of("model.safetensors", "trainer.safetensors")) {
            assertEquals(
                    -1,
                    Files.mismatch(
                            folder.resolve("a/step-5").resolve(file),
                            folder.resolve("b/step-5").resolve(file)));
        }
    }

    @Test
    void trainingBeginsAtAConfigurationOrAModel() throws IOException {
        for (var start : List.of(List.of("--config", model.resolve("config.json")), List.of("--init", model))) {
            var out = folder.resolve("from" + start.getFirst());
            var line = Line.run(
                    "train",
                    start.get(0),
                    start.get(1),
                    "--data",
                    text,
                    "--out",
                    out,
                    "--steps",
                    2,
                    "--batch",
                    2,
                    "--context",
                    16);
            assertEquals(0, line.exit(), line.err());
            assertEquals(-1, Files.mismatch(model.resolve("config.json"), out.resolve("config.json")));
        }
    }

    @Test
    void aTokenizerGoesWithItsModel() throws Exception {
        var tokenizer = Path.of(
                CommandsTest.class.getResource("../text/small-tokenizer.json").toURI());
        var out = folder.resolve("bpe");
        var line = Line.run(
                "train",
                "--preset",
                "tiny-mamba",
                "--data",
                text,
                "--out",
                out,
                "--tokenizer",
                tokenizer,
                "--steps",
                3,
                "--batch",
                2,
                "--context",
                16);
        assertEquals(0, line.exit(), line.err());
        assertEquals(-1, Files.mismatch(tokenizer, out.resolve("tokenizer.json")));
        assertEquals(
                0, Line.run("train", "--out", out, "--resume", "--steps", 4).exit());
        var other = Line.run("train", "--out", out, "--resume", "--steps", 5, "--tokenizer", "bytes");
        assertEquals(1, other.exit());
        assertTrue(other.err().contains("begun with another tokenizer"), other.err());
        var written = Line.run("generate", "--model", out, "--prompt", "The 😀", "--tokens", 5);
        assertEquals(0, written.exit(), written.err());
        assertTrue(written.out().startsWith("The 😀"), written.out());
        var measured = Line.run("eval", "--model", out, "--data", text, "--json");
        assertTrue(measured.json().getFirst().path("bits_per_byte").asDouble()
                < measured.json().getFirst().path("nats_per_token").asDouble() / Math.log(2));
    }

    @Test
    void generatedTextGoesOnFromThePrompt() {
        var state = folder.resolve("state");
        var whole = Line.run("generate", "--model", model, "--prompt", "naïve ", "--tokens", 12, "--temperature", 0);
        assertEquals(0, whole.exit(), whole.err());
        assertTrue(whole.out().startsWith("naïve "), whole.out());
        assertTrue(whole.err().startsWith("12 tokens, "), whole.err());
        var first = Line.run(
                "generate",
                "--model",
                model,
                "--prompt",
                "naïve ",
                "--tokens",
                5,
                "--temperature",
                0,
                "--save-state",
                state,
                "--json");
        var second = Line.run(
                "generate",
                "--model",
                model,
                "--tokens",
                7,
                "--temperature",
                0,
                "--load-state",
                state,
                "--json",
                "--map");
        assertEquals(0, second.exit(), second.err());
        assertEquals(5, first.json().size());
        assertEquals(7, second.json().size());
        var bytes = new java.io.ByteArrayOutputStream();
        first.json().forEach(token -> bytes.write(token.path("token").asInt()));
        second.json().forEach(token -> bytes.write(token.path("token").asInt()));
        var pieces = new StringBuilder("naïve ");
        var decoder = dev.panamba.text.Tokenizers.bytes().decoder();
        for (byte b : bytes.toByteArray()) {
            pieces.append(decoder.append(b & 0xFF));
        }
        assertEquals(whole.out().stripTrailing(), pieces.toString().stripTrailing());
        for (var prompt : new String[] {"-h is help", "--tokens", "-json", "\"quoted\""}) {
            var asked = Line.run("generate", "--model", model, "--prompt=" + prompt, "--tokens", 0);
            assertEquals(prompt + "\n", asked.out());
        }
        var none = Line.run("generate", "--model", model, "--prompt", "a", "--tokens", 0);
        assertEquals(0, none.exit());
        assertEquals("a", none.out().strip());
    }

    @Test
    void theSameSeedWritesTheSame() {
        var texts = new java.util.HashSet<String>();
        for (int seed : new int[] {1, 1, 2}) {
            texts.add(Line.run(
                            "generate",
                            "--model",
                            model,
                            "--prompt",
                            "T",
                            "--tokens",
                            30,
                            "--seed",
                            seed,
                            "--top-k",
                            50,
                            "--top-p",
                            0.9,
                            "--temperature",
                            0.8)
                    .out());
        }
        assertEquals(2, texts.size());
    }

    @Test
    void evalSaysThreeNumbers() {
        var words = Line.run("eval", "--model", model, "--data", text, "--context", 64);
        assertEquals(0, words.exit(), words.err());
        assertTrue(
                words.out().matches("[0-9.]+ nats per token, perplexity .*, .* bits per byte, over [0-9,]+ tokens\n"));
        var json = Line.run("eval", "--model", model, "--data", text, "--json")
                .json()
                .getFirst();
        var nats = json.path("nats_per_token").asDouble();
        assertEquals(Math.exp(nats), json.path("perplexity").asDouble(), 1e-6);
        assertEquals(nats / Math.log(2), json.path("bits_per_byte").asDouble(), 1e-9, "bytes are tokens");
    }

    @Test
    void logitsAreATensor() throws IOException {
        var out = folder.resolve("logits.safetensors");
        assertEquals(
                0,
                Line.run("logits", "--model", model, "--tokens", "1,2,3", "--out", out)
                        .exit());
        try (var file = SafeTensors.open(out)) {
            assertEquals(Shape.of(3, 256), file.tensor("logits").shape());
        }
    }

    @Test
    void exportIsAModelOfItsOwn() throws IOException {
        var out = folder.resolve("exported");
        assertEquals(0, Line.run("export", "--model", model, "--out", out).exit());
        assertFalse(Files.isSymbolicLink(out.resolve("model.safetensors")));
        assertEquals(-1, Files.mismatch(model.resolve("model.safetensors"), out.resolve("model.safetensors")));
        var before = Line.run("inspect", model, "--json").json().getFirst();
        var after = Line.run("inspect", out, "--json").json().getFirst();
        assertEquals(before.path("tensors"), after.path("tensors"));
    }

    /** The specification's table of parameters; learned positions add 256 x 512 to the Transformers. */
    @ParameterizedTest
    @CsvSource({
        "paper-mamba, 78595072, 78595072",
        "paper-moe-mamba, 467821568, 77751296",
        "paper-transformer, 76796928, 76796928",
        "paper-transformer-moe, 597001216, 76907520",
        "paper-mamba-mlp, 77636608, 77636608",
        "paper-parallel-moe-mamba, 467813376, 77743104",
        "mamba-130m, 129135360, 129135360"
    })
    void presetsHaveThePapersParameters(String preset, long total, long active) {
        var json = Line.run("inspect", "--preset", preset, "--json").json().getFirst();
        assertEquals(total, json.path("parameters").asLong());
        assertEquals(active, json.path("active").asLong());
        assertEquals(4 * total, json.path("weight_bytes").asLong());
        assertTrue(json.path("training_bytes").asLong() > 16 * total);
    }

    @Test
    void inspectSpeaksToPeopleToo() throws IOException {
        for (var arguments : List.of(
                new Object[] {"inspect", model},
                new Object[] {"inspect", model.resolve("model.safetensors")},
                new Object[] {"inspect", "--preset", "tiny-transformer"})) {
            var line = Line.run(arguments);
            assertEquals(0, line.exit(), line.err());
            assertTrue(line.out().contains("backbone.embeddings.weight"), line.out());
        }
        var file = Line.run("inspect", model.resolve("model.safetensors"), "--json")
                .json()
                .getFirst();
        var config = Line.run("inspect", model, "--json").json().getFirst();
        assertEquals(config.path("parameters").asLong(), file.path("parameters").asLong());
    }

    static List<String> families() {
        return Presets.all().keySet().stream()
                .filter(name -> name.startsWith("tiny-"))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("families")
    void everyFamilyIsTrainedAndWrites(String preset) {
        var out = folder.resolve(preset);
        var line = Line.run(
                "train", "--preset", preset, "--data", text, "--out", out, "--steps", 2, "--batch", 2, "--context", 16);
        assertEquals(0, line.exit(), line.err());
        assertTrue(line.err().contains("step 2/2"), line.err());
        var written = Line.run("generate", "--model", out, "--prompt", "T", "--tokens", 3, "--json");
        assertEquals(3, written.json().size(), written.err());
    }

    @Test
    void doctorSaysWhatWasLoaded() {
        var words = Line.run("doctor");
        assertEquals(0, words.exit());
        assertTrue(words.out().contains("libpanamba.so") && words.out().contains("x86-64"), words.out());
        assertTrue(Files.isRegularFile(Path.of(
                Line.run("doctor", "--json").json().getFirst().path("library").asString())));
    }

    @Test
    void theSamePromptInOneOrManyThreads() {
        var outputs = new String[3];
        for (int threads = 1; threads <= 3; threads++) {
            outputs[threads - 1] = Line.run(
                            "generate",
                            "--model",
                            model,
                            "--prompt",
                            "The quick",
                            "--tokens",
                            10,
                            "--temperature",
                            0,
                            "--threads",
                            threads)
                    .out();
        }
        assertArrayEquals(new String[] {outputs[0], outputs[0], outputs[0]}, outputs);
    }

    @Test
    void benchTellsHowLongTokensTake() {
        for (var preset : new String[] {"tiny-mamba", "tiny-transformer"}) {
            var line = Line.run("bench", "--preset", preset, "--what", "latency", "--tokens", 600, "--json");
            assertEquals(0, line.exit(), line.err());
            var times = line.json().getFirst();
            assertEquals(600, times.path("tokens").asInt());
            assertTrue(times.path("p50_us").doubleValue() > 0);
            for (var order : new String[][] {{"p50_us", "p99_us"}, {"p99_us", "p999_us"}, {"p999_us", "max_us"}}) {
                assertTrue(
                        times.path(order[0]).doubleValue()
                                <= times.path(order[1]).doubleValue(),
                        line.out());
            }
            assertTrue(times.path("collections").isNumber());
        }
    }

    @Test
    void benchMeasuresBehindWhatWasRead() {
        var line = Line.run(
                "bench",
                "--preset",
                "tiny-mamba",
                "--what",
                "decode",
                "--past",
                "3,70",
                "--tokens",
                4,
                "--reps",
                1,
                "--json");
        assertEquals(0, line.exit(), line.err());
        var measured = line.json();
        assertEquals(
                List.of(3, 70),
                measured.stream().map(m -> m.path("past").asInt()).toList());
        assertEquals(
                1,
                measured.stream()
                        .map(m -> m.path("state_bytes").asLong())
                        .distinct()
                        .count());
        var cached = Line.run(
                "bench",
                "--preset",
                "tiny-transformer",
                "--what",
                "decode",
                "--past",
                "3,70",
                "--tokens",
                4,
                "--reps",
                1,
                "--json");
        var bytes = cached.json().stream()
                .mapToLong(m -> m.path("state_bytes").asLong())
                .toArray();
        assertTrue(bytes[1] > 10 * bytes[0], cached.out());
    }

    @Test
    void aProfileSharesOutTheTimeOfItsOps() {
        for (var what : new String[] {"train", "prefill"}) {
            var line = Line.run(
                    "bench",
                    "--preset",
                    "tiny-moe-mamba",
                    "--what",
                    what,
                    "--batch",
                    2,
                    "--context",
                    32,
                    "--tokens",
                    70,
                    "--reps",
                    2,
                    "--profile",
                    "--json");
            assertEquals(0, line.exit(), line.err());
            var ops = line.json().stream()
                    .filter(op -> op.path("what").asString().equals(what + " op"))
                    .toList();
            assertEquals(
                    1,
                    ops.stream().mapToDouble(op -> op.path("share").asDouble()).sum(),
                    1e-9);
            var names = ops.stream().map(op -> op.path("op").asString()).toList();
            assertTrue(names.contains("Scan mixer.A_log") && names.contains("Linear mixer.in_proj.weight"), line.out());
            assertEquals(what.equals("train"), names.stream().anyMatch(name -> name.startsWith("AdamW")), line.out());
        }
    }

    @Test
    void benchGivesAMedianOfEachThingItMeasures() {
        var measured = Line.run(
                "bench", "--preset", "tiny-mamba", "--batch", 1, "--context", 16, "--tokens", 4, "--reps", 2, "--json");
        assertEquals(0, measured.exit(), measured.err());
        assertEquals(
                List.of("train", "prefill", "decode"),
                measured.json().stream()
                        .map(line -> line.path("what").asString())
                        .toList());
        for (var line : measured.json()) {
            double least = line.path("min").asDouble();
            double most = line.path("max").asDouble();
            assertTrue(least > 0 && least <= most, line.toString());
            // Of two repetitions neither is the median.
            assertEquals((least + most) / 2, line.path("value").asDouble(), 1e-6 * most, line.toString());
        }
    }
}
