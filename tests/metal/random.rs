//! Random row programs, a function of the seed alone.
//!
//! Bounds on the size of values keep most of them finite, so that what is compared is more than infinities.

use mlx_macros_core::kernel::ir::{
    At, Binary, Computed, Constant, Input, Op, Output, Place, Program, Scalar, Unary, Value, V,
};
use mlx_macros_core::syntax::dims::Dim;
use mlx_macros_core::syntax::signature::Dt;

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// Between -1 and 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// A program with the sizes of a call.
pub struct Case {
    pub program: Program,
    pub sizes: Vec<(String, i64)>,
}

pub(super) struct Maker {
    pub(super) random: Random,
    pub(super) program: Program,
    /// A bound on the absolute value of each float value.
    pub(super) bounds: Vec<f64>,
    pub(super) width: Dim,
}

pub(super) fn dim(name: &str) -> Dim {
    Dim::name(name)
}

pub(super) fn number(n: i64) -> Dim {
    Dim::constant(n)
}

/// Names that text may not use as they are, and ordinary ones.
const NAMES: &[&str] = &[
    "h", "scale", "row", "exp", "thread", "half", "y_shape", "c", "lane", "gate", "__g", "kernel",
    "D", "numbers",
];

/// The program of a seed.
pub fn program(seed: u64) -> Case {
    let mut random = Random::new(seed);
    let columns = *random.pick(&[
        1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 31, 32, 33, 48, 64, 96, 100, 128,
    ]);
    let rows = [1 + random.below(3) as i64, 1 + random.below(4) as i64];
    let sizes = vec![
        ("B".to_string(), rows[0]),
        ("L".to_string(), rows[1]),
        ("D".to_string(), columns),
        ("N".to_string(), 5),
    ];
    let program = Program {
        varying: vec![],
        name: format!("random_{seed}"),
        rows: vec![dim("B"), dim("L")],
        inputs: vec![],
        numbers: vec![],
        values: vec![],
        outputs: vec![],
    };
    let mut maker = Maker {
        random,
        program,
        bounds: vec![],
        width: dim("D"),
    };
    maker.fill();
    Case {
        program: maker.program,
        sizes,
    }
}

impl Maker {
    pub(super) fn push(&mut self, op: Op, scalar: Scalar, width: Option<Dim>, bound: f64) -> V {
        let name = self
            .random
            .one_in(4)
            .then(|| (*self.random.pick(NAMES)).to_string());
        let constant = matches!(op, Op::Constant(_) | Op::Load { .. });
        self.program.values.push(Value {
            op,
            scalar,
            width,
            name: name.filter(|_| !constant),
            line: 0,
        });
        self.bounds.push(bound);
        self.program.values.len() - 1
    }

    fn input(&mut self, name: &str, shape: Vec<Dim>, dtype: Dt) -> usize {
        self.program.inputs.push(Input {
            name: name.to_string(),
            shape,
            dtype,
        });
        self.program.inputs.len() - 1
    }

    fn float_type(&mut self) -> Dt {
        *self.random.pick(&[Dt::Float, Dt::Float, Dt::F32])
    }

    /// The strides of rows in an array `[B, L, width]`, or `[L, B, width]`.
    fn row_strides(&self, width: &Dim, turned: bool) -> Vec<(usize, Dim)> {
        match turned {
            false => vec![(0, dim("L").times(width)), (1, width.clone())],
            true => vec![(0, width.clone()), (1, dim("B").times(width))],
        }
    }

    fn place(&self, rows: Vec<(usize, Dim)>, column: i64) -> At {
        At {
            rows,
            computed: vec![],
            column: number(column),
            offset: number(0),
        }
    }

    fn load(&mut self, input: usize, at: At, width: Option<Dim>) -> V {
        let scalar = Scalar::of(self.program.inputs[input].dtype);
        self.push(Op::Load { input, at }, scalar, width, 4.0)
    }

