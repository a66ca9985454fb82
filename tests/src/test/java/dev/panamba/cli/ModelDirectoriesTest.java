package dev.panamba.cli;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.Fork;
import dev.panamba.graph.Team;
import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.io.AtomicFiles;
import dev.panamba.model.Config;
import dev.panamba.model.ConfigFile;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Presets;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.text.Tokenizers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Model directories as people have them: special tokens count and stay, and what is wrong, missing or too large is said. */
class ModelDirectoriesTest {
    private static final JsonMapper JSON = new JsonMapper();
    private static final String GENERATION =
            "{\n  \"eos_token_id\": [7, 300],\n  \"top_p\": 1e-05,\n  \"x\": Infinity}\n";

    @TempDir
    private static Path folder;

    private static Config config;
    private static Path text;

    @BeforeAll
    static void prepare() throws IOException {
        // Hugging Face's form.
        var json = ConfigFile.write(Presets.named("mamba-130m").config(), DType.F32);
        json.put("vocab_size", 256);
        json.put("hidden_size", 32);
        json.put("intermediate_size", 64);
        json.put("num_hidden_layers", 2);
        json.put("time_step_rank", 2);
        config = ConfigFile.read(json);
        text = Files.writeString(folder.resolve("text.txt"), "The quick brown fox.\n".repeat(30));
    }

    /** A model whose config.json has more, or other, fields. */
    private static Path model(String fields) throws IOException {
        var directory = Files.createTempDirectory(folder, "model").resolve("model");
        try (var weights = Weights.random(config, 5)) {
            AtomicFiles.directory(directory, ModelFiles.contents(weights, DType.F32, null));
        }
        var json = config(directory);
        ((ObjectNode) JSON.readTree(fields)).properties().forEach(f -> json.set(f.getKey(), f.getValue()));
        Files.writeString(directory.resolve("config.json"), json.toString());
        return directory;
    }

    private static ObjectNode config(Path directory) throws IOException {
        return (ObjectNode) JSON.readTree(Files.readString(directory.resolve("config.json")));
    }

    private static List<JsonNode> generate(Path model) {
        var line = Line.run("generate", "--model", model, "--prompt", "ab", "--tokens", 40, "--seed", 3, "--json");
        assertEquals(0, line.exit(), line.err());
        return line.json();
    }

    private static List<Integer> ids(List<JsonNode> tokens) {
        return tokens.stream().map(token -> token.path("token").asInt()).toList();
    }

    @Test
    void generationEndsAtAnyEndToken() throws IOException {
        var all = ids(generate(model("{}")));
        assertEquals(40, all.size());
        int third = all.get(2);
        int ninth = all.get(8);
        int later = all.indexOf(ninth);
        int sooner = Math.min(all.indexOf(third), later);
        ends(model("{\"eos_token_id\": " + ninth + "}"), all, later);
        ends(model("{\"eos_token_id\": [999999, " + ninth + ", " + third + "]}"), all, sooner);
        ends(model("{\"eos_token_id\": null}"), all, 40);
        ends(model("{\"eos_token_id\": -1}"), all, 40);
        // The other file goes first, where it says something.
        var model = model("{\"eos_token_id\": " + third + "}");
        for (var silent : List.of("{}", "{\"eos_token_id\": null}", "{\"eos_token_id\": []}")) {
            Files.writeString(model.resolve("generation_config.json"), silent);
            ends(model, all, all.indexOf(third));
        }
        Files.writeString(model.resolve("generation_config.json"), "{\"eos_token_id\": [" + ninth + "]}");
        ends(model, all, later);
        // The same without the command line, and mapped.
        try (var language = LanguageModel.load(model, null, DType.F32, true, 1);
                var session = language.newSession()) {
            assertEquals(Set.of(ninth), language.endTokens());
            session.feed(language.tokenizer().encode("ab"));
            var written = new ArrayList<Integer>();
            session.generate(Sampler.of(1, 0, 1, 3), 40).forEach(token -> written.add(token.id()));
            assertEquals(all.subList(0, later + 1), written);
        }
    }

