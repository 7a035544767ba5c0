//! Products.
//!
//! Tests: unit tests below.

use mlx_sys as sys;

use super::index::from_first;
use crate::array::{build, optional, ready};
use crate::handles::{c_string, VectorArray};
use crate::kernels::select::{self, Fault};
use crate::{Array, Result};

binary_ops! {
    /// The matrix product, `[.., m, k], [.., k, n] -> [.., m, n]`; leading axes broadcast, and a
    /// one-dimensional input loses its axis. MLX: `matmul`.
    matmul => mlx_matmul;
    /// The sum of products over the last axis of both, `[.., k], [.., k] -> [.., ..]`.
    /// MLX: `inner`.
    inner => mlx_inner;
    /// Every product of an element of `a` with one of `b`, `[..m], [..n] -> [m, n]`.
    /// MLX: `outer`.
    outer => mlx_outer;
    /// The Kronecker product. MLX: `kron`.
    kron => mlx_kron;
}

/// `alpha * (a @ b) + beta * c`, `[.., m, n], [.., m, k], [.., k, n] -> [.., m, n]`; `c`
/// broadcasts. MLX: `addmm`.
///
/// # Errors
/// If the shapes do not fit together.
pub fn addmm(c: &Array, a: &Array, b: &Array, alpha: f32, beta: f32) -> Result<Array> {
    if a.shape().last() == Some(&0) {
        // A sum of no products; MLX's kernel copies `c` as if it lay row by row.
        let scaled =
            |x: &Array, by: f32| super::multiply(x, &Array::scalar_as(f64::from(by), x.dtype())?);
        return super::add(&scaled(&matmul(a, b)?, alpha)?, &scaled(c, beta)?);
    }
    build("addmm", &[c, a, b], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_addmm(out, c.as_raw(), a.as_raw(), b.as_raw(), alpha, beta, s) }
    })
}

/// The sum of products over `axis`, `[.., k, ..], [.., k, ..] -> [.., ..]`; the inputs broadcast.
/// MLX: `vecdot`.
///
/// # Errors
/// If the axis does not exist, or the shapes do not fit together.
pub fn vecdot(a: &Array, b: &Array, axis: i32) -> Result<Array> {
    build("vecdot", &[a, b], |out, s| {
        // SAFETY: the inputs and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_vecdot(out, a.as_raw(), b.as_raw(), axis, s) }
    })
}

/// [`matmul`] of chosen batches: product `i` is `a[lhs_indices[i]] @ b[rhs_indices[i]]`, where
/// the indices count the matrices of all leading axes. `sorted_indices` promises that they
/// ascend. MLX: `gather_mm`.
///
/// An index beyond the batches is clamped, see [`super::take`].
///
/// # Errors
/// If the shapes do not fit together, or the indices are not integers.
pub fn gather_mm(
    a: &Array,
    b: &Array,
    lhs_indices: Option<&Array>,
    rhs_indices: Option<&Array>,
    sorted_indices: bool,
) -> Result<Array> {
    let clamp = |indices: Option<&Array>, of: &Array| {
        indices
            .map(|i| from_first("gather_mm", i, batches(of)))
            .transpose()
    };
    let (lhs, rhs) = (clamp(lhs_indices, a)?, clamp(rhs_indices, b)?);
    // A single matrix is one of a batch, whose gradient MLX knows.
    let one = |m: &Array, indices: Option<Array>| -> Result<_> {
        match m.ndim() {
            2 => Ok((
                super::expand_dims(m, &[0])?,
                Some(indices.map_or_else(|| Array::scalar(0u32), Ok)?),
            )),
            _ => Ok((m.clone(), indices)),
        }
    };
    let ((left, lhs), (right, rhs)) = (one(a, lhs)?, one(b, rhs)?);
    let ([left, right], columns) = match select::has(Fault::ShortRows) {
        true => whole_eights(left, right)?,
        false => ([left, right], None),
    };
    let product = build("gather_mm", &[a, b], |out, s| {
        let (lhs, rhs) = (optional(lhs.as_ref()), optional(rhs.as_ref()));
        // SAFETY: the inputs and the stream are valid; null indices stand for "absent".
        unsafe {
            sys::mlx_gather_mm(
                out,
                left.as_raw(),
                right.as_raw(),
                lhs,
                rhs,
                sorted_indices,
                s,
            )
        }
    })?;
    match columns {
        None => Ok(product),
        Some(n) => Ok(super::split_at(&product, &[n], -1)?.swap_remove(0)),
    }
}

