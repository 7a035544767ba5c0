//! Layers, activations, pooling and losses without the macros, against `mlx.nn`; sizes and `Debug` of layers.
//!
//! `data/layers.safetensors` was written by `data/dump_layers.py`.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use mlx_runtime::nn::losses::{self, Reduction};
use mlx_runtime::nn::{
    self, BatchNorm, Conv1d, Conv2d, Embedding, GroupNorm, LayerNorm, Linear, Module,
    MultiHeadAttention, Parameters, RmsNorm, Sequential,
};
use mlx_runtime::ops::fast::Mask;
use mlx_runtime::random::Key;
use mlx_runtime::{io, ops, transforms, Array, Dtype, Result};

/// The dump, and the cases that were compared.
struct Dump {
    arrays: HashMap<String, Array>,
    seen: BTreeSet<String>,
}

impl Dump {
    fn open() -> Self {
        let root = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let path = Path::new(&root).join("tests/data/layers.safetensors");
        Dump {
            arrays: io::load_safetensors(path).unwrap().0,
            seen: BTreeSet::new(),
        }
    }

    fn get(&self, name: &str) -> Option<Array> {
        self.arrays.get(name).cloned()
    }

    fn inputs(&self, case: &str) -> Vec<Array> {
        (0..)
            .map_while(|i| self.get(&format!("{case}/x{i}")))
            .collect()
    }

