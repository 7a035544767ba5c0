//! From tokens to the syntax tree, by the grammar of Jinja's own parser.

use std::collections::HashSet;

use anyhow::{bail, ensure, Result};

use super::lexer::{tokens, Token};
use super::syntax::{Args, Cmp, Expr, For, Macro, Op, Stmt, StmtKind, Target};
use super::{filters, tests};

/// Blocks and parentheses inside one another. Python gives up at about 80.
const MOST_NESTED: usize = 120;
/// Operators, filters or subscripts in a row, which nest as deeply in the tree.
const MOST_CHAINED: usize = 400;

/// Reads the template `source`.
pub fn parse(source: &str) -> Result<Vec<Stmt>> {
    let mut parser = Parser {
        tokens: tokens(source)?,
        at: 0,
        depth: 0,
        branch: false,
        blocks: HashSet::new(),
        used: Vec::new(),
    };
    let (body, _) = parser.body(&[])?;
    Ok(body)
}

/// The names by which a macro accepts more than its parameters.
#[derive(Clone, Copy, Default)]
struct Used {
    varargs: bool,
    kwargs: bool,
    caller: bool,
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    at: usize,
    depth: usize,
    /// Inside of a condition, where an unknown filter matters only if it is reached.
    branch: bool,
    blocks: HashSet<String>,
    /// One entry for each macro that is being read.
    used: Vec<Used>,
}

