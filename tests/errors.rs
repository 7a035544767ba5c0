//! Errors at load and at a call, and that the guide shows what is really said.

use std::collections::HashMap;
use std::sync::Arc;

use mlx_runtime::model::{init, load, LoadOptions, Weights};
use mlx_runtime::random::Key;
use mlx_runtime::{ops, Dtype, Result};
use mlx_tests::{Attention, Config, Mlp};

const GUIDE: &str = include_str!("../docs/guide.md");

fn config() -> Config {
    Config {
        hidden: 8,
        ffn: 16,
        heads: 3,
        kv_heads: 2,
        head_dim: 4,
        depth: 1,
        vocab: 10,
        eps: 1e-5,
    }
}

/// The guide has this text in a block of its own.
fn in_the_guide(text: &str) {
    let block = format!("```text\n{}\n```", text.trim_end());
    assert!(GUIDE.contains(&block), "docs/guide.md lacks\n{block}");
}

#[test]
fn a_load_reports_all_that_is_wrong() -> Result<()> {
    let zeros = |shape: &[i32]| ops::zeros(shape, Dtype::Float32);
    let arrays = HashMap::from([
        ("norm.weight".to_string(), zeros(&[8])?),
        ("up.weight".to_string(), zeros(&[8, 16])?),
    ]);
    let loaded = load::<Mlp>(
        &Arc::new(config()),
        Weights::from(arrays),
        &LoadOptions::new(Dtype::Float32),
    );
    in_the_guide(&format!("Error: {}", loaded.map(|_| ()).unwrap_err()));
    Ok(())
}

#[test]
fn a_requirement_shows_its_numbers() -> Result<()> {
    let model = init::<Attention>(&Arc::new(config()), Key::new(0)?, Dtype::Float32);
    in_the_guide(&format!("Error: {}", model.map(|_| ()).unwrap_err()));
    Ok(())
}

#[test]
fn a_call_names_the_argument_and_both_shapes() -> Result<()> {
    let model: Mlp = init(&Arc::new(config()), Key::new(0)?, Dtype::Float32)?;
    let y = model.forward(&ops::zeros(&[2, 3, 16], Dtype::Float32)?);
    in_the_guide(&format!("Error: {}", y.map(|_| ()).unwrap_err()));
    Ok(())
}

#[test]
fn rustc_says_what_the_guide_shows() {
    in_the_guide(include_str!("ui/fail/shape_from_an_earlier_line.stderr"));
    in_the_guide(include_str!("ui/fail/argument_of_another_crate.stderr"));
}
