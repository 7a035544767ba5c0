//! Expressions: operators, filters, tests and calls, by the grammar of Jinja's own parser.
//!
//! Tests: `tests/templates.rs`.

use anyhow::{bail, ensure, Result};

use super::lexer::Token;
use super::parser::Parser;
use super::syntax::{Args, Cmp, Expr, Op};
use super::{filters, tests};

impl Parser {
    /// One expression, or several with commas between them.
    pub(super) fn tuple(&mut self, conditional: bool, ends: &[&str]) -> Result<Expr> {
        let mut items = Vec::new();
        let mut tuple = false;
        loop {
            let done = match self.peek() {
                None | Some(Token::PrintEnd | Token::BlockEnd) => true,
                Some(Token::Op(op)) => *op == ")",
                Some(Token::Name(name)) => ends.contains(&name.as_str()),
                _ => false,
            };
            if done {
                break;
            }
            items.push(if conditional {
                self.expression()?
            } else {
                self.or()?
            });
            if !self.skip_op(",") {
                break;
            }
            tuple = true;
        }
        match (tuple, items.pop()) {
            (false, Some(one)) => Ok(one),
            (false, None) => self.unexpected("an expression"),
            (true, last) => {
                items.extend(last);
                Ok(Expr::Tuple(items))
            }
        }
    }

    pub(super) fn expression(&mut self) -> Result<Expr> {
        self.nested(Self::conditional)
    }

    fn conditional(&mut self) -> Result<Expr> {
        let start = self.at;
        let mut value = self.or()?;
        let mut links = 0;
        while self.skip_name("if") {
            links += 1;
            self.chained(links)?;
            let test = self.with_branch(true, Self::or)?;
            let no = if self.skip_name("else") {
                let no = self.with_branch(true, |p| p.nested(Self::conditional))?;
                Some(Box::new(no))
            } else {
                None
            };
            value = Expr::If {
                test: Box::new(test),
                yes: Box::new(value),
                no,
            };
        }
        debug_assert!(self.at > start);
        Ok(value)
    }

