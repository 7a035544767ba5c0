//! Bodies that no pass was written for: the regions in them that became kernels, against the same composed of MLX's
//! operations; in every dtype, at odd sizes, with several results, in arms of an `if`, and beside a cache.

use std::sync::Arc;

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::low_level::graph;
use mlx_runtime::model::{init, Model};
use mlx_runtime::nn::{Linear, Param};
use mlx_runtime::random::Key;
use mlx_runtime::{kernels, ops, transforms, Array, Dtype, Result};

use mlx_tests::Config;

use crate::check::{apart, both, normal, numbers};
use crate::same;

#[mlx_fn]
fn soft_cap(x: Tensor![B, L, D], cap: f32) -> Tensor![B, L, D] {
    tanh(x / cap) * cap
}

#[mlx_fn]
fn zero_centered(x: Tensor![B, L, D], w: Tensor![D], eps: f32) -> Tensor![B, L, D] {
    x * rsqrt(mean(square(x), -1, keepdims) + eps) * (w + 1.0)
}

#[mlx_fn]
fn clamped(g: Tensor![B, L, F], u: Tensor![B, L, F]) -> Tensor![B, L, F] {
    let g = minimum(g, 0.7);
    let u = clip(u, -0.7, 0.7);
    g * sigmoid(g * 1.702) * (u + 1.0)
}

#[mlx_fn]
fn modulated(x: Tensor![B, L, D], scale: Tensor![B, D], shift: Tensor![B, D]) -> Tensor![B, L, D] {
    let s = scale.reshape([B, 1, D]);
    let t = shift.reshape([B, 1, D]);
    layer_norm(x, eps = 1e-6) * (s + 1.0) + t
}

#[mlx_fn]
fn standardized(x: Tensor![B, D], w: Tensor![D]) -> (Tensor![B, D], Tensor![B, D]) {
    let h = exp(x * 0.3) + w;
    let centered = h - mean(h, -1, keepdims);
    let y = centered / sqrt(mean(square(centered), -1, keepdims) + 1e-3);
    (h, y)
}

#[mlx_fn]
fn masked(
    x: Tensor![B, H, L, S],
    keep: Tensor![L, S; bool],
    sink: Tensor![H, 1, 1],
) -> Tensor![B, H, L, S] {
    let x = where_(keep, x * 0.5, -1e9);
    let top = maximum(max(x, -1, keepdims), sink);
    let e = exp(x - top);
    e / (sum(e, -1, keepdims) + exp(sink - top))
}

/// The same numbers without the graph that made them, of which another thread may still hold a part.
fn alone(x: &Array) -> Array {
    match x.dtype() {
        Dtype::Float32 => Array::from_slice(&numbers(x), x.shape()).unwrap(),
        _ => x.clone(),
    }
}

fn nodes(f: impl FnOnce() -> Result<Array>) -> usize {
    graph::count_nodes(&[&f().unwrap()]).unwrap()
}

/// Kernels of float32 against the same operations of MLX, and those of half types against float32 on the same numbers: a
/// kernel rounds its results alone.
pub(super) fn all(
    name: &str,
    f: impl Fn(&[Array]) -> Result<Vec<Array>> + Clone + Send + 'static,
    inputs: impl Fn(i32, Dtype) -> Vec<Array>,
) {
    for d in [2, 6, 16, 50, 1000, 4098] {
        let what = format!("{name} of {d}");
        same(&what, f.clone(), &inputs(d, Dtype::Float32), 5e-6, 3e-5);
        for (dtype, value, grad) in [
            (Dtype::Float16, 2e-3, 8e-3),
            (Dtype::Bfloat16, 1.5e-2, 5e-2),
        ] {
            let x = inputs(d, dtype);
            let wide: Vec<Array> = x
                .iter()
                .map(|x| ops::astype(x, Dtype::Float32).unwrap())
                .collect();
            let (values, grads) = both(f.clone(), &x).unwrap();
            let (want, want_grads) = kernels::without(|| both(f.clone(), &wide)).unwrap();
            for (of, found, want, most) in [
                ("value", values, want, value),
                ("gradient", grads, want_grads, grad),
            ] {
                for (i, (a, b)) in found.iter().zip(&want).enumerate() {
                    assert_eq!(a.dtype(), dtype);
                    let far = apart(&ops::astype(a, Dtype::Float32).unwrap(), b);
                    assert!(far <= most, "{what} {dtype:?}: {of} {i} differs by {far}");
                }
            }
        }
    }
}

