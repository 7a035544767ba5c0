//! Many threads at once: each has its own errors, streams and compiled graphs. Arrays that pass from one to another are
//! computed, counted and freed once.

use std::cell::RefCell;
use std::slice::from_ref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;

use mlx_runtime::device::{self, Device};
use mlx_runtime::stream::{self, Stream};
use mlx_runtime::transforms::{self, CompileMode};
use mlx_runtime::{low_level::live, memory, ops, Array, Dtype, Error, ErrorKind, Result};

const THREADS: i32 = 6;

/// Runs `f` on as many threads at the same time, each with its number.
fn together(f: impl Fn(i32) -> Result<()> + Send + Sync) {
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for i in 0..THREADS {
            let (f, start) = (&f, &start);
            scope.spawn(move || {
                start.wait();
                f(i).unwrap();
            });
        }
    });
}

fn numbers(n: i32, value: f32) -> Result<Array> {
    ops::multiply(&ops::ones(&[n], Dtype::Float32)?, &Array::scalar(value)?)
}

#[test]
fn each_thread_has_its_own_errors() {
    together(|i| {
        let a = ops::ones(&[2, 3], Dtype::Float32)?;
        for round in 0..1000 {
            // A shape that no other thread asks for, in this or any other round.
            let n = 1000 * (i + 1) + 7 * (round % 100) + 8;
            let e = ops::reshape(&a, &[n]).unwrap_err();
            assert!(e.to_string().contains(&format!("({n})")), "{e}");
            let e = ops::add(&a, &ops::ones(&[n], Dtype::Float32)?).unwrap_err();
            assert!(e.to_string().contains(&format!("[{n}]")), "{e}");
            // The failure of a closure belongs to this thread too.
            let text = format!("thread {i}, round {round}");
            let own = text.clone();
            let f = move |_: &[Array]| Err(Error::new(ErrorKind::Format, own.clone()));
            let e = transforms::grad(f, &[0]).call(from_ref(&a)).unwrap_err();
            assert!(e.kind() == ErrorKind::Format && e.to_string().contains(&text));
            // A call that works reports no error.
            assert_eq!(ops::sum(&a, &[], false)?.item::<f32>()?, 6.0);
        }
        Ok(())
    });
}

#[test]
fn panics_stay_with_the_thread_that_called() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info
            .payload_as_str()
            .is_some_and(|t| t.starts_with("thread "))
        {
            hook(info);
        }
    }));
    together(|i| {
        let a = Array::scalar(1.0f32)?;
        for _ in 0..200 {
            let f = transforms::checkpoint(move |_| panic!("thread {i} gives up"));
            let e = f.call(from_ref(&a)).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Panic);
            assert!(e.to_string().contains(&format!("thread {i} gives up")));
        }
        Ok(())
    });
}

#[test]
fn arrays_built_here_are_evaluated_there() {
    let (sender, receiver) = mpsc::channel::<(i32, Array)>();
    thread::scope(|scope| {
        for i in 0..THREADS {
            let sender = sender.clone();
            scope.spawn(move || {
                // Arrays that other threads evaluate are built on a stream for all threads.
                let device = device::default_device().unwrap();
                let stream = Stream::new_for_all_threads(device).unwrap();
                for round in 0..200 {
                    let n = 1 + (i + round) % 9;
                    let made = stream::with(&stream, || numbers(n, i as f32)).unwrap();
                    // Given away whole: no handle to its graph stays here.
                    sender.send((n, made)).unwrap();
                }
            });
        }
        drop(sender);
        let receiver = Arc::new(std::sync::Mutex::new(receiver));
        for _ in 0..3 {
            let receiver = Arc::clone(&receiver);
            scope.spawn(move || loop {
                let next = receiver.lock().unwrap().recv();
                let Ok((n, made)) = next else { break };
                let values = made.to_vec::<f32>().unwrap();
                assert_eq!(values.len(), n as usize);
                assert!(values
                    .iter()
                    .all(|v| *v == values[0] && *v < THREADS as f32));
            });
        }
    });
}

