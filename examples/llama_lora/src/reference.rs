//! Log-probabilities of answers by the model that a preference loss compares with, computed once and kept on disk.
//!
//! Tests: `tests/preferences.rs`.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{ensure, Context, Result};
use mlx_models::{CausalLm, Visitor};
use mlx_runtime::{io, memory, ops, transforms, Array, Dtype};
use sha2::{Digest, Sha256};

use crate::data::{held_out, BatchOptions, Row, Split};
use crate::fetch::{cache_folder, hex};
use crate::output;
use crate::progress::Counter;
use crate::random::Shuffle;
use crate::session::{Opened, Session};
use crate::train::Base;

/// The name of the values in a file.
const VALUES: &str = "log_probabilities";

/// Fills in the reference of every pair of `splits`, by `session`'s model, adapter included, or by `other`. A model that
/// computes what `base` does is known by it.
pub fn fill<M: CausalLm>(
    session: &Session<M>,
    (base, other): (Option<&Base>, Option<&str>),
    splits: &mut [&mut Split],
    options: BatchOptions,
) -> Result<()> {
    let Some(name) = other else {
        let of = match base {
            Some(base) => base.clone(),
            None => Base::of(&session.model, &session.config)?,
        };
        let of = |rows: &mut [Row]| fill_rows(&session.model, &of, rows, options);
        return splits.iter_mut().try_for_each(|s| of(&mut s.rows));
    };
    let opened = Opened::new(Some(name), None, None)
        .with_context(|| format!("cannot open --reference-model {name}"))?;
    struct Other<'a, 'b, M> {
        opened: Opened,
        policy: &'a Session<M>,
        splits: &'a mut [&'b mut Split],
        options: BatchOptions,
        name: &'a str,
    }
    impl<P: CausalLm> Visitor for Other<'_, '_, P> {
        type Output = Result<()>;

        fn visit<M: CausalLm>(self) -> Result<()> {
            let other = self.opened.load::<M>()?;
            let sizes = [&self.policy.config, &other.config].map(|c| c.vocab_size);
            let some = "The quick brown fox: 12 + 30 = 42, naïve?";
            let same = self.policy.text.encode(some, true)? == other.text.encode(some, true)?;
            ensure!(
                sizes[0] == sizes[1] && same,
                "--reference-model {} has another vocabulary than {} ({} and {} tokens): their log-probabilities cannot be compared",
                self.name,
                self.policy.origin.model,
                sizes[1],
                sizes[0]
            );
            let base = Base::of(&other.model, &other.config)?;
            let of = |rows: &mut [Row]| fill_rows(&other.model, &base, rows, self.options);
            self.splits.iter_mut().try_for_each(|s| of(&mut s.rows))
        }
    }
    let result = mlx_models::dispatch(
        opened.family(),
        Other {
            opened,
            policy: session,
            splits,
            options,
            name,
        },
    );
    memory::clear_cache()?;
    result
}

/// Takes the values of `rows` from the cache, or computes them and keeps them there.
fn fill_rows<M: CausalLm>(
    model: &M,
    base: &Base,
    rows: &mut [Row],
    options: BatchOptions,
) -> Result<()> {
    let path = file(base, rows)?;
    let kept = path.exists().then(|| io::load_safetensors(&path));
    let kept = kept.and_then(|read| read.ok()?.0.remove(VALUES));
    let shape = [i32::try_from(rows.len())?, 2];
    let values = match kept.filter(|a| a.shape() == shape && a.dtype() == Dtype::Float32) {
        Some(kept) => {
            output::note(format_args!(
                "the reference's log-probabilities are in {}",
                path.display()
            ));
            kept.to_vec::<f32>()?
        }
        None => {
            let values = computed(model, rows, options)?;
            let array = Array::from_slice(&values, &shape)?;
            let named = [(VALUES.to_owned(), array)];
            // Without a cache they are computed again next time.
            let saved = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            let saved = saved
                .map_err(anyhow::Error::from)
                .and_then(|()| Ok(io::save_safetensors(&path, &named, &HashMap::new())?));
            if let Err(error) = saved {
                output::note(format_args!(
                    "the reference's log-probabilities are not kept: {error:#}"
                ));
            }
            values
        }
    };
    for (row, both) in rows.iter_mut().zip(values.chunks_exact(2)) {
        row.reference = Some([both[0], both[1]]);
    }
    Ok(())
}

/// The log-probabilities of both answers of each row.
fn computed<M: CausalLm>(model: &M, rows: &[Row], options: BatchOptions) -> Result<Vec<f32>> {
    let batches = held_out(rows, options, None, &mut Shuffle::new(0))?;
    let counter = Counter::new("batches measured by the reference", batches.len());
    let mut values = vec![0.0; 2 * rows.len()];
    for (done, (indices, batch)) in batches.iter().enumerate() {
        let [tokens, targets, _] = crate::eval::arrays(batch)?;
        let answers = batch
            .answers
            .as_ref()
            .context("expected pairs of answers")?;
        let answers = Array::from_slice(answers, tokens.shape())?;
        let losses = ops::astype(&model.losses(&tokens, &targets, &answers)?, Dtype::Float32)?;
        let sums = ops::negative(&ops::sum(&losses, &[1], false)?)?;
        transforms::eval(&[&sums])?;
        let sums = sums.to_vec::<f32>()?;
        let pairs = batch.rows / 2;
        for (r, &i) in indices.iter().enumerate() {
            for half in 0..2 {
                let value = sums[r + half * pairs];
                ensure!(
                    value.is_finite(),
                    "the reference model gives row {} the log-probability {value}: look for NaN in its weights",
                    i + 1
                );
                values[2 * i + half] = value;
            }
        }
        counter.set(done + 1);
    }
    drop(counter);
    Ok(values)
}

/// The file of the values of these rows by a model.
fn file(base: &Base, rows: &[Row]) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    hash.update(serde_json::to_string(base)?);
    hash.update(crate::train::fingerprint(rows));
    let name = format!("{}.safetensors", &hex(&hash.finalize())[..32]);
    Ok(cache_folder()?.join("reference").join(name))
}
