//! Fused layers and random numbers.

use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::random::{self, Key};
use mlx_runtime::{ops, Array, Dtype, Result};

use super::{rows, Operation};

const WIDE: (f64, f64) = (-1.0, 1.0);

/// The key in the first input.
fn key(x: &[Array]) -> Result<Key> {
    Key::from_array(x[0].clone())
}

pub fn add(all: &mut Vec<Operation>) {
    rows! { all, Single, (0.5, 1.5);
        "rms_norm" "*a a" => |x, g| fast::rms_norm(&x[0], g.bool().then_some(&x[1]), 1e-3);
        "layer_norm" "*4 4 4" => |x, g| { let x0 = ops::multiply(&x[0], &ops::astype(&Array::from_slice(&[1.0f32, -1.0, 2.0, 0.5], &[4])?, x[0].dtype())?)?; fast::layer_norm(&x0, g.bool().then_some(&x[1]), g.bool().then_some(&x[2]), 1e-3) };
    }
    rows! { all, Single, WIDE;
        "rope" "*ab4" => |x, g| fast::rope(&x[0], g.pick(&[2, 4]), g.bool(), Some(100.0), g.float(0.5, 1.0) as f32, g.size(0, 3), None);
        "rope" "*ab4 b:2" => |x, g| fast::rope(&x[0], 4, g.bool(), None, 1.0, g.size(0, 3), Some(&ops::add(&ops::astype(&x[1], x[0].dtype())?, &Array::scalar_as(1.0, x[0].dtype())?)?));
        "rope_dynamic" "*ab4 i:." => |x, g| fast::rope_dynamic(&x[0], 4, g.bool(), Some(100.0), 1.0, &x[1], None);
        "scaled_dot_product_attention" "ahtd ahsd ahsd" => |x, g| fast::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.5, Mask::None, None);
        "scaled_dot_product_attention" "a2td a1sd a1sd" => |x, g| fast::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.5, Mask::None, None);
        "scaled_dot_product_attention" "ahtd ahtd ahtd" => |x, g| fast::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.5, Mask::Causal, None);
        "scaled_dot_product_attention" "ahtd ahsd ahsd ts" => |x, g| fast::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.5, Mask::Array(&x[3]), None);
        "cross_entropy" "ab i:a" => |x, g| fast::cross_entropy(&x[0], &ops::clip(&x[1], Some(&Array::scalar(0i32)?), Some(&Array::scalar(x[0].dim(-1)? - 1)?))?);
    }
    rows! { all, Called, WIDE;
        "rope" "*" => |x, g| fast::rope(&x[0], g.size(0, 6), g.bool(), Some(100.0), 1.0, g.place(0, 3), None);
        "rms_norm" "* a" => |x, g| fast::rms_norm(&x[0], Some(&x[1]), 1e-3);
        "layer_norm" "* a b" => |x, g| fast::layer_norm(&x[0], Some(&x[1]), Some(&x[2]), 1e-3);
        "scaled_dot_product_attention" "abcd efgh ijkl" => |x, g| fast::scaled_dot_product_attention(&x[0], &x[1], &x[2], 0.5, Mask::None, None);
        "cross_entropy" "*a i:*" => |x, g| fast::cross_entropy(&x[0], &x[1]);
        "bits" "k:2" => |x, g| random::bits(&g.dims(2), g.pick(&[1, 2, 4, 8, 3]), Some(&key(x)?));
        "normal" "k:2" => |x, g| random::normal(&g.dims(2), Dtype::Float32, 0.0, 1.0, Some(&key(x)?));
        "normal_broadcast" "k:2 ~ ~" => |x, g| random::normal_broadcast(x[1].shape(), x[1].dtype(), Some(&x[1]), Some(&x[2]), Some(&key(x)?));
        "uniform" "k:2 ~ ~" => |x, g| { let shape = g.dims(2); random::uniform(&x[1], &x[2], &shape, Dtype::Float32, Some(&key(x)?)) };
        "randint" "k:2 i:~ i:~" => |x, g| { let shape = g.dims(2); random::randint(&x[1], &x[2], &shape, Dtype::Int32, Some(&key(x)?)) };
        "bernoulli" "k:2 ~" => |x, g| { let shape = g.dims(2); random::bernoulli(&x[1], &shape, Some(&key(x)?)) };
        "categorical" "k:2 *a" => |x, g| random::categorical(&x[1], g.axis(&x[1]), Some(&key(x)?));
        "categorical_shape" "k:2 *a" => |x, g| { let shape = g.dims(2); random::categorical_shape(&x[1], g.axis(&x[1]), &shape, Some(&key(x)?)) };
        "categorical_num_samples" "k:2 *a" => |x, g| random::categorical_num_samples(&x[1], g.axis(&x[1]), g.size(0, 3), Some(&key(x)?));
        "permutation" "k:2" => |x, g| random::permutation(g.size(0, 4), Some(&key(x)?));
        "shuffle" "k:2 *" => |x, g| random::shuffle(&x[1], g.axis(&x[1]), Some(&key(x)?));
        "split" "k:2" => |x, g| random::split(&key(x)?, g.size(0, 3));
        "gumbel" "k:2" => |x, g| random::gumbel(&g.dims(2), Dtype::Float32, Some(&key(x)?));
        "laplace" "k:2" => |x, g| random::laplace(&g.dims(2), Dtype::Float32, 0.0, 1.0, Some(&key(x)?));
        "truncated_normal" "k:2 ~ ~" => |x, g| { let shape = g.dims(2); random::truncated_normal(&x[1], &x[2], &shape, Dtype::Float32, Some(&key(x)?)) };
        "multivariate_normal" "k:2 a aa" => |x, g| { let shape = g.dims(1); random::multivariate_normal(&x[1], &x[2], &shape, Dtype::Float32, Some(&key(x)?)) };
    }
}
