//! Attributes and calls: functions, macros, and methods of other types than texts.
//!
//! Tests: `tests/templates.rs`.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::{bail, ensure, Result};

use super::ops::describe;
use super::run::Run;
use super::value::{Dict, Function, Range, Value, View};
use super::{markup, methods, strftime};

/// Jinja's sandbox makes no longer ranges.
const LONGEST_RANGE: usize = 100_000;

/// The arguments of a call.
#[derive(Default)]
pub struct Given {
    pub pos: Vec<Value>,
    pub named: Vec<(Arc<str>, Value)>,
}

impl Given {
    /// The arguments in the order of `names`, of which the first `required` must be there. Names in `<>` can only be
    /// given by place.
    pub fn bind<const N: usize>(
        self,
        what: &str,
        names: [&str; N],
        required: usize,
    ) -> Result<[Option<Value>; N]> {
        ensure!(
            self.pos.len() <= N,
            "{what} takes at most {N} arguments, found {}",
            self.pos.len()
        );
        let mut out = [const { None }; N];
        for (slot, value) in out.iter_mut().zip(self.pos) {
            *slot = Some(value);
        }
        for (name, value) in self.named {
            let Some(at) = names.iter().position(|n| **n == *name) else {
                bail!("{what}: unknown argument {name:?}");
            };
            ensure!(out[at].is_none(), "{what}: duplicate argument {name:?}");
            out[at] = Some(value);
        }
        for (name, slot) in names.iter().zip(&out).take(required) {
            ensure!(slot.is_some(), "{what}: missing argument {name:?}");
        }
        Ok(out)
    }
}

const DICT: [&str; 6] = ["copy", "fromkeys", "get", "items", "keys", "values"];
const DICT_CHANGES: [&str; 5] = ["clear", "pop", "popitem", "setdefault", "update"];
const LIST_CHANGES: [&str; 8] = [
    "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove",
];

impl<'t> Run<'t> {
    /// An attribute that a value has by its type in Python.
    pub fn python_attribute(&self, of: &Value, name: &str) -> Result<Option<Value>> {
        let method = |names: &[&str]| names.contains(&name).then(|| Value::method(of, name));
        // The sandbox hides methods that change a value.
        let changes = |names: &[&str]| {
            let why = || {
                format!(
                    "cannot change the {} with {name:?}: a chat template changes no values",
                    of.type_name()
                )
            };
            names
                .contains(&name)
                .then(|| Value::Undefined(why().into()))
        };
        if name.starts_with("__") && name.ends_with("__") {
            return Ok(Some(Value::Undefined(
                format!("the attribute {name:?} is private").into(),
            )));
        }
        Ok(match of {
            Value::Str(_) => method(&methods::NAMES),
            Value::Markup(_) => method(&methods::NAMES).or_else(|| method(&markup::NAMES)),
            Value::Dict(_) => method(&DICT).or_else(|| changes(&DICT_CHANGES)),
            Value::List(_) => {
                method(&["copy", "count", "index"]).or_else(|| changes(&LIST_CHANGES))
            }
            Value::Tuple(t) => match name {
                "grouper" if t.group => Some(t[0].clone()),
                "list" if t.group => Some(t[1].clone()),
                _ => method(&["count", "index"]),
            },
            Value::Int(_) | Value::Bool(_) => match (name, of.as_int()) {
                ("real" | "numerator", Some(n)) => Some(Value::Int(n)),
                ("imag", _) => Some(Value::Int(0)),
                ("denominator", _) => Some(Value::Int(1)),
                _ => method(&[
                    "bit_length",
                    "bit_count",
                    "conjugate",
                    "as_integer_ratio",
                    "to_bytes",
                    "from_bytes",
                ]),
            },
            Value::Float(f) => match name {
                "real" => Some(Value::Float(*f)),
                "imag" => Some(Value::Float(0.0)),
                _ => method(&[
                    "is_integer",
                    "conjugate",
                    "as_integer_ratio",
                    "hex",
                    "fromhex",
                ]),
            },
            Value::Range(r) => match name {
                "start" => Some(Value::Int(r.start)),
                "stop" => Some(Value::Int(r.stop)),
                "step" => Some(Value::Int(r.step)),
                _ => method(&["count", "index"]),
            },
            Value::View(..) => method(&["isdisjoint", "mapping"]),
            Value::Once(_) => method(&["send", "throw", "close"]),
            Value::Function(Function::Dict) => method(&["fromkeys"]),
            Value::Namespace(id) => self.namespaces[*id].get_str(name).cloned(),
            Value::Loop(id) => self
                .loop_attribute(*id, name)?
                .or_else(|| method(&["changed", "cycle"])),
            Value::Macro(id) => {
                let source = self.macros[*id].source;
                Some(match name {
                    "name" => Value::str(&source.name),
                    "arguments" => {
                        Value::tuple(source.params.iter().map(|(n, _)| Value::str(n)).collect())?
                    }
                    "catch_kwargs" => Value::Bool(source.kwargs),
                    "catch_varargs" => Value::Bool(source.varargs),
                    "caller" => Value::Bool(source.caller),
                    _ => return Ok(None),
                })
            }
            Value::Cycler(id) => match name {
                "current" => {
                    let (items, at) = &self.cyclers[*id];
                    Some(items[*at].clone())
                }
                "pos" => Some(Value::len_of(self.cyclers[*id].1)),
                "items" => Some(Value::tuple(self.cyclers[*id].0.clone())?),
                _ => method(&["next", "reset"]),
            },
            _ => None,
        })
    }

