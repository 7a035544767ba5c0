//! Fields of every form: arrays and `Vec` of layers and of models, boxes, optional boxes; and states and caches inside of
//! caches. Each beside the same computation with the runtime, and each part of a text beside the whole.

use std::collections::HashMap;
use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_runtime::model::{init, load, value_and_grad, LoadOptions, Model};
use mlx_runtime::nn::{KvCache, Linear, Param, RmsNorm};
use mlx_runtime::{ops, random, transforms, Array, Dtype, Result};

/// Sizes.
#[derive(Clone, Debug)]
pub struct Config {
    hidden: usize,
    depth: usize,
    gated: bool,
}

fn config() -> Config {
    Config {
        hidden: 6,
        depth: 4,
        gated: true,
    }
}

fn close(a: &Array, b: &Array) {
    assert_eq!(a.shape(), b.shape());
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    for (x, y) in a.iter().zip(&b) {
        assert!((x - y).abs() < 1e-5, "{x} {y}");
    }
}

fn fresh<M: Model<Config = Config>>() -> M {
    init(
        &Arc::new(config()),
        &random::Key::new(7).unwrap(),
        Dtype::Float32,
    )
    .unwrap()
}

fn numbers(shape: &[i32], seed: u64) -> Array {
    random::normal(
        shape,
        Dtype::Float32,
        0.0,
        1.0,
        Some(&random::Key::new(seed).unwrap()),
    )
    .unwrap()
}

fn named<M: Model>(m: &M) -> HashMap<String, Array> {
    m.parameters().into_iter().collect()
}

fn linear(x: &Array, w: &Array) -> Array {
    ops::matmul(x, &ops::transpose(w, &[1, 0]).unwrap()).unwrap()
}

/// A block.
#[mlx_model(config = Config)]
pub struct Block {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Block {
    /// `tanh(W x)`.
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        tanh(self.map(x))
    }

    /// `a W x`.
    pub fn scaled(&self, x: Tensor![B, hidden], by: f32) -> Tensor![B, hidden] {
        self.map(x) * by
    }
}

/// Parts of every form.
#[mlx_model(config = Config)]
pub struct Parts {
    #[lora]
    #[param(hidden, hidden)]
    pair: [Linear; 2],
    blocks: [Block; 3],
    #[layers(depth, checkpoint = every(2))]
    #[param(hidden, hidden)]
    maps: Vec<Linear>,
    #[layers(depth, checkpoint = always)]
    #[weights("norm.layers")]
    #[param(hidden)]
    norms: Vec<RmsNorm>,
    boxed: Box<Block>,
    #[when(gated)]
    gate: Option<Box<Block>>,
    #[param(hidden, hidden)]
    head: Box<Linear>,
}

#[mlx_model]
impl Parts {
    /// All of them, one after the other.
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        let mut h = self.pair[0](x) + self.pair[1](x);
        for (i, block) in self.blocks.iter().enumerate() {
            let y = block(h);
            h = h + y * i;
        }
        h = self.blocks[1].scaled(h, 2.0);
        for map in self.maps {
            h = map(h);
        }
        for norm in self.norms {
            let y = norm(h);
            h = h + y;
        }
        h = self.boxed(h);
        if config.gated {
            h = h * self.gate(h);
        }
        self.head(h)
    }
}

fn by_hand(m: &HashMap<String, Array>, x: &Array) -> Array {
    let w = |name: String| &m[&name];
    let one = |a: &Array, b: &Array| ops::add(a, b).unwrap();
    let block =
        |x: &Array, name: &str| ops::tanh(&linear(x, w(format!("{name}.map.weight")))).unwrap();
    let mut h = one(
        &linear(x, w("pair.0.weight".into())),
        &linear(x, w("pair.1.weight".into())),
    );
    for i in 0..3 {
        let y = block(&h, &format!("blocks.{i}"));
        h = one(
            &h,
            &ops::multiply(&y, Array::scalar(i as f32).unwrap()).unwrap(),
        );
    }
    h = ops::multiply(
        &linear(&h, w("blocks.1.map.weight".into())),
        Array::scalar(2.0f32).unwrap(),
    )
    .unwrap();
    for i in 0..4 {
        h = linear(&h, w(format!("maps.{i}.weight")));
    }
    for i in 0..4 {
        let y = ops::fast::rms_norm(&h, Some(w(format!("norm.layers.{i}.weight"))), 1e-5).unwrap();
        h = one(&h, &y);
    }
    h = block(&h, "boxed");
    h = ops::multiply(&h, block(&h, "gate")).unwrap();
    linear(&h, w("head.weight".into()))
}

