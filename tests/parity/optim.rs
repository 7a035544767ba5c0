//! The optimisers and the schedules against MLX's own, over 20 steps.
//!
//! `optim.safetensors` was written by `dump_optim.py`. Each run is followed twice: tensor by tensor, and
//! over the flat buffers of parameter groups.

use std::collections::HashMap;
use std::path::Path;

use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::model::ParamGroups;
use mlx_runtime::optim::schedule::Schedule;
use mlx_runtime::optim::{
    clip_grad_norm, clip_grad_value, Adafactor, Adam, AdamW, Lion, Muon, OptimState, Optimizer,
    Parts, Sgd, Shapes,
};
use mlx_runtime::{io, ops, Array, Dtype};

const STEPS: i32 = 20;
const TENSORS: usize = 5;

struct Oracle(HashMap<String, Array>);

impl Oracle {
    fn load() -> Self {
        // At run time first: the test may run on another machine than the one that built it.
        let package = std::env::var("CARGO_MANIFEST_DIR");
        let package = package.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR"));
        let path = Path::new(package).join("parity/optim.safetensors");
        Self(io::load_safetensors(path).unwrap().0)
    }

    /// Entry `t` of the first axis.
    fn at(&self, name: &str, t: usize) -> Array {
        ops::take(&self.0[name], &Array::scalar(t as i32).unwrap(), 0).unwrap()
    }

    /// One for each tensor, in its dtype.
    fn all(&self, dtypes: &[Dtype], name: impl Fn(usize) -> Array) -> Vec<Array> {
        let cast = |(i, d): (usize, &Dtype)| ops::astype(&name(i), *d).unwrap();
        dtypes.iter().enumerate().map(cast).collect()
    }

    /// The place of step `t` among those that were kept.
    fn kept(&self, t: i32) -> Option<usize> {
        let kept = self.0["kept"].to_vec::<i32>().unwrap();
        kept.iter().position(|k| *k == t)
    }
}

fn floats(a: &Array) -> Vec<f32> {
    ops::astype(a, Dtype::Float32).unwrap().to_vec().unwrap()
}

fn tolerance(dtype: Dtype) -> f32 {
    let gpu = default_device().unwrap().kind() == DeviceType::Gpu;
    match dtype {
        // The dump is of MLX's CPU.
        Dtype::Float32 if gpu => 1e-3,
        Dtype::Float32 => 1e-6,
        // Two units in the last place of bfloat16.
        _ => 1.6e-2,
    }
}

fn close(got: &Array, expected: &Array, what: &str) {
    assert_eq!(
        (got.shape(), got.dtype()),
        (expected.shape(), expected.dtype()),
        "{what}"
    );
    let tolerance = tolerance(got.dtype());
    for (g, e) in floats(got).into_iter().zip(floats(expected)) {
        assert!(
            (g - e).abs() <= tolerance * (1.0 + e.abs()),
            "{what}: {g} instead of {e}"
        );
    }
}

#[derive(Default)]
struct Run<'a> {
    lr: Option<&'a Schedule>,
    norm: Option<f32>,
    bound: Option<f32>,
    dtypes: Option<[Dtype; TENSORS]>,
}

/// The layout of parameters: each for itself, or in groups.
enum Lie {
    Single,
    Grouped(ParamGroups),
}

impl Lie {
    fn pack(&self, tensors: Vec<Array>) -> Vec<Array> {
        match self {
            Lie::Single => tensors,
            Lie::Grouped(groups) => groups.gather(&tensors).unwrap(),
        }
    }

    fn unpack(&self, buffers: &[Array]) -> Vec<Array> {
        match self {
            Lie::Single => buffers.to_vec(),
            Lie::Grouped(groups) => groups.scatter(buffers).unwrap(),
        }
    }

    fn shapes(&self, opt: &dyn Optimizer, buffers: &[Array]) -> Shapes {
        let parts = buffers.iter().map(|b| opt.part("", b.shape())).collect();
        match self {
            Lie::Single => Shapes::of(buffers).with_parts(parts).unwrap(),
            Lie::Grouped(groups) => groups.shapes(),
        }
    }
}

/// The averages of each tensor, by MLX's name for them.
fn slot(lie: &Lie, state: &OptimState, name: &str) -> Option<Vec<Array>> {
    let buffers = (0..).map_while(|i| state.get(&format!("{name}.{i}")).cloned());
    let buffers: Vec<Array> = buffers.collect();
    (!buffers.is_empty()).then(|| lie.unpack(&buffers))
}

