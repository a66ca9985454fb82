package dev.panamba.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.golden.Golden;
import dev.panamba.graph.Numbers;
import dev.panamba.io.SafeTensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command line trains and computes what PyTorch does with the same weights and text. */
class GoldenCommandsTest {
    @TempDir
    private Path folder;

    private final Golden golden = Golden.read(Golden.folder("families").resolve("moe-mamba-bytes.safetensors"));

    @Test
    void trainGoesTheSameWay() throws IOException {
        var options = golden.options();
        var tokens = golden.integers("tokens");
        var text = new String(tokens, 0, tokens.length);
        Files.writeString(folder.resolve("text.txt"), text, StandardCharsets.US_ASCII);
        var schedule = options.schedule();
        var line = Line.run(
                "train --check-finite --json --order sequential --schedule cosine --init".split(" "),
                golden.write(folder.resolve("model")),
                "--data",
                folder.resolve("text.txt"),
                "--out",
                folder.resolve("out"),
                "--steps",
                options.steps(),
                "--batch",
                options.batch(),
                "--context",
                options.context(),
                "--lr",
                schedule.lr(),
                "--warmup-steps",
                schedule.warmup(),
                "--min-lr-ratio",
                schedule.minRatio(),
                "--weight-decay",
                options.weightDecay(),
                "--decay",
                options.decay(),
                "--clip",
                options.clip(),
                "--beta1",
                options.beta1(),
                "--beta2",
                options.beta2(),
                "--eps",
                options.eps());
        assertEquals(0, line.exit(), line.err());
        assertEquals(options.steps(), line.json().size());
        for (var metrics : line.json()) {
            int step = metrics.path("step").asInt();
            for (var field : new String[] {"loss", "aux", "grad_norm", "lr", "dropped"}) {
                var expected = golden.get(field)[step];
                assertEquals(
                        expected,
                        metrics.path(field).doubleValue(),
                        (step == 0 ? 1e-5 : 1e-3) * expected,
                        field + " of step " + step);
            }
        }
    }

    @Test
    void logitsAreEqual() throws IOException {
        int L = golden.options().context();
        var tokens = Arrays.copyOf(golden.integers("tokens"), L);
        for (var check : new String[] {"--threads=2", "--check-finite"}) {
            var file = folder.resolve("logits" + check);
            var line = Line.run(
                    "logits",
                    check,
                    "--model",
                    golden.write(folder.resolve("model" + check)),
                    "--tokens",
                    Arrays.stream(tokens).mapToObj(String::valueOf).collect(Collectors.joining(",")),
                    "--out",
                    file);
            assertEquals(0, line.exit(), line.err());
            try (var read = SafeTensors.open(file);
                    var arena = Arena.ofConfined()) {
                var entry = read.tensor("logits");
                Numbers.assertClose(
                        Arrays.copyOf(golden.get("dropless_logits"), L * 256),
                        Golden.numbers(read.map(arena).asSlice(entry.begin(), entry.end()), entry.type()),
                        1e-5,
                        "logits");
            }
        }
    }

    @Test
    void aWeightThatIsNotFiniteIsNamed() throws IOException {
        var model = golden.write(folder.resolve("model"));
        long at;
        try (var file = SafeTensors.open(model.resolve("model.safetensors"))) {
            at = Files.size(file.path())
                    - file.tensors().getLast().end()
                    + file.tensor("backbone.layers.2.mixer.D").begin();
        }
        try (var file =
                Files.newByteChannel(model.resolve("model.safetensors"), java.nio.file.StandardOpenOption.WRITE)) {
            // The upper half of the first element: all ones is a NaN.
            file.position(at + 2).write(java.nio.ByteBuffer.wrap(new byte[] {-1, -1}));
        }
        Files.writeString(folder.resolve("text.txt"), "a text");
        for (var command : new Object[][] {
            {"logits", "--model", model, "--tokens", "65,66", "--out", folder.resolve("out")},
            {"eval", "--model", model, "--data", folder.resolve("text.txt")},
            {
                "train",
                "--init",
                model,
                "--context",
                2,
                "--data",
                folder.resolve("text.txt"),
                "--out",
                folder.resolve("t")
            },
        }) {
            var arguments = Arrays.copyOf(command, command.length + 1);
            arguments[command.length] = "--check-finite";
            var line = Line.run(arguments);
            assertEquals(1, line.exit(), line.err());
            assertTrue(
                    line.sentences()
                            .getFirst()
                            .startsWith("panamba: The weights are not finite: backbone.layers.2.mixer.D[16] has NaN"),
                    line.err());
        }
    }
}
