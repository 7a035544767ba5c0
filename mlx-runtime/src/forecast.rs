//! Forecasts of the memory and work of an evaluation, from its graph.
//!
//! Tests: `tests/runtime.rs`.

use mlx_sys as sys;

use crate::error::check;
use crate::handles::VectorArray;
use crate::kernels::select;
use crate::{backend, Array, Result};

/// The queue of MLX: how much work it holds before MLX waits (mlx/transforms.cpp, mlx/backend/cpu/encoder.h and
/// mlx/backend/cuda/device.cpp).
fn queue() -> Result<sys::mlxrs_queue> {
    if !select::is_on_gpu()? {
        return Ok(CPU);
    }
    let batch = backend::batch()?;
    Ok(sys::mlxrs_queue {
        tasks: 10,
        pieces: batch.kernels.saturating_add(1),
        elements: batch.elements,
        releases: false,
    })
}

/// The queue of a CPU.
const CPU: sys::mlxrs_queue = sys::mlxrs_queue {
    tasks: 10,
    pieces: 10,
    elements: u64::MAX,
    releases: true,
};

/// The forecast of [`crate::transforms::eval`] of some arrays. Bytes are those that it allocates, without those
/// allocated before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forecast {
    /// The most bytes at one time. MLX queues operations faster than they run, and memory is free
    /// again when they have run: this counts with a queue as full as MLX lets it be.
    pub peak: usize,
    /// Bytes of the arrays themselves, which stay.
    pub kept: usize,
    /// The most bytes that one operation allocates.
    pub largest: usize,
    /// Operations in the graph, views included.
    pub operations: usize,
    /// Pieces of work that the operations queue on a CPU. A view queues none, a concatenation one
    /// for each array.
    pub kernels: usize,
}

/// Walks over the graphs of the arrays as [`crate::transforms::eval`] would, without evaluating
/// anything. Arrays that have been evaluated cost nothing. A microsecond or two for each operation.
///
/// The rules are those of MLX's CPU backend; on a GPU the numbers are an estimate.
///
/// ```
/// use mlx_runtime::{memory, ops, Array};
/// let a = Array::from_slice(&[1f32; 1_000_000], &[1000, 1000])?;
/// let b = ops::exp(&ops::matmul(&a, &a)?)?;
/// // The exponential is written over the product, which nothing else reads.
/// assert_eq!(memory::forecast(&[&b])?.peak, 4_000_000);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
///
/// # Errors
/// Returns the error that MLX reports of the graph.
pub fn forecast(arrays: &[&Array]) -> Result<Forecast> {
    forecast_list(&VectorArray::from_refs("forecast", arrays)?, None)
}

/// As [`forecast`], but MLX shortens its queue as soon as the evaluation holds more than `room` bytes, as it does above
/// its memory limit.
///
/// # Errors
/// As [`forecast`].
pub fn forecast_within(arrays: &[&Array], room: usize) -> Result<Forecast> {
    forecast_list(&VectorArray::from_refs("forecast", arrays)?, Some(room))
}

/// [`forecast`], or [`forecast_within`] some room.
pub(crate) fn forecast_list(list: &VectorArray, room: Option<usize>) -> Result<Forecast> {
    replay(list, queue()?, room.map_or(u64::MAX, |r| r as u64))
}

/// [`forecast`] without a queue: every operation ends before the next one begins. No queue needs less.
pub(crate) fn forecast_in_turn(arrays: &[&Array]) -> Result<Forecast> {
    let list = VectorArray::from_refs("forecast", arrays)?;
    replay(
        &list,
        sys::mlxrs_queue {
            tasks: 0,
            ..queue()?
        },
        u64::MAX,
    )
}

