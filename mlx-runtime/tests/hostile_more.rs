//! As `hostile.rs`, for transforms, decompositions, gathers, scatters, windows, random numbers,
//! quantisation and collectives: no argument ends the process.

use mlx_runtime::fft::Norm;
use mlx_runtime::linalg::Triangle;
use mlx_runtime::ops::fast;
use mlx_runtime::ops::packed::{self, Chosen, Packed, Quantization, RightSide};
use mlx_runtime::ops::{self, Indexing, PadMode, Side};
use mlx_runtime::{distributed, fft, linalg, random, transforms, Array, Dtype, Result};

fn arrays() -> Vec<Array> {
    let zeros = |shape: &[i32], dtype| ops::zeros(shape, dtype).unwrap();
    let count = ops::arange(0.0, 24.0, 1.0, Dtype::Float32).unwrap();
    vec![
        Array::scalar(2.5f32).unwrap(),
        Array::scalar(-1i32).unwrap(),
        zeros(&[0], Dtype::Float32),
        zeros(&[0, 3], Dtype::Bfloat16),
        zeros(&[2, 0, 3], Dtype::Int32),
        zeros(&[3, 0, 0], Dtype::Float32),
        zeros(&[1], Dtype::Bool),
        Array::from_slice(&[-9i32, 100], &[2]).unwrap(),
        zeros(&[2, 3], Dtype::Uint32),
        zeros(&[3, 3], Dtype::Float32),
        Array::from_slice(&[f32::NAN, f32::INFINITY, 1.0, -1.0], &[2, 2]).unwrap(),
        ops::reshape(&count, &[2, 3, 4]).unwrap(),
        ops::transpose(&ops::reshape(&count, &[4, 6]).unwrap(), &[]).unwrap(),
        ops::astype(&count, Dtype::Int64).unwrap(),
        ops::astype(&count, Dtype::Complex64).unwrap(),
    ]
}

const INTS: [i32; 9] = [i32::MIN, -100, -2, -1, 0, 1, 2, 100, i32::MAX];

fn lists() -> Vec<Vec<i32>> {
    INTS.iter()
        .map(|&i| vec![i])
        .chain([
            vec![],
            vec![0, 0],
            vec![0, 1],
            vec![-1, 1, 0],
            vec![1, 2, 3],
            vec![1; 20],
        ])
        .collect()
}

/// Evaluates the array of `result`, unless it is too large: that is fine as a graph.
fn run(what: &str, result: impl FnOnce() -> Result<Array>) {
    run_all(what, || Ok(vec![result()?]));
}

fn run_two(what: &str, result: impl FnOnce() -> Result<(Array, Array)>) {
    run_all(what, || result().map(|(a, b)| vec![a, b]));
}

/// With HOSTILE_TRACE set, says which case is next, so that one that dies is known.
fn run_all(what: &str, result: impl FnOnce() -> Result<Vec<Array>>) {
    if std::env::var_os("HOSTILE_TRACE").is_some() {
        eprintln!("{what}");
    }
    for a in result().unwrap_or_default().into_iter().take(8) {
        if a.nbytes() < 1 << 24 {
            let _ = a.eval();
        }
    }
}

#[test]
fn transforms_and_decompositions() {
    for a in arrays() {
        for &n in &INTS {
            let n = n.min(100);
            for axis in [-2, -1, 0, 7] {
                for f in [fft::fft, fft::ifft, fft::rfft, fft::irfft] {
                    run("fft", || f(&a, n, axis, Norm::Ortho));
                }
            }
            run("diff", || ops::diff(&a, n, -1));
        }
        for list in lists().iter().filter(|l| l.iter().all(|n| *n <= 100)) {
            for axes in lists() {
                for f in [
                    fft::fftn,
                    fft::ifftn,
                    fft::rfftn,
                    fft::irfftn,
                    fft::fft2,
                    fft::irfft2,
                ] {
                    run("fftn", || f(&a, list, &axes, Norm::Backward));
                }
            }
            run("fftshift", || fft::fftshift(&a, list));
            run("ifftshift", || fft::ifftshift(&a, list));
            for ord in [0.0, 1.0, -1.0, 2.0, f64::INFINITY, f64::NAN] {
                run("norm", || linalg::norm(&a, ord, Some(list), true));
            }
            run("norm_matrix", || {
                linalg::norm_matrix(&a, "nuc", Some(list), false)
            });
            run("norm_l2", || linalg::norm_l2(&a, Some(list), false));
        }
        run("norm", || linalg::norm(&a, 2.0, None, false));
        run("norm_matrix", || linalg::norm_matrix(&a, "%s", None, false));
        run("norm_matrix", || {
            linalg::norm_matrix(&a, "fro", None, false)
        });
        for upper in [false, true] {
            run("cholesky", || linalg::cholesky(&a, upper));
            run("cholesky_inv", || linalg::cholesky_inv(&a, upper));
            run("tri_inv", || linalg::tri_inv(&a, upper));
            run_all("svd", || linalg::svd(&a, upper));
        }
        for f in [linalg::det, linalg::inv, linalg::pinv, linalg::eigvals] {
            run("square", || f(&a));
        }
        run("eigvalsh", || linalg::eigvalsh(&a, Triangle::Upper));
        run_two("eigh", || linalg::eigh(&a, Triangle::Lower));
        for f in [linalg::eig, linalg::qr, linalg::slogdet, linalg::lu_factor] {
            run_two("two", || f(&a));
        }
        run_all("lu", || linalg::lu(&a));
        for b in arrays() {
            run("solve", || linalg::solve(&a, &b));
            run("solve_triangular", || {
                linalg::solve_triangular(&a, &b, true)
            });
            run("cross", || linalg::cross(&a, &b, -1));
            run("cross", || linalg::cross(&a, &b, 9));
        }
    }
    for &n in &INTS {
        run("fftfreq", || fft::fftfreq(n.min(100), 0.0));
        run("rfftfreq", || fft::rfftfreq(n.min(100), f64::NAN));
    }
}

