//! Fully connected layers whose weights are spread over the processes of a group (tensor parallelism).
//!
//! Tests: `tests/ranks.rs`.

use std::sync::Arc;

use super::module::path_of;
use super::{Linear, Module, Parameters, TensorKind};
use crate::distributed::{all_sum, Group};
use crate::{ops, transforms, Array, Error, Result};

/// `x`, the same on every process, whose gradient is summed over them: each of them has used it in another part of a layer.
/// MLX: `nn.layers.distributed.sum_gradients`.
///
/// MLX's gradient of [`all_sum`] is the cotangent itself. So a layer that begins with this function and one that ends with
/// `all_sum` have the gradients of the whole layers.
///
/// # Errors
/// Returns the error that MLX reports.
pub fn sum_gradients(x: &Array, group: &Arc<Group>) -> Result<Array> {
    if group.size() == 1 {
        return Ok(x.clone());
    }
    let group = Arc::clone(group);
    let same = transforms::custom_vjp(
        |x| Ok(x.to_vec()),
        move |_, cotangents, _| Ok(vec![all_sum(&cotangents[0], Some(&group))?]),
    );
    let mut out = same.call(std::slice::from_ref(x))?;
    Ok(out.swap_remove(0))
}

/// This process' part of `x` along `axis`, contiguous.
///
/// # Errors
/// If there is no such axis, or the number of processes does not divide it.
pub fn shard(x: &Array, axis: i32, group: &Group) -> Result<Array> {
    let (rank, size) = (group.rank(), group.size());
    let length = x.dim(axis).map_err(|e| e.renamed("shard"))?;
    let count = i32::try_from(size).unwrap_or(i32::MAX);
    if length % count != 0 {
        let text = format!("a length of {length} cannot be divided over {size} processes");
        return Err(
            Error::shape("shard", text).with_hint("use a number of processes that divides it")
        );
    }
    let mut parts = ops::split(x, count, axis)?;
    ops::contiguous(&parts.swap_remove(rank), false)
}

/// The tensors of a layer, one part of them.
#[derive(Clone, Debug)]
struct Part {
    /// `[out, in]`, one of them divided.
    weight: Array,
    bias: Option<Array>,
    frozen: bool,
    group: Arc<Group>,
}

impl Part {
    /// From the tensors of a whole layer.
    fn of(linear: &Linear, axis: i32, shards_bias: bool, group: &Arc<Group>) -> Result<Self> {
        let named = linear.parameters();
        let find = |name: &str| named.iter().find(|(n, _)| n == name).map(|(_, a)| a);
        let known = |name: &String| name == "weight" || name == "bias";
        let weight = find("weight").filter(|_| named.iter().all(|(n, _)| known(n)));
        let Some(weight) = weight else {
            let text = "expected a linear layer with a dense weight and no adapter";
            return Err(Error::invalid("from_linear", text.to_owned()));
        };
        let bias = find("bias").map(|b| match shards_bias {
            true => shard(b, 0, group),
            false => Ok(b.clone()),
        });
        Ok(Part {
            weight: shard(weight, axis, group)?,
            bias: bias.transpose()?,
            frozen: linear.trainable().is_empty(),
            group: Arc::clone(group),
        })
    }

    /// `x W^T`.
    fn product(&self, x: &Array) -> Result<Array> {
        ops::matmul(x, &ops::transpose(&self.weight, &[])?)
    }

    fn add_bias(&self, y: Array) -> Result<Array> {
        match &self.bias {
            Some(bias) => ops::add(&y, bias),
            None => Ok(y),
        }
    }
}

macro_rules! layers {
    ($($(#[$doc:meta])* $name:ident: axis $axis:expr, bias $bias:expr, |$part:ident, $x:ident| $forward:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(Part);

        impl $name {
            /// This process' part of a whole layer, which is the same on every process.
            ///
            /// # Errors
            /// If the number of processes does not divide the axis, or the layer is packed or has an adapter.
            pub fn from_linear(linear: &Linear, group: &Arc<Group>) -> Result<Self> {
                Part::of(linear, $axis, $bias, group).map(Self)
            }
        }

        impl Module for $name {
            fn forward(&self, $x: &Array) -> Result<Array> {
                let $part = &self.0;
                $forward
            }
        }

        impl Parameters for $name {
            fn visit(&self, path: &str, f: &mut dyn FnMut(&str, &Array, TensorKind)) {
                let kind = TensorKind::of(!self.0.frozen);
                f(&path_of(path, "weight"), &self.0.weight, kind);
                if let Some(bias) = &self.0.bias {
                    f(&path_of(path, "bias"), bias, kind);
                }
            }

            fn visit_mut(&mut self, f: &mut dyn FnMut(&mut Array, TensorKind)) {
                let kind = TensorKind::of(!self.0.frozen);
                f(&mut self.0.weight, kind);
                self.0.bias.iter_mut().for_each(|bias| f(bias, kind));
            }

            fn set_frozen(&mut self, frozen: bool) {
                self.0.frozen = frozen;
            }
        }
    )*};
}

layers! {
    /// Each process computes a part of the outputs: `[.., in] -> [.., out / n]`. `x` is the same on every process, and so is
    /// its gradient. MLX: `nn.AllToShardedLinear`.
    AllToShardedLinear: axis 0, bias true, |part, x| {
        part.add_bias(part.product(&sum_gradients(x, &part.group)?)?)
    };

    /// Each process has a part of the inputs, and all get the whole outputs: `[.., in / n] -> [.., out]`. MLX:
    /// `nn.ShardedToAllLinear`.
    ShardedToAllLinear: axis 1, bias false, |part, x| {
        part.add_bias(all_sum(&part.product(x)?, Some(&part.group))?)
    };
}
