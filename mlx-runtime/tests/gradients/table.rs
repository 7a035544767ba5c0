//! Each operation with the inputs that it is differentiated at.

#![allow(clippy::vec_init_then_push)] // macros fill the lists

use mlx_runtime::fft::{self, Norm};
use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::ops::packed::{self, Quantization};
use mlx_runtime::ops::{self, Indexing, PadMode};
use mlx_runtime::{linalg, random, Array, Dtype, Result};

pub type Function = fn(&[Array]) -> Result<Vec<Array>>;

/// Smallest and largest number of an input, and its shape.
pub type Input = (f64, f64, &'static [i32]);

pub struct Case {
    pub name: &'static str,
    pub inputs: Vec<Input>,
    pub f: Function,
}

const WIDE: (f64, f64) = (-2.0, 2.0);

fn case(name: &'static str, inputs: &[Input], f: Function) -> Case {
    Case {
        name,
        inputs: inputs.to_vec(),
        f,
    }
}

macro_rules! unary {
    ($all:ident, $low:expr, $high:expr; $($name:ident)*) => {$(
        $all.push(case(stringify!($name), &[($low, $high, &[2, 3])], |x| Ok(vec![ops::$name(&x[0])?])));
    )*};
}

macro_rules! binary {
    ($all:ident, $low:expr, $high:expr; $($name:ident)*) => {$(
        $all.push(case(
            stringify!($name),
            &[($low, $high, &[2, 3]), ($low + 0.1, $high + 0.3, &[3])],
            |x| Ok(vec![ops::$name(&x[0], &x[1])?]),
        ));
    )*};
}

/// Cases of one output: the inputs' ranges and shapes, then the call.
macro_rules! calls {
    ($all:ident; $($name:literal $([$low:expr, $high:expr; $($d:expr),*])+ => |$x:ident| $e:expr;)*) => {$(
        $all.push(case($name, &[$(($low, $high, &[$($d),*])),+], |$x| Ok(vec![$e?])));
    )*};
}

fn ints(values: &[i32], shape: &[i32]) -> Result<Array> {
    Array::from_slice(values, shape)
}

/// A matrix that is symmetric and positive, made of any.
fn positive(a: &Array) -> Result<Array> {
    let n = a.dim(-1)?;
    let eye = ops::eye(n, n, 0, a.dtype())?;
    Ok(ops::matmul(a, &a.swapaxes(-1, -2)?)? + eye * f64::from(n))
}

/// Two sides of a product, one row of which is packed.
fn packed_product(x: &Array, how: Quantization) -> Result<Array> {
    let count = ops::arange(0.0, 128.0, 1.0, Dtype::Float32)?;
    let w = packed::pack(&ops::sin(&count)?.reshape(&[2, 64])?, how, None)?;
    packed::packed_matmul(x, &w, true, how)
}

pub fn elementwise() -> Vec<Case> {
    let mut all = Vec::new();
    unary!(all, WIDE.0, WIDE.1; arctan arcsinh cos cosh degrees erf exp expm1 negative radians real sigmoid sin
        sinh square tanh copy conjugate positive zeros_like ones_like);
    unary!(all, 0.1, 0.9; abs arccos arcsin arctanh erfinv log log10 log1p log2 reciprocal rsqrt sqrt tan
        ceil floor trunc sign);
    unary!(all, 1.1, 2.0; arccosh);
    binary!(all, -2.0, 2.0; add subtract multiply arctan2 logaddexp maximum minimum);
    binary!(all, 0.3, 0.9; divide power remainder floor_divide);
    calls! { all;
        "abs" [-2.0, -0.1; 4] => |x| ops::abs(&x[0]);
        "round" [0.1, 0.4; 4] => |x| ops::round(&x[0], 0);
        "clip" [-2.0, 2.0; 6] [-0.6, -0.5; 1] [0.5, 0.6; 1] => |x| ops::clip(&x[0], Some(&x[1]), Some(&x[2]));
        "nan_to_num" [-1.0, 1.0; 4] => |x| ops::nan_to_num(&x[0], 0.0, None, None);
        "where_" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 3] =>
            |x| ops::where_(&ops::greater(&x[0], &x[1])?, &x[0], &x[1]);
        "astype" [-1.0, 1.0; 3] => |x| ops::astype(&x[0].square()?, x[0].dtype());
        "full" [-1.0, 1.0; 1] => |x| ops::full(&[2, 2], &x[0], x[0].dtype());
        "full_like" [-1.0, 1.0; 3] => |x| ops::full_like(&x[0], &x[0].square()?, x[0].dtype());
    }
    all.push(case(
        "divmod",
        &[(0.3, 0.9, &[2, 3]), (0.4, 1.2, &[3])],
        |x| {
            let (q, r) = ops::divmod(&x[0], &x[1])?;
            Ok(vec![q, r])
        },
    ));
    all
}

