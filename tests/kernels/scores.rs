//! Scores of attention as kernels: masks, lengths that a cache decides, and an `if` that what stands around it goes into;
//! in every dtype, against the same composed of MLX's operations.

use std::sync::Arc;

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::low_level::graph;
use mlx_runtime::model::{init, Model};
use mlx_runtime::nn::KvCache;
use mlx_runtime::random::Key;
use mlx_runtime::{kernels, ops, transforms, Array, Dtype, Result};

use mlx_tests::Config;

use crate::check::{apart, both, normal, numbers};
use crate::regions::all;
use crate::same;

#[mlx_fn]
fn capped(x: Tensor![B, H, L, S], cap: f32, window: f32) -> Tensor![B, H, L, S] {
    causal_mask(tanh(x / cap) * cap, window = window)
}

#[mlx_fn]
fn attended(x: Tensor![B, H, L, S]) -> Tensor![B, H, L, S] {
    softmax(causal_mask(x * 0.5), -1, precise = true)
}

#[mlx_fn]
fn doubled(x: Tensor![L, S]) -> Tensor![L, S] {
    causal_mask(x * 2.0)
}

#[test]
fn masks_are_those_of_mlx() {
    let f = |x: &[Array]| Ok(vec![attended(&x[0])?]);
    all("attended", f, |d, t| {
        vec![normal(&[2, 2, d.min(7), d], 1, t)]
    });
    for window in [1.0, 2.0, 5.0, 1000.0, 2e9] {
        let f = move |x: &[Array]| Ok(vec![capped(&x[0], 3.0, window)?]);
        for (l, s) in [(1, 1), (1, 9), (4, 4), (3, 8), (7, 7)] {
            let x = [normal(&[2, 2, l, s], 1, Dtype::Float32)];
            same(&format!("{l} of {s}, {window}"), f, &x, 5e-6, 3e-5);
        }
    }
}

#[test]
fn masked_scores_are_the_lowest_number_of_their_type() {
    for dtype in [Dtype::Float32, Dtype::Float16, Dtype::Bfloat16] {
        // With more queries than keys the first ones see nothing; MLX's operations take those.
        for (l, s) in [(3, 3), (2, 5), (5, 2)] {
            let x = normal(&[l, s], 1, dtype);
            let (found, want) = (doubled(&x), kernels::without(|| doubled(&x)));
            let (found, want) = (numbers(&found.unwrap()), numbers(&want.unwrap()));
            assert_eq!(found, want, "{dtype:?} {l} {s}");
            assert!(found.iter().all(|x| x.is_finite()));
        }
    }
}

#[test]
fn a_window_without_a_key_is_an_error() {
    let x = normal(&[1, 1, 2, 2], 1, Dtype::Float32);
    for window in [0.0, -1.0, 1.5, f32::NAN] {
        let found = capped(&x, 3.0, window).unwrap_err().to_string();
        let composed = kernels::without(|| capped(&x, 3.0, window)).unwrap_err();
        assert_eq!(found, composed.to_string());
        assert!(
            found.contains("expected a whole number of 1 or more"),
            "{found}"
        );
    }
}

trait Scores: Model<Config = Config> + Send + 'static {
    fn run(&self, q: &Array, k: &Array, cache: &mut KvCache) -> Result<Array>;
}

macro_rules! scores {
    ($name:ident, $($switches:tt)*) => {
        #[mlx_model(config = Config, fuse($($switches)*))]
        struct $name {}

        #[mlx_model]
        impl $name {
            /// Gemma 2's attention to keys that are their own values.
            fn forward(
                &self,
                q: Tensor![B, heads, L, head_dim],
                k: Tensor![B, heads, L, head_dim],
                cache: &mut KvCache,
            ) -> Tensor![B, heads, L, head_dim] {
                let (k, v) = cache.update(k, k);
                let scores = q.matmul(k.transpose([0, 1, 3, 2]));
                let scores = tanh(scores / 5.0) * 5.0;
                let scores = if config.depth > 1 {
                    causal_mask(scores, window = config.depth)
                } else {
                    causal_mask(scores)
                };
                softmax(scores, -1, precise = true).matmul(v)
            }
        }

        impl Scores for $name {
            fn run(&self, q: &Array, k: &Array, cache: &mut KvCache) -> Result<Array> {
                self.forward(q, k, cache)
            }
        }
    };
}

