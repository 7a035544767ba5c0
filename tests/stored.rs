//! `Model::save` writes the form that a checkpoint has, for each kind of entry in `#[weights]`: `load` and `Model::load` read
//! the same values again. Every matrix that could be is square, so that no shape shows a matrix that was transposed twice.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_runtime::model::{add_lora, init, load, LoadOptions, LoraConfig, Model, Quantization};
use mlx_runtime::nn::{Conv1d, Conv2d, Embedding, LayerNorm, Linear, Param, RmsNorm, SwitchLinear};
use mlx_runtime::random::Key;
use mlx_runtime::{io, ops, random, Array, Dtype, Result};

struct Sizes {
    dim: usize,
    experts: usize,
    depth: usize,
    encoder: Other,
}

#[derive(Clone)]
struct Other {
    width: usize,
}

fn sizes() -> Arc<Sizes> {
    Arc::new(Sizes {
        dim: 64,
        experts: 2,
        depth: 2,
        encoder: Other { width: 64 },
    })
}

#[mlx_model(config = Sizes)]
struct Mixer {
    #[weights(transposed(part("c_attn", 0, 3)))]
    #[param(dim, dim, bias = true)]
    q: Linear,
    #[weights(transposed(part("c_attn", 1, 3)))]
    #[param(dim, dim, bias = true)]
    k: Linear,
    #[weights(part("c_attn", 2, 3), transposed)]
    #[param(dim, dim, bias = true)]
    v: Linear,
    // Two of its three parts are there.
    #[weights(part("halves", 0, 3))]
    #[param(dim, dim)]
    low: Param,
    #[weights(part("halves", 2, 3))]
    #[param(dim, dim)]
    high: Param,
    // The parts of one have other dtypes.
    #[weights(part("mixed", 0, 2))]
    #[quantize(never)]
    #[param(dim, dim)]
    dense: Linear,
    #[weights(part("mixed", 1, 2))]
    #[param(dim, dim)]
    other: Linear,
    #[weights("a" + "b")]
    #[lora]
    #[param(dim, dim)]
    joined: Linear,
    #[weights("c" + "d" | transposed("cd"))]
    #[param(dim, dim)]
    either: Linear,
    #[weights(transposed)]
    #[param(dim, dim, bias = true)]
    own: Linear,
    // Exchanged names.
    #[weights("right")]
    #[param(dim)]
    left: LayerNorm,
    #[weights("left")]
    #[param(dim)]
    right: LayerNorm,
    // The same tensor in every layer of a checkpoint; each layer may have changed its own.
    #[weights("/shared.bias")]
    #[param(dim)]
    shared: Param,
}

#[mlx_model]
impl Mixer {
    fn forward(&self, x: Tensor![B, dim]) -> Tensor![B, dim] {
        let y = self.q(x) + self.k(x) * self.v(x) + self.joined(x) + self.dense(self.other(x));
        let z = matmul(y, self.low) + matmul(x, self.high) + self.left(self.either(x));
        self.right(self.own(z)) + self.shared
    }
}

#[mlx_model(config = Sizes)]
struct Experts {
    #[weights("router", transposed)]
    #[param(experts, dim)]
    gate: Linear,
    #[weights("experts.{}.w1.weight", transposed)]
    #[param(experts, dim, dim)]
    w1: Param,
    #[weights("experts.{}.w2")]
    #[param(experts, dim, dim, bias = true)]
    w2: SwitchLinear,
    #[weights("switch.w3" | "experts.{}.w3")]
    #[param(experts, dim, dim)]
    w3: SwitchLinear,
}

#[mlx_model]
impl Experts {
    fn forward(&self, x: Tensor![B, dim]) -> Tensor![B, dim] {
        let best = argsort(-self.gate(x), -1).slice([0], [1], axes = [-1]);
        let y = self.w3(self.w2(x.reshape([B, 1, 1, dim]), best), best);
        matmul(x, self.w1.sum(0)) + y.reshape([B, dim])
    }
}

#[mlx_model(config = Other)]
struct Encoder {
    #[weights("dense", transposed)]
    #[param(width, width)]
    map: Linear,
}

#[mlx_model]
impl Encoder {
    fn forward(&self, x: Tensor![B, width]) -> Tensor![B, width] {
        self.map(x)
    }
}

#[mlx_model(config = Sizes)]
struct Block {
    #[weights(gguf = "attn_norm")]
    #[param(dim)]
    norm: RmsNorm,
    #[weights("mixer" | "m", gguf = "")]
    mixer: Mixer,
    #[when(layer == 1)]
    experts: Option<Experts>,
}

#[mlx_model]
impl Block {
    fn forward(&self, x: Tensor![B, dim]) -> Tensor![B, dim] {
        let y = self.mixer(self.norm(x));
        if layer == 1 {
            self.experts(y)
        } else {
            y
        }
    }
}

