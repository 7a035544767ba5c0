use super::{row, File, Row};

const SHAPES: &str =
    "If the shapes do not fit together, an axis does not exist, or the indices are not integers.";
const MANY: &str = "let indices = &starts_of_updates(OP, a, indices, updates, axes)?;\nlet indices = &indices.iter().collect::<Vec<_>>()[..];\nif updates.size() == 0 {\nreturn Ok(a.clone());\n}";
const SINGLE: &str = "let indices = &start_of_updates(OP, a, indices, updates, axis)?;\nif updates.size() == 0 {\nreturn Ok(a.clone());\n}";
const SLICE: &str =
    "let Bounds { start, stop, strides } = slice_bounds(OP, src, start, stop, strides)?;";

const fn many(c: &'static str, name: &'static str, doc: &'static str) -> Row {
    row(c, name, doc, SHAPES).check(MANY)
}

const fn single(c: &'static str, name: &'static str, doc: &'static str) -> Row {
    row(c, name, doc, SHAPES).check(SINGLE)
}

const fn update(c: &'static str, name: &'static str, doc: &'static str) -> Row {
    row(
        c,
        name,
        doc,
        "As [`crate::ops::slice()`], and if `update` does not broadcast to the slice.",
    )
    .check(SLICE)
}

pub const FILE: File = File {
    name: "scatter",
    doc: "Slices read from and written to places that arrays say.",
    uses: "use mlx_sys as sys;\n\nuse crate::array::build;\nuse crate::handles::VectorArray;\nuse crate::ops::index::{slice_bounds, Bounds};\nuse crate::ops::starts::{start_of_slice, start_of_update, start_of_updates, starts_of_slices, starts_of_updates, single_start};\nuse crate::{Array, Result};",
    rows: &[
        row("mlx_gather", "gather", "The slices of `slice_sizes` that begin where `indices`, one array for each of `axes`, say:\n`[idx.., slice_sizes..]`. A slice that would leave the array is moved into it. MLX: `gather` of its\nC++ API.", SHAPES)
            .check("let indices = &starts_of_slices(OP, a, indices, axes, slice_sizes)?;\nlet indices = &indices.iter().collect::<Vec<_>>()[..];"),
        row("mlx_gather_single", "gather_single", "[`gather`] along one axis.", SHAPES)
            .check("let indices = &single_start(OP, a, indices, axis, slice_sizes)?;"),
        many("mlx_scatter", "scatter", "`a` with the slices that begin where `indices`, one array for each of `axes`, say replaced by\n`updates`, `[idx.., slice..]`. A slice that would leave the array is moved into it. Which one stays\nwhere two overlap is not said. MLX: `scatter` of its C++ API."),
        single("mlx_scatter_single", "scatter_single", "[`scatter`] along one axis."),
        many("mlx_scatter_add", "scatter_add", "As [`scatter`], adding to what is there."),
        single("mlx_scatter_add_single", "scatter_add_single", "[`scatter_add`] along one axis."),
        many("mlx_scatter_max", "scatter_max", "As [`scatter`], keeping what is larger."),
        single("mlx_scatter_max_single", "scatter_max_single", "[`scatter_max`] along one axis."),
        many("mlx_scatter_min", "scatter_min", "As [`scatter`], keeping what is smaller."),
        single("mlx_scatter_min_single", "scatter_min_single", "[`scatter_min`] along one axis."),
        many("mlx_scatter_prod", "scatter_prod", "As [`scatter`], multiplying what is there."),
        single("mlx_scatter_prod_single", "scatter_prod_single", "[`scatter_prod`] along one axis."),
        row("mlx_slice_dynamic", "slice_dynamic", "The slice of `slice_size` (one entry for each axis) that begins at `start` (one number for each of\n`axes`; 0 for the others). One that would leave the array is moved into it. MLX: `slice` with an\narray.", SHAPES)
            .check("let start = &start_of_slice(OP, a, start, axes, slice_size)?;"),
        row("mlx_slice_update_dynamic", "slice_update_dynamic", "`src` with the slice that begins at `start` (one number for each of `axes`) replaced by `update`.\nOne that would leave the array is moved into it. MLX: `slice_update` with an array.", SHAPES)
            .check("let start = &start_of_update(OP, src, start, axes, update)?;"),
        update("mlx_slice_update_add", "slice_update_add", "`src` with `update` added to the slice. MLX: `src.at[..].add`."),
        update("mlx_slice_update_max", "slice_update_max", "`src` with the slice's elements or those of `update`, whichever are larger.\nMLX: `src.at[..].maximum`."),
        update("mlx_slice_update_min", "slice_update_min", "`src` with the slice's elements or those of `update`, whichever are smaller.\nMLX: `src.at[..].minimum`."),
        update("mlx_slice_update_prod", "slice_update_prod", "`src` with the slice multiplied by `update`. MLX: `src.at[..].multiply`."),
    ],
};
