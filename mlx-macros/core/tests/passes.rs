//! Each pass alone on a small model: that it fires, that its switch holds it back, and that it
//! leaves alone what only looks alike.

use mlx_macros_core::{analyse, fuse::PASSES, report};

/// The report of a model with the sizes `hidden`, `ffn` and `vocab`.
fn graphs(attr: &str, fields: &str, methods: &str) -> String {
    let attr = syn::parse_str(&format!("config = C, {attr}")).unwrap();
    let item = syn::parse_str(&format!("struct Net {{ {fields} }}")).unwrap();
    let methods = syn::parse_str(&format!("impl Net {{ {methods} }}")).unwrap();
    let whole = analyse(attr, item, &methods).unwrap_or_else(|(errors, _)| {
        let texts: Vec<String> = errors.iter().map(|e| e.text()).collect();
        panic!("{}", texts.join("\n"))
    });
    let both = whole.methods.iter().zip(&whole.graphs);
    both.map(|(m, g)| report::text(&m.name.to_string(), g, &whole.model.names))
        .collect()
}

const GATED: (&str, &str) = (
    "#[param(ffn, hidden)] gate: Linear, #[param(ffn, hidden)] up: Linear,",
    "fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, ffn] { silu(self.gate(x)) * self.up(x) }",
);

#[test]
fn switches_hold_passes_back() {
    let text = |attr| graphs(attr, GATED.0, GATED.1);
    let fired = |attr| {
        let text = text(attr);
        (text.contains("swiglu"), text.contains("joined"))
    };
    assert_eq!(fired(""), (true, true));
    assert_eq!(fired("fuse(off)"), (false, false));
    assert_eq!(fired("fuse(only(swiglu))"), (true, false));
    assert_eq!(fired("fuse(except(swiglu))"), (false, true));
    assert_eq!(fired("fuse(except(swiglu, projections))"), (false, false));
}

#[test]
fn the_reference_lists_every_pass() {
    let reference = include_str!("../../../docs/language.md");
    for pass in PASSES {
        let row = format!("| `{}` | {}", pass.name, pass.doc);
        assert!(reference.contains(&row), "docs/language.md lacks {row}");
    }
}
