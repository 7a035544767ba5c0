//! `#[weights]`, `#[quantize]` and dtypes: how a checkpoint's tensors come into a model.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_runtime::model::{digest, init, load, LoadOptions, Model, Quantization};
use mlx_runtime::nn::{Conv1d, Conv2d, Embedding, Linear, Param, RmsNorm};
use mlx_runtime::random::Key;
use mlx_runtime::{ops, Array, Dtype, Result};

/// The sizes of the models below.
#[derive(Clone)]
struct Sizes {
    dim: usize,
    ffn: usize,
    experts: usize,
    depth: usize,
    vocab: usize,
    bits: usize,
    group: usize,
}

const SIZES: Sizes = Sizes {
    dim: 4,
    ffn: 6,
    experts: 3,
    depth: 2,
    vocab: 5,
    bits: 4,
    group: 32,
};

#[mlx_model(config = Sizes)]
struct Mixer {
    #[weights("attn.q" + "attn.k" | "attn.qk", gguf = transposed("attn_qk"))]
    #[param(ffn, dim)]
    qk: Linear,
    #[weights("down", transposed, gguf = "ffn_down")]
    #[param(dim, ffn, bias = true)]
    down: Linear,
    #[weights("experts.{}.w1.weight" | "switch.w1.weight", gguf = "exps.weight")]
    #[param(experts, ffn, dim)]
    w1: Param,
    #[param(dim, dtype = f32)]
    gate: Param,
}

#[mlx_model]
impl Mixer {
    fn forward(&self, x: Tensor![B, dim]) -> Tensor![B, dim] {
        let mixed = matmul(self.qk(x), self.w1.sum(0));
        x + self.down(self.qk(x)) + mixed * self.gate.astype(float)
    }
}

#[mlx_model(config = Sizes)]
struct Block {
    #[weights(gguf = "attn_norm")]
    #[param(dim)]
    norm: RmsNorm,
    #[weights("mixer", gguf = "")]
    mixer: Mixer,
    #[weights("/shared.bias")]
    #[param(dim)]
    shared: Param,
}

#[mlx_model]
impl Block {
    fn forward(&self, x: Tensor![B, dim]) -> Tensor![B, dim] {
        self.mixer(self.norm(x)) + self.shared
    }
}

#[mlx_model(config = Sizes, digest = "./digests/apart.txt")]
struct Net {
    #[weights("model.embed" | "transformer.embed", gguf = "token_embd")]
    #[param(vocab, dim)]
    embed: Embedding,
    #[weights("model.layers" | "transformer.h", gguf = "blk")]
    #[layers(depth)]
    layers: Vec<Block>,
}

#[mlx_model]
impl Net {
    fn forward(&self, tokens: Tensor![B; u32]) -> Tensor![B, dim] {
        let mut h = self.embed(tokens);
        for layer in self.layers {
            h = layer(h);
        }
        h
    }
}

/// Each value another: a name that is mixed up shows.
fn counted(shape: &[i32], start: &mut f32) -> Array {
    let n: i32 = shape.iter().product();
    let values: Vec<f32> = (0..n).map(|i| *start + i as f32).collect();
    *start += 1000.0;
    Array::from_slice(&values, shape).unwrap()
}

fn tensors(names: &[(&str, &[i32])]) -> HashMap<String, Array> {
    let mut start = 0.0;
    let one = |(name, shape): &(&str, &[i32])| (name.to_string(), counted(shape, &mut start));
    names.iter().map(one).collect()
}

/// The Hugging Face form: parts apart, experts one by one, a matrix stored `[in, out]`.
fn apart() -> HashMap<String, Array> {
    let mut names: Vec<(String, Vec<i32>)> = vec![
        ("model.embed.weight".into(), vec![5, 4]),
        ("shared.bias".into(), vec![4]),
    ];
    for i in 0..2 {
        let mut push = |name: &str, shape: &[i32]| {
            names.push((format!("model.layers.{i}.{name}"), shape.to_vec()))
        };
        push("norm.weight", &[4]);
        push("mixer.attn.q.weight", &[4, 4]);
        push("mixer.attn.k.weight", &[2, 4]);
        push("mixer.down.weight", &[6, 4]);
        push("mixer.down.bias", &[4]);
        for e in 0..3 {
            push(&format!("mixer.experts.{e}.w1.weight"), &[6, 4]);
        }
        push("mixer.gate", &[4]);
    }
    let names: Vec<(&str, &[i32])> = names.iter().map(|(n, s)| (&n[..], &s[..])).collect();
    tensors(&names)
}

fn values(a: &Array) -> Vec<f32> {
    ops::astype(a, Dtype::Float32).unwrap().to_vec().unwrap()
}

