//! Short reads, and files that change while they are read.
//!
//! A library that is loaded before the C library cuts every read of this process to 4,096 bytes, interrupts some, and
//! changes a given file after some reads.
#![cfg(target_os = "linux")]

mod children;

use std::path::Path;
use std::process::{Command, Output};

use children::{child, command, said};
use mlx_runtime::{io, ops, Array, Dtype, Result};

const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Of files that the test made, alone: the loader reads, too.
static int is_cut(int fd) {
  struct stat s;
  return getenv("CUT") && fstat(fd, &s) == 0 && S_ISREG(s.st_mode);
}
static int count;
static int is_interrupted(int fd) {
  if (!is_cut(fd)) return 0;
  int n = ++count;
  const char* after = getenv("CUT_AFTER");
  if (after && n == atoi(after)) truncate(getenv("CUT"), atol(getenv("CUT_TO")));
  return n % 3 == 0;
}
#define CUT(name, arguments, call) \
  ssize_t name arguments { \
    static ssize_t (*original) arguments; \
    if (!original) original = dlsym(RTLD_NEXT, #name); \
    if (is_interrupted(fd)) { errno = EINTR; return -1; } \
    if (is_cut(fd) && n > 4096) n = 4096; \
    return original call; \
  }
CUT(read, (int fd, void* to, size_t n), (fd, to, n))
CUT(pread, (int fd, void* to, size_t n, off_t at), (fd, to, n, at))
CUT(pread64, (int fd, void* to, size_t n, off_t at), (fd, to, n, at))
"#;

const SIZE: usize = 5000;

fn numbers() -> Vec<f32> {
    (0..SIZE).map(|i| i as f32).collect()
}

/// Saves and loads one array.
struct Format {
    name: &'static str,
    load: fn(&Path) -> Result<Array>,
}

const FORMATS: &[Format] = &[
    Format {
        name: "a.safetensors",
        load: |path| Ok(io::load_safetensors(path)?.0.remove("a").unwrap()),
    },
    Format {
        name: "a.npy",
        load: |path| io::load_npy(path),
    },
    Format {
        name: "a.gguf",
        load: |path| Ok(io::load_gguf(path)?.arrays.remove("a").unwrap()),
    },
    Format {
        name: "float8.safetensors",
        load: |path| {
            ops::astype(
                &io::load_safetensors(path)?.0.remove("a").unwrap(),
                Dtype::Float32,
            )
        },
    },
];

fn save(folder: &Path) {
    let a = Array::from_slice(&numbers(), &[SIZE as i32]).unwrap();
    let named = [("a".to_owned(), a.clone())];
    io::save_safetensors(folder.join("a.safetensors"), &named, &Default::default()).unwrap();
    io::save_npy(folder.join("a.npy"), &a).unwrap();
    let mut gguf = io::GgufFile::new().unwrap();
    gguf.set_array("a", &a).unwrap();
    gguf.save(folder.join("a.gguf")).unwrap();
    // E5M2 goes through another reader. 0x3c is 1.
    let json =
        format!(r#"{{"a":{{"dtype":"F8_E5M2","shape":[{SIZE}],"data_offsets":[0,{SIZE}]}}}}"#);
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.extend(json.as_bytes());
    bytes.resize(bytes.len() + SIZE, 0x3c);
    std::fs::write(folder.join("float8.safetensors"), bytes).unwrap();
}

/// The test `name` in a process in which reads are cut.
fn run(name: &str, number: usize, folder: &Path, cut: &[(&str, String)]) -> Output {
    let (source, library) = (folder.join("cut.c"), folder.join("cut.so"));
    if !library.exists() {
        std::fs::write(&source, SHIM).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", said(&built));
    }
    let file = folder.join(FORMATS[number].name);
    command(name, number)
        .env("LD_PRELOAD", &library)
        .env("CUT", file)
        .envs(cut.iter().map(|(k, v)| (k, v)))
        .output()
        .unwrap()
}

fn file() -> std::path::PathBuf {
    std::env::var_os("CUT").unwrap().into()
}

#[test]
fn parts_are_put_together() {
    const NAME: &str = "parts_are_put_together";
    if let Some(number) = child(NAME) {
        let format = &FORMATS[number.parse::<usize>().unwrap()];
        let values = (format.load)(&file()).unwrap().to_vec::<f32>().unwrap();
        let ones = format.name.starts_with("float8");
        let expected = if ones { vec![1.0; SIZE] } else { numbers() };
        return assert!(values == expected, "{}", format.name);
    }
    let folder = tempfile::tempdir().unwrap();
    save(folder.path());
    for number in 0..FORMATS.len() {
        let output = run(NAME, number, folder.path(), &[]);
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// The file is cut after its first read, its second, and so on.
#[test]
fn a_file_that_is_cut_between_two_reads_is_an_error() {
    const NAME: &str = "a_file_that_is_cut_between_two_reads_is_an_error";
    if let Some(number) = child(NAME) {
        let format = &FORMATS[number.parse::<usize>().unwrap()];
        let values = (format.load)(&file()).and_then(|a| a.to_vec::<f32>());
        println!("{}", if values.is_ok() { "read" } else { "an error" });
        if let Ok(values) = values {
            let ones = format.name.starts_with("float8");
            let expected = if ones { vec![1.0; SIZE] } else { numbers() };
            assert!(values == expected, "{}", format.name);
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (number, format) in FORMATS.iter().enumerate() {
        let mut errors = 0;
        for after in 1..9 {
            save(folder.path());
            let length = std::fs::metadata(folder.path().join(format.name))
                .unwrap()
                .len();
            for to in [0, 9, length - 4] {
                save(folder.path());
                let cut = [("CUT_AFTER", after.to_string()), ("CUT_TO", to.to_string())];
                let output = run(NAME, number, folder.path(), &cut);
                assert!(
                    output.status.success(),
                    "{}: {}",
                    format.name,
                    said(&output)
                );
                errors += usize::from(String::from_utf8_lossy(&output.stdout).contains("an error"));
            }
        }
        // All of those that came before the last read.
        assert!(errors >= 9, "{}: {errors}", format.name);
    }
}

/// Headers that promise more than the file has take no memory for it.
#[test]
fn what_is_not_there_takes_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (429496729,), }";
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16 + 1).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.push(b'\n');
    std::fs::write(&path, &bytes).unwrap();
    let from_reader = io::load_npy_from(std::io::Cursor::new(bytes));
    for e in [io::load_npy(&path).unwrap_err(), from_reader.unwrap_err()] {
        assert_eq!(e.kind(), mlx_runtime::ErrorKind::Format);
        assert!(e.to_string().contains("1717986916 bytes"), "{e}");
    }
}

/// Anything other than a file is refused at once.
#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    assert!(Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .unwrap()
        .success());
    for path in [
        folder.path(),
        &fifo,
        Path::new("/dev/zero"),
        Path::new("/dev/full"),
    ] {
        for format in FORMATS {
            let e = (format.load)(path).unwrap_err();
            assert_eq!(e.kind(), mlx_runtime::ErrorKind::Io);
            assert!(e.to_string().contains("expected a file"), "{e}");
        }
        assert!(mlx_runtime::export::import_function(path).is_err());
    }
}
