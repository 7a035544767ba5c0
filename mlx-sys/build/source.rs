//! Fetches MLX C's source through cargo: a crates.io package carries it, and a throw-away package with a
//! committed lock file, which holds the checksum, depends on that one. Nothing of it is built.
//!
//! Tests: `tests/build`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::Cache;
use super::config::Config;
use super::error::{Error, Result};
use super::fetch::last_lines;
use super::pins::{MLXC_SOURCE_LOCK, MLXC_SOURCE_MANIFEST, MLXC_VERSION};

/// Fetches MLX C's source and returns the folder that holds `mlx/c`.
pub fn fetch(config: &Config, cache: &Cache) -> Result<PathBuf> {
    let key = format!("mlxc-source-{MLXC_VERSION}");
    cache.entry(&key, "mlx/c/mlx.h", |folder| {
        // Outside the cache, beside the project: so cargo finds the project's configuration.
        let work = config.out_dir.join("mlxc-source");
        let write = |name: &str, text: &str| {
            let path = work.join(name);
            fs::write(&path, text).map_err(|e| Error::io("write", &path, &e))
        };
        fs::create_dir_all(&work).map_err(|e| Error::io("create", &work, &e))?;
        write("Cargo.toml", MLXC_SOURCE_MANIFEST)?;
        write("Cargo.lock", MLXC_SOURCE_LOCK)?;
        write("lib.rs", "")?;
        vendor(config, &work)?;
        let source = work.join("vendor/mlx-sys/src/mlx-c");
        copy_tree(&source.join("mlx"), &folder.join("mlx"))?;
        let license = source.join("LICENSE");
        fs::copy(&license, folder.join("LICENSE")).map_err(|e| Error::io("copy", &license, &e))?;
        fs::remove_dir_all(&work).map_err(|e| Error::io("remove", &work, &e))
    })
}

fn vendor(config: &Config, work: &Path) -> Result<()> {
    let mut text = String::new();
    // A mirror of crates.io is found only with the second form; `vendor` ignores it by default.
    for respect in [None, Some("--respect-source-config")] {
        let output = Command::new(&config.cargo)
            .args(["vendor", "--locked", "--quiet"])
            .args(respect)
            .arg("vendor")
            .current_dir(work)
            // Set by an outer `cargo rustc` or wrapper; they are no business of this one.
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .env_remove("CARGO_TARGET_DIR")
            .output();
        match output {
            Ok(output) if output.status.success() => return Ok(()),
            Ok(output) => text = last_lines(&output.stderr, 1),
            Err(error) => text = error.to_string(),
        }
    }
    let what = if text.contains("checksum") {
        format!("the source of MLX C {MLXC_VERSION} does not have the pinned checksum: {text}")
    } else {
        format!("cargo cannot fetch the source of MLX C {MLXC_VERSION}: {text}")
    };
    Err(Error::new(
        what,
        "cargo needs crates.io or a mirror of it for this; MLX_SYS_PREFIX (an installed MLX C) does without",
    ))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(|e| Error::io("create", to, &e))?;
    for entry in fs::read_dir(from).map_err(|e| Error::io("read", from, &e))? {
        let entry = entry.map_err(|e| Error::io("read", from, &e))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy_tree(&source, &target)?;
        } else {
            fs::copy(&source, &target).map_err(|e| Error::io("copy", &source, &e))?;
        }
    }
    Ok(())
}
