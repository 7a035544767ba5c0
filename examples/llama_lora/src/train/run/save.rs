//! The files of a save: the adapter, the state to go on from, and the curve.
//!
//! Tests: `tests/resume.rs`, `tests/ranks.rs`.

use anyhow::{anyhow, Context, Result};
use mlx_models::CausalLm;
use mlx_runtime::model::TrainStep;
use mlx_runtime::Array;

use super::super::{claim, saved, Progressed};
use super::{Run, CURVE};
use crate::adapter;
use crate::data::Cursor;
use crate::files::{is_io, message, write_atomic};
use crate::plot::{self, Curves};

impl Run<'_> {
    /// Saves during the run, and returns false if the files cannot be written now. The adapter is still in memory, so
    /// the run goes on: a disk that is full for a moment must not end it.
    pub(super) fn saves<M: CausalLm>(
        &mut self,
        step: &TrainStep<M>,
        cursor: &Cursor,
    ) -> Result<bool> {
        match self.save(step, cursor) {
            Err(error) if is_io(&error) => {
                self.progress.line(&format!(
                    "step {}: not saved: {}; training goes on, and the next save tries again",
                    self.iteration,
                    message(&error)
                ));
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }

    /// The message if the last save fails, with the files that are intact.
    pub(super) fn lost(&self) -> String {
        let folder = self.settings.adapter_path.display();
        let left = match self.saved_at {
            Some(at) => format!("the save of step {at} in {folder} is intact"),
            None => "nothing was saved before".to_owned(),
        };
        format!("step {} could not be saved; {left}", self.iteration)
    }

    /// The adapter, the state to go on from, and the curve.
    pub(super) fn save<M: CausalLm>(&mut self, step: &TrainStep<M>, cursor: &Cursor) -> Result<()> {
        let trained = adapter::uniform(step.model()?.trainable(), &self.settings.lora)?;
        // The step before may have led here with a loss that was still a number.
        if let Some(fault) = self.origin.fault_in(&trained)? {
            return Err(anyhow!("the adapter cannot be saved: {fault}"))
                .with_context(|| self.intact(self.iteration));
        }
        self.ranks.compare_states("a save", step)?;
        if !self.ranks.is_writer() {
            self.saved_at = Some(self.iteration);
            return Ok(());
        }
        self.ranks.busy(Some("saving"));
        let saved = self.write(step, &trained, cursor);
        self.ranks.busy(None);
        saved
    }

    /// Writes the files of a save.
    fn write<M: CausalLm>(
        &mut self,
        step: &TrainStep<M>,
        trained: &[(String, Array)],
        cursor: &Cursor,
    ) -> Result<()> {
        let folder = &self.settings.adapter_path;
        adapter::save(folder, trained, &self.adapter_config)?;
        if self.settings.save_total_limit != 0 {
            let copies = (self.iteration, self.settings.save_total_limit);
            adapter::save_numbered(folder, trained, &self.adapter_config, copies)?;
        }
        let progressed = Progressed::new(
            self.iteration,
            self.targets,
            cursor.clone(),
            self.settings.clone(),
            (self.data.clone(), self.base.clone(), self.watch),
        );
        saved::save(folder, &step.state(), &progressed)?;
        claim::forget_old(folder);
        self.saved_at = Some(self.iteration);
        self.metrics.catch_up();
        let curves = Curves::of("train".into(), &self.metrics);
        let s = self.settings;
        let subtitle = format!(
            "{} · {} · learning rate {}",
            s.model,
            s.data(),
            s.learning_rate
        );
        if let Some(svg) = plot::svg(&[curves], &subtitle)? {
            // The picture is drawn again at the next save. The adapter is on disk.
            if let Err(e) = write_atomic(&folder.join(CURVE), svg.as_bytes()) {
                self.progress.line(&format!("{e:#}"));
            }
        }
        Ok(())
    }
}
