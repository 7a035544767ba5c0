//! An adapter as mlx-lm's own trainer saved it, in a tiny Llama.

use llama_lora::adapter::Adapter;
use mlx_runtime::model::Model;
use mlx_runtime::Dtype;

use crate::dump::{close, path, Dump};
use crate::tiny;

#[test]
fn mlx_lms_adapter_gives_mlx_lms_loss() {
    let dump = Dump::open("adapter_expected");
    let config = tiny::config(&dump.facts);
    let mut llama = tiny::llama(config.clone(), Dtype::Float32);
    let [tokens, targets, weights] = tiny::batch(&dump, "batch");
    let loss = |m: &mlx_models::llama::Llama| {
        let loss = m.loss(&tokens, &targets, &weights).unwrap();
        loss.to_vec::<f32>().unwrap()
    };
    close("before", &loss(&llama), &dump.floats("before"), 1e-5);

    let adapter = Adapter::read(&path("adapter")).unwrap();
    adapter.apply(&mut llama, &config).unwrap();
    let names: Vec<String> = llama.trainable().into_iter().map(|(n, _)| n).collect();
    assert_eq!(
        names,
        [
            "model.layers.1.self_attn.q_proj.lora_a",
            "model.layers.1.self_attn.q_proj.lora_b",
            "model.layers.1.self_attn.v_proj.lora_a",
            "model.layers.1.self_attn.v_proj.lora_b",
        ]
    );
    close("after", &loss(&llama), &dump.floats("after"), 1e-5);
}
