//! Shape and dtype rules, one function for each family of operations.
//!
//! The first line of each rule states the shapes that go in and come out.
//!
//! Tests: `mlx-tests --test rules`.

mod attention;
mod conv;
mod create;
mod elementwise;
mod index;
mod linalg;
mod loss;
mod ranges;
mod reduce;
mod shape;

pub use attention::*;
pub use conv::*;
pub use create::*;
pub use elementwise::*;
pub use index::*;
pub use linalg::*;
pub use loss::*;
pub use ranges::check;
pub use reduce::*;
pub use shape::*;
