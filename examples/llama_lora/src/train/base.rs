//! The base of a run: checksums of the model without its adapter, and of its configuration.
//!
//! Tests: `tests/resume.rs`.

use anyhow::{ensure, Result};
use mlx_models::{CausalLm, Config};
use mlx_runtime::device::default_device;
use mlx_runtime::{memory, ops, Array, Dtype};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::fetch::hex;

/// A checksum of a model's tensors (names, dtypes, shapes and values) and one of its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The device that the model computes on. Weights that a checkpoint holds packed may be unpacked on another device.
    device: String,
    sha256: String,
    /// Checksum of the sizes and constants; earlier versions did not save it.
    #[serde(default)]
    config: Option<String>,
}

impl Base {
    /// The checksums of a model without an adapter. MLX reads every value once, on the model's device.
    pub fn of(model: &impl CausalLm, config: &Config) -> Result<Base> {
        let mut hash = Sha256::new();
        for (name, tensor) in model.parameters() {
            let about = format!("{name} {} {:?}\n", tensor.dtype(), tensor.shape());
            hash.update(about);
            for sum in sums(&tensor)? {
                hash.update(sum.to_le_bytes());
            }
        }
        memory::clear_cache()?;
        Ok(Base {
            device: format!("{:?}", default_device()?.kind()),
            sha256: hex(&hash.finalize()),
            config: Some(hex(&Sha256::digest(format!("{config:?}")))),
        })
    }

    /// Refuses `now`, which `model` names, if it is another model than this one.
    pub fn check(&self, now: &Base, model: &str) -> Result<()> {
        ensure!(
            self.config.is_none() || self.config == now.config,
            "the configuration of {model} differs from that of the saved run: put it back, name the model \
             with --model, or start over without --resume"
        );
        ensure!(
            self.device != now.device || self.sha256 == now.sha256,
            "the weights of {model} differ from those of the saved run: put them back, name the model \
             with --model, or start over without --resume"
        );
        Ok(())
    }
}

/// A checksum of tensors.
pub(crate) fn digest(tensors: &[(String, Array)]) -> Result<String> {
    let mut hash = Sha256::new();
    for (name, tensor) in tensors {
        hash.update(name);
        for sum in sums(tensor)? {
            hash.update(sum.to_le_bytes());
        }
    }
    Ok(hex(&hash.finalize()))
}

/// Sums of a tensor's bits, each over a part of it, with a weight for each place. Any one value that changes changes
/// its sum: weights are odd, and sums are modulo 2^32, so that their order does not matter.
fn sums(tensor: &Array) -> Result<Vec<u32>> {
    let word = match tensor.dtype().size() {
        1 => Dtype::Uint8,
        2 => Dtype::Uint16,
        _ => Dtype::Uint32,
    };
    let words = tensor.nbytes() / word.size();
    // MLX cannot index more.
    let Ok(words @ 1..) = i32::try_from(words) else {
        return Ok(Vec::new());
    };
    let bits = ops::view(&ops::reshape(tensor, &[-1])?, word)?;
    // A part takes little memory beside the tensor, and a large tensor has few of them.
    let part = (words / 64).clamp(1 << 12, 1 << 22).min(words);
    let weights: Vec<u32> = (0..part as u32).map(|i| 2 * i + 1).collect();
    let weights = Array::from_slice(&weights, &[part])?;
    let mut sums = Vec::new();
    for start in (0..words).step_by(part as usize) {
        let end = words.min(start + part);
        let values = ops::slice(&bits, &[start], &[end], &[1])?;
        let values = ops::astype(&values, Dtype::Uint32)?;
        let weights = ops::slice(&weights, &[0], &[end - start], &[1])?;
        let sum = ops::sum(&ops::multiply(&values, &weights)?, &[], false)?;
        sums.push(sum.item::<u32>()?);
    }
    Ok(sums)
}
