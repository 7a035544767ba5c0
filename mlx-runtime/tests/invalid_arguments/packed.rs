//! Packed weights.

use mlx_runtime::ops::packed::{self, Chosen, Packed, Quantization, RightSide};
use mlx_runtime::Dtype;

use super::{arrays, run};

#[test]
fn packed_weights_of_every_kind() {
    let all = arrays();
    let modes = [
        Quantization::default(),
        Quantization::Affine {
            group_size: 0,
            bits: 4,
        },
        Quantization::Affine {
            group_size: 64,
            bits: i32::MAX,
        },
        Quantization::Mxfp4,
        Quantization::Mxfp8,
        Quantization::Nvfp4,
    ];
    for how in modes {
        for a in &all {
            run("pack", || Ok(packed::pack(a, how, Some(a))?.weight));
            run("pack", || Ok(packed::pack(a, how, None)?.weight));
            for b in &all {
                for biases in [None, Some(b.clone())] {
                    let w = Packed {
                        weight: a.clone(),
                        scales: b.clone(),
                        biases,
                    };
                    run("unpack", || {
                        packed::unpack(&w, how, None, Some(Dtype::Float32))
                    });
                    run("packed_matmul", || packed::packed_matmul(a, &w, true, how));
                    run("packed_matmul", || packed::packed_matmul(b, &w, false, how));
                    let chosen = Chosen {
                        lhs: Some(a),
                        rhs: Some(b),
                        sorted: true,
                    };
                    run("gather_qmm", || {
                        packed::gather_qmm(a, &w, chosen, true, how)
                    });
                    let right = RightSide {
                        weight: a,
                        scales: Some(b),
                        global_scales: None,
                    };
                    run("qqmm", || packed::qqmm(b, right, how));
                    run("gather_qqmm", || packed::gather_qqmm(b, right, chosen, how));
                    let right = RightSide {
                        weight: a,
                        scales: None,
                        global_scales: Some((a, b)),
                    };
                    run("qqmm", || packed::qqmm(b, right, how));
                    run("gather_qqmm", || {
                        packed::gather_qqmm(b, right, Chosen::default(), how)
                    });
                }
            }
        }
    }
}
