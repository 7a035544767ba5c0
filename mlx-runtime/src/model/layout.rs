//! The layout of a model's checkpoint as constant data: names, shapes and conditions in terms of the config's fields.
//! The macros write it; [`super::check`] compares it with a digest while the crate compiles.
//!
//! Tests: `mlx-tests --test ui`.

use super::names::Names;

/// A model's fields.
pub struct Layout {
    /// The model's name.
    pub model: &'static str,
    /// The source file.
    pub file: &'static str,
    /// Its conditions on the config.
    pub requires: &'static [RequireLayout],
    /// The fields that hold tensors or models.
    pub fields: &'static [FieldLayout],
}

impl Layout {
    /// The layout of a model without fields.
    pub const EMPTY: Layout = Layout {
        model: "",
        file: "",
        requires: &[],
        fields: &[],
    };
}

/// A condition on the config.
pub struct RequireLayout {
    /// The condition as written.
    pub text: &'static str,
    /// The condition.
    pub holds: Fact,
    /// The fields of the config in it.
    pub names: &'static [&'static str],
}

/// A field.
pub struct FieldLayout {
    /// Its name.
    pub name: &'static str,
    /// Its line in the source.
    pub line: u32,
    /// The names of its tensors.
    pub names: Names,
    /// When it exists.
    pub when: Fact,
    /// Its contents.
    pub holds: Holds,
}

/// The contents of a field.
pub enum Holds {
    /// Its own tensors.
    Tensors(&'static [TensorLayout]),
    /// A sub-model.
    Model(&'static Layout),
    /// A stack: the number of its sub-models, and one of them.
    Layers(Fact, &'static Layout),
    /// A sub-model with a config of its own, which a digest does not have.
    ModelApart(&'static Layout),
    /// A stack of them.
    LayersApart(&'static Layout),
}

/// A tensor of a field.
pub struct TensorLayout {
    /// The suffix of the field's name: `weight`, or nothing.
    pub leaf: &'static str,
    /// Its sizes: as written, and their value.
    pub shape: &'static [(&'static str, Fact)],
    /// When it exists.
    pub when: Fact,
    /// True if the checkpoint may hold it packed.
    pub matrix: bool,
}

/// A number or condition of the config; true is 1, false 0.
pub enum Fact {
    /// A literal.
    Number(f64),
    /// A field of the config.
    Config(&'static str),
    /// True if an optional field of the config is set.
    IsSome(&'static str),
    /// The number of the layer in the nearest stack.
    Layer,
    /// A value that only a loaded config has.
    Unknown,
    /// `!a`.
    Not(&'static Fact),
    /// `a op b`.
    Binary(FactOp, &'static Fact, &'static Fact),
}

/// An operator.
#[allow(missing_docs)] // named after what they do
#[derive(Clone, Copy)]
pub enum FactOp {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}

/// A digest file: the config and the tensors of a checkpoint.
pub struct Digest {
    /// The file's name as the attribute gives it.
    pub file: &'static str,
    /// The naming scheme.
    pub names: &'static str,
    /// The config's numbers; an absent one is NaN.
    pub config: &'static [(&'static str, f64)],
    /// The tensors, one entry for equal ones of several layers.
    pub tensors: &'static [DigestTensor],
}

/// Tensors of one shape with names that differ in indices alone.
pub struct DigestTensor {
    /// The name as written, `layers.{0..29}.norm.weight`.
    pub text: &'static str,
    /// The same, at its dots.
    pub parts: &'static [DigestPart],
    /// The sizes.
    pub shape: &'static [i64],
    /// The dtype, `bf16`.
    pub dtype: &'static str,
}

/// A part of a name, between two dots.
pub enum DigestPart {
    /// A word.
    Word(&'static str),
    /// Indices, from and to.
    Index(&'static [(i64, i64)]),
}

/// The value of a fact.
#[derive(Clone, Copy)]
pub(super) enum Value {
    Known(f64),
    /// The digest does not have this field of the config.
    Missing(&'static str),
    Unknown,
}

impl Fact {
    /// Returns true if it depends on the layer.
    pub(super) const fn of_layer(&self) -> bool {
        match self {
            Fact::Layer => true,
            Fact::Not(a) => a.of_layer(),
            Fact::Binary(_, a, b) => a.of_layer() || b.of_layer(),
            _ => false,
        }
    }

    /// Its value for the config of `digest`, in layer number `layer`.
    pub(super) const fn value(&self, digest: &Digest, layer: f64) -> Value {
        match self {
            Fact::Number(n) => Value::Known(*n),
            Fact::Layer => Value::Known(layer),
            Fact::Unknown => Value::Unknown,
            Fact::Config(name) => digest.number(name),
            Fact::IsSome(name) => match digest.number(name) {
                Value::Known(n) => Value::Known(number(!n.is_nan())),
                other => other,
            },
            Fact::Not(a) => match a.value(digest, layer) {
                Value::Known(a) => Value::Known(number(a == 0.0)),
                other => other,
            },
            Fact::Binary(op, a, b) => match (a.value(digest, layer), b.value(digest, layer)) {
                (Value::Known(a), Value::Known(b)) => Value::Known(op.apply(a, b)),
                (Value::Known(_), other) => other,
                (other, _) => other,
            },
        }
    }
}

impl FactOp {
    const fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            FactOp::Add => a + b,
            FactOp::Sub => a - b,
            FactOp::Mul => a * b,
            FactOp::Div => a / b,
            FactOp::Rem => a % b,
            FactOp::Eq => number(a == b),
            FactOp::Ne => number(a != b),
            FactOp::Lt => number(a < b),
            FactOp::Le => number(a <= b),
            FactOp::Gt => number(a > b),
            FactOp::Ge => number(a >= b),
            FactOp::And => number(a != 0.0 && b != 0.0),
            FactOp::Or => number(a != 0.0 || b != 0.0),
        }
    }
}

const fn number(flag: bool) -> f64 {
    if flag {
        1.0
    } else {
        0.0
    }
}

impl Digest {
    const fn number(&self, name: &'static str) -> Value {
        let mut i = 0;
        while i < self.config.len() {
            if super::const_text::same(self.config[i].0, name) {
                return Value::Known(self.config[i].1);
            }
            i += 1;
        }
        Value::Missing(name)
    }
}
