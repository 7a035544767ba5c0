//! Links against an installed shared MLX C so that binaries find it in any prefix.
//!
//! Linkers copy a library's soname into whatever links it, and an installed `libmlxc.so` has a bare
//! one, which is found in the system's folders only. So on Linux dependents link a stub instead: the
//! same functions, with no code, and the absolute path of the installed library as soname.

use std::fs;
use std::path::Path;

use super::config::Config;
use super::error::{Error, Result};
use super::mlxc::{concat, run_compiler};

/// Writes `libmlxc` into `folder`, to stand for `installed` at link time.
pub fn build(config: &Config, installed: &Path, folder: &Path) -> Result<()> {
    let out = folder.join(config.shared("mlxc"));
    if config.os == "macos" {
        // Install names are absolute there already.
        return std::os::unix::fs::symlink(installed, &out)
            .map_err(|e| Error::io("create", &out, &e));
    }
    let bindings = config.out_dir.join("bindings.rs");
    let text = fs::read_to_string(&bindings).map_err(|e| Error::io("read", &bindings, &e))?;
    let functions: String = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub fn ")?.split('(').next())
        .filter(|name| !name.starts_with("mlxrs_"))
        .map(|name| format!("extern \"C\" void {name}() {{}}\n"))
        .collect();
    let source = folder.join("objects/stub.cpp");
    fs::write(&source, functions).map_err(|e| Error::io("write", &source, &e))?;
    let args = [
        "-shared".into(),
        "-fPIC".into(),
        "-nostdlib".into(),
        concat("-Wl,-soname,", installed, ""),
        "-o".into(),
        out.into(),
        source.into(),
    ];
    run_compiler(config, &args, "link the stub of libmlxc")
}