pub fn reductions() -> Vec<Case> {
    let mut all = Vec::new();
    calls! { all;
        "sum" [-1.0, 1.0; 2, 3, 2] => |x| ops::sum(&x[0], &[0, 2], false);
        "mean" [-1.0, 1.0; 2, 3] => |x| ops::mean(&x[0], &[], true);
        "max" [-1.0, 1.0; 2, 3] => |x| ops::max(&x[0], &[1], false);
        "min" [-1.0, 1.0; 2, 3] => |x| ops::min(&x[0], &[0], true);
        "prod" [0.5, 1.5; 2, 3] => |x| ops::prod(&x[0], &[1], false);
        "logsumexp" [-1.0, 1.0; 2, 3] => |x| ops::logsumexp(&x[0], &[1], false);
        "var" [-1.0, 1.0; 2, 3] => |x| ops::var(&x[0], &[1], false, 1);
        "std" [-1.0, 1.0; 2, 3] => |x| ops::std(&x[0], &[], false, 0);
        "median" [-1.0, 1.0; 2, 5] => |x| ops::median(&x[0], &[1], false);
        "softmax" [-1.0, 1.0; 2, 3] => |x| ops::softmax(&x[0], &[1], false);
        "softmax" [-1.0, 1.0; 2, 3] => |x| ops::softmax(&x[0], &[], true);
        "cumsum" [-1.0, 1.0; 2, 3] => |x| ops::cumsum(&x[0], 1, true, true);
        "cumsum" [-1.0, 1.0; 2, 3] => |x| ops::cumsum(&x[0], None, false, false);
        "cumprod" [0.5, 1.5; 2, 3] => |x| ops::cumprod(&x[0], 1, false, true);
        "cummax" [-1.0, 1.0; 2, 3] => |x| ops::cummax(&x[0], 1, false, true);
        "cummin" [-1.0, 1.0; 2, 3] => |x| ops::cummin(&x[0], 1, false, true);
        "logcumsumexp" [-1.0, 1.0; 2, 3] => |x| ops::logcumsumexp(&x[0], 1, false, true);
        "sort" [-1.0, 1.0; 2, 4] => |x| ops::sort(&x[0], -1);
        "partition" [-1.0, 1.0; 5] => |x| ops::partition(&x[0], 2, 0);
        "topk" [-1.0, 1.0; 5] => |x| ops::sort(&ops::topk(&x[0], 2, 0)?, None);
        "diff" [-1.0, 1.0; 2, 4] => |x| ops::diff(&x[0], 2, -1);
        "trace" [-1.0, 1.0; 3, 3] => |x| ops::trace(&x[0]);
        "trace_axes" [-1.0, 1.0; 2, 3, 3] => |x| ops::trace_axes(&x[0], 1, 1, 2, x[0].dtype());
    }
    all
}

