//! The row program: a kernel of the row tier as plain data, from which the CPU's Rust, CUDA's and Metal's text are written.
//!
//! One instance of the program computes one row. A row is a point of the row space, the product of the sizes
//! [`Program::rows`]; its columns are the elements that the instance owns. A value is a function of the column, or one
//! number per row. Nothing in a program is stored before [`Program::outputs`]: a value at a column can be computed
//! again at any other column, so that [`Op::Cut`], [`Op::Join`] and [`Op::Take`] are substitutions of the column.
//!
//! Values are in static single assignment form, and each reads only earlier ones. They are computed as [`Scalar`],
//! whatever the arrays hold; storage types appear in loads and outputs alone. Sizes are polynomials of the names that
//! the call binds ([`Dim`]), so a program fits every size.
//!
//! Tests: `tests/kernels.rs`.

use crate::syntax::dims::{Dim, Shape};
use crate::syntax::signature::Dt;

/// The place of a value in [`Program::values`].
pub type V = usize;

/// A kernel, or the gradient of one.
#[derive(Clone, Debug)]
pub struct Program {
    /// The function's name, for a gradient with `_vjp` behind it.
    pub name: String,
    /// The sizes of the row space, outermost first. Empty: there is one row.
    pub rows: Vec<Dim>,
    /// The arrays that are read. All are row-contiguous.
    pub inputs: Vec<Input>,
    /// The numbers given at the call, each a float32.
    pub numbers: Vec<Number>,
    /// The instructions, in order.
    pub values: Vec<Value>,
    /// The arrays that are written. All are row-contiguous.
    pub outputs: Vec<Output>,
    /// Names of sizes that differ from call to call, such as the length of a cache: text does not hang on them.
    pub varying: Vec<String>,
}

/// An array that a program reads.
#[derive(Clone, Debug)]
pub struct Input {
    /// The argument's name. The cotangent of the output `y` is `dy`, of one result `dout`; names differ.
    pub name: String,
    /// Its sizes.
    pub shape: Shape,
    /// Its storage type; [`Dt::Float`] is the one type of all such arrays of a call.
    pub dtype: Dt,
}

/// A number given at the call.
#[derive(Clone, Debug)]
pub struct Number {
    /// A name for it, which is no other's.
    pub name: String,
    /// Its source.
    pub given: Given,
}

/// The source of a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Given {
    /// An expression of the call's arguments, computed as `f64` and rounded once.
    Float(syn::Expr),
    /// As `Float`; the call fails unless it is a whole number of 1 or more.
    Count(syn::Expr),
    /// The lowest finite number of the type of the model's floats.
    Lowest,
}

/// An array that a program writes.
#[derive(Clone, Debug)]
pub struct Output {
    /// A name for it, which is no other's and no input's.
    pub name: String,
    /// Its sizes.
    pub shape: Shape,
    /// Its storage type. A float32 value is rounded once.
    pub dtype: Dt,
    /// The value.
    pub value: V,
    /// Its place.
    pub place: Place,
}

/// The place of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Each row writes its own elements. Together the rows write each element of the array once.
    At(At),
    /// The sum over all rows, in the shape of one row's value. The rows are cut in blocks, whose number hangs on
    /// the number of rows alone; a block adds its rows in order, as float32, and writes one row of `[blocks, width]`,
    /// which the host adds up.
    Sum,
}

/// The place of an element in a row-contiguous array:
/// `offset + sum(coordinate * stride) + sum(clamped value * stride) + column * stride`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// Coordinates of the row, as places in [`Program::rows`], with their strides. No coordinate is named twice.
    pub rows: Vec<(usize, Dim)>,
    /// Indices that the program computes.
    pub computed: Vec<Computed>,
    /// The stride of the column; 0 where the column has no effect.
    pub column: Dim,
    /// The place of the first element.
    pub offset: Dim,
}

/// An index that a program computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Computed {
    /// The index, a whole number per row. A negative one counts from the end; what is outside then is clamped.
    pub value: V,
    /// The number of places to choose from.
    pub size: Dim,
    /// The stride of a place.
    pub stride: Dim,
}

