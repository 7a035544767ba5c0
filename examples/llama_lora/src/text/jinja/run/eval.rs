//! Evaluates expressions.
//!
//! Tests: `tests/templates.rs`.

use std::rc::Rc;

use anyhow::{bail, ensure, Result};

use super::Run;
use crate::text::jinja::call::Given;
use crate::text::jinja::percent::percent;
use crate::text::jinja::syntax::{Args, Expr, Op};
use crate::text::jinja::value::{Dict, Value};
use crate::text::jinja::{filters, ops, tests};

impl<'t> Run<'t> {
    pub(super) fn given(&mut self, args: &'t Args, scope: usize) -> Result<Given> {
        let mut given = Given::default();
        for arg in &args.pos {
            given.pos.push(self.eval(arg, scope)?);
        }
        for (name, arg) in &args.named {
            given
                .named
                .push((name.as_str().into(), self.eval(arg, scope)?));
        }
        if let Some(list) = &args.star {
            let list = self.eval(list, scope)?;
            given.pos.extend(self.items(&list)?);
        }
        if let Some(dict) = &args.stars {
            let Value::Dict(dict) = self.eval(dict, scope)? else {
                bail!("expected a dictionary after **");
            };
            for (key, value) in &dict.entries {
                let Value::Str(key) = key else {
                    bail!("expected strings as names after **");
                };
                ensure!(
                    !given.named.iter().any(|(n, _)| n == key),
                    "duplicate argument {key:?}"
                );
                given.named.push((key.clone(), value.clone()));
            }
        }
        Ok(given)
    }

    pub fn eval(&mut self, expr: &'t Expr, scope: usize) -> Result<Value> {
        self.spend(1)?;
        self.deeper(|run| run.eval_inner(expr, scope))
    }

    pub(super) fn eval_all(&mut self, exprs: &'t [Expr], scope: usize) -> Result<Vec<Value>> {
        exprs.iter().map(|e| self.eval(e, scope)).collect()
    }

    fn eval_inner(&mut self, expr: &'t Expr, scope: usize) -> Result<Value> {
        Ok(match expr {
            Expr::None => Value::None,
            Expr::Bool(b) => Value::Bool(*b),
            Expr::Int(n) => Value::Int(*n),
            Expr::Float(f) => Value::Float(*f),
            Expr::Str(s) => Value::Str(s.clone()),
            Expr::Name(name) => self.look_up(name, scope)?,
            Expr::List(items) => Value::list(self.eval_all(items, scope)?)?,
            Expr::Tuple(items) => Value::tuple(self.eval_all(items, scope)?)?,
            Expr::Dict(items) => {
                let mut dict = Dict::default();
                for (key, value) in items {
                    let key = self.eval(key, scope)?;
                    dict.set(key, self.eval(value, scope)?)?;
                }
                Value::Dict(Rc::new(dict))
            }
            Expr::Not(inner) => Value::Bool(!self.eval(inner, scope)?.is_true()),
            Expr::Neg(inner) => ops::negative(&self.eval(inner, scope)?)?,
            Expr::Pos(inner) => ops::positive(&self.eval(inner, scope)?)?,
            Expr::And(left, right) => match self.eval(left, scope)? {
                left if left.is_true() => self.eval(right, scope)?,
                left => left,
            },
            Expr::Or(left, right) => match self.eval(left, scope)? {
                left if left.is_true() => left,
                _ => self.eval(right, scope)?,
            },
            Expr::Binary(op, left, right) => {
                let (left, right) = (self.eval(left, scope)?, self.eval(right, scope)?);
                self.binary(*op, &left, &right)?
            }
            Expr::Concat(parts) => {
                let mut out = String::new();
                for part in parts {
                    let value = self.eval(part, scope)?;
                    let text = self.to_text(&value)?;
                    self.spend_text(text.len())?;
                    out.push_str(&text);
                }
                Value::str(out)
            }
            Expr::Compare(first, rest) => {
                let mut left = self.eval(first, scope)?;
                for (cmp, right) in rest {
                    let right = self.eval(right, scope)?;
                    if !self.compare(*cmp, &left, &right)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Value::Bool(true)
            }
            Expr::If { test, yes, no } => match (self.eval(test, scope)?.is_true(), no) {
                (true, _) => self.eval(yes, scope)?,
                (false, Some(no)) => self.eval(no, scope)?,
                (false, None) => Value::Undefined("expected \"else\" in the condition".into()),
            },
            Expr::Attr(of, name) => {
                let of = self.eval(of, scope)?;
                self.attribute(&of, name)?
            }
            Expr::Item(of, key) => {
                let (of, key) = (self.eval(of, scope)?, self.eval(key, scope)?);
                self.item(&of, &key)?
            }
            Expr::Slice(of, bounds) => {
                let of = self.eval(of, scope)?;
                let mut values = [None, None, None];
                for (value, bound) in values.iter_mut().zip(bounds.iter()) {
                    if let Some(bound) = bound {
                        *value = Some(self.eval(bound, scope)?);
                    }
                }
                self.slice(&of, values)?
            }
            Expr::Call(callee, args) => {
                let callee = self.eval(callee, scope)?;
                let given = self.given(args, scope)?;
                self.call(&callee, given)?
            }
            Expr::Filter(of, name, args) => {
                let of = self.eval(of, scope)?;
                let given = self.given(args, scope)?;
                filters::apply(self, name, of, given)?
            }
            Expr::Test(of, name, args) => {
                let of = self.eval(of, scope)?;
                let given = self.given(args, scope)?;
                Value::Bool(tests::check(self, name, &of, given)?)
            }
        })
    }

    pub(super) fn binary(&mut self, op: Op, left: &Value, right: &Value) -> Result<Value> {
        match (op, left) {
            (Op::Mod, Value::Str(text) | Value::Markup(text)) => {
                let text = percent(self, text, right, left.is_markup())?;
                Ok(left.alike(text))
            }
            _ => ops::binary(self, op, left, right),
        }
    }
}
