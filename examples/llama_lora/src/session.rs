//! A model that is ready to run: weights loaded, tokenizer at hand, adapter applied.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use mlx_runtime::device::{default_device, Device};
use mlx_runtime::model::{self, LoadOptions};
use mlx_runtime::{memory, ops, Array, Dtype};

use crate::adapter::Adapter;
use crate::checkpoint::{self, Checkpoint};
use crate::settings::{parse_size, DEFAULT_MODEL};
use crate::text::Text;
use mlx_models::{llama::Llama, Config};

/// A loaded model.
pub struct Session {
    /// The model.
    pub llama: Llama,
    /// Its sizes.
    pub config: Arc<Config>,
    /// Its tokenizer.
    pub text: Text,
}

impl Session {
    /// Loads `model`, a name or path as `--model` takes it.
    pub fn open(model: &str) -> Result<Session> {
        let Checkpoint {
            config,
            mut weights,
            names,
            group_size,
            text,
        } = checkpoint::open(model)?;
        let config = Arc::new(config);
        // On a CPU only float32 has a fast matmul; a GPU computes in what the checkpoint holds.
        let cpu = default_device()? == Device::cpu();
        let dtype = if cpu {
            Dtype::Float32
        } else {
            float_of(weights.values())
        };
        if cpu {
            weights = dequantize(weights, group_size).with_context(|| format!("in {model}"))?;
        }
        let mut options = LoadOptions::new(dtype);
        options.names = names;
        let llama = model::load::<Llama>(&config, weights.into(), &options).with_context(|| {
            format!("{model} is not the Llama that its configuration describes")
        })?;
        Ok(Session {
            llama,
            config,
            text,
        })
    }

    /// The number of layers.
    pub fn layers(&self) -> Result<i32> {
        Ok(i32::try_from(self.config.num_hidden_layers)?)
    }

    /// Loads `model` and the adapter, if one is given. Without a name, the model is the one that the adapter was
    /// trained on.
    pub fn with_adapter(model: Option<&str>, adapter: Option<&Path>) -> Result<Session> {
        let adapter = adapter.map(Adapter::read).transpose()?;
        let trained_on = adapter.as_ref().and_then(|a| a.config.model.clone());
        let model = model.or(trained_on.as_deref()).unwrap_or(DEFAULT_MODEL);
        let mut session = Session::open(model)?;
        if let Some(adapter) = adapter {
            let layers = session.layers()?;
            adapter.apply(&mut session.llama, layers)?;
        }
        Ok(session)
    }
}

/// Applies `--memory-limit`.
pub fn limit_memory(limit: Option<&str>) -> Result<()> {
    if let Some(text) = limit {
        memory::set_limit(usize::try_from(parse_size(text)?)?)?;
    }
    Ok(())
}

/// The dtype that most weights of a checkpoint have, float32 if there are none.
fn float_of<'a>(arrays: impl Iterator<Item = &'a Array>) -> Dtype {
    let mut counts = [
        (Dtype::Bfloat16, 0),
        (Dtype::Float16, 0),
        (Dtype::Float32, 0),
    ];
    for array in arrays {
        if let Some(count) = counts.iter_mut().find(|c| c.0 == array.dtype()) {
            count.1 += 1;
        }
    }
    counts
        .into_iter()
        .rev()
        .max_by_key(|c| c.1)
        .map_or(Dtype::Float32, |c| c.0)
}

/// Replaces every quantised matrix by the values that it stands for.
fn dequantize(
    mut arrays: HashMap<String, Array>,
    group_size: i32,
) -> Result<HashMap<String, Array>> {
    let paths: Vec<String> = arrays
        .keys()
        .filter_map(|name| name.strip_suffix(".scales").map(String::from))
        .collect();
    for path in paths {
        let mut take = |part: &str| {
            arrays
                .remove(&format!("{path}.{part}"))
                .with_context(|| format!("{path} is quantised but has no {part}"))
        };
        let (weight, scales, biases) = (take("weight")?, take("scales")?, take("biases")?);
        let inputs = scales.dim(-1)?.saturating_mul(group_size).max(1);
        let bits = weight.dim(-1)?.saturating_mul(32) / inputs;
        let matrix = ops::dequantize(&weight, &scales, &biases, group_size, bits)
            .with_context(|| format!("cannot unpack {path}"))?;
        arrays.insert(format!("{path}.weight"), matrix);
    }
    Ok(arrays)
}
