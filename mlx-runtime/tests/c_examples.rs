//! The examples of MLX C in safe Rust print the same as the C programs.
//!
//! `data/c_examples` was written by `data/dump_c_examples.sh`. The Metal kernel compiles here and
//! runs on a Mac.

#[path = "../examples"]
mod examples {
    pub mod closure;
    pub mod export;
    pub mod float64;
    pub mod gguf;
    pub mod grad;
    pub mod graph;
    pub mod hello;
    #[allow(dead_code)]
    pub mod metal_kernel;
    pub mod safe_tensors;
}

use std::io::Write;
use std::path::PathBuf;

use mlx_runtime::device::{set_default_device, Device};

type Run<'a> = &'a dyn Fn(&mut dyn Write) -> Result<(), Box<dyn std::error::Error>>;

fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/c_examples");
    folder.join(name)
}

/// The output of the C program and of the Rust one.
fn both(name: &str, run: Run<'_>) -> (Vec<u8>, Vec<u8>) {
    // As the C programs were run.
    set_default_device(Device::cpu()).unwrap();
    let mut ours = Vec::new();
    run(&mut ours).unwrap();
    (std::fs::read(file(name)).unwrap(), ours)
}

fn texts(name: &str, run: Run<'_>) -> (String, String) {
    let (c, ours) = both(name, run);
    (
        String::from_utf8(c).unwrap(),
        String::from_utf8(ours).unwrap(),
    )
}

#[test]
fn float64_grad_and_export() {
    use examples::{export, float64, grad};
    let (c, ours) = texts("example-float64.txt", &|out| float64::run(out));
    assert_eq!(ours, c);
    let (c, ours) = texts("example-grad.txt", &|out| grad::run(out));
    assert_eq!(ours, c);
    let folder = tempfile::tempdir().unwrap();
    let (c, ours) = texts("example-export.txt", &|out| export::run(out, folder.path()));
    assert_eq!(ours, c);
}

#[test]
fn hello() {
    let (c, ours) = texts("example.txt", &|out| examples::hello::run(out));
    // Not every machine has the same processor, nor every build a GPU.
    let same = |text: &str| {
        let device = |l: &&str| !l.starts_with("  ") && !l.starts_with("GPU device count");
        let lines: Vec<&str> = text.lines().filter(device).collect();
        lines.join("\n")
    };
    assert_eq!(same(&ours), same(&c));
    for key in [
        "  architecture: ",
        "  device_name: ",
        "Device info (2 keys)",
    ] {
        assert!(c.contains(key) && ours.contains(key), "{ours}");
    }
}

#[test]
fn closures_return_their_errors() {
    let (c, ours) = texts("example-closure.txt", &|out| examples::closure::run(out));
    // C's handler prints an additional line first.
    let handled = |l: &&str| !l.starts_with("ignoring the error");
    let c: Vec<&str> = c.lines().filter(handled).collect();
    // An error says here in which operation it was.
    let ours = ours.replace("<custom_function: ", "<");
    assert_eq!(ours.lines().collect::<Vec<_>>(), c);
}

#[test]
fn gguf() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.gguf");
    examples::gguf::make(&path).unwrap();
    let (c, ours) = texts("example-gguf.txt", &|out| examples::gguf::run(out, &path));
    // C has the order of a hash table.
    let mut c: Vec<&str> = c.lines().collect();
    c.sort_unstable();
    assert_eq!(ours.lines().collect::<Vec<_>>(), c);
}

#[test]
fn graph() {
    let (c, ours) = texts("example-graph.txt", &|out| examples::graph::run(out));
    // Nodes are called by their addresses: numbered here as they come.
    let numbered = |text: &str| {
        let mut seen: Vec<String> = Vec::new();
        let address = |w: &str| w.len() > 6 && w.bytes().all(|b| b.is_ascii_digit());
        let words = text
            .split_inclusive(|c: char| c.is_whitespace())
            .map(|word| {
                let bare = word.trim_end();
                if !address(bare) {
                    return word.to_owned();
                }
                let at = seen.iter().position(|s| s == bare).unwrap_or_else(|| {
                    seen.push(bare.to_owned());
                    seen.len() - 1
                });
                word.replace(bare, &format!("node{at}"))
            });
        words.collect::<String>()
    };
    assert_eq!(numbered(&ours), numbered(&c));
    assert!(numbered(&ours).contains("node3"));
}

#[test]
fn safe_tensors_through_memory() {
    let path = file("arrays.safetensors");
    let run = |out: &mut dyn Write| examples::safe_tensors::run(out, &path);
    let (c, ours) = both("example-safe-tensors.txt", &run);
    // The C program prints each call of its stream; the arrays have the order of a hash table.
    const CALLS: [&str; 9] = [
        "GOOD", "ISOPEN", "WRITE ", "SEEK", "TELL", "READ", "LABEL", "FREE", "READ@",
    ];
    let lines = |all: &[u8]| {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        for line in all.split(|&b| b == b'\n') {
            if CALLS.iter().any(|call| line.starts_with(call.as_bytes())) {
                continue;
            }
            let mut line = line.to_vec();
            if line.starts_with(b"data in memory") {
                line.sort_unstable();
            }
            lines.push(line);
        }
        lines.sort_unstable();
        lines
    };
    assert_eq!(lines(&ours), lines(&c));
}
