// MLX C has its four functions on float16 and bfloat16 values only if C has those types, as on ARM. They return the 16
// bits, so uint16_t serves as well. This header replaces mlx/c/half.h, in the bindings everywhere and in the library if
// C lacks the types.
#ifndef MLX_HALF_H
#define MLX_HALF_H

#include <stdint.h>

#define HAS_FLOAT16
#define HAS_BFLOAT16
typedef uint16_t float16_t;
typedef uint16_t bfloat16_t;

#endif
