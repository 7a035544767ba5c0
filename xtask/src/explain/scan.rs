//! Reads the runtime's sources: which functions of the C API does a function call, in what order?
//!
//! Tests: `tests/current.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};

use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprIf, ExprMatch, ExprPath, Item, Pat, Stmt, UseTree};

/// Calls in order; each is one function, or one of several by the arguments.
pub type Calls = Vec<Vec<String>>;

enum Body {
    Block(Box<syn::Block>),
    /// A row of a macro that makes functions: what it says of the C API.
    Row(Vec<String>),
    /// The function of that name in a module.
    Same(&'static [&'static str]),
}

struct Function {
    module: Vec<String>,
    name: String,
    public: bool,
    body: Body,
}

/// Which of the ways through a function are meant.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// That of MLX's operations.
    Plain,
    /// The function of this project's kernels.
    Ours,
    /// All of them, in no order.
    Every,
}

/// All functions of the crate.
#[derive(Default)]
pub struct Sources {
    functions: Vec<Function>,
    /// The paths that names in a module stand for.
    imports: BTreeMap<(Vec<String>, String), Vec<String>>,
    /// Modules that are imported whole, by the module that does.
    whole: Vec<(Vec<String>, Vec<String>)>,
}

impl Sources {
    pub fn read(root: &Path) -> Result<Self> {
        let mut sources = Sources::default();
        sources.folder(root, &[])?;
        for (module, path) in std::mem::take(&mut sources.whole) {
            let [start, of @ ..] = &path[..] else {
                continue;
            };
            let public = |f: &&Function| f.public && start == "crate" && f.module == of;
            for f in sources.functions.iter().filter(public) {
                let full = [&path[..], std::slice::from_ref(&f.name)].concat();
                sources
                    .imports
                    .insert((module.clone(), f.name.clone()), full);
            }
        }
        Ok(sources)
    }

