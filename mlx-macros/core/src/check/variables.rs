//! Follows the variables of a body, and reports values that nothing reads.
//!
//! Tests: `tests/planted.rs`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Diag;
use crate::ir::Id;
use proc_macro2::Span;

/// The variables of one block, by name.
pub(crate) type Scope = BTreeMap<String, Variable>;

/// A variable at one place of the body.
#[derive(Clone, Copy)]
pub(crate) struct Variable {
    /// Its value.
    pub id: Id,
    /// The index of this value in it.
    version: usize,
    /// The `let` or argument that it comes from.
    binding: usize,
}

/// A `let` or an argument.
struct Binding {
    name: String,
    at: Span,
    mutable: bool,
    assigned: bool,
    read: Cell<bool>,
}

/// A value that a variable has or had.
struct Version {
    binding: usize,
    at: Span,
    /// True if an assignment gave it.
    assigned: bool,
    read: Cell<bool>,
    /// The values of the arms of an `if`, of which this is one.
    arms: Option<[usize; 2]>,
}

/// A variable that an `if` changes.
pub(crate) struct Changed {
    pub name: String,
    depth: usize,
    pub then: Variable,
    pub otherwise: Variable,
}

/// All variables of a body.
pub(crate) struct Variables {
    /// Those of the innermost block last.
    scopes: Vec<Scope>,
    bindings: Vec<Binding>,
    versions: Vec<Version>,
    /// The variables that the loop around carries, and their values at its begin.
    begun: Vec<(String, usize)>,
}

impl Default for Variables {
    fn default() -> Self {
        Variables {
            scopes: vec![Scope::new()],
            bindings: Vec::new(),
            versions: Vec::new(),
            begun: Vec::new(),
        }
    }
}

impl Variables {
    pub fn enter(&mut self) {
        self.scopes.push(Scope::new());
    }

    pub fn leave(&mut self) {
        self.scopes.pop();
    }

    pub fn scopes(&self) -> Vec<Scope> {
        self.scopes.clone()
    }

    pub fn replace(&mut self, scopes: Vec<Scope>) -> Vec<Scope> {
        std::mem::replace(&mut self.scopes, scopes)
    }