impl Parser {
    fn line(&self) -> usize {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens.get(at).map_or(1, |t| t.1)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.0)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get_mut(self.at)?;
        self.at += 1;
        Some(std::mem::replace(&mut token.0, Token::Op("")))
    }

    fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Some(Token::Op(o)) if *o == op)
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(n)) if n == name)
    }

    fn skip_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        self.at += usize::from(found);
        found
    }

    fn expect_op(&mut self, op: &str) -> Result<()> {
        match self.skip_op(op) {
            true => Ok(()),
            false => self.unexpected(&format!("{op:?}")),
        }
    }

    fn expect_name(&mut self, name: &str) -> Result<()> {
        match self.skip_name(name) {
            true => Ok(()),
            false => self.unexpected(&format!("{name:?}")),
        }
    }

    fn name(&mut self) -> Result<String> {
        match self.peek() {
            Some(Token::Name(_)) => match self.next() {
                Some(Token::Name(name)) => Ok(name),
                _ => unreachable!("the token was a name"),
            },
            _ => self.unexpected("a name"),
        }
    }

    fn end_of_block(&mut self) -> Result<()> {
        match self.peek() {
            Some(Token::BlockEnd) => {
                self.at += 1;
                Ok(())
            }
            _ => self.unexpected("the end of the tag"),
        }
    }

    fn unexpected<T>(&self, expected: &str) -> Result<T> {
        let found = match self.peek() {
            None => "the end of the template".to_owned(),
            Some(Token::Text(_) | Token::PrintBegin | Token::BlockBegin) => "text".to_owned(),
            Some(Token::PrintEnd | Token::BlockEnd) => "the end of the tag".to_owned(),
            Some(Token::Name(n)) => format!("{n:?}"),
            Some(Token::Str(_)) => "a text".to_owned(),
            Some(Token::Int(n)) => n.to_string(),
            Some(Token::Float(n)) => n.to_string(),
            Some(Token::Op(o)) => format!("{o:?}"),
        };
        bail!("line {}: expected {expected}, found {found}", self.line())
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        ensure!(
            self.depth <= MOST_NESTED,
            "line {}: more than {MOST_NESTED} levels inside one another",
            self.line()
        );
        let out = read(self)?;
        self.depth -= 1;
        Ok(out)
    }

    fn chained(&self, links: usize) -> Result<()> {
        ensure!(
            links <= MOST_CHAINED,
            "line {}: more than {MOST_CHAINED} operations in a row",
            self.line()
        );
        Ok(())
    }

    /// Reads with another idea of being inside a condition.
    fn with_branch<T>(
        &mut self,
        branch: bool,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = std::mem::replace(&mut self.branch, branch);
        let out = read(self)?;
        self.branch = before;
        Ok(out)
    }

    /// Statements up to one of `ends`, which is returned; up to the end of the template if there are none.
    fn body(&mut self, ends: &[&str]) -> Result<(Vec<Stmt>, String)> {
        self.nested(|p| p.body_inner(ends))
    }

    fn body_inner(&mut self, ends: &[&str]) -> Result<(Vec<Stmt>, String)> {
        let mut out = Vec::new();
        loop {
            let line = self.line();
            let kind = match self.next() {
                None if ends.is_empty() => return Ok((out, String::new())),
                None => bail!(
                    "line {line}: the template ends where {:?} is expected",
                    ends[ends.len() - 1]
                ),
                Some(Token::Text(text)) => StmtKind::Text(text),
                Some(Token::PrintBegin) => {
                    let value = self.tuple(true, &[])?;
                    match self.next() {
                        Some(Token::PrintEnd) => StmtKind::Print(value),
                        _ => {
                            self.at -= 1;
                            bail!("line {}: expected the end of the tag", self.line())
                        }
                    }
                }
                Some(Token::BlockBegin) => {
                    if let Some(Token::Name(name)) = self.peek() {
                        if ends.contains(&name.as_str()) {
                            return Ok((out, self.name()?));
                        }
                    }
                    let kind = self.statement()?;
                    self.end_of_block()?;
                    kind
                }
                Some(_) => bail!("line {line}: unexpected code outside of a tag"),
            };
            out.push(Stmt { line, kind });
        }
    }

    /// A body with a scope of its own, up to `end`.
    fn inner(&mut self, end: &str) -> Result<Vec<Stmt>> {
        self.end_of_block()?;
        self.with_branch(false, |p| Ok(p.body(&[end])?.0))
    }

    fn statement(&mut self) -> Result<StmtKind> {
        let line = self.line();
        let name = self.name()?;
        Ok(match name.as_str() {
            "for" => self.for_loop()?,
            "if" => self.condition()?,
            "set" => self.set()?,
            "with" => self.with()?,
            "macro" => {
                let name = self.name()?;
                let params = self.signature()?;
                StmtKind::Macro(self.macro_body(name, params, "endmacro")?)
            }
            "call" => self.call_block()?,
            "filter" => {
                let chain = self.filter_chain(true)?;
                StmtKind::FilterBlock(chain, self.inner("endfilter")?)
            }
            "print" => {
                // Several values are written one after the other.
                let mut values = vec![self.expression()?];
                while self.skip_op(",") {
                    values.push(self.expression()?);
                }
                StmtKind::Print(Expr::Concat(values))
            }
            "generation" => {
                // Marks an answer; transformers compiles it to a call, so that it is a scope and no part of a loop.
                self.end_of_block()?;
                let body = self.with_branch(false, |p| Ok(p.body(&["endgeneration"])?.0))?;
                ensure!(
                    !leaves_loop(&body),
                    "line {line}: a loop cannot be left from {{% generation %}}"
                );
                StmtKind::Scope(body)
            }
            "block" => {
                let name = self.name()?;
                ensure!(
                    self.blocks.insert(name.clone()),
                    "line {line}: the block {name:?} is there twice"
                );
                let body = self.inner("endblock")?;
                if !matches!(self.peek(), Some(Token::BlockEnd)) {
                    self.expect_name(&name)?;
                }
                StmtKind::Scope(body)
            }
            "autoescape" => {
                let on = self.expression()?;
                let body = self.inner("endautoescape")?;
                match on {
                    Expr::Bool(false) => StmtKind::Scope(body),
                    _ => StmtKind::Refused("autoescape".into()),
                }
            }
            "break" => StmtKind::Break,
            "continue" => StmtKind::Continue,
            "include" | "import" | "from" | "extends" => {
                while !matches!(self.peek(), None | Some(Token::BlockEnd)) {
                    self.at += 1;
                }
                StmtKind::Refused(name)
            }
            _ => bail!("line {line}: unknown tag {name:?}"),
        })
    }

    fn for_loop(&mut self) -> Result<StmtKind> {
        let target = self.target(true)?;
        self.expect_name("in")?;
        let iter = self.tuple(false, &["recursive"])?;
        let test = if self.skip_name("if") {
            Some(self.expression()?)
        } else {
            None
        };
        let recursive = self.skip_name("recursive");
        self.end_of_block()?;
        let (body, end) = self.with_branch(false, |p| p.body(&["else", "endfor"]))?;
        let otherwise = if end == "else" {
            self.end_of_block()?;
            self.with_branch(false, |p| Ok(p.body(&["endfor"])?.0))?
        } else {
            Vec::new()
        };
        Ok(StmtKind::For(Box::new(For {
            target,
            iter,
            test,
            recursive,
            body,
            otherwise,
        })))
    }

    fn condition(&mut self) -> Result<StmtKind> {
        let mut branches = Vec::new();
        loop {
            let test = self.with_branch(true, |p| p.tuple(false, &[]))?;
            self.end_of_block()?;
            let (body, end) = self.with_branch(true, |p| p.body(&["elif", "else", "endif"]))?;
            branches.push((test, body));
            match end.as_str() {
                "elif" => continue,
                "else" => {
                    self.end_of_block()?;
                    let (otherwise, _) = self.with_branch(true, |p| p.body(&["endif"]))?;
                    return Ok(StmtKind::If(branches, otherwise));
                }
                _ => return Ok(StmtKind::If(branches, Vec::new())),
            }
        }
    }

    fn set(&mut self) -> Result<StmtKind> {
        let target = self.target(true)?;
        if self.skip_op("=") {
            return Ok(StmtKind::Set(target, self.tuple(true, &[])?));
        }
        let chain = self.filter_chain(false)?;
        Ok(StmtKind::SetBlock(target, chain, self.inner("endset")?))
    }

    fn with(&mut self) -> Result<StmtKind> {
        let mut values = Vec::new();
        while !matches!(self.peek(), Some(Token::BlockEnd)) {
            if !values.is_empty() {
                self.expect_op(",")?;
            }
            let target = self.target(false)?;
            self.expect_op("=")?;
            values.push((target, self.expression()?));
        }
        Ok(StmtKind::With(values, self.inner("endwith")?))
    }

    fn signature(&mut self) -> Result<Vec<(String, Option<Expr>)>> {
        self.expect_op("(")?;
        let mut params: Vec<(String, Option<Expr>)> = Vec::new();
        while !self.skip_op(")") {
            if !params.is_empty() {
                self.expect_op(",")?;
            }
            let name = self.name()?;
            let default = if self.skip_op("=") {
                Some(self.expression()?)
            } else {
                let before = params.last().is_some_and(|p| p.1.is_some());
                ensure!(
                    !before,
                    "line {}: a parameter without a default follows one with it",
                    self.line()
                );
                None
            };
            params.push((name, default));
        }
        Ok(params)
    }

    fn macro_body(
        &mut self,
        name: String,
        params: Vec<(String, Option<Expr>)>,
        end: &str,
    ) -> Result<Macro> {
        self.used.push(Used::default());
        let body = self.inner(end)?;
        let used = self.used.pop().unwrap_or_default();
        ensure!(
            !leaves_loop(&body),
            "line {}: a loop cannot be left from a macro",
            self.line()
        );
        Ok(Macro {
            name,
            params,
            body,
            varargs: used.varargs,
            kwargs: used.kwargs,
            caller: used.caller,
        })
    }

    fn call_block(&mut self) -> Result<StmtKind> {
        let params = if self.is_op("(") {
            self.signature()?
        } else {
            Vec::new()
        };
        let call = self.expression()?;
        ensure!(
            matches!(call, Expr::Call(..)),
            "line {}: expected a call",
            self.line()
        );
        let caller = self.macro_body("caller".into(), params, "endcall")?;
        Ok(StmtKind::Call(call, caller))
    }

    /// `a`, `a, b`, `(a, b)` or, where `attributes` are allowed, `namespace.name`.
    fn target(&mut self, attributes: bool) -> Result<Target> {
        let mut targets = Vec::new();
        let mut tuple = false;
        loop {
            if !targets.is_empty() && matches!(self.peek(), Some(Token::BlockEnd)) {
                break;
            }
            if self.is_name("in") || self.is_op(")") {
                break;
            }
            targets.push(self.one_target(attributes)?);
            if !self.skip_op(",") {
                break;
            }
            tuple = true;
        }
        match (tuple, targets.pop()) {
            (false, Some(target)) => Ok(target),
            (_, last) => {
                targets.extend(last);
                ensure!(
                    !targets.is_empty(),
                    "line {}: expected a name to assign to",
                    self.line()
                );
                Ok(Target::Tuple(targets))
            }
        }
    }

    fn one_target(&mut self, attributes: bool) -> Result<Target> {
        if self.skip_op("(") {
            let inner = self.nested(|p| p.target(attributes))?;
            self.expect_op(")")?;
            return Ok(inner);
        }
        let name = self.name()?;
        ensure!(
            !["true", "false", "none", "True", "False", "None"].contains(&name.as_str()),
            "line {}: {name:?} cannot be assigned to",
            self.line()
        );
        if attributes && self.skip_op(".") {
            return Ok(Target::Attr(name, self.name()?));
        }
        Ok(Target::Name(name))
    }

    /// One expression, or several with commas between them.
    fn tuple(&mut self, conditional: bool, ends: &[&str]) -> Result<Expr> {
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

    fn expression(&mut self) -> Result<Expr> {
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

    fn or(&mut self) -> Result<Expr> {
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

    /// Filters, tests and calls of what they give.
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

    fn filter_chain(&mut self, begun: bool) -> Result<Vec<(String, Args)>> {
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

    fn args(&mut self) -> Result<Args> {
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
                    "line {line}: a second *"
                );
                args.star = Some(Box::new(self.expression()?));
            } else if self.skip_op("**") {
                ensure!(args.stars.is_none(), "line {line}: a second **");
                args.stars = Some(Box::new(self.expression()?));
            } else if named {
                ensure!(
                    args.stars.is_none(),
                    "line {line}: a named argument after **"
                );
                let name = self.name()?;
                self.at += 1;
                let twice = args.named.iter().any(|(n, _)| *n == name);
                ensure!(!twice, "line {line}: the argument {name:?} is there twice");
                args.named.push((name, self.expression()?));
            } else {
                let last = args.star.is_none() && args.stars.is_none() && args.named.is_empty();
                ensure!(
                    last,
                    "line {line}: an argument without a name after one with it"
                );
                args.pos.push(self.expression()?);
            }
        }
        Ok(args)
    }
}

/// `break` or `continue` that belongs to a loop outside of `body`.
fn leaves_loop(body: &[Stmt]) -> bool {
    body.iter().any(|s| match &s.kind {
        StmtKind::Break | StmtKind::Continue => true,
        StmtKind::If(branches, otherwise) => {
            branches.iter().any(|b| leaves_loop(&b.1)) || leaves_loop(otherwise)
        }
        StmtKind::With(_, body) | StmtKind::Scope(body) => leaves_loop(body),
        StmtKind::FilterBlock(_, body) | StmtKind::SetBlock(_, _, body) => leaves_loop(body),
        _ => false,
    })
}