    fn folder(&mut self, folder: &Path, module: &[String]) -> Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let mut inner = module.to_vec();
            if path.is_dir() {
                inner.push(stem);
                self.folder(&path, &inner)?;
            } else if path.extension().is_some_and(|e| e == "rs") {
                if stem != "mod" && stem != "lib" {
                    inner.push(stem);
                }
                let file = syn::parse_file(&std::fs::read_to_string(&path)?)
                    .with_context(|| path.display().to_string())?;
                file.items.into_iter().for_each(|i| self.item(i, &inner));
            }
        }
        Ok(())
    }

    fn item(&mut self, item: Item, module: &[String]) {
        match item {
            Item::Fn(f) => self.functions.push(Function {
                module: module.to_vec(),
                name: f.sig.ident.to_string(),
                public: matches!(f.vis, syn::Visibility::Public(_)),
                body: match f.attrs.iter().any(|a| a.path().is_ident("mlx_kernel")) {
                    true => Body::Row(vec!["mlxrs_rows_apply".to_string()]),
                    false => Body::Block(f.block),
                },
            }),
            Item::Impl(i) => {
                for item in i.items {
                    if let syn::ImplItem::Fn(f) = item {
                        self.functions.push(Function {
                            module: module.to_vec(),
                            name: format!("method {}", f.sig.ident),
                            public: false,
                            body: Body::Block(Box::new(f.block)),
                        });
                    }
                }
            }
            Item::Use(u) => self.import(&u.tree, &[], module),
            Item::Macro(m) if m.ident.is_none() => self.rows(&m.mac, module),
            _ => {}
        }
    }

    fn import(&mut self, tree: &UseTree, path: &[String], module: &[String]) {
        match tree {
            UseTree::Path(p) => {
                self.import(&p.tree, &[path, &[p.ident.to_string()]].concat(), module);
            }
            UseTree::Group(g) => g.items.iter().for_each(|t| self.import(t, path, module)),
            UseTree::Name(n) if n.ident == "self" => {
                let name = path.last().cloned().unwrap_or_default();
                self.imports.insert((module.to_vec(), name), path.to_vec());
            }
            UseTree::Name(n) => {
                let name = n.ident.to_string();
                let full = [path, std::slice::from_ref(&name)].concat();
                self.imports.insert((module.to_vec(), name), full);
            }
            UseTree::Glob(_) => self.whole.push((module.to_vec(), path.to_vec())),
            UseTree::Rename(_) => {}
        }
    }

    /// `name => mlx_name, ..;` for each function that a macro makes.
    fn rows(&mut self, mac: &syn::Macro, module: &[String]) {
        let text = mac.tokens.to_string();
        for row in text.split(';') {
            let Some((head, calls)) = row.split_once("=>") else {
                // `name(arguments)` or `name`: the function of that name elsewhere.
                let elsewhere: &[&str] = match () {
                    () if mac.path.is_ident("along_axis") || mac.path.is_ident("of_arrays") => {
                        &["crate", "ops"]
                    }
                    () if mac.path.is_ident("by_name") => &["crate", "nn", "losses"],
                    () => continue,
                };
                let name = row.split('(').next().unwrap_or("").trim();
                if !name.is_empty() {
                    self.functions.push(Function {
                        module: module.to_vec(),
                        name: name.to_string(),
                        public: true,
                        body: Body::Same(elsewhere),
                    });
                }
                continue;
            };
            // Behind the documentation stands the name, maybe with arguments in brackets.
            let head = head.rsplit_once(']').map_or(head, |(_, h)| h);
            let name = head.split('(').next().unwrap_or("").trim().to_string();
            let calls = calls.split(',').map(|c| c.trim().to_string());
            self.functions.push(Function {
                module: module.to_vec(),
                name,
                public: true,
                body: Body::Row(calls.filter(|c| c.starts_with("mlx")).collect()),
            });
        }
    }

    /// The language's operations: the functions of `private::ops`.
    pub fn operations(&self) -> Vec<String> {
        let ours = |m: &[String]| m.len() >= 2 && m[0] == "private" && m[1] == "ops";
        let functions = self
            .functions
            .iter()
            .filter(|f| f.public && ours(&f.module));
        let mut names: BTreeSet<String> = functions.map(|f| f.name.clone()).collect();
        let imports = self
            .imports
            .iter()
            .filter(|((m, _), _)| m.len() == 2 && ours(m));
        let imported = imports.map(|((_, name), _)| name.clone());
        names
            .extend(imported.filter(|n| self.find(n, &["private".into(), "ops".into()]).is_some()));
        names
            .into_iter()
            .filter(|n| !n.starts_with("method"))
            .collect()
    }

    /// The calls of an operation; `fused` where our own kernels can take its input.
    pub fn calls(&self, name: &str, fused: bool) -> Calls {
        let module = ["private".to_string(), "ops".to_string()];
        let function = self
            .find(name, &module)
            .unwrap_or_else(|| panic!("no {name}"));
        self.of(function, if fused { Way::Ours } else { Way::Plain }, 0)
    }

    /// All C functions that functions below a module call.
    pub fn reachable(&self, module: &str) -> BTreeSet<String> {
        let inside = self
            .functions
            .iter()
            .filter(|f| f.module.first().is_some_and(|m| m == module));
        inside
            .flat_map(|f| self.of(f, Way::Every, 0).concat())
            .collect()
    }

    fn of(&self, function: &Function, way: Way, depth: usize) -> Calls {
        assert!(depth < 20, "{} calls itself", function.name);
        match &function.body {
            Body::Same(module) => {
                let path: Vec<String> = module.iter().map(ToString::to_string).collect();
                let same = self.resolve(&[path, vec![function.name.clone()]].concat(), &[]);
                let same = same.unwrap_or_else(|| panic!("no {module:?}::{}", function.name));
                self.of(same, way, depth + 1)
            }
            Body::Row(calls) if calls.is_empty() => vec![],
            Body::Row(calls) => vec![calls.clone()],
            Body::Block(b) => {
                let mut walk = Walk {
                    sources: self,
                    module: &function.module,
                    way,
                    depth,
                    found: vec![],
                    instead: vec![],
                    returned: false,
                };
                walk.visit_block(b);
                if let ([last], [other]) = (&mut walk.found[..], &walk.instead[..]) {
                    if other.len() == 1 && other[0] != *last {
                        last.extend(other[0].clone());
                    }
                }
                walk.found
            }
        }
    }

    /// The function that a path means in a module.
    fn find(&self, name: &str, module: &[String]) -> Option<&Function> {
        if let Some(f) = self.nearest(name, module, |_| true) {
            return Some(f);
        }
        let import = self.imports.get(&(module.to_vec(), name.to_string()))?;
        self.resolve(import, module)
    }

    /// The function of that name in a module, or else in one inside it.
    fn nearest(
        &self,
        name: &str,
        module: &[String],
        fits: impl Fn(&Function) -> bool,
    ) -> Option<&Function> {
        let inside = |f: &&Function| f.name == name && f.module.starts_with(module) && fits(f);
        let found = self.functions.iter().filter(inside);
        found.min_by_key(|f| f.module.len())
    }

    fn resolve(&self, path: &[String], module: &[String]) -> Option<&Function> {
        let (name, before) = path.split_last()?;
        let mut at: Vec<String> = match before.first().map(String::as_str) {
            None => return self.find(name, module),
            Some("crate") => vec![],
            Some("super") => module[..module.len().saturating_sub(1)].to_vec(),
            Some("self") => module.to_vec(),
            Some(first) => match self.imports.get(&(module.to_vec(), first.to_string())) {
                // A module that was imported.
                Some(full) => {
                    let rest = [full, &path[1..]].concat();
                    return self.resolve(&rest, module);
                }
                None => [module, &[first.to_string()]].concat(),
            },
        };
        for part in &before[1..] {
            match part.as_str() {
                "super" => _ = at.pop(),
                "__private" => at.push("private".to_string()),
                part => at.push(part.to_string()),
            }
        }
        // `ops::x` may come from any file below `ops`, but what is in `fast` has its own path.
        let below = |f: &Function| f.module.get(1).is_none_or(|m| m != "fast") || at.len() > 1;
        let found = self.nearest(name, &at, below);
        found.or_else(|| {
            self.imports
                .get(&(at.clone(), name.clone()))
                .and_then(|p| (p != path).then(|| self.resolve(p, &at))?)
        })
    }
}