/// A value: an instruction and its type.
#[derive(Clone, Debug)]
pub struct Value {
    /// The instruction.
    pub op: Op,
    /// The type in which it is computed.
    pub scalar: Scalar,
    /// The number of columns; `None` for one number per row, which stands for itself at every column.
    pub width: Option<Dim>,
    /// The variable that the source binds it to.
    pub name: Option<String>,
    /// The line of the source that it belongs to, 0 where there is none.
    pub line: usize,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scalar {
    /// float32.
    F32,
    /// int32, which wraps.
    I32,
    /// uint32, which wraps.
    U32,
    /// A truth value.
    Bool,
}

impl Scalar {
    /// The type that elements of a storage type are computed in.
    pub fn of(dtype: Dt) -> Scalar {
        match dtype {
            Dt::Float | Dt::F32 => Scalar::F32,
            Dt::I32 => Scalar::I32,
            Dt::U32 => Scalar::U32,
            Dt::Bool => Scalar::Bool,
        }
    }
}

/// An instruction. Operands of one number per row stand at every column; all others have the width of the result,
/// unless an instruction says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// An element of an input.
    Load {
        /// The input.
        input: usize,
        /// The element.
        at: At,
    },
    /// A number of [`Program::numbers`].
    Number(usize),
    /// A constant: exactly this float32, or a whole number (a truth value is 0 or 1).
    Constant(Constant),
    /// A size, as int32 or float32.
    Size(Dim),
    /// A coordinate of the row, as int32.
    Coordinate(usize),
    /// The column, as int32.
    Column,
    /// A function of one value.
    Unary(Unary, V),
    /// A function of two values of one type.
    Binary(Binary, V, V),
    /// The second value where the first, a truth value, is true, else the third.
    Select(V, V, V),
    /// The value in the result's type, as MLX's `astype`; of its own type, the value itself, which no gradient passes. Floats are cut to whole numbers, and saturate; a truth value
    /// is 0 or 1; every number but 0 is true; whole numbers keep their bits.
    Cast(V),
    /// The value of all columns together, one number per row.
    Reduce(Reduce, V),
    /// Column `start + step * column` of a wider value; column `start` where the result is a number per row.
    Cut {
        /// The wider value.
        of: V,
        /// Its first column.
        start: Dim,
        /// The distance of two columns, 1 or more.
        step: Dim,
    },
    /// Values side by side, with their widths, which add up to the result's. A number per row fills its part.
    Join(Vec<(V, Dim)>),
    /// The value at a column that is computed: `index` is a whole number and has the result's width. A negative index
    /// counts from the end; what is outside then is clamped.
    Take {
        /// The value of other width.
        of: V,
        /// The columns to take.
        index: V,
    },
    /// The number at a place of `count` random ones that a key determines, all of them uint32: those of MLX's
    /// `random.bits`.
    Bits {
        /// The two words of the key.
        key: [V; 2],
        /// The place, which has the result's width.
        place: V,
        /// The count, one number per row.
        count: V,
    },
}

/// A constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Constant {
    /// A float32.
    Float(f32),
    /// A whole number or a truth value.
    Whole(i64),
}

/// A function of one value. The float functions take and give float32.
#[allow(missing_docs)] // named after MLX's operations
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unary {
    Abs,
    Negative,
    /// -1, 0 or 1; 0 for NaN, as MLX has it.
    Sign,
    Floor,
    Ceil,
    Trunc,
    /// Ties to even.
    Round,
    Exp,
    Expm1,
    Log,
    Log2,
    Log10,
    Log1p,
    Sqrt,
    Rsqrt,
    Sin,
    Cos,
    Tan,
    Sinh,
    Cosh,
    Tanh,
    Arcsin,
    Arccos,
    Arctan,
    Arcsinh,
    Arccosh,
    Arctanh,
    Erf,
    Erfinv,
    /// `1 / (1 + exp(-x))`, without overflow.
    Sigmoid,
    /// A truth value of a float32.
    IsNan,
    /// A truth value of a float32.
    IsInf,
    /// `not` of a truth value, every bit of a whole number.
    Not,
}

