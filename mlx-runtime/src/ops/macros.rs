//! The two most regular shapes of operations; textually in scope in every file below `ops`.
//!
//! Tests: `tests/ops.rs`, `tests/parity.rs`, `tests/operations`.

/// One input, no options.
macro_rules! unary_ops {
    ($($(#[$doc:meta])* $name:ident => $c:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If MLX refuses the input's dtype or shape.
        #[inline]
        pub fn $name(a: &Array) -> Result<Array> {
            build(stringify!($name), &[a], |out, s| {
                // SAFETY: the input and the stream are valid; `out` is a null destination.
                unsafe { sys::$c(out, a.as_raw(), s) }
            })
        }
    )*};
}

/// Two inputs, no options.
macro_rules! binary_ops {
    ($($(#[$doc:meta])* $name:ident => $c:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        /// If the shapes do not fit together, or MLX refuses the dtypes.
        #[inline]
        pub fn $name(a: &Array, b: &Array) -> Result<Array> {
            build(stringify!($name), &[a, b], |out, s| {
                // SAFETY: both inputs and the stream are valid; `out` is a null destination.
                unsafe { sys::$c(out, a.as_raw(), b.as_raw(), s) }
            })
        }
    )*};
}

/// Two inputs, the second an array or a number, no options.
macro_rules! operand_ops {
    ($($(#[$doc:meta])* $name:ident => $c:ident;)*) => {$(
        $(#[$doc])*
        ///
        /// `b` is an array or a number, see [`Operand`].
        ///
        /// # Errors
        /// If the shapes do not fit together, or MLX refuses the dtypes.
        #[inline]
        pub fn $name(a: &Array, b: impl Operand) -> Result<Array> {
            b.with(a.dtype(), |b| {
                build(stringify!($name), &[a, b], |out, s| {
                    // SAFETY: both inputs and the stream are valid; `out` is a null destination.
                    unsafe { sys::$c(out, a.as_raw(), b.as_raw(), s) }
                })
            })
        }
    )*};
}
