//! Loops over the columns of a row: loads, stores, and values at other columns.
//!
//! Tests: `tests/text.rs`.

use super::lines::mentions;
use super::scalars::{c_type, Binds, Expr};
use super::writer::{storage, stored, Scope, Writer};
use crate::kernel::ir::{At, Op, Place, Scalar, V};
use crate::syntax::dims::Dim;
use crate::syntax::signature::Dt;

/// A column: its distance from the loop's, or from another variable.
#[derive(Clone, Debug)]
pub(super) struct Col {
    base: String,
    offset: Dim,
    /// True if the loop gives the base to a thread.
    own: bool,
}

impl Col {
    /// A column that is no loop's.
    pub fn fixed(base: impl Into<String>) -> Col {
        Col {
            base: base.into(),
            offset: Dim::constant(0),
            own: false,
        }
    }

    /// The column of the loop.
    fn own() -> Col {
        Col {
            own: true,
            ..Col::fixed("c")
        }
    }

    /// The column at a distance from this one.
    fn shifted(&self, by: &Dim) -> Col {
        Col {
            offset: self.offset.plus(by),
            ..self.clone()
        }
    }

    fn is_base(&self) -> bool {
        self.offset == Dim::constant(0)
    }

    /// The properties that tell columns apart.
    pub fn key(&self) -> String {
        format!("{} {}", self.base, self.offset)
    }
}

/// The loop that is being written.
pub(super) struct Tile {
    number: usize,
    width: Dim,
    each: String,
    /// Lines before and after a thread's columns of one turn.
    first: Vec<String>,
    last: Vec<String>,
}

/// Columns of an output.
struct Stored<'a> {
    /// The output.
    n: usize,
    value: V,
    /// The width of the output's row.
    whole: &'a Dim,
    /// The number of columns, and the first one.
    width: &'a Dim,
    start: Dim,
}

impl<'a> Writer<'a> {
    /// Writes a loop over the columns of a row. `body` writes what happens at one column.
    pub fn columns(&mut self, width: &Dim, body: impl FnOnce(&mut Self, &Col)) {
        let each = self.each(width);
        self.loops += 1;
        let outer = self.tile.replace(Tile {
            number: self.loops,
            width: width.clone(),
            each: each.clone(),
            first: Vec::new(),
            last: Vec::new(),
        });
        self.scopes.push(Scope::default());
        body(self, &Col::own());
        let inner = self.close();
        let Some(tile) = std::mem::replace(&mut self.tile, outer) else {
            return;
        };
        let size = self.size(width, false);
        let unroll = self.dialect.unroll;
        self.line(unroll);
        self.line(format!("for (int k = 0; k < {each}; ++k) {{"));
        self.line("const int first = (k * LANES + lane) * PACK;");
        self.line(format!("if (first < {size}) {{"));
        let keep = each.replacen("EACH", "KEEP", 1);
        if self.dialect.packs && (mentions(&tile.first, "slot") || mentions(&inner.lines, "slot")) {
            self.line(format!("const int slot = {keep} ? k : 0;"));
        }
        for line in tile.first {
            self.line(line);
        }
        if !inner.lines.is_empty() {
            self.line(unroll);
            self.line("for (int j = 0; j < PACK; ++j) {");
            if mentions(&inner.lines, "c") {
                self.line("const int c = first + j;");
            }
            if !self.dialect.packs && mentions(&inner.lines, "slot") {
                self.line(format!("const int slot = {keep} ? k * PACK + j : 0;"));
            }
            for line in inner.lines {
                self.line(line);
            }
            self.line("}");
        }
        for line in tile.last {
            self.line(line);
        }
        self.line("}");
        self.line("}");
    }

    /// True at the columns of a loop, outside branches.
    fn is_own(&self, col: Option<&Col>, at: &At) -> bool {
        self.is_side(col, at) && col.is_some_and(Col::is_base)
    }

    /// True at columns as far from those of a loop as all others, outside branches: a thread has them side by side, too.
    fn is_side(&self, col: Option<&Col>, at: &At) -> bool {
        self.scopes.len() == 2 && col.is_some_and(|c| c.own) && at.column.is_one()
    }

