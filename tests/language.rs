//! The statements of the language at run time: each model beside the same thing written with the
//! runtime's operations.

use std::collections::HashMap;
use std::sync::Arc;

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::__private::Definition;
use mlx_runtime::model::{init, load, LoadOptions, Model};
use mlx_runtime::nn::{KvCache, Linear, RmsNorm};
use mlx_runtime::{ops, random, Array, Dtype, Result};

/// Sizes and switches.
#[derive(Clone, Debug)]
pub struct Config {
    hidden: usize,
    heads: usize,
    kv_heads: usize,
    depth: usize,
    pattern: usize,
    norm: bool,
    cap: Option<f32>,
}

fn config() -> Config {
    Config {
        hidden: 12,
        heads: 6,
        kv_heads: 2,
        depth: 4,
        pattern: 2,
        norm: true,
        cap: Some(1.5),
    }
}

/// `cap * tanh(x / cap)` (Gemma Team 2024, "soft-capping").
#[mlx_fn]
pub fn soft_cap(x: Tensor![B, L, D], cap: f32) -> Tensor![B, L, D] {
    tanh(x / cap) * cap
}

mod halves {
    use mlx_macros::mlx_fn;

    /// Both halves of the last axis, the second first and negated.
    #[mlx_fn]
    pub fn swap(x: Tensor![B, L, D], y: Tensor![B, L, D]) -> (Tensor![B, L, D], Tensor![B, L, D]) {
        (-y, x)
    }
}

/// A map that is optional, capped and normalised as the config says.
#[mlx_model(config = Config)]
pub struct Inner {
    #[param(hidden, hidden)]
    map: Linear,
    #[when(norm && layer % pattern == 0)]
    #[param(hidden)]
    norm: Option<RmsNorm>,
}

#[mlx_model]
impl Inner {
    /// Each branch is taken as the flags say.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = {
            let h = self.map(x);
            h * 2.0
        };
        if config.norm && layer % config.pattern == 0 {
            h = self.norm(h);
        } else if layer == 3 {
            let y = -h;
            h = y;
        }
        let (y, (_, z)) = if config.cap.is_some() {
            (soft_cap(h, config.cap), (h, halves_of(h)))
        } else {
            (h, (h, h))
        };
        y + z
    }
}

/// A name that comes in by `use`.
mod other {
    use mlx_macros::mlx_fn;

    /// `x / 2`.
    #[mlx_fn]
    pub fn halves_of(x: Tensor![B, L, D]) -> Tensor![B, L, D] {
        x * 0.5
    }
}
use other::halves_of;

/// A stack of a model that is chosen later.
#[mlx_model(config = Config)]
pub struct Stack<M: Model<Config = Config>> {
    #[layers(depth)]
    layers: Vec<M>,
    last: M,
}

#[mlx_model]
impl<M: Model<Config = Config>> Stack<M> {
    /// All layers, then one more.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        for layer in self.layers {
            h = layer(h);
        }
        self.last(h)
    }
}

/// Axes by name, with a quotient.
#[mlx_model(config = Config, dims(group = heads / kv_heads, dim = hidden / heads))]
#[require(heads % kv_heads == 0)]
#[require(hidden % heads == 0)]
pub struct Heads {
    #[param(kv_heads * group * dim, hidden)]
    map: Linear,
}

#[mlx_model]
impl Heads {
    /// Heads in groups.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, kv_heads, group, L, dim] {
        let y = self.map(x);
        rearrange!("b l (k g d) -> b k g l d", y, k = kv_heads, d = dim)
    }

    /// There and back.
    pub fn back(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y: Tensor![B, kv_heads, group, L, dim] = self.forward(x);
        let (a, b) = halves::swap(self.flat(y), x);
        let y = rearrange!("b k g l d -> b l (k g d)", y);
        y + 0.0 * (a + b)
    }

    /// Groups joined.
    pub fn flat(&self, y: Tensor![B, kv_heads, group, L, dim]) -> Tensor![B, L, hidden] {
        y.reshape([B, heads, L, dim])
            .transpose([0, 2, 1, 3])
            .reshape([B, L, heads * dim])
    }
}