    /// Some arrays, and loads of them.
    fn loads(&mut self) {
        let d = self.width.clone();
        let (b, l) = (dim("B"), dim("L"));
        let dtype = self.float_type();
        let x = self.input("x", vec![b.clone(), l.clone(), d.clone()], dtype);
        let at = self.place(self.row_strides(&d, false), 1);
        self.load(x, at, Some(d.clone()));
        for kind in 0..6 {
            if self.random.one_in(2) {
                continue;
            }
            let dtype = self.float_type();
            match kind {
                0 => {
                    let w = self.input("w", vec![d.clone()], dtype);
                    let at = self.place(vec![], 1);
                    self.load(w, at, Some(d.clone()));
                }
                1 => {
                    let s = self.input("s", vec![b.clone(), l.clone()], dtype);
                    let at = self.place(vec![(0, l.clone()), (1, number(1))], 0);
                    self.load(s, at, None);
                }
                2 => {
                    let t = self.input("t", vec![l.clone(), b.clone(), d.clone()], dtype);
                    let at = self.place(self.row_strides(&d, true), 1);
                    self.load(t, at, Some(d.clone()));
                }
                3 => {
                    // Both halves of a wider row.
                    let wide = d.times(&number(2));
                    let h = self.input("halves", vec![b.clone(), l.clone(), wide.clone()], dtype);
                    let at = self.place(self.row_strides(&wide, false), 1);
                    let all = self.load(h, at, Some(wide));
                    for start in [number(0), d.clone()] {
                        let op = Op::Cut {
                            of: all,
                            start,
                            step: number(1),
                        };
                        self.push(op, Scalar::F32, Some(d.clone()), 4.0);
                    }
                    if self.random.one_in(2) {
                        let op = Op::Cut {
                            of: all,
                            start: number(0),
                            step: number(2),
                        };
                        self.push(op, Scalar::F32, Some(d.clone()), 4.0);
                    }
                }
                4 => {
                    // Rows of a table, at indices that are given.
                    let kind = *self.random.pick(&[Dt::I32, Dt::U32]);
                    let index = self.input("index", vec![b.clone(), l.clone()], kind);
                    let at = self.place(vec![(0, l.clone()), (1, number(1))], 0);
                    let value = self.load(index, at, None);
                    let table = self.input("table", vec![dim("N"), d.clone()], dtype);
                    let mut at = self.place(vec![], 1);
                    at.computed.push(Computed {
                        value,
                        size: dim("N"),
                        stride: d.clone(),
                    });
                    self.load(table, at, Some(d.clone()));
                }
                _ => {
                    let kind = *self.random.pick(&[Dt::I32, Dt::U32, Dt::Bool]);
                    let n = self.input("whole", vec![b.clone(), l.clone(), d.clone()], kind);
                    let at = self.place(self.row_strides(&d, false), 1);
                    self.load(n, at, Some(d.clone()));
                }
            }
        }
    }

    /// A value of a type: of a column or of the row, as it comes.
    pub(super) fn any(&mut self, scalar: Scalar) -> V {
        let d = Some(self.width.clone());
        let fits = |v: &Value| v.scalar == scalar && (v.width.is_none() || v.width == d);
        let all: Vec<V> = (0..self.program.values.len())
            .filter(|v| fits(&self.program.values[*v]))
            .collect();
        // Late values are taken more often, so that programs are deep.
        let recent = all.len().saturating_sub(4);
        match (all.is_empty(), self.random.one_in(3)) {
            (true, _) => self.constant(scalar),
            (_, true) => *self.random.pick(&all),
            _ => *self.random.pick(&all[recent..]),
        }
    }

    fn constant(&mut self, scalar: Scalar) -> V {
        let x = self.random.unit() * 2.0;
        let (constant, bound) = match scalar {
            Scalar::F32 => (Constant::Float(x), 2.0),
            Scalar::Bool => (Constant::Whole(i64::from(x > 0.0)), 1.0),
            Scalar::I32 => (Constant::Whole((x * 20.0) as i64), 40.0),
            Scalar::U32 => (Constant::Whole((x.abs() * 20.0) as i64), 40.0),
        };
        self.push(Op::Constant(constant), scalar, None, bound)
    }