fn replay(list: &VectorArray, queue: sys::mlxrs_queue, limit: u64) -> Result<Forecast> {
    let _lock = crate::lock::graph_lock();
    let mut out = sys::mlxrs_replay {
        peak: 0,
        kept: 0,
        largest: 0,
        operations: 0,
        kernels: 0,
    };
    // SAFETY: the list is valid and the destination outlives the call.
    check("forecast", unsafe {
        sys::mlxrs_replay_eval(&mut out, list.as_raw(), queue, limit)
    })?;
    let size = |n| usize::try_from(n).unwrap_or(usize::MAX);
    Ok(Forecast {
        peak: size(out.peak),
        kept: size(out.kept),
        largest: size(out.largest),
        operations: size(out.operations),
        kernels: size(out.kernels),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ops, transforms};

    const MB: usize = 1_000_000;

    /// Batches end early on Metal where arrays are large, so that fewer operations wait.
    #[test]
    fn a_task_of_large_arrays_is_short() {
        let ops = |elements: u64| {
            let mut x = ones();
            for _ in 0..200 {
                // A product is not written over its input.
                x = ops::matmul(&x, &x).unwrap();
            }
            let list = VectorArray::from_refs("forecast", &[&x]).unwrap();
            let queue = sys::mlxrs_queue {
                tasks: 2,
                pieces: 41,
                elements,
                releases: false,
            };
            replay(&list, queue, u64::MAX).unwrap().peak / MB
        };
        // Two tasks, one that has ended, one that fills: nearly 4 times 41 products of 1 MB.
        let whole = ops(u64::MAX);
        assert!((150..=170).contains(&whole), "{whole}");
        // Each product reads and writes half a million elements.
        assert!((5..=10).contains(&ops(250_000)), "{}", ops(250_000));
        let some = ops(2_000_000);
        assert!((20..=50).contains(&some), "{some}");
        assert_eq!(ops(100_000_000), whole);
    }

    fn ones() -> Array {
        let a = Array::from_slice(&[1f32; 250_000], &[500, 500]).unwrap();
        transforms::eval(&[&a]).unwrap();
        a
    }

    #[test]
    fn what_nothing_reads_any_more_is_reused() {
        let a = ones();
        let mut b = a.clone();
        for _ in 0..50 {
            b = ops::sin(&b).unwrap();
        }
        let f = forecast(&[&b]).unwrap();
        assert_eq!((f.peak, f.kept), (MB, MB));
        assert_eq!((f.operations, f.kernels), (50, 50));
    }

    #[test]
    fn the_queue_holds_what_it_has_not_read_yet() {
        let a = ones();
        // Each product reads the one before, which is free only when it has run.
        let mut b = a.clone();
        for _ in 0..100 {
            b = ops::matmul(&b, &a).unwrap();
        }
        let (queued, waiting) = (forecast(&[&b]).unwrap(), forecast_in_turn(&[&b]).unwrap());
        assert_eq!(waiting.peak, 2 * MB);
        // Two pieces of work for each: the product, and the release of its inputs. Up to 109 of them wait.
        assert!((54 * MB..58 * MB).contains(&queued.peak), "{queued:?}");
        let short = forecast_within(&[&b], 20 * MB).unwrap();
        assert!((20 * MB..=22 * MB).contains(&short.peak), "{short:?}");
    }

    #[test]
    fn views_and_constants_are_free_and_concatenations_copy_each_array() {
        let a = ones();
        let t = ops::transpose(&a, &[1, 0]).unwrap();
        assert_eq!(forecast(&[&t]).unwrap().kernels, 0);
        let c = ops::concatenate(&[&t, &a, &a], 0).unwrap();
        let f = forecast(&[&c]).unwrap();
        assert_eq!((f.peak, f.kernels, f.operations), (3 * MB, 3, 2));
        // A transposed view is not in rows: flattening it copies.
        let flat = ops::reshape(&t, &[-1]).unwrap();
        assert_eq!(forecast(&[&flat]).unwrap().peak, MB);
        let same = ops::reshape(&a, &[-1]).unwrap();
        assert_eq!(forecast(&[&same]).unwrap().peak, 0);
    }
}
