//! The values of a template: Python's, as far as templates meet them.
//!
//! Tests: `tests/templates.rs`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{bail, ensure, Result};

/// Containers inside one another; Python gives up at about 1,000.
const DEEPEST: usize = 250;

/// The most values of a tuple, nested ones included, that is the key of a dictionary.
const LARGEST_KEY: usize = 1_000;

#[derive(Clone)]
pub enum Value {
    /// A name or an attribute that is not there: empty text, false, no items, and an error for all else.
    Undefined(Arc<str>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Arc<str>),
    /// A text that is marked as safe: other texts are escaped before they are put into it.
    Markup(Arc<str>),
    List(Rc<Items>),
    Tuple(Rc<Items>),
    Dict(Rc<Dict>),
    Range(Range),
    /// `dict.keys()` and its like.
    View(View, Rc<Dict>),
    /// An iterator, which can be consumed once, like the result of `map`.
    Once(Rc<Once>),
    /// Objects with state are kept in the run, so that they may refer to one another.
    Namespace(usize),
    Loop(usize),
    Macro(usize),
    Cycler(usize),
    Joiner(usize),
    Function(Function),
    Method(Rc<(Value, Arc<str>)>),
    /// `self`, by which blocks are called; not supported beyond being there.
    Template,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Range,
    Dict,
    Cycler,
    Joiner,
    Namespace,
    RaiseException,
    StrftimeNow,
    /// Makes random text; there, but refused.
    Lipsum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Keys,
    Values,
    Items,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    pub start: i128,
    pub stop: i128,
    pub step: i128,
}

impl Range {
    pub fn len(self) -> usize {
        let span = if self.step > 0 {
            self.stop.saturating_sub(self.start)
        } else {
            self.start.saturating_sub(self.stop)
        };
        if span <= 0 {
            return 0;
        }
        let step = self.step.unsigned_abs();
        usize::try_from((span as u128).div_ceil(step)).unwrap_or(usize::MAX)
    }

    pub fn get(self, index: usize) -> Value {
        Value::Int(self.start + self.step * index as i128)
    }
}

/// The items of a list or a tuple.
pub struct Items {
    pub items: Vec<Value>,
    depth: usize,
    /// One of the pairs of `groupby`, which have names.
    pub group: bool,
}

impl std::ops::Deref for Items {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        &self.items
    }
}

pub struct Once {
    pub left: RefCell<std::vec::IntoIter<Value>>,
    /// Another iterator or a loop takes its items from here. Python would share them; here, using both is an error.
    pub lent: Cell<bool>,
    depth: usize,
}

impl Once {
    fn own(&self) -> Result<()> {
        ensure!(
            !self.lent.get(),
            "a generator is used twice at a time; make a list of it first, with \"| list\""
        );
        Ok(())
    }

    /// The next item.
    pub fn next(&self) -> Result<Option<Value>> {
        self.own()?;
        Ok(self.left.borrow_mut().next())
    }

    /// All items that are left.
    pub fn rest(&self) -> Result<Vec<Value>> {
        self.own()?;
        Ok(self.left.take().collect())
    }
}

/// A dictionary that keeps its order.
#[derive(Default)]
pub struct Dict {
    pub entries: Vec<(Value, Value)>,
    index: HashMap<Key, usize>,
    depth: usize,
}

/// A key as it is hashed: 1, 1.0 and True are the same one.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Undefined,
    None,
    Int(i128),
    Float(u64),
    Str(Arc<str>),
    Tuple(Vec<Key>),
    Range(i128, i128, i128),
    Object(&'static str, usize),
}

impl Dict {
    pub fn new(entries: impl IntoIterator<Item = (Value, Value)>) -> Result<Dict> {
        let mut dict = Dict::default();
        for (key, value) in entries {
            dict.set(key, value)?;
        }
        Ok(dict)
    }

    pub fn set(&mut self, key: Value, value: Value) -> Result<()> {
        self.depth = deeper(self.depth.saturating_sub(1), [&key, &value].into_iter())?;
        match self.index.entry(key.key()?) {
            std::collections::hash_map::Entry::Occupied(at) => self.entries[*at.get()].1 = value,
            std::collections::hash_map::Entry::Vacant(at) => {
                at.insert(self.entries.len());
                self.entries.push((key, value));
            }
        }
        Ok(())
    }

