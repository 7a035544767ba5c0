//! Threads that hold the same graph: one evaluates it while the others read it, transform it, or drop their handles.
//!
//! A race would end the process, so each case is a child process.

mod children;

use std::slice::from_ref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Barrier};
use std::thread;

use children::{child, command, said};
use mlx_runtime::transforms::{self, CompileMode};
use mlx_runtime::{low_level::graph, ops, Array, Dtype, Result};

const ROUNDS: usize = 150;
const READERS: usize = 3;

fn f32s(values: &[f32]) -> Result<Array> {
    Array::from_slice(values, &[values.len() as i32])
}

/// A graph of some hundred nodes: chains, and operations of several outputs. Its value is 64 ones.
fn graph() -> Result<Array> {
    let mut a = ops::ones(&[64], Dtype::Float32)?;
    for _ in 0..24 {
        let parts = ops::split(&a, 4, 0)?;
        let turned = [&parts[3], &parts[1], &parts[2], &parts[0]];
        a = ops::multiply(
            &ops::concatenate(&turned, 0)?,
            &ops::exp(&ops::zeros(&[64], Dtype::Float32)?)?,
        )?;
    }
    Ok(a)
}

/// Several threads start at once with clones of one graph that is not evaluated: one evaluates it, the others do
/// `read`. In a child process.
fn beside_eval(name: &str, read: fn(&Array) -> Result<()>) {
    if child(name).is_none() {
        let output = command(name, 0).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        return;
    }
    // Else MLX has the C++ compiler build each fused kernel.
    transforms::compile_mode(CompileMode::NoFuse).unwrap();
    for _ in 0..ROUNDS {
        let a = graph().unwrap();
        let start = Barrier::new(READERS + 1);
        thread::scope(|scope| {
            for _ in 0..READERS {
                let (a, start) = (a.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    for _ in 0..3 {
                        read(&a).unwrap();
                    }
                });
            }
            start.wait();
            assert_eq!(a.to_vec::<f32>().unwrap(), [1.0; 64]);
        });
        // Evaluated, so that it is no graph any more.
        a.eval().unwrap();
        assert_eq!(graph::count_nodes(&[&a]).unwrap(), 0);
    }
}

#[test]
fn count_nodes() {
    beside_eval("count_nodes", |a| {
        assert!(graph::count_nodes(&[a])? < 1000);
        Ok(())
    });
}

#[test]
fn export_to_dot() {
    beside_eval("export_to_dot", |a| {
        assert!(graph::export_to_dot(&graph::NodeNamer::new()?, &[a])?.starts_with("digraph"));
        assert!(graph::print_graph(&graph::NodeNamer::new()?, &[a])?.contains("Outputs"));
        Ok(())
    });
}

#[test]
fn simplify() {
    beside_eval("simplify", |a| {
        assert_eq!(graph::simplify(&[a])?[0].to_vec::<f32>()?, [1.0; 64]);
        Ok(())
    });
}

/// `sum(x * captured)`.
fn product(captured: &Array) -> impl Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static {
    let captured = captured.clone();
    move |x: &[Array]| {
        Ok(vec![ops::sum(
            &ops::multiply(&x[0], &captured)?,
            &[],
            false,
        )?])
    }
}

#[test]
fn gradients_that_capture_it() {
    beside_eval("gradients_that_capture_it", |a| {
        let x = f32s(&[2.0; 64])?;
        let (_, grads) = transforms::value_and_grad(product(a), &[0]).call(from_ref(&x))?;
        assert_eq!(grads[0].to_vec::<f32>()?, [1.0; 64]);
        let one = Array::scalar(1.0f32)?;
        let (_, grads) = transforms::vjp(product(a), from_ref(&x), from_ref(&one))?;
        assert_eq!(grads[0].to_vec::<f32>()?, [1.0; 64]);
        let (_, change) = transforms::jvp(product(a), from_ref(&x), from_ref(&x))?;
        assert_eq!(change[0].item::<f32>()?, 128.0);
        Ok(())
    });
}

#[test]
fn gradients_of_it() {
    beside_eval("gradients_of_it", |a| {
        let square = |x: &[Array]| Ok(vec![ops::sum(&ops::square(&x[0])?, &[], false)?]);
        let grads = transforms::grad(square, &[0]).call(from_ref(a))?;
        assert_eq!(grads[0].to_vec::<f32>()?, [2.0; 64]);
        Ok(())
    });
}

