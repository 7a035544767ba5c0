//! Operators, comparisons, subscripts and texts of values.
//!
//! Tests: `tests/templates.rs`.

use std::cmp::Ordering;

use anyhow::{bail, ensure, Result};

use super::markup;
use super::run::Run;
use super::syntax::{Cmp, Op};
use super::text::{char_range, float, quoted};
use super::value::{Range, Value, View};

pub fn negative(value: &Value) -> Result<Value> {
    Ok(match (value, value.as_int()) {
        (Value::Float(f), _) => Value::Float(-f),
        (_, Some(n)) => integers(Op::Sub, 0, n)?,
        _ => bail!("cannot negate a {}", describe(value)),
    })
}

pub fn positive(value: &Value) -> Result<Value> {
    Ok(match (value, value.as_int()) {
        (Value::Float(f), _) => Value::Float(*f),
        (_, Some(n)) => Value::Int(n),
        _ => bail!("expected a number, found a {}", describe(value)),
    })
}

/// The type of a value, for messages.
pub fn describe(value: &Value) -> String {
    match value {
        Value::Undefined(why) => format!("undefined value ({why})"),
        other => other.type_name().to_owned(),
    }
}

pub fn binary(run: &Run, op: Op, left: &Value, right: &Value) -> Result<Value> {
    if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
        return integers(op, a, b);
    }
    if let (Some(a), Some(b)) = (left.as_number(), right.as_number()) {
        return floats(op, a, b);
    }
    match (op, left, right) {
        (Op::Add, Value::Str(a), Value::Str(b)) => {
            run.spend_text(a.len() + b.len())?;
            Ok(Value::str(format!("{a}{b}")))
        }
        (Op::Add, a, b) if a.as_str().is_some() && b.as_str().is_some() => markup::add(run, a, b),
        (Op::Add, Value::List(a), Value::List(b)) => {
            run.spend(a.len() + b.len())?;
            Value::list(a.iter().chain(b.iter()).cloned().collect())
        }
        (Op::Add, Value::Tuple(a), Value::Tuple(b)) => {
            run.spend(a.len() + b.len())?;
            Value::tuple(a.iter().chain(b.iter()).cloned().collect())
        }
        (Op::Mul, of, times) if times.as_int().is_some() => repeated(run, of, times),
        (Op::Mul, times, of) if times.as_int().is_some() => repeated(run, of, times),
        _ => {
            let sign = match op {
                Op::Add => "+",
                Op::Sub => "-",
                Op::Mul => "*",
                Op::Div => "/",
                Op::FloorDiv => "//",
                Op::Mod => "%",
                Op::Pow => "**",
            };
            bail!(
                "unsupported {sign:?} between a {} and a {}",
                describe(left),
                describe(right)
            )
        }
    }
}

fn repeated(run: &Run, of: &Value, times: &Value) -> Result<Value> {
    let times = usize::try_from(times.as_int().unwrap_or(0).max(0)).unwrap_or(usize::MAX);
    let copies = |items: &[Value]| -> Result<Vec<Value>> {
        run.spend(items.len().saturating_mul(times))?;
        Ok(items
            .iter()
            .cycle()
            .take(items.len() * times)
            .cloned()
            .collect())
    };
    match of {
        Value::Str(s) | Value::Markup(s) => {
            run.spend_text(s.len().saturating_mul(times))?;
            Ok(of.alike(s.repeat(times)))
        }
        Value::List(items) => Value::list(copies(items)?),
        Value::Tuple(items) => Value::tuple(copies(items)?),
        other => bail!("cannot multiply a {}", describe(other)),
    }
}

fn integers(op: Op, a: i128, b: i128) -> Result<Value> {
    let divides = matches!(op, Op::Div | Op::FloorDiv | Op::Mod);
    ensure!(!(divides && b == 0), "division by zero");
    let out = match op {
        Op::Add => a.checked_add(b),
        Op::Sub => a.checked_sub(b),
        Op::Mul => a.checked_mul(b),
        Op::Div => return Ok(Value::Float(quotient(a, b))),
        Op::FloorDiv => {
            let towards_zero = a.checked_div(b);
            towards_zero.map(|q| q - i128::from(a % b != 0 && (a < 0) != (b < 0)))
        }
        Op::Mod => {
            let r = a.checked_rem(b);
            r.map(|r| {
                if r != 0 && (r < 0) != (b < 0) {
                    r + b
                } else {
                    r
                }
            })
        }
        Op::Pow if b < 0 => return floats(op, a as f64, b as f64),
        Op::Pow => match a {
            0 | 1 => Some(if b == 0 { 1 } else { a }),
            -1 => Some(if b % 2 == 0 { 1 } else { -1 }),
            _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        },
    };
    match out {
        Some(n) => Ok(Value::Int(n)),
        None => bail!("number is too large: whole numbers have at most 127 bits"),
    }
}

