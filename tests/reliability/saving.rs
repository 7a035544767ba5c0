//! A full disk or a kill in the middle of saving leaves the old file whole.
//!
//! The tests run themselves again as a child process, which the variable names the file for.
#![cfg(unix)]

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use mlx_runtime::{io, ops, Array, Dtype, ErrorKind};

const FILE: &str = "MLX_TESTS_SAVE_TO";

/// 4 MB whose every element is `value`.
fn arrays(value: f32) -> Vec<(String, Array)> {
    let value = Array::scalar(value).unwrap();
    let a = ops::full(&[1024, 1024], &value, Dtype::Float32).unwrap();
    vec![("a".to_owned(), a)]
}

fn save(path: &Path, value: f32) -> mlx_runtime::Result<()> {
    io::save_safetensors(path, &arrays(value), &HashMap::new())
}

/// The value of the whole file; panics if it is not one file of one value.
fn load(path: &Path) -> f32 {
    let (loaded, _) = io::load_safetensors(path).unwrap();
    let values = loaded["a"].to_vec::<f32>().unwrap();
    assert!(values.iter().all(|&v| v == values[0]));
    values[0]
}

#[test]
fn a_full_disk_leaves_the_old_file() {
    if let Some(path) = std::env::var_os(FILE) {
        // The child, which may write only so much to a file.
        let e = save(Path::new(&path), 2.0).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Io, "{e}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    save(&path, 1.0).unwrap();
    // A limit on the size of files stands for the end of the disk: both fail the write. With its
    // signal ignored, the write reports it.
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_full_disk_leaves_the_old_file"])
        .env(FILE, &path)
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "the child failed");
    assert_eq!(load(&path), 1.0);
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(names.len(), 1, "something is left over: {names:?}");
}

#[test]
fn a_kill_leaves_the_old_file_or_the_new_one() {
    if let Some(path) = std::env::var_os(FILE) {
        // The child, which saves until it is killed.
        for i in 1.. {
            save(Path::new(&path), i as f32).unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    save(&path, 0.0).unwrap();
    for attempt in 0u64.. {
        // At least five kills at different times, and until a child came to save something.
        if attempt >= 5 && load(&path) > 0.0 {
            break;
        }
        assert!(attempt < 100, "no child came to save anything");
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_kill_leaves_the_old_file_or_the_new_one"])
            .env(FILE, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(50 + attempt * 70));
        child.kill().unwrap();
        child.wait().unwrap();
        load(&path);
    }
}
