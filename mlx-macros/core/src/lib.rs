//! mlx-macros-core