/// `a / b`, rounded once, as Python divides whole numbers.
fn quotient(a: i128, b: i128) -> f64 {
    const EXACT: u128 = 1 << 53;
    if a.unsigned_abs() <= EXACT && b.unsigned_abs() <= EXACT {
        return a as f64 / b as f64;
    }
    let by = b.unsigned_abs();
    let (mut whole, mut rest) = (a.unsigned_abs() / by, a.unsigned_abs() % by);
    // More bits than a float has, so that the last one only says if anything follows.
    let mut scale = 1.0;
    while whole < 1 << 66 && rest != 0 {
        let twice = rest << 1;
        whole = whole << 1 | u128::from(twice >= by);
        rest = if twice >= by { twice - by } else { twice };
        scale /= 2.0;
    }
    let magnitude = (whole | u128::from(rest != 0)) as f64 * scale;
    if (a < 0) != (b < 0) {
        -magnitude
    } else {
        magnitude
    }
}

/// The order of two numbers by their true values; `None` if one of them is NaN.
fn numbers(left: &Value, right: &Value) -> Option<Ordering> {
    let mixed = |n: i128, f: f64| {
        let whole = f.trunc();
        // Beyond these bounds the cast would stop at the largest number.
        match whole.abs() < 2f64.powi(127) {
            true => {
                let tail = || 0.0.partial_cmp(&(f - whole));
                Some(n.cmp(&(whole as i128)))
                    .filter(|o| o.is_ne())
                    .or_else(tail)
            }
            false => 0.0.partial_cmp(&f),
        }
    };
    match (left.as_int(), right.as_int()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(n), None) => mixed(n, right.as_number()?),
        (None, Some(n)) => mixed(n, left.as_number()?).map(Ordering::reverse),
        (None, None) => left.as_number()?.partial_cmp(&right.as_number()?),
    }
}

fn floats(op: Op, a: f64, b: f64) -> Result<Value> {
    let divides = matches!(op, Op::Div | Op::FloorDiv | Op::Mod);
    ensure!(!(divides && b == 0.0), "division by zero");
    let remainder = || {
        let r = a % b;
        if r != 0.0 && (r < 0.0) != (b < 0.0) {
            r + b
        } else if r == 0.0 {
            0f64.copysign(b)
        } else {
            r
        }
    };
    Ok(Value::Float(match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Mod => remainder(),
        Op::FloorDiv => {
            let quotient = (a - remainder()) / b;
            let floor = quotient.floor();
            if quotient - floor > 0.5 {
                floor + 1.0
            } else if quotient == 0.0 {
                0f64.copysign(a / b)
            } else {
                floor
            }
        }
        Op::Pow => {
            ensure!(!(a == 0.0 && b < 0.0), "cannot raise 0 to a negative power");
            ensure!(
                !(a < 0.0 && b.fract() != 0.0),
                "a root of a negative number is not supported"
            );
            let out = a.powf(b);
            ensure!(
                out.is_finite() || !a.is_finite() || !b.is_finite(),
                "a number is too large"
            );
            out
        }
    }))
}

