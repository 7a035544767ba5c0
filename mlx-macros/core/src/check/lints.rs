//! Finds mistakes that shapes do not show, in the graphs of a model before any pass.
//!
//! Tests: `tests/lints.rs`.

use std::collections::BTreeSet;

use proc_macro2::Ident;

use crate::diag::lints::Warning;
use crate::ir::{Arg, Graph, Id, Kind, Tier};
use crate::syntax::kind::FieldKind;
use crate::syntax::model::ModelDef;
use crate::syntax::signature::Ty;

/// The lints of a model that it does not allow.
pub fn of_model(model: &ModelDef, graphs: &[Graph], config: &[String]) -> Vec<Warning> {
    let mut found: Vec<Warning> = graphs.iter().flat_map(|g| of_graph(model, g)).collect();
    found.extend(untied(model, config));
    found.retain(|w| !model.allowed.iter().any(|a| a == w.lint.name));
    found
}

fn of_graph(model: &ModelDef, graph: &Graph) -> Vec<Warning> {
    let look = Look { model, graph };
    let mut found = Vec::new();
    for id in 0..graph.nodes.len() {
        if let Kind::Loop { body, .. } | Kind::Steps { body, .. } = &graph.nodes[id].kind {
            found.extend(of_graph(model, &body.graph));
        }
        let at = graph.nodes[id].span;
        found.extend(
            look.at(id)
                .into_iter()
                .filter_map(|name| Warning::new(name, at)),
        );
    }
    found
}

/// A head of the embedding's shape that is not tied, where the config has a flag for it.
fn untied(model: &ModelDef, config: &[String]) -> Option<Warning> {
    if !config
        .iter()
        .any(|f| f.starts_with("tie_") && f.contains("embedding"))
    {
        return None;
    }
    let tables = model.fields.iter().filter_map(|f| match &f.kind {
        FieldKind::Embedding { rows, dim } => Some((rows, dim)),
        _ => None,
    });
    let tables: Vec<_> = tables.collect();
    let head = model.fields.iter().find(|f| match &f.kind {
        FieldKind::Linear { out, input, .. } => f.tied.is_none() && tables.contains(&(out, input)),
        _ => false,
    })?;
    let tied = model.fields.iter().any(|f| f.tied.is_some());
    (!tied).then(|| Warning::new("untied_head", head.name.span()))?
}

/// The values that one is computed from, up to layers.
#[derive(Default)]
struct Origin {
    /// It has rotary positions.
    rotated: bool,
    /// It is multiplied or divided.
    scaled: bool,
    /// It is normalised.
    normed: bool,
    /// Some of it comes from outside of the body.
    open: bool,
    /// The layers that it comes from.
    layers: Vec<String>,
}

struct Look<'a> {
    model: &'a ModelDef,
    graph: &'a Graph,
}

