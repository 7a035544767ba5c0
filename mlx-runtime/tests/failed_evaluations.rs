//! After an error of an evaluation, every array that depends on the failed one stays an error, however it was
//! evaluated.

mod children;

use std::time::Duration;

use children::{child, command, said};
use mlx_runtime::device::Device;
use mlx_runtime::stream::Stream;
use mlx_runtime::{io, linalg, low_level::graph, ops, stream, transforms, Array, Dtype, Result};

/// A matrix without an inverse: LAPACK finds the fault, on MLX's thread.
fn singular() -> Array {
    Array::from_slice(&[1f32, 2.0, 2.0, 4.0], &[2, 2]).unwrap()
}

/// A graph with a fault: the array that is asked for, those between it and the fault, and one that does not depend on
/// the fault.
struct Graph {
    fine: Array,
    between: Vec<Array>,
    last: Array,
}

/// With `apart` the last of it is work of another stream.
fn graph_of(failing: Array, apart: bool) -> Result<Graph> {
    let one = Array::scalar(1f32)?;
    let moved = ops::add(&failing, &one)?;
    let parts = ops::split(&moved, 2, 0)?;
    let sum = || ops::sum(&ops::add(&parts[0], &parts[1])?, &[], false);
    let last = match apart {
        true => stream::with(&Stream::new(Device::cpu())?, sum)?,
        false => sum()?,
    };
    Ok(Graph {
        fine: ops::add(&one, &one)?,
        between: [vec![failing, moved], parts].concat(),
        last,
    })
}

/// A function that makes an array that fails on a thread of MLX.
type Fault = (&'static str, fn() -> Result<Array>);

const FAULTS: &[Fault] = &[
    ("inverse", || linalg::inv(&singular())),
    ("file", || {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("a.npy");
        io::save_npy(&path, &singular())?;
        let lazy = io::load_npy(&path)?;
        std::fs::OpenOptions::new()
            .write(true)
            .open(&path)?
            .set_len(100)?;
        Ok(lazy)
    }),
];

/// A way to evaluate `last` that leaves an error to find.
type Way = (&'static str, fn(&Graph));

const WAYS: &[Way] = &[
    ("eval", |g| assert!(g.last.eval().is_err())),
    ("eval of several", |g| {
        assert!(transforms::eval(&[&g.fine, &g.last]).is_err());
    }),
    ("async_eval", |g| drop(transforms::async_eval(&[&g.last]))),
    ("async_eval, long ago", |g| {
        drop(transforms::async_eval(&[&g.last]));
        std::thread::sleep(Duration::from_millis(50));
    }),
    ("async_eval, synchronized", |g| {
        drop(transforms::async_eval(&[&g.last]));
        let _ = stream::synchronize();
    }),
    ("async_eval, others behind it", |g| {
        drop(transforms::async_eval(&[&g.last]));
        for a in &g.between {
            if let Ok(later) = ops::negative(a) {
                drop(transforms::async_eval(&[&later]));
                std::thread::sleep(Duration::from_millis(5));
                assert!(later.eval().is_err());
                assert!(later.to_vec::<f32>().is_err());
            }
        }
    }),
];

fn fails(what: &str, a: &Array) {
    for round in 0..3 {
        assert!(a.to_vec::<f32>().is_err(), "{what}, round {round}");
        assert!(a.eval().is_err(), "{what}, round {round}");
    }
    // An array that is built on a failed one fails too.
    let later = ops::sum(a, &[], false).unwrap();
    assert!(later.item::<f32>().is_err(), "{what}, later");
    assert!(later.item::<f32>().is_err(), "{what}, later");
}

fn all_ways() {
    for (fault, make) in FAULTS {
        for (way, evaluate) in WAYS {
            for (backwards, apart) in [(false, false), (true, false), (false, true), (true, true)] {
                let g = graph_of(make().unwrap(), apart).unwrap();
                evaluate(&g);
                let mut all = [g.between, vec![g.last]].concat();
                if backwards {
                    all.reverse();
                }
                for (i, a) in all.iter().enumerate() {
                    fails(
                        &format!("{fault}, {way}, array {i}, backwards {backwards}, apart {apart}"),
                        a,
                    );
                }
                // The stream goes on.
                let two = ops::full(&[2], &Array::scalar(2f32).unwrap(), Dtype::Float32).unwrap();
                let four = (0..10).find_map(|_| ops::square(&two).unwrap().to_vec::<f32>().ok());
                assert_eq!(four.unwrap(), [4.0; 2], "{fault}, {way}");
            }
        }
    }
}

/// MLX reports errors of its main thread's streams earlier, so both kinds of threads try.
#[test]
fn arrays_between_stay_errors() {
    const NAME: &str = "arrays_between_stay_errors";
    if child(NAME).is_none() {
        let output = command(NAME, 0).output().unwrap();
        return assert!(output.status.success(), "{}", said(&output));
    }
    all_ways();
    std::thread::spawn(all_ways).join().unwrap();
}

/// An array that was right before an evaluation failed stays right.
#[test]
fn arrays_from_before_stay_right() {
    std::thread::spawn(|| {
        let one = Array::scalar(1f32).unwrap();
        let before = ops::add(&one, &one).unwrap();
        before.eval().unwrap();
        let started = ops::add(&before, &one).unwrap();
        transforms::async_eval(&[&started]).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let bad = ops::add(&linalg::inv(&singular()).unwrap(), &started).unwrap();
        assert!(transforms::eval(&[&before, &started, &bad]).is_err());
        assert_eq!(before.item::<f32>().unwrap(), 2.0);
        assert_eq!(started.item::<f32>().unwrap(), 3.0);
        assert!(bad.eval().is_err());
        // An operation that throws while it is queued, not on MLX's thread, leaves the arrays that were computed before
        // it.
        assert_eq!(graph::count_nodes(&[&started]).unwrap(), 0);
    })
    .join()
    .unwrap();
}
