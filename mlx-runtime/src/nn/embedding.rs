//! Tables of rows picked by index.
//!
//! Tests: `tests/layers.rs`.

use super::packed::Packed;
use super::{init, Weight};
use crate::kernels::take_rows::take_rows;
use crate::ops::packed;
use crate::random::{self, Key};
use crate::{Array, Dtype, Error, ErrorKind, Result};

/// `[..] of int -> [.., dim]`: row `i` of the table for each index. `mlx.nn.Embedding`.
#[derive(Clone)]
pub struct Embedding {
    weight: Weight,
    dtype: Dtype,
    pub(super) frozen: bool,
    /// The definition says `#[frozen]`.
    pub(super) pinned: bool,
}

impl Embedding {
    /// A table of `rows` rows of `dims` float32 values, to be trained: normal with deviation 1/sqrt(dims), as in
    /// `mlx.nn.Embedding`.
    ///
    /// # Errors
    /// If a size is below 1.
    pub fn new(rows: i32, dims: i32, key: &Key) -> Result<Self> {
        init::check_sizes(
            "Embedding",
            &[("number of rows", rows), ("number of dims", dims)],
        )?;
        let (dtype, deviation) = (Dtype::Float32, 1.0 / (dims as f32).sqrt());
        let table = random::normal(&[rows, dims], dtype, 0.0, deviation, Some(key))?;
        Ok(Self::from_parts(Weight::Dense(table), dtype, false))
    }

    pub(crate) fn from_parts(weight: Weight, dtype: Dtype, frozen: bool) -> Self {
        Embedding {
            weight,
            dtype,
            frozen,
            pinned: false,
        }
    }

    /// `[..] of int -> [.., dim]`. An index outside the
    /// table is clamped to it.
    ///
    /// # Errors
    /// If the indices are not whole numbers.
    pub fn forward(&self, indices: &Array) -> Result<Array> {
        let pick = |table: &Array| take_rows(table, indices, self.frozen);
        match &self.weight {
            Weight::Dense(w) => pick(w),
            Weight::Quantized {
                weight,
                scales,
                biases,
                how,
            } => {
                let rows = packed::Packed {
                    weight: pick(weight)?,
                    scales: pick(scales)?,
                    biases: biases.as_ref().map(pick).transpose()?,
                };
                Packed {
                    parts: rows,
                    how: *how,
                }
                .dense(self.dtype, None)
            }
            Weight::Tied => Err(Error::new(
                ErrorKind::InvalidArgument,
                "an embedding cannot be tied: expected a weight of its own",
            )),
        }
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen
    }

    pub(crate) fn table(&self) -> &Weight {
        &self.weight
    }

    pub(crate) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        self.weight.each(!self.frozen, f);
    }

    pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        self.weight.each_mut(!self.frozen, f);
    }
}
