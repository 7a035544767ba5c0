//! The tensors that a model is loaded from, and the options of loading.
//!
//! Tests: `mlx-tests --test weights`.

use std::collections::HashMap;

use super::{scales, Quantization};
use crate::{Array, Dtype, Error, ErrorKind, Result};

/// The tensors of a checkpoint by name. Arrays may be lazy, so that only those that a model uses are read.
///
/// Scales beside a weight (`x.weight_scale_inv` or `x.weight_scale` beside `x.weight`; one for the tensor, for each
/// row, or for each block) are multiplied into it when a model is loaded.
#[derive(Default)]
pub struct Weights {
    arrays: HashMap<String, Array>,
    block: Option<[i32; 2]>,
}

impl From<HashMap<String, Array>> for Weights {
    fn from(arrays: HashMap<String, Array>) -> Self {
        Weights {
            arrays,
            block: None,
        }
    }
}

impl Weights {
    /// Rows and columns of a block that shares a scale: `weight_block_size` of a config's `quantization_config`. It is
    /// 128 x 128 unless given.
    pub fn with_block_size(self, block: [i32; 2]) -> Self {
        Weights {
            block: Some(block),
            ..self
        }
    }

    /// The tensors, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Array)> {
        self.arrays.iter()
    }

    /// The tensors as a model reads them, with the scales of eight-bit floats multiplied in, in float32.
    ///
    /// # Errors
    /// If scales and weights do not fit together.
    pub fn scaled(mut self) -> Result<HashMap<String, Array>> {
        let block = self.block.unwrap_or([128, 128]).map(|n| n.max(1));
        let bad = |text| Error::new(ErrorKind::Format, text);
        scales::apply(&mut self.arrays, block).map_err(bad)?;
        Ok(self.arrays)
    }
}

/// Options for loading a model.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LoadOptions {
    /// The dtype that floating-point weights and activations get.
    pub dtype: Dtype,
    /// True if layers that share an input are joined to one matmul, which costs no memory.
    pub join: bool,
    /// The naming scheme of the checkpoint, such as `gguf`: fields that have a name in it
    /// (`#[weights("a", gguf = "b")]`) are looked for under that one. Empty is the default scheme.
    pub names: &'static str,
    /// Packs the matrices of `Linear` and `Embedding` layers while they are read, one after the other, so that they are
    /// never all there in full. `#[quantize(..)]` on a layer overrides it. Rows that groups do not divide stay as they
    /// are, and so do matrices that the checkpoint holds packed.
    pub quantize: Option<Quantization>,
    /// Replaces the matrices that the checkpoint holds packed by the values that they stand for,
    /// before `quantize` is looked at. On a CPU products of those are faster; they take more memory.
    pub unpack: bool,
    /// Refuses a checkpoint with tensors that no field reads, such as layers or biases that the config does not
    /// mention: the model would compute something else than the one that was saved.
    pub strict: bool,
}

impl LoadOptions {
    /// Weights and activations in `dtype`, projections joined, nothing packed.
    pub fn new(dtype: Dtype) -> Self {
        LoadOptions {
            dtype,
            join: true,
            names: "",
            quantize: None,
            unpack: false,
            strict: false,
        }
    }

    /// Sets [`LoadOptions::join`].
    #[must_use]
    pub fn join(self, join: bool) -> Self {
        LoadOptions { join, ..self }
    }

    /// Sets [`LoadOptions::names`].
    #[must_use]
    pub fn names(self, names: &'static str) -> Self {
        LoadOptions { names, ..self }
    }

    /// Sets [`LoadOptions::quantize`].
    #[must_use]
    pub fn quantize(self, quantize: impl Into<Option<Quantization>>) -> Self {
        LoadOptions {
            quantize: quantize.into(),
            ..self
        }
    }

    /// Sets [`LoadOptions::unpack`].
    #[must_use]
    pub fn unpack(self, unpack: bool) -> Self {
        LoadOptions { unpack, ..self }
    }

    /// Sets [`LoadOptions::strict`].
    #[must_use]
    pub fn strict(self, strict: bool) -> Self {
        LoadOptions { strict, ..self }
    }
}
