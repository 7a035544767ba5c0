//! Reductions of a row: in a thread, over the lanes of a simdgroup by shuffles, over simdgroups by shared memory.
//!
//! Tests: `tests/text.rs`.

use super::scalars::{c_type, Binds, Expr};
use super::writer::Writer;
use crate::kernel::ir::{Op, Reduce, Scalar, V};

/// A reduction that is being written.
struct Sum {
    of: V,
    op: Reduce,
    scalar: Scalar,
    name: String,
    /// The column of an extreme value.
    place: Option<String>,
}

impl Sum {
    /// The C type of what a thread holds: truth values are 0 and 1.
    fn kind(&self) -> &'static str {
        match self.scalar {
            Scalar::Bool => "int",
            s => c_type(s),
        }
    }

    fn start(&self) -> &'static str {
        use Reduce::*;
        use Scalar::*;
        match (self.op, self.scalar) {
            (Sum, F32) => "0.0f",
            (Prod, F32) => "1.0f",
            (Max | ArgMax, F32) => "-INFINITY",
            (Min | ArgMin, F32) => "INFINITY",
            (Sum, U32) | (Max | ArgMax, U32) => "0u",
            (Prod, U32) => "1u",
            (Min | ArgMin, U32) => "4294967295u",
            (Max | ArgMax, I32) => "-2147483647 - 1",
            (Min | ArgMin, I32) => "2147483647",
            (Sum | Any | Max | ArgMax, _) => "0",
            (Prod | All | Min | ArgMin, _) => "1",
        }
    }

    /// The statements that add a value, and its column, to what there is.
    fn fold(&self, x: &str, column: &str) -> Vec<String> {
        use Reduce::*;
        let name = &self.name;
        let wraps = self.scalar == Scalar::I32;
        match (self.op, &self.place) {
            (Sum, _) if wraps => vec![format!("{name} = int(unsigned({name}) + unsigned({x}));")],
            (Prod, _) if wraps => vec![format!("{name} = int(unsigned({name}) * unsigned({x}));")],
            (Sum, _) => vec![format!("{name} += {x};")],
            (Prod, _) => vec![format!("{name} *= {x};")],
            (Max, _) => vec![format!("{name} = maximum({name}, {x});")],
            (Min, _) => vec![format!("{name} = minimum({name}, {x});")],
            (All, _) => vec![format!("{name} &= int({x});")],
            (Any, _) => vec![format!("{name} |= int({x});")],
            (ArgMax | ArgMin, Some(place)) => {
                let sign = if self.op == ArgMax { ">" } else { "<" };
                let earlier = match column {
                    // A thread comes by its columns in order.
                    "c" => String::new(),
                    _ => format!(" || ({x} == {name} && {column} < {place})"),
                };
                vec![
                    format!("if ({x} {sign} {name}{earlier}) {{"),
                    format!("{name} = {x};"),
                    format!("{place} = {column};"),
                    "}".to_string(),
                ]
            }
            (ArgMax | ArgMin, None) => vec![],
        }
    }
}

