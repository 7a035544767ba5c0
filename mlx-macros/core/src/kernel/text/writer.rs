//! Writes a program: its rows, the stages of a row, its outputs.
//!
//! Tests: `tests/text.rs`.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::columns::{Col, Tile};
use super::dialect::Dialect;
use super::frame::{constants, sizes, varies};
use super::lines::without_unused;
use super::names::names_of;
use super::names::{expression, Names};
use super::scalars::{self, c_type, Binds, Expr};
use super::{cuda, metal, Target, Text};
use crate::kernel::ir::{At, Op, Program, Scalar, V};
use crate::kernel::schedule::is_flat;
use crate::syntax::dims::Dim;
use crate::syntax::signature::Dt;

/// Text of more lines is refused: a program of many joins inside joins doubles with each.
const MOST_LINES: usize = 6000;

/// The lines of a block, and the variables that it has.
#[derive(Default)]
pub(super) struct Scope {
    pub lines: Vec<String>,
    pub known: HashMap<(V, String), Expr>,
    pub columns: HashMap<String, String>,
    /// Names that are free again at the end of the block.
    names: Vec<String>,
}

/// The state of writing a program.
pub(super) struct Writer<'a> {
    pub program: &'a Program,
    pub dialect: &'static Dialect,
    pub names: Names,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub numbers: Vec<String>,
    pub uses: Vec<usize>,
    pub live: Vec<bool>,
    pub constants: BTreeSet<String>,
    pub sizes: Vec<String>,
    pub calls: HashSet<&'static str>,
    /// The row's scope, then the loop over its columns, then branches of it.
    pub scopes: Vec<Scope>,
    pub tile: Option<Tile>,
    /// Loads that several loops of one width need, with the names of the arrays that keep them.
    pub kept: HashMap<V, Option<String>>,
    /// The loops that need each load.
    pub seen: HashMap<V, Vec<(usize, Dim)>>,
    pub loops: usize,
    pub widths: Vec<(Dim, String)>,
    /// The widths that differ from call to call, as [`super::Text::turns`] has them.
    pub turns: Vec<(Dim, String)>,
    pub keeps: BTreeSet<String>,
    places: HashMap<String, String>,
    coordinates: HashMap<usize, String>,
    pub shared: Vec<String>,
    /// Declarations before the loop over rows.
    pub before: Vec<String>,
    pub has_barrier: bool,
    /// The host may cut the rows anywhere.
    flat: bool,
    lines: usize,
}

/// The text of a program, or `None` if it is too long.
pub fn write(program: &Program, target: Target) -> Option<Text> {
    let dialect = match target {
        Target::Cuda => &cuda::CUDA,
        Target::Metal => &metal::METAL,
    };
    // The first time shows which loads are needed again.
    let mut first = Writer::new(program, dialect, HashMap::new());
    first.outputs();
    if first.is_full() {
        return None;
    }
    let again = first.seen.iter().filter(|(_, loops)| {
        let others = loops.iter().filter(|l| l.1 == loops[0].1);
        others.count() == loops.len() && loops.len() > 1
    });
    let kept: HashMap<V, Option<String>> = again.map(|(v, _)| (*v, None)).collect();
    if kept.is_empty() {
        return first.rows(target);
    }
    let mut writer = Writer::new(program, dialect, kept);
    writer.outputs();
    writer.rows(target)
}

impl<'a> Writer<'a> {
    fn new(
        program: &'a Program,
        dialect: &'static Dialect,
        kept: HashMap<V, Option<String>>,
    ) -> Self {
        let mut names = Names::new();
        let inputs = program
            .inputs
            .iter()
            .map(|i| names.fresh(&i.name))
            .collect();
        let outputs = program
            .outputs
            .iter()
            .map(|o| names.fresh(&o.name))
            .collect();
        let live = program.live();
        let mut uses = vec![0; program.values.len()];
        for (v, value) in program.values.iter().enumerate() {
            for operand in value.op.operands() {
                uses[operand] += usize::from(live[v]);
            }
        }
        for output in &program.outputs {
            uses[output.value] += 1;
        }
        let constants = constants(program, &live);
        // Sizes have their names before variables take them.
        for name in &constants {
            names.dim(name);
        }
        for name in sizes(program) {
            names.dim(&name);
        }
        let numbers = program
            .numbers
            .iter()
            .map(|n| names.fresh(&n.name))
            .collect();
        Writer {
            program,
            dialect,
            names,
            inputs,
            outputs,
            numbers,
            uses,
            live,
            constants,
            sizes: Vec::new(),
            calls: HashSet::new(),
            scopes: vec![Scope::default()],
            tile: None,
            kept,
            seen: HashMap::new(),
            loops: 0,
            widths: Vec::new(),
            turns: Vec::new(),
            keeps: BTreeSet::new(),
            places: HashMap::new(),
            coordinates: HashMap::new(),
            shared: Vec::new(),
            before: Vec::new(),
            has_barrier: false,
            flat: is_flat(program).is_some(),
            lines: 0,
        }
    }

