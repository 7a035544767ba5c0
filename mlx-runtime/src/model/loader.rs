//! Loads models. First it compares the config's numbers and the shape of every tensor with the definition, and gathers
//! all mistakes. Only then it reads data.
//!
//! Tests: `mlx-tests --test weights`.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;

use super::names::{Found, Names, Tensors};
use super::quantise::{packed, Quantise};
use super::{scales, LoadOptions, Model, Weights};
use crate::nn::{Embedding, Linear, Param, Rope, RopeScaling, Weight};
use crate::random::Key;
use crate::{nn, ops, random, Array, Dtype, Error, ErrorKind, Result};

/// Loads a model.
///
/// # Errors
/// One error that lists every condition on the config that fails, and every tensor that is missing or has another shape
/// than the definition, or the error of the data.
pub fn load<M: Model>(
    config: &Arc<M::Config>,
    weights: Weights,
    options: &LoadOptions,
) -> Result<M> {
    if let Some(q) = &options.quantize {
        q.check()?;
    }
    // Joining and packing read data: a first pass over shapes alone finds mistakes before that.
    let tensors = Tensors::new(weights.scaled()?, options.names);
    let mut loader = Loader::new(Source::File(Box::new(tensors)), *options)?;
    loader.shapes_alone = true;
    let model = M::build(config, "", &mut loader);
    let again = options.join || loader.packs;
    let tensors = loader.finish()?;
    if options.strict {
        all_read(&tensors)?;
    }
    if !again {
        return Ok(model);
    }
    drop(model);
    let mut loader = Loader::new(Source::File(Box::new(tensors.taking())), *options)?;
    let model = M::build(config, "", &mut loader);
    loader.finish()?;
    Ok(model)
}

/// An error that names the tensors that no field read.
fn all_read(tensors: &Tensors) -> Result<()> {
    let unread: Vec<&str> = tensors.unread().collect();
    if unread.is_empty() {
        return Ok(());
    }
    let mut shown = unread[..unread.len().min(SHOWN)].join("\n  ");
    if unread.len() > SHOWN {
        shown += &format!("\n  and {} more", unread.len() - SHOWN);
    }
    let text = format!(
        "the checkpoint has {} tensors that the model does not use:\n  {shown}",
        unread.len()
    );
    let hint = "load a config that belongs to these weights";
    Err(Error::new(ErrorKind::Format, text).with_hint(hint))
}

/// A model with fresh random weights, all of them trainable: linear maps uniform in
/// +-1/sqrt(inputs), embeddings normal with deviation 0.02, norms one, biases zero. `key` is a [`Key`] or a reference to one.
///
/// # Errors
/// If a condition on the config fails.
pub fn init<M: Model>(config: &Arc<M::Config>, key: impl Borrow<Key>, dtype: Dtype) -> Result<M> {
    let mut options = LoadOptions::new(dtype);
    options.join = false;
    let mut loader = Loader::new(Source::Random(key.borrow().clone()), options)?;
    let model = M::build(config, "", &mut loader);
    loader.finish()?;
    Ok(model)
}

enum Source {
    File(Box<Tensors>),
    Random(Key),
}

/// Hands a model its weights and gathers errors.
pub struct Loader {
    source: Source,
    options: LoadOptions,
    errors: Vec<String>,
    missing: Vec<String>,
    /// The first tensor that could not be read. That says nothing about the model.
    unread: Option<Error>,
    /// The layer that is built, of the innermost stack.
    layer: usize,
    /// Takes the place of a tensor that is wrong, until `finish` says so.
    stand_in: Array,
    /// A first pass: nothing is joined or packed yet.
    shapes_alone: bool,
    /// True if something is packed at load.
    packs: bool,
    /// The settings of `#[quantize]`, by path.
    quantise: HashMap<String, Quantise>,
}

/// A size in a definition: how it is written, and its number.
#[derive(Clone, Copy)]
pub struct LoadDim {
    text: &'static str,
    size: i64,
}

impl LoadDim {
    /// The size written `text`.
    pub fn new(text: &'static str, size: i64) -> Self {
        LoadDim { text, size }
    }

    pub(super) fn text(self) -> &'static str {
        self.text
    }

    pub(super) fn size(self) -> i64 {
        self.size
    }
}

/// `a.b`, or `b` at the root.
pub fn join(path: &str, name: &str) -> String {
    match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_string(),
        (_, true) => path.to_string(),
        _ => format!("{path}.{name}"),
    }
}

