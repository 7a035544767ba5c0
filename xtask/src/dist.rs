//! A folder that holds `llama_lora` and every library it needs, and runs wherever it is put.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{bail, ensure, Context, Result};

/// The libraries that a build linked.
struct Linked {
    binary: PathBuf,
    /// Our library.
    library: PathBuf,
    /// The folder of MLX's library.
    mlx_lib: PathBuf,
    /// The folder of OpenBLAS, on Linux.
    openblas: Option<PathBuf>,
}

/// Builds `llama_lora` and copies it and its libraries into a folder of `out`, with a tar.gz beside it.
pub fn make(out: &Path, features: &str) -> Result<()> {
    let linked = build(out, features)?;
    let suffix = if features.is_empty() { "" } else { "-" };
    let name = format!(
        "llama_lora-{}-{}-{}{suffix}{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        features.replace([',', ' '], "-")
    );
    let folder = out.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let lib = folder.join("lib");
    copy(&linked.binary, &folder.join("llama_lora"))?;
    copy(&linked.library, &lib.join(file_name(&linked.library)))?;
    copy_tree(&linked.mlx_lib, &lib.join("mlx/lib"), &is_library)?;
    mlx_package(&linked.mlx_lib, &lib, features.contains("cuda"))?;
    if let Some(openblas) = &linked.openblas {
        copy_tree(openblas, &lib.join("openblas"), &is_library)?;
        licences(openblas.parent().and_then(Path::parent), &lib)?;
    }
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        copy(&xtask::root().join(name), &folder.join(name))?;
    }
    copy(
        &xtask::root().join("examples/llama_lora/README.md"),
        &folder.join("README.md"),
    )?;
    let archive = out.join(format!("{name}.tar.gz"));
    run(Command::new("tar")
        .arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(out)
        .arg(&name))?;
    println!("{}", folder.display());
    println!("{}", archive.display());
    Ok(())
}

/// Builds the binary with a search path relative to its own file.
fn build(out: &Path, features: &str) -> Result<Linked> {
    let origin = if cfg!(target_os = "macos") {
        "@loader_path"
    } else {
        "$ORIGIN"
    };
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "rustc",
            "--release",
            "--package",
            "llama_lora",
            "--bin",
            "llama_lora",
        ])
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--features",
            features,
        ])
        .arg("--target-dir")
        .arg(out.join("build"))
        .args(["--", "-C", "strip=symbols", "-C"])
        .arg(format!("link-arg=-Wl,-rpath,{origin}/lib"))
        .env("MLX_SYS_RELOCATABLE", "1")
        .current_dir(xtask::root())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    ensure!(output.status.success(), "cargo cannot build llama_lora");
    let mut binary = None;
    let mut found = std::collections::BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if let Some(path) = message["executable"].as_str() {
            binary = Some(PathBuf::from(path));
        }
        for pair in message["env"].as_array().into_iter().flatten() {
            if let (Some(name), Some(value)) = (pair[0].as_str(), pair[1].as_str()) {
                found.insert(name.to_owned(), PathBuf::from(value));
            }
        }
    }
    let mut take = |name: &str| found.remove(name);
    Ok(Linked {
        binary: binary.context("cargo named no binary")?,
        library: take("MLX_SYS_LIBRARY").context("mlx-sys named no library")?,
        mlx_lib: take("MLX_SYS_MLX_LIB").context("mlx-sys did not say where MLX is")?,
        openblas: take("MLX_SYS_OPENBLAS"),
    })
}

/// Copies what MLX's package has beside its library: the libraries that were packed with it, its licence, and the
/// headers that its CUDA backend compiles kernels against.
fn mlx_package(mlx_lib: &Path, lib: &Path, cuda: bool) -> Result<()> {
    let mlx = mlx_lib.parent().context("MLX lies in the root folder")?;
    if cuda {
        copy_tree(&mlx.join("include"), &lib.join("mlx/include"), &|_| true)?;
    }
    let package = mlx.parent().context("MLX lies in the root folder")?;
    for entry in fs::read_dir(package).with_context(|| package.display().to_string())? {
        let path = entry?.path();
        let name = file_name(&path);
        if name.ends_with(".libs") || name == "nvidia" {
            copy_tree(&path, &lib.join(name), &is_library)?;
        }
    }
    licences(Some(package), lib)
}

/// Copies the licences of the Python packages in a folder.
fn licences(packages: Option<&Path>, lib: &Path) -> Result<()> {
    for entry in packages
        .map(fs::read_dir)
        .transpose()?
        .into_iter()
        .flatten()
    {
        let path = entry?.path();
        let folder = path.join("licenses");
        if path.extension().is_some_and(|e| e == "dist-info") && folder.is_dir() {
            let name = path.file_stem().unwrap_or_default();
            copy_tree(&folder, &lib.join("licences").join(name), &|_| true)?;
        }
    }
    Ok(())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Returns true for shared libraries and Metal's compiled kernels.
fn is_library(path: &Path) -> bool {
    let name = file_name(path);
    [".so", ".dylib", ".metallib"]
        .iter()
        .any(|e| name.ends_with(e))
        || name.contains(".so.")
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

/// Copies the files of a tree that `wanted` accepts; links become files.
fn copy_tree(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let target = to.join(file_name(&path));
        if path.is_dir() {
            copy_tree(&path, &target, wanted)?;
        } else if wanted(&path) {
            copy(&path, &target)?;
        }
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot run {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}