/// A function of two values of one type.
#[allow(missing_docs)] // named after MLX's operations
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    /// Of float32.
    Divide,
    /// Of whole numbers, cut towards 0 as MLX does; of float32, `floor(a / b)`. A whole divisor of 0 gives 0.
    FloorDivide,
    /// With the sign of the divisor. A whole divisor of 0 gives 0.
    Remainder,
    /// NaN if either is NaN.
    Maximum,
    /// NaN if either is NaN.
    Minimum,
    /// Of float32, as C's `powf`; of whole numbers by squaring, wrapping.
    Power,
    Arctan2,
    Logaddexp,
    /// Comparisons give a truth value.
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// Of truth values and of the bits of whole numbers.
    And,
    /// Of truth values and of the bits of whole numbers.
    Or,
    /// Of truth values and of the bits of whole numbers.
    Xor,
    /// Of whole numbers; the shift is taken modulo 32.
    LeftShift,
    /// Of whole numbers, arithmetic for int32; the shift is taken modulo 32.
    RightShift,
}

impl Binary {
    /// True if the result is a truth value whatever the operands are.
    pub fn compares(self) -> bool {
        use Binary::*;
        matches!(
            self,
            Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual
        )
    }
}

/// A reduction of a row. Of no columns it is the first element of its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reduce {
    /// The sum, of float32 or whole numbers. Its order must not hang on threads or vectors.
    Sum,
    /// The product.
    Prod,
    /// The largest, or NaN.
    Max,
    /// The smallest, or NaN.
    Min,
    /// The first column of the largest, as uint32. NaN is never larger.
    ArgMax,
    /// The first column of the smallest, as uint32. NaN is never smaller.
    ArgMin,
    /// True if all truth values are.
    All,
    /// True if any truth value is.
    Any,
}

/// The gradient of a program: a program of its own.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// The program. It computes again what it needs of the kernel's values.
    pub program: Program,
    /// The source of each of its inputs.
    pub inputs: Vec<Source>,
    /// The meaning of each of its outputs.
    pub outputs: Vec<Derived>,
}

/// An output of a gradient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The kernel's inputs that it is the gradient of: the terms of a sum share theirs.
    pub inputs: Vec<usize>,
    /// Axes of the output that the host adds up, because rows share elements of the input but not all of them. The
    /// output then is float32, and has the input's shape once they are gone.
    pub sum: Vec<usize>,
}

/// The source of a gradient's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An input of the kernel.
    Input(usize),
    /// The cotangent of an output of the kernel.
    Cotangent(usize),
    /// An output of the kernel.
    Output(usize),
}

impl Op {
    /// The values that it reads, also as indices of a load.
    pub fn operands(&self) -> Vec<V> {
        match self {
            Op::Load { at, .. } => at.computed.iter().map(|c| c.value).collect(),
            Op::Number(_) | Op::Constant(_) | Op::Size(_) | Op::Coordinate(_) | Op::Column => {
                vec![]
            }
            Op::Unary(_, a) | Op::Cast(a) | Op::Reduce(_, a) | Op::Cut { of: a, .. } => vec![*a],
            Op::Binary(_, a, b) | Op::Take { of: a, index: b } => vec![*a, *b],
            Op::Select(a, b, c) => vec![*a, *b, *c],
            Op::Join(parts) => parts.iter().map(|p| p.0).collect(),
            Op::Bits { key, place, count } => vec![key[0], key[1], *place, *count],
        }
    }
}

impl At {
    /// True if row `n` of the program begins at `n * width` and its columns follow each other.
    pub fn is_row(&self, rows: &[Dim], width: &Dim) -> bool {
        let mut stride = width.clone();
        let mut want = Vec::new();
        for (i, size) in rows.iter().enumerate().rev() {
            if !size.is_one() {
                want.push((i, stride.clone()));
            }
            stride = stride.times(size);
        }
        let mut found: Vec<_> = self
            .rows
            .iter()
            .filter(|r| !rows[r.0].is_one())
            .cloned()
            .collect();
        found.sort_by_key(|r| std::cmp::Reverse(r.0));
        let side = self.column.is_one() || width.is_one();
        side && self.computed.is_empty() && self.offset == Dim::constant(0) && found == want
    }
}

