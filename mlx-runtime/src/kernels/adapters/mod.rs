//! Packs the low-rank adapters of layers that share an input side by side.
//!
//! Tests: `mlx-models --test native_kernels`.

use std::fmt::Write as _;

use super::launch::{pieces, Kernel};
use super::select;
use crate::{Array, Dtype, Result};

/// One layer's adapter (Hu et al. 2021): `a [in, r]`, `b [r, out]`.
#[derive(Clone, Debug)]
pub(crate) struct Adapter {
    /// r.
    pub rank: i32,
    /// The layer's first column among the columns of all layers.
    pub start: i32,
    /// The layer's columns.
    pub width: i32,
    /// The factor of `b`.
    pub scale: f32,
    /// The dtype of `a` and `b`.
    pub dtype: Dtype,
}

/// Adapters of layers of one input and of `out` columns together.
#[derive(Clone, Debug)]
pub(crate) struct SideBySide {
    input: i32,
    out: i32,
    dtype: Dtype,
    all: Vec<Adapter>,
    name: String,
    there: String,
    back: String,
}

/// Returns true if a kernel packs adapters beside `x`.
pub(crate) fn can_join(x: &Array) -> bool {
    select::on_cuda(x)
}

/// Adapters of layers that read `[.., input]` and have `out` columns together, in `dtype`.
pub(crate) fn side_by_side(all: &[Adapter], input: i32, out: i32, dtype: Dtype) -> SideBySide {
    let mut all = SideBySide {
        input,
        out,
        dtype,
        all: all.to_vec(),
        name: String::new(),
        there: String::new(),
        back: String::new(),
    };
    (all.there, all.back) = (all.source(false), all.source(true));
    // One name for one source.
    all.name = format!("{input}_{out}");
    for a in &all.all {
        let _ = write!(
            all.name,
            "_{}_{}_{}_{:x}",
            a.rank,
            a.start,
            a.width,
            a.scale.to_bits()
        );
    }
    all
}

impl SideBySide {
    fn rank(&self) -> i32 {
        self.all.iter().map(|a| a.rank).sum()
    }

    /// The adapters `a0, b0, a1, b1, ..` -> `a [in, R]`, all of them, and `b [R, out]`, each at its
    /// own rows and columns, times its scale; zeros elsewhere.
    pub fn join(&self, adapters: &[Array]) -> Result<[Array; 2]> {
        let names = self.names();
        let inputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let kernel = Kernel {
            name: &format!("join_{}", self.name),
            inputs: &inputs,
            outputs: &["a", "b"],
            header: &[],
            body: &self.there,
        };
        let call = pieces(self.values())
            .dtype("T", self.dtype)
            .output(&[self.input, self.rank()], self.dtype)
            .output(&[self.rank(), self.out], self.dtype);
        let mut out = kernel.launch(&adapters.iter().collect::<Vec<_>>(), &call)?;
        let b = out.swap_remove(1);
        Ok([out.swap_remove(0), b])
    }

    /// Gradients of the outputs of [`SideBySide::join`] -> gradients of its inputs.
    pub fn part(&self, da: &Array, db: &Array) -> Result<Vec<Array>> {
        let names = self.names();
        let outputs: Vec<&str> = names.iter().map(String::as_str).collect();
        let kernel = Kernel {
            name: &format!("part_{}", self.name),
            inputs: &["a", "b"],
            outputs: &outputs,
            header: &[],
            body: &self.back,
        };
        let mut call = pieces(self.values());
        for a in &self.all {
            call = call
                .output(&[self.input, a.rank], a.dtype)
                .output(&[a.rank, a.width], a.dtype);
        }
        // The outputs' types are their template arguments.
        for (i, a) in self.all.iter().enumerate() {
            call = call.dtype(&format!("T{i}"), a.dtype);
        }
        kernel.launch(&[da, db], &call)
    }

    fn names(&self) -> Vec<String> {
        (0..self.all.len())
            .flat_map(|i| [format!("a{i}"), format!("b{i}")])
            .collect()
    }

    /// The number of threads.
    fn values(&self) -> usize {
        let wide = |n: i32| usize::try_from(n).unwrap_or(0);
        wide(self.rank()) * wide(self.input.max(self.out))
    }

    /// A kernel that fills `a` and `b`, or, `back`, empties them.
    fn source(&self, back: bool) -> String {
        let (input, out, rank) = (self.input, self.out, self.rank());
        let (mut left, mut right, mut before) = (String::new(), String::new(), 0);
        for (i, a) in self.all.iter().enumerate() {
            let Adapter {
                rank: r,
                start,
                width,
                scale,
                ..
            } = *a;
            let end = before + r;
            let scale = scale.to_bits();
            let (own_a, own_b) = (
                format!("a{i}[row * {r} + column - {before}]"),
                format!("b{i}[(row - {before}) * {width} + column - {start}]"),
            );
            let within = format!("column >= {start} && column < {}", start + width);
            let factor = format!("__int_as_float(0x{scale:x})");
            let _ = if back {
                writeln!(left, "    if (column >= {before} && column < {end}) {own_a} = T{i}(f32(a[at]));")
                    .and(writeln!(right, "    if (row >= {before} && row < {end} && {within}) {own_b} = T{i}({factor} * f32(b[at]));"))
            } else {
                writeln!(left, "    if (column >= {before} && column < {end}) value = f32({own_a});")
                    .and(writeln!(right, "    if (row >= {before} && row < {end} && {within}) value = {factor} * f32({own_b});"))
            };
            before = end;
        }
        let (first, last_a, last_b) = match back {
            true => ("", "", ""),
            false => (
                "    float value = 0;\n",
                "    a[at] = T(value);\n",
                "    b[at] = T(value);\n",
            ),
        };
        format!(
            "const long at = long(blockIdx.x) * blockDim.x + threadIdx.x;\n\
             if (at < {input}l * {rank}) {{\n    const long row = at / {rank};\n    const int column = at % {rank};\n{first}{left}{last_a}}}\n\
             if (at < {rank}l * {out}) {{\n    const int row = at / {out};\n    const int column = at % {out};\n{first}{right}{last_b}}}\n"
        )
    }
}
