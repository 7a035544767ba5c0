use super::{row, File, Row};

const GROUP: &str = "If the group's backend cannot.";

const fn collective(c: &'static str, name: &'static str, doc: &'static str) -> Row {
    row(c, name, doc, GROUP)
}

pub const FILE: File = File {
    name: "distributed",
    doc: "Collective operations.",
    uses: "use mlx_sys as sys;\n\nuse crate::array::build;\nuse crate::distributed::Group;\nuse crate::{Array, Dtype, Result};",
    rows: &[
        collective("mlx_distributed_all_gather", "all_gather", "The arrays of all processes one after the other along the first axis.\nMLX: `distributed.all_gather`."),
        collective("mlx_distributed_all_max", "all_max", "The largest of the processes' elements, `[..] -> [..]`. MLX: `distributed.all_max`."),
        collective("mlx_distributed_all_min", "all_min", "The smallest of the processes' elements, `[..] -> [..]`. MLX: `distributed.all_min`."),
        collective("mlx_distributed_all_sum", "all_sum", "The sum of the processes' elements, `[..] -> [..]`. MLX: `distributed.all_sum`."),
        row("mlx_distributed_recv", "recv", "The array of `shape` and `dtype` that process `src` sends. MLX: `distributed.recv`.", "If a dimension is negative, there is no such process, or the group is of one process.").check("crate::ops::check_new_shape(OP, shape)?;"),
        row("mlx_distributed_recv_like", "recv_like", "[`recv`] with the shape and dtype of `x`. MLX: `distributed.recv_like`.", "If there is no such process, or the group is of one process."),
        row("mlx_distributed_send", "send", "Sends `x` to process `dst` when the result, which is `x`, is evaluated.\nMLX: `distributed.send`.", "If there is no such process, or the group is of one process."),
        collective("mlx_distributed_sum_scatter", "sum_scatter", "This process' part along the first axis of the sum over all processes.\nMLX: `distributed.sum_scatter`."),
    ],
};