pub fn shapes() -> Vec<Case> {
    let mut all = Vec::new();
    unary!(all, -1.0, 1.0; atleast_1d atleast_2d atleast_3d);
    calls! { all;
        "reshape" [-1.0, 1.0; 2, 3] => |x| ops::reshape(&x[0], &[3, -1]);
        "transpose" [-1.0, 1.0; 2, 3, 2] => |x| ops::transpose(&x[0], &[2, 0, 1]);
        "swapaxes" [-1.0, 1.0; 2, 3] => |x| ops::swapaxes(&x[0], 0, 1);
        "moveaxis" [-1.0, 1.0; 2, 3, 2] => |x| ops::moveaxis(&x[0], 2, 0);
        "flatten" [-1.0, 1.0; 2, 3, 2] => |x| ops::flatten(&x[0], 1, 2);
        "unflatten" [-1.0, 1.0; 2, 6] => |x| ops::unflatten(&x[0], 1, &[2, 3]);
        "squeeze" [-1.0, 1.0; 2, 1, 3] => |x| ops::squeeze(&x[0], &[1]);
        "expand_dims" [-1.0, 1.0; 2, 3] => |x| ops::expand_dims(&x[0], &[0, 2]);
        "broadcast_to" [-1.0, 1.0; 3, 1] => |x| ops::broadcast_to(&x[0], &[2, 3, 4]);
        "tile" [-1.0, 1.0; 2, 3] => |x| ops::tile(&x[0], &[2, 1, 2]);
        "repeat" [-1.0, 1.0; 2, 3] => |x| ops::repeat(&x[0], 2, 1);
        "roll" [-1.0, 1.0; 2, 3] => |x| ops::roll(&x[0], 1, 1);
        "roll_axes" [-1.0, 1.0; 2, 3] => |x| ops::roll_axes(&x[0], &[1, -1], &[0, 1]);
        "flip" [-1.0, 1.0; 2, 3] => |x| ops::flip(&x[0], &[1]);
        "pad" [-1.0, 1.0; 2, 3] => |x| ops::pad(&x[0], &[(1, 0), (0, 2)], &Array::scalar_as(0.5, x[0].dtype())?);
        "pad_symmetric" [-1.0, 1.0; 2, 3] =>
            |x| ops::pad_symmetric(&x[0], 1, &Array::scalar_as(0.5, x[0].dtype())?, PadMode::Edge);
        "concatenate" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 1, 3] => |x| ops::concatenate(&[&x[0], &x[1], &x[0]], 0);
        "stack" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 2, 3] => |x| ops::stack(&[&x[0], &x[1]], 1);
        "contiguous" [-1.0, 1.0; 2, 3] => |x| ops::contiguous(&x[0].t()?, false);
        "as_strided" [-1.0, 1.0; 2, 3] => |x| ops::as_strided(&x[0], &[3, 2], &[1, 1], 1);
        "tril" [-1.0, 1.0; 3, 3] => |x| ops::tril(&x[0], 0);
        "triu" [-1.0, 1.0; 3, 3] => |x| ops::triu(&x[0], 1);
        "diag" [-1.0, 1.0; 3] => |x| ops::diag(&x[0], 1);
        "diag" [-1.0, 1.0; 3, 4] => |x| ops::diag(&x[0], 0);
        "diagonal" [-1.0, 1.0; 2, 3, 3] => |x| ops::diagonal(&x[0], -1, 1, 2);
    }
    let two: &[Input] = &[(-1.0, 1.0, &[3, 1]), (-1.0, 1.0, &[2])];
    let four: &[Input] = &[(-1.0, 1.0, &[2, 4])];
    let grid: &[Input] = &[(-1.0, 1.0, &[3]), (-1.0, 1.0, &[2])];
    all.push(case("broadcast_arrays", two, |x| {
        ops::broadcast_arrays(&[&x[0], &x[1]])
    }));
    all.push(case("split", four, |x| ops::split(&x[0], 2, 1)));
    all.push(case("split_at", four, |x| ops::split_at(&x[0], &[1, 3], 1)));
    all.push(case("unstack", four, |x| ops::unstack(&x[0], 1)));
    all.push(case("meshgrid", grid, |x| {
        ops::meshgrid(&[&x[0], &x[1]], false, Indexing::Ij)
    }));
    all
}

