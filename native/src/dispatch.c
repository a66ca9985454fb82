/* The public functions: each goes to its kernel of the CPU level that was chosen when the library was loaded. */

#include <stdlib.h>
#include <string.h>

#include "panamba.h"

/* Every kernel, once. A new kernel is its struct and prototype in panamba.h, its function in a topic file, and a line here. */
#define KERNELS(X, level) \
    X(embedding_forward, level) \
    X(embedding_backward, level) \
    X(layer_norm_forward, level) \
    X(layer_norm_backward, level) \
    X(layer_norm_backward_weights, level) \
    X(rms_norm_forward, level) \
    X(rms_norm_backward, level) \
    X(rms_norm_backward_weights, level) \
    X(conv_forward, level) \
    X(conv_backward, level) \
    X(scan_a, level) \
    X(scan_forward, level) \
    X(scan_backward, level) \
    X(scan_backward_tokens, level) \
    X(scan_backward_weights, level) \
    X(rope, level) \
    X(cache_append, level) \
    X(attention_forward, level) \
    X(attention_backward, level) \
    X(route_forward, level) \
    X(route_group, level) \
    X(route_backward, level) \
    X(gather_forward, level) \
    X(gather_backward, level) \
    X(scatter_forward, level) \
    X(scatter_backward, level) \
    X(relu_forward, level) \
    X(relu_backward, level) \
    X(add, level) \
    X(broadcast, level) \
    X(column_sum, level) \
    X(matvec, level) \
    X(quantise, level) \
    X(quantise_tokens, level) \
    X(dequantise, level) \
    X(product, level) \
    X(gemm, level) \
    X(cross_entropy_forward, level) \
    X(cross_entropy_backward, level) \
    X(mean, level) \
    X(squared_norm, level) \
    X(adamw, level)

#define MEMBER(name, level) int (*name)(const struct pb_##name##_args *, int64_t, int64_t);
#define DECLARE(name, level) int pb_##name##_##level(const struct pb_##name##_args *, int64_t, int64_t);
#define ENTRY(name, level) .name = pb_##name##_##level,

struct kernels {
    const char *label;
    KERNELS(MEMBER, )
};

#define LEVEL(level, text) \
    KERNELS(DECLARE, level) \
    static const struct kernels level = {.label = text, KERNELS(ENTRY, level)};

/* The library's only variable: written once, before dlopen returns. */
static const struct kernels *chosen;

#if defined(__x86_64__)

LEVEL(v2, "x86-64-v2")
LEVEL(v3, "x86-64-v3")
LEVEL(v4, "x86-64-v4")

/* The same but for the products that have an instruction of their own: they are given twice, and the last counts. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
DECLARE(product, v4_vnni)
DECLARE(gemm, v4_bf16)
static const struct kernels v4_vnni = {KERNELS(ENTRY, v4).label = "x86-64-v4+vnni", .product = pb_product_v4_vnni};
static const struct kernels v4_bf16 = {KERNELS(ENTRY, v4).label = "x86-64-v4+vnni+bf16", .product = pb_product_v4_vnni, .gemm = pb_gemm_v4_bf16};
#pragma GCC diagnostic pop

/* gcc's names of the levels include what the operating system must save and restore. */
__attribute__((constructor)) static void choose(void)
{
    const char *most = getenv("PANAMBA_CPU_LEVEL");
    if (most == NULL) most = "";
    __builtin_cpu_init();
    chosen = &v2;
    if (strcmp(most, "v2") == 0 || !__builtin_cpu_supports("x86-64-v3")) return;
    chosen = &v3;
    if (strcmp(most, "v3") == 0 || !__builtin_cpu_supports("x86-64-v4")) return;
    chosen = &v4;
    if (strcmp(most, "v4") == 0 || !__builtin_cpu_supports("avx512vnni")) return;
    chosen = &v4_vnni;
    if (strcmp(most, "vnni") == 0 || !__builtin_cpu_supports("avx512bf16")) return;
    chosen = &v4_bf16;
}

#else

LEVEL(generic, "generic")
static const struct kernels *chosen = &generic;

#endif

const int pb_abi_version = PB_ABI_VERSION;
const int pb_real_bytes = sizeof(real);
const char *pb_level(void) { return chosen->label; }

#define FORWARD(name, level) \
    int pb_##name(const struct pb_##name##_args *args, int64_t begin, int64_t end) { return chosen->name(args, begin, end); }

KERNELS(FORWARD, )
