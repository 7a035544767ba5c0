use super::{row, File, Row};

const SQUARE: &str = "If the matrices are not square or not of a floating-point type, or this device has no kernel\nfor it.";
const SHAPES: &str = "If the shapes do not fit together, or this device has no kernel for it.";

const FINITE: &str = "let (safe, finite) = crate::linalg::finite(OP, a)?;\nlet a = &safe;";
const SOME: &str = "crate::linalg::check_some(OP, a)?;";

const fn square(c: &'static str, name: &'static str, doc: &'static str) -> Row {
    row(c, name, doc, SQUARE).check(SOME)
}

pub const FILE: File = File {
    name: "linalg",
    doc: "Decompositions and solvers.",
    uses: "use mlx_sys as sys;\n\nuse crate::array::{build, build_many, build_two};\nuse crate::linalg::Triangle;\nuse crate::handles::c_string;\nuse crate::{Array, Result};",
    rows: &[
        square("mlx_linalg_cholesky", "cholesky", "The triangular factor of positive definite matrices, `[.., n, n] -> [.., n, n]`: lower `L` with\n`a = L @ L.T`, or its transpose if `upper`. MLX: `linalg.cholesky`."),
        square("mlx_linalg_cholesky_inv", "cholesky_inv", "The inverse of the matrix whose [`cholesky`] factor is `a`, `[.., n, n] -> [.., n, n]`.\nMLX: `linalg.cholesky_inv`."),
        row("mlx_linalg_cross", "cross", "The cross product of vectors along `axis`, which has size 2 or 3; the inputs broadcast.\nMLX: `linalg.cross`.", SHAPES),
        square("mlx_linalg_det", "det", "The determinant, `[.., n, n] -> [..]`. MLX: `linalg.det`."),
        square("mlx_linalg_eigh", "eigh", "Eigenvalues in ascending order and eigenvectors (as columns) of symmetric matrices, of which\none triangle is read, `[.., n, n] -> [.., n], [.., n, n]`. MLX: `linalg.eigh`.").check(FINITE).then(".and_then(|(w, v)| Ok((crate::linalg::each_or_nan(&finite, a, &w)?, crate::linalg::each_or_nan(&finite, a, &v)?)))").types(&[("UPLO", "Triangle")]),
        square("mlx_linalg_eigvalsh", "eigvalsh", "The eigenvalues of symmetric matrices in ascending order, `[.., n, n] -> [.., n]`.\nMLX: `linalg.eigvalsh`.").check(FINITE).then(".and_then(|w| crate::linalg::each_or_nan(&finite, a, &w))").types(&[("UPLO", "Triangle")]),
        square("mlx_linalg_inv", "inv", "The inverse, `[.., n, n] -> [.., n, n]`. MLX: `linalg.inv`."),
        row("mlx_linalg_lu", "lu", "Row numbers `p`, lower `L` and upper `U` with `a = L[p] @ U`,\n`[.., m, n] -> [.., m], [.., m, k], [.., k, n]`. MLX: `linalg.lu`.", SHAPES).check(SOME),
        row("mlx_linalg_lu_factor", "lu_factor", "`L` and `U` in one matrix and the pivots, `[.., m, n] -> [.., m, n], [.., k]`.\nMLX: `linalg.lu_factor`.", SHAPES).check(SOME)
            .then("// MLX gives its buffer as several times as large as it is.\n.and_then(|(lu, pivots)| Ok((crate::ops::contiguous(&lu, false)?, pivots)))"),
        row("mlx_linalg_norm", "norm", "The `ord`-norm of the vectors along one axis, or of the matrices along two (1, -1, 2, -2 and the\ninfinities); `None` takes the whole array as one. MLX: `linalg.norm`.", "If an axis does not exist, or the order is not one of those for matrices."),
        row("mlx_linalg_norm_matrix", "norm_matrix", "The norm of the matrices along two axes (the last ones if `None`): `\"fro\"` is the root of the\nsum of squares, `\"nuc\"` the sum of the singular values. MLX: `linalg.norm`.", "If an axis does not exist, or the norm has another name."),
        row("mlx_linalg_norm_l2", "norm_l2", "The root of the sum of squares over `axis`, over all axes if `None`. MLX: `linalg.norm` without\nan order.", "If an axis does not exist or is there twice."),
        row("mlx_linalg_pinv", "pinv", "The Moore-Penrose inverse, `[.., m, n] -> [.., n, m]`; NaN for a\nmatrix with an element that is not finite. MLX: `linalg.pinv`.", SHAPES).check(FINITE).then(".and_then(|y| crate::linalg::or_nan(&finite, &y))"),
        row("mlx_linalg_qr", "qr", "Orthonormal `Q` and upper triangular `R` with `a = Q @ R`, `[.., m, n] -> [.., m, k], [.., k, n]`\nfor `k = min(m, n)`. MLX: `linalg.qr`.", SHAPES).check(SOME),
        square("mlx_linalg_slogdet", "slogdet", "Sign and logarithm of the absolute value of the determinant, `[.., n, n] -> [..], [..]`.\nMLX: `linalg.slogdet`."),
        row("mlx_linalg_solve", "solve", "The `x` of `a @ x = b`, `[.., n, n], [.., n, k] -> [.., n, k]`. MLX: `linalg.solve`.", SHAPES).check(SOME),
        row("mlx_linalg_solve_triangular", "solve_triangular", "As [`solve`] for a triangular `a`. MLX: `linalg.solve_triangular`.", SHAPES).check(SOME),
        row("mlx_linalg_svd", "svd", "`U`, the singular values `S` and `Vt` with `a = U @ diag(S) @ Vt`,\n`[.., m, n] -> [.., m, m], [.., k], [.., n, n]`; `S` alone without `compute_uv`.\nNaN for a matrix with an element that is not finite. MLX: `linalg.svd`.", SHAPES).check(FINITE).then(".and_then(|all| all.iter().map(|y| crate::linalg::each_or_nan(&finite, a, y)).collect())"),
        square("mlx_linalg_tri_inv", "tri_inv", "The inverse of a triangular matrix, `[.., n, n] -> [.., n, n]`. MLX: `linalg.tri_inv`."),
    ],
};
