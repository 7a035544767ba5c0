//! Tables of rows picked by index.
//!
//! Tests: `tests/layers.rs`.

use super::lora::{scaled, Lora};
use super::packed::Packed;
use super::{init, Weight};
use crate::kernels::take_rows::take_rows;
use crate::ops::packed;
use crate::random::{self, Key};
use crate::{linalg, ops, Array, Dtype, Error, ErrorKind, Result};

/// `[..] of int -> [.., dim]`: row `i` of the table for each index, plus row `i` of `scale * a b` where an adapter is set.
/// `mlx.nn.Embedding`; `LoRAEmbedding` and `DoRAEmbedding` of mlx-lm.
#[derive(Clone)]
pub struct Embedding {
    weight: Weight,
    dtype: Dtype,
    lora: Option<Lora>,
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
            lora: None,
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
        let y = self.rows(indices)?;
        let Some(lora) = &self.lora else {
            return Ok(y);
        };
        // mlx-lm multiplies in float32 and rounds what it adds.
        let a = scaled(&take_rows(&lora.a, indices, false)?, lora.scale)?;
        let z = ops::matmul(&a, &lora.b)?;
        let out = ops::add(&y, &ops::astype(&lora.dropped(&z)?, y.dtype())?)?;
        let Some(dora) = &lora.dora else {
            return Ok(out);
        };
        let now = linalg::norm_l2(&ops::add(&y, &z)?, Some(&[-1]), true)?;
        let m = ops::expand_dims(&take_rows(&dora.m, indices, false)?, &[-1])?;
        let by = ops::divide(&m, &ops::stop_gradient(&now)?)?;
        ops::multiply(&ops::astype(&by, out.dtype())?, &out)
    }

    /// The rows of the table alone.
    fn rows(&self, indices: &Array) -> Result<Array> {
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

    pub(crate) fn is_pinned(&self) -> bool {
        self.pinned
    }

    pub(crate) fn table(&self) -> &Weight {
        &self.weight
    }

    pub(crate) fn lora(&self) -> Option<&Lora> {
        self.lora.as_ref()
    }

    pub(crate) fn lora_mut(&mut self) -> Option<&mut Lora> {
        self.lora.as_mut()
    }

    pub(crate) fn set_lora(&mut self, lora: Option<Lora>) {
        self.lora = lora;
    }

    /// (rows, dims), as MLX counts.
    pub(crate) fn sizes(&self) -> Result<(i32, i32)> {
        let table = self.dense()?;
        Ok((table.dim(0)?, table.dim(1)?))
    }

    /// The table as a dense matrix, which is not computed before it is used.
    pub(crate) fn dense(&self) -> Result<Array> {
        match self.weight.clone().into_dense(self.dtype)? {
            Weight::Dense(w) => Ok(w),
            _ => Err(Error::new(
                ErrorKind::InvalidArgument,
                "a tied table has no rows of its own",
            )),
        }
    }

    pub(crate) fn each<'a>(&'a self, f: &mut dyn FnMut(&str, &'a Array, bool)) {
        self.weight.each(!self.frozen, f);
        if let Some(l) = &self.lora {
            l.each(f);
        }
    }

    pub(crate) fn each_mut(&mut self, f: &mut dyn FnMut(&mut Array, bool)) {
        self.weight.each_mut(!self.frozen, f);
        if let Some(l) = &mut self.lora {
            l.each_mut(f);
        }
    }
}
