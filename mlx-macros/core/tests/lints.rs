//! Each lint: models that it warns of, and models like them that it does not. None warns of the models of the examples.

use std::path::Path;

use mlx_macros_core::diag::lints::LINTS;
use mlx_macros_core::source::{sources, Source};

/// A model with layers that attention, a head and a loss are made of.
fn model(arguments: &str, methods: &str) -> String {
    format!(
        "#[mlx_model(config = Config, dims(q = heads * head_dim) {arguments})]
        struct M {{
            #[param(q, hidden)] wq: Linear,
            #[param(q, hidden)] wk: Linear,
            #[param(q, hidden)] wv: Linear,
            #[param(hidden)] norm: RmsNorm,
            #[param(hidden)] other: LayerNorm,
            #[param(vocab, hidden)] table: Embedding,
            #[param(vocab, hidden)] head: Linear,
            #[rope(head_dim)] rope: Rope,
        }}
        #[mlx_model] impl M {{ {methods} }}"
    )
}

const HEADS: &str = "let q = rearrange!(\"b l (h d) -> b h l d\", self.wq(x), h = heads);
    let k = rearrange!(\"b l (h d) -> b h l d\", self.wk(x), h = heads);
    let v = rearrange!(\"b l (h d) -> b h l d\", self.wv(x), h = heads);";

fn attention(rest: &str) -> String {
    format!(
        "fn f(&self, x: Tensor![B, L, hidden], _m: Tensor![B, 1, L, L], cache: &mut KvCache) -> Tensor![B, heads, L, head_dim] {{
            {HEADS} {rest} }}"
    )
}

fn warnings(text: &str) -> Vec<String> {
    let file = syn::parse_file(text).unwrap();
    let found = sources(&file);
    // Fields that a case does not use are no subject here.
    let errors: Vec<String> = found
        .iter()
        .flat_map(Source::mistakes)
        .map(|d| d.message)
        .collect();
    let unused = |m: &String| m.contains("is loaded but no method uses it");
    assert!(errors.iter().all(unused), "{errors:#?}\n{text}");
    found
        .iter()
        .flat_map(Source::warnings)
        .map(|w| w.lint.name.to_string())
        .collect()
}

