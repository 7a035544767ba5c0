// MLX C has its four functions on float16 and bfloat16 values only where C has such types, on ARM.
// What they hand out are the 16 bits, which uint16_t is as good for: this header stands for
// mlx/c/half.h, in the bindings everywhere and in the library where C lacks the types.
#ifndef MLX_HALF_H
#define MLX_HALF_H

#include <stdint.h>

#define HAS_FLOAT16
#define HAS_BFLOAT16
typedef uint16_t float16_t;
typedef uint16_t bfloat16_t;

#endif
