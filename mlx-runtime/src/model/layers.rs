//! Runs a stack of layers with gradient checkpoints (Chen et al. 2016): only the input is kept between two boundaries,
//! and the backward pass runs the layers again.
//!
//! Tests: `mlx-tests --test memory`.

use super::cuts::{self, Cut, Stack};
use super::stacked::Stacked;
use crate::kernels::select;
use crate::nn::KvCache;
use crate::{context, memory, ops, transforms, Array, Dtype, Result};

/// The gradient checkpoint policy of a stack of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Checkpoint {
    /// The fewest layers run again that the memory limit asks for.
    #[default]
    Auto,
    /// A boundary every that many layers; 1 is the least memory.
    Every(usize),
    /// None: fastest, and the most memory.
    Never,
}

/// Checkpoint decisions for the layer stacks of one step, and the stacks that ran.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    /// Overrides the policy that the models declare.
    pub policy: Option<Checkpoint>,
    /// For each stack that decides for itself, in the order in which they run; without it each
    /// looks at the memory that is left.
    pub decided: Option<Vec<Cut>>,
    /// True if stacks inside layers are cut too, at every layer.
    pub nested: bool,
    /// The stacks that decide for themselves.
    pub seen: Vec<Stack>,
    /// The number of layers of other stacks around the layer that runs now.
    pub depth: usize,
}

impl Cuts {
    /// No decision.
    pub const NONE: Cuts = Cuts {
        policy: None,
        decided: None,
        nested: false,
        seen: Vec::new(),
        depth: 0,
    };
}

/// One layer deeper, until dropped.
struct Inside;

impl Inside {
    fn enter() -> Self {
        context::cuts(|c| c.depth += 1);
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        context::cuts(|c| c.depth = c.depth.saturating_sub(1));
    }
}

/// The values that a forward pass keeps for the backward pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// Elements, of the activations' dtype.
    pub values: i64,
    /// Stacks of layers inside.
    pub stacks: i64,
}

impl Saved {
    /// Elements in the activations' dtype.
    pub fn values(values: i64) -> Saved {
        Saved {
            values,
            ..Saved::default()
        }
    }

    /// Adds up the elements that are always kept, those of attention scores with rotation, and those of attention
    /// scores alone.
    pub fn kept(values: i64, scores: i64, plain: i64, on: &Computed) -> Saved {
        let unless = |there: bool, n: i64| if there { 0 } else { n };
        Saved {
            values: values
                .saturating_add(unless(on.fused || on.tiled, scores))
                .saturating_add(unless(on.tiled, plain)),
            stacks: 0,
        }
    }

    /// The sum of both.
    pub fn plus(self, other: Saved) -> Saved {
        Saved {
            values: self.values.saturating_add(other.values),
            stacks: self.stacks.saturating_add(other.stacks),
        }
    }

    fn bytes(self, dtype: Dtype) -> usize {
        let values = usize::try_from(self.values).unwrap_or(0);
        values.saturating_mul(dtype.size())
    }
}

/// The device properties that decide which values a forward pass keeps.
#[derive(Clone, Copy, Debug)]
pub struct Computed {
    /// True on the fused operations of the CPU, where attention with its rotation never has all scores at once.
    pub fused: bool,
    /// True where the kernels that the macros write run, rather than MLX's operations in their place.
    pub kernels: bool,
    /// True where MLX computes attention in tiles while it trains.
    pub tiled: bool,
}

/// The body of a loop for one layer. From the layer's number, the layer, the values and the cache it makes the carried
/// values and those that are collected.
trait Run<M>:
    Fn(usize, &M, &[Array], &mut KvCache) -> Result<Vec<Array>> + Clone + Send + 'static
{
}

impl<M, F> Run<M> for F where
    F: Fn(usize, &M, &[Array], &mut KvCache) -> Result<Vec<Array>> + Clone + Send + 'static
{
}

/// Feeds `x[0]` through the layers; the rest of `x` goes to each of them.
pub fn run_layers<M: Stacked>(
    layers: &[M],
    declared: Checkpoint,
    x: &[&Array],
    cache: &mut KvCache,
    run: fn(&M, &[Array], &mut KvCache) -> Result<Array>,
) -> Result<Array> {
    let shapes = shapes(x);
    let shapes: Vec<&[i64]> = shapes.iter().map(Vec::as_slice).collect();
    let each =
        move |_, layer: &M, x: &[Array], cache: &mut KvCache| Ok(vec![run(layer, x, cache)?]);
    let (carried, extra) = x.split_at(1.min(x.len()));
    let mut out = run_loop(layers, declared, carried, extra, &shapes, cache, each)?;
    Ok(out.swap_remove(0))
}

