//! Chooses the optimiser and its numbers: mlx-lm's `optimizer` and `optimizer_config`.
//!
//! Tests: unit tests below.

use std::str::FromStr;

use anyhow::{anyhow, Context, Result};
use mlx_runtime::optim;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_yaml_ng::{Mapping, Value};

use super::bounds;
use super::file::{check_key, shown};

/// The optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Adam.
    Adam,
    /// Adam with decoupled weight decay.
    Adamw,
    /// Stochastic gradient descent, with momentum if its numbers say so.
    Sgd,
    /// Adafactor.
    Adafactor,
    /// Lion, which mlx-lm does not offer.
    Lion,
    /// Muon.
    Muon,
}

const NAMES: [(&str, Optimizer); 6] = [
    ("adam", Optimizer::Adam),
    ("adamw", Optimizer::Adamw),
    ("sgd", Optimizer::Sgd),
    ("adafactor", Optimizer::Adafactor),
    ("lion", Optimizer::Lion),
    ("muon", Optimizer::Muon),
];

impl Optimizer {
    /// Its name in flags and files.
    pub fn name(self) -> &'static str {
        NAMES
            .iter()
            .find(|(_, o)| *o == self)
            .map_or("", |(name, _)| name)
    }
}

impl FromStr for Optimizer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match NAMES.iter().find(|(name, _)| *name == text) {
            Some((_, optimizer)) => Ok(*optimizer),
            None => Err(format!(
                "unknown optimizer {text:?}: expected one of {}",
                NAMES.map(|(name, _)| name).join(", ")
            )),
        }
    }
}

/// The numbers of one optimiser, MLX's defaults but for Adam's bias correction, which is on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the variants of `Optimizer` say what each one is
pub enum OptimizerConfig {
    Adam(AdamConfig),
    Adamw(AdamwConfig),
    Sgd(SgdConfig),
    Adafactor(AdafactorConfig),
    Lion(LionConfig),
    Muon(MuonConfig),
}

/// The numbers of `mlx_runtime::optim::Adam`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct AdamConfig {
    pub betas: [f64; 2],
    pub eps: f64,
    pub bias_correction: bool,
}

impl Default for AdamConfig {
    fn default() -> Self {
        AdamConfig {
            betas: [0.9, 0.999],
            eps: 1e-8,
            bias_correction: true,
        }
    }
}

/// The numbers of `mlx_runtime::optim::AdamW`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct AdamwConfig {
    pub betas: [f64; 2],
    pub eps: f64,
    pub weight_decay: f64,
    pub bias_correction: bool,
}

impl Default for AdamwConfig {
    fn default() -> Self {
        AdamwConfig {
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 0.01,
            bias_correction: true,
        }
    }
}

/// The numbers of `mlx_runtime::optim::Sgd`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct SgdConfig {
    pub momentum: f64,
    pub weight_decay: f64,
    pub dampening: f64,
    pub nesterov: bool,
}

/// The numbers of `mlx_runtime::optim::Adafactor`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct AdafactorConfig {
    pub eps: [f64; 2],
    pub clip_threshold: f64,
    pub decay_rate: f64,
    pub beta_1: Option<f64>,
    pub weight_decay: f64,
    pub scale_parameter: bool,
    pub relative_step: bool,
    pub warmup_init: bool,
}

impl Default for AdafactorConfig {
    fn default() -> Self {
        AdafactorConfig {
            eps: [1e-30, 1e-3],
            clip_threshold: 1.0,
            decay_rate: -0.8,
            beta_1: None,
            weight_decay: 0.0,
            scale_parameter: true,
            relative_step: true,
            warmup_init: false,
        }
    }
}

/// The numbers of `mlx_runtime::optim::Lion`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct LionConfig {
    pub betas: [f64; 2],
    pub weight_decay: f64,
}

impl Default for LionConfig {
    fn default() -> Self {
        LionConfig {
            betas: [0.9, 0.99],
            weight_decay: 0.0,
        }
    }
}

/// The numbers of `mlx_runtime::optim::Muon`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs)]
pub struct MuonConfig {
    pub momentum: f64,
    pub weight_decay: f64,
    pub nesterov: bool,
    pub ns_steps: usize,
}

impl Default for MuonConfig {
    fn default() -> Self {
        MuonConfig {
            momentum: 0.95,
            weight_decay: 0.01,
            nesterov: true,
            ns_steps: 5,
        }
    }
}

/// `optimizer_config` of a YAML file: one mapping an optimiser, of which the chosen one's counts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct OptimizerFile(Mapping);

