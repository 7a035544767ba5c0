//! Values of settings that are more than a number or a text.
//!
//! Tests: unit tests below.

use std::fmt;
use std::str::FromStr;

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::model::{Checkpoint, Quantization};
use mlx_runtime::runtime::Limit;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::cli::PackArgs;

/// When layers forget their activations and compute them again in the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GradCheckpoint {
    /// As few boundaries as the memory limit allows.
    Auto,
    /// Keep everything.
    Never,
    /// At every layer.
    Always,
    /// At every n-th layer.
    Every(u32),
}

/// The tensors that are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum FineTune {
    /// A low-rank adapter.
    #[default]
    Lora,
    /// A low-rank adapter whose rows have norms of their own.
    Dora,
    /// Every tensor of the last layers.
    Full,
}

impl FineTune {
    /// Its name in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            FineTune::Lora => "lora",
            FineTune::Dora => "dora",
            FineTune::Full => "full",
        }
    }
}

impl FromStr for FineTune {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "lora" => Ok(FineTune::Lora),
            "full" => Ok(FineTune::Full),
            "dora" => Ok(FineTune::Dora),
            other => Err(format!(
                "unknown kind {other:?}: expected lora, dora or full"
            )),
        }
    }
}

impl TryFrom<String> for FineTune {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A program that shows reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Reporter {
    /// TensorBoard.
    Tensorboard,
    /// Weights & Biases, which takes TensorBoard's files.
    Wandb,
    /// SwanLab, which takes TensorBoard's files.
    Swanlab,
}

impl Reporter {
    /// The command that brings the reports in `folder` there, if one is needed.
    pub fn command(self, folder: &str, project: Option<&str>) -> Option<String> {
        match self {
            Reporter::Tensorboard => Some(format!("tensorboard --logdir {folder}")),
            Reporter::Wandb => {
                let project = project.map_or(String::new(), |p| format!(" -p {p}"));
                Some(format!("wandb sync{project} {folder}"))
            }
            Reporter::Swanlab => {
                let project = project.map_or(String::new(), |p| format!(" -p {p}"));
                Some(format!(
                    "swanlab convert -t tensorboard{project} --tb_logdir {folder}"
                ))
            }
        }
    }
}

impl FromStr for Reporter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "tensorboard" => Ok(Reporter::Tensorboard),
            "wandb" => Ok(Reporter::Wandb),
            "swanlab" => Ok(Reporter::Swanlab),
            other => Err(format!(
                "unknown name {other:?}: expected tensorboard, wandb or swanlab"
            )),
        }
    }
}

impl TryFrom<String> for Reporter {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// `report_to` of a file: one name, several with commas between them, or a list.
pub fn reporters<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Reporter>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Raw {
        Text(String),
        List(Vec<String>),
    }
    let names = match Option::<Raw>::deserialize(from)? {
        None => return Ok(None),
        Some(Raw::Text(text)) => text.split(',').map(|t| t.trim().to_owned()).collect(),
        Some(Raw::List(list)) => list,
    };
    let all = names
        .iter()
        .map(|name| name.parse().map_err(serde::de::Error::custom));
    all.collect::<Result<_, _>>().map(Some)
}

/// The loss that is minimised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Loss {
    /// The negative log-likelihood of the targets.
    #[default]
    Sft,
    /// Direct preference optimisation (Rafailov et al. 2023).
    Dpo,
    /// Odds ratio preference optimisation (Hong et al. 2024).
    Orpo,
    /// Simple preference optimisation (Meng et al. 2024).
    Simpo,
}

impl Loss {
    const NAMES: [(&str, Loss); 4] = [
        ("sft", Loss::Sft),
        ("dpo", Loss::Dpo),
        ("orpo", Loss::Orpo),
        ("simpo", Loss::Simpo),
    ];

    /// Its name in flags and files.
    pub fn name(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, loss)| *loss == self);
        found.map_or("", |(name, _)| name)
    }

    /// True if it compares two answers.
    pub fn compares(self) -> bool {
        self != Loss::Sft
    }
}

impl FromStr for Loss {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, loss)| *loss)
            .ok_or_else(|| format!("unknown loss {text:?}: expected sft, dpo, orpo or simpo"))
    }
}

impl TryFrom<String> for Loss {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for GradCheckpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "never" | "false" => Ok(Self::Never),
            "always" | "true" => Ok(Self::Always),
            other => match other.parse() {
                Ok(n) if n > 0 => Ok(Self::Every(n)),
                _ => Err(format!(
                    "invalid policy {other:?}: expected auto, never, always or a number of layers"
                )),
            },
        }
    }
}

