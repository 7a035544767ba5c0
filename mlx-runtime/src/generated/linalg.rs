//! Decompositions and solvers.
//!
//! Written by `cargo xtask generate` from `xtask/src/wrappers/rows/linalg.toml`.

use mlx_sys as sys;

use crate::array::{build, build_many, build_two};
use crate::handles::c_string;
use crate::linalg::Triangle;
use crate::{Array, Result};

/// The triangular factor of positive definite matrices, `[.., n, n] -> [.., n, n]`: lower `L` with
/// `a = L @ L.T`, or its transpose if `upper`. MLX: `linalg.cholesky`.
///
/// # Errors
/// If the matrices are not square or not of a floating-point type, or this device has no kernel
/// for it.
pub fn cholesky(a: &Array, upper: bool) -> Result<Array> {
    const OP: &str = "cholesky";
    crate::array::check_inputs([a])?;
    crate::linalg::check_some(OP, a)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_cholesky(out, a.as_raw(), upper, s) }
    })
}

/// The inverse of the matrix with the [`cholesky`] factor `a`, `[.., n, n] -> [.., n, n]`.
/// MLX: `linalg.cholesky_inv`.
///
/// # Errors
/// If the matrices are not square or not of a floating-point type, or this device has no kernel
/// for it.
pub fn cholesky_inv(a: &Array, upper: bool) -> Result<Array> {
    const OP: &str = "cholesky_inv";
    crate::array::check_inputs([a])?;
    crate::linalg::check_some(OP, a)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_cholesky_inv(out, a.as_raw(), upper, s) }
    })
}

/// The cross product of vectors along `axis`, which has size 2 or 3; the inputs broadcast.
/// MLX: `linalg.cross`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for it.
pub fn cross(a: &Array, b: &Array, axis: i32) -> Result<Array> {
    const OP: &str = "cross";
    crate::array::check_inputs([a, b])?;
    let a = &crate::ops::forwards(OP, a)?;
    let b = &crate::ops::forwards(OP, b)?;

    build(OP, &[a, b], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_cross(out, a.as_raw(), b.as_raw(), axis, s) }
    })
}

/// The determinant, `[.., n, n] -> [..]`. MLX: `linalg.det`.
///
/// # Errors
/// If the matrices are not square or not of a floating-point type, or this device has no kernel
/// for it.
pub fn det(a: &Array) -> Result<Array> {
    const OP: &str = "det";
    crate::array::check_inputs([a])?;
    crate::linalg::check_some(OP, a)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_det(out, a.as_raw(), s) }
    })
}

/// Eigenvalues in ascending order and eigenvectors (as columns) of symmetric matrices, of which
/// one triangle is read, `[.., n, n] -> [.., n], [.., n, n]`. MLX: `linalg.eigh`.
///
/// # Errors
/// If the matrices are not square or not of a floating-point type, or this device has no kernel
/// for it.
pub fn eigh(a: &Array, uplo: Triangle) -> Result<(Array, Array)> {
    const OP: &str = "eigh";
    crate::array::check_inputs([a])?;
    let (safe, finite) = crate::linalg::finite(OP, a)?;
    let a = &safe;

    build_two(OP, &[a], |out_0, out_1, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_eigh(out_0, out_1, a.as_raw(), uplo.as_c().as_ptr(), s) }
    })
    .and_then(|(w, v)| {
        Ok((
            crate::linalg::each_or_nan(&finite, a, &w)?,
            crate::linalg::each_or_nan(&finite, a, &v)?,
        ))
    })
}

/// The eigenvalues of symmetric matrices in ascending order, `[.., n, n] -> [.., n]`.
/// MLX: `linalg.eigvalsh`.
///
/// # Errors
/// If the matrices are not square or not of a floating-point type, or this device has no kernel
/// for it.
pub fn eigvalsh(a: &Array, uplo: Triangle) -> Result<Array> {
    const OP: &str = "eigvalsh";
    crate::array::check_inputs([a])?;
    let (safe, finite) = crate::linalg::finite(OP, a)?;
    let a = &safe;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_eigvalsh(out, a.as_raw(), uplo.as_c().as_ptr(), s) }
    })
    .and_then(|w| crate::linalg::each_or_nan(&finite, a, &w))
}

