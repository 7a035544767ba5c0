//! Parses amounts of memory as people write them.
//!
//! Tests: unit tests below.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, ErrorKind, Result};

/// An amount of memory: bytes, or a share of the whole.
///
/// The text is `24GB`, `512 MiB`, a plain number of bytes, `80%`, or a number from 0 to 1 with a point (`0.8`, `1.0`)
/// for a share. `kB`, `MB`, `GB` and `TB` are powers of 1000, `KiB` to `TiB` of 1024. The `B` may be left out, and
/// capitals do not matter.
///
/// ```
/// use mlx_runtime::runtime::Limit;
/// assert_eq!("24GB".parse::<Limit>()?, Limit::Bytes(24_000_000_000));
/// assert_eq!("512 MiB".parse::<Limit>()?, Limit::Bytes(512 << 20));
/// assert_eq!("80%".parse::<Limit>()?, "0.8".parse()?);
/// assert_eq!(Limit::from(0.8), Limit::Share(0.8));
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    /// A number of bytes.
    Bytes(usize),
    /// A share of the whole, from 0 to 1. The setting defines the whole.
    Share(f64),
}

const FORMS: &str =
    "write bytes (24000000000), an amount with a unit (24GB, 512 MiB) or a share (80% or 0.8)";

impl Limit {
    /// The bytes of the limit, if the whole is `whole` bytes.
    ///
    /// # Errors
    /// If the limit is a share that is not from 0 to 1.
    pub fn of(self, whole: usize) -> Result<usize> {
        match self {
            Limit::Bytes(n) => Ok(n),
            // A share of at most 1 is at most the whole, but for rounding.
            Limit::Share(s) if (0.0..=1.0).contains(&s) => {
                Ok(((whole as f64 * s) as usize).min(whole))
            }
            Limit::Share(_) => Err(refused(&self.to_string(), "a share is from 0 to 1")),
        }
    }
}

fn refused(text: &str, why: &str) -> Error {
    let message = format!("invalid memory size {text:?}: {why}");
    Error::new(ErrorKind::InvalidArgument, message).with_hint(FORMS)
}

impl FromStr for Limit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let end = text
            .find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')
            .unwrap_or(text.len());
        let (digits, unit) = text.split_at(end);
        let digits = digits.replace('_', "");
        let unit = unit.trim().to_ascii_lowercase();
        if digits.is_empty() {
            return Err(refused(text, "expected a number first"));
        }
        if unit.is_empty() && !digits.contains('.') {
            let bytes = digits.parse();
            return bytes
                .map(Limit::Bytes)
                .map_err(|_| refused(text, "too large"));
        }
        let number: f64 = digits
            .parse()
            .map_err(|_| refused(text, "expected a number first"))?;
        let share = match unit.as_str() {
            "" => Some(number),
            "%" => Some(number / 100.0),
            _ => None,
        };
        if let Some(share) = share {
            return match share {
                0.0..=1.0 => Ok(Limit::Share(share)),
                _ if unit.is_empty() => {
                    Err(refused(text, "expected a share from 0 to 1, or a unit"))
                }
                _ => Err(refused(text, "expected a share from 0 to 100 %")),
            };
        }
        let factor: u64 = match unit.strip_suffix('b').unwrap_or(&unit) {
            "" => 1,
            "k" => 1000,
            "m" => 1000u64.pow(2),
            "g" => 1000u64.pow(3),
            "t" => 1000u64.pow(4),
            "ki" => 1 << 10,
            "mi" => 1 << 20,
            "gi" => 1 << 30,
            "ti" => 1 << 40,
            _ => return Err(refused(text, &format!("unknown unit {unit:?}"))),
        };
        // A double holds the part behind the point to less than a byte, but not every whole number of bytes.
        let (whole, part) = digits.split_once('.').unwrap_or((&digits, ""));
        let whole = match whole {
            "" => Some(0),
            whole => whole.parse::<u128>().ok(),
        };
        let part: f64 = format!("0.{part}").parse().unwrap_or(0.0);
        let part = (part * factor as f64).round() as u128;
        let bytes = whole
            .and_then(|n| n.checked_mul(factor.into())?.checked_add(part))
            .and_then(|n| usize::try_from(n).ok())
            .ok_or_else(|| refused(text, "too large"))?;
        Ok(Limit::Bytes(bytes))
    }
}

