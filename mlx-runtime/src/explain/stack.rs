//! A stack of layers: its classes of equal layers, the bytes that each layer keeps, and the cuts of the stack in
//! training.
//!
//! Tests: `mlx-tests --test explain`.

use super::flow::Inner;
use super::picture::Layer;
use super::units::{bytes, plural, ranges};
use crate::model::cuts::{self, Cut};
use crate::model::Checkpoint;

/// A stack of layers.
#[derive(Clone, Debug)]
pub(super) struct Stack {
    pub count: usize,
    pub classes: Vec<Class>,
    /// The checkpoint policy of its definition.
    pub declared: String,
    /// True if the caller overrides that policy.
    pub overridden: bool,
    /// The bytes that the layers keep, and the cut; `None` if a size is not known.
    pub plan: Option<(cuts::Stack, Cut)>,
}

/// Layers that are equal.
#[derive(Clone, Debug)]
pub(super) struct Class {
    pub layers: Vec<usize>,
    pub inner: Inner,
}

impl Class {
    /// `layers 0-4, 6`.
    pub fn name(&self) -> String {
        let noun = if self.layers.len() == 1 {
            "layer"
        } else {
            "layers"
        };
        let which = format!("{noun} {}", ranges(&self.layers));
        match self.layers.len() {
            1 => which,
            n => format!("{which} (x {n})"),
        }
    }
}

impl Stack {
    /// Chooses the cuts of the layers.
    pub fn plan(&mut self, kept: cuts::Stack, over: Option<Checkpoint>, room: usize) {
        self.overridden = over.is_some();
        let cut = match over.unwrap_or_else(|| policy(&self.declared)) {
            Checkpoint::Never => Cut::default(),
            Checkpoint::Every(n) => Cut::every(self.count, n),
            Checkpoint::Auto => {
                let (_, cut) = cuts::fewest(std::slice::from_ref(&kept), room);
                cut.first().copied().unwrap_or_default()
            }
        };
        self.plan = Some((kept, cut));
    }

    /// The most that the stack holds at one time of a backward pass.
    pub fn kept(&self) -> Option<u64> {
        let (kept, cut) = self.plan.as_ref()?;
        let peak = cuts::peak(std::slice::from_ref(kept), std::slice::from_ref(cut));
        Some(peak as u64)
    }

    /// The first layers of all spans that run again.
    pub fn boundaries(&self) -> Vec<usize> {
        let cut = self.plan.as_ref().map(|(_, cut)| *cut);
        cut.map_or(Vec::new(), |c| c.spans().map(|s| s.start).collect())
    }

    /// The layers; empty if the cuts are not known.
    pub fn layers(&self) -> Vec<Layer> {
        let starts = self.boundaries();
        let again = self.plan.as_ref().map(|(_, cut)| cut.again);
        let layer = |again: usize, i: usize| Layer {
            again: i < again,
            boundary: starts.contains(&i),
        };
        again.map_or(Vec::new(), |n| {
            (0..self.count).map(|i| layer(n, i)).collect()
        })
    }

    /// The checkpoint policy and the cuts in words, line by line.
    pub fn about(&self) -> Vec<String> {
        let over = if self.overridden { ", overridden" } else { "" };
        let policy = format!("checkpoint = {}{over}", self.declared);
        let (Some((kept, cut)), Some(most)) = (&self.plan, self.kept()) else {
            return vec![policy];
        };
        let of = |range: std::ops::Range<usize>| {
            let all: Vec<u64> = kept.layers[range].iter().map(|n| *n as u64).collect();
            let (low, high) = (all.iter().min().copied(), all.iter().max().copied());
            match (low, high) {
                (Some(a), Some(b)) if a == b => bytes(a),
                (Some(a), Some(b)) => format!("{} to {}", bytes(a), bytes(b)),
                _ => bytes(0),
            }
        };
        let mut lines = vec![match cut.again {
            0 => format!("{policy}: no boundaries"),
            n => format!(
                "{policy}: {} of {} run again in the backward pass, {} at a time",
                n,
                plural(self.count, "layer"),
                cut.span
            ),
        }];
        if cut.again > 0 {
            let starts = self.boundaries();
            lines.push(format!(
                "{} of {}, before {}",
                if starts.len() == 1 {
                    "1 boundary".to_string()
                } else {
                    format!("{} boundaries", starts.len())
                },
                bytes(kept.boundary as u64),
                ranges(&starts)
            ));
        }
        if cut.again < self.count {
            lines.push(format!(
                "{} {} of their own",
                match self.count - cut.again {
                    1 => "1 layer keeps".to_string(),
                    n => format!("{n} layers keep"),
                },
                of(cut.again..self.count)
            ));
        } else {
            lines.push(format!(
                "a layer needs {} while it runs again",
                of(0..self.count)
            ));
        }
        lines.push(format!("{} at most at one time", bytes(most)));
        lines
    }
}

/// The policy as the definition writes it.
fn policy(declared: &str) -> Checkpoint {
    let every = declared
        .strip_prefix("every(")
        .and_then(|d| d.strip_suffix(')'));
    match (declared, every.and_then(|n| n.parse().ok())) {
        ("always", _) => Checkpoint::Every(1),
        ("never", _) => Checkpoint::Never,
        (_, Some(n)) => Checkpoint::Every(n),
        _ => Checkpoint::Auto,
    }
}
