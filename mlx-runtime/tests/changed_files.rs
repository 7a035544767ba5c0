//! Files that change between opening and reading: an error, or the values of before.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};

use mlx_runtime::{io, Array, Result};

/// A name, and a change of the file between opening and reading.
type Change = (&'static str, fn(&std::path::Path));

const CHANGES: &[Change] = &[
    ("cut in its header", |path| resize(path, 16)),
    ("cut in its data", |path| {
        resize(path, std::fs::metadata(path).unwrap().len() - 4)
    }),
    ("emptied", |path| resize(path, 0)),
    ("longer", |path| {
        resize(path, std::fs::metadata(path).unwrap().len() + 4)
    }),
    ("written over", |path| {
        let mut file = OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::End(-4)).unwrap();
        file.write_all(&[1; 4]).unwrap();
        // The clock of the file system may be coarser than this test is fast.
        let then = std::time::SystemTime::UNIX_EPOCH;
        file.set_modified(then).unwrap();
    }),
];

fn resize(path: &std::path::Path, to: u64) {
    OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(to)
        .unwrap();
}

/// The lazy array in a file.
type Load = fn(&std::path::Path) -> Result<Array>;

#[test]
fn files_that_change_before_they_are_read_are_errors() {
    let numbers: Vec<f32> = (0..4096).map(|i| i as f32).collect();
    let a = Array::from_slice(&numbers, &[4096]).unwrap();
    let loads: [(&str, Load); 2] = [
        ("a.safetensors", |path| {
            Ok(io::load_safetensors(path)?.0.remove("a").unwrap())
        }),
        ("a.npy", |path| io::load_npy(path)),
    ];
    for (what, change) in CHANGES {
        for (name, load) in loads {
            let a = a.clone();
            // On a separate thread, because MLX stops the stream that failed.
            let failed = std::thread::spawn(move || {
                let dir = tempfile::tempdir().unwrap();
                let path = dir.path().join(name);
                io::save_safetensors(
                    dir.path().join("a.safetensors"),
                    &[("a".to_owned(), a.clone())],
                    &Default::default(),
                )
                .unwrap();
                io::save_npy(dir.path().join("a.npy"), &a).unwrap();
                assert_eq!(load(&path).unwrap().to_vec::<f32>().unwrap()[4095], 4095.0);
                let lazy = load(&path).unwrap();
                change(&path);
                let first = lazy.eval().is_err();
                // A failed array stays failed.
                (first, lazy.to_vec::<f32>().is_err())
            });
            assert_eq!(failed.join().unwrap(), (true, true), "{name} {what}");
        }
    }
}

#[test]
fn a_file_that_is_replaced_is_read_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    let save = |value: f32| {
        let a = Array::from_slice(&[value; 8], &[8]).unwrap();
        io::save_safetensors(&path, &[("a".to_owned(), a)], &Default::default()).unwrap();
    };
    save(1.0);
    let lazy = io::load_safetensors(&path).unwrap().0.remove("a").unwrap();
    save(2.0);
    assert_eq!(lazy.to_vec::<f32>().unwrap(), [1.0; 8]);
}
