//! Shape and dtype rules, one function for each family of operations. Each states in its first
//! line what goes in and what comes out.

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
