//! Calls each operation of the dump.

use mlx_runtime::fft::{self, Norm};
use mlx_runtime::linalg::{self, Triangle};
use mlx_runtime::ops::fast;
use mlx_runtime::ops::packed::{self, Chosen, Packed};
use mlx_runtime::ops::{self, Indexing, PadMode, Side};
use mlx_runtime::{random, Array, Dtype, Result};

use super::case::Case;
use super::more::more;

type Unary = fn(&Array) -> Result<Array>;
type Binary = fn(&Array, &Array) -> Result<Array>;
type Reduce = fn(&Array, &[i32], bool) -> Result<Array>;
type Update = fn(&Array, &Array, &[i32], &[i32], &[i32]) -> Result<Array>;

macro_rules! find {
    // Some operations of two arrays take a number as well.
    ($op:expr, Binary: $($name:ident)*) => {
        match $op { $(stringify!($name) => Some((|a: &Array, b: &Array| ops::$name(a, b)) as Binary),)* _ => None }
    };
    ($op:expr, $t:ty: $($name:ident)*) => {
        match $op { $(stringify!($name) => Some(ops::$name as $t),)* _ => None }
    };
}

fn unary(op: &str) -> Option<Unary> {
    find!(op, Unary: abs arccos arcsin arcsinh arctan arctanh ceil cos cosh degrees erf erfinv exp expm1
        floor isfinite isinf isnan isneginf isposinf log log10 log1p log2 logical_not negative radians
        reciprocal rsqrt sigmoid sign sin sinh sqrt square tan tanh conjugate real imag bitwise_invert
        zeros_like ones_like stop_gradient atleast_1d atleast_2d atleast_3d positive to_fp8 trace)
}

fn binary(op: &str) -> Option<Binary> {
    find!(op, Binary: add arctan2 divide equal floor_divide greater greater_equal less less_equal
        logaddexp logical_and logical_or maximum minimum multiply not_equal power remainder subtract
        bitwise_and bitwise_or bitwise_xor left_shift right_shift matmul inner outer kron)
}

fn reduce(op: &str) -> Option<Reduce> {
    find!(op, Reduce: sum mean max min prod all any logsumexp median)
}

fn absolute(pair: (Array, Array)) -> Result<Vec<Array>> {
    Ok(vec![ops::abs(&pair.0)?, ops::abs(&pair.1)?])
}

fn parts(p: Packed) -> Vec<Array> {
    [Some(p.weight), Some(p.scales), p.biases]
        .into_iter()
        .flatten()
        .collect()
}

/// All elements in order, because partial sorts leave the order of the others unspecified.
fn in_order(a: &Array) -> Result<Array> {
    ops::sort(a, None)
}

/// The outputs of a case.
pub fn call(c: &Case, x: &[Array]) -> Result<Vec<Array>> {
    let op = c.op.as_str();
    if let Some(f) = unary(op) {
        return Ok(vec![f(&x[0])?]);
    }
    if let Some(f) = binary(op) {
        return Ok(vec![f(&x[0], &x[1])?]);
    }
    if let Some(f) = reduce(op) {
        return Ok(vec![f(&x[0], &c.ints("axes"), c.flag("keepdims"))?]);
    }
    if let Some(found) = more(c, x)? {
        return Ok(found);
    }
    if let Some(many) = many(c, x)? {
        return Ok(many);
    }
    let one = match op {
        "norm" | "norm_matrix" | "norm_l2" | "cholesky" | "cholesky_inv" | "tri_inv" | "cross"
        | "solve_triangular" | "det" | "inv" | "solve" | "pinv" | "eigvalsh" => algebra(c, x)?,
        _ if op.contains("fft") => transform(c, x)?,
        _ => match shaped(c, x)? {
            Some(one) => one,
            None => rest(c, x)?,
        },
    };
    Ok(vec![one])
}

/// Operations with several outputs.
fn many(c: &Case, x: &[Array]) -> Result<Option<Vec<Array>>> {
    let refs: Vec<&Array> = x.iter().collect();
    let pair = |(a, b): (Array, Array)| vec![a, b];
    Ok(Some(match c.op.as_str() {
        "divmod" => pair(ops::divmod(&x[0], &x[1])?),
        "slogdet" => pair(linalg::slogdet(&x[0])?),
        "lu" => linalg::lu(&x[0])?,
        "lu_factor" => pair(linalg::lu_factor(&x[0])?),
        "svd_values" => linalg::svd(&x[0], false)?,
        "qr" => absolute(linalg::qr(&x[0])?)?,
        "eigh" => absolute(linalg::eigh(&x[0], Triangle::Lower)?)?,
        "meshgrid" => {
            let order = if c.flag("ij") {
                Indexing::Ij
            } else {
                Indexing::Xy
            };
            ops::meshgrid(&refs, c.flag("sparse"), order)?
        }
        "unstack" => ops::unstack(&x[0], c.int("axis"))?,
        "split" => ops::split(&x[0], c.int("parts"), c.int("axis"))?,
        "split_at" => ops::split_at(&x[0], &c.ints("at"), c.int("axis"))?,
        "pack" => parts(packed::pack(&x[0], c.mode(), None)?),
        _ => return Ok(None),
    }))
}

