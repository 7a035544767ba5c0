//! A list of typed nodes, each with its place in the source. Every later phase reads this.
//!
//! Tests: `tests/llama.rs`.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::Span;
use syn::{Expr, Ident, Path, Type};

use crate::ir::{Op, Region};
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::signature::{Dt, Ty};

/// The index of a node.
pub type Id = usize;

/// One value.
pub struct Node {
    /// Its origin.
    pub kind: Kind,
    /// Its type.
    pub ty: Ty,
    /// The expression it stands for.
    pub span: Span,
    /// The variable it was bound to, for messages.
    pub name: Option<String>,
}

/// The origin of a value.
#[allow(missing_docs)] // the fields are named after what they hold
pub enum Kind {
    /// An argument of the method.
    Input(Ident),
    /// A bare parameter of the model.
    Param(Ident),
    /// A tensor of a norm, its weight or its bias.
    Weight { field: Ident, bias: bool },
    /// `KvCache::off()`, a cache that keeps nothing.
    NoCache,
    /// An operation of MLX.
    Op { op: &'static Op, args: Vec<Arg> },
    /// A layer of the runtime (`Linear`, `Embedding`, `RmsNorm`, `Rope`).
    /// A `Linear` may multiply with a dequantised weight if `dequantize`.
    Leaf {
        field: Ident,
        args: Vec<Arg>,
        dequantize: bool,
    },
    /// A `Linear` that is computed together with others of the same input, as member `index`.
    Joined {
        field: Ident,
        input: Id,
        group: usize,
        index: usize,
        dequantize: bool,
    },
    /// A sub-model's `forward`.
    Sub {
        field: Ident,
        args: Vec<Arg>,
        call: Call,
    },
    /// Another method of this model.
    Method { name: Ident, args: Vec<Arg> },
    /// A stack of sub-models, each fed with the result of the one before.
    Layers {
        field: Ident,
        carried: Id,
        extra: Vec<Id>,
        cache: Option<Id>,
        call: Call,
    },
    /// A stack of sub-models in a loop with a body of its own.
    Loop {
        field: Ident,
        carried: Vec<Id>,
        extra: Vec<Id>,
        cache: Option<Id>,
        body: Box<Body>,
    },
    /// A loop over positions, `for t in 0..L`.
    Steps {
        count: Dim,
        carried: Vec<Id>,
        extra: Vec<Id>,
        body: Box<Body>,
    },
    /// Keys and values with those of the tokens before in front.
    CacheUpdate { cache: Id, keys: Id, values: Id },
    /// A part of a cache besides keys and values, read or written.
    Held {
        cache: Id,
        what: Held,
        values: Vec<Id>,
    },
    /// Cross entropy of a projection, weighted or not, without keeping the logits.
    LinearCrossEntropy {
        field: Ident,
        input: Id,
        targets: Id,
        weights: Option<Id>,
        cap: Option<Expr>,
        reduction: Option<String>,
    },
    /// Rotary positions, the cache and causal attention over joined heads, found by `fuse`.
    Attention(Box<Attention>),
    /// Operations that one kernel computes.
    Kernel(Box<Region>),
    /// One of several values.
    Item(Id, usize),
    /// Several values.
    Tuple(Vec<Id>),
    /// A number of the config or a literal, given to a helper function or another method.
    Number(Expr),
    /// A function with `#[mlx_fn]`.
    Function { args: Vec<Arg>, call: Call },
    /// Values that depend on the config; the nodes of both arms come before this one.
    If {
        condition: Expr,
        then: Arm,
        otherwise: Arm,
    },
}

/// The things that a cache holds besides the keys and values of the tokens before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// A cache inside of it.
    Part(String),
    /// A state from the tokens before.
    State(String),
    /// A state for the tokens that follow.
    NewState(String),
    /// Keys and values that are computed once.
    Once,
}

/// The body of a loop over a stack: one layer's share, as a graph of its own.
pub struct Body {
    /// The operations. The result is a tuple: the carried values, then those that are collected.
    pub graph: Graph,
    /// The names of the carried values, then of the others from outside.
    pub inputs: Vec<Ident>,
    /// The variable that counts the layers.
    pub index: Option<Ident>,
    /// The type of the layer, of a loop over a stack.
    pub model: Option<Type>,
    /// The shapes of the layer's arguments.
    pub shapes: Vec<Shape>,
}

/// The field that the layer of a loop stands in for inside of the loop's body.
pub const LAYER: &str = "__layer";

