//! The vision families beside MLX's own layers: logits and every gradient within 1e-4 of the largest number of the
//! tensor, loss within 1e-5, float32 on the CPU, fused and composed. `dump_vision.py` writes the dumps.

mod common;

use common::{both_ways, close, gradients, trains, Dump};
use mlx_models::convnext::ConvNext;
use mlx_models::vit::Vit;
use mlx_runtime::model::{Checkpoint, Model};
use mlx_runtime::{Array, Result};
use serde::de::DeserializeOwned;

/// A model, and its methods of images.
fn check<M: Model>(
    case: &str,
    forward: fn(&M, &Array) -> Result<Array>,
    loss: fn(&M, &Array, &Array) -> Result<Array>,
) where
    M::Config: DeserializeOwned,
{
    let dump = Dump::open(case);
    let model: M = dump.trainable(serde_json::from_str(&dump.config).unwrap());
    both_ways(|way| {
        let (images, labels) = (dump.array("images").clone(), dump.array("labels").clone());
        let logits = forward(&model, &images).unwrap();
        close(
            &format!("{way}: logits"),
            &logits,
            dump.array("logits"),
            1e-4,
        );
        let loss = move |m: &M| loss(m, &images, &labels);
        gradients(way, &model, &dump, "", loss.clone());
        trains(way, &model, &dump, "", Checkpoint::Every(1), loss);
    });
}

#[test]
fn vit() {
    check("vit", Vit::forward, Vit::loss);
}

#[test]
fn convnext() {
    check("convnext", ConvNext::forward, ConvNext::loss);
}
