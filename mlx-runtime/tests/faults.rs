//! Functions that call themselves, files that change while they are read, and graphs that end on
//! another thread: an error each, or nothing at all.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};

use mlx_runtime::transforms::{self, custom_function};
use mlx_runtime::{export, io, ops, Array, ErrorKind, Result};

fn one() -> Array {
    Array::scalar(1.0f32).unwrap()
}

/// A transform that is applied to the function that calls it.
type Again = fn(fn(&[Array]) -> Result<Vec<Array>>, &[Array]) -> Result<Vec<Array>>;

/// A function that applies one transform to itself, without end.
macro_rules! recursive {
    ($($name:ident: $again:expr;)*) => {
        const RECURSIVE: &[(&str, fn(&[Array]) -> Result<Vec<Array>>)] =
            &[$((stringify!($name), $name)),*];
        $(fn $name(x: &[Array]) -> Result<Vec<Array>> {
            const AGAIN: Again = $again;
            AGAIN($name, x)
        })*
    };
}

recursive! {
    value_and_grad: |f, x| Ok(transforms::value_and_grad(f, &[0]).call(x)?.0);
    grad: |f, x| transforms::grad(f, &[0]).call(x);
    vjp: |f, x| Ok(transforms::vjp(f, x, x)?.1);
    jvp: |f, x| Ok(transforms::jvp(f, x, x)?.1);
    checkpoint: |f, x| transforms::checkpoint(f).call(x);
    compile: |f, x| transforms::compile(f, false).call(x);
    custom_vjp: |f, x| transforms::custom_vjp(f, |_, by, _| Ok(by.to_vec())).call(x);
    custom: |f, x| custom_function(f).vjp(|_, by, _| Ok(by.to_vec())).build().call(x);
    vmap: |f, x| {
        let rows = ops::broadcast_to(&x[0], &[2])?;
        transforms::vmap(f, &[Some(0)], &[0]).call(&[rows])
    };
    exported: |f, x| {
        let file = std::env::temp_dir().join(format!("mlx-faults-{}", std::process::id()));
        export::export_function(file, f, x, false)?;
        Ok(x.to_vec())
    };
}

#[test]
fn functions_that_call_themselves_are_errors() {
    for (name, f) in RECURSIVE {
        let e = f(&[one()]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{name}: {e}");
        assert!(
            e.to_string().contains("used up the thread's stack"),
            "{name}: {e}"
        );
        assert!(e.hint().is_some(), "{name}");
    }
    // The thread goes on.
    assert_eq!(
        ops::add(&one(), &one()).unwrap().item::<f32>().unwrap(),
        2.0
    );
}

/// A million nodes.
fn long() -> Array {
    let step = one();
    (0..1_000_000).fold(one(), |a, _| ops::add(&a, &step).unwrap())
}

#[test]
fn long_graphs_end_on_a_thread_with_a_small_stack() {
    let (graph, other) = (long(), one());
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let ends = small.spawn(move || drop(graph)).unwrap();
    for _ in 0..200 {
        let value = ops::add(&other, &other).unwrap().item::<f32>().unwrap();
        assert_eq!(value, 2.0);
    }
    ends.join().unwrap();
}

#[test]
fn long_graphs_are_transformed() {
    const STEPS: usize = 200_000;
    let chain = |x: &[Array]| {
        let mut y = x[0].clone();
        for _ in 0..STEPS {
            y = ops::add(&y, &x[0])?;
        }
        Ok(vec![y])
    };
    let expected = STEPS as f32 + 1.0;
    let (_, grads) = transforms::vjp(chain, &[one()], &[one()]).unwrap();
    assert_eq!(grads[0].item::<f32>().unwrap(), expected);
    let (_, changes) = transforms::jvp(chain, &[one()], &[one()]).unwrap();
    assert_eq!(changes[0].item::<f32>().unwrap(), expected);
    let rows = Array::from_slice(&[1.0f32, 2.0], &[2]).unwrap();
    let made = transforms::vmap(chain, &[Some(0)], &[0])
        .call(&[rows])
        .unwrap();
    assert_eq!(made[0].to_vec::<f32>().unwrap(), [expected, 2.0 * expected]);
}

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
