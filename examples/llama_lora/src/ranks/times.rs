//! Times after which a rank counts as lost or slow.
//!
//! Tests: unit tests below.

use std::time::Duration;

use anyhow::{Context, Result};

/// The variable with the seconds within which a lost rank is an error on all.
pub const TIMEOUT: &str = "LLAMA_LORA_RANK_TIMEOUT";

/// The default of [`TIMEOUT`].
const SECONDS: u64 = 60;

/// The longest waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// For all ranks to come.
    pub join: Duration,
    /// Without a sign of life.
    pub silence: Duration,
    /// Between the first rank and the last at a step.
    pub lag: Duration,
    /// Between two signs of life.
    pub beat: Duration,
}

impl Times {
    /// Times that all end within `total`.
    pub fn within(total: Duration) -> Times {
        Times {
            join: total,
            silence: total / 3,
            lag: total * 3 / 4,
            beat: (total / 30).min(Duration::from_secs(1)),
        }
    }

    /// As [`TIMEOUT`] says.
    pub fn from_env(text: Option<&str>) -> Result<Times> {
        let seconds = match text {
            None => SECONDS,
            Some(text) => seconds(text).with_context(|| {
                format!("invalid {TIMEOUT} {text:?}: expected seconds from 3 to 86400")
            })?,
        };
        Ok(Times::within(Duration::from_secs(seconds)))
    }
}

/// Seconds in a range that makes sense.
pub(super) fn seconds(text: &str) -> Option<u64> {
    text.trim()
        .parse()
        .ok()
        .filter(|s| (3..=86_400).contains(s))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_stay_within_the_whole() {
        let times = Times::from_env(None).unwrap();
        assert_eq!(times, Times::from_env(Some(" 60 ")).unwrap());
        assert!(times.silence < times.join && times.lag < times.join);
        for wrong in ["", "2", "1e3", "-5", "soon"] {
            let error = Times::from_env(Some(wrong)).unwrap_err().to_string();
            assert!(error.contains(TIMEOUT), "{error}");
        }
    }
}