fn transform(c: &Case, x: &[Array]) -> Result<Array> {
    let norm = Norm::default();
    let (n, axes) = (c.ints("n"), c.ints("axes"));
    let one =
        |f: fn(&Array, i32, i32, Norm) -> Result<Array>| f(&x[0], c.int("n"), c.int("axis"), norm);
    let many = |f: fn(&Array, &[i32], &[i32], Norm) -> Result<Array>| f(&x[0], &n, &axes, norm);
    match c.op.as_str() {
        "fft" => one(fft::fft),
        "ifft" => one(fft::ifft),
        "rfft" => one(fft::rfft),
        "irfft" => one(fft::irfft),
        "fft2" => many(fft::fft2),
        "ifft2" => many(fft::ifft2),
        "rfft2" => many(fft::rfft2),
        "irfft2" => many(fft::irfft2),
        "fftn" => many(fft::fftn),
        "ifftn" => many(fft::ifftn),
        "rfftn" => many(fft::rfftn),
        "irfftn" => many(fft::irfftn),
        "fftshift" => fft::fftshift(&x[0], &axes),
        "ifftshift" => fft::ifftshift(&x[0], &axes),
        "fftfreq" => fft::fftfreq(c.int("n"), c.float("d")),
        "rfftfreq" => fft::rfftfreq(c.int("n"), c.float("d")),
        other => panic!("no case calls {other}"),
    }
}

fn algebra(c: &Case, x: &[Array]) -> Result<Array> {
    let (axis, keep) = (c.maybe_ints("axis"), c.flag("keepdims"));
    match c.op.as_str() {
        "norm" => linalg::norm(&x[0], c.text("ord").parse().unwrap(), axis.as_deref(), keep),
        "norm_matrix" => linalg::norm_matrix(&x[0], c.text("ord"), axis.as_deref(), keep),
        "norm_l2" => linalg::norm_l2(&x[0], axis.as_deref(), keep),
        "cholesky" => linalg::cholesky(&x[0], c.flag("upper")),
        "cholesky_inv" => linalg::cholesky_inv(&x[0], c.flag("upper")),
        "tri_inv" => linalg::tri_inv(&x[0], c.flag("upper")),
        "solve_triangular" => linalg::solve_triangular(&x[0], &x[1], c.flag("upper")),
        "cross" => linalg::cross(&x[0], &x[1], c.int("axis")),
        "det" => linalg::det(&x[0]),
        "inv" => linalg::inv(&x[0]),
        "solve" => linalg::solve(&x[0], &x[1]),
        "pinv" => linalg::pinv(&x[0]),
        "eigvalsh" => linalg::eigvalsh(&x[0], Triangle::Lower),
        other => panic!("no case calls {other}"),
    }
}