#[test]
fn parts_of_every_form_are_what_they_hold() {
    let model: Parts = fresh();
    let x = numbers(&[3, 6], 1);
    let found = model.forward(&x).unwrap();
    close(&found, &by_hand(&named(&model), &x));
    // Names load again, element by element.
    let weights = named(&model);
    assert!(weights.contains_key("pair.1.weight") && weights.contains_key("maps.3.weight"));
    let options = LoadOptions::new(Dtype::Float32);
    let again: Parts = load(&Arc::new(config()), weights.into(), &options).unwrap();
    close(&again.forward(&x).unwrap(), &found);
}

#[test]
fn stacks_of_single_layers_have_checkpoints() {
    let model: Parts = fresh();
    let x = numbers(&[3, 6], 2);
    let (names, arrays): (Vec<String>, Vec<Array>) = model.trainable().into_iter().unzip();
    assert_eq!(names.len(), 2 + 3 + 4 + 4 + 3);
    let input = x.clone();
    let loss = move |m: &Parts, _: &[Array]| Ok(vec![ops::sum(&m.forward(&input)?, &[], false)?]);
    let found = value_and_grad(&model, &[], loss).unwrap().1;
    let places: Vec<i32> = (0..arrays.len() as i32).collect();
    let hand = move |arrays: &[Array]| {
        let named = names.iter().cloned().zip(arrays.iter().cloned());
        Ok(vec![ops::sum(&by_hand(&named.collect(), &x), &[], false)?])
    };
    let wanted = transforms::grad(hand, &places).call(&arrays).unwrap();
    for (a, b) in found.iter().zip(&wanted) {
        close(a, b);
    }
}

/// Sizes that no config has.
mod sizes {
    pub const HEADS: usize = 3;
}
const PART: usize = 4;

/// Sizes that are constants, and a sub-model's arguments by name.
#[mlx_model(config = Config, dims(inner = sizes::HEADS * PART))]
pub struct Constants {
    #[param(inner, hidden)]
    up: Linear,
    #[param(hidden, PART)]
    down: Linear,
    block: Block,
}

#[mlx_model]
impl Constants {
    /// The sum over heads.
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        let h: Tensor![B, inner] = self.up(x);
        let h: Tensor![B, PART] = h.reshape([B, sizes::HEADS, PART]).sum(1);
        self.block.scaled(self.down(h) / PART, by = 0.5)
    }
}

#[test]
fn constants_are_sizes() {
    let model: Constants = fresh();
    let (x, m) = (numbers(&[3, 6], 9), named(&model));
    let h = ops::reshape(&linear(&x, &m["up.weight"]), &[3, 3, 4]).unwrap();
    let h = linear(&ops::sum(&h, &[1], false).unwrap(), &m["down.weight"]);
    let eighth = Array::scalar(0.125f32).unwrap();
    let h = ops::multiply(&linear(&h, &m["block.map.weight"]), &eighth).unwrap();
    close(&model.forward(&x).unwrap(), &h);
}

/// A recurrent network with states (Hochreiter & Schmidhuber 1997).
#[mlx_model(config = Config)]
pub struct Lstm {
    #[param(4 * hidden, hidden)]
    wx: Linear,
    #[param(4 * hidden, hidden, bias = true)]
    wh: Linear,
}

#[mlx_model]
impl Lstm {
    /// `h` at each place.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden],
        state: &mut State![h: [B, hidden], c: [B, hidden]],
    ) -> Tensor![B, L, hidden] {
        let x = self.wx(x).moveaxis(1, 0);
        let (mut h, mut c) = (state.h, state.c);
        let mut all = vec![];
        for t in 0..L {
            let (i, f, g, o) = (x[t] + self.wh(h)).split(4, -1);
            c = sigmoid(f) * c + sigmoid(i) * tanh(g);
            h = sigmoid(o) * tanh(c);
            all.push(h);
        }
        (state.h, state.c) = (h, c);
        stack(all, 1)
    }
}

/// A leaky sum.
#[mlx_model(config = Config)]
pub struct Leaky {
    #[param(hidden)]
    leak: Param,
}

#[mlx_model]
impl Leaky {
    /// `h_t = tanh(a h_(t-1) + x_t)` at each place, and the last.
    pub fn forward(
        &self,
        x: Tensor![L, B, hidden],
        start: Tensor![B, hidden],
    ) -> (Tensor![L, B, hidden], Tensor![B, hidden]) {
        let (a, mut h, mut all) = (self.leak, start, vec![]);
        for t in 0..L {
            h = tanh(h * a + x[t]);
            all.push(h);
        }
        (stack(all, 0), h)
    }
}

