//! Fields of a config as generated code reads them: each by its type, so that rustc refuses a flag
//! that multiplies, a size with a fraction, or a number that may be absent.

use std::any::Any;

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

/// A number of the config.
pub fn number(value: &impl Number) -> f64 {
    value.number()
}

/// A size of the config.
pub fn whole(value: &impl Whole) -> i64 {
    value.whole()
}

/// A number of the config that a condition has shown to be there.
pub fn guarded_number(value: &impl GuardedNumber) -> f64 {
    value.guarded_number()
}

/// A size of the config that a condition has shown to be there.
pub fn guarded_whole(value: &impl GuardedWhole) -> i64 {
    value.guarded_whole()
}

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
        assert_eq!((whole(&7usize), whole(&-3i8)), (7, -3));
        assert_eq!(whole(&u64::MAX), i64::MAX);
        assert_eq!(
            (guarded_whole(&Some(4u32)), guarded_whole(&None::<u32>)),
            (4, -1)
        );
        assert!(guarded_number(&None::<f32>).is_nan());
        assert_eq!((number(&2.5f32), guarded_number(&Some(3u8))), (2.5, 3.0));
        assert_eq!(
            (
                estimated_whole(&5usize),
                estimated_whole(&Some(6i32)),
                estimated_whole(&true)
            ),
            (5, 6, 0)
        );
    }
}