impl TryFrom<&str> for Limit {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl From<usize> for Limit {
    fn from(bytes: usize) -> Self {
        Limit::Bytes(bytes)
    }
}

impl From<f64> for Limit {
    fn from(share: f64) -> Self {
        Limit::Share(share)
    }
}

impl fmt::Display for Limit {
    /// Text that parses to the same limit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Limit::Bytes(n) if n > 0 && n.is_multiple_of(1_000_000_000) => {
                write!(f, "{}GB", n / 1_000_000_000)
            }
            Limit::Bytes(n) => write!(f, "{n}"),
            // The point marks it as a share, not a number of bytes. There is no exponent.
            Limit::Share(s) if s.fract() == 0.0 => write!(f, "{s:.1}"),
            Limit::Share(s) => write!(f, "{s}"),
        }
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Limit {
    /// From text, a number of bytes, or a number with a point for a share.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Bytes(usize),
            Share(f64),
            Text(String),
        }
        let text = match Raw::deserialize(deserializer)? {
            Raw::Bytes(n) => return Ok(Limit::Bytes(n)),
            Raw::Share(s) => Limit::Share(s).to_string(),
            Raw::Text(text) => text,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Bytes in the unit that leaves one to three digits before the point.
pub(crate) fn size(bytes: usize) -> String {
    let n = bytes as f64;
    match bytes {
        0..=999 => format!("{bytes} B"),
        1_000..=999_999 => format!("{:.0} kB", n / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} MB", n / 1e6),
        _ => format!("{:.2} GB", n / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form() {
        let bytes = |text: &str| match text.parse::<Limit>().unwrap() {
            Limit::Bytes(n) => n,
            Limit::Share(s) => panic!("{text} is the share {s}"),
        };
        assert_eq!(bytes("8GB"), 8_000_000_000);
        assert_eq!(bytes("8g"), 8_000_000_000);
        assert_eq!(bytes(" 1.5 GiB "), 1_610_612_736);
        assert_eq!(bytes("4096"), 4096);
        assert_eq!(bytes("1"), 1);
        assert_eq!(bytes("24_000_000_000"), 24_000_000_000);
        assert_eq!(bytes("100KB"), 100_000);
        assert_eq!(bytes("0"), 0);
        assert_eq!(bytes("17b"), 17);
        // Numbers that no double holds.
        assert_eq!(bytes("9999999999GB"), 9_999_999_999_000_000_000);
        assert_eq!(bytes("10000004001GB"), 10_000_004_001_000_000_000);
        assert_eq!(bytes("9007199254740993b"), 9_007_199_254_740_993);
        assert_eq!(bytes("10000004.123456789GB"), 10_000_004_123_456_789);
        assert_eq!(bytes(".5k"), 500);
        assert_eq!(bytes("2.k"), 2000);
        for (text, share) in [("80%", 0.8), ("0.8", 0.8), ("1.0", 1.0), ("12.5 %", 0.125)] {
            assert_eq!(
                text.parse::<Limit>().unwrap(),
                Limit::Share(share),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_the_forms() {
        for bad in [
            "",
            "GB",
            "8 potatoes",
            "-1GB",
            "1e400",
            "1.2.3GB",
            "1.5",
            "120%",
            "NaN",
            "inf",
            "%",
            "99999999999999999999",
            "9999999999TB",
            ".",
        ] {
            let e = bad.parse::<Limit>().unwrap_err();
            assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{bad}");
            assert!(e.hint().unwrap().contains("24GB"), "{bad}");
        }
        assert!(Limit::Share(f64::NAN).of(100).is_err());
        assert!(Limit::Share(1.5).of(100).is_err());
    }

    #[test]
    fn tiny_shares_are_printed_as_they_are_read() {
        for share in [0.00001, 1e-300, f64::MIN_POSITIVE, 0.0, 1.0, 1.0 / 3.0] {
            let limit = Limit::Share(share);
            assert_eq!(limit.to_string().parse::<Limit>().unwrap(), limit);
            let text = serde_json::to_string(&limit).unwrap();
            assert_eq!(serde_json::from_str::<Limit>(&text).unwrap(), limit);
        }
        assert_eq!(".00001".parse::<Limit>().unwrap().to_string(), "0.00001");
    }

    #[test]
    fn json_takes_numbers_and_text() {
        for (json, limit) in [
            ("4096", Limit::Bytes(4096)),
            ("0.5", Limit::Share(0.5)),
            ("\"2GB\"", Limit::Bytes(2_000_000_000)),
        ] {
            assert_eq!(serde_json::from_str::<Limit>(json).unwrap(), limit);
            let text = serde_json::to_string(&limit).unwrap();
            assert_eq!(serde_json::from_str::<Limit>(&text).unwrap(), limit);
        }
        assert!(serde_json::from_str::<Limit>("\"lots\"").is_err());
        assert!(serde_json::from_str::<Limit>("-3").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read(bytes in any::<usize>(), share in 0.0..=1.0f64, small in 0..400i32) {
            let tiny = share * 10f64.powi(-small);
            for limit in [Limit::Bytes(bytes), Limit::Share(share), Limit::Share(tiny)] {
                prop_assert_eq!(limit.to_string().parse::<Limit>().unwrap(), limit);
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            let _ = text.parse::<Limit>();
        }

        #[test]
        fn a_share_is_never_more_than_the_whole(whole in any::<usize>(), share in 0.0..=1.0f64) {
            prop_assert!(Limit::Share(share).of(whole).unwrap() <= whole);
        }
    }
}
