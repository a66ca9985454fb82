package dev.panamba.graph;

import dev.panamba.graph.ForwardOp.*;
import dev.panamba.graph.GradientOp.*;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeSet;

/**
 * Reverse-mode differentiation of a program into the same program: a walk over the forward ops from the last to the first,
 * each appending the ops of its derivative. Gradients of parameters are added to, unless {@link #assign} is asked for. The first
 * contribution to an activation's gradient is assigned, later ones are added; an addition hands its gradient on to both operands by name, and it is copied only before somebody adds to it while
 * another has yet to read it.
 */
public final class Backward {
    private final Graph graph;
    private final List<Op> forward;
    private final Map<Value, Value> gradients = new HashMap<>();
    /** Of whom a value is the gradient, those that the program makes first at the front. */
    private final Map<Value, NavigableSet<Value>> sharers = new HashMap<>();

    private final Map<Value, Double> weights = new HashMap<>();
    private final Map<Value, Integer> producers = new HashMap<>();
    private final Set<List<Object>> written = new HashSet<>();
    private final Set<Value> wanted = new HashSet<>();
    private final Set<Value> assigned = new LinkedHashSet<>();
    private boolean assign;
    /** Ops of the graph that are known here. */
    private int known;

    private int current;

    /**
     * Prepares to differentiate what the graph holds now.
     *
     * @param graph a forward program
     */
    public Backward(Graph graph) {
        this.graph = graph;
        this.forward = know();
    }

    /** The ops that are new since the last time. */
    private List<Op> know() {
        var ops = List.copyOf(graph.ops().subList(known, graph.ops().size()));
        for (var op : ops) {
            for (var value : Uses.of(op).writes()) {
                producers.putIfAbsent(value.root(), known);
            }
            known++;
        }
        return ops;
    }

    /**
     * Adds to the loss.
     *
     * @param value the output of a {@link Mean}, the balance of a {@link Route}, or losses of a {@link CrossEntropy}
     * @param weight the factor of each element
     * @return this
     */
    public Backward loss(Value value, double weight) {
        weights.merge(value, weight, Double::sum);
        return this;
    }

    /**
     * Gives the gradient of an output.
     *
     * @param output an activation
     * @param gradient its gradient, the same shape
     * @return this
     */
    public Backward seed(Value output, Value gradient) {
        share(output, gradient);
        markWritten(output);
        return this;
    }

    /**
     * Asks for the gradient of an input or initial state, which nobody needs for training.
     *
     * @param input a real input of the program
     * @return this
     */
    public Backward want(Value input) {
        wanted.add(input);
        return this;
    }

    /**
     * Lets products of matrices assign the gradient of a parameter where they are the first to contribute: it need not be read
     * then, nor set to zero before.
     *
     * @return this
     */
    public Backward assign() {
        assign = true;
        return this;
    }

    /**
     * The parameters whose gradients are assigned; those of all others are added to.
     *
     * @return unmodifiable
     */
    public Set<Value> assignedParameters() {
        return Collections.unmodifiableSet(assigned);
    }

    /**
     * Appends the derivative of a tail: of the ops that the graph got since this was made, or since the last tail. What they read
     * of the ops before gets its gradient here, and those are differentiated by {@link #append}. So a head can work on some rows
     * after the others, and what it makes of them need not live longer than its own derivative.
     *
     * @return this
     */
    public Backward tail() {
        var first = known;
        differentiate(know(), first);
        known = graph.ops().size();
        return this;
    }

    /**
     * Appends the derivative of the ops that the graph held when this was made.
     *
     * @return the gradients of activations and wanted inputs, by value; those of parameters are {@link Graph#gradient}
     */
    public Map<Value, Value> append() {
        differentiate(forward, 0);
        return gradients;
    }

    private void differentiate(List<Op> ops, int first) {
        for (int i = ops.size() - 1; i >= 0; i--) {
            var op = (ForwardOp) ops.get(i);
            if (Uses.of(op).writes().stream().anyMatch(v -> has(v) || weights.containsKey(v))) {
                current = first + i;
                differentiate(op);
            }
        }
    }

