//! Runs bindgen over all of MLX C's headers and ours, once per user and set of headers.
//!
//! Tests: `tests/build`.

use std::ffi::OsString;
use std::fs;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, Key};
use super::config::{cargo_var, Config};
use super::error::{Error, Result};
use super::fetch;
use super::locate::Mlx;
use super::pins::{LIBCLANG, MLXC_VERSION};

/// Bindgen's output for the pinned MLX C on Linux, written by `cargo xtask generate`.
const PINNED: &str = include_str!("pinned_bindings.rs");

/// Writes the committed bindings into the build's output folder. Documentation builds use them because they
/// have no network, no MLX and no libclang.
pub fn pinned() -> Result<()> {
    let out = PathBuf::from(cargo_var("OUT_DIR")?).join("bindings.rs");
    println!("cargo::rustc-env=MLX_SYS_TEST_HEADERS=");
    fs::write(&out, PINNED).map_err(|e| Error::io("write", &out, &e))
}

/// Writes `bindings.rs` into the build's output folder.
pub fn generate(config: &Config, cache: &Cache, mlx: &Mlx) -> Result<()> {
    let native = config.manifest_dir.join("native");
    let key = Key::new()
        .part(include_str!("bindings.rs"))
        .tree(&native, &["h"])?
        .files(&mlx.c_include.join("mlx/c"), &["h"])?;
    let key = format!("bindings-{MLXC_VERSION}-{}-{}", config.platform, key.hex());
    let folder = cache.entry(&key, "bindings.rs", |folder| {
        let mut args = vec![concat("-I", &mlx.c_include), concat("-I", &native)];
        args.extend(load_libclang(config, cache)?);
        bindgen(&args, &folder.join("bindings.rs"))
    })?;
    let (from, to) = (
        folder.join("bindings.rs"),
        config.out_dir.join("bindings.rs"),
    );
    fs::copy(&from, &to).map_err(|e| Error::io("copy", &from, &e))?;
    Ok(())
}

fn concat(before: &str, path: &Path) -> OsString {
    let mut all = OsString::from(before);
    all.push(path);
    all
}

fn bindgen(args: &[OsString], out: &Path) -> Result<()> {
    let failed = |reason: String| {
        Error::new(
            format!("bindgen cannot read MLX C's headers: {reason}"),
            "LIBCLANG_PATH names the folder of another libclang (9 or newer)",
        )
    };
    let builder = bindgen::Builder::default()
        .header_contents(
            "mlx_sys.h",
            "#include \"compat/half.h\"\n#include \"mlx/c/mlx.h\"\n#include \"mlx_rs.h\"\n",
        )
        .clang_args(args.iter().map(|arg| arg.to_string_lossy().into_owned()))
        .allowlist_function("_?mlx_.*")
        .allowlist_type("mlx_.*")
        .allowlist_function("mlxrs_.*")
        .layout_tests(false)
        .formatter(bindgen::Formatter::Prettyplease);
    // bindgen panics if libclang does not work at all.
    let bindings = catch_unwind(AssertUnwindSafe(|| builder.generate()))
        .map_err(|_| failed("libclang does not work here".into()))?
        .map_err(|e| failed(e.to_string()))?;
    bindings
        .write_to_file(out)
        .map_err(|e| Error::io("write", out, &e))
}

/// Makes some libclang ready: the system's, or the pinned wheel's, which needs a few more arguments.
fn load_libclang(config: &Config, cache: &Cache) -> Result<Vec<OsString>> {
    if clang_sys::load().is_ok() {
        return Ok(Vec::new());
    }
    let unavailable = |reason: &str| {
        Error::new(
            format!("bindgen needs libclang: {reason}"),
            "install it (Debian: libclang-dev; macOS: xcode-select --install), or set LIBCLANG_PATH to its folder",
        )
    };
    let library = match config.host.starts_with("macos") {
        true => "clang/native/libclang.dylib",
        false => "clang/native/libclang.so",
    };
    let folder = fetch::wheel(&config.host, cache, &LIBCLANG, &[], library)
        .map_err(|e| unavailable(&format!("none is installed, and {}", e.what())))?;
    std::env::set_var("LIBCLANG_PATH", folder.join("clang/native"));
    clang_sys::load().map_err(|e| unavailable(&e))?;
    let headers = compiler_headers()
        .ok_or_else(|| unavailable("the fetched one needs a C compiler's headers; none is here"))?;
    Ok(vec!["-isystem".into(), headers.into()])
}

/// The folder of `stddef.h` and its like: the wheel of libclang has none.
fn compiler_headers() -> Option<PathBuf> {
    ["cc", "gcc", "clang"].iter().find_map(|compiler| {
        let ask = |what: &str| {
            let output = Command::new(compiler).arg(what).output().ok()?;
            let path = String::from_utf8(output.stdout).ok()?;
            Some(PathBuf::from(path.trim()))
        };
        let gcc = ask("-print-file-name=include").filter(|p| p.join("stddef.h").is_file());
        gcc.or_else(|| ask("-print-resource-dir").map(|p| p.join("include")))
            .filter(|p| p.join("stddef.h").is_file())
    })
}