/// `path.3`.
pub fn index(path: &str, i: usize) -> String {
    format!("{path}.{i}")
}

const SHOWN: usize = 20;

impl Loader {
    fn new(source: Source, options: LoadOptions) -> Result<Self> {
        if !matches!(
            options.dtype,
            Dtype::Float32 | Dtype::Float16 | Dtype::Bfloat16
        ) {
            let text = format!(
                "expected a model dtype of float32, float16 or bfloat16, found {:?}",
                options.dtype
            );
            return Err(Error::new(ErrorKind::Dtype, text));
        }
        Ok(Loader {
            source,
            options,
            errors: Vec::new(),
            missing: Vec::new(),
            unread: None,
            layer: 0,
            stand_in: Array::scalar(0f32)?,
            shapes_alone: false,
            packs: false,
            quantise: HashMap::new(),
        })
    }

    /// The dtype of the activations.
    pub fn dtype(&self) -> Dtype {
        self.options.dtype
    }

    /// The index of the layer that is built now in the innermost stack.
    pub fn layer(&self) -> usize {
        self.layer
    }

    pub(super) fn joins(&self) -> bool {
        self.options.join && !self.shapes_alone && self.errors.is_empty() && self.missing.is_empty()
    }

    /// Notes that `name` could not be loaded or computed.
    pub(super) fn failed(&mut self, name: &str, error: Error) {
        self.error(format!("{name}: {error}"));
        if error.kind() == ErrorKind::Io {
            self.unread.get_or_insert(error);
        }
    }

    pub(super) fn error(&mut self, text: String) {
        self.errors.push(text);
    }

    /// A condition that the model states with `#[require]`.
    pub fn require(&mut self, model: &str, text: &str, holds: bool, values: &[(&str, String)]) {
        if holds {
            return;
        }
        let values: Vec<String> = values.iter().map(|(n, v)| format!("{n} = {v}")).collect();
        self.error(format!(
            "{model} requires {text}, but {}",
            values.join(", ")
        ));
    }

    /// The path of a field with its own names. Records the packing that the definition asks for.
    pub fn field(&mut self, path: &str, names: &'static Names, quantise: Quantise) -> String {
        let at = match &mut self.source {
            Source::File(tensors) => tensors.enter(path, names),
            Source::Random(_) => join(path, names.own),
        };
        if !matches!(quantise, Quantise::AsAsked) {
            self.quantise.insert(at.clone(), quantise);
        }
        at
    }

