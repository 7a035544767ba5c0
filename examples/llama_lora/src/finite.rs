//! Finds the source of NaN and infinity.
//!
//! Tests: `tests/missing_values.rs`.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use mlx_runtime::{ops, Array, ErrorKind};

use mlx_models::CausalLm;

/// The files that a model's tensors came from, for messages.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The model as it was named.
    pub model: String,
    /// The folder or file of the adapter, if there is one.
    pub adapter: Option<PathBuf>,
}

impl Origin {
    /// The file of a tensor.
    fn of(&self, tensor: &str) -> String {
        let adapted = tensor.ends_with(".lora_a") || tensor.ends_with(".lora_b");
        match &self.adapter {
            Some(adapter) if adapted => adapter.display().to_string(),
            _ if adapted => "the adapter".to_owned(),
            _ => self.model.clone(),
        }
    }

    /// The first tensor of the model that is not finite, as a sentence.
    pub fn fault(&self, model: &impl CausalLm) -> Result<Option<String>> {
        self.fault_in(&model.parameters())
    }

    /// The first of some tensors of the model that is not finite, as a sentence.
    pub fn fault_in(&self, tensors: &[(String, Array)]) -> Result<Option<String>> {
        for (name, tensor) in tensors {
            if let Some(found) = fault(tensor)? {
                return Ok(Some(format!("{name} of {} holds {found}", self.of(name))));
            }
        }
        Ok(None)
    }

    /// An error that says that `what` is not finite, and why.
    pub fn error(&self, what: impl fmt::Display, model: &impl CausalLm) -> anyhow::Error {
        match self.fault(model) {
            Ok(Some(fault)) => anyhow::anyhow!("{what}: {fault}"),
            Ok(None) => anyhow::anyhow!(
                "{what}, although every tensor of the model and its adapter is finite: the values overflow on the way"
            ),
            Err(error) => error.context(what.to_string()),
        }
    }

    /// Adds the source of a value that is not finite to the error of `result`, if that is its error.
    pub fn explain<T>(&self, result: Result<T>, model: &impl CausalLm) -> Result<T> {
        let not_finite = |e: &anyhow::Error| {
            e.downcast_ref::<mlx_runtime::Error>()
                .is_some_and(|e| e.kind() == ErrorKind::NotFinite)
        };
        result.map_err(|e| match not_finite(&e) {
            true => self.error(e, model),
            false => e,
        })
    }

    /// An error unless `loss` is finite.
    pub fn check(&self, name: &str, loss: f64, model: &impl CausalLm) -> Result<()> {
        match loss.is_finite() {
            true => Ok(()),
            false => Err(self.error(format!("the {name} is {loss}"), model)),
        }
    }

    /// With the adapter at `path`.
    pub fn with_adapter(mut self, path: &Path) -> Origin {
        self.adapter = Some(path.to_owned());
        self
    }
}

/// `NaN` or `infinity` if one is in a tensor of floats.
fn fault(tensor: &Array) -> Result<Option<&'static str>> {
    if !tensor.dtype().is_float() {
        return Ok(None);
    }
    let all = ops::all(&ops::isfinite(tensor)?, &[], false)?;
    if all.item::<bool>()? {
        return Ok(None);
    }
    let nan = ops::any(&ops::isnan(tensor)?, &[], false)?.item::<bool>()?;
    Ok(Some(if nan { "NaN" } else { "infinity" }))
}

/// The error of a value that is not finite.
pub fn not_finite(what: &str) -> anyhow::Error {
    mlx_runtime::Error::new(ErrorKind::NotFinite, what).into()
}
