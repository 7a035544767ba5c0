//! The processor's effect on numbers: the versions of loops and matrix products that run on it.
//!
//! [`crate::kernels::cpu`] has a version of its loops for each level of x86-64, which all give the same bits. Matrix products
//! are the BLAS's, and the order of its additions depends on the kernel.
//!
//! Tests: `tests/fused_kernels.rs`.

use std::ffi::CStr;

use mlx_sys as sys;

fn level_of(version: &sys::mlxrs_kernels) -> &'static str {
    // SAFETY: a level is a literal.
    let level = unsafe { CStr::from_ptr(version.level) };
    level.to_str().unwrap_or_default()
}

/// The levels with loops that this processor runs, the oldest first: `default`, `x86-64-v3` (AVX2) and `x86-64-v4`
/// (AVX-512); `default` alone on other processors.
pub fn levels() -> Vec<&'static str> {
    let mut count = 0;
    // SAFETY: a list of `count` pointers, none of them null, that live as long as the program.
    let versions: &[&sys::mlxrs_kernels] = unsafe {
        let first = sys::mlxrs_kernel_versions(&mut count);
        std::slice::from_raw_parts(first.cast(), count as usize)
    };
    versions.iter().map(|v| level_of(v)).collect()
}

/// The level in use: the newest of [`levels`], or the one that `MLX_SYS_CPU_LEVEL` names. `None` if that names
/// none of them: operations of [`crate::kernels::cpu`] then fail with an error that lists them.
pub fn level() -> Option<&'static str> {
    // SAFETY: null, or a version that lives as long as the program.
    unsafe { sys::mlxrs_kernels_used().as_ref() }.map(level_of)
}

/// OpenBLAS's configuration and kernel (`OpenBLAS 0.3.34 .. Haswell`), or `system` for the BLAS that MLX was
/// linked with. `OPENBLAS_CORETYPE` chooses another kernel.
pub fn blas() -> &'static str {
    // SAFETY: the text lives as long as the program.
    let name = unsafe { CStr::from_ptr(sys::mlxrs_blas_name()) };
    name.to_str().unwrap_or_default()
}

/// The number of threads of a matrix product: one for each processor that the process may use, or
/// `MLX_SYS_CPU_THREADS`.
pub fn threads() -> usize {
    // SAFETY: no arguments.
    usize::try_from(unsafe { sys::mlxrs_blas_threads() }).unwrap_or(1)
}
