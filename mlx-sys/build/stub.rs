//! The library that dependents link on Linux: the library's functions without code, under the library's soname.
//!
//! A linker that is given the library itself follows it to MLX and on to the libraries of MLX. GNU ld stops if one of
//! those is absent, as the GPU's driver is on most build machines. A stub leads to no other library, and leaves only
//! the soname in a binary, an absolute path.
//!
//! Tests: `tests/build`.

use std::fs;
use std::path::Path;

use super::config::Config;
use super::error::{Error, Result};
use super::mlxc::{concat, run_compiler};

/// The folder of the stub, inside the library's folder.
pub const FOLDER: &str = "stub";

/// Writes the stub of the library `soname` into `folder/stub`.
pub fn build(config: &Config, soname: &Path, folder: &Path) -> Result<()> {
    let out = folder.join(FOLDER);
    fs::create_dir_all(&out).map_err(|e| Error::io("create", &out, &e))?;
    let bindings = config.out_dir.join("bindings.rs");
    let text = fs::read_to_string(&bindings).map_err(|e| Error::io("read", &bindings, &e))?;
    let functions: String = text
        .split("pub fn ")
        .skip(1)
        .filter_map(|rest| rest.split('(').next())
        .map(|name| format!("extern \"C\" void {name}() {{}}\n"))
        .collect();
    let source = folder.join("objects/stub.cpp");
    fs::write(&source, functions).map_err(|e| Error::io("write", &source, &e))?;
    let args = [
        "-shared".into(),
        "-fPIC".into(),
        "-nostdlib".into(),
        concat("-Wl,-soname,", soname, ""),
        "-o".into(),
        out.join("libmlxc.so").into(),
        source.into(),
    ];
    run_compiler(config, &args, "link the stub of libmlxc")
}
