//! The pass `kernels`: operations of any body that one kernel can compute become one.
//!
//! From each operation, the last one first, a region grows over producers and readers as long as [`read`] finds one
//! launch for it, its gradient is one too, and it keeps no more for the backward pass than its operations keep.
//!
//! Tests: `tests/regions.rs`; `mlx-tests --test kernels`.

mod arms;
mod cost;
mod function;
mod norms;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use syn::Expr;

use crate::ir::{Arg, Graph, Id, Kind, Region, Tier};
use crate::kernel::ir::{Gradient, Op, Place, Program, Source};
use crate::kernel::{read, rust, vjp};
use crate::syntax::dims::{is_free, volume, Dim};
use crate::syntax::literals::literal;
use crate::syntax::model::ModelDef;
use crate::syntax::names::Names;
use crate::syntax::signature::{Dt, Method, Ty};

/// The name by which the pass is switched.
pub const NAME: &str = "kernels";
/// A sentence that says its effect.
pub const DOC: &str =
    "operations on rows that one kernel can compute are one, with a gradient of its own";

/// The most values of a kernel.
const MOST_OUTPUTS: usize = 4;
/// The most arrays that a kernel reads.
const MOST_INPUTS: usize = 12;
/// The most operations of a kernel.
const MOST_MEMBERS: usize = 48;
/// Operations that MLX computes as fast as memory is read.
const CHEAP: &[&str] = &["add", "subtract", "multiply", "negative"];
/// Operations of which MLX makes several: one of them is worth a kernel.
const COMPOUND: &[&str] = &[
    "binary_cross_entropy",
    "celu",
    "cosine_similarity_loss",
    "elu",
    "gaussian_nll_loss",
    "gelu",
    "gelu_approx",
    "gelu_fast_approx",
    "glu",
    "hard_shrink",
    "hardswish",
    "huber_loss",
    "kl_div_loss",
    "log_cosh_loss",
    "log_sigmoid",
    "log_softmax",
    "margin_ranking_loss",
    "mish",
    "prelu",
    "selu",
    "silu",
    "smooth_l1_loss",
    "softmin",
    "softshrink",
    "softsign",
];
/// The most operations that join together.
const MOST_AT_ONCE: usize = 6;
/// Operations of the row tier that stay as they are.
const OWN: &[&str] = &["contiguous"];

/// A kernel with its gradient.
pub struct Programs {
    /// The kernel, which writes numbers per row behind its results where its gradient reads them.
    pub forward: Program,
    /// Its gradient; `None` where no input has one.
    pub gradient: Option<Gradient>,
}

/// The programs of a region; `None` if it is none that one kernel computes.
pub fn programs(names: &Names, region: &Region) -> Option<Rc<Programs>> {
    let known = region.known.clone().map(|k| k.downcast::<Programs>());
    if let Some(Ok(known)) = known {
        return Some(known);
    }
    let mut read = read::read(names, &region.method, &region.graph).ok()?;
    read.varying.clone_from(&region.varying);
    let (forward, gradient) = vjp::keeping(&read, &region.frozen).ok()?;
    Some(Rc::new(Programs { forward, gradient }))
}

/// An array that a gradient reads of a region.
pub enum Read {
    /// The value of a node outside.
    Input(Id),
    /// One of the region's values.
    Output(usize),
    /// A number of each row, so many in all.
    Numbers(Dim),
}

/// The inputs and values of a region that its gradient reads.
pub fn kept(names: &Names, region: &Region) -> Vec<Read> {
    let programs = programs(names, region);
    let sources = programs.iter().filter_map(|p| p.gradient.as_ref());
    let read = sources.flat_map(|g| &g.inputs).filter_map(|s| match s {
        Source::Input(i) => Some(Read::Input(region.inputs[*i])),
        Source::Output(i) if *i < region.outputs.len() => Some(Read::Output(*i)),
        Source::Output(_) => {
            let rows = programs.iter().flat_map(|p| &p.forward.rows);
            Some(Read::Numbers(volume(&rows.cloned().collect::<Vec<_>>())))
        }
        Source::Cotangent(_) => None,
    });
    read.collect()
}

