//! Random numbers from a key: those of MLX for the same key and shape, bit by bit, and the mask of a dropout again in its gradient.

use mlx_macros::mlx_kernel;
use mlx_runtime::low_level::graph;
use mlx_runtime::nn::Dropout;
use mlx_runtime::random::{self, Key};
use mlx_runtime::{kernels, ops, transforms, Array, Dtype, Result};

use crate::check::{both, normal, numbers};
use crate::same;

#[mlx_kernel]
fn bits(key: Tensor![2; u32], x: Tensor![B, L, D]) -> Tensor![B, L, D; u32] {
    random::bits([B, L, D], key) + astype(x, u32)
}

#[mlx_kernel]
fn uniform(key: Tensor![2; u32], x: Tensor![B, L, D; f32]) -> Tensor![L, B, D; f32] {
    transpose(random::uniform(-1.0, 3.0, [B, L, D], key) + x, [1, 0, 2])
}

#[mlx_kernel]
fn shared(key: Tensor![2; u32], x: Tensor![B, L, D; f32]) -> Tensor![B, L, D; f32] {
    x + random::uniform(0.0, 1.0, [L, D], key)
}

#[mlx_kernel]
fn rows(key: Tensor![2; u32], x: Tensor![B, G, D]) -> Tensor![B, G, D; bool] {
    let drawn = reshape(random::bernoulli(0.3, [B, G * D], key), [B, G, D]);
    logical_and(drawn, greater(x + max(x, [1, 2], keepdims), x - 1000.0))
}

/// `x` where the key says so, larger by what is left out.
#[mlx_kernel]
pub fn dropout(x: Tensor![B, L, D], key: Tensor![2; u32], keep: f32) -> Tensor![B, L, D] {
    where_(
        random::bernoulli(keep, [B, L, D], key),
        x / keep,
        zeros_like(x),
    )
}

/// A norm of what a dropout leaves.
#[mlx_kernel]
fn dropped_norm(
    x: Tensor![B, L, D],
    r: Tensor![B, L, D],
    w: Tensor![D],
    key: Tensor![2; u32],
) -> Tensor![B, L, D] {
    let h = r + where_(
        random::bernoulli(0.9, [B, L, D], key),
        x / 0.9,
        zeros_like(x),
    );
    rms_norm(h, w, 1e-5)
}

/// Even, odd and single counts, and several rows of each.
const SHAPES: [[i32; 3]; 6] = [
    [1, 1, 1],
    [1, 1, 2],
    [1, 3, 5],
    [2, 3, 8],
    [3, 5, 7],
    [4, 33, 129],
];

fn key(seed: u64) -> Array {
    Key::new(seed).unwrap().as_array().clone()
}

fn drawn(shape: &[i32], seed: u64) -> Array {
    random::bits(shape, 4, &Key::new(seed).unwrap()).unwrap()
}

#[test]
fn bits_are_those_of_mlx() {
    for (seed, shape) in SHAPES.iter().enumerate() {
        let seed = seed as u64 * 0x1_2345_6789;
        let x = ops::zeros(shape, Dtype::Float32).unwrap();
        let found = bits(&key(seed), &x).unwrap().to_vec::<u32>().unwrap();
        assert_eq!(
            found,
            drawn(shape, seed).to_vec::<u32>().unwrap(),
            "{shape:?}"
        );
    }
}

#[test]
fn numbers_between_two_are_those_of_mlx() {
    for shape in &SHAPES {
        let k = Key::new(9).unwrap();
        let x = ops::zeros(shape, Dtype::Float32).unwrap();
        let between = |low: f32, high: f32, shape: &[i32]| {
            let (low, high) = (Array::scalar(low).unwrap(), Array::scalar(high).unwrap());
            random::uniform(&low, &high, shape, Dtype::Float32, &k).unwrap()
        };
        let want = ops::transpose(&between(-1.0, 3.0, shape), &[1, 0, 2]).unwrap();
        let found = uniform(k.as_array(), &x).unwrap();
        assert_eq!(numbers(&found), numbers(&want), "{shape:?}");
        let found = shared(k.as_array(), &x).unwrap();
        let want = ops::broadcast_to(&between(0.0, 1.0, &shape[1..]), shape).unwrap();
        assert_eq!(numbers(&found), numbers(&want), "{shape:?}");
    }
}

