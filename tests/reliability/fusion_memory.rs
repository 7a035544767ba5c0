//! Passes over the graph lower the peak memory of a gradient, as MLX counts it.
//!
//! One test, alone in its file: others in the process would be measured, too.

use std::collections::HashMap;
use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_runtime::model::{add_lora, init, load, LoadOptions, LoraConfig, Model, Quantization};
use mlx_runtime::nn::{Embedding, Linear};
use mlx_runtime::random::{self, Key};
use mlx_runtime::{kernels, memory, ops, transforms, Array, Dtype, Result};
use mlx_tests::Config;

const ROWS: i32 = 2048;
const VOCABULARY: i32 = 32_768;
/// All logits in float32.
const LOGITS: usize = ROWS as usize * VOCABULARY as usize * 4;
const WIDTH: usize = 1024;
/// One matrix of the deep model in float32.
const MATRIX: usize = WIDTH * WIDTH * 4;

trait Loss: Model<Config = Config> {
    fn total(&self, batch: &[Array]) -> Result<Array>;
}

macro_rules! head {
    ($name:ident, [$($tied:tt)*], $($switches:tt)*) => {
        #[mlx_model(config = Config, fuse($($switches)*))]
        struct $name {
            #[param(vocab, hidden)]
            embed: Embedding,
            $($tied)*
            #[lora]
            #[param(vocab, hidden)]
            head: Linear,
        }

        #[mlx_model]
        impl $name {
            fn loss(&self, x: Tensor![N, hidden], targets: Tensor![N; i32]) -> Tensor![; f32] {
                cross_entropy(self.head(x + self.embed(targets)), targets).sum()
            }
        }

        impl Loss for $name {
            fn total(&self, batch: &[Array]) -> Result<Array> {
                self.loss(&batch[0], &batch[1])
            }
        }
    };
}