#[test]
fn evaluated_arrays_are_shared_by_all() {
    let shared = ops::arange(0.0, 64.0, 1.0, Dtype::Float32).unwrap();
    shared.eval().unwrap();
    let mine: Vec<_> = (0..THREADS).map(|_| shared.clone()).collect();
    let mine = std::sync::Mutex::new(mine);
    together(|i| {
        let a = mine.lock().unwrap().pop().unwrap();
        for _ in 0..300 {
            let b = ops::add(&a, &Array::scalar(i as f32)?)?;
            let total = ops::sum(&b, &[], false)?.item::<f32>()?;
            assert_eq!(total, 2016.0 + 64.0 * i as f32);
            assert_eq!(a.as_slice::<f32>()?[63], 63.0);
        }
        Ok(())
    });
}

#[test]
fn scopes_of_one_thread_are_not_seen_by_another() {
    together(|i| {
        let device = device::default_device()?;
        for round in 0..200 {
            let stream = Stream::new(device)?;
            let inside = stream::with(&stream, || {
                let a = numbers(8, (i + round) as f32)?;
                transforms::async_eval(&[&a])?;
                Ok(a)
            })?;
            drop(stream);
            assert_eq!(inside.as_slice::<f32>()?[7], (i + round) as f32);
        }
        Ok(())
    });
}

#[test]
fn threads_compile_each_for_itself() {
    // Else MLX has the C++ compiler build each fused kernel.
    transforms::compile_mode(CompileMode::NoFuse).unwrap();
    together(|i| {
        for round in 0..60 {
            let w = numbers(4, (1 + i) as f32)?;
            w.eval()?;
            let f = move |x: &[Array]| Ok(vec![ops::matmul(&x[0], &w)?]);
            let f = transforms::compile(f, false);
            for _ in 0..3 {
                let x = numbers(4, (1 + round) as f32)?;
                let y = f.call(&[x])?[0].item::<f32>()?;
                assert_eq!(y, 4.0 * (1 + i) as f32 * (1 + round) as f32);
            }
        }
        Ok(())
    });
}

#[test]
fn closures_and_graphs_are_dropped_anywhere() {
    let (sender, receiver) = mpsc::channel::<Box<dyn std::any::Any + Send>>();
    thread::scope(|scope| {
        for i in 0..THREADS {
            let sender = sender.clone();
            scope.spawn(move || {
                let x = numbers(4, i as f32).unwrap();
                x.eval().unwrap();
                for _ in 0..300 {
                    let w = x.clone();
                    let f = transforms::checkpoint(move |a| Ok(vec![ops::multiply(&a[0], &w)?]));
                    let graph = f.call(from_ref(&x)).unwrap();
                    let loss = |a: &[Array]| Ok(vec![ops::sum(&a[0], &[], false)?]);
                    let g = transforms::value_and_grad(loss, &[0]);
                    let grads = g.call(from_ref(&x)).unwrap();
                    sender.send(Box::new((f, graph, g, grads))).unwrap();
                }
            });
        }
        drop(sender);
        scope.spawn(move || receiver.into_iter().for_each(drop));
    });
}

thread_local! {
    static KEPT: RefCell<Vec<Array>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn what_a_thread_keeps_to_its_end_is_freed() {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // Reading the counts does not disturb those who count.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                assert!(live::handles().total() < 1 << 20);
                assert!(memory::active().unwrap() < 1 << 40);
            }
        });
        together(|i| {
            for _ in 0..30 {
                let ended = thread::spawn(move || -> Result<()> {
                    let a = numbers(16, i as f32)?;
                    a.eval()?;
                    // One of them evaluated, one not, in a list that is dropped with the thread.
                    let lazy = ops::square(&a)?;
                    KEPT.with_borrow_mut(|kept| kept.extend([a, lazy]));
                    stream::with(&Stream::new(Device::cpu())?, || numbers(2, 1.0)?.eval())
                });
                ended.join().unwrap()?;
            }
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
    });
}
