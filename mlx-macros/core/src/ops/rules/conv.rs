//! Rules of convolutions and pooling, channels last.
//!
//! Tests: `mlx-tests --test rules`.

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx};
use crate::ops::operands::{need_float, promote};
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::shapes::{NoPlace, Window};
use crate::syntax::signature::{Dt, Ty};

/// The middle axes of the operation, which its name ends with.
fn spatial(c: &Ctx<'_>) -> usize {
    if c.op.name.ends_with("2d") {
        2
    } else {
        1
    }
}

/// The number of places of a window.
fn place(c: &Ctx<'_>, window: &Window<'_>) -> Result<Dim> {
    let places = window.places(c.names, c.facts);
    places.map_err(|e| e.mistake(c.span, c.op.name, c.describe(0)))
}

/// The input and the weight of a convolution, whose channels fit together; `groups` is the place of that argument.
fn channels<'a>(c: &'a Ctx<'_>, groups: usize) -> Result<(&'a Shape, &'a Shape, Dt)> {
    let ((x, d), (w, dw)) = (c.tensor(0)?, c.tensor(1)?);
    let dtype = promote(c, 0, 1, d, dw)?;
    need_float(c, 0, dtype)?;
    let n = spatial(c);
    let shapes = [
        (0, x, "[batch, size.., channels]"),
        (1, w, "[out, kernel.., channels]"),
    ];
    for (i, s, form) in shapes {
        if s.len() != n + 2 {
            return Err(Diag::conv_rank(
                c.at(i),
                c.op.name,
                form,
                n + 2,
                c.describe(i),
            ));
        }
    }
    let groups = c.size(groups)?;
    if x[n + 1] != w[n + 1].times(groups) || c.divide(&w[0], groups).is_none() {
        return Err(Diag::channels_differ(
            c.at(1),
            c.op.name,
            c.names.dim(groups),
            c.describe(0),
            c.describe(1),
        ));
    }
    Ok((x, w, dtype))
}

/// `input [B, size.., in]`, `weight [out, kernel.., in / groups]` ->
/// `[B, (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1 .., out]`.
pub fn conv(c: &Ctx<'_>) -> Result<Ty> {
    let (x, w, dtype) = channels(c, 5)?;
    let mut out = vec![x[0].clone()];
    for i in 0..spatial(c) {
        let window = Window {
            size: &x[i + 1],
            kernel: &w[i + 1],
            stride: &c.dims(2)[i],
            padding: &c.dims(3)[i],
            dilation: &c.dims(4)[i],
        };
        out.push(place(c, &window)?);
    }
    out.push(w[0].clone());
    Ok(Ty::Tensor(out, dtype))
}

/// `input [B, size.., in]`, `weight [out, kernel.., in / groups]` ->
/// `[B, (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1 .., out]`.
pub fn conv_transpose(c: &Ctx<'_>) -> Result<Ty> {
    let (x, w, dtype) = channels(c, 6)?;
    let one = Dim::constant(1);
    let below = |d: &Dim, least: i64| d.as_constant().is_some_and(|n| n < least);
    let mut out = vec![x[0].clone()];
    for i in 0..spatial(c) {
        let (stride, padding) = (&c.dims(2)[i], &c.dims(3)[i]);
        let (dilation, more) = (&c.dims(4)[i], &c.dims(5)[i]);
        if below(stride, 1) || below(dilation, 1) || below(padding, 0) || below(more, 0) {
            return Err(NoPlace::Steps.mistake(c.span, c.op.name, c.describe(0)));
        }
        let less = |d: &Dim| d.plus(&one.negated());
        let size = less(&x[i + 1]).times(stride).plus(more).plus(&one);
        let size = size.plus(&less(&w[i + 1]).times(dilation));
        let size = size.plus(&padding.times(&Dim::constant(-2)));
        // MLX cuts the input where the padding is larger than the window reaches.
        c.need_at_most(3, padding, &less(&w[i + 1]).times(dilation))?;
        c.need_at_most(3, &one, &size)?;
        out.push(size);
    }
    out.push(w[0].clone());
    Ok(Ty::Tensor(out, dtype))
}

/// `[B, size.., C] -> [B, (size + 2 * padding - kernel) / stride + 1 .., C]`; the stride is the
/// kernel's size unless given.
pub fn pool(c: &Ctx<'_>) -> Result<Ty> {
    let (x, d) = c.tensor(0)?;
    need_float(c, 0, d)?;
    let n = spatial(c);
    if x.len() != n + 2 {
        return Err(Diag::pool_rank(c.at(0), c.op.name, n + 2, c.describe(0)));
    }
    let one = Dim::constant(1);
    let stride = match c.args[2] {
        Arg::Absent => c.dims(1),
        _ => c.dims(2),
    };
    let mut out = x.clone();
    for i in 0..n {
        let window = Window {
            size: &x[i + 1],
            kernel: &c.dims(1)[i],
            stride: &stride[i],
            padding: &c.dims(3)[i],
            dilation: &one,
        };
        out[i + 1] = place(c, &window)?;
    }
    Ok(Ty::Tensor(out, d))
}
