//! Every mistake the macros report: one table of texts and hints, and the error that carries one
//! to its place in the source.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $hint:literal;)*) => {
        /// What kind of mistake it is. Each has a hint that says what to type.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }
        impl Code {
            /// All of them, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];
            /// What the user can do about it; empty where the message says it already.
            pub fn hint(self) -> &'static str {
                match self { $(Code::$name => $hint,)* }
            }
        }
    };
}

codes! {
    /// An attribute's argument is not understood.
    Attribute = "";
    /// The item the attribute stands on is not one it can define.
    Item = "put `#[mlx_model]` on a struct with named fields and on its inherent `impl` block";
    /// A parameter's field has no shape.
    MissingParam = "give the parameter its shape, outputs first: `#[param(out, in)]`";
    /// A parameter has the wrong number of dims.
    ParamRank = "";
    /// A dim is not known here.
    UnknownDim = "a dim that begins with a capital must appear in the shape of an argument; any other is a field of the config";
    /// A dim's expression is not a polynomial.
    DimExpr = "a dim is a name, a number, or a sum, product or exact quotient of these";
    /// The statement is not part of the language.
    Statement = "a body holds `let`, assignments, `for layer in self.layers { .. }` and a last expression";
    /// The expression is not part of the language.
    Expression = "write operations of MLX (`x.reshape([..])`, `softmax(x, -1)`), calls of fields (`self.q_proj(x)`) and + - * /";
    /// A method's signature is not understood.
    Signature = "tensors are `x: Tensor![B, L, hidden]` or `tokens: Tensor![B, L; i32]`, a cache is `cache: &mut KvCache`";
    /// No such variable.
    UnknownName = "";
    /// No such field.
    UnknownField = "";
    /// No such operation.
    UnknownOp = "";
    /// Too few, too many or misnamed arguments.
    Arguments = "";
    /// An argument is not of the right kind.
    ArgumentKind = "";
    /// An axis outside the tensor's rank.
    Axis = "axes count from 0, or from -1 backwards";
    /// The inner dims of a product differ.
    Inner = "the last dim of the left side must equal the dim it is multiplied with";
    /// Shapes do not broadcast.
    Broadcast = "dims are aligned from the right; each pair must be equal or one of them 1";
    /// Number of elements changes in a reshape.
    Reshape = "the product of the sizes must stay the same; one size may be -1";
    /// A part that is not inside of its axis.
    Slice = "a part is `slice(x, [start], [stop], axes = [axis])`; negative numbers count from the end";
    /// A size that no tensor can have.
    Size = "";
    /// Steps whose number is not known.
    Stride = "write the size so that the stride divides it: as a number, as a product, or with `#[require(size % stride == 0)]`";
    /// The letters of a sum of products.
    Subscripts = "each dim has a letter: `einsum(\"bld,dh->blh\", [x, w])`";
    /// A permutation that is none.
    Permutation = "name each axis once";
    /// A tensor has the wrong number of dims.
    Rank = "";
    /// Two dims must be equal.
    DimMismatch = "";
    /// dtypes differ.
    Dtype = "cast one side with `.astype(float)`, `.astype(f32)` or `.astype(i32)`";
    /// The value's shape is not the declared one.
    Declared = "";
    /// The body's value is not what the signature returns.
    Return = "";
    /// A parameter that nothing uses.
    UnusedParam = "use it in a method, or remove the field";
    /// A cache that two layers would share.
    Cache = "a cache serves one attention, one sub-model or one stack of layers in a method";
    /// Not a condition that the config decides.
    Condition = "a condition compares fields of the config, numbers and `layer`: `config.qk_norm`, `(layer + 1) % config.pattern != 0`";
    /// An optional layer is used where it may be absent.
    Optional = "an optional layer is `q_norm: Option<RmsNorm>` with `#[when(qk_norm)]`, and is used inside `if config.qk_norm { .. }`";
    /// The two arms of an `if` differ.
    Arms = "both arms must give values of the same shapes and dtypes; without `else` the value stays as it was";
    /// A `rearrange!` is not understood.
    Rearrange = "write `rearrange!(\"b l (h d) -> b h l d\", x, h = heads)`: each name once on either side, all but one size of a group known";
    /// The names in a checkpoint are not understood.
    Weights = "names are strings: `\"a.b\"`, alternatives `\"a\" | \"b\"`, joined rows `\"q\" + \"k\"`, `transposed(\"a\")`, from the root `\"/a\"`, in another scheme `gguf = \"c\"`";
    /// The checkpoint policy is not understood.
    Checkpoint = "write `checkpoint = auto`, `every(4)`, `always` or `never`";
}

/// A mistake at its place.
#[derive(Clone, Debug)]
pub struct Diag {
    /// The kind of mistake.
    pub code: Code,
    /// Where it is.
    pub span: Span,
    /// What is wrong, in the user's names.
    pub message: String,
}

/// `Result` with a mistake.
pub type Result<T> = std::result::Result<T, Diag>;

impl Diag {
    /// A mistake at `span`.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Diag {
            code,
            span,
            message: message.into(),
        }
    }

    /// The whole text: message, then the hint on its own line.
    pub fn text(&self) -> String {
        match self.code.hint() {
            "" => self.message.clone(),
            hint => format!("{}\nhelp: {hint}", self.message),
        }
    }

    /// The error as rustc shows it, at the mistake's own tokens.
    pub fn to_tokens(&self) -> TokenStream {
        let text = self.text();
        quote_spanned! { self.span => ::core::compile_error!(#text); }
    }
}

impl From<syn::Error> for Diag {
    fn from(e: syn::Error) -> Self {
        Diag::new(Code::Attribute, e.span(), e.to_string())
    }
}

/// The nearest of `known` to a misspelt name, as ` (did you mean `x`?)`, or nothing.
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known, 1 + name.len() / 4)
}

/// As [`suggest`], where other names than the known ones may be meant: only what is most likely a
/// slip of the fingers.
pub fn slip<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known, 1 + name.len() / 10)
}

fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, limit: usize) -> String {
    // A name of one or two letters is near to everything.
    let limit = if name.len() < 3 { 0 } else { limit };
    known
        .into_iter()
        .map(|k| (distance(name, k), k))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, k)| format!(" (did you mean `{k}`?)"))
        .unwrap_or_default()
}

/// Levenshtein's distance, where swapping two neighbours counts once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            d[i][j] = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => {
                    let same = usize::from(a[i - 1] != b[j - 1]);
                    let mut best = (d[i - 1][j] + 1)
                        .min(d[i][j - 1] + 1)
                        .min(d[i - 1][j - 1] + same);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        best = best.min(d[i - 2][j - 2] + 1);
                    }
                    best
                }
            };
        }
    }
    d[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_near_or_absent() {
        assert_eq!(
            suggest("sofmax", ["softmax", "sigmoid"]),
            " (did you mean `softmax`?)"
        );
        assert_eq!(
            suggest("q_porj", ["k_proj", "q_proj"]),
            " (did you mean `q_proj`?)"
        );
        assert_eq!(suggest("frobnicate", ["softmax"]), "");
    }
}
