//! The table of lints: mistakes that shapes do not show. Each is a warning, which `#[mlx_model(allow(name))]` silences.
//!
//! Tests: `tests/lints.rs`; `mlx-tests --test ui`.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

/// A row of the table.
pub struct Lint {
    /// The name that `allow(..)` takes.
    pub name: &'static str,
    /// The mistake.
    pub text: &'static str,
    /// The words to write.
    pub help: &'static str,
}

/// Every lint.
pub const LINTS: &[Lint] = &[
    Lint {
        name: "attention_without_causal",
        text: "attention over a cache without `causal`: each token sees those after it",
        help: "write `scaled_dot_product_attention(q, k, v, causal)`",
    },
    Lint {
        name: "softmax_axis",
        text: "softmax over another axis than the one that is summed next, or over all axes at once",
        help: "write `softmax(scores, -1)`",
    },
    Lint {
        name: "rope_on_one_side",
        text: "rotary positions on the queries or on the keys alone: scores would not depend on the distance",
        help: "write `let (q, k) = (self.rope(q, cache), self.rope(k, cache));`",
    },
    Lint {
        name: "keys_for_values",
        text: "`cache.update` takes the keys first, found the values",
        help: "write `let (k, v) = cache.update(k, v);`",
    },
    Lint {
        name: "unscaled_attention",
        text: "attention without a scale: the softmax of large scores has no gradient",
        help: "write `matmul(q, k) / sqrt(head_dim)`, or `scaled_dot_product_attention(q, k, v, mask)`",
    },
    Lint {
        name: "dropout_on_targets",
        text: "dropout on the targets of a loss: the loss would compare with zeros",
        help: "apply dropout to the inputs of the model or to its layers",
    },
    Lint {
        name: "norm_twice",
        text: "a norm of a normalised value: the first one has almost no effect",
        help: "remove one of the two",
    },
    Lint {
        name: "untied_head",
        text: "the config says whether the head shares the embedding's weight, and this model never reads it",
        help: "write `#[tied(embed_tokens, when = tie_word_embeddings)]` on the head",
    },
    Lint {
        name: "unshifted_targets",
        text: "the targets are the inputs: a causal model would learn to repeat its input",
        help: "take the targets one place later: `tokens.slice([1], [L], axes = [1])`, or an argument of their own",
    },
    Lint {
        name: "mask_twice",
        text: "the same mask is applied twice",
        help: "remove one of the two",
    },
];

/// A lint at its place.
#[derive(Clone)]
pub struct Warning {
    /// The place.
    pub span: Span,
    /// The lint.
    pub lint: &'static Lint,
}

impl std::fmt::Debug for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in line {}", self.lint.name, self.span.start().line)
    }
}

impl Warning {
    /// The warning `name` at a place.
    pub fn new(name: &str, span: Span) -> Option<Warning> {
        let lint = LINTS.iter().find(|l| l.name == name)?;
        Some(Warning { span, lint })
    }

    /// The warning as rustc shows it: the use of a deprecated constant with the lint's name, because a macro has no warning of
    /// its own.
    pub fn to_tokens(&self) -> TokenStream {
        let Lint { name, text, help } = self.lint;
        let text = format!(
            "{text}\nhelp: {help}\nhelp: `#[mlx_model(allow({name}))]` silences this warning"
        );
        let name = Ident::new(name, self.span);
        quote_spanned! { self.span =>
            const _: () = {
                #[deprecated(note = #text)]
                #[allow(non_upper_case_globals)]
                const #name: () = ();
                #name
            };
        }
    }
}
