//! Size, scale and place of adapters: mlx-lm's `lora_parameters`, and PEFT's alpha, rsLoRA and patterns.
//!
//! Tests: unit tests below.

use anyhow::{bail, ensure, Context, Result};
use serde::{Deserialize, Serialize};
use serde_yaml_ng::Mapping;

use super::bounds;
use crate::cli::LoraArgs;

/// mlx-lm's `lora_parameters`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraSettings {
    /// Columns of `lora_a`, rows of `lora_b`.
    pub rank: i32,
    /// The adapter's output is multiplied by this.
    pub scale: f64,
    /// Chance that an input of the adapter is dropped in training.
    pub dropout: f64,
    /// Ends of the tensor paths to adapt, inside a layer; empty for all that the model allows.
    pub keys: Vec<String>,
    /// Other ranks and scales for some of them; the first that fits counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patterns: Vec<Pattern>,
}

/// The rank and scale of the matrices whose paths end with a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pattern {
    /// The end of the paths.
    pub key: String,
    /// Rank.
    pub rank: i32,
    /// Factor of the output.
    pub scale: f64,
}

impl Default for LoraSettings {
    /// mlx-lm's.
    fn default() -> Self {
        LoraSettings {
            rank: 8,
            scale: 20.0,
            dropout: 0.0,
            keys: Vec::new(),
            patterns: Vec::new(),
        }
    }
}

/// `lora_parameters` of a YAML file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // the flags in `cli` say what each one is
pub struct LoraFile {
    pub rank: Option<i32>,
    pub scale: Option<f64>,
    pub alpha: Option<f64>,
    pub rslora: Option<bool>,
    pub dropout: Option<f64>,
    pub keys: Option<Vec<String>>,
    pub rank_pattern: Option<Mapping>,
    pub scale_pattern: Option<Mapping>,
}

/// The keys of [`LoraFile`].
pub const LORA_KEYS: [&str; 8] = [
    "rank",
    "scale",
    "alpha",
    "rslora",
    "dropout",
    "keys",
    "rank_pattern",
    "scale_pattern",
];

impl LoraSettings {
    /// Merges the flags over the file over `base`.
    pub fn merge(args: &LoraArgs, file: LoraFile, base: LoraSettings) -> Result<LoraSettings> {
        let rank = args.lora_rank.or(file.rank).unwrap_or(base.rank);
        let scale = args.lora_scale.or(file.scale);
        let alpha = args.lora_alpha.or(file.alpha);
        ensure!(
            scale.is_none() || alpha.is_none(),
            "expected --lora-scale or --lora-alpha, found both: scale is alpha / rank, and alpha / sqrt(rank) with --rslora"
        );
        let rooted = args.rslora || file.rslora.unwrap_or(false);
        ensure!(
            !rooted || alpha.is_some(),
            "--rslora needs --lora-alpha: the scale is then alpha / sqrt(rank)"
        );
        let scale_of = |rank: i32| {
            let rank = f64::from(rank.max(1));
            match (alpha, rooted) {
                (Some(alpha), true) => alpha / rank.sqrt(),
                (Some(alpha), false) => alpha / rank,
                (None, _) => scale.unwrap_or(base.scale),
            }
        };
        let ranks = pairs(
            "--lora-rank-pattern",
            &args.lora_rank_pattern,
            file.rank_pattern,
        )?;
        let scales = pairs(
            "--lora-scale-pattern",
            &args.lora_scale_pattern,
            file.scale_pattern,
        )?;
        let mut patterns: Vec<Pattern> = Vec::new();
        for (key, own) in ranks.iter().flatten() {
            ensure!(
                own.fract() == 0.0 && *own >= 1.0 && *own <= 65536.0,
                "--lora-rank-pattern {key}={own}: expected a whole number from 1 to 65536"
            );
            let rank = *own as i32;
            patterns.push(Pattern {
                key: key.clone(),
                rank,
                scale: scale_of(rank),
            });
        }
        for (key, scale) in scales.iter().flatten() {
            ensure!(
                (*scale as f32).is_finite() && *scale as f32 != 0.0,
                "--lora-scale-pattern {key}={scale}: expected a finite number other than 0"
            );
            match patterns.iter_mut().find(|p| p.key == *key) {
                Some(pattern) => pattern.scale = *scale,
                None => patterns.push(Pattern {
                    key: key.clone(),
                    rank,
                    scale: *scale,
                }),
            }
        }
        if ranks.is_none() && scales.is_none() {
            patterns = base.patterns.clone();
        }
        Ok(LoraSettings {
            rank,
            scale: scale_of(rank),
            dropout: args.lora_dropout.or(file.dropout).unwrap_or(base.dropout),
            keys: match args.lora_keys.clone().or(file.keys) {
                Some(keys) if keys.is_empty() => {
                    bail!("expected at least one name for --lora-keys")
                }
                keys => keys.unwrap_or(base.keys),
            },
            patterns,
        })
    }

