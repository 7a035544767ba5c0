//! What a run was begun on: a checksum of the model without its adapter.

use anyhow::{ensure, Result};
use mlx_models::CausalLm;
use mlx_runtime::device::default_device;
use mlx_runtime::{memory, ops, Array, Dtype};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fetch::hex;

/// Most values of a tensor that are looked at, evenly spread over it.
const VALUES: i32 = 1 << 14;

/// A checksum of a model's tensors: names, dtypes, shapes, and values of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Where the model computes. What a checkpoint holds packed may be unpacked elsewhere.
    device: String,
    sha256: String,
}

impl Base {
    /// The checksum of a model without an adapter. It reads a few MB of it, however large it is.
    pub fn of(model: &impl CausalLm) -> Result<Base> {
        let mut hash = Sha256::new();
        for (name, tensor) in model.parameters() {
            let about = format!("{name} {} {:?}\n", tensor.dtype(), tensor.shape());
            hash.update(about);
            if let Some(values) = spread(&tensor)? {
                hash.update(values.as_slice::<u8>()?);
            }
        }
        memory::clear_cache()?;
        Ok(Base {
            device: format!("{:?}", default_device()?.kind()),
            sha256: hex(&hash.finalize()),
        })
    }

    /// Refuses `now`, which `model` names, if it is another model than this one.
    pub fn check(&self, now: &Base, model: &str) -> Result<()> {
        ensure!(
            self.device != now.device || self.sha256 == now.sha256,
            "the weights of {model} are not those that the saved run was trained on; put them back, name the model \
             with --model, or start anew without --resume"
        );
        Ok(())
    }
}

/// The bytes of every so many values of a tensor; `None` where it has none, or more than MLX indexes.
fn spread(tensor: &Array) -> Result<Option<Array>> {
    let Ok(size) = i32::try_from(tensor.size()) else {
        return Ok(None);
    };
    if size == 0 {
        return Ok(None);
    }
    // An odd step meets all columns of a matrix, whose width is even.
    let step = (size / VALUES) | 1;
    let flat = ops::reshape(tensor, &[size])?;
    let values = ops::contiguous(&ops::slice(&flat, &[0], &[size], &[step])?, false)?;
    let bytes = ops::view(&values, Dtype::Uint8)?;
    bytes.eval()?;
    Ok(Some(bytes))
}
