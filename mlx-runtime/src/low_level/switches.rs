//! Environment variables that undo a choice of this crate, to compare both or to go around a fault. They are read once.
//!
//! Tests: unit tests below.

use std::sync::OnceLock;

use crate::{Error, ErrorKind, Result};

/// The variables as they were at their first reading.
#[derive(Debug, Default, PartialEq, Eq)]
struct Switches {
    /// `MLX_RS_KERNELS=off`: MLX's operations take the place of generated kernels.
    no_kernels: bool,
    /// `MLX_RS_UNPACK_FROM=ROWS`: products of so many rows or more unpack their matrix first.
    unpack_from: Option<usize>,
    /// `MLX_RS_SHORT_QUEUE=on`: a step on Metal lowers MLX's memory limit to shorten its queue, as on other GPUs.
    short_queue: bool,
}

impl Switches {
    fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let choice = |name: &str, wanted: &str| {
            let value = variable(name).filter(|v| !v.is_empty());
            match value.as_deref() {
                None => Ok(false),
                Some("on" | "off") => Ok(value.as_deref() == Some(wanted)),
                Some(other) => Err(refused(name, other, "on or off")),
            }
        };
        let rows = variable("MLX_RS_UNPACK_FROM").filter(|v| !v.is_empty());
        let rows = rows.map(|text| {
            let wrong = |_| refused("MLX_RS_UNPACK_FROM", &text, "a number of rows");
            text.parse().map_err(wrong)
        });
        Ok(Switches {
            no_kernels: choice("MLX_RS_KERNELS", "off")?,
            unpack_from: rows.transpose()?,
            short_queue: choice("MLX_RS_SHORT_QUEUE", "on")?,
        })
    }
}

fn refused(name: &str, value: &str, expected: &str) -> Error {
    let text = format!("invalid {name}=\"{value}\": expected {expected}");
    Error::new(ErrorKind::InvalidArgument, text).with_hint("unset it, or correct its value")
}

fn switches() -> &'static Result<Switches> {
    static SWITCHES: OnceLock<Result<Switches>> = OnceLock::new();
    SWITCHES.get_or_init(|| Switches::read(|name| std::env::var(name).ok()))
}

/// Checks the variables, so that a wrong value is an error at the start.
pub(crate) fn check() -> Result<()> {
    switches().as_ref().map(|_| ()).map_err(Error::clone)
}

/// True if generated kernels are off.
pub(crate) fn no_kernels() -> bool {
    switches().as_ref().is_ok_and(|s| s.no_kernels)
}

/// The number of rows from which on a matrix is unpacked, if the variable says it.
pub(crate) fn unpack_from() -> Option<usize> {
    switches().as_ref().ok()?.unpack_from
}

/// True if a step on Metal lowers MLX's memory limit.
pub(crate) fn short_queue() -> bool {
    switches().as_ref().is_ok_and(|s| s.short_queue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Result<Switches> {
        Switches::read(|n| (n == name).then(|| value.to_owned()))
    }

    #[test]
    fn each_variable_sets_one_choice_and_refuses_other_values() {
        let none = Switches::default;
        assert_eq!(Switches::read(|_| None).unwrap(), none());
        assert_eq!(Switches::read(|_| Some(String::new())).unwrap(), none());
        assert!(read("MLX_RS_KERNELS", "off").unwrap().no_kernels);
        assert_eq!(read("MLX_RS_KERNELS", "on").unwrap(), none());
        assert!(read("MLX_RS_SHORT_QUEUE", "on").unwrap().short_queue);
        let rows = read("MLX_RS_UNPACK_FROM", "64").unwrap();
        assert_eq!(rows.unpack_from, Some(64));
        for (name, value) in [
            ("MLX_RS_KERNELS", "0"),
            ("MLX_RS_UNPACK_FROM", "-1"),
            ("MLX_RS_SHORT_QUEUE", "yes"),
        ] {
            let e = read(name, value).unwrap_err().to_string();
            assert!(e.contains(name) && e.contains(value), "{e}");
        }
    }
}
