//! Moves operations into the arms of an `if`, so that one kernel has those before it, those of an arm, and those behind.
//!
//! One arm runs, so each is still computed once.
//!
//! Tests: `tests/regions.rs`; `mlx-tests --test kernels`.

use super::Pass;
use crate::ir::{Arm, Graph, Id, Kind, Node};
use crate::syntax::model::ModelDef;
use crate::syntax::signature::{Method, Ty};

/// A move of an operation.
enum Move {
    /// An operation that only arms read, to their start.
    Down(Id),
    /// The one operation that reads the value of the `if`, to the ends of the arms.
    Up(Id),
}

/// Moves what can be moved.
pub(super) fn run(model: &ModelDef, method: &Method, graph: &mut Graph) {
    // Each move takes an operation nearer to the start or the end of the innermost arms.
    for _ in 0..graph.nodes.len() {
        let found = {
            let pass = Pass::new(model, method, graph);
            let branches = pass.live.iter().rev();
            branches
                .filter_map(|id| Some((*id, pass.moved(*id)?)))
                .next()
        };
        let moved = match found {
            Some((branch, Move::Down(id))) => down(graph, branch, id),
            Some((branch, Move::Up(id))) => up(graph, branch, id),
            None => None,
        };
        if moved.is_none() {
            return;
        }
    }
}

impl Pass<'_> {
    /// The next move at an `if`.
    fn moved(&self, branch: Id) -> Option<Move> {
        let Kind::If {
            then, otherwise, ..
        } = &self.graph.nodes[branch].kind
        else {
            return None;
        };
        let arms = [then, otherwise];
        let region = self.graph.region(branch);
        let inside = |id: Id| then.start <= id && id < otherwise.end;
        let read_inside = self.live.range(then.start..otherwise.end);
        let inputs = read_inside.flat_map(|id| self.graph.nodes[*id].inputs());
        let ends = arms.iter().flat_map(|a| a.values.iter().copied());
        let down = |id: &Id| {
            *id < then.start
                && self.works(*id)
                && self.is_alone(*id)
                && self.graph.region(*id) == region
                && self.readers(*id).iter().all(|r| inside(*r) || *r == branch)
                && self
                    .readers(*id)
                    .iter()
                    .any(|r| inside(*r) && self.works(*r))
        };
        if let Some(id) = inputs.chain(ends).find(down) {
            return Some(Move::Down(id));
        }
        let [reader] = self.readers(branch)[..] else {
            return None;
        };
        let fits = reader < self.graph.nodes.len()
            && self.works(reader)
            && self.is_alone(reader)
            && self.graph.region(reader) == region
            && arms.iter().all(|a| a.values.len() == 1)
            && arms
                .iter()
                .any(|a| a.holds(a.values[0]) && self.works(a.values[0]))
            && self.graph.nodes[reader]
                .inputs()
                .iter()
                .all(|i| *i == branch || *i < then.start);
        fits.then_some(Move::Up(reader))
    }

    /// True for an operation of one value.
    fn is_alone(&self, id: Id) -> bool {
        matches!(self.graph.nodes[id].ty, Ty::Tensor(..))
    }

    /// The nodes that read a value; the method's caller counts as a node past all others.
    fn readers(&self, id: Id) -> Vec<Id> {
        let reads = |r: &Id| self.graph.nodes[*r].inputs().contains(&id);
        let mut readers: Vec<Id> = self.live.iter().copied().filter(reads).collect();
        if self.graph.result == Some(id) || self.graph.kept.contains(&id) {
            readers.push(self.graph.nodes.len());
        }
        readers
    }
}

/// The same operation, reading `to` in the place of `from`.
fn copied(node: &Node, from: Id, to: Id) -> Option<Node> {
    let Kind::Op { op, args } = &node.kind else {
        return None;
    };
    let args = args.clone();
    let mut copy = Node {
        kind: Kind::Op { op, args },
        ty: node.ty.clone(),
        span: node.span,
        name: node.name.clone(),
    };
    replace(&mut copy, from, to);
    Some(copy)
}

fn replace(node: &mut Node, from: Id, to: Id) {
    let inputs = node.inputs_mut().into_iter();
    inputs.filter(|i| **i == from).for_each(|i| *i = to);
}

fn arms(graph: &mut Graph, branch: Id) -> Option<[&mut Arm; 2]> {
    match &mut graph.nodes[branch].kind {
        Kind::If {
            then, otherwise, ..
        } => Some([then, otherwise]),
        _ => None,
    }
}

fn down(graph: &mut Graph, branch: Id, id: Id) -> Option<()> {
    let copy = || copied(&graph.nodes[id], id, id);
    let (copies, place) = graph.inserted(branch, true, [copy()?, copy()?])?;
    let (branch, id) = (place[branch], place[id]);
    let bounds = arms(graph, branch)?.map(|a| (a.start, a.end));
    for ((start, end), copy) in bounds.into_iter().zip(copies) {
        graph.nodes[start..end]
            .iter_mut()
            .for_each(|n| replace(n, id, copy));
    }
    for (arm, copy) in arms(graph, branch)?.into_iter().zip(copies) {
        let values = arm.values.iter_mut();
        values.filter(|v| **v == id).for_each(|v| *v = copy);
    }
    Some(())
}

fn up(graph: &mut Graph, branch: Id, reader: Id) -> Option<()> {
    let [then, otherwise] = arms(graph, branch)?.map(|a| a.values[0]);
    let node = &graph.nodes[reader];
    let copies = [
        copied(node, branch, then)?,
        copied(node, branch, otherwise)?,
    ];
    let (copies, place) = graph.inserted(branch, false, copies)?;
    let (branch, reader) = (place[branch], place[reader]);
    for (arm, copy) in arms(graph, branch)?.into_iter().zip(copies) {
        arm.values = vec![copy];
    }
    graph.nodes[branch].ty = graph.nodes[reader].ty.clone();
    graph.nodes[branch].name = graph.nodes[reader].name.clone();
    for node in &mut graph.nodes {
        replace(node, reader, branch);
    }
    if graph.result == Some(reader) {
        graph.result = Some(branch);
    }
    Some(())
}
