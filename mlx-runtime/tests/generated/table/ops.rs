use super::{row, File, Row};

const SHAPES: &str = "If the shapes do not fit together, or MLX refuses the dtypes.";

const fn window(c: &'static str, name: &'static str, doc: &'static str) -> Row {
    row(c, name, doc, "If `m` is too large.")
        .check("crate::ops::check_new_shape(OP, &[m.max(0)])?;")
}

pub const FILE: File = File {
    name: "ops",
    doc: "Operations.",
    uses: "use mlx_sys as sys;\n\nuse crate::array::{build, build_many, optional};\nuse crate::handles::VectorArray;\nuse crate::ops::{Indexing, PadMode, Side};\nuse crate::{Array, Dtype, Result};",
    rows: &[
        window("mlx_bartlett", "bartlett", "The Bartlett window, float32 `[m]`; empty if `m` is less than 1. MLX: `bartlett`."),
        window("mlx_blackman", "blackman", "The Blackman window, float32 `[m]`; empty if `m` is less than 1. MLX: `blackman`."),
        window("mlx_hamming", "hamming", "The Hamming window, float32 `[m]`; empty if `m` is less than 1. MLX: `hamming`."),
        window("mlx_hanning", "hanning", "The Hann window, float32 `[m]`; empty if `m` is less than 1. MLX: `hanning`."),
        row("mlx_block_masked_mm", "block_masked_mm", "[`crate::ops::matmul`] in blocks of `block_size` (32 or 64), each of which the masks (one element\nfor each block of the result and of both inputs) leave out or scale. MLX: `block_masked_mm`.", SHAPES),
        row("mlx_diagonal", "diagonal", "The diagonals `offset` above the main one of the matrices along two axes, as the last axis.\nMLX: `diagonal`.", "If an axis does not exist, or both are the same.")
            .check("let size = a.shape().iter().copied().max().unwrap_or(0);\nlet offset = offset.clamp(-size, size);"),
        row("mlx_diff", "diff", "The differences between neighbours along `axis`, taken `n` times,\n`[.., m, ..] -> [.., m - n, ..]`. MLX: `diff`.", "If the axis does not exist, or `n` is negative or more than the axis has elements.")
            .check("crate::ops::check_diff(OP, a, n, axis)?;"),
        row("mlx_from_fp8", "from_fp8", "Eight-bit floats (e4m3, as uint8) in another type, `[..] -> [..]`. MLX: `from_fp8`.", "If the input is not uint8, or the dtype not a floating-point one."),
        row("mlx_to_fp8", "to_fp8", "The nearest eight-bit floats (e4m3, as uint8), `[..] -> [..]`. MLX: `to_fp8`.", "If the input is not floating point.")
            .check("// MLX reads other elements of a strided array.\nlet x = &crate::ops::contiguous(x, false)?;"),
        row("mlx_full_like", "full_like", "`vals`, which broadcasts, in the shape of `a` as `dtype`. MLX: `full_like`.", SHAPES)
            .check("if crate::transforms::is_differentiating() {\nreturn crate::ops::full(a.shape(), vals, dtype);\n}"),
        row("mlx_hadamard_transform", "hadamard_transform", "The Walsh-Hadamard transform of the last axis, whose size is `m * 2^k` with `m` of 1, 12, 20 or 28,\ntimes `scale` (1 / sqrt(n) if `None`), `[.., n] -> [.., n]`. MLX: `hadamard_transform`.", "If the size is another one, or the dtype not a floating-point one."),
        row("mlx_identity", "identity", "Ones on the diagonal, zeros elsewhere, `-> [n, n]`. MLX: `identity`.", "If `n` is negative.").check("crate::ops::check_new_shape(OP, &[n, n])?;"),
        row("mlx_linspace_endpoint", "linspace_endpoint", "As [`crate::ops::linspace`], of which `stop` is part only if `endpoint`, `-> [num]`.\nMLX: `linspace` with `endpoint`.", "If `num` is negative.").check("crate::ops::check_new_shape(OP, &[num])?;"),
        row("mlx_masked_scatter", "masked_scatter", "`a` with the elements where `mask` is true replaced by those of `src`, in order; `mask` has the\nshape of the leading axes. MLX: `a[mask] = src`.", "If the shapes do not fit together; when evaluated, if `src` has too few elements.").check("if a.size() == 0 || mask.size() == 0 {\nreturn Ok(a.clone());\n}\ncrate::linalg::check_some(OP, src)?;"),
        row("mlx_meshgrid", "meshgrid", "The coordinates of a grid from those along each axis; `sparse` leaves the axes of size 1 that\nbroadcasting would fill. MLX: `meshgrid`.", "If an array has more than one axis.")
            .check("crate::ops::check_some(OP, arrays)?;").types(&[("indexing", "Indexing")]),
        row("mlx_number_of_elements", "number_of_elements", "The number of elements along `axes`, or 1 over it if `inverted`, as a scalar; in a function\nrecorded for any shape, that of each call. MLX: `number_of_elements`.", "If an axis does not exist.")
            .check("crate::ops::check_axes(OP, a, axes)?;"),
        row("mlx_ones_like_dtype", "ones_like_dtype", "Ones of the shape of `a` as `dtype`. MLX: `ones_like` with a dtype.", "If memory is exhausted."),
        row("mlx_zeros_like_dtype", "zeros_like_dtype", "Zeros of the shape of `a` as `dtype`. MLX: `zeros_like` with a dtype.", "If memory is exhausted."),
        row("mlx_pad_symmetric", "pad_symmetric", "`pad_width` elements added on every side: `pad_value`, or the nearest element. MLX: `pad` with\none number. The value has no gradient, see [`crate::ops::pad`].", "If the width is negative, or the value not one number.")
            .check("crate::ops::check_pad(OP, a, pad_width, pad_value)?; let pad_value = &crate::ops::stop_gradient(pad_value)?;").types(&[("mode", "PadMode")]),
        row("mlx_positive", "positive", "The elements as they are, `[..] -> [..]`. MLX: `positive`.", "If memory is exhausted."),
        row("mlx_searchsorted", "searchsorted", "Where each of `values` would go into the sorted sequence (its last axis), before or after equal\nones, as uint32. MLX: `searchsorted`.", SHAPES).types(&[("side", "Side")]),
        row("mlx_segmented_mm", "segmented_mm", "`a[:, from..to] @ b[from..to, :]` for each pair in `segments`,\n`[m, k], [k, n], [.., 2] -> [.., m, n]`; pairs beyond `k` are cut. MLX: `segmented_mm`.", SHAPES)
            .check("let segments = &crate::ops::within(OP, segments, a.dim(-1).map_err(|e| e.renamed(OP))?)?;\ncrate::ops::check_inner(OP, a, b)?;\nif segments.size() == 0 {\nlet shape = [&segments.shape()[..segments.ndim().saturating_sub(1)], &[a.shape()[0], b.shape()[1]]].concat();\nreturn crate::ops::zeros(&shape, a.dtype());\n}"),
        row("mlx_trace", "trace", "The sum of the main diagonal of the first two axes, `[n, m, ..] -> [..]`. MLX: `trace`.", "If there are fewer than two axes.")
            .check("if let Some(nothing) = crate::ops::empty_trace(OP, a, 0, [0, 1], a.dtype())? {\nreturn Ok(nothing);\n}"),
        row("mlx_trace_axes", "trace_axes", "The sum of the diagonals `offset` above the main one of the matrices along two axes, as `dtype`.\nMLX: `trace`.", "If an axis does not exist, or both are the same.")
            .check("let size = a.shape().iter().copied().max().unwrap_or(0);\nlet offset = offset.clamp(-size, size);\nif let Some(nothing) = crate::ops::empty_trace(OP, a, offset, [axis1, axis2], dtype)? {\nreturn Ok(nothing);\n}"),
        row("mlx_tensordot_axis", "tensordot_axis", "The sum of products over the last `axis` axes of `a` and the first of `b`. MLX: `tensordot` with a\nnumber.", "If there are not as many axes, or they differ in size.")
            .check("crate::ops::check_count(OP, axis, a, b)?;"),
    ],
};
