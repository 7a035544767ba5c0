//! The API as it is typed without looking anything up: operators, numbers, keys, conversions, layers, models, errors.

use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_runtime::model::{init, load, LoadOptions, Model, TrainOptions};
use mlx_runtime::nn::losses::{self, Reduction};
use mlx_runtime::nn::{
    self, BatchNorm, Conv1d, Conv2d, Dropout, Embedding, GroupNorm, KvCache, LayerNorm, Linear,
    Module, MultiHeadAttention, Parameters, RmsNorm, Rope, Sequential,
};
use mlx_runtime::ops::fast::Mask;
use mlx_runtime::ops::{
    abs, add, divide, equal, exp, maximum, minimum, multiply, power, subtract, where_,
};
use mlx_runtime::random::{self, Key};
use mlx_runtime::{io, ops, s, Array, Dtype, ErrorKind, Result};

struct Sizes {
    hidden: usize,
}

#[mlx_model(config = Sizes)]
#[derive(Clone, Debug)]
struct Net {
    #[param(hidden, hidden)]
    map: Linear,
    #[param(hidden)]
    norm: RmsNorm,
}

/// Methods may have the names of the items that the macros write.
#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.saved(x) + x
    }

    pub fn saved(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.norm(relu(self.map(x)))
    }

    pub fn outline(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.forward(x) * 2.0
    }
}

fn sizes() -> Arc<Sizes> {
    Arc::new(Sizes { hidden: 4 })
}

#[test]
fn numbers_stand_on_both_sides() -> Result<()> {
    let a = Array::try_from(vec![1.0f32, -2.0, 3.0])?;
    let b = Array::try_from([4.0f32, 5.0, 6.0])?;
    assert_eq!((1.0 - &a * &b).to_vec::<f32>()?, [-3.0, 11.0, -17.0]);
    let grown = (exp(&a)? * 2.0 + 1.0).to_vec::<f32>()?;
    assert!((grown[0] - (2.0 * 1f32.exp() + 1.0)).abs() < 1e-5);
    assert_eq!(maximum(&a, 0.0)?.to_vec::<f32>()?, [1.0, 0.0, 3.0]);
    assert_eq!(minimum(&a, 1)?.to_vec::<f32>()?, [1.0, -2.0, 1.0]);
    assert_eq!(add(&a, 1.0)?.to_vec::<f32>()?, [2.0, -1.0, 4.0]);
    assert_eq!(subtract(&a, 1)?.to_vec::<f32>()?, [0.0, -3.0, 2.0]);
    assert_eq!(divide(&a, 2)?.to_vec::<f32>()?, [0.5, -1.0, 1.5]);
    assert_eq!(multiply(&a, 2.0)?.to_vec::<f32>()?, [2.0, -4.0, 6.0]);
    assert_eq!(power(&a, 2)?.to_vec::<f32>()?, [1.0, 4.0, 9.0]);
    assert_eq!(equal(&a, 1.0)?.to_vec::<bool>()?, [true, false, false]);
    let kept = where_(&a.greater(0.0)?, &a, 0.0)?;
    assert_eq!(kept.to_vec::<f32>()?, [1.0, 0.0, 3.0]);
    assert_eq!(abs(&(-&a))?.to_vec::<f32>()?, [1.0, 2.0, 3.0]);
    // Owned arrays and results are operands as well.
    let sum = a.clone() + b.clone() * 2 + abs(&a) * &Array::scalar(0f32)?;
    assert_eq!(sum.to_vec::<f32>()?, [9.0, 8.0, 15.0]);
    Ok(())
}

#[test]
fn keys_are_borrowed_or_left_out() -> Result<()> {
    let key = Key::new(0)?;
    let first = random::normal(&[2, 3], Dtype::Float32, 0.0, 1.0, &key)?;
    let same = random::normal(&[2, 3], Dtype::Float32, 0.0, 1.0, Some(&key))?;
    assert!(first.allclose(&same)?);
    assert_eq!(
        random::normal(&[2], Dtype::Float32, 0.0, 1.0, None)?.shape(),
        [2]
    );
    let unit = random::uniform(0.0, 1.0, &[100], Dtype::Float32, &key)?.to_vec::<f32>()?;
    assert!(unit.iter().all(|x| (0.0..1.0).contains(x)));
    let dice = random::randint(1, 7, &[100], Dtype::Int32, &key)?.to_vec::<i32>()?;
    assert!(dice.iter().all(|n| (1..7).contains(n)) && dice.contains(&6));
    let coins = random::bernoulli(0.25, &[1000], &key)?.to_vec::<bool>()?;
    let heads = coins.iter().filter(|c| **c).count();
    assert!((200..300).contains(&heads), "{heads}");
    let net: Net = init(&sizes(), &key, Dtype::Float32)?;
    let again: Net = init(&sizes(), key, Dtype::Float32)?;
    let x = ops::ones(&[2, 4], Dtype::Float32)?;
    assert!(net.forward(&x)?.allclose(&again.forward(&x)?)?);
    assert!(net.outline(&x)?.allclose(2.0 * net.forward(&x)?)?);
    Ok(())
}

