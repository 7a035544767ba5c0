//! Composes random kernels: chains of operations up to 20 deep over values of a row, of a number per row and of a vector
//! that all rows share, with several reductions and results.

/// A small generator of random numbers (Vigna's splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A number between -1.5 and 1.5.
    pub fn number(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 * 3.0 - 1.5
    }
}

/// The shape of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// `[B, L, width]`.
    Row(usize),
    /// `[B, L, 1]`.
    Number,
    /// `[width]`.
    Vector(usize),
}

/// The widths of rows, as sizes.
const WIDTHS: [&str; 3] = ["D", "E", "D + E"];

impl Shape {
    pub fn text(self) -> String {
        match self {
            Shape::Row(w) => format!("Tensor![B, L, {}]", WIDTHS[w]),
            Shape::Number => "Tensor![B, L, 1]".to_string(),
            Shape::Vector(w) => format!("Tensor![{}]", WIDTHS[w]),
        }
    }
}

/// A kernel as text.
pub struct Kernel {
    pub text: String,
    /// Names and shapes of the float arguments; `at: [B, L, 1] of i32` follows if `chooses`.
    pub arguments: Vec<(String, Shape)>,
    pub chooses: bool,
}

impl Kernel {
    /// Random arguments of a call.
    pub fn inputs(&self, rows: i64, widths: [i64; 2], random: &mut Random) -> Vec<Vec<f64>> {
        let mut inputs: Vec<Vec<f64>> = Vec::new();
        for (_, shape) in &self.arguments {
            let n = match shape {
                Shape::Row(w) => rows * widths[*w],
                Shape::Number => rows,
                Shape::Vector(w) => widths[*w],
            };
            inputs.push((0..n).map(|_| random.number()).collect());
        }
        if self.chooses {
            let most = widths[0].min(widths[1]) as usize;
            inputs.push((0..rows).map(|_| random.below(most) as f64).collect());
        }
        inputs
    }
}

struct Made {
    name: String,
    shape: Shape,
    read: bool,
}

struct Generator<'r> {
    random: &'r mut Random,
    values: Vec<Made>,
    lines: Vec<String>,
    chooses: bool,
}

const ARGUMENTS: [(&str, Shape); 7] = [
    ("x", Shape::Row(0)),
    ("y", Shape::Row(0)),
    ("z", Shape::Row(1)),
    ("w", Shape::Vector(0)),
    ("u", Shape::Vector(1)),
    ("s", Shape::Number),
    ("t", Shape::Number),
];

/// A random kernel of up to 20 operations.
pub fn kernel(name: &str, random: &mut Random) -> Kernel {
    let steps = 1 + random.below(20);
    let values = ARGUMENTS.iter().map(|(name, shape)| Made {
        name: name.to_string(),
        shape: *shape,
        read: false,
    });
    let mut g = Generator {
        values: values.collect(),
        random,
        lines: vec![],
        chooses: false,
    };
    for _ in 0..steps {
        g.step();
    }
    g.finish(name)
}

