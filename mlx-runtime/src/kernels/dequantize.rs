//! Unpacks packed matrices.
//!
//! Tests: `mlx-models --test native_kernels`, unit tests below.

use mlx_macros::mlx_kernel;

use super::select;
use crate::{ops, Array, Dtype, Result};

/// Words of groups, each group with a scale and a bias.
#[mlx_kernel]
fn unpacked_2(
    words: Tensor![G, W, 1; u32],
    #[frozen] scale: Tensor![G, 1, 1],
    #[frozen] bias: Tensor![G, 1, 1],
) -> Tensor![G, W, 16] {
    let bits = bitwise_and(right_shift(words, arange(16, dtype = u32) * 2), full([1], 3, u32));
    astype(bits, float) * scale + bias
}

#[mlx_kernel]
fn unpacked_4(
    words: Tensor![G, W, 1; u32],
    #[frozen] scale: Tensor![G, 1, 1],
    #[frozen] bias: Tensor![G, 1, 1],
) -> Tensor![G, W, 8] {
    let bits = bitwise_and(right_shift(words, arange(8, dtype = u32) * 4), full([1], 15, u32));
    astype(bits, float) * scale + bias
}

#[mlx_kernel]
fn unpacked_8(
    words: Tensor![G, W, 1; u32],
    #[frozen] scale: Tensor![G, 1, 1],
    #[frozen] bias: Tensor![G, 1, 1],
) -> Tensor![G, W, 4] {
    let bits = bitwise_and(right_shift(words, arange(4, dtype = u32) * 8), full([1], 255, u32));
    astype(bits, float) * scale + bias
}

/// MLX's affine quantisation of a matrix, `w [out, in * bits / 32]`, `scales` and `biases`
/// `[out, in / group_size]` -> `[out, in]` in `dtype`; there is no gradient. With `round` products and
/// sums are first rounded to the dtype of the scales, as MLX's CPU does. `None` unless one kernel does it,
/// for which `bits` is 2, 4 or 8; [`crate::ops::packed::unpack`] composes it.
pub(crate) fn dequantize(
    parts: [&Array; 3],
    group_size: i32,
    bits: i32,
    dtype: Dtype,
    round: bool,
) -> Option<Result<Array>> {
    let [w, scales, _] = parts;
    let fits = matches!(bits, 2 | 4 | 8)
        && w.ndim() == 2
        && select::is_float(dtype)
        && group_size % (32 / bits) == 0
        && w.size() > 0
        && select::on_cuda(scales);
    fits.then(|| unpacked(parts, group_size, bits, dtype, round))
}

fn unpacked(
    [w, scales, biases]: [&Array; 3],
    group_size: i32,
    bits: i32,
    dtype: Dtype,
    round: bool,
) -> Result<Array> {
    let words = ops::reshape(w, &[-1, group_size / (32 / bits), 1])?;
    // Computed in float32, whatever the arrays hold, and rounded once where all are of one type.
    let within = match scales.dtype() == dtype || round {
        true => scales.dtype(),
        false => Dtype::Float32,
    };
    let per_group = |a: &Array| ops::reshape(&ops::astype(a, within)?, &[-1, 1, 1]);
    let (scales, biases) = (per_group(scales)?, per_group(biases)?);
    let kernel = match bits {
        2 => unpacked_2,
        4 => unpacked_4,
        _ => unpacked_8,
    };
    let values = match round {
        false => kernel(&words, &scales, &biases)?,
        true => {
            let products = kernel(&words, &scales, &ops::zeros_like(&biases)?)?;
            ops::add(&products, &biases)?
        }
    };
    ops::astype(&ops::reshape(&values, &[w.dim(0)?, -1])?, dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{set_default_device, Device};
    use crate::ops::packed::{self, Quantization};
    use crate::random;

    #[test]
    fn values_are_those_of_mlx() -> Result<()> {
        set_default_device(Device::cpu())?;
        for bits in [2, 4, 8] {
            for (scales, dtype) in [
                (Dtype::Float32, Dtype::Float32),
                (Dtype::Bfloat16, Dtype::Bfloat16),
                (Dtype::Float16, Dtype::Float32),
                (Dtype::Float32, Dtype::Bfloat16),
            ] {
                let w = random::normal(&[5, 128], scales, 0.0, 1.0, None)?;
                let how = Quantization::Affine {
                    group_size: 32,
                    bits,
                };
                let parts = packed::pack(&w, how, None)?;
                let biases = parts.biases.as_ref().expect("affine weights have biases");
                let all = [&parts.weight, &parts.scales, biases];
                let wanted = ops::astype(&packed::unpack(&parts, how, None, None)?, dtype)?;
                let exact = unpacked(all, 32, bits, dtype, true)?;
                assert!(ops::array_equal(&exact, &wanted, false)?.item::<bool>()?);
                let once = unpacked(all, 32, bits, dtype, false)?;
                let wide = |a: &Array| ops::astype(a, Dtype::Float32);
                let close = ops::allclose(&wide(&once)?, &wide(&wanted)?, 1e-2, 1e-2, false)?;
                assert!(close.item::<bool>()?, "{bits} {scales:?} {dtype:?}");
            }
        }
        Ok(())
    }
}
