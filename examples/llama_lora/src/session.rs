//! A model that is ready to run: with loaded weights, tokenizer and adapter.
//!
//! Tests: `tests/families.rs`.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use mlx_runtime::device::{default_device, Device};
use mlx_runtime::model::{self, LoadOptions, Weights};
use mlx_runtime::runtime::Limit;
use mlx_runtime::{memory, Array, Dtype, ErrorKind, Runtime};

use crate::adapter::Adapter;
use crate::advice;
use crate::checkpoint::{self, Checkpoint};
use crate::cli::{RuntimeArgs, UsedArgs};
use crate::finite::Origin;
use crate::output;
use crate::settings::{OfRun, Packing, DEFAULT_MODEL};
use crate::text::Text;
use mlx_models::{CausalLm, Config, Family};

/// A loaded model.
pub struct Session<M> {
    /// The model.
    pub model: M,
    /// Its sizes.
    pub config: Arc<Config>,
    /// Its tokenizer.
    pub text: Text,
    /// The dtype that it computes in.
    pub dtype: Dtype,
    /// The origin of its tensors.
    pub origin: Origin,
}

/// Options for loading a model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loading {
    /// The packing of its matrices at load, if any.
    pub packing: Option<Packing>,
    /// The dtype that it computes in. The default is float32 on a CPU, and the checkpoint's dtype on a GPU.
    pub dtype: Option<Dtype>,
    /// True if weights that the checkpoint holds packed are unpacked on a GPU too, as they are on a CPU.
    pub unpack: bool,
}

impl<M: CausalLm> Session<M> {
    /// Loads `model`, a name or path as `--model` takes it, which must be of the family `M`.
    pub fn open(model: &str) -> Result<Self> {
        Self::load(checkpoint::open(model)?, model, None)
    }

    /// Loads the model of an open checkpoint, called `name` in messages, and packs its matrices if `packing` is given.
    pub fn load(checkpoint: Checkpoint, name: &str, packing: Option<Packing>) -> Result<Self> {
        let loading = Loading {
            packing,
            ..Loading::default()
        };
        Self::load_as(checkpoint, name, loading)
    }

    /// As [`Session::load`], in any dtype.
    pub fn load_as(checkpoint: Checkpoint, name: &str, loading: Loading) -> Result<Self> {
        let Checkpoint {
            config,
            weights,
            block_size,
            text,
            ..
        } = checkpoint;
        let config = Arc::new(config);
        // On a CPU only float32 has a fast matmul; a GPU computes in the checkpoint's dtype.
        let cpu = default_device()? == Device::cpu();
        let dtype = match loading.dtype {
            Some(dtype) => dtype,
            None if cpu => Dtype::Float32,
            None => float_of(weights.values()),
        };
        let packed = loading
            .packing
            .map(mlx_runtime::model::Quantization::from)
            .map(|q| q.group_size_and_bits());
        advice::check_weights(weights.values(), dtype, packed, memory::limit()?)
            .with_context(|| format!("cannot load {name}"))?;
        let mut options = LoadOptions::new(dtype);
        // A request for packed weights keeps those that are already packed.
        options.unpack = (cpu || loading.unpack) && loading.packing.is_none();
        options.quantize = loading.packing.map(Into::into);
        options.strict = true;
        let mut weights = Weights::from(weights);
        if let Some(block) = block_size {
            weights = weights.with_block_size(block);
        }
        let model = model::load::<M>(&config, weights, &options).map_err(|error| {
            let what = match error.kind() {
                ErrorKind::Io => format!("cannot read {name}"),
                _ => {
                    let family = config.family.model_type();
                    format!(
                        "{name} does not hold the {family} model that its configuration describes"
                    )
                }
            };
            anyhow::Error::from(error).context(what)
        })?;
        settle(&model)?;
        Ok(Session {
            model,
            config,
            text,
            dtype,
            origin: Origin {
                model: name.to_owned(),
                adapter: None,
            },
        })
    }

