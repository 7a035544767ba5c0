//! Loops over a stack of layers with bodies of their own, and over positions: values, gradients with and without
//! checkpoints, states and caches, each beside the same loop written with the runtime.

use std::collections::HashMap;
use std::sync::Arc;

use mlx_macros::mlx_model;
use mlx_runtime::model::{init, load, LoadOptions, Model};
use mlx_runtime::nn::{KvCache, Linear};
use mlx_runtime::{io, ops, random, transforms, Array, Dtype, Result};

/// Sizes and switches.
#[derive(Clone, Debug)]
pub struct Config {
    hidden: usize,
    depth: usize,
    factor: f32,
    every: usize,
    layer_types: Vec<String>,
}

fn config() -> Arc<Config> {
    let kinds = ["full", "sliding", "full", "sliding"];
    Arc::new(Config {
        hidden: 6,
        depth: 4,
        factor: 0.5,
        every: 2,
        layer_types: kinds.map(String::from).to_vec(),
    })
}

/// A layer of one tensor.
#[mlx_model(config = Config)]
pub struct Layer {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Layer {
    /// A map that is bounded.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        tanh(self.map(x))
    }
}

/// A layer of two tensors.
#[mlx_model(config = Config)]
pub struct Two {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Two {
    /// The new value and a loss.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden],
        by: Tensor![B, L, hidden],
    ) -> (Tensor![B, L, hidden], Tensor![]) {
        let y = tanh(self.map(x * by));
        (y, mean(square(y)))
    }
}