head!(Fused, [], only(cross_entropy));
head!(Whole, [], off);
head!(Tied, [#[tied(embed)]], only(cross_entropy));
head!(TiedWhole, [#[tied(embed)]], off);

macro_rules! deep {
    ($name:ident, $($switches:tt)*) => {
        #[mlx_model(config = Config, fuse($($switches)*))]
        struct $name {
            #[param(hidden, hidden)]
            a: Linear,
            #[param(hidden, hidden)]
            b: Linear,
            #[param(hidden, hidden)]
            c: Linear,
            #[param(hidden, hidden)]
            d: Linear,
            #[param(hidden, hidden)]
            e: Linear,
            #[param(hidden, hidden)]
            f: Linear,
        }

        #[mlx_model]
        impl $name {
            fn once(&self, x: Tensor![N, hidden]) -> Tensor![N, hidden] {
                let y = tanh(self.c(tanh(self.b(tanh(self.a(x))))));
                tanh(self.f(tanh(self.e(tanh(self.d(y))))))
            }

            fn loss(&self, x: Tensor![N, hidden]) -> Tensor![; f32] {
                let y = self.once(self.once(self.once(x)));
                y.square().sum().astype(f32)
            }
        }

        impl Loss for $name {
            fn total(&self, batch: &[Array]) -> Result<Array> {
                self.loss(&batch[0])
            }
        }
    };
}

deep!(Deep, only(dequantize));

macro_rules! gates {
    ($name:ident, $($switches:tt)*) => {
        #[mlx_model(config = Config, fuse($($switches)*))]
        struct $name {}

        #[mlx_model]
        impl $name {
            fn six(&self, x: Tensor![N, hidden]) -> Tensor![N, hidden] {
                let a = silu(x) * x;
                let b = silu(a) * x;
                let c = silu(b) * x;
                let d = gelu_approx(c) * x;
                let e = gelu_approx(d) * x;
                gelu_approx(e) * x
            }

            fn loss(&self, x: Tensor![N, hidden]) -> Tensor![; f32] {
                self.six(self.six(self.six(x))).sum().astype(f32)
            }
        }

        impl Loss for $name {
            fn total(&self, batch: &[Array]) -> Result<Array> {
                self.loss(&batch[0])
            }
        }
    };
}

gates!(Gates, only(swiglu, geglu));
gates!(Loose, off);

fn config(hidden: usize) -> Arc<Config> {
    Arc::new(Config {
        hidden,
        ffn: 1,
        heads: 1,
        kv_heads: 1,
        head_dim: 1,
        depth: 1,
        vocab: VOCABULARY as usize,
        eps: 1e-5,
    })
}

fn reload<M: Loss>(hidden: usize, options: &LoadOptions) -> Result<M> {
    let fresh: M = init(&config(hidden), Key::new(3)?, options.dtype)?;
    let weights: HashMap<String, Array> = fresh.parameters().into_iter().collect();
    let model: M = load(&config(hidden), weights.into(), options)?;
    let all = model.parameters();
    transforms::eval(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())?;
    Ok(model)
}

/// The most memory beyond what was there before, and the gradients with respect to the first
/// input and to what is trained.
fn peak<M: Loss + Send + 'static>(
    loss: fn(&M, &[Array]) -> Result<Array>,
    model: &M,
    batch: &[Array],
) -> Result<(usize, Vec<Array>)> {
    let (_, params): (Vec<String>, Vec<Array>) = model.trainable().into_iter().unzip();
    let (model, fixed) = (model.clone(), batch[1..].to_vec());
    let f = move |p: &[Array]| {
        let mut model = model.clone();
        model.set_trainable(&p[1..])?;
        Ok(vec![loss(&model, &[&p[..1], &fixed[..]].concat())?])
    };
    let inputs: Vec<Array> = [batch[0].clone()].into_iter().chain(params).collect();
    transforms::eval(&inputs.iter().chain(batch).collect::<Vec<_>>())?;
    let argnums: Vec<i32> = (0..inputs.len() as i32).collect();
    memory::clear_cache()?;
    memory::reset_peak()?;
    let before = memory::active()?;
    let gradient = transforms::value_and_grad(f, &argnums);
    let grads = kernels::without(|| {
        let (values, grads) = gradient.call(&inputs)?;
        transforms::eval(&values.iter().chain(&grads).collect::<Vec<_>>())?;
        Ok::<_, mlx_runtime::Error>(grads)
    })?;
    Ok((memory::peak()?.saturating_sub(before), grads))
}

fn close(what: &str, a: &[Array], b: &[Array], limit: f32) -> Result<()> {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        let to = |x: &Array| ops::astype(x, Dtype::Float32)?.to_vec::<f32>();
        let (a, b) = (to(a)?, to(b)?);
        let top = b.iter().fold(0f32, |m, x| m.max(x.abs()));
        assert!(top > 0.0, "{what}: nothing to compare");
        let far = a
            .iter()
            .zip(&b)
            .fold(0f32, |m, (x, y)| m.max((x - y).abs()));
        assert!(far <= limit * top, "{what}: {far} of {top}");
    }
    Ok(())
}

fn batch(dtype: Dtype) -> Result<[Array; 2]> {
    let targets: Vec<i32> = (0..ROWS).map(|i| i * 31 % VOCABULARY).collect();
    Ok([
        random::normal(&[ROWS, 16], dtype, 0.0, 1.0, Some(&Key::new(1)?))?,
        Array::from_slice(&targets, &[ROWS])?,
    ])
}

/// The pass never makes full logits, whichever weights train; without it they are made, with the same gradients.
fn heads<F, W>(what: &str, dtype: Dtype, train: fn(&mut dyn Train) -> Result<()>) -> Result<()>
where
    F: Loss + Send + 'static,
    W: Loss + Send + 'static,
{
    let options = LoadOptions::new(dtype);
    let (mut fused, mut whole): (F, W) = (reload(16, &options)?, reload(16, &options)?);
    train(&mut fused)?;
    train(&mut whole)?;
    let batch = batch(dtype)?;
    let (low, a) = peak(Loss::total, &fused, &batch)?;
    let (high, b) = peak(Loss::total, &whole, &batch)?;
    println!("{what}: {low} and {high} bytes, all logits {LOGITS}");
    assert!(
        low * 4 < LOGITS * 3 && high > 2 * LOGITS,
        "{what}: {low} and {high}"
    );
    close(
        what,
        &a,
        &b,
        if dtype == Dtype::Float32 { 1e-4 } else { 3e-2 },
    )
}

/// A model whatever its type.
trait Train {
    fn adapt(&mut self) -> Result<()>;
    fn whole(&mut self) -> Result<()>;
}

impl<M: Loss> Train for M {
    fn adapt(&mut self) -> Result<()> {
        let lora = LoraConfig {
            rank: 2,
            scale: 1.5,
            keys: vec!["head".to_string()],
            num_layers: -1,
            ..LoraConfig::default()
        };
        add_lora(self, &lora, &Key::new(5)?)?;
        let random = |(_, a): &(String, Array)| {
            random::normal(a.shape(), a.dtype(), 0.0, 0.3, Some(&Key::new(8)?))
        };
        let values: Result<Vec<Array>> = self.trainable().iter().map(random).collect();
        self.set_trainable(&values?)
    }

    fn whole(&mut self) -> Result<()> {
        self.unfreeze();
        Ok(())
    }
}

#[test]
fn neither_all_logits_nor_dequantised_weights_are_kept() -> Result<()> {
    heads::<Fused, Whole>("frozen", Dtype::Float32, |_| Ok(()))?;
    heads::<Fused, Whole>("adapted", Dtype::Float32, |m| m.adapt())?;
    heads::<Fused, Whole>("trained", Dtype::Float32, |m| m.whole())?;
    heads::<Tied, TiedWhole>("tied", Dtype::Float32, |m| m.whole())?;
    heads::<Fused, Whole>("frozen, bfloat16", Dtype::Bfloat16, |_| Ok(()))?;

    let options = LoadOptions::new(Dtype::Float32);
    let (gates, loose): (Gates, Loose) = (reload(WIDTH, &options)?, reload(WIDTH, &options)?);
    let x = random::normal(
        &[1024, WIDTH as i32],
        Dtype::Float32,
        0.0,
        1.2,
        Some(&Key::new(1)?),
    )?;
    let (low, grads) = peak(Loss::total, &gates, std::slice::from_ref(&x))?;
    let (high, want) = peak(Loss::total, &loose, &[x])?;
    println!("18 gates: {low} and {high} bytes, one value is {MATRIX}");
    assert!(10 * low < 6 * high, "{low} and {high}");
    close("gates", &grads, &want, 1e-4)?;

    let mut options = LoadOptions::new(Dtype::Float32);
    options.quantize = Some(Quantization::Affine {
        bits: 4,
        group_size: 64,
    });
    let deep: Deep = reload(WIDTH, &options)?;
    let x = random::normal(
        &[16, WIDTH as i32],
        Dtype::Float32,
        0.0,
        1.0,
        Some(&Key::new(1)?),
    )?;
    let (low, grads) = peak(Loss::total, &deep, std::slice::from_ref(&x))?;
    let (high, want) = peak(kept, &deep, &[x])?;
    println!("18 dequantised matrices: {low} and {high} bytes, one is {MATRIX}");
    assert!(low < 8 * MATRIX && high > 18 * MATRIX, "{low} and {high}");
    close("packed", &grads, &want, 1e-4)
}

/// The same as [`Deep`], with matrices that are dequantised and kept.
fn kept(model: &Deep, batch: &[Array]) -> Result<Array> {
    let parts: HashMap<String, Array> = model.parameters().into_iter().collect();
    let mut y = batch[0].clone();
    for name in "abcdefabcdefabcdef".chars() {
        let part = |leaf| &parts[&format!("{name}.{leaf}")];
        let w = ops::dequantize(part("weight"), part("scales"), part("biases"), 64, 4)?;
        y = ops::tanh(&ops::matmul(&y, &ops::transpose(&w, &[1, 0])?)?)?;
    }
    ops::sum(&ops::square(&y)?, &[], false)
}