    /** Up to the token of this index, which has no text. */
    private static void ends(Path model, List<Integer> all, int last) {
        var tokens = generate(model);
        assertEquals(all.subList(0, Math.min(all.size(), last + 1)), ids(tokens));
        if (last < all.size()) {
            assertEquals("", tokens.getLast().path("text").asString());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"2\"", "2.5", "true", "{}", "[1, \"2\"]", "[[2]]", "9999999999", "[1, null]", "Infinity"})
    void anEndTokenThatIsNoneIsRefused(String value) throws IOException {
        var model = model("{}");
        var json = config(model).toString();
        Files.writeString(model.resolve("config.json"), json.replaceFirst("[{]", "{\"eos_token_id\": " + value + ","));
        refused("config.json: eos_token_id is ", "generate", "--model", model, "--prompt", "a");
        Files.writeString(model.resolve("config.json"), json);
        Files.writeString(model.resolve("generation_config.json"), "{\"eos_token_id\": " + value + "}");
        refused("generation_config.json: eos_token_id is ", "generate", "--model", model, "--prompt", "a");
    }

    private static void refused(String word, Object... arguments) {
        var line = Line.run(arguments);
        assertEquals(1, line.exit(), line.out() + line.err());
        assertEquals(1, line.sentences().size(), line.err());
        assertTrue(line.sentences().getFirst().contains(word), line.err());
        assertFalse(line.err().contains("\tat "), line.err());
    }

    private static void done(Object... arguments) {
        var line = Line.run(arguments);
        assertEquals(0, line.exit(), line.err());
    }

    @Test
    void specialTokensStayWithTheModel() throws IOException {
        var model = model("{\"bos_token_id\": 1, \"eos_token_id\": [2, 3], \"pad_token_id\": null}");
        Files.writeString(model.resolve("generation_config.json"), GENERATION);
        var out = folder.resolve("kept");
        var exported = out.resolve("exported");
        done("export", "--model", model, "--out", exported);
        kept(exported);
        for (var type : List.of("int8", "bf16")) {
            var converted = out.resolve(type);
            done("convert", "--model", model, "--weights", type, "--out", converted);
            kept(converted);
        }
        done("export", "--model", out.resolve("bf16"), "--out", out.resolve("again"));
        kept(out.resolve("again"));
        var trained = out.resolve("trained");
        done("train", "--init", model, "--data", text, "--out", trained, "--steps", 2, "--batch", 1, "--context", 16);
        kept(trained);
        // Each of several checkpoints keeps them from the one before.
        done("train", "--resume", "--out", trained, "--steps", 4, "--save-every", 1);
        kept(trained);
        kept(trained.resolve("step-4"));
        try (var language = LanguageModel.load(trained)) {
            assertEquals(Set.of(7, 300), language.endTokens());
        }
    }

    private static void kept(Path model) throws IOException {
        assertEquals(GENERATION, Files.readString(model.resolve("generation_config.json")));
        var json = config(model);
        assertEquals("1", json.path("bos_token_id").toString());
        assertEquals("[2,3]", json.path("eos_token_id").toString());
        assertTrue(json.has("pad_token_id") && json.path("pad_token_id").isNull(), json.toString());
    }

    @Test
    void whatNobodySaidIsNotWritten() throws IOException {
        var out = folder.resolve("plain");
        done("export", "--model", model("{}"), "--out", out);
        assertFalse(Files.exists(out.resolve("generation_config.json")));
        assertTrue(config(out).propertyNames().stream().noneMatch(name -> name.endsWith("token_id")));
    }

    @Test
    void pythonsInfinityAndSwishAreRead() throws IOException {
        var model = model("{\"hidden_act\": \"swish\"}");
        var json = Files.readString(model.resolve("config.json"));
        Files.writeString(
                model.resolve("config.json"),
                json.replaceFirst("[{]", "{\"time_step_limit\": [0.0, Infinity], \"a\": NaN, \"b\": -Infinity,"));
        assertEquals(40, generate(model).size());
        assertEquals(config, ModelFiles.config(model));
        // Where a number is needed neither is one.
        for (var value : List.of("Infinity", "-Infinity", "NaN")) {
            Files.writeString(
                    model.resolve("config.json"),
                    json.replaceFirst("\"layer_norm_epsilon\":[^,]*", "\"layer_norm_epsilon\":" + value));
            refused("config.json: layer_norm_epsilon is ", "generate", "--model", model, "--prompt", "a");
        }
        refused("hidden_act is \"gelu\"", "inspect", model("{\"hidden_act\": \"gelu\"}"));
    }

