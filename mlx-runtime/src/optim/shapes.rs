//! Maps each buffer to the tensors in it.
//!
//! Tests: unit tests below.

use crate::ops;
use crate::{Array, Error, Result};

/// The tensors in each buffer, one after the other, as runs of equal shape.
///
/// An optimiser that looks at whole tensors (the rows and columns of Adafactor, the matrices of Muon) takes a run as
/// one array `[count, shape...]`: the kernels of a step then depend on the number of different shapes, and not on the
/// number of tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shapes {
    buffers: Vec<Vec<Run>>,
    /// The part of a [`super::Parts`] that steps each buffer.
    parts: Vec<usize>,
}

/// Tensors of one shape, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The number of tensors.
    pub count: i32,
    /// The shape of each.
    pub shape: Vec<i32>,
}

impl Run {
    /// The number of elements in all of them.
    pub fn elements(&self) -> i64 {
        self.shape.iter().fold(i64::from(self.count), |n, d| {
            n.saturating_mul(i64::from(*d))
        })
    }
}

impl Shapes {
    /// For each buffer the shapes of its tensors, in their order.
    pub fn new<'a, T>(buffers: impl IntoIterator<Item = T>) -> Self
    where
        T: IntoIterator<Item = &'a [i32]>,
    {
        let runs = |shapes: T| {
            let mut runs: Vec<Run> = Vec::new();
            for shape in shapes {
                match runs.last_mut() {
                    Some(run) if run.shape == shape => run.count += 1,
                    _ => runs.push(Run {
                        count: 1,
                        shape: shape.to_vec(),
                    }),
                }
            }
            runs
        };
        let buffers: Vec<Vec<Run>> = buffers.into_iter().map(runs).collect();
        Shapes {
            parts: vec![0; buffers.len()],
            buffers,
        }
    }

    /// The same with the part of the optimiser that steps each buffer, as [`super::Optimizer::part`]
    /// says it of the tensors in it. Without it, that is part 0.
    ///
    /// # Errors
    /// If there are not as many numbers as buffers.
    pub fn with_parts(self, parts: Vec<usize>) -> Result<Self> {
        if parts.len() != self.buffers.len() {
            let text = format!(
                "expected one part for each buffer, found {} for {}",
                parts.len(),
                self.buffers.len()
            );
            return Err(Error::invalid("Shapes::with_parts", text));
        }
        Ok(self.of_parts(parts))
    }

    /// As [`Shapes::with_parts`], for as many numbers as buffers.
    pub(crate) fn of_parts(self, parts: Vec<usize>) -> Self {
        Shapes { parts, ..self }
    }

    /// The part that steps each buffer.
    pub fn parts(&self) -> &[usize] {
        &self.parts
    }

    /// The buffers of one part, for an optimiser without parts.
    pub(super) fn of_part(&self, part: usize) -> Self {
        let buffers: Vec<Vec<Run>> = self
            .buffers
            .iter()
            .zip(&self.parts)
            .filter(|(_, p)| **p == part)
            .map(|(runs, _)| runs.clone())
            .collect();
        Shapes {
            parts: vec![0; buffers.len()],
            buffers,
        }
    }

    /// Each array is a buffer with one tensor, in its own shape.
    pub fn of(arrays: &[Array]) -> Self {
        Self::new(arrays.iter().map(|a| [a.shape()]))
    }

    /// The runs of each buffer.
    pub fn buffers(&self) -> &[Vec<Run>] {
        &self.buffers
    }

    /// Each run of buffer `i` as one array `[count, shape..]`, views of the buffer.
    pub(super) fn split(&self, i: usize, buffer: &Array) -> Result<Vec<Array>> {
        let Some(runs) = self.buffers.get(i) else {
            return Err(Error::invalid(
                "Shapes::split",
                format!("buffer {i} is out of range"),
            ));
        };
        let whole = |run: &Run| [&[run.count], run.shape.as_slice()].concat();
        if let [run] = &runs[..] {
            return Ok(vec![ops::reshape(buffer, &whole(run))?]);
        }
        let mut end = 0i64;
        let mut cuts = Vec::new();
        for run in runs {
            end += run.elements();
            let too_long = || Error::shape("Shapes::split", format!("{end} elements"));
            cuts.push(i32::try_from(end).map_err(|_| too_long())?);
        }
        cuts.pop();
        let flat = ops::reshape(buffer, &[-1])?;
        let parts = ops::split_at(&flat, &cuts, 0)?;
        let shaped = |(part, run): (&Array, &Run)| ops::reshape(part, &whole(run));
        parts.iter().zip(runs).map(shaped).collect()
    }

    /// The runs of a buffer as one array of the buffer's shape: one copy, or none if there is one run.
    pub(super) fn join(parts: &[Array], shape: &[i32]) -> Result<Array> {
        if let [part] = parts {
            return ops::reshape(part, shape);
        }
        let flat = parts
            .iter()
            .map(|part| ops::reshape(part, &[-1]))
            .collect::<Result<Vec<_>>>()?;
        let all = ops::concatenate(&flat.iter().collect::<Vec<_>>(), 0)?;
        ops::reshape(&all, shape)
    }

    /// Returns an error unless the buffers hold as many elements as these tensors.
    pub(super) fn check(&self, op: &'static str, buffers: &[Array]) -> Result<()> {
        if self.buffers.len() != buffers.len() {
            let of = self.buffers.len();
            let text = format!("expected {of} buffers, found {}", buffers.len());
            return Err(Error::invalid(op, text));
        }
        for (i, (runs, buffer)) in self.buffers.iter().zip(buffers).enumerate() {
            let all: i64 = runs.iter().map(Run::elements).sum();
            if usize::try_from(all) != Ok(buffer.size()) {
                let text = format!(
                    "expected buffer {i} with the {all} elements of its tensors, found {buffer:?}"
                );
                return Err(Error::shape(op, text));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_neighbours_are_one_run() {
        let shapes: [&[i32]; 4] = [&[2, 3], &[2, 3], &[6], &[2, 3]];
        let all = Shapes::new([shapes]);
        let counts: Vec<i32> = all.buffers()[0].iter().map(|r| r.count).collect();
        assert_eq!(counts, [2, 1, 1]);
        let flat = Array::from_slice(&[0f32; 24], &[24]).unwrap();
        all.check("test", std::slice::from_ref(&flat)).unwrap();
        assert!(all.check("test", &[]).is_err());
        assert!(Shapes::new([[&[5][..]]]).check("test", &[flat]).is_err());
    }
}
