//! Arrays with strides, without elements, on many threads' worth of rows, and integers and truth values.

use mlx_macros::{mlx_fn, mlx_kernel};
use mlx_runtime::{kernels, ops, Array, Dtype, Result};

use crate::check::{apart, normal};
use crate::same;

#[mlx_kernel]
fn gated(a: Tensor![B, F], b: Tensor![B, F]) -> Tensor![B, F] {
    silu(a) * b
}

#[mlx_kernel]
fn centred(x: Tensor![B, D]) -> (Tensor![B, D], Tensor![B]) {
    (x - mean(x, -1, keepdims), max(x, -1))
}

#[test]
fn strided_arrays_are_made_whole() -> Result<()> {
    for dtype in [Dtype::Float32, Dtype::Bfloat16] {
        let wide = normal(&[6, 14], 1, dtype);
        let turned = ops::transpose(&wide, &[1, 0])?;
        let part = ops::slice(&wide, &[0, 3], &[6, 10], &[1, 1])?;
        let every = ops::slice(&wide, &[0, 0], &[6, 14], &[2, 3])?;
        for x in [
            turned,
            part,
            every,
            ops::broadcast_to(&normal(&[1, 5], 2, dtype), &[3, 5])?,
        ] {
            let (a, b) = (gated(&x, &x)?, kernels::without(|| gated(&x, &x))?);
            assert!(apart(&a, &b) < 3e-2);
            let (a, b) = (centred(&x)?, kernels::without(|| centred(&x))?);
            assert!(apart(&a.0, &b.0) < 3e-2 && apart(&a.1, &b.1) < 3e-2);
        }
    }
    Ok(())
}

#[test]
fn arrays_without_elements_are_composed() -> Result<()> {
    let x = ops::zeros(&[0, 4], Dtype::Float32)?;
    assert_eq!(gated(&x, &x)?.shape(), [0, 4]);
    assert_eq!(centred(&x)?.1.shape(), [0]);
    Ok(())
}

#[test]
fn many_rows_and_long_rows_are_split_among_threads() {
    for shape in [[3000, 65], [2, 100_000], [1, 5_000]] {
        let x = [
            normal(&shape, 1, Dtype::Float32),
            normal(&shape, 2, Dtype::Float32),
        ];
        same(
            "gated",
            |x: &[Array]| Ok(vec![gated(&x[0], &x[1])?]),
            &x,
            2e-6,
            2e-6,
        );
        let f = |x: &[Array]| {
            let (a, b) = centred(&x[0])?;
            Ok(vec![a, b])
        };
        same("centred", f, &x[..1], 2e-6, 2e-5);
    }
}

/// The four-bit numbers of words, with a scale and a bias for each group.
#[mlx_kernel]
fn unpacked(
    words: Tensor![N, G, 1; u32],
    scale: Tensor![N, G, 1],
    bias: Tensor![N, G, 1],
) -> Tensor![N, G, 8] {
    let place = arange(8, dtype = u32) * 4;
    let bits = bitwise_and(right_shift(words, place), full([1], 15, u32));
    astype(bits, float) * scale + bias
}

#[mlx_kernel]
fn whole(
    a: Tensor![B, D; i32],
    b: Tensor![B, D; i32],
    on: Tensor![B, D; bool],
) -> (Tensor![B, D; i32], Tensor![B; u32], Tensor![B; bool]) {
    let r = remainder(a, b) + floor_divide(a, b) * 3 - left_shift(bitwise_xor(a, b), 2);
    (
        where_(on, r, -a),
        argmax(where_(on, a, b), -1),
        any(logical_and(on, less(a, b)), -1),
    )
}

#[mlx_kernel]
fn counted(x: Tensor![B, D]) -> (Tensor![B; i32], Tensor![B, D; i32]) {
    (sum(greater(x, zeros_like(x)), -1), astype(x * 100.0, i32))
}

