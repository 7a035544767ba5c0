//! The frame of a text: what comes before a row's work and behind it, and the functions that it calls.
//!
//! Tests: `tests/text.rs`.

use std::collections::BTreeSet;

use super::dialect::SHARED;
use super::lines::{indented, mentions, without_repeated_conditions, without_unused};
use super::names::names_of;
use super::writer::Writer;
use super::{Argument, Target, Text};
use crate::kernel::ir::{Op, Place, Program};
use crate::syntax::dims::Dim;

impl Writer<'_> {
    /// The text, once what the program does is written.
    pub fn rows(mut self, target: Target) -> Option<Text> {
        let program = self.program;
        let sums = program
            .outputs
            .iter()
            .any(|o| matches!(o.place, Place::Sum));
        if self.is_full() {
            return None;
        }
        let after = self.after();
        let mut numbers = vec![Argument::Rows];
        if sums {
            numbers.push(Argument::RowsEach);
        }
        numbers.extend(self.sizes.iter().cloned().map(Argument::Size));
        numbers.extend((0..program.numbers.len()).map(Argument::Number));

        let mut lines = self.declarations(target, &numbers);
        lines.extend(self.constants_of_widths());
        lines.append(&mut self.shared);
        lines.append(&mut self.before);
        if sums {
            lines.push("for (int step = 0; step < rows_each; ++step) {".into());
            lines.push("const int row = min(worker * rows_each + step, rows - 1);".into());
            lines.push("const bool mine = worker * rows_each + step < rows;".into());
        } else {
            lines.push("const int row = min(worker, rows - 1);".into());
            lines.push("const bool mine = worker < rows;".into());
        }
        lines.append(&mut self.scopes[0].lines);
        if sums {
            if self.has_barrier {
                lines.push("if (LANES > 32) {".into());
                lines.push(self.dialect.barrier.into());
                lines.push("}".into());
            }
            lines.push("}".into());
        }
        lines.extend(after);
        let numbers = numbers.into_iter().map(|n| {
            let word = match &n {
                Argument::Rows => "rows".to_string(),
                Argument::RowsEach => "rows_each".to_string(),
                Argument::Size(name) => self.names.dim(name),
                Argument::Number(i) => format!("{}_bits", self.numbers[*i]),
            };
            (n, word)
        });
        let numbers = numbers.collect();
        let constants = self.constants.iter().cloned();
        let constants: Vec<_> = constants.map(|n| (n.clone(), self.names.dim(&n))).collect();
        let lines = without_repeated_conditions(without_unused(lines));
        let read = constants
            .into_iter()
            .filter(|(_, word)| mentions(&lines, word));
        let constants = read.collect();
        Some(Text {
            header: self.header(),
            body: indented(&lines),
            inputs: self.inputs,
            outputs: self.outputs,
            constants,
            numbers,
            widths: self.widths.into_iter().map(|w| w.0).collect(),
            turns: self.turns,
            sums,
            together: self.has_barrier,
        })
    }

    fn declarations(&mut self, target: Target, numbers: &[Argument]) -> Vec<String> {
        let mut lines = Vec::new();
        for (place, number) in numbers.iter().enumerate() {
            let (name, kind) = match number {
                Argument::Rows => ("rows".to_string(), "int"),
                Argument::RowsEach => ("rows_each".to_string(), "int"),
                Argument::Size(name) => (self.names.dim(name), "int"),
                Argument::Number(i) => (self.numbers[*i].clone(), "float"),
            };
            match (target, kind) {
                (Target::Metal, "int") => {
                    lines.push(format!("const int {name} = numbers[{place}];"))
                }
                (Target::Metal, _) => {
                    lines.push(format!(
                        "const float {name} = as_type<float>(numbers[{place}]);"
                    ));
                }
                (Target::Cuda, "int") => {}
                (Target::Cuda, _) => {
                    lines.push(format!("const float {name} = __int_as_float({name}_bits);"));
                }
            }
        }
        let (thread, block) = (self.dialect.thread, self.dialect.block);
        // Lanes that need nothing of each other may be of several blocks.
        let (lane, worker) = match self.has_barrier {
            true => (
                format!("{thread} % LANES"),
                format!("{block} * (THREADS / LANES) + {thread} / LANES"),
            ),
            false => (
                format!("({block} * THREADS + {thread}) % LANES"),
                format!("({block} * THREADS + {thread}) / LANES"),
            ),
        };
        lines.push(format!("const int lane = {lane};"));
        lines.push(format!("const int worker = {worker};"));
        lines
    }

    fn constants_of_widths(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        for (width, each) in self.widths.clone() {
            if self.varies(&width) {
                self.turns.push((width.clone(), each.clone()));
            } else {
                let size = self.size(&width, false);
                lines.push(format!(
                    "constexpr int {each} = ({size} + LANES * PACK - 1) / (LANES * PACK);"
                ));
            }
            if self.keeps.contains(&each) {
                let keep = self.keep(&each);
                lines.push(format!("constexpr bool {keep} = {each} * PACK <= 32;"));
            }
        }
        lines
    }

    /// The functions that the body calls, each with those that it calls before it.
    fn header(&self) -> String {
        let own = self.dialect.own.iter().chain(SHARED);
        let mut wanted = self.calls.clone();
        let texts: Vec<_> = own.collect();
        for (name, text) in texts.iter().rev() {
            if wanted.contains(name) {
                let others = texts.iter().map(|t| t.0);
                wanted.extend(others.filter(|o| *o != *name && text.contains(&format!("{o}("))));
            }
        }
        let mut out = String::new();
        for (name, text) in texts.iter().filter(|t| wanted.contains(t.0)) {
            for line in text.lines() {
                // A function begins at the margin with the type of its result.
                let starts = ["float ", "int ", "unsigned ", "bool "];
                if *name != "columns" && starts.iter().any(|s| line.starts_with(s)) {
                    out += self.dialect.function;
                }
                out += line;
                out.push('\n');
            }
            out.push('\n');
        }
        out
    }
}

/// Names of sizes that the text needs as constants: a loop's or an array's length depends on them.
pub(super) fn constants(program: &Program, live: &[bool]) -> BTreeSet<String> {
    let mut dims: Vec<&Dim> = Vec::new();
    for (v, value) in program.values.iter().enumerate().filter(|v| live[v.0]) {
        dims.extend(&value.width);
        match &value.op {
            Op::Load { at, .. } => dims.push(&at.column),
            Op::Cut { start, step, .. } => dims.extend([start, step]),
            Op::Join(parts) => dims.extend(parts.iter().map(|p| &p.1)),
            _ => {}
        }
        debug_assert!(value.op.operands().iter().all(|o| *o < v));
    }
    for output in &program.outputs {
        if let Place::At(at) = &output.place {
            dims.push(&at.column);
        }
    }
    let mut all: BTreeSet<String> = dims.into_iter().flat_map(names_of).collect();
    all.retain(|n| !varies(program, n));
    all
}

/// True if a name is that of a size that differs from call to call, or of a quotient of such sizes.
pub(super) fn varies(program: &Program, name: &str) -> bool {
    let names = Dim::name(name);
    let mut own = names.names().into_iter();
    own.any(|n| program.varying.iter().any(|v| v == n))
}

/// Every name of a size in the program.
pub(super) fn sizes(program: &Program) -> Vec<String> {
    let inputs = program.inputs.iter().flat_map(|i| &i.shape);
    let outputs = program.outputs.iter().flat_map(|o| &o.shape);
    let all = program.rows.iter().chain(inputs).chain(outputs);
    all.flat_map(names_of).collect()
}
