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
        Natives.loadOpenBlas();
    }

    private static final MethodHandle SGEMM = gemm("cblas_sgemm", JAVA_FLOAT);

    /** Linked at the first use: only gradient checks compute in double precision. */
    private static final class DoublePrecision {
        static final MethodHandle GEMM = gemm("cblas_dgemm", JAVA_DOUBLE);
    }

    private OpenBlas() {}

    /** As jextract describes it, with addresses for segments. */
    private static MethodHandle gemm(String function, ValueLayout real) {
        return Natives.openBlas(
                function,
                FunctionDescriptor.ofVoid(
                        JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, real, JAVA_LONG, JAVA_INT,
                        JAVA_LONG, JAVA_INT, real, JAVA_LONG, JAVA_INT));
    }

    /**
     * {@code c = alpha * op(a) * op(b) + beta * c} in single precision, row-major, on addresses: callers compute where parts of
     * matrices start, and no segment means nothing to allocate. What stands there must be alive and of the sizes that the
     * numbers say.
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
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
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
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    /** {@return how OpenBLAS was built: version, threading, largest thread count} */
    public static String config() {
        return text("openblas_get_config", cblas_h.openblas_get_config$descriptor());
    }

    /** {@return the family of CPU kernels that OpenBLAS chose, for instance {@code SkylakeX}} */
    public static String core() {
        return text("openblas_get_corename", cblas_h.openblas_get_corename$descriptor());
    }

    /** {@return the threads of OpenBLAS's own pool: always 1, the engine's team is the only pool} */
    public static int threads() {
        try {
            return (int) Natives.openBlas("openblas_get_num_threads", cblas_h.openblas_get_num_threads$descriptor())
                    .invokeExact();
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    private static String text(String function, FunctionDescriptor descriptor) {
        try {
            return ((MemorySegment) Natives.openBlas(function, descriptor).invokeExact()).getString(0);
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    private static int transpose(boolean transposed) {
        return transposed ? CblasTrans() : CblasNoTrans();
    }
}
