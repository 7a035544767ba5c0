//! Linear layers of one input, computed together.
//!
//! Tests: `mlx-tests --test models`.

use super::adapted::adapted;
use super::{unbound, Linear, Weight};
use crate::kernels::select;
use crate::nn::lora::{scaled, Lora};
use crate::{ops, transforms, Array, Result};

/// Joins the weights of layers that share an input, one above the other. The layers get views of
/// the joined weight, so that it is held once. `None` where they train or are kept differently.
pub(crate) fn join(layers: &mut [&mut Linear]) -> Result<Option<Weight>> {
    let found = layers.iter().map(|l| l.frozen_weight());
    let Some(weights) = found.collect::<Option<Vec<&Weight>>>() else {
        return Ok(None);
    };
    let Some(columns) = columns(&weights) else {
        return Ok(None);
    };
    // Each column of tensors is joined and cut again where its layers' rows end.
    let (mut wholes, mut views) = (Vec::new(), vec![Vec::new(); layers.len()]);
    for column in columns {
        let whole = ops::concatenate(&column, 0)?;
        let mut start = 0;
        for (a, views) in column.iter().zip(&mut views) {
            let (end, width) = (start + a.dim(0)?, a.dim(1)?);
            views.push(ops::slice(&whole, &[start, 0], &[end, width], &[1, 1])?);
            start = end;
        }
        wholes.push(whole);
    }
    let all: Vec<&Array> = wholes.iter().chain(views.iter().flatten()).collect();
    transforms::eval(&all)?;
    let joined = with_tensors(weights[0], wholes);
    for (layer, views) in layers.iter_mut().zip(views) {
        layer.weight = with_tensors(&layer.weight, views);
        layer.joined = true;
    }
    Ok(Some(joined))
}

/// The first tensor of each weight, the second of each, and so on, if all are kept alike.
fn columns<'a>(weights: &[&'a Weight]) -> Option<Vec<Vec<&'a Array>>> {
    let kept = |w: &Weight| match w {
        Weight::Dense(_) => Some(None),
        Weight::Quantized { how, .. } => Some(Some(*how)),
        Weight::Tied => None,
    };
    let first = kept(weights.first()?)?;
    if weights.iter().any(|w| kept(w) != Some(first)) {
        return None;
    }
    let mut columns: Vec<Vec<&Array>> = Vec::new();
    for w in weights {
        let mut i = 0;
        w.each(false, &mut |_, a, _| {
            match columns.get_mut(i) {
                Some(column) => column.push(a),
                None => columns.push(vec![a]),
            }
            i += 1;
        });
    }
    Some(columns)
}

/// A weight that is kept as `like` is, with other tensors.
fn with_tensors(like: &Weight, tensors: Vec<Array>) -> Weight {
    let (mut weight, mut tensors) = (like.clone(), tensors.into_iter());
    weight.each_mut(false, &mut |a, _| {
        if let Some(next) = tensors.next() {
            *a = next;
        }
    });
    weight
}

/// Layers of one input, to be computed together.
pub struct Joined<'a, const N: usize> {
    weight: Option<&'a Weight>,
    layers: [&'a Linear; N],
    x: &'a Array,
    adapters: bool,
    kept: bool,
}

/// Layers of one input, with their joined weight where there is one. With `adapters` their A
/// matrices share a product as well. Packed values are multiplied as they are if `kept`.
pub fn together<'a, const N: usize>(
    weight: Option<&'a Weight>,
    layers: [&'a Linear; N],
    x: &'a Array,
    adapters: bool,
    kept: bool,
) -> Joined<'a, N> {
    Joined {
        weight,
        layers,
        x,
        adapters,
        kept,
    }
}