/// One arm of an `if`: its own nodes are those from `start` up to `end`.
pub struct Arm {
    /// The first node.
    pub start: Id,
    /// The node after the last.
    pub end: Id,
    /// The values of the arm.
    pub values: Vec<Id>,
}

impl Arm {
    /// True if a node belongs to this arm.
    pub fn holds(&self, id: Id) -> bool {
        (self.start..self.end).contains(&id)
    }
}

/// `softmax(rope(q) rope(k)^T) v` on `[B, L, heads * head_dim]`.
pub struct Attention {
    /// The `Rope` layer.
    pub rope: Ident,
    /// Queries `[B, L, heads * head_dim]`.
    pub q: Id,
    /// Keys `[B, L, kv_heads * head_dim]`.
    pub k: Id,
    /// Values, as the keys.
    pub v: Id,
    /// The cache.
    pub cache: Id,
    /// The size of one head.
    pub head_dim: Dim,
    /// The factor of the scores.
    pub scale: Arg,
    /// The keys that a query sees at most.
    pub window: Option<Window>,
    /// True if queries, keys and values are a joined product, which is read whole.
    pub whole: bool,
    /// The value that queries, keys and values are parts of, in this order.
    pub parts_of: Option<Id>,
}

/// The number of keys that a query of attention sees at most.
pub struct Window {
    /// The number.
    pub count: Expr,
    /// The condition under which there is one, and whether it must hold or fail.
    pub only: Option<(Expr, bool)>,
}

/// The callee that a call is compared with.
#[derive(Clone)]
pub enum Callee {
    /// A model's `forward`.
    Model(Type),
    /// Another method of a model.
    Method(Type, Ident),
    /// The `forward` of a model that is a type parameter: known when it is chosen.
    Generic(Type),
    /// A helper function.
    Function(Path),
}

/// The source of the type that a caller expects of a result.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// A `let` or a method's end declares it.
    Declared,
    /// The first tensor's, because nothing is declared.
    Assumed,
    /// The next layer of a stack takes it.
    Stack,
}

/// The signature that a caller expects of a sub-model or function; rustc compares it with that one's own
/// signature.
pub struct Call {
    /// The callee.
    pub callee: Callee,
    /// The name of the call in messages.
    pub what: String,
    /// The arguments' types, where each is, and how messages name it.
    pub args: Vec<(Ty, Span, String)>,
    /// The names that the caller gives to arguments, by their places.
    pub named: Vec<(usize, Ident)>,
    /// The result's type as the caller uses it.
    pub ret: Ty,
    /// The source of that type.
    pub place: Place,
    /// The names of the callee's sizes here: what stands before each, and those that have another value.
    pub renamed: (String, Vec<(String, Dim)>),
}

impl Call {
    /// The type of the model that is called.
    pub fn model(&self) -> Option<&Type> {
        match &self.callee {
            Callee::Model(t) | Callee::Generic(t) | Callee::Method(t, _) => Some(t),
            Callee::Function(_) => None,
        }
    }
}

/// An argument of an operation.
#[derive(Clone)]
#[allow(missing_docs)] // the fields are named after what they hold
pub enum Arg {
    /// A value.
    Value(Id),
    /// A number that takes the dtype of the value `like`.
    Weak { expr: Expr, like: Id },
    /// A list of values.
    Values(Vec<Id>),
    /// The members of a joined product, which is read whole in place of as many arguments.
    Whole(Vec<Id>),
    /// One integer.
    Int(i64),
    /// A list of integers.
    Ints(Vec<i64>),
    /// A list of sizes.
    Dims(Vec<Dim>),
    /// A number, from a literal or the config.
    Scalar(Expr),
    /// true or false, from a literal or the config.
    Bool(Expr),
    /// An element type.
    Dtype(Dt),
    /// The causal mask of attention.
    Causal,
    /// A causal mask that shows each query no more than that many keys.
    Sliding(Expr),
    /// A text, such as the subscripts of a product.
    Text(String),
    /// Nothing, where the argument is optional.
    Absent,
}

impl Arg {
    /// The values this argument reads.
    pub fn values(&self) -> Vec<Id> {
        match self {
            Arg::Value(id) | Arg::Weak { like: id, .. } => vec![*id],
            Arg::Values(ids) | Arg::Whole(ids) => ids.clone(),
            _ => vec![],
        }
    }

    /// As [`Arg::values`], to put others in their place.
    pub fn values_mut(&mut self) -> Vec<&mut Id> {
        match self {
            Arg::Value(id) | Arg::Weak { like: id, .. } => vec![id],
            Arg::Values(ids) | Arg::Whole(ids) => ids.iter_mut().collect(),
            _ => vec![],
        }
    }
}

