//! Nodes that became one kernel, as a function of their own.
//!
//! Tests: `tests/regions.rs`.

use std::any::Any;
use std::collections::BTreeSet;
use std::rc::Rc;

use syn::{Expr, Ident};

use crate::ir::{Arm, Fused, Graph, Id, Kind, Node};
use crate::syntax::dims::{volume, Dim};
use crate::syntax::signature::{Method, Ty};

/// Operations that one kernel computes.
pub struct Region {
    /// A name that no other region of the same model has.
    pub name: String,
    /// The signature: tensors and then numbers.
    pub method: Method,
    /// The operations on those arguments.
    pub graph: Graph,
    /// The node outside for each tensor.
    pub inputs: Vec<Id>,
    /// True for each tensor without a gradient.
    pub frozen: Vec<bool>,
    /// Names of sizes that differ from call to call.
    pub varying: Vec<String>,
    /// The numbers of the config, of the method or of both.
    pub numbers: Vec<(Ident, Expr)>,
    /// The nodes whose values it gives. They stay in the graph, where nothing reads them any more.
    pub outputs: Vec<Id>,
    /// The kernel and its gradient, once they are known.
    pub known: Option<Rc<dyn Any>>,
}

impl Region {
    /// The input, its axis and the rest of that axis's size, by which a call finds a hidden size.
    pub fn shown(&self, name: &str) -> Option<(usize, usize, Dim)> {
        let own = Dim::name(name).negated();
        for (i, a) in self.method.args.iter().enumerate() {
            let Ty::Tensor(shape, _) = &a.ty else {
                continue;
            };
            for (axis, d) in shape.iter().enumerate().filter(|(_, d)| d.is_hidden()) {
                let rest = d.plus(&own);
                if !rest.is_hidden() {
                    return Some((i, axis, rest));
                }
            }
        }
        None
    }
}

impl Graph {
    /// As a kernel, the elements of the values that are neither written nor read again.
    pub fn spared(&self) -> Dim {
        let results: Vec<Id> = match self.result.map(|id| (id, &self.nodes[id].kind)) {
            Some((_, Kind::Tuple(ids))) => ids.clone(),
            Some((id, _)) => vec![id],
            None => vec![],
        };
        let inner = self.nodes.iter().enumerate();
        let inner = inner.filter(|(id, _)| !results.contains(id));
        let sizes = inner.filter_map(|(_, n)| match (&n.kind, &n.ty) {
            (Kind::Op { op, .. }, Ty::Tensor(shape, _)) if !op.keeps.view => Some(volume(shape)),
            _ => None,
        });
        sizes.fold(Dim::default(), |sum, d| sum.plus(&d))
    }

    /// The nodes up to the last member that read one, directly or not, and are none themselves.
    pub fn between(&self, members: &BTreeSet<Id>) -> BTreeSet<Id> {
        let (Some(first), Some(last)) = (members.first(), members.last()) else {
            return BTreeSet::new();
        };
        let mut found = BTreeSet::new();
        for id in *first..=*last {
            let reads = |i: &Id| members.contains(i) || found.contains(i);
            if !members.contains(&id) && self.nodes[id].inputs().iter().any(reads) {
                found.insert(id);
            }
        }
        found
    }

    /// The node whose value a kernel gives in this node: the same value, composed of MLX's operations.
    pub fn composed(&self, id: Id) -> Id {
        match &self.nodes[id].kind {
            Kind::Kernel(r) if r.outputs.len() == 1 => r.outputs[0],
            Kind::Item(of, i) => match &self.nodes[*of].kind {
                Kind::Kernel(r) => r.outputs[*i],
                _ => id,
            },
            _ => id,
        }
    }

    /// As [`Graph::live`], where all kernels are composed of MLX's operations.
    pub fn live_composed(&self) -> BTreeSet<Id> {
        let mut live = BTreeSet::new();
        let mut todo: Vec<Id> = self.result.into_iter().chain(self.kept.clone()).collect();
        while let Some(id) = todo.pop() {
            let id = self.composed(id);
            if live.insert(id) {
                todo.extend(self.nodes[id].inputs());
            }
        }
        live
    }

    /// Puts one kernel in the place of its members. Returns for each node of before its place now.
    ///
    /// The members are convex and in one arm, and no arm lies between them.
    pub fn absorb(
        &mut self,
        pass: &'static str,
        members: &BTreeSet<Id>,
        region: Region,
    ) -> Vec<Id> {
        let (Some(first), Some(last)) = (members.first(), members.last()) else {
            return (0..self.nodes.len()).collect();
        };
        let (first, last, old) = (*first, *last, self.nodes.len());
        let after = self.between(members);
        let outputs = region.outputs.clone();
        let added = self.kernel(region);
        let several = outputs.len() > 1;
        let value = |i: usize| old + i + usize::from(several);
        let moved = |id: Id| outputs.iter().position(|o| *o == id).map_or(id, value);
        for (id, node) in self.nodes.iter_mut().enumerate() {
            if !members.contains(&id) {
                node.inputs_mut().into_iter().for_each(|i| *i = moved(*i));
            }
        }
        self.result = self.result.map(moved);
        // The order: what the members need, they, the kernel, and what needs it.
        let mut order: Vec<Id> = (0..=last).filter(|id| !after.contains(id)).collect();
        let at = order.len();
        order.extend(old..old + added.len());
        order.extend(after);
        order.extend(last + 1..old);
        let count = order.len() - old;
        let place = self.arranged(added, &order);
        for arm in self.arms_mut() {
            arm.start += if arm.start > first { count } else { 0 };
            arm.end += if arm.end > last { count } else { 0 };
        }
        let mut absorbed: BTreeSet<Id> = members.iter().map(|m| place[*m]).collect();
        let inner: Vec<Id> = absorbed
            .iter()
            .filter_map(|m| self.fused.get(m))
            .flat_map(|f| f.absorbed.iter().copied())
            .collect();
        absorbed.extend(inner);
        let passes = vec![pass];
        self.fused.insert(at, Fused { passes, absorbed });
        place[..old].to_vec()
    }

