//! Several optimisers, each for some of the tensors.
//!
//! Tests: unit tests below.

use std::fmt;

use super::optimizer::check_init;
use super::{OptimState, Optimizer, Shapes};
use crate::ops;
use crate::{Array, Error, Result};

/// Optimisers, or settings of one, for tensors by name and shape: no weight decay for norms, [`super::Muon`]
/// for matrices and [`super::AdamW`] for the rest. MLX: `optimizers.MultiOptimizer`.
///
/// Tensors of one dtype and one part are one group, so the kernels of a step grow with the parts and not
/// with the tensors. A step has one learning rate; each part takes it times its own factor.
///
/// ```
/// use mlx_runtime::optim::{AdamW, Muon, Optimizer, Parts};
/// let plain = AdamW { weight_decay: 0.0, ..AdamW::default() };
/// let parts = Parts::new(plain).with(|name, shape| shape.len() == 2 && !name.contains("embed"), Muon::default(), 20.0);
/// assert_eq!(parts.part("layers.0.mlp.up_proj.weight", &[64, 16]), 1);
/// assert_eq!(parts.part("layers.0.norm.weight", &[16]), 0);
/// ```
pub struct Parts {
    /// The first one steps the tensors that no other part takes.
    parts: Vec<Part>,
}

type Filter = Box<dyn Fn(&str, &[i32]) -> bool + Send + Sync>;

struct Part {
    takes: Filter,
    optimizer: Box<dyn Optimizer>,
    factor: f32,
}

impl Parts {
    /// `rest` steps all tensors, at the learning rate of the step.
    pub fn new(rest: impl Optimizer + 'static) -> Self {
        Parts { parts: Vec::new() }.with(|_, _| true, rest, 1.0)
    }

    /// Adds `optimizer` for the tensors with a name and shape that `takes` accepts, and that no earlier part accepts.
    /// It steps them at the learning rate of the step times `factor`.
    #[must_use]
    pub fn with(
        mut self,
        takes: impl Fn(&str, &[i32]) -> bool + Send + Sync + 'static,
        optimizer: impl Optimizer + 'static,
        factor: f32,
    ) -> Self {
        self.parts.push(Part {
            takes: Box::new(takes),
            optimizer: Box::new(optimizer),
            factor,
        });
        self
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self.parts.iter().map(|p| (&p.optimizer, p.factor));
        f.debug_list().entries(parts).finish()
    }
}

/// The arrays of one part, from a list with one array for each buffer.
fn of_part(shapes: &Shapes, all: &[Array], part: usize) -> Vec<Array> {
    let pairs = all.iter().zip(shapes.parts());
    let own = pairs.filter(|(_, p)| **p == part);
    own.map(|(a, _)| a.clone()).collect()
}