/// A layer with a cache.
#[mlx_model(config = Config)]
pub struct Cached {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Cached {
    /// Attention of one head.
    pub fn forward(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
        let q = self.map(x).expand_dims(1);
        let (k, v) = cache.update(q, q);
        scaled_dot_product_attention(q, k, v, causal).squeeze(1)
    }
}

macro_rules! nets {
    ($($name:ident, $policy:ident);*) => {$(
        /// Loops of every kind.
        #[mlx_model(config = Config)]
        pub struct $name<M: Model<Config = Config>> {
            #[layers(depth, checkpoint = $policy)]
            layers: Vec<Layer>,
            #[layers(depth, checkpoint = $policy)]
            twos: Vec<Two>,
            #[layers(depth, checkpoint = $policy)]
            cached: Vec<Cached>,
            #[layers(depth, checkpoint = $policy)]
            chosen: Vec<M>,
        }

        #[mlx_model]
        impl<M: Model<Config = Config>> $name<M> {
            /// A residual around each layer, with a value from outside and a number.
            pub fn residual(&self, x: Tensor![B, L, hidden], by: Tensor![L, hidden], scale: f32) -> Tensor![B, L, hidden] {
                let mut h = x;
                for layer in self.layers {
                    let y = layer(h * by);
                    h = h + y * scale * config.factor;
                }
                h
            }

            /// The values of the last two layers.
            pub fn before(&self, x: Tensor![B, L, hidden]) -> (Tensor![B, L, hidden], Tensor![B, L, hidden]) {
                let mut h = x;
                let mut g = x;
                for layer in self.layers {
                    g = h;
                    h = layer(h);
                }
                (g, h)
            }

            /// A loss summed over the layers, and what each of them gave, with the input in front.
            pub fn losses(&self, x: Tensor![B, L, hidden]) -> (Tensor![B, L, hidden], Tensor![], Tensor![B, depth + 1, L, hidden]) {
                let mut h = x;
                let mut loss = zeros([]);
                let mut all = vec![x];
                for layer in self.twos {
                    let (y, l): (Tensor![B, L, hidden], Tensor![]) = layer(h, x);
                    h = y;
                    loss += l;
                    all.push(y);
                }
                (h, loss, stack(all, axis = 1))
            }

            /// Two values carried, and one that is not.
            pub fn pair(&self, x: Tensor![B, L, hidden]) -> (Tensor![B, L, hidden], Tensor![]) {
                let mut h = x;
                let mut last = zeros([]);
                for layer in self.twos {
                    (h, last) = layer(h, x);
                }
                (h, last)
            }

            /// Layers that are counted, and chosen by the config.
            pub fn counted(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, depth * hidden] {
                let mut h = x;
                let mut all = vec![];
                for (i, layer) in self.layers.iter().enumerate() {
                    if i % config.every == 0 {
                        h = layer(h);
                    } else if config.layer_types[i] == "sliding" {
                        h = layer(h) + x;
                    } else {
                        h = -layer(h);
                    }
                    all.push(h * i);
                }
                concatenate(all, -1)
            }

            /// Layers with a cache.
            pub fn caches(&self, x: Tensor![B, L, hidden], cache: &mut KvCache) -> Tensor![B, L, hidden] {
                let mut h = x;
                for layer in self.cached {
                    h += layer(h, cache);
                }
                h
            }

            /// A layer that is a type parameter.
            pub fn generic(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
                let mut h = x;
                for layer in self.chosen {
                    h = x + layer(h);
                }
                h
            }
        }
    )*};
}

nets!(Plain, never; Again, always);

fn input() -> Array {
    let key = random::key(1).unwrap();
    random::normal(&[2, 3, 6], Dtype::Float32, 0.0, 1.0, Some(&key)).unwrap()
}

fn number(x: f32) -> Array {
    Array::scalar(x).unwrap()
}

fn close(a: &Array, b: &Array) {
    assert_eq!(a.shape(), b.shape());
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    let worst = a.iter().zip(&b).map(|(x, y)| (x - y).abs());
    let worst = worst.fold(0.0, f32::max);
    assert!(
        worst < 1e-5 && a.iter().all(|x| x.is_finite()),
        "differ by {worst}"
    );
}

type Net = Plain<Layer>;

fn net() -> Net {
    init(&config(), random::key(0).unwrap(), Dtype::Float32).unwrap()
}

#[test]
fn a_body_reads_values_from_outside() {
    let (m, x) = (net(), input());
    let by = ops::slice(&x, &[1, 0, 0], &[2, 3, 6], &[1, 1, 1]).unwrap();
    let by = ops::squeeze(&by, &[0]).unwrap();
    let mut h = x.clone();
    for layer in &m.layers {
        let y = layer.forward(&ops::multiply(&h, &by).unwrap()).unwrap();
        h = ops::add(&h, ops::multiply(&y, number(0.75 * 0.5)).unwrap()).unwrap();
    }
    close(&m.residual(&x, &by, 0.75).unwrap(), &h);
}

#[test]
fn values_are_carried_from_layer_to_layer() {
    let (m, x) = (net(), input());
    let mut all = vec![x.clone()];
    for layer in &m.layers {
        all.push(layer.forward(all.last().unwrap()).unwrap());
    }
    let (g, h) = m.before(&x).unwrap();
    close(&g, &all[3]);
    close(&h, &all[4]);
    let (mut h, mut last) = (x.clone(), number(0.0));
    for layer in &m.twos {
        (h, last) = layer.forward(&h, &x).unwrap();
    }
    let found = m.pair(&x).unwrap();
    close(&found.0, &h);
    close(&found.1, &last);
}

#[test]
fn values_are_collected_and_summed() {
    let (m, x) = (net(), input());
    let (mut all, mut loss) = (vec![x.clone()], number(0.0));
    for layer in &m.twos {
        let (y, l) = layer.forward(all.last().unwrap(), &x).unwrap();
        loss = ops::add(&loss, &l).unwrap();
        all.push(y);
    }
    let (h, sum, stacked) = m.losses(&x).unwrap();
    close(&h, &all[4]);
    close(&sum, &loss);
    let all: Vec<&Array> = all.iter().collect();
    close(&stacked, &ops::stack(&all, 1).unwrap());
}

/// Layers 0 and 2 are even, 1 and 3 slide.
fn counted(layers: &[Layer], x: &Array) -> Result<Array> {
    let (mut h, mut all) = (x.clone(), Vec::new());
    for (i, layer) in layers.iter().enumerate() {
        h = layer.forward(&h)?;
        if i % 2 == 1 {
            h = ops::add(&h, x)?;
        }
        all.push(ops::multiply(&h, number(i as f32))?);
    }
    ops::concatenate(&all.iter().collect::<Vec<_>>(), -1)
}

#[test]
fn layers_are_counted_and_chosen() {
    let (m, x) = (net(), input());
    close(&m.counted(&x).unwrap(), &counted(&m.layers, &x).unwrap());
}

#[test]
fn each_layer_has_its_own_place_in_the_cache() {
    let (m, x) = (net(), input());
    let whole = m.caches(&x, &mut KvCache::new()).unwrap();
    let mut h = x.clone();
    for layer in &m.cached {
        let y = layer.forward(&h, &mut KvCache::off()).unwrap();
        h = ops::add(&h, &y).unwrap();
    }
    close(&whole, &h);
    // Token by token it is the same.
    let mut cache = KvCache::new();
    for i in 0..3 {
        let token = ops::slice(&x, &[0, i, 0], &[2, i + 1, 6], &[1, 1, 1]).unwrap();
        let want = ops::slice(&whole, &[0, i, 0], &[2, i + 1, 6], &[1, 1, 1]).unwrap();
        close(&m.caches(&token, &mut cache).unwrap(), &want);
    }
}

#[test]
fn a_layer_may_be_chosen_later() {
    let (m, x) = (net(), input());
    let mut h = x.clone();
    for layer in &m.chosen {
        h = ops::add(&x, layer.forward(&h).unwrap()).unwrap();
    }
    close(&m.generic(&x).unwrap(), &h);
}

/// The gradients of a sum of squares of all that the loops give, for the input and for all weights.
fn gradients<M: Model>(model: &M, run: fn(&M, &Array) -> Result<Vec<Array>>) -> Vec<Array> {
    let own = model.trainable();
    let mut inputs = vec![input()];
    inputs.extend(own.into_iter().map(|(_, a)| a));
    let all: Vec<i32> = (0..inputs.len() as i32).collect();
    let model = model.clone();
    let slope = transforms::grad(
        move |x: &[Array]| {
            let mut model = model.clone();
            model.set_trainable(&x[1..])?;
            let mut sum = number(0.0);
            for y in run(&model, &x[0])? {
                sum = ops::add(&sum, &ops::sum(&ops::square(&y)?, &[], false)?)?;
            }
            Ok(vec![sum])
        },
        &all,
    );
    slope.call(&inputs).unwrap()
}

macro_rules! same {
    ($name:literal, |$m:ident, $x:ident| $run:expr) => {{
        let plain = net();
        let again: Again<Layer> = init(&config(), random::key(0).unwrap(), Dtype::Float32).unwrap();
        let want = gradients(&plain, |$m: &Net, $x: &Array| $run);
        let found = gradients(&again, |$m: &Again<Layer>, $x: &Array| $run);
        let used = |a: &Array| a.to_vec::<f32>().unwrap().iter().any(|x| *x != 0.0);
        // The input and the weights of one stack.
        assert_eq!(want.iter().filter(|a| used(a)).count(), 5, $name);
        for (a, b) in want.iter().zip(&found) {
            assert_eq!(a.shape(), b.shape(), $name);
            let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
            let worst = a
                .iter()
                .zip(&b)
                .map(|(x, y)| (x - y).abs() / (1.0 + y.abs()));
            let worst = worst.fold(0.0, f32::max);
            assert!(worst < 1e-5, "{}: differ by {worst}", $name);
        }
    }};
}

#[test]
fn gradients_are_those_without_checkpoints() {
    same!("residual", |m, x| Ok(vec![m.residual(
        x,
        &ops::mean(x, &[0], false)?,
        0.5
    )?]));
    same!("before", |m, x| m.before(x).map(|(a, b)| vec![a, b]));
    same!("losses", |m, x| m.losses(x).map(|(a, b, c)| vec![a, b, c]));
    same!("pair", |m, x| m.pair(x).map(|(a, b)| vec![a, b]));
    same!("counted", |m, x| Ok(vec![m.counted(x)?]));
    same!("generic", |m, x| Ok(vec![m.generic(x)?]));
}

/// A recurrent network (Hochreiter & Schmidhuber 1997) as `mlx.nn.LSTM` computes it, and a stack of layers with states.
#[mlx_model(config = Config)]
pub struct Recurrent {
    #[param(4 * hidden, hidden)]
    wx: Linear,
    #[param(4 * hidden, hidden, bias = true)]
    wh: Linear,
    #[layers(depth)]
    twos: Vec<Two>,
}

#[mlx_model]
impl Recurrent {
    /// One step: the hidden value and the cell.
    fn step(
        &self,
        x: Tensor![B, 4 * hidden],
        h: Tensor![B, hidden],
        c: Tensor![B, hidden],
    ) -> (Tensor![B, hidden], Tensor![B, hidden]) {
        let (i, f, g, o) = split(x + self.wh(h), 4, -1);
        let c = sigmoid(f) * c + sigmoid(i) * tanh(g);
        (sigmoid(o) * tanh(c), c)
    }