#[test]
fn soft_caps_are_those_of_mlx() {
    let f = |x: &[Array]| Ok(vec![soft_cap(&x[0], 5.0)?]);
    all("soft cap", f, |d, t| vec![normal(&[2, 3, d], 1, t)]);
    let x = alone(&normal(&[2, 3, 8], 1, Dtype::Float32));
    assert_eq!(nodes(|| soft_cap(&x, 5.0)), 1);
    assert!(nodes(|| kernels::without(|| soft_cap(&x, 5.0))) > 3);
}

#[test]
fn norms_with_another_weight_are_those_of_mlx() {
    let f = |x: &[Array]| Ok(vec![zero_centered(&x[0], &x[1], 1e-6)?]);
    all("zero-centred norm", f, |d, t| {
        vec![normal(&[2, 3, d], 1, t), normal(&[d], 2, t)]
    });
    let (x, w) = (
        alone(&normal(&[2, 3, 8], 1, Dtype::Float32)),
        alone(&normal(&[8], 2, Dtype::Float32)),
    );
    assert_eq!(nodes(|| zero_centered(&x, &w, 1e-6)), 1);
}

#[test]
fn clamped_units_are_those_of_mlx() {
    let f = |x: &[Array]| Ok(vec![clamped(&x[0], &x[1])?]);
    all("clamped", f, |d, t| {
        vec![normal(&[2, 3, d], 1, t), normal(&[2, 3, d], 2, t)]
    });
}

#[test]
fn modulations_are_those_of_mlx() {
    let f = |x: &[Array]| Ok(vec![modulated(&x[0], &x[1], &x[2])?]);
    all("modulated", f, |d, t| {
        vec![
            normal(&[2, 3, d], 1, t),
            normal(&[2, d], 2, t),
            normal(&[2, d], 3, t),
        ]
    });
}

#[test]
fn several_results_are_those_of_mlx() {
    let f = |x: &[Array]| {
        let (h, y) = standardized(&x[0], &x[1])?;
        Ok(vec![h, y])
    };
    all("standardized", f, |d, t| {
        vec![normal(&[5, d], 1, t), normal(&[d], 2, t)]
    });
}

#[test]
fn attention_scores_with_sinks_are_those_of_mlx() {
    let f = |x: &[Array]| {
        let n = x[0].shape()[3];
        let keep = Array::from_slice(&(0..3 * n).map(|i| i % 5 != 1).collect::<Vec<_>>(), &[3, n])?;
        Ok(vec![masked(&x[0], &keep, &x[1])?])
    };
    all("masked", f, |d, t| {
        vec![normal(&[2, 2, 3, d], 1, t), normal(&[2, 1, 1], 2, t)]
    });
}

#[test]
fn second_derivatives_and_vectorised_calls_are_composed() {
    let x = [
        normal(&[2, 3, 8], 1, Dtype::Float32),
        normal(&[8], 2, Dtype::Float32),
    ];
    let f = |x: &[Array]| Ok(vec![zero_centered(&x[0], &x[1], 1e-6)?]);
    let twice = move |x: &[Array]| {
        let by = [ops::cos(&x[0])?];
        Ok(transforms::vjp(f, x, &by)?.1)
    };
    same("second derivative", twice, &x, 1e-5, 1e-4);
    let g = |x: &[Array]| -> Result<Vec<Array>> {
        let by = [ops::cos(&x[0])?, ops::sin(&x[1])?];
        Ok(transforms::jvp(f, x, &by)?.1)
    };
    let tangents = g(&x).unwrap();
    let composed = kernels::without(|| g(&x)).unwrap();
    assert!(apart(&tangents[0], &composed[0]) < 1e-5);
}

/// Layers of families that no other pass knows.
trait Layer: Model<Config = Config> + Send + 'static {
    /// A block of `x` and a time `t`, and attention of `q` and `k` with sinks.
    fn both(&self, x: &[Array]) -> Result<Vec<Array>>;
}

