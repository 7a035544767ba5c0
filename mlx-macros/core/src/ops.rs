//! The table of operations: MLX's names and argument order, and the rule that gives each its
//! result's shape and dtype.

use proc_macro2::Span;

use crate::diag::{Code, Diag, Result};
use crate::dims::{Dim, Names, Shape};
use crate::ir::{Arg, Graph, Id};
use crate::rules;
use crate::signature::{Dt, Ty};

/// What kind of argument an operation takes at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum P {
    /// A tensor.
    Tensor,
    /// A tensor or a number, which takes the other operand's dtype.
    Operand,
    /// `[a, b]`, a list of tensors.
    Tensors,
    /// One axis.
    Axis,
    /// One axis or a list of them; absent means all.
    Axes,
    /// A list of all axes in a new order.
    Order,
    /// A list of sizes.
    Dims,
    /// A whole number.
    Int,
    /// A number from a literal or the config.
    Scalar,
    /// A number that is 1/sqrt(head size) when absent.
    Scale,
    /// A condition from a literal or the config; false when absent.
    Bool,
    /// An element type.
    Dtype,
    /// `causal`, a tensor, or nothing.
    Mask,
}

impl P {
    /// Whether the argument may be left out.
    pub fn optional(self) -> bool {
        matches!(self, P::Bool | P::Mask | P::Scale)
    }
}

/// An operation.
pub struct Op {
    /// MLX's name.
    pub name: &'static str,
    /// The arguments, in MLX's order.
    pub params: &'static [(&'static str, P)],
    /// The result's type.
    pub rule: fn(&Ctx<'_>) -> Result<Ty>,
}

/// What a rule sees of a call.
pub struct Ctx<'a> {
    /// The operation.
    pub op: &'static Op,
    /// The arguments.
    pub args: &'a [Arg],
    /// Where each argument is.
    pub spans: &'a [Span],
    /// Where the call is.
    pub span: Span,
    /// The graph so far.
    pub graph: &'a Graph,
    /// Names for sizes.
    pub names: &'a Names,
}

const A: (&str, P) = ("a", P::Tensor);
const X: (&str, P) = ("x", P::Tensor);
const KEEP: (&str, P) = ("keepdims", P::Bool);

macro_rules! ops {
    ($($name:literal ($($param:expr),*) = $rule:expr;)*) => {
        /// Every operation.
        pub static OPS: &[Op] = &[$(Op { name: $name, params: &[$($param),*], rule: $rule }),*];
    };
}