#[test]
fn a_long_loop_has_the_gradient_of_short_ones() {
    let model: Leaky = fresh();
    let (x, start) = (numbers(&[100, 2, 6], 10), numbers(&[2, 6], 11));
    let weights = numbers(&[100, 2, 6], 12);
    let run = move |parts: &'static [i32]| {
        let (x, start, weights) = (x.clone(), start.clone(), weights.clone());
        let loss = move |m: &Leaky, _: &[Array]| {
            let (mut h, mut at, mut all) = (start.clone(), 0, Vec::new());
            for n in parts {
                let part = ops::slice(&x, &[at, 0, 0], &[at + n, 2, 6], &[1, 1, 1])?;
                let (y, last) = m.forward(&part, &h)?;
                all.push(y);
                (h, at) = (last, at + n);
            }
            let y = ops::concatenate(&all.iter().collect::<Vec<_>>(), 0)?;
            Ok(vec![ops::sum(&ops::multiply(&y, &weights)?, &[], false)?])
        };
        value_and_grad(&model, &[], loss).unwrap()
    };
    let (whole, short) = (run(&[100]), run(&[50, 50]));
    close(&whole.0[0], &short.0[0]);
    close(&whole.1[0], &short.1[0]);
}

/// A layer with two caches and a state of its own.
#[mlx_model(config = Config)]
pub struct Both {
    #[param(hidden, hidden)]
    q: Linear,
    #[param(hidden, hidden)]
    k: Linear,
    rnn: Lstm,
}

#[mlx_model]
impl Both {
    fn attend(
        &self,
        q: Tensor![B, L, hidden],
        k: Tensor![B, L, hidden],
        cache: &mut KvCache,
    ) -> Tensor![B, L, hidden] {
        let (q, k) = (q.expand_dims(1), k.expand_dims(1));
        let (k, v) = cache.update(k, k);
        scaled_dot_product_attention(q, k, v, causal).squeeze([1])
    }

    /// Attention to the text, then to a memory.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden],
        memory: Tensor![B, S, hidden],
        cache: &mut State![sum: [B, hidden], own: KvCache, rnn: KvCache, cross: KvCache],
    ) -> Tensor![B, L, hidden] {
        let h = self.attend(self.q(x), self.k(x), cache.own) + self.rnn(x, cache.rnn);
        let m = self.k(memory).expand_dims(1);
        let (m, v) = cache.cross.keep(m, m);
        let y = scaled_dot_product_attention(self.q(h).expand_dims(1), m, v).squeeze(1);
        let before = cumsum(x, 1) + cache.sum.expand_dims(1);
        cache.sum += x.sum(1);
        y + before
    }
}

/// A stack of these.
#[mlx_model(config = Config)]
pub struct Stack {
    #[layers(depth)]
    layers: Vec<Both>,
}

#[mlx_model]
impl Stack {
    /// One after the other.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden],
        memory: Tensor![B, S, hidden],
        cache: &mut KvCache,
    ) -> Tensor![B, L, hidden] {
        let mut h = x;
        for layer in self.layers {
            let y = layer(h, memory, cache);
            h = tanh(h + y);
        }
        h
    }
}

/// The whole, and the same in parts of 3, 1, 1 and 2.
fn in_parts(x: &Array, mut run: impl FnMut(&Array, &mut KvCache) -> Result<Array>) {
    let whole = run(x, &mut KvCache::off()).unwrap();
    let mut cache = KvCache::new();
    let mut parts = Vec::new();
    for (from, to) in [(0, 3), (3, 4), (4, 5), (5, 7)] {
        let part = ops::slice(x, &[0, from, 0], &[2, to, 6], &[1, 1, 1]).unwrap();
        parts.push(run(&part, &mut cache).unwrap());
    }
    let parts = ops::concatenate(&parts.iter().collect::<Vec<_>>(), 1).unwrap();
    close(&parts, &whole);
    assert!(!cache.arrays().is_empty());
    // A batch of another size is another text.
    let other = ops::slice(x, &[0, 0, 0], &[1, 2, 6], &[1, 1, 1]).unwrap();
    assert!(run(&other, &mut cache).is_err());
}

#[test]
fn a_state_is_carried() {
    let model: Lstm = fresh();
    in_parts(&numbers(&[2, 7, 6], 3), |x, cache| model.forward(x, cache));
}

#[test]
fn a_layer_has_caches_of_its_own() {
    let model: Stack = fresh();
    let memory = numbers(&[2, 5, 6], 4);
    in_parts(&numbers(&[2, 7, 6], 5), |x, cache| {
        model.forward(x, &memory, cache)
    });
    // The memory is read once: a later one is not looked at.
    let (x, other) = (numbers(&[2, 1, 6], 6), numbers(&[2, 5, 6], 7));
    let mut caches = [KvCache::new(), KvCache::new()];
    let [a, b] = &mut caches;
    for cache in [&mut *a, &mut *b] {
        model.forward(&x, &memory, cache).unwrap();
    }
    let same = model.forward(&x, &other, a).unwrap();
    close(&same, &model.forward(&x, &memory, b).unwrap());
    let longer = numbers(&[2, 6, 6], 8);
    let error = model.forward(&x, &longer, a).unwrap_err().to_string();
    assert!(
        error.contains("expected [2, 1, 5, 6], found [2, 1, 6, 6]"),
        "{error}"
    );
}

