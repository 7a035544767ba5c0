//! Weights in eight-bit floats that share scales, as DeepSeek, Qwen and compressed-tensors write them: beside
//! `x.weight` lies `x.weight_scale_inv` or `x.weight_scale`, one number for the tensor, for each of its rows, or for
//! each block of it. Both names mean a factor of the weights.
//!
//! Tests: unit tests below.

use std::collections::HashMap;

use crate::{ops, Array, Dtype, Result};

const SCALES: [&str; 2] = ["weight_scale_inv", "weight_scale"];

/// Names of tensors that would change the weights further, and are not supported.
const UNKNOWN: [&str; 4] = [
    "weight_zero_point",
    "weight_scale_2",
    "weight_global_scale",
    "weight_g_idx",
];

/// Puts the product of weights and scales in the place of the weights; the scales go. Blocks are of `block` rows and
/// columns, or as many as the grid of scales divides the weight into. The error says which tensor is wrong.
pub(super) fn apply(
    all: &mut HashMap<String, Array>,
    block: [i32; 2],
) -> std::result::Result<(), String> {
    let stems = all.keys().filter_map(|name| name.strip_suffix("weight"));
    let mut stems: Vec<String> = stems.map(str::to_owned).collect();
    stems.sort_unstable();
    for stem in stems {
        let name = format!("{stem}weight");
        if let Some(other) = UNKNOWN
            .iter()
            .find(|u| all.contains_key(&format!("{stem}{u}")))
        {
            return Err(format!(
                "unsupported quantisation: {stem}{other} beside {name}"
            ));
        }
        for scale in SCALES {
            let Some(scales) = all.remove(&format!("{stem}{scale}")) else {
                continue;
            };
            let Some(weight) = all.get_mut(&name) else {
                continue;
            };
            if !is_float(weight.dtype()) {
                return Err(format!(
                    "expected 8-bit floats beside the scales {stem}{scale}, found {name} of {:?}",
                    weight.dtype()
                ));
            }
            let grid = expanded_by(weight.shape(), scales.shape(), block).ok_or_else(|| {
                format!(
                    "expected {stem}{scale} with one value for each block of {2} x {3} of {name} {1:?}, found shape {0:?}",
                    scales.shape(),
                    weight.shape(),
                    block[0],
                    block[1]
                )
            })?;
            *weight = scaled(weight, &scales, &grid).map_err(|e| format!("{name}: {e}"))?;
        }
    }
    Ok(())
}

pub(super) fn is_float(dtype: Dtype) -> bool {
    matches!(
        dtype,
        Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32 | Dtype::Float64
    )
}

/// For each axis of the weight, the number of scales and the number of values in a row that share one; `None` if the
/// shapes do not belong together. A single scale needs neither.
fn expanded_by(weight: &[i32], scales: &[i32], block: [i32; 2]) -> Option<Vec<(i32, i32)>> {
    if scales.iter().all(|&n| n == 1) {
        return Some(Vec::new());
    }
    // One for each row.
    let rows = [scales, &[1]].concat();
    let scales = match scales.len() + 1 == weight.len() {
        true => &rows,
        false => scales,
    };
    if scales.len() != weight.len() || weight.len() < 2 {
        return None;
    }
    let matrix = weight.len() - 2;
    let sizes = weight.iter().zip(scales).enumerate();
    let share = sizes.map(|(axis, (&size, &count))| {
        let block = match axis.checked_sub(matrix) {
            Some(i) => block[i],
            None => 1,
        };
        if count < 1 || size < 1 {
            None
        } else if (size - 1) / block + 1 == count {
            Some((count, block))
        } else if size % count == 0 {
            Some((count, size / count))
        } else {
            None
        }
    });
    share.collect()
}

/// The product in float32.
fn scaled(weight: &Array, scales: &Array, grid: &[(i32, i32)]) -> Result<Array> {
    // Bytes are exponents (MX), whatever the file calls them.
    let mut scales = match scales.dtype() {
        Dtype::Uint8 => crate::io::powers_of_two(scales)?,
        _ => scales.clone(),
    };
    scales = ops::astype(&scales, Dtype::Float32)?;
    if grid.is_empty() {
        scales = ops::reshape(&scales, &[])?;
    } else {
        let counts: Vec<i32> = grid.iter().map(|(count, _)| *count).collect();
        scales = ops::reshape(&scales, &counts)?;
        for (axis, (&(count, share), &size)) in grid.iter().zip(weight.shape()).enumerate() {
            if count > 1 && share > 1 {
                scales = ops::repeat(&scales, share, axis as i32)?;
            }
            if count > 1 && count * share > size {
                let mut stop = scales.shape().to_vec();
                stop[axis] = size;
                scales = ops::slice(&scales, &vec![0; stop.len()], &stop, &vec![1; stop.len()])?;
            }
        }
    }
    ops::multiply(&ops::astype(weight, Dtype::Float32)?, &scales)
}

#[cfg(test)]
mod tests {
    use super::expanded_by;

    #[test]
    fn blocks_follow_from_the_shapes() {
        let by = |w: &[i32], s: &[i32]| expanded_by(w, s, [128, 128]);
        assert_eq!(by(&[576, 192], &[]), Some(vec![]));
        assert_eq!(by(&[576, 192], &[1, 1]), Some(vec![]));
        assert_eq!(by(&[576, 192], &[576]), Some(vec![(576, 1), (1, 192)]));
        assert_eq!(by(&[576, 192], &[576, 1]), Some(vec![(576, 1), (1, 192)]));
        // The last block is cut off; it is not two halves.
        assert_eq!(by(&[576, 192], &[5, 2]), Some(vec![(5, 128), (2, 128)]));
        assert_eq!(by(&[576, 192], &[18, 6]), Some(vec![(18, 32), (6, 32)]));
        assert_eq!(by(&[576, 192], &[7, 2]), None);
        assert_eq!(by(&[576, 192], &[2, 5, 2]), None);
        assert_eq!(by(&[576], &[5]), None);
    }
}
