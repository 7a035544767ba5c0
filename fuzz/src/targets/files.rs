//! Files with arrays: headers that say more than there is, and arrays that are read.
//!
//! Tests: `tests/short.rs`.

use std::cell::RefCell;
use std::io::Cursor;

use mlx_runtime::{io, Array};
use tempfile::TempDir;

use crate::folder;

/// Reads arrays that are small, so that their data is looked at too.
fn read<'a>(arrays: impl Iterator<Item = &'a Array>) {
    for a in arrays.filter(|a| a.size() < 1 << 16).take(8) {
        let _ = a.eval();
    }
}

/// A safetensors file, from a path and through a reader.
pub fn safetensors(input: &[u8]) {
    if let Ok((arrays, _)) = io::load_safetensors_from(Cursor::new(input.to_vec())) {
        read(arrays.values());
    }
    at(input, "a.safetensors", |path| {
        if let Ok((arrays, _)) = io::load_safetensors(path) {
            read(arrays.values());
        }
    });
}

/// A GGUF file.
pub fn gguf(input: &[u8]) {
    at(input, "a.gguf", |path| {
        if let Ok(file) = io::load_gguf(path) {
            read(file.arrays.values());
        }
    });
}

/// A NumPy file, from a path and through a reader.
pub fn npy(input: &[u8]) {
    if let Ok(array) = io::load_npy_from(Cursor::new(input.to_vec())) {
        read([array].iter());
    }
    at(input, "a.npy", |path| {
        if let Ok(array) = io::load_npy(path) {
            read([array].iter());
        }
    });
}

/// Runs `f` on a file with that content.
fn at(input: &[u8], name: &str, f: impl FnOnce(&std::path::Path)) {
    thread_local! {
        static FOLDER: RefCell<Option<TempDir>> = const { RefCell::new(None) };
    }
    FOLDER.with_borrow_mut(|kept| {
        let path = kept
            .get_or_insert_with(|| folder().expect("there is a place for temporary files"))
            .path()
            .join(name);
        if std::fs::write(&path, input).is_ok() {
            f(&path);
        }
    });
}