    pub fn get(&self, key: &Value) -> Result<Option<&Value>> {
        Ok(self.index.get(&key.key()?).map(|&i| &self.entries[i].1))
    }

    pub fn get_str(&self, key: &str) -> Option<&Value> {
        let at = self.index.get(&Key::Str(key.into()))?;
        Some(&self.entries[*at].1)
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The items of a view, in order.
    pub fn view(&self, view: View) -> Result<Vec<Value>> {
        let each = self.entries.iter();
        match view {
            View::Keys => Ok(each.map(|(k, _)| k.clone()).collect()),
            View::Values => Ok(each.map(|(_, v)| v.clone()).collect()),
            View::Items => each
                .map(|(k, v)| Value::tuple(vec![k.clone(), v.clone()]))
                .collect(),
        }
    }
}

/// One level more than the deepest of `values`.
fn deeper<'v>(least: usize, values: impl Iterator<Item = &'v Value>) -> Result<usize> {
    let depth = 1 + values.map(Value::depth).fold(least, usize::max);
    ensure!(
        depth <= DEEPEST,
        "more than {DEEPEST} nested lists or dictionaries"
    );
    Ok(depth)
}

impl Value {
    pub fn str(text: impl AsRef<str>) -> Value {
        Value::Str(text.as_ref().into())
    }

    pub fn undefined(name: &str) -> Value {
        Value::Undefined(format!("{name:?} is undefined").into())
    }

    pub fn list(items: Vec<Value>) -> Result<Value> {
        let depth = deeper(0, items.iter())?;
        Ok(Value::List(Rc::new(Items {
            items,
            depth,
            group: false,
        })))
    }

    pub fn tuple(items: Vec<Value>) -> Result<Value> {
        let depth = deeper(0, items.iter())?;
        Ok(Value::Tuple(Rc::new(Items {
            items,
            depth,
            group: false,
        })))
    }

    /// A pair of `groupby`: the common value of the items, and the items.
    pub fn group(grouper: Value, list: Vec<Value>) -> Result<Value> {
        let items = vec![grouper, Value::list(list)?];
        let depth = deeper(0, items.iter())?;
        Ok(Value::Tuple(Rc::new(Items {
            items,
            depth,
            group: true,
        })))
    }

    pub fn once(items: Vec<Value>) -> Result<Value> {
        let depth = deeper(0, items.iter())?;
        let left = RefCell::new(items.into_iter());
        let lent = Cell::new(false);
        Ok(Value::Once(Rc::new(Once { left, lent, depth })))
    }

    pub fn dict(entries: impl IntoIterator<Item = (Value, Value)>) -> Result<Value> {
        Ok(Value::Dict(Rc::new(Dict::new(entries)?)))
    }

    pub fn method(of: &Value, name: &str) -> Value {
        Value::Method(Rc::new((of.clone(), name.into())))
    }

    pub fn len_of(n: usize) -> Value {
        Value::Int(n as i128)
    }

    fn depth(&self) -> usize {
        match self {
            Value::List(v) | Value::Tuple(v) => v.depth,
            Value::Dict(d) | Value::View(_, d) => d.depth,
            Value::Once(o) => o.depth,
            Value::Method(m) => m.0.depth(),
            _ => 0,
        }
    }

    fn key(&self) -> Result<Key> {
        let mut left = LARGEST_KEY;
        self.key_of(&mut left)
    }

    fn key_of(&self, left: &mut usize) -> Result<Key> {
        ensure!(
            *left > 0,
            "the key of a dictionary has more than {LARGEST_KEY} parts"
        );
        *left -= 1;
        Ok(match self {
            Value::Undefined(_) => Key::Undefined,
            Value::None => Key::None,
            Value::Bool(b) => Key::Int(i128::from(*b)),
            Value::Int(n) => Key::Int(*n),
            Value::Float(f) if f.fract() == 0.0 && f.abs() < 1e38 => Key::Int(*f as i128),
            Value::Float(f) => Key::Float(f.to_bits()),
            Value::Str(s) | Value::Markup(s) => Key::Str(s.clone()),
            Value::Tuple(t) => Key::Tuple(t.iter().map(|v| v.key_of(left)).collect::<Result<_>>()?),
            Value::Range(r) => Key::Range(r.start, r.stop, r.step),
            Value::Loop(id) | Value::Macro(id) | Value::Cycler(id) | Value::Joiner(id) => {
                Key::Object(self.type_name(), *id)
            }
            Value::Function(f) => Key::Object("function", *f as usize),
            _ => bail!("a {} cannot be the key of a dictionary", self.type_name()),
        })
    }

