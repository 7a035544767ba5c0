//! Layers that may be kept out of training.
//!
//! Tests: `tests/layers.rs`.

use super::pair::Pair;
use super::{Embedding, Param, RmsNorm, SwitchLinear};

/// Methods of layers with the fields `frozen` and `pinned`.
macro_rules! freezes {
    ($($layer:ident),*) => {$(
        impl $layer {
            /// Keeps the layer out of training, also after `set_frozen(false)`, as `#[frozen]` in its definition says.
            pub(crate) fn pin(&mut self) {
                self.pinned = true;
                self.frozen = true;
            }

            pub(crate) fn set_frozen(&mut self, frozen: bool) {
                self.frozen = frozen || self.pinned;
            }
        }
    )*};
}

freezes!(Embedding, Pair, Param, RmsNorm, SwitchLinear);
