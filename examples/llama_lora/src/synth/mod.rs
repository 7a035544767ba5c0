//! Models of random weights: of any size, the same for the same seed, without a download.
//!
//! `--model synth:NAME` names such a model. Nothing is written to disk: its tensors are lazy, so that each is drawn on
//! the device when loading needs it. [`write()`] makes a folder of one instead. [`draw`] computes the values of a
//! tensor; `bench/weights.py` draws the same ones with MLX's Python package.
//!
//! Tests: `tests/synth.rs`.

pub mod draw;
mod run;
mod tensors;
mod write;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use mlx_models::Config;
use mlx_runtime::{Array, Dtype};

use crate::checkpoint::{Beside, Checkpoint};
use crate::files::read_text;
use crate::text::bytes;
pub use run::run;
pub use write::write;

macro_rules! configs {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../configs/", $name, ".json")))),*]
    };
}

/// The sizes that come with the program: the published configs of these models.
pub const CONFIGS: &[(&str, &str)] = configs![
    "tiny",
    "smollm2-135m",
    "llama-3.2-1b",
    "llama-3.2-3b",
    "llama-3.1-8b",
    "llama-3.1-70b",
    "mistral-7b-v0.1",
    "qwen2.5-7b",
    "qwen3-8b",
    "qwen3-30b-a3b",
    "gemma2-9b",
    "gemma3-4b",
    "phi3-mini",
];

/// The prefix of the name of a model that is drawn.
pub const PREFIX: &str = "synth:";

/// A model to draw.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The text of its `config.json`.
    pub json: String,
    /// The same, read.
    pub config: Config,
    /// The seed; tensors of the same name and shape are equal for the same one.
    pub seed: u64,
    /// The dtype that the values are drawn in.
    pub dtype: Option<Dtype>,
}

impl Recipe {
    /// A model of the sizes `config`: a name of [`CONFIGS`], or a `config.json`.
    pub fn new(config: &str, seed: u64, dtype: Option<Dtype>) -> Result<Recipe> {
        let json = match CONFIGS.iter().find(|(name, _)| *name == config) {
            Some((_, text)) => (*text).to_owned(),
            None if Path::new(config).is_file() => read_text(Path::new(config))?,
            None => {
                let known: Vec<&str> = CONFIGS.iter().map(|(name, _)| *name).collect();
                bail!(
                    "unknown configuration {config:?}: expected a config.json, or one of {}",
                    known.join(", ")
                )
            }
        };
        let parsed = Config::parse(&json)
            .with_context(|| format!("{config} does not describe a supported model"))?;
        ensure!(
            parsed.vocab_size >= bytes::TOKENS,
            "{config}: expected a vocabulary of at least {1}, because a drawn model reads bytes, found {0}",
            parsed.vocab_size,
            bytes::TOKENS
        );
        if let Some(d) = dtype {
            ensure!(
                matches!(d, Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16),
                "expected a dtype of float32, float16 or bfloat16, found {d}"
            );
        }
        Ok(Recipe {
            json,
            config: parsed,
            seed,
            dtype,
        })
    }

    /// Reads `synth:CONFIG`, or `synth:CONFIG?seed=1&dtype=float32`; `None` if it begins otherwise.
    pub fn parse(model: &str) -> Result<Option<Recipe>> {
        let Some(rest) = model.strip_prefix(PREFIX) else {
            return Ok(None);
        };
        let (config, options) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut seed, mut dtype) = (0, None);
        for option in options.split('&').filter(|o| !o.is_empty()) {
            match option.split_once('=') {
                Some(("seed", n)) => {
                    seed = n.parse().with_context(|| {
                        format!("invalid seed={n} in {model}: expected a whole number")
                    })?;
                }
                Some(("dtype", d)) => dtype = Some(d.parse()?),
                _ => bail!(
                    "unknown option {option:?} in {model}: expected seed=NUMBER or dtype=NAME"
                ),
            }
        }
        Recipe::new(config, seed, dtype).map(Some)
    }

    /// The dtype that the values are drawn in. The default is bfloat16.
    pub fn dtype(&self) -> Dtype {
        self.dtype.unwrap_or(Dtype::Bfloat16)
    }

    /// Every tensor as a Hugging Face checkpoint has it, in the order of the definition. None of them is drawn yet.
    pub fn tensors(&self) -> Result<Vec<(String, Array)>> {
        tensors::of(self)
    }

    /// The model as an open checkpoint; its text is bytes.
    pub fn open(self) -> Result<Checkpoint> {
        let weights: HashMap<String, Array> = self.tensors()?.into_iter().collect();
        let beside = Beside::Made {
            config: Some(write::config(&self)?),
            tokenizer_config: write::tokenizer_config(),
        };
        Ok(Checkpoint {
            config: self.config,
            weights,
            block_size: None,
            text: bytes::text()?,
            beside,
        })
    }
}
