// A lock that lets threads read graphs while another thread evaluates.
#ifndef MLX_RS_GRAPH_H
#define MLX_RS_GRAPH_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Starts a read of the structure of graphs by this thread, until `mlxrs_graph_read_end`: no array that another thread
 * evaluates leaves its graph during the read. Calls nest.
 *
 * No thread waits for a reader, unless thousands of arrays wait to leave their graphs: then the next reader waits a
 * tenth of a second for the others, so that memory is freed in the end.
 */
void mlxrs_graph_read_begin(void);

/** Ends the read of `mlxrs_graph_read_begin`. Returns true if arrays can leave their graphs now. */
bool mlxrs_graph_read_end(void);

/**
 * Lets arrays leave their graphs that were evaluated during reads. The caller keeps every other thread from
 * evaluating.
 */
void mlxrs_graph_settle(void);

#ifdef __cplusplus
}
#endif

#endif