    /// The width of a result of these operands.
    pub(super) fn width_of(&self, operands: &[V]) -> Option<Dim> {
        let widths = operands
            .iter()
            .find_map(|v| self.program.values[*v].width.clone());
        widths
    }

    pub(super) fn unary(&mut self, op: Unary, a: V, bound: f64) -> V {
        let width = self.width_of(&[a]);
        let scalar = match op {
            Unary::IsNan | Unary::IsInf => Scalar::Bool,
            _ => self.program.values[a].scalar,
        };
        self.push(Op::Unary(op, a), scalar, width, bound)
    }

    pub(super) fn binary(&mut self, op: Binary, a: V, b: V, bound: f64) -> V {
        let width = self.width_of(&[a, b]);
        let scalar = match op.compares() {
            true => Scalar::Bool,
            false => self.program.values[a].scalar,
        };
        self.push(Op::Binary(op, a, b), scalar, width, bound)
    }

    pub(super) fn float(&mut self, x: f32) -> V {
        self.push(
            Op::Constant(Constant::Float(x)),
            Scalar::F32,
            None,
            f64::from(x.abs()),
        )
    }

    /// Between -1 and 1, or about.
    pub(super) fn squashed(&mut self, a: V) -> V {
        use Unary::*;
        let op = *self.random.pick(&[Tanh, Sin, Cos, Erf, Sigmoid, Arctan]);
        self.unary(op, a, 1.6)
    }

    /// `a` if it is at most `most`, else squashed.
    pub(super) fn small(&mut self, a: V, most: f64) -> V {
        match self.bounds[a] <= most {
            true => a,
            false => self.squashed(a),
        }
    }

    /// At least `least`.
    pub(super) fn positive(&mut self, a: V, least: f32) -> V {
        let bound = self.bounds[a];
        let size = self.unary(Unary::Abs, a, bound);
        let least_value = self.float(least);
        self.binary(Binary::Add, size, least_value, bound + f64::from(least))
    }

    fn fill(&mut self) {
        self.loads();
        let steps = 2 + self.random.below(20);
        for _ in 0..steps {
            self.step();
        }
        let d = self.width.clone();
        let outputs = 1 + self.random.below(3);
        let sums = self.random.one_in(4);
        for n in 0..outputs {
            self.output(n, &d, sums && n > 0);
        }
    }

    fn output(&mut self, n: usize, d: &Dim, sum: bool) {
        let mut value = self.program.values.len() - 1;
        if n > 0
            || self.program.values[value]
                .width
                .as_ref()
                .is_some_and(|w| w != d)
        {
            let kind = *self.random.pick(&[
                Scalar::F32,
                Scalar::F32,
                Scalar::I32,
                Scalar::Bool,
                Scalar::U32,
            ]);
            value = self.any(if sum { Scalar::F32 } else { kind });
        }
        let value_type = self.program.values[value].scalar;
        let wide = self.program.values[value].width.is_some();
        let (b, l) = (dim("B"), dim("L"));
        let name = ["y", "z", "out"][n].to_string();
        if sum && value_type == Scalar::F32 {
            let shape = if wide { vec![d.clone()] } else { vec![] };
            return self.program.outputs.push(Output {
                name,
                shape,
                dtype: Dt::F32,
                value,
                place: Place::Sum,
            });
        }
        let turned = self.random.one_in(4);
        let width = if wide { d.clone() } else { number(1) };
        let (first, second) = if turned { (l, b) } else { (b, l) };
        let mut shape = vec![first, second];
        if wide {
            shape.push(d.clone());
        }
        let dtype = match value_type {
            Scalar::F32 => self.float_type(),
            Scalar::I32 => Dt::I32,
            Scalar::U32 => Dt::U32,
            Scalar::Bool => Dt::Bool,
        };
        let at = self.place(self.row_strides(&width, turned), i64::from(wide));
        self.program.outputs.push(Output {
            name,
            shape,
            dtype,
            value,
            place: Place::At(at),
        });
    }
}
