package dev.panamba.cli;

import dev.panamba.graph.Plan;
import dev.panamba.infer.Session;
import dev.panamba.io.SafeTensors;
import dev.panamba.memory.Placement;
import dev.panamba.model.Config;
import dev.panamba.model.ModelFiles;
import dev.panamba.model.Network;
import dev.panamba.model.Presets;
import dev.panamba.model.Size;
import dev.panamba.tensor.DType;
import dev.panamba.train.TrainingProgram;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;

/** {@code panamba inspect}. */
final class InspectCommand implements Command {
    /** Sequences of the training step whose memory is printed. */
    private static final int BATCH = 16;

    private static final int CONTEXT = 256;

    private static final Opt<Path> PATH = Opt.path("", "DIR|FILE", "A model directory, or one .safetensors file.")
            .alternative()
            .required();
    private static final Opt<String> PRESET = Opt.text("preset", "NAME", "A preset instead of a file.")
            .alternative()
            .required();

    private boolean json;

    @Override
    public String description() {
        return "Prints a model's tensors, its parameters in total and active for one token, and the memory it takes, and compares a"
                + " directory's files with each other.";
    }

    @Override
    public List<Opt<?>> options() {
        return List.of(PATH, PRESET, Shared.JSON);
    }

    @Override
    public int run(Arguments given) throws IOException {
        json = given.get(Shared.JSON);
        var path = given.get(PATH);
        if (path == null) {
            model(given.get(PRESET), Presets.named(given.get(PRESET)).config());
        } else if (Files.isDirectory(path)) {
            ModelFiles.check(path).forEach(System.err::println);
            model(path.toString(), ModelFiles.config(path));
        } else {
            file(path);
        }
        return 0;
    }

    private void model(String name, Config config) {
        int context = Math.min(CONTEXT, config.longest());
        var size = size(name, config, context);
        var parameters = Network.parameters(config, DType.F32);
        var training = TrainingProgram.of(config, DType.F32, DType.F32, BATCH, context, 1, false);
        var plan = Plan.of(training.program(), Placement.PACKED);
        long weights = 4 * size.parameters();
        long state = Session.stateBytes(config);
        if (json) {
            var fields = new LinkedHashMap<String, Object>();
            fields.put("model", name);
            fields.put("family", config.family());
            fields.put("parameters", size.parameters());
            fields.put("active", size.active());
            fields.put("flops", Math.round(size.flops()));
            fields.put("weight_bytes", weights);
            fields.put("state_bytes", state);
            fields.put("training_bytes", 4 * weights + plan.bytes());
            var tensors = new LinkedHashMap<String, Object>();
            parameters.forEach(p -> tensors.put(p.name(), p.shape().dims()));
            fields.put("tensors", tensors);
            Json.print(System.out, fields);
            return;
        }
        // Printed at once: of a deep model these are many lines.
        var table = new StringBuilder();
        for (var p : parameters) {
            table.append(String.format(
                    "%-52s %-18s %,15d%n", p.name(), p.shape(), p.shape().elements()));
        }
        System.out.println(table);
        System.out.printf("%s (%s)%n", name, config.family());
        System.out.printf("parameters     %,18d%n", size.parameters());
        System.out.printf("active         %,18d  read for one token (the embedding counted whole)%n", size.active());
        System.out.printf(
                "work           %,18.0f  FLOPs forward for one token of %d (matrix products and attention)%n",
                size.flops(), context);
        System.out.printf("inference      %18s  weights, F32, and %s%n", Words.bytes(weights), Words.state(config));
        System.out.printf(
                "training       %18s  weights, gradients, two moments, and %s of activations at %d x %d%n",
                Words.bytes(4 * weights + plan.bytes()), Words.bytes(plan.bytes()), BATCH, context);
        System.out.printf(
                "               %18s  of activations if no two values shared memory%n", Words.bytes(plan.naiveBytes()));
    }

    private static Size size(String name, Config config, int context) {
        try {
            return Size.of(config, context);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(
                    name + " describes a model of more bytes than can be counted: " + e.getMessage(), e);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(name + ": " + e.getMessage(), e);
        }
    }

    private void file(Path path) throws IOException {
        long total = 0;
        var tensors = new LinkedHashMap<String, Object>();
        try (var file = SafeTensors.open(path)) {
            for (var tensor : file.tensors()) {
                total += tensor.shape().elements();
                tensors.put(tensor.name(), tensor.type() + " " + tensor.shape());
                if (!json) {
                    System.out.printf(
                            "%-52s %-5s %-18s %,15d%n",
                            tensor.name(),
                            tensor.type(),
                            tensor.shape(),
                            tensor.shape().elements());
                }
            }
        }
        if (json) {
            var fields = new LinkedHashMap<String, Object>();
            fields.put("file", path.toString());
            fields.put("parameters", total);
            fields.put("tensors", tensors);
            Json.print(System.out, fields);
        } else {
            System.out.printf("%n%,d elements in %d tensors%n", total, tensors.size());
        }
    }
}