    /// The tensors that are left; or everything that is wrong.
    fn finish(mut self) -> Result<Tensors> {
        let tensors = match &mut self.source {
            Source::File(tensors) => std::mem::take(&mut **tensors),
            Source::Random(_) => Tensors::default(),
        };
        if let Some(text) = tensors.scheme_error() {
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        if let Some(error) = self.unread.take() {
            return Err(error);
        }
        let total = self.errors.len() + self.missing.len();
        if total == 0 {
            return Ok(tensors);
        }
        let (missing, mut lines) = (
            std::mem::take(&mut self.missing),
            std::mem::take(&mut self.errors),
        );
        let have = tensors.len();
        lines.extend(
            missing
                .iter()
                .map(|n| format!("{n}: missing from the checkpoint")),
        );
        let more = lines.len().saturating_sub(SHOWN);
        lines.truncate(SHOWN);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        let text = format!(
            "the checkpoint does not fit the model ({total} problems):\n  {}",
            lines.join("\n  ")
        );
        let error = Error::new(ErrorKind::Format, text);
        Err(if missing.is_empty() {
            error
        } else {
            error.with_hint(format!(
                "the checkpoint has {have} tensors: see that it is complete and has the architecture that its config says"
            ))
        })
    }

    /// Sizes as MLX takes them; a size that is not positive or too large is an error of the config.
    fn sizes(&mut self, path: &str, dims: &[LoadDim]) -> Option<Vec<i32>> {
        let mut sizes = Vec::new();
        for d in dims {
            match i32::try_from(d.size) {
                Ok(n) if n > 0 => sizes.push(n),
                _ => {
                    self.error(format!("{path}: the config gives {} = {}", d.text, d.size));
                    return None;
                }
            }
        }
        Some(sizes)
    }

    /// The tensor `name` of that shape in the activations' dtype, or an empty stand-in and an error.
    pub(super) fn tensor(&mut self, name: &str, dims: &[LoadDim], fill: Fill) -> Array {
        self.tensor_of(name, dims, fill, self.options.dtype)
    }

    fn tensor_of(&mut self, name: &str, dims: &[LoadDim], fill: Fill, dtype: Dtype) -> Array {
        let found = match self.sizes(name, dims) {
            None => return self.stand_in.clone(),
            Some(sizes) => match &mut self.source {
                Source::Random(key) => fill.make(key, &sizes, dtype),
                Source::File(all) => match all.get(name, sizes.first().copied().unwrap_or(1)) {
                    Found::Missing(names) => {
                        self.missing.extend(names);
                        return self.stand_in.clone();
                    }
                    Found::Broken(text) => {
                        self.errors.push(text);
                        return self.stand_in.clone();
                    }
                    Found::Array(a) if a.shape() != sizes => {
                        let want: Vec<&str> = dims.iter().map(|d| d.text).collect();
                        let text = format!(
                            "{name}: expected [{}] = {sizes:?}, found {:?}",
                            want.join(", "),
                            a.shape()
                        );
                        self.errors.push(text);
                        return self.stand_in.clone();
                    }
                    Found::Array(a) if scales::is_float(dtype) && !scales::is_float(a.dtype()) => {
                        let text =
                            format!("{name}: expected floating point, found {:?}", a.dtype());
                        self.errors.push(text);
                        return self.stand_in.clone();
                    }
                    Found::Array(a) if a.dtype() == dtype => Ok(a),
                    Found::Array(a) => ops::astype(&a, dtype),
                },
            },
        };
        found.unwrap_or_else(|e| {
            self.failed(name, e);
            self.stand_in.clone()
        })
    }

    /// A matrix `[out, in]`, or a stack of them, that may be quantised: `name` with `name.scales` and `name.biases` beside it.
    pub(super) fn matrix(&mut self, path: &str, dims: &[LoadDim], fill: Fill) -> Weight {
        let (scales, name) = (join(path, "scales"), join(path, "weight"));
        let &[first, .., input] = dims else {
            return Weight::Dense(self.stand_in.clone());
        };
        // The parts of a stack may be stored one by one.
        let stacked = if dims.len() > 2 { first.size } else { 1 };
        let stacked = i32::try_from(stacked).unwrap_or(1);
        let Source::File(all) = &mut self.source else {
            return Weight::Dense(self.tensor(&name, dims, fill));
        };
        if !(all.has(&scales) && all.has(&name)) {
            let dense = self.tensor(&name, dims, fill);
            return self.quantised(path, dense, input);
        }
        // A second scale that `mlx_lm.convert` can write for some layers.
        let global = all.has(&join(path, "global_scale"));
        let mut part = |leaf: &str| match all.get(&join(path, leaf), stacked) {
            Found::Array(a) => Ok(Some(a)),
            Found::Missing(_) => Ok(None),
            Found::Broken(text) => Err(text),
        };
        let parts = part("weight").and_then(|w| Ok((w, part("scales")?, part("biases")?)));
        let (dtype, unpack) = (self.options.dtype, self.options.unpack);
        let weight = parts
            .and_then(|(w, s, b)| match (w, s) {
                _ if global => Err("unsupported global scale".to_owned()),
                // The values that a packed matrix stands for are rounded to the dtype of its scales.
                (Some(w), Some(s)) => {
                    let kept = if unpack { s.dtype() } else { dtype };
                    let sizes: Vec<i64> = dims.iter().map(|d| d.size).collect();
                    packed(&w, &s, b.as_ref(), &sizes, kept)
                }
                _ => Err("expected a weight with scales, but one of the two is missing".to_owned()),
            })
            .and_then(|w| match unpack {
                true => w.into_dense(dtype).map_err(|e| e.to_string()),
                false => Ok(w),
            });
        match weight {
            Ok(Weight::Dense(dense)) => self.quantised(path, dense, input),
            Ok(weight) => weight,
            Err(text) => {
                self.error(format!("{name}: {text}"));
                Weight::Dense(self.stand_in.clone())
            }
        }
    }

    /// Packs a matrix if the options or the definition ask for it. The source is freed when this returns.
    fn quantised(&mut self, path: &str, dense: Array, input: LoadDim) -> Weight {
        let asked = self.quantise.get(path).copied().unwrap_or_default();
        let how = match asked.resolve(self.options.quantize, input.size) {
            Ok(None) => return Weight::Dense(dense),
            Ok(Some(how)) => how,
            Err(text) => {
                self.error(format!("{path}: `{}` is {text}", input.text));
                return Weight::Dense(dense);
            }
        };
        self.packs = true;
        if self.shapes_alone || !self.errors.is_empty() || !self.missing.is_empty() {
            return Weight::Dense(dense);
        }
        how.pack(dense).unwrap_or_else(|e| {
            self.failed(&format!("{path}: cannot quantise it"), e);
            Weight::Dense(self.stand_in.clone())
        })
    }

    /// A linear map `[out, in]`.
    #[allow(clippy::too_many_arguments)] // one argument for each attribute of the definition
    pub fn linear(
        &mut self,
        path: &str,
        out: LoadDim,
        input: LoadDim,
        bias: bool,
        tied: bool,
        lora: bool,
        frozen: bool,
    ) -> Linear {
        let weight = if tied {
            Weight::Tied
        } else {
            self.matrix(path, &[out, input], Fill::Uniform(input.size))
        };
        let bias = bias.then(|| self.tensor(&join(path, "bias"), &[out], Fill::Zeros));
        let mut layer =
            Linear::from_parts(weight, bias, (input.size, out.size), lora, self.frozen());
        if frozen {
            layer.pin();
        }
        layer
    }

    /// A table `[rows, dim]`.
    pub fn embedding(
        &mut self,
        path: &str,
        rows: LoadDim,
        dim: LoadDim,
        frozen: bool,
    ) -> Embedding {
        let weight = self.matrix(path, &[rows, dim], Fill::Normal);
        let mut layer = Embedding::from_parts(weight, self.options.dtype, self.frozen());
        if frozen {
            layer.pin();
        }
        layer
    }

    /// Rotary positions for heads of `dims`.
    pub fn rope(
        &mut self,
        path: &str,
        dims: LoadDim,
        rotated: LoadDim,
        base: f32,
        traditional: bool,
        scaling: Option<&RopeScaling>,
    ) -> Rope {
        let Some(sizes) = self.sizes(path, &[dims, rotated]) else {
            return Rope::default();
        };
        if sizes[1] > sizes[0] {
            self.error(format!(
                "{path}: expected at most {2} = {3} rotated values, found {0} = {1}",
                rotated.text, sizes[1], dims.text, sizes[0]
            ));
            return Rope::default();
        }
        Rope::new(sizes[1], base, traditional, scaling).unwrap_or_else(|e| {
            self.error(format!("{path}: {e}"));
            Rope::default()
        })
    }

    /// A bare tensor.
    pub fn param(&mut self, path: &str, shape: &[LoadDim], dtype: &str, frozen: bool) -> Param {
        let dtype = match dtype {
            "f32" => Dtype::Float32,
            "i32" => Dtype::Int32,
            "u32" => Dtype::Uint32,
            "bool" => Dtype::Bool,
            _ => self.options.dtype,
        };
        let value = self.tensor_of(path, shape, Fill::Zeros, dtype);
        let mut param = Param::from_parts(value, self.frozen());
        if frozen {
            param.pin();
        }
        param
    }

    /// A stack of `count` layers.
    pub fn layers<M>(
        &mut self,
        path: &str,
        count: LoadDim,
        mut build: impl FnMut(&str, &mut Self) -> M,
    ) -> Vec<M> {
        let count = self.sizes(path, &[count]).map_or(0, |s| s[0]);
        if count > 10_000 {
            self.error(format!(
                "{path}: expected at most 10000 layers, found {count}"
            ));
            return Vec::new();
        }
        let around = self.layer;
        let built = (0..count as usize).map(|i| {
            self.layer = i;
            build(&index(path, i), self)
        });
        let built = built.collect();
        self.layer = around;
        built
    }

    /// Weights from a file are frozen until the user unfreezes them; fresh ones are trained.
    pub(super) fn frozen(&self) -> bool {
        matches!(self.source, Source::File(_))
    }
}

/// The initial values of a fresh tensor.
pub(super) enum Fill {
    Uniform(i64),
    Normal,
    Value(f32),
    Zeros,
}

impl Fill {
    fn make(&self, key: &mut Key, shape: &[i32], dtype: Dtype) -> Result<Array> {
        match self {
            Fill::Value(v) => ops::full(shape, &Array::scalar(*v)?, dtype),
            Fill::Zeros => ops::zeros(shape, dtype),
            Fill::Uniform(inputs) => {
                let (now, next) = key.split()?;
                *key = next;
                nn::init::uniform(shape, *inputs, dtype, &now)
            }
            Fill::Normal => {
                let (now, next) = key.split()?;
                *key = next;
                random::normal(shape, dtype, 0.0, 0.02, Some(&now))
            }
        }
    }
}
