//! The build for macOS, with the answers of a Mac's programs.

use std::fs;

use crate::harness::Build;

/// A build on a Mac, whose system has this version. Its pip writes down what it is asked for, and fails.
fn mac(name: &str, version: &str) -> Build {
    let mut build = Build::new(name);
    build
        .env("TARGET", "aarch64-apple-darwin")
        .env("HOST", "aarch64-apple-darwin")
        .env("CARGO_CFG_TARGET_OS", "macos")
        .env("CARGO_CFG_TARGET_ARCH", "aarch64")
        .env("CARGO_CFG_TARGET_ENV", "")
        .remove("MLX_SYS_CACHE")
        .script("sw_vers", &format!("test \"$SYSTEM_VERSION_COMPAT\" = 0 && echo {version}"))
        .script("python3", "case \"$*\" in *--version*) exit 0;; esac; echo \"$@\" >> ../../pip.txt\nwhile read -r line; do echo \"$line\"; done < requirements.txt >> ../../pip.txt; exit 1");
    build
}

/// macOS 26.0 and 26.1 do not load the file whose name says 26.0: its libraries ask for 26.2.
#[test]
fn each_system_gets_the_newest_file_that_it_loads() {
    for (version, file, checksum) in [
        ("14.0", 14, "3825fff3"),
        ("14.7.1", 14, "3825fff3"),
        ("15.1", 15, "55a36925"),
        ("26.0", 15, "55a36925"),
        ("26.1.1", 15, "55a36925"),
        ("26.2", 26, "e6abeac9"),
        ("27.0", 26, "e6abeac9"),
    ] {
        let build = mac(&format!("macos-{version}"), version);
        let asked = build
            .folder
            .join("home/Library/Application Support/pip.txt");
        build.fail(&["pip could not fetch mlx-metal 0.32.2"]);
        let asked = fs::read_to_string(asked).unwrap();
        // Apple's own Python is 3.9, and MLX's metadata asks for 3.10.
        assert!(asked.contains("--python-version 3.12"), "{asked}");
        assert!(
            asked.contains(&format!("--platform=macosx_{file}_0_arm64")),
            "{version}: {asked}"
        );
        assert_eq!(asked.matches("--hash=sha256:").count(), 1, "{asked}");
        assert!(
            asked.contains(&format!("--hash=sha256:{checksum}")),
            "{version}: {asked}"
        );
    }
}

#[test]
fn a_system_that_is_too_old_or_says_nothing() {
    mac("macos-old", "13.6").fail(&[
        "macOS 13.6 is too old for MLX",
        "14.0 or newer",
        "update macOS",
    ]);
    mac("macos-odd", "Sequoia").fail(&["cannot tell the version of macOS from \"Sequoia\""]);
    let mut none = mac("macos-none", "15.0");
    none.script("sw_vers", "exit 1");
    none.fail(&["cannot tell the version of macOS", "sw_vers"]);
}

/// uv takes the system from a variable.
#[test]
fn uv_is_asked_for_the_same_file() {
    let mut build = mac("macos-uv", "26.1");
    build
        .script("python3", "exit 1")
        .script(
            "uv",
            "echo \"$MACOSX_DEPLOYMENT_TARGET $@\" > ../../uv.txt; exit 1",
        )
        .fail(&["uv could not fetch mlx-metal 0.32.2"]);
    let asked = fs::read_to_string(build.folder.join("home/Library/Application Support/uv.txt"));
    let asked = asked.unwrap();
    assert!(asked.starts_with("15.0 pip install"), "{asked}");
    assert!(
        asked.contains("--python-platform aarch64-apple-darwin"),
        "{asked}"
    );
    assert!(asked.contains("--python-version 3.12"), "{asked}");
}

#[test]
fn the_folder_of_an_earlier_version_is_used_on() {
    let build = mac("macos-cache", "15.0");
    let caches = build.folder.join("home/Library/Caches/mlx-sys");
    fs::create_dir_all(&caches).unwrap();
    build.run();
    assert!(!build
        .folder
        .join("home/Library/Application Support")
        .exists());
    assert!(fs::read_dir(caches).unwrap().next().is_some());
}

/// Only a check on another platform says for which system it builds.
#[test]
fn another_platform_builds_for_macos_only_to_check() {
    let mut build = mac("macos-cross", "15.0");
    build
        .env("HOST", "x86_64-unknown-linux-gnu")
        .fail(&["on another platform", "build on the platform"]);
    build
        .env("MLX_SYS_CROSS_MACOS", "14.0")
        .fail(&["pip could not fetch mlx-metal 0.32.2"]);
}
