package dev.panamba.bindings;

import static dev.panamba.bindings.openblas.cblas_h.CblasNoTrans;
import static dev.panamba.bindings.openblas.cblas_h.CblasRowMajor;
import static dev.panamba.bindings.openblas.cblas_h.CblasTrans;

import dev.panamba.bindings.openblas.cblas_h;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;

/**
 * Matrix products of OpenBLAS, on the calling thread alone: any number of threads may call at once.
 *
 * <p>Functions are those that jextract describes, looked up in the copy of the library that was loaded here. The caller vouches for
 * sizes: OpenBLAS reads and writes what the numbers say, whatever the segments hold.
 */
public final class OpenBlas {
    static {
        Natives.loadOpenBlas();
    }

    private static final MethodHandle SGEMM = Natives.openBlas("cblas_sgemm", cblas_h.cblas_sgemm$descriptor());

    /** Linked at the first use: only gradient checks compute in double precision. */
    private static final class DoublePrecision {
        static final MethodHandle GEMM = Natives.openBlas("cblas_dgemm", cblas_h.cblas_dgemm$descriptor());
    }

    private OpenBlas() {}

    /**
     * What runs in this process.
     *
     * @param file the library
     * @param config how it was built: version, threading, the CPU family that it would choose, largest number of threads
     * @param core the CPU family whose kernels run
     * @param threads of its own pool: always 1, the engine's team is the only pool
     */
    public record Facts(Path file, String config, String core, int threads) {}

    /** {@return what was loaded and what it chose} */
    public static Facts facts() {
        return new Facts(
                Natives.loadOpenBlas().getLast(),
                text("openblas_get_config", cblas_h.openblas_get_config$descriptor()),
                text("openblas_get_corename", cblas_h.openblas_get_corename$descriptor()),
                threads());
    }

    /**
     * {@code c = alpha * op(a) * op(b) + beta * c} in single precision, row-major. Allocates nothing. What the segments point to must
     * be alive and of the sizes that the numbers say.
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
        try {
            SGEMM.invokeExact(CblasRowMajor(), op(transA), op(transB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
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
        try {
            DoublePrecision.GEMM.invokeExact(
                    CblasRowMajor(), op(transA), op(transB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    private static int op(boolean transposed) {
        return transposed ? CblasTrans() : CblasNoTrans();
    }

    private static int threads() {
        try {
            return (int) Natives.openBlas("openblas_get_num_threads", cblas_h.openblas_get_num_threads$descriptor())
                    .invokeExact();
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }

    private static String text(String function, FunctionDescriptor descriptor) {
        try {
            var text = (MemorySegment) Natives.openBlas(function, descriptor).invokeExact();
            return text.getString(0);
        } catch (Throwable e) {
            throw NativeException.unexpected(e);
        }
    }
}
