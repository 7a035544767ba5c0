//! Arrays in memory other than row by row.

use mlx_runtime::{ops, Array, Result};

/// The memory layout of an input: a view of another array, the base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    Contiguous,
    Transposed,
    /// Every second element along each axis of a larger array.
    Strided,
    /// Every axis backwards.
    Negative,
    /// The first axis repeats one element.
    Broadcast,
}

pub const ALL: [Layout; 5] = [
    Layout::Contiguous,
    Layout::Transposed,
    Layout::Strided,
    Layout::Negative,
    Layout::Broadcast,
];

impl Layout {
    /// The base's shape for a view of `shape`.
    pub fn base(self, shape: &[i32]) -> Vec<i32> {
        let mut base = shape.to_vec();
        match self {
            Layout::Contiguous | Layout::Negative => {}
            Layout::Transposed => base.reverse(),
            Layout::Strided => base.iter_mut().for_each(|n| *n *= 2),
            Layout::Broadcast => base.iter_mut().take(1).for_each(|n| *n = 1),
        }
        base
    }

    /// The view of `shape`.
    pub fn view(self, base: &Array, shape: &[i32]) -> Result<Array> {
        let axes = shape.len();
        match self {
            Layout::Contiguous => Ok(base.clone()),
            Layout::Transposed => ops::transpose(base, &[]),
            Layout::Strided => ops::slice(base, &vec![0; axes], base.shape(), &vec![2; axes]),
            Layout::Negative => {
                let stop: Vec<i32> = shape.iter().map(|n| -n - 1).collect();
                ops::slice(base, shape, &stop, &vec![-1; axes])
            }
            Layout::Broadcast => ops::broadcast_to(base, shape),
        }
    }
}