impl Generator<'_> {
    /// A value, most often a late one.
    fn pick(&mut self, wanted: impl Fn(Shape) -> bool) -> Option<usize> {
        let all: Vec<usize> = (0..self.values.len())
            .filter(|i| wanted(self.values[*i].shape))
            .collect();
        let late = all.len().saturating_sub(4);
        let from = if self.random.below(4) > 0 { late } else { 0 };
        let found = *all.get(from + self.random.below(all.len().saturating_sub(from).max(1)))?;
        Some(found)
    }

    fn read(&mut self, i: usize) -> String {
        self.values[i].read = true;
        self.values[i].name.clone()
    }

    fn bind(&mut self, shape: Shape, value: String) {
        let name = format!("v{}", self.lines.len());
        self.lines.push(format!("let {name} = {value};"));
        self.values.push(Made {
            name,
            shape,
            read: false,
        });
    }

    fn step(&mut self) {
        match self.random.below(10) {
            0..=2 => self.one(),
            3..=5 => self.two(),
            6 | 7 => self.reduce(),
            8 => self.along(),
            _ => self.moved(),
        }
    }

    fn one(&mut self) {
        const FORMS: [&str; 26] = [
            "tanh({})",
            "sigmoid({})",
            "silu({})",
            "square({}) * 0.5",
            "sin({})",
            "cos({})",
            "abs({})",
            "-{}",
            "exp(tanh({}))",
            "log(square({}) + 1.0)",
            "sqrt(square({}) + 0.5)",
            "rsqrt(square({}) + 0.5)",
            "erf({})",
            "gelu({})",
            "gelu_approx({})",
            "softplus({})",
            "relu({})",
            "expm1(tanh({}))",
            "log1p(square({}))",
            "reciprocal(square({}) + 1.0)",
            "arctan({})",
            "elu({})",
            "clip({}, -1.0, 1.0)",
            "leaky_relu({})",
            "stop_gradient({}) + 0.25",
            "power(square({}) + 0.5, 0.75)",
        ];
        let Some(i) = self.pick(|_| true) else { return };
        let (name, shape) = (self.read(i), self.values[i].shape);
        let form = FORMS[self.random.below(FORMS.len())];
        self.bind(shape, form.replace("{}", &name));
    }

    fn two(&mut self) {
        const FORMS: [&str; 13] = [
            "{a} + {b}",
            "{a} - {b}",
            "{a} * {b}",
            "{a} * {b}",
            "{a} / (square({b}) + 1.0)",
            "maximum({a}, {b})",
            "minimum({a}, {b})",
            "logaddexp({a}, {b})",
            "arctan2({a}, square({b}) + 0.5)",
            "where_(greater({a}, {b}), {a} * 2.0, {b})",
            "where_(less({a}, 0.3), {a}, {b} * 0.5)",
            "power(square({a}) + 0.5, tanh({b}))",
            "swiglu({a} + 0.0 * {b}, {b} + 0.0 * {a})",
        ];
        let Some(i) = self.pick(|_| true) else { return };
        let first = self.values[i].shape;
        let fits = |s: Shape| match (first, s) {
            (Shape::Row(a), Shape::Row(b) | Shape::Vector(b)) => a == b,
            (Shape::Vector(a), Shape::Row(b) | Shape::Vector(b)) => a == b,
            _ => true,
        };
        let Some(j) = self.pick(fits) else { return };
        let shape = match (first, self.values[j].shape) {
            (Shape::Row(a), _) | (_, Shape::Row(a)) => Shape::Row(a),
            (Shape::Vector(a), Shape::Number) | (Shape::Number, Shape::Vector(a)) => Shape::Row(a),
            (Shape::Vector(a), _) => Shape::Vector(a),
            _ => Shape::Number,
        };
        let (a, b) = (self.read(i), self.read(j));
        let form = FORMS[self.random.below(FORMS.len())];
        self.bind(shape, form.replace("{a}", &a).replace("{b}", &b));
    }

    fn reduce(&mut self) {
        const FORMS: [&str; 9] = [
            "sum({}, -1, keepdims)",
            "mean({}, -1, keepdims)",
            "max({}, -1, keepdims)",
            "min({}, -1, keepdims)",
            "logsumexp({}, -1, keepdims)",
            "var({}, -1, keepdims)",
            "mean(square({}), -1, keepdims)",
            "prod(tanh({}) + 0.1, -1, keepdims)",
            "sqrt(var({}, -1, keepdims) + 0.1)",
        ];
        let row = |s: Shape| matches!(s, Shape::Row(_));
        let Some(i) = self.pick(row) else { return };
        let name = self.read(i);
        let form = FORMS[self.random.below(FORMS.len())];
        self.bind(Shape::Number, form.replace("{}", &name));
    }

    fn along(&mut self) {
        let row = |s: Shape| matches!(s, Shape::Row(_));
        let Some(i) = self.pick(row) else { return };
        let (name, shape) = (self.read(i), self.values[i].shape);
        match self.random.below(5) {
            0 => self.bind(shape, format!("softmax({name}, -1)")),
            1 => self.bind(shape, format!("log_softmax({name}, -1)")),
            2 => self.bind(shape, format!("{name} - mean({name}, -1, keepdims)")),
            3 => self.bind(shape, format!("roll({name}, 1, -1)")),
            _ => {
                self.chooses = true;
                self.bind(Shape::Number, format!("take_along_axis({name}, at, -1)"));
            }
        }
    }

    /// Two rows side by side, or a part of such a row.
    fn moved(&mut self) {
        if let (Some(i), true) = (self.pick(|s| s == Shape::Row(2)), self.random.below(2) == 0) {
            let name = self.read(i);
            match self.random.below(3) {
                0 => self.bind(
                    Shape::Row(0),
                    format!("slice({name}, [0], [D], axes = [-1])"),
                ),
                1 => self.bind(
                    Shape::Row(1),
                    format!("slice({name}, [D], [D + E], axes = [-1])"),
                ),
                _ => self.bind(
                    Shape::Row(0),
                    format!("slice({name}, [1], [D + 1], axes = [-1])"),
                ),
            }
            return;
        }
        let (Some(i), Some(j)) = (
            self.pick(|s| s == Shape::Row(0)),
            self.pick(|s| s == Shape::Row(1)),
        ) else {
            return;
        };
        let (a, b) = (self.read(i), self.read(j));
        self.bind(Shape::Row(2), format!("concatenate([{a}, {b}], -1)"));
    }

    /// Everything that nothing reads becomes a result, of which there are three at most.
    fn finish(mut self, name: &str) -> Kernel {
        let used = |v: &Made| v.read || v.name.starts_with('v');
        let mut open: Vec<usize> = (0..self.values.len())
            .filter(|i| used(&self.values[*i]) && !self.values[*i].read)
            .collect();
        if open
            .iter()
            .all(|i| matches!(self.values[*i].shape, Shape::Vector(_)))
        {
            // Something must differ between rows.
            self.values[0].read = true;
            let vector = open
                .iter()
                .position(|i| self.values[*i].shape == Shape::Vector(0));
            let with = vector.map(|at| open.remove(at)).map(|i| self.read(i));
            self.bind(
                Shape::Row(0),
                format!("x * {}", with.unwrap_or_else(|| "1.5".to_string())),
            );
            open.push(self.values.len() - 1);
        }
        let (mut results, mut rest) = (Vec::new(), Vec::new());
        for i in open {
            match self.values[i].shape {
                Shape::Vector(_) => rest.push(i),
                _ if results.len() < 3 => results.push(i),
                _ => rest.push(i),
            }
        }
        // The others go into the first one, by their sums.
        let first = self.values[results[0]].shape;
        for i in rest {
            let (shape, other) = (self.values[i].shape, self.read(i));
            let total = self.values[results[0]].name.clone();
            self.values[results[0]].read = true;
            let more = match shape {
                Shape::Number => other,
                _ => format!("sum({other}, -1, keepdims)"),
            };
            self.bind(first, format!("{total} + {more}"));
            results[0] = self.values.len() - 1;
        }
        let arguments: Vec<(String, Shape)> = self
            .values
            .iter()
            .take(ARGUMENTS.len())
            .filter(|v| v.read)
            .map(|v| (v.name.clone(), v.shape))
            .collect();
        let mut args: Vec<String> = arguments
            .iter()
            .map(|(n, s)| format!("{n}: {}", s.text()))
            .collect();
        if self.chooses {
            args.push("at: Tensor![B, L, 1; i32]".to_string());
        }
        let types: Vec<String> = results
            .iter()
            .map(|i| self.values[*i].shape.text())
            .collect();
        let names: Vec<&str> = results
            .iter()
            .map(|i| self.values[*i].name.as_str())
            .collect();
        let (ret, last) = match results.len() {
            1 => (types[0].clone(), names[0].to_string()),
            _ => (
                format!("({})", types.join(", ")),
                format!("({})", names.join(", ")),
            ),
        };
        let body = self
            .lines
            .iter()
            .map(|l| format!("    {l}\n"))
            .collect::<String>();
        Kernel {
            text: format!(
                "fn {name}({}) -> {ret} {{\n{body}    {last}\n}}\n",
                args.join(", ")
            ),
            arguments,
            chooses: self.chooses,
        }
    }
}
