//! The kernels of gated linear units of a joined product.
//!
//! Tests: `mlx-models --test native_kernels`.

use crate::kernels::launch::{pieces, Kernel, Launch};
use crate::kernels::select::{is_packs, pack};
use crate::{ops, transforms, Array, Dtype, Result};

const GATED: Kernel = Kernel {
    name: "gated",
    inputs: &["gates"],
    outputs: &["y"],
    header: &[include_str!("gated.cuh")],
    body: include_str!("gated.cu"),
};
const GATED_VJP: Kernel = Kernel {
    name: "gated_vjp",
    inputs: &["gates", "dy"],
    outputs: &["dgates"],
    header: &[include_str!("gated.cuh")],
    body: include_str!("gated_vjp.cu"),
};

/// `silu(g) * u`, or `gelu_approx(g) * u`, of `gates [.., 2 F]` that hold `g` and `u` side by side
/// -> `[.., F]`. `None` if `F` is no multiple of a pack.
pub(super) fn gated(gates: &Array, gelu: bool) -> Option<Result<Array>> {
    let (width, batch) = gates.shape().split_last()?;
    let size = width / 2;
    if width % 2 != 0 || !is_packs(size, gates.dtype()) || gates.size() == 0 {
        return None;
    }
    let mut shape = batch.to_vec();
    shape.push(size);
    Some(unit(gates, shape, gelu))
}

fn unit(gates: &Array, shape: Vec<i32>, gelu: bool) -> Result<Array> {
    let dtype = gates.dtype();
    let size = shape.last().copied().unwrap_or(0);
    let flat = ops::reshape(gates, &[-1, 2 * size])?;
    let values = gates.size() / 2;
    let there = call(dtype, size, gelu, values).output(&shape, dtype);
    if !transforms::is_differentiating() {
        return Ok(GATED.launch(&[&flat], &there)?.swap_remove(0));
    }
    let flat_shape = flat.shape().to_vec();
    let back = call(dtype, size, gelu, values).output(&flat_shape, dtype);
    let op = transforms::custom_vjp(
        move |p| GATED.launch(&[&p[0]], &there),
        move |p, by, _| {
            let by = ops::astype(&by[0], dtype)?;
            GATED_VJP.launch(&[&p[0], &by], &back)
        },
    );
    Ok(op.call(&[flat])?.swap_remove(0))
}

fn call(dtype: Dtype, size: i32, gelu: bool, values: usize) -> Launch {
    let rows = values / usize::try_from(size).unwrap_or(1).max(1);
    let each = usize::try_from(pack(dtype)).unwrap_or(1);
    pieces(values / each)
        .dtype("T", dtype)
        .constant("F", size)
        .flag("GELU", gelu)
        .number("rows", i32::try_from(rows).unwrap_or(i32::MAX))
}