#[test]
fn arrays_are_made_of_rust_values_and_read_into_them() -> Result<()> {
    let a: Array = (0..5).map(|n| n as f32).collect();
    let v: Vec<f32> = a.clone().try_into()?;
    assert_eq!(v, Vec::<f32>::try_from(&a)?);
    let at = Array::try_from([0i32, -1])?;
    assert_eq!(a.take(&at, 0)?.to_vec::<f32>()?, [0.0, 4.0]);
    assert_eq!(a.take(&at, None)?.to_vec::<f32>()?, [0.0, 4.0]);
    assert_eq!(a.index(s![..2])?.to_vec::<f32>()?, [0.0, 1.0]);
    assert_eq!(a.sum(&[], false)?.item::<f32>()?, 10.0);
    assert!(a.allclose(&a + 1e-9)? && !a.allclose(0.0)?);
    Ok(())
}

#[test]
fn models_are_saved_loaded_cloned_and_printed() -> Result<()> {
    let net: Net = init(&sizes(), &Key::new(0)?, Dtype::Float32)?;
    assert!(
        format!("{:?}", net.clone()).starts_with("Net { dtype: float32, map.weight: float32[4, 4]")
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    net.save(&path)?;
    let mut other: Net = init(&sizes(), &Key::new(1)?, Dtype::Float32)?;
    other.load(&path)?;
    let (arrays, _) = io::load_safetensors(&path)?;
    let options = LoadOptions::new(Dtype::Float32).strict(true).join(false);
    let loaded: Net = load(&sizes(), arrays.into(), &options)?;
    let x = ops::ones(&[2, 4], Dtype::Float32)?;
    for copy in [other, loaded] {
        assert!(copy.forward(&x)?.allclose(&net.forward(&x)?)?);
    }
    let options = TrainOptions::new()
        .max_grad_norm(1.0)
        .max_skipped_steps(3)
        .compile(false);
    assert_eq!(
        (options.max_grad_norm, options.compile),
        (Some(1.0), Some(false))
    );
    Ok(())
}

#[test]
fn layers_and_losses_need_no_macro() -> Result<()> {
    let k = &Key::new(0)?;
    let x = random::normal(&[6, 4], Dtype::Float32, 0.0, 1.0, k)?;
    let mut model = Sequential::new()
        .push(Linear::new(4, 8, true, k)?)
        .push_fn(nn::relu)
        .push(LayerNorm::new(8, 1e-5, true)?)
        .push(RmsNorm::new(8, 1e-5)?)
        .push(BatchNorm::new(8)?)
        .push(GroupNorm::new(2, 8)?)
        .push(Dropout::new(0.5, k)?);
    assert!(!model.forward(&x)?.allclose(&model.forward(&x)?)?);
    model.eval();
    assert!(model.forward(&x)?.allclose(&model.forward(&x)?)?);
    assert!(format!("{model:?}").contains("parameters: "), "{model:?}");
    let tokens = Array::try_from([[0i32, 2]])?;
    assert_eq!(
        Embedding::new(10, 4, k)?.forward(&tokens)?.shape(),
        [1, 2, 4]
    );
    let line = x.index(s![None])?;
    assert_eq!(
        Conv1d::builder(4, 8, 3).build(k)?.forward(&line)?.shape(),
        [1, 4, 8]
    );
    let square = ops::ones(&[1, 5, 5, 4], Dtype::Float32)?;
    let conv = Conv2d::builder(4, 2, [3, 3]).build(k)?;
    assert_eq!(conv.forward(&square)?.shape(), [1, 3, 3, 2]);
    let attention = MultiHeadAttention::new(4, 2, k)?;
    assert_eq!(
        attention.attend(&line, &line, &line, Mask::Causal)?.shape(),
        [1, 6, 4]
    );
    assert_eq!(
        Rope::new(4, 1e4, false, None)?
            .forward(&line, &mut KvCache::off())?
            .shape(),
        [1, 6, 4]
    );
    for f in [
        nn::relu,
        nn::silu,
        nn::gelu,
        nn::gelu_approx,
        nn::sigmoid,
        nn::tanh,
        nn::mish,
    ] {
        assert_eq!(f(&x)?.shape(), [6, 4]);
    }
    assert_eq!(nn::leaky_relu(&x, 0.1)?.shape(), [6, 4]);
    assert_eq!(nn::max_pool1d(&line, 2, None, 0)?.shape(), [1, 3, 4]);
    let mean = losses::mse_loss(&x, &x, Reduction::Mean)?;
    assert_eq!(mean.item::<f32>()?, 0.0);
    let classes = Array::try_from([0i32, 1, 2, 3, 0, 1])?;
    assert_eq!(
        losses::cross_entropy(&x, &classes, None, -1, 0.0, Reduction::None)?.shape(),
        [6]
    );
    Ok(())
}

#[test]
fn errors_read_the_same_in_both_forms() -> Result<()> {
    let (a, b) = (
        ops::ones(&[2], Dtype::Float32)?,
        ops::ones(&[3], Dtype::Float32)?,
    );
    let error = add(&a, &b).unwrap_err();
    assert_eq!(format!("{error:?}"), error.to_string());
    assert_eq!(error.kind(), ErrorKind::Shape);
    Ok(())
}
