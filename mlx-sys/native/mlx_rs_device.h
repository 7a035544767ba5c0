// A GPU that fails while it works.
#ifndef MLX_RS_DEVICE_H
#define MLX_RS_DEVICE_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Starts to look after CUDA devices, once a process. Does nothing where MLX has no CUDA.
 *
 * A device that failed never says that work is done, and MLX would wait for that forever: five times a
 * second the driver is asked, and who waits is woken, and meets the error. What MLX then throws in
 * destructors, and its threads while the process ends, would abort the process: it ends with exit
 * code 1 and a line on stderr, or as it was about to.
 */
void mlxrs_device_watch(void);

/** Says that the caller knows of a failed device: nothing is written about it any more. */
void mlxrs_device_lost(void);

#ifdef __cplusplus
}
#endif

#endif
