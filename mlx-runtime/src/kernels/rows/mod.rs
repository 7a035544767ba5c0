//! The host of generated row kernels on GPUs.

pub mod cuda;
pub mod layout;
pub mod metal;
pub mod text;