#[mlx_model(config = Sizes)]
struct Net {
    #[weights(transposed("embed") | "e")]
    #[param(dim, dim)]
    embed: Embedding,
    #[weights("features.conv", channels_first)]
    #[param(dim, 3, 3, 3)]
    conv: Conv2d,
    #[weights(channels_first)]
    #[param(dim, 4, 4, bias = false)]
    line: Conv1d,
    #[weights("model.layers" | "transformer.h", gguf = "blk")]
    #[layers(depth)]
    layers: Vec<Block>,
    #[weights("/head.{}.rows")]
    #[param(experts, dim, dim)]
    rows: Param,
    #[tied(embed)]
    #[param(dim, dim)]
    head: Linear,
    #[param(encoder.width, dim)]
    into: Linear,
    #[config(encoder)]
    encoder: Encoder,
    #[config(encoder)]
    #[layers(depth)]
    encoders: Vec<Encoder>,
}

#[mlx_model]
impl Net {
    fn forward(&self, tokens: Tensor![B; u32]) -> (Tensor![B, dim], Tensor![B, encoder.width]) {
        let mut h = self.embed(tokens);
        for layer in self.layers {
            h = layer(h);
        }
        let image = self.conv(ones([1, 3, 3, 3])).reshape([1, dim]);
        let line = self.line(ones([1, 4, 4])).reshape([1, dim]);
        let mut e = self.encoder(self.into(h));
        for layer in self.encoders {
            e = layer(e);
        }
        (matmul(self.head(h + image + line), self.rows.sum(0)), e)
    }
}

/// Fresh weights, biases not zero.
fn net() -> Result<Net> {
    let mut net: Net = init(&sizes(), Key::new(3)?, Dtype::Float32)?;
    let key = Key::new(4)?;
    let arrays: Vec<Array> = net
        .trainable()
        .iter()
        .map(|(_, a)| random::normal(a.shape(), Dtype::Float32, 0.0, 0.1, &key))
        .collect::<Result<_>>()?;
    net.set_trainable(&arrays)?;
    Ok(net)
}

fn values(model: &Net) -> BTreeMap<String, (Vec<i32>, Vec<u8>)> {
    let bytes = |a: Array| {
        let a = ops::contiguous(&a, false).unwrap();
        (
            a.shape().to_vec(),
            ops::view(&a, Dtype::Uint8).unwrap().to_vec::<u8>().unwrap(),
        )
    };
    let all = model.parameters().into_iter();
    all.map(|(name, a)| (name, bytes(a))).collect()
}

fn read(path: &Path) -> HashMap<String, Array> {
    io::load_safetensors(path).unwrap().0
}

fn options() -> LoadOptions {
    LoadOptions::new(Dtype::Float32).strict(true)
}

/// `load`, and `Model::load` into a model of other values, give the same tensors; a second file is the first one.
fn round(model: &Net, into: &mut Net) -> Result<HashMap<String, Array>> {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a", "b"].map(|name| folder.path().join(name).with_extension("safetensors"));
    model.save(&paths[0])?;
    let want = values(model);
    assert_ne!(values(into), want);
    into.load(&paths[0])?;
    assert_eq!(values(into), want);
    let loaded: Net = load(&sizes(), read(&paths[0]).into(), &options())?;
    assert_eq!(values(&loaded), want);
    loaded.save(&paths[1])?;
    assert_eq!(
        std::fs::read(&paths[0]).unwrap(),
        std::fs::read(&paths[1]).unwrap()
    );
    Ok(read(&paths[0]))
}

fn transposed(a: &Array) -> Result<Vec<f32>> {
    ops::contiguous(&ops::transpose(a, &[1, 0])?, false)?.to_vec()
}

