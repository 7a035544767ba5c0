//! Trains: from settings to an adapter on disk.
//!
//! Tests: `tests/runs.rs`.

mod ahead;
mod base;
mod claim;
mod clock;
mod header;
mod run;
mod saved;
mod step;
mod stop;

pub use base::Base;
pub use claim::Claim;
pub use run::{run, Outcome, BEST};
pub use saved::{fingerprint, Progressed, Saved, STATE};
pub use stop::{ignore_file_size_signal, Stop};

use anyhow::{ensure, Result};
use mlx_models::{CausalLm, Family};
use mlx_runtime::model;
use mlx_runtime::{random, Runtime};

use crate::adapter::{self, Adapter};
use crate::checkpoint::{self, Checkpoint};
use crate::data::{BatchOptions, Batches, Limit, Split};
use crate::files::ensure_writable;
use crate::output;
use crate::random::Shuffle;
use crate::reference;
use crate::session::{self, Session};
use crate::settings::{FineTune, Loss, Settings};

/// A run that is ready to start: everything that can be wrong with its inputs has been looked at.
pub struct Prepared<M> {
    /// The settings.
    pub settings: Settings,
    /// The model, its adapter in place.
    pub session: Session<M>,
    /// The training data.
    pub train: Split,
    /// The validation data.
    pub valid: Option<Split>,
    /// The saved state to resume from, if the run was begun before.
    pub saved: Option<Saved>,
    /// The checksum of the model before training.
    pub base: Base,
}

/// The device and the memory that the settings ask for, until the result is dropped.
pub fn set_up(settings: &Settings) -> Result<Runtime> {
    session::set_up(settings.device.as_deref(), settings.memory_limit)
}

/// Checks the folder and opens the model.
pub fn open(settings: &Settings) -> Result<Checkpoint> {
    // First, because it is the cheapest to find out and the most annoying to find out late.
    ensure_writable(&settings.adapter_path)?;
    checkpoint::open(&settings.model)
}

