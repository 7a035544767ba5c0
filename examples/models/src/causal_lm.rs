//! The trait of all language models, and the choice of a model's type by its config.
//!
//! Tests: `tests/language.rs`.

use mlx_runtime::model::Model;
use mlx_runtime::nn::KvCache;
use mlx_runtime::{ops, Array, Result};

use crate::config::{Config, Family};

/// A model that predicts each next token.
pub trait CausalLm: Model<Config = Config> {
    /// `tokens [B, L] of i32 -> [B, L, vocab_size]`: logits of the token that follows each.
    ///
    /// # Errors
    /// If an argument has another shape, or MLX fails.
    fn logits(&self, tokens: &Array, cache: &mut KvCache) -> Result<Array>;

    /// Tokens and targets `[B, L] of i32`, weights `[B, L] of f32` -> `[B, L]`: the negative
    /// log-likelihood of each target, times its weight.
    ///
    /// # Errors
    /// As [`CausalLm::logits`].
    fn losses(&self, tokens: &Array, targets: &Array, weights: &Array) -> Result<Array>;

    /// The mean of [`CausalLm::losses`] over the targets that count, a scalar.
    ///
    /// # Errors
    /// As [`CausalLm::logits`].
    fn loss(&self, tokens: &Array, targets: &Array, weights: &Array) -> Result<Array>;
}

/// An operation on a model with a type that the config decides.
pub trait Visitor {
    /// The result of the visit.
    type Output;
    /// Does it with models of type `M`.
    fn visit<M: CausalLm>(self) -> Self::Output;
}

/// Calls `visitor` with the type that `family` names.
pub fn dispatch<V: Visitor>(family: Family, visitor: V) -> V::Output {
    match family {
        Family::Llama => visitor.visit::<crate::llama::Llama>(),
        Family::Mistral => visitor.visit::<crate::mistral::Mistral>(),
        Family::Mixtral => visitor.visit::<crate::mixtral::Mixtral>(),
        Family::Qwen2 => visitor.visit::<crate::qwen2::Qwen2>(),
        Family::Qwen3 => visitor.visit::<crate::qwen3::Qwen3>(),
        Family::Qwen3Moe => visitor.visit::<crate::qwen3_moe::Qwen3Moe>(),
        Family::Phi3 => visitor.visit::<crate::phi3::Phi3>(),
        Family::Gemma2 => visitor.visit::<crate::gemma2::Gemma2>(),
        Family::Gemma3 => visitor.visit::<crate::gemma3::Gemma3>(),
        Family::Gpt2 => visitor.visit::<crate::gpt2::Gpt2>(),
        Family::Olmo2 => visitor.visit::<crate::olmo2::Olmo2>(),
        Family::GptOss => visitor.visit::<crate::gpt_oss::GptOss>(),
        Family::DeepseekV2 => visitor.visit::<crate::deepseek_v2::DeepseekV2>(),
    }
}

macro_rules! causal_lm {
    ([$($generics:tt)*] $model:ty) => {
        impl<$($generics)*> CausalLm for $model {
            fn logits(&self, tokens: &Array, cache: &mut KvCache) -> Result<Array> {
                self.forward(tokens, cache)
            }
            fn losses(&self, tokens: &Array, targets: &Array, weights: &Array) -> Result<Array> {
                <$model>::losses(self, tokens, targets, weights)
            }
            fn loss(&self, tokens: &Array, targets: &Array, weights: &Array) -> Result<Array> {
                <$model>::loss(self, tokens, targets, weights)
            }
        }

        impl<$($generics)*> $model {
            /// The mean over the targets that count: `sum(weights * nll) / sum(weights)`, a scalar.
            ///
            /// # Errors
            /// As [`CausalLm::logits`].
            pub fn loss(&self, tokens: &Array, targets: &Array, weights: &Array) -> Result<Array> {
                let losses = self.losses(tokens, targets, weights)?;
                let (sum, count) = (ops::sum(&losses, &[], false)?, ops::sum(weights, &[], false)?);
                ops::divide(&sum, &count)
            }
        }
    };
}

causal_lm!([] crate::llama::Llama);
causal_lm!([B: Model<Config = Config>] crate::decoder::Decoder<B>);
causal_lm!([A: Model<Config = Config>] crate::gemma::Gemma<A>);
causal_lm!([] crate::gpt2::Gpt2);
