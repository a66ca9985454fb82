package dev.panamba.model;

import dev.panamba.graph.Store;
import dev.panamba.graph.Value;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongToDoubleFunction;
import java.util.random.RandomGenerator;
import java.util.random.RandomGeneratorFactory;

/**
 * First weights as the paper's authors draw them (code of arXiv 2401.04081, v2) and, for the Mamba mixer, as its reference
 * implementation does. Each parameter has a random sequence of its own, so it does not depend on what stands around it.
 */
final class Initialisation {
    private static final RandomGeneratorFactory<RandomGenerator> RANDOM = RandomGeneratorFactory.of("L64X128MixRandom");
    /** The scale s of the truncated normals: variance s / fan, cut at 2 s on both sides. */
    private static final double SCALE = 0.1;

    private static final double DT_MIN = 0.001;
    private static final double DT_MAX = 0.1;
    private static final double DT_FLOOR = 1e-4;

    private Initialisation() {}

    /**
     * Draws all parameters.
     *
     * @param parameters of {@link Network#parameters}
     * @param store where they stand, F32
     * @param seed of all sequences
     */
    static void draw(List<Value> parameters, Store store, long seed) {
        var fanIns = new HashMap<String, Long>();
        parameters.forEach(p -> fanIns.put(p.name(), p.columns()));
        for (var parameter : parameters) {
            var random =
                    RANDOM.create(seed * 0x9E3779B97F4A7C15L + parameter.name().hashCode());
            fill(store.at(parameter.name()), drawer(parameter, fanIns, random));
        }
    }

    private static LongToDoubleFunction drawer(Value parameter, Map<String, Long> fanIns, RandomGenerator random) {
        var name = parameter.name();
        var shape = parameter.shape();
        double fanIn = parameter.columns();
        var part = name.substring(name.lastIndexOf('.', name.lastIndexOf('.') - 1) + 1);
        return switch (part) {
            case "embeddings.weight", "positions.weight" -> _ -> truncatedNormal(random, 1);
            case "norm.weight", "norm_f.weight", "mixer.D" -> _ -> 1;
            case "norm.bias", "norm_f.bias" -> _ -> 0;
            case "in_proj.weight", "x_proj.weight", "out_proj.weight", "dt_proj.weight", "conv1d.weight" ->
                _ -> uniform(random, fanIn);
            // A bias has the fan-in of its weight, and keeps the framework's default of 1 / sqrt(fan-in).
            case "conv1d.bias", "in_proj.bias", "out_proj.bias", "up.bias", "down.bias" -> {
                double fan = fanIns.get(name.replace(".bias", ".weight"));
                yield _ -> uniform(random, fan);
            }
            case "dt_proj.bias" -> _ -> inverseSoftplusOfStep(random);
            case "mixer.A_log" -> i -> Math.log(i % parameter.columns() + 1);
            case "lm_head.weight", "qkv.weight", "out.weight", "up.weight", "router.weight" ->
                _ -> truncatedNormal(random, fanIn);
            case "down.weight" -> {
                // The fan of the experts' second matrix is the width of all experts together.
                double fan = shape.rank() == 3 ? shape.dim(0) * fanIn : fanIn;
                yield _ -> truncatedNormal(random, fan);
            }
            default -> throw new IllegalArgumentException("No initialisation is known for " + name + ".");
        };
    }

    private static void fill(MemorySegment floats, LongToDoubleFunction drawer) {
        long count = floats.byteSize() / Float.BYTES;
        for (long i = 0; i < count; i++) {
            floats.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) drawer.applyAsDouble(i));
        }
    }

    private static double truncatedNormal(RandomGenerator random, double fan) {
        var deviation = Math.sqrt(SCALE / fan);
        while (true) {
            var x = random.nextGaussian() * deviation;
            if (Math.abs(x) <= 2 * SCALE) {
                return x;
            }
        }
    }

    private static double uniform(RandomGenerator random, double fan) {
        var bound = 1 / Math.sqrt(fan);
        return random.nextDouble(-bound, bound);
    }

    private static double inverseSoftplusOfStep(RandomGenerator random) {
        var log = random.nextDouble() * (Math.log(DT_MAX) - Math.log(DT_MIN)) + Math.log(DT_MIN);
        var dt = Math.max(Math.exp(log), DT_FLOOR);
        return dt + Math.log(-Math.expm1(-dt));
    }
}
