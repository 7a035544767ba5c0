//! The build cache: nothing is fetched or compiled twice, and nobody sees an incomplete entry.

use std::fs;
use std::thread;

use crate::harness::{Build, Outcome};

/// Nothing on the PATH, no network: the cache of the first build is enough.
#[test]
fn a_second_build_needs_neither_network_nor_compiler() {
    let mut build = Build::new("second");
    build.with_all_fetched().fake_compiler();
    let first = build.succeed();
    let calls = build.calls().len();
    fs::remove_file(build.folder.join("bin/c++")).unwrap();
    let second = build.succeed();
    assert_eq!(build.calls().len(), calls);
    assert_eq!(first.value("metadata=lib"), second.value("metadata=lib"));
    let bindings = fs::read_to_string(build.folder.join("out/bindings.rs")).unwrap();
    assert!(bindings.contains("pub fn mlx_add("));
}

/// The same against the cache that this package was really built from.
#[test]
fn this_package_builds_again_with_nothing_installed() {
    let mut build = Build::new("again");
    for name in ["MLX_SYS_PREFIX", "MLX_SYS_MLX", "CXX", "CXXFLAGS"] {
        if let Ok(value) = std::env::var(name) {
            build.env(name, &value);
        }
    }
    let cuda = [
        (cfg!(feature = "cuda12"), "CARGO_FEATURE_CUDA12"),
        (cfg!(feature = "cuda13"), "CARGO_FEATURE_CUDA13"),
    ];
    for (_, name) in cuda.iter().filter(|(on, _)| *on) {
        build.env(name, "1");
    }
    let outcome = build.env("MLX_SYS_CACHE", crate::harness::CACHE).succeed();
    assert!(outcome.value("rustc-link-search").is_some());
}

#[test]
fn builds_at_once_do_the_work_once() {
    let mut build = Build::new("parallel");
    build.with_all_fetched().fake_compiler();
    let commands: Vec<_> = (0..4)
        .map(|number| {
            let out = build.folder.join(format!("out{number}"));
            fs::create_dir(&out).unwrap();
            let mut command = build.command();
            command.env("OUT_DIR", out);
            command
        })
        .collect();
    let threads = commands
        .into_iter()
        .map(|mut command| thread::spawn(move || Outcome::of(command.output().unwrap())));
    for thread in threads.collect::<Vec<_>>() {
        assert_eq!(thread.join().unwrap().error, "");
    }
    let linked = build
        .calls()
        .iter()
        .filter(|call| call.contains("-soname,"))
        .count();
    if cfg!(target_os = "linux") {
        assert_eq!(linked, 2, "the library and its stub");
    }
}

#[test]
fn what_a_killed_build_left_is_cleared_away() {
    let mut build = Build::new("killed");
    build.with_all_fetched().fake_compiler().succeed();
    let entry = |build: &Build| {
        build
            .cached()
            .into_iter()
            .find(|n| n.starts_with("libmlxc"))
            .unwrap()
    };
    let name = entry(&build);
    let cache = build.folder.join("cache");
    fs::rename(cache.join(&name), cache.join(format!("{name}.tmp"))).unwrap();
    fs::write(cache.join(format!("{name}.tmp/rubbish")), "").unwrap();
    build.succeed();
    assert_eq!(entry(&build), name);
    assert!(!cache.join(&name).join("rubbish").exists());
    assert!(!cache.join(format!("{name}.tmp")).exists());
}

#[test]
fn another_compiler_is_another_entry() {
    let mut build = Build::new("flags");
    build.with_all_fetched().fake_compiler();
    let plain = build.succeed();
    let other = build.env("CXXFLAGS", "-g0").succeed();
    assert_ne!(plain.value("metadata=lib"), other.value("metadata=lib"));
    assert!(build.calls().iter().any(|call| call.contains("-g0")));
}

#[test]
fn the_cache_is_where_the_platform_keeps_caches() {
    let mut build = Build::new("where");
    build.remove("MLX_SYS_CACHE").run();
    let home = build.folder.join("home");
    let usual = match cfg!(target_os = "macos") {
        true => home.join("Library/Application Support/mlx-sys"),
        false => home.join(".cache/mlx-sys"),
    };
    assert!(usual.is_dir());
    if cfg!(target_os = "linux") {
        build.env_path("XDG_CACHE_HOME", "xdg").run();
        assert!(build.folder.join("xdg/mlx-sys").is_dir());
    }
}
