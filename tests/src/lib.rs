//! mlx-tests
