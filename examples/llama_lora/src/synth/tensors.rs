//! Derives the names and shapes of a checkpoint from the definition of the model.
//!
//! Tests: `tests/synth.rs`.

use std::sync::Arc;

use anyhow::{Context, Result};
use mlx_models::{dispatch, CausalLm, Config, Family, Visitor};
use mlx_runtime::model::init;
use mlx_runtime::{ops, random, Array, Dtype};

use super::{draw, Recipe};

/// Every tensor of the checkpoint, not drawn yet.
pub(super) fn of(recipe: &Recipe) -> Result<Vec<(String, Array)>> {
    let config = Arc::new(recipe.config.clone());
    let defined = dispatch(config.family, Defined(&config))
        .context("the sizes of the configuration contradict each other")?;
    let mut all = Vec::with_capacity(defined.len());
    for (name, like) in defined {
        stored(&config, name, like, recipe, &mut all)?;
    }
    Ok(all)
}

/// The tensors of a fresh model: their values are never computed but for norms and biases.
struct Defined<'a>(&'a Arc<Config>);

impl Visitor for Defined<'_> {
    type Output = Result<Vec<(String, Array)>>;

    fn visit<M: CausalLm>(self) -> Self::Output {
        let model: M = init(self.0, random::key(0)?, Dtype::Float32)?;
        Ok(model.parameters())
    }
}

/// Appends the tensors of a checkpoint that hold the tensor `name` of the definition to `all`.
fn stored(
    config: &Config,
    name: String,
    like: Array,
    recipe: &Recipe,
    all: &mut Vec<(String, Array)>,
) -> Result<()> {
    let (shape, dtype) = (like.shape().to_vec(), recipe.dtype());
    let mut draw = |name: String, shape: &[i32]| -> Result<()> {
        let values = draw::normal(&name, shape, dtype, recipe.seed)?;
        all.push((name, values));
        Ok(())
    };
    if shape.len() < 2 {
        all.push((name, ops::astype(&like, dtype)?));
        return Ok(());
    }
    match (config.family, name.rsplit_once('.')) {
        // Stored `[in, out]`.
        (Family::Gpt2, Some((path, "weight"))) if path.contains("_attn") || path.contains("c_") => {
            draw(name, &[shape[1], shape[0]])
        }
        // Experts are stored one by one.
        (family, Some((path, "weight"))) if path.contains(".switch_mlp.") => {
            let (block, part) = path.split_once(".switch_mlp.").unwrap_or_default();
            let part = match (family, part) {
                (Family::Mixtral, "gate_proj") => "w1",
                (Family::Mixtral, "down_proj") => "w2",
                (Family::Mixtral, "up_proj") => "w3",
                _ => part,
            };
            for e in 0..shape[0] {
                draw(format!("{block}.experts.{e}.{part}.weight"), &shape[1..])?;
            }
            Ok(())
        }
        _ => draw(name, &shape),
    }
}
