//! Fields of a config as generated code reads them: each by its type, so that rustc refuses a flag
//! that multiplies, a size with a fraction, or a number that may be absent.
//!
//! Tests: unit tests below.

use std::any::Any;

use crate::{Error, ErrorKind, Result};

/// A number of the config: an integer or floating-point field.
#[diagnostic::on_unimplemented(
    message = "a number of the config is an integer or a float, but this field is `{Self}`",
    label = "not a number, or not always one",
    note = "a flag chooses with `if config.flag {{ .. }}`; an `Option` is read inside of `if config.field.is_some() {{ .. }}` or after `#[require(field.is_some())]`"
)]
pub trait Number {
    /// The value.
    fn number(&self) -> f64;
}

/// A size of the config: an integer field.
#[diagnostic::on_unimplemented(
    message = "a size of the config is an integer, but this field is `{Self}`",
    label = "not a whole number, or not always one",
    note = "make the field an integer such as `usize`; an `Option` is read inside of `if config.field.is_some() {{ .. }}` or after `#[require(field.is_some())]`"
)]
pub trait Whole {
    /// The value; what is beyond the range saturates.
    fn whole(&self) -> i64;
}

/// A number that a condition has shown to be there.
#[diagnostic::on_unimplemented(
    message = "a number of the config is an integer or a float, but this field is `{Self}`",
    label = "not a number"
)]
pub trait GuardedNumber {
    /// The value; not a number where it is absent.
    fn guarded_number(&self) -> f64;
}

/// A size that a condition has shown to be there.
#[diagnostic::on_unimplemented(
    message = "a size of the config is an integer, but this field is `{Self}`",
    label = "not a whole number"
)]
pub trait GuardedWhole {
    /// The value; -1 where it is absent.
    fn guarded_whole(&self) -> i64;
}

/// A text of the config.
#[diagnostic::on_unimplemented(
    message = "this field of the config is compared with a text, but it is `{Self}`",
    label = "not a text",
    note = "make the field a `String`, or compare an enum with a variant: `config.act == Activation::Gelu`"
)]
pub trait Text {
    /// True if it is this text; an absent one is none.
    fn is(&self, text: &str) -> bool;
}

impl Text for String {
    fn is(&self, text: &str) -> bool {
        self == text
    }
}

impl Text for &str {
    fn is(&self, text: &str) -> bool {
        *self == text
    }
}

#[diagnostic::do_not_recommend]
impl<T: Text> Text for Option<T> {
    fn is(&self, text: &str) -> bool {
        self.as_ref().is_some_and(|t| t.is(text))
    }
}

/// The number that an element is; not a number where the list is too short, which the load refuses.
pub fn element_number<T: Number>(element: Option<&T>) -> f64 {
    element.map_or(f64::NAN, Number::number)
}

/// The size that an element is; -1 where the list is too short, which the load refuses.
pub fn element_whole<T: Whole>(element: Option<&T>) -> i64 {
    element.map_or(-1, Whole::whole)
}

/// A number that a call gives to a function.
pub trait Given: Sized {
    /// The number.
    ///
    /// # Errors
    /// If a whole number is asked for and this is none.
    fn given(value: f64) -> Result<Self>;
}

impl Given for f32 {
    fn given(value: f64) -> Result<Self> {
        Ok(value as f32)
    }
}

impl Given for i32 {
    fn given(value: f64) -> Result<Self> {
        let fits =
            value.fract() == 0.0 && value >= f64::from(i32::MIN) && value <= f64::from(i32::MAX);
        if fits {
            return Ok(value as i32);
        }
        Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("expected a whole number of 32 bits, found {value}"),
        ))
    }
}

macro_rules! numbers {
    ($($t:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl Number for $t {
            fn number(&self) -> f64 {
                *self as f64
            }
        }
        #[diagnostic::do_not_recommend]
        impl GuardedNumber for $t {
            fn guarded_number(&self) -> f64 {
                *self as f64
            }
        }
        #[diagnostic::do_not_recommend]
        impl GuardedNumber for Option<$t> {
            fn guarded_number(&self) -> f64 {
                self.map_or(f64::NAN, |n| n as f64)
            }
        }
    )*};
}

macro_rules! integers {
    ($($t:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl Whole for $t {
            fn whole(&self) -> i64 {
                i64::try_from(*self).unwrap_or(i64::MAX)
            }
        }
        #[diagnostic::do_not_recommend]
        impl GuardedWhole for $t {
            fn guarded_whole(&self) -> i64 {
                self.whole()
            }
        }
        #[diagnostic::do_not_recommend]
        impl GuardedWhole for Option<$t> {
            fn guarded_whole(&self) -> i64 {
                self.as_ref().map_or(-1, Whole::whole)
            }
        }
    )*};
}

numbers!(f32, f64, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);
integers!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

/// A size for an estimate, whatever the field's type is: the code that computes with it is what
/// rustc checks.
pub fn estimated_whole<T: Any>(value: &T) -> i64 {
    let any: &dyn Any = value;
    macro_rules! read {
        ($($t:ty),*) => {$(
            if let Some(n) = any.downcast_ref::<$t>() {
                return n.whole();
            }
            if let Some(n) = any.downcast_ref::<Option<$t>>() {
                return n.as_ref().map_or(0, Whole::whole);
            }
        )*};
    }
    read!(usize, i64, u64, i32, u32, i16, u16, i8, u8, isize);
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_by_their_type() {
        assert_eq!((7usize.whole(), (-3i8).whole()), (7, -3));
        assert_eq!(u64::MAX.whole(), i64::MAX);
        assert_eq!(
            (Some(4u32).guarded_whole(), None::<u32>.guarded_whole()),
            (4, -1)
        );
        assert!(None::<f32>.guarded_number().is_nan());
        assert_eq!((2.5f32.number(), Some(3u8).guarded_number()), (2.5, 3.0));
        let estimates = (estimated_whole(&5usize), estimated_whole(&Some(6i32)));
        assert_eq!((estimates, estimated_whole(&true)), ((5, 6), 0));
    }
}
