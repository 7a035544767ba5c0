//! Rotary positions (Su et al. 2021).
//!
//! Tests: unit tests below.

use super::rope_scaling::{bad, periods};
use super::{KvCache, RopeScaling};
use crate::{context, ops, Array, Result};

/// Rotates pairs of each head's values by an angle that grows with the position.
/// `mlx.nn.RoPE`, `mlx.core.fast.rope`.
#[derive(Clone, Debug, Default)]
pub struct Rope {
    dims: i32,
    traditional: bool,
    /// For every text, or for those up to the length at which they change.
    angles: Option<Angles>,
    /// For longer texts.
    longer: Option<Longer>,
    /// The factor of the rotated values, if it is not one.
    magnitude: Option<f32>,
}

/// How fast each pair turns, float32 `[dims / 2]`.
#[derive(Clone, Debug)]
struct Angles {
    /// Wavelength over 2 pi of each pair; MLX's `freqs`.
    periods: Array,
    /// Their inverse, the angle per position.
    freqs: Array,
}

impl Angles {
    fn new(periods: &[f32]) -> Result<Self> {
        let inverse: Vec<f32> = periods.iter().map(|p| 1.0 / p).collect();
        let pairs = [i32::try_from(periods.len()).unwrap_or(i32::MAX)];
        Ok(Angles {
            periods: Array::from_slice(periods, &pairs)?,
            freqs: Array::from_slice(&inverse, &pairs)?,
        })
    }
}

/// Texts that are longer than `at` tokens have other angles.
#[derive(Clone, Debug)]
struct Longer {
    at: i32,
    /// The same for all of them, or nothing where they follow from the length.
    angles: Option<Angles>,
    base: f32,
    scaling: RopeScaling,
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
        if dims < 2 || dims % 2 != 0 || !(base.is_finite() && base > 1.0) {
            return Err(bad(format!(
                "expected an even head size and a base above 1, found {dims} and {base}"
            )));
        }
        let magnitude = scaling.map_or(1.0, RopeScaling::magnitude);
        if !(magnitude.is_finite() && magnitude > 0.0) {
            return Err(bad(format!(
                "expected rope scaling with a finite factor above 0, found {magnitude}"
            )));
        }
        let of = |length| Angles::new(&periods(dims, base, scaling, length)?);
        let longer = match scaling.and_then(|s| Some((s, s.changes_at()?))) {
            None => None,
            Some((_, at)) if at < 1 || at == i32::MAX => {
                return Err(bad(format!(
                    "expected rope scaling that begins after 1 token or more, found {at}"
                )));
            }
            Some((scaling, at)) => {
                let angles = of(at + 1)?;
                let fixed = matches!(scaling, RopeScaling::LongRope { .. });
                Some(Longer {
                    at,
                    angles: fixed.then_some(angles),
                    base,
                    scaling: scaling.clone(),
                })
            }
        };
        Ok(Rope {
            dims,
            traditional,
            angles: Some(of(1)?),
            longer,
            magnitude: Some(magnitude).filter(|m| *m != 1.0),
        })
    }

    /// `[B, heads, L, D] -> [B, heads, L, D]`, of which the first `dims` rotate, positions counted
    /// from the cache's end.
    ///
    /// # Errors
    /// If the last dim is smaller than `dims`, or the text outgrows the factors by which the cache's keys were
    /// rotated ([`KvCache::outgrown_by`]).
    pub fn forward(&self, x: &Array, cache: &mut KvCache) -> Result<Array> {
        let (before, length) = (cache.offset(), x.dim(-2)?);
        if let Some(Longer {
            at,
            angles: Some(_),
            ..
        }) = &self.longer
        {
            cache.set_changes_at(*at);
            if before > 0 && before <= *at && before.saturating_add(length) > *at {
                return Err(bad(format!(
                    "a text of more than {at} tokens needs other rotary factors than the {before} tokens in the cache"
                ))
                .with_hint("pass the whole text to the model again, with an empty cache"));
            }
        }
        // Of several texts in a row, each has its own length.
        let whole = context::segments().map_or(before.saturating_add(length), |s| s.longest());
        let angles = self.angles(whole)?;
        let y = ops::fast::rope(
            &crate::kernels::attention::whole(x)?,
            self.dims,
            self.traditional,
            None,
            1.0,
            before,
            angles.as_ref().map(|a| &a.periods),
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

    /// The angles in a text of `length` tokens.
    fn angles(&self, length: i32) -> Result<Option<Angles>> {
        match &self.longer {
            Some(l) if length > l.at => match &l.angles {
                Some(angles) => Ok(Some(angles.clone())),
                None => {
                    let periods = periods(self.dims, l.base, Some(&l.scaling), length)?;
                    Angles::new(&periods).map(Some)
                }
            },
            _ => Ok(self.angles.clone()),
        }
    }

    pub(crate) fn traditional(&self) -> bool {
        self.traditional
    }

    /// True if it rotates whole heads of `head_dim` values, and does nothing else.
    pub(crate) fn only_rotates(&self, head_dim: i32) -> bool {
        self.magnitude.is_none() && self.dims == head_dim && self.angles.is_some()
    }

    /// The angle per position of each pair in a text of `length` tokens, float32 `[dims / 2]`.
    pub(crate) fn frequencies(&self, length: i32) -> Result<Option<Array>> {
        Ok(self.angles(length)?.map(|a| a.freqs))
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
            long_factors: vec![1.0; 4],
            short_factors: vec![1.0; 3],
            original_max_position_embeddings: 8,
            magnitude: 1.0,
        };
        assert!(Rope::new(8, 10000.0, false, Some(&short)).is_err());
        let zero = RopeScaling::Linear { factor: 0.0 };
        assert!(Rope::new(8, 10000.0, false, Some(&zero)).is_err());
    }
}