/// Runs a loop over the layers. Each gives the `carried` values for the next; the rest of what it gives is collected,
/// and stacked along a new first axis. `shapes` are those of the layer's own arguments.
pub fn run_loop<M: Stacked>(
    layers: &[M],
    declared: Checkpoint,
    carried: &[&Array],
    extra: &[&Array],
    shapes: &[&[i64]],
    cache: &mut KvCache,
    run: impl Fn(usize, &M, &[Array], &mut KvCache) -> Result<Vec<Array>> + Clone + Send + 'static,
) -> Result<Vec<Array>> {
    let n = layers.len();
    let mut state = State {
        carried: carried.iter().map(|a| (*a).clone()).collect(),
        extra: extra.iter().map(|a| (*a).clone()).collect(),
        collected: Vec::new(),
    };
    let policy = context::cuts(|c| c.policy).unwrap_or(declared);
    let cut = match policy {
        _ if !transforms::is_differentiating() || cache.is_on() => Cut::default(),
        Checkpoint::Never => Cut::default(),
        Checkpoint::Every(span) => Cut::every(n, span),
        Checkpoint::Auto => auto(layers, carried, shapes)?,
    };
    for span in cut.spans() {
        let (first, layers) = (span.start, layers.get(span).unwrap_or_default());
        segment(layers, first, &mut state, &run)?;
    }
    let whole = layers.get(cut.again..).unwrap_or_default();
    plain(whole, cut.again, &mut state, cache, &run)?;
    let State {
        carried, collected, ..
    } = state;
    let width = match n {
        0 => 0,
        n => collected.len() / n,
    };
    let stacked = (0..width).map(|i| {
        let each: Vec<&Array> = collected.iter().skip(i).step_by(width).collect();
        ops::stack(&each, 0)
    });
    carried.into_iter().map(Ok).chain(stacked).collect()
}

/// Runs a loop over positions. The first `width` of `x` are carried from each to the next; the rest of what `run` gives
/// is collected, and stacked along a new first axis.
pub fn run_steps(
    count: i64,
    width: usize,
    x: &[&Array],
    run: impl Fn(usize, &[Array]) -> Result<Vec<Array>>,
) -> Result<Vec<Array>> {
    let mut x: Vec<Array> = x.iter().map(|a| (*a).clone()).collect();
    let mut collected: Vec<Vec<Array>> = Vec::new();
    for i in 0..usize::try_from(count).unwrap_or_default() {
        let mut out = run(i, &x)?;
        let more = out.split_off(width.min(out.len()));
        collected.resize_with(more.len(), Vec::new);
        for (list, a) in collected.iter_mut().zip(more) {
            list.push(a);
        }
        for (old, new) in x.iter_mut().zip(out) {
            *old = new;
        }
    }
    x.truncate(width);
    for list in &collected {
        x.push(ops::stack(&list.iter().collect::<Vec<_>>(), 0)?);
    }
    Ok(x)
}

/// Loops over fewer positions keep the values of all.
const SHORT: usize = 64;

