//! Training steps: micro-batches equal the batch, a run that is interrupted equals one that is not,
//! steps that are not finite change nothing.

use std::sync::Arc;

use mlx_models::{llama::Llama, Config};
use mlx_runtime::model::{add_lora, init, LoraConfig, TrainOptions, TrainStep};
use mlx_runtime::optim::{AdamW, Optimizer};
use mlx_runtime::random::Key;
use mlx_runtime::{ops, Array, Dtype, ErrorKind, Result};
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
    // What stands in a pad is of no account; it is not 0 here, so that it would be seen.
    let value = |r: usize, i: usize| token(r + seed, i) as f32;
    vec![
        ints(all(&|r, i| if i < rows[r] { value(r, i) } else { 9.0 })),
        ints(all(&|r, i| if i < rows[r] { value(r, i + 1) } else { 3.0 })),
        array(all(&|r, i| f32::from(u8::from(i < rows[r])))),
    ]
}

fn values(step: &TrainStep<Llama>) -> Vec<(String, Vec<u8>)> {
    let bytes = |a: &Array| -> Vec<u8> {
        match a.dtype() {
            Dtype::Uint32 => a
                .to_vec::<u32>()
                .unwrap()
                .iter()
                .flat_map(|x| x.to_ne_bytes())
                .collect(),
            Dtype::Uint64 => a
                .to_vec::<u64>()
                .unwrap()
                .iter()
                .flat_map(|x| x.to_ne_bytes())
                .collect(),
            _ => a
                .to_vec::<f32>()
                .unwrap()
                .iter()
                .flat_map(|x| x.to_ne_bytes())
                .collect(),
        }
    };
    step.state()
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
    #![proptest_config(ProptestConfig::with_cases(24))]

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
