//! CUDA kernels are compiled at once and kept on disk.
//!
//! NVRTC needs no GPU: `LD_PRELOAD=libnvrtc.so.13` runs the whole of it on any machine. Without a compiler a launch's
//! kernel says so.

use std::ffi::{c_char, c_void, CStr, CString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use mlx_sys::*;

static LAST_ERROR: Mutex<String> = Mutex::new(String::new());

extern "C" fn remember(message: *const c_char, _: *mut c_void) {
    // SAFETY: MLX C passes a string that ends with a null and lives for this call.
    let text = unsafe { CStr::from_ptr(message) };
    *LAST_ERROR.lock().unwrap() = text.to_string_lossy().into_owned();
}

/// The sizes of the kernels' code, or what the compiler said. All are begun before the first is waited for.
fn sizes(sources: &[(&str, &str)]) -> Vec<Result<usize, String>> {
    // SAFETY: the texts end with a null and live for the calls; each kernel is freed once, after its last use.
    unsafe {
        mlx_set_error_handler(Some(remember), std::ptr::null_mut(), None);
        let begin = |(name, source): &(&str, &str)| {
            let (name, source) = (CString::new(*name).unwrap(), CString::new(*source).unwrap());
            let mut kernel = mlxrs_cuda_kernel {
                ctx: std::ptr::null_mut(),
            };
            let failed = mlxrs_cuda_kernel_new(
                &mut kernel,
                name.as_ptr(),
                source.as_ptr(),
                c"sm_90".as_ptr(),
            );
            assert_eq!(failed, 0);
            kernel
        };
        let begun: Vec<_> = sources.iter().map(begin).collect();
        let size = |kernel: mlxrs_cuda_kernel| {
            let mut bytes = 0;
            let failed = mlxrs_cuda_kernel_size(&mut bytes, kernel) != 0;
            mlxrs_cuda_kernel_free(kernel);
            match failed {
                true => Err(LAST_ERROR.lock().unwrap().clone()),
                false => Ok(bytes),
            }
        };
        begun.into_iter().map(size).collect()
    }
}

fn kernel(name: &str, factor: usize) -> String {
    format!("extern \"C\" __global__ void {name}(float* x) {{ x[threadIdx.x] *= {factor}; }}")
}

fn files(below: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(below).unwrap().map(|f| f.unwrap().path());
    all.collect()
}

/// This process is the child: MLX's folder is given by the environment, which is read once.
#[test]
fn the_child() {
    let Ok(below) = std::env::var("MLX_PTX_CACHE_DIR") else {
        return;
    };
    let below = Path::new(&below);
    let names: Vec<String> = (0..12).map(|i| format!("scale_{i}")).collect();
    let texts: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(i, n)| kernel(n, i))
        .collect();
    let sources: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(texts.iter().map(String::as_str))
        .collect();
    let all = || -> Vec<usize> { sizes(&sources).into_iter().map(Result::unwrap).collect() };
    let first = all();
    assert!(first.iter().all(|n| *n > 500), "{first:?}");
    let kept = files(below);
    assert_eq!(kept.len(), names.len());
    let written = |f: &PathBuf| fs::metadata(f).unwrap().modified().unwrap();
    let before: Vec<_> = kept.iter().map(written).collect();
    // Read, not compiled.
    assert_eq!(all(), first);
    assert_eq!(kept.iter().map(written).collect::<Vec<_>>(), before);
    // Files that were cut, changed or emptied are compiled anew.
    for (i, file) in kept.iter().enumerate() {
        let mut bytes = fs::read(file).unwrap();
        match i % 3 {
            0 => bytes.truncate(bytes.len() - 7),
            1 => *bytes.last_mut().unwrap() ^= 1,
            _ => bytes.clear(),
        }
        fs::write(file, bytes).unwrap();
    }
    assert_eq!(all(), first);
    assert!(kept.iter().all(|f| fs::metadata(f).unwrap().len() > 500));
    // A kernel that does not compile is not kept.
    let wrong = sizes(&[("wrong", "extern \"C\" __global__ void wrong() { nothing; }")]).remove(0);
    let text = wrong.unwrap_err();
    assert!(
        text.contains("kernel wrong for sm_90") && text.contains("nothing"),
        "{text}"
    );
    assert_eq!(files(below).len(), names.len());
}

#[test]
fn kernels_are_compiled_and_kept() {
    // SAFETY: takes nothing.
    if !unsafe { mlxrs_cuda_compiles() } {
        let text = sizes(&[("scale", &kernel("scale", 2))])
            .remove(0)
            .unwrap_err();
        assert!(text.contains("MLX was built without CUDA"), "{text}");
        return;
    }
    let below = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cuda_compiler");
    let _ = fs::remove_dir_all(&below);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "the_child", "--nocapture"])
        .env("MLX_PTX_CACHE_DIR", &below)
        .output()
        .unwrap();
    let text = [child.stdout, child.stderr].concat();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&text));
}
