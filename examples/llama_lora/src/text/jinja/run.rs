//! Executes the syntax tree.
//!
//! Tests: `tests/templates.rs`.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{bail, ensure, Result};

use super::call::Given;
use super::filters;
use super::syntax::{Args, Expr, For, Macro, Stmt, StmtKind, Target};
use super::value::{Dict, Function, Value};

mod eval;

/// Calls of macros, loops and expressions inside one another; Python gives up at about 1,000.
const DEEPEST: usize = 1_000;

/// Names and their values. A missing name is looked up in the enclosing scope.
struct Scope<'t> {
    names: Vec<(&'t str, Value)>,
    parent: Option<usize>,
}

/// The state of `loop`.
pub struct LoopState<'t> {
    pub items: Rc<Vec<Value>>,
    pub len: usize,
    pub index: usize,
    pub depth: usize,
    pub changed: Option<Vec<Value>>,
    /// The statement and its scope, if the loop may call itself.
    recursive: Option<(&'t For, usize)>,
}

pub struct MacroState<'t> {
    pub source: &'t Macro,
    scope: usize,
}

enum Flow {
    Next,
    Break,
    Continue,
}

/// One rendering of a template.
pub struct Run<'t> {
    fuel: Cell<u64>,
    depth: usize,
    /// The line of the statement that is executed.
    pub line: usize,
    scopes: Vec<Scope<'t>>,
    pub namespaces: Vec<Dict>,
    pub loops: Vec<LoopState<'t>>,
    pub macros: Vec<MacroState<'t>>,
    pub cyclers: Vec<(Vec<Value>, usize)>,
    pub joiners: Vec<(Value, bool)>,
    out: String,
}