/// Makes kernels of the regions of a method's graph.
pub fn run(model: &ModelDef, method: &Method, graph: &mut Graph) {
    if !model.fuse.is_on(NAME) {
        return;
    }
    norms::expand(model, graph);
    arms::run(model, method, graph);
    let (mut tried, mut count) = (BTreeSet::new(), 0);
    while let Some((members, mut region)) = Pass::new(model, method, graph).next(&mut tried) {
        count += 1;
        region.name = format!("{}_{count}", method.name);
        let moved = graph.absorb(NAME, &members, region);
        tried = tried.into_iter().map(|id| moved[id]).collect();
    }
    norms::collapse(graph);
}

/// A region with what is known of it.
struct Found {
    members: BTreeSet<Id>,
    /// The nodes whose values it gives.
    outputs: Vec<Id>,
    programs: Rc<Programs>,
    /// The nodes whose values its gradient reads.
    kept: BTreeSet<Id>,
    /// Members whose values it gives for its gradient.
    given: BTreeSet<Id>,
}

struct Pass<'a> {
    model: &'a ModelDef,
    free: Vec<String>,
    graph: &'a Graph,
    live: BTreeSet<Id>,
    /// The programs of regions that were looked at: growth comes by many from several sides.
    known: RefCell<BTreeMap<Nodes, Option<Rc<Programs>>>>,
}

/// The members and the outputs of a region.
type Nodes = (BTreeSet<Id>, Vec<Id>);

impl<'a> Pass<'a> {
    fn new(model: &'a ModelDef, method: &Method, graph: &'a Graph) -> Self {
        Pass {
            model,
            free: method.free_dims(),
            graph,
            live: graph.live(),
            known: RefCell::default(),
        }
    }
}