/// The inverse, `[.., n, n] -> [.., n, n]`. MLX: `linalg.inv`.
///
/// # Errors
/// If the matrices are not square or not of a floating-point type, or this device has no kernel
/// for it.
pub fn inv(a: &Array) -> Result<Array> {
    const OP: &str = "inv";
    crate::array::check_inputs([a])?;
    crate::linalg::check_some(OP, a)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_inv(out, a.as_raw(), s) }
    })
}

/// Row numbers `p`, lower `L` and upper `U` with `a = L[p] @ U`,
/// `[.., m, n] -> [.., m], [.., m, k], [.., k, n]`. MLX: `linalg.lu`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for it.
pub fn lu(a: &Array) -> Result<Vec<Array>> {
    const OP: &str = "lu";
    crate::array::check_inputs([a])?;
    crate::linalg::check_some(OP, a)?;

    build_many(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_lu(out, a.as_raw(), s) }
    })
}

/// `L` and `U` in one matrix and the pivots, `[.., m, n] -> [.., m, n], [.., k]`.
/// MLX: `linalg.lu_factor`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for it.
pub fn lu_factor(a: &Array) -> Result<(Array, Array)> {
    const OP: &str = "lu_factor";
    crate::array::check_inputs([a])?;
    crate::linalg::check_some(OP, a)?;

    build_two(OP, &[a], |out_0, out_1, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_lu_factor(out_0, out_1, a.as_raw(), s) }
    })
    // MLX gives its buffer as several times as large as it is.
    .and_then(|(lu, pivots)| Ok((crate::ops::contiguous(&lu, false)?, pivots)))
}

/// The `ord`-norm of the vectors along one axis, or of the matrices along two (1, -1, 2, -2 and the
/// infinities); `None` takes the whole array as one. MLX: `linalg.norm`.
///
/// # Errors
/// If an axis does not exist, or the order is not one of those for matrices.
pub fn norm(a: &Array, ord: f64, axis: Option<&[i32]>, keepdims: bool) -> Result<Array> {
    const OP: &str = "norm";

    let (axis_at, axis_len) = axis.map_or((std::ptr::null(), 0), |l| (l.as_ptr(), l.len()));

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_norm(out, a.as_raw(), ord, axis_at, axis_len, keepdims, s) }
    })
}

/// The norm of the matrices along two axes (the last ones if `None`): `"fro"` is the root of the
/// sum of squares, `"nuc"` the sum of the singular values. MLX: `linalg.norm`.
///
/// # Errors
/// If an axis does not exist, or the norm has another name.
pub fn norm_matrix(a: &Array, ord: &str, axis: Option<&[i32]>, keepdims: bool) -> Result<Array> {
    const OP: &str = "norm_matrix";

    let ord = c_string(OP, ord)?;
    let (axis_at, axis_len) = axis.map_or((std::ptr::null(), 0), |l| (l.as_ptr(), l.len()));

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe {
            sys::mlx_linalg_norm_matrix(
                out,
                a.as_raw(),
                ord.as_ptr(),
                axis_at,
                axis_len,
                keepdims,
                s,
            )
        }
    })
}

/// The root of the sum of squares over `axis`, over all axes if `None`. MLX: `linalg.norm` without
/// an order.
///
/// # Errors
/// If an axis does not exist or is there twice.
pub fn norm_l2(a: &Array, axis: Option<&[i32]>, keepdims: bool) -> Result<Array> {
    const OP: &str = "norm_l2";

    let (axis_at, axis_len) = axis.map_or((std::ptr::null(), 0), |l| (l.as_ptr(), l.len()));

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_norm_l2(out, a.as_raw(), axis_at, axis_len, keepdims, s) }
    })
}

