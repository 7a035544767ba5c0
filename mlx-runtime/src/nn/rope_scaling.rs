//! How rotary periods are changed for longer texts than a model was trained on.
//!
//! Tests: `mlx-models --test rope`.

use std::f64::consts::PI;

use crate::{Error, ErrorKind, Result};

/// How the frequencies are changed for longer texts than the model was trained on. The numbers are
/// those of `modeling_rope_utils.py` of `transformers`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum RopeScaling {
    /// Positions divided by a factor (Chen et al. 2023).
    Linear {
        /// The factor.
        factor: f32,
    },
    /// Llama 3.1's: long wavelengths divided, short ones kept, those between interpolated.
    Llama3 {
        /// The factor for long wavelengths.
        factor: f32,
        /// Wavelengths above `context / low` are long.
        low_freq_factor: f32,
        /// Wavelengths below `context / high` are short.
        high_freq_factor: f32,
        /// The length that the model was trained on first.
        original_max_position_embeddings: f32,
    },
    /// A factor for each pair, whatever the length of the text.
    Factors {
        /// The factor of each pair's period.
        factors: Vec<f32>,
    },
    /// A factor for each pair, searched for (Ding et al. 2024), and one for the values.
    LongRope {
        /// The factor of each pair's period in longer texts than the model was trained on first.
        long_factors: Vec<f32>,
        /// The factor of each pair's period in the others.
        short_factors: Vec<f32>,
        /// The length that the model was trained on first.
        original_max_position_embeddings: i32,
        /// The factor of the rotated values, in texts of any length.
        magnitude: f32,
    },
    /// YaRN (Peng et al. 2023): pairs that turn seldom are divided, those that turn often are kept,
    /// those between are interpolated.
    Yarn {
        /// The factor.
        factor: f32,
        /// The length that the model was trained on first.
        original_max_position_embeddings: f32,
        /// Pairs that turn more often than this within that length are kept.
        beta_fast: f32,
        /// Pairs that turn less often than this within that length are divided.
        beta_slow: f32,
        /// True if the bounds between them are whole numbers of pairs.
        truncate: bool,
        /// The factor of the rotated values.
        magnitude: f32,
    },
    /// The base grows with the length of the text (NTK-aware scaling). What a cache holds stays as
    /// it was rotated.
    Dynamic {
        /// The factor.
        factor: f32,
        /// Texts up to this length are as without scaling.
        max_position_embeddings: i32,
    },
}

impl RopeScaling {
    /// The factor of the rotated values.
    pub(super) fn magnitude(&self) -> f32 {
        match self {
            RopeScaling::LongRope { magnitude, .. } | RopeScaling::Yarn { magnitude, .. } => {
                *magnitude
            }
            _ => 1.0,
        }
    }

    /// The length up to which a text has other periods than a longer one, if there is one.
    pub(super) fn changes_at(&self) -> Option<i32> {
        match self {
            RopeScaling::LongRope {
                original_max_position_embeddings: at,
                ..
            }
            | RopeScaling::Dynamic {
                max_position_embeddings: at,
                ..
            } => Some(*at),
            _ => None,
        }
    }
}

