//! Peak memory of a load that packs. Memory is counted for the whole process: one test.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_runtime::model::{init, load, LoadOptions, Model, Quantization};
use mlx_runtime::nn::Linear;
use mlx_runtime::random::Key;
use mlx_runtime::{io, memory, Dtype, Result};

/// The sizes of the models below.
pub struct Sizes {
    dim: usize,
    ffn: usize,
    depth: usize,
}

#[mlx_model(config = Sizes)]
struct Layer {
    #[param(ffn, dim)]
    up: Linear,
    #[param(dim, ffn)]
    down: Linear,
}

#[mlx_model]
impl Layer {
    fn forward(&self, x: Tensor![B, dim]) -> Tensor![B, dim] {
        x + self.down(relu(self.up(x)))
    }
}

#[mlx_model(config = Sizes)]
struct Deep {
    #[layers(depth)]
    layers: Vec<Layer>,
}

#[mlx_model]
impl Deep {
    fn forward(&self, x: Tensor![B, dim]) -> Tensor![B, dim] {
        let mut h = x;
        for layer in self.layers {
            h = layer(h);
        }
        h
    }
}

#[test]
fn the_dense_model_is_never_held_whole() -> Result<()> {
    let (dim, ffn, depth) = (512, 1024, 12);
    let config = Arc::new(Sizes { dim, ffn, depth });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    {
        let fresh: Deep = init(&config, Key::new(5)?, Dtype::Bfloat16)?;
        io::save_safetensors(&path, &fresh.parameters(), &HashMap::new())?;
    }
    let tensor = dim * ffn * 2;
    let dense = tensor * 2 * depth;
    let before = memory::active()?;
    memory::reset_peak()?;
    let (all, _) = io::load_safetensors(&path)?;
    let mut options = LoadOptions::new(Dtype::Bfloat16);
    options.quantize = Some(Quantization::Affine {
        bits: 4,
        group_size: 64,
    });
    let model: Deep = load(&config, all.into(), &options)?;
    let packed = memory::active()?.saturating_sub(before);
    let peak = memory::peak()?.saturating_sub(before);
    // 4 bits, and 16 of scale and 16 of bias for 64 values.
    assert!(
        (dense * 9 / 32..dense * 10 / 32).contains(&packed),
        "{packed} of {dense}"
    );
    // The tensors packed so far, one more, and the buffers that pack it.
    assert!(peak < packed + 4 * tensor, "{peak}: {packed} + {tensor}");
    drop(model);
    Ok(())
}
