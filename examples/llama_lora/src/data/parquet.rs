//! Rows of a Parquet file as JSON objects.
//!
//! Tests: `tests/sources.rs`.

use std::path::Path;

use anyhow::{anyhow, bail, Result};
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Map, Value};

use crate::files;

/// Calls `row` with each row and its number, counted from 1.
pub fn read(path: &Path, mut row: impl FnMut(usize, Map<String, Value>)) -> Result<()> {
    let plain = |e: parquet::errors::ParquetError| {
        let text = e.to_string();
        let text = text.trim_start_matches("Parquet error: ").to_owned();
        // A codec that is not built in is named by an error of its own.
        match text.contains("Disabled feature") {
            true => anyhow!("{text}: write the file with snappy, or without compression"),
            false => anyhow!(text),
        }
    };
    let reader = SerializedFileReader::new(files::open(path)?).map_err(plain)?;
    for (i, found) in reader.get_row_iter(None).map_err(plain)?.enumerate() {
        match found.map_err(plain)?.to_json_value() {
            Value::Object(map) => row(i + 1, map),
            other => bail!("row {}: expected columns, found {other}", i + 1),
        }
    }
    Ok(())
}
