//! Makes batches on another thread, one ahead of the step that uses them.
//!
//! Tests: `tests/runs.rs`.

use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread::{Builder, Scope};

use anyhow::{anyhow, Context, Result};
use mlx_runtime::Array;

use crate::data::{Batches, Cursor};
use crate::objective::Objective;
use crate::random::Shuffle;
use crate::ranks::Ranks;

/// A batch that is ready to be used.
pub struct Ready {
    /// Those of the objective.
    pub arrays: Vec<Array>,
    /// Targets that count, on all ranks.
    pub real: usize,
    /// The position of the run over the rows after this batch.
    pub cursor: Cursor,
}

enum Ask {
    Batch,
    Shuffle(Shuffle),
}

/// The other thread's end of [`Batches`].
pub struct Ahead {
    ask: Sender<Ask>,
    ready: Receiver<Result<Ready>>,
    /// The position of the run over the rows after the last batch that was taken.
    cursor: Cursor,
    asked: bool,
}

impl Ahead {
    /// Hands the batches to a thread of `scope`, which ends when the result is dropped. It makes this rank's part of each.
    pub fn new<'scope, 'rows: 'scope>(
        scope: &'scope Scope<'scope, '_>,
        mut batches: Batches<'rows>,
        (objective, ranks): (Objective, &'scope Ranks),
    ) -> Result<Ahead> {
        let (ask, asked) = channel();
        let (send, ready) = channel();
        let cursor = batches.cursor().clone();
        let work = move || {
            for ask in asked {
                match ask {
                    Ask::Shuffle(shuffle) => batches.set_shuffle(shuffle),
                    Ask::Batch => {
                        if send.send(next(&mut batches, objective, ranks)).is_err() {
                            return;
                        }
                    }
                }
            }
        };
        Builder::new().spawn_scoped(scope, work).context(
            "cannot start a thread to make batches on: raise the limit on threads (`ulimit -u`)",
        )?;
        Ok(Ahead {
            ask,
            ready,
            cursor,
            asked: false,
        })
    }

    /// Starts to make the next batch, if that is not being done.
    pub fn prepare(&mut self) -> Result<()> {
        if !self.asked {
            self.ask.send(Ask::Batch).map_err(|_| gone())?;
            self.asked = true;
        }
        Ok(())
    }

    /// The next batch; waits until it is made.
    pub fn take(&mut self) -> Result<Ready> {
        self.prepare()?;
        let ready = self.ready.recv().map_err(|_| gone())??;
        self.asked = false;
        self.cursor = ready.cursor.clone();
        Ok(ready)
    }

    /// The position of the run over the rows after the last batch that was taken.
    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Puts back a generator that other code drew from, before the next batch is prepared.
    pub fn set_shuffle(&mut self, shuffle: Shuffle) -> Result<()> {
        self.cursor.set_shuffle(shuffle.clone());
        self.ask.send(Ask::Shuffle(shuffle)).map_err(|_| gone())
    }
}

fn next(batches: &mut Batches<'_>, objective: Objective, ranks: &Ranks) -> Result<Ready> {
    let batch = ranks.part(batches.next_batch()?);
    Ok(Ready {
        arrays: objective.arrays(&batch)?,
        real: batch.real,
        cursor: batches.cursor().clone(),
    })
}

fn gone() -> anyhow::Error {
    anyhow!("the thread that makes the batches has ended")
}
