//! The syntax tree of a template.
//!
//! Tests: `tests/templates.rs`.

use std::sync::Arc;

/// A statement and the line it starts on.
#[derive(Debug)]
pub struct Stmt {
    pub line: usize,
    pub kind: StmtKind,
}

#[derive(Debug)]
pub enum StmtKind {
    Text(String),
    Print(Expr),
    For(Box<For>),
    /// Conditions with their bodies, and the body of `else`.
    If(Vec<(Expr, Vec<Stmt>)>, Vec<Stmt>),
    Set(Target, Expr),
    SetBlock(Target, Vec<(String, Args)>, Vec<Stmt>),
    With(Vec<(Target, Expr)>, Vec<Stmt>),
    Macro(Macro),
    /// The call, and the macro that it gets as `caller`.
    Call(Expr, Macro),
    FilterBlock(Vec<(String, Args)>, Vec<Stmt>),
    /// A block of statements with its own scope.
    Scope(Vec<Stmt>),
    Break,
    Continue,
    /// A statement that transformers cannot execute either, such as an include.
    Refused(String),
}

#[derive(Debug)]
pub struct For {
    pub target: Target,
    pub iter: Expr,
    pub test: Option<Expr>,
    pub recursive: bool,
    pub body: Vec<Stmt>,
    pub otherwise: Vec<Stmt>,
}

#[derive(Debug)]
pub struct Macro {
    pub name: String,
    pub params: Vec<(String, Option<Expr>)>,
    pub body: Vec<Stmt>,
    /// Its body names `varargs`, `kwargs` or `caller`, and so accepts them.
    pub varargs: bool,
    pub kwargs: bool,
    pub caller: bool,
}

/// The left side of an assignment.
#[derive(Debug)]
pub enum Target {
    Name(String),
    Attr(String, String),
    Tuple(Vec<Target>),
}

#[derive(Debug, Default)]
pub struct Args {
    pub pos: Vec<Expr>,
    pub named: Vec<(String, Expr)>,
    /// `*list`
    pub star: Option<Box<Expr>>,
    /// `**dict`
    pub stars: Option<Box<Expr>>,
}

#[derive(Debug)]
pub enum Expr {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Arc<str>),
    Name(String),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Not(Box<Expr>),
    Neg(Box<Expr>),
    Pos(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Binary(Op, Box<Expr>, Box<Expr>),
    Concat(Vec<Expr>),
    Compare(Box<Expr>, Vec<(Cmp, Expr)>),
    If {
        test: Box<Expr>,
        yes: Box<Expr>,
        no: Option<Box<Expr>>,
    },
    Attr(Box<Expr>, String),
    Item(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Box<[Option<Expr>; 3]>),
    Call(Box<Expr>, Args),
    Filter(Box<Expr>, String, Args),
    Test(Box<Expr>, String, Args),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}