impl Look<'_> {
    /// The names of the lints at a value.
    fn at(&self, id: Id) -> Vec<&'static str> {
        let mut found = Vec::new();
        match &self.graph.nodes[id].kind {
            Kind::Op { op, args } => match op.name {
                "scaled_dot_product_attention" => found.extend(self.attention(args)),
                "softmax" => found.extend(self.softmax(id, args)),
                "rms_norm" | "layer_norm" => found.extend(self.norm(args)),
                "causal_mask" => {
                    let inner = self.value(args, 0).map(|x| &self.graph.nodes[x].kind);
                    let again =
                        matches!(inner, Some(Kind::Op { op, .. }) if op.name == "causal_mask");
                    found.extend(again.then_some("mask_twice"));
                }
                "where_" => {
                    let (mask, x) = (self.value(args, 0), self.value(args, 1));
                    let inner = [x, self.value(args, 2)].into_iter().flatten();
                    let again = |i: Id| match &self.graph.nodes[i].kind {
                        Kind::Op { op, args } => op.name == "where_" && self.value(args, 0) == mask,
                        _ => false,
                    };
                    found.extend(
                        (mask.is_some() && inner.into_iter().any(again)).then_some("mask_twice"),
                    );
                }
                name if name.ends_with("_loss") || name.contains("cross_entropy") => {
                    found.extend(self.loss(self.value(args, 0), self.value(args, 1)));
                }
                _ => {}
            },
            Kind::LinearCrossEntropy { input, targets, .. } => {
                found.extend(self.loss(Some(*input), Some(*targets)));
            }
            Kind::Leaf { field, args, .. } if self.is_norm(field) => found.extend(self.norm(args)),
            Kind::CacheUpdate { keys, values, .. } => {
                let (k, v) = (self.origin(*keys), self.origin(*values));
                let of = |letter: char, word: &str, id: Id, from: &Origin| {
                    let name = self.graph.nodes[id].name.clone();
                    let mut names = from.layers.iter().chain(&name);
                    names.any(|n| {
                        n.starts_with(word)
                            || n.strip_prefix(letter)
                                .is_some_and(|r| r.is_empty() || r.starts_with('_'))
                    })
                };
                let named = of('v', "value", *keys, &k) && of('k', "key", *values, &v);
                let swapped = v.rotated && !k.rotated && !k.open;
                found.extend((swapped || named).then_some("keys_for_values"));
            }
            _ => {}
        }
        found
    }

    fn attention(&self, args: &[Arg]) -> Vec<&'static str> {
        let mut found = Vec::new();
        let (Some(q), Some(k), Some(v)) = (
            self.value(args, 0),
            self.value(args, 1),
            self.value(args, 2),
        ) else {
            return found;
        };
        let masked = !matches!(args.get(3), None | Some(Arg::Absent));
        if !masked && (self.cached(k) || self.cached(v)) {
            found.push("attention_without_causal");
        }
        let (q, mut k) = (self.origin(q), self.origin(k));
        // Keys in the place of values are another mistake.
        k.rotated |= self.origin(v).rotated;
        let alone = (q.rotated && !k.rotated && !k.open) || (k.rotated && !q.rotated && !q.open);
        found.extend(alone.then_some("rope_on_one_side"));
        found
    }

    /// The softmax of scores: its axis, its scale and its masks.
    fn softmax(&self, id: Id, args: &[Arg]) -> Vec<&'static str> {
        let mut found = Vec::new();
        let Some(x) = self.value(args, 0) else {
            return found;
        };
        let Ty::Tensor(shape, _) = &self.graph.nodes[x].ty else {
            return found;
        };
        let last = shape.len() as i64 - 1;
        let axes: &[i64] = match args.get(1) {
            Some(Arg::Ints(axes)) => axes,
            _ => &[],
        };
        let along = |axis: i64| {
            axes.iter()
                .any(|a| *a == axis || *a == axis - shape.len() as i64)
        };
        // The product that reads the probabilities sums over its left side's last axis and its right side's last but one.
        let readers = self.graph.nodes.iter().filter_map(|n| match &n.kind {
            Kind::Op { op, args } if op.name == "matmul" => {
                let at =
                    (0..2).find(|i| self.value(args, *i).is_some_and(|v| self.same(v) == id))?;
                Some(at)
            }
            _ => None,
        });
        let readers: Vec<usize> = readers.collect();
        let wrong = match readers.first() {
            Some(0) => !along(last),
            Some(_) => !along(last - 1),
            None => axes.is_empty() && shape.len() > 1,
        };
        found.extend(wrong.then_some("softmax_axis"));
        let (mut masks, mut product) = (Vec::new(), None);
        let mut scaled = false;
        let mut now = Some(x);
        // Down through masks and scales to the product of queries and keys.
        while let Some(at) = now {
            let Kind::Op { op, args } = &self.graph.nodes[at].kind else {
                break;
            };
            now = match op.name {
                "matmul" => {
                    product = Some(args);
                    None
                }
                "add" => {
                    let (a, b) = (self.value(args, 0), self.value(args, 1));
                    let is_product = |v: Option<Id>| v.is_some_and(|v| self.reaches_product(v));
                    let (next, mask) = if is_product(a) { (a, b) } else { (b, a) };
                    masks.extend(mask);
                    next
                }
                "multiply" | "divide" => {
                    scaled = true;
                    args.iter().find_map(|a| match a {
                        Arg::Value(v) => Some(*v),
                        _ => None,
                    })
                }
                "where_" => self
                    .value(args, 1)
                    .filter(|v| self.reaches_product(*v))
                    .or(self.value(args, 2)),
                "causal_mask" | "tanh" | "astype" | "maximum" | "clip" => self.value(args, 0),
                _ if op.tier == Tier::View => self.value(args, 0),
                _ => None,
            };
        }
        let twice = (1..masks.len()).any(|i| masks[..i].contains(&masks[i]));
        found.extend(twice.then_some("mask_twice"));
        if let (Some(args), false, false) = (product, scaled, readers.is_empty()) {
            let operands = (0..2)
                .filter_map(|i| self.value(args, i))
                .map(|v| self.origin(v));
            let clear = operands
                .into_iter()
                .all(|o| !o.scaled && !o.normed && !o.open);
            found.extend(clear.then_some("unscaled_attention"));
        }
        found
    }

    /// True if a value is a product with masks and scales.
    fn reaches_product(&self, id: Id) -> bool {
        match &self.graph.nodes[id].kind {
            Kind::Op { op, .. } if op.name == "matmul" => true,
            Kind::Op { op, args } => {
                let through = matches!(
                    op.name,
                    "add" | "multiply" | "divide" | "causal_mask" | "tanh" | "astype" | "where_"
                );
                (through || op.tier == Tier::View)
                    && args
                        .iter()
                        .flat_map(Arg::values)
                        .any(|v| self.reaches_product(v))
            }
            _ => false,
        }
    }

    fn norm(&self, args: &[Arg]) -> Option<&'static str> {
        let x = self.same(self.value(args, 0)?);
        let normed = match &self.graph.nodes[x].kind {
            Kind::Leaf { field, .. } => self.is_norm(field),
            Kind::Op { op, .. } => matches!(op.name, "rms_norm" | "layer_norm"),
            _ => false,
        };
        normed.then_some("norm_twice")
    }

    fn loss(&self, input: Option<Id>, targets: Option<Id>) -> Vec<&'static str> {
        let mut found = Vec::new();
        let Some(targets) = targets else { return found };
        let dropped = self
            .before(targets)
            .into_iter()
            .any(|id| match &self.graph.nodes[id].kind {
                Kind::Function { call, .. } => call.what.contains("dropout"),
                Kind::Op { op, .. } => {
                    op.name.contains("dropout") || op.name == "random::bernoulli"
                }
                Kind::Leaf { field, .. } => field.to_string().contains("drop"),
                _ => false,
            });
        found.extend(dropped.then_some("dropout_on_targets"));
        let tokens = self.same(targets);
        let Some(input) = input.filter(|_| matches!(self.graph.nodes[tokens].kind, Kind::Input(_)))
        else {
            return found;
        };
        let whole = matches!(&self.graph.nodes[tokens].ty, Ty::Tensor(s, _) if s.len() > 1);
        let reads = |id: Id| match &self.graph.nodes[id].kind {
            Kind::Leaf { args, .. } | Kind::Sub { args, .. } | Kind::Method { args, .. } => args
                .iter()
                .flat_map(Arg::values)
                .any(|a| self.same(a) == tokens),
            _ => false,
        };
        let repeats = whole && self.before(input).into_iter().any(reads);
        found.extend(repeats.then_some("unshifted_targets"));
        found
    }

    fn is_norm(&self, field: &Ident) -> bool {
        let field = self.model.fields.iter().find(|f| f.name == *field);
        matches!(field.map(|f| &f.kind), Some(FieldKind::Layer(held)) if held.layer.name.ends_with("Norm"))
    }

    fn value(&self, args: &[Arg], i: usize) -> Option<Id> {
        match args.get(i) {
            Some(Arg::Value(id)) => Some(*id),
            _ => None,
        }
    }

    /// The value behind operations that keep its elements.
    fn same(&self, id: Id) -> Id {
        match &self.graph.nodes[id].kind {
            Kind::Op { op, args }
                if op.tier == Tier::View || op.name == "astype" || op.name == "contiguous" =>
            {
                self.value(args, 0).map_or(id, |x| self.same(x))
            }
            _ => id,
        }
    }

    /// True if a value is a result of `cache.update` of a cache that keeps something.
    fn cached(&self, id: Id) -> bool {
        let Kind::Item(from, _) = self.graph.nodes[self.same(id)].kind else {
            return false;
        };
        match self.graph.nodes[from].kind {
            Kind::CacheUpdate { cache, .. } => {
                !matches!(self.graph.nodes[cache].kind, Kind::NoCache)
            }
            _ => false,
        }
    }

    /// Everything that a value is computed from, with itself.
    fn before(&self, id: Id) -> BTreeSet<Id> {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![id]);
        while let Some(id) = todo.pop() {
            if seen.insert(id) {
                todo.extend(self.graph.nodes[id].inputs());
            }
        }
        seen
    }

    fn origin(&self, id: Id) -> Origin {
        let mut found = Origin::default();
        self.trace(id, &mut found);
        found
    }

    fn trace(&self, id: Id, found: &mut Origin) {
        match &self.graph.nodes[id].kind {
            Kind::Leaf { field, args, .. } => {
                let kind = self
                    .model
                    .fields
                    .iter()
                    .find(|f| f.name == *field)
                    .map(|f| &f.kind);
                let through = matches!(kind, Some(FieldKind::Rope { .. })) || self.is_norm(field);
                found.rotated |= matches!(kind, Some(FieldKind::Rope { .. }));
                found.normed |= self.is_norm(field);
                match (through, self.value(args, 0)) {
                    (true, Some(x)) => self.trace(x, found),
                    _ => found.layers.push(field.to_string()),
                }
            }
            Kind::Op { op, args } => {
                found.rotated |= op.name == "rope";
                found.normed |= op.name.ends_with("_norm");
                found.scaled |= matches!(op.name, "multiply" | "divide");
                args.iter()
                    .flat_map(Arg::values)
                    .for_each(|v| self.trace(v, found));
            }
            Kind::CacheUpdate { keys, .. } => self.trace(*keys, found),
            Kind::Item(from, i) => match &self.graph.nodes[*from].kind {
                Kind::CacheUpdate { values, .. } if *i == 1 => self.trace(*values, found),
                _ => self.trace(*from, found),
            },
            Kind::Tuple(all) => all.iter().for_each(|v| self.trace(*v, found)),
            Kind::Param(_) => {}
            _ => found.open = true,
        }
    }
}
