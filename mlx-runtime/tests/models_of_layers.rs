//! Models made of layers without the macros: train and eval mode, gradients, training steps, files.

use std::collections::BTreeSet;

use mlx_runtime::model::{TrainOptions, TrainStep};
use mlx_runtime::nn::losses;
use mlx_runtime::nn::{
    self, BatchNorm, Dropout, Linear, Module, Parameters, Sequential, TensorKind,
};
use mlx_runtime::optim::{Optimizer, Sgd};
use mlx_runtime::random::{self, Key};
use mlx_runtime::{ops, parameters, Array, Dtype, ErrorKind, Result};

fn key() -> Key {
    Key::new(3).unwrap()
}

#[test]
fn dropout_zeros_a_share_in_train_mode_only() {
    let mut layer = Dropout::new(0.25, &key()).unwrap();
    let x = ops::ones(&[10_000], Dtype::Float32).unwrap();
    let zeros = |y: &Array| {
        y.to_vec::<f32>()
            .unwrap()
            .iter()
            .filter(|v| **v == 0.0)
            .count()
    };
    let first = layer.forward(&x).unwrap();
    assert!((2_300..2_700).contains(&zeros(&first)), "{}", zeros(&first));
    let rest: BTreeSet<u32> = first
        .to_vec::<f32>()
        .unwrap()
        .iter()
        .map(|v| v.to_bits())
        .collect();
    assert_eq!(
        rest,
        BTreeSet::from([0f32.to_bits(), (4f32 / 3.0).to_bits()])
    );
    let second = layer.forward(&x).unwrap();
    assert!(!ops::array_equal(&first, &second, false)
        .unwrap()
        .item::<bool>()
        .unwrap());
    layer.train(false);
    assert_eq!(zeros(&layer.forward(&x).unwrap()), 0);
    assert_eq!(
        Dropout::new(1.0, &key()).unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}

#[derive(Clone, Debug)]
struct Net {
    first: Linear,
    norm: BatchNorm,
    drop: Dropout,
    last: Option<Vec<Linear>>,
}

parameters!(Net {
    first,
    norm,
    drop,
    last
});

impl Module for Net {
    fn forward(&self, x: &Array) -> Result<Array> {
        let mut y = self
            .drop
            .forward(&self.norm.forward(&self.first.forward(x)?)?)?;
        for layer in self.last.iter().flatten() {
            y = layer.forward(&nn::silu(&y)?)?;
        }
        Ok(y)
    }
}

fn net(seed: u64) -> Net {
    let k = &Key::new(seed).unwrap();
    Net {
        first: Linear::new(3, 8, true, k).unwrap(),
        norm: BatchNorm::new(8).unwrap(),
        drop: Dropout::new(0.2, k).unwrap(),
        last: Some(vec![Linear::new(8, 1, false, k).unwrap()]),
    }
}

#[test]
fn gradients_leave_keys_and_statistics_as_the_loss_left_them() {
    let (mut a, b) = (net(1), net(1));
    let x = random::normal(&[6, 3], Dtype::Float32, 0.0, 1.0, Some(&key())).unwrap();
    let loss = |m: &Net, x: &[Array]| Ok(vec![ops::mean(&m.forward(&x[0])?, &[], false)?]);
    let (value, grads) = nn::value_and_grad(&mut a, std::slice::from_ref(&x), loss).unwrap();
    let same = b
        .forward(&x)
        .and_then(|y| ops::mean(&y, &[], false)?.item::<f32>());
    assert!((value[0].item::<f32>().unwrap() - same.unwrap()).abs() < 1e-6);
    assert_eq!((value.len(), grads.len()), (1, 5));
    let states = |m: &Net| {
        let mut all = Vec::new();
        m.visit("", &mut |name, a, kind| {
            if matches!(kind, TensorKind::Buffer | TensorKind::Key) {
                let values = ops::astype(a, Dtype::Float32).unwrap().to_vec::<f32>();
                all.push((name.to_owned(), values.unwrap()));
            }
        });
        all
    };
    assert_eq!(states(&a), states(&b));
    assert_ne!(states(&a), states(&net(1)));
    assert_eq!(states(&a)[2].0, "drop.key");

    a.set_frozen(true);
    let error = nn::value_and_grad(&mut a, std::slice::from_ref(&x), loss).unwrap_err();
    assert!(
        error.to_string().contains("no trainable tensors"),
        "{error}"
    );
    a.set_frozen(false);
    let nothing = |_: &Net, _: &[Array]| Ok(Vec::new());
    assert!(nn::value_and_grad(&mut a, &[x], nothing).is_err());
}

#[test]
fn a_training_step_takes_layers() {
    let loss = |m: &Net, batch: &[Array]| {
        let y = m.forward(&batch[0])?;
        let loss = losses::mse_loss(&y, &batch[1], losses::Reduction::Mean)?;
        Ok(vec![loss])
    };
    let k = &key();
    let normal = |shape: &[i32]| random::normal(shape, Dtype::Float32, 0.0, 1.0, Some(k)).unwrap();
    let batch = [normal(&[6, 3]), normal(&[6, 1])];
    let step = |m: Net| TrainStep::new(m, loss, Sgd::default(), TrainOptions::new());

    // A step would lose the statistics and keys that change.
    let error = step(net(1)).err().unwrap().to_string();
    assert!(
        error.contains("`nn::value_and_grad`") && error.contains("`train(false)`"),
        "{error}"
    );

    let mut model = net(1);
    model.train(false);
    let mut steps = step(model.clone()).unwrap();
    assert_eq!(steps.names()[0], "first.weight");
    let opt = Sgd::default();
    let values = |m: &Net| {
        m.trainable()
            .into_iter()
            .map(|(_, a)| a)
            .collect::<Vec<_>>()
    };
    let mut state = opt.init(&values(&model)).unwrap();
    for _ in 0..3 {
        let at_once = steps.run(&batch, 0.1).unwrap();
        let (by_hand, grads) = nn::value_and_grad(&mut model, &batch, loss).unwrap();
        assert!(
            (at_once[0].item::<f32>().unwrap() - by_hand[0].item::<f32>().unwrap()).abs() < 1e-6
        );
        let lr = Array::scalar(0.1f32).unwrap();
        let (new, next) = opt
            .step(&values(&model), &grads, &state, Some(&lr))
            .unwrap();
        model.set_trainable(&new).unwrap();
        state = next;
    }
    for (a, b) in values(&steps.model().unwrap()).iter().zip(&values(&model)) {
        assert!(a.allclose(b).unwrap());
    }
    assert!(steps.plan(&batch).unwrap().predicted_peak > 0);
}

#[test]
fn a_saved_model_is_loaded_again_or_an_error_lists_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let (mut saved, mut other) = (net(1), net(2));
    saved.train(false);
    other.train(false);
    saved.save(&path).unwrap();
    let x = random::normal(&[6, 3], Dtype::Float32, 0.0, 1.0, Some(&key())).unwrap();
    let values = |m: &Net| m.forward(&x).unwrap().to_vec::<f32>().unwrap();
    assert_ne!(values(&saved), values(&other));
    other.load(&path).unwrap();
    assert_eq!(values(&saved), values(&other));

    let before = values(&other);
    other.last = None;
    let error = other.load(&path).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("last.0.weight: unknown to the model"),
        "{error}"
    );
    other.first = Linear::new(3, 7, true, &key()).unwrap();
    other.last = net(2).last;
    let error = other.load(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Format);
    assert!(
        error
            .to_string()
            .contains("first.weight: expected [7, 3], found [8, 3]"),
        "{error}"
    );
    assert!(error.hint().is_some());
    let mut wide = Sequential::new().push(saved.clone());
    assert!(wide
        .load(&path)
        .unwrap_err()
        .to_string()
        .contains("layers.0.first.weight: missing"));

    saved.set_dtype(Dtype::Bfloat16).unwrap();
    saved.load(&path).unwrap();
    assert!(saved
        .parameters()
        .iter()
        .all(|(_, a)| a.dtype() == Dtype::Bfloat16));
    assert!(saved.set_dtype(Dtype::Int32).is_err());
    assert!(saved.set_trainable(&[]).is_err());
    assert_eq!(before.len(), 6);
}
