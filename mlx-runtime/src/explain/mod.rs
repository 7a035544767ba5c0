//! Explains a loaded model: its layers, the graph of each method with the operations that the passes fused, the bytes
//! that training keeps, the cuts of layer stacks, and the functions of MLX C behind each line of the source.
//!
//! [`explain`] takes any loaded model; the result prints as text and as a page,
//! [`Explanation::html`].
//!
//! Tests: `mlx-tests --test explain`.

mod calls;
mod flow;
mod html;
mod kernels;
pub(crate) mod lines;
mod outline;
mod picture;
mod sizes;
pub(crate) mod source;
mod stack;
mod svg;
mod table;
mod text;
mod tree;
mod units;

#[doc(hidden)]
pub use outline::Outline;

pub use kernels::{ExplainedKernel, Launch};

use std::collections::BTreeMap;

use flow::{Flow, Walk};
use sizes::Sizes;
use source::{Method, Report, What};
use tree::{Branch, Held};

use crate::kernels::select;
use crate::model::{Checkpoint, Model, ParamGroups};
use crate::{memory, ops, Dtype, Error, ErrorKind, Result};

/// The explanation of a model: print it with `{}`, or write [`Explanation::html`] to a file.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The model's name.
    name: String,
    file: &'static str,
    line: u32,
    dtype: Dtype,
    device: &'static str,
    /// The config's sizes.
    config: Vec<(&'static str, i64)>,
    held: Held,
    tree: Vec<Branch>,
    /// The methods, those that call others before those.
    flows: Vec<Flow>,
    groups: Vec<(Dtype, usize, usize)>,
    /// Bytes: MLX's limit, and the memory in use now.
    limit: u64,
    active: u64,
}

/// Options of an explanation.
#[derive(Clone, Debug, Default)]
pub struct ExplainOptions {
    /// The shape of the first tensor that methods take, such as `[batch, length]`; without it
    /// the free dims stay names.
    pub shape: Vec<i64>,
    /// Further free dims by name.
    pub sizes: Vec<(String, i64)>,
    /// Overrides the checkpoint policy of layer stacks, as [`TrainOptions`](crate::model::TrainOptions) does.
    pub checkpoint: Option<Checkpoint>,
}

impl ExplainOptions {
    /// Options for calls with a first tensor of that shape.
    pub fn of_shape(shape: &[i64]) -> Self {
        ExplainOptions {
            shape: shape.to_vec(),
            ..ExplainOptions::default()
        }
    }
}

/// Explains a model as it is loaded: its weights' sizes, adapters and flags of the config.
///
/// Nothing is computed: it takes milliseconds.
///
/// # Errors
/// If no method has a dim of a name in `sizes`, or the model was not made by `#[mlx_model]`.
pub fn explain<M: Model>(model: &M, options: &ExplainOptions) -> Result<Explanation> {
    let outline = Outline::of(model);
    let (Some(report), Some(dtype)) = (outline.report, outline.dtype) else {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "only models made by `#[mlx_model]` can be explained",
        ));
    };
    known(report, &options.sizes)?;
    let computed = select::computed(&ops::zeros(&[1], dtype)?)?;
    let tree = tree::branches(&outline);
    let held = tree::total(&tree);
    // Weights that nothing has read yet will be in use as well.
    let used = memory::active()?.max(usize::try_from(held.bytes).unwrap_or(usize::MAX));
    let mut walk = Walk {
        room: memory::limit()?.saturating_sub(used),
        tiled: computed.tiled,
        dtype,
        fused: computed.fused,
        checkpoint: options.checkpoint,
        told: BTreeMap::new(),
    };
    let mut flows = Vec::new();
    for method in in_order(report) {
        if walk.is_told(method) {
            continue;
        }
        let mut all = Sizes::new(&outline.sizes, report.sizes);
        bind(method, &mut all, options);
        let title = format!("{}::{}", report.name, method.name);
        flows.push(walk.method(&outline, method, all, title)?);
    }
    let trainable: Vec<_> = model.trainable().into_iter().map(|(_, a)| a).collect();
    let groups = ParamGroups::new(&trainable)?.sizes();
    Ok(Explanation {
        name: report.name.to_string(),
        file: report.file,
        line: report.line,
        dtype,
        device: if select::is_on_gpu()? { "GPU" } else { "CPU" },
        config: all_sizes(&outline),
        held,
        tree,
        flows,
        groups,
        limit: memory::limit()? as u64,
        active: memory::active()? as u64,
    })
}

/// The sizes of the config that the model or one in it names.
fn all_sizes(outline: &Outline<'_>) -> Vec<(&'static str, i64)> {
    let mut all: BTreeMap<&'static str, i64> = outline.sizes.iter().copied().collect();
    for (_, part) in &outline.parts {
        match part {
            outline::Part::Model(m) => all.extend(all_sizes(m)),
            outline::Part::Layers(layers) => {
                layers.iter().for_each(|l| all.extend(all_sizes(l)));
            }
            outline::Part::Leaf(_) | outline::Part::Plain => {}
        }
    }
    all.into_iter().collect()
}

/// The dims of a method's tensor arguments, argument by argument.
fn arguments(method: &'static Method) -> impl Iterator<Item = Vec<&'static str>> {
    let inputs = method.nodes.iter();
    inputs
        .filter(|n| matches!(n.what, What::Input(_)))
        .filter_map(|n| sizes::dims(n.ty))
}

/// Gives a method's free dims their numbers, if the shape fits its first tensor.
fn bind(method: &'static Method, sizes: &mut Sizes, options: &ExplainOptions) {
    let first = method
        .nodes
        .iter()
        .find(|n| matches!(n.what, What::Input(_)) && sizes::dims(n.ty).is_some());
    if let Some(first) = first {
        let mut with = sizes.clone();
        with.bind(first.ty, &options.shape);
        if with.shape(first.ty).is_some_and(|s| s == options.shape) {
            *sizes = with;
        }
    }
    for (name, n) in &options.sizes {
        sizes.set(name, *n);
    }
}

/// Refuses names that are no free dim of any method.
fn known(report: &'static Report, sizes: &[(String, i64)]) -> Result<()> {
    let mut free: Vec<&str> = report
        .methods
        .iter()
        .flat_map(arguments)
        .flatten()
        .filter(|d| d.starts_with(|c: char| c.is_uppercase()))
        .collect();
    free.sort_unstable();
    free.dedup();
    match sizes.iter().find(|(n, _)| !free.contains(&n.as_str())) {
        None => Ok(()),
        Some((n, _)) => {
            let text = format!("{} has no free dim `{n}`", report.name);
            let hint = format!("name one of {}", free.join(", "));
            Err(Error::new(ErrorKind::InvalidArgument, text).with_hint(hint))
        }
    }
}

/// The methods, `loss` first and then each that no other calls. A called method is explained at its call.
fn in_order(report: &'static Report) -> Vec<&'static Method> {
    let called = |name: &str| {
        let mut nodes = report.methods.iter().flat_map(|m| m.nodes);
        nodes.any(|n| matches!(n.what, What::Method(m) if m == name))
    };
    let mut all: Vec<&Method> = report.methods.iter().collect();
    all.sort_by_key(|m| (m.name != "loss", called(m.name)));
    all
}
