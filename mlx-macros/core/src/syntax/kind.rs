//! The kind of a field: a layer, a tensor, a sub-model, or a stack of these.
//!
//! Tests: `tests/planted.rs`.

use syn::{Expr, Type};

use crate::syntax::dims::{Dim, Shape};
use crate::syntax::layers::Held;
use crate::syntax::signature::Dt;

/// The kind of a field.
#[allow(missing_docs)] // the fields are named after what they hold
#[allow(clippy::large_enum_variant)] // a model has a few dozen of them
pub enum FieldKind {
    /// `y = x W^T (+ b)`.
    Linear {
        out: Dim,
        input: Dim,
        bias: Option<Expr>,
    },
    /// A table of rows picked by index.
    Embedding { rows: Dim, dim: Dim },
    /// A layer of the table.
    Layer(Held),
    /// Rotary positions; holds no weights.
    Rope {
        dims: Dim,
        /// The number of them that rotate; the rest pass.
        rotated: Dim,
        base: Expr,
        traditional: Expr,
        scaling: Option<Expr>,
    },
    /// A bare tensor.
    Param { shape: Shape, dtype: Dt },
    /// A stack of equal sub-models.
    Layers {
        count: Dim,
        model: Type,
        checkpoint: Policy,
        /// The kind of each, of single layers in place of models.
        leaf: Option<Box<FieldKind>>,
    },
    /// A sub-model.
    Model,
}

impl FieldKind {
    /// True if it is a matrix, or a choice of them: adapters fit it.
    pub fn projects(&self) -> bool {
        match self {
            FieldKind::Linear { .. } => true,
            FieldKind::Layer(held) => held.layer.indexed,
            FieldKind::Layers { leaf, .. } => leaf.as_ref().is_some_and(|l| l.projects()),
            _ => false,
        }
    }

    /// True if it has tensors of its own, apart from those of sub-models.
    pub fn holds_weights(&self) -> bool {
        match self {
            FieldKind::Model | FieldKind::Rope { .. } => false,
            FieldKind::Layers { leaf, .. } => leaf.is_some(),
            _ => true,
        }
    }

    /// True if its gradient reads its input for its own weights alone.
    pub fn is_linear(&self) -> bool {
        match self {
            FieldKind::Linear { .. } => true,
            FieldKind::Layer(held) => held.layer.linear,
            _ => false,
        }
    }
}

/// The cuts of a stack of layers for recomputation in the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The fewest boundaries that fit the memory limit.
    Auto,
    /// A boundary every `n` layers.
    Every(u32),
    /// A boundary at each layer.
    Always,
    /// None.
    Never,
}
