//! The sizes and constants of the language models, read from a Hugging Face `config.json`.
//!
//! Tests: `tests/config.rs`.

mod fields;
mod parse;
mod rope;

use anyhow::{Context, Result};
use mlx_runtime::nn::RopeScaling;

/// The model that a config describes: its `model_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Family {
    /// Llama 1 to 3 and models of the same architecture.
    #[default]
    Llama,
    /// Mistral 7B and its kin.
    Mistral,
    /// Mixtral 8x7B and its kin.
    Mixtral,
    /// Qwen 2 and 2.5.
    Qwen2,
    /// Qwen 3, without experts.
    Qwen3,
    /// Qwen 3 with experts.
    Qwen3Moe,
    /// Phi 3 and 4.
    Phi3,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, its language part.
    Gemma3,
    /// GPT-2.
    Gpt2,
    /// OLMo 2.
    Olmo2,
    /// GPT-OSS.
    GptOss,
    /// DeepSeek V2.
    DeepseekV2,
}

impl Family {
    /// Every family, in the order in which messages list them.
    pub const ALL: &[Family] = &[
        Family::Llama,
        Family::Mistral,
        Family::Mixtral,
        Family::Qwen2,
        Family::Qwen3,
        Family::Qwen3Moe,
        Family::Phi3,
        Family::Gemma2,
        Family::Gemma3,
        Family::Gpt2,
        Family::Olmo2,
        Family::GptOss,
        Family::DeepseekV2,
    ];

    /// The `model_type` of its configs.
    pub fn model_type(self) -> &'static str {
        match self {
            Family::Llama => "llama",
            Family::Mistral => "mistral",
            Family::Mixtral => "mixtral",
            Family::Qwen2 => "qwen2",
            Family::Qwen3 => "qwen3",
            Family::Qwen3Moe => "qwen3_moe",
            Family::Phi3 => "phi3",
            Family::Gemma2 => "gemma2",
            Family::Gemma3 => "gemma3_text",
            Family::Gpt2 => "gpt2",
            Family::Olmo2 => "olmo2",
            Family::GptOss => "gpt_oss",
            Family::DeepseekV2 => "deepseek_v2",
        }
    }

    /// The family of a `model_type`.
    ///
    /// # Errors
    /// If no model here is of that type; the message lists those that are.
    pub fn of(model_type: &str) -> Result<Family> {
        let found = Family::ALL.iter().find(|f| f.model_type() == model_type);
        found.copied().with_context(|| {
            let known: Vec<_> = Family::ALL.iter().map(|f| f.model_type()).collect();
            format!(
                "unsupported model_type {model_type:?}: expected {}",
                known.join(", ")
            )
        })
    }
}