    /// Appends a line to the innermost block.
    pub fn line(&mut self, text: impl Into<String>) {
        self.lines += 1;
        if self.lines <= MOST_LINES {
            if let Some(scope) = self.scopes.last_mut() {
                scope.lines.push(text.into());
            }
        }
    }

    /// A name for a variable of the innermost block.
    pub fn fresh(&mut self, wanted: &str) -> String {
        let name = self.names.fresh(wanted);
        if let Some(scope) = self.scopes.last_mut() {
            scope.names.push(name.clone());
        }
        name
    }

    /// Ends the innermost block.
    pub fn close(&mut self) -> Scope {
        let mut scope = self.scopes.pop().unwrap_or_default();
        self.names.release(&scope.names);
        scope.lines = without_unused(scope.lines);
        scope
    }

    /// True once the text is refused, so that nothing more is written.
    pub fn is_full(&self) -> bool {
        self.lines > MOST_LINES
    }

    /// Runs `work` in the scope of the row, before the loop that is being written.
    pub fn in_row<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let inner = self.scopes.split_off(1);
        let tile = self.tile.take();
        let out = work(self);
        self.scopes.extend(inner);
        self.tile = tile;
        out
    }

    /// True if a width differs from call to call.
    pub fn varies(&self, width: &Dim) -> bool {
        names_of(width).iter().any(|n| varies(self.program, n))
    }

    /// A size as an expression.
    pub fn size(&mut self, dim: &Dim, wide: bool) -> String {
        let mut asked = Vec::new();
        let names = &mut self.names;
        let text = expression(dim, wide, &mut |name| {
            asked.push(name.to_string());
            names.dim(name)
        });
        for name in asked {
            if !self.constants.contains(&name) && !self.sizes.contains(&name) {
                self.sizes.push(name);
            }
        }
        text
    }

    pub fn call(&mut self, name: &'static str) {
        self.calls.insert(name);
    }

    /// The value of one number per row.
    pub fn row(&mut self, v: V) -> Expr {
        let key = (v, String::new());
        if let Some(known) = self.scopes[0].known.get(&key) {
            return known.clone();
        }
        let expr = self.in_row(|w| match &w.program.values[v].op {
            Op::Reduce(..) => w.reduce(v),
            _ => {
                let expr = w.compute(v, None);
                w.bind(v, expr)
            }
        });
        self.scopes[0].known.insert(key, expr.clone());
        expr
    }

    /// Writes the numbers per row that these values need, so that a loop over columns finds them.
    pub fn prepare(&mut self, of: &[V]) {
        let mut needed = vec![false; self.program.values.len()];
        let mut todo = of.to_vec();
        while let Some(v) = todo.pop() {
            if !std::mem::replace(&mut needed[v], true) {
                todo.extend(self.program.values[v].op.operands());
            }
        }
        for (v, needed) in needed.into_iter().enumerate() {
            if needed && self.program.values[v].width.is_none() {
                self.row(v);
            }
        }
    }

    /// The value at a column.
    pub fn at(&mut self, v: V, col: &Col) -> Expr {
        if self.program.values[v].width.is_none() {
            return self.row(v);
        }
        let key = (v, col.key());
        if let Some(known) = self.scopes.iter().rev().find_map(|s| s.known.get(&key)) {
            return known.clone();
        }
        if self.is_full() {
            return Expr::atom("0");
        }
        let expr = self.compute(v, Some(col));
        let expr = self.bind(v, expr);
        if let Some(scope) = self.scopes.last_mut() {
            scope.known.insert(key, expr.clone());
        }
        expr
    }

    fn operand(&mut self, v: V, col: Option<&Col>) -> Expr {
        match (col, &self.program.values[v].width) {
            (Some(col), Some(_)) => self.at(v, col),
            // A value without a column of its own: the first one.
            (None, Some(_)) => self.at(v, &Col::fixed("0")),
            _ => self.row(v),
        }
    }

    fn compute(&mut self, v: V, col: Option<&Col>) -> Expr {
        let program = self.program;
        let value = &program.values[v];
        let scalar = value.scalar;
        match &value.op {
            Op::Load { input, at } => self.load(v, *input, at, col),
            Op::Number(n) => Expr::atom(self.numbers[*n].clone()),
            Op::Constant(c) => scalars::constant(*c, scalar),
            Op::Size(dim) => {
                let text = self.size(dim, false);
                match scalar {
                    Scalar::I32 if dim.as_name().is_some() => Expr::atom(text),
                    Scalar::I32 => Expr::atom(format!("({text})")),
                    _ => Expr::atom(format!("{}({text})", c_type(scalar))),
                }
            }
            Op::Coordinate(i) => Expr::atom(self.coordinate(*i)),
            Op::Column => Expr::atom(col.map_or("0".to_string(), |c| self.column(c))),
            Op::Unary(op, a) => {
                let (x, s) = (self.operand(*a, col), program.values[*a].scalar);
                let (dialect, calls) = (self.dialect, &mut self.calls);
                scalars::unary(dialect, *op, s, &x, calls)
            }
            Op::Binary(op, a, b) => {
                let s = program.values[*a].scalar;
                let (x, y) = (self.operand(*a, col), self.operand(*b, col));
                let (dialect, calls) = (self.dialect, &mut self.calls);
                scalars::binary(dialect, *op, s, &x, &y, calls)
            }
            Op::Select(a, b, c) => {
                let parts = [a, b, c].map(|o| self.operand(*o, col));
                scalars::select(&parts[0], &parts[1], &parts[2])
            }
            Op::Cast(a) => {
                let (x, from) = (self.operand(*a, col), program.values[*a].scalar);
                let calls = &mut self.calls;
                scalars::cast(from, scalar, &x, calls)
            }
            // Reductions are of no columns of their own.
            Op::Reduce(..) => self.row(v),
            Op::Cut { of, start, step } => self.cut(*of, start, step, col),
            Op::Join(parts) => self.join(v, parts, col),
            Op::Bits { key, place, count } => {
                let all = [key[0], key[1], *place, *count].map(|o| self.operand(o, col));
                self.call("random_bits");
                Expr::call("random_bits", &all.each_ref())
            }
            Op::Take { of, index } => {
                let index = self.operand(*index, col);
                let Some(width) = program.values[*of].width.clone() else {
                    return self.row(*of);
                };
                let place = self.place(&index, &width, "take");
                self.at(*of, &Col::fixed(place))
            }
        }
    }

    /// A variable for the value if it has a name or is needed again.
    fn bind(&mut self, v: V, expr: Expr) -> Expr {
        let value = &self.program.values[v];
        let simple = |c: char| c.is_ascii_alphanumeric() || "_.".contains(c);
        let load = matches!(value.op, Op::Load { .. });
        let wanted = value.name.is_some() || self.uses[v] > 1 || expr.text.len() > 100 || load;
        if !wanted || expr.text.chars().all(simple) {
            return expr;
        }
        let name = match &value.op {
            Op::Load { input, .. } => self.load_name(v, *input),
            _ => value.name.clone().unwrap_or_else(|| "t".to_string()),
        };
        let name = self.fresh(&name);
        self.line(format!(
            "const {} {name} = {};",
            c_type(value.scalar),
            expr.text
        ));
        Expr::atom(name)
    }

    fn load_name(&self, v: V, input: usize) -> String {
        let argument = &self.program.inputs[input].name;
        let value = &self.program.values[v];
        match &value.name {
            Some(name) if name != argument => name.clone(),
            _ if value.width.is_some() => format!("{argument}_c"),
            _ => format!("{argument}_0"),
        }
    }

    /// A coordinate of the row.
    pub fn coordinate(&mut self, i: usize) -> String {
        if let Some(known) = self.coordinates.get(&i) {
            return known.clone();
        }
        let rows = &self.program.rows;
        let wanted = match rows[i].as_name() {
            Some(name) => format!("{}_at", name.to_lowercase()),
            None => "at".to_string(),
        };
        let inner = crate::syntax::dims::volume(&rows[i + 1..]);
        let size = rows[i].clone();
        let mut text = "row".to_string();
        if !inner.is_one() {
            let by = self.size(&inner, false);
            text = match inner.as_name() {
                Some(_) => format!("row / {by}"),
                None => format!("row / ({by})"),
            };
        }
        if i > 0 {
            let size = self.size(&size, false);
            text = format!("{text} % {size}");
        }
        let name = self.in_row(|w| {
            let name = w.fresh(&wanted);
            w.line(format!("const int {name} = {text};"));
            name
        });
        self.coordinates.insert(i, name.clone());
        name
    }

    /// A computed index: a negative one counts from the end, and what is outside is clamped.
    fn place(&mut self, index: &Expr, size: &Dim, wanted: &str) -> String {
        self.call("place_of");
        let size = self.size(size, false);
        let text = format!("place_of({}, {size})", index.text);
        if let Some(known) = self.scopes.iter().rev().find_map(|s| s.columns.get(&text)) {
            return known.clone();
        }
        let name = self.fresh(wanted);
        self.line(format!("const int {name} = {text};"));
        if let Some(scope) = self.scopes.last_mut() {
            scope.columns.insert(text, name.clone());
        }
        name
    }

    /// The place of a row's first element, a variable of the row; `None` if it is 0.
    pub fn base(&mut self, array: &str, at: &At, width: Option<&Dim>) -> Option<String> {
        let key = format!("{array} {:?} {:?} {:?}", at.rows, at.computed, at.offset);
        if let Some(known) = self.places.get(&key) {
            return (!known.is_empty()).then(|| known.clone());
        }
        let text = self.in_row(|w| w.base_text(at, width));
        let name = match text {
            None => String::new(),
            Some(text) => self.in_row(|w| {
                let name = w.fresh(&format!("{array}_row"));
                w.line(format!("const long {name} = {text};"));
                name
            }),
        };
        self.places.insert(key, name.clone());
        (!name.is_empty()).then_some(name)
    }

    fn base_text(&mut self, at: &At, width: Option<&Dim>) -> Option<String> {
        let one = Dim::constant(1);
        let (cut, width) = (self.flat && width.is_some(), width.unwrap_or(&one));
        if at.is_row(&self.program.rows, width) && (cut || !at.rows.is_empty()) {
            let width = self.size(width, false);
            return Some(match width.as_str() {
                "1" => "row".to_string(),
                _ => format!("long(row) * {width}"),
            });
        }
        let mut terms = Vec::new();
        for (i, stride) in &at.rows {
            let coordinate = self.coordinate(*i);
            let stride = self.size(stride, true);
            terms.push(match stride.as_str() {
                "1" => format!("long({coordinate})"),
                _ => format!("long({coordinate}) * {stride}"),
            });
        }
        for computed in &at.computed {
            let index = self.row(computed.value);
            let place = self.place(&index, &computed.size, "place");
            let stride = self.size(&computed.stride, true);
            terms.push(match stride.as_str() {
                "1" => format!("long({place})"),
                _ => format!("long({place}) * {stride}"),
            });
        }
        if at.offset != Dim::constant(0) {
            terms.push(self.size(&at.offset, true));
        }
        (!terms.is_empty()).then(|| terms.join(" + "))
    }

    /// The constant that says how many times a thread's columns repeat in a width.
    pub fn each(&mut self, width: &Dim) -> String {
        if let Some(known) = self.widths.iter().find(|w| w.0 == *width) {
            return known.1.clone();
        }
        let label = match (width.as_name(), width.as_constant()) {
            (Some(name), _) => name.to_string(),
            (None, Some(number)) => number.to_string(),
            (None, None) => (self.widths.len() + 1).to_string(),
        };
        let name = self.names.fresh(&format!("EACH_{label}"));
        self.widths.push((width.clone(), name.clone()));
        name
    }

    /// The constant that says that a row of this width is kept.
    pub fn keep(&mut self, each: &str) -> String {
        self.keeps.insert(each.to_string());
        each.replacen("EACH", "KEEP", 1)
    }
}

/// The type of an array's elements.
pub(super) fn storage(dtype: Dt) -> &'static str {
    match dtype {
        Dt::Float => "T",
        Dt::F32 => "float",
        Dt::I32 => "int",
        Dt::U32 => "unsigned",
        Dt::Bool => "bool",
    }
}

/// A value as an element of an array.
pub(super) fn stored(expr: &Expr, scalar: Scalar, dtype: Dt) -> String {
    match (scalar, dtype) {
        (Scalar::F32, Dt::Float) => format!("T({})", expr.text),
        (_, Dt::Float) => format!("T(float({}))", expr.text),
        (s, d) if Scalar::of(d) == s => expr.text.clone(),
        (_, d) => format!("{}({})", storage(d), expr.at(Binds::Loose)),
    }
}
