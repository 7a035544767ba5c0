//! Each pass alone on a small model: that it fires, that its switch holds it back, and that it
//! leaves alone what only looks alike.

mod reports;

use mlx_macros_core::fuse::PASSES;
use mlx_macros_core::kernel::regions;
use reports::graphs;

const GATED: (&str, &str) = (
    "#[param(ffn, hidden)] gate: Linear, #[param(ffn, hidden)] up: Linear,",
    "fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, ffn] { silu(self.gate(x)) * self.up(x) }",
);

/// The arguments that a body reads.
fn read(body: &str, all: &[&str]) -> String {
    let words: Vec<&str> = body.split(|c: char| !c.is_alphanumeric()).collect();
    let read = all.iter().filter(|a| words.contains(&&a[..1]));
    read.copied().collect::<Vec<_>>().join(", ")
}

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
fn gates_fuse_on_either_side_and_only_at_full_shape() {
    let graph = |body: &str| {
        let all = [
            "x: Tensor![B, hidden]",
            "y: Tensor![B, hidden]",
            "z: Tensor![hidden]",
        ];
        let args = read(body, &all);
        let method = format!("fn forward(&self, {args}) -> Tensor![B, hidden] {{ {body} }}");
        graphs("", "", &method)
    };
    for (body, found) in [
        ("silu(x) * y", "swiglu(%0, %1)"),
        ("y * silu(x)", "swiglu(%0, %1)"),
        ("gelu_approx(x) * y", "geglu(%0, %1)"),
        ("y * gelu_approx(x)", "geglu(%0, %1)"),
        ("silu(x) * z", "multiply("),
        ("gelu(x) * y", "multiply("),
    ] {
        let text = graph(body);
        assert!(text.contains(found), "{body}: {text}");
    }
}

#[test]
fn what_nothing_reads_is_not_computed_unless_it_changes_a_cache() {
    let fields = "#[param(hidden, hidden)] a: Linear, #[rope(head_dim)] rope: Rope,";
    let method = "fn forward(&self, x: Tensor![B, H, L, head_dim], y: Tensor![B, hidden], cache: &mut KvCache) -> Tensor![B, hidden] {
        let _unused = exp(y);
        let (_k, _v) = cache.update(self.rope(x, cache), x);
        self.a(y)
    }";
    let on = graphs("", fields, method);
    let off = graphs("fuse(except(dead_code))", fields, method);
    assert!(!on.contains("exp(") && on.contains("cache.update"), "{on}");
    assert!(
        off.contains("exp(") && off.contains("cache.update"),
        "{off}"
    );
}

#[test]
fn what_is_written_twice_is_computed_once() {
    let fields = "#[param(hidden, hidden)] a: Linear,";
    let method = "fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        exp(self.a(x) * 2.0) + exp(self.a(x) * 2.0) * exp(self.a(x) * 3.0)
    }";
    let count = |attr| {
        let text = graphs(attr, fields, method);
        (text.matches("self.a").count(), text.matches("exp(").count())
    };
    assert_eq!(count(""), (1, 2));
    assert_eq!(count("fuse(except(common_subexpressions))"), (3, 3));
}

#[test]
fn an_arm_of_an_if_shares_what_is_outside_and_not_what_another_arm_has() {
    let fields = "#[param(hidden, hidden)] a: Linear,";
    let method = "fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        let outer = exp(x);
        let y = if config.flag { sin(x) * exp(x) } else { sin(x) + exp(x) };
        self.a(y * sin(x) * outer)
    }";
    let text = graphs("", fields, method);
    // `exp` once, outside; `sin` in each arm and after them.
    assert_eq!(text.matches("exp(").count(), 1, "{text}");
    assert_eq!(text.matches("sin(").count(), 3, "{text}");
}

const HEAD: &str = "#[param(vocab, hidden)] head: Linear,";

fn loss(body: &str, ret: &str) -> String {
    let args = read(
        body,
        &[
            "x: Tensor![B, L, hidden]",
            "t: Tensor![B, L; i32]",
            "w: Tensor![B, L; f32]",
            "s: Tensor![L; f32]",
        ],
    );
    let method = format!("fn loss(&self, {args}) -> {ret} {{ {body} }}");
    graphs("", HEAD, &method)
}

