//! The cost of monitoring a training. A step at 50 a second takes 20 ms, of which 0.1 % is 20 us.
//!
//! `cargo bench -p mlx-runtime --bench monitor`

use std::hint::black_box;

use criterion::Criterion;
use mlx_runtime::monitor::Monitor;

fn watching(c: &mut Criterion) {
    let monitor = Monitor::new().unwrap();
    c.bench_function("count one step", |b| {
        b.iter(|| monitor.step(black_box(2048)))
    });
    let mut window = monitor.window();
    c.bench_function("read a window", |b| b.iter(|| window.read()));
    c.bench_function("set a gauge", |b| {
        b.iter(|| monitor.set("loss", black_box(1.0)).unwrap())
    });
    c.bench_function("one sample", |b| b.iter(|| monitor.sample().unwrap()));
    c.bench_function("one sample as text", |b| {
        b.iter(|| monitor.prometheus().unwrap())
    });
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    watching(&mut c);
    c.final_summary();
}