    private void differentiate(ForwardOp op) {
        switch (op) {
            case Embedding o -> {
                var dposition = o.position() == null ? null : sum(o.position());
                graph.add(new EmbeddingGrad(sum(o.table()), dposition, given(o.x()), o.token(), o.L()));
            }
            case LayerNorm o -> {
                var dy = given(o.y());
                graph.add(new LayerNormWeightGrad(sum(o.weight()), sum(o.bias()), o.mean(), o.rstd(), dy, o.x()));
                if (needed(o.x())) {
                    var add = isWritten(o.x());
                    graph.add(new LayerNormGrad(target(o.x()), o.mean(), o.rstd(), dy, o.x(), o.weight(), add));
                }
            }
            case RmsNorm o -> {
                var dy = given(o.y());
                graph.add(new RmsNormWeightGrad(sum(o.weight()), o.rstd(), dy, o.x()));
                if (needed(o.x())) {
                    var add = isWritten(o.x());
                    graph.add(new RmsNormGrad(target(o.x()), o.rstd(), dy, o.x(), o.weight(), add));
                }
            }
            case Linear o -> {
                var dy = given(o.y());
                if (o.bias() != null) {
                    graph.add(new BiasGrad(sum(o.bias()), dy));
                }
                var addWeight = adds(o.weight());
                graph.add(new LinearWeightGrad(sum(o.weight()), dy, o.x(), o.factors(), addWeight));
                if (needed(o.x())) {
                    var add = isWritten(o.x());
                    graph.add(new LinearGrad(target(o.x()), dy, o.weight(), o.factors(), add));
                }
            }
            case Convolution o -> {
                var dbias = o.bias() == null ? null : sum(o.bias());
                var dbefore = wanted.contains(o.before()) ? assigned(o.before()) : null;
                graph.add(new ConvolutionGrad(
                        first(o.x()),
                        sum(o.weight()),
                        dbias,
                        dbefore,
                        given(o.u()),
                        o.x(),
                        o.weight(),
                        o.bias(),
                        o.before(),
                        o.B()));
            }
            case Scan o -> scan(o);
            case Rope o -> graph.add(new Rope(first(o.x()), given(o.y()), o.past(), o.L(), o.H(), -o.direction()));
            case CacheAppend _ -> throw undifferentiable(op);
            case Attention o -> {
                if (o.k().root() != o.q().root() || o.past() != null) {
                    throw undifferentiable(op);
                }
                var qkv = o.q().root();
                graph.add(new AttentionGrad(first(qkv), o.lse(), given(o.y()), o.y(), qkv, o.B(), o.H()));
            }
            case Route o ->
                graph.add(new RouteGrad(
                        first(o.logits()),
                        o.probability(),
                        o.expert(),
                        o.load(),
                        given(o.gate()),
                        o.alpha(),
                        weights.getOrDefault(o.balance(), 0.0)));
            case Gather o -> graph.add(new GatherGrad(first(o.x()), given(o.grouped()), o.row()));
            case ExpertLinear o -> {
                var add = adds(o.weight());
                graph.add(new ExpertWeightGrad(sum(o.weight()), given(o.y()), o.x(), o.offset(), o.factors(), add));
                graph.add(new ExpertLinearGrad(first(o.x()), given(o.y()), o.weight(), o.offset(), o.factors()));
            }
            case Relu o -> graph.add(new ReluGrad(first(o.x()), given(o.y()), o.y(), o.offset()));
            case Scatter o ->
                graph.add(new ScatterGrad(
                        first(o.grouped()), first(o.gate()), given(o.y()), o.grouped(), o.gate(), o.row()));
            case Add o -> {
                hand(given(o.y()), o.a());
                hand(given(o.y()), o.b());
            }
            case CrossEntropy o ->
                graph.add(new CrossEntropyGrad(
                        first(o.logits()), o.lse(), o.logits(), o.target(), weights.get(o.loss())));
            case Mean o ->
                weights.merge(o.x(), weights.get(o.mean()) / o.x().shape().elements(), Double::sum);
        }
    }

    private void scan(Scan o) {
        long T = o.u().rows();
        long E = o.u().columns();
        long N = o.b().columns();
        var blocks = Math.ceilDiv(E, Shapes.BLOCK);
        var dbc = graph.activation("dbc.parts", blocks, T, 2 * N);
        var dALog = graph.activation("da_log.parts", o.B(), N, E);
        var dSkip = graph.activation("dskip.parts", o.B(), E);
        var dDtBias = graph.activation("ddt_bias.parts", o.B(), E);
        var dbefore = wanted.contains(o.before()) ? assigned(o.before()) : null;
        graph.add(new ScanGrad(
                first(o.u()), first(o.r()), first(o.z()), dbc, dALog, dSkip, dDtBias, dbefore, given(o.g()), o));
        graph.add(new ScanTokenGrad(first(o.b()), first(o.c()), dbc, E));
        graph.add(new ScanWeightGrad(sum(o.aLog()), sum(o.skip()), sum(o.dtBias()), dALog, dSkip, dDtBias));
    }

