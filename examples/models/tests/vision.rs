//! The vision families beside MLX's own layers: logits and every gradient within 1e-4 of the largest number of the
//! tensor, loss within 1e-5, float32 on the CPU, fused and composed. `dump_vision.py` writes the dumps.

mod common;

use std::sync::Arc;

use common::{both_ways, close, gradients, trains, Dump};
use mlx_models::convnext::ConvNext;
use mlx_models::unet::{BatchNorm, Unet, UnetConfig};
use mlx_models::vit::Vit;
use mlx_runtime::model::{load, Checkpoint, LoadOptions, Model};
use mlx_runtime::{Array, Dtype, Result};
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

#[test]
fn unet() {
    let dump = Dump::open("unet");
    let config = || -> UnetConfig { serde_json::from_str(&dump.config).unwrap() };
    let model: Unet = dump.trainable(config());
    both_ways(|way| {
        let [images, noise, key] = ["images", "noise", "key"].map(|name| dump.array(name).clone());
        let guess = model.forward(&images, &key).unwrap();
        close(&format!("{way}: guess"), &guess, dump.array("guess"), 1e-4);
        let loss = move |m: &Unet| m.loss(&images, &noise, &key);
        gradients(way, &model, &dump, "", loss.clone());
        trains(way, &model, &dump, "", Checkpoint::Every(1), loss);
    });
    // The norm by the statistics of a batch, and those that it keeps.
    let mut config = config();
    config.outputs = config.width;
    let options = LoadOptions::new(Dtype::Float32);
    let norm: BatchNorm = load(&Arc::new(config), dump.under("norm.").into(), &options).unwrap();
    let (y, mean, var) = norm.batch(dump.array("norm.given"), 0.3).unwrap();
    for (found, name) in [(y, "norm.y"), (mean, "norm.mean"), (var, "norm.var")] {
        close(name, &found, dump.array(name), 1e-4);
    }
}