ops! {
    "abs"(A) = rules::same;
    "negative"(A) = rules::negative;
    "square"(A) = rules::same;
    "exp"(A) = rules::float;
    "log"(A) = rules::float;
    "sqrt"(A) = rules::float;
    "rsqrt"(A) = rules::float;
    "reciprocal"(A) = rules::float;
    "sin"(A) = rules::float;
    "cos"(A) = rules::float;
    "tanh"(A) = rules::float;
    "erf"(A) = rules::float;
    "sigmoid"(X) = rules::float;
    "silu"(X) = rules::float;
    "relu"(X) = rules::float;
    "gelu"(X) = rules::float;
    "stop_gradient"(A) = rules::same;
    "contiguous"(A) = rules::same;
    "logical_not"(A) = rules::not;
    "add"(("a", P::Operand), ("b", P::Operand)) = rules::binary;
    "subtract"(("a", P::Operand), ("b", P::Operand)) = rules::binary;
    "multiply"(("a", P::Operand), ("b", P::Operand)) = rules::binary;
    "divide"(("a", P::Operand), ("b", P::Operand)) = rules::divide;
    "maximum"(("a", P::Operand), ("b", P::Operand)) = rules::binary;
    "minimum"(("a", P::Operand), ("b", P::Operand)) = rules::binary;
    "power"(("a", P::Operand), ("b", P::Operand)) = rules::binary;
    "equal"(("a", P::Operand), ("b", P::Operand)) = rules::compare;
    "not_equal"(("a", P::Operand), ("b", P::Operand)) = rules::compare;
    "less"(("a", P::Operand), ("b", P::Operand)) = rules::compare;
    "less_equal"(("a", P::Operand), ("b", P::Operand)) = rules::compare;
    "greater"(("a", P::Operand), ("b", P::Operand)) = rules::compare;
    "greater_equal"(("a", P::Operand), ("b", P::Operand)) = rules::compare;
    "where_"(("condition", P::Tensor), ("x", P::Operand), ("y", P::Operand)) = rules::where_;
    "swiglu"(("gate", P::Tensor), ("up", P::Tensor)) = rules::swiglu;
    "matmul"(("a", P::Tensor), ("b", P::Tensor)) = rules::matmul;
    "reshape"(A, ("shape", P::Dims)) = rules::reshape;
    "broadcast_to"(A, ("shape", P::Dims)) = rules::broadcast_to;
    "transpose"(A, ("axes", P::Order)) = rules::transpose;
    "swapaxes"(A, ("axis1", P::Axis), ("axis2", P::Axis)) = rules::swapaxes;
    "expand_dims"(A, ("axis", P::Int)) = rules::expand_dims;
    "squeeze"(A, ("axis", P::Axis)) = rules::squeeze;
    "concatenate"(("arrays", P::Tensors), ("axis", P::Axis)) = rules::concatenate;
    "stack"(("arrays", P::Tensors), ("axis", P::Int)) = rules::stack;
    "split"(A, ("parts", P::Int), ("axis", P::Axis)) = rules::split;
    "take"(A, ("indices", P::Tensor), ("axis", P::Axis)) = rules::take;
    "take_along_axis"(A, ("indices", P::Tensor), ("axis", P::Axis)) = rules::take_along_axis;
    "astype"(A, ("dtype", P::Dtype)) = rules::astype;
    "sum"(A, ("axes", P::Axes), KEEP) = rules::reduce;
    "mean"(A, ("axes", P::Axes), KEEP) = rules::reduce;
    "max"(A, ("axes", P::Axes), KEEP) = rules::reduce;
    "min"(A, ("axes", P::Axes), KEEP) = rules::reduce;
    "prod"(A, ("axes", P::Axes), KEEP) = rules::reduce;
    "logsumexp"(A, ("axes", P::Axes), KEEP) = rules::reduce;
    "argmax"(A, ("axis", P::Axis), KEEP) = rules::arg_reduce;
    "argmin"(A, ("axis", P::Axis), KEEP) = rules::arg_reduce;
    "softmax"(A, ("axes", P::Axes), ("precise", P::Bool)) = rules::softmax;
    "rms_norm"(X, ("weight", P::Tensor), ("eps", P::Scalar)) = rules::norm;
    "scaled_dot_product_attention"(("q", P::Tensor), ("k", P::Tensor), ("v", P::Tensor), ("mask", P::Mask), ("scale", P::Scale)) = rules::attention;
    "cross_entropy"(("logits", P::Tensor), ("targets", P::Tensor)) = rules::cross_entropy;
}

/// The operation of that name.
pub fn find(name: &str) -> Option<&'static Op> {
    OPS.iter().find(|o| o.name == name)
}

