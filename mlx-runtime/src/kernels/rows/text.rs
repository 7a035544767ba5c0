//! The text of a kernel for GPUs, as the macros write it, and the parts of a call that the text needs.
//!
//! Tests: `mlx-tests --test metal`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use super::layout::{Layout, Work};
use super::program::Size;
use crate::{Array, Dtype};

/// A kernel's text in one dialect.
#[derive(Clone, Copy, Debug)]
pub struct Text {
    /// The function's name.
    pub name: &'static str,
    /// Functions that the body calls.
    pub header: &'static str,
    /// The body of the kernel.
    pub body: &'static str,
    /// The names of the arrays that are read.
    pub inputs: &'static [&'static str],
    /// The names of the arrays that are written.
    pub outputs: &'static [&'static str],
    /// The sizes that are constants of the text, with their names in it.
    pub constants: &'static [(&'static str, Size)],
    /// The numbers of a launch, with their names as arguments of CUDA's function.
    pub numbers: &'static [(Argument, &'static str)],
    /// The widths of the loops over columns.
    pub widths: &'static [Size],
    /// Widths that differ from call to call, with the name of the turns of a thread over its columns: the text has as many
    /// for all widths up to a power of two, so that it is compiled seldom.
    pub turns: &'static [(&'static str, Size)],
    /// True if workers add up rows: each output of [`Output::Sum`] gets a row per worker.
    pub sums: bool,
    /// True if the lanes of a row need values of each other, so that they are threads of one block.
    pub together: bool,
}

/// A number of a launch, 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The number of rows.
    Rows,
    /// The number of rows that a worker adds up.
    RowsEach,
    /// A size.
    Size(Size),
    /// A number of the call, as the bits of a float32.
    Number(usize),
}

/// An output of a call.
#[derive(Clone, Debug)]
pub enum Output {
    /// An array of this shape and dtype.
    Array(Vec<i32>, Dtype),
    /// A sum over all rows, of this width: the kernel writes a row of float32 for each worker.
    Sum(i32),
}

/// A call of a kernel.
#[derive(Debug)]
pub struct Call<'a> {
    /// The arrays that are read, row-major.
    pub inputs: &'a [&'a Array],
    /// The arrays that are written.
    pub outputs: &'a [Output],
    /// The dtype of the model's floats, `T` in the text.
    pub float: Dtype,
    /// The number of rows.
    pub rows: i32,
    /// The sizes that the call binds.
    pub sizes: &'a [i64],
    /// Numbers of the call.
    pub numbers: &'a [f32],
}