/// The operands of [`gather_mm`], with zeros where MLX would read beyond a row, and the number of columns if the product has
/// more for it.
///
/// The product reads rows of one of these sizes in steps of eight if the other size is a multiple of eight, or its gradient
/// does.
fn whole_eights(a: Array, b: Array) -> Result<([Array; 2], Option<i32>)> {
    let (Some([k, n]), Some([.., inner])) =
        (b.shape().last_chunk::<2>(), a.shape().last_chunk::<1>())
    else {
        return Ok(([a, b], None));
    };
    let (k, n) = (*k, *n);
    if k != *inner || (k % 8 == 0) == (n % 8 == 0) {
        return Ok(([a, b], None));
    }
    let wider = |x: &Array, axis: usize, by: i32| {
        let mut widths = vec![(0, 0); x.ndim()];
        let at = widths.len() - axis;
        widths[at].1 = by;
        super::pad(x, &widths, &super::zeros(&[], x.dtype())?)
    };
    Ok(match k % 8 {
        0 => ([a, wider(&b, 1, 8 - n % 8)?], Some(n)),
        odd => ([wider(&a, 1, 8 - odd)?, wider(&b, 2, 8 - odd)?], None),
    })
}

/// The number of matrices in the last two axes' leading ones.
pub(super) fn batches(a: &Array) -> i32 {
    let shape = a.shape();
    let leading = &shape[..shape.len().saturating_sub(2)];
    leading.iter().fold(1, |n: i32, &d| n.saturating_mul(d))
}

/// A sum of products by name, such as `"ij,jk->ik"`. MLX: `einsum`.
///
/// # Errors
/// If the subscripts do not fit the operands.
pub fn einsum(subscripts: &str, operands: &[&Array]) -> Result<Array> {
    ready();
    let list = VectorArray::from_refs("einsum", operands)?;
    let text = c_string("einsum", subscripts)?;
    build("einsum", operands, |out, s| {
        // SAFETY: the list, the text and the stream are valid; `out` is a null destination.
        unsafe { sys::mlx_einsum(out, text.as_ptr(), list.as_raw(), s) }
    })
}

/// The sum of products over `axes_a` of `a` and `axes_b` of `b`, pair by pair. MLX: `tensordot`.
///
/// # Errors
/// If the axes do not exist, or differ in number or size.
pub fn tensordot(a: &Array, b: &Array, axes_a: &[i32], axes_b: &[i32]) -> Result<Array> {
    build("tensordot", &[a, b], |out, s| {
        let (p, n) = (axes_a.as_ptr(), axes_a.len());
        let (q, m) = (axes_b.as_ptr(), axes_b.len());
        // SAFETY: the inputs, both lists and the stream are valid.
        unsafe { sys::mlx_tensordot(out, a.as_raw(), b.as_raw(), p, n, q, m, s) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ops, random};

    #[test]
    fn products_of_whole_eights_are_the_same() -> Result<()> {
        for (k, n, widened) in [(8, 12, true), (12, 8, true), (8, 16, false), (3, 5, false)] {
            let key = random::Key::new(k as u64)?;
            let a = random::normal(&[2, 3, k], crate::Dtype::Float32, 0.0, 1.0, Some(&key))?;
            let b = random::normal(&[4, k, n], crate::Dtype::Float32, 0.0, 1.0, Some(&key))?;
            let chosen = Array::from_slice(&[3i32, 1], &[2])?;
            let want = gather_mm(&a, &b, None, Some(&chosen), false)?;
            let ([a, b], columns) = whole_eights(a, b)?;
            assert_eq!(widened, a.dim(-1)? != k || b.dim(-1)? != n);
            assert_eq!(columns, (widened && k % 8 == 0).then_some(n));
            if widened {
                assert_eq!((b.dim(-1)? % 8, b.dim(-2)? % 8), (0, 0));
            }
            let got = gather_mm(&a, &b, None, Some(&chosen), false)?;
            let got = ops::split_at(&got, &[n], -1)?.swap_remove(0);
            assert!(ops::allclose(&got, &want, 1e-5, 1e-5, false)?.item::<bool>()?);
        }
        Ok(())
    }
}
