//! An expression through the macros' library: its graph, and sizes of symbols.

use mlx_macros_core::check::build;
use mlx_macros_core::diag::Diag;
use mlx_macros_core::ir::{Graph, Id, Kind};
use mlx_macros_core::syntax::dims::{Dim, Quotient};
use mlx_macros_core::syntax::signature::Method;
use mlx_macros_core::syntax::{model, signature};

/// A number for each name: far enough apart that sums and products of few of them differ.
pub const SIZES: &[(&str, i64)] = &[
    ("A", 7),
    ("B", 11),
    ("C", 17),
    ("D", 29),
    ("E", 43),
    ("a", 5),
    ("b", 13),
    ("c", 23),
    ("d", 37),
];

/// A size as a number.
pub fn number(d: &Dim) -> i64 {
    // Any name without a capital is a field of the config.
    let of = |name: &String| {
        if let Some(q) = Quotient::of(name) {
            return number(&q.of) / number(&q.divisor());
        }
        let found = SIZES.iter().find(|(n, _)| n == name);
        found.map_or(31, |(_, n)| *n)
    };
    d.terms()
        .map(|(names, c)| names.iter().map(of).product::<i64>() * c)
        .sum()
}

/// The type that the macros give an expression.
pub struct Read {
    /// The method that holds it.
    pub method: Method,
    /// The method's graph.
    pub graph: Graph,
    /// The node of the expression; its type is unknown where a rule refused it. `None` where the
    /// language has no such form.
    pub node: Option<Id>,
    /// The mistakes.
    pub errors: Vec<Diag>,
}

/// Reads an expression over arguments such as `x: Tensor![A, B]`.
pub fn read(args: &str, expr: &str) -> Result<Read, String> {
    // The result's type is what is asked for: a method has to state one, so it states another's.
    let source = format!(
        "impl M {{ fn f(&self, any: Tensor![; f32], {args}) -> Tensor![; f32] {{ let __y = {expr}; any }} }}"
    );
    let texts = |all: Vec<Diag>| all[0].message.clone();
    let item = syn::parse_str(&source).map_err(|e| format!("{e} in {source}"))?;
    let attr = "config = C".parse().map_err(|_| "not tokens".to_string())?;
    let holder = syn::parse_str("struct M {}").map_err(|e| e.to_string())?;
    let (model, errors) = model::read(attr, holder, &[]);
    if !errors.is_empty() {
        return Err(texts(errors));
    }
    let (mut methods, errors) = signature::methods(&item, &model.names);
    if !errors.is_empty() {
        return Err(texts(errors));
    }
    let (graph, mut errors) = build::attempt(&model, &methods, &methods[0]);
    // One expression reads some of the arguments, and cannot update a cache.
    let of_a_whole_body = ["is never read", "is never updated in this method"];
    errors.retain(|e| !of_a_whole_body.iter().any(|text| e.message.contains(text)));
    let named = graph
        .nodes
        .iter()
        .rposition(|n| n.name.as_deref() == Some("__y"));
    let operation = |n: &Id| matches!(graph.nodes[*n].kind, Kind::Op { .. });
    Ok(Read {
        method: methods.swap_remove(0),
        node: named.filter(operation),
        graph,
        errors,
    })
}