/// Orders, shapes and indices.
fn shaped(c: &Case, x: &[Array]) -> Result<Option<Array>> {
    let axis = c.maybe_int("axis");
    let (keep, axes) = (c.flag("keepdims"), c.ints("axes"));
    let scan = |f: fn(&Array, Option<i32>, bool, bool) -> Result<Array>| {
        f(&x[0], axis, c.flag("reverse"), c.flag("inclusive"))
    };
    let refs: Vec<&Array> = x.iter().collect();
    let update = |f: Update| {
        f(
            &x[0],
            &x[1],
            &c.ints("start"),
            &c.ints("stop"),
            &c.ints("strides"),
        )
    };
    let scatter =
        |f: fn(&Array, &Array, &Array, i32) -> Result<Array>| f(&x[0], &x[1], &x[2], c.int("axis"));
    Ok(Some(match c.op.as_str() {
        "var" => ops::var(&x[0], &axes, keep, c.int("ddof"))?,
        "std" => ops::std(&x[0], &axes, keep, c.int("ddof"))?,
        "softmax" => ops::softmax(&x[0], &axes, true)?,
        "argmax" => ops::argmax(&x[0], axis, keep)?,
        "argmin" => ops::argmin(&x[0], axis, keep)?,
        "cumsum" => scan(ops::cumsum)?,
        "cumprod" => scan(ops::cumprod)?,
        "cummax" => scan(ops::cummax)?,
        "cummin" => scan(ops::cummin)?,
        "logcumsumexp" => scan(ops::logcumsumexp)?,
        "sort" => ops::sort(&x[0], axis)?,
        "argsort" => ops::argsort(&x[0], axis)?,
        "partition" => in_order(&ops::partition(&x[0], c.int("k"), axis)?)?,
        "topk" => in_order(&ops::topk(&x[0], c.int("k"), axis)?)?,
        "transpose" => ops::transpose(&x[0], &axes)?,
        "reshape" => ops::reshape(&x[0], &c.ints("shape"))?,
        "flatten" => ops::flatten(&x[0], c.int("start"), c.int("end"))?,
        "unflatten" => ops::unflatten(&x[0], c.int("axis"), &c.ints("shape"))?,
        "squeeze" => ops::squeeze(&x[0], &axes)?,
        "expand_dims" => ops::expand_dims(&x[0], &axes)?,
        "swapaxes" => ops::swapaxes(&x[0], c.int("a"), c.int("b"))?,
        "moveaxis" => ops::moveaxis(&x[0], c.int("a"), c.int("b"))?,
        "broadcast_to" => ops::broadcast_to(&x[0], &c.ints("shape"))?,
        "tile" => ops::tile(&x[0], &c.ints("reps"))?,
        "repeat" => ops::repeat(&x[0], c.int("repeats"), axis)?,
        "roll" => ops::roll(&x[0], c.int("shift"), c.int("axis"))?,
        "roll_axes" => ops::roll_axes(&x[0], &c.ints("shift"), &axes)?,
        "concatenate" => ops::concatenate(&refs, axis)?,
        "stack" => ops::stack(&refs, axis)?,
        "astype" => ops::astype(&x[0], c.dtype())?,
        "view" => ops::view(&x[0], c.dtype())?,
        "take" => ops::take(&x[0], &x[1], axis)?,
        "take_along_axis" => ops::take_along_axis(&x[0], &x[1], 1)?,
        "put_along_axis" => ops::put_along_axis(&x[0], &x[1], &x[2], 1)?,
        "slice" => ops::slice(&x[0], &c.ints("start"), &c.ints("stop"), &c.ints("strides"))?,
        "slice_dynamic" => ops::slice_dynamic(&x[0], &x[1], &axes, &c.ints("size"))?,
        "slice_update_dynamic" => ops::slice_update_dynamic(&x[0], &x[1], &x[2], &axes)?,
        "slice_update_add" => update(ops::slice_update_add)?,
        "slice_update_prod" => update(ops::slice_update_prod)?,
        "slice_update_max" => update(ops::slice_update_max)?,
        "slice_update_min" => update(ops::slice_update_min)?,
        "gather_single" => ops::gather_single(&x[0], &x[1], c.int("axis"), &c.ints("sizes"))?,
        "scatter_single" => scatter(ops::scatter_single)?,
        "scatter_add_single" => scatter(ops::scatter_add_single)?,
        "scatter_prod_single" => scatter(ops::scatter_prod_single)?,
        "scatter_max_single" => scatter(ops::scatter_max_single)?,
        "scatter_min_single" => scatter(ops::scatter_min_single)?,
        // Python has it as an assignment, of zeros here.
        "masked_scatter" => ops::masked_scatter(&x[0], &x[1], &ops::zeros(&[3], Dtype::Float32)?)?,
        "diagonal" => ops::diagonal(&x[0], c.int("offset"), c.int("axis1"), c.int("axis2"))?,
        "trace_axes" => ops::trace_axes(
            &x[0],
            c.int("offset"),
            c.int("axis1"),
            c.int("axis2"),
            c.dtype(),
        )?,
        "diff" => ops::diff(&x[0], c.int("n"), c.int("axis"))?,
        _ => return Ok(None),
    }))
}

