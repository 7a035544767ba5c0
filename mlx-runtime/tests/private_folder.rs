//! The folder of code that MLX compiles while the program runs: other users cannot put files there.
#![cfg(target_os = "linux")]

mod children;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use children::{child, command, said};
use mlx_runtime::{ops, transforms, Array, Result};

const NAME: &str = "compiled_code_is_kept_in_a_private_folder";

/// A fused kernel, which MLX has the C++ compiler build on a CPU.
fn compiled() -> Result<f32> {
    let f = |x: &[Array]| Ok(vec![ops::exp(&ops::square(&ops::sin(&x[0])?)?)?]);
    let made = transforms::compile(f, false).call(&[Array::scalar(0.0f32)?])?;
    made[0].item()
}

fn run(temporary: &Path) -> std::process::Output {
    command(NAME, 0).env("TMPDIR", temporary).output().unwrap()
}

#[test]
fn compiled_code_is_kept_in_a_private_folder() {
    if child(NAME).is_some() {
        return assert_eq!(compiled().unwrap(), 1.0);
    }
    if mlx_runtime::low_level::backend::cuda::is_available().unwrap() {
        return; // on a GPU, the code is another compiler's
    }
    let temporary = tempfile::tempdir().unwrap();
    let user = temporary.path().metadata().unwrap().uid();
    let own = temporary.path().join(format!("mlx-{user}"));
    let output = run(temporary.path());
    assert!(output.status.success(), "{}", said(&output));
    let found = own.metadata().unwrap();
    assert_eq!((found.uid(), found.mode() & 0o777), (user, 0o700));
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);

    // Others can write to it, or it leads elsewhere.
    fs::set_permissions(&own, Permissions::from_mode(0o777)).unwrap();
    refused(temporary.path());
    fs::remove_dir_all(&own).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), &own).unwrap();
    refused(temporary.path());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

fn refused(temporary: &Path) {
    let output = run(temporary);
    assert_eq!(output.status.code(), Some(101));
    let text = said(&output);
    assert!(
        text.contains("set TMPDIR to a folder of your own"),
        "{text}"
    );
}
