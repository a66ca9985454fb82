package dev.panamba.bindings;

import static dev.panamba.bindings.openblas.cblas_h.CblasNoTrans;
import static dev.panamba.bindings.openblas.cblas_h.CblasRowMajor;
import static dev.panamba.bindings.openblas.cblas_h.CblasTrans;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.panamba.bindings.openblas.cblas_h;
import java.lang.foreign.FunctionDescriptor;
import java.lang.invoke.MethodHandle;

/**
 * Matrix products of OpenBLAS, to compare with: on the calling thread alone, any number of threads may call at once.
 *
 * <p>The caller vouches for sizes: OpenBLAS reads and writes what the numbers say, whatever the segments hold.
 */
public final class OpenBlas {
    static {
        Natives.loadOpenBlas();
    }

    /** As jextract describes it, with addresses for segments. */
    private static final MethodHandle SGEMM = Natives.openBlas(
            "cblas_sgemm",
            FunctionDescriptor.ofVoid(
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_FLOAT,
                    JAVA_LONG,
                    JAVA_INT,
                    JAVA_LONG,
                    JAVA_INT,
                    JAVA_FLOAT,
                    JAVA_LONG,
                    JAVA_INT));

    private OpenBlas() {}

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

    /** {@return the threads of OpenBLAS's own pool: always 1, the engine's team is the only pool} */
    public static int threads() {
        try {
            return (int) Natives.openBlas("openblas_get_num_threads", cblas_h.openblas_get_num_threads$descriptor())
                    .invokeExact();
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    private static int transpose(boolean transposed) {
        return transposed ? CblasTrans() : CblasNoTrans();
    }
}