    /// An element of an array.
    fn element(&mut self, array: &str, at: &At, width: Option<&Dim>, col: Option<&Col>) -> String {
        let base = self.base(array, at, width);
        let column = match col {
            Some(col) if at.column.is_one() => Some(self.column(col)),
            Some(col) if at.column != Dim::constant(0) => {
                let stride = self.size(&at.column, true);
                Some(format!("long({}) * {stride}", self.column(col)))
            }
            _ => None,
        };
        let parts: Vec<String> = base.into_iter().chain(column).collect();
        match parts.is_empty() {
            true => format!("{array}[0]"),
            false => format!("{array}[{}]", parts.join(" + ")),
        }
    }

    /// The address of a thread's columns of one turn.
    fn address(&mut self, array: &str, at: &At, width: &Dim, from: &Dim) -> String {
        let mut text = array.to_string();
        if let Some(base) = self.base(array, at, Some(width)) {
            text += &format!(" + {base}");
        }
        if *from != Dim::constant(0) {
            text += &format!(" + {}", self.size(from, false));
        }
        text + " + first"
    }

    pub fn load(&mut self, v: V, input: usize, at: &At, col: Option<&Col>) -> Expr {
        let program = self.program;
        let dtype = program.inputs[input].dtype;
        let width = program.values[v].width.as_ref();
        let array = self.inputs[input].clone();
        let side = self.is_side(col, at) && (self.dialect.packs || self.is_own(col, at));
        let (width, from) = match (side, width, col) {
            (true, Some(width), Some(col)) => (width, col.offset.clone()),
            _ => {
                let element = self.element(&array, at, width, col);
                return loaded(element, dtype);
            }
        };
        if from != Dim::constant(0) {
            return self.load_pack(&array, at, width, &from, dtype);
        }
        if let Some(tile) = &self.tile {
            let here = (tile.number, tile.width.clone());
            self.seen.entry(v).or_default().push(here);
        }
        if self.kept.contains_key(&v) {
            return self.load_kept(v, &array, at, width, dtype);
        }
        if !self.dialect.packs {
            let element = self.element(&array, at, Some(width), col);
            return loaded(element, dtype);
        }
        self.load_pack(&array, at, width, &from, dtype)
    }

    /// A thread's columns of one turn, `from` columns further.
    fn load_pack(&mut self, array: &str, at: &At, width: &Dim, from: &Dim, dtype: Dt) -> Expr {
        self.call("columns");
        let address = self.address(array, at, width, from);
        let name = self.fresh(&format!("{array}_pack"));
        let line = format!("const auto {name} = load_columns<PACK>({address});");
        self.first(line);
        loaded(format!("{name}.v[j]"), dtype)
    }

    /// A load that several loops need: the thread keeps its columns if they are few.
    fn load_kept(&mut self, v: V, array: &str, at: &At, width: &Dim, dtype: Dt) -> Expr {
        let Some(each) = self.tile.as_ref().map(|t| t.each.clone()) else {
            return Expr::atom("0");
        };
        let keep = self.keep(&each);
        let packs = self.dialect.packs;
        let again = self.kept.get(&v).cloned().flatten();
        let name = match &again {
            Some(name) => name.clone(),
            None => self.in_row(|w| w.fresh(&format!("{array}_kept"))),
        };
        let place = format!("{name}[slot]");
        let value = match packs {
            true => {
                self.call("columns");
                let address = self.address(array, at, width, &Dim::constant(0));
                format!("load_columns<PACK>({address})")
            }
            false => self.element(array, at, Some(width), Some(&Col::own())),
        };
        let mut lines = vec![format!("{place} = {value};")];
        if again.is_some() {
            lines.insert(0, format!("if (!{keep}) {{"));
            lines.push("}".to_string());
        } else {
            let kind = storage(dtype);
            let declared = match packs {
                true => format!("Columns<{kind}, PACK> {name}[{keep} ? {each} : 1];"),
                false => format!("{kind} {name}[{keep} ? {each} * PACK : 1];"),
            };
            self.in_row(|w| w.line(declared));
            self.kept.insert(v, Some(name.clone()));
        }
        for line in lines {
            match packs {
                true => self.first(line),
                false => self.line(line),
            }
        }
        match packs {
            true => loaded(format!("{place}.v[j]"), dtype),
            false => loaded(place, dtype),
        }
    }

    fn first(&mut self, line: String) {
        if let Some(tile) = &mut self.tile {
            tile.first.push(line);
        }
    }