#[test]
fn each_entry_is_written_as_it_is_read() -> Result<()> {
    let model = net()?;
    let mut file = round(&model, &mut init(&sizes(), Key::new(5)?, Dtype::Float32)?)?;
    let used: HashMap<String, Array> = model.parameters().into_iter().collect();
    let at = |name: &str| &used[name];
    let mixer = "model.layers.1.mixer";
    // Columns of one matrix, as GPT-2 stores them.
    let c_attn = &file[&format!("{mixer}.c_attn.weight")];
    assert_eq!(c_attn.shape(), [64, 192]);
    let k = ops::slice(c_attn, &[0, 64], &[64, 128], &[1, 1])?;
    let own = format!("{mixer}.own.weight");
    for (stored, name) in [(k, format!("{mixer}.k.weight")), (file[&own].clone(), own)] {
        assert_eq!(transposed(&stored)?, at(&name).to_vec::<f32>()?, "{name}");
    }
    let one = ops::take(at("model.layers.1.experts.w1"), &Array::scalar(1)?, 0)?;
    let experts = &file["model.layers.1.experts.experts.1.w1.weight"];
    assert_eq!(experts.to_vec::<f32>()?, transposed(&one)?);
    let conv = ops::moveaxis(&file["features.conv.weight"], 1, -1)?;
    assert!(ops::array_equal(&conv, at("conv.weight"), false)?.item::<bool>()?);
    let mut names: Vec<String> = file
        .drain()
        .map(|(name, a)| format!("{name} {:?}", a.shape()))
        .filter(|n| !n.contains("layers.0"))
        .collect();
    names.sort();
    let want = [
        "embed.weight [64, 64]",
        "encoder.dense.weight [64, 64]",
        "encoders.0.dense.weight [64, 64]",
        "encoders.1.dense.weight [64, 64]",
        "features.conv.bias [64]",
        "features.conv.weight [64, 3, 3, 3]",
        "head.0.rows [64, 64]",
        "head.1.rows [64, 64]",
        "into.weight [64, 64]",
        "line.weight [64, 4, 4]",
        "model.layers.1.experts.experts.0.w1.weight [64, 64]",
        "model.layers.1.experts.experts.0.w2.bias [64]",
        "model.layers.1.experts.experts.0.w2.weight [64, 64]",
        "model.layers.1.experts.experts.1.w1.weight [64, 64]",
        "model.layers.1.experts.experts.1.w2.bias [64]",
        "model.layers.1.experts.experts.1.w2.weight [64, 64]",
        "model.layers.1.experts.router.weight [64, 2]",
        "model.layers.1.experts.switch.w3.weight [2, 64, 64]",
        "model.layers.1.mixer.c_attn.bias [192]",
        "model.layers.1.mixer.c_attn.weight [64, 192]",
        "model.layers.1.mixer.cd.weight [64, 64]",
        "model.layers.1.mixer.high [64, 64]",
        "model.layers.1.mixer.joined.weight [64, 64]",
        "model.layers.1.mixer.left.bias [64]",
        "model.layers.1.mixer.left.weight [64]",
        "model.layers.1.mixer.low [64, 64]",
        "model.layers.1.mixer.mixed.weight [128, 64]",
        "model.layers.1.mixer.own.bias [64]",
        "model.layers.1.mixer.own.weight [64, 64]",
        "model.layers.1.mixer.right.bias [64]",
        "model.layers.1.mixer.right.weight [64]",
        "model.layers.1.mixer.shared [64]",
        "model.layers.1.norm.weight [64]",
    ];
    assert_eq!(names, want);
    Ok(())
}

#[test]
fn packed_matrices_and_adapters_are_written_too() -> Result<()> {
    let how = Quantization::Affine {
        bits: 4,
        group_size: 32,
    };
    let packed = |seed| -> Result<Net> {
        let fresh: Net = init(&sizes(), Key::new(seed)?, Dtype::Float32)?;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fresh.safetensors");
        fresh.save(&path)?;
        load(&sizes(), read(&path).into(), &options().quantize(how))
    };
    let (model, mut other) = (packed(1)?, packed(2)?);
    let file = round(&model, &mut other)?;
    let mixer = "model.layers.0.mixer";
    // Packed matrices are never transposed: their rows are joined.
    let shape = |name: &str| file[&format!("{mixer}.{name}")].shape().to_vec();
    assert_eq!(shape("c_attn.weight"), [192, 8]);
    assert_eq!(shape("c_attn.scales"), [192, 2]);
    assert_eq!(shape("own.weight"), [64, 8]);
    // One of the two parts is not packed, so that both are written under their own names.
    assert_eq!(shape("dense.weight"), [64, 64]);
    assert_eq!(shape("other.weight"), [64, 8]);

    let adapted = |seed| -> Result<Net> {
        let mut model = net()?;
        let lora = LoraConfig {
            rank: 2,
            scale: 1.0,
            keys: vec!["joined".into()],
            num_layers: -1,
            ..LoraConfig::default()
        };
        add_lora(&mut model, &lora, &Key::new(seed)?)?;
        Ok(model)
    };
    let (model, mut other) = (adapted(1)?, adapted(2)?);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("adapted.safetensors");
    model.save(&path)?;
    other.load(&path)?;
    assert_eq!(values(&model), values(&other));
    assert!(read(&path).contains_key(&format!("{mixer}.joined.lora_a")));
    Ok(())
}

#[mlx_model(config = Sizes)]
struct Two {
    #[weights(part("map", 0, 2))]
    #[param(dim, dim)]
    map: Linear,
}

#[mlx_model]
impl Two {
    fn forward(&self, x: Tensor![B, dim]) -> Tensor![B, dim] {
        self.map(x)
    }
}

/// Under its own name, `load` would take it for the whole of which it is a half.
#[test]
fn a_name_that_would_be_read_as_something_else_is_an_error() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.safetensors");
    let model: Two = init(&sizes(), Key::new(0)?, Dtype::Float32)?;
    let error = model.save(&path).unwrap_err();
    assert_eq!(
        error.to_string().lines().next(),
        Some("save: \"map\" would not be read back: another tensor has its name in a checkpoint")
    );
    assert!(!path.exists());
    Ok(())
}