/// As [`run_steps`], of a body that reads `x` and numbers alone. Where gradients are taken, only what it carries is kept
/// between spans of the square root of `count`, and the backward pass runs each span again.
pub fn run_scan(
    count: i64,
    width: usize,
    x: &[&Array],
    run: impl Fn(usize, &[Array]) -> Result<Vec<Array>> + Clone + Send + 'static,
) -> Result<Vec<Array>> {
    let n = usize::try_from(count).unwrap_or_default();
    if !transforms::is_differentiating() || n < SHORT {
        return run_steps(count, width, x, run);
    }
    let span = (n as f64).sqrt().ceil() as usize;
    let mut args: Vec<Array> = x.iter().map(|a| (*a).clone()).collect();
    let mut collected: Vec<Array> = Vec::new();
    for first in (0..n).step_by(span) {
        let steps = first..n.min(first + span);
        let floats: Vec<Array> = args.iter().filter(|a| is_float(a)).cloned().collect();
        let fixed: Vec<Option<Array>> = args
            .iter()
            .map(|a| (!is_float(a)).then(|| a.clone()))
            .collect();
        let (run, steps) = (run.clone(), steps.clone());
        let body = move |floats: &[Array]| {
            let mut floats = floats.iter();
            let args = fixed
                .iter()
                .filter_map(|a| a.as_ref().or_else(|| floats.next()).cloned());
            let (mut args, mut pushed): (Vec<Array>, Vec<Array>) = (args.collect(), Vec::new());
            for i in steps.clone() {
                let mut out = run(i, &args)?;
                pushed.extend(out.drain(width.min(out.len())..));
                args.splice(..out.len(), out);
            }
            args.truncate(width);
            args.append(&mut pushed);
            // MLX adds up the cotangents of an array that is several results only if each is an array of its own.
            args.iter().map(ops::copy).collect()
        };
        let mut out = transforms::checkpoint(body).call(&floats)?;
        collected.extend(out.drain(width.min(out.len())..));
        args.splice(..out.len(), out);
    }
    args.truncate(width);
    let each = collected.len() / n.max(1);
    for i in 0..each {
        let list: Vec<&Array> = collected.iter().skip(i).step_by(each).collect();
        args.push(ops::stack(&list, 0)?);
    }
    Ok(args)
}

/// The values of a loop between two layers.
struct State {
    /// Those that each layer changes.
    carried: Vec<Array>,
    /// Those that no layer changes.
    extra: Vec<Array>,
    /// Those that the layers so far gave to be collected, one layer's after the other's.
    collected: Vec<Array>,
}

fn shapes(x: &[&Array]) -> Vec<Vec<i64>> {
    let shape = |a: &&Array| a.shape().iter().map(|n| i64::from(*n)).collect();
    x.iter().map(shape).collect()
}

/// The cut that was decided for this stack, or the one that runs the fewest layers again and leaves enough memory.
fn auto<M: Stacked>(layers: &[M], carried: &[&Array], shapes: &[&[i64]]) -> Result<Cut> {
    let inside = context::cuts(|c| (c.depth > 0).then_some(c.nested));
    if let Some(nested) = inside {
        return Ok(Cut::every(layers.len(), usize::from(nested)));
    }
    let stack = stack(layers, carried, shapes)?;
    let decided = context::cuts(|c| {
        let at = c.seen.len();
        c.seen.push(stack.clone());
        Some(c.decided.as_ref()?.get(at).copied().unwrap_or_default())
    });
    if let Some(cut) = decided {
        return Ok(cut);
    }
    let left = memory::limit()?.saturating_sub(memory::active()?);
    let (_, chosen) = cuts::fewest(std::slice::from_ref(&stack), left);
    Ok(chosen.first().copied().unwrap_or_default())
}

/// The bytes that the layers of a stack keep, from the polynomials of their definition.
fn stack<M: Stacked>(layers: &[M], carried: &[&Array], shapes: &[&[i64]]) -> Result<Stack> {
    let Some(first) = carried.iter().find(|a| is_float(a)).or(carried.first()) else {
        return Ok(Stack::default());
    };
    let on = select::computed(first)?;
    let saved: Vec<Saved> = layers.iter().map(|l| l.keeps(shapes, &on)).collect();
    Ok(Stack {
        boundary: carried.iter().map(|a| a.nbytes()).sum(),
        nested: saved.iter().any(|s| s.stacks > 0),
        layers: saved.iter().map(|s| s.bytes(first.dtype())).collect(),
    })
}

fn is_float(a: &Array) -> bool {
    matches!(a.dtype(), Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16)
}

fn plain<M: Stacked>(
    layers: &[M],
    first: usize,
    state: &mut State,
    cache: &mut KvCache,
    run: &impl Run<M>,
) -> Result<()> {
    let width = state.carried.len();
    for (i, layer) in layers.iter().enumerate() {
        cache.enter(first + i);
        let _inside = Inside::enter();
        let chained = state.carried.iter_mut().find(|a| is_float(a));
        let waiting = match (transforms::is_differentiating(), chained) {
            (true, Some(x)) => gradients_in_turn(layer, x)?,
            _ => None,
        };
        let x = [state.carried.as_slice(), &state.extra].concat();
        let mut out = run(first + i, waiting.as_ref().unwrap_or(layer), &x, cache)?;
        state.collected.extend(out.drain(width.min(out.len())..));
        state.carried = out;
    }
    Ok(())
}

