//! MLX C's own lists, maps and texts.
//!
//! Functions of this crate take slices and return vectors, so computing needs none of these. They are for code that
//! builds a list once and passes it many times, and for functions of MLX C with no other form. Each owns one handle,
//! which is freed once; copies are deep in the list and shallow in the arrays.
//!
//! ```
//! use mlx_runtime::{low_level::containers::VectorArray, Array};
//! let mut list = VectorArray::from_value(&Array::scalar(1.0f32)?)?;
//! list.push(&Array::scalar(2.0f32)?)?;
//! assert_eq!((list.len(), list.get(1)?.item::<f32>()?), (2, 2.0));
//! assert!(list.get(2).is_err());
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! Tests: `tests/leaks/handles.rs`.

use std::ffi::{c_char, c_int, CString};
use std::ptr::null_mut;

use mlx_sys as sys;

use crate::error::{check, from_c};
use crate::handles::{c_string, text};
use crate::init::init;
use crate::stream::Stream;
use crate::{Array, Error, Result};

pub use crate::handles::{
    MapStringToArray, MapStringToString, MlxString, VectorArray, VectorInt, VectorStream,
    VectorString, VectorVectorArray,
};

/// Handles in a row, and their owners.
struct Lowered<R> {
    raw: Vec<R>,
    _kept: Vec<CString>,
}

fn plain<T, R>(items: &[T], raw: impl FnMut(&T) -> R) -> Result<Lowered<R>> {
    Ok(Lowered {
        raw: items.iter().map(raw).collect(),
        _kept: Vec::new(),
    })
}

fn texts(items: &[String]) -> Result<Lowered<*const c_char>> {
    let kept: Vec<CString> = items
        .iter()
        .map(|t| c_string("VectorString", t))
        .collect::<Result<_>>()?;
    Ok(Lowered {
        raw: kept.iter().map(|t| t.as_ptr()).collect(),
        _kept: kept,
    })
}

/// `Clone` of a list or a map; one that is null stays null.
macro_rules! copied {
    ($name:ident, $set:ident) => {
        impl Clone for $name {
            fn clone(&self) -> Self {
                let mut copy = Self::null();
                if !self.as_raw().ctx.is_null() {
                    // SAFETY: both handles are ours.
                    unsafe { sys::$set(copy.as_out(), self.as_raw()) };
                }
                copy
            }
        }
    };
}

mod maps;