    @ParameterizedTest
    @CsvSource({
        "backbone.layers.1.mixer.in_proj.weight, NaN",
        "backbone.embeddings.weight, Infinity",
        "backbone.layers.0.mixer.out_proj.weight, -Infinity",
        "backbone.layers.0.mixer.A_log, NaN",
        "backbone.norm_f.weight, Infinity"
    })
    void whatIsNoNumberIsNotConverted(String name, float value) throws IOException {
        var directory = Files.createTempDirectory(folder, "broken");
        var model = directory.resolve("model");
        try (var weights = Weights.random(config, 1);
                var team = new Team(2)) {
            var segment = weights.store().at(name);
            segment.setAtIndex(JAVA_FLOAT, segment.byteSize() / Float.BYTES - 1, value);
            AtomicFiles.directory(model, ModelFiles.contents(weights, DType.F32, null));
            var matrix = !name.endsWith("A_log") && !name.endsWith("norm_f.weight");
            if (matrix) {
                var refused = assertThrows(UncheckedIOException.class, () -> weights.in(DType.INT4, team));
                assertTrue(refused.getMessage().contains(name), refused.getMessage());
            }
        }
        for (var type : List.of("int8", "int4", "bf16")) {
            refused(
                    model + " has " + value + " in " + name,
                    "convert",
                    "--model",
                    model,
                    "--weights",
                    type,
                    "--out",
                    directory.resolve("out"));
            assertTrue(Files.notExists(directory.resolve("out")));
            refused(
                    model + " has " + value + " in " + name,
                    "generate",
                    "--model",
                    model,
                    "--weights",
                    type,
                    "--prompt",
                    "a");
        }
        // What is not rounded stays as it is.
        ModelFiles.weights(model, false).close();
        done("convert", "--model", model, "--weights", "f32", "--out", directory.resolve("same"));
    }

    @Test
    void sizesThatNoMachineHasAreSentences() throws IOException {
        var model = model("{}");
        var right = config(model);
        var weights = model.resolve("model.safetensors");
        for (var field : List.of(
                "vocab_size",
                "hidden_size",
                "num_hidden_layers",
                "state_size",
                "conv_kernel",
                "expand",
                "time_step_rank")) {
            for (long size :
                    new long[] {10_000, 50_000_000, 1_000_000_000, Integer.MAX_VALUE, 1L << 40, Long.MAX_VALUE}) {
                Files.writeString(
                        model.resolve("config.json"),
                        right.deepCopy().put(field, size).toString());
                // Its weights are other ones, whatever there would be room for.
                refused(model.toString(), "generate", "--model", model, "--prompt", "a");
                refused(model.toString(), "inspect", model);
                if (size > 100_000_000) {
                    var line = Line.run(
                            "train",
                            "--config",
                            model.resolve("config.json"),
                            "--data",
                            text,
                            "--context",
                            16,
                            "--out",
                            folder.resolve("huge"));
                    assertEquals(1, line.exit(), line.err());
                    assertFalse(line.err().contains("\tat ") || line.err().contains("long overflow"), line.err());
                }
            }
        }
        Files.writeString(
                model.resolve("config.json"),
                right.put("num_hidden_layers", 1_000_000_000).toString());
        refused("num_hidden_layers is 1000000000 and must be ", "generate", "--model", model, "--prompt", "a");
        // Without weights there is nothing to compare with, only to count.
        Files.delete(weights);
        Files.writeString(
                model.resolve("config.json"),
                right.put("num_hidden_layers", 2)
                        .put("hidden_size", 1_000_000_000)
                        .toString());
        refused("can be counted", "inspect", model);
    }

    @Test
    void moreThanThisMachineHasIsSaidWithItsBytes() throws IOException {
        var json = ConfigFile.write(config, DType.F32).put("vocab_size", 2_000_000_000);
        Files.writeString(folder.resolve("large.json"), json.toString());
        refused(
                "There is no room for the weights: 256,",
                "train",
                "--config",
                folder.resolve("large.json"),
                "--data",
                text,
                "--context",
                16,
                "--out",
                folder.resolve("large"));
    }

    /** What no list foresees ends in a sentence too, and not in the trace of an Error. */
    @Test
    void aHeapThatIsTooSmallIsASentence() throws Exception {
        var model = Files.createTempDirectory(folder, "heap");
        Files.writeString(model.resolve("config.json"), " ".repeat(40 << 20) + "{}");
        var fork = Fork.run(Map.of("JAVA_TOOL_OPTIONS", "-Xmx24m"), Main.class, "inspect", model.toString());
        assertEquals(1, fork.exit(), fork.output());
        assertTrue(fork.output().contains("panamba: There is not enough memory (Java heap space)"), fork.output());
        assertFalse(fork.output().contains("\tat "), fork.output());
    }

