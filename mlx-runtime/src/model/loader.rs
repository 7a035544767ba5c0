//! Loading: the config's numbers and the shape of every tensor are compared with the definition,
//! all mistakes are gathered, and only then is any data read.

use std::collections::HashMap;
use std::sync::Arc;

use super::Model;
use crate::nn::{Embedding, Linear, Param, RmsNorm, Rope, RopeScaling, Weight};
use crate::random::Key;
use crate::{ops, random, Array, Dtype, Error, ErrorKind, Result};

/// The tensors of a checkpoint by name. Arrays may be lazy: only what a model uses is read.
#[derive(Default)]
pub struct Weights(HashMap<String, Array>);

impl From<HashMap<String, Array>> for Weights {
    fn from(arrays: HashMap<String, Array>) -> Self {
        Weights(arrays)
    }
}

/// How a model is loaded.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The dtype that floating-point weights and activations get.
    pub dtype: Dtype,
    /// Whether layers that share an input are joined to one matmul. Costs nothing in memory.
    pub join: bool,
}

impl LoadOptions {
    /// Weights and activations in `dtype`, projections joined.
    pub fn new(dtype: Dtype) -> Self {
        LoadOptions { dtype, join: true }
    }
}

/// Loads a model.
///
/// # Errors
/// One error that lists every condition on the config that fails, and every tensor that is missing
/// or has another shape than the definition says; or what went wrong with the data.
pub fn load<M: Model>(
    config: &Arc<M::Config>,
    weights: Weights,
    options: &LoadOptions,
) -> Result<M> {
    // Joining reads data: a first pass over shapes alone finds what is wrong before that.
    let shapes = LoadOptions {
        join: false,
        ..*options
    };
    let mut check = Loader::new(Source::File(weights.0.clone()), shapes)?;
    let model = M::build(config, "", &mut check);
    check.finish()?;
    if !options.join {
        return Ok(model);
    }
    let mut loader = Loader::new(Source::File(weights.0), *options)?;
    let model = M::build(config, "", &mut loader);
    loader.finish()?;
    Ok(model)
}

/// A model with fresh random weights, all of them trainable: linear maps uniform in
/// +-1/sqrt(inputs), embeddings normal with deviation 0.02, norms one, biases zero.
///
/// # Errors
/// If a condition on the config fails.
pub fn init<M: Model>(config: &Arc<M::Config>, key: Key, dtype: Dtype) -> Result<M> {
    let mut loader = Loader::new(Source::Random(key), LoadOptions { dtype, join: false })?;
    let model = M::build(config, "", &mut loader);
    loader.finish()?;
    Ok(model)
}

enum Source {
    File(HashMap<String, Array>),
    Random(Key),
}

