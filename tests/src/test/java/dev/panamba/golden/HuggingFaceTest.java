package dev.panamba.golden;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.Numbers;
import dev.panamba.graph.Team;
import dev.panamba.infer.LanguageModel;
import dev.panamba.infer.Sampler;
import dev.panamba.io.AtomicFiles;
import dev.panamba.io.WeightFiles;
import dev.panamba.memory.Placement;
import dev.panamba.model.ModelFiles;
import dev.panamba.tensor.DType;
import dev.panamba.train.Logits;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Mamba models that transformers wrote, and those in the dialect of state-spaces/mamba, give what transformers computes. */
class HuggingFaceTest {
    @TempDir
    private Path folder;

    static Stream<Path> models() throws IOException {
        return Golden.list("hugging-face");
    }

    @ParameterizedTest
    @MethodSource("models")
    void logitsAreEqual(Path model) throws IOException {
        var expected = Golden.read(model.resolve("expected.safetensors"));
        try (var weights = ModelFiles.weights(model, false);
                var team = new Team(2);
                var logits = new Logits(weights, expected.integers("prompt"), team, Placement.CHECKED)) {
            Numbers.assertClose(
                    expected.get("logits"), Golden.numbers(logits.tensor().data(), DType.F32), 1e-5, "logits");
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void theLikeliestTwoHundredTokensFollow(Path model) throws IOException {
        var expected = Golden.read(model.resolve("expected.safetensors"));
        try (var language = LanguageModel.load(model);
                var session = language.newSession()) {
            session.feed(expected.integers("prompt"));
            var written = new int[expected.integers("greedy").length];
            for (int i = 0; i < written.length; i++) {
                written[i] = session.next(Sampler.greedy());
            }
            assertEquals(200, written.length);
            assertArrayEquals(expected.integers("greedy"), written);
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void anExportIsReadAsTheSameModelAndExportedToTheSameBytes(Path model) throws IOException {
        var first = export(model, folder.resolve("first"));
        var second = export(first, folder.resolve("second"));
        for (var file : new String[] {ModelFiles.CONFIG, ModelFiles.WEIGHTS}) {
            assertEquals(-1, Files.mismatch(first.resolve(file), second.resolve(file)), file);
        }
        try (var original = ModelFiles.weights(model, false);
                var exported = ModelFiles.weights(first, false)) {
            assertEquals(original.config(), exported.config());
            assertEquals(original.stored(), exported.stored());
            for (var name : original.store().segments().keySet()) {
                assertEquals(
                        -1, original.store().at(name).mismatch(exported.store().at(name)), name);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("models")
    void aMapIsTheSameModel(Path model) throws IOException {
        try (var copied = ModelFiles.weights(model, false)) {
            if (copied.stored() != DType.F32) {
                var refused = assertThrows(IOException.class, () -> ModelFiles.weights(model, true));
                assertTrue(refused.getMessage().contains("a map needs F32"), refused.getMessage());
                return;
            }
            try (var mapped = ModelFiles.weights(model, true)) {
                for (var name : copied.store().segments().keySet()) {
                    assertEquals(
                            -1, copied.store().at(name).mismatch(mapped.store().at(name)), name);
                }
            }
        }
    }

    @Test
    void anExportMayBeNarrower() throws IOException {
        var model = Golden.folder("hugging-face/tied-f32");
        try (var weights = ModelFiles.weights(model, false)) {
            AtomicFiles.directory(folder.resolve("half"), ModelFiles.contents(weights, DType.BF16, null));
        }
        assertTrue(Files.readString(folder.resolve("half/config.json")).contains("\"dtype\" : \"bfloat16\""));
        try (var half = ModelFiles.weights(folder.resolve("half"), false);
                var weights = ModelFiles.weights(model, false)) {
            assertEquals(DType.BF16, half.stored());
            for (var name : weights.store().segments().keySet()) {
                Numbers.assertClose(
                        Golden.numbers(weights.store().at(name), DType.F32),
                        Golden.numbers(half.store().at(name), DType.F32),
                        1 / 256.0,
                        name);
            }
        }
    }

    static Stream<Arguments> refusals() {
        return Stream.of(
                Arguments.of("tied-f32", "hidden_act", "\"gelu\"", "hidden_act is \"gelu\""),
                Arguments.of("tied-f32", "residual_in_fp32", "\"yes\"", "residual_in_fp32"),
                Arguments.of("tied-f32", "model_type", "\"falcon_mamba\"", "model_type is \"falcon_mamba\""),
                Arguments.of("tied-f32", "time_step_rank", "\"many\"", "time_step_rank"),
                Arguments.of("tied-f32", "tie_word_embeddings", "false", "no weights named lm_head.weight"),
                Arguments.of("untied-bf16-shards", "tie_word_embeddings", "true", "differs from backbone.embeddings"),
                Arguments.of("untied-bf16-shards", "use_bias", "false", "in_proj.bias"),
                Arguments.of("untied-bf16-shards", "use_conv_bias", "true", "conv1d.bias"),
                Arguments.of("state-spaces-f32", "d_intermediate", "8", "d_intermediate"),
                Arguments.of("state-spaces-f32", "attn_layer_idx", "[1]", "attn_layer_idx"),
                Arguments.of("state-spaces-f32", "ssm_cfg", "{\"layer\":\"Mamba2\"}", "\"Mamba2\""),
                Arguments.of("state-spaces-f32", "pad_vocab_size_multiple", "0", "pad_vocab_size_multiple"),
                Arguments.of("state-spaces-f32", "vocab_size", "2147483645", "vocab_size"),
                Arguments.of("state-spaces-f32", "vocab_size", "57", "[64, 18]"),
                Arguments.of("state-spaces-f32", "rms_norm", "false", "norm.bias"));
    }

    @ParameterizedTest(name = "{0} with {1} {2}")
    @MethodSource("refusals")
    void whatIsNotHonouredIsRefusedByName(String model, String field, String value, String word) throws IOException {
        var copy = copy(model);
        var config = (ObjectNode) WeightFiles.json(copy.resolve(ModelFiles.CONFIG));
        config.set(field, new JsonMapper().readTree(value));
        Files.writeString(copy.resolve(ModelFiles.CONFIG), config.toString());
        var refused = assertThrows(IOException.class, () -> ModelFiles.weights(copy, false));
        assertTrue(refused.getMessage().contains(word), refused.getMessage());
        assertTrue(refused.getMessage().contains(copy.toString()), refused.getMessage());
    }

    @Test
    void aPickleIsRefusedWithTheWayOut() throws IOException {
        var copy = copy("state-spaces-f32");
        Files.move(copy.resolve(ModelFiles.WEIGHTS), copy.resolve("pytorch_model.bin"));
        var refused = assertThrows(IOException.class, () -> ModelFiles.weights(copy, false));
        assertTrue(refused.getMessage().contains("save_file to model.safetensors"), refused.getMessage());
    }

    private Path copy(String model) throws IOException {
        var copy = Files.createDirectory(folder.resolve("copy"));
        try (var files = Files.list(Golden.folder("hugging-face/" + model))) {
            for (var file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName()));
            }
        }
        return copy;
    }

    private static Path export(Path from, Path to) throws IOException {
        try (var weights = ModelFiles.weights(from, false)) {
            AtomicFiles.directory(to, ModelFiles.contents(weights, weights.stored(), null));
            return to;
        }
    }
}