    /// Writes the outputs, and adds up those that are sums over rows.
    pub fn outputs(&mut self) {
        let program = self.program;
        let all = program.outputs.iter();
        let sums = all.clone().any(|o| matches!(o.place, Place::Sum));
        let stores = self.stores();
        let mut widths: Vec<&Dim> = Vec::new();
        for store in &stores {
            if !widths.contains(&store.width) {
                widths.push(store.width);
            }
        }
        if sums {
            self.totals();
        }
        self.prepare(&program.outputs.iter().map(|o| o.value).collect::<Vec<_>>());
        for width in widths {
            self.columns(width, |w, col| {
                for store in stores.iter().filter(|s| s.width == width) {
                    w.store(store, col);
                }
            });
        }
        for (n, output) in program.outputs.iter().enumerate() {
            let value = &program.values[output.value];
            if value.width.is_some() {
                continue;
            }
            let expr = self.row(output.value);
            let name = self.outputs[n].clone();
            match &output.place {
                Place::At(at) => {
                    let element = self.element(&name, at, None, None);
                    let text = stored(&expr, value.scalar, output.dtype);
                    self.line("if (mine && lane == 0) {");
                    self.line(format!("{element} = {text};"));
                    self.line("}");
                }
                Place::Sum => {
                    let value = expr.at(Binds::Sum);
                    self.line(format!("{name}_total += mine ? {value} : 0.0f;"));
                }
            }
        }
    }

