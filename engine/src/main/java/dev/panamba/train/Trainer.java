package dev.panamba.train;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.panamba.graph.Executable;
import dev.panamba.graph.ForwardOp.Route;
import dev.panamba.graph.Graph;
import dev.panamba.graph.Role;
import dev.panamba.graph.Store;
import dev.panamba.graph.Team;
import dev.panamba.graph.UpdateOp.AdamW;
import dev.panamba.graph.UpdateOp.SquaredNorm;
import dev.panamba.graph.Value;
import dev.panamba.memory.Placement;
import dev.panamba.model.Weights;
import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import dev.panamba.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Trains a model with AdamW. Three programs: forward and backward of a micro-batch, the norm of all gradients, the update of
 * all parameters. One thread at a time.
 */
public final class Trainer implements AutoCloseable {
    private static final DType REAL = DType.F32;
    /** Prefixes of the moments' names; what follows is the name of the parameter. */
    static final String M = "m.";

    static final String V = "v.";

    /** How to close what was opened, the newest first. */
    private final Deque<Runnable> owned = new ArrayDeque<>();

    private final Weights weights;
    private final Options options;
    private final Store gradients;
    private final Store moments;
    private final Executable gradient;
    private final Executable norm;
    private final Executable update;
    private final TrainingProgram program;
    private final Value parts;
    private final Value fields;
    /** Of each Switch layer whose experts may rest: the tokens that they took in this step, [X]. */
    private final Map<Route, Value> kept = new LinkedHashMap<>();

    private int step;
    /** Whether the gradients hold those of a step that was not taken. */
    private boolean stale;

