//! Checks the nodes of a finished graph that read a cache, move its end, or count from it.
//!
//! Tests: `tests/planted.rs`.

use std::collections::BTreeMap;

use crate::check::build::Builder;
use crate::diag::Diag;
use crate::ir::{Id, Kind, Node};
use crate::syntax::signature::Ty;

impl Builder<'_> {
    /// Positions count from the cache's end, which an update moves: what counts them comes first.
    pub fn positions_before_updates(&mut self) {
        let mut updates: Vec<(Id, Id)> = Vec::new();
        let mut late = Vec::new();
        for (at, node) in self.graph.nodes.iter().enumerate() {
            if let Kind::CacheUpdate { cache, .. } = node.kind {
                updates.push((at, cache));
                continue;
            }
            let counts = match &node.kind {
                Kind::Leaf { .. } => true,
                Kind::Op { op, .. } => matches!(op.name, "positions" | "distances"),
                _ => false,
            };
            let reads = node.inputs();
            let moved = updates.iter().find(|(update, cache)| {
                counts && reads.contains(cache) && !self.graph.exclusive(*update, at)
            });
            if let Some((update, _)) = moved {
                let line = self.graph.nodes[*update].span.start().line;
                late.push(Diag::positions_late(node.span, line));
            }
        }
        self.errors.extend(late);
    }

    /// Positions count what the cache holds, so that some layer must put something in.
    pub fn updates_behind_positions(&mut self) {
        for (at, node) in self.graph.nodes.iter().enumerate() {
            let (Kind::Input(name), Ty::Cache) = (&node.kind, &node.ty) else {
                continue;
            };
            let readers = self.graph.nodes.iter().filter(|n| n.inputs().contains(&at));
            let counts = |n: &&Node| matches!(n.kind, Kind::Leaf { .. } | Kind::Op { .. });
            let readers = readers.filter(|n| !matches!(n.kind, Kind::Held { .. }));
            let (counted, updated): (Vec<&Node>, Vec<&Node>) = readers.partition(counts);
            if let (Some(first), true) = (counted.first(), updated.is_empty()) {
                self.idle.push(Diag::never_updated(first.span, name));
            }
        }
    }

    /// A cache has one slot for each layer of a stack: two users would write the same one.
    pub fn one_reader_of_each_cache(&mut self) {
        let mut users: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        let mut again = Vec::new();
        for (at, node) in self.graph.nodes.iter().enumerate() {
            let reads =
                |id: &Id| *self.ty(*id) == Ty::Cache && self.graph.cache_argument(*id).is_some();
            let uses = matches!(
                node.kind,
                Kind::CacheUpdate { .. }
                    | Kind::Sub { .. }
                    | Kind::Method { .. }
                    | Kind::Function { .. }
                    | Kind::Layers { .. }
                    | Kind::Loop { .. }
            );
            for cache in node.inputs().into_iter().filter(|id| uses && reads(id)) {
                let before = users.entry(cache).or_default();
                // Of the two arms of an `if` only one is run.
                let earlier = before.iter().find(|b| !self.graph.exclusive(**b, at));
                if let Some(earlier) = earlier {
                    let line = self.graph.nodes[*earlier].span.start().line;
                    again.push(Diag::cache_shared(node.span, line));
                }
                before.push(at);
            }
        }
        self.errors.extend(again);
    }
}