    /// All steps, and the last state.
    pub fn forward(
        &self,
        x: Tensor![B, L, hidden],
        start: Tensor![B, hidden],
    ) -> (
        Tensor![B, L, hidden],
        Tensor![B, hidden],
        Tensor![B, hidden],
    ) {
        let y = self.wx(x).transpose([1, 0, 2]);
        let mut h = start;
        let mut c = zeros([B, hidden]);
        let mut all = vec![];
        for t in 0..L {
            (h, c) = self.step(y[t], h, c);
            all.push(h);
        }
        (stack(all, 1), h, c)
    }

    /// A state for each layer, replaced by what the layer saw.
    pub fn states(
        &self,
        x: Tensor![B, L, hidden],
        states: Tensor![depth, B, L, hidden],
    ) -> (Tensor![B, L, hidden], Tensor![depth, B, L, hidden]) {
        let mut h = x;
        let mut all = vec![];
        for (i, layer) in self.twos.iter().enumerate() {
            all.push(h);
            let (y, _l): (Tensor![B, L, hidden], Tensor![]) = layer(h, states[i] * states[0]);
            h = y;
        }
        (h, stack(all, 0))
    }
}

/// The LSTM by hand, from `x W^T` on.
fn lstm(m: &Recurrent, x: &Array, start: &Array) -> Result<Vec<Array>> {
    let w = |name: &str| {
        m.parameters()
            .into_iter()
            .find(|(n, _)| n == name)
            .unwrap()
            .1
    };
    let map = |x: &Array, name: &str| ops::matmul(x, &ops::transpose(&w(name), &[1, 0])?);
    let (mut h, mut c, mut all) = (start.clone(), ops::zeros_like(start)?, Vec::new());
    for t in 0..x.dim(1)? {
        let x = ops::squeeze(
            &ops::slice(x, &[0, t, 0], &[2, t + 1, 6], &[1, 1, 1])?,
            &[1],
        )?;
        let sum = ops::add(
            &ops::add(&map(&x, "wx.weight")?, &map(&h, "wh.weight")?)?,
            w("wh.bias"),
        )?;
        let parts = ops::split(&sum, 4, -1)?;
        let kept = ops::multiply(&ops::sigmoid(&parts[1])?, &c)?;
        c = ops::add(
            &kept,
            &ops::multiply(&ops::sigmoid(&parts[0])?, &ops::tanh(&parts[2])?)?,
        )?;
        h = ops::multiply(&ops::sigmoid(&parts[3])?, &ops::tanh(&c)?)?;
        all.push(h.clone());
    }
    let all: Vec<&Array> = all.iter().collect();
    Ok(vec![ops::stack(&all, 1)?, h, c])
}

#[test]
fn positions_are_looped_over_with_their_gradient() {
    let m: Recurrent = init(&config(), random::key(3).unwrap(), Dtype::Float32).unwrap();
    let x = input();
    let start = ops::mean(&x, &[1], false).unwrap();
    let (all, h, c) = m.forward(&x, &start).unwrap();
    let want = lstm(&m, &x, &start).unwrap();
    for (a, b) in [all, h, c].iter().zip(&want) {
        close(a, b);
    }
    let sum = |y: &[Array]| -> Result<Vec<Array>> {
        let sums: Result<Vec<Array>> = y
            .iter()
            .map(|y| ops::sum(&ops::square(y)?, &[], false))
            .collect();
        sums?
            .into_iter()
            .map(Ok)
            .reduce(|a, b| ops::add(&a?, &b?))
            .map_or(Ok(vec![]), |a| Ok(vec![a?]))
    };
    let (one, two) = (m.clone(), m.clone());
    let found = transforms::grad(
        move |x: &[Array]| {
            let (a, h, c) = one.forward(&x[0], &x[1])?;
            sum(&[a, h, c])
        },
        &[0, 1],
    );
    let want = transforms::grad(move |x: &[Array]| sum(&lstm(&two, &x[0], &x[1])?), &[0, 1]);
    let inputs = [x, start];
    for (a, b) in found
        .call(&inputs)
        .unwrap()
        .iter()
        .zip(&want.call(&inputs).unwrap())
    {
        close(a, b);
    }
}

/// `tests/parity/dump_lstm.py` writes the dump.
#[test]
fn a_recurrence_has_the_numbers_of_mlx() {
    let folder = std::env::var("CARGO_MANIFEST_DIR");
    let folder = folder.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR"));
    let file = std::path::Path::new(folder).join("parity/data/lstm.safetensors");
    let dump = io::load_safetensors(file).unwrap().0;
    let config = config();
    let fresh: Recurrent = init(&config, random::key(5).unwrap(), Dtype::Float32).unwrap();
    let mut weights: HashMap<String, Array> = fresh.parameters().into_iter().collect();
    for (name, a) in weights.iter_mut() {
        *a = dump.get(name).unwrap_or(a).clone();
    }
    let options = LoadOptions::new(Dtype::Float32);
    let mut m: Recurrent = load(&config, weights.into(), &options).unwrap();
    m.unfreeze();
    let (all, last, cell) = m.forward(&dump["x"], &dump["start"]).unwrap();
    close(&all, &dump["hidden"]);
    let end = |name: &str| {
        let last = ops::slice(&dump[name], &[0, 6, 0], &[2, 7, 6], &[1, 1, 1]).unwrap();
        ops::squeeze(&last, &[1]).unwrap()
    };
    close(&last, &end("hidden"));
    close(&cell, &end("cell"));
    // The gradients of the same sum as in the script.
    let names = ["wx.weight", "wh.weight", "wh.bias"];
    let inputs: Vec<Array> = ["x"]
        .iter()
        .chain(&names)
        .map(|n| dump[*n].clone())
        .collect();
    let count = all.size() as f64;
    let factors = ops::cos(&ops::arange(0.0, count, 1.0, Dtype::Float32).unwrap()).unwrap();
    let factors = ops::reshape(&factors, all.shape()).unwrap();
    let order: Vec<String> = m.trainable().into_iter().map(|(n, _)| n).collect();
    let start = dump["start"].clone();
    let slope = transforms::grad(
        move |x: &[Array]| {
            let mut model = m.clone();
            let given = |(name, old): (String, Array)| match names.iter().position(|n| *n == name) {
                Some(i) => x[i + 1].clone(),
                None => old,
            };
            let own: Vec<Array> = model.trainable().into_iter().map(given).collect();
            model.set_trainable(&own)?;
            let (all, ..) = model.forward(&x[0], &start)?;
            Ok(vec![ops::sum(&ops::multiply(&all, &factors)?, &[], false)?])
        },
        &[0, 1, 2, 3],
    );
    assert!(names.iter().all(|n| order.iter().any(|o| o == n)));
    for (found, name) in slope
        .call(&inputs)
        .unwrap()
        .iter()
        .zip(["x"].iter().chain(&names))
    {
        close(found, &dump[&format!("d.{name}")]);
    }
}

#[test]
fn each_layer_has_a_state_of_its_own() {
    let m: Recurrent = init(&config(), random::key(4).unwrap(), Dtype::Float32).unwrap();
    let x = input();
    let rows: Vec<Array> = (1..5)
        .map(|i| ops::multiply(&x, number(i as f32)).unwrap())
        .collect();
    let states = ops::stack(&rows.iter().collect::<Vec<_>>(), 0).unwrap();
    let (mut h, mut seen) = (x.clone(), Vec::new());
    for (layer, state) in m.twos.iter().zip(&rows) {
        seen.push(h.clone());
        h = layer
            .forward(&h, &ops::multiply(state, &rows[0]).unwrap())
            .unwrap()
            .0;
    }
    let (found, kept) = m.states(&x, &states).unwrap();
    close(&found, &h);
    close(
        &kept,
        &ops::stack(&seen.iter().collect::<Vec<_>>(), 0).unwrap(),
    );
}

#[test]
fn a_list_that_is_too_short_for_the_layers_does_not_load() {
    let mut short = (*config()).clone();
    short.layer_types.pop();
    let error = init::<Net>(&Arc::new(short), random::key(0).unwrap(), Dtype::Float32);
    let error = error.err().map(|e| e.to_string()).unwrap_or_default();
    assert!(error.contains("layer_types[i] for i < depth"), "{error}");
}
