//! The state of a run in one file, so that one rename replaces it: the trainable tensors, the optimiser's, and the
//! run's position in the metadata. A resumed run takes the same steps as an uninterrupted one.
//!
//! Tests: `tests/resume.rs`.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{ensure, Context, Result};
use mlx_runtime::{io, Array};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Base;
use crate::checkpoint;
use crate::data::{Cursor, Row, Split};
use crate::fetch::hex;
use crate::ranks::Ranks;
use crate::settings::Settings;

/// The file in the adapter's folder.
pub const STATE: &str = "state.safetensors";
const METADATA_KEY: &str = "llama_lora_state";
const VERSION: u32 = 2;
/// The last version that kept the rows of queries and keys of a GGUF in the file's own order.
const ROWS_AS_IN_GGUF: u32 = 1;

/// The position of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progressed {
    version: u32,
    /// Steps done.
    pub iteration: u64,
    /// Targets seen.
    pub trained_tokens: u64,
    /// The next batch.
    pub cursor: Cursor,
    /// The settings of the run.
    pub settings: Settings,
    /// The valid losses so far.
    #[serde(default)]
    pub watch: Watch,
    /// Checksum of the rows.
    data: String,
    /// The model without its adapter; earlier versions did not save it.
    #[serde(default)]
    base: Option<Base>,
}

/// The valid losses of a run: the lowest one, and whether it still falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Step and loss of the best adapter.
    pub best: Option<(u64, f64)>,
    /// The lowest loss at the interval of evaluations. The one before the last step is not among these, because a longer
    /// run would not have measured it.
    lowest: Option<f64>,
    /// Evaluations at the interval since then.
    pub since: u64,
}

impl Watch {
    /// Takes a loss into account. True if it is the lowest after a step.
    pub fn see(&mut self, iteration: u64, loss: f64, at_interval: bool) -> bool {
        if at_interval {
            match self.lowest {
                Some(lowest) if loss >= lowest => self.since += 1,
                _ => (self.lowest, self.since) = (Some(loss), 0),
            }
        }
        // The model before the first step is no result of the run.
        let better = iteration > 0 && self.best.is_none_or(|(_, best)| loss < best);
        if better {
            self.best = Some((iteration, loss));
        }
        better
    }
}

impl Progressed {
    /// The position of a run on `rows`.
    pub fn new(
        iteration: u64,
        trained_tokens: u64,
        cursor: Cursor,
        settings: Settings,
        (data, base, watch): (String, Base, Watch),
    ) -> Self {
        Progressed {
            version: VERSION,
            iteration,
            trained_tokens,
            cursor,
            settings,
            watch,
            data,
            base: Some(base),
        }
    }
}

/// A saved state, read.
pub struct Saved {
    /// The position of the run.
    pub progressed: Progressed,
    /// The trainable tensors and the optimiser's, as the training step names them.
    pub arrays: HashMap<String, Array>,
}

impl Saved {
    /// Reads the state in `folder`.
    pub fn read(folder: &Path) -> Result<Saved> {
        let path = folder.join(STATE);
        let (arrays, metadata) = io::load_safetensors(&path)?;
        let text = metadata
            .get(METADATA_KEY)
            .with_context(|| format!("{}: expected the state of a run", path.display()))?;
        let progressed: Progressed = serde_json::from_str(text)
            .with_context(|| format!("{} was written by another version", path.display()))?;
        ensure!(
            matches!(progressed.version, ROWS_AS_IN_GGUF | VERSION),
            "{} was written by another version",
            path.display()
        );
        ensure!(
            progressed.version == VERSION || !checkpoint::is_gguf(&progressed.settings.model),
            "{} was written by an earlier version, which kept the row order of a GGUF; \
             go on from its adapter with --resume-adapter-file {}",
            path.display(),
            folder.display()
        );
        Ok(Saved { progressed, arrays })
    }

    /// The state that rank 0 reads. The other ranks get its arrays later, from rank 0's step.
    pub fn of_writer(folder: &Path, ranks: &Ranks) -> Result<Saved> {
        let mut arrays = HashMap::new();
        let progressed = ranks.from_writer("the saved run", || {
            let saved = Saved::read(folder)?;
            arrays = saved.arrays;
            Ok(saved.progressed)
        })?;
        Ok(Saved { progressed, arrays })
    }

    /// Returns true if data and weights are those of the saved run.
    pub fn check(&self, train: &Split, base: &Base, model: &str) -> Result<()> {
        if let Some(saved) = &self.progressed.base {
            saved.check(base, model)?;
        }
        ensure!(
            self.progressed.data == fingerprint(&train.rows),
            "{} differs from the data of the saved run: start over without --resume",
            train.origin
        );
        Ok(())
    }
}

/// Writes the state to `folder`.
pub fn save(folder: &Path, arrays: &[(String, Array)], progressed: &Progressed) -> Result<()> {
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), serde_json::to_string(progressed)?)]);
    io::save_safetensors(folder.join(STATE), arrays, &metadata)?;
    Ok(())
}

/// Checksum of the rows' ids.
pub fn fingerprint(rows: &[Row]) -> String {
    let mut hash = Sha256::new();
    for row in rows {
        hash.update((row.tokens.len() as u64).to_le_bytes());
        hash.update((row.prompt as u64).to_le_bytes());
        let ids: Vec<u8> = row.tokens.iter().flat_map(|id| id.to_le_bytes()).collect();
        hash.update(ids);
        if let Some(other) = &row.rejected {
            hash.update(fingerprint(std::slice::from_ref(other)));
        }
    }
    hex(&hash.finalize())
}
