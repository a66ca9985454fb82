package dev.panamba.bindings;

import static dev.panamba.bindings.openblas.cblas_h.CblasNoTrans;
import static dev.panamba.bindings.openblas.cblas_h.CblasRowMajor;
import static dev.panamba.bindings.openblas.cblas_h.CblasTrans;

import dev.panamba.bindings.openblas.cblas_h;
import java.lang.foreign.MemorySegment;

/**
 * Matrix products, on the calling thread alone: any number of threads may call at once.
 *
 * <p>The caller vouches for sizes: OpenBLAS reads and writes what the numbers say, whatever the segments hold.
 */
public final class OpenBlas {
    static {
        Natives.load();
    }

    private OpenBlas() {}

    /**
     * {@code c = alpha * op(a) * op(b) + beta * c} in single precision, row-major.
     *
     * @param transA whether {@code op(a)} is the transpose of what {@code a} holds
     * @param transB whether {@code op(b)} is the transpose of what {@code b} holds
     * @param m rows of {@code op(a)} and {@code c}
     * @param n columns of {@code op(b)} and {@code c}
     * @param k columns of {@code op(a)}, rows of {@code op(b)}
     * @param alpha factor of the product
     * @param a [m, k], or [k, m] where transposed
     * @param lda distance between rows of {@code a}, in elements
     * @param b [k, n], or [n, k] where transposed
     * @param ldb distance between rows of {@code b}, in elements
     * @param beta factor of what {@code c} holds; 0 overwrites it, NaN included
     * @param c [m, n]
     * @param ldc distance between rows of {@code c}, in elements
     */
    public static void sgemm(
            boolean transA,
            boolean transB,
            int m,
            int n,
            int k,
            float alpha,
            MemorySegment a,
            int lda,
            MemorySegment b,
            int ldb,
            float beta,
            MemorySegment c,
            int ldc) {
        cblas_h.cblas_sgemm(
                CblasRowMajor(), transpose(transA), transpose(transB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    }

    /**
     * {@link #sgemm} in double precision.
     *
     * @param transA whether {@code op(a)} is the transpose of what {@code a} holds
     * @param transB whether {@code op(b)} is the transpose of what {@code b} holds
     * @param m rows of {@code op(a)} and {@code c}
     * @param n columns of {@code op(b)} and {@code c}
     * @param k columns of {@code op(a)}, rows of {@code op(b)}
     * @param alpha factor of the product
     * @param a [m, k], or [k, m] where transposed
     * @param lda distance between rows of {@code a}, in elements
     * @param b [k, n], or [n, k] where transposed
     * @param ldb distance between rows of {@code b}, in elements
     * @param beta factor of what {@code c} holds; 0 overwrites it, NaN included
     * @param c [m, n]
     * @param ldc distance between rows of {@code c}, in elements
     */
    public static void dgemm(
            boolean transA,
            boolean transB,
            int m,
            int n,
            int k,
            double alpha,
            MemorySegment a,
            int lda,
            MemorySegment b,
            int ldb,
            double beta,
            MemorySegment c,
            int ldc) {
        cblas_h.cblas_dgemm(
                CblasRowMajor(), transpose(transA), transpose(transB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    }

    /** {@return how OpenBLAS was built: version, threading, largest thread count} */
    public static String config() {
        return cblas_h.openblas_get_config().getString(0);
    }

    /** {@return the family of CPU kernels that OpenBLAS chose, for instance {@code SkylakeX}} */
    public static String core() {
        return cblas_h.openblas_get_corename().getString(0);
    }

    /** {@return the threads of OpenBLAS's own pool: always 1, the engine's team is the only pool} */
    public static int threads() {
        return cblas_h.openblas_get_num_threads();
    }

    private static int transpose(boolean transposed) {
        return transposed ? CblasTrans() : CblasNoTrans();
    }
}