impl Program {
    /// True for each value that is not the same in every row.
    pub fn varies(&self) -> Vec<bool> {
        let mut varies: Vec<bool> = Vec::with_capacity(self.values.len());
        for v in &self.values {
            let own = match &v.op {
                Op::Load { at, .. } => !at.rows.is_empty(),
                Op::Coordinate(_) => true,
                _ => false,
            };
            varies.push(own || v.op.operands().iter().any(|o| varies[*o]));
        }
        varies
    }

    /// True for each value that an output needs.
    pub fn live(&self) -> Vec<bool> {
        let mut live = vec![false; self.values.len()];
        let mut todo: Vec<V> = self.outputs.iter().map(|o| o.value).collect();
        while let Some(v) = todo.pop() {
            if !std::mem::replace(&mut live[v], true) {
                todo.extend(self.values[v].op.operands());
            }
        }
        live
    }
}

/// Making programs.
impl Program {
    /// A new instruction, or the same one from before.
    pub(crate) fn push(&mut self, op: Op, scalar: Scalar, width: Option<Dim>, line: usize) -> V {
        let same = |v: &Value| v.op == op && v.scalar == scalar && v.width == width;
        if let Some(found) = self.values.iter().position(same) {
            return found;
        }
        self.values.push(Value {
            op,
            scalar,
            width,
            name: None,
            line,
        });
        self.values.len() - 1
    }

    /// The place of a number that the call gives.
    pub(crate) fn number(&mut self, given: Given) -> usize {
        if let Some(found) = self.numbers.iter().position(|n| n.given == given) {
            return found;
        }
        let own = match &given {
            Given::Float(syn::Expr::Path(p)) | Given::Count(syn::Expr::Path(p)) => {
                p.path.get_ident().map(ToString::to_string)
            }
            Given::Lowest => Some("lowest".to_string()),
            _ => None,
        };
        let mut name = own.unwrap_or_else(|| format!("number{}", self.numbers.len()));
        while self.is_named(&name) {
            name.push('_');
        }
        self.numbers.push(Number { name, given });
        self.numbers.len() - 1
    }

    /// True if an array or a number has that name.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.inputs.iter().any(|i| i.name == name)
            || self.outputs.iter().any(|o| o.name == name)
            || self.numbers.iter().any(|n| n.name == name)
    }

    /// The program without values that no output needs. Inputs and numbers stay.
    pub(crate) fn pruned(mut self) -> Program {
        let live = self.live();
        let mut place = vec![0; self.values.len()];
        let mut kept = Vec::new();
        for (v, mut value) in std::mem::take(&mut self.values).into_iter().enumerate() {
            if live[v] {
                value.op.replace(|o| place[o]);
                place[v] = kept.len();
                kept.push(value);
            }
        }
        self.values = kept;
        for o in &mut self.outputs {
            o.value = place[o.value];
        }
        self
    }
}

impl Op {
    /// Puts other values in place of those that it reads.
    pub(crate) fn replace(&mut self, by: impl Fn(V) -> V) {
        match self {
            Op::Load { at, .. } => at.computed.iter_mut().for_each(|c| c.value = by(c.value)),
            Op::Number(_) | Op::Constant(_) | Op::Size(_) | Op::Coordinate(_) | Op::Column => {}
            Op::Unary(_, a) | Op::Cast(a) | Op::Reduce(_, a) | Op::Cut { of: a, .. } => *a = by(*a),
            Op::Binary(_, a, b) | Op::Take { of: a, index: b } => (*a, *b) = (by(*a), by(*b)),
            Op::Select(a, b, c) => (*a, *b, *c) = (by(*a), by(*b), by(*c)),
            Op::Join(parts) => parts.iter_mut().for_each(|p| p.0 = by(p.0)),
            Op::Bits { key, place, count } => {
                *key = key.map(&by);
                (*place, *count) = (by(*place), by(*count));
            }
        }
    }
}
