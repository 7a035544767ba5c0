//! Every language family explained: the text is whole, and its numbers agree with the model.
//! `EXPLAIN_PAGES=folder` writes the pages, to be looked at.

mod common;

use common::Dump;
use mlx_models::{dispatch, CausalLm, Config, Visitor};
use mlx_runtime::explain::{explain, ExplainOptions};
use mlx_runtime::Dtype;

struct Case<'a>(&'a str);

impl Visitor for Case<'_> {
    type Output = String;

    fn visit<M: CausalLm>(self) -> String {
        let dump = Dump::open(self.0);
        let model: M = dump.load(Config::parse(&dump.config).unwrap(), Dtype::Float32);
        let told = explain(&model, &ExplainOptions::of_shape(&[2, 13])).unwrap();
        let text = told.to_string();
        let tensors = model.parameters().len();
        assert!(text.contains(&format!("in {tensors} tensors")), "{text}");
        if let Some(folder) = std::env::var_os("EXPLAIN_PAGES") {
            let page = std::path::Path::new(&folder).join(format!("{}.html", self.0));
            std::fs::write(page, told.html()).unwrap();
        }
        text
    }
}

fn text(case: &str) -> String {
    let config = Config::parse(&Dump::open(case).config).unwrap();
    let text = dispatch(config.family, Case(case));
    // Sizes are known everywhere.
    assert!(!text.contains("keeps for the backward pass"), "{text}");
    text
}

#[test]
fn every_family() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let mut cases = 0;
    for file in std::fs::read_dir(data).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|e| e != "safetensors") {
            continue;
        }
        let dump = Dump::open(&name);
        // A dump of packed weights alone has no others.
        let dense = !dump.under("weight.").is_empty();
        if dense && Config::parse(&dump.config).is_ok() {
            cases += 1;
            assert!(text(&name).contains("::forward"));
        }
    }
    assert!(cases >= 9, "{cases}");
}

#[test]
fn flags_of_the_config_decide() {
    assert!(text("qwen3").contains("q_norm"));
    let mixtral = text("mixtral");
    let window = "sliding(sliding_window) if sliding_window.is_some()";
    assert!(mixtral.contains(window), "{mixtral}");
    assert!(mixtral.contains("mlx_gather_mm"), "{mixtral}");
    let plain = text("deepseek_plain");
    assert!(
        plain.contains("if q_lora_rank.is_some() (not taken)"),
        "{plain}"
    );
}