#[test]
fn the_loss_of_a_projection_keeps_no_logits() {
    let (each, one) = ("Tensor![B, L; f32]", "Tensor![; f32]");
    for (body, found) in [
        (
            "cross_entropy(self.head(x), t, reduction = \"mean\")",
            "mean of linear_cross_entropy(%0, self.head, %1, _)",
        ),
        (
            "cross_entropy(self.head(x), t, w, 2, reduction = \"sum\")",
            "sum of linear_cross_entropy(%0, self.head, %1, %2)",
        ),
    ] {
        let text = loss(body, one);
        assert!(text.contains(found), "{body}: {text}");
    }
    for (body, found) in [
        ("cross_entropy(self.head(x), t)", "self.head, %1, _)"),
        (
            "cross_entropy(self.head(x).astype(f32), t)",
            "self.head, %1, _)",
        ),
        ("cross_entropy(self.head(x), t) * w", "self.head, %1, %2)"),
        ("w * cross_entropy(self.head(x), t)", "self.head, %1, %2)"),
        (
            "cross_entropy((tanh(self.head(x) / config.cap) * config.cap).astype(f32), t) * w",
            "self.head, %1, %2, capped)",
        ),
        // Weights that broadcast stay outside.
        ("cross_entropy(self.head(x), t) * s", "self.head, %1, _)"),
    ] {
        let text = loss(body, each);
        assert!(
            text.contains(found) && !text.contains(" cross_entropy"),
            "{body}: {text}"
        );
    }
}

#[test]
fn logits_that_are_read_otherwise_stay() {
    let all = "(Tensor![B, L, vocab], Tensor![B, L; f32])";
    for (body, ret) in [
        ("let z = self.head(x); (z, cross_entropy(z, t))", all),
        (
            "let z = self.head(x); cross_entropy(z, t) + z.max(-1).astype(f32)",
            "Tensor![B, L; f32]",
        ),
        ("cross_entropy(self.head(x) * 0.5, t)", "Tensor![B, L; f32]"),
        (
            "cross_entropy(tanh(self.head(x) / 3.0) * 2.0, t)",
            "Tensor![B, L; f32]",
        ),
        (
            "cross_entropy(self.head(x), t, label_smoothing = 0.1)",
            "Tensor![B, L; f32]",
        ),
    ] {
        let text = loss(body, ret);
        assert!(text.contains("= cross_entropy("), "{body}: {text}");
    }
    let text = graphs(
        "fuse(except(cross_entropy))",
        HEAD,
        "fn loss(&self, x: Tensor![B, hidden], t: Tensor![B; i32]) -> Tensor![B; f32] { cross_entropy(self.head(x), t) }",
    );
    assert!(text.contains("= cross_entropy("), "{text}");
}

#[test]
fn adapters_of_one_input_are_joined_where_there_can_be_several() {
    let fields = |gate, up| {
        format!("{gate} #[param(ffn, hidden)] gate: Linear, {up} #[param(ffn, hidden)] up: Linear,")
    };
    let fired = |attr, gate, up| graphs(attr, &fields(gate, up), GATED.1).contains("with adapters");
    assert!(fired("", "#[lora]", "#[lora]"));
    assert!(!fired("", "#[lora]", ""));
    assert!(!fired("fuse(except(lora))", "#[lora]", "#[lora]"));
    // Adapters are joined with their projections.
    assert!(!fired("fuse(except(projections))", "#[lora]", "#[lora]"));
}

#[test]
fn projections_are_marked_for_packed_weights() {
    let count = |attr| {
        graphs(attr, GATED.0, GATED.1)
            .matches("dequantised")
            .count()
    };
    assert_eq!(count(""), 2);
    assert_eq!(count("fuse(except(dequantize))"), 0);
}

#[test]
fn the_reference_lists_every_pass() {
    let reference = include_str!("../../../docs/language.md");
    let passes = PASSES.iter().map(|p| (p.name, p.doc));
    for (name, doc) in passes.chain([(regions::NAME, regions::DOC)]) {
        let row = format!("| `{name}` | {doc}");
        assert!(reference.contains(&row), "docs/language.md lacks {row}");
    }
}

