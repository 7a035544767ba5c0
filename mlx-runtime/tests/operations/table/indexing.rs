//! Operations that read and write at places.

use mlx_runtime::{ops, Array, Result};

use super::{rows, Operation};
use crate::generate::Generate;

const WIDE: (f64, f64) = (-2.0, 2.0);

/// An update for a slice: of its shape, or one that broadcasts to it.
fn update(x: &Array, shape: &[i32]) -> Result<Array> {
    let n: i32 = shape.iter().product();
    let flat = ops::reshape(x, &[-1])?;
    let places: Vec<i32> = (0..n)
        .map(|i| i % x.shape().iter().product::<i32>().max(1))
        .collect();
    ops::reshape(
        &ops::take(&flat, &Array::from_slice(&places, &[n])?, 0)?,
        shape,
    )
}

type SliceUpdate = fn(&Array, &Array, &[i32], &[i32], &[i32]) -> Result<Array>;

fn sliced(x: &[Array], g: &mut Generate, f: SliceUpdate) -> Result<Array> {
    let slice = g.slice(&x[0]);
    let shape = Generate::taken(x[0].shape(), &slice);
    let by = update(&x[1], &shape)?;
    f(&x[0], &by, &slice[0], &slice[1], &slice[2])
}

type Scatter = fn(&Array, &[&Array], &Array, &[i32]) -> Result<Array>;

/// `x[0]` of three axes, two of them indexed by `x[1]` and `x[2]`; the updates `x[3]` have as many
/// elements along the third as it, and one along the others.
fn scattered(x: &[Array], g: &mut Generate, f: Scatter) -> Result<Array> {
    let axes = g.pick(&[[0, 1], [1, 2], [0, 2], [2, 0]]);
    let mut shape: Vec<i32> = x[1].shape().to_vec();
    for (i, &n) in x[0].shape().iter().enumerate() {
        shape.push(if axes.contains(&(i as i32)) {
            n.min(1)
        } else {
            n
        });
    }
    f(&x[0], &[&x[1], &x[2]], &update(&x[3], &shape)?, &axes)
}

type ScatterSingle = fn(&Array, &Array, &Array, i32) -> Result<Array>;

fn scattered_single(x: &[Array], g: &mut Generate, f: ScatterSingle) -> Result<Array> {
    let axis = g.pick(&[0, 1, 2]);
    let mut shape: Vec<i32> = x[1].shape().to_vec();
    for (i, &n) in x[0].shape().iter().enumerate() {
        shape.push(if axis == i as i32 { n.min(1) } else { n });
    }
    f(&x[0], &x[1], &update(&x[2], &shape)?, axis)
}

/// Distinct indices along an axis, because the result of a duplicate index is unspecified.
fn distinct(x: &Array, g: &mut Generate, axis: i32) -> Result<Array> {
    let n = x.dim(axis)?;
    let mut order: Vec<i32> = (0..n).collect();
    for i in (1..order.len()).rev() {
        order.swap(i, g.below(i + 1));
    }
    Array::from_slice(&order, &[n])
}