/// The periods (wavelengths over 2 pi) of the pairs of `dims` values in a text of `length` tokens.
///
/// # Errors
/// If the numbers do not fit, or give a period that is none.
pub(super) fn periods(
    dims: i32,
    base: f32,
    scaling: Option<&RopeScaling>,
    length: i32,
) -> Result<Vec<f32>> {
    let pairs = (dims / 2) as usize;
    let plain = |base: f64| {
        let exponent = move |i: usize| 2.0 * i as f64 / f64::from(dims);
        (0..pairs).map(move |i| base.powf(exponent(i)))
    };
    let base = f64::from(base);
    let each = plain(base);
    let scaled: Vec<f64> = match scaling {
        None => each.collect(),
        Some(RopeScaling::Linear { factor }) => each.map(|p| p * f64::from(*factor)).collect(),
        Some(s @ RopeScaling::Llama3 { .. }) => each.map(|p| llama3(p, s)).collect(),
        Some(RopeScaling::Factors { factors }) => by(each, factors, pairs)?,
        Some(RopeScaling::LongRope {
            long_factors,
            short_factors,
            original_max_position_embeddings: first,
            ..
        }) => {
            let factors = match length > *first {
                true => long_factors,
                false => short_factors,
            };
            by(each, factors, pairs)?
        }
        Some(s @ RopeScaling::Yarn { .. }) => {
            let (low, high) = yarn_bounds(s, dims, base);
            let each = each.enumerate();
            each.map(|(i, p)| yarn(i as f64, p, s, low, high)).collect()
        }
        Some(RopeScaling::Dynamic {
            factor,
            max_position_embeddings: most,
        }) => {
            let (factor, most) = (f64::from(*factor), f64::from(*most));
            let stretch = factor * f64::from(length).max(most) / most - (factor - 1.0);
            let dims = f64::from(dims);
            plain(base * stretch.powf(dims / (dims - 2.0))).collect()
        }
    };
    match scaled.iter().find(|p| !(p.is_finite() && **p > 0.0)) {
        None => Ok(scaled.into_iter().map(|p| p as f32).collect()),
        Some(period) => Err(bad(format!(
            "expected rope scaling with finite periods above 0, found {period} of {scaling:?}"
        ))),
    }
}

pub(super) fn bad(text: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

fn by(periods: impl Iterator<Item = f64>, factors: &[f32], pairs: usize) -> Result<Vec<f64>> {
    if factors.len() != pairs {
        return Err(bad(format!(
            "expected {pairs} factors, one for each rotated pair, found {}",
            factors.len()
        )));
    }
    let each = periods.zip(factors);
    Ok(each.map(|(p, f)| p * f64::from(*f)).collect())
}

fn llama3(period: f64, scaling: &RopeScaling) -> f64 {
    let RopeScaling::Llama3 {
        factor,
        low_freq_factor,
        high_freq_factor,
        original_max_position_embeddings,
    } = scaling
    else {
        return f64::NAN;
    };
    let (factor, low, high) = (
        f64::from(*factor),
        f64::from(*low_freq_factor),
        f64::from(*high_freq_factor),
    );
    let context = f64::from(*original_max_position_embeddings);
    let wavelength = 2.0 * PI * period;
    if wavelength > context / low {
        return period * factor;
    }
    if wavelength < context / high {
        return period;
    }
    let smooth = (context / wavelength - low) / (high - low);
    period / ((1.0 - smooth) / factor + smooth)
}

/// Up to which pair periods are kept, and from which on they are divided.
fn yarn_bounds(scaling: &RopeScaling, dims: i32, base: f64) -> (f64, f64) {
    let RopeScaling::Yarn {
        original_max_position_embeddings,
        beta_fast,
        beta_slow,
        truncate,
        ..
    } = scaling
    else {
        return (f64::NAN, f64::NAN);
    };
    let (dims, context) = (
        f64::from(dims),
        f64::from(*original_max_position_embeddings),
    );
    // The pair that turns so often within the context.
    let pair =
        |turns: f32| dims * (context / (f64::from(turns) * 2.0 * PI)).ln() / (2.0 * base.ln());
    let (mut low, mut high) = (pair(*beta_fast), pair(*beta_slow));
    if *truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    // A bound that is none stays so, for the periods to say it.
    let low = if low < 0.0 { 0.0 } else { low };
    let high = if high > dims - 1.0 { dims - 1.0 } else { high };
    match low == high {
        true => (low, high + 0.001),
        false => (low, high),
    }
}

fn yarn(pair: f64, period: f64, scaling: &RopeScaling, low: f64, high: f64) -> f64 {
    let RopeScaling::Yarn { factor, .. } = scaling else {
        return f64::NAN;
    };
    let ramp = ((pair - low) / (high - low)).clamp(0.0, 1.0);
    1.0 / (ramp / (f64::from(*factor) * period) + (1.0 - ramp) / period)
}
