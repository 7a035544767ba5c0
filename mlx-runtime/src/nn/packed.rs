//! Products with packed weights.
//!
//! Tests: `mlx-models --test quantised`.

use crate::kernels::dequantize::dequantize;
use crate::kernels::select;
use crate::ops::packed::{self, Quantization};
use crate::{ops, transforms, Array, Dtype, Result};

/// A packed matrix `[out, in]`.
#[derive(Clone)]
pub(super) struct Packed {
    pub parts: packed::Packed,
    pub how: Quantization,
}

impl Packed {
    /// `x W^T`, or, not `turned`, `x W`, without a gradient: from the packed values if `kept`
    /// or if there are few rows.
    pub fn times(&self, x: &Array, turned: bool, kept: bool) -> Result<Array> {
        if kept || rows(x) < select::unpacks_from(x.dtype())? {
            return packed::packed_matmul(x, &self.parts, turned, self.how);
        }
        match turned {
            true => self.forward(x),
            false => self.backward(x),
        }
    }

    /// The matrix in `dtype`; `after` is computed before it, so that it is not in memory earlier
    /// than it is needed.
    pub fn dense(&self, dtype: Dtype, after: Option<&Array>) -> Result<Array> {
        let mut parts = self.parts.clone();
        if let Some(a) = after {
            parts.weight = transforms::depends(&[&parts.weight], &[a])?.swap_remove(0);
        }
        self.of(&parts, dtype, false)
    }

    /// The matrix in `dtype` as a model that was unpacked at load has it: affine values in the dtype of
    /// their scales, which is what MLX unpacks to, on every device.
    pub fn loaded(&self, dtype: Dtype) -> Result<Array> {
        self.of(&self.parts, dtype, true)
    }

    fn of(&self, parts: &packed::Packed, dtype: Dtype, round: bool) -> Result<Array> {
        if let (Quantization::Affine { group_size, bits }, Some(biases)) = (self.how, &parts.biases)
        {
            let all = [&parts.weight, &parts.scales, biases];
            if let Some(w) = dequantize(all, group_size, bits, dtype, round) {
                return w;
            }
        }
        // The scales of an affine weight are in the dtype of the activations; those of the others
        // say nothing of it.
        let dtype_of = match self.how {
            Quantization::Affine { .. } => None,
            _ => Some(dtype),
        };
        ops::astype(&packed::unpack(parts, self.how, None, dtype_of)?, dtype)
    }

    /// `x W^T`. With many rows the matrix is dequantised first unless `kept`, and once more in the backward
    /// pass: what was dequantised is not in memory between them.
    pub fn matmul(&self, x: &Array, kept: bool) -> Result<Array> {
        if kept || rows(x) < select::unpacks_from(x.dtype())? {
            return packed::packed_matmul(x, &self.parts, true, self.how);
        }
        if !transforms::is_differentiating() {
            return self.forward(x);
        }
        let (there, back) = (self.clone(), self.clone());
        let product = transforms::custom_vjp(
            move |x| Ok(vec![there.forward(&x[0])?]),
            move |_, dy, _| Ok(vec![back.backward(&dy[0])?]),
        );
        Ok(product.call(std::slice::from_ref(x))?.swap_remove(0))
    }

    fn forward(&self, x: &Array) -> Result<Array> {
        in_fast_dtype(x, |x| {
            ops::matmul(
                x,
                &ops::transpose(&self.dense(x.dtype(), Some(x))?, &[1, 0])?,
            )
        })
    }

    fn backward(&self, dy: &Array) -> Result<Array> {
        in_fast_dtype(dy, |dy| ops::matmul(dy, &self.dense(dy.dtype(), Some(dy))?))
    }
}

/// A product in the dtype in which it is fast.
fn in_fast_dtype(x: &Array, f: impl FnOnce(&Array) -> Result<Array>) -> Result<Array> {
    let dtype = x.dtype();
    match select::product_dtype(dtype)? {
        same if same == dtype => f(x),
        fast => ops::astype(&f(&ops::astype(x, fast)?)?, dtype),
    }
}

fn rows(x: &Array) -> usize {
    let width = x
        .shape()
        .last()
        .map_or(1, |n| usize::try_from(*n).unwrap_or(1));
    x.size() / width.max(1)
}
