//! The version of macOS that the library is to run on, which decides MLX's file.
//!
//! Tests: `mlx-sys --test build`.

use std::process::Command;

use super::config::var;
use super::error::{Error, Result};

/// The files of MLX for macOS: the version from which a system loads it, and the version in the file's name. The name
/// says 26.0, but the libraries in it ask for 26.2.
const FILES: &[((u32, u32), u32)] = &[((26, 2), 26), ((15, 0), 15), ((14, 0), 14)];

/// The newest file of MLX that this macOS loads, as its name says it: 14, 15 or 26.
pub fn newest_file() -> Result<u32> {
    let version = version()?;
    let number = |text: Option<&str>| text.and_then(|t| t.trim().parse::<u32>().ok());
    let mut parts = version.split('.');
    let Some(major) = number(parts.next()) else {
        return Err(Error::new(
            format!("cannot tell the version of macOS from \"{version}\""),
            "sw_vers -productVersion must print it, as in 15.1",
        ));
    };
    let found = (major, number(parts.next()).unwrap_or(0));
    let file = FILES.iter().find(|(needed, _)| *needed <= found);
    file.map(|(_, name)| *name).ok_or_else(|| {
        Error::new(
            format!("macOS {version} is too old for MLX: expected 14.0 or newer"),
            "update macOS",
        )
    })
}

/// `MLX_SYS_CROSS_MACOS`, else what the system says.
fn version() -> Result<String> {
    if let Some(version) = var("MLX_SYS_CROSS_MACOS") {
        return Ok(version);
    }
    let ask = |program: &str| {
        let output = Command::new(program)
            .arg("-productVersion")
            // With 1, as some old programs need it, the answer is 10.16.
            .env("SYSTEM_VERSION_COMPAT", "0")
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Some(text).filter(|text| output.status.success() && !text.is_empty())
    };
    ask("sw_vers")
        .or_else(|| ask("/usr/bin/sw_vers"))
        .ok_or_else(|| {
            Error::new(
                "cannot tell the version of macOS: sw_vers does not say it",
                "put /usr/bin on the PATH",
            )
        })
}