pub fn add(all: &mut Vec<Operation>) {
    rows! { all, Smooth, WIDE;
        "slice" "*a" => |x, g| { let [p, q, r] = g.slice(&x[0]); ops::slice(&x[0], &p, &q, &r) };
        "slice_update" "*a b" => |x, g| sliced(x, g, ops::slice_update);
        "slice_update_add" "*a b" => |x, g| sliced(x, g, ops::slice_update_add);
        "slice_update_prod" "*a b" => |x, g| sliced(x, g, ops::slice_update_prod);
        "slice_dynamic" "abc i:2" => |x, g| {
            let size = [x[0].dim(0)?.min(1), x[0].dim(1)?, x[0].dim(2)?.min(2)];
            ops::slice_dynamic(&x[0], &x[1], &[0, 2], &size)
        };
        "slice_update_dynamic" "abc i:2 e" => |x, g| {
            let size = [x[0].dim(0)?.min(1), x[0].dim(1)?, x[0].dim(2)?.min(2)];
            ops::slice_update_dynamic(&x[0], &update(&x[2], &size)?, &x[1], &[0, 2])
        };
        "take" "*a i:bc" => |x, g| ops::take(&x[0], &x[1], g.axis(&x[0]));
        "take" "*a i:b" => |x, g| ops::take(&x[0], &x[1], None);
        "take" "*a i:." => |x, g| ops::take(&x[0], &x[1], g.axis(&x[0]));
        "take_along_axis" "*ab i:*cb" => |x, g| ops::take_along_axis(&x[0], &x[1], -2);
        "take_along_axis" "*a i:*b" => |x, g| ops::take_along_axis(&x[0], &x[1], -1);
        "scatter_add_axis" "*ab i:*cb *cb" => |x, g| ops::scatter_add_axis(&x[0], &x[1], &x[2], -2);
        "scatter_add_axis" "*a i:*b *b" => |x, g| ops::scatter_add_axis(&x[0], &x[1], &x[2], -1);
        "put_along_axis" "a a" => |x, g| { let i = distinct(&x[0], g, 0)?; ops::put_along_axis(&x[0], &i, &ops::broadcast_to(&x[1], x[0].shape())?, 0) };
        "gather" "abc i:de i:de" => |x, g| {
            let axes = g.pick(&[[0, 1], [1, 2], [0, 2], [2, 0]]);
            let sizes: Vec<i32> = x[0].shape().iter().enumerate().map(|(i, &n)| if axes.contains(&(i as i32)) { n.min(1) } else { n }).collect();
            ops::gather(&x[0], &[&x[1], &x[2]], &axes, &sizes)
        };
        "gather_single" "abc i:d" => |x, g| {
            let axis = g.pick(&[0, 1, 2]);
            let mut sizes = x[0].shape().to_vec();
            if let Some(size) = sizes.get_mut(axis as usize) {
                *size = (*size).min(1);
            }
            ops::gather_single(&x[0], &x[1], axis, &sizes)
        };
        "scatter_add" "abc i:de i:de f" => |x, g| scattered(x, g, ops::scatter_add);
        "scatter_add_single" "abc i:d f" => |x, g| scattered_single(x, g, ops::scatter_add_single);
        "scatter_single" "ab ab" => |x, g| { let i = distinct(&x[0], g, 0)?; ops::scatter_single(&x[0], &i, &ops::expand_dims(&x[1], &[1])?, 0) };
        "scatter" "abc abc" => |x, g| {
            let i = distinct(&x[0], g, 2)?;
            let updates = ops::expand_dims(&ops::moveaxis(&x[1], 2, 0)?, &[3])?;
            ops::scatter(&x[0], &[&i], &updates, &[2])
        };
        "masked_scatter" "ab b:ab c" => |x, g| ops::masked_scatter(&x[0], &x[1], &ops::tile(&x[2], &[16])?);
    }
    rows! { all, Steps, WIDE;
        "slice_update_max" "*a b" => |x, g| sliced(x, g, ops::slice_update_max);
        "slice_update_min" "*a b" => |x, g| sliced(x, g, ops::slice_update_min);
        "scatter_max" "abc i:de i:de f" => |x, g| scattered(x, g, ops::scatter_max);
        "scatter_min" "abc i:de i:de f" => |x, g| scattered(x, g, ops::scatter_min);
        "scatter_prod" "abc i:de i:de f" => |x, g| scattered(x, g, ops::scatter_prod);
        "scatter_max_single" "abc i:d f" => |x, g| scattered_single(x, g, ops::scatter_max_single);
        "scatter_min_single" "abc i:d f" => |x, g| scattered_single(x, g, ops::scatter_min_single);
        "scatter_prod_single" "abc i:d f" => |x, g| scattered_single(x, g, ops::scatter_prod_single);
    }
    rows! { all, Called, WIDE;
        "scatter" "abc i:de i:de f" => |x, g| scattered(x, g, ops::scatter);
        "put_along_axis" "*ab i:*cb *cb" => |x, g| ops::put_along_axis(&x[0], &x[1], &x[2], -2);
        "scatter_add" "ab i:d d1b" => |x, g| ops::scatter_add(&x[0], &[&x[1]], &x[2], &[if g.wild { g.axis(&x[0]) } else { 0 }]);
        "gather" "ab i:d" => |x, g| { let sizes = g.dims(2); ops::gather(&x[0], &[&x[1]], &[g.axis(&x[0])], &sizes) };
        "slice_dynamic" "ab i:c" => |x, g| { let size = g.dims(2); let axes = g.axes(&x[0]); ops::slice_dynamic(&x[0], &x[1], &axes, &size) };
        "slice_update_dynamic" "ab cd i:e" => |x, g| { let axes = g.axes(&x[0]); ops::slice_update_dynamic(&x[0], &x[1], &x[2], &axes) };
        "masked_scatter" "*a b:* *" => |x, g| ops::masked_scatter(&x[0], &x[1], &x[2]);
    }
}
