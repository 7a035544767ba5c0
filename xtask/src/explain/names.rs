//! The names by which the sources ask for a row of the table: those of `explain`, and of operations that a pass makes.
//!
//! Tests: `tests/current.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{ensure, Context, Result};

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprStruct, Lit, Member};

/// The files that ask.
const ASK: &[&str] = &[
    "mlx-runtime/src/explain/calls.rs",
    "mlx-macros/core/src/report/explain.rs",
];
/// The folder of the passes.
const PASSES: &str = "mlx-macros/core/src/fuse";

/// All names that are asked for outside of the table of operations.
pub struct Asked {
    pub all: BTreeSet<String>,
    /// Those that a pass makes: operations like those of the language, in the runtime's `private::ops`.
    pub made: BTreeSet<String>,
}

impl Asked {
    pub fn read(root: &Path) -> Result<Self> {
        let mut names = Names::default();
        for file in ASK {
            names.visit_file(&parsed(&root.join(file))?);
        }
        ensure!(
            names.asked.len() > 10,
            "found too few names: {:?}",
            names.asked
        );
        for entry in std::fs::read_dir(root.join(PASSES))? {
            names.visit_file(&parsed(&entry?.path())?);
        }
        Ok(Asked {
            all: &names.asked | &names.made,
            made: names.made,
        })
    }
}

fn parsed(path: &Path) -> Result<syn::File> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    syn::parse_file(&text).with_context(|| path.display().to_string())
}

#[derive(Default)]
struct Names {
    asked: BTreeSet<String>,
    made: BTreeSet<String>,
}

fn text(e: &Expr) -> Option<String> {
    match e {
        Expr::Lit(l) => match &l.lit {
            Lit::Str(s) => Some(s.value()),
            _ => None,
        },
        _ => None,
    }
}

impl<'ast> Visit<'ast> for Names {
    /// `operation("layer linear")`.
    fn visit_expr_call(&mut self, c: &'ast ExprCall) {
        let named = matches!(&*c.func, Expr::Path(p) if p.path.is_ident("operation"));
        self.asked
            .extend(named.then(|| c.args.first().and_then(text)).flatten());
        visit::visit_expr_call(self, c);
    }

    /// `quote! { #w::With("rope_attention", #field) }`.
    fn visit_macro(&mut self, m: &'ast syn::Macro) {
        let tokens = m.tokens.to_string();
        for call in ["With (\"", "Op (\""] {
            let found = tokens.split(call).skip(1);
            self.asked
                .extend(found.filter_map(|t| Some(t.split_once('"')?.0.to_string())));
        }
    }

    /// `Op { name: "geglu", .. }`.
    fn visit_expr_struct(&mut self, s: &'ast ExprStruct) {
        if s.path.is_ident("Op") {
            let names = s
                .fields
                .iter()
                .filter(|f| matches!(&f.member, Member::Named(n) if n == "name"));
            self.made.extend(names.filter_map(|f| text(&f.expr)));
        }
        visit::visit_expr_struct(self, s);
    }
}
