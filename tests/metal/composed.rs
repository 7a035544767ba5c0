//! A row program by MLX's own operations: the reference of generated text. Each value is an array `[rows, width]`, or
//! `[rows, 1]` for one number per row.

use mlx_macros_core::kernel::ir::{
    At, Binary, Constant, Op, Place, Program, Reduce, Scalar, Unary,
};
use mlx_macros_core::syntax::dims::{Dim, Quotient};
use mlx_runtime::random::{self, Key};
use mlx_runtime::{ops, Array, Dtype, Result};

/// Sizes of a call by their names.
#[derive(Clone)]
pub struct Sizes(pub Vec<(String, i64)>);

impl Sizes {
    pub fn name(&self, name: &str) -> i64 {
        if let Some(found) = self.0.iter().find(|s| s.0 == name) {
            return found.1;
        }
        if let Some(q) = Quotient::of(name) {
            let product = |names: &[String]| names.iter().map(|n| self.name(n)).product::<i64>();
            return self.of(&q.of) / (product(&q.by) * q.number);
        }
        panic!("no size {name}")
    }

    pub fn of(&self, dim: &Dim) -> i64 {
        let terms = dim.terms();
        terms
            .map(|(names, c)| c * names.iter().map(|n| self.name(n)).product::<i64>())
            .sum()
    }

    pub fn volume(&self, shape: &[Dim]) -> i64 {
        shape.iter().map(|d| self.of(d)).product()
    }
}

/// Computes a program in a floating-point type: float32, or float64 to see how well conditioned it is.
pub struct Composed<'a> {
    pub program: &'a Program,
    pub sizes: &'a Sizes,
    pub float: Dtype,
    pub numbers: &'a [f32],
}