/// The graph of one method.
#[derive(Default)]
pub struct Graph {
    /// The nodes; each reads only earlier ones.
    pub nodes: Vec<Node>,
    /// The node whose value is returned.
    pub result: Option<Id>,
    /// Projections of one input that are computed by one matmul; the group of a [`Kind::Joined`].
    pub joins: Vec<Join>,
    /// Nodes that stay though the result does not need them.
    pub kept: BTreeSet<Id>,
    /// The nodes that passes rewrote.
    pub fused: BTreeMap<Id, Fused>,
    /// Optional sizes of the config that are only used where a condition says that they are there.
    pub guarded: BTreeSet<String>,
    /// The variables where they are bound, with their types, for the editor.
    pub bound: Vec<(Ident, Ty)>,
}

/// Projections of one input that are computed by one matmul.
pub struct Join {
    /// Their fields.
    pub fields: Vec<Ident>,
    /// True if the input is multiplied with all adapters at once.
    pub adapters: bool,
}

/// The nodes that passes replaced a node with.
#[derive(Default)]
pub struct Fused {
    /// The passes, in the order in which they ran.
    pub passes: Vec<&'static str>,
    /// The nodes that went into it and are gone.
    pub absorbed: BTreeSet<Id>,
}

impl Graph {
    /// The nodes, those in the bodies of loops too.
    pub fn all_nodes(&self) -> Vec<&Node> {
        let inner = self.nodes.iter().flat_map(|n| match &n.kind {
            Kind::Loop { body, .. } | Kind::Steps { body, .. } => body.graph.all_nodes(),
            _ => vec![],
        });
        self.nodes.iter().chain(inner).collect()
    }

    /// The nodes of a group of joined layers.
    pub fn members(&self, group: usize) -> Vec<Id> {
        let of = |n: &Node| matches!(n.kind, Kind::Joined { group: g, .. } if g == group);
        let all = self.nodes.iter().enumerate();
        all.filter(|(_, n)| of(n)).map(|(id, _)| id).collect()
    }

    /// True if the one node that reads a group's product takes it whole, so that it is not split.
    pub fn is_read_whole(&self, group: usize) -> bool {
        let members = self.members(group);
        self.nodes.iter().any(|n| match &n.kind {
            Kind::Attention(a) => a.whole && members.first() == Some(&a.q),
            Kind::Op { args, .. } => {
                let whole = |a: &Arg| matches!(a, Arg::Whole(ids) if *ids == members);
                args.iter().any(whole)
            }
            _ => false,
        })
    }

    /// The nodes that the result needs, and those that are kept without it.
    pub fn live(&self) -> BTreeSet<Id> {
        let mut live = BTreeSet::new();
        let mut todo: Vec<Id> = self.result.into_iter().chain(self.kept.clone()).collect();
        while let Some(id) = todo.pop() {
            if live.insert(id) {
                todo.extend(self.nodes[id].inputs());
            }
        }
        live
    }

    /// The innermost arm that a node is in, as its first and last node; `None` outside of all.
    /// A value of an arm is not there outside of it.
    pub fn region(&self, id: Id) -> Option<(Id, Id)> {
        let arms = self.nodes[id..].iter().filter_map(|n| match &n.kind {
            Kind::If {
                then, otherwise, ..
            } => [then, otherwise].into_iter().find(|a| a.holds(id)),
            _ => None,
        });
        arms.map(|a| (a.start, a.end)).next()
    }

    /// The argument that a cache is, or a part of, and the names of the parts.
    pub fn cache_argument(&self, id: Id) -> Option<(Id, String)> {
        match (&self.nodes[id].kind, &self.nodes[id].ty) {
            (Kind::Input(_), Ty::Cache) => Some((id, String::new())),
            (
                Kind::Held {
                    cache,
                    what: Held::Part(name),
                    ..
                },
                _,
            ) => {
                let (argument, path) = self.cache_argument(*cache)?;
                Some((argument, format!("{path}.{name}")))
            }
            _ => None,
        }
    }

    /// True if two nodes are in different arms of one `if`, of which only one is run.
    pub fn exclusive(&self, a: Id, b: Id) -> bool {
        let (a, b) = (a.min(b), a.max(b));
        self.nodes[b..].iter().any(|n| match &n.kind {
            Kind::If {
                then, otherwise, ..
            } => then.holds(a) && otherwise.holds(b),
            _ => false,
        })
    }
}