fn rest(c: &Case, x: &[Array]) -> Result<Array> {
    let key = random::key(5)?;
    let key = Some(&key);
    let shape = c.ints("shape");
    let mode = c.mode();
    match c.op.as_str() {
        "from_fp8" => ops::from_fp8(&x[0], c.dtype()),
        "bartlett" => ops::bartlett(c.int("m")),
        "blackman" => ops::blackman(c.int("m")),
        "hamming" => ops::hamming(c.int("m")),
        "hanning" => ops::hanning(c.int("m")),
        "identity" => ops::identity(c.int("n"), c.dtype()),
        "eye" => ops::eye(c.int("n"), c.int("m"), c.int("k"), c.dtype()),
        "tri" => ops::tri(c.int("n"), c.int("m"), c.int("k"), c.dtype()),
        "arange" => ops::arange(
            c.float("start"),
            c.float("stop"),
            c.float("step"),
            c.dtype(),
        ),
        "linspace" => ops::linspace(c.float("start"), c.float("stop"), c.int("num"), c.dtype()),
        "full_like" => ops::full_like(&x[0], &x[1], c.dtype()),
        "tril" => ops::tril(&x[0], c.int("k")),
        "triu" => ops::triu(&x[0], c.int("k")),
        "diag" => ops::diag(&x[0], c.int("k")),
        "searchsorted" => {
            let side = if c.flag("right") {
                Side::Right
            } else {
                Side::Left
            };
            ops::searchsorted(&x[0], &x[1], side)
        }
        "hadamard_transform" => ops::hadamard_transform(&x[0], None),
        "pad_symmetric" => {
            let how = if c.flag("edge") {
                PadMode::Edge
            } else {
                PadMode::Constant
            };
            ops::pad_symmetric(&x[0], c.int("width"), &x[1], how)
        }
        "addmm" => {
            let nothing = Array::scalar(0.0f32)?;
            ops::addmm(&nothing, &x[1], &x[2], c.float("alpha") as f32, 0.0)
        }
        "tensordot" => ops::tensordot(&x[0], &x[1], &c.ints("a"), &c.ints("b")),
        "tensordot_axis" => ops::tensordot_axis(&x[0], &x[1], c.int("n")),
        "einsum" => ops::einsum(c.text("subscripts"), &[&x[0], &x[1]]),
        "segmented_mm" => ops::segmented_mm(&x[0], &x[1], &x[2]),
        "block_masked_mm" => ops::block_masked_mm(&x[0], &x[1], 32, None, Some(&x[2]), None),
        "vecdot" => ops::vecdot(&x[0], &x[1], c.int("axis")),
        "conv_general" => ops::conv_general(&x[0], &x[1], &[2], &[1], &[1], &[1], &[1], 1, true),
        op if op.starts_with("conv") => convolution(c, x),
        "unpack" => {
            let w = packed::pack(&x[0], mode, None)?;
            packed::unpack(&w, mode, None, Some(Dtype::Float32))
        }
        "packed_matmul" => {
            let w = packed::pack(&x[1], mode, None)?;
            packed::packed_matmul(&x[0], &w, true, mode)
        }
        "gather_qmm" => {
            let w = packed::pack(&x[1], mode, None)?;
            let chosen = Chosen {
                rhs: Some(&x[2]),
                ..Chosen::default()
            };
            packed::gather_qmm(&x[0], &w, chosen, true, mode)
        }
        "rope" => fast::rope(&x[0], c.int("dims"), true, Some(100.0), 0.5, 2, None),
        "rope_dynamic" => {
            fast::rope_dynamic(&x[0], c.int("dims"), false, Some(1000.0), 1.0, &x[1], None)
        }
        "gumbel" => random::gumbel(&shape, Dtype::Float32, key),
        "laplace" => random::laplace(&shape, Dtype::Float32, 1.0, 2.0, key),
        "normal" => random::normal(&shape, Dtype::Float16, 1.0, 0.5, key),
        "truncated_normal" => {
            let (low, high) = (Array::scalar(-1.0f32)?, Array::scalar(2.0f32)?);
            random::truncated_normal(&low, &high, &shape, Dtype::Float32, key)
        }
        "normal_broadcast" => {
            random::normal_broadcast(&shape, Dtype::Float32, Some(&x[0]), Some(&x[1]), key)
        }
        "categorical_num_samples" => random::categorical_num_samples(&x[0], -1, c.int("n"), key),
        "categorical_shape" => random::categorical_shape(&x[0], -1, &shape, key),
        "permutation" => random::permutation(c.int("n"), key),
        "multivariate_normal" => {
            let cov = ops::identity(2, Dtype::Float32)?;
            random::multivariate_normal(&x[0], &cov, &shape, Dtype::Float32, key)
        }
        other => panic!("no case calls {other}"),
    }
}

fn convolution(c: &Case, x: &[Array]) -> Result<Array> {
    let (a, b) = (&x[0], &x[1]);
    let (stride, padding) = (c.three("stride", 1), c.three("padding", 0));
    let (s2, p2) = ((stride.0, stride.1), (padding.0, padding.1));
    match c.op.as_str() {
        "conv1d" => ops::conv1d(a, b, c.int("stride"), c.int("padding"), 1, 1),
        "conv2d" => ops::conv2d(a, b, s2, p2, (1, 1), 1),
        "conv3d" => ops::conv3d(a, b, stride, padding, (1, 1, 1), 1),
        "conv_transpose1d" => {
            ops::conv_transpose1d(a, b, c.int("stride"), c.int("padding"), 1, c.int("more"), 1)
        }
        "conv_transpose2d" => ops::conv_transpose2d(a, b, s2, p2, (1, 1), (0, 0), 1),
        "conv_transpose3d" => ops::conv_transpose3d(a, b, stride, padding, (1, 1, 1), (0, 0, 0), 1),
        other => panic!("no case calls {other}"),
    }
}
