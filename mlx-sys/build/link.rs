//! Prints the instructions for cargo: when to rebuild, and what to link.
//!
//! Tests: `tests/build`.

use std::path::Path;

use super::cache::Cache;
use super::config::{Config, VARIABLES};
use super::locate::Mlx;
use super::mlxc::Library;

/// When to run the build script again.
pub fn rerun_lines() {
    for path in ["build.rs", "build", "native"] {
        println!("cargo::rerun-if-changed={path}");
    }
    for variable in VARIABLES {
        println!("cargo::rerun-if-env-changed={variable}");
    }
}

/// Links the libraries, and passes their paths to dependents' build scripts (`DEP_MLXC_...`).
pub fn link(config: &Config, cache: &Cache, mlx: &Mlx, library: &Library) {
    let folder = library.link_folder.display();
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib=dylib=mlxc");
    let libmlx = mlx.lib.join(config.shared("mlx"));
    // An emptied cache or a replaced MLX triggers a new build.
    for file in [&library.file, &libmlx] {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    println!("cargo::metadata=lib={}", library.file.display());
    println!("cargo::metadata=mlx_lib={}", mlx.lib.display());
    println!("cargo::metadata=mlx_include={}", mlx.include.display());
    for_tools(mlx, cache, library);
}

/// Variables for `source`, for `cargo xtask dist`, and for this package's own tests, which run this program in
/// doctored environments.
fn for_tools(mlx: &Mlx, cache: &Cache, library: &Library) {
    let env = |name: &str, path: &Path| println!("cargo::rustc-env={name}={}", path.display());
    env("MLX_SYS_TEST_HEADERS", &mlx.c_include);
    env("MLX_SYS_LIBRARY", &library.file);
    env("MLX_SYS_MLX_LIB", &mlx.lib);
    if let Some(openblas) = &mlx.openblas {
        env("MLX_SYS_OPENBLAS", openblas);
    }
    env("MLX_SYS_TEST_CACHE", &cache.path(""));
    if let Ok(program) = std::env::current_exe() {
        env("MLX_SYS_TEST_BUILD_SCRIPT", &program);
    }
}
