//! How an array lies in memory, and whether it is computed.
//!
//! Tests: `tests/operations`.

use mlx_sys as sys;

use super::Array;
use crate::error::check;
use crate::Result;

/// Questions about an evaluated array.
macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident => $c:ident;)*) => {
        impl Array {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// If MLX cannot say.
            pub fn $name(&self) -> Result<bool> {
                // MLX notes what it finds out.
                let _lock = crate::lock::graph_lock();
                let mut yes = false;
                // SAFETY: the handle is valid and `yes` outlives the call.
                check(stringify!($name), unsafe { sys::$c(&mut yes, self.as_raw()) })?;
                Ok(yes)
            }
        )*}
    };
}

flags! {
    /// True if the elements are available: evaluated, or about to be without more to do.
    is_available => _mlx_array_is_available;
    /// True if the elements fill one piece of memory, in whatever order. Only known once
    /// evaluated.
    is_contiguous => _mlx_array_is_contiguous;
    /// True if they lie in row-major order without gaps. Only known once evaluated.
    is_row_contiguous => _mlx_array_is_row_contiguous;
    /// True if they lie in column-major order without gaps. Only known once evaluated.
    is_col_contiguous => _mlx_array_is_col_contiguous;
}

impl Array {
    /// Waits for an evaluation that [`crate::transforms::async_eval`] started.
    ///
    /// # Errors
    /// The error that an operation of the graph reported.
    pub fn wait(&self) -> Result<()> {
        // MLX waits for an event, which an array has once its evaluation is started.
        if !self.is_available()? {
            return self.eval();
        }
        let _lock = crate::lock::graph_lock();
        // SAFETY: the handle is valid.
        check("wait", unsafe { sys::_mlx_array_wait(self.as_raw()) })
    }

    /// The number of elements between neighbours along each axis. Only known once evaluated.
    pub fn strides(&self) -> Vec<usize> {
        let n = self.ndim();
        if n == 0 {
            return Vec::new();
        }
        let _lock = crate::lock::graph_lock();
        // SAFETY: the handle is valid; MLX stores `n` of them, which only an evaluation changes:
        // the lock keeps it away until they are copied.
        unsafe {
            let p = sys::mlx_array_strides(self.as_raw());
            if p.is_null() {
                return Vec::new();
            }
            std::slice::from_raw_parts(p, n).to_vec()
        }
    }

    /// The size of one element, in bytes.
    pub fn itemsize(&self) -> usize {
        // SAFETY: the handle is valid.
        unsafe { sys::mlx_array_itemsize(self.as_raw()) }
    }
}
