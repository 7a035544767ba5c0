//! [`Runtime`]: the settings that it changes and restores, and its memory limit.
//!
//! The settings are the process's, so the tests take turns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mlx_runtime::device::{default_device, Device, DeviceType};
use mlx_runtime::runtime::Limit;
use mlx_runtime::{memory, ops, transforms, Array, Dtype, ErrorKind, Runtime};

const MB: usize = 1_000_000;

fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Device, memory limit, cache limit.
fn settings() -> (Device, usize, usize) {
    let cache = memory::set_cache_limit(0).unwrap();
    memory::set_cache_limit(cache).unwrap();
    (default_device().unwrap(), memory::limit().unwrap(), cache)
}

#[test]
fn what_is_reported_is_set_and_is_put_back() {
    let _turn = turn();
    let before = settings();
    let runtime = Runtime::builder()
        .memory_limit("2GB")
        .cache_limit(0.25)
        .build()
        .unwrap();
    let report = runtime.report().clone();
    assert_eq!(report.memory_limit.bytes, 2000 * MB);
    assert_eq!(report.cache_limit.bytes, 500 * MB);
    assert!(report.enforced);
    assert_eq!(settings(), (report.device, 2000 * MB, 500 * MB));
    let text = report.to_string();
    assert!(text.contains("memory limit 2.00 GB: asked for"), "{text}");
    assert!(
        text.starts_with(&format!("device {} (", report.device)),
        "{text}"
    );
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["memory_limit"]["bytes"], 2_000_000_000u64);
    assert_eq!(json["device"], report.device.to_string());
    drop(runtime);
    assert_eq!(settings(), before);
}

#[test]
fn the_default_suits_the_machine() {
    let _turn = turn();
    let runtime = Runtime::builder().build().unwrap();
    let report = runtime.report();
    let whole = match report.device.kind() {
        DeviceType::Gpu => report.machine.gpus[0].total,
        _ => report.machine.usable(),
    };
    assert!(report.memory_limit.bytes <= whole, "{report}");
    assert!(report.memory_limit.bytes > whole / 100, "{report}");
    assert_eq!(memory::limit().unwrap(), report.memory_limit.bytes);
}

#[test]
fn the_first_state_returns_with_the_last_guard_in_any_order() {
    let _turn = turn();
    let before = settings();
    let build = |mb: usize| Runtime::builder().memory_limit(mb * MB).build().unwrap();
    let limit = || memory::limit().unwrap() / MB;

    let (a, b, c) = (build(300), build(200), build(100));
    assert_eq!(limit(), 100);
    drop(c);
    assert_eq!(limit(), 200);
    drop(b);
    assert_eq!(limit(), 300);
    drop(a);
    assert_eq!(settings(), before);

    let (a, b, c) = (build(300), build(200), build(100));
    drop(b);
    assert_eq!(limit(), 100);
    drop(a);
    assert_eq!(limit(), 100);
    drop(c);
    assert_eq!(settings(), before);
}

#[test]
fn a_refused_set_up_changes_nothing() {
    let _turn = turn();
    let before = settings();
    let refused = |b: mlx_runtime::runtime::Builder| b.build().unwrap_err();
    let e = refused(Runtime::builder().memory_limit("24"));
    assert!(e.to_string().contains("24GB"), "{e}");
    let e = refused(Runtime::builder().memory_limit("much"));
    assert_eq!(e.kind(), ErrorKind::InvalidArgument);
    let e = refused(Runtime::builder().memory_limit(Limit::Bytes(usize::MAX)));
    assert!(e.to_string().contains("expected at most"), "{e}");
    let e = refused(Runtime::builder().device("gpu:999"));
    assert_eq!(e.kind(), ErrorKind::Device);
    assert!(e.hint().is_some());
    assert_eq!(settings(), before);
}

#[test]
fn the_environment_names_the_device_and_code_overrides_it() {
    let _turn = turn();
    std::env::set_var("MLX_DEVICE", "cpu");
    let runtime = Runtime::builder().build().unwrap();
    assert_eq!(default_device().unwrap(), Device::cpu());
    assert_eq!(runtime.report().device_reason, "MLX_DEVICE=cpu");
    drop(runtime);
    std::env::set_var("MLX_DEVICE", "gpu:999");
    let e = Runtime::builder().build().unwrap_err();
    assert!(e.to_string().starts_with("MLX_DEVICE=gpu:999: "), "{e}");
    let runtime = Runtime::builder().device(Device::cpu()).build().unwrap();
    assert_eq!(runtime.report().device_reason, "asked for");
    drop(runtime);
    std::env::remove_var("MLX_DEVICE");
}

