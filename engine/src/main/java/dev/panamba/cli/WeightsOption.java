package dev.panamba.cli;

import dev.panamba.tensor.DType;
import picocli.CommandLine.Option;

/** {@code --weights}, for commands of inference. */
final class WeightsOption {
    @Option(
            names = "--weights",
            paramLabel = "f32|bf16|int8|int4",
            description = "Type of the large matrices in memory; default: that of the file.")
    private Format format;

    /** What the large matrices can be. */
    enum Format {
        F32,
        BF16,
        INT8,
        INT4;

        DType type() {
            return DType.valueOf(name());
        }
    }

    /** The type that is asked for, or null. */
    DType type() {
        return format == null ? null : format.type();
    }
}