#[test]
fn whole_numbers_are_exact() -> Result<()> {
    let words: Vec<u32> = (0..12u32).map(|i| i.wrapping_mul(2_654_435_761)).collect();
    let words = Array::from_slice(&words, &[4, 3, 1])?;
    let (scale, bias) = (
        normal(&[4, 3, 1], 1, Dtype::Float32),
        normal(&[4, 3, 1], 2, Dtype::Float32),
    );
    let (a, b) = (
        unpacked(&words, &scale, &bias)?,
        kernels::without(|| unpacked(&words, &scale, &bias))?,
    );
    assert!(apart(&a, &b) < 1e-6);
    let a: Vec<i32> = (0..30).map(|i| i * 7919 % 211 - 100).collect();
    let b: Vec<i32> = (0..30)
        .map(|i| i * 104_729 % 37 - 18)
        .map(|b| if b == 0 { 5 } else { b })
        .collect();
    let on: Vec<bool> = (0..30).map(|i| i % 3 != 0).collect();
    let (a, b, on) = (
        Array::from_slice(&a, &[3, 10])?,
        Array::from_slice(&b, &[3, 10])?,
        Array::from_slice(&on, &[3, 10])?,
    );
    let (found, want) = (
        whole(&a, &b, &on)?,
        kernels::without(|| whole(&a, &b, &on))?,
    );
    assert_eq!(found.0.to_vec::<i32>()?, want.0.to_vec::<i32>()?);
    assert_eq!(found.1.to_vec::<u32>()?, want.1.to_vec::<u32>()?);
    assert_eq!(found.2.to_vec::<bool>()?, want.2.to_vec::<bool>()?);
    let x = normal(&[5, 33], 3, Dtype::Float32);
    let (found, want) = (counted(&x)?, kernels::without(|| counted(&x))?);
    assert_eq!(found.0.to_vec::<i32>()?, want.0.to_vec::<i32>()?);
    assert_eq!(found.1.to_vec::<i32>()?, want.1.to_vec::<i32>()?);
    Ok(())
}

#[mlx_kernel]
fn middle(x: Tensor![B, D]) -> Tensor![B, 4] {
    slice(x, [1], [5], axes = [-1]) * 2.0
}

/// A rotation of heads whose halves are the argument's own size.
#[mlx_kernel]
fn rotated(
    x: Tensor![B, L, 2 * H],
    cos: Tensor![L, H],
    sin: Tensor![L, H],
) -> Tensor![B, L, 2 * H] {
    let (a, b) = split(x, 2, -1);
    concatenate([a * cos - b * sin, a * sin + b * cos], -1)
}

#[mlx_fn]
fn rotated_twice(
    x: Tensor![B, L, 2 * K],
    cos: Tensor![L, K],
    sin: Tensor![L, K],
) -> Tensor![B, L, 2 * K] {
    rotated(rotated(x, cos, sin), cos, sin)
}

#[test]
fn sizes_of_several_others_are_compared_with_them() {
    let f = |x: &[Array]| Ok(vec![rotated_twice(&x[0], &x[1], &x[2])?]);
    let t = Dtype::Float32;
    let x = [
        normal(&[2, 3, 10], 1, t),
        normal(&[3, 5], 2, t),
        normal(&[3, 5], 3, t),
    ];
    same("rotated", f, &x, 2e-6, 2e-5);
    let wrong = rotated(&normal(&[2, 3, 9], 1, t), &x[1], &x[2]).unwrap_err();
    let text = wrong.to_string();
    assert!(text.contains("`x` to be [B=2, L=3, 2*H=10]"), "{text}");
}

#[test]
fn sizes_that_do_not_fit_are_errors() -> Result<()> {
    let x = normal(&[2, 5], 1, Dtype::Float32);
    assert_eq!(middle(&x)?.shape(), [2, 4]);
    let short = middle(&normal(&[2, 3], 1, Dtype::Float32))
        .unwrap_err()
        .to_string();
    assert!(short.contains("slice"), "{short}");
    let other = gated(&x, &normal(&[2, 6], 1, Dtype::Float32))
        .unwrap_err()
        .to_string();
    assert!(
        other.contains("gated: expected argument `b` to be [B=2, F=5]"),
        "{other}"
    );
    Ok(())
}

/// The two halves of each head turned by its position; half of a row is as long as a row of the table.
#[mlx_kernel]
fn turned(
    x: Tensor![B, L, N, D],
    cos: Tensor![L, H],
    sin: Tensor![L, H],
) -> Tensor![B, N, L, H + H] {
    let x = transpose(x, [0, 2, 1, 3]);
    let a = slice(x, [0], [H], axes = [-1]);
    let b = slice(x, [H], [H + H], axes = [-1]);
    concatenate([a * cos - b * sin, a * sin + b * cos], -1)
}

#[test]
fn heads_are_moved_and_turned_in_one_launch() {
    for half in [1, 4, 33] {
        let x = [
            normal(&[2, 5, 3, 2 * half], 1, Dtype::Float32),
            normal(&[5, half], 2, Dtype::Float32),
            normal(&[5, half], 3, Dtype::Float32),
        ];
        let f = |x: &[Array]| Ok(vec![turned(&x[0], &x[1], &x[2])?]);
        same("turned", f, &x, 1e-6, 1e-5);
    }
}