    fn loop_attribute(&self, id: usize, name: &str) -> Result<Option<Value>> {
        let state = &self.loops[id];
        let number = |n: usize| Some(Value::len_of(n));
        let missing =
            |which: &str| Value::Undefined(format!("expected a {which} item, found none").into());
        Ok(match name {
            "index" => number(state.index + 1),
            "index0" => number(state.index),
            "revindex" => number(state.len.saturating_sub(state.index)),
            "revindex0" => number(state.len.saturating_sub(state.index + 1)),
            "first" => Some(Value::Bool(state.index == 0)),
            "last" => Some(Value::Bool(state.index + 1 >= state.len)),
            "length" => number(state.len),
            "depth" => number(state.depth + 1),
            "depth0" => number(state.depth),
            "previtem" => {
                let before = state.index.checked_sub(1).and_then(|i| state.items.get(i));
                Some(before.cloned().unwrap_or_else(|| missing("previous")))
            }
            "nextitem" => {
                let next = state.items.get(state.index + 1);
                Some(next.cloned().unwrap_or_else(|| missing("next")))
            }
            _ => None,
        })
    }

    /// `callee(given)`
    pub fn call(&mut self, callee: &Value, given: Given) -> Result<Value> {
        self.spend(1 + given.pos.len() + given.named.len())?;
        match callee {
            Value::Undefined(why) => bail!("{why}, and so cannot be called"),
            Value::Function(f) => self.function(*f, given),
            Value::Macro(id) => self.call_macro(*id, given),
            Value::Loop(id) => {
                let [items] = given.bind("loop", ["iterable"], 1)?;
                self.recurse(*id, items.unwrap_or(Value::None))
            }
            Value::Joiner(id) => {
                let [] = given.bind("a joiner", [], 0)?;
                let (text, used) = &mut self.joiners[*id];
                Ok(match std::mem::replace(used, true) {
                    true => text.clone(),
                    false => Value::str(""),
                })
            }
            Value::Method(method) => {
                let (of, name) = &**method;
                self.spend(of.weight())?;
                match of {
                    Value::Str(text) => methods::call(self, text, name, given, false),
                    Value::Markup(text) => markup::call(self, text, name, given),
                    _ => self.method(of, name, given),
                }
            }
            other => bail!("cannot call a {}", other.type_name()),
        }
    }