/// The methods of every list. `$lower` gives the handles of items, `$slot` an empty place for an item, and `$read` the
/// item that a getter wrote there.
macro_rules! list {
    ($name:ident($raw:ident) of $item:ty, $lower:expr, $slot:expr, $read:expr =>
     $new:ident $new_data:ident $new_value:ident $set:ident $set_data:ident $set_value:ident
     $append_data:ident $append_value:ident $size:ident $get:ident) => {
        impl $name {
            /// An empty list.
            ///
            /// # Errors
            /// If memory is exhausted.
            pub fn empty() -> Result<Self> {
                init();
                // SAFETY: takes nothing.
                Self::made(unsafe { sys::$new() })
            }

            /// A list of copies of the items.
            ///
            /// # Errors
            /// If memory is exhausted, or an item cannot be held.
            pub fn from_slice(items: &[$item]) -> Result<Self> {
                init();
                let mut items = $lower(items)?;
                let (at, n) = (items.raw.as_mut_ptr(), items.raw.len());
                // SAFETY: `n` valid items, which are copied.
                Self::made(unsafe { sys::$new_data(at, n) })
            }

            /// A list of one item.
            ///
            /// # Errors
            /// If memory is exhausted, or the item cannot be held.
            pub fn from_value(item: &$item) -> Result<Self> {
                init();
                let item = $lower(std::slice::from_ref(item))?;
                // SAFETY: a valid item, which is copied.
                Self::made(unsafe { sys::$new_value(item.raw[0]) })
            }

            /// Replaces the items.
            ///
            /// # Errors
            /// If memory is exhausted, or an item cannot be held.
            pub fn set_slice(&mut self, items: &[$item]) -> Result<()> {
                let mut items = $lower(items)?;
                let (at, n) = (items.raw.as_mut_ptr(), items.raw.len());
                // SAFETY: `n` valid items, which are copied; `self` owns the list.
                check(stringify!($name), unsafe {
                    sys::$set_data(self.as_out(), at, n)
                })
            }

            /// Replaces the items by one.
            ///
            /// # Errors
            /// If memory is exhausted, or the item cannot be held.
            pub fn set_value(&mut self, item: &$item) -> Result<()> {
                let item = $lower(std::slice::from_ref(item))?;
                // SAFETY: a valid item, which is copied; `self` owns the list.
                check(stringify!($name), unsafe {
                    sys::$set_value(self.as_out(), item.raw[0])
                })
            }

            /// Adds items at the end.
            ///
            /// # Errors
            /// If memory is exhausted, or an item cannot be held.
            pub fn extend_from_slice(&mut self, items: &[$item]) -> Result<()> {
                let mut items = $lower(items)?;
                let (at, n) = (items.raw.as_mut_ptr(), items.raw.len());
                // SAFETY: `n` valid items, which are copied; `self` owns the list.
                check(stringify!($name), unsafe {
                    sys::$append_data(self.as_raw(), at, n)
                })
            }

            /// Adds an item at the end.
            ///
            /// # Errors
            /// If memory is exhausted, or the item cannot be held.
            pub fn push(&mut self, item: &$item) -> Result<()> {
                let item = $lower(std::slice::from_ref(item))?;
                // SAFETY: a valid item, which is copied; `self` owns the list.
                check(stringify!($name), unsafe {
                    sys::$append_value(self.as_raw(), item.raw[0])
                })
            }

            /// The number of items.
            pub fn len(&self) -> usize {
                if self.as_raw().ctx.is_null() {
                    return 0;
                }
                // SAFETY: the handle is valid.
                unsafe { sys::$size(self.as_raw()) }
            }

            /// Returns true if there are no items.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Item number `index`.
            ///
            /// # Errors
            /// If there are not as many.
            #[allow(clippy::redundant_closure_call)] // each list reads in its own way
            pub fn get(&self, index: usize) -> Result<$item> {
                if index >= self.len() {
                    return Err(Error::invalid(
                        stringify!($name),
                        format!("index {index} is out of range for a list of {}", self.len()),
                    ));
                }
                let mut slot = $slot;
                // SAFETY: the handle is valid and the index in range; the slot is empty.
                let status = unsafe { sys::$get(&mut slot, self.as_raw(), index) };
                let item = $read(slot);
                check(stringify!($name), status)?;
                item
            }

            /// Every item.
            pub fn iter(&self) -> impl Iterator<Item = Result<$item>> + '_ {
                (0..self.len()).map(|i| self.get(i))
            }

            fn made(raw: sys::$raw) -> Result<Self> {
                if raw.ctx.is_null() {
                    return Err(from_c(stringify!($name), &[]));
                }
                Ok(Self::own(raw))
            }
        }

        copied!($name, $set);

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}({} items)", stringify!($name), self.len())
            }
        }
    };
}

fn no_array() -> sys::mlx_array {
    // SAFETY: makes a handle without a value.
    unsafe { sys::mlx_array_new() }
}

list! {
    VectorArray(mlx_vector_array) of Array,
    |items: &[Array]| plain(items, Array::as_raw),
    no_array(),
    |raw| Array::from_handle(raw, "VectorArray") =>
    mlx_vector_array_new mlx_vector_array_new_data mlx_vector_array_new_value
    mlx_vector_array_set mlx_vector_array_set_data mlx_vector_array_set_value
    mlx_vector_array_append_data mlx_vector_array_append_value
    mlx_vector_array_size mlx_vector_array_get
}
list! {
    VectorVectorArray(mlx_vector_vector_array) of VectorArray,
    |items: &[VectorArray]| plain(items, VectorArray::as_raw),
    sys::mlx_vector_array { ctx: null_mut() },
    |raw| Ok(VectorArray::own(raw)) =>
    mlx_vector_vector_array_new mlx_vector_vector_array_new_data mlx_vector_vector_array_new_value
    mlx_vector_vector_array_set mlx_vector_vector_array_set_data mlx_vector_vector_array_set_value
    mlx_vector_vector_array_append_data mlx_vector_vector_array_append_value
    mlx_vector_vector_array_size mlx_vector_vector_array_get
}
list! {
    VectorInt(mlx_vector_int) of i32,
    |items: &[i32]| plain(items, |i| *i as c_int),
    0 as c_int,
    Ok =>
    mlx_vector_int_new mlx_vector_int_new_data mlx_vector_int_new_value
    mlx_vector_int_set mlx_vector_int_set_data mlx_vector_int_set_value
    mlx_vector_int_append_data mlx_vector_int_append_value
    mlx_vector_int_size mlx_vector_int_get
}
list! {
    VectorString(mlx_vector_string) of String,
    texts,
    null_mut::<c_char>(),
    // SAFETY: a text of the list, which is borrowed here.
    |at| Ok(unsafe { text(at) }.into_owned()) =>
    mlx_vector_string_new mlx_vector_string_new_data mlx_vector_string_new_value
    mlx_vector_string_set mlx_vector_string_set_data mlx_vector_string_set_value
    mlx_vector_string_append_data mlx_vector_string_append_value
    mlx_vector_string_size mlx_vector_string_get
}
list! {
    VectorStream(mlx_vector_stream) of Stream,
    |items: &[Stream]| plain(items, Stream::as_raw),
    sys::mlx_stream { ctx: null_mut() },
    Stream::checked =>
    mlx_vector_stream_new mlx_vector_stream_new_data mlx_vector_stream_new_value
    mlx_vector_stream_set mlx_vector_stream_set_data mlx_vector_stream_set_value
    mlx_vector_stream_append_data mlx_vector_stream_append_value
    mlx_vector_stream_size mlx_vector_stream_get
}

