//! Opens a model on disk: a Hugging Face folder, or a GGUF file.
//!
//! Tests: `tests/foreign_checkpoints.rs`.

mod beside;
mod config;
mod folder;
mod gguf;
mod row_order;

use std::collections::HashMap;
use std::path::Path;

use anyhow::{bail, Context, Result};
use mlx_models::{CausalLm, Visitor};
use mlx_runtime::{model, Array};

use crate::fetch;
use crate::hub;
use crate::output;
use crate::settings::DEFAULT_MODEL;
use crate::synth::Recipe;
use crate::text::Text;
use mlx_models::Config;

pub use beside::Beside;
pub use gguf::names::{Change, Names};
pub use row_order::{halves, neighbours};

/// The contents of a checkpoint. The weights' data may not be read yet.
pub struct Checkpoint {
    /// Sizes and constants.
    pub config: Config,
    /// Tensors by name.
    pub weights: HashMap<String, Array>,
    /// Rows and columns of a block of weights that shares a scale, if blocks do.
    pub block_size: Option<[i32; 2]>,
    /// Tokenizer and chat template.
    pub text: Text,
    /// The other files that a Hugging Face folder of the model has.
    pub beside: Beside,
}

/// Opens `model`: the name of the model that is fetched automatically, a `.gguf` file, a Hugging Face folder, a name of
/// the Hugging Face hub, or `synth:CONFIG`, a model of random weights.
pub fn open(model: &str) -> Result<Checkpoint> {
    if let Some(recipe) = Recipe::parse(model)? {
        return recipe.open();
    }
    if model == DEFAULT_MODEL {
        let path = fetch::fetch(&fetch::SMOLLM2, &fetch::cache_folder()?, || {
            output::note(format_args!("fetching {DEFAULT_MODEL} (98 MB, once)"));
        })?;
        return gguf::open(&path);
    }
    let path = Path::new(model);
    if path.is_dir() {
        folder::open(path)
    } else if path.is_file() {
        gguf::open(path)
    } else if let Some(name) = hub::Name::parse(model) {
        folder::open(&hub::fetch(&name)?)
            .with_context(|| format!("in {model} of the Hugging Face hub"))
    } else {
        bail!(
            "no model at {model}: --model takes a Hugging Face folder, a .gguf file, a name of the Hugging Face hub \
             (ORG/NAME or ORG/NAME@REVISION), synth:CONFIG, or {DEFAULT_MODEL}"
        )
    }
}

/// True if `model`, a name or path as [`open`] takes it, means a GGUF file.
pub fn is_gguf(model: &str) -> bool {
    let path = Path::new(model);
    let named = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("gguf"));
    model == DEFAULT_MODEL || named || path.is_file()
}

/// The text that `#[mlx_model(digest = "..")]` compares a model with.
pub fn digest(checkpoint: Checkpoint) -> String {
    struct Write(Checkpoint);
    impl Visitor for Write {
        type Output = String;
        fn visit<M: CausalLm>(self) -> String {
            let Checkpoint {
                config, weights, ..
            } = self.0;
            model::digest::<M>(&config, &weights.into(), "")
        }
    }
    mlx_models::dispatch(checkpoint.config.family, Write(checkpoint))
}