impl Pass<'_> {
    /// The next region, with its members. `tried` are the operations that a region was grown from, or that are in one that
    /// saves nothing.
    fn next(&self, tried: &mut BTreeSet<Id>) -> Option<(BTreeSet<Id>, Region)> {
        for seed in (0..self.graph.nodes.len()).rev() {
            if tried.contains(&seed) || !self.works(seed) {
                continue;
            }
            tried.insert(seed);
            let Some(found) = self.grown(seed) else {
                continue;
            };
            if !self.saves(&found) {
                tried.extend(found.members);
                continue;
            }
            let mut region = self.function(&found.members, found.outputs)?;
            region.known = Some(found.programs);
            return Some((found.members, region));
        }
        None
    }

    /// True if a node may be in a region.
    fn takes(&self, id: Id) -> bool {
        let node = &self.graph.nodes[id];
        let tensor = |id: &Id| matches!(self.graph.nodes[*id].ty, Ty::Tensor(..));
        self.live.contains(&id)
            && match &node.kind {
                Kind::Op { op, args } => {
                    let plain = args.iter().all(|a| self.plain(a));
                    op.tier != Tier::Launch
                        && !OWN.contains(&op.name)
                        && args.len() <= op.params.len()
                        && node.inputs().iter().all(tensor)
                        && plain
                }
                Kind::Item(of, _) => {
                    matches!(self.graph.nodes[*of].kind, Kind::Op { .. }) && self.takes(*of)
                }
                _ => false,
            }
    }

    /// True if an argument is one that [`read`] knows.
    fn plain(&self, arg: &Arg) -> bool {
        match arg {
            Arg::Value(_)
            | Arg::Values(_)
            | Arg::Int(_)
            | Arg::Ints(_)
            | Arg::Dtype(_)
            | Arg::Scalar(_)
            | Arg::Absent => true,
            Arg::Dims(all) => all.iter().all(|d| self.bound(d)),
            Arg::Weak { expr, like } => {
                let float = matches!(
                    self.graph.nodes[*like].ty,
                    Ty::Tensor(_, Dt::Float | Dt::F32)
                );
                float || literal(expr).is_some()
            }
            Arg::Bool(e) => matches!(e, Expr::Lit(_)),
            Arg::Whole(_) | Arg::Causal | Arg::Sliding(_) | Arg::Text(_) => false,
        }
    }

    /// True if a size is known where the method begins, or by the shape of an array.
    fn bound(&self, d: &Dim) -> bool {
        let known = |n: &&str| n.ends_with('\'') || !is_free(n) || self.free.iter().any(|f| f == n);
        d.names().iter().all(known)
    }

    /// True if a node computes something: views, casts and constants do not.
    fn works(&self, id: Id) -> bool {
        let Kind::Op { op, .. } = &self.graph.nodes[id].kind else {
            return false;
        };
        let idle = matches!(op.tier, Tier::View | Tier::Created);
        let renamed = matches!(op.name, "astype" | "stop_gradient");
        self.takes(id) && !idle && !renamed && !op.keeps.view
    }

    fn is_compound(&self, id: Id) -> bool {
        matches!(&self.graph.nodes[id].kind, Kind::Op { op, .. } if COMPOUND.contains(&op.name))
    }

    fn is_cheap(&self, id: Id) -> bool {
        matches!(&self.graph.nodes[id].kind, Kind::Op { op, .. } if CHEAP.contains(&op.name))
    }

    /// The value that a view shares memory with.
    fn root(&self, id: Id) -> Id {
        match &self.graph.nodes[id].kind {
            Kind::Op { op, args } => match args.first() {
                Some(Arg::Value(x)) if op.keeps.view => self.root(*x),
                _ => id,
            },
            Kind::Item(x, _) if matches!(self.graph.nodes[*x].kind, Kind::Op { .. }) => {
                self.root(*x)
            }
            _ => id,
        }
    }

    /// The largest region from a seed.
    fn grown(&self, seed: Id) -> Option<Found> {
        let beside = |id: &Id| {
            let reads = |a: Id, b: Id| self.graph.nodes[a].inputs().contains(&b);
            (reads(seed, *id) || reads(*id, seed)) && self.takes(*id)
        };
        if !self.is_compound(seed) && !self.live.iter().any(beside) {
            return None;
        }
        let mut found = self.region(BTreeSet::from([seed]), &BTreeSet::new())?;
        let mut refused: BTreeSet<Id> = BTreeSet::new();
        let mut grew = false;
        loop {
            let mut next: Vec<Id> = Vec::new();
            // Producers, and then other readers of what is inside.
            for m in found.members.iter().rev() {
                next.extend(self.graph.nodes[*m].inputs());
            }
            for id in &self.live {
                let inputs = self.graph.nodes[*id].inputs();
                if inputs.iter().any(|i| found.members.contains(i)) {
                    next.push(*id);
                }
            }
            let fits =
                |id: &&Id| !found.members.contains(id) && !refused.contains(id) && self.takes(**id);
            match next.iter().find(fits).copied() {
                Some(id) => match self.joined(&found, id) {
                    Some(larger) => (found, grew) = (larger, true),
                    None => _ = refused.insert(id),
                },
                // A node that was in the way before may be inside now.
                None if grew && !refused.is_empty() => {
                    grew = false;
                    refused.clear();
                }
                None => break,
            }
        }
        Some(found)
    }

    /// A region with one node more, or with that and producers of it, if that keeps no more than its operations do.
    fn joined(&self, found: &Found, id: Id) -> Option<Found> {
        let mut members = found.members.clone();
        self.add(&mut members, id);
        for _ in 0..MOST_AT_ONCE {
            if members.len() > MOST_MEMBERS {
                return None;
            }
            let added: Vec<Id> = members.difference(&found.members).copied().collect();
            let larger = self.region(members.clone(), &found.given)?;
            if self.keeps_less(found, &added, &larger) {
                return Some(larger);
            }
            // The sum that a norm reads is one array; its terms are two.
            if !larger.outputs.contains(&id) {
                let mut given = found.given.clone();
                given.insert(id);
                let giving = self.region(members.clone(), &given);
                let giving = giving.filter(|g| self.keeps_less(found, &added, g));
                if let Some(larger) = giving {
                    return Some(larger);
                }
            }
            // A mean of squares is computed again from the squares, and these from what is kept anyway.
            let producer = |m: &Id| self.graph.nodes[*m].inputs();
            let mut producers = added.iter().rev().flat_map(producer);
            let next = producers.find(|p| !members.contains(p) && self.takes(*p))?;
            self.add(&mut members, next);
        }
        None
    }

    /// Adds a node, and with an operation of several values these.
    fn add(&self, members: &mut BTreeSet<Id>, id: Id) {
        let of = match &self.graph.nodes[id].kind {
            Kind::Item(of, _) => *of,
            _ => id,
        };
        members.extend([id, of]);
        if matches!(self.graph.nodes[of].ty, Ty::Tuple(_)) {
            let item = |id: &Id| matches!(self.graph.nodes[*id].kind, Kind::Item(o, _) if o == of);
            members.extend(self.live.iter().copied().filter(item));
        }
    }

    /// The region of these nodes, if it is one, which gives some values besides.
    fn region(&self, members: BTreeSet<Id>, given: &BTreeSet<Id>) -> Option<Found> {
        let (first, last) = (*members.first()?, *members.last()?);
        let arm = self.graph.region(first);
        let apart = |id: Id| {
            let inner = self.graph.region(id) != arm;
            inner || matches!(self.graph.nodes[id].kind, Kind::If { .. })
        };
        if (first..=last).any(apart) {
            return None;
        }
        let after = self.graph.between(&members);
        let convex = |m: &Id| {
            !self.graph.nodes[*m]
                .inputs()
                .iter()
                .any(|i| after.contains(i))
        };
        if !members.iter().all(convex) || !self.keeps_order(&members, &after) {
            return None;
        }
        let outputs = self.outputs(&members, given)?;
        let key = (members, outputs);
        let before = self.known.borrow().get(&key).cloned();
        let programs = before.unwrap_or_else(|| {
            let made = self.launched(&key.0, &key.1);
            self.known.borrow_mut().insert(key.clone(), made.clone());
            made
        })?;
        let (members, outputs) = key;
        let inputs = self.inputs(&members);
        let read = programs.gradient.iter().flat_map(|g| &g.inputs);
        // Numbers per row are small.
        let read = read.filter_map(|s| match s {
            Source::Input(i) => Some(self.root(inputs[*i])),
            Source::Output(i) => outputs.get(*i).map(|o| self.root(*o)),
            Source::Cotangent(_) => None,
        });
        Some(Found {
            given: given.clone(),
            kept: read.collect(),
            members,
            outputs,
            programs,
        })
    }

    /// The programs of a region, if hosts launch them well.
    fn launched(&self, members: &BTreeSet<Id>, outputs: &[Id]) -> Option<Rc<Programs>> {
        let region = self.function(members, outputs.to_vec())?;
        let hidden = |n: &String| n.ends_with('\'') && region.shown(n).is_none();
        if region.varying.iter().any(hidden) {
            return None;
        }
        let found = programs(&self.model.names, &region)?;
        let gradient = found.gradient.as_ref();
        let fits = is_launched(&found.forward) && gradient.is_none_or(|g| is_launched(&g.program));
        fits.then_some(found)
    }

    /// True if what touches a cache does so in the same order once the region is one node.
    fn keeps_order(&self, members: &BTreeSet<Id>, after: &BTreeSet<Id>) -> bool {
        let (Some(first), Some(last)) = (members.first(), members.last()) else {
            return true;
        };
        let touches = |id: &Id| {
            let inputs = self.graph.nodes[*id].inputs();
            inputs.iter().any(|i| self.graph.nodes[*i].ty == Ty::Cache)
        };
        let mut later = false;
        (*first..=*last).filter(touches).all(|id| {
            later |= after.contains(&id);
            after.contains(&id) || !later
        })
    }

    /// The values that are read outside or given; `None` if a kernel should not write one of them.
    fn outputs(&self, members: &BTreeSet<Id>, given: &BTreeSet<Id>) -> Option<Vec<Id>> {
        let outside = |id: &Id| {
            let read = |r: &Id| !members.contains(r) && self.graph.nodes[*r].inputs().contains(id);
            given.contains(id) || self.graph.result == Some(*id) || self.live.iter().any(read)
        };
        let outputs: Vec<Id> = members.iter().copied().filter(outside).collect();
        let written = |id: &Id| match (&self.graph.nodes[*id].kind, &self.graph.nodes[*id].ty) {
            // A view costs nothing as it is.
            (Kind::Op { op, .. }, Ty::Tensor(..)) => {
                let idle = matches!(op.tier, Tier::View | Tier::Created | Tier::Launch);
                !op.keeps.view && !idle
            }
            _ => false,
        };
        let fits =
            !outputs.is_empty() && outputs.len() <= MOST_OUTPUTS && outputs.iter().all(written);
        fits.then_some(outputs)
    }
}

/// True if hosts launch a program well: they find each element, and the columns of a row lie side by side.
fn is_launched(p: &Program) -> bool {
    let beside = |at: &crate::kernel::ir::At, wide: bool| !wide || at.column.is_one();
    let loads = p.values.iter().all(|v| match &v.op {
        Op::Load { at, .. } => beside(at, v.width.is_some()),
        _ => true,
    });
    let stores = p.outputs.iter().all(|o| match &o.place {
        Place::At(at) => beside(at, p.values[o.value].width.is_some()),
        Place::Sum => true,
    });
    loads && stores && rust::is_written(p)
}