fn close(a: &Array, b: &Array) {
    assert_eq!(a.shape(), b.shape());
    let (a, b) = (a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    let worst = a
        .iter()
        .zip(&b)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f32::max);
    assert!(
        worst < 1e-5 && a.iter().all(|x| x.is_finite()),
        "differ by {worst}"
    );
}

fn input() -> Array {
    random::normal(
        &[2, 3, 12],
        Dtype::Float32,
        0.0,
        1.0,
        Some(&random::key(1).unwrap()),
    )
    .unwrap()
}

fn weights(m: &impl Model) -> HashMap<String, Array> {
    m.parameters().into_iter().collect()
}

fn number(x: f32) -> Array {
    Array::scalar(x).unwrap()
}

/// `Inner` by hand.
fn inner(
    config: &Config,
    w: &HashMap<String, Array>,
    path: &str,
    layer: usize,
    x: &Array,
) -> Result<Array> {
    let weight = ops::transpose(&w[&format!("{path}map.weight")], &[1, 0])?;
    let mut h = ops::multiply(&ops::matmul(x, &weight)?, number(2.0))?;
    if config.norm && layer.is_multiple_of(config.pattern) {
        h = ops::fast::rms_norm(&h, Some(&w[&format!("{path}norm.weight")]), 1e-5)?;
    } else if layer == 3 {
        h = ops::negative(&h)?;
    }
    match config.cap {
        None => ops::add(&h, &h),
        Some(cap) => {
            let cap = number(cap);
            let y = ops::multiply(&ops::tanh(&ops::divide(&h, &cap)?)?, &cap)?;
            ops::add(&y, &ops::multiply(&h, number(0.5))?)
        }
    }
}

#[test]
fn branches_follow_the_config_and_the_layer() {
    for (norm, cap) in [(true, Some(1.5)), (false, Some(0.5)), (true, None)] {
        let config = Arc::new(Config {
            norm,
            cap,
            ..config()
        });
        let m: Stack<Inner> = init(&config, random::key(0).unwrap(), Dtype::Float32).unwrap();
        let w = weights(&m);
        let norms = w.keys().filter(|k| k.contains("norm")).count();
        // Layers 0 and 2, and the last, which stands in no stack.
        assert_eq!(norms, if norm { 3 } else { 0 });
        let x = input();
        let found = m.forward(&x).unwrap();
        let mut want = x;
        for i in 0..config.depth {
            want = inner(&config, &w, &format!("layers.{i}."), i, &want).unwrap();
        }
        want = inner(&config, &w, "last.", 0, &want).unwrap();
        close(&found, &want);
        // Loading asks for what exists, and for nothing else.
        let again: Stack<Inner> =
            load(&config, w.into(), &LoadOptions::new(Dtype::Float32)).unwrap();
        close(&again.forward(&input()).unwrap(), &want);
    }
}

#[test]
fn a_model_as_type_parameter_is_called_through_the_trait() {
    let config = Arc::new(config());
    let m: Inner = init(&config, random::key(0).unwrap(), Dtype::Float32).unwrap();
    let x = input();
    let by_list = m.call(&[&x], &mut KvCache::off()).unwrap();
    close(&by_list[0], &m.forward(&x).unwrap());
    let error = m.call(&[&x, &x], &mut KvCache::off()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Inner::forward: expected 1 arrays, found 2"),
        "{error}"
    );
}

#[test]
fn axes_are_rearranged_by_name() {
    let config = Arc::new(config());
    let m: Heads = init(&config, random::key(0).unwrap(), Dtype::Float32).unwrap();
    let x = input();
    let y = ops::matmul(
        &x,
        &ops::transpose(&weights(&m)["map.weight"], &[1, 0]).unwrap(),
    )
    .unwrap();
    let split = ops::reshape(&y, &[2, 3, 2, 3, 2]).unwrap();
    close(
        &m.forward(&x).unwrap(),
        &ops::transpose(&split, &[0, 2, 3, 1, 4]).unwrap(),
    );
    close(&m.back(&x).unwrap(), &y);
    let found = m
        .forward(&ops::zeros(&[2, 3, 13], Dtype::Float32).unwrap())
        .unwrap_err();
    assert!(
        found
            .to_string()
            .contains("expected argument `x` to be [B=2, L=3, hidden=12]"),
        "{found}"
    );
}

