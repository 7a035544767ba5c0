//! Which tensors lie in which buffer.

use crate::{Array, Error, Result};

/// The tensors in each buffer, one after the other, as runs of equal shape.
///
/// An optimiser that looks at whole tensors (the rows and columns of Adafactor, the matrices of
/// Muon) takes a run as one array `[count, shape...]`: the kernels of a step then depend on how many
/// different shapes there are, and not on how many tensors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shapes(Vec<Vec<Run>>);

/// Tensors of one shape, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// How many.
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
        Shapes(buffers.into_iter().map(runs).collect())
    }

    /// Each array is a buffer with one tensor, in its own shape.
    pub fn of(arrays: &[Array]) -> Self {
        Self::new(arrays.iter().map(|a| [a.shape()]))
    }

    /// The runs of each buffer.
    pub fn buffers(&self) -> &[Vec<Run>] {
        &self.0
    }

    /// Whether the buffers hold as many elements as these tensors.
    pub(super) fn check(&self, op: &'static str, buffers: &[Array]) -> Result<()> {
        if self.0.len() != buffers.len() {
            let text = format!("{} buffers and shapes of {}", buffers.len(), self.0.len());
            return Err(Error::invalid(op, text));
        }
        for (i, (runs, buffer)) in self.0.iter().zip(buffers).enumerate() {
            let all: i64 = runs.iter().map(Run::elements).sum();
            if usize::try_from(all) != Ok(buffer.size()) {
                let text = format!("buffer {i} is {buffer:?}, its tensors have {all} elements");
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
