use super::{row, File, Row};

const SHAPE: &str = "If a dimension is negative, or MLX refuses the dtype.";
const CHECK: &str = "crate::ops::check_new_shape(OP, shape)?;";

const fn drawn(c: &'static str, name: &'static str, doc: &'static str) -> Row {
    row(c, name, doc, SHAPE).check(CHECK)
}

pub const FILE: File = File {
    name: "random",
    doc: "Random arrays.",
    uses: "use mlx_sys as sys;\n\nuse crate::array::{build, optional};\nuse crate::random::Key;\nuse crate::{Array, Dtype, Result};",
    rows: &[
        row("mlx_random_bits", "bits", "Random bits in unsigned integers of `width` bytes (1, 2, 4 or 8), `-> shape`.\nMLX: `random.bits`.", "If a dimension is negative, or there is no such integer.").check("crate::ops::check_new_shape(OP, shape)?;\ncrate::random::check_width(OP, width)?;"),
        row("mlx_random_categorical_shape", "categorical_shape", "As [`crate::random::categorical`], drawn anew for each element of `shape`, to which the other\naxes of `logits` broadcast. MLX: `random.categorical` with a shape.", "If the axis does not exist, or the shapes do not fit together.").check(CHECK),
        row("mlx_random_categorical_num_samples", "categorical_num_samples", "As [`crate::random::categorical`], `num_samples` times, `[.., n, ..] -> [.., num_samples]`.\nMLX: `random.categorical` with a number of samples.", "If the axis does not exist, or the number is negative.").check("crate::ops::check_new_shape(OP, &[num_samples])?;"),
        drawn("mlx_random_gumbel", "gumbel", "Distributed as the largest of many: the standard Gumbel distribution, `-> shape`.\nMLX: `random.gumbel`."),
        drawn("mlx_random_laplace", "laplace", "Laplace's distribution about `loc` with scale `scale`, `-> shape`. MLX: `random.laplace`."),
        row("mlx_random_multivariate_normal", "multivariate_normal", "Jointly normal: `mean` `[.., n]`, `cov` `[.., n, n]` -> `[shape.., n]`. On the CPU only.\nMLX: `random.multivariate_normal`.", "If the shapes do not fit together, or this device has no kernel for it.").check(CHECK),
        row("mlx_random_normal_broadcast", "normal_broadcast", "As [`crate::random::normal`], mean and deviation being arrays that broadcast to `shape`.\nMLX: `random.normal` with arrays.", "If the shapes do not fit together, or MLX refuses the dtype.").check(CHECK),
        row("mlx_random_truncated_normal", "truncated_normal", "Normally distributed within `[lower, upper)`, which broadcast to `shape`.\nMLX: `random.truncated_normal`.", "If the shapes do not fit together, or MLX refuses the dtype.").check(CHECK),
    ],
};