impl From<GradCheckpoint> for Checkpoint {
    fn from(policy: GradCheckpoint) -> Checkpoint {
        match policy {
            GradCheckpoint::Auto => Checkpoint::Auto,
            GradCheckpoint::Never => Checkpoint::Never,
            GradCheckpoint::Always => Checkpoint::Every(1),
            GradCheckpoint::Every(n) => Checkpoint::Every(n as usize),
        }
    }
}

impl fmt::Display for GradCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Never => f.write_str("never"),
            Self::Always => f.write_str("always"),
            Self::Every(n) => write!(f, "{n}"),
        }
    }
}

impl Serialize for GradCheckpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GradCheckpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // mlx-lm writes a boolean here.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Flag(bool),
            Number(u32),
            Text(String),
        }
        let text = match Raw::deserialize(deserializer)? {
            Raw::Flag(flag) => flag.to_string(),
            Raw::Number(n) => n.to_string(),
            Raw::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A number of bytes: `8GB`, `512 MiB`, `1.5G` or plain bytes.
pub fn parse_size(text: &str) -> Result<u64> {
    match text.parse::<Limit>()? {
        Limit::Bytes(n) if n > 0 => Ok(n as u64),
        _ => bail!("invalid size {text:?}: expected 8GB, 512MiB or a number of bytes"),
    }
}

/// The packing of matrices while a model is loaded, written as configurations of MLX models write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawPacking", into = "RawPacking")]
pub struct Packing(Quantization);

#[derive(Serialize, Deserialize)]
struct RawPacking {
    group_size: Option<i32>,
    bits: Option<i32>,
    #[serde(default = "affine")]
    mode: String,
}

fn affine() -> String {
    Quantization::default().name().to_owned()
}

impl TryFrom<RawPacking> for Packing {
    type Error = mlx_runtime::Error;

    fn try_from(raw: RawPacking) -> mlx_runtime::Result<Self> {
        Quantization::new(&raw.mode, raw.group_size, raw.bits).map(Packing)
    }
}

impl From<Packing> for RawPacking {
    fn from(packing: Packing) -> Self {
        let (group_size, bits) = packing.0.group_size_and_bits();
        RawPacking {
            group_size: Some(group_size),
            bits: Some(bits),
            mode: packing.0.name().to_owned(),
        }
    }
}

impl Packing {
    /// Reads the packing from the flags. Any of them asks for packing; the defaults are mlx-lm's numbers.
    pub fn of(args: &PackArgs) -> Result<Option<Packing>> {
        let (bits, group_size) = (args.q_bits, args.q_group_size);
        let asked = args.quantize || group_size.is_some() || args.q_mode.is_some();
        // 16 is the number of bits of weights that are not packed.
        if !(asked || bits.is_some()) || bits == Some(16) {
            return Ok(None);
        }
        let mode = args.q_mode.as_deref().unwrap_or("affine");
        let how = Quantization::new(mode, group_size, bits)
            .with_context(|| format!("--q-mode {mode} contradicts the other flags"))?;
        if let Quantization::Affine { group_size, bits } = how {
            ensure!(
                matches!(bits, 2 | 3 | 4 | 5 | 6 | 8),
                "--q-bits is {bits}, expected 2, 3, 4, 5, 6 or 8, or 16 not to pack"
            );
            ensure!(
                matches!(group_size, 32 | 64 | 128),
                "--q-group-size is {group_size}, expected 32, 64 or 128"
            );
        }
        Ok(Some(Packing(how)))
    }

    /// The runtime's form of the packing.
    pub fn how(self) -> Quantization {
        self.0
    }
}

impl From<Packing> for Quantization {
    fn from(packing: Packing) -> Self {
        packing.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("8GB").unwrap(), 8_000_000_000);
        assert_eq!(parse_size("1.5 GiB").unwrap(), 1_610_612_736);
        assert_eq!(parse_size("4096").unwrap(), 4096);
        for bad in ["", "GB", "8 potatoes", "-1GB", "0", "1e400"] {
            assert!(parse_size(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn policies() {
        assert_eq!("4".parse(), Ok(GradCheckpoint::Every(4)));
        assert_eq!("auto".parse(), Ok(GradCheckpoint::Auto));
        assert!("0".parse::<GradCheckpoint>().is_err());
        assert!("sometimes".parse::<GradCheckpoint>().is_err());
    }
}