#[test]
fn gathers_and_scatters() {
    let all = arrays();
    let lists = lists();
    for a in &all {
        for b in &all {
            for list in &lists {
                run("gather", || ops::gather(a, &[b], &[0], list));
                run("gather", || ops::gather(a, &[b, b], list, &[1, 1, 1]));
                run("gather_single", || ops::gather_single(a, b, 0, list));
                run("slice_dynamic", || ops::slice_dynamic(a, b, list, &[1, 1]));
                run("slice_dynamic", || ops::slice_dynamic(a, b, &[0, 1], list));
                run("slice_update_dynamic", || {
                    ops::slice_update_dynamic(a, a, b, list)
                });
                run("slice_update_dynamic", || {
                    ops::slice_update_dynamic(a, b, b, list)
                });
                let one = vec![1; list.len()];
                for f in [ops::slice_update_add, ops::slice_update_max] {
                    run("slice_update", || f(a, b, list, &one, &one));
                    run("slice_update", || f(a, b, &one, &one, list));
                }
            }
            for c in &all {
                for axis in [-1, 0, 1, 9] {
                    run("scatter_single", || ops::scatter_single(a, b, c, axis));
                    run("scatter_add_single", || {
                        ops::scatter_add_single(a, b, c, axis)
                    });
                    run("scatter", || ops::scatter(a, &[b], c, &[axis]));
                    run("scatter_max", || {
                        ops::scatter_max(a, &[b, b], c, &[0, axis])
                    });
                    run("scatter_prod", || ops::scatter_prod(a, &[], c, &[]));
                }
                run("masked_scatter", || ops::masked_scatter(a, b, c));
                run("segmented_mm", || ops::segmented_mm(a, b, c));
            }
        }
    }
}