impl Optimizer for Parts {
    fn name(&self) -> &'static str {
        "parts"
    }

    fn learning_rate(&self) -> f32 {
        self.parts
            .first()
            .map_or(0.0, |p| p.optimizer.learning_rate())
    }

    fn part(&self, name: &str, shape: &[i32]) -> usize {
        let others = self.parts.iter().skip(1);
        let found = others.into_iter().position(|p| (p.takes)(name, shape));
        found.map_or(0, |i| i + 1)
    }

    /// The states of all parts, their names after the part's number and the optimiser's name.
    fn init_buffers(&self, shapes: &Shapes, buffers: &[Array]) -> Result<OptimState> {
        const OP: &str = "Parts::init";
        check_init(OP, shapes, buffers)?;
        if let Some(p) = shapes.parts().iter().find(|p| **p >= self.parts.len()) {
            return Err(Error::invalid(OP, format!("part {p} is out of range")));
        }
        let mut named = Vec::new();
        for (i, part) in self.parts.iter().enumerate() {
            let own = of_part(shapes, buffers, i);
            let state = part.optimizer.init_buffers(&shapes.of_part(i), &own)?;
            let prefix = format!("{i}.{}", part.optimizer.name());
            named.extend(
                state
                    .named()
                    .map(|(name, a)| (format!("{prefix}.{name}"), a.clone())),
            );
        }
        Ok(OptimState::new(named))
    }

    fn step_buffers(
        &self,
        shapes: &Shapes,
        buffers: &[Array],
        grads: &[Array],
        state: &OptimState,
        lr: &Array,
    ) -> Result<(Vec<Array>, OptimState)> {
        const OP: &str = "Parts::step";
        shapes.check(OP, buffers)?;
        if grads.len() != buffers.len() {
            let text = format!(
                "expected {} gradients, one for each parameter, found {}",
                buffers.len(),
                grads.len()
            );
            return Err(Error::invalid(OP, text));
        }
        let mut new: Vec<Option<Array>> = vec![None; buffers.len()];
        let mut next = Vec::with_capacity(state.arrays().len());
        for (i, part) in self.parts.iter().enumerate() {
            let prefix = format!("{i}.{}.", part.optimizer.name());
            let own = |(name, a): (&str, &Array)| {
                Some((name.strip_prefix(prefix.as_str())?.to_owned(), a.clone()))
            };
            let old = OptimState::new(state.named().filter_map(own).collect());
            let lr = match part.factor == 1.0 {
                true => lr.clone(),
                false => ops::multiply(lr, &Array::scalar_as(part.factor.into(), lr.dtype())?)?,
            };
            let (stepped, after) = part.optimizer.step_buffers(
                &shapes.of_part(i),
                &of_part(shapes, buffers, i),
                &of_part(shapes, grads, i),
                &old,
                &lr,
            )?;
            let places = shapes.parts().iter().zip(&mut new);
            let places = places.filter(|(p, _)| **p == i);
            for ((_, place), stepped) in places.zip(stepped) {
                *place = Some(stepped);
            }
            next.extend_from_slice(after.arrays());
        }
        let missing = || Error::invalid(OP, "a buffer belongs to no part".to_owned());
        let new: Result<Vec<Array>> = new.into_iter().map(|a| a.ok_or_else(missing)).collect();
        Ok((new?, state.with_arrays(next)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::{Adam, Sgd};

    #[test]
    fn each_part_steps_its_own() {
        let parts = Parts::new(Sgd::default())
            .with(|name, _| name == "b", Sgd::default(), 0.0)
            .with(|_, shape| shape.len() == 2, Adam::default(), 1.0);
        let names = [("a", &[2][..]), ("b", &[2]), ("c", &[1, 2])];
        let own: Vec<usize> = names.iter().map(|(n, s)| parts.part(n, s)).collect();
        assert_eq!(own, [0, 1, 2]);
        let w = names.map(|(_, s)| Array::from_slice(&[1f32, 2.], s).unwrap());
        let shapes = Shapes::of(&w).with_parts(own).unwrap();
        let state = parts.init_buffers(&shapes, &w).unwrap();
        let expected = [
            "0.sgd.step",
            "1.sgd.step",
            "2.adam.step",
            "2.adam.m.0",
            "2.adam.v.0",
        ];
        assert_eq!(state.names(), expected);
        let lr = Array::scalar(1f32).unwrap();
        let (new, state) = parts.step_buffers(&shapes, &w, &w, &state, &lr).unwrap();
        assert_eq!(new[0].to_vec::<f32>().unwrap(), [0., 0.]);
        assert_eq!(new[1].to_vec::<f32>().unwrap(), [1., 2.]);
        assert_eq!(new[2].shape(), [1, 2]);
        assert_eq!(state.names(), expected);
        let none = Shapes::of(&w).with_parts(vec![0, 1, 3]).unwrap();
        assert!(parts.init_buffers(&none, &w).is_err());
        assert!(Shapes::of(&w).with_parts(vec![0]).is_err());
    }
}
