// Detection of a lost device: a GPU that fails while it works.
#ifndef MLX_RS_DEVICE_H
#define MLX_RS_DEVICE_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Starts to watch CUDA devices, once a process. Does nothing if MLX has no CUDA.
 *
 * A failed device never reports that work is done, and MLX would wait for it forever. So the driver is asked five
 * times a second. After a failure, waiting threads are woken and get an error at their next call.
 *
 * A thread blocked on a cross-stream event cannot be woken: the process ends after five minutes.
 *
 * MLX also throws in destructors after a failure, and in its threads while a process ends, which would abort the
 * process. A thread that is ending then ends without a message. Anything else ends the process with a line on stderr,
 * and with the exit code that it was about to end with, or 1.
 */
void mlxrs_device_watch(void);

/** Records that the caller knows of a failed device: no message is written about it any more. */
void mlxrs_device_lost(void);

#ifdef __cplusplus
}
#endif

#endif
