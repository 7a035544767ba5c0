//! The sources of MLX: a prefix, a folder or Python environment, pip, uv.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::harness::{Build, CACHE};

/// MLX in the cache that this package was built from (none if it was built from a prefix).
fn mlx() -> Option<PathBuf> {
    fs::read_dir(CACHE)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("mlx"))
        .find(|mlx| mlx.join("include/mlx/mlx.h").is_file())
}

#[test]
fn a_folder_or_a_python_environment() {
    let Some(mlx) = mlx() else { return };
    for inside in [
        "plain",
        "env/lib/python3.12/site-packages/mlx",
        "site-packages/mlx",
    ] {
        let mut build = Build::new("given");
        build.with_all_fetched().fake_compiler();
        let at = build.folder.join(inside);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        symlink(&mlx, &at).unwrap();
        let named = inside.split('/').next().unwrap();
        let outcome = build.env_path("MLX_SYS_MLX", named).succeed();
        let lib = Path::new(outcome.value("metadata=mlx_lib").unwrap());
        assert_eq!(
            lib.canonicalize().unwrap(),
            mlx.join("lib").canonicalize().unwrap()
        );
        assert_eq!(outcome.value("warning"), None);
    }
}

#[test]
fn another_version_of_mlx_is_named() {
    let mut build = Build::new("version");
    build.with_all_fetched().fake_compiler();
    let mlx = build.folder.join("mlx");
    fs::create_dir_all(mlx.join("lib")).unwrap();
    fs::create_dir_all(mlx.join("include/mlx")).unwrap();
    for name in ["libmlx.so", "libmlx.dylib", "libmlxc.a"] {
        fs::write(mlx.join("lib").join(name), "").unwrap();
    }
    let version =
        "#define MLX_VERSION_MAJOR 0\n#define MLX_VERSION_MINOR 31\n#define MLX_VERSION_PATCH 1\n";
    fs::write(mlx.join("include/mlx/version.h"), version).unwrap();
    fs::create_dir_all(mlx.join("include/mlx/c")).unwrap();
    for name in ["mlx.h", "c/mlx.h"] {
        fs::write(mlx.join("include/mlx").join(name), "").unwrap();
    }
    for variable in ["MLX_SYS_MLX", "MLX_SYS_PREFIX"] {
        let outcome = build.env_path(variable, "mlx").run();
        let warning = outcome.value("warning").unwrap();
        assert!(
            warning.contains("MLX 0.31.1") && warning.contains("0.32.2"),
            "{variable}: {warning}"
        );
    }
}

/// A uv that unpacks only the expected file, and records its arguments.
fn fake_uv(build: &mut Build) {
    let asked = build.folder.join("asked");
    let text = format!(
        "echo \"$@\" >> '{asked}'\n\
         while [ $# -gt 0 ]; do\n\
           case \"$1\" in\n\
             --target) /bin/mkdir -p \"$2/mlx/lib\" \"$2/scipy_openblas32/lib\"\n\
               : > \"$2/mlx/lib/libmlx.so\"; : > \"$2/mlx/lib/libmlx.dylib\"\n\
               : > \"$2/scipy_openblas32/lib/libscipy_openblas.so\";;\n\
             --requirement) /bin/cat \"$2\" >> '{asked}';;\n\
           esac\n\
           shift\n\
         done",
        asked = asked.display()
    );
    build.script("uv", &text);
}