/// The same layer and input, with a backward pass that finishes the gradients of this layer's trained values before it
/// goes on to the layer before. `None` if nothing is trained.
///
/// MLX evaluates values last that nothing else depends on. Without this it would keep the inputs of all layers'
/// gradients until the end.
fn gradients_in_turn<M: Stacked>(layer: &M, x: &mut Array) -> Result<Option<M>> {
    let own = layer.trained();
    if own.is_empty() {
        return Ok(None);
    }
    let inputs: Vec<Array> = std::iter::once(x.clone()).chain(own).collect();
    let same = transforms::custom_vjp(
        |all| Ok(all.to_vec()),
        |_, by, _| {
            let (x, own) = by.split_at(1);
            let x = transforms::depends(&[&x[0]], &own.iter().collect::<Vec<_>>())?;
            Ok(x.into_iter().chain(own.iter().cloned()).collect())
        },
    );
    let mut outputs = same.call(&inputs)?.into_iter();
    if let Some(same) = outputs.next() {
        *x = same;
    }
    let mut layer = layer.clone();
    layer.set_trained(&outputs.collect::<Vec<_>>())?;
    Ok(Some(layer))
}

/// Runs one span between two boundaries, of which the first layer is number `first`. Trained values are inputs, because
/// MLX differentiates a checkpoint with respect to its inputs only. Frozen values are captured, so that MLX builds no
/// gradients for them, and so are whole numbers, which have none.
fn segment<M: Stacked>(
    layers: &[M],
    first: usize,
    state: &mut State,
    run: &impl Run<M>,
) -> Result<()> {
    let (carried, args) = (
        state.carried.len(),
        [state.carried.as_slice(), &state.extra].concat(),
    );
    let mut inputs: Vec<Array> = args.iter().filter(|a| is_float(a)).cloned().collect();
    let width = inputs.len();
    let fixed: Vec<Option<Array>> = args
        .iter()
        .map(|a| (!is_float(a)).then(|| a.clone()))
        .collect();
    let counts: Vec<usize> = layers
        .iter()
        .map(|l| {
            let own = l.trained();
            let n = own.len();
            inputs.extend(own);
            n
        })
        .collect();
    let (layers, run) = (layers.to_vec(), run.clone());
    // The backward pass runs the body again, after the scope has ended.
    let segments = context::segments();
    let body = move |inputs: &[Array]| {
        let (floats, mut params) = inputs.split_at(width);
        let mut floats = floats.iter();
        let args = fixed
            .iter()
            .filter_map(|a| a.as_ref().or_else(|| floats.next()).cloned());
        let mut args: Vec<Array> = args.collect();
        let mut layers = layers.clone();
        for (layer, n) in layers.iter_mut().zip(&counts) {
            let (own, rest) = params.split_at(*n);
            layer.set_trained(own)?;
            params = rest;
        }
        let extra = args.split_off(carried);
        let mut state = State {
            carried: args,
            extra,
            collected: Vec::new(),
        };
        context::with_segments(segments.clone(), || {
            plain(&layers, first, &mut state, &mut KvCache::off(), &run)
        })?;
        state.carried.append(&mut state.collected);
        match &state.carried[..] {
            [_] => Ok(state.carried),
            // MLX adds up the cotangents of an array that is several results only if each is an array of its own.
            several => several.iter().map(ops::copy).collect(),
        }
    };
    let mut out = transforms::checkpoint(body).call(&inputs)?;
    state.collected.extend(out.drain(carried.min(out.len())..));
    state.carried = out;
    Ok(())
}

/// The values that a stack inside a layer keeps.
pub fn saved_layers<M: Stacked>(layers: &[M], shapes: &[&[i64]], on: &Computed) -> Saved {
    let stack = Saved {
        stacks: 1,
        ..Saved::default()
    };
    let each = layers.iter().map(|l| l.keeps(shapes, on));
    each.fold(stack, Saved::plus)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As on Metal, where attention that trains has all scores.
    #[test]
    fn a_gpu_that_does_not_train_in_tiles_keeps_the_scores() {
        let kept = |fused, tiled| {
            let on = Computed {
                fused,
                kernels: true,
                tiled,
            };
            Saved::kept(1, 10, 100, &on).values
        };
        assert_eq!(kept(false, false), 111);
        assert_eq!(kept(true, false), 101);
        assert_eq!(kept(false, true), 1);
    }
}
