//! Fetches wheels through pip or uv. All checksums are pinned.
//!
//! Python runs isolated (`-I`), and all tools run in the folder of the new cache entry, so that they load no module or
//! setting from the folder in which the build runs.
//!
//! Tests: `tests/build`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::cache::Cache;
use super::config::first_on_path;
use super::error::{Error, Result};
use super::pins::Wheel;

/// The ways to build without fetching `wheel`.
fn other_ways(wheel: &Wheel) -> &'static str {
    if wheel.name.starts_with("mlx-") {
        "or set MLX_SYS_PREFIX (an installed MLX C) or MLX_SYS_MLX (a folder or Python environment \
         with MLX)"
    } else {
        "or set MLX_SYS_PREFIX (an installed MLX C)"
    }
}

/// The Python for which files are asked. The files hold no Python, but their metadata asks for a newer one than the
/// one that macOS comes with.
const PYTHON: &str = "3.12";

/// Fetches a wheel for a platform and others that must lie beside it, and unpacks them into one entry of the cache;
/// `witness` is a file that the first one holds.
pub fn wheel(
    platform: &str,
    cache: &Cache,
    wheel: &Wheel,
    beside: &[Wheel],
    witness: &str,
) -> Result<PathBuf> {
    let mut key = format!("{}-{}-{}", wheel.name, wheel.version, platform);
    if !beside.is_empty() {
        key += "-complete";
    }
    cache.entry(&key, witness, |folder| {
        let mut requirements = String::new();
        for wheel in std::iter::once(wheel).chain(beside) {
            requirements += &requirement(platform, wheel)?;
        }
        let list = folder.join("requirements.txt");
        fs::write(&list, requirements).map_err(|e| Error::io("write", &list, &e))?;
        match Installer::find(wheel)? {
            Installer::Pip(python) => with_pip(&python, platform, wheel, &list, folder),
            Installer::Uv => with_uv(platform, wheel, &list, folder),
        }
    })
}

/// A line of a requirements file: the version and the checksum of the right file.
fn requirement(platform: &str, wheel: &Wheel) -> Result<String> {
    let (name, version) = (wheel.name, wheel.version);
    let hash = wheel.hash_for(platform).ok_or_else(|| {
        Error::new(
            format!("{name} is not published for {platform}"),
            "install MLX C and set MLX_SYS_PREFIX to its prefix",
        )
    })?;
    Ok(format!("{name}=={version} --hash=sha256:{hash}\n"))
}

/// The version in the name of MLX's file for macOS.
fn macos(platform: &str) -> Option<&str> {
    platform.strip_prefix("macos-")?.strip_suffix("-aarch64")
}

/// The tool that downloads wheels on this machine.
enum Installer {
    Pip(String),
    Uv,
}

impl Installer {
    fn find(wheel: &Wheel) -> Result<Self> {
        let name = format!("{} {}", wheel.name, wheel.version);
        let other_ways = other_ways(wheel);
        let python = first_on_path(&["python3", "python"]);
        if let Some(python) = &python {
            let version = Command::new(python)
                .args(["-I", "-m", "pip", "--version"])
                .output();
            if version.is_ok_and(|out| out.status.success()) {
                return Ok(Installer::Pip(python.clone()));
            }
        }
        if first_on_path(&["uv"]).is_some() {
            return Ok(Installer::Uv);
        }
        Err(match python {
            Some(python) => Error::new(
                format!("{name} must be fetched, but {python} has no pip and there is no uv"),
                format!("install pip (Debian: python3-pip) or uv, {other_ways}"),
            ),
            None => Error::new(
                format!("{name} must be fetched, but there is neither python3 nor uv on the PATH"),
                format!("install Python 3 with pip, or uv, {other_ways}"),
            ),
        })
    }
}

fn with_pip(python: &str, platform: &str, wheel: &Wheel, list: &Path, folder: &Path) -> Result<()> {
    let download = folder.join("download");
    let mut pip = Command::new(python);
    pip.args(["-I", "-m", "pip", "download", "--no-deps"])
        .arg("--only-binary=:all:")
        .args([
            "--require-hashes",
            "--no-input",
            "--retries",
            "2",
            "--progress-bar",
            "off",
            "--python-version",
            PYTHON,
        ])
        .args(macos(platform).map(|version| format!("--platform=macosx_{version}_0_arm64")))
        .args([OsStr::new("--dest"), download.as_os_str()])
        .args([OsStr::new("--requirement"), list.as_os_str()]);
    let output = run(pip.current_dir(folder), wheel, "pip")?;
    if !output.status.success() {
        return Err(explain(wheel, "pip", &output));
    }
    let files = fs::read_dir(&download).map_err(|e| Error::io("read", &download, &e))?;
    for file in files {
        let file = file.map_err(|e| Error::io("read", &download, &e))?.path();
        let mut unzip = Command::new(python);
        unzip
            .args(["-I", "-m", "zipfile", "-e"])
            .arg(&file)
            .arg(folder);
        let output = run(unzip.current_dir(folder), wheel, "python")?;
        if !output.status.success() {
            return Err(Error::new(
                format!(
                    "cannot unpack {}: {}",
                    file.display(),
                    last_lines(&output.stderr, 4)
                ),
                "is the disk full? MLX_SYS_CACHE names another folder",
            ));
        }
    }
    fs::remove_dir_all(&download).map_err(|e| Error::io("remove", &download, &e))?;
    data_folders(folder)
}

