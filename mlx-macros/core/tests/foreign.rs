//! Names of other libraries: what is written there is refused with what is written here, and that compiles.

use mlx_macros_core::diag::foreign::{CALLS, DTYPES};
use mlx_macros_core::diag::Code;
use mlx_macros_core::source::{sources, Source};

/// The mistakes of a body that binds an expression.
fn messages(expression: &str) -> Vec<String> {
    let text = format!(
        "#[mlx_model(config = Config)]
        struct M {{ #[param(hidden)] scale: Param }}
        #[mlx_model]
        impl M {{
            fn f(
                &self,
                x: Tensor![B, L, hidden],
                y: Tensor![B, L, hidden],
                z: Tensor![B, 4],
                w: Tensor![hidden, ffn],
                m: Tensor![B, L, hidden; bool],
                i: Tensor![L; i32],
                q: Tensor![B, 8, L, 64],
                k: Tensor![B, 4, S, 64],
                v: Tensor![B, 4, S, 64],
            ) -> Tensor![B, L, hidden] {{
                let _y = {expression};
                x * self.scale
            }}
        }}"
    );
    let file = syn::parse_file(&text).unwrap_or_else(|e| panic!("{expression}: {e}"));
    let found: Vec<_> = sources(&file).iter().flat_map(Source::mistakes).collect();
    // The body reads its arguments as it likes.
    let found = found.into_iter().filter(|d| d.code != Code::NoEffect);
    found.map(|d| d.message).collect()
}

/// True for text that is no Rust: rustc reports it before the macros see it.
fn is_no_rust(text: &str) -> bool {
    syn::parse_str::<syn::Expr>(text).is_err()
}

#[test]
fn calls_of_other_libraries_are_refused_with_what_to_write() {
    let mut wrong = String::new();
    for c in CALLS.iter().filter(|c| !is_no_rust(c.theirs)) {
        let said = messages(c.theirs);
        if said.len() != 1 || !said[0].contains(c.ours) {
            wrong += &format!("{}: {said:#?}\n", c.theirs);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_to_write_compiles() {
    let mut wrong = String::new();
    for c in CALLS {
        let said = messages(c.ours);
        if !said.is_empty() {
            wrong += &format!("{}: {said:#?}\n", c.ours);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_name_has_one_row() {
    for c in CALLS {
        assert_eq!(
            CALLS.iter().filter(|o| o.name == c.name).count(),
            1,
            "{}",
            c.name
        );
        assert!(c.theirs.contains(c.name), "{}", c.name);
        assert!(mlx_macros_core::ops::find(c.name).is_none(), "{}", c.name);
    }
    assert!(CALLS.len() > 100);
}

#[test]
fn modules_and_dtypes_are_refused_with_what_to_write() {
    for (theirs, ours) in DTYPES {
        let said = messages(&format!("x.astype(torch.{theirs})"));
        assert_eq!(said.len(), 1, "{theirs}: {said:?}");
        assert!(
            said[0].ends_with(&format!("write `{ours}`")),
            "{theirs}: {said:?}"
        );
        let said = messages(&format!("x.astype({theirs})"));
        assert!(
            said[0].ends_with(&format!("write `{ours}`")),
            "{theirs}: {said:?}"
        );
        assert_eq!(messages(&format!("i.astype({ours})")), [""; 0]);
    }
    for (theirs, ours) in [
        ("F.silu(x)", "write `silu(x)`"),
        ("torch.nn.functional.silu(x)", "write `silu(x)`"),
        ("torch::silu(x)", "write `silu(x)`"),
        ("jax.nn.silu(x)", "write `silu(x)`"),
        ("mx.silu(x)", "write `silu(x)`"),
        ("np.vstack([x, y])", "write `concatenate([x, y], 0)`"),
        ("torch.cat([x, y], 1)", "write `concatenate([x, y], 1)`"),
        ("x * math.pi", "write `pi`"),
        ("softmax(x, dim = -1)", "(did you mean `axis`?)"),
        ("x.sum(-1, keepdim = true)", "(did you mean `keepdims`?)"),
        (
            "scaled_dot_product_attention(q, k, v, attn_mask = m)",
            "(did you mean `mask`?)",
        ),
        (
            "scaled_dot_product_attention(q, k, v, is_causal = true)",
            "(write `causal` as the mask)",
        ),
        (
            "scaled_dot_product_attention(q, k, v, \"causal\")",
            "write `causal` without quotes",
        ),
        ("x as f32", "write `x.astype(f32)`"),
        ("silu(x)?", "remove it"),
        (
            "match config.flag { true => x, false => y }",
            "write `if config.field",
        ),
        ("[x, y]", "write `stack([a, b], axis)`"),
        ("zeros([x.shape[0], 2])", "`zeros([B, 2])`"),
    ] {
        let said = messages(theirs);
        assert_eq!(said.len(), 1, "{theirs}: {said:?}");
        assert!(said[0].contains(ours), "{theirs}: {said:?}");
    }
}