/// The report of attention between these statements, of `qkv [B, L, 3 * width]` and a cache.
fn attended(heads: &str, scores: &str) -> String {
    let fields = [
        ("rope", "#[rope(head_dim)] Rope"),
        ("q_norm", "#[param(head_dim)] RmsNorm"),
        ("k_norm", "#[param(head_dim)] RmsNorm"),
    ];
    let args = "&self, qkv: Tensor![B, L, 3 * width], cache: &mut KvCache";
    let method = format!(
        "fn forward({args}) -> Tensor![B, L, width] {{
            let (q, k, v) = qkv.split(3, -1);
            let q = rearrange!(\"b l (h d) -> b h l d\", q, h = heads);
            let k = rearrange!(\"b l (h d) -> b h l d\", k, h = heads);
            let v = rearrange!(\"b l (h d) -> b h l d\", v, h = heads);
            {heads}
            let (k, v) = cache.update(k, v);
            {scores}
            rearrange!(\"b h l d -> b l (h d)\", y)
        }}"
    );
    let fields = reports::read(&fields, &method);
    graphs("dims(width = heads * head_dim)", &fields, &method)
}

const ROTATED: &str = "let (q, k) = (self.rope(q, cache), self.rope(k, cache));";
const CAUSAL: &str = "let y = scaled_dot_product_attention(q, k, v, causal);";
const WINDOW: &str = "let y = if config.window.is_some() {
    scaled_dot_product_attention(q, k, v, sliding(config.window))
} else {
    scaled_dot_product_attention(q, k, v, causal)
};";

#[test]
fn attention_of_a_split_product_is_one_operation() {
    for (scores, window) in [
        (CAUSAL, ""),
        (
            "let y = scaled_dot_product_attention(q, k, v, sliding(4));",
            " in a window",
        ),
        (WINDOW, " in a window, if there is one"),
    ] {
        let text = attended(ROTATED, scores);
        let found =
            format!("rope_attention(%3, %4, %5) of %0 by self.rope{window} : [B, L, width] float");
        assert!(text.contains(&found), "{text}");
        assert!(
            !text.contains("cache.update") && !text.contains("scaled_dot"),
            "{text}"
        );
    }
}

#[test]
fn heads_are_normalised_where_they_lie_joined() {
    let heads =
        "let (q, k) = (self.rope(self.q_norm(q), cache), self.rope(self.k_norm(k), cache));";
    let text = attended(heads, CAUSAL);
    assert!(
        text.contains("self.q_norm(%6) : [B, L, heads, head_dim] float"),
        "{text}"
    );
    assert!(
        text.contains("rope_attention(%12, %14, %5) by self.rope"),
        "{text}"
    );
    // Queries alone are normalised.
    let text = attended(
        "let (q, k) = (self.rope(self.q_norm(q), cache), self.rope(k, cache));",
        WINDOW,
    );
    assert!(
        text.contains("rope_attention(%12, %4, %5) by self.rope in a window"),
        "{text}"
    );
    // Each arm may rotate in a way of its own.
    let arms = "let y = if config.flag {
        let (q, k) = (self.rope(q, cache), self.rope(k, cache));
        let (k, v) = cache.update(k, v);
        scaled_dot_product_attention(q, k, v, sliding(4))
    } else {
        let (q, k) = (self.other(q, cache), self.other(k, cache));
        let (k, v) = cache.update(k, v);
        scaled_dot_product_attention(q, k, v, causal)
    };";
    let fields = "#[rope(head_dim)] rope: Rope, #[rope(head_dim)] other: Rope, #[param(head_dim)] norm: RmsNorm,";
    let method = format!(
        "fn forward(&self, x: Tensor![B, L, width], cache: &mut KvCache) -> Tensor![B, L, width] {{
            let x = rearrange!(\"b l (h d) -> b h l d\", x, h = heads);
            let q = self.norm(x);
            let (k, v) = (self.norm(x), x);
            {arms}
            rearrange!(\"b h l d -> b l (h d)\", y)
        }}"
    );
    let text = graphs("dims(width = heads * head_dim)", fields, &method);
    assert!(
        text.contains("by self.rope in a window") && text.contains("by self.other"),
        "{text}"
    );
    assert!(!text.contains("cache.update"), "{text}");
}

#[test]
fn what_only_looks_like_attention_stays() {
    let other_scale = "let y = if config.flag {
        scaled_dot_product_attention(q, k, v, sliding(4), 0.5)
    } else {
        scaled_dot_product_attention(q, k, v, causal, 0.25)
    };";
    let both_slide = other_scale.replace("causal, 0.25", "sliding(8), 0.5");
    let read = "let n = self.q_norm(q); let (q, k) = (self.rope(n, cache), self.rope(k, cache));";
    let read_scores = "let y = scaled_dot_product_attention(q, k, v, causal) + n;";
    for (heads, scores) in [
        (ROTATED, other_scale),
        (ROTATED, &both_slide),
        (read, read_scores),
    ] {
        let text = attended(heads, scores);
        assert!(!text.contains("rope_attention"), "{text}");
        assert!(text.contains("cache.update"), "{text}");
    }
}