/// A wheel may keep its files under `NAME.data/platlib`: moves them to the place that an installer uses.
fn data_folders(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io("read", folder, &e))?;
    for entry in entries {
        let data = entry.map_err(|e| Error::io("read", folder, &e))?.path();
        if data.extension() != Some(OsStr::new("data")) {
            continue;
        }
        for library in ["platlib", "purelib"].map(|name| data.join(name)) {
            let Ok(entries) = fs::read_dir(&library) else {
                continue;
            };
            for entry in entries.flatten() {
                let to = folder.join(entry.file_name());
                fs::rename(entry.path(), &to).map_err(|e| Error::io("create", &to, &e))?;
            }
        }
    }
    Ok(())
}

fn with_uv(platform: &str, wheel: &Wheel, list: &Path, folder: &Path) -> Result<()> {
    let mut uv = Command::new("uv");
    uv.args([
        "pip",
        "install",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
    ])
    .args(["--no-progress", "--link-mode=copy"])
    .args(["--python-version", PYTHON])
    .args([OsStr::new("--target"), folder.as_os_str()])
    .args([OsStr::new("--requirement"), list.as_os_str()]);
    if let Some(version) = macos(platform) {
        uv.args(["--python-platform", "aarch64-apple-darwin"])
            .env("MACOSX_DEPLOYMENT_TARGET", format!("{version}.0"));
    }
    let output = run(uv.current_dir(folder), wheel, "uv")?;
    if !output.status.success() {
        return Err(explain(wheel, "uv", &output));
    }
    Ok(())
}

fn run(command: &mut Command, wheel: &Wheel, name: &str) -> Result<Output> {
    // A setting that guards against installing must not prevent downloading.
    command.env("PIP_REQUIRE_VIRTUALENV", "0");
    let other_ways = other_ways(wheel);
    command.output().map_err(|e| {
        Error::new(
            format!("cannot run {name}: {e}"),
            format!("install Python 3 with pip, or uv, {other_ways}"),
        )
    })
}

/// Turns the output of pip or uv into one message.
fn explain(wheel: &Wheel, tool: &str, output: &Output) -> Error {
    let text = String::from_utf8_lossy(&output.stderr);
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let name = format!("{} {}", wheel.name, wheel.version);
    let other_ways = other_ways(wheel);
    if has(&["DO NOT MATCH THE HASHES", "Hash mismatch", "hash mismatch"]) {
        return Error::new(
            format!("the {name} that {tool} fetched does not have the pinned sha256"),
            "check the package index that pip uses (PIP_INDEX_URL, PIP_FIND_LINKS), or a proxy in between",
        );
    }
    let unreachable = [
        "Connection",
        "connection",
        "ConnectTimeout",
        "Name or service",
        "name resolution",
        "unreachable",
        "ProxyError",
        "timed out",
        "dns error",
        "error sending request",
        "Failed to fetch",
    ];
    if has(&unreachable) {
        return Error::new(
            format!(
                "cannot fetch {name}: {tool} reached no package index{}",
                reason(&text)
            ),
            format!("connect to the network, set PIP_INDEX_URL to a mirror, {other_ways}"),
        );
    }
    if has(&["No matching distribution", "No solution found", "no wheels"]) {
        return Error::new(
            format!("{tool} found no file of {name} for this system"),
            format!(
                "the index must carry it (is PIP_NO_INDEX set? does PIP_INDEX_URL lead to a full mirror?), and on Linux \
                 the files need glibc 2.35; {other_ways}"
            ),
        );
    }
    Error::new(
        format!(
            "{tool} could not fetch {name}: {}",
            last_lines(&output.stderr, 4)
        ),
        format!("run it by hand to see why, {other_ways}"),
    )
}

/// Why there was no connection, as uv ("cause: ...") and pip ("... broken by '...: ...')': /path") say it.
fn reason(text: &str) -> String {
    let line = |mark| {
        text.lines()
            .rev()
            .find_map(|line: &str| line.split_once(mark))
    };
    let reason = match (line("cause: "), line("broken by ")) {
        (Some((_, uv)), _) => uv,
        (None, Some((_, pip))) => {
            let inner = pip.split("')").next().unwrap_or(pip);
            inner.rsplit("object at ").next().unwrap_or(inner)
        }
        (None, None) => return String::new(),
    };
    format!(
        " ({})",
        reason.split_once(">: ").map_or(reason, |(_, why)| why)
    )
}

/// The last lines of a program's output, which usually hold the reason.
pub fn last_lines(bytes: &[u8], count: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(count)..]
        .join("\n")
        .trim()
        .to_owned()
}