impl Writer<'_> {
    /// The number of reductions that must come before the value, one after the other.
    fn levels(&self) -> Vec<usize> {
        let mut levels: Vec<usize> = Vec::with_capacity(self.program.values.len());
        for value in &self.program.values {
            let before = value.op.operands().iter().map(|o| levels[*o]).max();
            let own = usize::from(matches!(value.op, Op::Reduce(..)));
            levels.push(before.unwrap_or(0) + own);
        }
        levels
    }

    /// Writes a reduction, together with all others of its width that need nothing more.
    pub fn reduce(&mut self, v: V) -> Expr {
        let program = self.program;
        let levels = self.levels();
        let width_of = |v: V| match &program.values[v].op {
            Op::Reduce(_, of) => program.values[*of].width.clone(),
            _ => None,
        };
        let Some(width) = width_of(v) else {
            // One number has itself as its sum and its largest.
            return self.reduce_number(v);
        };
        let known = &self.scopes[0].known;
        let together: Vec<V> = (0..program.values.len())
            .filter(|o| self.live[*o] && levels[*o] == levels[v])
            .filter(|o| width_of(*o).as_ref() == Some(&width))
            .filter(|o| !known.contains_key(&(*o, String::new())))
            .collect();
        let operands = together
            .iter()
            .flat_map(|o| program.values[*o].op.operands());
        self.prepare(&operands.collect::<Vec<_>>());
        let sums: Vec<Sum> = together.iter().map(|o| self.declare_sum(*o)).collect();
        self.columns(&width, |w, col| {
            for sum in &sums {
                let x = w.at(sum.of, col);
                let extreme = sum.place.is_some();
                let x = match (extreme, sum.scalar) {
                    // A NaN in front stays: nothing is larger, and nothing smaller.
                    (true, Scalar::F32) => {
                        let far = if sum.op == Reduce::ArgMax {
                            "INFINITY"
                        } else {
                            "-INFINITY"
                        };
                        let text = x.at(Binds::Atom);
                        Expr::loose(format!("c == 0 && isnan({}) ? {far} : {text}", x.text))
                    }
                    _ => x,
                };
                let x = match extreme
                    && !x
                        .text
                        .chars()
                        .all(|c| c.is_ascii_alphanumeric() || c == '_')
                {
                    true => {
                        let name = w.fresh("x");
                        w.line(format!("const {} {name} = {};", sum.kind(), x.text));
                        name
                    }
                    false => x.text,
                };
                for line in sum.fold(&x, "c") {
                    w.line(line);
                }
            }
        });
        self.over_lanes(&sums);
        let mut result = Expr::atom("0");
        for (o, sum) in together.iter().zip(&sums) {
            let expr = match (&sum.place, sum.scalar, sum.op) {
                (Some(place), _, _) => Expr::atom(format!("unsigned({place})")),
                (None, Scalar::Bool, _) => Expr::atom(format!("({} != 0)", sum.name)),
                _ => Expr::atom(sum.name.clone()),
            };
            if *o == v {
                result = expr.clone();
            }
            self.scopes[0].known.insert((*o, String::new()), expr);
        }
        result
    }

    fn reduce_number(&mut self, v: V) -> Expr {
        match &self.program.values[v].op {
            Op::Reduce(Reduce::ArgMax | Reduce::ArgMin, _) => Expr::atom("0u"),
            Op::Reduce(_, of) => self.row(*of),
            _ => Expr::atom("0"),
        }
    }

    fn declare_sum(&mut self, v: V) -> Sum {
        let value = &self.program.values[v];
        let (op, of) = match &value.op {
            Op::Reduce(op, of) => (*op, *of),
            _ => (Reduce::Sum, v),
        };
        let extreme = matches!(op, Reduce::ArgMax | Reduce::ArgMin);
        let wanted = match op {
            Reduce::Sum => "sum",
            Reduce::Prod => "product",
            Reduce::Max | Reduce::ArgMax => "largest",
            Reduce::Min | Reduce::ArgMin => "smallest",
            Reduce::All => "all_of",
            Reduce::Any => "any_of",
        };
        let named = value.name.clone().filter(|_| !extreme);
        if matches!(op, Reduce::Max) {
            self.call("maximum");
        }
        if matches!(op, Reduce::Min) {
            self.call("minimum");
        }
        let sum = Sum {
            of,
            op,
            scalar: self.program.values[of].scalar,
            name: self.fresh(named.as_deref().unwrap_or(wanted)),
            place: extreme.then(|| {
                let named = self.program.values[v].name.clone();
                self.fresh(named.as_deref().unwrap_or("found"))
            }),
        };
        self.line(format!("{} {} = {};", sum.kind(), sum.name, sum.start()));
        if let Some(place) = &sum.place {
            self.line(format!("int {place} = 0;"));
        }
        sum
    }

    /// Gives every lane of a row the whole sums.
    fn over_lanes(&mut self, sums: &[Sum]) {
        let (shuffle, barrier, shared) = (
            self.dialect.shuffle,
            self.dialect.barrier,
            self.dialect.shared,
        );
        self.line("for (int d = min(LANES, 32) / 2; d > 0; d /= 2) {");
        for sum in sums {
            let other = shuffle(&sum.name, "d");
            match &sum.place {
                None => {
                    for line in sum.fold(&other, "") {
                        self.line(line);
                    }
                }
                Some(place) => {
                    let (x, at) = (self.fresh("other"), self.fresh("other_at"));
                    self.line(format!("const {} {x} = {other};", sum.kind()));
                    self.line(format!("const int {at} = {};", shuffle(place, "d")));
                    for line in sum.fold(&x, &at) {
                        self.line(line);
                    }
                }
            }
        }
        self.line("}");
        self.line("if (LANES > 32) {");
        self.has_barrier = true;
        let mut parts = Vec::new();
        self.line("if (lane % 32 == 0) {");
        for sum in sums {
            for (name, kind) in [(Some(&sum.name), sum.kind()), (sum.place.as_ref(), "int")] {
                if let Some(name) = name {
                    let part = self.fresh(&format!("{name}_parts"));
                    self.shared.push(format!("{shared} {kind} {part}[32];"));
                    self.line(format!("{part}[lane / 32] = {name};"));
                    parts.push((name.clone(), part));
                }
            }
        }
        self.line("}");
        self.line(barrier);
        for (name, part) in &parts {
            self.line(format!("{name} = {part}[0];"));
        }
        self.line("for (int i = 1; i < LANES / 32; ++i) {");
        let part = |name: &String| parts.iter().find(|p| p.0 == *name).map_or("", |p| &p.1);
        for sum in sums {
            let x = format!("{}[i]", part(&sum.name));
            let at = sum.place.as_ref().map(|p| format!("{}[i]", part(p)));
            for line in sum.fold(&x, at.as_deref().unwrap_or("")) {
                self.line(line);
            }
        }
        self.line("}");
        self.line("}");
    }
}
