/* What a C program would do in the benchmarks' place: loops around the functions that they call. */
#include <stdint.h>

typedef void sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
                   float beta, float *c, int ldc);

/* y [m, n] = x [m, k] w [n, k]^T, so many times */
void repeat_sgemm(sgemm *cblas_sgemm, int64_t calls, int m, int n, int k, const float *x, const float *w, float *y)
{
    enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };
    for (int64_t i = 0; i < calls; i++) cblas_sgemm(ROW_MAJOR, NO_TRANS, TRANS, m, n, k, 1, x, k, w, k, 0, y, n);
}
