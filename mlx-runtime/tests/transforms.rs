//! Transforms: values, errors and panics of closures, nesting, lifetimes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use mlx_runtime::transforms::{
    async_eval, checkpoint, compile, custom_vjp, eval, grad, is_differentiating, jvp,
    value_and_grad, vjp,
};
use mlx_runtime::{ops, Array, Error, ErrorKind, Result};

fn f32s(values: &[f32]) -> Array {
    Array::from_slice(values, &[values.len() as i32]).unwrap()
}

fn scalar(v: f32) -> Array {
    Array::scalar(v).unwrap()
}

/// sum(sin(x)^2)
fn energy(x: &[Array]) -> Result<Vec<Array>> {
    Ok(vec![ops::sum(
        &ops::square(&ops::sin(&x[0])?)?,
        &[],
        false,
    )?])
}

fn close(a: &[f32], b: &[f32], tol: f32) {
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(b) {
        assert!((x - y).abs() <= tol, "{a:?} differs from {b:?}");
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    type Loss = fn(&[Array]) -> Result<Vec<Array>>;
    let losses: [Loss; 5] = [
        energy,
        |x| Ok(vec![ops::mean(&ops::exp(&x[0])?, &[], false)?]),
        |x| Ok(vec![ops::logsumexp(&x[0], &[], false)?]),
        |x| {
            let m = ops::reshape(&x[0], &[2, 2])?;
            Ok(vec![ops::sum(
                &ops::matmul(&m, &ops::softmax(&m, &[-1], true)?)?,
                &[],
                false,
            )?])
        },
        |x| {
            let y = ops::fast::rms_norm(&x[0], None, 1e-5)?;
            Ok(vec![ops::sum(
                &ops::multiply(&y, &ops::tanh(&x[0])?)?,
                &[],
                false,
            )?])
        },
    ];
    let at = [0.3f32, -1.2, 0.8, 2.0];
    for f in losses {
        let exact = grad(f, &[0]).call(&[f32s(&at)]).unwrap()[0]
            .to_vec::<f32>()
            .unwrap();
        let h = 1e-2;
        let numeric: Vec<f32> = (0..at.len())
            .map(|i| {
                let value = |d: f32| {
                    let mut x = at;
                    x[i] += d;
                    f(&[f32s(&x)]).unwrap()[0].item::<f32>().unwrap()
                };
                (value(h) - value(-h)) / (2.0 * h)
            })
            .collect();
        close(&exact, &numeric, 5e-3);
    }
}

#[test]
fn extra_outputs_pass_through() {
    let f = |x: &[Array]| Ok(vec![ops::sum(&x[0], &[], false)?, ops::exp(&x[0])?]);
    let (values, grads) = value_and_grad(f, &[0]).call(&[f32s(&[0.0, 0.0])]).unwrap();
    assert_eq!(values.len(), 2);
    assert_eq!(grads[0].to_vec::<f32>().unwrap(), [1.0, 1.0]);
}

#[test]
fn argument_numbers_are_checked() {
    for argnums in [&[][..], &[1, 0], &[0, 0], &[-1]] {
        let e = value_and_grad(energy, argnums)
            .call(&[f32s(&[1.0])])
            .unwrap_err();
        assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    }
    assert!(value_and_grad(energy, &[3]).call(&[f32s(&[1.0])]).is_err());
}

#[test]
fn a_value_that_is_no_scalar_is_an_error() {
    let f = |x: &[Array]| Ok(vec![ops::square(&x[0])?]);
    let e = value_and_grad(f, &[0])
        .call(&[f32s(&[1.0, 2.0])])
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Shape, "{e}");
    assert!(e.hint().is_some());
}

#[test]
fn vjp_and_jvp() {
    let f = |x: &[Array]| Ok(vec![ops::multiply(&x[0], &x[1])?]);
    let at = [f32s(&[2.0, 3.0]), f32s(&[5.0, 7.0])];
    let (y, g) = vjp(f, &at, &[f32s(&[1.0, 10.0])]).unwrap();
    assert_eq!(y[0].to_vec::<f32>().unwrap(), [10.0, 21.0]);
    assert_eq!(g[0].to_vec::<f32>().unwrap(), [5.0, 70.0]);
    assert_eq!(g[1].to_vec::<f32>().unwrap(), [2.0, 30.0]);
    let (_, t) = jvp(f, &at, &[f32s(&[1.0, 0.0]), f32s(&[0.0, 1.0])]).unwrap();
    assert_eq!(t[0].to_vec::<f32>().unwrap(), [5.0, 3.0]);
    assert!(vjp(f, &at, &[]).is_err());
    assert!(jvp(f, &at, &[f32s(&[1.0])]).is_err());
}