/// The indices that a slice of `len` items takes, as Python's `slice.indices` counts them.
fn indices(len: usize, bounds: [Option<Value>; 3]) -> Result<(i128, i128, i128)> {
    let mut numbers = [None; 3];
    for (number, bound) in numbers.iter_mut().zip(bounds) {
        *number = match bound {
            None | Some(Value::None) => None,
            Some(value) => match value.as_int() {
                Some(n) => Some(n),
                None => bail!("cannot bound a slice with a {}", describe(&value)),
            },
        };
    }
    let len = len as i128;
    let step = numbers[2].unwrap_or(1);
    ensure!(step != 0, "the step of a slice cannot be 0");
    // More than the length in either direction is the same as the length.
    let step = step.clamp(-len - 1, len + 1);
    let (low, high) = if step < 0 { (-1, len - 1) } else { (0, len) };
    let bound = |n: Option<i128>, default: i128| match n {
        None => default,
        Some(n) if n < 0 => n.saturating_add(len).max(low),
        Some(n) => n.min(high),
    };
    let (first, last) = if step < 0 { (high, low) } else { (low, high) };
    Ok((bound(numbers[0], first), bound(numbers[1], last), step))
}

impl<'t> Run<'t> {
    pub fn slice(&self, of: &Value, bounds: [Option<Value>; 3]) -> Result<Value> {
        self.spend(of.weight())?;
        let Some(len) = of.len().filter(|_| !of.is_undefined()) else {
            bail!("cannot slice a {}", describe(of));
        };
        let (start, stop, step) = indices(len, bounds)?;
        let taken = Range { start, stop, step };
        let at = |i: usize| (start + step * i as i128) as usize;
        let pick = |items: &[Value]| (0..taken.len()).map(|i| items[at(i)].clone()).collect();
        Ok(match of {
            Value::Str(s) | Value::Markup(s) if step == 1 => {
                of.alike(char_range(s, start as usize, stop.max(start) as usize))
            }
            Value::Str(s) | Value::Markup(s) => {
                let chars: Vec<char> = s.chars().collect();
                self.spend(chars.len())?;
                of.alike((0..taken.len()).map(|i| chars[at(i)]).collect::<String>())
            }
            Value::List(items) => Value::list(pick(items))?,
            Value::Tuple(items) => Value::tuple(pick(items))?,
            Value::Range(r) => Value::Range(Range {
                start: r.start + r.step.saturating_mul(start),
                stop: r.start.saturating_add(r.step.saturating_mul(stop)),
                step: r.step.saturating_mul(step),
            }),
            other => bail!("cannot slice a {}", describe(other)),
        })
    }

    /// `of[key]`; a missing item is undefined.
    pub fn item(&self, of: &Value, key: &Value) -> Result<Value> {
        let missing = || Value::Undefined(format!("item not found in a {}", of.type_name()).into());
        if let Value::Undefined(why) = of {
            bail!("{why}");
        }
        let index = |len: usize| {
            let n = key.as_int()?;
            let n = if n < 0 { n + len as i128 } else { n };
            usize::try_from(n).ok().filter(|&n| n < len)
        };
        Ok(match of {
            Value::List(v) | Value::Tuple(v) => match index(v.len()) {
                Some(i) => return Ok(v[i].clone()),
                None => self.named(of, key)?.unwrap_or_else(missing),
            },
            Value::Str(s) | Value::Markup(s) => {
                self.spend_text(s.len())?;
                match index(of.len().unwrap_or(0)) {
                    Some(i) => of.alike(char_range(s, i, i + 1)),
                    None => self.named(of, key)?.unwrap_or_else(missing),
                }
            }
            Value::Range(r) => index(r.len()).map_or_else(missing, |i| r.get(i)),
            Value::Dict(d) => match d.get(key).ok().flatten() {
                Some(value) => value.clone(),
                None => self.named(of, key)?.unwrap_or_else(missing),
            },
            _ => self.named(of, key)?.unwrap_or_else(missing),
        })
    }

    /// The attribute that a text as a subscript stands for.
    fn named(&self, of: &Value, key: &Value) -> Result<Option<Value>> {
        match key {
            Value::Str(name) | Value::Markup(name) => self.python_attribute(of, name),
            _ => Ok(None),
        }
    }

    /// `of.name`: an attribute of the type, or an item of a dictionary.
    pub fn attribute(&self, of: &Value, name: &str) -> Result<Value> {
        if let Value::Undefined(why) = of {
            bail!("{why}");
        }
        if let Some(value) = self.python_attribute(of, name)? {
            return Ok(value);
        }
        if let Value::Dict(d) = of {
            if let Some(value) = d.get_str(name) {
                return Ok(value.clone());
            }
        }
        Ok(Value::Undefined(
            format!("a {} has no attribute {name:?}", of.type_name()).into(),
        ))
    }