impl Composed<'_> {
    fn rows(&self) -> i64 {
        self.sizes.volume(&self.program.rows)
    }

    fn dtype(&self, scalar: Scalar) -> Dtype {
        match scalar {
            Scalar::F32 => self.float,
            Scalar::I32 => Dtype::Int32,
            Scalar::U32 => Dtype::Uint32,
            Scalar::Bool => Dtype::Bool,
        }
    }

    fn coordinate(&self, row: i64, axis: usize) -> i64 {
        let inner = self.sizes.volume(&self.program.rows[axis + 1..]);
        row / inner % self.sizes.of(&self.program.rows[axis])
    }

    /// The places of all rows and columns in an array, without computed indices.
    pub fn places(&self, at: &At, width: i64) -> Vec<i32> {
        let mut all = Vec::new();
        for row in 0..self.rows() {
            let coordinates = at
                .rows
                .iter()
                .map(|(i, stride)| self.coordinate(row, *i) * self.sizes.of(stride));
            let start = self.sizes.of(&at.offset) + coordinates.sum::<i64>();
            let column = self.sizes.of(&at.column);
            all.extend((0..width).map(|c| (start + c * column) as i32));
        }
        all
    }

    fn full(&self, a: &Array, width: Option<i64>) -> Result<Array> {
        ops::broadcast_to(a, &[self.rows() as i32, width.unwrap_or(1) as i32])
    }

    /// An index as int32; a negative one counts from the end, and what is outside is clamped.
    fn index(&self, a: &Array, size: i64) -> Result<Array> {
        let a = ops::astype(a, Dtype::Int64)?;
        let n = Array::scalar(size)?;
        let zero = Array::scalar(0i64)?;
        let turned = ops::where_(&ops::less(&a, &zero)?, &ops::add(&a, &n)?, &a)?;
        let last = Array::scalar(size - 1)?;
        let held = ops::maximum(&ops::minimum(&turned, &last)?, &zero)?;
        ops::astype(&held, Dtype::Int32)
    }

    /// The value of each output, `[rows, width]`; a sum over rows is `[width]`.
    pub fn outputs(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let mut values: Vec<Array> = Vec::new();
        for value in &self.program.values {
            let width = value.width.as_ref().map(|w| self.sizes.of(w));
            let made = self.value(&value.op, value.scalar, width, inputs, &values)?;
            values.push(self.full(&ops::astype(&made, self.dtype(value.scalar))?, width)?);
        }
        let outputs = self.program.outputs.iter().map(|o| match &o.place {
            Place::At(_) => Ok(values[o.value].clone()),
            Place::Sum => ops::sum(&values[o.value], &[0], false),
        });
        outputs.collect()
    }

    fn value(
        &self,
        op: &Op,
        scalar: Scalar,
        width: Option<i64>,
        inputs: &[Array],
        values: &[Array],
    ) -> Result<Array> {
        let columns = width.unwrap_or(1);
        match op {
            Op::Load { input, at } => self.load(&inputs[*input], at, columns, values),
            Op::Number(n) => Array::scalar(self.numbers[*n]),
            Op::Constant(Constant::Float(x)) => Array::scalar(*x),
            Op::Constant(Constant::Whole(n)) => Array::scalar(*n),
            Op::Size(dim) => Array::scalar(self.sizes.of(dim)),
            Op::Coordinate(i) => {
                let all: Vec<i32> = (0..self.rows())
                    .map(|r| self.coordinate(r, *i) as i32)
                    .collect();
                Array::from_slice(&all, &[self.rows() as i32, 1])
            }
            Op::Column => ops::arange(0.0, columns as f64, 1.0, Dtype::Int32),
            Op::Unary(op, a) => self.unary(*op, &values[*a]),
            Op::Binary(op, a, b) => self.binary(*op, &values[*a], &values[*b]),
            Op::Select(a, b, c) => ops::where_(&values[*a], &values[*b], &values[*c]),
            Op::Cast(a) if self.program.values[*a].scalar == scalar => {
                ops::stop_gradient(&values[*a])
            }
            Op::Cast(a) if self.program.values[*a].scalar == Scalar::F32 => {
                self.cut(&values[*a], scalar)
            }
            Op::Cast(a) => ops::astype(&values[*a], self.dtype(scalar)),
            Op::Reduce(op, a) => self.reduce(*op, &values[*a]),
            Op::Cut { of, start, step } => {
                let (start, step) = (self.sizes.of(start) as i32, self.sizes.of(step) as i32);
                let stop = start + (columns as i32 - 1) * step + 1;
                let rows = self.rows() as i32;
                ops::slice(&values[*of], &[0, start], &[rows, stop], &[1, step])
            }
            Op::Join(parts) => {
                let parts: Result<Vec<Array>> = parts
                    .iter()
                    .map(|(v, w)| self.full(&values[*v], Some(self.sizes.of(w))))
                    .collect();
                ops::concatenate(&parts?.iter().collect::<Vec<_>>(), 1)
            }
            Op::Bits { key, place, count } => {
                // The key and the count are the same in every row.
                let word = |v: usize| values[v].to_vec::<u32>().map(|all| all[0]);
                let key = Array::from_slice(&[word(key[0])?, word(key[1])?], &[2])?;
                let count = word(*count)? as i32;
                let all = random::bits(&[count], 4, &Key::from_array(key)?)?;
                ops::take(&all, &values[*place], 0)
            }
            Op::Take { of, index } => {
                let size = i64::from(values[*of].shape()[1]);
                let index = self.index(&values[*index], size)?;
                ops::take_along_axis(&values[*of], &index, 1)
            }
        }
    }

    /// A float as another type. Casts of what is out of range are undefined in MLX; here they give the nearest number, and 0
    /// for NaN.
    fn cut(&self, a: &Array, to: Scalar) -> Result<Array> {
        let (low, high) = match to {
            Scalar::I32 => (-2_147_483_648.0, 2_147_483_647.0),
            Scalar::U32 => (0.0, 4_294_967_295.0),
            Scalar::F32 | Scalar::Bool => return ops::astype(a, self.dtype(to)),
        };
        let a = ops::astype(a, Dtype::Float64)?;
        let number = ops::where_(&ops::isnan(&a)?, &Array::scalar(0f64)?, &a)?;
        let (low, high) = (Array::scalar(low)?, Array::scalar(high)?);
        let held = ops::clip(&number, Some(&low), Some(&high))?;
        ops::astype(&ops::astype(&held, Dtype::Int64)?, self.dtype(to))
    }

    fn load(&self, input: &Array, at: &At, columns: i64, values: &[Array]) -> Result<Array> {
        let (rows, columns) = (self.rows() as i32, columns as i32);
        let places = self.places(at, i64::from(columns));
        let mut index = Array::from_slice(&places, &[rows, columns])?;
        for computed in &at.computed {
            let size = self.sizes.of(&computed.size);
            let place = self.index(&values[computed.value], size)?;
            let stride = Array::scalar(self.sizes.of(&computed.stride) as i32)?;
            index = ops::add(&index, &ops::multiply(&place, &stride)?)?;
        }
        let flat = ops::reshape(input, &[-1])?;
        ops::take(&flat, &index, 0)
    }

    fn unary(&self, op: Unary, a: &Array) -> Result<Array> {
        match op {
            Unary::Abs => ops::abs(a),
            Unary::Negative => ops::negative(a),
            // MLX's is 0 for NaN.
            Unary::Sign if a.dtype() == self.float => {
                ops::where_(&ops::isnan(a)?, a, &ops::sign(a)?)
            }
            Unary::Sign => ops::sign(a),
            Unary::Floor => ops::floor(a),
            Unary::Ceil => ops::ceil(a),
            Unary::Trunc => ops::trunc(a),
            Unary::Round => ops::round(a, 0),
            Unary::Exp => ops::exp(a),
            Unary::Expm1 => ops::expm1(a),
            Unary::Log => ops::log(a),
            Unary::Log2 => ops::log2(a),
            Unary::Log10 => ops::log10(a),
            Unary::Log1p => ops::log1p(a),
            Unary::Sqrt => ops::sqrt(a),
            Unary::Rsqrt => ops::rsqrt(a),
            Unary::Sin => ops::sin(a),
            Unary::Cos => ops::cos(a),
            Unary::Tan => ops::tan(a),
            Unary::Sinh => ops::sinh(a),
            Unary::Cosh => ops::cosh(a),
            Unary::Tanh => ops::tanh(a),
            Unary::Arcsin => ops::arcsin(a),
            Unary::Arccos => ops::arccos(a),
            Unary::Arctan => ops::arctan(a),
            Unary::Arcsinh => ops::arcsinh(a),
            Unary::Arccosh => ops::arccosh(a),
            Unary::Arctanh => ops::arctanh(a),
            Unary::Erf => ops::erf(a),
            Unary::Erfinv => ops::erfinv(a),
            Unary::Sigmoid => ops::sigmoid(a),
            Unary::IsNan => ops::isnan(a),
            Unary::IsInf => ops::isinf(a),
            Unary::Not if a.dtype() == Dtype::Bool => ops::logical_not(a),
            Unary::Not => ops::bitwise_invert(a),
        }
    }

    fn binary(&self, op: Binary, a: &Array, b: &Array) -> Result<Array> {
        let truth = a.dtype() == Dtype::Bool;
        match op {
            Binary::Add => ops::add(a, b),
            Binary::Subtract => ops::subtract(a, b),
            Binary::Multiply => ops::multiply(a, b),
            Binary::Divide => ops::divide(a, b),
            Binary::FloorDivide => ops::floor_divide(a, b),
            Binary::Remainder => ops::remainder(a, b),
            Binary::Maximum => ops::maximum(a, b),
            Binary::Minimum => ops::minimum(a, b),
            Binary::Power => ops::power(a, b),
            Binary::Arctan2 => ops::arctan2(a, b),
            Binary::Logaddexp => ops::logaddexp(a, b),
            Binary::Equal => ops::equal(a, b),
            Binary::NotEqual => ops::not_equal(a, b),
            Binary::Less => ops::less(a, b),
            Binary::LessEqual => ops::less_equal(a, b),
            Binary::Greater => ops::greater(a, b),
            Binary::GreaterEqual => ops::greater_equal(a, b),
            Binary::And if truth => ops::logical_and(a, b),
            Binary::Or if truth => ops::logical_or(a, b),
            Binary::Xor if truth => ops::not_equal(a, b),
            Binary::And => ops::bitwise_and(a, b),
            Binary::Or => ops::bitwise_or(a, b),
            Binary::Xor => ops::bitwise_xor(a, b),
            Binary::LeftShift => ops::left_shift(a, b),
            Binary::RightShift => ops::right_shift(a, b),
        }
    }

    fn reduce(&self, op: Reduce, a: &Array) -> Result<Array> {
        match op {
            Reduce::Sum => ops::sum(a, &[1], true),
            Reduce::Prod => ops::prod(a, &[1], true),
            Reduce::Max => ops::max(a, &[1], true),
            Reduce::Min => ops::min(a, &[1], true),
            Reduce::ArgMax => ops::argmax(a, 1, true),
            Reduce::ArgMin => ops::argmin(a, 1, true),
            Reduce::All => ops::all(a, &[1], true),
            Reduce::Any => ops::any(a, &[1], true),
        }
    }
}