fn of(model: &impl Model, name: &str) -> Vec<f32> {
    let all = model.parameters();
    let found = all.iter().find(|(n, _)| n == name);
    values(
        &found
            .unwrap_or_else(|| panic!("{name}: {:?}", all.iter().map(|a| &a.0).collect::<Vec<_>>()))
            .1,
    )
}

fn joined(parts: &[&Array]) -> Vec<f32> {
    parts.iter().flat_map(|a| values(a)).collect()
}

fn net(all: HashMap<String, Array>, names: &'static str) -> Result<Net> {
    let mut options = LoadOptions::new(Dtype::Float32);
    options.names = names;
    load(&Arc::new(SIZES), all.into(), &options)
}

#[test]
fn parts_are_joined_stacked_and_turned() -> Result<()> {
    let all = apart();
    let model = net(all.clone(), "")?;
    let at = |name: &str| &all[&format!("model.layers.1.mixer.{name}")];
    let qk = of(&model, "model.layers.1.mixer.qk.weight");
    assert_eq!(qk, joined(&[at("attn.q.weight"), at("attn.k.weight")]));
    let w1 = of(&model, "model.layers.1.mixer.w1");
    let experts = [0, 1, 2].map(|e| at(&format!("experts.{e}.w1.weight")).clone());
    assert_eq!(w1, joined(&experts.each_ref()));
    let down = of(&model, "model.layers.1.mixer.down.weight");
    assert_eq!(down, values(&ops::transpose(at("down.weight"), &[1, 0])?));
    let shared = of(&model, "model.layers.0.shared");
    assert_eq!(shared, values(&all["shared.bias"]));
    Ok(())
}

/// Tensors as GPT-2 and PyTorch store them.
#[mlx_model(config = Sizes)]
struct Stored {
    #[weights(transposed(part("c_attn", 0, 3)))]
    #[param(dim, dim, bias = true)]
    q: Linear,
    #[weights(transposed(part("c_attn", 1, 3)))]
    #[param(dim, dim, bias = true)]
    k: Linear,
    #[weights(part("rows", 1, 2))]
    #[param(ffn, dim)]
    low: Param,
    #[weights("features.conv", channels_first)]
    #[param(ffn, 3, 2, dim)]
    conv: Conv2d,
    #[weights("features.line", channels_first)]
    #[param(ffn, 3, dim)]
    line: Conv1d,
}

#[mlx_model]
impl Stored {
    fn forward(&self, x: Tensor![B, dim]) -> Tensor![B, ffn] {
        let y = self.q(x) + self.k(x);
        let image = self.conv(ones([1, 3, 2, dim])).reshape([1, ffn]);
        let line = self.line(ones([1, 3, dim])).reshape([1, ffn]);
        matmul(y, self.low.transpose([1, 0])) + image + line
    }
}

#[test]
fn parts_of_tensors_and_the_layouts_of_pytorch_are_read() -> Result<()> {
    let stored = tensors(&[
        ("c_attn.weight", &[4, 12]),
        ("c_attn.bias", &[12]),
        ("rows", &[12, 4]),
        ("features.conv.weight", &[6, 4, 3, 2]),
        ("features.conv.bias", &[6]),
        ("features.line.weight", &[6, 4, 3]),
        ("features.line.bias", &[6]),
    ]);
    let all = stored.clone();
    let options = LoadOptions::new(Dtype::Float32);
    let m: Stored = load(&Arc::new(SIZES), stored.into(), &options)?;
    let columns = |from: i32| -> Result<Vec<f32>> {
        let part = ops::slice(&all["c_attn.weight"], &[0, from], &[4, from + 4], &[1, 1])?;
        Ok(values(&ops::contiguous(
            &ops::transpose(&part, &[1, 0])?,
            false,
        )?))
    };
    assert_eq!(of(&m, "q.weight"), columns(0)?);
    assert_eq!(of(&m, "k.weight"), columns(4)?);
    assert_eq!(of(&m, "k.bias"), values(&all["c_attn.bias"])[4..8]);
    assert_eq!(of(&m, "low"), values(&all["rows"])[24..]);
    let moved = |name: &str, axes: &[i32]| -> Result<Vec<f32>> {
        Ok(values(&ops::contiguous(
            &ops::transpose(&all[name], axes)?,
            false,
        )?))
    };
    assert_eq!(
        of(&m, "conv.weight"),
        moved("features.conv.weight", &[0, 2, 3, 1])?
    );
    assert_eq!(
        of(&m, "line.weight"),
        moved("features.line.weight", &[0, 2, 1])?
    );
    // The tensors of `parameters()` can be loaded again.
    let own: HashMap<String, Array> = m.parameters().into_iter().collect();
    let again: Stored = load(&Arc::new(SIZES), own.into(), &options)?;
    let x = ops::ones(&[2, 4], Dtype::Float32)?;
    assert_eq!(values(&again.forward(&x)?), values(&m.forward(&x)?));
    // Rows that cannot be cut in three.
    let mut uneven = all.clone();
    uneven.insert("c_attn.weight".into(), ops::ones(&[4, 11], Dtype::Float32)?);
    let error = load::<Stored>(&Arc::new(SIZES), uneven.into(), &options)
        .err()
        .map(|e| e.to_string());
    let error = error.unwrap_or_default();
    assert!(
        error.contains("expected rows in 3 equal parts, found 11"),
        "{error}"
    );
    Ok(())
}

