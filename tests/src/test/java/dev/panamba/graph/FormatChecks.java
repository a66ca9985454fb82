package dev.panamba.graph;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_SHORT_UNALIGNED;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.panamba.graph.UpdateOp.Quantise;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;

/** Products with weights in formats of inference: what the bytes stand for is computed here once more, slowly. */
final class FormatChecks {
    private static final int GROUP = 32;
    private static final List<DType> FORMATS = List.of(DType.BF16, DType.INT8, DType.INT4);

    private FormatChecks() {}

    static void run() {
        try (var team = new Team(2)) {
            for (var format : FORMATS) {
                for (int n : KernelAccuracy.SIZES) {
                    linear(format, 1, n, 5, team);
                    linear(format, 3, n, 7, team);
                    linear(format, 6, n, 5, team);
                    linear(format, 1, 7, n, team);
                    linear(format, 9, 33, n, team);
                    embedding(format, n, team);
                }
                for (int T : new int[] {1, 2, 17, 300}) {
                    experts(format, T, 40, 150, team);
                    experts(format, T, 65, 3, team);
                }
                extremes(format, team);
            }
        }
    }

    private static Value quantised(Bench bench, DType format, Value w) {
        var weight = bench.graph().matrix("weight", format, w.shape().dims());
        bench.graph().add(new Quantise(weight, w));
        return weight;
    }

    private static void linear(DType format, int T, int I, int O, Team team) {
        var bench = new Bench(DType.F32, T * 31 + I);
        var x = bench.input("x", T, I);
        var weight = quantised(bench, format, bench.input("w", O, I));
        var bias = T % 2 == 1 ? bench.parameter("bias", O) : null;
        var y = bench.graph().output(bench.graph().linear(x, weight, bias));
        try (var bound = bench.bind(team, Placement.POISON)) {
            bound.run();
            var values = values(bound.executable().at(weight), format, O, I);
            assertNear(bench.get(bench.graph().program().inputs().get(1)), values, format, I);
            var expected = Reference.linear(
                    read(bench.get(x), format, I), values, bias == null ? new double[O] : bench.get(bias), T, I, O);
            Numbers.assertClose(
                    expected, bound.read(y), 1e-6 * Math.sqrt(I), 1, format + " " + T + ", " + I + ", " + O);
        }
    }

    private static void embedding(DType format, int D, Team team) {
        var bench = new Bench(DType.F32, D);
        var table = quantised(bench, format, bench.input("w", 5, D));
        var token = bench.integers("token", 4, 0, 4, 2);
        var x = bench.graph().output(bench.graph().embedding(token, table, null, null, 4));
        try (var bound = bench.bind(team, Placement.POISON)) {
            bound.run();
            var rows = values(bound.executable().at(table), format, 5, D);
            var read = bound.read(x);
            for (int t = 0; t < 4; t++) {
                int row = (int) bench.get(token)[t];
                for (int d = 0; d < D; d++) {
                    assertEquals((float) rows[row * D + d], read[t * D + d], format + " of width " + D);
                }
            }
        }
    }

    private static void experts(DType format, int T, int I, int O, Team team) {
        int X = 3;
        var bench = new Bench(DType.F32, T + I);
        var graph = bench.graph();
        var x = bench.input("x", T, I);
        var logits = bench.input("logits", T, X);
        var weight = quantised(bench, format, bench.input("w", X, O, I));
        var route = graph.route(logits, Math.max(1, T / 2), 0);
        var y = graph.output(graph.scatter(graph.expertLinear(graph.gather(x, route), weight, route), route));
        try (var bound = bench.bind(team, Placement.POISON)) {
            bound.run();
            var values = new double[X * O * I];
            var bytes = bound.executable().at(weight);
            for (int e = 0; e < X; e++) {
                var matrix = bytes.asSlice(bytes.byteSize() / X * e, bytes.byteSize() / X);
                System.arraycopy(values(matrix, format, O, I), 0, values, e * O * I, O * I);
            }
            var routing = new Reference.Routing(bench.get(logits), T, X, Math.max(1, T / 2), 0);
            var expected = Reference.experts(read(bench.get(x), format, I), values, routing, T, I, O);
            Numbers.assertClose(expected, bound.read(y), 1e-6 * Math.sqrt(I), 1, format + " experts " + T + ", " + I);
        }
    }

