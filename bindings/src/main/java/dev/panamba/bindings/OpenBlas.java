package dev.panamba.bindings;

import static dev.panamba.bindings.openblas.cblas_h.CblasNoTrans;
import static dev.panamba.bindings.openblas.cblas_h.CblasRowMajor;
import static dev.panamba.bindings.openblas.cblas_h.CblasTrans;
import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.panamba.bindings.openblas.cblas_h;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Matrix products, on the calling thread alone: any number of threads may call at once.
 *
 * <p>The caller vouches for sizes: OpenBLAS reads and writes what the numbers say, whatever the segments hold.
 */
public final class OpenBlas {
    static {
        Natives.load();
    }

    private static final MethodHandle SGEMM = gemm(cblas_h.cblas_sgemm$address(), JAVA_FLOAT);

    /** Linked at the first use: only gradient checks compute in double precision. */
    private static final class DoublePrecision {
        static final MethodHandle GEMM = gemm(cblas_h.cblas_dgemm$address(), JAVA_DOUBLE);
    }

    private OpenBlas() {}

    /** As jextract links it, with addresses for segments. */
    private static MethodHandle gemm(MemorySegment function, ValueLayout real) {
        return Linker.nativeLinker()
                .downcallHandle(
                        function,
                        FunctionDescriptor.ofVoid(
                                JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, real, JAVA_LONG, JAVA_INT,
                                JAVA_LONG, JAVA_INT, real, JAVA_LONG, JAVA_INT));
    }

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
     * {@link #sgemm(boolean, boolean, int, int, int, float, MemorySegment, int, MemorySegment, int, float, MemorySegment, int)
     * sgemm} on addresses, for callers that compute where parts of matrices start: no segments, so nothing to allocate. What
     * stands there must be alive and of the sizes that the numbers say.
     *
     * @param transA whether {@code op(a)} is the transpose of what {@code a} holds
     * @param transB whether {@code op(b)} is the transpose of what {@code b} holds
     * @param m rows of {@code op(a)} and {@code c}
     * @param n columns of {@code op(b)} and {@code c}
     * @param k columns of {@code op(a)}, rows of {@code op(b)}
     * @param alpha factor of the product
     * @param a address of [m, k], or [k, m] where transposed
     * @param lda distance between rows of {@code a}, in elements
     * @param b address of [k, n], or [n, k] where transposed
     * @param ldb distance between rows of {@code b}, in elements
     * @param beta factor of what {@code c} holds; 0 overwrites it, NaN included
     * @param c address of [m, n]
     * @param ldc distance between rows of {@code c}, in elements
     */
    public static void sgemm(
            boolean transA,
            boolean transB,
            int m,
            int n,
            int k,
            float alpha,
            long a,
            int lda,
            long b,
            int ldb,
            float beta,
            long c,
            int ldc) {
        try {
            SGEMM.invokeExact(
                    CblasRowMajor(),
                    transpose(transA),
                    transpose(transB),
                    m,
                    n,
                    k,
                    alpha,
                    a,
                    lda,
                    b,
                    ldb,
                    beta,
                    c,
                    ldc);
        } catch (Error | RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    /**
     * {@link #sgemm(boolean, boolean, int, int, int, float, long, int, long, int, float, long, int) sgemm} in double precision.
     *
     * @param transA whether {@code op(a)} is the transpose of what {@code a} holds
     * @param transB whether {@code op(b)} is the transpose of what {@code b} holds
     * @param m rows of {@code op(a)} and {@code c}
     * @param n columns of {@code op(b)} and {@code c}
     * @param k columns of {@code op(a)}, rows of {@code op(b)}
     * @param alpha factor of the product
     * @param a address of [m, k], or [k, m] where transposed
     * @param lda distance between rows of {@code a}, in elements
     * @param b address of [k, n], or [n, k] where transposed
     * @param ldb distance between rows of {@code b}, in elements
     * @param beta factor of what {@code c} holds; 0 overwrites it, NaN included
     * @param c address of [m, n]
     * @param ldc distance between rows of {@code c}, in elements
     */
    public static void dgemm(
            boolean transA,
            boolean transB,
            int m,
            int n,
            int k,
            double alpha,
            long a,
            int lda,
            long b,
            int ldb,
            double beta,
            long c,
            int ldc) {
        try {
            DoublePrecision.GEMM.invokeExact(
                    CblasRowMajor(),
                    transpose(transA),
                    transpose(transB),
                    m,
                    n,
                    k,
                    alpha,
                    a,
                    lda,
                    b,
                    ldb,
                    beta,
                    c,
                    ldc);
        } catch (Error | RuntimeException e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
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
