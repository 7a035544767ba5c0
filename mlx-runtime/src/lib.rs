//! mlx-runtime
