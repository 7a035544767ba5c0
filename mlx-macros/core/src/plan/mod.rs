//! Predicts the values that a forward pass keeps for the backward pass.
//!
//! Tests: `mlx-tests --test reliability kept_bytes` compares predicted with measured bytes.

pub mod checkpoint;