#[test]
fn errors_of_closures_come_back_as_they_are() {
    let mine = || Error::new(ErrorKind::Format, "mine").with_hint("do that");
    let e = value_and_grad(move |_| Err(mine()), &[0])
        .call(&[scalar(1.0)])
        .unwrap_err();
    assert_eq!((e.kind(), e.hint()), (ErrorKind::Format, Some("do that")));
    // Through three levels.
    let inner = checkpoint(move |_| Err(mine()));
    let middle = checkpoint(move |x| inner.call(x));
    let e = compile(move |x| middle.call(x), false)
        .call(&[scalar(1.0)])
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Format);
    // An error that was dealt with inside leaves no trace.
    let inner = checkpoint(move |_| Err(mine()));
    let f = move |x: &[Array]| {
        assert!(inner.call(x).is_err());
        energy(x)
    };
    value_and_grad(f, &[0]).call(&[f32s(&[1.0])]).unwrap();
    // An error of an operation names that operation.
    let f = |x: &[Array]| Ok(vec![ops::add(&x[0], &ops::zeros(&[7], x[0].dtype())?)?]);
    let e = value_and_grad(f, &[0])
        .call(&[f32s(&[1.0, 2.0])])
        .unwrap_err();
    assert_eq!(e.op(), Some("add"));
}

#[test]
fn panics_of_closures_become_errors() {
    let silent = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let n = 3;
    let results = [
        value_and_grad(move |_| panic!("number {n}"), &[0])
            .call(&[scalar(1.0)])
            .unwrap_err(),
        checkpoint(|x| Ok(vec![x[9].clone()]))
            .call(&[scalar(1.0)])
            .unwrap_err(),
        compile(|_| std::panic::panic_any(5), false)
            .call(&[scalar(1.0)])
            .unwrap_err(),
        grad(
            |x| custom_vjp(energy, |_, _, _| panic!("in the vjp")).call(x),
            &[0],
        )
        .call(&[f32s(&[1.0])])
        .unwrap_err(),
    ];
    std::panic::set_hook(silent);
    for e in &results {
        assert_eq!(e.kind(), ErrorKind::Panic, "{e}");
    }
    assert!(results[0].to_string().contains("number 3"));
    assert!(results[3].to_string().contains("in the vjp"));
    assert!(!is_differentiating());
}

#[test]
fn no_outputs_and_wrong_gradients_are_errors() {
    let e = checkpoint(|_| Ok(vec![])).call(&[scalar(1.0)]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    let few = custom_vjp(energy, |_, _, _| Ok(vec![]));
    let e = grad(move |x| few.call(x), &[0])
        .call(&[f32s(&[1.0])])
        .unwrap_err();
    assert!(
        e.to_string()
            .contains("expected 1 gradients, one for each input, found 0"),
        "{e}"
    );
    let wrong = custom_vjp(energy, |_, c, _| Ok(vec![c[0].clone()]));
    let e = grad(move |x| wrong.call(x), &[0])
        .call(&[f32s(&[1.0, 2.0])])
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Shape);
}

#[test]
fn checkpoints_run_twice_and_give_the_same_gradient() {
    let runs = Arc::new(AtomicUsize::new(0));
    let differentiated = Arc::new(AtomicUsize::new(0));
    let (r, d) = (runs.clone(), differentiated.clone());
    let inner = checkpoint(move |x| {
        r.fetch_add(1, Ordering::Relaxed);
        d.fetch_add(is_differentiating() as usize, Ordering::Relaxed);
        energy(x)
    });
    let x = f32s(&[0.5, -0.5, 1.5]);
    let plain = grad(energy, &[0]).call(std::slice::from_ref(&x)).unwrap();
    let saved = grad(
        move |x| {
            assert!(is_differentiating());
            let y = inner.call(x)?;
            assert!(is_differentiating());
            Ok(y)
        },
        &[0],
    )
    .call(&[x])
    .unwrap();
    close(
        &plain[0].to_vec::<f32>().unwrap(),
        &saved[0].to_vec::<f32>().unwrap(),
        0.0,
    );
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(differentiated.load(Ordering::Relaxed), 1);
}

