//! Training steps: micro-batches equal the batch, a run that is interrupted equals one that is not,
//! steps that are not finite change nothing.

use std::collections::HashMap;
use std::sync::Arc;

use mlx_models::{llama::Llama, Config};
use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::model::{add_lora, init, LoraConfig, TrainOptions, TrainStep};
use mlx_runtime::optim::{
    all_finite, clip_grad_norm, clip_grad_value, guard, Adafactor, Adam, AdamW, Lion, Muon,
    OptimState, Optimizer, Parts, Sgd, Shapes, Skipped,
};
use mlx_runtime::random::Key;
use mlx_runtime::transforms::{self, CompileMode};
use mlx_runtime::{io, ops, Array, Dtype, Error, ErrorKind, Result};
use proptest::prelude::*;

const VOCAB: i32 = 20;

/// A Llama with adapters, with a loss over real targets; where a fourth array comes in the batch, the
/// loss is multiplied with it.
fn trainer(optimizer: impl Optimizer + 'static, options: TrainOptions) -> Result<TrainStep<Llama>> {
    let config = Config {
        hidden_size: 16,
        num_hidden_layers: 2,
        intermediate_size: 32,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        vocab_size: VOCAB as usize,
        tie_word_embeddings: true,
        ..Config::default()
    };
    let mut model: Llama = init(&Arc::new(config), Key::new(1)?, Dtype::Float32)?;
    let lora = LoraConfig {
        rank: 4,
        scale: 20.0,
        keys: vec!["q_proj".into(), "v_proj".into()],
        num_layers: -1,
        ..LoraConfig::default()
    };
    add_lora(&mut model, &lora, &Key::new(2)?)?;
    let loss = |m: &Llama, b: &[Array]| {
        let loss = m.loss(&b[0], &b[1], &b[2])?;
        let loss = match b.get(3) {
            Some(factor) => ops::multiply(&loss, factor)?,
            None => loss,
        };
        Ok(vec![loss, ops::sum(&b[2], &[], false)?])
    };
    TrainStep::new(model, loss, optimizer, options)
}

/// Tokens, targets and weights of rows with so many real targets each, padded to the longest.
fn batch(rows: &[usize], seed: usize) -> Vec<Array> {
    let width = rows.iter().copied().max().unwrap_or(1).max(1);
    let shape = [rows.len() as i32, width as i32];
    let token = |row: usize, i: usize| ((seed + 7 * row + 3 * i * i) % VOCAB as usize) as i32;
    let all = |f: &dyn Fn(usize, usize) -> f32| -> Vec<f32> {
        (0..rows.len())
            .flat_map(|r| (0..width).map(move |i| (r, i)))
            .map(|(r, i)| f(r, i))
            .collect()
    };
    let array = |values: Vec<f32>| Array::from_slice(&values, &shape).unwrap();
    let ints = |values: Vec<f32>| ops::astype(&array(values), Dtype::Int32).unwrap();
    // The token of a pad has no effect; it is not 0 here, so that an effect would show.
    let value = |r: usize, i: usize| token(r + seed, i) as f32;
    vec![
        ints(all(&|r, i| if i < rows[r] { value(r, i) } else { 9.0 })),
        ints(all(&|r, i| if i < rows[r] { value(r, i + 1) } else { 3.0 })),
        array(all(&|r, i| f32::from(u8::from(i < rows[r])))),
    ]
}

fn bytes(a: &Array) -> Vec<u8> {
    let all = match a.dtype() {
        Dtype::Uint32 => a
            .to_vec::<u32>()
            .map(|v| v.iter().flat_map(|x| x.to_ne_bytes()).collect()),
        Dtype::Uint64 => a
            .to_vec::<u64>()
            .map(|v| v.iter().flat_map(|x| x.to_ne_bytes()).collect()),
        _ => a
            .to_vec::<f32>()
            .map(|v| v.iter().flat_map(|x| x.to_ne_bytes()).collect()),
    };
    all.unwrap()
}

fn values(step: &TrainStep<Llama>) -> Vec<(String, Vec<u8>)> {
    let state = step.state();
    state
        .iter()
        .map(|(name, a)| (name.clone(), bytes(a)))
        .collect()
}

