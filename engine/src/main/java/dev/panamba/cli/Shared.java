package dev.panamba.cli;

import dev.panamba.graph.Team;
import dev.panamba.memory.Placement;
import dev.panamba.tensor.DType;
import java.nio.file.Path;

/** Options that several commands have. */
final class Shared {
    /** What the large matrices can be. */
    static final DType[] FORMATS = {DType.F32, DType.BF16, DType.INT8, DType.INT4};

    static final Opt<Path> MODEL =
            Opt.path("model", "DIR", "A model directory.").required();
    static final Opt<Path> NEW =
            Opt.path("out", "DIR", "Where to; must not exist.").required();
    static final Opt<DType> WEIGHTS =
            Opt.oneOf("weights", "Type of the large matrices in memory; default: that of the file.", null, FORMATS);
    static final Opt<DType> COMPUTE = Opt.oneOf(
            "compute",
            "What large products round their factors to; bf16 is faster where the processor has its instruction"
                    + " at full rate (doctor says bf16), and slower elsewhere",
            DType.F32,
            DType.F32,
            DType.BF16);
    static final Opt<Integer> THREADS = Opt.integer(
                    "threads", "N", "Default: all cores.", Runtime.getRuntime().availableProcessors())
            .within(1, Team.MOST);
    static final Opt<Boolean> CHECK_FINITE = Opt.flag(
            "check-finite",
            "Search the results of every op, slowly, and name the first that holds a NaN or an infinity.");
    static final Opt<Boolean> JSON = Opt.flag("json", "Print one JSON object.");

    private Shared() {}

    /** How programs are bound. */
    static Placement placement(Arguments given) {
        return given.get(CHECK_FINITE) ? Placement.CHECKED : Placement.PACKED;
    }
}