    pub fn compare(&self, cmp: Cmp, left: &Value, right: &Value) -> Result<bool> {
        Ok(match cmp {
            Cmp::Eq => self.equal(left, right)?,
            Cmp::Ne => !self.equal(left, right)?,
            Cmp::In => self.contains(right, left)?,
            Cmp::NotIn => !self.contains(right, left)?,
            Cmp::Lt => self.order(left, right, "<")?.is_some_and(|o| o.is_lt()),
            Cmp::Le => self.order(left, right, "<=")?.is_some_and(|o| o.is_le()),
            Cmp::Gt => self.order(left, right, ">")?.is_some_and(|o| o.is_gt()),
            Cmp::Ge => self.order(left, right, ">=")?.is_some_and(|o| o.is_ge()),
        })
    }

    /// The items that Python's `iter` goes through.
    pub fn items(&self, of: &Value) -> Result<Vec<Value>> {
        self.spend(of.weight())?;
        Ok(match of {
            Value::Undefined(_) => Vec::new(),
            Value::Str(s) | Value::Markup(s) => {
                self.spend(s.len())?;
                s.chars()
                    .map(|c| Value::str(c.encode_utf8(&mut [0; 4])))
                    .collect()
            }
            Value::List(v) | Value::Tuple(v) => v.to_vec(),
            Value::Dict(d) => d.view(View::Keys)?,
            Value::View(view, d) => d.view(*view)?,
            Value::Range(r) => (0..r.len()).map(|i| r.get(i)).collect(),
            Value::Once(once) => {
                let items = once.rest()?;
                self.spend(items.len())?;
                items
            }
            // Python hands out the items of the loop that runs, which then ends.
            Value::Loop(_) => bail!("a loop over \"loop\" is not supported"),
            other => bail!("cannot loop over a {}", other.type_name()),
        })
    }