    fn close(&self, name: &str, got: &Array) {
        let want = self.get(name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(got.shape(), want.shape(), "{name}");
        assert_eq!(got.dtype(), want.dtype(), "{name}");
        let close = ops::allclose(got, &want, 1e-4, 2e-5, false);
        assert!(
            close.unwrap().item::<bool>().unwrap(),
            "{name}:\n{got}\n{want}"
        );
    }

    /// A layer of other initial values than the dump's, which are loaded.
    fn layer<M>(&mut self, case: &str, model: Result<M>)
    where
        M: Module + Clone + 'static,
    {
        self.layer_by(case, model, |m, x| m.forward(&x[0]));
    }

    fn layer_by<M>(
        &mut self,
        case: &str,
        model: Result<M>,
        call: impl Fn(&M, &[Array]) -> Result<Array> + Copy + Send + 'static,
    ) where
        M: Parameters + Clone + Send + 'static,
    {
        self.seen.insert(case.to_owned());
        let mut model = model.unwrap();
        let names = model.parameters();
        let weights: Vec<(String, Array)> = names
            .iter()
            .map(|(name, _)| (name.clone(), self.get(&format!("{case}/w/{name}")).unwrap()))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        io::save_safetensors(&path, &weights, &HashMap::new()).unwrap();
        model.load(&path).unwrap();

        let inputs = self.inputs(case);
        let by = self.get(&format!("{case}/by")).unwrap();
        self.close(
            &format!("{case}/y"),
            &call(&model.clone(), &inputs).unwrap(),
        );

        if model.trainable().is_empty() {
            return;
        }
        let loss = move |m: &M, x: &[Array]| {
            let (by, x) = x.split_last().unwrap();
            Ok(vec![ops::sum(
                &ops::multiply(&call(m, x)?, by)?,
                &[],
                false,
            )?])
        };
        let batch: Vec<Array> = inputs.iter().chain([&by]).cloned().collect();
        let (_, grads) = nn::value_and_grad(&mut model, &batch, loss).unwrap();
        for ((name, _), g) in model.trainable().iter().zip(&grads) {
            self.close(&format!("{case}/g/{name}"), g);
        }
        for (name, a) in model.parameters() {
            let after = format!("{case}/after/{name}");
            if self.arrays.contains_key(&after) {
                self.close(&after, &a);
            }
        }
        if self.arrays.contains_key(&format!("{case}/gx")) {
            let f = move |x: &[Array]| loss(&model, x);
            let grads = transforms::value_and_grad(f, &[0]).call(&batch).unwrap().1;
            self.close(&format!("{case}/gx"), &grads[0]);
        }
    }

    fn function(
        &mut self,
        case: &str,
        f: impl Fn(&[Array]) -> Result<Array> + Copy + Send + 'static,
    ) {
        self.seen.insert(case.to_owned());
        let inputs = self.inputs(case);
        self.close(&format!("{case}/y"), &f(&inputs).unwrap());
        let by = self.get(&format!("{case}/by")).unwrap();
        let (_, grads) = transforms::vjp(
            move |x| Ok(vec![f(x)?]),
            &inputs[..1],
            std::slice::from_ref(&by),
        )
        .or_else(|_| {
            // Of functions of several inputs the first alone.
            let rest = inputs[1..].to_vec();
            let whole = move |x: &[Array]| {
                let all: Vec<Array> = x.iter().chain(&rest).cloned().collect();
                Ok(vec![f(&all)?])
            };
            transforms::vjp(whole, &inputs[..1], &[by])
        })
        .unwrap();
        self.close(&format!("{case}/gx"), &grads[0]);
    }
}

fn key() -> Key {
    Key::new(3).unwrap()
}

#[test]
fn layers_activations_pooling_and_losses_are_those_of_mlx() {
    let mut d = Dump::open();
    let k = &key();
    d.layer("linear", Linear::new(5, 3, true, k));
    d.layer("linear_no_bias", Linear::new(5, 3, false, k));
    d.layer("embedding", Embedding::new(7, 3, k));
    d.layer("rms_norm", RmsNorm::new(6, 1e-5));
    d.layer("layer_norm", LayerNorm::new(6, 1e-5, true));
    d.layer("layer_norm_no_bias", LayerNorm::new(6, 1e-3, false));
    let conv = Conv1d::builder(4, 6, 3).stride([2]).padding([1]).groups(2);
    d.layer("conv1d", conv.build(k));
    let conv = Conv2d::builder(2, 4, [3, 2])
        .stride([1, 2])
        .padding([1, 0])
        .dilation([2, 1]);
    d.layer("conv2d", conv.build(k));
    d.layer("batch_norm_2", BatchNorm::new(4));
    d.layer(
        "batch_norm_3",
        BatchNorm::builder(4).eps(1e-3).momentum(0.3).build(),
    );
    d.layer("batch_norm_4", BatchNorm::new(4));
    let eval = |layer: Result<BatchNorm>| {
        layer.map(|mut layer| {
            layer.train(false);
            layer
        })
    };
    d.layer("batch_norm_eval", eval(BatchNorm::new(4)));
    let plain = BatchNorm::builder(4)
        .affine(false)
        .track_running_stats(false);
    d.layer("batch_norm_plain", eval(plain.build()));
    d.layer("group_norm", GroupNorm::new(2, 6));
    let pytorch = GroupNorm::builder(2, 6).pytorch_compatible(true);
    d.layer("group_norm_pytorch", pytorch.build());
    d.layer(
        "group_norm_plain",
        GroupNorm::builder(3, 6).eps(1e-3).affine(false).build(),
    );
    d.layer(
        "attention",
        MultiHeadAttention::builder(8, 2).bias(true).build(k),
    );
    d.layer_by(
        "attention_causal",
        MultiHeadAttention::new(8, 2, k),
        |m, x| m.attend(&x[0], &x[0], &x[0], Mask::Causal),
    );
    let sizes = MultiHeadAttention::builder(8, 2)
        .query_input_dims(3)
        .key_input_dims(4)
        .value_input_dims(5)
        .value_dims(6)
        .value_output_dims(7);
    d.layer_by("attention_sizes", sizes.build(k), |m, x| {
        m.attend(&x[0], &x[1], &x[2], Mask::Array(&x[3]))
    });
    let model = || -> Result<_> {
        Ok(Sequential::new()
            .push(Linear::new(4, 6, true, k)?)
            .push(BatchNorm::new(6)?)
            .push_fn(nn::gelu)
            .push(Linear::new(6, 2, true, k)?))
    };
    d.layer("sequential", model());

    for (name, f) in [
        ("gelu", nn::gelu as fn(&Array) -> Result<Array>),
        ("gelu_approx", nn::gelu_approx),
        ("gelu_fast_approx", nn::gelu_fast_approx),
        ("hardswish", nn::hardswish),
        ("log_sigmoid", nn::log_sigmoid),
        ("mish", nn::mish),
        ("relu", nn::relu),
        ("relu2", nn::relu2),
        ("relu6", nn::relu6),
        ("selu", nn::selu),
        ("silu", nn::silu),
        ("softplus", nn::softplus),
        ("softsign", nn::softsign),
    ] {
        d.function(name, move |x| f(&x[0]));
    }
    d.function("celu", |x| nn::celu(&x[0], 1.0));
    d.function("elu", |x| nn::elu(&x[0], 1.0));
    d.function("hard_shrink", |x| nn::hard_shrink(&x[0], 0.5));
    d.function("hard_tanh", |x| nn::hard_tanh(&x[0], -1.0, 1.0));
    d.function("leaky_relu", |x| nn::leaky_relu(&x[0], 0.01));
    d.function("softshrink", |x| nn::softshrink(&x[0], 0.5));
    d.function("log_softmax", |x| nn::log_softmax(&x[0], -1));
    d.function("softmin", |x| nn::softmin(&x[0], -1));
    d.function("glu", |x| nn::glu(&x[0], -1));
    d.function("prelu", |x| nn::prelu(&x[0], &x[1]));

    d.function("max_pool1d", |x| nn::max_pool1d(&x[0], 3, Some(2), 1));
    d.function("avg_pool1d", |x| nn::avg_pool1d(&x[0], 3, None, 0));
    d.function("max_pool2d", |x| {
        nn::max_pool2d(&x[0], &[3, 2], Some(&[2, 1]), &[1, 0])
    });
    d.function("avg_pool2d", |x| {
        nn::avg_pool2d(&x[0], &[2, 2], Some(&[2, 2]), &[1, 1])
    });

    let (none, mean, sum) = (Reduction::None, Reduction::Mean, Reduction::Sum);
    d.function("cross_entropy", move |x| {
        losses::cross_entropy(&x[0], &x[1], None, -1, 0.0, mean)
    });
    d.function("cross_entropy_all", move |x| {
        losses::cross_entropy(&x[0], &x[1], Some(&x[2]), -1, 0.1, sum)
    });
    d.function("binary_cross_entropy", move |x| {
        losses::binary_cross_entropy(&x[0], &x[1], None, true, none)
    });
    d.function("binary_cross_entropy_p", move |x| {
        losses::binary_cross_entropy(&x[0], &x[1], None, false, mean)
    });
    d.function("mse_loss", move |x| losses::mse_loss(&x[0], &x[1], mean));
    d.function("l1_loss", move |x| losses::l1_loss(&x[0], &x[1], sum));
    d.function("smooth_l1_loss", move |x| {
        losses::smooth_l1_loss(&x[0], &x[1], 0.7, none)
    });
    d.function("huber_loss", move |x| {
        losses::huber_loss(&x[0], &x[1], 0.6, none)
    });
    d.function("log_cosh_loss", move |x| {
        losses::log_cosh_loss(&x[0], &x[1], none)
    });
    d.function("hinge_loss", move |x| {
        losses::hinge_loss(&x[0], &x[1], none)
    });
    d.function("gaussian_nll_loss", move |x| {
        losses::gaussian_nll_loss(&x[0], &x[1], &x[2], true, 1e-6, none)
    });
    d.function("margin_ranking_loss", move |x| {
        losses::margin_ranking_loss(&x[0], &x[1], &x[2], 0.2, none)
    });
    d.function("kl_div_loss", move |x| {
        losses::kl_div_loss(&x[0], &x[1], -1, none)
    });
    d.function("cosine_similarity_loss", move |x| {
        losses::cosine_similarity_loss(&x[0], &x[1], 1, 1e-8, none)
    });
    d.function("nll_loss", move |x| {
        losses::nll_loss(&x[0], &x[1], -1, none)
    });

    let all = d.arrays.keys().filter_map(|name| name.split('/').next());
    let all: BTreeSet<String> = all.map(str::to_owned).collect();
    assert_eq!(d.seen, all, "each case of the dump is compared");
}

#[test]
fn fresh_tensors_are_drawn_as_mlx_draws_them() {
    let limits = |a: &Array| {
        let all = a.to_vec::<f32>().unwrap();
        let most = all.iter().fold(0f32, |m, v| m.max(v.abs()));
        let mean = all.iter().sum::<f32>() / all.len() as f32;
        let deviation =
            (all.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / all.len() as f32).sqrt();
        (most, deviation)
    };
    let uniform = |a: &Array, limit: f32| {
        let (most, deviation) = limits(a);
        assert!(most <= limit && most > 0.9 * limit, "{most} {limit}");
        assert!(
            (deviation - limit / 3f32.sqrt()).abs() < 0.1 * limit,
            "{deviation} {limit}"
        );
    };
    let k = &key();
    let tensors = Linear::new(16, 400, true, k).unwrap().parameters();
    uniform(&tensors[0].1, 0.25);
    uniform(&tensors[1].1, 0.25);
    let tensors = Conv2d::builder(4, 60, [2, 2])
        .build(k)
        .unwrap()
        .parameters();
    uniform(&tensors[0].1, 0.25);
    assert_eq!(limits(&tensors[1].1).0, 0.0);
    let tensors = Embedding::new(200, 16, k).unwrap().parameters();
    assert!((limits(&tensors[0].1).1 - 0.25).abs() < 0.02);
}

#[test]
fn bad_sizes_are_errors() {
    let k = &key();
    let text = |e: mlx_runtime::Error| e.to_string();
    let e = text(Linear::new(0, 3, true, k).unwrap_err());
    assert_eq!(e, "Linear: invalid number of inputs 0: expected 1 or more");
    assert!(Embedding::new(3, -1, k).is_err());
    assert!(RmsNorm::new(3, f32::NAN).is_err());
    assert!(LayerNorm::new(3, -1.0, true).is_err());
    let e = text(Conv1d::builder(3, 4, 1).groups(2).build(k).unwrap_err());
    assert_eq!(
        e,
        "Conv1d: cannot divide 3 input channels into 2 equal parts"
    );
    assert!(Conv1d::builder(2, 2, 1).groups(0).build(k).is_err());
    assert!(Conv2d::builder(2, 2, [1, 1])
        .padding([0, -1])
        .build(k)
        .is_err());
    assert!(MultiHeadAttention::new(8, 3, k).is_err());
    assert!(GroupNorm::new(0, 4).is_err());
    assert!(BatchNorm::builder(4).momentum(2.0).build().is_err());
    let one = ops::ones(&[1, 4], Dtype::Float32).unwrap();
    let norm = BatchNorm::new(4).unwrap();
    assert!(text(norm.forward(&one).unwrap_err()).contains("several values"));
    assert!(norm
        .forward(&ops::ones(&[2, 3], Dtype::Float32).unwrap())
        .is_err());
    assert!(GroupNorm::new(2, 4)
        .unwrap()
        .forward(&ops::ones(&[4], Dtype::Float32).unwrap())
        .is_err());
}

#[test]
fn debug_names_shapes_dtypes_and_the_number_of_values() {
    let layer = Linear::new(3, 2, true, &key()).unwrap();
    let text = "Linear { weight: float32[2, 3], bias: float32[2], parameters: 8 }";
    assert_eq!(format!("{layer:?}"), text);
    let model = Sequential::new().push(layer).push_fn(nn::relu);
    assert!(format!("{model:?}").contains("weight: float32[2, 3]"));
}

#[test]
fn functions_of_whole_numbers_are_those_of_floats() {
    let whole = Array::try_from([-2i32, 0, 3]).unwrap();
    let float = whole.astype(Dtype::Float32).unwrap();
    for f in [
        nn::gelu,
        nn::gelu_approx,
        nn::silu,
        nn::softplus,
        nn::selu,
        nn::hardswish,
    ] {
        let (a, b) = (f(&whole).unwrap(), f(&float).unwrap());
        assert_eq!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    }
    assert_eq!(
        nn::relu(&whole).unwrap().to_vec::<i32>().unwrap(),
        [0, 0, 3]
    );
}
