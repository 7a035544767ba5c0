//! The kernels of a model, each with its text for every device.
//!
//! Tests: `mlx-tests --test explain`.

use std::fmt::{self, Display, Formatter};

use super::flow::{Flow, Inner};
use super::units::bytes;
use super::Explanation;
use crate::kernels::rows::{Gradient, Kernel, Program, Text};

/// A kernel of a model.
#[derive(Clone, Debug)]
pub struct ExplainedKernel {
    /// Its name, which no other of the explanation has.
    pub name: String,
    /// The place in the source: a file and lines.
    pub place: String,
    /// The arrays that it reads, with sizes and types.
    pub reads: Vec<&'static str>,
    /// The arrays that it writes.
    pub writes: Vec<&'static str>,
    /// The bytes of values that it neither writes nor reads again, if the sizes are known.
    pub spared: Option<u64>,
    /// The launches: its own and those of its gradient.
    pub launches: Vec<Launch>,
}

/// A launch of a kernel, as text.
#[derive(Clone, Debug)]
pub struct Launch {
    /// `forward`, `gradient`, or `gradient without sums over rows`.
    pub what: &'static str,
    /// The arrays that it reads.
    pub reads: Vec<&'static str>,
    /// The arrays that it writes.
    pub writes: Vec<&'static str>,
    /// The text in each dialect; where there is none, MLX's operations take its place.
    pub texts: Vec<(&'static str, Option<String>)>,
}

impl Explanation {
    /// Every kernel, in the order in which they are told.
    pub fn kernels(&self) -> Vec<ExplainedKernel> {
        let mut all: Vec<ExplainedKernel> = Vec::new();
        for flow in &self.flows {
            of_flow(flow, &mut all);
        }
        all
    }
}

fn of_flow(flow: &Flow, all: &mut Vec<ExplainedKernel>) {
    if let Some(kernel) = flow.kernel {
        let lines: Vec<u32> = flow.steps.iter().map(|s| s.line).collect();
        add(all, kernel(), flow.file, &lines, flow.spared);
    }
    for step in &flow.steps {
        if let Some(kernel) = step.kernel {
            let mut lines: Vec<u32> = step.absorbed.iter().map(|a| a.1).collect();
            lines.push(step.line);
            add(all, kernel(), flow.file, &lines, step.spared);
        }
        match &step.inner {
            Inner::Flow(inner) => of_flow(inner, all),
            Inner::Layers(stack) => {
                for class in &stack.classes {
                    if let Inner::Flow(inner) = &class.inner {
                        of_flow(inner, all);
                    }
                }
            }
            Inner::None | Inner::Seen(_) => {}
        }
    }
}

fn add(
    all: &mut Vec<ExplainedKernel>,
    kernel: &'static Kernel,
    file: &str,
    lines: &[u32],
    spared: Option<u64>,
) {
    let place = match (lines.iter().min(), lines.iter().max()) {
        (Some(first), Some(last)) if first != last => format!("{file}:{first}-{last}"),
        (Some(line), _) => format!("{file}:{line}"),
        _ => file.to_string(),
    };
    let forward = &kernel.forward;
    let gradient = |g: &'static Gradient| &g.program;
    let launches = [
        ("forward", Some(forward)),
        ("gradient", kernel.gradient.as_ref().map(gradient)),
        (
            "gradient without sums over rows",
            kernel.narrow.as_ref().map(gradient),
        ),
    ];
    let launches = launches
        .into_iter()
        .filter_map(|(what, program)| Some(launch(what, program?)));
    let same = |k: &ExplainedKernel, name: &str| k.name == name;
    if all
        .iter()
        .any(|k| same(k, forward.name) && k.place == place)
    {
        return;
    }
    let mut name = forward.name.to_string();
    let mut n = 1;
    while all.iter().any(|k| same(k, &name)) {
        n += 1;
        name = format!("{}_{n}", forward.name);
    }
    all.push(ExplainedKernel {
        name,
        place,
        reads: forward.reads.to_vec(),
        writes: forward.writes[..kernel.results].to_vec(),
        spared,
        launches: launches.collect(),
    });
}

fn launch(what: &'static str, program: &'static Program) -> Launch {
    let rust = program.cpu.as_ref().map(|_| lines_of(program.rust));
    Launch {
        what,
        reads: program.reads.to_vec(),
        writes: program.writes.to_vec(),
        texts: vec![
            ("Rust", rust),
            ("CUDA", program.cuda.as_ref().map(device)),
            ("Metal", program.metal.as_ref().map(device)),
        ],
    }
}

/// The functions that a kernel calls, and its body.
fn device(text: &Text) -> String {
    format!("{}{}", text.header, text.body)
}

/// Tokens of Rust as lines, indented by their braces.
fn lines_of(tokens: &str) -> String {
    let (mut out, mut line, mut depth) = (String::new(), String::new(), 0usize);
    let mut inside = 0usize;
    let mut end = |line: &mut String, depth: usize| {
        let text = line.trim();
        if !text.is_empty() {
            out += &"    ".repeat(depth);
            out += text;
            out.push('\n');
        }
        line.clear();
    };
    for c in tokens.chars() {
        let c = if c == '\n' { ' ' } else { c };
        // No space before punctuation, none behind what opens.
        let tight = ".,;)]?".contains(c) && line.ends_with(' ');
        if tight {
            line.pop();
        }
        if c == ' ' && (line.ends_with(['.', '(', '[', ' ']) || line.is_empty()) {
            continue;
        }
        match c {
            '{' => {
                line.push(c);
                end(&mut line, depth);
                depth += 1;
            }
            '}' => {
                end(&mut line, depth);
                depth = depth.saturating_sub(1);
                line.push(c);
                end(&mut line, depth);
            }
            ';' if inside == 0 => {
                line.push(c);
                end(&mut line, depth);
            }
            _ => {
                inside = match c {
                    '(' | '[' => inside + 1,
                    ')' | ']' => inside.saturating_sub(1),
                    _ => inside,
                };
                line.push(c);
            }
        }
    }
    end(&mut line, depth);
    out
}

impl ExplainedKernel {
    /// The facts about it, a line each.
    pub(super) fn facts(&self) -> Vec<String> {
        let mut facts = vec![
            format!("reads {}", self.reads.join(", ")),
            format!("writes {}", self.writes.join(", ")),
        ];
        facts.extend(self.spared.map(|n| format!("spares {}", bytes(n))));
        facts
    }
}

impl Display for ExplainedKernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({})", self.name, self.place)?;
        for fact in self.facts() {
            writeln!(f, "  {fact}")?;
        }
        for launch in &self.launches {
            for (dialect, text) in &launch.texts {
                writeln!(f, "\n{}, {dialect}:", launch.what)?;
                match text {
                    None => writeln!(f, "  MLX's operations")?,
                    Some(text) => {
                        for line in text.lines() {
                            writeln!(f, "  {line}")?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}
