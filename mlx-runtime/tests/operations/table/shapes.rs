//! Operations that move elements, and new arrays.

use mlx_runtime::{ops, Array, Dtype};
use ops::{Indexing, PadMode};

use super::{plain, rows, Operation};

const WIDE: (f64, f64) = (-2.0, 2.0);

pub fn add(all: &mut Vec<Operation>) {
    plain! { all, Smooth, WIDE, "*"; atleast_1d(0) atleast_2d(0) atleast_3d(0) }
    rows! { all, Smooth, WIDE;
        "reshape" "*ab" => |x, g| {
            let n = x[0].shape().iter().product();
            let to = match g.below(4) { 0 => vec![n], 1 => vec![1, n], 2 => vec![-1, 1], _ => vec![-1, x[0].dim(-1)?] };
            ops::reshape(&x[0], &if g.wild && g.chance(4) { g.dims(2) } else { to })
        };
        "transpose" "*" => |x, g| ops::transpose(&x[0], &g.permutation(&x[0]));
        "swapaxes" "*a" => |x, g| ops::swapaxes(&x[0], g.axis(&x[0]), g.axis(&x[0]));
        "moveaxis" "*a" => |x, g| ops::moveaxis(&x[0], g.axis(&x[0]), g.axis(&x[0]));
        "flatten" "*" => |x, g| { let i = g.first_axis(&x[0]); ops::flatten(&x[0], i, if g.wild { g.axis(&x[0]) } else { -1 }) };
        "unflatten" "*a" => |x, g| { let to = if g.bool() { [1, -1] } else { [-1, 1] }; ops::unflatten(&x[0], g.axis(&x[0]), &to) };
        "squeeze" "*1" => |x, g| ops::squeeze(&x[0], &if g.wild { g.axes(&x[0]) } else { vec![-1] });
        "expand_dims" "*" => |x, g| ops::expand_dims(&x[0], &[g.axis(&x[0])]);
        "broadcast_to" "~" => |x, g| { let mut to = g.dims(1); to.extend(x[0].shape().iter().map(|&n| if n == 1 { g.size(0, 3) } else { n })); ops::broadcast_to(&x[0], &to) };
        "broadcast_arrays" "~ ~" => |x, g| ops::broadcast_arrays(&[&x[0], &x[1]]);
        "tile" "*" => |x, g| { let n = x[0].ndim() + g.below(2); ops::tile(&x[0], &g.dims(n)) };
        "repeat" "*" => |x, g| ops::repeat(&x[0], g.size(0, 3), g.maybe_axis(&x[0]));
        "roll" "*a" => |x, g| ops::roll(&x[0], g.place(-5, 5), g.axis(&x[0]));
        "roll_axes" "*" => |x, g| { let axes = g.axes(&x[0]); let by: Vec<i32> = axes.iter().map(|_| g.place(-5, 5)).collect(); ops::roll_axes(&x[0], &by, &axes) };
        "flip" "*" => |x, g| ops::flip(&x[0], &g.axes(&x[0]));
        "pad" "*" => |x, g| {
            let by: Vec<(i32, i32)> = x[0].shape().iter().map(|_| (g.size(0, 2), g.size(0, 2))).collect();
            ops::pad(&x[0], &by, &Array::scalar_as(0.5, x[0].dtype())?)
        };
        "pad_symmetric" "*" => |x, g| ops::pad_symmetric(&x[0], g.size(0, 2), &Array::scalar_as(0.5, x[0].dtype())?, g.pick(&[PadMode::Constant, PadMode::Edge]));
        "concatenate" "*a *b" => |x, g| ops::concatenate(&[&x[0], &x[1], &x[0]], if g.wild { g.axis(&x[0]) } else { -1 });
        "concatenate" "* *" => |x, g| ops::concatenate(&[&x[0], &x[1]], g.maybe_axis(&x[0]));
        "stack" "* *" => |x, g| ops::stack(&[&x[0], &x[1]], g.maybe_axis(&x[0]));
        "contiguous" "*" => |x, g| ops::contiguous(&ops::transpose(&x[0], &[])?, g.bool());
        "tril" "*ab" => |x, g| ops::tril(&x[0], g.place(-2, 2));
        "triu" "*ab" => |x, g| ops::triu(&x[0], g.place(-2, 2));
        "diag" "a" => |x, g| ops::diag(&x[0], g.size(-2, 2));
        "diag" "ab" => |x, g| ops::diag(&x[0], g.place(-2, 2));
        "diagonal" "*ab" => |x, g| { let (i, j) = if g.wild { (g.axis(&x[0]), g.axis(&x[0])) } else { (-2, -1) }; ops::diagonal(&x[0], g.place(-2, 2), i, j) };
        "trace" "ab" => |x, g| ops::trace(&x[0]);
        "trace_axes" "*ab" => |x, g| { let (i, j) = if g.wild { (g.axis(&x[0]), g.axis(&x[0])) } else { (-1, -2) }; ops::trace_axes(&x[0], g.place(-2, 2), i, j, x[0].dtype()) };
        "split" "*4" => |x, g| ops::split(&x[0], g.pick(&[1, 2, 4]), -1);
        "split_at" "*a" => |x, g| { let i = g.place(0, 2); let j = g.place(0, 3); ops::split_at(&x[0], &[i.min(j), i.max(j)], -1) };
        "unstack" "*3" => |x, g| ops::unstack(&x[0], if g.wild { g.axis(&x[0]) } else { -1 });
        "meshgrid" "a b" => |x, g| ops::meshgrid(&[&x[0], &x[1]], g.bool(), g.pick(&[Indexing::Ij, Indexing::Xy]));
        "eye" "ab" => |x, g| ops::multiply(&x[0], &ops::eye(x[0].dim(0)?, x[0].dim(1)?, g.place(-2, 2), x[0].dtype())?);
        "tri" "ab" => |x, g| ops::multiply(&x[0], &ops::tri(x[0].dim(0)?, x[0].dim(1)?, g.place(-2, 2), x[0].dtype())?);
        "identity" "aa" => |x, g| ops::add(&x[0], &ops::identity(x[0].dim(0)?, x[0].dtype())?);
        "zeros" "." => |x, g| { let shape = g.dims(2); ops::add(&x[0], &ops::zeros(&shape, x[0].dtype())?) };
        "ones" "." => |x, g| { let shape = g.dims(2); ops::add(&x[0], &ops::ones(&shape, x[0].dtype())?) };
        "arange" "." => |x, g| ops::multiply(&x[0], &ops::arange(g.float(-3.0, 0.0), g.float(0.0, 3.0), g.float(0.3, 1.0), x[0].dtype())?);
        "linspace" "." => |x, g| ops::multiply(&x[0], &ops::linspace(g.float(-3.0, 0.0), g.float(0.0, 3.0), g.size(0, 5), x[0].dtype())?);
        "linspace_endpoint" "." => |x, g| ops::multiply(&x[0], &ops::linspace_endpoint(g.float(-3.0, 0.0), g.float(0.0, 3.0), g.size(0, 5), g.bool(), x[0].dtype())?);
        "bartlett" "." => |x, g| ops::multiply(&x[0], &ops::astype(&ops::bartlett(g.size(0, 5))?, x[0].dtype())?);
        "blackman" "." => |x, g| ops::multiply(&x[0], &ops::astype(&ops::blackman(g.size(0, 5))?, x[0].dtype())?);
        "hamming" "." => |x, g| ops::multiply(&x[0], &ops::astype(&ops::hamming(g.size(0, 5))?, x[0].dtype())?);
        "hanning" "." => |x, g| ops::multiply(&x[0], &ops::astype(&ops::hanning(g.size(0, 5))?, x[0].dtype())?);
    }
    rows! { all, Called, WIDE;
        "as_strided" "ab" => |x, g| { let shape = g.dims(2); ops::as_strided(&x[0], &shape, &[i64::from(g.place(-1, 2)), i64::from(g.place(0, 2))], g.size(0, 2).max(0) as usize) };
        "view" "*" => |x, g| ops::view(&x[0], g.any_dtype());
        "astype" "*" => |x, g| ops::astype(&x[0], g.any_dtype());
        "zeros_like_dtype" "*" => |x, g| ops::zeros_like_dtype(&x[0], Dtype::Int8);
    }
}