/// Attention alone.
#[mlx_model(config = Config)]
pub struct Attend {
    #[param()]
    scale: Param,
}

#[mlx_model]
impl Attend {
    /// To what the cache has kept.
    pub fn forward(
        &self,
        q: Tensor![B, H, L, D],
        k: Tensor![B, H, L, D],
        v: Tensor![B, H, L, D],
        cache: &mut KvCache,
    ) -> Tensor![B, H, L, D] {
        let (k, v) = cache.update(k, v);
        scaled_dot_product_attention(q * self.scale, k, v, causal)
    }
}

/// `tests/parity/dump_caches.py` writes the dump.
#[test]
fn caches_keep_what_those_of_mlx_lm_keep() {
    let folder = std::env::var("CARGO_MANIFEST_DIR");
    let folder = folder.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR"));
    let file = std::path::Path::new(folder).join("parity/data/caches.safetensors");
    let (dump, _) = mlx_runtime::io::load_safetensors(file).unwrap();
    let one = HashMap::from([("scale".to_string(), Array::scalar(1f32).unwrap())]);
    let model: Attend = load(
        &Arc::new(config()),
        one.into(),
        &LoadOptions::new(Dtype::Float32),
    )
    .unwrap();
    let caches = [
        ("last", KvCache::with_limit(4, 0).unwrap()),
        ("first", KvCache::with_limit(5, 2).unwrap()),
        ("packed", KvCache::quantized(32, 4).unwrap()),
    ];
    for (name, mut cache) in caches {
        let (mut parts, mut at) = (Vec::new(), 0);
        for stop in [3, 4, 5, 6, 7, 8, 9] {
            let [q, k, v] = ["q", "k", "v"].map(|n| {
                ops::slice(&dump[n], &[0, 0, at, 0], &[2, 2, stop, 32], &[1, 1, 1, 1]).unwrap()
            });
            parts.push(model.forward(&q, &k, &v, &mut cache).unwrap());
            at = stop;
            assert_eq!(cache.offset(), stop, "{name}");
        }
        let found = ops::concatenate(&parts.iter().collect::<Vec<_>>(), 2).unwrap();
        close(&found, &dump[name]);
    }
    assert!(KvCache::with_limit(2, 2).is_err() && KvCache::quantized(8, 4).is_err());
}

/// A block that takes pairs.
#[mlx_model(config = Config)]
pub struct OfPairs {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl OfPairs {
    /// `map(x) * gate + rest`, and the gate.
    pub fn forward(
        &self,
        (x, gate): (Tensor![B, hidden], Tensor![B, hidden]),
        rest: Tensor![B, hidden],
    ) -> (Tensor![B, hidden], Tensor![B, hidden]) {
        (self.map(x) * gate + rest, gate)
    }

    /// The same, of a pair in a pair.
    pub fn nested(
        &self,
        (x, (gate, rest)): (Tensor![B, hidden], (Tensor![B, hidden], Tensor![B, hidden])),
    ) -> Tensor![B, hidden] {
        let (y, _) = self.forward((x, gate), rest);
        y
    }
}

/// A function of a pair.
#[mlx_macros::mlx_fn]
pub fn sum_of((x, y): (Tensor![B, D], Tensor![B, D])) -> Tensor![B, D] {
    x + y
}

/// Blocks that take pairs.
#[mlx_model(config = Config)]
pub struct Pairs {
    first: OfPairs,
    #[layers(depth)]
    layers: Vec<OfPairs>,
}

#[mlx_model]
impl Pairs {
    /// Each layer's results go on to the next one.
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        let gate = sigmoid(x);
        let (mut h, mut g) = self.first((x, gate), x);
        for layer in self.layers {
            (h, g) = layer((h, g), x);
        }
        sum_of((h, self.first.nested((x, (g, x)))))
    }
}

#[test]
fn tuples_are_arguments() {
    let model: Pairs = fresh();
    let all = named(&model);
    let x = numbers(&[3, 6], 1);
    let g = ops::sigmoid(&x).unwrap();
    let block = |path: &str, h: &Array| {
        let y = linear(h, &all[&format!("{path}.map.weight")]);
        ops::add(&ops::multiply(&y, &g).unwrap(), &x).unwrap()
    };
    let mut h = block("first", &x);
    for i in 0..4 {
        h = block(&format!("layers.{i}"), &h);
    }
    let wanted = ops::add(&h, block("first", &x)).unwrap();
    close(&model.forward(&x).unwrap(), &wanted);
    // Rust gives the arrays one by one.
    let (y, same) = model.first.forward(&x, &g, &x).unwrap();
    close(&y, &block("first", &x));
    close(&same, &g);
}