#[test]
fn checkpoints_vectorised_and_compiled_functions_that_capture_it() {
    let name = "checkpoints_vectorised_and_compiled_functions_that_capture_it";
    beside_eval(name, |a| {
        let x = f32s(&[2.0; 64])?;
        let kept = transforms::checkpoint(product(a));
        let grads = transforms::grad(move |x| kept.call(x), &[0]).call(from_ref(&x))?;
        assert_eq!(grads[0].to_vec::<f32>()?, [1.0; 64]);
        let rows = ops::reshape(&ops::concatenate(&[&x, &x], 0)?, &[2, 64])?;
        let sums = transforms::vmap(product(a), &[Some(0)], &[0]).call(&[rows])?;
        assert_eq!(sums[0].to_vec::<f32>()?, [128.0; 2]);
        let compiled = transforms::compile(product(a), false);
        assert_eq!(compiled.call(from_ref(&x))?[0].item::<f32>()?, 128.0);
        Ok(())
    });
}

#[test]
fn what_depends_on_it() {
    beside_eval("what_depends_on_it", |a| {
        let later = transforms::depends(&[a], &[&f32s(&[1.0])?])?;
        assert_eq!(later[0].to_vec::<f32>()?, [1.0; 64]);
        Ok(())
    });
}

/// Outputs of one operation know each other; each thread drops its handles while another evaluates.
#[test]
fn siblings_are_dropped_and_used() {
    const NAME: &str = "siblings_are_dropped_and_used";
    if child(NAME).is_none() {
        let output = command(NAME, 0).output().unwrap();
        return assert!(output.status.success(), "{}", said(&output));
    }
    for _ in 0..ROUNDS {
        let start = Barrier::new(READERS + 1);
        let all: Vec<Vec<Array>> = (0..64)
            .map(|_| ops::split(&ops::ones(&[8], Dtype::Float32).unwrap(), 8, 0).unwrap())
            .collect();
        thread::scope(|scope| {
            for _ in 0..READERS {
                let (all, start) = (all.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    for parts in all {
                        let sum = ops::add(&parts[1], &parts[5]).unwrap();
                        drop((parts, sum));
                    }
                });
            }
            start.wait();
            for parts in all {
                assert_eq!(parts[3].item::<f32>().unwrap(), 1.0);
            }
        });
    }
}

/// A closure hands an array that is being differentiated to another thread, and waits until that has evaluated it.
#[test]
fn a_closure_waits_for_another_thread() {
    let (to, arrays) = mpsc::channel::<Array>();
    let (done, evaluated) = mpsc::channel::<f32>();
    let other = thread::spawn(move || {
        for a in arrays {
            let value = ops::sum(&a, &[], false).and_then(|s| s.item::<f32>());
            done.send(value.unwrap()).unwrap();
        }
    });
    let ask = move |a: &Array| {
        to.send(a.clone()).unwrap();
        assert_eq!(evaluated.recv().unwrap(), 16.0);
    };
    let square = transforms::custom_vjp(|x| Ok(vec![ops::square(&x[0])?]), {
        let ask = std::sync::Mutex::new(ask);
        move |x, cotangents, outputs| {
            // The output and all that it is made of are on the tape of the gradient that is taken.
            (ask.lock().unwrap())(&outputs[0]);
            Ok(vec![ops::multiply(
                &ops::add(&x[0], &x[0])?,
                &cotangents[0],
            )?])
        }
    });
    let f = move |x: &[Array]| {
        let doubled = ops::add(&x[0], &x[0])?;
        Ok(vec![ops::sum(&square.call(&[doubled])?[0], &[], false)?])
    };
    let gradient = transforms::grad(f, &[0]);
    for _ in 0..20 {
        let grads = gradient.call(&[f32s(&[1.0; 4]).unwrap()]).unwrap();
        assert_eq!(grads[0].to_vec::<f32>().unwrap(), [8.0; 4]);
    }
    drop(gradient);
    other.join().unwrap();
}

/// A closure that is `Send` and not `Sync`.
#[test]
fn two_threads_are_not_in_a_closure_at_once() {
    let inside = std::cell::Cell::new(false);
    called_by_two_threads(transforms::checkpoint(move |x| {
        assert!(!inside.replace(true), "two threads at once");
        thread::sleep(std::time::Duration::from_millis(5));
        let made = ops::square(&x[0]);
        inside.set(false);
        Ok(vec![made?])
    }));
}

