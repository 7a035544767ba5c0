//! Gated linear units of a joined product.
//!
//! Tests: `mlx-tests --test fusion_passes`, `mlx-models --test native_kernels`.

use super::{geglu, swiglu};
use crate::kernels::gated;
use crate::nn::linear::Joined;
use crate::ops::split;
use crate::{Array, Result};

/// `silu(gate) * up` of a joined product.
pub fn joined_swiglu(product: &Joined<'_, 2>) -> Result<Array> {
    match halves(product, false) {
        Some(y) => y,
        None => product.parts().and_then(|[gate, up]| swiglu(&gate, &up)),
    }
}

/// `gelu_approx(gate) * up` of a joined product.
pub fn joined_geglu(product: &Joined<'_, 2>) -> Result<Array> {
    match halves(product, true) {
        Some(y) => y,
        None => product.parts().and_then(|[gate, up]| geglu(&gate, &up)),
    }
}

/// The gated unit by one kernel, where there is one.
fn halves(product: &Joined<'_, 2>, gelu: bool) -> Option<Result<Array>> {
    let [gate, up] = product.widths();
    if gate != up {
        return None;
    }
    let both = match product.whole()? {
        Ok(both) => both,
        Err(e) => return Some(Err(e)),
    };
    if let Some(y) = gated::of_joined(&both, gelu) {
        return Some(y);
    }
    let unit = if gelu { geglu } else { swiglu };
    let cut = split(&both, 2, -1);
    Some(cut.and_then(|parts| unit(&parts[0], &parts[1])))
}