struct Walk<'a> {
    sources: &'a Sources,
    module: &'a [String],
    way: Way,
    depth: usize,
    found: Calls,
    /// The calls of the other ways through the function.
    instead: Vec<Calls>,
    /// The rest is not run.
    returned: bool,
}

impl Walk<'_> {
    fn inside(&self, visit: impl FnOnce(&mut Self)) -> (Calls, bool) {
        let mut walk = Walk {
            found: vec![],
            instead: vec![],
            returned: false,
            ..*self
        };
        visit(&mut walk);
        (walk.found, walk.returned)
    }

    /// The calls of one way, and whether the function ends there; `None` if it ends in an error.
    fn branch(
        &self,
        what: &impl quote::ToTokens,
        visit: impl FnOnce(&mut Self),
    ) -> Option<(Calls, bool)> {
        let (calls, ends) = self.inside(visit);
        let fails = what.to_token_stream().to_string().contains("Err (");
        (!fails || !calls.is_empty()).then_some((calls, ends))
    }

    /// One of several is run, by the arguments; `None` is a way that ends in an error. What only
    /// some arguments need is left out.
    fn either(&mut self, branches: Vec<Option<(Calls, bool)>>) {
        if self.way == Way::Every {
            let all = branches.into_iter().flatten().flat_map(|(calls, _)| calls);
            self.found.extend(all);
            return;
        }
        let mut all: Vec<Calls> = Vec::new();
        for (calls, ends) in branches.into_iter().flatten() {
            match ends && !calls.is_empty() {
                true => self.instead.push(calls),
                false => all.push(calls),
            }
        }
        if all.iter().any(Vec::is_empty) {
            return;
        }
        all.dedup();
        if all.iter().all(|b| b.len() == 1) && !all.is_empty() {
            let mut names: Vec<String> = Vec::new();
            for name in all.concat().concat() {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            self.found.push(names);
        } else if let Some(longest) = all.into_iter().rev().max_by_key(Vec::len) {
            self.found.extend(longest);
        }
    }
}

/// True if an expression asks if our own kernels can take the input.
fn asks(e: &Expr) -> bool {
    let text = quote::ToTokens::to_token_stream(e).to_string();
    let questions = ["on_cpu", "rows_on_cpu", "rows_anywhere"];
    questions
        .iter()
        .any(|q| text.contains(&format!("select :: {q}")))
}

fn names(p: &ExprPath) -> Vec<String> {
    let segments = p.path.segments.iter();
    segments.map(|s| s.ident.to_string()).collect()
}

/// True if an expression asks for the backend.
fn goes_round(e: &Expr) -> bool {
    let text = quote::ToTokens::to_token_stream(e).to_string();
    text.contains("select :: has")
}

fn forward_only(e: &Expr) -> bool {
    let text = quote::ToTokens::to_token_stream(e).to_string();
    text.starts_with("!") && text.contains("is_differentiating")
}