/// Methods with a mistake, by the name of the lint, and without.
fn cases() -> Vec<(&'static str, String, String)> {
    let sdpa = |k: &str, mask: &str| {
        attention(&format!(
            "let (q, k) = (self.rope(q, cache), {k}); let (k, v) = cache.update(k, v);
            scaled_dot_product_attention(q, k, v{mask})"
        ))
    };
    let turned = "let (q, k) = (self.rope(q, KvCache::off()), self.rope(k, KvCache::off()));";
    let by_hand = |scores: &str, axis: &str| {
        attention(&format!(
            "{turned} let s = matmul(q, k.transpose([0, 1, 3, 2])); let s = {scores}; matmul(softmax(s{axis}), v)"
        )).replace("cache: &mut KvCache", "_n: f32")
    };
    let loss = |targets: &str, kind: &str| {
        format!(
            "fn f(&self, t: Tensor![B, L; i32], _y: Tensor![B, L; i32]) -> Tensor![{kind}; f32] {{
                cross_entropy(self.head(self.table(t)), {targets}) }}"
        )
    };
    let norms = |body: &str| {
        format!("fn f(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {{ {body} }}")
    };
    let rotated = "self.rope(k, cache)";
    vec![
        ("attention_without_causal", sdpa(rotated, ""), sdpa(rotated, ", causal")),
        (
            "attention_without_causal",
            sdpa(rotated, ""),
            attention("self.rope(q, KvCache::off()) + 0.0 * scaled_dot_product_attention(self.rope(q, cache), self.rope(k, cache), cache.update(k, v).1, causal)")
                .replace("cache.update(k, v).1", "v")
                .replace("self.rope(q, KvCache::off()) + 0.0 * ", "")
                .replace("cache)", "KvCache::off())")
                .replace("cache: &mut KvCache", "_n: f32"),
        ),
        ("softmax_axis", by_hand("causal_mask(s) / 8", ", 1"), by_hand("causal_mask(s) / 8", ", -1")),
        ("softmax_axis", by_hand("causal_mask(s) / 8", ""), by_hand("causal_mask(s) / 8", ", 3")),
        ("rope_on_one_side", sdpa("k", ", causal"), sdpa(rotated, ", causal")),
        (
            "keys_for_values",
            attention("let (q, k) = (self.rope(q, cache), self.rope(k, cache)); let (k, v) = cache.update(v, k); scaled_dot_product_attention(q, k, v, causal)"),
            sdpa(rotated, ", causal"),
        ),
        ("unscaled_attention", by_hand("causal_mask(s)", ", -1"), by_hand("causal_mask(s / sqrt(head_dim))", ", -1")),
        ("unscaled_attention", by_hand("causal_mask(s) + _m", ", -1"), by_hand("causal_mask(tanh(s / 30.0) * 30.0)", ", -1")),
        ("mask_twice", by_hand("s / 8 + _m + _m", ", -1"), by_hand("causal_mask(s / 8 + _m)", ", -1")),
        ("mask_twice", by_hand("causal_mask(causal_mask(s / 8))", ", -1"), by_hand("causal_mask(s / 8)", ", -1")),
        ("norm_twice", norms("self.norm(self.norm(x))"), norms("self.norm(x) + self.other(x)")),
        ("norm_twice", norms("let h = self.other(x); self.norm(h)"), norms("self.norm(x + self.norm(x))")),
        ("unshifted_targets", loss("t", "B, L"), loss("_y", "B, L")),
        (
            "dropout_on_targets",
            "fn f(&self, x: Tensor![B, L, hidden], y: Tensor![B, L, hidden], _key: Tensor![2; u32]) -> Tensor![] { mse_loss(self.norm(x), where_(random::bernoulli(0.9, [B, L, hidden], _key), y, 0.0)) }".to_string(),
            "fn f(&self, x: Tensor![B, L, hidden], y: Tensor![B, L, hidden], _key: Tensor![2; u32]) -> Tensor![] { mse_loss(self.norm(where_(random::bernoulli(0.9, [B, L, hidden], _key), x, 0.0)), y) }".to_string(),
        ),
    ]
}

#[test]
fn each_lint_warns_of_its_mistake_alone() {
    let cases = cases();
    for (lint, wrong, right) in &cases {
        assert_eq!(warnings(&model("", wrong)), [*lint], "{wrong}");
        assert_eq!(warnings(&model("", right)), [""; 0], "{right}");
        let allow = format!(", allow({lint})");
        assert_eq!(warnings(&model(&allow, wrong)), [""; 0], "{wrong}");
    }
    // The fields of a config are read from its file: `tests/ui/fail/lints.rs` of the workspace shows that one.
    let shown = |name: &str| name == "untied_head" || cases.iter().any(|c| c.0 == name);
    assert!(LINTS.iter().all(|l| shown(l.name)));
}

#[test]
fn no_lint_warns_of_the_examples() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/src");
    let mut models = 0;
    for file in std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
    {
        if file.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&file).unwrap();
            let found = sources(&syn::parse_file(&text).unwrap());
            let warnings: Vec<_> = found.iter().flat_map(Source::warnings).collect();
            assert_eq!(format!("{warnings:?}"), "[]", "{}", file.display());
            models += found.len();
        }
    }
    assert!(models > 30);
}

#[test]
fn texts_are_in_lower_case_and_have_a_help() {
    for l in LINTS {
        let text =
            |t: &str| t.starts_with(|c: char| c.is_lowercase() || c == '`') && !t.ends_with('.');
        assert!(text(l.text) && text(l.help), "{}", l.name);
    }
}