impl<'t> Run<'t> {
    /// A run with `fuel` steps in a context of `names`.
    pub fn new(fuel: u64, names: Vec<(&'t str, Value)>) -> Self {
        let globals = [
            ("lipsum", Function::Lipsum),
            ("range", Function::Range),
            ("dict", Function::Dict),
            ("cycler", Function::Cycler),
            ("joiner", Function::Joiner),
            ("namespace", Function::Namespace),
            ("raise_exception", Function::RaiseException),
            ("strftime_now", Function::StrftimeNow),
        ];
        let globals = globals.map(|(name, f)| (name, Value::Function(f)));
        let scope = |names, parent| Scope { names, parent };
        Run {
            fuel: Cell::new(fuel),
            depth: 0,
            line: 1,
            scopes: vec![
                scope(globals.into(), None),
                scope(names, Some(0)),
                scope(vec![("self", Value::Template)], Some(1)),
            ],
            namespaces: Vec::new(),
            loops: Vec::new(),
            macros: Vec::new(),
            cyclers: Vec::new(),
            joiners: Vec::new(),
            out: String::new(),
        }
    }

    /// The text of the whole template.
    pub fn template(&mut self, body: &'t [Stmt]) -> Result<String> {
        let scope = self.scopes.len() - 1;
        match self.exec(body, scope)? {
            Flow::Next => Ok(std::mem::take(&mut self.out)),
            _ => bail!("\"break\" or \"continue\" outside of a loop"),
        }
    }

    /// Charges `steps` to the template's budget.
    pub fn spend(&self, steps: usize) -> Result<()> {
        match self.fuel.get().checked_sub(steps as u64) {
            Some(left) => {
                self.fuel.set(left);
                Ok(())
            }
            None => {
                self.fuel.set(0);
                bail!(
                    "it does more work or makes more text than a conversation of this length needs"
                )
            }
        }
    }

    /// Pays for a text of `bytes` before it is made.
    pub fn spend_text(&self, bytes: usize) -> Result<()> {
        self.spend(bytes / 16 + 1)
    }

    fn write(&mut self, text: &str) -> Result<()> {
        self.spend_text(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn deeper<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        ensure!(self.depth < DEEPEST, "infinite recursion");
        self.depth += 1;
        let out = f(self);
        self.depth -= 1;
        out
    }

    fn enter(&mut self, parent: usize) -> Result<usize> {
        self.spend(1)?;
        let names = Vec::new();
        self.scopes.push(Scope {
            names,
            parent: Some(parent),
        });
        Ok(self.scopes.len() - 1)
    }

    /// Runs `f` in a new scope, which is forgotten afterwards unless a macro was made that may still look into it.
    fn scoped<T>(
        &mut self,
        parent: usize,
        f: impl FnOnce(&mut Self, usize) -> Result<T>,
    ) -> Result<T> {
        let (macros, scope) = (self.macros.len(), self.enter(parent)?);
        let out = f(self, scope)?;
        if self.macros.len() == macros {
            self.scopes.truncate(scope);
        }
        Ok(out)
    }

    fn look_up(&self, name: &str, scope: usize) -> Result<Value> {
        let mut at = Some(scope);
        while let Some(i) = at {
            let scope = &self.scopes[i];
            self.spend(1 + scope.names.len() / 16)?;
            if let Some((_, value)) = scope.names.iter().find(|(n, _)| *n == name) {
                return Ok(value.clone());
            }
            at = scope.parent;
        }
        Ok(Value::undefined(name))
    }

    fn store(&mut self, name: &'t str, value: Value, scope: usize) -> Result<()> {
        self.spend(1 + self.scopes[scope].names.len() / 16)?;
        let names = &mut self.scopes[scope].names;
        match names.iter_mut().find(|(n, _)| *n == name) {
            Some(entry) => entry.1 = value,
            None => names.push((name, value)),
        }
        Ok(())
    }

    fn assign(&mut self, target: &'t Target, value: Value, scope: usize) -> Result<()> {
        match target {
            Target::Name(name) => self.store(name, value, scope)?,
            Target::Attr(name, attr) => {
                let Value::Namespace(id) = self.look_up(name, scope)? else {
                    bail!("cannot set attributes of {name:?}: expected a namespace");
                };
                self.set_in_namespace(id, attr, value)?;
            }
            Target::Tuple(targets) => {
                let values = self.items(&value)?;
                ensure!(
                    values.len() == targets.len(),
                    "cannot assign {} values to {} names",
                    values.len(),
                    targets.len()
                );
                for (target, value) in targets.iter().zip(values) {
                    self.assign(target, value, scope)?;
                }
            }
        }
        Ok(())
    }

    pub fn set_in_namespace(&mut self, id: usize, name: &str, value: Value) -> Result<()> {
        ensure!(
            !name.starts_with('_'),
            "a namespace has no names that begin with an underscore, such as {name:?}"
        );
        self.namespaces[id].set(Value::str(name), value)
    }

    fn exec(&mut self, body: &'t [Stmt], scope: usize) -> Result<Flow> {
        self.deeper(|run| run.exec_inner(body, scope))
    }

    fn exec_inner(&mut self, body: &'t [Stmt], scope: usize) -> Result<Flow> {
        for stmt in body {
            self.line = stmt.line;
            self.spend(1)?;
            match &stmt.kind {
                StmtKind::Text(text) => self.write(text)?,
                StmtKind::Print(expr) => {
                    let value = self.eval(expr, scope)?;
                    let text = self.to_text(&value)?;
                    self.write(&text)?;
                }
                StmtKind::If(branches, otherwise) => {
                    let mut chosen = otherwise;
                    for (test, body) in branches {
                        if self.eval(test, scope)?.is_true() {
                            chosen = body;
                            break;
                        }
                    }
                    match self.exec(chosen, scope)? {
                        Flow::Next => {}
                        other => return Ok(other),
                    }
                }
                StmtKind::For(node) => {
                    let items = self.eval(&node.iter, scope)?;
                    match self.repeat(node, items, scope, 0)? {
                        Flow::Next => {}
                        other => return Ok(other),
                    }
                }
                StmtKind::Set(target, expr) => {
                    let value = self.eval(expr, scope)?;
                    self.assign(target, value, scope)?;
                }
                StmtKind::SetBlock(target, chain, body) => {
                    let (text, flow) = self.capture(body, scope)?;
                    if !matches!(flow, Flow::Next) {
                        return Ok(flow);
                    }
                    let value = self.filter_chain(chain, text, scope)?;
                    self.assign(target, value, scope)?;
                }
                StmtKind::FilterBlock(chain, body) => {
                    let (text, flow) = self.capture(body, scope)?;
                    if !matches!(flow, Flow::Next) {
                        return Ok(flow);
                    }
                    match self.filter_chain(chain, text, scope)? {
                        Value::Str(text) | Value::Markup(text) => self.write(&text)?,
                        other => bail!(
                            "a filter block expects a string, found a {}",
                            other.type_name()
                        ),
                    }
                }
                StmtKind::With(values, body) => {
                    let flow = self.scoped(scope, |run, inner| {
                        // All values are computed before the first name is set.
                        for (target, expr) in values {
                            let value = run.eval(expr, scope)?;
                            run.assign(target, value, inner)?;
                        }
                        run.exec(body, inner)
                    })?;
                    if !matches!(flow, Flow::Next) {
                        return Ok(flow);
                    }
                }
                StmtKind::Scope(body) => {
                    let flow = self.scoped(scope, |run, inner| run.exec(body, inner))?;
                    if !matches!(flow, Flow::Next) {
                        return Ok(flow);
                    }
                }
                StmtKind::Macro(source) => {
                    self.spend(1)?;
                    self.macros.push(MacroState { source, scope });
                    let value = Value::Macro(self.macros.len() - 1);
                    self.store(&source.name, value, scope)?;
                }
                StmtKind::Call(call, source) => {
                    self.macros.push(MacroState { source, scope });
                    let caller = Value::Macro(self.macros.len() - 1);
                    let Expr::Call(callee, args) = call else {
                        bail!("{{% call %}} expects a call");
                    };
                    let callee = self.eval(callee, scope)?;
                    let mut given = self.given(args, scope)?;
                    given.named.push(("caller".into(), caller));
                    let value = self.call(&callee, given)?;
                    let text = self.to_text(&value)?;
                    self.write(&text)?;
                }
                StmtKind::Break => return Ok(Flow::Break),
                StmtKind::Continue => return Ok(Flow::Continue),
                StmtKind::Refused(name) => bail!("{{% {name} %}} is not supported"),
            }
        }
        Ok(Flow::Next)
    }

    /// The text that `body` writes, as a value, and how it ends.
    fn capture(&mut self, body: &'t [Stmt], scope: usize) -> Result<(Value, Flow)> {
        let before = std::mem::take(&mut self.out);
        let flow = self.scoped(scope, |run, inner| run.exec(body, inner))?;
        let text = std::mem::replace(&mut self.out, before);
        Ok((Value::str(text), flow))
    }

    fn filter_chain(
        &mut self,
        chain: &'t [(String, Args)],
        value: Value,
        scope: usize,
    ) -> Result<Value> {
        let mut value = value;
        for (name, args) in chain {
            let given = self.given(args, scope)?;
            value = filters::apply(self, name, value, given)?;
        }
        Ok(value)
    }

    fn repeat(
        &mut self,
        node: &'t For,
        iterable: Value,
        scope: usize,
        depth: usize,
    ) -> Result<Flow> {
        let mut items = self.items(&iterable)?;
        if let Some(test) = &node.test {
            let mut kept = Vec::new();
            for item in items {
                let keeps = self.scoped(scope, |run, inner| {
                    run.assign(&node.target, item.clone(), inner)?;
                    Ok(run.eval(test, inner)?.is_true())
                })?;
                if keeps {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if let Value::Once(once) = &iterable {
            // Python takes one item a turn.
            once.lent.set(true);
        }
        let items = Rc::new(items);
        let id = self.loops.len();
        self.spend(4)?;
        self.loops.push(LoopState {
            items: items.clone(),
            len: items.len(),
            index: 0,
            depth,
            changed: None,
            recursive: node.recursive.then_some((node, scope)),
        });
        let (mut broken, mut reached_end) = (false, false);
        for (index, item) in items.iter().enumerate() {
            self.loops[id].index = index;
            let flow = self.scoped(scope, |run, inner| {
                run.store("loop", Value::Loop(id), inner)?;
                run.assign(&node.target, item.clone(), inner)?;
                run.exec(&node.body, inner)
            })?;
            match flow {
                Flow::Next => reached_end = true,
                Flow::Continue => {}
                Flow::Break => {
                    broken = true;
                    break;
                }
            }
        }
        if let (Value::Once(once), false) = (&iterable, broken) {
            once.lent.set(false);
        }
        self.loops[id].items = Rc::default();
        self.loops[id].recursive = None;
        // Jinja runs "else" unless a turn came to the end of the body, also after `break` or `continue` in all of them.
        match reached_end {
            // The body of "else" belongs to the loop around this one.
            false => self.scoped(scope, |run, inner| run.exec(&node.otherwise, inner)),
            true => Ok(Flow::Next),
        }
    }

    /// `loop(items)` inside a recursive loop.
    pub fn recurse(&mut self, id: usize, items: Value) -> Result<Value> {
        let Some((node, scope)) = self.loops[id].recursive else {
            bail!("the loop is not recursive: write {{% for .. recursive %}}");
        };
        let depth = self.loops[id].depth + 1;
        let before = std::mem::take(&mut self.out);
        self.deeper(|run| run.repeat(node, items, scope, depth))?;
        let text = std::mem::replace(&mut self.out, before);
        Ok(Value::str(text))
    }

    pub fn call_macro(&mut self, id: usize, mut given: Given) -> Result<Value> {
        let MacroState { source, scope } = self.macros[id];
        let name = &source.name;
        let extra = given
            .pos
            .split_off(given.pos.len().min(source.params.len()));
        ensure!(
            extra.is_empty() || source.varargs,
            "macro {name:?} takes at most {} arguments",
            source.params.len()
        );
        let before = std::mem::take(&mut self.out);
        self.scoped(scope, |run, inner| {
            let mut pos = given.pos.into_iter();
            for (param, default) in &source.params {
                let named = given.named.iter().position(|(n, _)| **n == **param);
                let value = match (pos.next(), named) {
                    (Some(value), None) => value,
                    (Some(_), Some(_)) => bail!("macro {name:?}: duplicate argument {param:?}"),
                    (None, Some(at)) => given.named.remove(at).1,
                    (None, None) => match default {
                        Some(default) => run.eval(default, inner)?,
                        None => Value::undefined(param),
                    },
                };
                run.store(param, value, inner)?;
            }
            if source.caller {
                let at = given.named.iter().position(|(n, _)| **n == *"caller");
                let caller = match at {
                    Some(at) => given.named.remove(at).1,
                    None => Value::undefined("caller"),
                };
                run.store("caller", caller, inner)?;
            }
            if source.kwargs {
                let named = given.named.drain(..).map(|(n, v)| (Value::Str(n), v));
                run.store("kwargs", Value::dict(named)?, inner)?;
            } else if let Some((other, _)) = given.named.first() {
                bail!("macro {name:?}: unknown argument {other:?}");
            }
            if source.varargs {
                run.store("varargs", Value::tuple(extra)?, inner)?;
            }
            run.exec(&source.body, inner)
        })?;
        let text = std::mem::replace(&mut self.out, before);
        Ok(Value::str(text))
    }
}
