//! Chooses the source of MLX and MLX C: a prefix, a folder, or the pinned files.
//!
//! Tests: `tests/build`.

use std::fs;
use std::path::{Path, PathBuf};

use super::cache::Cache;
use super::config::Config;
use super::error::{Error, Result};
use super::fetch;
use super::pins::{MLX_VERSION, OPENBLAS};
use super::source;

/// MLX, and the source of MLX C.
pub struct Mlx {
    /// Holds MLX's own headers, `mlx/mlx.h`.
    pub include: PathBuf,
    /// Holds the shared library `mlx`.
    pub lib: PathBuf,
    /// Holds MLX C's headers, `mlx/c/mlx.h`.
    pub c_include: PathBuf,
    /// The source of MLX C's code.
    pub mlxc: Mlxc,
    /// The folder of `libscipy_openblas`, if it replaces the BLAS that MLX comes with.
    pub openblas: Option<PathBuf>,
}

/// MLX C, as it was found.
pub enum Mlxc {
    /// C++ sources in `c_include`, to be compiled.
    Source,
    /// An installed library (shared or static).
    Installed(PathBuf),
}

/// `MLX_SYS_PREFIX`, else `MLX_SYS_MLX`, else the pinned wheel.
pub fn locate(config: &Config, cache: &Cache) -> Result<Mlx> {
    if let Some(prefix) = &config.prefix {
        return installed(config, prefix);
    }
    let root = match &config.mlx {
        Some(folder) => given(config, folder)?,
        None => {
            let witness = format!("mlx/lib/{}", config.shared("mlx"));
            let (wheel, beside) = (&config.mlx_wheel, config.companions);
            fetch::wheel(&config.platform, cache, wheel, beside, &witness)?.join("mlx")
        }
    };
    let openblas = match config.os.as_str() {
        "linux" => Some(openblas(config, cache, &root)?),
        _ => None,
    };
    Ok(Mlx {
        include: root.join("include"),
        lib: root.join("lib"),
        c_include: source::fetch(config, cache)?,
        mlxc: Mlxc::Source,
        openblas,
    })
}

/// The folder of OpenBLAS: the Python package beside `mlx`, if there is one, else the pinned wheel's.
fn openblas(config: &Config, cache: &Cache, mlx: &Path) -> Result<PathBuf> {
    let witness = "scipy_openblas32/lib/libscipy_openblas.so";
    let beside = mlx.with_file_name(witness);
    let file = if beside.is_file() {
        beside
    } else {
        fetch::wheel(&config.platform, cache, &OPENBLAS, &[], witness)?.join(witness)
    };
    Ok(folder_of(&file))
}

/// An installed MLX C with MLX: `include/mlx/c/mlx.h`, `lib/libmlxc`, `lib/libmlx`.
fn installed(config: &Config, prefix: &Path) -> Result<Mlx> {
    let hint = "MLX_SYS_PREFIX must name the prefix under which MLX C and MLX are installed \
                (it holds include/ and lib/); unset it to have them fetched";
    let wrong =
        |what: String| Error::new(format!("MLX_SYS_PREFIX={}: {what}", prefix.display()), hint);
    let prefix = prefix
        .canonicalize()
        .map_err(|_| wrong("there is no such folder".into()))?;
    let include = prefix.join("include");
    for header in ["mlx/c/mlx.h", "mlx/mlx.h"] {
        if !include.join(header).is_file() {
            return Err(wrong(format!("there is no include/{header}")));
        }
    }
    let folders = ["lib", "lib64"].map(|name| prefix.join(name));
    let find = |names: &[String]| {
        let files = folders
            .iter()
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)));
        files
            .clone()
            .find(|file| file.is_file())
            .ok_or_else(|| wrong(format!("there is no lib/{}", names[0])))
    };
    let mlx = find(&[config.shared("mlx")])?;
    let mlxc = find(&[config.shared("mlxc"), "libmlxc.a".into()])?;
    check_version(&include, &|message| wrong(message))?;
    Ok(Mlx {
        c_include: include.clone(),
        include,
        lib: folder_of(&mlx),
        mlxc: Mlxc::Installed(mlxc),
        openblas: None,
    })
}

/// The folder with `lib` and `include`: the one that `MLX_SYS_MLX` names, or a Python package in it.
fn given(config: &Config, folder: &Path) -> Result<PathBuf> {
    let hint = "MLX_SYS_MLX must name a folder that holds MLX's lib/ and include/, or a Python \
                environment in which mlx is installed; unset it to have MLX fetched";
    let wrong =
        |what: String| Error::new(format!("MLX_SYS_MLX={}: {what}", folder.display()), hint);
    let folder = folder
        .canonicalize()
        .map_err(|_| wrong("there is no such folder".into()))?;
    let mut candidates = vec![folder.clone(), folder.join("mlx")];
    for lib in ["lib", "lib64"].map(|name| folder.join(name)) {
        for python in fs::read_dir(lib).into_iter().flatten().flatten() {
            candidates.push(python.path().join("site-packages/mlx"));
        }
    }
    let library = format!("lib/{}", config.shared("mlx"));
    let root = candidates
        .into_iter()
        .find(|root| root.join(&library).is_file())
        .ok_or_else(|| wrong(format!("it holds no mlx/{library}")))?;
    check_version(&root.join("include"), &|message| wrong(message))?;
    Ok(root)
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent().unwrap_or(Path::new("/")).to_path_buf()
}

/// Warns if the headers are of another version than the one that MLX C is written against.
fn check_version(include: &Path, wrong: &dyn Fn(String) -> Error) -> Result<()> {
    let header = include.join("mlx/version.h");
    let text = fs::read_to_string(&header)
        .map_err(|_| wrong(format!("there is no {}", header.display())))?;
    let number = |name: &str| {
        let rest = text.split(&format!("MLX_VERSION_{name} ")).nth(1)?;
        rest.split_whitespace().next()
    };
    let version = ["MAJOR", "MINOR", "PATCH"].map(|name| number(name).unwrap_or("?"));
    let version = version.join(".");
    if version != MLX_VERSION {
        println!(
            "cargo::warning=MLX {version} in {} is not the {MLX_VERSION} that MLX C is written against",
            include.display()
        );
    }
    Ok(())
}
