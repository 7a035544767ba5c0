//! One file of the runtime asks for the device, the backend and the dtypes of kernels (`src/kernels/select.rs`), and one keeps
//! the state of a recording (`src/context.rs`). Every kernel is a folder whose files name their tests.

use std::fs;
use std::path::Path;

/// Questions that [`SELECT`] answers for all others.
const QUESTIONS: &[&str] = &[
    "DeviceType",
    "default_device",
    "cuda::is_available",
    "metal::is_available",
    "stream::kind",
    "mlxrs_fused_available",
    "mlxrs_cuda_compiles",
    "mlx_device_get_type",
];
const SELECT: &str = "kernels/select.rs";

/// Files and folders that are about devices: they find them, choose one, measure one.
const DEVICES: &[&str] = &[
    SELECT,
    "device.rs",
    "stream.rs",
    "stream/",
    "runtime/",
    "memory.rs",
    "monitor/",
    "low_level/backend.rs",
    // Chooses the backend that sums over processes, and the stream that it runs on.
    "distributed.rs",
    // Returns the compiler's answer to `select`.
    "kernels/launch/compile.rs",
];

/// Answers for kernels alone: another module calls the kernel, or asks a question with a name of its own.
const ANSWERS: &[&str] = &[
    "on_cpu",
    "rows_anywhere",
    "rows_on_cpu",
    "on_cuda",
    "is_cuda",
    "is_packs",
    "cpu::available",
];

/// Files with a value for each thread, besides `context.rs`. None of them says what is recorded.
const THREADS: &[&str] = &[
    "context.rs",
    // The message of the last failed call.
    "error.rs",
    // The locks and stack that the thread holds.
    "lock.rs",
    "stack.rs",
    // Counts of handles.
    "low_level/live.rs",
    // The thread's streams.
    "stream.rs",
    "stream/pool.rs",
    // Panics and errors on their way through C.
    "transforms/closure.rs",
    "transforms/turns.rs",
];

/// Every source file: its path below `src`, and its text without comments.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut found) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                found.push((name.replace('\\', "/"), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 150, "only {} files", found.len());
    found
}

fn without_comments(text: &str) -> String {
    let code = text.lines().map(|l| l.split("//").next().unwrap_or(""));
    code.collect::<Vec<_>>().join("\n")
}

/// True if the name stands in the code, not as a part of a longer one.
fn names(code: &str, name: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(name).any(|(at, _)| {
        !joins(code[..at].chars().next_back()) && !joins(code[at + name.len()..].chars().next())
    })
}

/// True if the file is one of the places, or below one.
fn is_in(file: &str, places: &[&str]) -> bool {
    places.iter().any(|p| match p.ends_with('/') {
        true => file.starts_with(p),
        false => file == *p,
    })
}

/// The questions that a file asks although another file answers them.
fn faults(file: &str, text: &str) -> Vec<String> {
    let code = without_comments(text);
    let asks = |words: &[&str], places: &[&str]| -> Vec<String> {
        let found = words.iter().filter(|w| names(&code, w));
        let found = found.filter(|_| !is_in(file, places));
        found.map(|w| format!("{file}: {w}")).collect()
    };
    [
        asks(QUESTIONS, DEVICES),
        asks(ANSWERS, &["kernels/"]),
        asks(&["thread_local"], THREADS),
    ]
    .concat()
}

#[test]
fn one_file_asks_for_devices_and_one_keeps_the_state() {
    let all = sources();
    let found: Vec<String> = all.iter().flat_map(|(f, text)| faults(f, text)).collect();
    assert!(found.is_empty(), "{found:#?}");
    // A place that is no longer there would let a new file of its name ask.
    for place in DEVICES.iter().chain(THREADS) {
        assert!(all.iter().any(|(f, _)| is_in(f, &[place])), "no {place}");
    }
    for word in QUESTIONS.iter().filter(|w| **w != "mlx_device_get_type") {
        assert!(all.iter().any(|(_, t)| names(t, word)), "nothing is {word}");
    }
}

#[test]
fn each_kernel_has_a_folder_and_names_its_tests() {
    let all = sources();
    let kernels: Vec<_> = all
        .iter()
        .filter_map(|(f, text)| Some((f.strip_prefix("kernels/")?, text)))
        .collect();
    for (file, text) in &kernels {
        let head: Vec<&str> = text.lines().take_while(|l| l.starts_with("//!")).collect();
        assert!(
            head.iter().any(|l| l.starts_with("//! Tests: ")),
            "{file} does not say which tests cover it"
        );
        let Some((folder, _)) = file.split_once('/') else {
            assert!(
                matches!(*file, "mod.rs" | "select.rs") || text.contains("#[mlx_kernel]"),
                "{file} belongs in the folder of its kernel"
            );
            continue;
        };
        let root = format!("{folder}/mod.rs");
        assert!(kernels.iter().any(|(f, _)| *f == root), "no {root}");
    }
}

#[test]
fn a_question_elsewhere_is_found() {
    let one = |file: &str, text: &str| faults(file, text).len() == 1;
    assert!(one("nn/norm.rs", "if select::on_cpu(x) {"));
    assert!(one(
        "nn/norm.rs",
        "match device::default_device()?.kind() {"
    ));
    assert!(one("optim/sgd.rs", "use crate::device::DeviceType;"));
    assert!(one("ops/fast.rs", "if kernels::cpu::available(x) {}"));
    assert!(one("nn/packed.rs", "thread_local! { static ON: bool }"));
    assert!(one("kernels/norm/mod.rs", "backend::cuda::is_available()"));
    let none = |file: &str, text: &str| faults(file, text).is_empty();
    assert!(none("kernels/norm/mod.rs", "if select::on_cpu(x) {"));
    assert!(none(
        "nn/norm.rs",
        "// DeviceType\nset_default_device_of(x)"
    ));
    assert!(none("runtime/choose.rs", "DeviceType::Gpu"));
}