pub fn indexing() -> Vec<Case> {
    let mut all = Vec::new();
    const START: (&[i32], &[i32], &[i32]) = (&[1, 0], &[3, 2], &[1, 1]);
    fn pairs() -> Result<[Array; 2]> {
        Ok([ints(&[3, 0, 1], &[3])?, ints(&[1, 1, 2], &[3])?])
    }
    macro_rules! updates {
        ($($name:ident)*) => {$(
            all.push(case(stringify!($name), &[(-1.0, 1.0, &[4, 3]), (-1.1, 1.2, &[2, 2])], |x| {
                Ok(vec![ops::$name(&x[0], &x[1], START.0, START.1, START.2)?])
            }));
        )*};
    }
    macro_rules! scatters {
        ($($name:ident)*) => {$(
            all.push(case(stringify!($name), &[(-1.0, 1.0, &[4, 3]), (-1.1, 1.2, &[3, 1, 1])], |x| {
                let [i, j] = pairs()?;
                Ok(vec![ops::$name(&x[0], &[&i, &j], &x[1], &[0, 1])?])
            }));
        )*};
    }
    macro_rules! singles {
        ($($name:ident)*) => {$(
            all.push(case(stringify!($name), &[(-1.0, 1.0, &[4, 3]), (-1.1, 1.2, &[2, 1, 3])], |x| {
                Ok(vec![ops::$name(&x[0], &ints(&[2, 0], &[2])?, &x[1], 0)?])
            }));
        )*};
    }
    updates!(slice_update slice_update_add slice_update_prod slice_update_max slice_update_min);
    scatters!(scatter scatter_add scatter_prod scatter_max scatter_min);
    singles!(scatter_single scatter_add_single scatter_prod_single scatter_max_single scatter_min_single);
    calls! { all;
        "slice" [-1.0, 1.0; 3, 4] => |x| ops::slice(&x[0], &[0, 1], &[3, 4], &[2, 2]);
        "slice_dynamic" [-1.0, 1.0; 4, 3] => |x| ops::slice_dynamic(&x[0], &ints(&[1, 1], &[2])?, &[0, 1], &[2, 2]);
        "slice_update_dynamic" [-1.0, 1.0; 4, 3] [-1.0, 1.0; 2, 2] =>
            |x| ops::slice_update_dynamic(&x[0], &x[1], &ints(&[1, 1], &[2])?, &[0, 1]);
        "take" [-1.0, 1.0; 4, 2] => |x| ops::take(&x[0], &ints(&[2, 0, 2], &[3])?, 0);
        "take" [-1.0, 1.0; 4, 2] => |x| ops::take(&x[0], &ints(&[2, 0, 7], &[3])?, None);
        "take_along_axis" [-1.0, 1.0; 2, 3] => |x| ops::take_along_axis(&x[0], &ints(&[2, 0, 1, 1], &[2, 2])?, 1);
        "put_along_axis" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 2, 2] =>
            |x| ops::put_along_axis(&x[0], &ints(&[2, 0, 1, 0], &[2, 2])?, &x[1], 1);
        "scatter_add_axis" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 2, 2] =>
            |x| ops::scatter_add_axis(&x[0], &ints(&[2, 0, 1, 1], &[2, 2])?, &x[1], 1);
        "gather" [-1.0, 1.0; 4, 3] => |x| { let [i, j] = pairs()?; ops::gather(&x[0], &[&i, &j], &[0, 1], &[1, 1]) };
        "gather_single" [-1.0, 1.0; 4, 3] => |x| ops::gather_single(&x[0], &ints(&[2, 2], &[2])?, 0, &[1, 3]);
        "masked_scatter" [-1.0, 1.0; 4] [-1.0, 1.0; 2] => |x| {
            let mask = Array::from_slice(&[true, false, false, true], &[4])?;
            ops::masked_scatter(&x[0], &mask, &x[1])
        };
    }
    all
}