impl Node {
    /// The nodes it reads.
    pub fn inputs(&self) -> Vec<Id> {
        match &self.kind {
            Kind::Input(_)
            | Kind::Param(_)
            | Kind::Weight { .. }
            | Kind::NoCache
            | Kind::Number(_) => vec![],
            Kind::If {
                then, otherwise, ..
            } => [&then.values[..], &otherwise.values[..]].concat(),
            Kind::Op { args, .. }
            | Kind::Function { args, .. }
            | Kind::Leaf { args, .. }
            | Kind::Sub { args, .. }
            | Kind::Method { args, .. } => args.iter().flat_map(Arg::values).collect(),
            Kind::Joined { input, .. } => vec![*input],
            Kind::Layers {
                carried,
                extra,
                cache,
                ..
            } => [*carried]
                .into_iter()
                .chain(extra.iter().copied())
                .chain(*cache)
                .collect(),
            Kind::Loop {
                carried,
                extra,
                cache,
                ..
            } => carried.iter().chain(extra).chain(cache).copied().collect(),
            Kind::Steps { carried, extra, .. } => carried.iter().chain(extra).copied().collect(),
            Kind::CacheUpdate {
                cache,
                keys,
                values,
            } => vec![*cache, *keys, *values],
            Kind::Held { cache, values, .. } => {
                std::iter::once(cache).chain(values).copied().collect()
            }
            Kind::LinearCrossEntropy {
                input,
                targets,
                weights,
                ..
            } => [*input, *targets].into_iter().chain(*weights).collect(),
            Kind::Attention(a) => [a.q, a.k, a.v, a.cache]
                .into_iter()
                .chain(a.parts_of)
                .collect(),
            Kind::Kernel(r) => r.inputs.clone(),
            Kind::Item(id, _) => vec![*id],
            Kind::Tuple(ids) => ids.clone(),
        }
    }

    /// As [`Node::inputs`], to put other nodes in their place.
    pub fn inputs_mut(&mut self) -> Vec<&mut Id> {
        match &mut self.kind {
            Kind::Input(_)
            | Kind::Param(_)
            | Kind::Weight { .. }
            | Kind::NoCache
            | Kind::Number(_) => vec![],
            Kind::If {
                then, otherwise, ..
            } => then
                .values
                .iter_mut()
                .chain(&mut otherwise.values)
                .collect(),
            Kind::Op { args, .. }
            | Kind::Function { args, .. }
            | Kind::Leaf { args, .. }
            | Kind::Sub { args, .. }
            | Kind::Method { args, .. } => args.iter_mut().flat_map(Arg::values_mut).collect(),
            Kind::Joined { input, .. } => vec![input],
            Kind::Layers {
                carried,
                extra,
                cache,
                ..
            } => [carried].into_iter().chain(extra).chain(cache).collect(),
            Kind::Loop {
                carried,
                extra,
                cache,
                ..
            } => carried.iter_mut().chain(extra).chain(cache).collect(),
            Kind::Steps { carried, extra, .. } => carried.iter_mut().chain(extra).collect(),
            Kind::CacheUpdate {
                cache,
                keys,
                values,
            } => vec![cache, keys, values],
            Kind::Held { cache, values, .. } => std::iter::once(cache).chain(values).collect(),
            Kind::LinearCrossEntropy {
                input,
                targets,
                weights,
                ..
            } => [input, targets].into_iter().chain(weights).collect(),
            Kind::Attention(a) => [&mut a.q, &mut a.k, &mut a.v, &mut a.cache]
                .into_iter()
                .chain(&mut a.parts_of)
                .collect(),
            Kind::Kernel(r) => r.inputs.iter_mut().collect(),
            Kind::Item(id, _) => vec![id],
            Kind::Tuple(ids) => ids.iter_mut().collect(),
        }
    }

    /// True if it may multiply with a dequantised weight.
    pub fn dequantizes(&self) -> bool {
        matches!(
            self.kind,
            Kind::Leaf {
                dequantize: true,
                ..
            } | Kind::Joined {
                dequantize: true,
                ..
            }
        )
    }

    /// The fields it uses.
    pub fn field(&self) -> Option<&Ident> {
        match &self.kind {
            Kind::Param(f)
            | Kind::Weight { field: f, .. }
            | Kind::Leaf { field: f, .. }
            | Kind::Joined { field: f, .. }
            | Kind::Sub { field: f, .. }
            | Kind::Layers { field: f, .. }
            | Kind::Loop { field: f, .. }
            | Kind::LinearCrossEntropy { field: f, .. } => Some(f),
            _ => None,
        }
    }
}