fn param(step: &TrainStep<Llama>) -> Vec<f32> {
    let state = step.state();
    let (_, a) = state.iter().find(|(n, _)| n == "param.0").unwrap();
    a.to_vec().unwrap()
}

/// With these settings the change of a parameter is in proportion to its gradient.
fn plain() -> AdamW {
    AdamW {
        betas: (0.0, 0.0),
        eps: 1e3,
        weight_decay: 0.0,
        ..AdamW::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 24,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// However the rows are spread over micro-batches, and however long their padding is.
    #[test]
    fn micro_batches_equal_the_batch(
        rows in prop::collection::vec(0usize..9, 1..7),
        cuts in prop::collection::vec(any::<bool>(), 7),
        seed in 0usize..1000,
    ) {
        prop_assume!(rows.iter().any(|n| *n > 0));
        let whole = batch(&rows, seed);
        let mut parts: Vec<Vec<Array>> = Vec::new();
        let mut start = 0;
        for end in 1..=rows.len() {
            if end == rows.len() || cuts[end] {
                let width = rows[start..end].iter().copied().max().unwrap_or(1).max(1) as i32;
                let part = |a: &Array| {
                    ops::slice(a, &[start as i32, 0], &[end as i32, width], &[1, 1]).unwrap()
                };
                parts.push(whole.iter().map(part).collect());
                start = end;
            }
        }
        let mut one = trainer(plain(), TrainOptions::default()).unwrap();
        let mut many = trainer(plain(), TrainOptions::default()).unwrap();
        let before = param(&one);
        let a = one.run(&whole, 1e3).unwrap();
        let b = many.run_accumulated(&parts, 1e3).unwrap();
        let number = |a: &Array| a.item::<f32>().unwrap();
        prop_assert!((number(&a[0]) - number(&b[0])).abs() < 1e-5);
        prop_assert_eq!(number(&b[1]) as usize, rows.iter().sum::<usize>());
        let (one, many) = (param(&one), param(&many));
        let most = one.iter().zip(&before).fold(0f32, |m, (x, y)| m.max((x - y).abs()));
        prop_assert!(most > 1e-4, "nothing has changed: {}", most);
        for (x, y) in one.iter().zip(&many) {
            prop_assert!((x - y).abs() <= 1e-4 * most + 1e-6, "{} and {}, of {}", x, y, most);
        }
    }
}

#[test]
fn a_count_of_targets_is_needed() {
    let mut step = trainer(plain(), TrainOptions::default()).unwrap();
    let none: [Vec<Array>; 0] = [];
    let error = step.run_accumulated(&none, 1.0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn steps_that_are_not_finite_change_nothing() {
    let mut options = TrainOptions::default();
    options.max_skipped_steps = Some(2);
    options.max_grad_norm = Some(1.0);
    let mut step = trainer(AdamW::default(), options).unwrap();
    let with = |factor: f32| {
        let mut all = batch(&[4, 2], 1);
        all.push(Array::scalar(factor).unwrap());
        all
    };
    step.run(&with(1.0), 1e-2).unwrap();
    let good = values(&step);
    for (i, bad) in [f32::NAN, f32::INFINITY].into_iter().enumerate() {
        let out = step.run(&with(bad), 1e-2).unwrap();
        assert!(!out[0].item::<f32>().unwrap().is_finite());
        let skipped = step.skipped().unwrap();
        assert_eq!([skipped.total, skipped.in_a_row], [i as u32 + 1; 2]);
        for ((name, now), (_, then)) in values(&step).iter().zip(&good) {
            assert!(name == "skipped" || now == then, "{name}");
        }
    }
    // A good one in between: the count in a row begins again. In micro-batches one bad is enough.
    step.run(&with(1.0), 1e-2).unwrap();
    assert_ne!(values(&step), good);
    assert_eq!(step.skipped().unwrap().in_a_row, 0);
    let good = values(&step);
    for i in 1..=2 {
        step.run_accumulated(&[with(1.0), with(f32::NAN)], 1e-2)
            .unwrap();
        assert_eq!(step.skipped().unwrap().in_a_row, i);
    }
    let error = step.run(&with(f32::NEG_INFINITY), 1e-2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFinite);
    assert!(
        error.to_string().contains("3 steps in a row (5 in all)"),
        "{error}"
    );
    for ((name, now), (_, then)) in values(&step).iter().zip(&good) {
        assert!(name == "skipped" || now == then, "{name}");
    }
}

fn optimizers() -> Vec<Box<dyn Optimizer>> {
    let adamw = AdamW {
        bias_correction: true,
        ..AdamW::default()
    };
    let sgd = Sgd {
        momentum: 0.9,
        nesterov: true,
        ..Sgd::default()
    };
    let adafactor = Adafactor {
        beta_1: Some(0.9),
        weight_decay: 0.1,
        ..Adafactor::default()
    };
    let parts = Parts::new(Adam::default())
        .with(|name, _| name.contains("lora_b"), Muon::default(), 0.5)
        .with(|name, _| name.contains("layers.0"), Lion::default(), 0.1);
    vec![
        Box::new(sgd),
        Box::new(Adam::default()),
        Box::new(adamw),
        Box::new(Lion::default()),
        Box::new(adafactor),
        Box::new(Muon::default()),
        Box::new(parts),
    ]
}

/// Three steps, the last of two batches.
fn three(step: &mut TrainStep<Llama>, seed: usize) {
    step.run(&batch(&[5, 3], seed), 1e-2).unwrap();
    step.run(&batch(&[2, 6, 1], seed + 1), 5e-3).unwrap();
    let two = [batch(&[4], seed + 2), batch(&[1, 2], seed + 3)];
    step.run_accumulated(&two, 2e-3).unwrap();
}

#[test]
fn a_saved_run_goes_on_bit_for_bit_with_each_optimiser() {
    let folder = tempfile::tempdir().unwrap();
    for (through, saved) in optimizers().into_iter().zip(optimizers()) {
        let name = through.name();
        let path = folder.path().join(format!("{name}.safetensors"));
        let mut whole = trainer(through, TrainOptions::default()).unwrap();
        three(&mut whole, 1);
        let before = param(&whole);
        io::save_safetensors(&path, &whole.state(), &HashMap::new()).unwrap();
        three(&mut whole, 20);
        assert_ne!(param(&whole), before, "{name}");

        let (mut arrays, _) = io::load_safetensors(&path).unwrap();
        let mut resumed = trainer(saved, TrainOptions::default()).unwrap();
        resumed.restore(|name| arrays.remove(name)).unwrap();
        assert!(arrays.is_empty(), "{name}: {arrays:?}");
        three(&mut resumed, 20);
        if default_device().unwrap().kind() == DeviceType::Gpu {
            println!("on a GPU, a run that goes on is not compared to the bit: some of MLX's kernels add in any order");
            for ((what, now), (_, then)) in resumed.state().iter().zip(&whole.state()) {
                near(&format!("{name}: {what}"), now, then);
            }
            continue;
        }
        for ((what, now), (_, then)) in values(&resumed).iter().zip(&values(&whole)) {
            assert!(now == then, "{name}: {what}");
        }
    }
}

/// A thousandth of the largest apart at most; what is no float is the same.
fn near(what: &str, now: &Array, then: &Array) {
    assert_eq!(now.shape(), then.shape(), "{what}");
    if !now.dtype().is_float() {
        assert_eq!(bytes(now), bytes(then), "{what}");
        return;
    }
    let (now, then): (Vec<f32>, Vec<f32>) = (now.to_vec().unwrap(), then.to_vec().unwrap());
    let most = then.iter().fold(0f32, |m, x| m.max(x.abs()));
    for (x, y) in now.iter().zip(&then) {
        assert!(
            (x - y).abs() <= 1e-3 * most,
            "{what}: {x} and {y}, of {most}"
        );
    }
}

#[test]
fn another_optimisers_state_is_refused() {
    let mut first = trainer(Adam::default(), TrainOptions::default()).unwrap();
    three(&mut first, 1);
    let saved: HashMap<String, Array> = first.state().into_iter().collect();
    for optimizer in optimizers() {
        let name = optimizer.name();
        let mut other = trainer(optimizer, TrainOptions::default()).unwrap();
        let before = values(&other);
        let result = other.restore(|name| saved.get(name).cloned());
        assert_eq!(result.is_ok(), name == "adam", "{name}");
        if let Err(error) = result {
            assert_eq!(error.kind(), ErrorKind::Format);
            // Parts have other groups; that is seen first.
            let what = match name {
                "parts" => "param.0".to_owned(),
                _ => format!("optim.{name}."),
            };
            assert!(error.to_string().contains(&what), "{error}");
            assert_eq!(values(&other), before);
        }
    }
}

#[test]
fn each_optimiser_lowers_the_loss() {
    for optimizer in optimizers() {
        let name = optimizer.name();
        let mut step = trainer(optimizer, TrainOptions::default()).unwrap();
        let batch = batch(&[6, 8, 3], 5);
        let lr = if name == "lion" { 2e-3 } else { 2e-2 };
        let losses: Vec<f32> = (0..30)
            .map(|_| step.run(&batch, lr).unwrap()[0].item().unwrap())
            .collect();
        // Adafactor begins small: its step is in proportion to the parameters, and half of them are 0.
        assert!(losses[29] < losses[0] - 5e-3, "{name}: {losses:?}");
        assert_eq!(step.skipped().unwrap().total, 0, "{name}");
    }
}

/// Updates are pure functions of arrays: a compiled one, in which nothing can be evaluated, gives the same.
#[test]
fn updates_compile() {
    transforms::compile_mode(CompileMode::NoFuse).unwrap();
    for (optimizer, again) in optimizers().into_iter().zip(optimizers()) {
        let name = optimizer.name();
        let shapes = Shapes::new([vec![&[3, 4][..], &[3, 4], &[2]]]);
        let array = |f: fn(f32) -> f32| {
            let values: Vec<f32> = (0..26).map(|i| f(i as f32)).collect();
            Array::from_slice(&values, &[26]).unwrap()
        };
        let (w, g) = (array(f32::sin), array(f32::cos));
        let state = optimizer
            .init_buffers(&shapes, std::slice::from_ref(&w))
            .unwrap();
        let step = move |shapes: &Shapes, state: &OptimState, inputs: &[Array]| {
            let (carried, rest) = inputs.split_at(state.arrays().len());
            let [w, g, lr, loss, counters] = rest else {
                unreachable!("five arrays besides the state")
            };
            let old = state.with_arrays(carried.to_vec())?;
            let (w, g) = (std::slice::from_ref(w), std::slice::from_ref(g));
            let (clipped, norm) = clip_grad_norm(&clip_grad_value(g, 0.9)?, 1.0)?;
            let (new, next) = again.step_buffers(shapes, w, &clipped, &old, lr)?;
            let ok = all_finite(loss, &norm)?;
            let next = guard(&ok, (w, &old), (&new, &next), counters)?;
            let mut out = next.state.arrays().to_vec();
            out.extend(next.buffers);
            out.push(next.counters);
            Ok::<_, Error>(out)
        };
        let inputs = |lr: f32, loss: f32| {
            let mut all = state.arrays().to_vec();
            let scalar = |x: f32| Array::scalar(x).unwrap();
            all.extend([w.clone(), g.clone(), scalar(lr), scalar(loss)]);
            all.push(Skipped::none().unwrap());
            all
        };
        let plain: Vec<Vec<Array>> = [(0.1, 1.0), (0.2, 1.0), (0.1, f32::NAN)]
            .iter()
            .map(|(lr, loss)| step(&shapes, &state, &inputs(*lr, *loss)).unwrap())
            .collect();
        let (shapes, held) = (shapes.clone(), state.clone());
        let compiled = transforms::compile(move |x| step(&shapes, &held, x), false);
        for ((lr, loss), plain) in [(0.1, 1.0), (0.2, 1.0), (0.1, f32::NAN)]
            .into_iter()
            .zip(plain)
        {
            let got = compiled.call(&inputs(lr, loss)).unwrap();
            assert_eq!(got.len(), plain.len());
            for (a, b) in got.iter().zip(&plain) {
                assert_eq!(bytes(a), bytes(b), "{name}");
            }
            let moved =
                plain[plain.len() - 2].to_vec::<f32>().unwrap() != w.to_vec::<f32>().unwrap();
            assert_eq!(moved, loss.is_finite(), "{name}");
        }
    }
    transforms::compile_mode(CompileMode::Enabled).unwrap();
}