    /// The columns of all outputs. Values side by side are parts of an output, so that one loop has those of one width.
    fn stores(&self) -> Vec<Stored<'a>> {
        let program = self.program;
        let mut all = Vec::new();
        for (n, output) in program.outputs.iter().enumerate() {
            let value = &program.values[output.value];
            let Some(whole) = &value.width else { continue };
            let mut start = Dim::constant(0);
            match (&value.op, &output.place) {
                (Op::Join(parts), Place::At(_)) => {
                    for (value, width) in parts {
                        all.push(Stored {
                            n,
                            value: *value,
                            whole,
                            width,
                            start: start.clone(),
                        });
                        start = start.plus(width);
                    }
                }
                _ => all.push(Stored {
                    n,
                    value: output.value,
                    whole,
                    width: whole,
                    start,
                }),
            }
        }
        all
    }

    fn store(&mut self, store: &Stored<'_>, col: &Col) {
        let n = store.n;
        let output = &self.program.outputs[n];
        let scalar = self.program.values[store.value].scalar;
        let expr = match self.program.values[store.value].width {
            Some(_) => self.at(store.value, col),
            None => self.row(store.value),
        };
        let name = self.outputs[n].clone();
        let at = match &output.place {
            Place::At(at) => at,
            Place::Sum => {
                let place = format!("{name}_total[k * PACK + j]");
                let value = expr.at(Binds::Sum);
                return self.line(format!("{place} += mine ? {value} : 0.0f;"));
            }
        };
        let text = stored(&expr, scalar, output.dtype);
        if self.dialect.packs && self.is_own(Some(col), at) {
            self.call("columns");
            let pack = self.fresh(&format!("{name}_pack"));
            let kind = storage(output.dtype);
            self.first(format!("Columns<{kind}, PACK> {pack};"));
            self.line(format!("{pack}.v[j] = {text};"));
            let address = self.address(&name, at, store.whole, &store.start);
            if let Some(tile) = &mut self.tile {
                tile.last.push("if (mine) {".to_string());
                tile.last
                    .push(format!("store_columns<PACK>({address}, {pack});"));
                tile.last.push("}".to_string());
            }
            return;
        }
        let col = col.shifted(&store.start);
        let element = self.element(&name, at, Some(store.whole), Some(&col));
        self.line("if (mine) {");
        self.line(format!("{element} = {text};"));
        self.line("}");
    }

    /// Declares the sums over the rows of a worker.
    fn totals(&mut self) {
        let program = self.program;
        for (n, output) in program.outputs.iter().enumerate() {
            if !matches!(output.place, Place::Sum) {
                continue;
            }
            let name = self.outputs[n].clone();
            match &program.values[output.value].width {
                None => self.before.push(format!("float {name}_total = 0.0f;")),
                Some(width) => {
                    let each = self.each(width);
                    let unroll = self.dialect.unroll.to_string();
                    self.before.extend([
                        format!("float {name}_total[{each} * PACK];"),
                        unroll,
                        format!("for (int k = 0; k < {each} * PACK; ++k) {{"),
                        format!("{name}_total[k] = 0.0f;"),
                        "}".to_string(),
                    ]);
                }
            }
        }
    }

    /// The lines that write the sums over the rows of a worker, in one row of the output.
    pub fn after(&mut self) -> Vec<String> {
        let program = self.program;
        let mut lines = Vec::new();
        for (n, output) in program.outputs.iter().enumerate() {
            if !matches!(output.place, Place::Sum) {
                continue;
            }
            let name = self.outputs[n].clone();
            match &program.values[output.value].width {
                None => lines.extend([
                    "if (lane == 0) {".to_string(),
                    format!("{name}[worker] = {name}_total;"),
                    "}".to_string(),
                ]),
                Some(width) => {
                    let (each, size) = (self.each(width), self.size(width, false));
                    lines.extend([
                        self.dialect.unroll.to_string(),
                        format!("for (int k = 0; k < {each} * PACK; ++k) {{"),
                        "const int c = (k / PACK * LANES + lane) * PACK + k % PACK;".to_string(),
                        format!("if (c < {size}) {{"),
                        format!("{name}[long(worker) * {size} + c] = {name}_total[k];"),
                        "}".to_string(),
                        "}".to_string(),
                    ]);
                }
            }
        }
        if !lines.is_empty() {
            lines.insert(0, "if (worker * rows_each < rows) {".to_string());
            lines.push("}".to_string());
        }
        lines
    }

    /// A value at column `start + step * column`.
    pub fn cut(&mut self, of: V, start: &Dim, step: &Dim, col: Option<&Col>) -> Expr {
        let zero = Col::fixed("0");
        let col = col.unwrap_or(&zero);
        let col = match step.is_one() {
            true => col.clone(),
            false => {
                let text = format!("{} * {}", self.column(col), self.size(step, false));
                Col::fixed(self.variable(&text))
            }
        };
        self.at(of, &col.shifted(start))
    }

    /// The variable that holds a column.
    pub fn column(&mut self, col: &Col) -> String {
        if col.is_base() {
            return col.base.clone();
        }
        if col.base == "0" {
            return self.size(&col.offset, false);
        }
        let (sign, distance) = match col.offset.terms().all(|t| t.1 < 0) {
            true => ("-", col.offset.negated()),
            false => ("+", col.offset.clone()),
        };
        let text = format!("{} {sign} {}", col.base, self.size(&distance, false));
        self.variable(&text)
    }

    fn variable(&mut self, text: &str) -> String {
        if let Some(known) = self.scopes.iter().rev().find_map(|s| s.columns.get(text)) {
            return known.clone();
        }
        let name = self.fresh("c");
        self.line(format!("const int {name} = {text};"));
        if let Some(scope) = self.scopes.last_mut() {
            scope.columns.insert(text.to_string(), name.clone());
        }
        name
    }

    /// Values side by side: each is computed at its own columns only.
    pub fn join(&mut self, v: V, parts: &[(V, Dim)], col: Option<&Col>) -> Expr {
        let program = self.program;
        let zero = Col::fixed("0");
        let col = col.unwrap_or(&zero);
        let wanted = program.values[v].name.clone();
        let name = self.fresh(&wanted.unwrap_or_else(|| "joined".to_string()));
        // Written at the end: what belongs to the row comes before it.
        let mut lines = vec![format!("{} {name};", c_type(program.values[v].scalar))];
        let column = match parts.len() {
            1 => String::new(),
            _ => self.column(col),
        };
        let mut start = Dim::constant(0);
        for (i, (part, width)) in parts.iter().enumerate() {
            let end = start.plus(width);
            let last = i + 1 == parts.len();
            let bound = self.size(&end, false);
            let test = format!("if ({column} < {bound}) {{");
            lines.push(match (i, last) {
                (0, true) => "{".to_string(),
                (0, false) => test,
                (_, false) => format!("}} else {test}"),
                (_, true) => "} else {".to_string(),
            });
            self.scopes.push(Scope::default());
            let expr = self.at(*part, &col.shifted(&start.negated()));
            self.line(format!("{name} = {};", expr.text));
            lines.extend(self.close().lines);
            start = end;
        }
        lines.push("}".to_string());
        for line in lines {
            self.line(line);
        }
        Expr::atom(name)
    }
}

/// An element as a value.
fn loaded(element: String, dtype: Dt) -> Expr {
    match dtype {
        Dt::Float => Expr::atom(format!("float({element})")),
        _ => {
            debug_assert!(Scalar::of(dtype) != Scalar::F32 || dtype == Dt::F32);
            Expr::atom(element)
        }
    }
}