scores!(Kernels, except());
scores!(Composed, off);

fn model<M: Scores>(depth: usize, dtype: Dtype) -> M {
    let config = Config {
        hidden: 24,
        ffn: 40,
        heads: 3,
        kv_heads: 3,
        head_dim: 6,
        depth,
        vocab: 1,
        eps: 1e-5,
    };
    init(&Arc::new(config), Key::new(3).unwrap(), dtype).unwrap()
}

/// A prompt and then tokens one by one, beside the whole text at once.
fn decoded<M: Scores>(depth: usize, dtype: Dtype) -> [Array; 2] {
    let model: M = model(depth, dtype);
    let (q, k) = (
        normal(&[2, 3, 11, 6], 1, dtype),
        normal(&[2, 3, 11, 6], 2, dtype),
    );
    let mut cache = KvCache::new();
    let mut all = Vec::new();
    for (from, to) in [(0, 5), (5, 6), (6, 7), (7, 10), (10, 11)] {
        let part = |x: &Array| ops::slice(x, &[0, 0, from, 0], &[2, 3, to, 6], &[1; 4]).unwrap();
        all.push(model.run(&part(&q), &part(&k), &mut cache).unwrap());
    }
    let parts = ops::concatenate(&all.iter().collect::<Vec<_>>(), 2).unwrap();
    [parts, model.run(&q, &k, &mut KvCache::off()).unwrap()]
}

#[test]
fn lengths_that_a_cache_decides_are_those_of_mlx() {
    for depth in [1, 4] {
        for (dtype, most) in [
            (Dtype::Float32, 2e-6),
            (Dtype::Float16, 5e-3),
            (Dtype::Bfloat16, 4e-2),
        ] {
            let want = decoded::<Composed>(depth, Dtype::Float32);
            let found = decoded::<Kernels>(depth, dtype);
            for (a, b) in found.iter().zip(&want) {
                let far = apart(&ops::astype(a, Dtype::Float32).unwrap(), b);
                assert!(far <= most, "{depth} {dtype:?}: differs by {far}");
            }
        }
    }
}

#[test]
fn scores_are_one_kernel_forward_and_one_backward() {
    for depth in [1, 4] {
        let x = [
            normal(&[2, 3, 11, 6], 1, Dtype::Float32),
            normal(&[2, 3, 11, 6], 2, Dtype::Float32),
        ];
        let (kernels, composed) = (
            model::<Kernels>(depth, Dtype::Float32),
            model::<Composed>(depth, Dtype::Float32),
        );
        let f = move |x: &[Array]| Ok(vec![kernels.run(&x[0], &x[1], &mut KvCache::off())?]);
        let g = move |x: &[Array]| Ok(vec![composed.run(&x[0], &x[1], &mut KvCache::off())?]);
        let ((a, da), (b, db)) = (both(f.clone(), &x).unwrap(), both(g.clone(), &x).unwrap());
        for (a, b) in a.iter().chain(&da).zip(b.iter().chain(&db)) {
            assert!(apart(a, b) < 2e-5, "{depth}");
        }
        let nodes = |grads: Vec<Array>| {
            let all: Vec<&Array> = grads.iter().collect();
            let simple = graph::simplify(&all).unwrap();
            graph::count_nodes(&simple.iter().collect::<Vec<_>>()).unwrap()
        };
        let by = [normal(&[2, 3, 11, 6], 9, Dtype::Float32)];
        let (found, before) = (
            nodes(transforms::vjp(f, &x, &by).unwrap().1),
            nodes(transforms::vjp(g, &x, &by).unwrap().1),
        );
        // Two kernels beside two products, their gradients, transposed views and a sum.
        assert!(found <= 16 && before >= 30, "{depth}: {found} of {before}");
    }
}
