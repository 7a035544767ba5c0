//! Dumps of scripts, and their comparison.

use std::collections::HashMap;
use std::path::PathBuf;

use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::{io, Array};
use serde_json::Value;

/// A file of `data`.
pub struct Dump {
    arrays: HashMap<String, Array>,
    /// The metadata beside the arrays.
    pub facts: Value,
}

/// The path of something in `data`.
pub fn path(name: &str) -> PathBuf {
    // At run time first: the test may run on another machine than the one that built it.
    let package = std::env::var("CARGO_MANIFEST_DIR");
    PathBuf::from(package.as_deref().unwrap_or(env!("CARGO_MANIFEST_DIR")))
        .join("../../tests/parity/data")
        .join(name)
}

impl Dump {
    pub fn open(name: &str) -> Dump {
        let (arrays, metadata) =
            io::load_safetensors(path(&format!("{name}.safetensors"))).unwrap();
        let facts = serde_json::from_str(&metadata["facts"]).unwrap();
        Dump { arrays, facts }
    }

    pub fn array(&self, name: &str) -> &Array {
        self.arrays
            .get(name)
            .unwrap_or_else(|| panic!("the dump has no {name}"))
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.array(name).to_vec::<f32>().unwrap()
    }

    pub fn ints(&self, name: &str) -> Vec<i32> {
        self.array(name).to_vec::<i32>().unwrap()
    }

    /// A fact that is a list of names.
    pub fn names(&self, fact: &str) -> Vec<String> {
        let list = self.facts[fact].as_array().unwrap();
        list.iter()
            .map(|v| v.as_str().unwrap().to_owned())
            .collect()
    }
}

/// The dumps are of MLX's CPU, and so are the limits that tests name; a GPU sums in another order.
pub fn on_device(limit: f32) -> f32 {
    match default_device().unwrap().kind() {
        DeviceType::Gpu => limit.max(1e-3),
        _ => limit,
    }
}

/// The largest difference, relative to the largest of `theirs`, is at most `limit`, or a
/// thousandth on a GPU.
#[track_caller]
pub fn close(what: &str, ours: &[f32], theirs: &[f32], limit: f32) {
    let largest = theirs.iter().fold(0f32, |m, x| m.max(x.abs()));
    near(what, ours, theirs, limit, largest);
}

/// The largest difference, relative to `scale`, is at most `limit`, or a thousandth on a GPU.
#[track_caller]
pub fn near(what: &str, ours: &[f32], theirs: &[f32], limit: f32, scale: f32) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    // A NaN on either side must not pass.
    let apart = |a: &f32, b: &f32| match (a - b).abs() {
        d if d.is_nan() => f32::INFINITY,
        d => d,
    };
    let error = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| apart(a, b))
        .fold(0.0, f32::max);
    let relative = error / scale;
    assert!(
        error <= on_device(limit) * scale,
        "{what}: {error:e} apart, {relative:e} of {scale}"
    );
}
