//! `explain` on a small model: the text, the page, and that each line of the source is the right
//! one.

mod kernels;

use std::sync::Arc;

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::explain::{explain, ExplainOptions};
use mlx_runtime::model::{init, Checkpoint};
use mlx_runtime::nn::{Linear, RmsNorm};
use mlx_runtime::{random, Dtype};

/// Sizes and switches.
#[derive(Clone, Debug)]
pub struct Config {
    hidden: usize,
    ffn: usize,
    depth: usize,
    pattern: usize,
    classes: usize,
}

const CONFIG: Config = Config {
    hidden: 8,
    ffn: 12,
    depth: 4,
    pattern: 2,
    classes: 5,
};

/// `cap * tanh(x / cap)`.
#[mlx_fn]
pub fn soft_cap(x: Tensor![B, L, D], cap: f32) -> Tensor![B, L, D] {
    tanh(x / cap) * cap
}

/// A gated unit; every second one normalises its input.
#[mlx_model(config = Config)]
pub struct Unit {
    #[when(layer % pattern == 0)]
    #[param(hidden)]
    norm: Option<RmsNorm>,
    #[param(ffn, hidden)]
    gate: Linear,
    #[param(ffn, hidden)]
    up: Linear,
    #[param(hidden, ffn)]
    down: Linear,
}

#[mlx_model]
impl Unit {
    /// `x + W_down (silu(W_gate n) * W_up n)`.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        if layer % config.pattern == 0 {
            h = self.norm(x);
        }
        let gated = silu(self.gate(h)) * self.up(h);
        x + self.down(gated)
    }
}

/// A stack of them, and a head.
#[mlx_model(config = Config)]
pub struct Net {
    #[layers(depth, checkpoint = every(3))]
    layers: Vec<Unit>,
    #[param(classes, hidden)]
    head: Linear,
}

#[mlx_model]
impl Net {
    /// Capped logits.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, classes] {
        let mut h = x;
        for layer in self.layers {
            h = layer(h);
        }
        let y = self.head(h);
        soft_cap(y, 30.0)
    }
}

fn net() -> Net {
    init(&Arc::new(CONFIG), random::key(0).unwrap(), Dtype::Float32).unwrap()
}

fn options(checkpoint: Option<Checkpoint>) -> ExplainOptions {
    ExplainOptions {
        checkpoint,
        ..ExplainOptions::of_shape(&[2, 3, 8])
    }
}

/// The text without what depends on the machine.
fn text() -> String {
    let told = explain(&net(), &options(None)).unwrap().to_string();
    let lines = told
        .lines()
        .filter(|l| !l.trim_start().starts_with("memory:"));
    let lines: Vec<&str> = lines.map(str::trim_end).collect();
    lines.join("\n")
}

#[test]
fn the_whole_text() {
    insta::assert_snapshot!(text());
}

#[test]
fn each_line_is_that_of_the_expression() {
    let source = include_str!("main.rs");
    let line = |what: &str| 1 + source[..source.find(what).unwrap()].matches('\n').count();
    for (node, expression) in [
        ("self.norm(%0)", "h = self.norm(x)"),
        ("self.gate(", "silu(self.gate(h))"),
        ("self.up(", "self.up(h);"),
        ("swiglu(", "let gated = silu"),
        ("self.down(", "x + self.down(gated)"),
        ("for layer in self.layers", "h = layer(h)"),
        ("self.head(", "let y = self.head(h)"),
        ("soft_cap(%", "soft_cap(y, 30.0)"),
        ("kernel divide_tanh_multiply(", "tanh(x / cap) * cap"),
    ] {
        let told = text();
        let found = told.lines().find(|l| l.contains('%') && l.contains(node));
        let found = found.unwrap_or_else(|| panic!("{node} is not in\n{told}"));
        let end = format!(":{}", line(expression));
        assert!(found.ends_with(&end), "{found}: not {end}");
    }
}