/// Hands a model its weights and gathers what is wrong with them.
pub struct Loader {
    source: Source,
    options: LoadOptions,
    errors: Vec<String>,
    missing: Vec<String>,
    /// The layer that is built, of the innermost stack.
    layer: usize,
    /// Takes the place of a tensor that is wrong, until `finish` says so.
    stand_in: Array,
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
                "a model computes in float32, float16 or bfloat16, not {:?}",
                options.dtype
            );
            return Err(Error::new(ErrorKind::Dtype, text));
        }
        Ok(Loader {
            source,
            options,
            errors: Vec::new(),
            missing: Vec::new(),
            layer: 0,
            stand_in: Array::scalar(0f32)?,
        })
    }

    /// The dtype of the activations.
    pub fn dtype(&self) -> Dtype {
        self.options.dtype
    }

    /// The place in the innermost stack of what is built now, from 0.
    pub fn layer(&self) -> usize {
        self.layer
    }

    pub(super) fn joins(&self) -> bool {
        self.options.join && self.errors.is_empty() && self.missing.is_empty()
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

    fn finish(mut self) -> Result<()> {
        let total = self.errors.len() + self.missing.len();
        if total == 0 {
            return Ok(());
        }
        let (missing, mut lines) = (
            std::mem::take(&mut self.missing),
            std::mem::take(&mut self.errors),
        );
        let have = match &self.source {
            Source::File(all) => all.len(),
            Source::Random(_) => 0,
        };
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
                "the checkpoint has {have} tensors: is it complete, and of the architecture that its config says?"
            ))
        })
    }

    /// Sizes as MLX takes them; what is not positive or too large is an error of the config.
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
    fn tensor(&mut self, name: &str, dims: &[LoadDim], fill: Fill) -> Array {
        let dtype = self.options.dtype;
        let found = match self.sizes(name, dims) {
            None => return self.stand_in.clone(),
            Some(sizes) => match &mut self.source {
                Source::Random(key) => fill.make(key, &sizes, dtype),
                Source::File(all) => match all.get(name) {
                    None => {
                        self.missing.push(name.to_string());
                        return self.stand_in.clone();
                    }
                    Some(a) if a.shape() != sizes => {
                        let want: Vec<&str> = dims.iter().map(|d| d.text).collect();
                        let text = format!(
                            "{name}: expected [{}] = {sizes:?}, found {:?}",
                            want.join(", "),
                            a.shape()
                        );
                        self.errors.push(text);
                        return self.stand_in.clone();
                    }
                    Some(a) if a.dtype() == dtype => Ok(a.clone()),
                    Some(a) => ops::astype(a, dtype),
                },
            },
        };
        found.unwrap_or_else(|e| {
            self.error(format!("{name}: {e}"));
            self.stand_in.clone()
        })
    }

    /// A matrix that may be quantised: `name` with `name.scales` and `name.biases` beside it.
    fn matrix(&mut self, path: &str, dims: [LoadDim; 2], fill: Fill) -> Weight {
        let scales = join(path, "scales");
        let name = join(path, "weight");
        let packed = match &self.source {
            Source::File(all) => all.get(&scales).cloned().zip(all.get(&name).cloned()),
            Source::Random(_) => None,
        };
        let Some((scales, packed)) = packed else {
            return Weight::Dense(self.tensor(&name, &dims, fill));
        };
        let biases = match &self.source {
            Source::File(all) => all.get(&join(path, "biases")).cloned(),
            Source::Random(_) => None,
        };
        match quantised(
            &packed,
            &scales,
            biases,
            dims.map(|d| d.size),
            self.options.dtype,
        ) {
            Ok(w) => w,
            Err(text) => {
                self.error(format!("{name}: {text}"));
                Weight::Dense(self.stand_in.clone())
            }
        }
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
            self.matrix(path, [out, input], Fill::Uniform(input.size))
        };
        let bias = bias.then(|| self.tensor(&join(path, "bias"), &[out], Fill::Zeros));
        let mut layer = Linear::new(weight, bias, (input.size, out.size), lora, self.frozen());
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
        let weight = self.matrix(path, [rows, dim], Fill::Normal);
        let mut layer = Embedding::new(weight, self.options.dtype, self.frozen());
        if frozen {
            layer.pin();
        }
        layer
    }

    /// A normalisation over `dim`.
    pub fn rms_norm(&mut self, path: &str, dim: LoadDim, eps: f32, frozen: bool) -> RmsNorm {
        let weight = self.tensor(&join(path, "weight"), &[dim], Fill::Ones);
        let mut layer = RmsNorm::new(weight, eps, self.frozen());
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
        base: f32,
        traditional: bool,
        scaling: Option<&RopeScaling>,
    ) -> Rope {
        let size = self.sizes(path, &[dims]).map_or(2, |s| s[0]);
        Rope::new(size, base, traditional, scaling).unwrap_or_else(|e| {
            self.error(format!("{path}: {e}"));
            Rope::default()
        })
    }

    /// A bare tensor.
    pub fn param(&mut self, path: &str, shape: &[LoadDim], frozen: bool) -> Param {
        let mut param = Param::new(self.tensor(path, shape, Fill::Zeros), self.frozen());
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
                "{path}: {count} layers are more than the 10000 allowed"
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

    /// Weights from a file are frozen until someone asks for them; fresh ones are to be trained.
    fn frozen(&self) -> bool {
        matches!(self.source, Source::File(_))
    }
}

/// How a fresh tensor is filled.
enum Fill {
    Uniform(i64),
    Normal,
    Ones,
    Zeros,
}

impl Fill {
    fn make(&self, key: &mut Key, shape: &[i32], dtype: Dtype) -> Result<Array> {
        match self {
            Fill::Ones => ops::ones(shape, dtype),
            Fill::Zeros => ops::zeros(shape, dtype),
            Fill::Uniform(inputs) => {
                let limit = 1.0 / (*inputs as f32).sqrt();
                let (now, next) = key.split()?;
                *key = next;
                random::uniform(
                    &Array::scalar(-limit)?,
                    &Array::scalar(limit)?,
                    shape,
                    dtype,
                    Some(&now),
                )
            }
            Fill::Normal => {
                let (now, next) = key.split()?;
                *key = next;
                random::normal(shape, dtype, 0.0, 0.02, Some(&now))
            }
        }
    }
}

/// MLX's quantised triple; bits and group size follow from the shapes.
fn quantised(
    packed: &Array,
    scales: &Array,
    biases: Option<Array>,
    want: [i64; 2],
    dtype: Dtype,
) -> std::result::Result<Weight, String> {
    let (p, s) = (packed.shape(), scales.shape());
    let expected = || {
        format!(
            "expected [{}, {}] in quantised form, found weight {p:?} of {:?} and scales {s:?}",
            want[0],
            want[1],
            packed.dtype()
        )
    };
    let (&[rows, words], &[srows, groups]) = (p, s) else {
        return Err(expected());
    };
    let fits = packed.dtype() == Dtype::Uint32
        && i64::from(rows) == want[0]
        && srows == rows
        && groups > 0
        && want[1] % i64::from(groups) == 0;
    let bits = i64::from(words) * 32 / want[1].max(1);
    let sharing = want[1] / i64::from(groups).max(1);
    let fits = fits && matches!(sharing, 32 | 64 | 128);
    if !fits || bits * want[1] != i64::from(words) * 32 || !matches!(bits, 2 | 3 | 4 | 5 | 6 | 8) {
        return Err(expected());
    }
    let biases = biases.ok_or("its biases are missing")?;
    if biases.shape() != s {
        return Err(format!("biases are {:?}, scales {s:?}", biases.shape()));
    }
    let cast = |a: &Array| ops::astype(a, dtype).map_err(|e| e.to_string());
    Ok(Weight::Quantized {
        weight: packed.clone(),
        scales: cast(scales)?,
        biases: cast(&biases)?,
        group_size: (want[1] / i64::from(groups)) as i32,
        bits: bits as i32,
    })
}