impl OptimizerConfig {
    /// The default configuration of `optimizer`. mlx-lm's Adam has no bias correction.
    pub fn of(optimizer: Optimizer, compat: bool) -> OptimizerConfig {
        match optimizer {
            Optimizer::Adam => OptimizerConfig::Adam(AdamConfig {
                bias_correction: !compat,
                ..AdamConfig::default()
            }),
            Optimizer::Adamw => OptimizerConfig::Adamw(AdamwConfig {
                bias_correction: !compat,
                ..AdamwConfig::default()
            }),
            Optimizer::Sgd => OptimizerConfig::Sgd(SgdConfig::default()),
            Optimizer::Adafactor => OptimizerConfig::Adafactor(AdafactorConfig::default()),
            Optimizer::Lion => OptimizerConfig::Lion(LionConfig::default()),
            Optimizer::Muon => OptimizerConfig::Muon(MuonConfig::default()),
        }
    }

    /// The optimiser that they belong to.
    pub fn optimizer(&self) -> Optimizer {
        match self {
            Self::Adam(_) => Optimizer::Adam,
            Self::Adamw(_) => Optimizer::Adamw,
            Self::Sgd(_) => Optimizer::Sgd,
            Self::Adafactor(_) => Optimizer::Adafactor,
            Self::Lion(_) => Optimizer::Lion,
            Self::Muon(_) => Optimizer::Muon,
        }
    }

    /// These numbers, overridden by the file's for this optimiser. The file's numbers for other optimisers are checked
    /// too.
    pub fn with_file(self, file: &OptimizerFile) -> Result<OptimizerConfig> {
        let mut laid = self.clone();
        for (name, given) in &file.0 {
            let name = name
                .as_str()
                .context("expected strings as keys of optimizer_config")?;
            check_key(name, &NAMES.map(|(name, _)| name)).context("in optimizer_config")?;
            let optimizer: Optimizer = name.parse().map_err(|e: String| anyhow!(e))?;
            let here = || format!("in optimizer_config.{name}");
            let given = match given {
                Value::Mapping(given) => given,
                Value::Null => continue,
                _ => return Err(anyhow!("expected `key: value` lines").context(here())),
            };
            if optimizer == self.optimizer() {
                laid = self.clone().laid(given).with_context(here)?;
            } else {
                let other = OptimizerConfig::of(optimizer, false).laid(given);
                let numbers = serde_yaml_ng::to_value(other.with_context(here)?)?;
                let all = Mapping::from_iter([("optimizer_config".into(), numbers)]);
                bounds::all(&Value::Mapping(all))?;
            }
        }
        Ok(laid)
    }

    /// These numbers with those `given` in their place.
    fn laid(self, given: &Mapping) -> Result<OptimizerConfig> {
        match self {
            Self::Adam(c) => lay(c, given).map(Self::Adam),
            Self::Adamw(c) => lay(c, given).map(Self::Adamw),
            Self::Sgd(c) => lay(c, given).map(Self::Sgd),
            Self::Adafactor(c) => lay(c, given).map(Self::Adafactor),
            Self::Lion(c) => lay(c, given).map(Self::Lion),
            Self::Muon(c) => lay(c, given).map(Self::Muon),
        }
    }

    /// True if it takes no learning rate.
    pub fn chooses_rates(&self) -> bool {
        matches!(self, Self::Adafactor(c) if c.relative_step)
    }

    /// These numbers without weight decay.
    pub fn without_decay(&self) -> OptimizerConfig {
        let mut same = self.clone();
        match &mut same {
            Self::Adam(_) => {}
            Self::Adamw(c) => c.weight_decay = 0.0,
            Self::Sgd(c) => c.weight_decay = 0.0,
            Self::Adafactor(c) => c.weight_decay = 0.0,
            Self::Lion(c) => c.weight_decay = 0.0,
            Self::Muon(c) => c.weight_decay = 0.0,
        }
        same
    }

