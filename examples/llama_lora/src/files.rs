//! Files: written whole or not at all, and read with errors that name them. The size of an untrusted text is limited.
//!
//! Tests: unit tests below.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use mlx_models::json;
use mlx_runtime::io::open_file;

/// The most bytes of settings, a template, a prompt, or a line of data.
pub const TEXT_LIMIT: u64 = 64 << 20;
/// The most bytes of a `tokenizer.json`.
pub const TOKENIZER_LIMIT: u64 = 512 << 20;

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

/// Checks that a save can put a file at `path`: nothing or a regular file is there.
pub fn ensure_replaceable(path: &Path) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => bail!(
            "{}: expected a plain file or none: remove it, or choose another folder with --adapter-path",
            failed()
        ),
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e).with_context(failed),
        _ => Ok(()),
    }
}

/// Returns true if something has this name, even a dangling link. Opening a dangling link gives an error, while a
/// missing file may be ignored.
pub fn is_named(path: &Path) -> bool {
    match fs::symlink_metadata(path) {
        Ok(_) => true,
        Err(e) => !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// Opens a file for reading; a directory, a FIFO or a device is an error that names it.
pub fn open(path: &Path) -> Result<File> {
    open_file(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads a text file of at most [`TEXT_LIMIT`] bytes; the error names it.
pub fn read_text(path: &Path) -> Result<String> {
    read_text_within(path, TEXT_LIMIT)
}

/// Reads a text file of at most `limit` bytes; the error names it.
pub fn read_text_within(path: &Path, limit: u64) -> Result<String> {
    text_of(open(path)?, limit).with_context(|| format!("cannot read {}", path.display()))
}

/// The text that comes from `source`, of at most `limit` bytes.
pub fn text_of(source: impl Read, limit: u64) -> Result<String> {
    let mut bytes = Vec::new();
    source.take(limit + 1).read_to_end(&mut bytes)?;
    ensure!(
        bytes.len() as u64 <= limit,
        "expected at most {} MB, found more",
        limit >> 20
    );
    decode(bytes)
}

/// UTF-8 as text, without a byte order mark.
pub fn decode(mut bytes: Vec<u8>) -> Result<String> {
    let utf_16 = match bytes.as_slice() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        // A text of any encoding that fits begins with a byte that is no NUL, and goes on with one.
        [a, b, ..] => (*a == 0) != (*b == 0),
        _ => false,
    };
    if utf_16 {
        bail!("expected UTF-8, found UTF-16: convert it with iconv -f UTF-16 -t UTF-8");
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..at]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1;
        anyhow::anyhow!(
            "expected UTF-8, found the byte 0x{:02x} in line {line}",
            error.as_bytes()[at]
        )
    })
}

/// Reads a JSON file into `T`. The error names the file, and the line of the fault.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    json::read(&read_text(path)?).with_context(|| format!("invalid JSON in {}", path.display()))
}

/// True if the operating system refused to read or write a file, which it may allow later.
pub fn is_io(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let library = cause.downcast_ref::<mlx_runtime::Error>();
        cause.is::<std::io::Error>()
            || library.is_some_and(|e| e.kind() == mlx_runtime::ErrorKind::Io)
    })
}

/// An error as one text: each cause once, although many a library puts its cause into its own message, too.
pub fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    for (function, flag) in FLAGS {
        text = text.replace(function, flag);
    }
    text
}

/// The library's hints name its functions; a user of the program has flags instead.
const FLAGS: &[(&str, &str)] = &[
    ("`Runtime::builder().memory_limit(..)`", "`--memory-limit`"),
    (
        "try a smaller learning rate, clipping (`max_grad_norm`) or float32",
        "try a smaller `--learning-rate`",
    ),
    ("`checkpoint = auto`", "`--grad-checkpoint auto`"),
    (
        "a smaller batch or shorter rows",
        "a smaller `--batch-size`, shorter rows",
    ),
    (
        "`stream::with` a stream of `Device::cpu()`",
        "`--device cpu`",
    ),
    ("`Device::cpu()`", "`--device cpu`"),
    (
        "`device::device_count` returns the number of devices of a type",
        "leave `--device` out for the first GPU, or write `--device cpu`",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A hint that the library words differently would come out as it is, and name a function.
    #[test]
    fn hints_that_are_replaced_are_those_of_the_library() {
        let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../mlx-runtime/src")];
        let mut texts = String::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => texts += &fs::read_to_string(path).unwrap(),
                }
            }
        }
        // A text goes on in the next line after a backslash.
        let words: Vec<&str> = texts.split_whitespace().filter(|w| *w != "\\").collect();
        let texts = words.join(" ");
        for (function, flag) in FLAGS {
            assert!(texts.contains(function), "no hint has {function:?}");
            let error = anyhow::anyhow!("hint: {function}");
            assert_eq!(message(&error), format!("hint: {flag}"));
        }
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // A folder has the file's name: the rename fails after the bytes were written.
        let blocked = dir.path().join("blocked");
        fs::create_dir_all(blocked.join("x")).unwrap();
        assert!(write_atomic(&blocked, b"new").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_byte_order_mark_is_skipped_and_other_encodings_are_named() {
        for (bytes, wanted) in [
            (&b"\xef\xbb\xbfa: 1\r\n"[..], Ok("a: 1\r\n")),
            (b"", Ok("")),
            (b"a", Ok("a")),
            ("\u{e9}".as_bytes(), Ok("\u{e9}")),
            (b"\xff\xfea\0", Err("UTF-16")),
            (b"\xfe\xff\0a", Err("UTF-16")),
            (b"a\0:\0", Err("UTF-16")),
            (b"\0a\0:", Err("UTF-16")),
            (b"a\nb\xe9", Err("the byte 0xe9 in line 2")),
        ] {
            match (decode(bytes.to_vec()), wanted) {
                (Ok(text), Ok(wanted)) => assert_eq!(text, wanted),
                (Err(error), Err(word)) => assert!(error.to_string().contains(word), "{error}"),
                (found, wanted) => panic!("{bytes:?}: {found:?}, not {wanted:?}"),
            }
        }
    }

    #[test]
    fn no_more_is_read_than_the_limit() {
        assert_eq!(text_of(&b"four"[..], 4).unwrap(), "four");
        let endless = std::io::repeat(b'a');
        let error = text_of(endless, 3 << 20).unwrap_err();
        assert_eq!(error.to_string(), "expected at most 3 MB, found more");
    }

    #[test]
    fn each_cause_is_printed_once() {
        let cause = std::io::Error::from_raw_os_error(2);
        let library =
            mlx_runtime::Error::new(mlx_runtime::ErrorKind::Io, format!("a.json: {cause}"));
        let error = anyhow::Error::new(library.with_source(cause)).context("cannot read the model");
        let text = message(&error);
        assert_eq!(text.matches("os error 2").count(), 1, "{text}");
        assert!(
            text.starts_with("cannot read the model: a.json: No such file"),
            "{text}"
        );
    }

    #[test]
    fn a_file_in_the_way_of_the_folder_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let error = ensure_writable(&dir.path().join("file/adapters")).unwrap_err();
        assert!(format!("{error:#}").contains("--adapter-path"));
    }
}
