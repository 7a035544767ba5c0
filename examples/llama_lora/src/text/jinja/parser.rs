//! Parses tokens into the syntax tree, by the grammar of Jinja's own parser.
//!
//! Tests: `tests/templates.rs`.

use std::collections::HashSet;

use anyhow::{bail, ensure, Result};

use super::lexer::{tokens, Token};
use super::syntax::{Expr, For, Macro, Stmt, StmtKind, Target};

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
        loops: 0,
        fors: 0,
    };
    let (body, _) = parser.body(&[])?;
    Ok(body)
}

/// The names by which a macro accepts more than its parameters.
#[derive(Clone, Copy, Default)]
pub(super) struct Used {
    pub varargs: bool,
    pub kwargs: bool,
    pub caller: bool,
}

pub(super) struct Parser {
    pub(super) tokens: Vec<(Token, usize)>,
    pub(super) at: usize,
    depth: usize,
    /// True inside a condition, where an unknown filter matters only if it is reached.
    pub(super) branch: bool,
    blocks: HashSet<String>,
    /// Loops around the statement that `break` may leave, and all loops around it.
    loops: usize,
    fors: usize,
    /// One entry for each macro that is being read.
    pub(super) used: Vec<Used>,
}

impl Parser {
    pub(super) fn line(&self) -> usize {
        let at = self.at.min(self.tokens.len().saturating_sub(1));
        self.tokens.get(at).map_or(1, |t| t.1)
    }

    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|t| &t.0)
    }

    pub(super) fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get_mut(self.at)?;
        self.at += 1;
        Some(std::mem::replace(&mut token.0, Token::Op("")))
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.peek(), Some(Token::Op(o)) if *o == op)
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(n)) if n == name)
    }

    pub(super) fn skip_op(&mut self, op: &str) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    pub(super) fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_op(&mut self, op: &str) -> Result<()> {
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

    pub(super) fn name(&mut self) -> Result<String> {
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

    pub(super) fn unexpected<T>(&self, expected: &str) -> Result<T> {
        let found = match self.peek() {
            None => "the end of the template".to_owned(),
            Some(Token::Text(_) | Token::PrintBegin | Token::BlockBegin) => "text".to_owned(),
            Some(Token::PrintEnd | Token::BlockEnd) => "the end of the tag".to_owned(),
            Some(Token::Name(n)) => format!("{n:?}"),
            Some(Token::Str(_)) => "a string".to_owned(),
            Some(Token::Int(n)) => n.to_string(),
            Some(Token::Float(n)) => n.to_string(),
            Some(Token::Op(o)) => format!("{o:?}"),
        };
        bail!("line {}: expected {expected}, found {found}", self.line())
    }

    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        ensure!(
            self.depth <= MOST_NESTED,
            "line {}: more than {MOST_NESTED} nested levels",
            self.line()
        );
        let out = read(self)?;
        self.depth -= 1;
        Ok(out)
    }

    pub(super) fn chained(&self, links: usize) -> Result<()> {
        ensure!(
            links <= MOST_CHAINED,
            "line {}: more than {MOST_CHAINED} operations in a row",
            self.line()
        );
        Ok(())
    }

    /// Reads with another idea of being inside a condition.
    pub(super) fn with_branch<T>(
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
                    "line {line}: expected {:?}, found the end of the template",
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

    /// Parses inside `loops` loops that `break` may leave.
    fn with_loops<T>(
        &mut self,
        loops: usize,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = std::mem::replace(&mut self.loops, loops);
        let out = read(self)?;
        self.loops = before;
        Ok(out)
    }

    /// A body with its own scope, up to `end`.
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
                let body = self.with_loops(0, |p| {
                    p.with_branch(false, |p| Ok(p.body(&["endgeneration"])?.0))
                })?;
                StmtKind::Scope(body)
            }
            "block" => {
                let name = self.name()?;
                ensure!(
                    self.blocks.insert(name.clone()),
                    "line {line}: duplicate block {name:?}"
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
            "break" | "continue" => {
                ensure!(self.loops > 0, "line {line}: {name:?} outside of a loop");
                match name.as_str() {
                    "break" => StmtKind::Break,
                    _ => StmtKind::Continue,
                }
            }
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
        self.fors += 1;
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
        let loops = self.loops + 1;
        let (body, end) = self.with_loops(loops, |p| {
            p.with_branch(false, |p| p.body(&["else", "endfor"]))
        })?;
        let otherwise = if end == "else" {
            self.end_of_block()?;
            self.with_branch(false, |p| Ok(p.body(&["endfor"])?.0))?
        } else {
            Vec::new()
        };
        self.fors -= 1;
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
                    "line {}: unexpected parameter without a default after one with it",
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
        let body = self.with_loops(0, |p| p.inner(end))?;
        let used = self.used.pop().unwrap_or_default();
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

    /// `a`, `a, b`, `(a, b)` or, if `attributes` are allowed, `namespace.name`.
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
        ensure!(
            name != "loop" || self.fors == 0,
            "line {}: \"loop\" cannot be assigned to inside of a loop",
            self.line()
        );
        if attributes && self.skip_op(".") {
            return Ok(Target::Attr(name, self.name()?));
        }
        Ok(Target::Name(name))
    }
}
