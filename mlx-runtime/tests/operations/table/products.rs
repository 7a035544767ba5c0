//! Products, convolutions and packed weights.

use mlx_runtime::ops::packed::{self, Chosen, Quantization};
use mlx_runtime::{ops, Array, Result};

use super::{plain, rows, Operation};
use crate::generate::Generate;

const WIDE: (f64, f64) = (-2.0, 2.0);

fn how(g: &mut Generate) -> Quantization {
    g.pick(&[
        Quantization::Affine {
            group_size: 32,
            bits: 4,
        },
        Quantization::Affine {
            group_size: 32,
            bits: 8,
        },
        Quantization::Mxfp4,
        Quantization::Mxfp8,
        Quantization::Nvfp4,
    ])
}

/// Weights that are constants of the function, packed.
fn weights(g: &mut Generate, shape: &[i32], how: Quantization) -> Result<packed::Packed> {
    let n: i32 = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|_| g.unit() as f32 - 0.5).collect();
    packed::pack(&Array::from_slice(&values, shape)?, how, None)
}

fn affine(g: &mut Generate, shape: &[i32]) -> Result<[Array; 3]> {
    let w = weights(
        g,
        shape,
        Quantization::Affine {
            group_size: 32,
            bits: 4,
        },
    )?;
    Ok([
        w.weight,
        w.scales,
        w.biases.expect("the affine mode has biases"),
    ])
}

