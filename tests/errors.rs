//! Errors at load and at a call; docs/how-to/read-an-error.md shows these texts.

use std::collections::HashMap;
use std::sync::Arc;

use mlx_runtime::model::{init, load, LoadOptions, Weights};
use mlx_runtime::random::Key;
use mlx_runtime::{ops, Dtype, Result};
use mlx_tests::{Attention, Config, Mlp};

const PAGE: &str = include_str!("../docs/how-to/read-an-error.md");

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

/// Fails unless the page has a block with this text alone.
fn is_shown(text: &str) {
    let block = format!("```text\n{}\n```", text.trim_end());
    assert!(
        PAGE.contains(&block),
        "docs/how-to/read-an-error.md lacks\n{block}"
    );
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
    is_shown(&format!("Error: {}", loaded.map(|_| ()).unwrap_err()));
    Ok(())
}

#[test]
fn a_requirement_shows_its_numbers() -> Result<()> {
    let model = init::<Attention>(&Arc::new(config()), Key::new(0)?, Dtype::Float32);
    is_shown(&format!("Error: {}", model.map(|_| ()).unwrap_err()));
    Ok(())
}

#[test]
fn a_call_names_the_argument_and_both_shapes() -> Result<()> {
    let model: Mlp = init(&Arc::new(config()), Key::new(0)?, Dtype::Float32)?;
    let y = model.forward(&ops::zeros(&[2, 3, 16], Dtype::Float32)?);
    is_shown(&format!("Error: {}", y.map(|_| ()).unwrap_err()));
    Ok(())
}

#[test]
fn the_page_shows_what_rustc_says() {
    is_shown(include_str!("ui/fail/shape_from_an_earlier_line.stderr"));
    is_shown(include_str!("ui/fail/argument_of_another_crate.stderr"));
}
