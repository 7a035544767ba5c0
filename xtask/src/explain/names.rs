//! The names by which the sources ask for a row of the table: those of `explain`, and of operations that a pass makes.
//!
//! Tests: `tests/current.rs`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{ensure, Context, Result};

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprMethodCall, ExprStruct, Lit, Member};

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

    /// `out.lines(["with", "rope_attention", ..])`.
    fn visit_expr_method_call(&mut self, m: &'ast ExprMethodCall) {
        if let (true, Some(Expr::Array(list))) = (m.method == "lines", m.args.first()) {
            let mut words = list.elems.iter().map(text);
            let asks = matches!(words.next().flatten().as_deref(), Some("with" | "op"));
            let name = words.next().flatten();
            self.asked.extend(name.filter(|_| asks));
        }
        visit::visit_expr_method_call(self, m);
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
