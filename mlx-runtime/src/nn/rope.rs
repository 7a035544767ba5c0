//! Rotary positions (Su et al. 2021).

use super::KvCache;
use crate::{ops, Array, Error, ErrorKind, Result};

/// How the frequencies are changed for longer texts than the model was trained on.
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
    /// A factor for each pair, searched for (Ding et al. 2024), and one for the values.
    LongRope {
        /// What each pair's period is multiplied by.
        factors: Vec<f32>,
        /// What the rotated values are multiplied by.
        magnitude: f32,
    },
}

/// Rotates pairs of each head's values by an angle that grows with the position.
/// `mlx.nn.RoPE`, `mlx.core.fast.rope`.
#[derive(Clone, Default)]
pub struct Rope {
    dims: i32,
    traditional: bool,
    /// Wavelength over 2 pi of each pair, float32 `[dims / 2]`; MLX's `freqs`.
    periods: Option<Array>,
    /// Their inverse, the angle per position.
    freqs: Option<Array>,
    /// What the rotated values are multiplied by, if that is not one.
    magnitude: Option<f32>,
}

impl Rope {
    /// For heads of `dims` values; `traditional` pairs neighbours instead of halves.
    ///
    /// # Errors
    /// If `dims` is odd, or a number is not positive.
    pub fn new(
        dims: i32,
        base: f32,
        traditional: bool,
        scaling: Option<&RopeScaling>,
    ) -> Result<Self> {
        let bad = |text: String| Error::new(ErrorKind::InvalidArgument, text);
        if dims < 2 || dims % 2 != 0 || !(base.is_finite() && base > 1.0) {
            return Err(bad(format!("rotary positions need an even head size and a base above 1, found {dims} and {base}")));
        }
        let magnitude = match scaling {
            Some(RopeScaling::LongRope { factors, magnitude }) => {
                if factors.len() != (dims / 2) as usize || !magnitude.is_finite() {
                    return Err(bad(format!(
                        "{dims} rotated values need {} factors and a magnitude, found {} and {magnitude}",
                        dims / 2,
                        factors.len()
                    )));
                }
                Some(*magnitude).filter(|m| *m != 1.0)
            }
            _ => None,
        };
        let mut periods = Vec::new();
        for i in 0..dims / 2 {
            let period = f64::from(base).powf(2.0 * f64::from(i) / f64::from(dims));
            let scaled = scale(period, i as usize, scaling);
            if !(scaled.is_finite() && scaled > 0.0) {
                return Err(bad(format!(
                    "rope scaling {scaling:?} gives a period of {scaled}"
                )));
            }
            periods.push(scaled as f32);
        }
        let inverse: Vec<f32> = periods.iter().map(|p| 1.0 / p).collect();
        Ok(Rope {
            dims,
            traditional,
            periods: Some(Array::from_slice(&periods, &[dims / 2])?),
            freqs: Some(Array::from_slice(&inverse, &[dims / 2])?),
            magnitude,
        })
    }

    /// `[B, heads, L, D] -> [B, heads, L, D]`, of which the first `dims` rotate, positions counted
    /// from the cache's end.
    ///
    /// # Errors
    /// If the last dim is smaller than `dims`.
    pub fn forward(&self, x: &Array, cache: &mut KvCache) -> Result<Array> {
        let y = ops::fast::rope(
            &super::whole(x)?,
            self.dims,
            self.traditional,
            None,
            1.0,
            cache.offset(),
            self.periods.as_ref(),
        )?;
        let Some(magnitude) = self.magnitude else {
            return Ok(y);
        };
        let width = y.dim(-1)?;
        let factor = |i| if i < self.dims { magnitude } else { 1.0 };
        let factors: Vec<f32> = (0..width).map(factor).collect();
        let factors = Array::from_slice(&factors, &[width])?;
        ops::multiply(&y, &ops::astype(&factors, y.dtype())?)
    }

    pub(crate) fn traditional(&self) -> bool {
        self.traditional
    }

    /// The angle per position of each pair, float32 `[dims / 2]`, if rotating is all that is done.
    pub(crate) fn frequencies(&self) -> Option<&Array> {
        self.freqs.as_ref().filter(|_| self.magnitude.is_none())
    }
}

/// The period of pair `i` after scaling.
fn scale(period: f64, i: usize, scaling: Option<&RopeScaling>) -> f64 {
    match scaling {
        None => period,
        Some(RopeScaling::LongRope { factors, .. }) => {
            period * factors.get(i).copied().map_or(f64::NAN, f64::from)
        }
        Some(RopeScaling::Linear { factor }) => period * f64::from(*factor),
        Some(RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        }) => {
            let (factor, low, high) = (
                f64::from(*factor),
                f64::from(*low_freq_factor),
                f64::from(*high_freq_factor),
            );
            let context = f64::from(*original_max_position_embeddings);
            let wavelength = 2.0 * std::f64::consts::PI * period;
            if wavelength > context / low {
                return period * factor;
            }
            if wavelength < context / high {
                return period;
            }
            let smooth = (context / wavelength - low) / (high - low);
            period / ((1.0 - smooth) / factor + smooth)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_numbers_are_errors() {
        assert!(Rope::new(7, 10000.0, false, None).is_err());
        assert!(Rope::new(8, 0.0, false, None).is_err());
        let short = RopeScaling::LongRope {
            factors: vec![1.0; 3],
            magnitude: 1.0,
        };
        assert!(Rope::new(8, 10000.0, false, Some(&short)).is_err());
        let zero = RopeScaling::Linear { factor: 0.0 };
        assert!(Rope::new(8, 10000.0, false, Some(&zero)).is_err());
    }
}
