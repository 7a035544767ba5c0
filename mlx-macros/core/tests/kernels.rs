//! Row programs: what the macro reads from a function, and the gradients that it derives, by an interpreter in float64 and
//! finite differences. Random kernels are composed by a generator; some of them are committed by
//! `cargo xtask generate`, and `mlx-tests --test kernels` compares these with MLX's operations.

#[path = "kernels/each.rs"]
mod each;
#[path = "kernels/generate.rs"]
mod generate;
#[path = "kernels/gradients.rs"]
mod gradients;
#[path = "kernels/interpret.rs"]
mod interpret;