#[test]
fn truth_values_are_those_of_mlx() {
    for shape in &SHAPES {
        let k = Key::new(3).unwrap();
        let x = normal(shape, 1, Dtype::Float32);
        let found = rows(k.as_array(), &x).unwrap();
        let p = Array::scalar(0.3f32).unwrap();
        let want = random::bernoulli(&p, &[shape[0], shape[1] * shape[2]], &k).unwrap();
        assert_eq!(
            found.to_vec::<bool>().unwrap(),
            want.to_vec::<bool>().unwrap(),
            "{shape:?}"
        );
    }
}

#[test]
fn a_probability_of_one_keeps_all_and_one_of_zero_nothing() {
    let x = normal(&[2, 3, 65], 1, Dtype::Float32);
    let all = dropout(&x, &key(5), 1.0).unwrap();
    assert_eq!(numbers(&all), numbers(&x));
    let p = |keep: f32| {
        let y = dropout(&x, &key(5), keep).unwrap();
        numbers(&y).iter().filter(|y| **y != 0.0).count()
    };
    assert_eq!(p(1e-30), 0);
    assert!((150..240).contains(&p(0.5)), "{}", p(0.5));
}

#[test]
fn a_dropout_and_its_gradient_are_those_of_mlx() {
    for shape in SHAPES {
        for (dtype, value, grad) in [(Dtype::Float32, 2e-6, 2e-5), (Dtype::Bfloat16, 3e-2, 6e-2)] {
            let k = key(11);
            let f = move |x: &[Array]| Ok(vec![dropout(&x[0], &k, 0.8)?]);
            same("dropout", f, &[normal(&shape, 2, dtype)], value, grad);
            let k = key(12);
            let f = move |x: &[Array]| Ok(vec![dropped_norm(&x[0], &x[1], &x[2], &k)?]);
            let d = shape[2];
            let x = [
                normal(&shape, 2, dtype),
                normal(&shape, 3, dtype),
                normal(&[d], 4, dtype),
            ];
            same("dropped norm", f, &x, value, grad);
        }
    }
}

/// The gradient is the cotangent, scaled, where the value is kept, and zero elsewhere.
#[test]
fn the_gradient_has_the_mask_of_the_value() {
    let k = key(21);
    let x = [normal(&[2, 3, 40], 1, Dtype::Float32)];
    let f = move |x: &[Array]| Ok(vec![dropout(&x[0], &k, 0.6)?]);
    let (values, grads) = both(f, &x).unwrap();
    let (y, g) = (numbers(&values[0]), numbers(&grads[0]));
    assert!(y.contains(&0.0) && y.iter().any(|y| *y != 0.0));
    assert!(y.iter().zip(&g).all(|(y, g)| (*y == 0.0) == (*g == 0.0)));
}

#[test]
fn a_dropout_is_one_node_and_so_is_its_gradient() -> Result<()> {
    let array = || Array::from_slice(&[0.5f32; 48], &[2, 3, 8]);
    let k = key(1);
    k.eval()?;
    let words = Array::from_slice(&k.to_vec::<u32>()?, &[2])?;
    let y = dropout(&array()?, &words, 0.5)?;
    assert_eq!(graph::count_nodes(&[&y])?, 1);
    assert!(kernels::without(|| graph::count_nodes(&[&dropout(&array()?, &words, 0.5)?]))? > 3);
    let f = move |x: &[Array]| Ok(vec![dropout(&x[0], &words, 0.5)?]);
    let (_, grads) = transforms::vjp(f, &[array()?], &[array()?])?;
    let grads = graph::simplify(&[&grads[0]])?;
    assert_eq!(graph::count_nodes(&[&grads[0]])?, 1);
    Ok(())
}

/// `mlx.nn.Dropout`, which takes the next key at each call.
#[test]
fn the_layer_drops_what_mlx_drops() -> Result<()> {
    for shape in [&[7][..], &[5, 9], &[2, 3, 8], &[2, 2, 3, 5]] {
        for dtype in [Dtype::Float32, Dtype::Bfloat16] {
            let layer = Dropout::new(0.3, &Key::new(4)?)?;
            let x = normal(shape, 6, dtype);
            for now in [Key::new(4)?.split()?.0, Key::new(4)?.split()?.1.split()?.0] {
                let kept = random::bernoulli(&Array::scalar(0.7f32)?, shape, &now)?;
                let wide = ops::astype(&ops::multiply(&kept, &x)?, Dtype::Float32)?;
                let want = ops::multiply(&wide, &Array::scalar(1.0f32 / 0.7)?)?;
                let want = ops::astype(&want, dtype)?;
                assert_eq!(
                    numbers(&layer.forward(&x)?),
                    numbers(&want),
                    "{shape:?} {dtype:?}"
                );
            }
        }
    }
    Ok(())
}
