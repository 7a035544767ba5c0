//! The bindings hold the whole C API, and the linked library defines all of it.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_void, CString};
use std::fs;

const BINDINGS: &str = include_str!(concat!(env!("OUT_DIR"), "/bindings.rs"));

extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// `RTLD_DEFAULT`: whatever this program has loaded, in the order of lookup.
const EVERYWHERE: *mut c_void = if cfg!(target_os = "macos") {
    -2isize as *mut c_void
} else {
    std::ptr::null_mut()
};

/// The functions that the bindings declare.
fn bound() -> BTreeSet<String> {
    BINDINGS
        .split("pub fn ")
        .skip(1)
        .filter_map(|rest| rest.split('(').next())
        .filter(|name| name.contains("mlx"))
        .map(|name| name.trim().to_owned())
        .collect()
}

/// The functions that the headers declare, found without a compiler: every name before a `(` in a
/// line that is neither a comment nor a macro.
fn declared() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let folder = std::path::Path::new(env!("MLX_SYS_TEST_HEADERS")).join("mlx/c");
    for header in fs::read_dir(folder).unwrap() {
        let path = header.unwrap().path();
        if path.extension().is_none_or(|e| e != "h") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines() {
            let line = line.split("//").next().unwrap_or("").trim_start();
            if line.starts_with(['*', '#', '/']) || line.starts_with("typedef") {
                continue;
            }
            for (at, _) in line.match_indices('(') {
                let name: String = line[..at]
                    .chars()
                    .rev()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect();
                let name: String = name.chars().rev().collect();
                if name.starts_with("mlx_") || name.starts_with("_mlx_") {
                    names.insert(name);
                }
            }
        }
    }
    names
}

#[test]
fn every_function_of_mlx_c_is_bound() {
    let (bound, declared) = (bound(), declared());
    let missing: Vec<_> = declared.difference(&bound).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let ours = bound.iter().filter(|n| n.starts_with("mlxrs_")).count();
    assert_eq!(bound.len() - ours, 674, "MLX C 0.7.0 has 674 functions");
}

#[test]
fn the_library_defines_every_function() {
    for name in bound() {
        let c_name = CString::new(name.as_str()).unwrap();
        // SAFETY: the name ends with a null.
        let address = unsafe { dlsym(EVERYWHERE, c_name.as_ptr()) };
        // `mlx_version` keeps the linker from dropping a library that nothing else here uses.
        assert!(
            !address.is_null() && mlx_sys::mlx_version as *const () as usize != 0,
            "{name}"
        );
    }
}

/// Only there MLX looks functions up by name.
#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::c_int;

    use super::*;

    /// MLX looks its BLAS up by name: the first definition that the program has loaded must be ours.
    #[test]
    fn matrix_products_resolve_to_this_library() {
        #[repr(C)]
        struct Info {
            file: *const c_char,
            base: *mut c_void,
            name: *const c_char,
            address: *mut c_void,
        }
        extern "C" {
            fn dladdr(address: *const c_void, info: *mut Info) -> c_int;
        }
        // An installed MLX C keeps the BLAS that its MLX was linked with.
        // SAFETY: the text is static.
        let name = unsafe { std::ffi::CStr::from_ptr(mlx_sys::mlxrs_blas_name()) };
        if name == c"system" {
            return;
        }
        for name in [c"cblas_sgemm", c"cblas_dgemm", c"cblas_cgemm"] {
            let mut info = Info {
                file: std::ptr::null(),
                base: std::ptr::null_mut(),
                name: std::ptr::null(),
                address: std::ptr::null_mut(),
            };
            // SAFETY: the name ends with a null; `info` is valid for writes; what it is filled with
            // lives as long as the library is loaded.
            let file = unsafe {
                let address = dlsym(EVERYWHERE, name.as_ptr());
                assert_ne!(dladdr(address, &mut info), 0, "{name:?}");
                std::ffi::CStr::from_ptr(info.file).to_string_lossy()
            };
            assert!(file.contains("libmlxc"), "{name:?} is in {file}");
        }
    }
}
