//! Launches of generated kernels on the GPU that the current stream is on.
//!
//! Tests: `mlx-tests --test kernels` on a GPU, see `examples/llama_lora/bench/right.py`.

use super::layout::Layout;
use super::program::{self, dtype, Program};
use super::text::{Call, Output};
use super::{cuda, metal};
use crate::kernels::select::Rows;
use crate::{context, ops, transforms, Array, Dtype, Result};

/// A launch of a program.
#[derive(Clone)]
pub(super) struct Launch {
    program: &'static Program,
    device: Rows,
    sizes: Vec<i64>,
    numbers: Vec<f32>,
    float: Dtype,
}

/// The columns of a row, where so many elements are cut into rows of one length: each thread of a block has a pack of them,
/// where the number is even enough for that. Rows of few lengths are few kernels.
fn piece(elements: i64) -> i64 {
    const MOST: u32 = 11;
    1 << elements.trailing_zeros().min(MOST)
}

impl Launch {
    /// `None` if the program has no text for the device, or the launch would be too large.
    pub fn new(
        program: &'static Program,
        device: Rows,
        sizes: &[i64],
        numbers: &[f32],
        float: Dtype,
    ) -> Option<Launch> {
        let launch = Launch {
            program,
            device,
            sizes: sizes.to_vec(),
            numbers: numbers.to_vec(),
            float,
        };
        // No array is empty.
        program::sizes(program, sizes)?;
        launch.with_call(&[], |call| launch.layout(call))??;
        Some(launch)
    }

    /// The outputs; `backward` computes the gradients of all inputs from the inputs, the cotangents and the outputs.
    pub fn apply<B>(self, inputs: &[Array], backward: B) -> Result<Vec<Array>>
    where
        B: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
    {
        if !context::is_differentiating() {
            return self.run(inputs);
        }
        let whole = move |x: &[Array], by: &[Array], y: &[Array]| backward(&[x, by, y].concat());
        transforms::custom_vjp(move |x| self.run(x), whole).call(inputs)
    }

    /// The shapes that the kernel writes: a row of each worker for sums over rows.
    pub fn shapes(&self) -> Vec<Vec<i64>> {
        let written = self.with_call(&[], |call| Some(call.written(&self.layout(call)?)));
        let wide = |(shape, _): (Vec<i32>, Dtype)| shape.into_iter().map(i64::from).collect();
        let written = written.flatten().unwrap_or_default();
        written.into_iter().map(wide).collect()
    }

    fn layout(&self, call: &Call) -> Option<Layout> {
        match self.device {
            Rows::Cuda => call.layout(self.program.cuda.as_ref()?, cuda::THREADS),
            Rows::Metal => call.layout(self.program.metal.as_ref()?, metal::THREADS),
            Rows::Cpu => None,
        }
    }

    /// The outputs, where nothing transforms the call.
    pub fn run(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let classes = self.program.inputs.iter();
        // Cotangents can have another dtype.
        let inputs = inputs
            .iter()
            .zip(classes)
            .map(|(x, class)| ops::astype(x, dtype(*class, self.float)));
        let inputs: Vec<Array> = inputs.collect::<Result<_>>()?;
        let inputs: Vec<&Array> = inputs.iter().collect();
        let made = self.with_call(&inputs, |call| match self.device {
            Rows::Cuda => cuda::launch(self.program.cuda.as_ref()?, call),
            Rows::Metal => metal::launch(self.program.metal.as_ref()?, call),
            Rows::Cpu => None,
        });
        made.flatten().unwrap_or_else(|| {
            let text = format!("{}: the launch is too large", self.program.name);
            Err(crate::Error::invalid("mlx_kernel", text))
        })
    }

    /// `None` if a size is no int32.
    fn with_call<R>(&self, inputs: &[&Array], work: impl FnOnce(&Call) -> R) -> Option<R> {
        let sizes = program::sizes(self.program, &self.sizes)?;
        let size = |at: &usize| i32::try_from(sizes[*at]).ok();
        let mut of_rows = self.program.rows.iter();
        let mut rows = of_rows.try_fold(1i64, |n, at| n.checked_mul(sizes[*at]))?;
        let mut named = self.sizes.clone();
        if let Some((name, width)) = self.width() {
            let all = rows.checked_mul(width)?;
            named[name] = piece(all);
            rows = all / named[name];
        }
        let rows = i32::try_from(rows).ok()?;
        let mut outputs = Vec::new();
        for o in self.program.outputs {
            outputs.push(match &o.at {
                Some(_) => {
                    let shape = o.shape.iter().map(size).collect::<Option<_>>()?;
                    Output::Array(shape, dtype(o.dtype, self.float))
                }
                None => Output::Sum(size(&o.width)?),
            });
        }
        Some(work(&Call {
            inputs,
            outputs: &outputs,
            float: self.float,
            rows,
            sizes: &named,
            numbers: &self.numbers,
        }))
    }

    /// The place among the sizes of the call, and the value, of the width of rows that may be cut anywhere.
    fn width(&self) -> Option<(usize, i64)> {
        match self.program.sizes[self.program.flat?] {
            [(1, [name])] => Some((*name, *self.sizes.get(*name)?)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_cut_into_rows_of_few_lengths() {
        for (all, length) in [(1, 1), (7, 1), (24, 8), (1 << 20, 2048), (3 << 11, 2048)] {
            assert_eq!(piece(all), length, "{all}");
        }
    }
}
