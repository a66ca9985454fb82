package dev.panamba.graph;

import dev.panamba.tensor.DType;
import dev.panamba.tensor.Shape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The values of a program under construction, by role, and views of them. */
public abstract sealed class Values permits Graph {
    private final DType real;
    private final Set<Value> outputs = new LinkedHashSet<>();
    private final Map<String, Value> parameters = new LinkedHashMap<>();
    private final Map<Value, Value> gradients = new LinkedHashMap<>();
    private final List<Value> inputs = new ArrayList<>();
    private final List<Value> states = new ArrayList<>();
    private int nextId;

    /**
     * An empty program.
     *
     * @param real the type of weights and activations: F32, or F64 for gradient checks
     */
    Values(DType real) {
        if (real != DType.F32 && real != DType.F64) {
            throw new IllegalArgumentException("A graph computes in F32 or F64, not in " + real + ".");
        }
        this.real = real;
    }

    /**
     * The type of weights and activations.
     *
     * @return F32 or F64
     */
    public DType real() {
        return real;
    }

    /**
     * The parameters declared so far, in order.
     *
     * @return values by name
     */
    public Map<String, Value> parameters() {
        return parameters;
    }

    /**
     * Declares a weight. The same name again is the same weight.
     *
     * @param name as in the model file
     * @param dims its shape
     * @return the value
     */
    public Value parameter(String name, long... dims) {
        return matrix(name, real, dims);
    }

    /**
     * Declares a weight that {@link ForwardOp.Linear}, {@link ForwardOp.ExpertLinear} or {@link ForwardOp.Embedding} read.
     *
     * @param name as in the model file
     * @param type the graph's, BF16, INT8 or INT4
     * @param dims its shape
     * @return the value
     */
    public Value matrix(String name, DType type, long... dims) {
        return parameters.computeIfAbsent(name, n -> fresh(n, type, Role.PARAMETER, dims));
    }

    /**
     * What backward adds to for a weight.
     *
     * @param parameter a weight of this graph
     * @return a value of the same name and shape
     */
    public Value gradient(Value parameter) {
        return gradients.computeIfAbsent(parameter, p -> fresh(p.name(), real, Role.GRADIENT, p.shape()));
    }

    /**
     * What backward adds to, for the weights that it has reached so far.
     *
     * @return gradients by weight
     */
    public Map<Value, Value> gradients() {
        return gradients;
    }

    /**
     * Declares a recurrent state or a cache.
     *
     * @param name unique among states
     * @param dims [slots, ...]
     * @return the value
     */
    public Value state(String name, long... dims) {
        var state = fresh(name, real, Role.STATE, dims);
        states.add(state);
        return state;
    }

    /**
     * The states declared so far, in order.
     *
     * @return values of role STATE
     */
    public List<Value> states() {
        return states;
    }

    /**
     * Declares what the caller writes before each run.
     *
     * @param name for people
     * @param type element type
     * @param dims its shape
     * @return the value
     */
    public Value input(String name, DType type, long... dims) {
        var input = fresh(name, type, Role.INPUT, dims);
        inputs.add(input);
        return input;
    }

    /**
     * Declares a value of another role.
     *
     * @param name for people
     * @param type element type
     * @param role who owns the memory
     * @param shape its shape
     * @return the value
     */
    public Value value(String name, DType type, Role role, Shape shape) {
        return fresh(name, type, role, shape);
    }

    /**
     * Keeps an activation to the end of the run, for the caller to read.
     *
     * @param value an activation
     * @return the same value
     */
    public Value output(Value value) {
        outputs.add(value.root());
        return value;
    }

    /**
     * A window of columns.
     *
     * @param of any value
     * @param column first column
     * @param columns width
     * @return a view
     */
    public Value columns(Value of, long column, long columns) {
        return window(of, 0, of.rows(), column, columns);
    }

    /**
     * A window of rows.
     *
     * @param of a matrix
     * @param row first row
     * @param rows height
     * @return a view
     */
    public Value rows(Value of, long row, long rows) {
        return window(of, row, rows, 0, of.columns());
    }

    Value window(Value of, long row, long rows, long column, long columns) {
        if (row < 0
                || rows < 0
                || row + rows > of.rows()
                || column < 0
                || columns < 0
                || column + columns > of.columns()) {
            throw new IllegalArgumentException("No window of " + rows + " rows from " + row + " and " + columns
                    + " columns from " + column + " in " + of + ".");
        }
        return new Value(
                nextId++,
                of.name(),
                Shape.of(rows, columns),
                of.type(),
                of.role(),
                of.root(),
                of.row() + row,
                of.column() + column);
    }

    Value activation(String name, long... dims) {
        return fresh(name, real, Role.ACTIVATION, dims);
    }

    Value like(String name, Value other) {
        return fresh(name, other.type(), Role.ACTIVATION, other.shape());
    }

    List<Value> inputs() {
        return inputs;
    }

    Set<Value> outputs() {
        return outputs;
    }

    Value integers(String name, long... dims) {
        return fresh(name, DType.I32, Role.ACTIVATION, dims);
    }

    private Value fresh(String name, DType type, Role role, long... dims) {
        return fresh(name, type, role, Shape.of(dims));
    }

    private Value fresh(String name, DType type, Role role, Shape shape) {
        return new Value(nextId++, name, shape, type, role, null, 0, 0);
    }
}