    /// The name of its type in Python.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Undefined(_) => "undefined value",
            Value::None => "None",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::Str(_) | Value::Markup(_) => "str",
            Value::List(_) => "list",
            Value::Tuple(_) => "tuple",
            Value::Dict(_) => "dict",
            Value::Range(_) => "range",
            Value::View(View::Keys, _) => "dict_keys",
            Value::View(View::Values, _) => "dict_values",
            Value::View(View::Items, _) => "dict_items",
            Value::Once(_) => "generator",
            Value::Namespace(_) => "namespace",
            Value::Loop(_) => "loop",
            Value::Macro(_) => "macro",
            Value::Cycler(_) => "cycler",
            Value::Joiner(_) => "joiner",
            Value::Function(_) => "function",
            Value::Method(_) => "method",
            Value::Template => "template",
        }
    }

    /// A text, marked as safe or not.
    pub fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Value::Str(s) | Value::Markup(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        self.as_text().map(|s| &**s)
    }

    pub fn is_markup(&self) -> bool {
        matches!(self, Value::Markup(_))
    }

    /// `text`, marked as safe if `self` is.
    pub fn alike(&self, text: impl AsRef<str>) -> Value {
        let text = text.as_ref().into();
        match self {
            Value::Markup(_) => Value::Markup(text),
            _ => Value::Str(text),
        }
    }

    /// Whole numbers; a bool is one in Python.
    pub fn as_int(&self) -> Option<i128> {
        match self {
            Value::Int(n) => Some(*n),
            Value::Bool(b) => Some(i128::from(*b)),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Float(f) => Some(*f),
            other => other.as_int().map(|n| n as f64),
        }
    }

    pub fn is_undefined(&self) -> bool {
        matches!(self, Value::Undefined(_))
    }

    pub fn is_true(&self) -> bool {
        match self {
            Value::Undefined(_) | Value::None => false,
            Value::Bool(b) => *b,
            Value::Int(n) => *n != 0,
            Value::Float(f) => *f != 0.0,
            Value::Str(s) | Value::Markup(s) => !s.is_empty(),
            Value::List(v) | Value::Tuple(v) => !v.is_empty(),
            Value::Dict(d) | Value::View(_, d) => d.len() > 0,
            Value::Range(r) => r.len() > 0,
            _ => true,
        }
    }

    /// The number of items or characters, if Python's `len` knows it.
    pub fn len(&self) -> Option<usize> {
        Some(match self {
            Value::Undefined(_) => 0,
            Value::Str(s) | Value::Markup(s) => s.chars().count(),
            Value::List(v) | Value::Tuple(v) => v.len(),
            Value::Dict(d) | Value::View(_, d) => d.len(),
            Value::Range(r) => r.len(),
            _ => return None,
        })
    }

    /// Steps that it takes to look at all of it.
    pub fn weight(&self) -> usize {
        match self {
            Value::Str(s) | Value::Markup(s) => 1 + s.len() / 16,
            other => 1 + other.len().unwrap_or(0),
        }
    }

    pub fn from_json(json: &serde_json::Value) -> Result<Value> {
        use serde_json::Value as Json;
        Ok(match json {
            Json::Null => Value::None,
            Json::Bool(b) => Value::Bool(*b),
            Json::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
                (Some(n), ..) => Value::Int(n.into()),
                (_, Some(n), _) => Value::Int(n.into()),
                (.., Some(f)) => Value::Float(f),
                _ => bail!("the number {n} is too large"),
            },
            Json::String(s) => Value::str(s),
            Json::Array(items) => {
                Value::list(items.iter().map(Value::from_json).collect::<Result<_>>()?)?
            }
            Json::Object(map) => Value::dict(
                map.iter()
                    .map(|(k, v)| Ok((Value::str(k), Value::from_json(v)?)))
                    .collect::<Result<Vec<_>>>()?,
            )?,
        })
    }
}
