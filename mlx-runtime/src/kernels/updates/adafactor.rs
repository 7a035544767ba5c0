//! The directions of Adafactor's update, with the mean of their squares.
//!
//! Tests: `mlx-tests --test parity_optim`.

use mlx_macros::mlx_kernel;

use super::{fits, flat};
use crate::{ops, Array, Result};

#[mlx_kernel]
fn vector_rows(
    #[frozen] g: Tensor![C, N; f32],
    #[frozen] v: Tensor![C, N; f32],
    #[frozen] keep: Tensor![1; f32],
    #[frozen] take: Tensor![1; f32],
    eps: f32,
) -> (Tensor![C, N; f32], Tensor![C, 1; f32], Tensor![C, N; f32]) {
    let average = v * keep + (square(g) + eps) * take;
    let u = rsqrt(average) * g;
    (u, mean(square(u), -1, keepdims), average)
}

#[mlx_kernel]
fn average_rows(
    #[frozen] g: Tensor![C, A, B; f32],
    #[frozen] old: Tensor![C, A, 1; f32],
    #[frozen] keep: Tensor![1; f32],
    #[frozen] take: Tensor![1; f32],
    eps: f32,
) -> Tensor![C, A, 1; f32] {
    old * keep + mean(square(g) + eps, -1, keepdims) * take
}

#[mlx_kernel]
fn matrix_rows(
    #[frozen] g: Tensor![C, A, B; f32],
    #[frozen] share: Tensor![C, A, 1; f32],
    #[frozen] column: Tensor![C, 1, B; f32],
) -> (Tensor![C, A, B; f32], Tensor![C, A, 1; f32]) {
    let u = rsqrt(share) * rsqrt(column) * g;
    (u, mean(square(u), -1, keepdims))
}

/// The rates of the averages, one number each, and what is added to the squared gradient.
pub(crate) struct Rates<'a> {
    pub keep: &'a Array,
    pub take: &'a Array,
    pub eps: f64,
}

impl Rates<'_> {
    fn flat(&self) -> Result<[Array; 2]> {
        Ok([flat(self.keep)?, flat(self.take)?])
    }
}

/// Gradients `[count, n]` and averages of squares -> the directions, their mean squares `[count, 1]`, and the next averages.
/// `None` if no kernel takes them.
pub(crate) fn vectors(g: &Array, v: &Array, rates: &Rates<'_>) -> Option<Result<[Array; 3]>> {
    let taken = g.ndim() == 2 && fits(&[g, v], &[rates.keep, rates.take]);
    taken.then(|| {
        let [keep, take] = rates.flat()?;
        let (u, square, v) = vector_rows(g, v, &keep, &take, rates.eps as f32)?;
        Ok([u, square, v])
    })
}

/// Gradients `[count, a, b]` and averages of squares of rows `[count, a]` -> the next averages. `None` if no kernel takes them.
pub(crate) fn rows(g: &Array, row: &Array, rates: &Rates<'_>) -> Option<Result<Array>> {
    let taken = g.ndim() == 3 && row.dtype() == g.dtype() && fits(&[g], &[rates.keep, rates.take]);
    taken.then(|| {
        let [keep, take] = rates.flat()?;
        let row = ops::expand_dims(row, &[-1])?;
        let row = average_rows(g, &row, &keep, &take, rates.eps as f32)?;
        ops::squeeze(&row, &[-1])
    })
}

/// Gradients `[count, a, b]`, shares of rows `[count, a, 1]` and averages of columns `[count, 1, b]` -> the directions and their
/// mean squares `[count, 1, 1]`. `None` if no kernel takes them.
pub(crate) fn matrices(g: &Array, share: &Array, column: &Array) -> Option<Result<[Array; 2]>> {
    let alike = [share, column].iter().all(|a| a.dtype() == g.dtype());
    (g.ndim() == 3 && alike && fits(&[g], &[])).then(|| {
        let (u, square) = matrix_rows(g, share, column)?;
        Ok([u, ops::mean(&square, &[1], true)?])
    })
}
