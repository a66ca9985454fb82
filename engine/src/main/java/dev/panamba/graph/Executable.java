package dev.panamba.graph;

import dev.panamba.bindings.Pages;
import dev.panamba.memory.Extent;
import dev.panamba.memory.Lease;
import dev.panamba.memory.Placement;
import dev.panamba.memory.Slab;
import dev.panamba.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * A program bound to memory and to a team: checked once, then run as an array of steps, without a lookup, a branch on a type
 * or an allocation. It owns its inputs and activations and holds leases on the stores it points into.
 */
public final class Executable implements AutoCloseable, Team.Work {
    /**
     * Nanoseconds of work below which a step is over before others have come to help. Measured on free cores, where 1,000 to 4,000
     * make no difference; on cores that others use too, what is not shared does not wait for a worker that is not running.
     */
    private static final double NOT_WORTH_SHARING = 4000;

    private final Team team;
    private final Plan plan;
    private final Memory memory;
    private final Slab slab;
    private final Arena blocks;
    private final List<Lease> leases;
    private final Step[] steps;
    /** The op that each step is of. */
    private final Op[] ops;
    /** Steps that worker 0 does alone. */
    private final boolean[] alone;

    private final boolean isAlone;
    private volatile int failedStep = Integer.MAX_VALUE;
    private Throwable failure;
    private boolean closed;

    private Executable(
            Team team,
            Plan plan,
            Memory memory,
            Slab slab,
            Arena blocks,
            List<Lease> leases,
            List<Step> steps,
            List<Op> ops,
            BitSet alone) {
        this.team = team;
        this.plan = plan;
        this.memory = memory;
        this.slab = slab;
        this.blocks = blocks;
        this.leases = leases;
        this.steps = steps.toArray(Step[]::new);
        this.ops = ops.toArray(Op[]::new);
        this.alone = new boolean[steps.size()];
        alone.stream().forEach(i -> this.alone[i] = true);
        this.isAlone = alone.cardinality() == steps.size();
    }

    /**
     * Binds a program.
     *
     * @param program what to run
     * @param real the type it was built for
     * @param team who runs it
     * @param stores memory of parameters, gradients, moments and states, by role
     * @param placement how activations are laid out
     * @return the executable, to be closed before the stores
     * @throws IllegalArgumentException if shapes do not fit together or to the stores
     */
    public static Executable bind(
            Program program, DType real, Team team, Map<Role, Store> stores, Placement placement) {
        program.ops().forEach(Shapes::check);
        var plan = Plan.of(program, placement);
        var slab = Slab.map("the activations", plan.bytes());
        var blocks = Arena.ofShared();
        var leases = new ArrayList<Lease>();
        try {
            for (var store : stores.values()) {
                leases.add(store.lease());
            }
            if (placement == Placement.GUARDED) {
                for (var extent : plan.where().values()) {
                    slab.guard(new Extent(extent.end(), Pages.SIZE));
                }
            }
            var memory = new Memory(plan, slab, stores);
            var lowering = new Lowering(blocks, memory, real, team.size(), team.gemm());
            var steps = new ArrayList<Step>();
            var ops = new ArrayList<Op>();
            var alone = new BitSet();
            for (int i = 0; i < program.ops().size(); i++) {
                int first = steps.size();
                steps.addAll(lowering.lower(program.ops().get(i)));
                if (placement == Placement.CHECKED) {
                    steps.addAll(new FiniteChecks(memory, program).behind(i));
                }
                if (placement == Placement.POISON || placement == Placement.CHECKED) {
                    for (var dead : plan.deaths().getOrDefault(i, List.of())) {
                        steps.add(new Step.Poison(memory.segment(dead), dead.type()));
                    }
                }
                alone.set(first, steps.size(), Cost.of(program.ops().get(i)).nanoseconds() < NOT_WORTH_SHARING);
                ops.addAll(
                        Collections.nCopies(steps.size() - first, program.ops().get(i)));
            }
            return new Executable(team, plan, memory, slab, blocks, leases, steps, ops, alone);
        } catch (RuntimeException e) {
            leases.forEach(Lease::close);
            blocks.close();
            slab.close();
            throw e;
        }
    }

    /**
     * The bytes of an input or an output.
     *
     * @param value an input, or an activation kept with {@link Graph#output}
     * @return a segment that dies with this executable
     */
    public MemorySegment at(Value value) {
        return memory.segment(value);
    }

    /**
     * How the memory is laid out.
     *
     * @return the plan
     */
    public Plan plan() {
        return plan;
    }

    /**
     * Runs the program once, on the whole team; on the calling thread alone if no step is worth sharing.
     *
     * @throws IllegalStateException if this executable is closed
     * @throws RuntimeException what a kernel refused, with the state of outputs undefined
     */
    public void run() {
        if (closed) {
            throw new IllegalStateException("The executable is closed.");
        }
        if (isAlone) {
            run(0);
        } else {
            team.run(this);
        }
        if (failure != null) {
            var thrown = failure;
            failure = null;
            failedStep = Integer.MAX_VALUE;
            switch (thrown) {
                case RuntimeException e -> throw e;
                case Error e -> throw e;
                default -> throw new IllegalStateException(thrown);
            }
        }
    }

    @Override
    public void run(int worker) {
        int workers = team.size();
        var profile = worker == 0 ? team.profile() : null;
        var before = profile == null ? 0 : System.nanoTime();
        for (int i = 0; i < steps.length; i++) {
            try {
                if (!alone[i]) {
                    steps[i].run(worker, workers);
                } else if (worker == 0 && failedStep > i) {
                    steps[i].run(0, 1);
                }
            } catch (Throwable e) {
                fail(i, e);
            }
            var goesOnAlone = alone[i] && (i + 1 == steps.length || alone[i + 1]);
            if (!goesOnAlone) {
                team.barrier(worker);
                // All workers leave behind the same barrier, or those who stayed would wait forever.
                if (failedStep <= i) {
                    return;
                }
            }
            if (profile != null) {
                var now = System.nanoTime();
                profile.add(ops[i], steps[i] instanceof Step.Gemm, now - before, i == 0 || ops[i - 1] != ops[i]);
                before = now;
            }
        }
    }

    private synchronized void fail(int step, Throwable cause) {
        if (failure == null) {
            failure = cause;
        }
        failedStep = Math.min(failedStep, step);
    }

    /** Gives back the memory of activations and the leases. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            leases.forEach(Lease::close);
            blocks.close();
            slab.close();
        }
    }
}