    pub fn equal(&self, left: &Value, right: &Value) -> Result<bool> {
        self.spend(1)?;
        let all = |a: &[Value], b: &[Value]| -> Result<bool> {
            if a.len() != b.len() {
                return Ok(false);
            }
            for (a, b) in a.iter().zip(b) {
                if !self.equal(a, b)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
            return Ok(a == b);
        }
        if left.as_number().is_some() && right.as_number().is_some() {
            return Ok(numbers(left, right).is_some_and(Ordering::is_eq));
        }
        Ok(match (left, right) {
            (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => true,
            (Value::Str(a) | Value::Markup(a), Value::Str(b) | Value::Markup(b)) => {
                self.spend_text(a.len().min(b.len()))?;
                a == b
            }
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => all(a, b)?,
            (Value::Dict(a), Value::Dict(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (key, value) in &a.entries {
                    match b.get(key)? {
                        Some(other) if self.equal(value, other)? => {}
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Value::Range(a), Value::Range(b)) => {
                let (n, m) = (a.len(), b.len());
                n == m && (n == 0 || (a.start == b.start && (n == 1 || a.step == b.step)))
            }
            (Value::Loop(a), Value::Loop(b))
            | (Value::Macro(a), Value::Macro(b))
            | (Value::Namespace(a), Value::Namespace(b))
            | (Value::Cycler(a), Value::Cycler(b))
            | (Value::Joiner(a), Value::Joiner(b)) => a == b,
            (Value::Function(a), Value::Function(b)) => a == b,
            (Value::View(..), Value::View(..)) | (Value::Method(_), Value::Method(_)) => {
                bail!("cannot compare two {}s", left.type_name())
            }
            _ => false,
        })
    }

    /// The order of two values; `None` if one of them is NaN.
    pub fn order(&self, left: &Value, right: &Value, sign: &str) -> Result<Option<Ordering>> {
        self.spend(1)?;
        if let (Some(a), Some(b)) = (left.as_int(), right.as_int()) {
            return Ok(Some(a.cmp(&b)));
        }
        if left.as_number().is_some() && right.as_number().is_some() {
            return Ok(numbers(left, right));
        }
        match (left, right) {
            (Value::Str(a) | Value::Markup(a), Value::Str(b) | Value::Markup(b)) => {
                self.spend_text(a.len().min(b.len()))?;
                Ok(Some(a.cmp(b)))
            }
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
                for (a, b) in a.iter().zip(b.iter()) {
                    if !self.equal(a, b)? {
                        return self.order(a, b, sign);
                    }
                }
                Ok(Some(a.len().cmp(&b.len())))
            }
            _ => bail!(
                "unsupported {sign:?} between a {} and a {}",
                describe(left),
                describe(right)
            ),
        }
    }

    pub fn contains(&self, container: &Value, item: &Value) -> Result<bool> {
        match (container, item) {
            (Value::Str(all) | Value::Markup(all), Value::Str(part) | Value::Markup(part)) => {
                self.spend_text(all.len())?;
                Ok(all.contains(&**part))
            }
            (Value::Str(_) | Value::Markup(_), other) => {
                bail!("cannot look for a {} in a string", describe(other))
            }
            (Value::Once(once), item) => {
                // The items after the found one stay.
                while let Some(one) = once.next()? {
                    if self.equal(&one, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Value::Dict(d) | Value::View(View::Keys, d), key) => Ok(d.get(key)?.is_some()),
            _ => {
                for one in self.items(container)? {
                    if self.equal(&one, item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// Python's `str(value)`.
    pub fn to_text(&self, value: &Value) -> Result<std::sync::Arc<str>> {
        Ok(match value {
            Value::Str(s) | Value::Markup(s) => s.clone(),
            Value::Undefined(_) => "".into(),
            other => self.repr(other, false)?.into(),
        })
    }

    /// Python's `repr(value)`, or its `ascii(value)`.
    pub fn repr(&self, value: &Value, ascii: bool) -> Result<String> {
        let mut out = String::new();
        self.write_repr(value, ascii, 0, &mut out)?;
        Ok(out)
    }

    fn write_repr(&self, value: &Value, ascii: bool, depth: usize, out: &mut String) -> Result<()> {
        ensure!(depth < 300, "values are nested too deeply to be written");
        let before = out.len();
        let list = |items: &[Value], out: &mut String| -> Result<()> {
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                self.write_repr(item, ascii, depth + 1, out)?;
            }
            Ok(())
        };
        let dict = |entries: &[(Value, Value)], out: &mut String| -> Result<()> {
            out.push('{');
            for (i, (key, value)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                self.write_repr(key, ascii, depth + 1, out)?;
                out.push_str(": ");
                self.write_repr(value, ascii, depth + 1, out)?;
            }
            out.push('}');
            Ok(())
        };
        match value {
            Value::Undefined(_) => out.push_str("Undefined"),
            Value::None => out.push_str("None"),
            Value::Bool(b) => out.push_str(if *b { "True" } else { "False" }),
            Value::Int(n) => out.push_str(&n.to_string()),
            Value::Float(f) => out.push_str(&float(*f)),
            Value::Str(s) => {
                self.spend_text(s.len())?;
                out.push_str(&quoted(s, ascii));
            }
            Value::Markup(s) => {
                self.spend_text(s.len())?;
                out.push_str(&format!("Markup({})", quoted(s, ascii)));
            }
            Value::List(items) => {
                out.push('[');
                list(items, out)?;
                out.push(']');
            }
            Value::Tuple(items) => {
                out.push('(');
                list(items, out)?;
                out.push_str(if items.len() == 1 { ",)" } else { ")" });
            }
            Value::Dict(d) => dict(&d.entries, out)?,
            Value::View(view, d) => {
                out.push_str(value.type_name());
                out.push_str("([");
                list(&d.view(*view)?, out)?;
                out.push_str("])");
            }
            Value::Range(r) if r.step == 1 => {
                out.push_str(&format!("range({}, {})", r.start, r.stop))
            }
            Value::Range(r) => out.push_str(&format!("range({}, {}, {})", r.start, r.stop, r.step)),
            Value::Namespace(id) => {
                out.push_str("<Namespace ");
                dict(&self.namespaces[*id].entries, out)?;
                out.push('>');
            }
            Value::Loop(id) => {
                let state = &self.loops[*id];
                out.push_str(&format!("<LoopContext {}/{}>", state.index + 1, state.len));
            }
            Value::Template => out.push_str("<TemplateReference None>"),
            other => bail!(
                "cannot write a {}: call or list it first",
                other.type_name()
            ),
        }
        self.spend_text(out.len() - before)
    }
}
