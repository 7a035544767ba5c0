//! Published model families, one file a family, each written as in its paper.
//!
//! All language models share one [`Config`] (a Hugging Face `config.json`), so that they share sub-models too, and one
//! trait, [`CausalLm`]. [`dispatch`] chooses the model that a config names.
//!
//! Tests: `tests/language.rs`, `tests/architectures.rs`.

#![forbid(unsafe_code)]

pub mod bert;
mod causal_lm;
pub mod clip;
pub mod config;
pub mod convnext;
pub mod decoder;
pub mod deepseek_v2;
pub mod deepseek_v3;
pub mod dit;
pub mod gemma;
pub mod gemma2;
pub mod gemma3;
pub mod gpt2;
pub mod gpt_oss;
pub mod json;
pub mod llama;
pub mod mamba2;
pub mod mistral;
pub mod mixtral;
pub mod olmo2;
pub mod phi3;
pub mod qwen2;
pub mod qwen3;
pub mod qwen3_moe;
pub mod qwen3_next;
pub mod t5;
pub mod t5_blocks;
pub mod unet;
pub mod vit;
pub mod whisper;

pub use causal_lm::{dispatch, CausalLm, Visitor};
pub use config::{Config, Family};