#[test]
fn helper_functions_are_plain_functions_too() {
    let x = input();
    let cap = number(2.0);
    let want = ops::multiply(&ops::tanh(&ops::divide(&x, &cap).unwrap()).unwrap(), &cap).unwrap();
    close(&soft_cap(&x, 2.0).unwrap(), &want);
    let error = soft_cap(&number(1.0), 2.0).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("soft_cap: expected argument `x` to be [B, L, D]"),
        "{error}"
    );
    // The activations have the argument's dtype.
    let half = ops::astype(&x, Dtype::Bfloat16).unwrap();
    assert_eq!(soft_cap(&half, 2.0).unwrap().dtype(), Dtype::Bfloat16);
}

/// Numbers under other names, and whole numbers that a float32 does not hold.
#[mlx_fn]
pub fn renamed(x: Tensor![B, L, D], a: f32, b: f32) -> (Tensor![B, L, D], Tensor![B; i32]) {
    let (a, b) = (b, a);
    let y = x * a;
    let a = b;
    (y - x * a, full([B], 16777217, dtype = i32))
}

/// A model with effects that a choice must not lose.
#[mlx_model(config = Config)]
pub struct Choices {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Choices {
    /// A cache that is filled in an arm whose values nobody reads.
    pub fn fills(
        &self,
        x: Tensor![B, heads, L, kv_heads],
        cache: &mut KvCache,
    ) -> Tensor![B, heads, L, kv_heads] {
        if config.norm {
            let (_k, _v) = cache.update(x, x);
        }
        x
    }

    /// Rows weighed by what is trained.
    pub fn weighed(&self, x: Tensor![B, L, hidden], t: Tensor![B, L; i32]) -> Tensor![; f32] {
        let weights = sigmoid(x.sum(-1)).astype(f32);
        (cross_entropy(self.map(x), t) * weights).sum()
    }

    /// A named number of the config, and whole numbers divided.
    pub fn named(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let width = config.hidden;
        if config.hidden / 5 % 2 == 0 {
            x * width
        } else {
            x
        }
    }
}

#[test]
fn a_number_is_what_its_name_stands_for_here() {
    let x = input();
    let (y, whole) = renamed(&x, 3.0, 5.0).unwrap();
    close(&y, &ops::multiply(&x, number(2.0)).unwrap());
    assert_eq!(whole.to_vec::<i32>().unwrap(), [16777217; 2]);
    let config = Arc::new(config());
    let m: Choices = init(&config, random::key(0).unwrap(), Dtype::Float32).unwrap();
    // 12 / 5 is 2.
    close(
        &m.named(&x).unwrap(),
        &ops::multiply(&x, number(12.0)).unwrap(),
    );
}

#[test]
fn a_cache_is_filled_in_an_arm_that_gives_nothing() {
    for norm in [true, false] {
        let config = Arc::new(Config { norm, ..config() });
        let m: Choices = init(&config, random::key(0).unwrap(), Dtype::Float32).unwrap();
        let mut cache = KvCache::new();
        let x = ops::ones(&[1, 6, 3, 2], Dtype::Float32).unwrap();
        m.fills(&x, &mut cache).unwrap();
        assert_eq!(cache.offset(), if norm { 3 } else { 0 });
    }
}

#[test]
fn weights_of_a_loss_may_have_a_gradient() {
    let config = Arc::new(config());
    let fresh: Choices = init(&config, random::key(0).unwrap(), Dtype::Float32).unwrap();
    let m: Choices = load(
        &config,
        weights(&fresh).into(),
        &LoadOptions::new(Dtype::Float32),
    )
    .unwrap();
    let targets = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[2, 3]).unwrap();
    let at = |x: &Array| m.weighed(x, &targets).unwrap().item::<f32>().unwrap();
    let (model, t) = (m.clone(), targets.clone());
    let slope =
        mlx_runtime::transforms::grad(move |x: &[Array]| Ok(vec![model.weighed(&x[0], &t)?]), &[0]);
    let x = input();
    let found = slope.call(std::slice::from_ref(&x)).unwrap()[0]
        .to_vec::<f32>()
        .unwrap();
    let values = x.to_vec::<f32>().unwrap();
    for i in [0, 17, 40] {
        let moved = |by: f32| {
            let mut v = values.clone();
            v[i] += by;
            at(&Array::from_slice(&v, &[2, 3, 12]).unwrap())
        };
        let want = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        assert!((found[i] - want).abs() < 2e-3, "{} and {want}", found[i]);
    }
}

