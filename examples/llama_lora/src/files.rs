//! Files: written whole or not at all, read with errors that name them.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes `path` so that a reader, or a crash at any moment, sees the old bytes or the new ones and nothing between.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(mlx_runtime::io::write_atomic(path, |out| {
        Ok(out.write_all(bytes)?)
    })?)
}

/// Creates `folder` if need be and proves, by writing a file there, that results can be saved to it.
pub fn ensure_writable(folder: &Path) -> Result<()> {
    let attempt = || -> std::io::Result<()> {
        fs::create_dir_all(folder)?;
        // A file without a name, which nothing can leave behind.
        tempfile::tempfile_in(folder)?.write_all(b"probe")
    };
    attempt().with_context(|| {
        format!(
            "cannot write to the adapter folder {}; choose another with --adapter-path",
            folder.display()
        )
    })
}

/// Reads a text file; the error names it.
pub fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a JSON file into `T`; the error names the file, and the line where it stops making sense.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_str(&read_text(path)?)
        .with_context(|| format!("{} is not the JSON it should be", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // A folder stands where the file should go: the rename fails after the bytes were written.
        let blocked = dir.path().join("blocked");
        fs::create_dir_all(blocked.join("x")).unwrap();
        assert!(write_atomic(&blocked, b"new").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_in_the_way_of_the_folder_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = ensure_writable(&dir.path().join("file/adapters")).unwrap_err();
        assert!(format!("{error:#}").contains("--adapter-path"));
    }
}
