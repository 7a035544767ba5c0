//! Running a stack of layers, cut at gradient checkpoints (Chen et al. 2016): between two
//! boundaries nothing is kept but the input, and the backward pass runs the layers again.

use std::cell::Cell;

use super::Model;
use crate::nn::KvCache;
use crate::{transforms, Array, Result};

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

type Run<M> = fn(&M, &[Array], &mut KvCache) -> Result<Array>;

/// Feeds `x[0]` through the layers; the rest of `x` goes to each of them.
pub fn run_layers<M: Model>(
    layers: &[M],
    declared: Checkpoint,
    x: &[&Array],
    cache: &mut KvCache,
    run: Run<M>,
) -> Result<Array> {
    let args: Vec<Array> = x.iter().map(|a| (*a).clone()).collect();
    let span = match OVERRIDE.get().unwrap_or(declared) {
        _ if !transforms::is_differentiating() || cache.is_on() => 0,
        Checkpoint::Never | Checkpoint::Auto => 0,
        Checkpoint::Every(n) => n,
    };
    if span == 0 {
        return plain(layers, 0, args, cache, run);
    }
    let mut args = args;
    for part in layers.chunks(span) {
        args[0] = segment(part, &args, run)?;
    }
    Ok(args.swap_remove(0))
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
/// keeps MLX from building gradients nobody wants.
fn segment<M: Model>(layers: &[M], args: &[Array], run: Run<M>) -> Result<Array> {
    let mut inputs = args.to_vec();
    let counts: Vec<usize> = layers
        .iter()
        .map(|l| {
            let own = l.trainable();
            let n = own.len();
            inputs.extend(own.into_iter().map(|(_, a)| a));
            n
        })
        .collect();
    let (layers, width) = (layers.to_vec(), args.len());
    let body = move |inputs: &[Array]| {
        let (args, mut params) = inputs.split_at(width);
        let mut layers = layers.clone();
        for (layer, n) in layers.iter_mut().zip(&counts) {
            let (own, rest) = params.split_at(*n);
            layer.set_trainable(own)?;
            params = rest;
        }
        Ok(vec![plain(
            &layers,
            0,
            args.to_vec(),
            &mut KvCache::off(),
            run,
        )?])
    };
    let mut out = transforms::checkpoint(body).call(&inputs)?;
    Ok(out.swap_remove(0))
}
