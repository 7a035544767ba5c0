//! The vision families beside MLX's own layers: logits and every gradient within 1e-4 of the largest number of the
//! tensor, loss within 1e-5, float32 on the CPU, fused and composed. `dump_vision.py` writes the dumps.

mod common;

use common::{both_ways, close, gradients, trains, Dump};
use mlx_models::convnext::ConvNext;
use mlx_models::vit::Vit;
use mlx_runtime::model::Checkpoint;

#[test]
fn vit() {
    let dump = Dump::open("vit");
    let model: Vit = dump.trainable(serde_json::from_str(&dump.config).unwrap());
    both_ways(|way| {
        let (images, labels) = (dump.array("images").clone(), dump.array("labels").clone());
        let logits = model.forward(&images).unwrap();
        close(
            &format!("{way}: logits"),
            &logits,
            dump.array("logits"),
            1e-4,
        );
        let loss = move |m: &Vit| m.loss(&images, &labels);
        gradients(way, &model, &dump, "", loss.clone());
        trains(way, &model, &dump, "", Checkpoint::Every(1), loss);
    });
}

#[test]
fn convnext() {
    let dump = Dump::open("convnext");
    let model: ConvNext = dump.trainable(serde_json::from_str(&dump.config).unwrap());
    both_ways(|way| {
        let (images, labels) = (dump.array("images").clone(), dump.array("labels").clone());
        let logits = model.forward(&images).unwrap();
        close(
            &format!("{way}: logits"),
            &logits,
            dump.array("logits"),
            1e-4,
        );
        let loss = move |m: &ConvNext| m.loss(&images, &labels);
        gradients(way, &model, &dump, "", loss.clone());
        trains(way, &model, &dump, "", Checkpoint::Every(1), loss);
    });
}