/// Functions that make no operations.
fn is_plumbing(f: &Function) -> bool {
    let plumbing = [
        "array", "context", "device", "error", "handles", "init", "lock", "memory", "stream",
    ];
    let module = f.module.first();
    let asks = f.module.len() > 1 && f.module[1] == "select";
    let asks = asks || f.module.last().is_some_and(|m| m == "axes");
    asks || module.is_some_and(|m| plumbing.contains(&m.as_str()))
}

/// Functions that make no operation.
fn is_handle(name: &str) -> bool {
    [
        "mlx_array_",
        "mlx_vector_",
        "mlx_optional",
        "mlx_string",
        "mlx_map",
        "mlx_stream",
        "mlx_device",
    ]
    .iter()
    .any(|p| name.starts_with(p) && name != "mlx_array_equal")
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_stmt(&mut self, s: &'ast Stmt) {
        if !self.returned {
            visit::visit_stmt(self, s);
        }
    }

    /// The way out of a `let .. else` is taken by mistakes and by what needs no calls.
    fn visit_local(&mut self, l: &'ast syn::Local) {
        if let Some(init) = &l.init {
            self.visit_expr(&init.expr);
        }
    }

    fn visit_expr_closure(&mut self, c: &'ast syn::ExprClosure) {
        let (calls, _) = self.inside(|w| w.visit_expr(&c.body));
        self.found.extend(calls);
    }

    fn visit_macro(&mut self, _: &'ast syn::Macro) {}

    fn visit_expr_return(&mut self, r: &'ast syn::ExprReturn) {
        visit::visit_expr_return(self, r);
        self.returned = self.way != Way::Every;
    }

    fn visit_expr_path(&mut self, p: &'ast ExprPath) {
        let path = names(p);
        if let [at, name] = &path[..] {
            if at == "sys" && name.starts_with("mlx") && !is_handle(name) {
                self.found.push(vec![name.clone()]);
            }
        }
    }

    fn visit_expr_call(&mut self, c: &'ast ExprCall) {
        c.args.iter().for_each(|a| self.visit_expr(a));
        // A function of another module that is handed on is called where it is handed to.
        for path in c.args.iter().filter_map(|a| match a {
            Expr::Path(p) if p.path.segments.len() > 1 => Some(names(p)),
            _ => None,
        }) {
            if let Some(f) = self.sources.resolve(&path, self.module) {
                let calls = self.sources.of(f, self.way, self.depth + 1);
                self.found.extend(calls);
            }
        }
        let Expr::Path(p) = &*c.func else {
            return self.visit_expr(&c.func);
        };
        self.visit_expr_path(p);
        let path = names(p);
        let found = self.sources.resolve(&path, self.module);
        if let Some(f) = found.filter(|f| !is_plumbing(f)) {
            let calls = self.sources.of(f, self.way, self.depth + 1);
            self.found.extend(calls);
        }
    }

    fn visit_expr_if(&mut self, i: &'ast ExprIf) {
        if asks(&i.cond) && self.way != Way::Every {
            if self.way == Way::Ours {
                self.visit_block(&i.then_branch);
            } else if let Some((_, e)) = &i.else_branch {
                self.visit_expr(e);
            }
            return;
        }
        // A way round a fault of one backend is no part of what an operation is.
        if goes_round(&i.cond) && self.way != Way::Every {
            return i.else_branch.iter().for_each(|(_, e)| self.visit_expr(e));
        }
        // A forward pass alone: the gradient's own functions are the backward pass's.
        if forward_only(&i.cond) && self.way != Way::Every {
            return self.visit_block(&i.then_branch);
        }
        self.visit_expr(&i.cond);
        let then = self.branch(&i.then_branch, |w| w.visit_block(&i.then_branch));
        let otherwise = match &i.else_branch {
            Some((_, e)) => self.branch(e, |w| w.visit_expr(e)),
            None => Some((vec![], false)),
        };
        self.either(vec![then, otherwise]);
    }

    fn visit_expr_match(&mut self, m: &'ast ExprMatch) {
        if asks(&m.expr) {
            for arm in &m.arms {
                let truth = matches!(&arm.pat, Pat::Lit(l) if matches!(&l.lit, syn::Lit::Bool(b) if b.value));
                if self.way == Way::Every || truth == (self.way == Way::Ours) {
                    self.visit_expr(&arm.body);
                }
            }
            return;
        }
        self.visit_expr(&m.expr);
        let arms = m
            .arms
            .iter()
            .map(|a| self.branch(&a.body, |w| w.visit_expr(&a.body)));
        self.either(arms.collect());
    }
}
