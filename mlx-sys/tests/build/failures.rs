//! Each way to fail: one message, which says what to install or which variable to set.

use std::fs;

use crate::harness::Build;

#[test]
fn no_python_and_no_uv() {
    Build::new("no-python").fail(&[
        "neither python3 nor uv",
        "install Python 3 with pip, or uv",
        "MLX_SYS_PREFIX",
        "MLX_SYS_MLX",
    ]);
}

#[test]
fn no_pip_and_no_uv() {
    Build::new("no-pip").script("python3", "exit 1").fail(&[
        "python3 has no pip",
        "install pip",
        "uv",
        "MLX_SYS_PREFIX",
    ]);
}

#[test]
fn no_network_for_pip() {
    Build::new("no-network").tool("python3").fail(&[
        "cannot fetch mlx-",
        "reached no package index",
        "PIP_INDEX_URL",
        "MLX_SYS_PREFIX",
    ]);
}

#[test]
fn an_index_without_the_file() {
    Build::new("no-index")
        .tool("python3")
        .env("PIP_NO_INDEX", "1")
        .fail(&["pip found no file of mlx-", "PIP_NO_INDEX"]);
}

#[test]
fn no_network_for_uv() {
    let says = "echo 'error: Failed to fetch: http://127.0.0.1:9/simple/mlx-cpu/' >&2; exit 2";
    Build::new("no-network-uv")
        .script("uv", says)
        .fail(&["uv reached no package index", "MLX_SYS_PREFIX"]);
}

#[test]
fn no_network_for_cargo() {
    Build::new("no-crates").with(&["mlx-", "scipy-"]).fail(&[
        "cargo cannot fetch the source of MLX C",
        "mirror",
        "MLX_SYS_PREFIX",
    ]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_with_another_checksum() {
    let mut build = Build::new("wrong-hash");
    let arch = std::env::consts::ARCH;
    let wheel = format!("mlx_cpu-0.32.2-py3-none-manylinux_2_35_{arch}.whl");
    fs::write(build.folder.join(wheel), "not what was published").unwrap();
    let folder = build.folder.clone();
    build
        .tool("python3")
        .env("PIP_NO_INDEX", "1")
        .env("PIP_FIND_LINKS", folder.to_str().unwrap())
        .fail(&[
            "mlx-cpu 0.32.2",
            "does not have the pinned sha256",
            "PIP_INDEX_URL",
        ]);
    assert_eq!(build.cached(), [""; 0], "nothing of it is kept");
}

#[test]
fn no_compiler() {
    Build::new("no-compiler").with_all_fetched().fail(&[
        "no C++ compiler (c++, g++, clang++)",
        "g++",
        "CXX",
    ]);
}

#[test]
fn a_compiler_that_is_not_there() {
    Build::new("cxx-wrong")
        .with_all_fetched()
        .env("CXX", "no-such-compiler")
        .fail(&["cannot run no-such-compiler", "CXX"]);
}

#[test]
fn a_compiler_that_fails() {
    let mut build = Build::new("compiler-fails");
    build
        .with_all_fetched()
        .script("c++", "echo 'array.h:1: error: no C++20 here' >&2; exit 1")
        .fail(&[
            "c++ cannot compile MLX C",
            "array.h:1: error: no C++20 here",
            "g++ 11 or clang 14",
            "CXX",
        ]);
    let left: Vec<_> = build
        .cached()
        .into_iter()
        .filter(|n| n.starts_with("libmlxc"))
        .collect();
    assert_eq!(left, [""; 0], "nothing half-built is kept");
    // The next build, with a compiler that works, is not held up by it.
    build.fake_compiler().succeed();
}

#[test]
fn unsupported_platforms() {
    for (target, os, libc) in [
        ("x86_64-pc-windows-msvc", "windows", "msvc"),
        ("x86_64-unknown-linux-musl", "linux", "musl"),
    ] {
        Build::new("platform")
            .env("TARGET", target)
            .env("HOST", target)
            .env("CARGO_CFG_TARGET_OS", os)
            .env("CARGO_CFG_TARGET_ENV", libc)
            .fail(&["not published for", target, "glibc"]);
    }
    Build::new("cross")
        .env("HOST", "x86_64-apple-darwin")
        .fail(&["on another platform", "build on the platform"]);
}

#[test]
fn no_libclang() {
    let mut build = Build::new("no-libclang");
    build
        .with(&["mlx-", "mlxc-source-", "scipy-"])
        .env_path("LIBCLANG_PATH", "home")
        .env_path("LD_LIBRARY_PATH", "home")
        .fake_compiler();
    // If the system has a libclang, bindgen finds it in spite of the variables.
    if build.run().error.is_empty() {
        return;
    }
    build.fail(&[
        "bindgen needs libclang",
        "none is installed",
        "libclang-dev",
        "LIBCLANG_PATH",
    ]);
}

#[test]
fn a_prefix_that_is_none() {
    let mut build = Build::new("prefix");
    build.env_path("MLX_SYS_PREFIX", "nowhere").fail(&[
        "MLX_SYS_PREFIX=",
        "no such folder",
        "include/ and lib/",
    ]);
    build
        .env_path("MLX_SYS_PREFIX", "home")
        .fail(&["there is no include/mlx/c/mlx.h", "unset it"]);
    let include = build.folder.join("home/include/mlx");
    fs::create_dir_all(include.join("c")).unwrap();
    fs::write(include.join("c/mlx.h"), "").unwrap();
    fs::write(include.join("mlx.h"), "").unwrap();
    build.fail(&["there is no lib/libmlx.", "MLX_SYS_PREFIX must name"]);
}

#[test]
fn a_folder_of_mlx_that_is_none() {
    let mut build = Build::new("mlx");
    build.env_path("MLX_SYS_MLX", "nowhere").fail(&[
        "MLX_SYS_MLX=",
        "no such folder",
        "Python environment",
    ]);
    build
        .env_path("MLX_SYS_MLX", "home")
        .fail(&["it holds no mlx/lib/libmlx.", "unset it"]);
    fs::create_dir_all(build.folder.join("home/mlx/lib")).unwrap();
    for name in ["libmlx.so", "libmlx.dylib"] {
        fs::write(build.folder.join("home/mlx/lib").join(name), "").unwrap();
    }
    build.fail(&["include/mlx/version.h", "MLX_SYS_MLX must name"]);
}

#[test]
fn nowhere_to_keep_files() {
    Build::new("no-home")
        .remove("HOME")
        .remove("MLX_SYS_CACHE")
        .fail(&["HOME is not set", "MLX_SYS_CACHE"]);
    Build::new("no-cache")
        .env("MLX_SYS_CACHE", "/dev/null/cache")
        .fail(&["cannot create /dev/null/cache", "MLX_SYS_CACHE"]);
}