#[test]
fn other_names_for_the_same_tensors_give_the_same_model() -> Result<()> {
    let all = apart();
    let want = net(all.clone(), "")?;
    // Alternatives of the default scheme: another root, parts already joined, experts already stacked.
    let mut whole = HashMap::new();
    let mut gguf = HashMap::new();
    for (name, a) in want.parameters() {
        let turned = ops::swapaxes(&a, -1, -2);
        let (layer, leaf) = match name.strip_prefix("model.layers.") {
            Some(rest) => rest.split_once('.').unwrap_or_default(),
            None => ("", &name[..]),
        };
        let (default, other) = match leaf {
            "shared" => (("shared.bias", a.clone()), ("shared.bias", a)),
            "model.embed.weight" => (
                ("transformer.embed.weight", a.clone()),
                ("token_embd.weight", a),
            ),
            "norm.weight" => (("norm.weight", a.clone()), ("attn_norm.weight", a)),
            "mixer.qk.weight" => (("mixer.attn.qk.weight", a), ("attn_qk.weight", turned?)),
            "mixer.down.weight" => (("mixer.down.weight", turned?), ("ffn_down.weight", a)),
            "mixer.down.bias" => (("mixer.down.bias", a.clone()), ("ffn_down.bias", a)),
            "mixer.w1" => (("mixer.switch.w1.weight", a.clone()), ("exps.weight", a)),
            "mixer.gate" => (("mixer.gate", a.clone()), ("gate", a)),
            other => panic!("{other}"),
        };
        let path = |root: &str, name: &str| match (layer, leaf) {
            ("", _) | (_, "shared") => name.to_string(),
            (i, _) => format!("{root}.{i}.{name}"),
        };
        whole.insert(path("transformer.h", default.0), default.1);
        gguf.insert(path("blk", other.0), other.1);
    }
    let tokens = Array::from_slice(&[0u32, 3], &[2])?;
    let y = want.forward(&tokens)?;
    for model in [net(whole, "")?, net(gguf, "gguf")?] {
        for ((name, a), (other, b)) in want.parameters().iter().zip(&model.parameters()) {
            assert_eq!((name, values(a)), (other, values(b)));
        }
        assert_eq!(values(&model.forward(&tokens)?), values(&y));
    }
    Ok(())
}

