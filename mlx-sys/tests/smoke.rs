//! The library links, loads from any folder, computes, and reports errors through its handler.

use std::ffi::{c_char, c_void, CStr, CString};
use std::process::Command;
use std::sync::Mutex;

use mlx_sys::*;

static LAST_ERROR: Mutex<String> = Mutex::new(String::new());

extern "C" fn remember(message: *const c_char, _: *mut c_void) {
    // SAFETY: MLX C passes a string that ends with a null and lives for this call.
    let text = unsafe { CStr::from_ptr(message) };
    *LAST_ERROR.lock().unwrap() = text.to_string_lossy().into_owned();
}

fn blas() -> String {
    // SAFETY: the text is static.
    let name = unsafe { CStr::from_ptr(mlxrs_blas_name()) };
    name.to_string_lossy().into_owned()
}

#[test]
fn adds_two_arrays() {
    let data = [1.0f32, 2.0, 3.0, 4.0];
    let shape = [2i32, 2];
    // SAFETY: `data` holds the four elements that `shape` promises; each handle is freed once.
    unsafe {
        let stream = mlx_default_cpu_stream_new();
        let a = mlx_array_new_data(
            data.as_ptr().cast(),
            shape.as_ptr(),
            2,
            mlx_dtype__MLX_FLOAT32,
        );
        let mut sum = mlx_array_new();
        assert_eq!(mlx_add(&mut sum, a, a, stream), 0);
        assert_eq!(mlx_array_eval(sum), 0);
        let values = std::slice::from_raw_parts(mlx_array_data_float32(sum), 4);
        assert_eq!(values, [2.0, 4.0, 6.0, 8.0]);
        mlx_array_free(sum);
        mlx_array_free(a);
        mlx_stream_free(stream);
    }
}

#[test]
fn half_types_come_as_their_bits() {
    let one = 1.0f32;
    // SAFETY: the pointers are to live values of the types that the functions name; each handle is
    // freed once.
    unsafe {
        let stream = mlx_default_cpu_stream_new();
        let array = mlx_array_new_float(one);
        let mut half = mlx_array_new();
        let mut bits = 0u16;
        assert_eq!(
            mlx_astype(&mut half, array, mlx_dtype__MLX_FLOAT16, stream),
            0
        );
        assert_eq!(mlx_array_item_float16(&mut bits, half), 0);
        assert_eq!(bits, 0x3c00);
        assert_eq!(
            mlx_astype(&mut half, array, mlx_dtype__MLX_BFLOAT16, stream),
            0
        );
        assert_eq!(mlx_array_item_bfloat16(&mut bits, half), 0);
        assert_eq!(bits, 0x3f80);
        mlx_array_free(half);
        mlx_array_free(array);
        mlx_stream_free(stream);
    }
}

#[test]
fn a_percent_sign_in_an_error_is_text() {
    if blas() == "system" && cfg!(target_os = "linux") {
        // An installed MLX C is used unchanged.
        return;
    }
    let path = CString::new("/nowhere/100%s%n%d.safetensors").unwrap();
    // SAFETY: `path` outlives the calls; each handle is freed once.
    unsafe {
        mlx_set_error_handler(Some(remember), std::ptr::null_mut(), None);
        let stream = mlx_default_cpu_stream_new();
        let mut array = mlx_array_new();
        assert_ne!(mlx_load(&mut array, path.as_ptr(), stream), 0);
        mlx_array_free(array);
        mlx_stream_free(stream);
    }
    let message = LAST_ERROR.lock().unwrap().clone();
    assert!(message.contains("100%s%n%d"), "{message}");
    assert!(
        message.contains(" at mlx/c/"),
        "no path of the build machine: {message}"
    );
}

#[test]
fn the_blas_is_openblas() {
    let name = blas();
    if cfg!(target_os = "linux") && name != "system" {
        assert!(name.starts_with("OpenBLAS"), "{name:?}");
        // SAFETY: no arguments but a number.
        assert_eq!(unsafe { mlxrs_set_blas_threads(0) }, 1);
        // SAFETY: as above.
        assert_eq!(unsafe { mlxrs_set_blas_threads(2) }, 0);
    }
}

/// The program that cargo built, started by hand: no variables, another folder.
#[test]
fn runs_from_any_folder_without_variables() {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "adds_two_arrays"])
        .env_clear()
        .current_dir("/")
        .output()
        .unwrap()
        .status;
    assert!(status.success());
}

/// So that one binary can run on MLX's CPU build here and on its CUDA build there.
#[test]
#[cfg(target_os = "linux")]
fn another_mlx_can_be_put_first() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("another-mlx");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let loaded = |path: &std::path::Path| {
        let output = Command::new(std::env::current_exe().unwrap())
            .env("LD_TRACE_LOADED_OBJECTS", "1")
            .env("LD_LIBRARY_PATH", path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = text.lines().find(|line| line.contains("libmlx.so"));
        line.unwrap().split_whitespace().nth(2).unwrap().to_owned()
    };
    let usual = loaded(&folder);
    std::os::unix::fs::symlink(&usual, folder.join("libmlx.so")).unwrap();
    assert_eq!(loaded(&folder), folder.join("libmlx.so").to_str().unwrap());
    assert_ne!(loaded(&folder), usual);
}
