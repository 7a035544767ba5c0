// Reading of arrays from files.
#ifndef MLX_RS_IO_H
#define MLX_RS_IO_H

#include "mlx/c/vector.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes the arrays that MLX would read on a CPU's stream, among these and those that they are made of, ones that this
 * library reads. No thread may evaluate them meanwhile.
 */
int mlxrs_own_reads(const mlx_vector_array arrays);

#ifdef __cplusplus
}
#endif

#endif
