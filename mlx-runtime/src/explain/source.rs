//! The report that the macros write about each model: a line for each node of each graph. It is text in a program, and read
//! where it is asked for.
//!
//! Tests: `mlx-tests --test explain`.

use crate::kernels::rows::Kernel;

/// Gives a kernel.
pub type Held = fn() -> &'static Kernel;

/// A model, as its source has it.
#[derive(Debug)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// Its file.
    pub file: &'static str,
    /// The line of its name.
    pub line: u32,
    /// Names for sizes: `("q", "head_dim*heads")`.
    pub sizes: &'static [(&'static str, &'static str)],
    /// Its fields.
    pub fields: &'static [Field],
    /// Its methods.
    pub methods: &'static [Method],
}

/// A field of a model.
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type as written.
    pub ty: &'static str,
    /// Its sizes: `[q, hidden]`, or the number of layers of a stack; empty if it has none.
    pub sizes: &'static str,
    /// Other properties of its definition: `lora`, `frozen`, `tied to table`, `when flag`.
    pub marks: &'static [&'static str],
    /// Its line.
    pub line: u32,
}

/// A method of a model, or a helper function.
#[derive(Debug)]
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// Its file.
    pub file: &'static str,
    /// The line of its name.
    pub line: u32,
    /// Its result's type.
    pub ret: &'static str,
    /// Its nodes in topological order, without those that the result does not need.
    pub nodes: &'static [Node],
    /// The values that this method keeps for the backward pass, without its sub-models.
    pub saved: &'static [Saved],
    /// Of a kernel, what it is, and the number of elements that it neither writes nor reads again.
    pub kernel: Option<(Held, &'static str)>,
}

/// Values that are kept for the backward pass.
#[derive(Debug)]
pub struct Saved {
    /// The number of values.
    pub size: &'static str,
    /// The condition under which they are kept.
    pub why: Why,
    /// The arms of `if` around: the condition's number among the model's, whether it must hold, and
    /// the condition.
    pub arms: &'static [(usize, bool, &'static str)],
}

/// The condition under which values are kept.
#[derive(Clone, Copy, Debug)]
pub enum Why {
    /// None.
    Always,
    /// Attention with its rotation is not computed in tiles.
    Scores,
    /// MLX does not compute attention in tiles, which it does on GPUs.
    Plain,
    /// One of these linear maps is trained or adapted.
    Trained(&'static [&'static str]),
}

/// A value in a graph.
#[derive(Debug)]
pub struct Node {
    /// Its number.
    pub id: usize,
    /// The operation that makes it.
    pub what: What,
    /// The same as text.
    pub text: &'static str,
    /// Its type: `[B, L, q] float`; several are joined by `; `.
    pub ty: &'static str,
    /// Its line.
    pub line: u32,
    /// The nodes that it reads.
    pub reads: &'static [usize],
    /// Set if the value is kept for the backward pass: always if the list is empty, else if one of these linear maps is
    /// trained or adapted.
    pub kept: Option<&'static [&'static str]>,
    /// The passes that rewrote it, and the nodes that they absorbed.
    pub fused: Option<Fused>,
}

/// The work of a pass.
#[derive(Debug)]
pub struct Fused {
    /// The passes, in the order in which they ran.
    pub passes: &'static [&'static str],
    /// The nodes that are gone, and their lines.
    pub absorbed: &'static [(&'static str, u32)],
}

/// The operation that makes a value.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// An argument.
    Input(&'static str),
    /// The parameter of that name.
    Param(&'static str),
    /// An operation or a function of the runtime.
    Op(&'static str),
    /// A kernel of these operations, and the number of elements that it neither writes nor reads again.
    Kernel {
        /// The operations.
        operations: &'static [&'static str],
        /// A sum of sizes.
        spared: &'static str,
        /// The kernel itself.
        kernel: Option<Held>,
    },
    /// A layer with weights, or `Rope`.
    Leaf(&'static str),
    /// A member of a group of layers that share a matmul.
    Joined(&'static str, usize),
    /// An operation that also uses a layer.
    With(&'static str),
    /// A sub-model's `forward`.
    Model(&'static str),
    /// A stack of sub-models: its field, and its checkpoint policy.
    Layers(&'static str, &'static str),
    /// Another method.
    Method(&'static str),
    /// A helper function.
    Function(&'static Method),
    /// An `if`: the number of the condition among the model's, its text, and the arms' nodes.
    If {
        /// The condition's number.
        condition: usize,
        /// The condition.
        text: &'static str,
        /// The first node of the first arm and the node after its last.
        then: (usize, usize),
        /// The nodes of the second arm.
        otherwise: (usize, usize),
    },
    /// A part of a value, or several together: no work.
    Nothing,
}