#[test]
fn every_other_operation() {
    let all = arrays();
    for a in &all {
        run("positive", || ops::positive(a));
        run("to_fp8", || ops::to_fp8(a));
        run("trace", || ops::trace(a));
        run("hadamard_transform", || {
            ops::hadamard_transform(a, Some(f32::NAN))
        });
        run_all("meshgrid", || ops::meshgrid(&[a, a], true, Indexing::Xy));
        for &d in Dtype::ALL {
            run("from_fp8", || ops::from_fp8(a, d));
            run("zeros_like_dtype", || ops::zeros_like_dtype(a, d));
            run("ones_like_dtype", || ops::ones_like_dtype(a, d));
            run("number_of_elements", || {
                ops::number_of_elements(a, &[0], true, d)
            });
        }
        for &i in &INTS {
            run("diagonal", || ops::diagonal(a, i, 0, 1));
            run("diagonal", || ops::diagonal(a, 0, i, 1));
            run("trace_axes", || ops::trace_axes(a, i, 0, i, Dtype::Float32));
            run("number_of_elements", || {
                ops::number_of_elements(a, &[i], false, Dtype::Int32)
            });
            run("pad_symmetric", || {
                ops::pad_symmetric(a, i.min(100), a, PadMode::Edge)
            });
            run("pad_symmetric", || {
                ops::pad_symmetric(a, i.min(100), a, PadMode::Constant)
            });
            run("roll_axes", || ops::roll_axes(a, &[i, i], &[0, i]));
            run("roll_axes", || ops::roll_axes(a, &[i], &[]));
            run("repeat", || ops::repeat(a, i.min(100), None));
            run("partition", || ops::partition(a, i, None));
            run("topk", || ops::topk(a, i, None));
            run("categorical", || {
                random::categorical_num_samples(a, i, i.min(100), None)
            });
            run("categorical", || {
                random::categorical_shape(a, i, &[i.min(100)], None)
            });
            run_two("vmap", || {
                let f = transforms::vmap(|x| Ok(x.to_vec()), &[Some(i)], &[i]);
                let out = f.call(std::slice::from_ref(a))?;
                Ok((out[0].clone(), out[0].clone()))
            });
        }
        for f in [ops::argmax, ops::argmin] {
            run("arg", || f(a, None::<i32>, true));
        }
        for f in [ops::sort, ops::argsort] {
            run("sort", || f(a, None::<i32>));
        }
        for b in &all {
            run_two("divmod", || ops::divmod(a, b));
            run("searchsorted", || ops::searchsorted(a, b, Side::Right));
            run("take", || ops::take(a, b, None));
            run("concatenate", || ops::concatenate(&[a, b], None));
            run("full_like", || ops::full_like(a, b, Dtype::Int8));
            run("block_masked_mm", || {
                ops::block_masked_mm(a, b, 32, Some(a), Some(b), None)
            });
            run("block_masked_mm", || {
                ops::block_masked_mm(a, b, 0, None, None, None)
            });
            run("multivariate_normal", || {
                random::multivariate_normal(a, b, &[2], Dtype::Float32, None)
            });
            run("truncated_normal", || {
                random::truncated_normal(a, b, &[2], a.dtype(), None)
            });
            run("normal_broadcast", || {
                random::normal_broadcast(&[2, 3], Dtype::Float32, Some(a), Some(b), None)
            });
            run("rope_dynamic", || {
                fast::rope_dynamic(a, 2, true, Some(10.0), 1.0, b, None)
            });
            for i in [-1, 0, 1, 3] {
                run("tensordot_axis", || ops::tensordot_axis(a, b, i));
                run("conv3d", || {
                    ops::conv3d(a, b, (1, i, 1), (i, 0, 0), (1, 1, i), 1)
                });
                run("conv_general", || {
                    ops::conv_general(a, b, &[i], &[i, 1], &[i], &[], &[i], i, true)
                });
                run("conv_transpose1d", || {
                    ops::conv_transpose1d(a, b, i, 1, 1, i, 1)
                });
                run("conv_transpose1d", || {
                    ops::conv_transpose1d(a, b, 1, i, i, 0, i)
                });
                run("conv_transpose2d", || {
                    ops::conv_transpose2d(a, b, (1, i), (0, 1), (1, 1), (i, 0), 1)
                });
                run("conv_transpose3d", || {
                    ops::conv_transpose3d(a, b, (1, 1, i), (0, 1, 0), (1, 1, 1), (0, 0, 0), i)
                });
            }
        }
    }
    for &m in &INTS {
        for f in [ops::bartlett, ops::blackman, ops::hamming, ops::hanning] {
            run("window", || f(m.min(100)));
        }
        run("identity", || ops::identity(m.min(100), Dtype::Float32));
        run("linspace_endpoint", || {
            ops::linspace_endpoint(0.0, 1.0, m.min(100), m % 2 == 0, Dtype::Float32)
        });
        run("bits", || random::bits(&[3], m, None));
        run("bits", || random::bits(&[m.min(100)], 4, None));
        for &d in Dtype::ALL {
            run("gumbel", || random::gumbel(&[m.min(100)], d, None));
            run("laplace", || {
                random::laplace(&[m.min(100)], d, 0.0, -1.0, None)
            });
        }
    }
    run_all("meshgrid", || ops::meshgrid(&[], false, Indexing::Ij));
}

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

#[test]
fn collectives_of_one_process() {
    let group = distributed::init(false, None).unwrap();
    assert_eq!((group.rank(), group.size()), (0, 1));
    assert!(group.split(0, 0).is_err());
    assert!(distributed::init(true, Some("no such backend")).is_err());
    assert!(distributed::init(false, Some("a\0b")).is_err());
    assert!(!distributed::is_available(Some("no such backend")).unwrap_or(false));
    for a in arrays() {
        for group in [None, Some(&group)] {
            for f in [
                distributed::all_sum,
                distributed::all_max,
                distributed::all_min,
                distributed::all_gather,
                distributed::sum_scatter,
            ] {
                run("collective", || f(&a, group));
            }
            for &i in &INTS {
                run("send", || distributed::send(&a, i, group));
                run("recv", || distributed::recv(&[i], Dtype::Float32, i, group));
                run("recv_like", || distributed::recv_like(&a, i, group));
            }
        }
    }
}