/// Opens the data and adds the adapter.
pub fn prepare<M: CausalLm>(
    mut session: Session<M>,
    mut settings: Settings,
    saved: Option<Saved>,
) -> Result<Prepared<M>> {
    let limit = Limit {
        tokens: settings.max_seq_length,
        cut: settings.truncate || settings.compat,
        pairs: settings.loss.compares(),
    };
    let data = settings.data();
    let mut train = data.require("train", &session.text, limit, settings.mask_prompt)?;
    let mut valid = data.open("valid", &session.text, limit, settings.mask_prompt)?;
    if valid.is_none() {
        output::note(format_args!(
            "{data} has no valid.jsonl: training goes on without a validation loss"
        ));
    }
    for split in [Some(&mut train), valid.as_mut()].into_iter().flatten() {
        split.check(&session.text)?;
        // mlx-lm groups all rows, whatever is left of them.
        if !settings.compat {
            split.keep_rows_with_targets(settings.mask_prompt)?;
        }
        // Rows are all that is used of many lines from here on.
        split.examples = Vec::new();
    }

    output::note(format_args!(
        "training on {} rows of {data}, measuring on {}",
        train.rows.len(),
        valid.as_ref().map_or(0, |v| v.rows.len())
    ));
    if settings.test {
        // Checks the test data now, because an error is better known before the first step than after the last.
        let mut test = data.require("test", &session.text, limit, settings.mask_prompt)?;
        test.check(&session.text)?;
        test.keep_rows_with_targets(settings.mask_prompt)?;
    }

    let watched = settings.keep_best || settings.early_stopping.is_some();
    ensure!(
        !watched || valid.is_some(),
        "--keep-best and --early-stopping need a valid split: {data} has no valid.jsonl"
    );
    if let Some(epochs) = settings.epochs {
        let options = batch_options(&settings, session.text.places());
        let batches = Batches::new(&train.rows, options, shuffle(&settings)?)?;
        settings.iters = epochs.saturating_mul(batches.per_pass() as u64);
        output::note(format_args!(
            "--epochs {epochs}: {} batches a pass, {} in all",
            batches.per_pass(),
            settings.iters
        ));
    }

    ensure!(
        !settings.packing || packs(session.config.family),
        "unsupported --packing for {}: its attention looks at whole rows; leave the flag out, and rows of like lengths go together",
        session.config.family.model_type()
    );
    let total = session.layers()?;
    let base = Base::of(&session.model, &session.config)?;
    // A saved run holds the adapter that it started from in a later form, and the settings that it took from it.
    match settings
        .resume_adapter_file
        .as_ref()
        .filter(|path| saved.is_none() || settings.loss == Loss::Dpo && path.exists())
    {
        Some(path) => {
            let mut adapter = Adapter::read(path)?;
            if settings.lora.dropout > 0.0 {
                adapter.config.lora_parameters.dropout = settings.lora.dropout;
            }
            session.origin = session.origin.with_adapter(path);
            // Training continues that adapter, so its settings override all others.
            let there = &adapter.config;
            settings.num_layers = if there.num_layers <= 0 {
                -1
            } else {
                there.num_layers.min(total)
            };
            settings.lora = there.lora_parameters.clone().into();
            settings.fine_tune_type = there.fine_tune_type.parse().map_err(anyhow::Error::msg)?;
            output::note(format_args!(
                "as in {}: --lora-rank {} --lora-scale {} --num-layers {}, and its --lora-keys",
                path.display(),
                settings.lora.rank,
                settings.lora.scale,
                settings.num_layers
            ));
            settings.lora.keys = {
                let kind = settings.fine_tune_type;
                adapter::lora_config(&session.model, &settings.lora, kind, total).keys
            };
            adapter.apply(&mut session.model, &session.config)?;
        }
        None => {
            let layers = settings.layers_of(total)?;
            if settings.fine_tune_type == FineTune::Full {
                model::unfreeze_layers(&mut session.model, layers)?;
            } else {
                let lora = {
                    let kind = settings.fine_tune_type;
                    adapter::lora_config(&session.model, &settings.lora, kind, layers)
                };
                model::add_lora(&mut session.model, &lora, &random::key(settings.seed)?)?;
                // From here on they are said, whatever the model is.
                settings.lora.keys = lora.keys;
            }
        }
    }
    if settings.loss == Loss::Dpo {
        let options = BatchOptions {
            packed: false,
            ..batch_options(&settings, session.text.places())
        };
        let from = settings.resume_adapter_file.as_ref();
        let other = settings.reference_model.as_deref();
        if let (Some(from), None) = (from, other) {
            ensure!(
                from.exists(),
                "the adapter {} that the run began with is gone: it is the reference of --loss dpo",
                from.display()
            );
        }
        // A new adapter changes nothing, so that all new ones of a model have one reference.
        let fresh = Some(&base).filter(|_| from.is_none());
        let mut splits: Vec<&mut Split> = [Some(&mut train), valid.as_mut()]
            .into_iter()
            .flatten()
            .collect();
        reference::fill(&session, (fresh, other), &mut splits, options)?;
    }
    if let Some(saved) = &saved {
        saved.check(&train, &base, &settings.model)?;
        session.origin = session
            .origin
            .with_adapter(&settings.adapter_path.join(STATE));
    }
    Ok(Prepared {
        settings,
        session,
        train,
        valid,
        saved,
        base,
    })
}

/// True if the models of a family tell apart several texts in a row.
fn packs(family: Family) -> bool {
    family != Family::Gemma2
}

/// The grouping of rows into batches; the model has `places` positions.
fn batch_options(settings: &Settings, places: usize) -> BatchOptions {
    BatchOptions {
        batch_size: settings.batch_size,
        // Padding must not reach past the last position that the model has.
        longest: settings.max_seq_length.min(places),
        buckets: settings.length_buckets,
        mask_prompt: settings.mask_prompt,
        compat: settings.compat,
        packed: settings.packing,
    }
}

fn shuffle(settings: &Settings) -> Result<Shuffle> {
    Ok(if settings.compat {
        Shuffle::numpy(u32::try_from(settings.seed)?)
    } else {
        Shuffle::new(settings.seed)
    })
}
