//! Reads the report of a model from the text that the macros write (`mlx-macros-core`, `report/lines.rs`): one value a line, a
//! list as its length and its values.
//!
//! Tests: `mlx-tests --test explain`.

use std::str::Split;
use std::sync::OnceLock;

use super::source::{Field, Fused, Held, Method, Node, Report, Saved, What, Why};

/// The text of a model or of a function, and the items of the program that it counts.
#[derive(Debug)]
pub struct Lines {
    /// The lines.
    pub text: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The kernels.
    pub kernels: &'static [Held],
    /// The functions.
    pub functions: &'static [&'static Lines],
}

/// The text of a model, which is read once.
#[derive(Debug)]
pub struct Written {
    lines: Lines,
    report: OnceLock<Report>,
}

impl Written {
    /// The text before it is read.
    pub const fn new(lines: Lines) -> Self {
        Written {
            lines,
            report: OnceLock::new(),
        }
    }

    /// The report.
    pub(super) fn report(&'static self) -> &'static Report {
        self.report
            .get_or_init(|| Reader::new(&self.lines).report())
    }
}

/// Reads values in the order in which they were written. A value that is not there is empty, because a report that says less
/// is better than a program that ends.
struct Reader {
    of: &'static Lines,
    lines: Split<'static, char>,
}

impl Reader {
    fn new(of: &'static Lines) -> Self {
        Reader {
            of,
            lines: of.text.split('\n'),
        }
    }

    fn text(&mut self) -> &'static str {
        self.lines.next().unwrap_or_default()
    }

    fn number<T: std::str::FromStr + Default>(&mut self) -> T {
        self.text().parse().unwrap_or_default()
    }

    /// A list that lives as long as the program, as the text does.
    fn list<T>(&mut self, each: impl FnMut(&mut Self) -> T) -> &'static [T] {
        Vec::leak(self.all(each))
    }

    fn all<T>(&mut self, mut each: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count: usize = self.number();
        (0..count).map(|_| each(self)).collect()
    }

    fn optional<T>(&mut self, each: impl FnMut(&mut Self) -> T) -> Option<T> {
        self.all(each).pop()
    }

    fn kernel(&mut self) -> Option<Held> {
        let at: usize = self.number();
        self.of.kernels.get(at).copied()
    }

    fn report(&mut self) -> Report {
        Report {
            name: self.text(),
            file: self.of.file,
            line: self.number(),
            sizes: self.list(|r| (r.text(), r.text())),
            fields: self.list(Self::field),
            methods: self.list(Self::method),
        }
    }

    fn field(&mut self) -> Field {
        Field {
            name: self.text(),
            ty: self.text(),
            sizes: self.text(),
            marks: self.list(Self::text),
            line: self.number(),
        }
    }

    fn method(&mut self) -> Method {
        Method {
            name: self.text(),
            file: self.of.file,
            line: self.number(),
            ret: self.text(),
            nodes: self.list(Self::node),
            saved: self.list(Self::saved),
            kernel: self
                .optional(|r| (r.kernel(), r.text()))
                .and_then(|(held, spared)| Some((held?, spared))),
        }
    }

    fn saved(&mut self) -> Saved {
        let size = self.text();
        let why = self.text();
        let fields = self.list(Self::text);
        Saved {
            size,
            why: match why {
                "scores" => Why::Scores,
                "plain" => Why::Plain,
                "trained" => Why::Trained(fields),
                _ => Why::Always,
            },
            arms: self.list(|r| (r.number(), r.number(), r.text())),
        }
    }

    fn node(&mut self) -> Node {
        Node {
            id: self.number(),
            what: self.what(),
            text: self.text(),
            ty: self.text(),
            line: self.number(),
            reads: self.list(Self::number),
            kept: self.optional(|r| r.list(Self::text)),
            fused: self.optional(|r| Fused {
                passes: r.list(Self::text),
                absorbed: r.list(|r| (r.text(), r.number())),
            }),
        }
    }

    fn what(&mut self) -> What {
        match self.text() {
            "input" => What::Input(self.text()),
            "param" => What::Param(self.text()),
            "op" => What::Op(self.text()),
            "kernel" => What::Kernel {
                operations: self.list(Self::text),
                spared: self.text(),
                kernel: self.optional(Self::kernel).flatten(),
            },
            "leaf" => What::Leaf(self.text()),
            "joined" => What::Joined(self.text(), self.number()),
            "with" => What::With(self.text()),
            "model" => What::Model(self.text()),
            "layers" => What::Layers(self.text(), self.text()),
            "method" => What::Method(self.text()),
            "function" => {
                let at: usize = self.number();
                match self.of.functions.get(at) {
                    Some(of) => What::Function(Box::leak(Box::new(Reader::new(of).method()))),
                    None => What::Nothing,
                }
            }
            "if" => What::If {
                condition: self.number(),
                text: self.text(),
                then: (self.number(), self.number()),
                otherwise: (self.number(), self.number()),
            },
            _ => What::Nothing,
        }
    }
}