pub fn products() -> Vec<Case> {
    let mut all = Vec::new();
    calls! { all;
        "matmul" [-1.0, 1.0; 2, 2, 3] [-1.0, 1.0; 3, 2] => |x| ops::matmul(&x[0], &x[1]);
        "inner" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 3] => |x| ops::inner(&x[0], &x[1]);
        "outer" [-1.0, 1.0; 3] [-1.0, 1.0; 2] => |x| ops::outer(&x[0], &x[1]);
        "kron" [-1.0, 1.0; 2, 2] [-1.0, 1.0; 3] => |x| ops::kron(&x[0], &x[1]);
        "vecdot" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 2, 3] => |x| ops::vecdot(&x[0], &x[1], -1);
        "addmm" [-1.0, 1.0; 3] [-1.0, 1.0; 2, 2] [-1.0, 1.0; 2, 3] => |x| ops::addmm(&x[0], &x[1], &x[2], 0.5, 2.0);
        "tensordot" [-1.0, 1.0; 2, 3, 2] [-1.0, 1.0; 3, 2] => |x| ops::tensordot(&x[0], &x[1], &[1, 2], &[0, 1]);
        "tensordot_axis" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 3, 2] => |x| ops::tensordot_axis(&x[0], &x[1], 1);
        "einsum" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 3, 2] => |x| ops::einsum("ij,jk->ki", &[&x[0], &x[1]]);
        "conv_general" [-1.0, 1.0; 1, 4, 1] [-1.0, 1.0; 2, 2, 1] =>
            |x| ops::conv_general(&x[0], &x[1], &[1], &[1], &[1], &[1], &[2], 1, true);
        "gather_mm" [-1.0, 1.0; 2, 2, 3] [-1.0, 1.0; 2, 3, 2] =>
            |x| ops::gather_mm(&x[0], &x[1], None, Some(&ints(&[1, 1], &[2])?), false);
        "segmented_mm" [-1.0, 1.0; 2, 4] [-1.0, 1.0; 4, 2] =>
            |x| ops::segmented_mm(&x[0], &x[1], &Array::from_slice(&[0u32, 1, 1, 4], &[2, 2])?);
        "block_masked_mm" [-1.0, 1.0; 2, 33] [-1.0, 1.0; 33, 2] => |x| {
            let mask = Array::from_slice(&[true, false], &[1, 2])?;
            ops::block_masked_mm(&x[0], &x[1], 32, None, Some(&mask), None)
        };
        "hadamard_transform" [-1.0, 1.0; 2, 4] => |x| ops::hadamard_transform(&x[0], None);
        "conv1d" [-1.0, 1.0; 1, 5, 2] [-1.0, 1.0; 2, 3, 2] => |x| ops::conv1d(&x[0], &x[1], 2, 1, 1, 1);
        "conv2d" [-1.0, 1.0; 1, 3, 3, 2] [-1.0, 1.0; 2, 2, 2, 1] =>
            |x| ops::conv2d(&x[0], &x[1], (1, 2), (1, 0), (1, 1), 2);
        "conv3d" [-1.0, 1.0; 1, 2, 3, 2, 1] [-1.0, 1.0; 1, 2, 2, 1, 1] =>
            |x| ops::conv3d(&x[0], &x[1], (1, 1, 1), (0, 1, 0), (1, 1, 1), 1);
        "conv_general" [-1.0, 1.0; 1, 4, 1] [-1.0, 1.0; 2, 2, 1] =>
            |x| ops::conv_general(&x[0], &x[1], &[1], &[1], &[0], &[2], &[1], 1, false);
        "conv_transpose1d" [-1.0, 1.0; 1, 3, 2] [-1.0, 1.0; 1, 2, 2] =>
            |x| ops::conv_transpose1d(&x[0], &x[1], 2, 0, 1, 1, 1);
        "conv_transpose2d" [-1.0, 1.0; 1, 2, 2, 1] [-1.0, 1.0; 2, 2, 2, 1] =>
            |x| ops::conv_transpose2d(&x[0], &x[1], (2, 1), (0, 0), (1, 1), (0, 0), 1);
        "conv_transpose3d" [-1.0, 1.0; 1, 2, 2, 1, 1] [-1.0, 1.0; 1, 2, 1, 2, 1] =>
            |x| ops::conv_transpose3d(&x[0], &x[1], (1, 1, 1), (0, 0, 0), (1, 1, 1), (0, 0, 0), 1);
        "quantized_matmul" [-1.0, 1.0; 2, 64] => |x| {
            let count = ops::arange(0.0, 128.0, 1.0, Dtype::Float32)?;
            let (w, s, b) = ops::quantize(&ops::sin(&count)?.reshape(&[2, 64])?, 32, 4)?;
            ops::quantized_matmul(&x[0], &w, &s, &b, true, 32, 4)
        };
        "packed_matmul" [-1.0, 1.0; 1, 64] => |x| packed_product(&x[0], Quantization::Mxfp4);
        "packed_matmul" [-1.0, 1.0; 1, 64] => |x| packed_product(&x[0], Quantization::Mxfp8);
        "packed_matmul" [-1.0, 1.0; 1, 64] => |x| packed_product(&x[0], Quantization::Nvfp4);
    }
    all
}

