//! The settings of an adapter's run that evaluation and generation depend on.
//!
//! Tests: `tests/runs.rs`.

use serde::{Deserialize, Serialize};

use super::DEFAULT_DATA;
use crate::cli::EvalArgs;
use crate::data::{Data, Format, HfDataset};

/// Entries of `adapter_config.json`, mlx-lm's or this program's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OfRun {
    /// The data that it was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The data sets in place of the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hf_dataset: Vec<HfDataset>,
    /// The seed of everything random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The format of the data's lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_format: Option<Format>,
    /// True if the prompts were left out of the loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mask_prompt: Option<bool>,
    /// The most tokens of a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_seq_length: Option<usize>,
    /// True if longer rows were cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncate: Option<bool>,
    /// True if mlx-lm was followed, which cuts rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compat: Option<bool>,
}

/// The settings of `eval`, after defaults are applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The data.
    pub data: Data,
    /// True if the prompts are left out of the loss.
    pub mask_prompt: bool,
    /// The most tokens of a row.
    pub max_seq_length: usize,
    /// True if longer rows are cut.
    pub truncate: bool,
}

impl Measured {
    /// Merges the flags over the settings of the adapter's run, if there is an adapter, over the defaults. The second
    /// value is text about the settings that no flag gives, and their source.
    ///
    /// # Errors
    /// If nothing says which data the adapter was trained on.
    pub fn of(args: &EvalArgs, run: Option<&OfRun>) -> anyhow::Result<(Measured, String)> {
        let none = OfRun::default();
        let then = run.unwrap_or(&none);
        let data = match (&args.data, run) {
            (Some(data), _) => data.as_str().into(),
            (None, None) => DEFAULT_DATA.into(),
            (None, Some(run)) => {
                let folder = run.data.clone().ok_or_else(|| {
                    anyhow::anyhow!("the adapter does not name its data: give --data FOLDER")
                })?;
                Data {
                    folder,
                    sets: run.hf_dataset.clone(),
                    seed: run.seed.unwrap_or(0),
                }
            }
        };
        // mlx-lm cuts without a flag.
        let cut = then.truncate.map(|t| t || then.compat == Some(true));
        let measured = Measured {
            data,
            mask_prompt: args.mask_prompt.or(then.mask_prompt).unwrap_or(false),
            max_seq_length: args.max_seq_length.or(then.max_seq_length).unwrap_or(2048),
            truncate: args.truncate.or(cut).unwrap_or(false),
        };
        let mut unsaid = Vec::new();
        let mut say = |said: bool, text: String| {
            if !said {
                unsaid.push(text);
            }
        };
        say(args.data.is_some(), format!("--data {}", measured.data));
        say(
            args.mask_prompt.is_some(),
            format!("--mask-prompt={}", measured.mask_prompt),
        );
        say(
            args.max_seq_length.is_some(),
            format!("--max-seq-length {}", measured.max_seq_length),
        );
        say(
            args.truncate.is_some(),
            format!("--truncate={}", measured.truncate),
        );
        let from = match run {
            Some(_) => "as in the adapter's run",
            None => "by default",
        };
        let text = match unsaid.is_empty() {
            true => String::new(),
            false => format!("{from}: {}", unsaid.join(" ")),
        };
        Ok((measured, text))
    }
}