    fn function(&mut self, function: Function, given: Given) -> Result<Value> {
        match function {
            Function::Range => self.range(given),
            Function::Dict => self.dict(given),
            Function::Cycler => {
                ensure!(given.named.is_empty(), "cycler takes no named arguments");
                ensure!(!given.pos.is_empty(), "cycler expects at least one item");
                self.cyclers.push((given.pos, 0));
                Ok(Value::Cycler(self.cyclers.len() - 1))
            }
            Function::Joiner => {
                let [sep] = given.bind("joiner", ["sep"], 0)?;
                self.joiners
                    .push((sep.unwrap_or_else(|| Value::str(", ")), false));
                Ok(Value::Joiner(self.joiners.len() - 1))
            }
            Function::Namespace => {
                let Value::Dict(dict) = self.dict(given)? else {
                    bail!("namespace expects names and values");
                };
                self.spend(20)?;
                self.namespaces.push(Dict::default());
                let id = self.namespaces.len() - 1;
                for (key, value) in &dict.entries {
                    match key.as_str() {
                        Some(name) => self.set_in_namespace(id, name, value.clone())?,
                        None => self.namespaces[id].set(key.clone(), value.clone())?,
                    }
                }
                Ok(Value::Namespace(id))
            }
            Function::Lipsum => bail!("lipsum is not supported"),
            Function::RaiseException => {
                let [message] = given.bind("raise_exception", ["message"], 1)?;
                let message = message.unwrap_or(Value::None);
                bail!("{}", self.to_text(&message)?)
            }
            Function::StrftimeNow => {
                let [format] = given.bind("strftime_now", ["format"], 1)?;
                match format.as_ref().and_then(Value::as_str) {
                    Some(format) => Ok(Value::str(strftime::now(format)?)),
                    None => bail!("strftime_now expects a string"),
                }
            }
        }
    }

    fn range(&mut self, given: Given) -> Result<Value> {
        let bounds = given.bind("range", ["<start>", "<stop>", "<step>"], 1)?;
        let mut numbers = [None; 3];
        for (number, bound) in numbers.iter_mut().zip(&bounds) {
            if let Some(bound) = bound {
                let n = bound.as_int().filter(|n| n.unsigned_abs() < 1 << 100);
                ensure!(
                    n.is_some(),
                    "range expects whole numbers, found a {}",
                    describe(bound)
                );
                *number = n;
            }
        }
        let (start, stop) = match numbers {
            [Some(stop), None, _] => (0, stop),
            [start, stop, _] => (start.unwrap_or(0), stop.unwrap_or(0)),
        };
        let step = numbers[2].unwrap_or(1);
        ensure!(step != 0, "the step of a range cannot be 0");
        let range = Range { start, stop, step };
        ensure!(
            range.len() <= LONGEST_RANGE,
            "a range of {} numbers is too long: {LONGEST_RANGE} are allowed",
            range.len()
        );
        Ok(Value::Range(range))
    }

    /// `dict(..)`: a dictionary or pairs, and named entries.
    fn dict(&mut self, mut given: Given) -> Result<Value> {
        let mut dict = Dict::default();
        ensure!(
            given.pos.len() <= 1,
            "dict expects one dictionary or list of pairs"
        );
        match given.pos.pop() {
            None => {}
            Some(Value::Dict(d)) => {
                self.spend(d.len().saturating_mul(4))?;
                for (key, value) in &d.entries {
                    dict.set(key.clone(), value.clone())?;
                }
            }
            Some(pairs) => {
                for pair in self.items(&pairs)? {
                    let mut pair = self.items(&pair)?.into_iter();
                    match (pair.next(), pair.next(), pair.next()) {
                        (Some(key), Some(value), None) => dict.set(key, value)?,
                        _ => bail!("dict expects pairs of a key and a value"),
                    }
                }
            }
        }
        for (name, value) in given.named {
            dict.set(Value::Str(name), value)?;
        }
        Ok(Value::Dict(Rc::new(dict)))
    }

