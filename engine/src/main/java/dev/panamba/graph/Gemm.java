package dev.panamba.graph;

import dev.panamba.bindings.Natives;
import dev.panamba.tensor.DType;

/** Who multiplies dense matrices of real numbers, which is what OpenBLAS can do. All other products are Panamba's own. */
public enum Gemm {
    /** Each product goes to who was measured to be fast at it; without OpenBLAS on the class path all are Panamba's own. */
    FASTEST,
    /** All that OpenBLAS can do goes to it, to compare: but for products with up to 16 tokens, which read each weight once. */
    OPENBLAS,
    /** OpenBLAS is not used. */
    PANAMBA;

    /**
     * Lets another thread load OpenBLAS while the caller reads files, if programs will need it: what is never multiplied costs no start.
     *
     * @param compute what large products round their factors to; those in bf16 are Panamba's own
     * @param side the least of rows, columns and common dimension of the largest dense product to come
     */
    public static void loadAhead(DType compute, long side) {
        if (compute == DType.F32 && side >= GemmLowering.SMALLEST_SIDE) {
            Natives.loadOpenBlasAhead();
        }
    }
}
