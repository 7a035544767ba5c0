//! Reads the dumps of the scripts, and compares models with them.

#![allow(dead_code, missing_docs)] // each test file uses its own part

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::model::{
    self, add_lora, value_and_grad, Checkpoint, LoadOptions, LoraConfig, Model, ParamGroups,
    TrainOptions, TrainStep,
};
use mlx_runtime::optim::AdamW;
use mlx_runtime::random::Key;
use mlx_runtime::{io, kernels, Array, Dtype, Result};

/// A file of `data`.
pub struct Dump {
    arrays: HashMap<String, Array>,
    /// The text of the config.
    pub config: String,
    /// The linear maps that have adapters, if there are any.
    pub keys: Vec<String>,
    /// The text of a dump of several cases that describes them.
    pub cases: String,
}

impl Dump {
    pub fn open(case: &str) -> Dump {
        // At run time first: the test may run on another machine than the one that built it.
        let package = std::env::var("CARGO_MANIFEST_DIR");
        let package = package.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR"));
        let path = PathBuf::from(package).join("tests/data");
        let path = path.join(format!("{case}.safetensors"));
        let (arrays, mut metadata) = io::load_safetensors(path).unwrap();
        let config = metadata.remove("config").unwrap();
        let keys = metadata.remove("keys").unwrap_or("[]".into());
        let keys = serde_json::from_str(&keys).unwrap();
        Dump {
            arrays,
            config,
            keys,
            cases: metadata.remove("cases").unwrap_or_default(),
        }
    }