pub fn spectra() -> Vec<Case> {
    let mut all = Vec::new();
    calls! { all;
        "fft" [-1.0, 1.0; 2, 4] => |x| fft::fft(&x[0], 5, 1, Norm::Backward);
        "ifft" [-1.0, 1.0; 2, 4] => |x| fft::ifft(&x[0], 4, 1, Norm::Backward);
        "rfft" [-1.0, 1.0; 2, 4] => |x| fft::rfft(&x[0], 4, 1, Norm::Backward);
        "irfft" [-1.0, 1.0; 2, 4] => |x| fft::irfft(&fft::rfft(&x[0], 4, 1, Norm::Backward)?, 4, 1, Norm::Backward);
        "fft2" [-1.0, 1.0; 2, 3] => |x| fft::fft2(&x[0], &[2, 3], &[0, 1], Norm::Backward);
        "ifft2" [-1.0, 1.0; 2, 3] => |x| fft::ifft2(&x[0], &[2, 3], &[0, 1], Norm::Backward);
        "rfft2" [-1.0, 1.0; 2, 3] => |x| fft::rfft2(&x[0], &[2, 3], &[0, 1], Norm::Backward);
        "fftn" [-1.0, 1.0; 2, 3] => |x| fft::fftn(&x[0], &[2, 3], &[0, 1], Norm::Backward);
        "fftshift" [-1.0, 1.0; 2, 3] => |x| fft::fftshift(&x[0], &[1]);
        "ifftshift" [-1.0, 1.0; 2, 3] => |x| fft::ifftshift(&x[0], &[1]);
        "imag" [-1.0, 1.0; 2, 4] => |x| ops::imag(&fft::fft(&x[0], 4, 1, Norm::Backward)?);
        "cross" [-1.0, 1.0; 2, 3] [-1.0, 1.0; 3] => |x| linalg::cross(&x[0], &x[1], -1);
        "norm" [0.1, 1.0; 2, 3] => |x| linalg::norm(&x[0], 3.0, Some(&[1]), false);
        "norm_l2" [0.1, 1.0; 2, 3] => |x| linalg::norm_l2(&x[0], Some(&[1]), false);
        "norm_matrix" [0.1, 1.0; 2, 3] => |x| linalg::norm_matrix(&x[0], "fro", Some(&[0, 1]), false);
        "inv" [-1.0, 1.0; 3, 3] => |x| linalg::inv(&positive(&x[0])?);
        "tri_inv" [0.5, 1.0; 3, 3] => |x| linalg::tri_inv(&ops::tril(&x[0], 0)?, false);
        "cholesky" [-1.0, 1.0; 3, 3] => |x| linalg::cholesky(&positive(&x[0])?, false);
        "cholesky_inv" [0.5, 1.0; 3, 3] => |x| linalg::cholesky_inv(&ops::tril(&x[0], 0)?, false);
        "det" [-1.0, 1.0; 3, 3] => |x| linalg::det(&positive(&x[0])?);
        "solve" [-1.0, 1.0; 3, 3] [-1.0, 1.0; 3, 2] => |x| linalg::solve(&positive(&x[0])?, &x[1]);
        "solve_triangular" [0.5, 1.0; 3, 3] [-1.0, 1.0; 3, 2] =>
            |x| linalg::solve_triangular(&ops::tril(&x[0], 0)?, &x[1], false);
        "pinv" [-1.0, 1.0; 3, 3] => |x| linalg::pinv(&positive(&x[0])?);
        "eigvalsh" [-1.0, 1.0; 3, 3] => |x| linalg::eigvalsh(&positive(&x[0])?, linalg::Triangle::Lower);
        "eigvals" [-1.0, 1.0; 3, 3] => |x| linalg::eigvals(&positive(&x[0])?);
    }
    let square: &[Input] = &[(-1.0, 1.0, &[3, 3])];
    all.push(case("slogdet", square, |x| {
        let (sign, log) = linalg::slogdet(&positive(&x[0])?)?;
        Ok(vec![sign, log])
    }));
    all.push(case("qr", square, |x| {
        let (q, r) = linalg::qr(&positive(&x[0])?)?;
        Ok(vec![q, r])
    }));
    all.push(case("eigh", square, |x| {
        let (values, vectors) = linalg::eigh(&positive(&x[0])?, linalg::Triangle::Lower)?;
        Ok(vec![values, vectors])
    }));
    all.push(case("eig", square, |x| {
        let (values, vectors) = linalg::eig(&positive(&x[0])?)?;
        Ok(vec![values, vectors])
    }));
    all.push(case("svd", square, |x| linalg::svd(&x[0], true)));
    all.push(case("lu", square, |x| linalg::lu(&positive(&x[0])?)));
    all.push(case("lu_factor", square, |x| {
        Ok(vec![linalg::lu_factor(&positive(&x[0])?)?.0])
    }));
    all
}

