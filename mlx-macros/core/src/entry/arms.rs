//! Writes the arms that hold in the place of `if`s on arguments that may be absent.
//!
//! Tests: `mlx-tests --test kernels`, `mlx-tests --test ui`.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Block, Expr, Ident, Stmt, UnOp};

/// Puts the arm that holds in the place of each `if` on arguments that may be absent.
pub(super) struct Decide<'a> {
    pub known: &'a BTreeMap<String, bool>,
}

impl Decide<'_> {
    /// The value of a condition, as far as it hangs on such arguments.
    fn holds(&self, e: &Expr) -> Option<bool> {
        match e {
            Expr::Paren(p) => self.holds(&p.expr),
            Expr::Group(g) => self.holds(&g.expr),
            Expr::Unary(u) if matches!(u.op, UnOp::Not(_)) => self.holds(&u.expr).map(|h| !h),
            Expr::Binary(b) => {
                let (l, r) = (self.holds(&b.left), self.holds(&b.right));
                match b.op {
                    BinOp::And(_) if l == Some(false) || r == Some(false) => Some(false),
                    BinOp::Or(_) if l == Some(true) || r == Some(true) => Some(true),
                    BinOp::And(_) => Some(l? && r?),
                    BinOp::Or(_) => Some(l? || r?),
                    _ => None,
                }
            }
            Expr::MethodCall(m) if m.args.is_empty() => {
                let Expr::Path(p) = &*m.receiver else {
                    return None;
                };
                let there = *self.known.get(&p.path.get_ident()?.to_string())?;
                match m.method.to_string().as_str() {
                    "is_some" => Some(there),
                    "is_none" => Some(!there),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The expression that takes the place of such an `if`; the inner `None` stands for an arm that is not written.
    fn chosen(&self, e: &Expr) -> Option<Option<Expr>> {
        let Expr::If(i) = e else { return None };
        let arm = match self.holds(&i.cond)? {
            true => Some(Expr::Block(syn::ExprBlock {
                attrs: vec![],
                label: None,
                block: i.then_branch.clone(),
            })),
            false => i.else_branch.as_ref().map(|(_, e)| (**e).clone()),
        };
        Some(match arm {
            Some(arm) => self.chosen(&arm).unwrap_or(Some(arm)),
            None => None,
        })
    }
}

impl VisitMut for Decide<'_> {
    fn visit_expr_mut(&mut self, e: &mut Expr) {
        if let Some(chosen) = self.chosen(e) {
            *e = chosen.unwrap_or_else(|| syn::parse_quote!({}));
        }
        visit_mut::visit_expr_mut(self, e);
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        let last = block.stmts.len().saturating_sub(1);
        let whole = Names::of(block);
        let mut stmts = Vec::new();
        for (i, s) in std::mem::take(&mut block.stmts).into_iter().enumerate() {
            let chosen = match &s {
                Stmt::Expr(e, semi) if i < last || semi.is_some() => self.chosen(e),
                _ => None,
            };
            match chosen {
                Some(Some(Expr::Block(mut arm))) => {
                    // The arm's own variables end with it.
                    Apart::rename(&mut arm.block, &whole);
                    stmts.extend(arm.block.stmts);
                }
                Some(Some(other)) => stmts.push(Stmt::Expr(other, None)),
                Some(None) => {}
                None => stmts.push(s),
            }
        }
        block.stmts = stmts;
        visit_mut::visit_block_mut(self, block);
    }
}

/// The names in a block.
#[derive(Default)]
pub(super) struct Names {
    /// Names that are read or assigned, at each place.
    pub places: Vec<Ident>,
    /// Names that are assigned.
    pub assigned: BTreeSet<String>,
    /// Names that a `let` binds.
    pub bound: BTreeSet<String>,
}

impl Names {
    pub fn of(block: &Block) -> Names {
        let mut names = Names::default();
        names.visit_block(block);
        names
    }

    pub fn has(&self, name: &str) -> bool {
        self.places.iter().any(|p| p == name)
    }

    fn count(&self, name: &str) -> usize {
        self.places.iter().filter(|p| *p == name).count()
    }
}

impl<'a> Visit<'a> for Names {
    fn visit_expr_path(&mut self, p: &'a syn::ExprPath) {
        self.places.extend(p.path.get_ident().cloned());
    }

    fn visit_expr_assign(&mut self, a: &'a syn::ExprAssign) {
        if let Expr::Path(p) = &*a.left {
            self.assigned
                .extend(p.path.get_ident().map(ToString::to_string));
        }
        visit::visit_expr_assign(self, a);
    }

    fn visit_pat_ident(&mut self, p: &'a syn::PatIdent) {
        self.bound.insert(p.ident.to_string());
        visit::visit_pat_ident(self, p);
    }

    fn visit_macro(&mut self, m: &'a syn::Macro) {
        let words = m.tokens.clone().into_iter();
        self.places.extend(words.filter_map(|t| match t {
            proc_macro2::TokenTree::Ident(i) => Some(i),
            _ => None,
        }));
    }
}

/// Gives the variables of an arm other names, where a name means something else around it.
struct Apart(BTreeMap<String, String>);

impl Apart {
    fn rename(arm: &mut Block, whole: &Names) {
        let own = Names::of(arm);
        let shared = own.bound.iter().filter(|n| whole.count(n) > own.count(n));
        let renamed = shared.map(|n| {
            let mut other = format!("{n}_inner");
            while whole.has(&other) || whole.bound.contains(&other) {
                other.push('_');
            }
            (n.clone(), other)
        });
        Apart(renamed.collect()).visit_block_mut(arm);
    }
}

impl VisitMut for Apart {
    fn visit_ident_mut(&mut self, i: &mut Ident) {
        if let Some(other) = self.0.get(&i.to_string()) {
            *i = Ident::new(other, i.span());
        }
    }
}

/// Takes back what a variant has no use for: what only other variants read or assign is no mistake in this one.
pub(super) struct Quiet {
    /// The body as it is written.
    pub before: Names,
    /// The body of the variant.
    pub now: Names,
}

impl Quiet {
    /// Marks a variable that the variant does not read.
    pub fn quiet(&self, name: &mut Ident) {
        let text = name.to_string();
        if self.before.has(&text) && !self.now.has(&text) && !text.starts_with('_') {
            *name = Ident::new(&format!("_{text}"), name.span());
        }
    }
}

impl VisitMut for Quiet {
    fn visit_pat_ident_mut(&mut self, p: &mut syn::PatIdent) {
        let name = p.ident.to_string();
        if self.before.assigned.contains(&name) && !self.now.assigned.contains(&name) {
            p.mutability = None;
        }
        self.quiet(&mut p.ident);
    }
}
