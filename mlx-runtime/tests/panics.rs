//! Every Rust function that MLX calls may panic, and so may the destructors of its captured values. The panic becomes
//! an error of the call, or is caught in place; it never unwinds through C++. (If it did, the process would abort, and
//! this test with it.)

use std::collections::HashMap;
use std::io::{Cursor, Read, Seek, SeekFrom, Write};
use std::slice::from_ref;
use std::sync::{Mutex, PoisonError};

use mlx_runtime::transforms::{
    self, custom_function, CustomJvp, CustomVjp, CustomVmap, GradientClosure, NamedClosure,
};
use mlx_runtime::{export, io, low_level::live, ops, Array, ErrorKind, Result};

const TEXT: &str = "on purpose";

/// Ways to panic: with a text, a formatted one, another value, and one with a destructor that panics too.
const WAYS: &[fn() -> Result<Vec<Array>>] = &[
    || panic!("on purpose"),
    || panic!("{TEXT}"),
    || std::panic::panic_any(7),
    || std::panic::panic_any(Bomb),
];

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose, in a destructor");
    }
}

/// Runs `f` alone, without the messages of its panics.
fn quietly(f: impl FnOnce()) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let silent = |_: &std::panic::PanicHookInfo<'_>| ();
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(silent));
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    std::panic::set_hook(before);
    if let Err(payload) = result {
        // The message was kept from being printed.
        match payload.downcast::<String>() {
            Ok(text) => panic!("{text}"),
            Err(payload) => panic!("{:?}", payload.downcast_ref::<&str>()),
        }
    }
}

fn panicked<T>(what: &str, result: Result<T>) {
    let e = result
        .err()
        .unwrap_or_else(|| panic!("{what} did not fail"));
    assert_eq!(e.kind(), ErrorKind::Panic, "{what}: {e}");
    let text = e.to_string();
    assert!(
        text.contains("panicked: on purpose") || text.contains("(no message)"),
        "{what}: {e}"
    );
}

fn total(x: &Array) -> Result<Vec<Array>> {
    Ok(vec![ops::sum(x, &[], false)?])
}

/// Every kind of callback, with `f` in it.
fn callbacks(f: impl Fn() -> Result<Vec<Array>> + Clone + Send + 'static, dir: &std::path::Path) {
    let x = ops::ones(&[2, 2], mlx_runtime::Dtype::Float32).unwrap();
    x.eval().unwrap();
    let one = from_ref(&x);
    let g = f.clone();
    let of = move |_: &[Array]| g();

    panicked(
        "value_and_grad",
        transforms::value_and_grad(of.clone(), &[0]).call(one),
    );
    panicked("grad", transforms::grad(of.clone(), &[0]).call(one));
    panicked("vjp", transforms::vjp(of.clone(), one, one));
    panicked("jvp", transforms::jvp(of.clone(), one, one));
    panicked(
        "vmap",
        transforms::vmap(of.clone(), &[Some(0)], &[0]).call(one),
    );
    panicked("checkpoint", transforms::checkpoint(of.clone()).call(one));
    panicked("compile", transforms::compile(of.clone(), false).call(one));
    panicked(
        "compile_as",
        transforms::compile_as(of.clone(), 5, false, &[]).call(one),
    );
    let g = f.clone();
    panicked(
        "unary",
        transforms::unary(move |_| Ok(g()?.remove(0))).call(one),
    );
    panicked(
        "custom_function",
        custom_function(of.clone()).build().call(one),
    );

    // The rules, each through the transform that calls it.
    let (a, b, c, d) = (f.clone(), f.clone(), f.clone(), f.clone());
    let identity = |x: &[Array]| Ok(x.to_vec());
    let rule = transforms::custom_vjp(identity, move |_, _, _| a());
    let through = transforms::grad(move |x| total(&rule.call(x)?[0]), &[0]);
    panicked("the rule of custom_vjp", through.call(one));
    let rule = custom_function(identity).vjp(move |_, _, _| b()).build();
    let through = transforms::grad(move |x| total(&rule.call(x)?[0]), &[0]);
    panicked("custom_function's vjp", through.call(one));
    let rule = custom_function(identity).jvp(move |_, _, _| c()).build();
    let through = transforms::jvp(move |x| rule.call(x), one, one);
    panicked("custom_function's jvp", through);
    let rule = custom_function(identity).vmap(move |_, _| Ok((d()?, vec![0])));
    let rule = rule.build();
    let through = transforms::vmap(move |x| rule.call(x), &[Some(0)], &[0]);
    panicked("custom_function's vmap", through.call(one));

    // And by themselves.
    let (a, b, c, d, e) = (f.clone(), f.clone(), f.clone(), f.clone(), f.clone());
    let vjp = CustomVjp::new(move |_, _, _| a()).unwrap();
    panicked("CustomVjp", vjp.call(one, one, one));
    let jvp = CustomJvp::new(move |_, _, _| b()).unwrap();
    panicked("CustomJvp", jvp.call(one, one, &[0]));
    let vmap = CustomVmap::new(move |_, _| Ok((c()?, vec![0]))).unwrap();
    panicked("CustomVmap", vmap.call(one, &[0]));
    let both = GradientClosure::new(move |_| Ok((d()?, Vec::new()))).unwrap();
    panicked("GradientClosure", both.call(one));
    let named = NamedClosure::new(move |_, _| e()).unwrap();
    panicked("NamedClosure", named.call(one, &HashMap::new()));

    // While a function is written to a file.
    let path = dir.join("f.mlxfn");
    panicked(
        "export",
        export::export_function(&path, of.clone(), one, false),
    );
    let exported = export::exporter(&path, of, false).and_then(|mut e| e.export(one));
    panicked("exporter", exported);
    let names = HashMap::from([("y".to_owned(), x.clone())]);
    let named = move |_: &[Array], _: &HashMap<String, Array>| f();
    let exported = export::export_function_named(&path, named, one, &names, false);
    panicked("export_function_named", exported);
}