impl Call<'_> {
    /// A size of the text; `None` if it is no int32.
    fn size(&self, size: Size) -> Option<i32> {
        i32::try_from(super::program::size(size, self.sizes)?).ok()
    }

    /// The layout of a launch with at most `threads` threads in a block; `None` if it would be too large.
    pub fn layout(&self, text: &Text, threads: i32) -> Option<Layout> {
        let all = text.constants.iter().map(|c| c.1);
        let numbers = text.numbers.iter().filter_map(|n| match n.0 {
            Argument::Size(size) => Some(size),
            _ => None,
        });
        if all.chain(numbers).any(|s| self.size(s).is_none()) {
            return None;
        }
        let widths: Vec<i32> = text
            .widths
            .iter()
            .map(|w| self.size(w))
            .collect::<Option<_>>()?;
        let varying = |w: &Size| text.turns.iter().any(|t| t.1 == *w);
        let varying: Vec<i32> = text
            .widths
            .iter()
            .filter(|w| varying(w))
            .map(|w| self.size(w))
            .collect::<Option<_>>()?;
        let work = Work {
            rows: self.rows,
            widths: &widths,
            varying: &varying,
            bytes: self.float.size(),
            sums: text.sums,
            together: text.together,
        };
        Layout::new(&work, threads)
    }

    /// The numbers of the launch.
    pub fn arguments(&self, text: &Text, layout: &Layout) -> Vec<i32> {
        let value = |argument: &Argument| match argument {
            Argument::Rows => self.rows,
            Argument::RowsEach => layout.rows_each,
            Argument::Size(size) => self.size(size).unwrap_or(0),
            Argument::Number(i) => self.numbers.get(*i).map_or(0, |x| x.to_bits() as i32),
        };
        text.numbers.iter().map(|n| value(&n.0)).collect()
    }

    /// The shape and dtype that the kernel writes.
    pub fn written(&self, layout: &Layout) -> Vec<(Vec<i32>, Dtype)> {
        let shape = |output: &Output| match output {
            Output::Array(shape, dtype) => (shape.clone(), *dtype),
            Output::Sum(width) => (vec![layout.workers, *width], Dtype::Float32),
        };
        self.outputs.iter().map(shape).collect()
    }

    /// The declarations at the head of the body.
    pub(super) fn constants(&self, text: &Text, layout: &Layout) -> Vec<(&'static str, i32)> {
        let mut all = vec![
            ("LANES", layout.lanes),
            ("PACK", layout.pack),
            ("THREADS", layout.threads),
        ];
        let sizes = text
            .constants
            .iter()
            .map(|(word, size)| (*word, self.size(size).unwrap_or(0)));
        all.extend(sizes);
        let turns = text.turns.iter().map(|(word, width)| {
            let width = self.size(width).unwrap_or(1);
            (*word, layout.turns(width))
        });
        all.extend(turns);
        all
    }

    /// The body of Metal's kernel.
    pub fn metal_body(&self, text: &Text, layout: &Layout) -> String {
        let float = match self.float {
            Dtype::Float16 => "float16_t",
            Dtype::Bfloat16 => "bfloat16_t",
            _ => "float",
        };
        self.declared(text, layout, float)
    }

    /// The body of CUDA's kernel.
    pub fn cuda_body(&self, text: &Text, layout: &Layout) -> String {
        let float = match self.float {
            Dtype::Float16 => "float16",
            Dtype::Bfloat16 => "bfloat16",
            _ => "float",
        };
        self.declared(text, layout, float)
    }

    /// The body with the declarations that it reads.
    fn declared(&self, text: &Text, layout: &Layout, float: &str) -> String {
        let mut out = String::new();
        if mentions(text.body, "T") {
            let _ = writeln!(out, "using T = {float};");
        }
        for (name, value) in self.constants(text, layout) {
            if mentions(text.body, name) {
                let _ = writeln!(out, "constexpr int {name} = {value};");
            }
        }
        out + text.body
    }
}

/// True if a text has the word.
fn mentions(text: &str, word: &str) -> bool {
    let part = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split(part).any(|w| w == word)
}

/// A text as a device gets it.
#[derive(Debug)]
pub(super) struct Declared {
    /// A name that no other text has: GPUs' libraries know kernels by their names.
    pub name: String,
    /// The body.
    pub body: String,
}

/// The dtype of floats, and the constants: what texts differ in, beside the body that stands at an address.
type Key = (usize, Dialect, Dtype, Vec<i32>);

/// A dialect of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Dialect {
    Cuda,
    Metal,
}

/// The text of a call. It is written once, because that would take as long as everything else that a launch does.
pub(super) fn declared(
    text: &Text,
    call: &Call,
    layout: &Layout,
    dialect: Dialect,
) -> Arc<Declared> {
    static ALL: Mutex<Option<HashMap<Key, Arc<Declared>>>> = Mutex::new(None);
    let constants = call.constants(text, layout);
    let values = constants.iter().map(|c| c.1).collect();
    let key = (text.body.as_ptr() as usize, dialect, call.float, values);
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let made = all.get_or_insert_default().entry(key).or_insert_with(|| {
        let body = match dialect {
            Dialect::Cuda => call.cuda_body(text, layout),
            Dialect::Metal => call.metal_body(text, layout),
        };
        let name = unique(text.name, &[text.header, &body]);
        Arc::new(Declared { name, body })
    });
    made.clone()
}

fn unique(name: &str, parts: &[&str]) -> String {
    let mut hash = DefaultHasher::new();
    parts.hash(&mut hash);
    // A name in Rust may have other letters than one in C.
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(letter).collect();
    format!("{name}_{:016x}", hash.finish())
}
