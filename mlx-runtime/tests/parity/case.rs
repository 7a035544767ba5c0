//! One case as the dump names it.

use std::collections::HashMap;

use mlx_runtime::ops::packed::Quantization;
use mlx_runtime::Dtype;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub struct Case {
    pub op: String,
    #[serde(rename = "in")]
    pub inputs: Vec<String>,
    args: HashMap<String, Value>,
    pub outputs: usize,
}

impl Case {
    fn arg(&self, name: &str) -> &Value {
        self.args.get(name).unwrap_or(&Value::Null)
    }

    pub fn int(&self, name: &str) -> i32 {
        self.maybe_int(name)
            .unwrap_or_else(|| panic!("{} has no {name}", self.op))
    }

    pub fn maybe_int(&self, name: &str) -> Option<i32> {
        self.arg(name).as_i64().map(|i| i as i32)
    }

    pub fn maybe_float(&self, name: &str) -> Option<f64> {
        self.arg(name).as_f64()
    }

    pub fn float(&self, name: &str) -> f64 {
        self.maybe_float(name)
            .unwrap_or_else(|| panic!("{} has no {name}", self.op))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.arg(name).as_bool().unwrap_or(false)
    }

    pub fn text(&self, name: &str) -> &str {
        self.arg(name).as_str().unwrap_or_default()
    }

    pub fn ints(&self, name: &str) -> Vec<i32> {
        self.maybe_ints(name).unwrap_or_default()
    }

    pub fn maybe_ints(&self, name: &str) -> Option<Vec<i32>> {
        let list = self.arg(name).as_array()?;
        Some(
            list.iter()
                .filter_map(Value::as_i64)
                .map(|i| i as i32)
                .collect(),
        )
    }

    /// Up to three integers, those that are not there being `other`.
    pub fn three(&self, name: &str, other: i32) -> (i32, i32, i32) {
        let list = self.ints(name);
        let at = |i: usize| list.get(i).copied().unwrap_or(other);
        (at(0), at(1), at(2))
    }

    pub fn dtype(&self) -> Dtype {
        self.text("dtype").parse().unwrap()
    }

    pub fn mode(&self) -> Quantization {
        match self.text("mode") {
            "mxfp4" => Quantization::Mxfp4,
            "mxfp8" => Quantization::Mxfp8,
            "nvfp4" => Quantization::Nvfp4,
            _ => Quantization::default(),
        }
    }
}