impl MlxString {
    /// A copy of `text`.
    ///
    /// # Errors
    /// If it contains a NUL byte, or memory is exhausted.
    pub fn from_text(text: &str) -> Result<Self> {
        init();
        let text = c_string("MlxString", text)?;
        // SAFETY: the text is valid and copied.
        let made = Self::own(unsafe { sys::mlx_string_new_data(text.as_ptr()) });
        if made.as_raw().ctx.is_null() {
            return Err(from_c("MlxString", &[]));
        }
        Ok(made)
    }

    /// The text; bytes that are not UTF-8 are replaced.
    pub fn as_text(&self) -> std::borrow::Cow<'_, str> {
        self.to_string_lossy()
    }
}

impl Default for MlxString {
    /// An empty text.
    fn default() -> Self {
        // SAFETY: makes a handle without a value.
        Self::own(unsafe { sys::mlx_string_new() })
    }
}

impl Clone for MlxString {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        if !self.as_raw().ctx.is_null() {
            // SAFETY: both handles are ours.
            unsafe { sys::mlx_string_set(copy.as_out(), self.as_raw()) };
        }
        copy
    }
}

impl std::fmt::Debug for MlxString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MlxString({:?})", self.as_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_copies_and_say_when_there_is_no_such_item() {
        let mut list = VectorInt::from_slice(&[1, 2]).unwrap();
        list.extend_from_slice(&[3, 4]).unwrap();
        list.push(&5).unwrap();
        let copy = list.clone();
        list.set_value(&9).unwrap();
        assert_eq!(list.get(0).unwrap(), 9);
        assert!(list.get(1).is_err());
        let all: Vec<i32> = copy.iter().collect::<Result<_>>().unwrap();
        assert_eq!(all, [1, 2, 3, 4, 5]);
        assert!(VectorInt::empty().unwrap().is_empty());

        let words = ["a".to_owned(), "50%".to_owned()];
        let texts = VectorString::from_slice(&words).unwrap();
        assert_eq!(texts.iter().collect::<Result<Vec<_>>>().unwrap(), words);
        assert!(VectorString::from_value(&"a\0b".to_owned()).is_err());

        let one = VectorArray::from_value(&Array::scalar(1i32).unwrap()).unwrap();
        let mut lists = VectorVectorArray::from_slice(std::slice::from_ref(&one)).unwrap();
        lists.push(&one).unwrap();
        lists.set_slice(&[one.clone(), one.clone(), one]).unwrap();
        assert_eq!(
            lists.get(2).unwrap().get(0).unwrap().item::<i32>().unwrap(),
            1
        );
    }

    #[test]
    fn maps_replace_and_find() {
        let mut map = MapStringToString::empty().unwrap();
        map.insert("a", &"1".to_owned()).unwrap();
        map.insert("a", &"2".to_owned()).unwrap();
        assert_eq!(map.get("a").unwrap().as_deref(), Some("2"));
        assert_eq!(map.clone().get("b").unwrap(), None);
        let array = Array::scalar(4i32).unwrap();
        let arrays = MapStringToArray::from_entries([("x", &array)]).unwrap();
        assert_eq!(arrays.entries().unwrap()["x"].item::<i32>().unwrap(), 4);
        assert!(arrays.get("y").unwrap().is_none());
    }

    #[test]
    fn texts_are_copied() {
        let text = MlxString::from_text("50% of ä").unwrap();
        assert_eq!(text.clone().as_text(), "50% of ä");
        assert_eq!(MlxString::default().clone().as_text(), "");
    }
}