    /// These keys, if `given` are they or ends of them; else `given`.
    pub fn keys_of(&self, given: Vec<String>) -> Vec<String> {
        let means = |key: &String, name: &String| {
            let rest = name.strip_suffix(key.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let all = self
            .keys
            .iter()
            .all(|name| given.iter().any(|key| means(key, name)));
        let each = given
            .iter()
            .all(|key| self.keys.iter().any(|name| means(key, name)));
        match all && each {
            true => self.keys.clone(),
            false => given,
        }
    }

    /// The largest rank of any matrix: that of the adapter's file, in which all have one.
    pub fn most(&self) -> i32 {
        let own = self.patterns.iter().map(|p| p.rank);
        own.chain([self.rank]).max().unwrap_or(self.rank)
    }

    /// An error if a number is out of its range.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.scale as f32 != 0.0,
            "--lora-scale is {}, expected another number, because the adapter would change nothing",
            self.scale
        );
        for pattern in &self.patterns {
            bounds::lora(pattern.rank, pattern.scale)
                .with_context(|| format!("for {:?}", pattern.key))?;
        }
        Ok(())
    }
}

/// `KEY=NUMBER` of a flag, or of the file's mapping.
fn pairs(
    flag: &str,
    args: &Option<Vec<String>>,
    file: Option<Mapping>,
) -> Result<Option<Vec<(String, f64)>>> {
    if let Some(list) = args {
        let pair = |text: &String| {
            let (key, number) = text.split_once('=')?;
            Some((key.to_owned(), number.parse().ok()?)).filter(|p| !p.0.is_empty())
        };
        let all = list.iter().map(|text| {
            pair(text).with_context(|| {
                format!("{flag} is {text:?}, expected KEY=NUMBER, such as self_attn.q_proj=16")
            })
        });
        return all.collect::<Result<_>>().map(Some);
    }
    let Some(map) = file else { return Ok(None) };
    let all = map.iter().map(|(key, value)| {
        let pair = key.as_str().zip(value.as_f64());
        let (key, number) = pair.with_context(|| {
            format!("expected KEY: NUMBER lines in lora_parameters, found {key:?}: {value:?}")
        })?;
        Ok((key.to_owned(), number))
    });
    all.collect::<Result<_>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(args: LoraArgs) -> Result<LoraSettings> {
        LoraSettings::merge(&args, LoraFile::default(), LoraSettings::default())
    }

    #[test]
    fn alpha_is_a_scale_for_a_rank() {
        let args = LoraArgs {
            lora_rank: Some(16),
            lora_alpha: Some(32.0),
            lora_rank_pattern: Some(vec!["q_proj=4".into()]),
            ..LoraArgs::default()
        };
        let plain = merged(args.clone()).unwrap();
        assert_eq!((plain.scale, plain.patterns[0].scale), (2.0, 8.0));
        let rooted = merged(LoraArgs {
            rslora: true,
            ..args
        })
        .unwrap();
        assert_eq!((rooted.scale, rooted.patterns[0].scale), (8.0, 16.0));
        assert_eq!(rooted.most(), 16);
    }

    #[test]
    fn patterns_of_both_kinds_meet() {
        let both = merged(LoraArgs {
            lora_rank_pattern: Some(vec!["q_proj=4".into(), "v_proj=2".into()]),
            lora_scale_pattern: Some(vec!["v_proj=1.5".into(), "o_proj=3".into()]),
            ..LoraArgs::default()
        });
        let found: Vec<(String, i32, f64)> = both
            .unwrap()
            .patterns
            .into_iter()
            .map(|p| (p.key, p.rank, p.scale))
            .collect();
        let wanted = [("q_proj", 4, 20.0), ("v_proj", 2, 1.5), ("o_proj", 8, 3.0)];
        assert_eq!(found, wanted.map(|(k, r, s)| (k.to_owned(), r, s)));
    }

    #[test]
    fn bad_pairs_are_refused() {
        let rank = |text: &str| {
            merged(LoraArgs {
                lora_rank_pattern: Some(vec![text.into()]),
                ..LoraArgs::default()
            })
        };
        for text in [
            "q_proj",
            "=3",
            "q_proj=x",
            "q_proj=0",
            "q_proj=1.5",
            "q_proj=1e9",
        ] {
            assert!(rank(text).is_err(), "{text}");
        }
        for args in [
            LoraArgs {
                rslora: true,
                ..LoraArgs::default()
            },
            LoraArgs {
                lora_alpha: Some(1.0),
                lora_scale: Some(1.0),
                ..LoraArgs::default()
            },
        ] {
            assert!(merged(args.clone()).is_err(), "{args:?}");
        }
    }
}