#[test]
fn what_is_missing_is_named_with_its_alternatives() {
    let mut all = apart();
    all.remove("model.layers.1.mixer.experts.2.w1.weight");
    all.remove("model.layers.0.mixer.attn.k.weight");
    let text = format!("{}", net(all, "").err().unwrap());
    for part in [
        "model.layers.1.mixer.experts.2.w1.weight (or model.layers.1.mixer.switch.w1.weight, or model.layers.1.mixer.w1): missing",
        "model.layers.0.mixer.attn.k.weight (or model.layers.0.mixer.attn.qk.weight",
        "2 problems",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = format!("{}", net(apart(), "ggml").err().unwrap());
    assert!(
        text.contains("\"ggml\"") && text.contains("known are gguf"),
        "{text}"
    );
}

#[test]
fn parts_that_do_not_fit_are_an_error() {
    let mut all = apart();
    let narrow = counted(&[2, 3], &mut 0.0);
    all.insert("model.layers.0.mixer.attn.k.weight".into(), narrow);
    let square = counted(&[4, 4], &mut 0.0);
    all.insert("model.layers.0.mixer.down.weight".into(), square);
    let text = format!("{}", net(all, "").err().unwrap());
    assert!(
        text.contains("mixer.attn.q.weight: cannot join its parts"),
        "{text}"
    );
    assert!(
        text.contains("mixer.down.weight: expected [dim, ffn] = [4, 6], found [4, 4]"),
        "{text}"
    );
}

#[test]
fn a_digest_says_what_a_checkpoint_holds() {
    let text = digest::<Net>(&SIZES, &apart().into(), "");
    assert_eq!(text, include_str!("digests/apart.txt"));
}

#[test]
fn a_parameter_keeps_its_own_dtype() -> Result<()> {
    let mut options = LoadOptions::new(Dtype::Bfloat16);
    options.join = false;
    let model: Net = load(&Arc::new(SIZES), apart().into(), &options)?;
    for (name, a) in model.parameters() {
        let want = match name.ends_with("gate") {
            true => Dtype::Float32,
            false => Dtype::Bfloat16,
        };
        assert_eq!(a.dtype(), want, "{name}");
    }
    model
        .forward(&Array::from_slice(&[0u32], &[1])?)?
        .to_vec::<mlx_runtime::bf16>()?;
    Ok(())
}

#[mlx_model(config = Sizes)]
struct Wide {
    #[quantize(bits = bits, group_size = group)]
    #[param(vocab, dim)]
    embed: Embedding,
    #[quantize(never)]
    #[param(ffn, dim)]
    up: Linear,
    #[param(dim, ffn)]
    down: Linear,
    #[param(ffn, dim)]
    odd: Linear,
    #[tied(embed)]
    #[param(vocab, dim)]
    head: Linear,
}

#[mlx_model]
impl Wide {
    fn forward(&self, tokens: Tensor![B; u32]) -> Tensor![B, vocab] {
        let x = self.embed(tokens);
        self.head(self.down(self.up(x) + self.odd(x)))
    }
}

fn wide(dim: usize, bits: usize, group: usize) -> Arc<Sizes> {
    let ffn = 64;
    Arc::new(Sizes {
        dim,
        ffn,
        bits,
        group,
        ..SIZES
    })
}

fn quantised(config: &Arc<Sizes>, bits: i32, group_size: i32) -> Result<(Wide, Wide)> {
    let fresh: Wide = init(config, Key::new(5)?, Dtype::Float32)?;
    let all: HashMap<String, Array> = fresh.parameters().into_iter().collect();
    let mut options = LoadOptions::new(Dtype::Float32);
    options.quantize = Some(Quantization::Affine { bits, group_size });
    Ok((fresh, load(config, all.into(), &options)?))
}

#[test]
fn layers_are_packed_as_mlx_packs_them() -> Result<()> {
    for bits in [2, 3, 4, 5, 6, 8] {
        let (dense, packed) = quantised(&wide(96, 8, 32), bits, 64)?;
        let names: Vec<String> = packed.parameters().into_iter().map(|p| p.0).collect();
        // 96 inputs are no multiple of 64: `odd` stays as it is. `up` never changes.
        assert_eq!(
            names,
            [
                "embed.weight",
                "embed.scales",
                "embed.biases",
                "up.weight",
                "down.weight",
                "down.scales",
                "down.biases",
                "odd.weight"
            ]
        );
        for (layer, bits, group) in [("embed", 8, 32), ("down", bits, 64)] {
            let find = |m: &Wide, part: &str| {
                let name = format!("{layer}.{part}");
                m.parameters().into_iter().find(|p| p.0 == name).unwrap().1
            };
            let (w, s, b) = ops::quantize(&find(&dense, "weight"), group, bits)?;
            assert_eq!(find(&packed, "weight").to_vec::<u32>()?, w.to_vec::<u32>()?);
            assert_eq!(values(&find(&packed, "scales")), values(&s));
            assert_eq!(values(&find(&packed, "biases")), values(&b));
        }
        packed
            .forward(&Array::from_slice(&[1u32], &[1])?)?
            .to_vec::<f32>()?;
    }
    Ok(())
}

#[test]
fn sizes_that_groups_do_not_divide_are_refused_where_they_were_asked_for() -> Result<()> {
    let text = format!("{}", quantised(&wide(48, 4, 32), 4, 64).err().unwrap());
    assert!(
        text.contains("embed: `dim` is 48, which groups of 32 do not divide"),
        "{text}"
    );
    let text = format!("{}", quantised(&wide(64, 7, 32), 4, 64).err().unwrap());
    assert!(text.contains("embed: `dim` is 64, and"), "{text}");
    assert!(text.contains("7 bits in groups of 32"), "{text}");
    let error = quantised(&wide(64, 4, 32), 4, 48).err().unwrap();
    assert!(
        format!("{error}").contains("4 bits in groups of 48"),
        "{error}"
    );
    Ok(())
}

#[test]
fn what_is_packed_already_stays() -> Result<()> {
    let config = wide(64, 8, 32);
    let (_, packed) = quantised(&config, 4, 64)?;
    let all: HashMap<String, Array> = packed.parameters().into_iter().collect();
    let mut options = LoadOptions::new(Dtype::Float32);
    options.quantize = Some(Quantization::Affine {
        bits: 2,
        group_size: 32,
    });
    let again: Wide = load(&config, all.into(), &options)?;
    let size = |m: &Wide| {
        let all = m.parameters();
        all.into_iter()
            .find(|p| p.0 == "down.weight")
            .map(|p| p.1.shape().to_vec())
    };
    assert_eq!(size(&again), size(&packed));
    Ok(())
}
