//! Compiles MLX C and our own C++ into one shared library, once per user.
//!
//! Its soname (install name) is its absolute path in the cache and its runpath leads to MLX, so that
//! whatever links it runs from any folder, with no variables and no linker flags in any dependent.
//! A runpath, not an rpath: LD_LIBRARY_PATH can still put another build of MLX first. With
//! `MLX_SYS_RELOCATABLE`, for `cargo xtask dist`, both are relative to the library's own folder.
//!
//! Tests: `tests/build`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Mutex;

use super::cache::{folders, Cache, Key};
use super::config::Config;
use super::error::{Error, Result};
use super::fetch::last_lines;
use super::locate::{Mlx, Mlxc};
use super::pins::MLXC_VERSION;
use super::stub;

/// To be raised when the way of compiling or linking changes, so that old entries are not used.
const BUILD: u32 = 4;

const FLAGS: &[&str] = &["-std=c++20", "-O2", "-fPIC"];

/// The one batch of all files in `native/fused`; see [`batches`].
const FUSED_BATCH: &str = "fused_0.cpp";

/// Flags that turn the loops of `native/fused` into vector instructions with the same bits at every width: a
/// multiplication and an addition never become one instruction.
const VECTOR_FLAGS: &[&str] = &[
    "-O3",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-ffp-contract=off",
];

/// The library, in the cache.
pub struct Library {
    /// Its own file.
    pub file: PathBuf,
    /// The folder in which dependents find the library to link as `mlxc`.
    pub link_folder: PathBuf,
}

/// Compiles and links, unless the cache has it.
pub fn build(config: &Config, cache: &Cache, mlx: &Mlx) -> Result<Library> {
    let native = config.manifest_dir.join("native");
    let libmlx = mlx.lib.join(config.shared("mlx"));
    let stamp = fs::metadata(&libmlx)
        .and_then(|meta| Ok((meta.len(), meta.modified()?)))
        .map_err(|e| Error::io("read", &libmlx, &e))?;
    // The compiler's version is left out on purpose: the C++ ABI is stable, and a build that finds
    // everything in the cache must not need a compiler at all.
    let key = Key::new()
        .part(format!(
            "{BUILD}{FLAGS:?}{VECTOR_FLAGS:?}{}",
            config.relocatable
        ))
        .part(cache.path("").as_os_str().as_encoded_bytes())
        .part(libmlx.as_os_str().as_encoded_bytes())
        .part(format!("{stamp:?}"))
        .part(format!(
            "{:?}{:?}",
            super::config::var("CXX"),
            config.cxxflags
        ))
        .tree(&native, &["h", "cpp"])?
        .files(&mlx.c_include.join("mlx/c"), &["h", "cpp"])?;
    let key = format!("libmlxc-{MLXC_VERSION}-{}-{}", config.platform, key.hex());
    let file_name = config.shared("mlxc");
    let folder = cache.entry(&key, &file_name, |folder| {
        let objects = compile_all(config, mlx, &native, folder)?;
        let soname = match (config.relocatable, config.os.as_str()) {
            (false, _) => cache.path(&key).join(&file_name),
            (true, "macos") => Path::new("@rpath").join(&file_name),
            (true, _) => PathBuf::from(&file_name),
        };
        link(config, mlx, &objects, &folder.join(&file_name), &soname)?;
        if config.os == "linux" {
            stub::build(config, &soname, folder)?;
        }
        fs::remove_dir_all(folder.join("objects")).map_err(|e| Error::io("clean", folder, &e))
    })?;
    Ok(Library {
        file: folder.join(&file_name),
        link_folder: match config.os.as_str() {
            "linux" => folder.join(stub::FOLDER),
            _ => folder,
        },
    })
}

