//! Follows the axes of each value through its operation.
//!
//! Tests: `tests/kernels.rs`; `mlx-tests --test ui`.

use super::axes::{Axis, Crossed};
use super::{ops, random};
use super::{Parts, Reader};
use crate::diag::Diag;
use crate::ir::{self, noun, Arg, Id, Kind, Tier};
use crate::syntax::dims::Dim;
use crate::syntax::signature::Ty;

impl Reader<'_> {
    /// The axes of a node's values; none after a mistake.
    pub(super) fn follow(&mut self, id: Id) -> Parts {
        let node = &self.graph.nodes[id];
        if node.inputs().iter().any(|i| self.bad.contains(i)) {
            self.bad.insert(id);
            return vec![];
        }
        match (&node.kind, &node.ty) {
            (Kind::Input(_), Ty::Tensor(shape, _)) => {
                vec![shape.iter().map(|d| self.axes.axis(d)).collect()]
            }
            (Kind::Input(_) | Kind::Number(_), Ty::Number) | (Kind::Tuple(_), _) => vec![],
            (Kind::Item(of, i), _) => match &self.graph.nodes[*of].kind {
                Kind::Tuple(ids) => self.of[ids[*i]].clone(),
                _ => self.of[*of].get(*i).cloned().into_iter().collect(),
            },
            (Kind::Op { op, args }, _) => match op.tier {
                Tier::Created if !self.has_its_key(op, args) => {
                    self.refuse(id, Diag::kernel_key(node.span, op.name))
                }
                _ if !ops::is_for_each(op, args) => {
                    self.refuse(id, Diag::kernel_reduction(node.span, op.name))
                }
                Tier::Launch => {
                    let error = Diag::kernel_operation(node.span, op.name);
                    self.refuse(id, error)
                }
                _ => {
                    let args: &[Arg] = args;
                    let followed = self.operation(id, op, args);
                    let checked =
                        followed.and_then(|parts| self.distinct(id, &parts).map(|()| parts));
                    checked.unwrap_or_else(|Crossed| {
                        let found: Vec<String> = node
                            .inputs()
                            .iter()
                            .map(|i| noun(self.graph, *i, self.names))
                            .collect();
                        let error = Diag::kernel_crossed(node.span, op.name, found.join(", "));
                        self.refuse(id, error)
                    })
                }
            },
            (Kind::Function { call, .. }, _) => {
                let error = Diag::kernel_call(node.span, &call.what);
                self.refuse(id, error)
            }
            _ => {
                let error = Diag::kernel_value(node.span);
                self.refuse(id, error)
            }
        }
    }

    /// True unless an operation draws random numbers from a key that is no argument of the kernel.
    fn has_its_key(&self, op: &ir::Op, args: &[Arg]) -> bool {
        let key = random::key(op).and_then(|at| args.get(at));
        key.is_none_or(|key| match key {
            Arg::Value(id) => matches!(self.graph.nodes[*id].kind, Kind::Input(_)),
            _ => false,
        })
    }

    /// No run of elements stands for two axes of one value, of these or of the operands.
    fn distinct(&self, id: Id, parts: &Parts) -> Result<(), Crossed> {
        let inputs = self.graph.nodes[id].inputs();
        let operands = inputs.iter().filter_map(|i| self.of.get(*i)).flatten();
        for axes in operands.chain(parts) {
            let mut leaves = self.leaves(axes);
            leaves.sort_unstable();
            if leaves.windows(2).any(|w| w[0] == w[1]) {
                return Err(Crossed);
            }
        }
        Ok(())
    }

    /// The axes of an operand, none for a number.
    fn operand(&self, arg: &Arg) -> Option<Vec<Axis>> {
        match arg {
            Arg::Value(id) => self.of[*id].first().cloned(),
            _ => None,
        }
    }

    fn shape(&self, id: Id) -> Vec<Dim> {
        match &self.graph.nodes[id].ty {
            Ty::Tensor(s, _) => s.clone(),
            _ => vec![],
        }
    }

    fn operation(&mut self, id: Id, op: &ir::Op, args: &[Arg]) -> Result<Parts, Crossed> {
        let name = op.name;
        let out = self.shape(id);
        let first = args
            .first()
            .and_then(|a| self.operand(a))
            .unwrap_or_default();
        let rank = first.len();
        Ok(vec![match op.tier {
            Tier::Each => self.together(args, out.len())?,
            Tier::Created => out.iter().map(|d| self.axes.axis(d)).collect(),
            Tier::View => self.view(name, args, first, &out)?,
            Tier::Reduced => {
                let at = ops::axes(args.get(1), rank);
                for a in &at {
                    self.axes.mark(&first[*a], false)?;
                }
                match ops::flag(args.get(2)) {
                    true => (0..rank)
                        .map(|i| {
                            if at.contains(&i) {
                                vec![]
                            } else {
                                first[i].clone()
                            }
                        })
                        .collect(),
                    false => (0..rank)
                        .filter(|i| !at.contains(i))
                        .map(|i| first[i].clone())
                        .collect(),
                }
            }
            Tier::Along => {
                for a in ops::axes(args.get(1), rank) {
                    self.axes.mark(&first[a], false)?;
                }
                first
            }
            Tier::LastAxis => {
                self.axes.mark(&first[rank - 1], false)?;
                for arg in &args[1..] {
                    if let Some(w) = self.operand(arg) {
                        self.axes.unify(&w[0], &first[rank - 1])?;
                    }
                }
                first
            }
            Tier::Folded => {
                let at = ops::axis_of(op, args, rank);
                self.axes.mark(&first[at], false)?;
                let mut out = first.clone();
                out.remove(at);
                for arg in &args[1..] {
                    let Some(axes) = self.operand(arg) else {
                        continue;
                    };
                    let like = if axes.len() == rank { &first } else { &out };
                    for (own, other) in like.iter().zip(&axes) {
                        self.axes.unify(own, other)?;
                    }
                }
                out
            }
            Tier::Moved => return self.moved(id, name, args, first),
            Tier::Taken => self.taken_axes(id, name, args, first)?,
            // Refused before.
            Tier::Launch => return Err(Crossed),
        }])
    }

    /// Operands that broadcast, aligned from the right.
    fn together(&mut self, args: &[Arg], rank: usize) -> Result<Vec<Axis>, Crossed> {
        let mut out: Vec<Axis> = vec![vec![]; rank];
        for arg in args {
            let Some(axes) = self.operand(arg) else {
                continue;
            };
            let from = rank - axes.len();
            for (i, axis) in axes.into_iter().enumerate() {
                match (out[from + i].is_empty(), axis.is_empty()) {
                    (_, true) => {}
                    (true, false) => out[from + i] = axis,
                    (false, false) => {
                        let other = out[from + i].clone();
                        self.axes.unify(&other, &axis)?;
                    }
                }
            }
        }
        Ok(out)
    }

    fn view(
        &mut self,
        name: &str,
        args: &[Arg],
        first: Vec<Axis>,
        out: &[Dim],
    ) -> Result<Vec<Axis>, Crossed> {
        let rank = first.len();
        let one =
            |i: usize, rank: usize| ops::axes(args.get(i), rank).first().copied().unwrap_or(0);
        Ok(match name {
            "transpose" => match args.get(1) {
                Some(Arg::Ints(list)) if list.is_empty() => first.into_iter().rev().collect(),
                order => ops::axes(order, rank)
                    .iter()
                    .map(|a| first[*a].clone())
                    .collect(),
            },
            "swapaxes" => {
                let mut axes = first;
                axes.swap(one(1, rank), one(2, rank));
                axes
            }
            "moveaxis" => {
                let mut axes = first;
                let moved = axes.remove(one(1, rank));
                axes.insert(one(2, rank), moved);
                axes
            }
            "expand_dims" => {
                let mut axes = first;
                axes.insert(one(1, rank + 1), vec![]);
                axes
            }
            "squeeze" => {
                let mut axes = first;
                axes.remove(one(1, rank));
                axes
            }
            "broadcast_to" => {
                let from = out.len() - rank;
                let axis = |r: &mut Self, i: usize| match i.checked_sub(from).map(|j| &first[j]) {
                    Some(axis) if !axis.is_empty() => axis.clone(),
                    _ => r.axes.axis(&out[i]),
                };
                (0..out.len()).map(|i| axis(self, i)).collect()
            }
            "tile" => {
                let reps = match args.get(1) {
                    Some(Arg::Dims(reps)) => &reps[..],
                    _ => &[],
                };
                let from = out.len() - rank;
                let mut axes = vec![vec![]; from];
                axes.extend(first);
                // Whole copies lie one behind the other.
                let missing = axes.len() - reps.len();
                for (axis, times) in axes[missing..].iter_mut().zip(reps) {
                    let mut copies = self.axes.axis(times);
                    copies.append(axis);
                    *axis = copies;
                }
                axes
            }
            "repeat" => {
                let mut axes = first;
                let at = one(2, rank);
                if let Some(Arg::Dims(d)) = args.get(1) {
                    let times = self.axes.axis(&d[0]);
                    axes[at].extend(times);
                }
                axes
            }
            _ => {
                let axes: Vec<Axis> = out.iter().map(|d| self.axes.axis(d)).collect();
                self.axes.unify(&first.concat(), &axes.concat())?;
                axes
            }
        })
    }

    /// Axes that are cut, joined or moved.
    fn moved(
        &mut self,
        id: Id,
        name: &str,
        args: &[Arg],
        first: Vec<Axis>,
    ) -> Result<Parts, Crossed> {
        let ty = &self.graph.nodes[id].ty;
        let rank = first.len();
        let at = match name {
            "stack" => {
                let Some(Arg::Values(ids)) = args.first() else {
                    return Err(Crossed);
                };
                let parts: Vec<Arg> = ids.iter().map(|id| Arg::Value(*id)).collect();
                let shape = self.shape(id);
                let mut out = self.together(&parts, shape.len() - 1)?;
                let at = ops::axes(args.get(1), shape.len())[0];
                out.insert(at, self.axes.axis(&shape[at]));
                return Ok(vec![out]);
            }
            "concatenate" => {
                let Some(Arg::Values(ids)) = args.first() else {
                    return Err(Crossed);
                };
                let parts: Vec<Vec<Axis>> = ids
                    .iter()
                    .filter_map(|i| self.of[*i].first().cloned())
                    .collect();
                let at = ops::axes(args.get(1), parts[0].len())[0];
                for part in &parts {
                    self.axes.mark(&part[at], true)?;
                }
                let mut out = parts[0].clone();
                for part in &parts[1..] {
                    for i in (0..out.len()).filter(|i| *i != at) {
                        match (out[i].is_empty(), part[i].is_empty()) {
                            (false, false) => {
                                let other = out[i].clone();
                                self.axes.unify(&other, &part[i])?;
                            }
                            (true, false) => out[i] = part[i].clone(),
                            _ => {}
                        }
                    }
                }
                let size = self.shape(id)[at].clone();
                out[at] = self.cut(&size)?;
                return Ok(vec![out]);
            }
            "split" | "roll" => ops::axes(args.get(2), rank)[0],
            "glu" => ops::axes(args.get(1), rank)[0],
            // `slice` and `pad`: the axes whose size or start changes.
            _ => {
                let (from, to) = (self.axes_sizes(&first), self.shape(id));
                let changed: Vec<usize> = (0..rank).filter(|i| from[*i] != to[*i]).collect();
                match changed[..] {
                    [] => return Ok(vec![first]),
                    [one] => one,
                    _ => return Err(Crossed),
                }
            }
        };
        self.axes.mark(&first[at], true)?;
        let sizes: Vec<Dim> = match ty {
            Ty::Tuple(all) => {
                let size = |t: &Ty| match t {
                    Ty::Tensor(s, _) => s[at].clone(),
                    _ => Dim::constant(1),
                };
                all.iter().map(size).collect()
            }
            _ => vec![self.shape(id)[at].clone()],
        };
        let mut parts = Vec::new();
        for size in sizes {
            let mut out = first.clone();
            out[at] = match name {
                "roll" => first[at].clone(),
                _ => self.cut(&size)?,
            };
            parts.push(out);
        }
        Ok(parts)
    }

    /// A new axis that must stay one run of columns.
    fn cut(&mut self, size: &Dim) -> Result<Axis, Crossed> {
        let axis = self.axes.axis(size);
        self.axes.mark(&axis, true)?;
        Ok(axis)
    }

    fn axes_sizes(&self, axes: &[Axis]) -> Vec<Dim> {
        let size = |a: &Axis| self.axes.volume(&self.axes.leaves(a));
        axes.iter().map(size).collect()
    }

    fn taken_axes(
        &mut self,
        id: Id,
        name: &str,
        args: &[Arg],
        first: Vec<Axis>,
    ) -> Result<Vec<Axis>, Crossed> {
        let index = args
            .get(1)
            .and_then(|a| self.operand(a))
            .unwrap_or_default();
        let rank = first.len();
        let at = ops::axes(args.get(2), rank)[0];
        if name == "take_along_axis" {
            self.axes.mark(&first[at], true)?;
            let mut out = first.clone();
            for i in (0..rank).filter(|i| *i != at) {
                if !index[i].is_empty() && !first[i].is_empty() {
                    self.axes.unify(&first[i], &index[i])?;
                }
            }
            out[at].clone_from(&index[at]);
            self.axes.mark(&index[at], false)?;
            return Ok(out);
        }
        let mut from = first.clone();
        match args.first() {
            // An argument is read where the index says.
            Some(Arg::Value(x)) if matches!(self.graph.nodes[*x].kind, Kind::Input(_)) => {
                let sizes = self.shape(*x);
                from = sizes.iter().map(|d| self.axes.axis(d)).collect();
                let kept = (0..rank).filter(|i| *i != at).map(|i| from[i].clone());
                let kept: Vec<Axis> = kept.collect();
                self.taken.push((id, kept));
            }
            _ => self.axes.mark(&first[at], true)?,
        }
        Ok([&from[..at], &index, &from[at + 1..]].concat())
    }
}
