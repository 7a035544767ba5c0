//! Kernels of the row tier: values and gradients in every dtype and size, one node each, inside of transforms and models,
//! random numbers from a key, with arguments that may be absent, with frozen arguments and gradients by hand, and on arrays that no backend holds.

#![forbid(unsafe_code)]

mod basic;
mod check;
mod gradients;
mod layouts;
mod models;
mod optional;
mod random;
mod regions;
mod scores;
mod transforms;

use mlx_runtime::{Array, Result};

/// Fails with every difference of [`check::differences`].
fn same<F>(name: &str, f: F, x: &[Array], value: f32, grad: f32)
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Clone + Send + 'static,
{
    let found = check::differences(name, f, x, value, grad);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