    /** The gradient of a parameter, which gets a contribution. */
    private Value sum(Value parameter) {
        markWritten(parameter);
        return graph.gradient(parameter);
    }

    /** Whether the contribution of a product to a parameter's gradient is added to it. */
    private boolean adds(Value parameter) {
        if (isWritten(parameter) || !assign) {
            return true;
        }
        assigned.add(parameter);
        return false;
    }

    /** Gives dy to an operand of an addition: by name, if the operand has no gradient yet. */
    private void hand(Value dy, Value operand) {
        if (!needed(operand)) {
            return;
        }
        if (isWritten(operand)) {
            var sum = added(operand);
            graph.add(new Add(sum, sum, dy));
        } else if (dy.role() == Role.ACTIVATION && operand.owner() == null) {
            share(operand, dy);
            markWritten(operand);
        } else {
            graph.add(new Copy(assigned(operand), dy));
        }
    }

    /**
     * The gradient to add to. It is copied first where it is the caller's, or shared by name with a value whose producer has yet
     * to read it.
     */
    private Value added(Value value) {
        var root = value.root();
        var shared = gradients.get(root);
        // One of the first two is another than the root, and nobody is made before it.
        var unread = sharers.get(shared).stream()
                .limit(2)
                .anyMatch(other -> !other.equals(root) && producer(other) <= current);
        if (unread || shared.role() != Role.ACTIVATION) {
            var own = graph.like("d" + root.name(), root);
            graph.add(new Copy(own, shared));
            share(root, own);
        }
        return of(value);
    }

    private int producer(Value root) {
        return producers.getOrDefault(root, -1);
    }

    /** Makes a value the gradient of another, by name. */
    private void share(Value root, Value gradient) {
        var before = gradients.put(root, gradient);
        if (before != null) {
            sharers.get(before).remove(root);
        }
        sharers.computeIfAbsent(
                        gradient,
                        _ -> new TreeSet<>(
                                Comparator.<Value>comparingInt(this::producer).thenComparingInt(Value::id)))
                .add(root);
    }

    /** The gradient to assign or to add to, whichever it needs. */
    private Value target(Value value) {
        return isWritten(value) ? added(value) : assigned(value);
    }

    /** The gradient to assign; an op that can only assign must be the first. */
    private Value first(Value value) {
        if (isWritten(value)) {
            throw new UnsupportedOperationException("The gradient of " + value
                    + " would be assigned twice: let the op that can add come first in the forward program.");
        }
        return assigned(value);
    }

    private Value assigned(Value value) {
        markWritten(value);
        return of(value);
    }

    private boolean needed(Value value) {
        if (value.role() == Role.PARAMETER) {
            throw new UnsupportedOperationException(
                    "The gradient of " + value + " would be lost: this op takes activations and inputs in its place.");
        }
        return value.role() == Role.ACTIVATION || wanted.contains(value.root());
    }

    private boolean has(Value value) {
        return gradients.containsKey(value.root());
    }

    /** The gradient that later ops have left for an op's output. */
    private Value given(Value output) {
        if (!has(output)) {
            throw new UnsupportedOperationException("Nothing gives " + output
                    + " a gradient: a loss comes from mean(crossEntropy(...)), and a balance counts beside the gates.");
        }
        return of(output);
    }

    private Value of(Value value) {
        var root = value.root();
        if (!has(root)) {
            share(root, graph.like("d" + root.name(), root));
        }
        var whole = gradients.get(root);
        return value.owner() == null
                ? whole
                : graph.window(whole, value.row(), value.rows(), value.column(), value.columns());
    }

    private void markWritten(Value value) {
        written.add(List.of(value.root(), value.row(), value.column(), value.shape()));
    }

    private boolean isWritten(Value value) {
        return written.contains(List.of(value.root(), value.row(), value.column(), value.shape()));
    }

    private static UnsupportedOperationException undifferentiable(Op op) {
        return new UnsupportedOperationException(
                op.getClass().getSimpleName() + " over a cache has no derivative: train on whole sequences.");
    }
}
