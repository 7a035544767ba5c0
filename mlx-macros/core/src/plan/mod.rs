//! Predicts the values that a forward pass keeps for the backward pass.
//!
//! Tests: `mlx-tests --test kept_bytes` compares predicted with measured bytes.

pub mod checkpoint;