/// Runs all steps, compares the parameters on the way, and the averages at the end.
fn follow(name: &str, opt: &dyn Optimizer, run: &Run) {
    let oracle = Oracle::load();
    let dtypes = run.dtypes.unwrap_or([Dtype::Float32; TENSORS]);
    let start = oracle.all(&dtypes, |i| oracle.0[&format!("start/{i}")].clone());
    let groups = ParamGroups::of_parts(&start, |i| opt.part("", start[i].shape())).unwrap();
    for lie in [Lie::Single, Lie::Grouped(groups)] {
        let mut params = lie.pack(start.clone());
        let shapes = lie.shapes(opt, &params);
        let mut state = opt.init_buffers(&shapes, &params).unwrap();
        for t in 0..STEPS {
            let grads = oracle.all(&dtypes, |i| oracle.at(&format!("grads/{i}"), t as usize));
            let mut grads = lie.pack(grads);
            if let Some(bound) = run.bound {
                grads = clip_grad_value(&grads, bound).unwrap();
            }
            if let Some(max) = run.norm {
                let (clipped, norm) = clip_grad_norm(&grads, max).unwrap();
                close(
                    &norm,
                    &oracle.at(&format!("{name}/norms"), t as usize),
                    "norm",
                );
                grads = clipped;
            }
            let lr = run
                .lr
                .map_or(opt.learning_rate(), |s| s.at(t as u64) as f32);
            let lr = Array::scalar(lr).unwrap();
            (params, state) = opt
                .step_buffers(&shapes, &params, &grads, &state, &lr)
                .unwrap();
            let Some(kept) = oracle.kept(t) else { continue };
            for (i, got) in lie.unpack(&params).iter().enumerate() {
                let expected = oracle.at(&format!("{name}/params/{i}"), kept);
                close(got, &expected, &format!("{name}, tensor {i}, step {t}"));
            }
        }
        let Some(step) = state.get("step") else {
            continue;
        };
        assert_eq!(step.item::<u64>().unwrap(), STEPS as u64);
        for average in ["m", "v", "exp_avg"] {
            let Some(tensors) = slot(&lie, &state, average) else {
                continue;
            };
            for (i, got) in tensors.iter().enumerate() {
                let expected = &oracle.0[&format!("{name}/state/{i}/{average}")];
                close(got, expected, &format!("{name}, tensor {i}, {average}"));
            }
        }
    }
}

fn plain(name: &str, opt: impl Optimizer) {
    follow(name, &opt, &Run::default());
}

fn half(name: &str, opt: impl Optimizer) {
    let run = Run {
        dtypes: Some([Dtype::Bfloat16; TENSORS]),
        ..Run::default()
    };
    follow(name, &opt, &run);
}

fn mixed(name: &str, opt: impl Optimizer) {
    const F: Dtype = Dtype::Float32;
    const B: Dtype = Dtype::Bfloat16;
    let run = Run {
        dtypes: Some([F, B, F, B, F]),
        ..Run::default()
    };
    follow(name, &opt, &run);
}

fn sgd(momentum: f32) -> Sgd {
    Sgd {
        learning_rate: 1e-2,
        momentum,
        ..Sgd::default()
    }
}

fn adamw() -> AdamW {
    AdamW {
        learning_rate: 1e-2,
        ..AdamW::default()
    }
}

fn lion() -> Lion {
    Lion {
        learning_rate: 1e-3,
        ..Lion::default()
    }
}

fn muon() -> Muon {
    Muon {
        learning_rate: 1e-2,
        ..Muon::default()
    }
}

#[test]
fn sgd_is_that_of_mlx() {
    plain("sgd", sgd(0.0));
    plain("sgd_momentum", sgd(0.9));
    let all = Sgd {
        dampening: 0.1,
        weight_decay: 0.05,
        ..sgd(0.9)
    };
    plain("sgd_all", all);
    let nesterov = Sgd {
        nesterov: true,
        ..sgd(0.8)
    };
    plain("sgd_nesterov", nesterov.clone());
    half("sgd_bf16", nesterov);
}

#[test]
fn adam_is_that_of_mlx() {
    let adam = Adam {
        learning_rate: 1e-2,
        ..Adam::default()
    };
    plain("adam", adam.clone());
    let corrected = Adam {
        bias_correction: true,
        ..adam
    };
    plain("adam_corrected", corrected);
}

#[test]
fn adamw_is_that_of_mlx() {
    let other = AdamW {
        betas: (0.8, 0.95),
        eps: 1e-6,
        weight_decay: 0.1,
        ..adamw()
    };
    plain("adamw", other);
    let corrected = AdamW {
        weight_decay: 0.1,
        bias_correction: true,
        ..adamw()
    };
    plain("adamw_corrected", corrected);
    let corrected = AdamW {
        bias_correction: true,
        ..adamw()
    };
    half("adamw_bf16", corrected);
    mixed("adamw_mixed", adamw());
}