impl Ctx<'_> {
    /// A mistake at the call.
    pub fn error(&self, code: Code, text: String) -> Diag {
        Diag::new(code, self.span, format!("{}: {text}", self.op.name))
    }

    /// A mistake at argument `i`.
    pub fn error_at(&self, i: usize, code: Code, text: String) -> Diag {
        let span = self.spans.get(i).copied().unwrap_or(self.span);
        Diag::new(code, span, format!("{}: {text}", self.op.name))
    }

    /// The shape and dtype of a value; `None` where it has an error already.
    pub fn ty(&self, id: Id) -> Option<(&Shape, Dt)> {
        match &self.graph.nodes[id].ty {
            Ty::Tensor(s, d) => Some((s, *d)),
            _ => None,
        }
    }

    /// The shape and dtype of argument `i`, which must be a tensor.
    pub fn tensor(&self, i: usize) -> Result<(&Shape, Dt)> {
        match &self.args[i] {
            Arg::Value(id) => self.ty(*id).ok_or_else(|| {
                self.error_at(i, Code::ArgumentKind, "expected one tensor".to_string())
            }),
            _ => Err(self.error_at(i, Code::ArgumentKind, "expected a tensor".to_string())),
        }
    }

    /// How a message names argument `i`: its variable, shape and line.
    pub fn describe(&self, i: usize) -> String {
        match &self.args[i] {
            Arg::Value(id) => describe(self.graph, *id, self.names),
            Arg::Values(ids) => {
                let all: Vec<String> = ids
                    .iter()
                    .map(|id| describe(self.graph, *id, self.names))
                    .collect();
                all.join("; ")
            }
            _ => format!("argument {}", i + 1),
        }
    }

    /// As [`Ctx::describe`], where a noun fits.
    pub fn noun(&self, i: usize) -> String {
        match &self.args[i] {
            Arg::Value(id) => noun(self.graph, *id, self.names),
            _ => self.describe(i),
        }
    }

    /// The axis given as argument `i`, counted from 0; `rank` is the number of allowed places.
    pub fn axis(&self, i: usize, rank: usize) -> Result<usize> {
        match self.args[i] {
            Arg::Int(axis) => self.resolve(i, axis, rank),
            _ => Err(self.error_at(
                i,
                Code::ArgumentKind,
                "expected one axis, such as -1".to_string(),
            )),
        }
    }

    /// The axes given as argument `i`; an empty list means all.
    pub fn axes(&self, i: usize, rank: usize) -> Result<Vec<usize>> {
        match &self.args[i] {
            Arg::Ints(list) if list.is_empty() => Ok((0..rank).collect()),
            Arg::Ints(list) => list.iter().map(|a| self.resolve(i, *a, rank)).collect(),
            _ => Ok((0..rank).collect()),
        }
    }

    fn resolve(&self, i: usize, axis: i64, rank: usize) -> Result<usize> {
        let at = if axis < 0 { axis + rank as i64 } else { axis };
        if (0..rank as i64).contains(&at) {
            return Ok(at as usize);
        }
        let text = format!("axis {axis} is outside {}", self.noun(0));
        Err(self.error_at(i, Code::Axis, text))
    }

    /// Whether `keepdims` (argument `i`) is set.
    pub fn keepdims(&self, i: usize) -> bool {
        matches!(&self.args[i], Arg::Bool(syn::Expr::Lit(l)) if matches!(&l.lit, syn::Lit::Bool(b) if b.value))
    }

    /// The sizes given as argument `i`.
    pub fn dims(&self, i: usize) -> &[Dim] {
        match &self.args[i] {
            Arg::Dims(d) => d,
            _ => &[],
        }
    }
}

/// How a message names a value: "`x` is [B, L] (line 3)".
pub fn describe(graph: &Graph, id: Id, names: &Names) -> String {
    sentence(graph, id, names, " is ")
}

/// As [`describe`], where a noun fits: "`x` [B, L] (line 3)".
pub fn noun(graph: &Graph, id: Id, names: &Names) -> String {
    sentence(graph, id, names, " ")
}

fn sentence(graph: &Graph, id: Id, names: &Names, verb: &str) -> String {
    let node = &graph.nodes[id];
    let shape = match &node.ty {
        Ty::Tensor(s, Dt::Float) => names.shape(s),
        Ty::Tensor(s, d) => format!("{} of {}", names.shape(s), d.name()),
        Ty::Tuple(t) => format!("a tuple of {}", t.len()),
        Ty::Cache => "a cache".to_string(),
        Ty::Number => "a number".to_string(),
        Ty::Unknown => "unknown".to_string(),
    };
    let what = match (&node.name, &node.kind) {
        (Some(name), _) => format!("`{name}`"),
        (None, crate::ir::Kind::Op { op, .. }) => format!("the result of `{}`", op.name),
        (None, crate::ir::Kind::Param(field)) => format!("`self.{field}`"),
        (None, _) => match node.field() {
            Some(field) => format!("the result of `self.{field}`"),
            None => "this value".to_string(),
        },
    };
    match node.span.start().line {
        0 => format!("{what}{verb}{shape}"),
        line => format!("{what}{verb}{shape} (line {line})"),
    }
}
