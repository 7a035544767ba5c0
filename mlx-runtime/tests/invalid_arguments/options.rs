//! Operations with options: windows, random numbers, convolutions, attention.

use mlx_runtime::ops::fast;
use mlx_runtime::ops::{self, Indexing, PadMode, Side};
use mlx_runtime::{random, transforms, Dtype};

use super::{arrays, run, run_all, run_two, INTS};

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