#[test]
fn callbacks_that_panic_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    quietly(|| {
        for way in WAYS {
            // Closures without captures have no payload, and use another function for C.
            callbacks(way, dir.path());
        }
        callbacks(|| panic!("on purpose"), dir.path());
        let kept = Array::scalar(1.0f32).unwrap();
        let captures = move || {
            let _ = ops::square(&kept)?;
            panic!("on purpose")
        };
        let counted = live::handles();
        callbacks(captures.clone(), dir.path());
        // Captured values are released in every case.
        drop(captures);
        let (before, after) = (
            counted.of(live::Kind::Kept),
            live::handles().of(live::Kind::Kept),
        );
        assert_eq!(after, before);
    });
}

#[test]
fn destructors_that_panic_end_where_they_are() {
    quietly(|| {
        let x = Array::scalar(2.0f32).unwrap();
        let one = from_ref(&x);
        let bomb = Bomb;
        let f = transforms::checkpoint(move |x| {
            let _ = &bomb;
            Ok(vec![ops::square(&x[0])?])
        });
        // The graph holds the closure longer than its handle does.
        let graph = f.call(one).unwrap();
        drop(f);
        assert_eq!(graph[0].item::<f32>().unwrap(), 4.0);
        drop(graph);
        let bomb = Bomb;
        let f = transforms::value_and_grad(
            move |x| {
                let _ = &bomb;
                Ok(vec![ops::square(&x[0])?])
            },
            &[0],
        );
        assert_eq!(f.call(one).unwrap().1[0].item::<f32>().unwrap(), 4.0);
        drop(f);
        let bomb = Bomb;
        drop(NamedClosure::new(move |x, _| {
            let _ = &bomb;
            Ok(x.to_vec())
        }));
    });
}

/// Memory as a file, which panics at one kind of call, and when it is dropped.
struct File {
    inner: Cursor<Vec<u8>>,
    at: &'static str,
    _bomb: Option<Bomb>,
}

impl File {
    fn may(&self, what: &str) {
        assert!(self.at != what, "on purpose");
    }
}

impl Read for File {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        self.may("read");
        self.inner.read(to)
    }
}

impl Write for File {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        self.may("write");
        self.inner.write(from)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.may("seek");
        self.inner.seek(to)
    }
}

#[test]
fn readers_and_writers_that_panic_are_errors() {
    let x = Array::scalar(2.0f32).unwrap();
    let named = [("x".to_owned(), x.clone())];
    let whole = io::save_npy_to(Cursor::new(Vec::new()), &x).unwrap();
    let none = HashMap::new();
    quietly(|| {
        let file = |at, bytes: &[u8], bomb: bool| File {
            inner: Cursor::new(bytes.to_vec()),
            at,
            _bomb: bomb.then(|| Bomb),
        };
        let saved = io::save_npy_to(file("write", &[], false), &x);
        panicked("write", saved.map(|_| ()));
        let saved = io::save_safetensors_to(file("write", &[], false), &named, &none);
        panicked("safetensors", saved.map(|_| ()));
        // (Rust asks for the length before MLX sees the reader: a panic there is the caller's.)
        let loaded = io::load_npy_from(file("read", whole.get_ref(), false));
        panicked("read", loaded);
        // Dropped by MLX, when the array that reads from it is.
        let lazy = io::load_npy_from(file("never", whole.get_ref(), true)).unwrap();
        assert_eq!(lazy.item::<f32>().unwrap(), 2.0);
    });
}
