// Our own C functions, in the same library as MLX C and with its conventions.
#ifndef MLX_RS_H
#define MLX_RS_H

#include "blas/mlx_rs_blas.h"
#include "cuda/mlx_rs_cuda.h"
#include "device_watch/mlx_rs_device.h"
#include "fused/mlx_rs_fused.h"
#include "fused/mlx_rs_kernels.h"
#include "fused/mlx_rs_sums.h"
#include "graph/mlx_rs_buffer_views.h"
#include "graph/mlx_rs_failed.h"
#include "graph/mlx_rs_graph.h"
#include "graph/mlx_rs_simplify.h"
#include "graph/mlx_rs_streams.h"
#include "io/mlx_rs_io.h"
#include "memory/mlx_rs_simulator.h"
#include "process/mlx_rs_exit.h"
#include "rows/mlx_rs_rows.h"
#include "transforms/mlx_rs_forwards.h"
#include "transforms/mlx_rs_transforms.h"

#endif