    /** Zeros, the smallest and the largest numbers stay finite and keep their place. */
    private static void extremes(DType format, Team team) {
        double[][] rows = {{0}, {1e-38}, {-1e-45}, {1e30}, {-3e38}, {1, -1}, {1e-3, 1e4}, {-8, 7}, {8, -7}};
        for (var row : rows) {
            var bench = new Bench(DType.F32, 1);
            var w = new double[40];
            Arrays.setAll(w, i -> i % 3 == 2 ? 0 : row[i % row.length]);
            var input = bench.set(bench.graph().input("w", DType.F32, 1, 40), w);
            var weight = quantised(bench, format, input);
            try (var bound = bench.bind(team, Placement.PACKED)) {
                bound.run();
                var values = values(bound.executable().at(weight), format, 1, 40);
                Numbers.assertFinite(values, format + " of " + Arrays.toString(row));
                assertNear(bench.get(input), values, format, 40);
            }
        }
    }

    /** Within half a step of the format, or what the last step is short of the largest weight. */
    private static void assertNear(double[] w, double[] values, DType format, int I) {
        for (int i = 0; i < w.length; i++) {
            int first = i / I * I + i % I / GROUP * GROUP;
            double largest = 0;
            for (int j = first; j < Math.min(first + GROUP, (i / I + 1) * I); j++) {
                largest = Math.max(largest, Math.abs(w[j]));
            }
            var most = switch (format) {
                case BF16 -> Math.abs(w[i]) / 256;
                case INT8 -> largest / 127 * 0.51 + largest / 256;
                default -> largest / 8 * 1.2;
            };
            // Below the smallest scale nothing is left.
            assertTrue(Math.abs(values[i] - w[i]) <= most + 1e-37, format + " made " + values[i] + " of " + w[i]);
        }
    }

    /** What a product reads of tokens: beside weights of groups, theirs are 255 steps up to the largest of the group. */
    private static double[] read(double[] x, DType format, int I) {
        if (!format.isGrouped()) {
            return x;
        }
        var read = new double[x.length];
        for (int first = 0; first < x.length; first += I) {
            for (int i = first; i < first + I; i += GROUP) {
                int end = Math.min(i + GROUP, first + I);
                float most = 0;
                for (int j = i; j < end; j++) {
                    most = Math.max(most, Math.abs((float) x[j]));
                }
                for (int j = i; j < end; j++) {
                    read[j] = most == 0 ? 0 : Math.rint((float) x[j] * (127 / most)) * (most / 127);
                }
            }
        }
        return read;
    }

    /** What the bytes of a matrix stand for. */
    static double[] values(MemorySegment bytes, DType format, int rows, int I) {
        var values = new double[rows * I];
        int tile = format == DType.INT8 ? 16 * 34 : 16 * 18;
        for (int i = 0; i < values.length; i++) {
            int row = i / I;
            int column = i % I;
            if (format == DType.BF16) {
                values[i] = bf16(bytes, 2L * i);
                continue;
            }
            long at = ((long) row / 16 * Math.ceilDiv(I, GROUP) + column / GROUP) * tile;
            var scale = bf16(bytes, at + tile - 32 + row % 16 * 2);
            column %= GROUP;
            // Four columns of 16 rows, then the next four.
            values[i] = scale
                    * switch (format) {
                        case INT8 ->
                            (bytes.get(JAVA_BYTE, at + column / 4 * 64 + row % 16 * 4 + column % 4) & 0xFF) - 128;
                        case INT4 -> {
                            int half = column % 16;
                            int pair = bytes.get(JAVA_BYTE, at + half / 4 * 64 + row % 16 * 4 + half % 4) & 0xFF;
                            yield (column < 16 ? pair & 15 : pair >> 4) - 8;
                        }
                        default -> throw new IllegalArgumentException(format.name());
                    };
        }
        return values;
    }

    private static double bf16(MemorySegment bytes, long at) {
        return Float.intBitsToFloat(bytes.get(JAVA_SHORT_UNALIGNED, at) << 16);
    }
}