/// The sizes and constants of all language families, named as in `config.json`. A family reads the fields that it has;
/// the others keep their defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The model's family.
    pub family: Family,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Number of blocks.
    pub num_hidden_layers: usize,
    /// Width inside the feed-forward part, or inside each expert of it.
    pub intermediate_size: usize,
    /// Query heads.
    pub num_attention_heads: usize,
    /// Key and value heads; each serves several query heads.
    pub num_key_value_heads: usize,
    /// Size of a head.
    pub head_dim: usize,
    /// Number of tokens known.
    pub vocab_size: usize,
    /// Added to the mean square in the norms, or to the variance (GPT-2).
    pub rms_norm_eps: f32,
    /// Values of a head that rotate (Phi 3).
    pub rotary_dim: usize,
    /// Base of the rotary periods.
    pub rope_theta: f32,
    /// True if rotary pairs are neighbours (GGUF), false if they are halves (Hugging Face).
    pub rope_traditional: bool,
    /// The scaling of the rotary periods, if any.
    pub rope_scaling: Option<RopeScaling>,
    /// True if the output projection shares its weight with the embedding (weight tying).
    pub tie_word_embeddings: bool,
    /// True if the attention's projections have biases.
    pub attention_bias: bool,
    /// True if the feed-forward projections have biases.
    pub mlp_bias: bool,
    /// The longest text the model was made for.
    pub max_position_embeddings: usize,
    /// Tokens that a sliding layer sees, itself included.
    pub sliding_window: Option<usize>,
    /// Distance between layers with full attention: a layer has it if this divides its number, counted from 1. The
    /// others slide.
    pub sliding_window_pattern: usize,
    /// Base of the rotary periods of sliding layers, if it differs (Gemma 3).
    pub rope_local_base_freq: f32,
    /// The scaling of the rotary periods of sliding layers, if any (Gemma 3).
    pub rope_local_scaling: Option<RopeScaling>,
    /// Factor of the embedding (Gemma).
    pub embedding_scale: f32,
    /// Factor of the attention's scores (Gemma).
    pub attention_scale: f32,
    /// The bound that the attention's scores approach (Gemma 2).
    pub attn_logit_softcapping: f32,
    /// The bound that the logits approach, if there is one (Gemma 2).
    pub final_logit_softcapping: Option<f32>,
    /// Experts of a feed-forward part.
    pub num_local_experts: usize,
    /// Experts that work on a token.
    pub num_experts_per_tok: usize,
    /// Width inside an expert, if other layers have no experts (Qwen 3).
    pub moe_intermediate_size: usize,
    /// Distance between layers with experts: a layer has them if this divides its number, counted from 1 (Qwen 3).
    pub decoder_sparse_step: usize,
    /// True if the weights of a token's experts are normalised to sum to one (Qwen 3).
    pub norm_topk_prob: bool,
    /// Factor of the gate inside its sigmoid (GPT-OSS).
    pub swiglu_alpha: f32,
    /// The bound of the gated unit's inputs (GPT-OSS).
    pub swiglu_limit: f32,
    /// Width of the latent vector of queries, if there is one (DeepSeek).
    pub q_lora_rank: Option<usize>,
    /// Width of the latent vector of keys and values (DeepSeek).
    pub kv_lora_rank: usize,
    /// Size of a head's part without position (DeepSeek).
    pub qk_nope_head_dim: usize,
    /// Size of a head's part that rotates (DeepSeek).
    pub qk_rope_head_dim: usize,
    /// Size of a head's values (DeepSeek).
    pub v_head_dim: usize,
    /// Experts that work on every token (DeepSeek).
    pub n_shared_experts: usize,
    /// The number of first layers without experts (DeepSeek).
    pub first_k_dense_replace: usize,
    /// Factor of the weights of a token's experts (DeepSeek).
    pub routed_scaling_factor: f32,
}

impl Default for Config {
    /// Llama's constants; sizes are 0, which no model loads with.
    fn default() -> Self {
        Config {
            family: Family::Llama,
            hidden_size: 0,
            num_hidden_layers: 0,
            intermediate_size: 0,
            num_attention_heads: 0,
            num_key_value_heads: 0,
            head_dim: 0,
            vocab_size: 0,
            rms_norm_eps: 1e-6,
            rotary_dim: 0,
            rope_theta: 10_000.0,
            rope_traditional: false,
            rope_scaling: None,
            tie_word_embeddings: false,
            attention_bias: false,
            mlp_bias: false,
            max_position_embeddings: 2048,
            sliding_window: None,
            sliding_window_pattern: 1,
            rope_local_base_freq: 10_000.0,
            rope_local_scaling: None,
            embedding_scale: 1.0,
            attention_scale: 1.0,
            attn_logit_softcapping: 1.0,
            final_logit_softcapping: None,
            num_local_experts: 0,
            num_experts_per_tok: 0,
            moe_intermediate_size: 0,
            decoder_sparse_step: 1,
            norm_topk_prob: false,
            swiglu_alpha: 1.702,
            swiglu_limit: 7.0,
            q_lora_rank: None,
            kv_lora_rank: 0,
            qk_nope_head_dim: 0,
            qk_rope_head_dim: 0,
            v_head_dim: 0,
            n_shared_experts: 0,
            first_k_dense_replace: 0,
            routed_scaling_factor: 1.0,
        }
    }
}
