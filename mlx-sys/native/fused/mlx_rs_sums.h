// Sums on the CPU with an error that does not grow with their length.
#ifndef MLX_RS_SUMS_H
#define MLX_RS_SUMS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Replaces the loops of MLX's `sum`, `logsumexp` and `softmax` by loops that add up in blocks, in this process and on
 * the CPU. Operations that MLX composes of them follow: `mean`, `var`, norms, and the gradient of a broadcast.
 *
 * MLX has one accumulator of the dtype of the array: the sum of 5,000 ones in bfloat16 is 256, and the sum of 49,152
 * equal float32 numbers is 1e-4 too small. Here a sum of n terms is within 20 * 2^-24 * sum(|term|), for every n,
 * before it is rounded to its dtype.
 *
 * Call it before the first array is evaluated. Returns false, and changes nothing, if this was not written for the
 * version of MLX or the platform.
 */
bool mlxrs_sums_in_blocks(void);

#ifdef __cplusplus
}
#endif

#endif