macro_rules! layer {
    ($name:ident, $($switches:tt)*) => {
        #[mlx_model(config = Config, fuse($($switches)*))]
        #[require(head_dim % 2 == 0)]
        struct $name {
            #[param(hidden)]
            scale: Param,
            #[param(ffn, hidden)]
            gate: Linear,
            #[param(ffn, hidden)]
            up: Linear,
            #[param(hidden, ffn)]
            down: Linear,
            #[frozen]
            #[param(hidden)]
            gamma: Param,
        }

        #[mlx_model]
        impl $name {
            fn block(&self, x: Tensor![B, L, hidden], t: Tensor![B, hidden]) -> Tensor![B, L, hidden] {
                let n = x * rsqrt(mean(square(x), -1, keepdims) + config.eps) * (self.scale + 1.0);
                let g = minimum(self.gate(n), 0.7);
                let u = clip(self.up(n), -0.7, 0.7);
                let y = self.down(g * sigmoid(g * 1.702) * (u + 1.0));
                let y = if config.heads > 1 { tanh(y / 5.0) * 5.0 } else { y };
                x + y * tanh(t.reshape([B, 1, hidden])) * self.gamma
            }

            fn attention(
                &self,
                q: Tensor![B, L, heads, head_dim],
                k: Tensor![B, L, heads, head_dim],
                angles: Tensor![L, head_dim],
                sink: Tensor![heads, 1, 1],
            ) -> Tensor![B, heads, L, L] {
                let (c, s) = (cos(angles), sin(angles));
                let (q, k) = (q.transpose([0, 2, 1, 3]), k.transpose([0, 2, 1, 3]));
                let (a, b) = q.split(2, -1);
                let q = q * c + concatenate([-b, a], -1) * s;
                let (a, b) = k.split(2, -1);
                let k = k * c + concatenate([-b, a], -1) * s;
                let z = q.matmul(k.transpose([0, 1, 3, 2])) * 0.3;
                let top = maximum(max(z, -1, keepdims), sink);
                let e = exp(z - top);
                e / (sum(e, -1, keepdims) + exp(sink - top))
            }
        }

        impl Layer for $name {
            fn both(&self, x: &[Array]) -> Result<Vec<Array>> {
                let y = self.block(&x[0], &x[1])?;
                Ok(vec![y, self.attention(&x[2], &x[3], &x[4], &x[5])?])
            }
        }
    };
}

layer!(Kernels, except());
layer!(Composed, off);

/// Values and gradients by all arguments and trained weights, and the nodes of both graphs.
fn values<M: Layer>(heads: usize, dtype: Dtype) -> (Vec<Array>, [usize; 2]) {
    let config = Config {
        hidden: 24,
        ffn: 40,
        heads,
        kv_heads: 1,
        head_dim: 6,
        depth: 1,
        vocab: 1,
        eps: 1e-5,
    };
    let model: M = init(&Arc::new(config), Key::new(3).unwrap(), dtype).unwrap();
    let weights = model.parameters();
    transforms::eval(&weights.iter().map(|(_, a)| a).collect::<Vec<_>>()).unwrap();
    let h = heads as i32;
    let mut x = vec![
        normal(&[2, 5, 24], 1, dtype),
        normal(&[2, 24], 2, dtype),
        normal(&[2, 5, h, 6], 3, dtype),
        normal(&[2, 5, h, 6], 4, dtype),
        normal(&[5, 6], 5, dtype),
        normal(&[h, 1, 1], 6, dtype),
    ];
    x.extend(model.trainable().into_iter().map(|(_, a)| a));
    let x: Vec<Array> = x.iter().map(alone).collect();
    let f = move |x: &[Array]| {
        let mut model = model.clone();
        model.set_trainable(&x[6..])?;
        model.both(&x[..6])
    };
    let forward = f(&x).unwrap();
    let by: Vec<Array> = forward
        .iter()
        .map(|y| normal(y.shape(), 9, y.dtype()))
        .collect();
    let (_, grads) = transforms::vjp(f, &x, &by).unwrap();
    let all: Vec<&Array> = grads.iter().collect();
    let simple = graph::simplify(&all).unwrap();
    let nodes = [
        graph::count_nodes(&forward.iter().collect::<Vec<_>>()).unwrap(),
        graph::count_nodes(&simple.iter().collect::<Vec<_>>()).unwrap(),
    ];
    let all: Vec<Array> = forward.into_iter().chain(grads).collect();
    transforms::eval(&all.iter().collect::<Vec<_>>()).unwrap();
    (all, nodes)
}

#[test]
fn layers_of_unknown_families_are_those_of_mlx() {
    for heads in [1, 2] {
        let (found, nodes) = values::<Kernels>(heads, Dtype::Float32);
        let (want, before) = values::<Composed>(heads, Dtype::Float32);
        for (i, (a, b)) in found.iter().zip(&want).enumerate() {
            let far = apart(a, b);
            assert!(far < 2e-5, "{heads} heads: array {i} differs by {far}");
        }
        println!("{heads} heads: nodes {before:?} without kernels, {nodes:?} with them");
        assert!(nodes[0] * 2 < before[0] && nodes[1] * 2 < before[1]);
        // Half types lose most of it in the products, which both have.
        let (found, _) = values::<Kernels>(heads, Dtype::Bfloat16);
        for (i, (a, b)) in found.iter().zip(&want).enumerate() {
            let far = apart(&ops::astype(a, Dtype::Float32).unwrap(), b);
            assert!(
                far < 0.15,
                "{heads} heads in bfloat16: array {i} differs by {far}"
            );
        }
    }
}
