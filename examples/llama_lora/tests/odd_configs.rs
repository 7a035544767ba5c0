//! Model folders with an odd but legal `config.json`: the numbers of mlx-lm (or, if it does not read what transformers
//! reads, the numbers of the same model in plain form), or an error; never other numbers.

#![allow(missing_docs)]

mod common;

use std::collections::HashMap;

use common::{write_model, write_safetensors, Place};
use llama_lora::generate::ids;
use llama_lora::session::Opened;
use mlx_models::{dispatch, CausalLm, Visitor};
use mlx_runtime::nn::KvCache;
use mlx_runtime::{ops, Dtype};
use serde_json::Value;

const TOKENS: [u32; 8] = [1, 5, 9, 2, 7, 7, 30, 63];

/// The configs that mlx-lm or transformers would compute, and this program refuses.
const REFUSED: [&str; 2] = ["a layer slides", "qwen2, window used by no layer"];

struct Logits(Opened);

impl Visitor for Logits {
    type Output = anyhow::Result<Vec<Vec<f32>>>;

    fn visit<M: CausalLm>(self) -> Self::Output {
        let session = self.0.load::<M>()?;
        let logits = session.model.logits(&ids(&TOKENS)?, &mut KvCache::off())?;
        let all = ops::astype(&logits, Dtype::Float32)?.to_vec::<f32>()?;
        let rows = all.chunks(all.len() / TOKENS.len());
        // As the dump has them.
        let some = |row: &[f32]| [&row[..5], &row[row.len() - 2..]].concat();
        Ok(rows.skip(1).step_by(3).map(some).collect())
    }
}

fn logits(place: &Place) -> anyhow::Result<Vec<Vec<f32>>> {
    let folder = place.path("model").display().to_string();
    let opened = Opened::new(Some(&folder), None, None)?;
    dispatch(opened.family(), Logits(opened))
}

/// Tensors by their names in the dump, which some cases share.
fn tensors(cases: &[Value], case: &Value) -> Vec<(String, Vec<usize>)> {
    match &case["tensors"] {
        Value::String(other) => {
            let other = cases.iter().find(|c| c["name"] == other.as_str());
            tensors(cases, other.unwrap())
        }
        list => serde_json::from_value(list.clone()).unwrap(),
    }
}

#[test]
fn odd_configs_give_the_right_numbers_or_an_error() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("mlx_lm/odd_configs.json")).unwrap();
    assert!(cases.len() >= 80);
    let place = Place::new();
    let folder = place.path("model");
    write_model(&folder, 1);
    // The tokenizer has more tokens than these models.
    place.write("model/tokenizer_config.json", "{\"eos_token\": \"!\"}");
    let known: HashMap<&str, &Value> = cases
        .iter()
        .map(|c| (c["name"].as_str().unwrap(), &c["logits"]))
        .collect();
    let mut wrong = Vec::new();
    let (mut equal, mut refused) = (0, Vec::new());
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        place.write("model/config.json", &case["config"].to_string());
        let shapes = tensors(&cases, case);
        write_safetensors(&folder.join("model.safetensors"), &shapes, 1);
        let expected = match case["same"].as_str() {
            Some("(none)") => &Value::Null,
            Some(same) => known[same],
            None => &case["logits"],
        };
        let expected: Option<Vec<Vec<f32>>> = serde_json::from_value(expected.clone()).unwrap();
        match (logits(&place), expected) {
            (Err(error), None) => println!("{name}: {error:#}"),
            (Err(error), Some(_)) => {
                println!("REFUSED {name}: {error:#}");
                refused.push(name);
            }
            (Ok(found), None) => wrong.push(format!("{name}: {:?}, expected an error", found[0])),
            (Ok(found), Some(expected)) => {
                let pairs = found.iter().flatten().zip(expected.iter().flatten());
                let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                match off < 2e-5 {
                    true => equal += 1,
                    false => wrong.push(format!("{name}: {:?}, not {:?}", found[0], expected[0])),
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(refused, REFUSED);
    assert!(equal >= 50, "{equal}");
}
