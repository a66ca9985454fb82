package dev.panamba.graph;

import dev.panamba.graph.ForwardOp.ExpertLinear;
import dev.panamba.graph.ForwardOp.Gather;
import dev.panamba.graph.ForwardOp.Relu;
import dev.panamba.graph.GradientOp.ExpertLinearGrad;
import dev.panamba.graph.GradientOp.ReluGrad;
import dev.panamba.graph.GradientOp.ScatterGrad;
import dev.panamba.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Steps that search the results of each op for NaN and infinities, and name the first op that has one. */
final class FiniteChecks {
    private final Memory memory;
    private final Program program;

    FiniteChecks(Memory memory, Program program) {
        this.memory = memory;
        this.program = program;
    }

    /**
     * What is checked behind an op. States are left out: most of a cache is room, and what is read from it shows in the results of
     * the next op.
     *
     * @param index of the op in its program
     * @return one step for each result
     */
    List<Step> behind(int index) {
        var op = program.ops().get(index);
        var uses = Uses.of(op);
        var steps = new ArrayList<Step>();
        for (var value : uses.writes()) {
            if (isFloat(value.type()) && value.role() != Role.STATE && !hasUnknownRows(op, value)) {
                var offset = offset(op);
                steps.add(new Step.Finite(
                        name(index),
                        value,
                        memory.segment(value.root()),
                        parameters(uses),
                        offset == null ? null : memory.segment(offset)));
            }
        }
        return steps;
    }

    private static boolean isFloat(DType type) {
        return type == DType.F32 || type == DType.F64;
    }

    /** Says how many rows of the result there are: those of tokens that an expert had no room for are not written. */
    private static Value offset(Op op) {
        return switch (op) {
            case Gather o -> o.offset();
            case ExpertLinear o -> o.offset();
            case Relu o -> o.offset();
            case ExpertLinearGrad o -> o.offset();
            case ReluGrad o -> o.offset();
            default -> null;
        };
    }

    /** The same, where the op does not know it; what the expert behind it makes of them is checked. */
    private static boolean hasUnknownRows(Op op, Value value) {
        return op instanceof ScatterGrad scatter && value.equals(scatter.dgrouped());
    }

    /** An op by its kind, its place, and the nearest parameter at or before it. */
    private String name(int index) {
        for (int i = index; i >= 0; i--) {
            for (var parameter : parameters(Uses.of(program.ops().get(i))).keySet()) {
                return program.ops().get(index).getClass().getSimpleName() + " (step " + (index + 1) + " of "
                        + program.ops().size() + ", " + (i == index ? "with " : "behind ") + parameter.name() + ")";
            }
        }
        return program.ops().get(index).getClass().getSimpleName();
    }

    private Map<Value, MemorySegment> parameters(Uses uses) {
        var parameters = new LinkedHashMap<Value, MemorySegment>();
        for (var value : uses.reads()) {
            if (value.role() == Role.PARAMETER) {
                parameters.put(value.root(), memory.segment(value.root()));
            }
        }
        return parameters;
    }

    /**
     * Searches a result.
     *
     * @param op who made it
     * @param value the result, or a window
     * @param memory of the whole value
     * @param parameters that the op read
     * @param rows of the result that hold something
     * @throws ArithmeticException naming the op, or the parameter, and the place
     */
    static void check(String op, Value value, MemorySegment memory, Map<Value, MemorySegment> parameters, long rows) {
        var place = place(value, memory, rows);
        if (place == null) {
            return;
        }
        parameters.forEach((parameter, weights) -> {
            // Of narrow weights an element is no number that can be read here.
            var own = isFloat(parameter.type()) ? place(parameter, weights, parameter.rows()) : null;
            if (own != null) {
                throw new ArithmeticException("The weights are not finite: " + parameter + " has " + own + ".");
            }
        });
        throw new ArithmeticException(
                "The first result that is not finite is that of " + op + ": " + value + " has " + place + ".");
    }

    /** The first element that is not finite, and where; null if all are. */
    private static String place(Value value, MemorySegment memory, long rows) {
        for (long row = 0; row < rows; row++) {
            for (long column = 0; column < value.columns(); column++) {
                long index = value.offset() + row * value.stride() + column;
                double x = value.type() == DType.F64
                        ? memory.getAtIndex(ValueLayout.JAVA_DOUBLE_UNALIGNED, index)
                        : memory.getAtIndex(ValueLayout.JAVA_FLOAT_UNALIGNED, index);
                if (!Double.isFinite(x)) {
                    return x + " in row " + row + ", column " + column;
                }
            }
        }
        return null;
    }
}