    /// The number of arguments and `let`s.
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.scopes
            .iter()
            .flat_map(|s| s.keys())
            .map(String::as_str)
    }

    fn version(
        &mut self,
        binding: usize,
        at: Span,
        assigned: bool,
        arms: Option<[usize; 2]>,
    ) -> usize {
        let read = Cell::new(false);
        self.versions.push(Version {
            binding,
            at,
            assigned,
            read,
            arms,
        });
        self.versions.len() - 1
    }

    pub fn bind(&mut self, text: String, at: Span, mutable: bool, id: Id) {
        self.bindings.push(Binding {
            name: text.clone(),
            at,
            mutable,
            assigned: false,
            read: Cell::new(false),
        });
        let binding = self.bindings.len() - 1;
        let version = self.version(binding, at, false, None);
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(
                text,
                Variable {
                    id,
                    version,
                    binding,
                },
            );
        }
    }

    /// Gives a variable a new value; false where it is not `mut`.
    pub fn assign(&mut self, text: &str, at: Span, id: Id) -> bool {
        let Some(depth) = self.scopes.iter().rposition(|s| s.contains_key(text)) else {
            return true;
        };
        let binding = self.scopes[depth][text].binding;
        let version = self.version(binding, at, true, None);
        self.bindings[binding].assigned = true;
        self.scopes[depth].insert(
            text.to_string(),
            Variable {
                id,
                version,
                binding,
            },
        );
        self.bindings[binding].mutable
    }

    /// Notes that a list grows.
    pub fn grown(&mut self, name: &str) {
        if let Some(v) = self.variable(name) {
            self.bindings[v.binding].assigned = true;
        }
    }

    /// Gives a variable another node, which stands for the same value.
    pub fn place(&mut self, name: &str, id: Id) {
        let found = self.scopes.iter_mut().rev();
        if let Some(v) = found.filter_map(|s| s.get_mut(name)).next() {
            v.id = id;
        }
    }

    /// Begins a loop that carries a variable: its value there comes from before the loop, or from the layer before.
    pub fn carry(&mut self, name: &str, id: Id) {
        let Some(old) = self.variable(name) else {
            return;
        };
        let at = self.versions[old.version].at;
        let arms = Some([old.version; 2]);
        let version = self.version(old.binding, at, false, arms);
        self.renew(name, id, version);
        self.begun.push((name.to_string(), version));
    }

    /// Ends a loop that carries variables.
    pub fn carried(&mut self) {
        for (name, begun) in std::mem::take(&mut self.begun) {
            let Some(last) = self.variable(&name) else {
                continue;
            };
            // The next layer reads what this one assigns.
            if self.versions[begun].read.get() {
                self.read_version(last.version);
            }
            let at = self.versions[last.version].at;
            let version = self.version(last.binding, at, false, Some([begun, last.version]));
            self.renew(&name, last.id, version);
        }
    }

    fn renew(&mut self, name: &str, id: Id, version: usize) {
        let found = self.scopes.iter_mut().rev();
        if let Some(v) = found.filter_map(|s| s.get_mut(name)).next() {
            (v.id, v.version) = (id, version);
        }
    }

    /// Gives every variable the node that it had.
    pub fn restore(&mut self, before: &[Scope]) {
        for (scope, old) in self.scopes.iter_mut().zip(before) {
            for (name, v) in scope {
                v.id = old.get(name).map_or(v.id, |o| o.id);
            }
        }
    }

    /// The value after an `if`, of which each arm has its own.
    pub fn merge(&mut self, c: &Changed, id: Id) {
        let (binding, arms) = (c.then.binding, [c.then.version, c.otherwise.version]);
        let at = self.versions[c.then.version].at;
        let version = self.version(binding, at, false, Some(arms));
        let variable = Variable {
            id,
            version,
            binding,
        };
        self.scopes[c.depth].insert(c.name.clone(), variable);
    }

    /// The variables around an `if` that have another value after one of its arms.
    pub fn changed(&self, then: &[Scope], otherwise: &[Scope]) -> Vec<Changed> {
        let mut all = Vec::new();
        for (depth, scope) in self.scopes.iter().enumerate() {
            for (name, before) in scope {
                let (a, b) = (then[depth][name], otherwise[depth][name]);
                if a.id != before.id || b.id != before.id {
                    all.push(Changed {
                        name: name.clone(),
                        depth,
                        then: a,
                        otherwise: b,
                    });
                }
            }
        }
        all
    }

    fn variable(&self, name: &str) -> Option<Variable> {
        self.scopes.iter().rev().find_map(|s| s.get(name)).copied()
    }

    /// The value of a variable, which is not read for that.
    pub fn find(&self, name: &str) -> Option<Id> {
        self.variable(name).map(|v| v.id)
    }

    /// Notes that a variable is read.
    pub fn read(&self, name: &str) {
        let Some(v) = self.variable(name) else {
            return;
        };
        self.bindings[v.binding].read.set(true);
        self.read_version(v.version);
    }

    /// Notes that the last value of a variable is read, and not those before.
    pub fn read_last(&self, name: &str) {
        if let Some(v) = self.variable(name) {
            self.read_version(v.version);
        }
    }

    fn read_version(&self, version: usize) {
        let mut todo = vec![version];
        while let Some(version) = todo.pop() {
            let version = &self.versions[version];
            if !version.read.replace(true) {
                todo.extend(version.arms.into_iter().flatten());
            }
        }
    }

    /// True if the `let` or argument of that number is read.
    pub fn is_read(&self, binding: usize) -> bool {
        self.bindings[binding].read.get()
    }

    /// A mistake for each variable and value that nothing reads, and each `mut` without need. The
    /// first `arguments` are arguments, of which `serves` says which have another use.
    pub fn unread(&self, arguments: usize, serves: impl Fn(usize) -> bool) -> Vec<Diag> {
        let mut all = Vec::new();
        for (i, b) in self.bindings.iter().enumerate() {
            if b.name.starts_with('_') || b.name == "self" {
                continue;
            }
            // The name of a state has a dot.
            let state = b.name.contains('.');
            let mut own = self.versions.iter().filter(|v| v.binding == i);
            let carried = own.next().is_some_and(|v| v.read.get());
            match (state, b.read.get() && carried, b.assigned) {
                (true, false, _) => {
                    all.push(Diag::state_never_read(b.at, &b.name));
                    continue;
                }
                (true, true, false) => {
                    all.push(Diag::state_never_set(b.at, &b.name));
                    continue;
                }
                _ => {}
            }
            let argument = i < arguments;
            let what = if argument {
                "the argument"
            } else {
                "the variable"
            };
            let used = b.read.get() || (argument && serves(i));
            if !used {
                all.push(Diag::never_read(b.at, what, &b.name));
                continue;
            }
            if b.mutable && !b.assigned {
                all.push(Diag::never_assigned(b.at, &b.name));
            }
            let own = self.versions.iter().filter(|v| v.binding == i);
            for v in own.filter(|v| !v.read.get() && v.arms.is_none()) {
                match (v.assigned, argument) {
                    (true, _) => all.push(Diag::assigned_never_read(v.at, &b.name)),
                    (false, true) => {}
                    (false, false) => all.push(Diag::overwritten(v.at, &b.name)),
                }
            }
        }
        all
    }
}

/// The sizes that a body names.
#[derive(Default)]
pub(crate) struct Sizes {
    /// Those that a condition shows to be there, where they are used.
    guarded: RefCell<BTreeSet<String>>,
    /// The others.
    open: RefCell<BTreeSet<String>>,
}

impl Sizes {
    pub fn note(&self, name: &str, guarded: bool) {
        let set = if guarded { &self.guarded } else { &self.open };
        set.borrow_mut().insert(name.to_string());
    }

    pub fn is_used(&self, name: &str) -> bool {
        self.open.borrow().contains(name)
    }

    /// The sizes that are there wherever they are used, since a condition says so.
    pub fn guarded_alone(&self) -> BTreeSet<String> {
        let open = self.open.borrow();
        let guarded = self.guarded.borrow();
        guarded.difference(&open).cloned().collect()
    }
}