/// Compiles every file, `config.jobs` at a time; the first failure ends it.
fn compile_all(config: &Config, mlx: &Mlx, native: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let objects = folder.join("objects");
    fs::create_dir_all(&objects).map_err(|e| Error::io("create", &objects, &e))?;
    let fused = native.join("fused");
    let mut sources = Vec::new();
    for concern in folders(native)?.into_iter().filter(|f| *f != fused) {
        sources.extend(cpp_files(&concern)?.into_iter().map(|f| f.1));
    }
    if let Mlxc::Source = mlx.mlxc {
        let number = config.jobs.clamp(1, 4);
        sources.extend(batches(
            "mlxc",
            number,
            &mlx.c_include.join("mlx/c"),
            &objects,
        )?);
    }
    sources.extend(batches("fused", 1, &fused, &objects)?);
    let next = AtomicUsize::new(0);
    let failed: Mutex<Option<Error>> = Mutex::new(None);
    let done: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let work = || {
        while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
            let object = objects
                .join(source.file_name().unwrap_or_default())
                .with_extension("o");
            match compile(config, mlx, native, source, &object) {
                Ok(()) => lock(&done).push(object),
                Err(error) => {
                    next.store(sources.len(), Ordering::Relaxed);
                    lock(&failed).get_or_insert(error);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        // As many more threads as the system gives.
        for _ in 1..config.jobs.clamp(1, sources.len()) {
            let _ = std::thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let failed = lock(&failed).take();
    let mut objects = std::mem::take(&mut *lock(&done));
    objects.sort();
    failed.map_or(Ok(objects), Err)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Writes `number` files that include those in `sources`, some each: nearly all the time goes into
/// reading MLX's headers, once a file. MLX C takes 12 s in one batch and 55 s file by file.
fn batches(name: &str, number: usize, sources: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = cpp_files(sources)?;
    files.sort();
    let mut batches = vec![(0, String::new()); number];
    for (size, path) in files.into_iter().rev() {
        // The largest that is left goes to the batch that is smallest so far.
        if let Some(batch) = batches.iter_mut().min_by_key(|batch| batch.0) {
            batch.0 += size;
            batch.1 += &format!("#include \"{}\"\n", path.display());
        }
    }
    let mut written = Vec::new();
    for (number, (_, text)) in batches.into_iter().enumerate() {
        let file = folder.join(format!("{name}_{number}.cpp"));
        fs::write(&file, text).map_err(|e| Error::io("write", &file, &e))?;
        written.push(file);
    }
    Ok(written)
}

/// The C++ files of a folder, with their sizes.
fn cpp_files(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let entries = fs::read_dir(folder).map_err(|e| Error::io("read", folder, &e))?;
    Ok(entries
        .flatten()
        .map(|entry| (entry.metadata().map_or(0, |meta| meta.len()), entry.path()))
        .filter(|(_, path)| path.extension().is_some_and(|e| e == "cpp"))
        .collect())
}

fn compile(config: &Config, mlx: &Mlx, native: &Path, source: &Path, object: &Path) -> Result<()> {
    let mut args: Vec<OsString> = FLAGS.iter().map(Into::into).collect();
    // Error messages name `mlx/c/ops.cpp`, not its path on this machine.
    args.push(concat(
        "-ffile-prefix-map=",
        &mlx.c_include.join("mlx"),
        "=mlx",
    ));
    if source.file_name().is_some_and(|name| name == FUSED_BATCH) {
        args.extend(VECTOR_FLAGS.iter().map(Into::into));
    } else if !source.starts_with(native) {
        args.extend(["-include".into(), native.join("compat/compat.h").into()]);
    }
    if mlx.openblas.is_some() {
        args.push("-DMLXRS_OPENBLAS".into());
    }
    args.push(concat("-I", native, ""));
    for folder in [&mlx.c_include, &mlx.include] {
        args.extend(["-isystem".into(), folder.into()]);
    }
    args.extend(config.cxxflags.iter().map(Into::into));
    args.extend(["-c".into(), source.into(), "-o".into(), object.into()]);
    run_compiler(config, &args, "compile MLX C")
}

fn link(config: &Config, mlx: &Mlx, objects: &[PathBuf], out: &Path, soname: &Path) -> Result<()> {
    let mut args: Vec<OsString> = vec!["-shared".into(), "-o".into(), out.into()];
    args.extend(config.cxxflags.iter().map(Into::into));
    args.extend(objects.iter().map(Into::into));
    if config.os == "macos" {
        args.push(concat("-Wl,-install_name,", soname, ""));
    } else {
        args.push(concat("-Wl,-soname,", soname, ""));
        // This library must load MLX even if it refers to none of its symbols.
        args.extend(["-Wl,--enable-new-dtags".into(), "-Wl,--no-as-needed".into()]);
    }
    if config.os == "macos" {
        // The BLAS of `native/fused`. On Linux it is `cblas_shim.cpp`, or the one that MLX was linked with.
        args.extend(["-framework".into(), "Accelerate".into()]);
    }
    args.push(concat("-L", &mlx.lib, ""));
    // The layout of the folder that `cargo xtask dist` makes.
    let beside = |folder: &str| Path::new(origin(config)).join(folder);
    let (mlx_lib, openblas_lib) = (beside("mlx/lib"), beside("openblas"));
    let place = |found: &'_ Path, moved: &'_ Path| match config.relocatable {
        true => concat("-Wl,-rpath,", moved, ""),
        false => concat("-Wl,-rpath,", found, ""),
    };
    args.push(place(&mlx.lib, &mlx_lib));
    args.push("-lmlx".into());
    if let Some(openblas) = &mlx.openblas {
        // The search path of the library that `openblas.cpp` loads.
        args.push(place(openblas, &openblas_lib));
    }
    args.extend(whole(config, mlx));
    run_compiler(config, &args, "link libmlxc")
}

/// The dynamic linker's name for the folder of the library that it loads.
fn origin(config: &Config) -> &'static str {
    match config.os.as_str() {
        "macos" => "@loader_path",
        _ => "$ORIGIN",
    }
}

/// Makes an installed MLX C's functions part of this library: a static library is copied in, and a shared library is
/// loaded with this one (on macOS it is re-exported).
fn whole(config: &Config, mlx: &Mlx) -> Vec<OsString> {
    let Mlxc::Installed(file) = &mlx.mlxc else {
        return Vec::new();
    };
    let is_static = file.extension().is_some_and(|e| e == "a");
    match (config.os.as_str(), is_static) {
        ("macos", true) => vec![concat("-Wl,-force_load,", file, "")],
        ("macos", false) => vec![concat("-Wl,-reexport_library,", file, "")],
        (_, true) => vec![
            "-Wl,--whole-archive".into(),
            file.into(),
            "-Wl,--no-whole-archive".into(),
        ],
        (_, false) => {
            let folder = file.parent().unwrap_or(&mlx.lib);
            vec![file.into(), concat("-Wl,-rpath,", folder, "")]
        }
    }
}

/// `before` + `path` + `after`, whatever bytes the path has.
pub fn concat(before: &str, path: &Path, after: &str) -> OsString {
    let mut all = OsString::from(before);
    all.push(path);
    all.push(after);
    all
}

/// Runs the C++ compiler; `doing` completes the message of a failure.
pub fn run_compiler(config: &Config, args: &[OsString], doing: &str) -> Result<()> {
    let hint =
        "MLX C needs a compiler with C++20: g++ 11 or clang 14, or newer (Debian: g++; macOS: \
                xcode-select --install); CXX names the one to use";
    let Some(cxx) = &config.cxx else {
        return Err(Error::new(
            format!("cannot {doing}: no C++ compiler (c++, g++, clang++) is on the PATH"),
            hint,
        ));
    };
    let mut words = cxx.split_whitespace();
    let program = words.next().unwrap_or("c++");
    let output = Command::new(program)
        .args(words)
        .args(args)
        .output()
        .map_err(|e| Error::new(format!("cannot run {program} to {doing}: {e}"), hint))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text
        .lines()
        .find(|line| line.contains("error:") || line.contains("undefined reference"))
        .map_or_else(|| last_lines(&output.stderr, 4), str::to_owned);
    Err(Error::new(
        format!("{program} cannot {doing}: {reason}"),
        hint,
    ))
}
