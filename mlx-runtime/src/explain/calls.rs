//! Lists the functions of MLX C (`mlx_`) and of our kernels (`mlxrs_`) behind each operation, in the order in which
//! they are called.
//!
//! Tests: `mlx-tests --test explain`.

use super::table::TABLE;
use crate::model::Leaf;

/// One call: the functions of which one is called, by the arguments.
pub(super) type Call = &'static [&'static str];

/// The calls of an operation: its name, the calls in general, and the calls if our own kernels can take its input.
pub(super) type Row = (&'static str, &'static [Call], &'static [Call]);

/// The calls of an operation of the language; a number beside a tensor adds none.
pub(super) fn operation(name: &str, fused: bool) -> Vec<Call> {
    match TABLE.iter().find(|(n, ..)| *n == name) {
        Some((_, _, ours)) if fused && !ours.is_empty() => ours.to_vec(),
        Some((_, plain, _)) => plain.to_vec(),
        None => Vec::new(),
    }
}

/// A layer as it is loaded and used.
pub(super) struct Used<'a> {
    pub leaf: Leaf<'a>,
    /// Our own kernels can take its input.
    pub fused: bool,
    /// True if its weight is packed.
    pub packed: bool,
    /// The passes let a packed weight be dequantised for many rows, and there are many.
    pub dequantized: bool,
    /// The group of layers with one input that it is a member of.
    pub group: Option<Group>,
}

/// The place of a layer among those that share its input.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// True if one matmul computes all of them. `first` is true if this layer calls it.
    pub joined: bool,
    pub first: bool,
    /// The same for the A matrices.
    pub adapters: bool,
    pub first_adapter: bool,
}

/// The state of a loaded layer.
#[derive(Clone, Copy, Default)]
pub(super) struct State {
    pub packed: bool,
    pub adapted: bool,
    bias: bool,
    pub joined: bool,
    /// True if it has no weight.
    pub bare: bool,
}

impl State {
    pub(super) fn of(leaf: Leaf<'_>) -> Self {
        let mut state = State {
            bare: true,
            ..State::default()
        };
        leaf.each(&mut |name, _, _| match name {
            "scales" => state.packed = true,
            "lora_a" => state.adapted = true,
            "bias" => state.bias = true,
            "weight" => state.bare = false,
            _ => {}
        });
        state.joined = matches!(leaf, Leaf::Linear(l) if l.is_joined());
        state
    }
}

/// The calls of a layer.
pub(super) fn layer(used: &Used<'_>) -> Vec<Call> {
    let state = State::of(used.leaf);
    let operation = |name| operation(name, used.fused);
    let mut calls = match used.leaf {
        Leaf::Linear(_) if used.group.is_some_and(|g| g.joined && !g.first) => Vec::new(),
        Leaf::Linear(_) if used.group.is_some_and(|g| g.joined) => operation("layer joined_linear"),
        Leaf::Linear(_) if used.dequantized => operation("layer dequantized_linear"),
        Leaf::Linear(_) if used.packed => operation("layer quantized_linear"),
        Leaf::Linear(_) => operation("layer linear"),
        Leaf::Embedding(_) if state.packed => operation("layer quantized_embedding"),
        Leaf::Embedding(_) => operation("layer embedding"),
        Leaf::RmsNorm(_) => return operation("rms_norm"),
        Leaf::LayerNorm(_) => return operation("layer_norm"),
        Leaf::GroupNorm(_) => return operation("layer group_norm"),
        Leaf::Conv1d(_) => operation("conv1d"),
        Leaf::Conv2d(_) => operation("conv2d"),
        Leaf::SwitchLinear(_) if state.adapted => {
            return [
                operation("layer switch_linear"),
                operation("layer switch_lora"),
            ]
            .concat();
        }
        Leaf::SwitchLinear(_) => operation("layer switch_linear"),
        Leaf::Param(_) => Vec::new(),
    };
    if state.bias {
        calls.extend(operation("layer bias"));
    }
    if state.adapted {
        calls.extend(match used.group {
            Some(g) if g.adapters && g.first_adapter => [
                operation("layer joined_adapters"),
                operation("layer lora_after"),
            ]
            .concat(),
            Some(g) if g.adapters => operation("layer lora_after"),
            _ => operation("layer lora"),
        });
    }
    calls
}

/// The calls of `Rope`.
pub(super) fn rope() -> Vec<Call> {
    operation("layer rope", false)
}