#[test]
fn scheduled_and_clipped() {
    let schedule = Schedule::warmup_cosine(1e-2, 5, 15, 1e-3).unwrap();
    let scheduled = Run {
        lr: Some(&schedule),
        ..Run::default()
    };
    follow("adamw_scheduled", &adamw(), &scheduled);
    let clipped = Run {
        norm: Some(0.5),
        ..Run::default()
    };
    follow("adamw_clipped", &adamw(), &clipped);
    let bounded = Run {
        bound: Some(0.01),
        ..Run::default()
    };
    follow("adamw_bounded", &adamw(), &bounded);
}

#[test]
fn lion_is_that_of_mlx() {
    plain("lion", lion());
    let decay = Lion {
        betas: (0.8, 0.95),
        weight_decay: 0.1,
        ..lion()
    };
    plain("lion_decay", decay);
    let decay = Lion {
        weight_decay: 0.1,
        ..lion()
    };
    half("lion_bf16", decay);
}

#[test]
fn adafactor_is_that_of_mlx() {
    let adafactor = Adafactor::default();
    plain("adafactor", adafactor.clone());
    half("adafactor_bf16", adafactor.clone());
    let warm = Adafactor {
        warmup_init: true,
        clip_threshold: 0.5,
        decay_rate: -0.7,
        weight_decay: 0.1,
        ..adafactor.clone()
    };
    plain("adafactor_warm", warm);
    let by_rate = Adafactor {
        learning_rate: 1e-2,
        relative_step: false,
        scale_parameter: false,
        beta_1: Some(0.9),
        eps: (1e-20, 1e-2),
        ..adafactor.clone()
    };
    plain("adafactor_lr", by_rate);
    let both = Adafactor {
        weight_decay: 0.1,
        beta_1: Some(0.5),
        ..adafactor
    };
    mixed("adafactor_mixed", both);
}

#[test]
fn muon_is_that_of_mlx() {
    plain("muon", muon());
    let other = Muon {
        momentum: 0.9,
        weight_decay: 0.0,
        nesterov: false,
        ns_steps: 3,
        ..muon()
    };
    plain("muon_plain", other);
    half("muon_bf16", muon());
    mixed("muon_mixed", muon());
}

#[test]
fn parts_are_mlxs_optimisers_for_some_tensors() {
    let both = || {
        let adamw = AdamW {
            learning_rate: 5e-3,
            ..adamw()
        };
        // Twice the others' learning rate.
        Parts::new(adamw).with(|_, shape| shape.len() == 2, muon(), 2.0)
    };
    plain("parts", both());
    mixed("parts_mixed", both());
}

#[test]
fn schedules_have_the_values_of_mlx() {
    let oracle = Oracle::load();
    let linear = |from, to, n| Schedule::linear(from, to, n).unwrap();
    let cosine = |from, n, to| Schedule::cosine(from, n, to).unwrap();
    let join = |parts: &[Schedule], at: &[u64]| Schedule::join(parts.to_vec(), at).unwrap();
    let flat = Schedule::constant(1e-3);
    let schedules = [
        ("linear", linear(1e-3, 1e-1, 70)),
        ("cosine", cosine(1e-1, 120, 1e-2)),
        ("cosine_to_zero", cosine(1e-5, 150, 0.0)),
        ("exponential", Schedule::exponential(1e-1, 0.99)),
        ("step", Schedule::step(1e-1, 0.5, 40).unwrap()),
        (
            "join",
            join(&[linear(0.0, 1e-2, 5), cosine(1e-2, 10, 1e-3)], &[5]),
        ),
        ("join", Schedule::warmup_cosine(1e-2, 5, 15, 1e-3).unwrap()),
        (
            "join_three",
            join(
                &[
                    linear(0.0, 1e-3, 20),
                    flat,
                    Schedule::exponential(1e-3, 0.97),
                ],
                &[20, 90],
            ),
        ),
    ];
    for (name, s) in schedules {
        let expected = floats(&oracle.0[&format!("schedule/{name}")]);
        assert_eq!(expected.len(), 200);
        let most = expected.iter().fold(0f32, |m, e| m.max(*e));
        for (t, e) in expected.into_iter().enumerate() {
            let got = s.at(t as u64) as f32;
            assert!(
                (got - e).abs() <= 1e-6 * most,
                "{name} at {t}: {got} instead of {e}"
            );
        }
    }
}
