//! The language families beside mlx-lm: logits and every gradient within 1e-4 of the largest number of the tensor, loss
//! within 1e-5, float32 on the CPU, fused and composed; and decoding with a cache, in steps and in pieces, beside the
//! whole text at once. `dump.py` writes the dumps.

mod common;
#[path = "../../../tests/levels.rs"]
mod levels;

use common::{adapt, both_ways, close, gradients, trains, Dump};
use mlx_models::{dispatch, CausalLm, Config, Visitor};
use mlx_runtime::model::Checkpoint;
use mlx_runtime::nn::KvCache;
use mlx_runtime::{ops, Dtype};

/// One dumped case.
struct Case<'a>(&'a str);

impl Visitor for Case<'_> {
    type Output = ();

    fn visit<M: CausalLm>(self) {
        let dump = Dump::open(self.0);
        let config = || Config::parse(&dump.config).unwrap();
        let model: M = dump.trainable(config());
        both_ways(|way| {
            let what = |part: &str| format!("{}, {way}: {part}", self.0);
            let tokens = dump.array("tokens").clone();
            let logits = model.logits(&tokens, &mut KvCache::off()).unwrap();
            close(&what("logits"), &logits, dump.array("logits"), 1e-4);
            'pieces: for pieces in [vec![1; 13], vec![4, 1, 6, 1, 1], vec![9, 1, 3]] {
                let (mut cache, mut at, mut parts) = (KvCache::new(), 0, Vec::new());
                for n in pieces {
                    // Shorter texts are rotated in another way.
                    if cache.outgrown_by(n) {
                        continue 'pieces;
                    }
                    let piece = ops::slice(&tokens, &[0, at], &[2, at + n], &[1, 1]).unwrap();
                    parts.push(model.logits(&piece, &mut cache).unwrap());
                    at += n;
                }
                let all = ops::concatenate(&parts.iter().collect::<Vec<_>>(), 1).unwrap();
                close(&what("cache"), &all, dump.array("logits"), 1e-4);
            }
            let (targets, weights) = (dump.array("targets").clone(), dump.array("weights").clone());
            let loss = move |m: &M| m.loss(&tokens, &targets, &weights);
            gradients(&what("gradients"), &model, &dump, "", loss.clone());
            // Recomputed in the backward pass, a layer must still be the layer that it was.
            for cut in [Checkpoint::Every(1), Checkpoint::Every(2)] {
                trains(
                    &what(&format!("{cut:?}")),
                    &model,
                    &dump,
                    "",
                    cut,
                    loss.clone(),
                );
            }
        });
        // Frozen, projections that share an input are joined.
        adapters(self.0, &dump, dump.load::<M>(config(), Dtype::Float32));
        // MLX gathers matmuls on the CPU in float32 alone.
        if config().num_local_experts > 0 {
            return;
        }
        // Half precision: 8 bits of each number, after all layers a tenth of the largest.
        let model: M = dump.load(config(), Dtype::Bfloat16);
        let logits = model
            .logits(dump.array("tokens"), &mut KvCache::off())
            .unwrap();
        assert_eq!(logits.dtype(), Dtype::Bfloat16);
        let logits = ops::astype(&logits, Dtype::Float32).unwrap();
        close(self.0, &logits, dump.array("logits"), 1e-1);
        let (targets, weights) = (dump.array("targets"), dump.array("weights"));
        let loss = model.loss(dump.array("tokens"), targets, weights).unwrap();
        close(self.0, &loss, dump.array("loss"), 2e-2);
    }
}

/// The gradients of LoRA adapters at every linear map of the blocks.
fn adapters<M: CausalLm>(case: &str, dump: &Dump, mut model: M) {
    if dump.keys.is_empty() {
        return;
    }
    adapt(&mut model, dump, 3);
    both_ways(|way| {
        let what = format!("{case}, {way}: adapters");
        let batch = ["tokens", "targets", "weights"].map(|name| dump.array(name).clone());
        let loss = move |m: &M| m.loss(&batch[0], &batch[1], &batch[2]);
        gradients(&what, &model, dump, "adapted.", loss.clone());
        trains(&what, &model, dump, "adapted.", Checkpoint::Every(1), loss);
    });
}

fn check(case: &str) {
    let config = Config::parse(&Dump::open(case).config).unwrap();
    dispatch(config.family, Case(case));
}

#[test]
fn llama_with_llama_3_rotations_and_biases() {
    check("llama");
}

#[test]
fn llama_tied() {
    check("llama_tied");
}

#[test]
fn qwen2_has_biases_before_attention() {
    check("qwen2");
}

#[test]
fn qwen2_tied() {
    check("qwen2_tied");
}

#[test]
fn qwen3_normalises_queries_and_keys() {
    check("qwen3");
}

#[test]
fn qwen3_tied() {
    check("qwen3_tied");
}

#[test]
fn mistral_slides() {
    check("mistral");
}

#[test]
fn mixtral_chooses_experts() {
    check("mixtral");
}

#[test]
fn qwen3_with_experts_in_every_other_layer() {
    check("qwen3moe");
    check("qwen3moe_plain");
}

#[test]
fn phi3_joins_projections() {
    check("phi3");
}

#[test]
fn phi3_slides() {
    check("phi3_window");
}

#[test]
fn phi3_rotates_a_part_by_long_factors() {
    check("phi3_long");
}

#[test]
fn gemma2_caps_and_slides_in_every_other_layer() {
    check("gemma2");
}

#[test]
fn gemma3_slides_in_most_layers() {
    check("gemma3");
}

#[test]
fn gemma3_tied() {
    check("gemma3_tied");
}

#[test]
fn gpt2_learns_positions() {
    check("gpt2");
}

#[test]
fn olmo2_normalises_after_its_sub_layers() {
    check("olmo2");
}

#[test]
fn olmo2_tied() {
    check("olmo2_tied");
}

#[test]
fn gpt_oss_has_sinks_and_clamped_experts() {
    check("gptoss");
}

#[test]
fn deepseek_attends_through_latent_vectors() {
    check("deepseek");
    check("deepseek_plain");
}

#[test]
fn the_numbers_on_every_level() {
    let families = ["qwen3_normalises", "gemma2", "mixtral"];
    levels::again(&families, 3);
}
