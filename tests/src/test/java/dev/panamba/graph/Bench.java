package dev.panamba.graph;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT_UNALIGNED;
import static java.lang.foreign.ValueLayout.JAVA_INT_UNALIGNED;

import dev.panamba.bindings.Pages;
import dev.panamba.memory.Placement;
import dev.panamba.memory.Slab;
import dev.panamba.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Collection;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A program under test, and what stands in its inputs, parameters and states before it runs: random numbers that depend on the
 * seed and on a value's name, unless they are set.
 */
public final class Bench {
    private static final int[] SIZES = {1, 2, 3, 5, 8, 17, 33};

    private final Graph graph;
    private final long seed;
    private final SplittableRandom random;
    private final Map<Value, double[]> contents = new LinkedHashMap<>();

    public Bench(DType real, long seed) {
        graph = new Graph(real);
        this.seed = seed;
        random = new SplittableRandom(seed);
    }

    public Graph graph() {
        return graph;
    }

    public SplittableRandom random() {
        return random;
    }

    /** One of the sizes at which kernels go wrong: a single element, odd ones, and just above a vector or a block. */
    public int size() {
        return SIZES[random.nextInt(SIZES.length)];
    }

    public int size(int most) {
        return Stream.generate(this::size).filter(n -> n <= most).findFirst().orElseThrow();
    }

    public boolean coin() {
        return random.nextBoolean();
    }

    public Value parameter(String name, long... dims) {
        return randomize(graph.parameter(name, dims), 1);
    }

    public Value input(String name, long... dims) {
        return randomize(graph.input(name, graph.real(), dims), 1);
    }

    /** An input of another value's shape. */
    public Value inputLike(String name, Value other) {
        return input(
                name,
                IntStream.range(0, other.shape().rank())
                        .mapToLong(other.shape()::dim)
                        .toArray());
    }

    public Value state(String name, long... dims) {
        return randomize(graph.state(name, dims), 1);
    }

    public Value integers(String name, int... values) {
        return set(
                graph.input(name, DType.I32, values.length),
                Arrays.stream(values).asDoubleStream().toArray());
    }

    public Value randomIntegers(String name, int count, int from, int to) {
        return integers(name, random.ints(count, from, to).toArray());
    }

    /** Normally distributed contents. */
    public Value randomize(Value value, double scale) {
        var normal = new SplittableRandom(31 * seed + value.name().hashCode());
        int count = Math.toIntExact(value.shape().elements());
        return set(
                value,
                IntStream.range(0, count)
                        .mapToDouble(_ -> scale * normal.nextGaussian())
                        .toArray());
    }

    /** Contents are rounded to single precision, so that both libraries start from the same numbers. */
    public Value set(Value value, double... elements) {
        contents.put(value, Arrays.stream(elements).map(x -> (float) x).toArray());
        return value;
    }

    /** What a whole value holds before a run. */
    public double[] get(Value value) {
        return contents.get(value);
    }

    /** Memory with these contents behind the program as it is now. Guarded placement guards parameters and states, too. */
    public Bound bind(Team team, Placement placement) {
        return new Bound(graph.program(), team, placement);
    }

    /** The program in memory of its own. */
    public final class Bound implements AutoCloseable {
        private final Map<Role, Store> stores = new EnumMap<>(Role.class);
        private final Executable executable;

        private Bound(Program program, Team team, Placement placement) {
            var parameters = graph.parameters().values();
            stores.put(Role.PARAMETER, store(parameters, placement));
            stores.put(Role.GRADIENT, store(parameters, placement));
            stores.put(Role.STATE, store(graph.states(), placement));
            executable = Executable.bind(program, graph.real(), team, stores, placement);
            contents.forEach(this::write);
        }

        public Bound run() {
            executable.run();
            return this;
        }

        public Executable executable() {
            return executable;
        }

        /** Gradients of parameters accumulate: this begins anew. */
        public void clearGradients() {
            stores.get(Role.GRADIENT).segments().values().forEach(segment -> segment.fill((byte) 0));
        }

        /** The elements of a value or of a window. */
        public double[] read(Value value) {
            var memory = executable.at(value.root());
            var elements = new double[Math.toIntExact(value.shape().elements())];
            for (int i = 0; i < elements.length; i++) {
                elements[i] = get(memory, value.type(), index(value, i));
            }
            return elements;
        }

        public void write(Value value, double[] elements) {
            var memory = executable.at(value.root());
            for (int i = 0; i < elements.length; i++) {
                set(memory, value.type(), index(value, i), elements[i]);
            }
        }

        @Override
        public void close() {
            executable.close();
            stores.values().forEach(Store::close);
        }
    }

    private static long index(Value value, int element) {
        return value.offset() + element / value.columns() * value.stride() + element % value.columns();
    }

    private static double get(MemorySegment memory, DType type, long index) {
        return switch (type) {
            case F32 -> memory.getAtIndex(JAVA_FLOAT_UNALIGNED, index);
            case F64 -> memory.getAtIndex(JAVA_DOUBLE_UNALIGNED, index);
            default -> memory.getAtIndex(JAVA_INT_UNALIGNED, index);
        };
    }

    private static void set(MemorySegment memory, DType type, long index, double element) {
        switch (type) {
            case F32 -> memory.setAtIndex(JAVA_FLOAT_UNALIGNED, index, (float) element);
            case F64 -> memory.setAtIndex(JAVA_DOUBLE_UNALIGNED, index, element);
            default -> memory.setAtIndex(JAVA_INT_UNALIGNED, index, (int) element);
        }
    }

    private static Store store(Collection<Value> values, Placement placement) {
        if (placement != Placement.GUARDED) {
            return Store.allocate("a test's values", values);
        }
        var arena = Arena.ofShared();
        var segments = new LinkedHashMap<String, MemorySegment>();
        for (var value : values) {
            segments.put(value.name(), guarded(value.bytes(), arena));
        }
        var name = "a test's guarded values";
        return Store.mapped(name, Slab.adopt(name, arena, MemorySegment.NULL), segments);
    }

    /** Memory that ends where a page begins that nobody may touch. */
    static MemorySegment guarded(long bytes, Arena arena) {
        var page = Pages.SIZE;
        var whole = Math.ceilDiv(bytes, page) * page;
        var pages = Pages.map(whole + page, arena);
        Pages.forbid(pages.asSlice(whole));
        return pages.asSlice(whole - bytes, bytes);
    }
}
