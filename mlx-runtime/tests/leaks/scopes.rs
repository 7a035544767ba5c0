//! Streams, devices and threads that come and go.

use std::slice::from_ref;

use mlx_runtime::device::{self, Device};
use mlx_runtime::stream::{self, Stream, ThreadLocalStream};
use mlx_runtime::{ops, transforms, Array, Dtype, Result};

/// Streams that are made once, because MLX keeps them until the process ends.
pub fn streams() -> Result<ThreadLocalStream> {
    ThreadLocalStream::new(Device::cpu())
}

pub fn scopes(x: &Array, streams: &ThreadLocalStream) -> Result<()> {
    let device = device::default_device()?;
    let square = || ops::square(x)?.eval();
    device::with_default(Device::cpu(), square)?;
    stream::with(&Stream::new(device)?, square)?;
    stream::with(&Stream::new_for_all_threads(device)?, square)?;
    stream::with(&streams.here()?, square)?;
    let (outer, inner) = (Stream::new(device)?, Stream::new(Device::cpu())?);
    assert!(outer != inner);
    let lazy = stream::with(&outer, || stream::with(&inner, || ops::square(x)))?;
    // The scope is over before the work begins.
    drop((outer, inner));
    lazy.eval()
}

/// A thread that does a bit of everything, and ends with work under way.
pub fn thread(x: &Array) {
    let mine = x.clone();
    let run = move || -> Result<()> {
        let y = ops::matmul(&mine, &mine)?;
        y.eval()?;
        stream::with(&Stream::new(device::default_device()?)?, || {
            ops::square(&y)?.eval()
        })?;
        let w = mine.clone();
        let f = move |a: &[Array]| Ok(vec![ops::sum(&ops::multiply(&a[0], &w)?, &[], false)?]);
        transforms::grad(f, &[0]).call(from_ref(&y))?[0].eval()?;
        assert!(ops::reshape(&mine, &[5]).is_err());
        transforms::async_eval(&[&ops::exp(&y)?])
    };
    std::thread::spawn(run).join().unwrap().unwrap();
}

/// A thread that ends with compiled graphs in its cache.
pub fn compiling_thread() {
    let run = || -> Result<()> {
        let ones = || ops::ones(&[4, 4], Dtype::Float32);
        let (w, x) = (ones()?, [ones()?]);
        let f = transforms::compile(move |a| Ok(vec![ops::matmul(&a[0], &w)?]), false);
        f.call(&x)?[0].eval()?;
        let g = |a: &[Array]| Ok(vec![ops::matmul(&a[0], &a[0])?]);
        transforms::compile_as(g, 9, false, &[]).call(&x)?[0].eval()
    };
    std::thread::spawn(run).join().unwrap().unwrap();
}

/// Closures and a graph that they are recorded in, made here and dropped on another thread.
pub fn dropped_elsewhere(x: &Array) {
    let captured = x.clone();
    let f = transforms::checkpoint(move |a| Ok(vec![ops::add(&a[0], &captured)?]));
    let graph = f.call(from_ref(x)).unwrap();
    let captured = x.clone();
    let g = transforms::grad(
        move |a| Ok(vec![ops::sum(&ops::add(&a[0], &captured)?, &[], false)?]),
        &[0],
    );
    let grads = g.call(from_ref(x)).unwrap();
    std::thread::spawn(move || drop((f, g, graph, grads)))
        .join()
        .unwrap();
}