    /// The optimiser with these numbers.
    pub fn build(&self, learning_rate: f64) -> Box<dyn optim::Optimizer> {
        let learning_rate = learning_rate as f32;
        let two = |pair: [f64; 2]| (pair[0] as f32, pair[1] as f32);
        match self {
            Self::Adam(c) => Box::new(optim::Adam {
                learning_rate,
                betas: two(c.betas),
                eps: c.eps as f32,
                bias_correction: c.bias_correction,
            }),
            Self::Adamw(c) => Box::new(optim::AdamW {
                learning_rate,
                betas: two(c.betas),
                eps: c.eps as f32,
                weight_decay: c.weight_decay as f32,
                bias_correction: c.bias_correction,
            }),
            Self::Sgd(c) => Box::new(optim::Sgd {
                learning_rate,
                momentum: c.momentum as f32,
                weight_decay: c.weight_decay as f32,
                dampening: c.dampening as f32,
                nesterov: c.nesterov,
            }),
            Self::Adafactor(c) => Box::new(optim::Adafactor {
                learning_rate,
                eps: two(c.eps),
                clip_threshold: c.clip_threshold as f32,
                decay_rate: c.decay_rate as f32,
                beta_1: c.beta_1.map(|b| b as f32),
                weight_decay: c.weight_decay as f32,
                scale_parameter: c.scale_parameter,
                relative_step: c.relative_step,
                warmup_init: c.warmup_init,
            }),
            Self::Lion(c) => Box::new(optim::Lion {
                learning_rate,
                betas: two(c.betas),
                weight_decay: c.weight_decay as f32,
            }),
            Self::Muon(c) => Box::new(optim::Muon {
                learning_rate,
                momentum: c.momentum as f32,
                weight_decay: c.weight_decay as f32,
                nesterov: c.nesterov,
                ns_steps: c.ns_steps,
            }),
        }
    }
}

/// `config` overridden by `given`.
fn lay<T: Serialize + DeserializeOwned>(config: T, given: &Mapping) -> Result<T> {
    let Value::Mapping(mut merged) = serde_yaml_ng::to_value(config)? else {
        return Err(anyhow!("an optimiser without numbers"));
    };
    let known: Vec<&str> = merged.keys().filter_map(Value::as_str).collect();
    for key in given.keys() {
        check_key(key.as_str().unwrap_or_default(), &known)?;
    }
    for (key, value) in given {
        merged.insert(key.clone(), value.clone());
        serde_yaml_ng::from_value::<T>(Value::Mapping(merged.clone()))
            .with_context(|| format!("{} is {}", shown(key), shown(value)))?;
    }
    Ok(serde_yaml_ng::from_value(Value::Mapping(merged))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_of_the_runtime() {
        let zero = |o| format!("{:?}", OptimizerConfig::of(o, true).build(0.0));
        let adam = optim::Adam {
            learning_rate: 0.0,
            ..optim::Adam::default()
        };
        let adamw = optim::AdamW {
            learning_rate: 0.0,
            ..optim::AdamW::default()
        };
        let sgd = optim::Sgd {
            learning_rate: 0.0,
            ..optim::Sgd::default()
        };
        let adafactor = optim::Adafactor {
            learning_rate: 0.0,
            ..optim::Adafactor::default()
        };
        let lion = optim::Lion {
            learning_rate: 0.0,
            ..optim::Lion::default()
        };
        let muon = optim::Muon {
            learning_rate: 0.0,
            ..optim::Muon::default()
        };
        assert_eq!(zero(Optimizer::Adam), format!("{adam:?}"));
        assert_eq!(zero(Optimizer::Adamw), format!("{adamw:?}"));
        assert_eq!(zero(Optimizer::Sgd), format!("{sgd:?}"));
        assert_eq!(zero(Optimizer::Adafactor), format!("{adafactor:?}"));
        assert_eq!(zero(Optimizer::Lion), format!("{lion:?}"));
        assert_eq!(zero(Optimizer::Muon), format!("{muon:?}"));
    }

    #[test]
    fn names_go_both_ways() {
        for (name, optimizer) in NAMES {
            assert_eq!(name.parse(), Ok(optimizer));
            assert_eq!(optimizer.name(), name);
            assert_eq!(OptimizerConfig::of(optimizer, false).optimizer(), optimizer);
        }
        let error = "sdg".parse::<Optimizer>().unwrap_err();
        assert!(error.contains("sgd"), "{error}");
    }

    #[test]
    fn the_file_is_laid_over_the_defaults_of_the_chosen_one() {
        let read = |text: &str| serde_yaml_ng::from_str::<OptimizerFile>(text).unwrap();
        let file = read("{sgd: {momentum: 0.9}, adafactor: {relative_step: false}}");
        let with = |o| OptimizerConfig::of(o, false).with_file(&file);
        let sgd = SgdConfig {
            momentum: 0.9,
            ..SgdConfig::default()
        };
        assert_eq!(with(Optimizer::Sgd).unwrap(), OptimizerConfig::Sgd(sgd));
        let adafactor = AdafactorConfig {
            relative_step: false,
            ..AdafactorConfig::default()
        };
        assert_eq!(
            with(Optimizer::Adafactor).unwrap(),
            OptimizerConfig::Adafactor(adafactor)
        );
        let file = read("{muon: {ns_step: 3}}");
        let error = OptimizerConfig::of(Optimizer::Sgd, false).with_file(&file);
        let error = format!("{:#}", error.unwrap_err());
        assert!(
            error.contains("optimizer_config.muon") && error.contains("ns_steps"),
            "{error}"
        );
    }
}