impl<const N: usize> Joined<'_, N> {
    /// The layers' results.
    ///
    /// # Errors
    /// If the last dim of the input is not the layers'.
    pub fn parts(&self) -> Result<[Array; N]> {
        if let Some(y) = self.whole() {
            let all = parts(&y?, &self.layers.map(|l| l.sizes().1))?;
            return all.try_into().map_err(|_| unbound());
        }
        self.each()
    }

    /// The layers' results side by side, `[.., sum of out]`, where that is how they are computed.
    pub(crate) fn whole(&self) -> Option<Result<Array>> {
        let joined = self.layers.iter().all(|l| l.joined);
        adapted(
            self.weight.filter(|_| joined)?,
            &self.layers,
            self.x,
            self.kept,
        )
    }

    /// The input of all layers.
    pub(crate) fn input(&self) -> &Array {
        self.x
    }

    /// Each layer's columns.
    pub(crate) fn widths(&self) -> [i32; N] {
        self.layers.map(|l| l.sizes().1)
    }

    /// The layers' results, from one matmul where a joined weight is there and helps.
    fn each(&self) -> Result<[Array; N]> {
        let (layers, x, kept) = (self.layers, self.x, self.kept);
        let apart = select::splits_products(x);
        let whole = layers.iter().all(|l| l.joined) && !apart;
        let mut bases: [Option<Array>; N] = [const { None }; N];
        if let (Some(w), true) = (self.weight, whole) {
            let y = w.product(x, kept)?;
            for (base, part) in bases.iter_mut().zip(parts(&y, &self.widths())?) {
                *base = Some(part);
            }
        }
        let mut inner = match self.adapters && !apart {
            true => inner_products(layers, x)?,
            false => [const { None }; N],
        };
        // In place of the bases, so that no list is allocated.
        for (i, layer) in layers.into_iter().enumerate() {
            bases[i] = Some(match (bases[i].take(), inner[i].take()) {
                (None, None) => layer.project(x, kept)?,
                (Some(base), z) => layer.finish(base, x, z)?,
                (None, z) => layer.finish(layer.weight.product(x, kept)?, x, z)?,
            });
        }
        if bases.iter().any(Option::is_none) {
            return Err(unbound());
        }
        // All are there: nothing stands in.
        Ok(bases.map(|a| a.unwrap_or_else(|| x.clone())))
    }
}

/// `scale * (x a)` of each adapted layer, from one matmul; nothing where that would save none.
fn inner_products<const N: usize>(layers: [&Linear; N], x: &Array) -> Result<[Option<Array>; N]> {
    let mut out = [const { None }; N];
    // Random zeros are of each layer's own.
    let adapter = |i: &usize| layers[*i].lora.as_ref().filter(|l| l.key.is_none());
    let at: Vec<usize> = (0..N).filter(|i| adapter(i).is_some()).collect();
    let loras: Vec<&Lora> = at.iter().filter_map(adapter).collect();
    if loras.len() < 2 {
        return Ok(out);
    }
    let a: Vec<&Array> = loras.iter().map(|l| &l.a).collect();
    let a = ops::astype(&ops::concatenate(&a, 1)?, x.dtype())?;
    let mut z = ops::matmul(x, &a)?;
    let scale = loras[0].scale;
    let equal = loras.iter().all(|l| l.scale == scale);
    if equal {
        z = scaled(&z, scale)?;
    }
    let ranks: Vec<i32> = loras.iter().map(|l| l.a.dim(1)).collect::<Result<_>>()?;
    for ((i, lora), part) in at.into_iter().zip(loras).zip(parts(&z, &ranks)?) {
        out[i] = Some(match equal {
            true => part,
            false => scaled(&part, lora.scale)?,
        });
    }
    Ok(out)
}

/// The columns of `y`, in parts of these widths.
fn parts(y: &Array, widths: &[i32]) -> Result<Vec<Array>> {
    let mut end = 0;
    let ends = widths.iter().map(|w| {
        end += w;
        end
    });
    let at: Vec<i32> = ends.take(widths.len().saturating_sub(1)).collect();
    ops::split_at(y, &at, -1)
}