#[test]
fn equal_layers_are_told_once() {
    let text = text();
    assert!(text.contains("layers 0, 2 (x 2)") && text.contains("layers 1, 3 (x 2)"));
    assert_eq!(text.matches("Unit::forward ->").count(), 2);
    assert!(text.contains("if layer % pattern == 0 (taken)"));
    assert!(text.contains("if layer % pattern == 0 (not taken)"));
}

#[test]
fn passes_and_boundaries_have_their_names() {
    let told = text();
    assert!(told.contains("fused by swiglu of silu"), "{told}");
    assert!(told.contains("checkpoint = every(3): 4 of 4 layers run again"));
    assert!(told.contains("2 boundaries of 192 B, before 0, 3"));
    // The nodes of a layer keep as much as the model's own polynomials say.
    assert!(told.contains("a layer needs 1.25 kB while it runs again"));
    assert_eq!(
        told.matches("keeps 1.25 kB for the backward pass").count(),
        2
    );
    let never = explain(&net(), &options(Some(Checkpoint::Never))).unwrap();
    assert!(never.to_string().contains("overridden: no boundaries"));
}

/// A page is one tree of elements, and shows what the text says.
#[test]
fn the_page_is_well_formed() {
    let page = explain(&net(), &options(None)).unwrap().html();
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..Default::default()
    };
    let tree = roxmltree::Document::parse_with_options(&page, options).unwrap();
    let named = |tag: &str| {
        let named = tree.descendants().filter(|n| n.tag_name().name() == tag);
        named.count()
    };
    assert_eq!(named("svg"), 1);
    assert!(named("tr") > 20 && named("path") > 8 && named("script") == 0);
    for text in [
        "swiglu",
        "mlxrs_rows_apply",
        "every(3)",
        "layers.0, 2",
        "soft_cap",
    ] {
        assert!(page.contains(text), "{text}");
    }
    // Four layers, of which the first and the fourth begin a span.
    let look = |look: &str| {
        let looks = tree.descendants().filter_map(|n| n.attribute("class"));
        looks.filter(|c| *c == look).count()
    };
    assert_eq!((look("layer again"), look("boundary")), (4, 2));
    // Nothing overlaps: each text of the picture is inside of its box.
    let number =
        |n: &roxmltree::Node<'_, '_>, a: &str| n.attribute(a).unwrap().parse::<f64>().unwrap();
    let boxes = tree
        .descendants()
        .filter(|n| n.attribute("class").is_some_and(|c| c.starts_with("box")));
    for b in boxes {
        let rect = b
            .children()
            .find(|n| n.tag_name().name() == "rect")
            .unwrap();
        let (x, w) = (number(&rect, "x"), number(&rect, "width"));
        for t in b.children().filter(|n| n.tag_name().name() == "text") {
            let wide = t.text().unwrap().chars().count() as f64 * 6.6;
            assert!(number(&t, "x") + wide <= x + w, "{:?}", t.text());
        }
    }
}

#[test]
fn names_are_escaped() {
    let page = explain(&net(), &options(None)).unwrap().html();
    // `Vec<Unit>` and `Option<RmsNorm>` are types, not elements.
    assert!(page.contains("Vec&lt;Unit&gt;") && !page.contains("<Unit>"));
}

#[test]
fn other_shapes_and_names() {
    let mut asked = ExplainOptions::of_shape(&[2, 3, 9]);
    let told = explain(&net(), &asked).unwrap().to_string();
    assert!(
        !told.contains("for B ="),
        "9 is not the hidden size: {told}"
    );
    asked.sizes = vec![("B".into(), 7), ("L".into(), 1)];
    let told = explain(&net(), &asked).unwrap().to_string();
    assert!(told.contains("for B = 7, L = 1"), "{told}");
    asked.sizes = vec![("N".into(), 7)];
    let error = explain(&net(), &asked).unwrap_err().to_string();
    assert!(
        error.contains("no free dim `N`") && error.contains("B, L"),
        "{error}"
    );
}