    @Test
    void fieldsAreNamedAsTheirFileHasThem() {
        var theirs =
                JSON.createObjectNode().put("d_model", 32).put("n_layer", 0).put("vocab_size", 8);
        assertTrue(message(theirs).startsWith("n_layer is 0 "), message(theirs));
        theirs.put("n_layer", 2).put("d_model", -1);
        assertTrue(message(theirs).contains("d_model is -1 "), message(theirs));
        theirs.put("d_model", 32).putObject("ssm_cfg").put("d_state", 1000);
        assertTrue(message(theirs).startsWith("d_state is 1000 "), message(theirs));
        var long_ = JSON.createObjectNode().put("model_type", "mamba").put("hidden_size", "9".repeat(100_000));
        assertTrue(message(long_).length() < 200, message(long_));
    }

    private static String message(ObjectNode json) {
        return assertThrows(IllegalArgumentException.class, () -> ConfigFile.read(json))
                .getMessage();
    }

    @Test
    void inspectComparesADirectorysFiles() throws IOException {
        var model = model("{}");
        assertEquals("", Line.run("inspect", model).err());
        Files.copy(model.resolve("model.safetensors"), model.resolve("model-00001-of-00002.safetensors"));
        Files.writeString(model.resolve("model.safetensors.index.json"), "{}");
        Files.writeString(model.resolve("pytorch_model.bin"), "");
        var line = Line.run("inspect", model);
        assertEquals(0, line.exit(), line.err());
        assertEquals(
                model + " has files that are not read: model-00001-of-00002.safetensors, model.safetensors.index.json,"
                        + " pytorch_model.bin.\n",
                line.err());
        Files.delete(model.resolve("model.safetensors"));
        refused("has no weight_map", "inspect", model);
        Files.writeString(
                model.resolve("model.safetensors.index.json"), "{\"weight_map\": {\"a\": \"model-2.safetensors\"}}");
        refused("model-2.safetensors does not exist", "inspect", model);
        Files.delete(model.resolve("model.safetensors.index.json"));
        refused("is a Python pickle", "inspect", model);
        Files.delete(model.resolve("pytorch_model.bin"));
        line = Line.run("inspect", model);
        assertEquals(0, line.exit(), line.err());
        assertEquals(model + " has no model.safetensors, so this is what its config.json describes.\n", line.err());
        refused("asks for", "inspect", model("{\"vocab_size\": 300}"));
        refused("which a model of its config.json has not", "inspect", model("{\"num_hidden_layers\": 1}"));
        refused("no weights named", "inspect", model("{\"num_hidden_layers\": 3}"));
        Files.delete(model.resolve("config.json"));
        refused("config.json does not exist", "inspect", model);
    }

    @Test
    void aFileInPlaceOfAnotherIsNamed() throws IOException {
        var pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 516567560\n";
        var page = "<!DOCTYPE html><html><head><title>Sign in</title></head></html>";
        for (var name : List.of("model.safetensors", "config.json", "generation_config.json", "tokenizer.json")) {
            var model = model("{}");
            Files.writeString(model.resolve(name), pointer);
            refused("it is a Git LFS pointer", "generate", "--model", model, "--prompt", "a");
            Files.writeString(model.resolve(name), page);
            refused("it is an HTML page", "generate", "--model", model, "--prompt", "a");
        }
        var model = model("{}");
        Files.delete(model.resolve("model.safetensors"));
        Files.writeString(model.resolve("model.safetensors.index.json"), pointer);
        refused("it is a Git LFS pointer", "generate", "--model", model, "--prompt", "a");
        Files.writeString(model.resolve("model.safetensors"), "Entry not found");
        refused("begins with \"Entry not found\"", "generate", "--model", model, "--prompt", "a");
        refused(
                "it is a Git LFS pointer",
                "generate",
                "--model",
                model("{}"),
                "--prompt",
                "a",
                "--load-state",
                model.resolve("model.safetensors.index.json"));
    }

    /** A text that a tokenizer's own end stands in has it still, where the files do not say more. */
    @Test
    void aTokenizersEndCountsWhereTheFilesAreSilent() throws Exception {
        var tokenizer = Tokenizers.open(Path.of(Tokenizers.class
                .getResource("/dev/panamba/text/small-tokenizer.json")
                .toURI()));
        var wide = config.withVocabulary(tokenizer.vocabulary());
        try (var language = LanguageModel.of(Weights.random(wide, 1), tokenizer, DType.F32, 1)) {
            assertEquals(Set.of(tokenizer.endOfText().getAsInt()), language.endTokens());
        }
        try (var language = LanguageModel.of(Weights.random(config, 1), Tokenizers.bytes(), DType.F32, 1)) {
            assertEquals(Set.of(), language.endTokens());
        }
    }
}
