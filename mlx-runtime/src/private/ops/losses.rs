//! Losses with the reduction as the language writes it.
//!
//! Tests: `mlx-tests --test language`, `--test rules`.

use crate::nn::losses;
use crate::{Array, Result};

macro_rules! by_name {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {$(
        #[doc = concat!("[`losses::", stringify!($name), "`] with a reduction by name.")]
        #[allow(clippy::too_many_arguments)]
        pub fn $name($($arg: $ty,)* reduction: &str) -> Result<Array> {
            losses::$name($($arg,)* reduction.parse()?)
        }
    )*};
}

by_name! {
    cross_entropy(logits: &Array, targets: &Array, weights: Option<&Array>, axis: i32, label_smoothing: f32);
    binary_cross_entropy(inputs: &Array, targets: &Array, weights: Option<&Array>, with_logits: bool);
    mse_loss(predictions: &Array, targets: &Array);
    l1_loss(predictions: &Array, targets: &Array);
    smooth_l1_loss(predictions: &Array, targets: &Array, beta: f32);
    huber_loss(inputs: &Array, targets: &Array, delta: f32);
    log_cosh_loss(inputs: &Array, targets: &Array);
    hinge_loss(inputs: &Array, targets: &Array);
    gaussian_nll_loss(inputs: &Array, targets: &Array, vars: &Array, full: bool, eps: f32);
    margin_ranking_loss(inputs1: &Array, inputs2: &Array, targets: &Array, margin: f32);
    kl_div_loss(inputs: &Array, targets: &Array, axis: i32);
    cosine_similarity_loss(x1: &Array, x2: &Array, axis: i32, eps: f32);
    nll_loss(inputs: &Array, targets: &Array, axis: i32);
}