/// Something that takes memory when it is evaluated.
fn ones(shape: &[i32]) -> Array {
    let a = ops::ones(shape, Dtype::Float32).unwrap();
    ops::exp(&a).unwrap()
}

#[test]
fn what_passes_the_limit_is_an_error_and_work_goes_on() {
    let _turn = turn();
    let runtime = Runtime::builder().memory_limit(64 * MB).build().unwrap();
    let fits = ones(&[1000, 1000]);
    fits.eval().unwrap();
    let peak = || {
        let peak = memory::peak().unwrap();
        assert!(peak <= 64 * MB, "{peak}");
    };
    memory::reset_peak().unwrap();

    // A little too much, and far more than any machine has.
    for shape in [[4000, 5000], [1 << 20, 1 << 20]] {
        let large = ones(&shape);
        let refused = |result: mlx_runtime::Result<()>| {
            let e = result.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::OutOfMemory);
            let text = e.to_string();
            assert!(text.contains("memory limit of 64.0 MB"), "{text}");
            assert!(e.hint().unwrap().contains("memory_limit"), "{text}");
        };
        refused(large.eval());
        refused(transforms::eval(&[&fits, &large]));
        refused(transforms::async_eval(&[&large]));
        refused(
            ops::sum(&large, &[], false)
                .unwrap()
                .item::<f32>()
                .map(drop),
        );
        peak();
    }
    let e = Array::from_slice(&vec![0f32; 20_000_000], &[20_000_000]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::OutOfMemory);
    peak();

    // Earlier and later results are right.
    let e = |x: f32| assert!((x - 1f32.exp()).abs() < 1e-6, "{x}");
    e(fits.as_slice::<f32>().unwrap()[999_999]);
    e(ops::max(&fits, &[], false).unwrap().item::<f32>().unwrap());
    drop(runtime);
    // Twice the limit, which is no more there.
    ones(&[4000, 5000]).eval().unwrap();
}

#[test]
fn what_fits_if_mlx_waits_is_not_refused() {
    let _turn = turn();
    if default_device().unwrap() != Device::cpu() {
        println!("on a GPU, predictions of the queue are estimates: not compared");
        return;
    }
    let a = ones(&[500, 500]);
    a.eval().unwrap();
    memory::clear_cache().unwrap();
    let chain = || {
        let mut b = a.clone();
        for _ in 0..100 {
            b = ops::multiply(&ops::matmul(&b, &a).unwrap(), &a).unwrap();
        }
        b
    };
    let free = memory::forecast(&[&chain()]).unwrap();
    assert!(free.peak > 20 * MB, "{free:?}");
    let limit = memory::active().unwrap() + free.peak / 2;
    let runtime = Runtime::builder().memory_limit(limit).build().unwrap();
    let b = chain();
    memory::reset_peak().unwrap();
    b.eval().unwrap();
    assert!(memory::peak().unwrap() <= limit);
    // The queue was short for that one evaluation only.
    assert_eq!(memory::limit().unwrap(), limit);
    drop(runtime);
}

#[test]
fn enforcing_can_be_left_to_the_system() {
    let _turn = turn();
    let runtime = Runtime::builder()
        .memory_limit(16 * MB)
        .enforce(false)
        .build()
        .unwrap();
    ones(&[4000, 5000]).eval().unwrap();
    assert!(!runtime.report().enforced);
    // A limit below the memory in use refuses nothing that needs no memory.
    drop(runtime);
    let a = ones(&[4000, 1000]);
    a.eval().unwrap();
    let _runtime = Runtime::builder().memory_limit(MB).build().unwrap();
    a.eval().unwrap();
    assert_eq!(a.as_slice::<f32>().unwrap().len(), 4_000_000);
}

#[test]
fn what_no_machine_holds_is_refused_without_a_runtime() {
    let _turn = turn();
    let one = Array::scalar(1f32).unwrap();
    let broadcast = ops::broadcast_to(&one, &[1 << 20, 1 << 20]).unwrap();
    // Four terabytes of one element.
    broadcast.eval().unwrap();
    if default_device().unwrap() != Device::cpu() {
        println!("on a GPU, nothing is refused without a runtime's limit: not tried");
        return;
    }
    let all = ops::contiguous(&broadcast, false).unwrap();
    let e = all.eval().unwrap_err();
    assert_eq!(e.kind(), ErrorKind::OutOfMemory);
    assert!(e.to_string().contains("but the machine has"), "{e}");
}