    fn method(&mut self, of: &Value, name: &str, given: Given) -> Result<Value> {
        let position = |found: Option<usize>| match found {
            Some(i) => Ok(Value::len_of(i)),
            None => bail!("value not found in the {}", of.type_name()),
        };
        match (of, name) {
            (Value::Dict(d), "get") => {
                let [key, default] = given.bind("get", ["<key>", "<default>"], 1)?;
                let found = d.get(&key.unwrap_or(Value::None))?.cloned();
                Ok(found.or(default).unwrap_or(Value::None))
            }
            (Value::Dict(d), "keys" | "values" | "items") => {
                let [] = given.bind(name, [], 0)?;
                let view = match name {
                    "keys" => View::Keys,
                    "values" => View::Values,
                    _ => View::Items,
                };
                Ok(Value::View(view, d.clone()))
            }
            (Value::Dict(_) | Value::List(_), "copy") => {
                let [] = given.bind("copy", [], 0)?;
                Ok(of.clone())
            }
            (Value::Dict(_) | Value::Function(Function::Dict), "fromkeys") => {
                let [keys, value] = given.bind("fromkeys", ["<keys>", "<value>"], 1)?;
                let value = value.unwrap_or(Value::None);
                let keys = self.items(&keys.unwrap_or(Value::None))?;
                Value::dict(keys.into_iter().map(|k| (k, value.clone())))
            }
            (Value::List(_) | Value::Tuple(_) | Value::Range(_), "count") => {
                let [wanted] = given.bind("count", ["<value>"], 1)?;
                let wanted = wanted.unwrap_or(Value::None);
                let mut count = 0;
                for item in self.items(of)? {
                    count += usize::from(self.equal(&item, &wanted)?);
                }
                Ok(Value::len_of(count))
            }
            (Value::List(_) | Value::Tuple(_) | Value::Range(_), "index") => {
                let [wanted] = given.bind("index", ["<value>"], 1)?;
                let wanted = wanted.unwrap_or(Value::None);
                for (i, item) in self.items(of)?.iter().enumerate() {
                    if self.equal(item, &wanted)? {
                        return position(Some(i));
                    }
                }
                position(None)
            }
            (Value::Int(_) | Value::Bool(_), "bit_length") => {
                let [] = given.bind(name, [], 0)?;
                let n = of.as_int().unwrap_or(0).unsigned_abs();
                Ok(Value::Int(i128::from(128 - n.leading_zeros())))
            }
            (Value::Float(f), "is_integer") => {
                let [] = given.bind(name, [], 0)?;
                Ok(Value::Bool(f.fract() == 0.0))
            }
            (Value::Cycler(id), "next") => {
                let [] = given.bind(name, [], 0)?;
                let (items, at) = &mut self.cyclers[*id];
                let value = items[*at].clone();
                *at = (*at + 1) % items.len();
                Ok(value)
            }
            (Value::Cycler(id), "reset") => {
                let [] = given.bind(name, [], 0)?;
                self.cyclers[*id].1 = 0;
                Ok(Value::None)
            }
            (Value::Loop(id), "cycle") => {
                ensure!(
                    given.named.is_empty(),
                    "loop.cycle takes no named arguments"
                );
                ensure!(
                    !given.pos.is_empty(),
                    "loop.cycle expects at least one value"
                );
                let at = self.loops[*id].index % given.pos.len();
                Ok(given.pos[at].clone())
            }
            (Value::Loop(id), "changed") => {
                ensure!(
                    given.named.is_empty(),
                    "loop.changed takes no named arguments"
                );
                let same = match self.loops[*id].changed.clone() {
                    Some(last) => {
                        self.equal(&Value::tuple(last)?, &Value::tuple(given.pos.clone())?)?
                    }
                    None => false,
                };
                self.loops[*id].changed = Some(given.pos);
                Ok(Value::Bool(!same))
            }
            _ => bail!(
                "the method {name:?} of a {} is not supported",
                of.type_name()
            ),
        }
    }
}
