//! Maps by name: `MapStringToArray` and `MapStringToString`.
//!
//! Tests: `tests/leaks/handles.rs`.

use std::collections::HashMap;
use std::ffi::{c_char, CString};
use std::ptr::null;

use mlx_sys as sys;

use super::no_array;
use crate::error::{check, from_c};
use crate::handles::{c_string, text};
use crate::init::init;
use crate::{Array, Result};

use super::{MapStringToArray, MapStringToString};

/// The status of a getter if the name is missing.
const ABSENT: i32 = 2;

/// The methods of both maps. `$lower` converts a value for the call, `$pass` passes it, `$slot` is an empty place for
/// one, and `$read` takes ownership of it.
macro_rules! map {
    ($name:ident of $value:ty, $lower:expr, $pass:expr, $slot:expr, $read:expr =>
     $new:ident $set:ident $insert:ident $get:ident) => {
        impl $name {
            /// An empty map.
            ///
            /// # Errors
            /// If memory is exhausted.
            pub fn empty() -> Result<Self> {
                init();
                // SAFETY: takes nothing.
                let made = Self::own(unsafe { sys::$new() });
                if made.as_raw().ctx.is_null() {
                    return Err(from_c(stringify!($name), &[]));
                }
                Ok(made)
            }

            /// A map of copies of the entries.
            ///
            /// # Errors
            /// If memory is exhausted, or a text contains a NUL byte.
            pub fn from_entries<'a>(
                entries: impl IntoIterator<Item = (&'a str, &'a $value)>,
            ) -> Result<Self> {
                let mut made = Self::empty()?;
                for (name, value) in entries {
                    made.insert(name, value)?;
                }
                Ok(made)
            }

            /// Adds an entry, or replaces the entry of the same name.
            ///
            /// # Errors
            /// If memory is exhausted, or a text contains a NUL byte.
            #[allow(clippy::redundant_closure_call)] // each map passes in its own way
            pub fn insert(&mut self, name: &str, value: &$value) -> Result<()> {
                let name = c_string(stringify!($name), name)?;
                let value = $lower(value)?;
                // SAFETY: name and value are valid and copied; `self` owns the map.
                check(stringify!($name), unsafe {
                    sys::$insert(self.as_raw(), name.as_ptr(), $pass(&value))
                })
            }

            /// The value of a name, if there is one.
            ///
            /// # Errors
            /// If the name contains a NUL byte.
            #[allow(clippy::redundant_closure_call)] // each map reads in its own way
            pub fn get(&self, name: &str) -> Result<Option<$value>> {
                let name = c_string(stringify!($name), name)?;
                let mut slot = $slot;
                // SAFETY: the map and the name are valid, the slot is empty.
                match unsafe { sys::$get(&mut slot, self.as_raw(), name.as_ptr()) } {
                    ABSENT => Ok(None),
                    0 => $read(slot).map(Some),
                    _ => Err(from_c(stringify!($name), &[])),
                }
            }

            /// Every entry.
            ///
            /// # Errors
            /// If memory is exhausted.
            pub fn entries(&self) -> Result<HashMap<String, $value>> {
                self.to_map(stringify!($name))
            }
        }

        copied!($name, $set);

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

map! {
    MapStringToArray of Array,
    |value: &Array| Ok::<_, crate::Error>(value.as_raw()),
    |raw: &sys::mlx_array| *raw,
    no_array(),
    |raw| Array::from_handle(raw, "MapStringToArray") =>
    mlx_map_string_to_array_new mlx_map_string_to_array_set
    mlx_map_string_to_array_insert mlx_map_string_to_array_get
}
map! {
    MapStringToString of String,
    |value: &String| c_string("MapStringToString", value),
    |value: &CString| value.as_ptr(),
    null::<c_char>(),
    // SAFETY: a text of the map, which is borrowed here.
    |at| Ok(unsafe { text(at) }.into_owned()) =>
    mlx_map_string_to_string_new mlx_map_string_to_string_set
    mlx_map_string_to_string_insert mlx_map_string_to_string_get
}
