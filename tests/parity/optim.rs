//! The optimiser and the schedules against MLX's own, over 20 steps.
//!
//! `optim.safetensors` was written by `dump_optim.py`.

use std::collections::HashMap;

use mlx_runtime::optim::{clip_grad_norm, schedule::Schedule, AdamW, Optimizer};
use mlx_runtime::{io, ops, Array, Dtype};

const STEPS: i32 = 20;

struct Oracle(HashMap<String, Array>);

impl Oracle {
    fn load() -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/parity/optim.safetensors");
        Self(io::load_safetensors(path).unwrap().0)
    }

    fn pair(&self, name: &str) -> [&Array; 2] {
        [0, 1].map(|i| &self.0[&format!("{name}/{i}")])
    }

    /// Entry `t` of the first axis.
    fn at(&self, name: &str, t: i32) -> Vec<Array> {
        let index = Array::scalar(t).unwrap();
        self.pair(name)
            .iter()
            .map(|a| ops::take(a, &index, 0).unwrap())
            .collect()
    }
}

fn floats(a: &Array) -> Vec<f32> {
    ops::astype(a, Dtype::Float32).unwrap().to_vec().unwrap()
}

fn close(got: &Array, expected: &Array, tolerance: f32, what: &str) {
    assert_eq!(
        (got.shape(), got.dtype()),
        (expected.shape(), expected.dtype()),
        "{what}"
    );
    for (g, e) in floats(got).into_iter().zip(floats(expected)) {
        assert!(
            (g - e).abs() <= tolerance * (1.0 + e.abs()),
            "{what}: {g} instead of {e}"
        );
    }
}

/// Runs all steps of `run` and compares parameters after each, and the averages at the end.
fn follow(run: &str, opt: &AdamW, lr: Option<&Schedule>, clip: Option<f32>, dtype: Dtype) {
    let oracle = Oracle::load();
    let cast = |a: &Array| ops::astype(a, dtype).unwrap();
    let mut params: Vec<Array> = oracle.pair("start").map(cast).to_vec();
    let mut state = opt.init(&params).unwrap();
    let tolerance = if dtype == Dtype::Float32 { 1e-6 } else { 1e-2 };
    for t in 0..STEPS {
        let mut grads: Vec<Array> = oracle.at("grads", t).iter().map(cast).collect();
        if let Some(max) = clip {
            let (clipped, norm) = clip_grad_norm(&grads, max).unwrap();
            let norms = &oracle.0[&format!("{run}/norms")];
            let expected = ops::take(norms, &Array::scalar(t).unwrap(), 0).unwrap();
            close(&norm, &expected, tolerance, "norm");
            grads = clipped;
        }
        let lr = lr.map(|s| Array::scalar(s.at(t as u64) as f32).unwrap());
        (params, state) = opt.step(&params, &grads, &state, lr.as_ref()).unwrap();
        for (got, expected) in params.iter().zip(oracle.at(&format!("{run}/params"), t)) {
            close(got, &expected, tolerance, &format!("{run}, step {t}"));
        }
    }
    assert_eq!(
        state.get("step").unwrap().item::<u64>().unwrap(),
        STEPS as u64
    );
    for name in ["m", "v"] {
        for (i, expected) in oracle
            .pair(&format!("{run}/{name}"))
            .into_iter()
            .enumerate()
        {
            let got = state.get(&format!("{name}.{i}")).unwrap();
            close(got, expected, tolerance, &format!("{run}, {name}"));
        }
    }
}

fn adam() -> AdamW {
    AdamW {
        learning_rate: 1e-2,
        weight_decay: 0.0,
        ..AdamW::default()
    }
}

#[test]
fn adam_with_and_without_bias_correction() {
    follow("adam", &adam(), None, None, Dtype::Float32);
    let corrected = AdamW {
        bias_correction: true,
        ..adam()
    };
    follow("adam_corrected", &corrected, None, None, Dtype::Float32);
}

#[test]
fn adamw_with_and_without_bias_correction() {
    let plain = AdamW {
        betas: (0.8, 0.95),
        eps: 1e-6,
        weight_decay: 0.1,
        ..adam()
    };
    follow("adamw", &plain, None, None, Dtype::Float32);
    let corrected = AdamW {
        weight_decay: 0.1,
        bias_correction: true,
        ..adam()
    };
    follow("adamw_corrected", &corrected, None, None, Dtype::Float32);
}

#[test]
fn adamw_scheduled_clipped_and_in_half_precision() {
    let default = AdamW {
        weight_decay: 0.01,
        ..adam()
    };
    let schedule = Schedule::warmup_cosine(1e-2, 5, 15, 1e-3).unwrap();
    follow(
        "adamw_scheduled",
        &default,
        Some(&schedule),
        None,
        Dtype::Float32,
    );
    follow("adamw_clipped", &default, None, Some(0.5), Dtype::Float32);
    let corrected = AdamW {
        bias_correction: true,
        ..default
    };
    follow("adamw_bf16", &corrected, None, None, Dtype::Bfloat16);
}

#[test]
fn schedules_have_the_values_of_mlx() {
    let oracle = Oracle::load();
    let warm = Schedule::linear(0.0, 1e-2, 5).unwrap();
    let cosine = Schedule::cosine(1e-2, 10, 1e-3).unwrap();
    let schedules = [
        ("linear", Schedule::linear(1e-3, 1e-1, 7).unwrap()),
        ("cosine", Schedule::cosine(1e-1, 12, 1e-2).unwrap()),
        ("exponential", Schedule::exponential(1e-1, 0.9)),
        ("step", Schedule::step(1e-1, 0.5, 4).unwrap()),
        ("join", Schedule::join(vec![warm, cosine], &[5]).unwrap()),
        ("join", Schedule::warmup_cosine(1e-2, 5, 15, 1e-3).unwrap()),
    ];
    for (name, s) in schedules {
        let expected = floats(&oracle.0[&format!("schedule/{name}")]);
        for (t, e) in expected.into_iter().enumerate() {
            let got = s.at(t as u64) as f32;
            assert!(
                (got - e).abs() <= 1e-7,
                "{name} at {t}: {got} instead of {e}"
            );
        }
    }
}
