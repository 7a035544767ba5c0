// A lock that lets threads read graphs while another thread evaluates.
#ifndef MLX_RS_GRAPH_H
#define MLX_RS_GRAPH_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * From here to `mlxrs_graph_read_end` this thread reads the structure of graphs: no array that another thread
 * evaluates leaves its graph meanwhile. Calls nest.
 *
 * Nobody waits for a reader, unless thousands of arrays wait to leave their graphs: then the next reader waits a
 * tenth of a second for the others, so that memory is freed in the end.
 */
void mlxrs_graph_read_begin(void);

/** Ends what `mlxrs_graph_read_begin` began. Returns true if arrays can leave their graphs now. */
bool mlxrs_graph_read_end(void);

/**
 * Lets those arrays leave their graphs that were evaluated while graphs were read. The caller keeps every other
 * thread from evaluating.
 */
void mlxrs_graph_settle(void);

#ifdef __cplusplus
}
#endif

#endif
