//! The same numbers as mlx-lm's, from the same weights. The references are in `data`; the Python scripts beside it
//! wrote them.

#![allow(missing_docs)]

mod adapter;
mod device;
mod dump;
mod formula;
mod smol;
mod tiny;