#[test]
fn transforms_nest() {
    // The second derivative of x^3 at 2 is 12.
    let first = grad(
        |x| Ok(vec![ops::multiply(&x[0], &ops::square(&x[0])?)?]),
        &[0],
    );
    let second = grad(move |x| first.call(x), &[0]);
    assert_eq!(
        second.call(&[scalar(2.0)]).unwrap()[0]
            .item::<f32>()
            .unwrap(),
        12.0
    );
    // Checkpoint in checkpoint in gradient in compile.
    let a = checkpoint(energy);
    let b = checkpoint(move |x| a.call(x));
    let g = value_and_grad(move |x| b.call(x), &[0]);
    let step = compile(move |x| Ok(g.call(x)?.1), false);
    let x = f32s(&[0.3, 0.7]);
    let plain = grad(energy, &[0]).call(std::slice::from_ref(&x)).unwrap();
    let compiled = step.call(&[x]).unwrap();
    close(
        &plain[0].to_vec::<f32>().unwrap(),
        &compiled[0].to_vec::<f32>().unwrap(),
        1e-6,
    );
}

#[test]
fn closures_are_freed_with_their_last_graph() {
    struct Flag(Arc<AtomicUsize>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let freed = Arc::new(AtomicUsize::new(0));
    let flag = || Flag(freed.clone());
    for _ in 0..10 {
        let (a, b, c) = (flag(), flag(), flag());
        let inner = custom_vjp(
            move |x| {
                let _ = &a;
                energy(x)
            },
            move |x, _, _| {
                let _ = &b;
                Ok(vec![ops::zeros_like(&x[0])?])
            },
        );
        let f = value_and_grad(
            move |x| {
                let _ = &c;
                inner.call(x)
            },
            &[0],
        );
        let (value, grads) = f.call(&[f32s(&[1.0])]).unwrap();
        drop(f);
        eval(&[&value[0], &grads[0]]).unwrap();
    }
    // While another test reads graphs, arrays stay in theirs: they leave it at the end of a later evaluation.
    for _ in 0..10_000 {
        if freed.load(Ordering::Relaxed) == 30 {
            break;
        }
        eval(&[&ops::square(&f32s(&[1.0])).unwrap()]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert_eq!(freed.load(Ordering::Relaxed), 30);
}

#[test]
fn a_compiled_function_sees_new_shapes() {
    let runs = Arc::new(AtomicUsize::new(0));
    let r = runs.clone();
    let f = compile(
        move |x| {
            r.fetch_add(1, Ordering::Relaxed);
            Ok(vec![ops::add(&x[0], &x[0])?])
        },
        false,
    );
    for n in [2usize, 2, 3, 2] {
        let y = f.call(&[f32s(&vec![1.0; n])]).unwrap();
        assert_eq!(y[0].to_vec::<f32>().unwrap(), vec![2.0; n]);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[test]
fn reading_inside_a_compiled_function_is_an_error() {
    let f = compile(
        |x| {
            let v = x[0].item::<f32>()?;
            Ok(vec![Array::scalar(v)?])
        },
        false,
    );
    let e = f.call(&[scalar(1.0)]).unwrap_err();
    assert!(e.hint().is_some(), "{e}");
}

#[test]
fn async_work_is_awaited_by_reading() {
    let x = f32s(&[1.0, 2.0]);
    let y = ops::square(&x).unwrap();
    async_eval(&[&y]).unwrap();
    let z = ops::add(&y, &y).unwrap();
    async_eval(&[&z]).unwrap();
    assert_eq!(z.to_vec::<f32>().unwrap(), [2.0, 8.0]);
    eval(&[]).unwrap();
    async_eval(&[]).unwrap();
    let all: Vec<Array> = (0..100)
        .map(|i| ops::add(&x, scalar(i as f32)).unwrap())
        .collect();
    eval(&all.iter().collect::<Vec<_>>()).unwrap();
    assert_eq!(all[99].to_vec::<f32>().unwrap(), [100.0, 101.0]);
}

/// MLX multiplies by the condition, which makes NaN of infinity times 0.
#[test]
fn gradients_of_where_take_nothing_from_the_other_side() {
    let c = Array::from_slice(&[true, false], &[2]).unwrap();
    let x = Array::from_slice(&[1f32, 2.0], &[2]).unwrap();
    let by = Array::from_slice(&[f32::INFINITY; 2], &[2]).unwrap();
    let choose = move |p: &[Array]| Ok(vec![ops::where_(&c, &p[0], &p[1])?]);
    let (_, grads) = vjp(choose, &[x.clone(), x], &[by]).unwrap();
    let grads: Vec<Vec<f32>> = grads.iter().map(|g| g.to_vec().unwrap()).collect();
    assert_eq!(grads, [[f32::INFINITY, 0.0], [0.0, f32::INFINITY]]);
}