pub fn layers() -> Vec<Case> {
    let mut all = Vec::new();
    calls! { all;
        "rms_norm" [-1.0, 1.0; 2, 4] [0.5, 1.5; 4] => |x| fast::rms_norm(&x[0], Some(&x[1]), 1e-3);
        "layer_norm" [-1.0, 1.0; 2, 4] [0.5, 1.5; 4] [-1.0, 1.0; 4] =>
            |x| fast::layer_norm(&x[0], Some(&x[1]), Some(&x[2]), 1e-3);
        "rope" [-1.0, 1.0; 1, 1, 2, 4] => |x| fast::rope(&x[0], 4, false, Some(100.0), 1.0, 1, None);
        "rope" [-1.0, 1.0; 1, 1, 2, 6] => |x| fast::rope(&x[0], 4, true, Some(100.0), 0.5, 0, None);
        "rope_dynamic" [-1.0, 1.0; 1, 1, 2, 4] =>
            |x| fast::rope_dynamic(&x[0], 4, false, Some(100.0), 1.0, &Array::scalar(3i32)?, None);
        "scaled_dot_product_attention" [-1.0, 1.0; 1, 1, 2, 4] [-1.0, 1.0; 1, 1, 3, 4] [-1.0, 1.0; 1, 1, 3, 4] =>
            |x| fast::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.5, Mask::None, None);
        "scaled_dot_product_attention" [-1.0, 1.0; 1, 2, 3, 4] [-1.0, 1.0; 1, 1, 3, 4] [-1.0, 1.0; 1, 1, 3, 4] =>
            |x| fast::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.5, Mask::Causal, None);
        "scaled_dot_product_attention" [-1.0, 1.0; 1, 1, 2, 4] [-1.0, 1.0; 1, 1, 2, 4] [-1.0, 1.0; 1, 1, 2, 4]
            [-1.0, 1.0; 2, 2] => |x| fast::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.5, Mask::Array(&x[3]), None);
        "cross_entropy" [-1.0, 1.0; 2, 5] => |x| fast::cross_entropy(&x[0], &ints(&[4, 0], &[2])?);
        "normal_broadcast" [-1.0, 1.0; 3] [0.5, 1.5; 2, 1] => |x| {
            let key = random::key(3)?;
            random::normal_broadcast(&[2, 3], x[0].dtype(), Some(&x[0]), Some(&x[1]), Some(&key))
        };
    }
    all
}