    /// Puts the nodes, and these behind them, in an order. Returns the place of each. The arms keep their old bounds.
    fn arranged(&mut self, added: Vec<Node>, order: &[Id]) -> Vec<Id> {
        let mut place = vec![0; order.len()];
        for (now, id) in order.iter().enumerate() {
            place[*id] = now;
        }
        let before = std::mem::take(&mut self.nodes).into_iter();
        let mut before: Vec<Option<Node>> = before.chain(added).map(Some).collect();
        let nodes = order.iter().filter_map(|id| before[*id].take());
        self.nodes = nodes.collect();
        for node in &mut self.nodes {
            node.inputs_mut().into_iter().for_each(|i| *i = place[*i]);
            if let Kind::Kernel(r) = &mut node.kind {
                r.outputs.iter_mut().for_each(|o| *o = place[*o]);
            }
        }
        self.result = self.result.map(|id| place[id]);
        self.kept = self.kept.iter().map(|id| place[*id]).collect();
        let fused = std::mem::take(&mut self.fused).into_iter();
        self.fused = fused
            .map(|(id, mut f)| {
                f.absorbed = f.absorbed.iter().map(|a| place[*a]).collect();
                (place[id], f)
            })
            .collect();
        place
    }

    fn arms_mut(&mut self) -> impl Iterator<Item = &mut Arm> {
        let arms = self.nodes.iter_mut().filter_map(|n| match &mut n.kind {
            Kind::If {
                then, otherwise, ..
            } => Some([then, otherwise]),
            _ => None,
        });
        arms.flatten()
    }

    /// Puts nodes before another, in the same arm. Their ids, as others name them, follow those of all nodes.
    pub fn put_before(&mut self, id: Id, added: Vec<Node>) {
        let (old, count) = (self.nodes.len(), added.len());
        let mut order: Vec<Id> = (0..id).collect();
        order.extend(old..old + count);
        order.extend(id..old);
        self.arranged(added, &order);
        for arm in self.arms_mut() {
            arm.start += if arm.start > id { count } else { 0 };
            arm.end += if arm.end > id { count } else { 0 };
        }
    }

    /// Puts a node at the start or the end of each arm of an `if`. Returns their places, and that of each node before.
    pub fn inserted(
        &mut self,
        branch: Id,
        at_start: bool,
        nodes: [Node; 2],
    ) -> Option<([Id; 2], Vec<Id>)> {
        let Kind::If {
            then, otherwise, ..
        } = &self.nodes[branch].kind
        else {
            return None;
        };
        let (first, middle, last) = (then.start, otherwise.start, otherwise.end);
        let at = match at_start {
            true => [first, middle],
            false => [then.end, last],
        };
        let old = self.nodes.len();
        let mut order: Vec<Id> = (0..old).collect();
        order.insert(at[1], old + 1);
        order.insert(at[0], old);
        let place = self.arranged(nodes.into(), &order);
        // Bounds by the place of the other `if` before.
        let inner = |at: Id, bound: Id| match at {
            _ if at < first => bound,
            _ if at < middle => bound + usize::from(at_start),
            _ => bound + 1 + usize::from(at_start),
        };
        for (id, before) in place[..old].iter().zip(0..) {
            let Kind::If {
                then, otherwise, ..
            } = &mut self.nodes[*id].kind
            else {
                continue;
            };
            if before == branch {
                then.end += 1;
                otherwise.start += 1;
                otherwise.end += 2;
                continue;
            }
            for arm in [then, otherwise] {
                match (before < branch, arm.end > branch, arm.start > branch) {
                    (true, ..) => {
                        arm.start = inner(before, arm.start);
                        arm.end = inner(before, arm.end);
                    }
                    (false, true, after) => {
                        arm.start += if after { 2 } else { 0 };
                        arm.end += 2;
                    }
                    (false, false, _) => {}
                }
            }
        }
        Some(([place[old], place[old + 1]], place[..old].to_vec()))
    }

    /// The kernel's node and those of its values, with the numbers they get behind all others.
    fn kernel(&self, region: Region) -> Vec<Node> {
        let outputs = region.outputs.clone();
        let (old, several) = (self.nodes.len(), outputs.len() > 1);
        let (ty, span) = (region.method.ret.clone(), region.method.ret_span);
        let name = |id: Id| self.nodes[id].name.clone();
        let mut added = vec![Node {
            kind: Kind::Kernel(Box::new(region)),
            name: outputs.first().copied().and_then(name).filter(|_| !several),
            ty: ty.clone(),
            span,
        }];
        if let (true, Ty::Tuple(parts)) = (several, ty) {
            added.extend(
                outputs
                    .iter()
                    .zip(parts)
                    .enumerate()
                    .map(|(i, (id, ty))| Node {
                        kind: Kind::Item(old, i),
                        ty,
                        span: self.nodes[*id].span,
                        name: name(*id),
                    }),
            );
        }
        added
    }
}