    pub(super) fn or(&mut self) -> Result<Expr> {
        let mut left = self.and()?;
        let mut links = 0;
        while self.skip_name("or") {
            links += 1;
            self.chained(links)?;
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr> {
        let mut left = self.not()?;
        let mut links = 0;
        while self.skip_name("and") {
            links += 1;
            self.chained(links)?;
            left = Expr::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr> {
        if self.skip_name("not") {
            return Ok(Expr::Not(Box::new(self.nested(Self::not)?)));
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<Expr> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        loop {
            let cmp = match self.peek() {
                Some(Token::Op("==")) => Cmp::Eq,
                Some(Token::Op("!=")) => Cmp::Ne,
                Some(Token::Op("<")) => Cmp::Lt,
                Some(Token::Op("<=")) => Cmp::Le,
                Some(Token::Op(">")) => Cmp::Gt,
                Some(Token::Op(">=")) => Cmp::Ge,
                Some(Token::Name(n)) if n == "in" => Cmp::In,
                Some(Token::Name(n)) if n == "not" => {
                    let next = self.tokens.get(self.at + 1).map(|t| &t.0);
                    if !matches!(next, Some(Token::Name(n)) if n == "in") {
                        break;
                    }
                    self.at += 1;
                    Cmp::NotIn
                }
                _ => break,
            };
            self.at += 1;
            rest.push((cmp, self.sum()?));
        }
        Ok(match rest.is_empty() {
            true => first,
            false => Expr::Compare(Box::new(first), rest),
        })
    }

    fn sum(&mut self) -> Result<Expr> {
        self.binary(&[("+", Op::Add), ("-", Op::Sub)], Self::concat)
    }

    fn concat(&mut self) -> Result<Expr> {
        let first = self.product()?;
        if !self.is_op("~") {
            return Ok(first);
        }
        let mut parts = vec![first];
        while self.skip_op("~") {
            parts.push(self.product()?);
        }
        Ok(Expr::Concat(parts))
    }

    fn product(&mut self) -> Result<Expr> {
        let ops = [
            ("*", Op::Mul),
            ("/", Op::Div),
            ("//", Op::FloorDiv),
            ("%", Op::Mod),
        ];
        self.binary(&ops, Self::power)
    }

    /// Unlike in Python, powers associate to the left.
    fn power(&mut self) -> Result<Expr> {
        self.binary(&[("**", Op::Pow)], |p| p.unary(true))
    }

    fn binary(
        &mut self,
        ops: &[(&str, Op)],
        operand: fn(&mut Self) -> Result<Expr>,
    ) -> Result<Expr> {
        let mut left = operand(self)?;
        let mut links = 0;
        while let Some(&(_, op)) = ops.iter().find(|(text, _)| self.is_op(text)) {
            self.at += 1;
            links += 1;
            self.chained(links)?;
            left = Expr::Binary(op, Box::new(left), Box::new(operand(self)?));
        }
        Ok(left)
    }

    fn unary(&mut self, filters: bool) -> Result<Expr> {
        let node = if self.skip_op("-") {
            Expr::Neg(Box::new(self.nested(|p| p.unary(false))?))
        } else if self.skip_op("+") {
            Expr::Pos(Box::new(self.nested(|p| p.unary(false))?))
        } else {
            self.primary()?
        };
        let node = self.postfix(node)?;
        if filters {
            return self.filtered(node);
        }
        Ok(node)
    }

    fn primary(&mut self) -> Result<Expr> {
        let known = match self.peek() {
            Some(Token::Op(op)) => ["(", "[", "{"].contains(op),
            Some(Token::Name(_) | Token::Str(_) | Token::Int(_) | Token::Float(_)) => true,
            _ => false,
        };
        if !known {
            return self.unexpected("an expression");
        }
        Ok(match self.next() {
            Some(Token::Name(name)) => match name.as_str() {
                "true" | "True" => Expr::Bool(true),
                "false" | "False" => Expr::Bool(false),
                "none" | "None" => Expr::None,
                _ => {
                    for used in &mut self.used {
                        used.varargs |= name == "varargs";
                        used.kwargs |= name == "kwargs";
                        used.caller |= name == "caller";
                    }
                    Expr::Name(name)
                }
            },
            Some(Token::Str(mut text)) => {
                while let Some(Token::Str(more)) = self.peek() {
                    text.push_str(more);
                    self.at += 1;
                }
                Expr::Str(text.into())
            }
            Some(Token::Int(n)) => Expr::Int(n),
            Some(Token::Float(n)) => Expr::Float(n),
            Some(Token::Op("(")) => {
                if self.skip_op(")") {
                    return Ok(Expr::Tuple(Vec::new()));
                }
                let inner = self.nested(|p| p.tuple(true, &[]))?;
                self.expect_op(")")?;
                inner
            }
            Some(Token::Op("[")) => {
                let mut items = Vec::new();
                while !self.skip_op("]") {
                    if !items.is_empty() {
                        self.expect_op(",")?;
                        if self.skip_op("]") {
                            break;
                        }
                    }
                    items.push(self.expression()?);
                }
                Expr::List(items)
            }
            _ => {
                let mut items = Vec::new();
                while !self.skip_op("}") {
                    if !items.is_empty() {
                        self.expect_op(",")?;
                        if self.skip_op("}") {
                            break;
                        }
                    }
                    let key = self.expression()?;
                    self.expect_op(":")?;
                    items.push((key, self.expression()?));
                }
                Expr::Dict(items)
            }
        })
    }

    /// Attributes, subscripts and calls.
    fn postfix(&mut self, mut node: Expr) -> Result<Expr> {
        for links in 0.. {
            self.chained(links)?;
            if self.skip_op(".") {
                node = match self.next() {
                    Some(Token::Name(name)) => Expr::Attr(Box::new(node), name),
                    Some(Token::Int(n)) => Expr::Item(Box::new(node), Box::new(Expr::Int(n))),
                    _ => bail!(
                        "line {}: expected a name or a number after the dot",
                        self.line()
                    ),
                };
            } else if self.skip_op("[") {
                node = self.nested(|p| p.subscript(node))?;
            } else if self.is_op("(") {
                node = Expr::Call(Box::new(node), self.args()?);
            } else {
                break;
            }
        }
        Ok(node)
    }

    fn subscript(&mut self, node: Expr) -> Result<Expr> {
        let mut bounds: [Option<Expr>; 3] = [None, None, None];
        let mut sliced = false;
        for (i, bound) in bounds.iter_mut().enumerate() {
            if !self.is_op(":") && !self.is_op("]") {
                *bound = Some(self.expression()?);
            }
            if i == 2 || !self.skip_op(":") {
                break;
            }
            sliced = true;
        }
        if sliced {
            self.expect_op("]")?;
            return Ok(Expr::Slice(Box::new(node), Box::new(bounds)));
        }
        let [Some(first), ..] = bounds else {
            return self.unexpected("a subscript");
        };
        if !self.is_op(",") {
            self.expect_op("]")?;
            return Ok(Expr::Item(Box::new(node), Box::new(first)));
        }
        let mut items = vec![first];
        while self.skip_op(",") {
            items.push(self.expression()?);
        }
        self.expect_op("]")?;
        Ok(Expr::Item(Box::new(node), Box::new(Expr::Tuple(items))))
    }

    /// Filters, tests and calls of their results.
    fn filtered(&mut self, mut node: Expr) -> Result<Expr> {
        for links in 0.. {
            self.chained(links)?;
            if self.skip_op("|") {
                let (name, args) = self.filter()?;
                node = Expr::Filter(Box::new(node), name, args);
            } else if self.skip_name("is") {
                node = self.test(node)?;
            } else if self.is_op("(") {
                node = Expr::Call(Box::new(node), self.args()?);
            } else {
                break;
            }
        }
        Ok(node)
    }

    fn dotted(&mut self) -> Result<String> {
        let mut name = self.name()?;
        while self.skip_op(".") {
            name = format!("{name}.{}", self.name()?);
        }
        Ok(name)
    }

    fn filter(&mut self) -> Result<(String, Args)> {
        let name = self.dotted()?;
        ensure!(
            self.branch || filters::is_known(&name),
            "line {}: unknown filter {name:?}",
            self.line()
        );
        let args = if self.is_op("(") {
            self.args()?
        } else {
            Args::default()
        };
        Ok((name, args))
    }

    pub(super) fn filter_chain(&mut self, begun: bool) -> Result<Vec<(String, Args)>> {
        let mut chain = Vec::new();
        if begun {
            chain.push(self.filter()?);
        }
        while self.skip_op("|") {
            chain.push(self.filter()?);
        }
        Ok(chain)
    }

    fn test(&mut self, node: Expr) -> Result<Expr> {
        let negated = self.skip_name("not");
        let name = self.dotted()?;
        ensure!(
            self.branch || tests::is_known(&name),
            "line {}: unknown test {name:?}",
            self.line()
        );
        let operand = match self.peek() {
            Some(Token::Name(n)) => {
                ensure!(
                    n != "is",
                    "line {}: tests cannot be chained with \"is\"",
                    self.line()
                );
                !["else", "or", "and"].contains(&n.as_str())
            }
            Some(Token::Str(_) | Token::Int(_) | Token::Float(_)) => true,
            Some(Token::Op(op)) => ["[", "{"].contains(op),
            _ => false,
        };
        let args = if self.is_op("(") {
            self.args()?
        } else if operand {
            let value = self.nested(Self::primary)?;
            Args {
                pos: vec![self.postfix(value)?],
                ..Args::default()
            }
        } else {
            Args::default()
        };
        let test = Expr::Test(Box::new(node), name, args);
        Ok(match negated {
            true => Expr::Not(Box::new(test)),
            false => test,
        })
    }

    pub(super) fn args(&mut self) -> Result<Args> {
        self.expect_op("(")?;
        let line = self.line();
        let mut args = Args::default();
        let mut first = true;
        while !self.skip_op(")") {
            if !std::mem::take(&mut first) {
                self.expect_op(",")?;
                if self.skip_op(")") {
                    break;
                }
            }
            let next = self.tokens.get(self.at + 1).map(|t| &t.0);
            let named =
                matches!(self.peek(), Some(Token::Name(_))) && matches!(next, Some(Token::Op("=")));
            if self.skip_op("*") {
                ensure!(
                    args.star.is_none() && args.stars.is_none(),
                    "line {line}: duplicate *"
                );
                args.star = Some(Box::new(self.expression()?));
            } else if self.skip_op("**") {
                ensure!(args.stars.is_none(), "line {line}: duplicate **");
                args.stars = Some(Box::new(self.expression()?));
            } else if named {
                ensure!(
                    args.stars.is_none(),
                    "line {line}: unexpected named argument after **"
                );
                let name = self.name()?;
                self.at += 1;
                let twice = args.named.iter().any(|(n, _)| *n == name);
                ensure!(!twice, "line {line}: duplicate argument {name:?}");
                args.named.push((name, self.expression()?));
            } else {
                let last = args.star.is_none() && args.stars.is_none() && args.named.is_empty();
                ensure!(
                    last,
                    "line {line}: unexpected positional argument after a named one"
                );
                args.pos.push(self.expression()?);
            }
        }
        Ok(args)
    }
}
