//! The functions to wrap, and everything about them that MLX C's headers do not say.
//!
//! Tests: `tests/current.rs`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// One wrapper.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The function of MLX C.
    pub c: String,
    /// Its name in Rust.
    pub name: String,
    /// Its documentation, without the section on errors.
    pub doc: String,
    /// The section on errors.
    pub errors: String,
    /// Statements before the call.
    #[serde(default)]
    pub check: String,
    /// Method calls on the result.
    #[serde(default)]
    pub then: String,
    /// Types of text parameters that take one of a few names.
    #[serde(default)]
    pub types: BTreeMap<String, String>,
}

/// One file of wrappers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    pub doc: String,
    pub uses: String,
    pub wrapper: Vec<Row>,
}

macro_rules! files {
    ($($name:literal)*) => {
        /// Each file's name and TOML text.
        pub const FILES: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("rows/", $name, ".toml"))),)*
        ];
    };
}

files! { "conv" "distributed" "fft" "linalg" "ops" "random" "scatter" }

/// Parses a file.
pub fn read(name: &str, text: &str) -> Result<Rows> {
    toml::from_str(text).with_context(|| format!("xtask/src/wrappers/rows/{name}.toml"))
}