/// The Moore-Penrose inverse, `[.., m, n] -> [.., n, m]`; NaN for a
/// matrix with an element that is not finite. MLX: `linalg.pinv`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for it.
pub fn pinv(a: &Array) -> Result<Array> {
    const OP: &str = "pinv";
    crate::array::check_inputs([a])?;
    let (safe, finite) = crate::linalg::finite(OP, a)?;
    let a = &safe;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_pinv(out, a.as_raw(), s) }
    })
    .and_then(|y| crate::linalg::or_nan(&finite, &y))
}

/// Orthonormal `Q` and upper triangular `R` with `a = Q @ R`, `[.., m, n] -> [.., m, k], [.., k, n]`
/// for `k = min(m, n)`. MLX: `linalg.qr`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for it.
pub fn qr(a: &Array) -> Result<(Array, Array)> {
    const OP: &str = "qr";
    crate::array::check_inputs([a])?;
    crate::linalg::check_some(OP, a)?;

    build_two(OP, &[a], |out_0, out_1, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_qr(out_0, out_1, a.as_raw(), s) }
    })
}

/// Sign and logarithm of the absolute value of the determinant, `[.., n, n] -> [..], [..]`.
/// MLX: `linalg.slogdet`.
///
/// # Errors
/// If the matrices are not square or not of a floating-point type, or this device has no kernel
/// for it.
pub fn slogdet(a: &Array) -> Result<(Array, Array)> {
    const OP: &str = "slogdet";
    crate::array::check_inputs([a])?;
    crate::linalg::check_some(OP, a)?;

    build_two(OP, &[a], |out_0, out_1, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_slogdet(out_0, out_1, a.as_raw(), s) }
    })
}

/// The `x` of `a @ x = b`, `[.., n, n], [.., n, k] -> [.., n, k]`. MLX: `linalg.solve`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for it.
pub fn solve(a: &Array, b: &Array) -> Result<Array> {
    const OP: &str = "solve";
    crate::array::check_inputs([a, b])?;
    crate::linalg::check_some(OP, a)?;

    build(OP, &[a, b], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_solve(out, a.as_raw(), b.as_raw(), s) }
    })
}

/// As [`solve`] for a triangular `a`. MLX: `linalg.solve_triangular`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for it.
pub fn solve_triangular(a: &Array, b: &Array, upper: bool) -> Result<Array> {
    const OP: &str = "solve_triangular";
    crate::array::check_inputs([a, b])?;
    crate::linalg::check_some(OP, a)?;

    build(OP, &[a, b], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_solve_triangular(out, a.as_raw(), b.as_raw(), upper, s) }
    })
}

/// `U`, the singular values `S` and `Vt` with `a = U @ diag(S) @ Vt`,
/// `[.., m, n] -> [.., m, m], [.., k], [.., n, n]`; `S` alone without `compute_uv`.
/// NaN for a matrix with an element that is not finite. MLX: `linalg.svd`.
///
/// # Errors
/// If the shapes do not fit together, or this device has no kernel for it.
pub fn svd(a: &Array, compute_uv: bool) -> Result<Vec<Array>> {
    const OP: &str = "svd";
    crate::array::check_inputs([a])?;
    let (safe, finite) = crate::linalg::finite(OP, a)?;
    let a = &safe;

    build_many(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_svd(out, a.as_raw(), compute_uv, s) }
    })
    .and_then(|all| {
        all.iter()
            .map(|y| crate::linalg::each_or_nan(&finite, a, y))
            .collect()
    })
}

/// The inverse of a triangular matrix, `[.., n, n] -> [.., n, n]`. MLX: `linalg.tri_inv`.
///
/// # Errors
/// If the matrices are not square or not of a floating-point type, or this device has no kernel
/// for it.
pub fn tri_inv(a: &Array, upper: bool) -> Result<Array> {
    const OP: &str = "tri_inv";
    crate::array::check_inputs([a])?;
    crate::linalg::check_some(OP, a)?;

    build(OP, &[a], |out, s| {
        // SAFETY: the inputs and the stream are valid, each list has its length; what the call
        // writes to is null; null inputs stand for "absent".
        unsafe { sys::mlx_linalg_tri_inv(out, a.as_raw(), upper, s) }
    })
}