/// A value without data that is `Send` and not `Sync`, such as a right to use something global.
#[derive(Clone, Copy)]
struct Token(std::marker::PhantomData<std::cell::Cell<()>>);

impl Token {
    fn alone<T>(&self, f: impl FnOnce() -> T) -> T {
        static INSIDE: AtomicBool = AtomicBool::new(false);
        assert!(!INSIDE.swap(true, Ordering::SeqCst), "two threads at once");
        thread::sleep(std::time::Duration::from_millis(5));
        let made = f();
        INSIDE.store(false, Ordering::SeqCst);
        made
    }
}

#[test]
fn two_threads_are_not_in_a_closure_without_data_at_once() {
    let token = Token(std::marker::PhantomData);
    called_by_two_threads(transforms::checkpoint(move |x| {
        token.alone(|| Ok(vec![ops::square(&x[0])?]))
    }));
    let token = Token(std::marker::PhantomData);
    called_by_two_threads(transforms::unary(move |x| token.alone(|| ops::square(x))));
}

/// Two values of one closure's type, each in a thread of its own, may wait for each other.
#[test]
fn closures_without_data_run_beside_each_other() {
    static BOTH: std::sync::Barrier = std::sync::Barrier::new(2);
    let f = |x: &[Array]| {
        BOTH.wait();
        Ok(vec![ops::square(&x[0])?])
    };
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                let three = [f32s(&[3.0]).unwrap()];
                let nine = transforms::checkpoint(f).call(&three).unwrap();
                assert_eq!(nine[0].item::<f32>().unwrap(), 9.0);
            });
        }
    });
}

/// Takes the gradient of a square in one thread while another one calls it.
fn called_by_two_threads(f: transforms::Closure) {
    let (to_other, closures) = mpsc::channel::<transforms::Closure>();
    let other = thread::spawn(move || {
        for f in closures {
            for _ in 0..20 {
                f.call(&[f32s(&[3.0]).unwrap()]).unwrap();
            }
        }
    });
    // The handle leaves after the first of two calls of the gradient.
    let f = std::sync::Mutex::new(Some(f));
    let gradient = transforms::grad(
        move |x: &[Array]| {
            let f = f.lock().unwrap().take().unwrap();
            let mut a = x[0].clone();
            for _ in 0..20 {
                a = f.call(&[a])?.swap_remove(0);
            }
            to_other.send(f).unwrap();
            Ok(vec![ops::sum(&a, &[], false)?])
        },
        &[0],
    );
    let grads = gradient.call(&[f32s(&[1.0]).unwrap()]).unwrap();
    assert_eq!(grads[0].item::<f32>().unwrap(), 2f32.powi(20));
    drop(gradient);
    other.join().unwrap();
}

/// MLX lets an output take the buffer of an input that nothing else holds. An array that stays in its graph, because
/// another thread reads graphs, must not have such an input: a recorded function would compute with it again.
#[test]
fn arrays_that_are_evaluated_while_graphs_are_read_keep_their_inputs() {
    let name = "arrays_that_are_evaluated_while_graphs_are_read_keep_their_inputs";
    if child(name).is_none() {
        let output = command(name, 0).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        return;
    }
    transforms::compile_mode(CompileMode::NoFuse).unwrap();
    let (begun, reads) = mpsc::channel();
    let (done, evaluated) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let reader = move |x: &[Array]| {
                begun.send(()).unwrap();
                evaluated.recv().unwrap();
                Ok(vec![ops::square(&x[0])?])
            };
            let one = Array::scalar(1.0f32).unwrap();
            transforms::vjp(reader, from_ref(&one), from_ref(&one)).unwrap();
        });
        reads.recv().unwrap();
        // A new buffer, which no graph could fill again, and which only `w` holds.
        let ones = f32s(&[1.0; 4]).unwrap();
        let w = ops::multiply(&ones, Array::scalar(3.0f32).unwrap()).unwrap();
        drop(ones);
        w.eval().unwrap();
        let product = transforms::compile(move |x| Ok(vec![ops::matmul(&x[0], &w)?]), false);
        let x = f32s(&[1.0; 4]).unwrap();
        let y = product.call(from_ref(&x)).unwrap()[0].item::<f32>();
        // Before anything fails: the reader waits for it.
        done.send(()).unwrap();
        assert_eq!(y.unwrap(), 12.0);
    });
}
