//! Wrappers of regular shape, which `cargo xtask generate` writes from the headers of MLX C.

pub mod conv;
pub mod distributed;
pub mod fft;
pub mod linalg;
pub mod ops;
pub mod random;
pub mod scatter;
