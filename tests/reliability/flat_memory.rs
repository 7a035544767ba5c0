//! Ten thousand training steps neither grow MLX's memory nor the process.
//!
//! Alone in its file: other tests in the process would be measured, too.

use mlx_runtime::optim::{AdamW, Optimizer};
use mlx_runtime::transforms::{checkpoint, custom_vjp, eval, value_and_grad};
use mlx_runtime::{memory, ops, Array, Dtype, Result};

const STEPS: usize = 10_000;
/// By then caches and pools have their size.
const WARM: usize = 2_000;

/// Two layers, the first behind a checkpoint, the loss with a gradient of its own: every kind of
/// closure is made and freed with each step's graph.
fn loss(p: &[Array]) -> Result<Vec<Array>> {
    let hidden = checkpoint(|p| Ok(vec![ops::tanh(&ops::matmul(&p[0], &p[1])?)?]));
    let x = ops::ones(&[4, 8], Dtype::Float32)?;
    let h = hidden.call(&[x, p[0].clone()])?;
    let y = ops::matmul(&h[0], &p[1])?;
    let squares = custom_vjp(
        |y| Ok(vec![ops::sum(&ops::square(&y[0])?, &[], false)?]),
        |y, c, _| {
            let two = Array::scalar(2.0f32)?;
            Ok(vec![ops::multiply(&ops::multiply(&y[0], &two)?, &c[0])?])
        },
    );
    squares.call(&[y])
}

/// The pages of this process that are in memory, in KiB.
#[cfg(target_os = "linux")]
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn resident() -> Option<usize> {
    None
}

#[test]
fn ten_thousand_steps_leave_memory_flat() {
    let opt = AdamW {
        bias_correction: true,
        ..AdamW::default()
    };
    let mut params = vec![
        ops::full(&[8, 8], &Array::scalar(0.1f32).unwrap(), Dtype::Float32).unwrap(),
        ops::full(&[8, 2], &Array::scalar(0.2f32).unwrap(), Dtype::Float32).unwrap(),
    ];
    let mut state = opt.init(&params).unwrap();
    let step = value_and_grad(loss, &[0, 1]);
    let mut first = 0.0;
    let mut last = 0.0;
    let mut warm = (0, None);
    for i in 0..STEPS {
        let (value, grads) = step.call(&params).unwrap();
        (params, state) = opt.step(&params, &grads, &state, None).unwrap();
        let mut all: Vec<&Array> = params.iter().chain(state.arrays()).collect();
        all.push(&value[0]);
        eval(&all).unwrap();
        last = value[0].item::<f32>().unwrap();
        if i == 0 {
            first = last;
        }
        if i == WARM {
            warm = (memory::active().unwrap(), resident());
        }
    }
    assert!(last < first / 2.0, "the loss went from {first} to {last}");
    let active = memory::active().unwrap();
    assert!(
        active <= warm.0 + 4096,
        "MLX's memory grew from {} to {active} bytes",
        warm.0
    );
    if let (Some(before), Some(after)) = (warm.1, resident()) {
        let grown = after.saturating_sub(before);
        // 8,000 steps that each lost a 512-byte handle would show 4 MiB.
        assert!(
            grown < 2048,
            "the process grew by {grown} KiB, from {before} to {after}"
        );
    }
}