pub fn add(all: &mut Vec<Operation>) {
    plain! { all, Single, WIDE, "~aw ~wb"; matmul(0, 1) }
    plain! { all, Smooth, WIDE, "~ab ~bc"; matmul(0, 1) }
    plain! { all, Smooth, WIDE, "b ~bc"; matmul(0, 1) }
    plain! { all, Smooth, WIDE, "~ab b"; matmul(0, 1) }
    plain! { all, Smooth, WIDE, "*a ba"; inner(0, 1) }
    plain! { all, Smooth, WIDE, "* *"; outer(0, 1) }
    plain! { all, Smooth, WIDE, "ab c"; kron(0, 1) }
    plain! { all, Smooth, WIDE, "ab cd"; kron(0, 1) }
    rows! { all, Smooth, WIDE;
        "vecdot" "~a ~a" => |x, g| ops::vecdot(&x[0], &x[1], -1);
        "addmm" "c ~ab bc" => |x, g| ops::addmm(&x[0], &x[1], &x[2], g.float(-1.0, 1.0) as f32, g.float(-1.0, 1.0) as f32);
        "addmm" "ac ab bc" => |x, g| ops::addmm(&x[0], &x[1], &x[2], 0.5, 2.0);
        "tensordot" "abc dcb" => |x, g| ops::tensordot(&x[0], &x[1], &[1, 2], &[2, 1]);
        "tensordot_axis" "ab bc" => |x, g| ops::tensordot_axis(&x[0], &x[1], g.size(0, 1));
        "einsum" "ab bc" => |x, g| ops::einsum(g.pick(&["ij,jk->ki", "ij,jk->i", "ij,jk->", "ij,jk"]), &[&x[0], &x[1]]);
        "einsum" "aab" => |x, g| ops::einsum("iij->ij", &[&x[0]]);
    }
    rows! { all, Single, WIDE;
        "gather_mm" "eab fbc i:d i:d" => |x, g| ops::gather_mm(&x[0], &x[1], Some(&x[2]), Some(&x[3]), false);
        "gather_mm" "eab ebc" => |x, g| ops::gather_mm(&x[0], &x[1], None, None, g.bool());
        "gather_mm" "ab fbc i:d" => |x, g| ops::gather_mm(&x[0], &x[1], None, Some(&x[2]), false);
        "segmented_mm" "ab bc i:d2" => |x, g| ops::segmented_mm(&x[0], &x[1], &x[2]);
        "block_masked_mm" "abw awc" => |x, g| ops::block_masked_mm(&x[0], &x[1], 32, None, None, None);
        "block_masked_mm" "aw wb b:11" => |x, g| ops::block_masked_mm(&x[0], &x[1], 32, Some(&x[2]), None, None);
        "hadamard_transform" "*4" => |x, g| ops::hadamard_transform(&x[0], g.bool().then_some(0.5));
        "hadamard_transform" "*a" => |x, g| ops::hadamard_transform(&x[0], None);
        "conv1d" "nac o1c" => |x, g| ops::conv1d(&x[0], &x[1], g.size(1, 2), g.size(0, 2), g.size(1, 2), 1);
        "conv1d" "n4c okc" => |x, g| ops::conv1d(&x[0], &x[1], g.size(1, 2), g.size(1, 2), 1, 1);
        "conv1d" "n44 4k2" => |x, g| ops::conv1d(&x[0], &x[1], g.size(1, 2), 2, 1, 2);
        "conv2d" "n34c o2kc" => |x, g| ops::conv2d(&x[0], &x[1], (g.size(1, 2), g.size(1, 2)), (g.size(0, 2), 2), (1, 1), 1);
        "conv3d" "n123c o21kc" => |x, g| ops::conv3d(&x[0], &x[1], (1, g.size(1, 2), 1), (g.size(0, 1), 0, 2), (1, 1, 1), 1);
        "conv_general" "n4c okc" => |x, g| ops::conv_general(&x[0], &x[1], &[g.size(1, 2)], &[g.size(0, 2)], &[2], &[g.size(1, 2)], &[g.size(1, 2)], 1, g.bool());
        "conv_general" "nac o1c" => |x, g| ops::conv_general(&x[0], &x[1], &[g.size(1, 3)], &[0], &[g.size(0, 2)], &[1], &[g.size(1, 2)], 1, g.bool());
        "conv_transpose1d" "nac okc" => |x, g| ops::conv_transpose1d(&x[0], &x[1], g.size(1, 2), g.size(0, 1), 1, g.size(0, 1), 1);
        "conv_transpose2d" "n23c o2kc" => |x, g| ops::conv_transpose2d(&x[0], &x[1], (g.size(1, 2), 1), (0, 0), (1, 1), (0, 0), 1);
        "conv_transpose3d" "122c1 12k2c" => |x, g| ops::conv_transpose3d(&ops::moveaxis(&x[0], 3, 4)?, &x[1], (1, 1, 1), (0, 0, 0), (1, 1, 1), (0, 0, 0), 1);
        "quantized_matmul" "*aw" => |x, g| {
            let [w, s, b] = affine(g, &[32, 32])?;
            ops::quantized_matmul(&x[0], &w, &s, &b, g.bool(), 32, 4)
        };
        "packed_matmul" "*aw" => |x, g| { let how = how(g); let w = weights(g, &[32, 32], how)?; packed::packed_matmul(&x[0], &w, g.bool(), how) };
        "gather_qmm" "eaw i:d" => |x, g| {
            let how = how(g);
            let w = weights(g, &[3, 32, 32], how)?;
            packed::gather_qmm(&x[0], &w, Chosen { lhs: None, rhs: Some(&x[1]), sorted: false }, g.bool(), how)
        };
        "dequantize" "a" => |x, g| {
            let [w, s, b] = affine(g, &[4, 32])?;
            ops::add(&ops::dequantize(&w, &s, &b, 32, 4)?, &ops::sum(&x[0], &[], false)?)
        };
    }
    rows! { all, Called, WIDE;
        "quantize" "*ax" => |x, g| ops::quantize(&x[0], g.pick(&[32, 64, 128]), g.pick(&[2, 3, 4, 5, 6, 8]));
        "quantize" "*ab" => |x, g| ops::quantize(&x[0], g.size(32, 64), g.size(2, 8));
        "pack" "*ax" => |x, g| { let how = how(g); let p = packed::pack(&x[0], how, None)?; packed::unpack(&p, how, None, None) };
        "qqmm" "ax bx" => |x, g| packed::qqmm(&x[0], packed::RightSide { weight: &x[1], scales: None, global_scales: None }, how(g));
        "gather_qqmm" "eax ebx i:d i:d" => |x, g| packed::gather_qqmm(&x[0], packed::RightSide { weight: &x[1], scales: None, global_scales: None },
            Chosen { lhs: Some(&x[2]), rhs: Some(&x[3]), sorted: false }, how(g));
        "quantized_matmul" "*ab" => |x, g| {
            let rows = g.pick(&[0, 1, 32]);
            let [w, s, b] = affine(g, &[rows, 32])?;
            ops::quantized_matmul(&x[0], &w, &s, &b, g.bool(), 32, 4)
        };
        "einsum" "ab cd" => |x, g| ops::einsum(g.pick(&["ij,kl->ijkl", "ij,ji->", "ij,ij->ij", "i,j", "ij,jk->kk", "", "->", "iij,j"]), &[&x[0], &x[1]]);
        "tensordot" "ab cd" => |x, g| { let (i, j) = (g.axes(&x[0]), g.axes(&x[1])); ops::tensordot(&x[0], &x[1], &i, &j) };
        "vecdot" "*a *b" => |x, g| ops::vecdot(&x[0], &x[1], g.axis(&x[0]));
        "conv1d" "abc def" => |x, g| ops::conv1d(&x[0], &x[1], g.size(0, 3), g.size(0, 3), g.size(0, 3), g.size(0, 3));
        "conv2d" "abcd efgh" => |x, g| ops::conv2d(&x[0], &x[1], (g.size(1, 3), g.size(1, 3)), (g.size(0, 2), g.size(0, 2)), (g.size(1, 2), g.size(1, 2)), g.size(1, 3));
        "conv_general" "abc def" => |x, g| ops::conv_general(&x[0], &x[1], &[g.size(1, 3)], &[g.size(0, 2)], &[g.size(0, 2)], &[g.size(1, 2)], &[g.size(1, 2)], g.size(1, 2), g.bool());
        "conv_transpose1d" "abc def" => |x, g| ops::conv_transpose1d(&x[0], &x[1], g.size(1, 3), g.size(0, 2), g.size(1, 2), g.size(0, 2), g.size(1, 2));
    }
}