#[test]
fn uv_serves_where_pip_is_missing() {
    let mut build = Build::new("uv");
    build.with(&["mlxc-source-", "bindings-"]).fake_compiler();
    build.script("python3", "exit 1");
    fake_uv(&mut build);
    build.succeed();
    let asked = fs::read_to_string(build.folder.join("asked")).unwrap();
    for word in ["--require-hashes", "--no-deps", "==0.32.2 --hash=sha256:"] {
        assert!(asked.contains(word), "{asked}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_feature_picks_the_backend() {
    for (feature, wheel, library) in [
        (
            "CARGO_FEATURE_CUDA12",
            "mlx-cuda-12==",
            "nvidia-cudnn-cu12==",
        ),
        (
            "CARGO_FEATURE_CUDA13",
            "mlx-cuda-13==",
            "nvidia-cudnn-cu13==",
        ),
    ] {
        for system in [false, true] {
            let mut build = Build::new("feature");
            build.with(&["mlxc-source-", "bindings-"]).fake_compiler();
            fake_uv(&mut build);
            build.env(feature, "1");
            if system {
                build.env("MLX_SYS_SYSTEM_CUDA", "1");
            }
            build.succeed();
            let asked = fs::read_to_string(build.folder.join("asked")).unwrap();
            assert!(asked.contains(wheel), "{asked}");
            assert_eq!(asked.contains(library), !system, "{asked}");
        }
    }
}

#[test]
fn docs_are_built_without_linking() {
    let mut build = Build::new("docs");
    let outcome = build.with_all_fetched().env("DOCS_RS", "1").succeed();
    assert_eq!(outcome.value("rustc-link-lib"), None);
    assert!(build.folder.join("out/bindings.rs").is_file());
}

/// An installed MLX C with bare sonames and no runpath, as cmake installs it: a program that links as the build script
/// says runs from any folder, with no variables.
#[test]
#[cfg(target_os = "linux")]
fn a_program_finds_an_installed_mlx_c() {
    let Some(mlx) = mlx() else { return };
    let mut build = Build::new("installed");
    let prefix = build.folder.join("prefix/usr");
    let (lib, include) = (prefix.join("lib"), prefix.join("include/mlx"));
    fs::create_dir_all(&lib).unwrap();
    fs::create_dir_all(&include).unwrap();
    for entry in fs::read_dir(mlx.join("include/mlx")).unwrap() {
        let path = entry.unwrap().path();
        symlink(&path, include.join(path.file_name().unwrap())).unwrap();
    }
    symlink(
        Path::new(env!("MLX_SYS_TEST_HEADERS")).join("mlx/c"),
        include.join("c"),
    )
    .unwrap();
    symlink(mlx.join("lib/libmlx.so"), lib.join("libmlx.so")).unwrap();
    // MLX finds its companions relative to itself.
    for entry in fs::read_dir(mlx.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "libs") {
            symlink(
                &path,
                build.folder.join("prefix").join(path.file_name().unwrap()),
            )
            .unwrap();
        }
    }
    let source = build.folder.join("mlxc.cpp");
    fs::write(
        &source,
        "extern \"C\" int mlx_version(void*) { return 42; }\n",
    )
    .unwrap();
    let cxx = |args: &[&str]| {
        let status = std::process::Command::new("c++")
            .args(args)
            .status()
            .unwrap();
        assert!(status.success());
    };
    let (source, lib) = (source.to_str().unwrap(), lib.to_str().unwrap());
    let installed = format!("{lib}/libmlxc.so");
    let soname = "-Wl,-soname,libmlxc.so";
    cxx(&[
        "-shared",
        "-fPIC",
        source,
        "-o",
        &installed,
        soname,
        "-Wl,--no-as-needed",
        "-L",
        lib,
        "-lmlx",
    ]);

    build
        .tool("c++")
        .with(&["bindings-"])
        .env_path("MLX_SYS_PREFIX", "prefix/usr");
    let outcome = build.succeed();
    let folder = outcome.value("rustc-link-search=native").unwrap();
    let program = build.folder.join("program");
    let main = build.folder.join("main.cpp");
    let text = "extern \"C\" int mlx_version(void*);\nint main() { return mlx_version(0); }\n";
    fs::write(&main, text).unwrap();
    cxx(&[
        main.to_str().unwrap(),
        "-o",
        program.to_str().unwrap(),
        "-L",
        folder,
        "-lmlxc",
    ]);
    let status = std::process::Command::new(program)
        .env_clear()
        .current_dir("/")
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(42));
}
