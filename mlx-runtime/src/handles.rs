//! Owning types for MLX C's containers: each owns one handle and frees it once.
//!
//! Tests: `tests/leaks/handles.rs`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::{c_char, CStr, CString};
use std::mem::ManuallyDrop;
use std::ptr::{null, null_mut};

use mlx_sys as sys;

use crate::array::failed::check_inputs;
use crate::error::{check, from_c};
use crate::init::init;
use crate::live::{live, Live};
use crate::{Array, Error, Result};

/// A Rust string for the C side.
pub(crate) fn c_string(op: &'static str, text: &str) -> Result<CString> {
    CString::new(text)
        .map_err(|e| Error::invalid(op, format!("{text:?} contains a NUL byte")).with_source(e))
}

// Public under `crate::containers`, which has the rest of their methods.
macro_rules! owned {
    ($(#[$doc:meta])* $name:ident($raw:ident) freed by $free:ident) => {
        $(#[$doc])*
        pub struct $name(sys::$raw, live!($name));

        #[allow(dead_code)] // not every type needs every accessor
        impl $name {
            /// A null handle: a place for a C function's result.
            #[inline]
            pub(crate) fn null() -> Self {
                Self::own(sys::$raw { ctx: null_mut() })
            }

            /// Takes over a handle, which is null, or valid and not owned elsewhere.
            #[inline]
            pub(crate) fn own(raw: sys::$raw) -> Self {
                Self(raw, Live::new())
            }

            /// A handle that something else owns.
            pub(crate) fn borrowed(raw: sys::$raw) -> ManuallyDrop<Self> {
                ManuallyDrop::new(Self(raw, Live::uncounted()))
            }

            /// The handle; valid while `self` is.
            #[inline]
            pub(crate) fn as_raw(&self) -> sys::$raw {
                self.0
            }

            /// The destination of a C function's result: a null handle is filled in, another one is overwritten in
            /// place. Either way `self` owns the result.
            #[inline]
            pub(crate) fn as_out(&mut self) -> *mut sys::$raw {
                &mut self.0
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: `self` owns the handle, which is null or valid; null is ignored.
                unsafe { sys::$free(self.0) };
            }
        }
    };
}

owned! {
    /// A list of arrays. Owns one `mlx_vector_array`.
    VectorArray(mlx_vector_array) freed by mlx_vector_array_free
}
owned! {
    /// A list of texts. Owns one `mlx_vector_string`.
    VectorString(mlx_vector_string) freed by mlx_vector_string_free
}
owned! {
    /// Arrays by name. Owns one `mlx_map_string_to_array`.
    MapStringToArray(mlx_map_string_to_array) freed by mlx_map_string_to_array_free
}
owned! {
    /// Texts by name. Owns one `mlx_map_string_to_string`.
    MapStringToString(mlx_map_string_to_string) freed by mlx_map_string_to_string_free
}
owned! {
    /// A list of lists of arrays. Owns one `mlx_vector_vector_array`.
    VectorVectorArray(mlx_vector_vector_array) freed by mlx_vector_vector_array_free
}
owned! {
    /// A list of integers. Owns one `mlx_vector_int`.
    VectorInt(mlx_vector_int) freed by mlx_vector_int_free
}
owned! {
    /// A list of streams. Owns one `mlx_vector_stream`. Like [`crate::stream::Stream`], not `Send`.
    VectorStream(mlx_vector_stream) freed by mlx_vector_stream_free
}
owned! {
    /// A text. Owns one `mlx_string`.
    MlxString(mlx_string) freed by mlx_string_free
}

impl VectorArray {
    /// A list of clones of `arrays`. One C call.
    pub(crate) fn new(op: &'static str, arrays: &[Array]) -> Result<Self> {
        check_inputs(arrays)?;
        init();
        // SAFETY: `Array` is transparent over `mlx_array`, and every handle is valid.
        let raw = unsafe { sys::mlx_vector_array_new_data(arrays.as_ptr().cast(), arrays.len()) };
        Self::checked(op, raw)
    }

    /// As [`VectorArray::new`], from references.
    pub(crate) fn from_refs(op: &'static str, arrays: &[&Array]) -> Result<Self> {
        /// Handles are gathered on the stack, this many at a time.
        const CHUNK: usize = 32;
        check_inputs(arrays.iter().copied())?;
        init();
        let mut handles = [sys::mlx_array { ctx: null_mut() }; CHUNK];
        // SAFETY: makes an empty list.
        let list = Self::checked(op, unsafe { sys::mlx_vector_array_new() })?;
        for chunk in arrays.chunks(CHUNK) {
            for (to, from) in handles.iter_mut().zip(chunk) {
                *to = from.as_raw();
            }
            // SAFETY: the first `chunk.len()` handles are valid.
            check(op, unsafe {
                sys::mlx_vector_array_append_data(list.0, handles.as_ptr(), chunk.len())
            })?;
        }
        Ok(list)
    }

    fn checked(op: &'static str, raw: sys::mlx_vector_array) -> Result<Self> {
        if raw.ctx.is_null() {
            return Err(from_c(op, &[]));
        }
        Ok(Self::own(raw))
    }

    /// The arrays of a list that something else owns.
    ///
    /// # Safety
    /// `raw` is null or valid.
    pub(crate) unsafe fn read(op: &'static str, raw: sys::mlx_vector_array) -> Result<Vec<Array>> {
        if raw.ctx.is_null() {
            return Ok(Vec::new());
        }
        // SAFETY: the handle is valid.
        let n = unsafe { sys::mlx_vector_array_size(raw) };
        let mut out = Vec::with_capacity(n);
        for i in 0..n {
            let mut a = sys::mlx_array { ctx: null_mut() };
            // SAFETY: the handle is valid, `i` is in range, and `a` is a null destination.
            check(op, unsafe { sys::mlx_vector_array_get(&mut a, raw, i) })?;
            out.push(Array::from_handle(a, op)?);
        }
        Ok(out)
    }

    /// The arrays.
    pub(crate) fn to_vec(&self, op: &'static str) -> Result<Vec<Array>> {
        // SAFETY: `self` owns the handle.
        unsafe { Self::read(op, self.0) }
    }
}

impl VectorString {
    /// The strings; bytes that are not UTF-8 are replaced.
    pub(crate) fn to_vec(&self, op: &'static str) -> Result<Vec<String>> {
        if self.0.ctx.is_null() {
            return Ok(Vec::new());
        }
        // SAFETY: `self` owns the handle.
        let n = unsafe { sys::mlx_vector_string_size(self.0) };
        let mut out = Vec::with_capacity(n);
        for i in 0..n {
            let mut p: *mut c_char = null_mut();
            // SAFETY: the handle is valid and `i` is in range.
            check(op, unsafe { sys::mlx_vector_string_get(&mut p, self.0, i) })?;
            // SAFETY: MLX C gives a pointer into the list, which `self` keeps alive.
            out.push(unsafe { text(p) }.into_owned());
        }
        Ok(out)
    }
}

/// # Safety
/// `p` is null or leads to a NUL-terminated string that outlives `'a`.
pub(crate) unsafe fn text<'a>(p: *const c_char) -> Cow<'a, str> {
    if p.is_null() {
        return Cow::Borrowed("");
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(p) }.to_string_lossy()
}

/// The status of MLX C's iterators at their end.
const ITERATOR_END: i32 = 2;

impl MapStringToArray {
    /// The entries as a Rust map.
    pub(crate) fn to_map(&self, op: &'static str) -> Result<HashMap<String, Array>> {
        /// Frees the iterator on every way out.
        struct Iter(sys::mlx_map_string_to_array_iterator, live!(MapIterator));
        impl Drop for Iter {
            fn drop(&mut self) {
                // SAFETY: owned here, used no more.
                unsafe { sys::mlx_map_string_to_array_iterator_free(self.0) };
            }
        }
        let mut out = HashMap::new();
        // MLX C looks into the map before its `try`: a null one would end the process.
        if self.0.ctx.is_null() {
            return Ok(out);
        }
        // SAFETY: the map is valid and outlives the iterator.
        let raw = unsafe { sys::mlx_map_string_to_array_iterator_new(self.0) };
        let iter = Iter(raw, Live::new());
        if iter.0.ctx.is_null() {
            return Err(from_c(op, &[]));
        }
        loop {
            let mut key: *const c_char = null();
            let mut value = sys::mlx_array { ctx: null_mut() };
            // SAFETY: the iterator is valid; `value` is a null destination.
            match unsafe {
                sys::mlx_map_string_to_array_iterator_next(&mut key, &mut value, iter.0)
            } {
                0 => {
                    let value = Array::from_handle(value, op)?;
                    // SAFETY: the key lives in the map, which is not changed here.
                    out.insert(unsafe { text(key) }.into_owned(), value);
                }
                ITERATOR_END => return Ok(out),
                _ => return Err(from_c(op, &[])),
            }
        }
    }
}

impl MapStringToString {
    /// The entries as a Rust map.
    pub(crate) fn to_map(&self, op: &'static str) -> Result<HashMap<String, String>> {
        /// Frees the iterator on every way out.
        struct Iter(sys::mlx_map_string_to_string_iterator, live!(MapIterator));
        impl Drop for Iter {
            fn drop(&mut self) {
                // SAFETY: owned here, used no more.
                unsafe { sys::mlx_map_string_to_string_iterator_free(self.0) };
            }
        }
        let mut out = HashMap::new();
        if self.0.ctx.is_null() {
            return Ok(out);
        }
        // SAFETY: the map is valid and outlives the iterator.
        let raw = unsafe { sys::mlx_map_string_to_string_iterator_new(self.0) };
        let iter = Iter(raw, Live::new());
        if iter.0.ctx.is_null() {
            return Err(from_c(op, &[]));
        }
        loop {
            let (mut key, mut value): (*const c_char, *const c_char) = (null(), null());
            // SAFETY: the iterator is valid.
            match unsafe {
                sys::mlx_map_string_to_string_iterator_next(&mut key, &mut value, iter.0)
            } {
                // SAFETY: both live in the map, which is not changed here.
                0 => unsafe {
                    out.insert(text(key).into_owned(), text(value).into_owned());
                },
                ITERATOR_END => return Ok(out),
                _ => return Err(from_c(op, &[])),
            }
        }
    }
}

impl MlxString {
    /// An array as MLX prints it.
    pub(crate) fn of_array(a: &Array) -> Result<Self> {
        let mut out = Self::null();
        // SAFETY: both handles are valid.
        check("to_string", unsafe {
            sys::mlx_array_tostring(out.as_out(), a.as_raw())
        })?;
        Ok(out)
    }

    /// The text; bytes that are not UTF-8 are replaced.
    pub(crate) fn to_string_lossy(&self) -> Cow<'_, str> {
        if self.0.ctx.is_null() {
            return Cow::Borrowed("");
        }
        // SAFETY: the handle is valid, and the text lives as long as it.
        unsafe { text(sys::mlx_string_data(self.0)) }
    }
}
