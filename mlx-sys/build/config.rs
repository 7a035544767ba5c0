//! Reads the build's configuration from the environment: target, backend, variables.
//!
//! Tests: `tests/build`.

use std::env;
use std::path::PathBuf;

use super::error::{Error, Result};
use super::pins::{Wheel, MLX_CPU, MLX_CUDA_12, MLX_CUDA_13, MLX_METAL};
use super::pins_cuda::{CUDA_12_LIBRARIES, CUDA_13_LIBRARIES};
use super::system;

/// Every variable that changes the build.
pub const VARIABLES: &[&str] = &[
    "MLX_SYS_PREFIX",
    "MLX_SYS_MLX",
    "MLX_SYS_CACHE",
    "MLX_SYS_SYSTEM_CUDA",
    "MLX_SYS_RELOCATABLE",
    "MLX_SYS_CROSS_MACOS",
    "XDG_CACHE_HOME",
    "HOME",
    "CXX",
    "CXXFLAGS",
    "LIBCLANG_PATH",
    "DOCS_RS",
];

/// The environment, read once.
pub struct Config {
    /// `linux` or `macos`.
    pub os: String,
    /// `linux-x86_64`, `linux-aarch64`, `macos-15-aarch64`, ...: of MLX, with the version that its file has for macOS.
    pub platform: String,
    /// `linux-x86_64`, `macos-aarch64`, ...: of the machine that builds.
    pub host: String,
    /// The wheel that holds MLX for the chosen backend.
    pub mlx_wheel: Wheel,
    /// The wheels that MLX needs beside its own: NVIDIA's libraries, unless `MLX_SYS_SYSTEM_CUDA` is set.
    pub companions: &'static [Wheel],
    pub prefix: Option<PathBuf>,
    pub mlx: Option<PathBuf>,
    /// The C++ compiler: `CXX_TARGET` (with underscores, as cc's), `CXX`, else the first of the usual names that is on the PATH.
    pub cxx: Option<String>,
    pub cxxflags: Vec<String>,
    /// Libraries find each other relative to their own files: `MLX_SYS_RELOCATABLE`.
    pub relocatable: bool,
    pub jobs: usize,
    pub cargo: String,
    pub manifest_dir: PathBuf,
    pub out_dir: PathBuf,
}

impl Config {
    /// Reads the environment that cargo sets for a build script.
    pub fn from_env() -> Result<Self> {
        let os = cargo_var("CARGO_CFG_TARGET_OS")?;
        let arch = cargo_var("CARGO_CFG_TARGET_ARCH")?;
        let target = cargo_var("TARGET")?;
        let libc = var("CARGO_CFG_TARGET_ENV").unwrap_or_default();
        // For checks of macOS's build on Linux (`.ci/mac`). The program needs that platform's linker and system libraries.
        let cross = os == "macos" && var("MLX_SYS_CROSS_MACOS").is_some();
        if target != cargo_var("HOST")? && !cross {
            return Err(Error::new(
                format!("cannot build MLX C for {target} on another platform"),
                "build on the platform that the program is to run on",
            ));
        }
        let supported = match os.as_str() {
            "linux" => libc == "gnu" && (arch == "x86_64" || arch == "aarch64"),
            "macos" => arch == "aarch64",
            _ => false,
        };
        if !supported {
            return Err(Error::new(
                format!("MLX is not published for {target}"),
                "build for Linux with glibc (x86_64 or aarch64) or for macOS on Apple silicon",
            ));
        }
        let (mlx_wheel, companions) = match os.as_str() {
            "macos" => (MLX_METAL, [].as_slice()),
            _ if flag("CARGO_FEATURE_CUDA13") => (MLX_CUDA_13, CUDA_13_LIBRARIES),
            _ if flag("CARGO_FEATURE_CUDA12") => (MLX_CUDA_12, CUDA_12_LIBRARIES),
            _ => (MLX_CPU, [].as_slice()),
        };
        Ok(Config {
            platform: match os.as_str() {
                "macos" => format!("macos-{}-{arch}", system::newest_file()?),
                _ => format!("{os}-{arch}"),
            },
            host: format!("{}-{}", env::consts::OS, env::consts::ARCH),
            os,
            mlx_wheel,
            companions: match var("MLX_SYS_SYSTEM_CUDA") {
                Some(_) => &[],
                None => companions,
            },
            prefix: var("MLX_SYS_PREFIX").map(PathBuf::from),
            mlx: var("MLX_SYS_MLX").map(PathBuf::from),
            cxx: var(&format!("CXX_{}", target.replace('-', "_")))
                .or_else(|| var("CXX"))
                .or_else(|| first_on_path(&["c++", "g++", "clang++"])),
            cxxflags: var("CXXFLAGS")
                .map(|flags| flags.split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default(),
            relocatable: var("MLX_SYS_RELOCATABLE").is_some(),
            jobs: var("NUM_JOBS").and_then(|n| n.parse().ok()).unwrap_or(1),
            cargo: var("CARGO").unwrap_or_else(|| "cargo".into()),
            manifest_dir: cargo_var("CARGO_MANIFEST_DIR")?.into(),
            out_dir: cargo_var("OUT_DIR")?.into(),
        })
    }

    /// `libNAME.so`, or as the platform has it.
    pub fn shared(&self, name: &str) -> String {
        match self.os.as_str() {
            "macos" => format!("lib{name}.dylib"),
            _ => format!("lib{name}.so"),
        }
    }
}

/// A variable that is set and not empty.
pub fn var(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns true if a variable is set, also to nothing.
pub fn flag(name: &str) -> bool {
    env::var_os(name).is_some()
}

/// A variable that cargo sets for build scripts.
pub fn cargo_var(name: &str) -> Result<String> {
    var(name).ok_or_else(|| {
        Error::new(
            format!("{name} is not set"),
            "run the build script through cargo",
        )
    })
}

/// The first of `names` for which the PATH holds a file.
pub fn first_on_path(names: &[&str]) -> Option<String> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    names
        .iter()
        .find(|name| folders.iter().any(|folder| folder.join(name).is_file()))
        .map(|name| (*name).to_owned())
}