    /**
     * Plans and binds everything that a step needs.
     *
     * @param weights what is trained, in place
     * @param options how
     * @param team who works
     * @param placement {@link Placement#PACKED} for work
     * @throws IllegalArgumentException if the context is longer than the model's positions
     */
    public Trainer(Weights weights, Options options, Team team, Placement placement) {
        this.weights = weights;
        this.options = options;
        program = TrainingProgram.of(
                weights.config(),
                REAL,
                options.compute(),
                options.microBatch(),
                options.context(),
                options.batch() / options.microBatch(),
                options.lazyExperts());
        var parameters = program.parameters();
        var updateGraph = new Graph(REAL);
        var momentValues = new ArrayList<Value>();
        for (var prefix : List.of(M, V)) {
            for (var p : parameters) {
                momentValues.add(updateGraph.value(prefix + p.name(), REAL, Role.MOMENT, p.shape()));
            }
        }
        try {
            gradients = own(Store.allocate("the gradients", parameters));
            moments = own(Store.allocate("the moments", momentValues));
            var stores = Map.of(Role.PARAMETER, weights.store(), Role.GRADIENT, gradients, Role.MOMENT, moments);

            gradient = own(Executable.bind(program.program(), REAL, team, stores, placement));
            var count = gradients.at(Store.ALL).byteSize() / REAL.bytes();
            var normGraph = new Graph(REAL);
            parts = normGraph.output(
                    normGraph.value("parts", DType.F64, Role.ACTIVATION, Shape.of(SquaredNorm.parts(count))));
            normGraph.add(new SquaredNorm(parts, normGraph.value(Store.ALL, REAL, Role.GRADIENT, Shape.of(count))));
            norm = own(Executable.bind(normGraph.program(), REAL, team, stores, placement));

            fields = updateGraph.input("step", DType.F64, AdamW.FIELDS);
            var routes = options.lazyExperts() ? program.routesByWeight() : Map.<Value, Route>of();
            for (int i = 0; i < parameters.size(); i++) {
                var p = parameters.get(i);
                var decays = options.decay() == Options.Decay.ALL
                        || p.shape().rank() >= 2 && !p.name().endsWith("A_log");
                var route = routes.get(p);
                updateGraph.add(new AdamW(
                        p,
                        momentValues.get(i),
                        momentValues.get(parameters.size() + i),
                        program.gradients().get(p),
                        fields,
                        route == null ? null : kept.computeIfAbsent(route, r -> keptBy(updateGraph, r)),
                        decays ? options.weightDecay() : 0,
                        program.assigned().contains(p)));
            }
            update = own(Executable.bind(updateGraph.program(), REAL, team, stores, placement));
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private static Value keptBy(Graph graph, Route route) {
        return graph.input("kept", DType.I32, route.load().shape().elements());
    }

    private Store own(Store store) {
        owned.push(store::close);
        return store;
    }

    private Executable own(Executable executable) {
        owned.push(executable::close);
        return executable;
    }

    /**
     * The number of steps taken, which is the number of the next one.
     *
     * @return counted from 0
     */
    public int step() {
        return step;
    }

    /**
     * Goes on from a checkpoint.
     *
     * @param taken steps that the loaded weights and moments have behind them
     */
    void resumeAt(int taken) {
        step = taken;
    }

    /**
     * The moments, named {@code m.} and {@code v.} and the parameter's name.
     *
     * @return the store
     */
    Store moments() {
        return moments;
    }

    /**
     * The moments as they go into a file.
     *
     * @return tensors over the trainer's memory, in the order of the weights'
     */
    List<Tensor> momentTensors() {
        var tensors = new ArrayList<Tensor>();
        for (var prefix : List.of(M, V)) {
            for (var weight : weights.tensors()) {
                var name = prefix + weight.name();
                tensors.add(new Tensor(name, weight.type(), weight.shape(), moments.at(name)));
            }
        }
        return tensors;
    }

    /**
     * Searches weights and moments for what is no number, which no later step would mend.
     *
     * @throws ArithmeticException if there is one, with the name of the first that has it
     */
    void checkFinite() {
        for (var tensor : Stream.concat(weights.tensors().stream(), momentTensors().stream())
                .toList()) {
            if (!tensor.isFinite()) {
                throw new ArithmeticException("Training diverged: after " + step + " steps " + tensor.name()
                        + " holds a NaN or an infinity.");
            }
        }
    }

    /**
     * How the activations of a micro-batch are laid out: packed against naive bytes.
     *
     * @return sizes in bytes
     */
    public long[] activationBytes() {
        return new long[] {gradient.plan().bytes(), gradient.plan().naiveBytes()};
    }

    /**
     * Takes one step.
     *
     * @param batches where the text comes from
     * @return what it did
     * @throws ArithmeticException if loss or gradients are no longer finite; the weights are those before the step
     */
    public Metrics step(Batches batches) {
        var gradients = gradients(batches);
        if (!gradients.isFinite()) {
            throw new ArithmeticException("Training diverged at step " + step + ": the loss is " + gradients.loss
                    + " and the norm of the gradients " + gradients.norm + ". Lower --lr or --clip.");
        }
        return update(gradients);
    }

    /**
     * Loss and gradients of a step that is not taken yet; the gradients themselves stand in the trainer.
     *
     * @param loss mean cross entropy in nats per token
     * @param norm L2 norm of all gradients before clipping
     * @param layers of each Switch layer
     * @param nanos that it took
     */
    record Gradients(double loss, double norm, List<Metrics.Experts> layers, long nanos) {
        boolean isFinite() {
            return Double.isFinite(loss) && Double.isFinite(norm);
        }
    }

    /**
     * Goes forward and backward for the next step; weights and moments stay as they are. What follows is {@link #update}, {@link
     * #skip}, or nothing.
     *
     * @param batches where the text comes from
     * @return loss and gradients, which may not be finite
     */
    Gradients gradients(Batches batches) {
        var start = System.nanoTime();
        if (stale) {
            gradients.at(Store.ALL).fill((byte) 0);
        }
        stale = true;
        int micro = options.batch() / options.microBatch();
        double lossSum = 0;
        var layers = new ArrayList<Metrics.Experts>();
        kept.values().forEach(tokens -> update.at(tokens).fill((byte) 0));
        for (int i = 0; i < micro; i++) {
            fill(batches, (long) step * options.batch() + (long) i * options.microBatch());
            gradient.run();
            lossSum += gradient.at(program.loss()).get(JAVA_FLOAT, 0);
            collect(layers, micro);
            kept.forEach(this::count);
        }
        var gradNorm = norm();
        return new Gradients(lossSum / micro, gradNorm, layers, System.nanoTime() - start);
    }

    /**
     * Takes the step.
     *
     * @param gradients of {@link #gradients}, finite
     * @return what it did
     */
    Metrics update(Gradients gradients) {
        var start = System.nanoTime();
        writeFields(options.schedule().at(step), Math.min(1, options.clip() / (gradients.norm + 1e-6)));
        update.run();
        stale = false;
        return metrics(gradients, System.nanoTime() - start);
    }

    /**
     * Passes a step over: it counts, its text is behind, and weights and moments are as they were.
     *
     * @param gradients of {@link #gradients}
     * @return what it would have learnt from
     */
    Metrics skip(Gradients gradients) {
        return metrics(gradients, 0);
    }

    private Metrics metrics(Gradients gradients, long nanos) {
        var lr = options.schedule().at(step);
        var layers = gradients.layers;
        var aux = layers.stream().mapToDouble(Metrics.Experts::aux).average().orElse(0);
        return new Metrics(
                step++,
                gradients.loss,
                aux,
                gradients.norm,
                lr,
                layers,
                (gradients.nanos + nanos) / 1e9,
                (long) options.batch() * options.context());
    }

    private void fill(Batches batches, long first) {
        for (int k = 0; k < options.microBatch(); k++) {
            batches.fill(
                    first + k,
                    gradient.at(program.token()),
                    gradient.at(program.target()),
                    (long) k * options.context());
        }
    }

    private double norm() {
        norm.run();
        double sum = 0;
        var squares = norm.at(parts);
        for (long i = 0; i < squares.byteSize() / Double.BYTES; i++) {
            sum += squares.getAtIndex(JAVA_DOUBLE, i);
        }
        return Math.sqrt(sum);
    }

    private void writeFields(double lr, double scale) {
        var taken = step + 1.0;
        double[] values = {
            lr,
            options.beta1(),
            options.beta2(),
            options.eps(),
            1 - Math.pow(options.beta1(), taken),
            1 - Math.pow(options.beta2(), taken),
            scale
        };
        MemorySegment.copy(values, 0, update.at(fields), JAVA_DOUBLE, 0, values.length);
    }

    /** Adds the routing of one micro-batch to that of those before. */
    private void collect(List<Metrics.Experts> layers, int micro) {
        for (int i = 0; i < program.routes().size(); i++) {
            var route = program.routes().get(i);
            int X = (int) route.load().shape().elements();
            var load = new long[X];
            for (int e = 0; e < X; e++) {
                load[e] = gradient.at(route.load()).getAtIndex(JAVA_INT, e);
            }
            long kept = gradient.at(route.offset()).getAtIndex(JAVA_INT, X);
            long dropped = route.row().shape().elements() - kept;
            var aux = gradient.at(route.balance()).get(JAVA_FLOAT, 0) / micro;
            if (i == layers.size()) {
                layers.add(new Metrics.Experts(load, kept, dropped, aux));
            } else {
                var before = layers.get(i);
                for (int e = 0; e < X; e++) {
                    load[e] += before.load()[e];
                }
                layers.set(
                        i,
                        new Metrics.Experts(
                                load, kept + before.kept(), dropped + before.dropped(), aux + before.aux()));
            }
        }
    }

    /** Adds the tokens that experts took from one micro-batch to those from the ones before. */
    private void count(Route route, Value tokens) {
        var offset = gradient.at(route.offset());
        var sum = update.at(tokens);
        for (long e = 0; e < tokens.columns(); e++) {
            var took = offset.getAtIndex(JAVA_INT, e + 1) - offset.getAtIndex(JAVA_INT, e);
            sum.setAtIndex(JAVA_INT, e, sum.getAtIndex(JAVA_INT, e) + took);
        }
    }

    /**
     * What is being trained.
     *
     * @return the weights
     */
    public Weights weights() {
        return weights;
    }

    @Override
    public void close() {
        while (!owned.isEmpty()) {
            owned.pop().run();
        }
    }
}
