//! Plumbing that few programs need: graphs as MLX holds them, backends, containers of MLX C, counts of handles.
//!
//! Tests: `tests/leaks`.

pub mod backend;
pub mod containers;
pub mod graph;
pub mod live;
pub(crate) mod switches;
