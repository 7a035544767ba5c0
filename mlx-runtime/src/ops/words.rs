//! Options that MLX takes as words.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

use std::ffi::CStr;

/// The values that [`super::pad_symmetric`] pads with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PadMode {
    /// One value.
    #[default]
    Constant,
    /// The nearest element.
    Edge,
}

impl PadMode {
    pub(crate) fn as_c(self) -> &'static CStr {
        match self {
            PadMode::Constant => c"constant",
            PadMode::Edge => c"edge",
        }
    }
}

/// The order of the first two axes of [`super::meshgrid`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Indexing {
    /// As in plots: the first coordinate runs along the second axis.
    #[default]
    Xy,
    /// As in matrices: each coordinate runs along its own axis.
    Ij,
}

impl Indexing {
    pub(crate) fn as_c(self) -> &'static CStr {
        match self {
            Indexing::Xy => c"xy",
            Indexing::Ij => c"ij",
        }
    }
}

/// On which side of equal elements [`super::searchsorted`] puts a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Side {
    /// Before them.
    #[default]
    Left,
    /// After them.
    Right,
}

impl Side {
    pub(crate) fn as_c(self) -> &'static CStr {
        match self {
            Side::Left => c"left",
            Side::Right => c"right",
        }
    }
}