    /// The number of layers.
    pub fn layers(&self) -> Result<i32> {
        Ok(i32::try_from(self.config.num_hidden_layers)?)
    }
}

/// A model that is on disk and not yet loaded, and the adapter to use with it.
pub struct Opened {
    name: String,
    checkpoint: Checkpoint,
    adapter: Option<Adapter>,
    packing: Option<Packing>,
}

impl Opened {
    /// Opens `model` and the adapter, if one is given. Without a name, the model is the one that the adapter was
    /// trained on; without `packing`, it is packed as it was then.
    pub fn new(
        model: Option<&str>,
        adapter: Option<&Path>,
        packing: Option<Packing>,
    ) -> Result<Opened> {
        let adapter = adapter.map(Adapter::read).transpose()?;
        let then = adapter.as_ref().map(|a| &a.config);
        let trained_on = then.and_then(|c| c.model.as_deref());
        match (model, trained_on) {
            (Some(model), Some(trained_on)) if model != trained_on => {
                output::note(format_args!(
                    "the adapter was trained on {trained_on}, and is used with {model}"
                ));
            }
            (None, Some(trained_on)) => {
                output::note(format_args!(
                    "as in the adapter's run: --model {trained_on}"
                ));
            }
            _ => {}
        }
        let name = model.or(trained_on).unwrap_or(DEFAULT_MODEL).to_owned();
        Ok(Opened {
            checkpoint: checkpoint::open(&name)?,
            packing: packing.or(then.and_then(|c| c.quantize)),
            name,
            adapter,
        })
    }

    /// As the flags of a command say.
    pub fn of(args: &UsedArgs) -> Result<Opened> {
        Opened::new(
            args.model.as_deref(),
            args.adapter_path.as_deref(),
            Packing::of(&args.packing)?,
        )
    }

    /// The settings of the adapter's run, if there is an adapter.
    pub fn run(&self) -> Option<&OfRun> {
        self.adapter.as_ref().map(|a| &a.config.run)
    }

    /// The model as it is named.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its matrices are packed when it is loaded, if they are.
    pub fn packing(&self) -> Option<Packing> {
        self.packing
    }

    /// The checkpoint and the adapter.
    pub fn into_parts(self) -> (Checkpoint, Option<Adapter>) {
        (self.checkpoint, self.adapter)
    }

    /// Its family.
    pub fn family(&self) -> Family {
        self.checkpoint.config.family
    }

    /// Loads it, adapter included.
    pub fn load<M: CausalLm>(self) -> Result<Session<M>> {
        let mut session = Session::load(self.checkpoint, &self.name, self.packing)?;
        session.origin.adapter = self.adapter.as_ref().map(|a| a.file().to_owned());
        if let Some(adapter) = self.adapter {
            adapter.apply(&mut session.model, &session.config)?;
        }
        Ok(session)
    }
}

/// Sets the device and the memory of a command, until the result is dropped. The machine decides settings that are not
/// given.
pub fn set_up(device: Option<&str>, memory: Option<Limit>) -> Result<Runtime> {
    let mut builder = Runtime::builder();
    if let Some(device) = device {
        builder = builder.device(device);
    }
    if let Some(limit) = memory {
        builder = builder.memory_limit(limit);
    }
    Ok(builder.build()?)
}

impl RuntimeArgs {
    /// [`set_up`] as the flags say.
    pub fn set_up(&self) -> Result<Runtime> {
        let limit = self.memory_limit.as_deref().map(str::parse);
        set_up(self.device.as_deref(), limit.transpose()?)
    }
}

/// Evaluates tensors that loading left lazy, one at a time: all at once would also hold all the buffers that they are
/// made from.
fn settle(model: &impl CausalLm) -> Result<()> {
    for (_, tensor) in model.parameters() {
        tensor.eval()?;
    }
    // Frees the buffers that the tensors were made from.
    memory::clear_cache()?;
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
