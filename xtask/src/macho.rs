//! Looks into what was linked for macOS: whether a Mac would find every library and every symbol.
//!
//! Tests: `.ci/mac` looks into every program and test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{bail, ensure, Context, Result};
use object::macho::{MachHeader64, PLATFORM_MACOS};
use object::read::macho::{LoadCommandVariant, MachHeader, MachOFile64};
use object::{Endianness, Object, ObjectSymbol};

/// The parts of a binary that its loader reads.
struct Binary {
    /// Its own install name; empty for a program.
    name: String,
    /// The least version of macOS, as (major, minor).
    minimum: (u32, u32),
    libraries: Vec<String>,
    runpaths: Vec<String>,
    /// Symbols with the library that has them.
    wanted: Vec<(String, String)>,
    exported: BTreeSet<String>,
}

impl Binary {
    fn read(path: &Path) -> Result<Self> {
        let data = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = MachOFile64::<Endianness>::parse(&*data)
            .with_context(|| format!("{} is no Mach-O of 64 bits", path.display()))?;
        let header = MachHeader64::<Endianness>::parse(&*data, 0)?;
        let endian = header.endian()?;
        ensure!(
            header.cputype(endian) == object::macho::CPU_TYPE_ARM64,
            "{} is not for Apple silicon",
            path.display()
        );
        let mut found = Binary {
            name: String::new(),
            minimum: (0, 0),
            libraries: Vec::new(),
            runpaths: Vec::new(),
            wanted: Vec::new(),
            exported: BTreeSet::new(),
        };
        let mut commands = header.load_commands(endian, &*data, 0)?;
        while let Some(command) = commands.next()? {
            let text = |at| -> Result<String> {
                Ok(String::from_utf8_lossy(command.string(endian, at)?).into_owned())
            };
            match command.variant()? {
                LoadCommandVariant::IdDylib(c) => found.name = text(c.dylib.name)?,
                LoadCommandVariant::Dylib(c) => found.libraries.push(text(c.dylib.name)?),
                LoadCommandVariant::Rpath(c) => found.runpaths.push(text(c.path)?),
                LoadCommandVariant::BuildVersion(c) => {
                    ensure!(
                        c.platform.get(endian) == PLATFORM_MACOS,
                        "{} is not for macOS",
                        path.display()
                    );
                    let version = c.minos.get(endian);
                    found.minimum = (version >> 16, version >> 8 & 255);
                }
                _ => {}
            }
        }
        for import in file.imports()? {
            let symbol = String::from_utf8_lossy(import.name()).into_owned();
            let library = String::from_utf8_lossy(import.library()).into_owned();
            found.wanted.push((symbol, library));
        }
        let symbols = file.symbols().chain(file.dynamic_symbols());
        for symbol in symbols.filter(|s| s.is_global() && s.is_definition()) {
            found.exported.insert(symbol.name()?.to_owned());
        }
        Ok(found)
    }

    /// The file that a library's install name leads to; `None` for those of the system.
    fn resolve(&self, library: &str) -> Result<Option<PathBuf>> {
        if library.starts_with("/usr/lib/") || library.starts_with("/System/Library/") {
            return Ok(None);
        }
        let Some(rest) = library.strip_prefix("@rpath/") else {
            let path = PathBuf::from(library);
            ensure!(path.is_file(), "it wants {library}, which is not there");
            return Ok(Some(path));
        };
        let tried = self
            .runpaths
            .iter()
            .map(|folder| Path::new(folder).join(rest));
        let found = tried.clone().find(|path| path.is_file());
        found.map(Some).with_context(|| {
            format!(
                "it wants {library}, which is in none of its runpaths: {:?}",
                self.runpaths
            )
        })
    }
}

/// The exported symbols of libraries, read once.
#[derive(Default)]
struct Libraries(BTreeMap<PathBuf, BTreeSet<String>>);

impl Libraries {
    fn exports(&mut self, path: &Path) -> Result<&BTreeSet<String>> {
        if !self.0.contains_key(path) {
            let read = Binary::read(path)?;
            self.0.insert(path.to_owned(), read.exported);
        }
        Ok(&self.0[path])
    }
}

/// Looks into each file.
pub fn look(files: &[PathBuf], minimum: &str) -> Result<()> {
    let mut parts = minimum.split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else {
        bail!("expected a version of macOS such as 14.0, found {minimum:?}");
    };
    let mut libraries = Libraries::default();
    ensure!(!files.is_empty(), "no file to look into");
    for path in files {
        one(path, (major, minor), &mut libraries)
            .with_context(|| format!("{} would not load", path.display()))?;
    }
    println!("{} files: every library and symbol found", files.len());
    Ok(())
}

fn one(path: &Path, minimum: (u32, u32), libraries: &mut Libraries) -> Result<()> {
    let binary = Binary::read(path)?;
    // A library of MLX's newer files may ask for more.
    let is_library = !binary.name.is_empty();
    ensure!(
        is_library || binary.minimum <= minimum,
        "it asks for macOS {}.{}",
        binary.minimum.0,
        binary.minimum.1
    );
    if is_library && binary.name.starts_with('/') {
        ensure!(
            Path::new(&binary.name) == path,
            "its install name is {}",
            binary.name
        );
    }
    for library in &binary.libraries {
        binary.resolve(library)?;
    }
    for (symbol, library) in &binary.wanted {
        if let Some(file) = binary.resolve(library)? {
            ensure!(
                libraries.exports(&file)?.contains(symbol),
                "{symbol} is not in {}",
                file.display()
            );
        }
    }
    Ok(())
}

/// The programs and tests of a build for macOS, from the messages of `cargo --message-format=json`.
pub fn linked(messages: &Path) -> Result<Vec<PathBuf>> {
    let text = fs::read_to_string(messages)
        .with_context(|| format!("cannot read {}", messages.display()))?;
    let mut found = Vec::new();
    for line in text.lines() {
        let message: serde_json::Value =
            serde_json::from_str(line).context("no message of cargo's")?;
        let program = message["executable"].as_str();
        found.extend(
            program
                .filter(|p| p.contains("apple-darwin"))
                .map(PathBuf::from),
        );
    }
    Ok(found)
}
