//! Kernels in an explanation: those that are written, and those that a pass found.

use std::sync::Arc;

use mlx_macros::{mlx_kernel, mlx_model};
use mlx_runtime::explain::{explain, ExplainOptions, ExplainedKernel, Explanation};
use mlx_runtime::model::init;
use mlx_runtime::nn::{Linear, Param};
use mlx_runtime::{random, Dtype};

pub struct Sizes {
    hidden: usize,
}

#[mlx_kernel]
pub fn gate(a: Tensor![B, L, F], b: Tensor![B, L, F]) -> Tensor![B, L, F] {
    silu(a) * b
}

#[mlx_model(config = Sizes)]
pub struct Small {
    #[param(hidden, hidden)]
    map: Linear,
    #[param(hidden)]
    scale: Param,
}

#[mlx_model]
impl Small {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let h = gate(self.map(x), x);
        let t = tanh(h * self.scale);
        self.map(t * sigmoid(h) + h)
    }
}

fn told() -> Explanation {
    let sizes = Arc::new(Sizes { hidden: 8 });
    let key = random::key(0).unwrap();
    let model: Small = init(&sizes, key, Dtype::Float32).unwrap();
    explain(&model, &ExplainOptions::of_shape(&[2, 3, 8])).unwrap()
}

fn named(all: &[ExplainedKernel], part: &str) -> ExplainedKernel {
    let found = all.iter().find(|k| k.name.contains(part));
    found
        .unwrap_or_else(|| panic!("no {part} among {all:?}"))
        .clone()
}

#[test]
fn a_kernel_has_its_place_its_arrays_and_its_text() {
    let kernel = named(&told().kernels(), "gate");
    let source = include_str!("kernels.rs").lines();
    let line = source
        .map(|l| l.contains("silu(a) * b"))
        .position(|l| l)
        .unwrap()
        + 1;
    let (file, lines) = kernel.place.rsplit_once(':').unwrap();
    assert!(file.ends_with("explain/kernels.rs"), "{file}");
    assert!(lines.ends_with(&line.to_string()), "{lines}, not {line}");
    assert_eq!(kernel.reads, ["a [B, L, F] float", "b [B, L, F] float"]);
    assert_eq!(kernel.writes, ["out [B, L, F] float"]);
    // `silu(a)`: 2 * 3 * 8 numbers of 4 bytes.
    assert_eq!(kernel.spared, Some(192));
    let texts: Vec<_> = kernel.launches.iter().flat_map(|l| &l.texts).collect();
    assert_eq!(texts.len(), 6);
    for (dialect, text) in texts {
        let text = text.as_ref().unwrap();
        assert!(
            text.contains("sigmoid") && text.lines().count() > 5,
            "{dialect}:\n{text}"
        );
    }
    let shown = kernel.to_string();
    for part in [
        "reads a [B, L, F] float",
        "spares 192 B",
        "forward, Rust:",
        "gradient, CUDA:",
        "gradient, Metal:",
    ] {
        assert!(shown.contains(part), "no {part:?} in:\n{shown}");
    }
}

#[test]
fn a_region_of_the_pass_is_a_kernel_with_its_lines() {
    let told = told();
    let kernel = named(&told.kernels(), "sigmoid");
    let source = include_str!("kernels.rs").lines();
    let first = source
        .map(|l| l.contains("let t = tanh("))
        .position(|l| l)
        .unwrap()
        + 1;
    let place = format!("explain/kernels.rs:{first}-{}", first + 1);
    assert!(
        kernel.place.ends_with(&place),
        "{}, not {place}",
        kernel.place
    );
    assert!(kernel
        .reads
        .iter()
        .any(|r| r.ends_with("[B, L, hidden] float")));
    let what: Vec<&str> = kernel.launches.iter().map(|l| l.what).collect();
    // `scale` is trained, or not.
    assert_eq!(
        what,
        ["forward", "gradient", "gradient without sums over rows"]
    );
    assert!(told.to_string().contains(&format!("{} (", kernel.name)));
}

#[test]
fn the_page_hides_the_text_of_kernels_behind_a_click() {
    let page = told().html();
    roxmltree::Document::parse_with_options(
        &page,
        roxmltree::ParsingOptions {
            allow_dtd: true,
            ..Default::default()
        },
    )
    .unwrap();
    assert!(page.contains("<section id=\"kernels\">"));
    for dialect in ["Rust", "CUDA", "Metal"] {
        assert!(page.contains(&format!("<details><summary>forward, {dialect}</summary>")));
    }
}