mod parts {
    use mlx_macros::mlx_fn;

    #[mlx_fn]
    pub fn first_of_two(x: Tensor![A, 2]) -> Tensor![A, 1] {
        slice(x, [0], [2], strides = [2], axes = [1])
    }

    #[mlx_fn]
    pub fn second_of_two(x: Tensor![A, 2]) -> Tensor![A, 1] {
        slice(x, [1], [2], strides = [2], axes = [-1])
    }

    #[mlx_fn]
    pub fn thirds(x: Tensor![A, 7]) -> Tensor![A, 2] {
        slice(x, [1], [7], strides = [3], axes = [1])
    }

    #[mlx_fn]
    pub fn beyond(x: Tensor![A, 7]) -> Tensor![A, 1] {
        slice(x, [2], [7], strides = [9], axes = [1])
    }

    #[mlx_fn]
    pub fn from_the_end(x: Tensor![A, 7]) -> Tensor![A, 2] {
        slice(x, [-5], [-1], strides = [2], axes = [1])
    }

    #[mlx_fn]
    pub fn both(x: Tensor![5, 4]) -> Tensor![3, 1] {
        slice(x, [0, 1], [5, 4], strides = [2, 3])
    }

    #[mlx_fn]
    pub fn turned(x: Tensor![2, 3]) -> Tensor![3, 1] {
        slice(transpose(x, [1, 0]), [0], [2], strides = [2], axes = [1])
    }

    #[mlx_fn]
    pub fn twice(x: Tensor![A, 7]) -> Tensor![A, 1] {
        let odd = slice(x, [1], [7], strides = [2], axes = [1]);
        slice(odd, [0], [2], strides = [2], axes = [1]) + slice(x, [0], [1], axes = [1])
    }
}

/// A part of a tensor, the tensor's shape, and for each element of the part the places that it is the sum of.
type Part = (fn(&Array) -> Result<Array>, [i32; 2], Vec<Vec<usize>>);

#[test]
fn parts_in_steps_have_the_gradient_of_their_own_elements() {
    let one = |places: &[usize]| -> Vec<Vec<usize>> { places.iter().map(|i| vec![*i]).collect() };
    let cases: [Part; 8] = [
        (parts::first_of_two, [3, 2], one(&[0, 2, 4])),
        (parts::second_of_two, [3, 2], one(&[1, 3, 5])),
        (parts::thirds, [2, 7], one(&[1, 4, 8, 11])),
        (parts::beyond, [2, 7], one(&[2, 9])),
        (parts::from_the_end, [2, 7], one(&[2, 4, 9, 11])),
        (parts::both, [5, 4], one(&[1, 9, 17])),
        (parts::turned, [2, 3], one(&[0, 1, 2])),
        (parts::twice, [2, 7], vec![vec![1, 0], vec![8, 7]]),
    ];
    for (i, (part, shape, places)) in cases.into_iter().enumerate() {
        let values: Vec<f32> = (0..shape[0] * shape[1]).map(|v| v as f32 + 0.5).collect();
        let x = Array::from_slice(&values, &shape).unwrap();
        let y = part(&x).unwrap();
        let want: Vec<f32> = places
            .iter()
            .map(|all| all.iter().map(|p| values[*p]).sum())
            .collect();
        assert_eq!(y.to_vec::<f32>().unwrap(), want, "case {i}");
        let weights: Vec<f32> = (0..places.len()).map(|w| 1000.0 + w as f32).collect();
        let w = Array::from_slice(&weights, y.shape()).unwrap();
        let weighed = move |x: &[Array]| {
            let y = ops::multiply(&part(&x[0])?, &w)?;
            Ok(vec![ops::sum(&y, &[], false)?])
        };
        let slope = mlx_runtime::transforms::grad(weighed, &[0]);
        let found = slope.call(std::slice::from_ref(&x)).unwrap()[0]
            .to_vec::<f32>()
            .unwrap();
        let mut want = vec![0.0f32; values.len()];
        for (all, w) in places.iter().zip(&weights) {
            all.iter().for_each(|p| want[*p] += w);
        }
        assert_eq!(found, want, "gradient of case {i}");
    }
}
