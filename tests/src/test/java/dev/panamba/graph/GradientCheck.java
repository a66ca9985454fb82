package dev.panamba.graph;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;

import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A program, a scalar made of its outputs (each times random numbers, and losses times their weights), and the derivative of that
 * scalar with respect to its variables. {@link #check} compares {@link Backward}'s answer with central differences: at some
 * elements of each variable, and along one random direction through all of them, so that no element goes unseen.
 */
public final class GradientCheck {
    private static final double EPS = 1e-6;
    private static final double ATOL = 1e-5;
    private static final double RTOL = 1e-3;
    private static final int SAMPLES = 24;

    private final Bench bench;
    private final Set<Value> variables = new LinkedHashSet<>();
    private final Map<Value, Value> seeds = new LinkedHashMap<>();
    private final Map<Value, Double> losses = new LinkedHashMap<>();

    public GradientCheck(DType real, long seed) {
        bench = new Bench(real, seed);
    }

    public Bench bench() {
        return bench;
    }

    public Graph graph() {
        return bench.graph();
    }

    /** A weight whose gradient is checked. */
    public Value parameter(String name, long... dims) {
        return variable(bench.parameter(name, dims));
    }

    /** An input whose gradient is checked. */
    public Value input(String name, long... dims) {
        return variable(bench.input(name, dims));
    }

    /** A matrix whose gradient is checked; every other time it is a window of columns of a wider input. */
    public Value window(String name, long rows, long columns) {
        return bench.coin()
                ? input(name, rows, columns)
                : variable(graph().columns(bench.input(name, rows, columns + 5), 3, columns));
    }

    public Value variable(Value value) {
        variables.add(value);
        return value;
    }

    /** Makes an activation part of the scalar. */
    public void seed(Value output) {
        var gradient = bench.inputLike("d" + output.name(), output);
        seeds.put(graph().output(output), gradient);
    }

    /** What the scalar is made of. */
    public Set<Value> outputs() {
        var outputs = new LinkedHashSet<>(seeds.keySet());
        outputs.addAll(losses.keySet());
        return outputs;
    }

    /** Makes a loss part of the scalar. */
    public void loss(Value scalar, double weight) {
        losses.put(graph().output(scalar), weight);
    }

    /** Whether there is a variable and a scalar. */
    public boolean isDifferentiable() {
        return !variables.isEmpty() && !outputs().isEmpty();
    }

    /** Appends the backward pass and returns the gradients of the variables, in their order. */
    public List<Value> differentiate() {
        var backward = new Backward(graph());
        seeds.forEach(backward::seed);
        losses.forEach(backward::loss);
        variables.forEach(v -> backward.want(v.root()));
        var ofActivations = backward.append();
        var gradients = new ArrayList<Value>();
        for (var variable : variables) {
            if (variable.role() == Role.PARAMETER) {
                gradients.add(graph().gradient(variable));
            } else {
                var whole = ofActivations.get(variable.root());
                assertNotNull(whole, () -> variable + " got no gradient");
                graph().output(whole);
                gradients.add(
                        graph().window(whole, variable.row(), variable.rows(), variable.column(), variable.columns()));
            }
        }
        return gradients;
    }

    public void check() {
        assertEquals(DType.F64, graph().real(), "differences need double precision");
        try (var openBlas = new Team(1, Gemm.OPENBLAS);
                var own = new Team(1, Gemm.PANAMBA);
                var forward = bench.bind(openBlas, Placement.PACKED)) {
            var gradients = differentiate();
            for (var team : List.of(openBlas, own)) {
                try (var both = bench.bind(team, Placement.PACKED)) {
                    both.run();
                    var variable = variables.iterator();
                    for (var gradient : gradients) {
                        check(forward, variable.next(), both.read(gradient));
                    }
                    again(both, gradients);
                }
            }
        }
    }

    private void check(Bench.Bound forward, Value variable, double[] gradient) {
        var at = forward.read(variable);
        var direction = new double[at.length];
        for (int i = 0; i < Math.min(SAMPLES, at.length); i++) {
            int element = at.length <= SAMPLES ? i : bench.random().nextInt(at.length);
            direction[element] = 1;
            compare(forward, variable, at, direction, gradient, "element " + element);
            direction[element] = 0;
        }
        for (int i = 0; i < at.length; i++) {
            direction[i] = bench.random().nextDouble(-1, 1);
        }
        compare(forward, variable, at, direction, gradient, "a direction");
    }

    private void compare(
            Bench.Bound forward, Value variable, double[] at, double[] direction, double[] gradient, String where) {
        double numeric =
                (scalar(forward, variable, at, direction, EPS) - scalar(forward, variable, at, direction, -EPS))
                        / (2 * EPS);
        forward.write(variable, at);
        assertEquals(
                numeric,
                dot(gradient, direction),
                ATOL + RTOL * Math.abs(numeric),
                () -> "derivative with respect to " + variable + " at " + where);
    }

    private double scalar(Bench.Bound forward, Value variable, double[] at, double[] direction, double step) {
        var moved = at.clone();
        for (int i = 0; i < moved.length; i++) {
            moved[i] += step * direction[i];
        }
        forward.write(variable, moved);
        forward.run();
        double sum = 0;
        for (var seed : seeds.entrySet()) {
            sum += dot(forward.read(seed.getKey()), bench.get(seed.getValue()));
        }
        for (var loss : losses.entrySet()) {
            sum += forward.read(loss.getKey())[0] * loss.getValue();
        }
        return sum;
    }

    /** A second run must not find traces of the first. */
    private static void again(Bench.Bound both, List<Value> gradients) {
        var first = gradients.stream().map(both::read).toList();
        both.clearGradients();
        both.run();
        for (int i = 0; i < first.size(); i++) {
            assertArrayEquals(first.get(i), both.read(gradients.get(i)), "the second run's gradient of value " + i);
        }
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += a[i] * b[i];
        }
        return sum;
    }
}