    pub fn find(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    pub fn array(&self, name: &str) -> &Array {
        let found = self.arrays.get(name);
        found.unwrap_or_else(|| panic!("the dump has no {name}"))
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.array(name).to_vec::<f32>().unwrap()
    }

    /// The arrays with names that begin with `prefix`, by the rest of the name.
    pub fn under(&self, prefix: &str) -> HashMap<String, Array> {
        let named = self.arrays.iter();
        named
            .filter_map(|(n, a)| Some((n.strip_prefix(prefix)?.to_owned(), a.clone())))
            .collect()
    }

    /// The model with the dumped weights, frozen as after any load.
    pub fn load<M: Model>(&self, config: M::Config, dtype: Dtype) -> M {
        let options = LoadOptions::new(dtype);
        model::load(&Arc::new(config), self.under("weight.").into(), &options).unwrap()
    }

    /// The same, all of it trainable.
    pub fn trainable<M: Model>(&self, config: M::Config) -> M {
        let mut model: M = self.load(config, Dtype::Float32);
        model.unfreeze();
        model
    }
}

/// Adds adapters at the linear maps of the dump, with the dumped values.
pub fn adapt<M: Model>(model: &mut M, dump: &Dump, rank: usize) {
    let lora = LoraConfig {
        rank,
        scale: 2.0,
        keys: dump.keys.clone(),
        num_layers: -1,
        ..LoraConfig::default()
    };
    add_lora(model, &lora, &Key::new(0).unwrap()).unwrap();
    let start: Vec<Array> = model
        .trainable()
        .iter()
        .map(|(name, _)| dump.array(&format!("adapter.{name}")).clone())
        .collect();
    model.set_trainable(&start).unwrap();
}

/// Both ways to compute: the CPU's own operations, and compositions of MLX's.
pub fn both_ways(check: impl Fn(&str)) {
    check("fused");
    kernels::without(|| check("composed"));
}

/// Returns true if operations run on a GPU.
pub fn on_gpu() -> bool {
    default_device().unwrap().kind() == DeviceType::Gpu
}

/// The largest difference is at most `limit` times the largest of `theirs`, or a thousandth on a
/// GPU: the dumps are of MLX's CPU.
#[track_caller]
pub fn close(what: &str, ours: &Array, theirs: &Array, limit: f32) {
    assert_eq!(ours.shape(), theirs.shape(), "{what}");
    let (a, b) = (
        ours.to_vec::<f32>().unwrap(),
        theirs.to_vec::<f32>().unwrap(),
    );
    let limit = if on_gpu() { limit.max(1e-3) } else { limit };
    let largest = b.iter().fold(0f32, |m, x| m.max(x.abs()));
    // A NaN on either side must not pass.
    let apart = |(a, b): (&f32, &f32)| match (a - b).abs() {
        d if d.is_nan() => f32::INFINITY,
        d => d,
    };
    let error = a.iter().zip(&b).map(apart).fold(0.0, f32::max);
    assert!(
        error <= limit * largest && largest > 0.0,
        "{what}: {error:e} apart, the largest is {largest:e}"
    );
}

/// A scalar of the model, and its gradient for every trainable tensor, beside the dump's `loss` and
/// `grad.*` under `part`.
pub fn gradients<M: Model>(
    what: &str,
    model: &M,
    dump: &Dump,
    part: &str,
    loss: impl Fn(&M) -> Result<Array> + Send + 'static,
) {
    let names: Vec<String> = model.trainable().into_iter().map(|(n, _)| n).collect();
    let (value, grads) = value_and_grad(model, &[], move |m, _| Ok(vec![loss(m)?])).unwrap();
    compare(what, &value[0], names.iter().zip(&grads), dump, part);
}

/// The same for a training step with layer stacks cut at `cut`: with a first decay of 0, Adam's first average is the
/// gradient itself.
pub fn trains<M: Model>(
    what: &str,
    model: &M,
    dump: &Dump,
    part: &str,
    cut: Checkpoint,
    loss: impl Fn(&M) -> Result<Array> + Send + 'static,
) {
    let adam = AdamW {
        betas: (0.0, 0.999),
        weight_decay: 0.0,
        ..AdamW::default()
    };
    let mut options = TrainOptions::default();
    options.checkpoint = Some(cut);
    let loss = move |m: &M, _: &[Array]| Ok(vec![loss(m)?]);
    let mut step = TrainStep::new(model.clone(), loss, adam, options).unwrap();
    let value = step.run(&[], 1e-3).unwrap();
    let state = step.state();
    let averages = state.iter().find(|(n, _)| n == "optim.adamw.m.0");
    let (names, tensors): (Vec<String>, Vec<Array>) = model.trainable().into_iter().unzip();
    let groups = ParamGroups::new(&tensors).unwrap();
    let grads = groups.scatter(&[averages.unwrap().1.clone()]).unwrap();
    let grads: Vec<_> = names.into_iter().zip(grads).collect();
    compare(
        what,
        &value[0],
        grads.iter().map(|(n, g)| (n, g)),
        dump,
        part,
    );
}

fn compare<'a>(
    what: &str,
    loss: &Array,
    grads: impl Iterator<Item = (&'a String, &'a Array)>,
    dump: &Dump,
    part: &str,
) {
    let theirs = dump.array(&format!("{part}loss"));
    close(&format!("{what}: loss"), loss, theirs, 1e-5);
    let mut left = dump.under(&format!("{part}grad."));
    for (name, ours) in grads {
        let theirs = left.remove(name);
        let theirs = theirs.unwrap_or_else(|| panic!("{what}: the dump has no gradient of {name}"));
        // A bias of keys shifts all scores of a query alike: its gradient is rounding alone, unless
        // positions rotate the keys.
        let unturned = name.ends_with("k_proj.bias") && what.starts_with("clip");
        if name.ends_with("key.bias") || unturned {
            let theirs = theirs.to_vec::<f32>().unwrap();
            let ours = ours.to_vec::<f32>().unwrap();
            let nought = |x: &f32| x.abs() < 1e-6;
            assert!(ours.iter().chain(&theirs).all(nought), "{what}: {name}");
            continue;
        }
        close(&format!("{what}: {name}"), ours, &theirs, 1e-4);
    }
    assert!(left.is_empty(), "{what}: {:?} are missing", left.keys());
}
