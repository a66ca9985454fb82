package dev.panamba.bindings;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.panamba.bindings.openblas.cblas_h;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OpenBlasTest {
    @ParameterizedTest
    @CsvSource({"false,false", "false,true", "true,false", "true,true"})
    void productsAgreeWithTheTripleLoop(boolean transA, boolean transB) {
        for (int m = 1; m <= 17; m++) {
            for (int n = 1; n <= 17; n++) {
                for (int k = 1; k <= 17; k++) {
                    compare(transA, transB, m, n, k);
                }
            }
        }
    }

    @Test
    void openBlasHasOneThread() {
        assertEquals(1, OpenBlas.facts().threads());
    }

    private static void compare(boolean transA, boolean transB, int m, int n, int k) {
        var random = new SplittableRandom(m * 10_000L + n * 100L + k);
        int lda = transA ? m : k;
        int ldb = transB ? k : n;
        float alpha = 0.5f;
        float beta = -2;
        try (var arena = Arena.ofConfined()) {
            var a = arena.allocate(JAVA_FLOAT, (long) m * k);
            var b = arena.allocate(JAVA_FLOAT, (long) k * n);
            var c = arena.allocate(JAVA_FLOAT, (long) m * n);
            for (var matrix : new MemorySegment[] {a, b, c}) {
                for (long i = 0; i < matrix.byteSize() / Float.BYTES; i++) {
                    matrix.setAtIndex(JAVA_FLOAT, i, (float) random.nextDouble(-1, 1));
                }
            }
            var expected = new double[m * n];
            for (int i = 0; i < m; i++) {
                for (int j = 0; j < n; j++) {
                    double sum = 0;
                    for (int l = 0; l < k; l++) {
                        double left = a.getAtIndex(JAVA_FLOAT, transA ? l * lda + i : i * lda + l);
                        sum += left * b.getAtIndex(JAVA_FLOAT, transB ? j * ldb + l : l * ldb + j);
                    }
                    expected[i * n + j] = alpha * sum + beta * c.getAtIndex(JAVA_FLOAT, i * n + j);
                }
            }
            var d = arena.allocate(JAVA_FLOAT, (long) m * n).copyFrom(c);
            int opA = transA ? cblas_h.CblasTrans() : cblas_h.CblasNoTrans();
            int opB = transB ? cblas_h.CblasTrans() : cblas_h.CblasNoTrans();
            cblas_h.cblas_sgemm(cblas_h.CblasRowMajor(), opA, opB, m, n, k, alpha, a, lda, b, ldb, beta, c, n);
            OpenBlas.sgemm(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, d, n);
            assertEquals(-1, c.mismatch(d), "the generated binding and the face");
            for (int i = 0; i < m * n; i++) {
                assertEquals(expected[i], c.getAtIndex(JAVA_FLOAT, i), 1e-5, "m " + m + " n " + n + " k " + k);
            }
        }
    }
}
