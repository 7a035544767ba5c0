//! mlx-macros
