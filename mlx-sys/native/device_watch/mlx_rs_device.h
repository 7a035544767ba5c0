// Detection of a lost device: a GPU that fails while it works.
#ifndef MLX_RS_DEVICE_H
#define MLX_RS_DEVICE_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Starts to look after CUDA devices, once a process. Does nothing where MLX has no CUDA.
 *
 * A device that failed never says that work is done, and MLX would wait for that forever: five times a
 * second the driver is asked, and who waits is woken, and meets the error of the next call.
 *
 * Who waits on an event between two streams cannot be woken: the process ends after five minutes.
 *
 * MLX also throws in destructors then, and in its threads while a process ends, which would abort the
 * process. A thread that ends does so in silence; anything else ends the process with a line on stderr, and with the
 * exit code that it was about to end with, or 1.
 */
void mlxrs_device_watch(void);

/** Says that the caller knows of a failed device: nothing is written about it any more. */
void mlxrs_device_lost(void);

#ifdef __cplusplus
}
#endif

#endif
