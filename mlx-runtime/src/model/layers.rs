//! Running a stack of layers, cut at gradient checkpoints (Chen et al. 2016): between two
//! boundaries nothing is kept but the input, and the backward pass runs the layers again.

use std::cell::Cell;

use super::Model;
use crate::nn::KvCache;
use crate::{device, memory, transforms, Array, Dtype, Result};

/// Where a stack of layers is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Checkpoint {
    /// As few boundaries as the memory limit allows.
    #[default]
    Auto,
    /// A boundary every that many layers; 1 is the least memory.
    Every(usize),
    /// None: fastest, and the most memory.
    Never,
}

thread_local! {
    static OVERRIDE: Cell<Option<Checkpoint>> = const { Cell::new(None) };
}

/// Runs `f` with every stack of layers cut as `policy` says, whatever the models declare.
pub fn with_checkpoint<T>(policy: Option<Checkpoint>, f: impl FnOnce() -> T) -> T {
    struct Restore(Option<Checkpoint>);
    impl Drop for Restore {
        fn drop(&mut self) {
            OVERRIDE.set(self.0);
        }
    }
    let _restore = Restore(OVERRIDE.replace(policy));
    f()
}

/// What a forward pass keeps for the backward pass, in elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Activations.
    pub values: i64,
    /// Scores of attention, kept only where it is not computed in tiles.
    pub scores: i64,
}

impl Saved {
    /// Both together.
    pub fn plus(self, other: Saved) -> Saved {
        Saved {
            values: self.values.saturating_add(other.values),
            scores: self.scores.saturating_add(other.scores),
        }
    }
}

type Run<M> = fn(&M, &[Array], &mut KvCache) -> Result<Array>;

/// Feeds `x[0]` through the layers; the rest of `x` goes to each of them.
pub fn run_layers<M: Model>(
    layers: &[M],
    declared: Checkpoint,
    x: &[&Array],
    cache: &mut KvCache,
    run: Run<M>,
) -> Result<Array> {
    let mut args: Vec<Array> = x.iter().map(|a| (*a).clone()).collect();
    let span = match OVERRIDE.get().unwrap_or(declared) {
        _ if !transforms::is_differentiating() || cache.is_on() => 0,
        Checkpoint::Never => 0,
        Checkpoint::Every(n) => n,
        Checkpoint::Auto => auto_span(layers, x[0])?,
    };
    if span == 0 {
        return plain(layers, 0, args, cache, run);
    }
    for part in layers.chunks(span) {
        args[0] = segment(part, &args, run)?;
    }
    Ok(args.swap_remove(0))
}

/// The longest span between boundaries that fits the memory that is left; 0 for no boundaries.
fn auto_span<M: Model>(layers: &[M], x: &Array) -> Result<usize> {
    let Some(layer) = layers.first() else {
        return Ok(0);
    };
    let shape: Vec<i64> = x.shape().iter().map(|n| i64::from(*n)).collect();
    let saved = layer.saved(&shape);
    // MLX computes attention in tiles on GPUs only.
    let tiled = device::default_device()?.kind() == device::DeviceType::Gpu;
    let elements = saved
        .values
        .saturating_add(if tiled { 0 } else { saved.scores });
    let bytes = |n: i64| {
        usize::try_from(n)
            .unwrap_or(0)
            .saturating_mul(x.dtype().size())
    };
    let left = memory::limit()?.saturating_sub(memory::active()?);
    Ok(longest_span(
        layers.len(),
        bytes(elements),
        x.nbytes(),
        left,
    ))
}

/// The longest span of `n` layers, each keeping `layer` bytes, whose backward pass fits in `left`:
/// the input of each span is kept, and one span at a time is whole. 0 if no cut is needed; 1, the
/// least there is, if nothing fits.
fn longest_span(n: usize, layer: usize, boundary: usize, left: usize) -> usize {
    if layer.saturating_mul(n) <= left {
        return 0;
    }
    let need = |span: usize| {
        let spans = n.div_ceil(span);
        spans
            .saturating_mul(boundary)
            .saturating_add(span.saturating_mul(layer))
    };
    (1..n).rev().find(|span| need(*span) <= left).unwrap_or(1)
}

fn plain<M: Model>(
    layers: &[M],
    first: usize,
    mut args: Vec<Array>,
    cache: &mut KvCache,
    run: Run<M>,
) -> Result<Array> {
    for (i, layer) in layers.iter().enumerate() {
        cache.enter(first + i);
        args[0] = run(layer, &args, cache)?;
    }
    Ok(args.swap_remove(0))
}

/// One span between two boundaries. What is trained must come in as an input, since MLX
/// differentiates a checkpoint with respect to its inputs only; what is frozen is captured, which
/// keeps MLX from building gradients nobody wants, and so are whole numbers, which have none.
fn segment<M: Model>(layers: &[M], args: &[Array], run: Run<M>) -> Result<Array> {
    let float = |a: &Array| matches!(a.dtype(), Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16);
    let mut inputs: Vec<Array> = args.iter().filter(|a| float(a)).cloned().collect();
    let width = inputs.len();
    let fixed: Vec<Option<Array>> = args
        .iter()
        .map(|a| (!float(a)).then(|| a.clone()))
        .collect();
    let counts: Vec<usize> = layers
        .iter()
        .map(|l| {
            let own = l.trainable();
            let n = own.len();
            inputs.extend(own.into_iter().map(|(_, a)| a));
            n
        })
        .collect();
    let layers = layers.to_vec();
    let body = move |inputs: &[Array]| {
        let (floats, mut params) = inputs.split_at(width);
        let mut floats = floats.iter();
        let args = fixed
            .iter()
            .filter_map(|a| a.as_ref().or_else(|| floats.next()).cloned());
        let args: Vec<Array> = args.collect();
        let mut layers = layers.clone();
        for (layer, n) in layers.iter_mut().zip(&counts) {
            let (own, rest) = params.split_at(*n);
            layer.set_trainable(own)?;
            params = rest;
        }
        Ok(vec![plain(&layers, 0, args, &mut KvCache::off(), run)?])
    };
    let mut out = transforms::checkpoint(body).call(&inputs)?;
    Ok(out.swap_remove(0))
}

#[cfg(test)]
mod tests {
    use super::longest_span;

    #[test]
    fn the_fewest_boundaries_that_fit() {
        // All fits: no boundary.
        assert_eq!(longest_span(32, 10, 1, 320), 0);
        // 32 layers of 10 with boundaries of 1: spans of 20 need 2 + 200.
        assert_eq!(longest_span(32, 10, 1, 202), 20);
        assert_eq!(longest_span(32, 10, 1, 201), 19);
        // Nothing fits: the least memory.
        assert_eq!(longest_span(32, 10, 1, 5), 1);
        assert_eq!(longest_span(0, 10, 1, 0), 0);
    }
}
