//! Runs a program's Metal text with the shim, and compares it with MLX's own operations.

use std::cell::RefCell;

use mlx_macros_core::kernel::ir::{Derived, Gradient, Input, Place, Program, Scalar, Source};
use mlx_macros_core::kernel::is_flat;
use mlx_macros_core::kernel::text::Target;
use mlx_macros_core::syntax::signature::Dt;
use mlx_runtime::kernels::rows::layout::Layout;
use mlx_runtime::kernels::rows::text::{Call, Output, Text};
use mlx_runtime::{ops, transforms, Array, Dtype, Result};

use crate::arrays::{array, bytes, numbers, stored, type_name};
use crate::compile::{Job, Outcome};
use crate::composed::{Composed, Sizes};
use crate::emitted::emitted;
use crate::random::Random;
use crate::wrap;

/// A program with everything that a launch of it needs.
pub struct Launch {
    pub program: Program,
    pub sizes: Sizes,
    pub float: Dtype,
    pub layout: Layout,
    /// The sizes and the rows of the call: those of the program, or with its elements cut into rows elsewhere.
    called: (Vec<i64>, i32),
    target: Target,
    pub inputs: Vec<Array>,
    pub numbers: Vec<f32>,
    pub text: Text,
    pub kernel: wrap::Kernel,
    /// The program that this one is the gradient of.
    gradient: Option<Forward>,
}

/// A program, and what its gradient computes.
struct Forward {
    program: Program,
    inputs: Vec<Source>,
    outputs: Vec<Derived>,
    /// The program's inputs.
    primals: Vec<Array>,
}

impl Forward {
    /// Puts the program's outputs, and the inputs that they are computed from, where the gradient reads them.
    fn run(
        &mut self,
        sizes: &Sizes,
        float: Dtype,
        numbers: &[f32],
        read: &mut [Array],
    ) -> Result<()> {
        for (source, x) in self.inputs.iter().zip(&*read) {
            if let Source::Input(i) = source {
                self.primals[*i] = x.clone();
            }
        }
        let composed = Composed {
            program: &self.program,
            sizes,
            float: Dtype::Float32,
            numbers,
        };
        let outputs = composed.outputs(&self.primals)?;
        for (source, x) in self.inputs.iter().zip(read) {
            let Source::Output(i) = source else { continue };
            let output = &self.program.outputs[*i];
            let width = &self.program.values[output.value].width;
            let Place::At(at) = &output.place else {
                continue;
            };
            let width = width.as_ref().map_or(1, |w| sizes.of(w));
            let shape: Vec<i32> = output.shape.iter().map(|d| sizes.of(d) as i32).collect();
            let mut all = vec![0f32; shape.iter().product::<i32>() as usize];
            let values = ops::astype(&outputs[*i], Dtype::Float32)?.to_vec::<f32>()?;
            for (place, value) in composed.places(at, width).iter().zip(values) {
                all[*place as usize] = value;
            }
            *x = ops::astype(
                &Array::from_slice(&all, &shape)?,
                stored(output.dtype, float),
            )?;
        }
        Ok(())
    }
}

thread_local! {
    /// Programs that closures of MLX's transforms run. A program holds tokens, which stay in their thread.
    static PROGRAMS: RefCell<Vec<(Program, Sizes, Vec<f32>)>> = RefCell::default();
}

/// A layout that suits the widths: not only the one that the host would choose.
fn layout(random: &mut Random, rows: i32, widths: &[i32], text: &Text) -> Layout {
    let mut pack = *random.pick(&[1, 2, 4, 8]);
    while widths.iter().any(|w| w % pack != 0) {
        pack /= 2;
    }
    let spread = !text.together && random.one_in(3);
    let lanes = match spread {
        true => *random.pick(&[64, 96, 192]),
        false => *random.pick(&[1, 2, 4, 8, 16, 32, 32, 64, 64, 128]),
    };
    let threads = match lanes > 32 && !spread {
        true => lanes,
        false => *random.pick(&[32, 64]),
    };
    let rows_each = if text.sums {
        1 + random.below(4) as i32
    } else {
        1
    };
    let workers = (rows - 1) / rows_each + 1;
    Layout {
        lanes,
        pack,
        threads,
        groups: (workers * lanes - 1) / threads + 1,
        workers,
        rows_each,
    }
}

fn value(size: &[(i64, &[usize])], sizes: &[i64]) -> i32 {
    let terms = size
        .iter()
        .map(|(c, at)| c * at.iter().map(|i| sizes[*i]).product::<i64>());
    terms.sum::<i64>() as i32
}

impl Launch {
    /// A launch of a program, with inputs and a layout of the seed. `None` if the text would be too long.
    pub fn new(program: Program, sizes: Sizes, seed: u64) -> Option<Launch> {
        Launch::of(program, sizes, seed, None)
    }

    /// The same launch of the other dialect's text.
    pub fn for_cuda(mut self) -> Option<Launch> {
        let names: Vec<String> = self.sizes.0.iter().map(|s| s.0.clone()).collect();
        self.text = emitted(&self.program, Target::Cuda, &names)?;
        self.target = Target::Cuda;
        self.kernel.header = self.text.header.to_string();
        self.wrap();
        Some(self)
    }

    /// A launch of the gradient of a program.
    pub fn gradient(
        forward: &Program,
        gradient: Gradient,
        sizes: Sizes,
        seed: u64,
    ) -> Option<Launch> {
        let Gradient {
            program,
            inputs,
            outputs,
        } = gradient;
        let forward = Forward {
            program: forward.clone(),
            inputs,
            outputs,
            primals: vec![],
        };
        Launch::of(program, sizes, seed, Some(forward))
    }

    fn of(
        mut program: Program,
        sizes: Sizes,
        seed: u64,
        mut gradient: Option<Forward>,
    ) -> Option<Launch> {
        // Sizes as arguments of the text, as for lengths that differ from call to call.
        if seed.is_multiple_of(3) {
            program.varying = sizes.0.iter().map(|s| s.0.clone()).collect();
        }
        let mut random = Random::new(seed ^ 0x1234_5678);
        let mut float = *random.pick(&[Dtype::Float32, Dtype::Float16, Dtype::Bfloat16]);
        // The reference computes results again, which the kernel reads as they are rounded.
        let rounded = |f: &Forward| {
            let read = f.inputs.iter().filter_map(|s| match s {
                Source::Output(i) => Some(f.program.outputs[*i].dtype),
                _ => None,
            });
            read.into_iter().any(|dtype| dtype == Dt::Float)
        };
        if gradient.as_ref().is_some_and(rounded) {
            float = Dtype::Float32;
        }
        // The rules for infinities are those of each operation, and a gradient is of many.
        let wild = random.one_in(6) && gradient.is_none();
        let names: Vec<String> = sizes.0.iter().map(|s| s.0.clone()).collect();
        let text = emitted(&program, Target::Metal, &names)?;
        let shape = |dims: &[_]| -> Vec<i32> { dims.iter().map(|d| sizes.of(d) as i32).collect() };
        let mut drawn =
            |i: &Input| array(&mut random, &shape(&i.shape), stored(i.dtype, float), wild);
        let mut inputs: Vec<Array> = program.inputs.iter().map(&mut drawn).collect();
        if let Some(f) = &mut gradient {
            f.primals = f.program.inputs.iter().map(&mut drawn).collect();
        }
        let numbers: Vec<f32> = program
            .numbers
            .iter()
            .map(|_| 0.1 + random.unit().abs())
            .collect();
        if let Some(f) = &mut gradient {
            f.run(&sizes, float, &numbers, &mut inputs)
                .expect("MLX computes the kernel");
        }
        let mut rows = sizes.volume(&program.rows) as i32;
        let mut values: Vec<i64> = sizes.0.iter().map(|s| s.1).collect();
        // As the host does where all elements are computed alike.
        let flat = is_flat(&program);
        let width = flat.and_then(|w| names.iter().position(|n| w.as_name() == Some(n)));
        if let Some(width) = width.filter(|_| random.one_in(2)) {
            let all = i64::from(rows) * values[width];
            values[width] = 1 << all.trailing_zeros().min(2);
            rows = (all / values[width]) as i32;
        }
        let widths: Vec<i32> = text.widths.iter().map(|w| value(w, &values)).collect();
        let layout = layout(&mut random, rows, &widths, &text);
        let mut launch = Launch {
            target: Target::Metal,
            kernel: wrap::Kernel {
                name: program.name.clone(),
                numbers: None,
                inputs: vec![],
                outputs: vec![],
                header: text.header.to_string(),
                body: String::new(),
            },
            program,
            sizes,
            float,
            layout,
            called: (values, rows),
            inputs,
            numbers,
            text,
            gradient,
        };
        launch.wrap();
        Some(launch)
    }

    /// The shape and dtype of each output.
    fn outputs(&self) -> Vec<Output> {
        let shape =
            |dims: &[_]| -> Vec<i32> { dims.iter().map(|d| self.sizes.of(d) as i32).collect() };
        let all = self.program.outputs.iter().map(|o| match o.place {
            Place::At(_) => Output::Array(shape(&o.shape), stored(o.dtype, self.float)),
            Place::Sum => Output::Sum(shape(&o.shape).iter().product()),
        });
        all.collect()
    }

    /// The number of elements and the dtype of each array that the kernel writes.
    fn written(&self) -> Vec<(usize, Dtype)> {
        let all = self.with_call(|call| call.written(&self.layout));
        let count =
            |(shape, dtype): (Vec<i32>, Dtype)| (shape.iter().product::<i32>() as usize, dtype);
        all.into_iter().map(count).collect()
    }

    /// Calls `work` with the call that the host would make.
    pub fn with_call<R>(&self, work: impl FnOnce(&Call) -> R) -> R {
        let inputs: Vec<&Array> = self.inputs.iter().collect();
        let outputs = self.outputs();
        let (sizes, rows) = &self.called;
        work(&Call {
            inputs: &inputs,
            outputs: &outputs,
            float: self.float,
            rows: *rows,
            sizes,
            numbers: &self.numbers,
        })
    }

    fn wrap(&mut self) {
        let cuda = self.target == Target::Cuda;
        self.kernel.body = self.with_call(|call| match self.target {
            Target::Cuda => call.cuda_body(&self.text, &self.layout),
            Target::Metal => call.metal_body(&self.text, &self.layout),
        });
        let numbers = self.text.numbers.iter().map(|n| n.1.to_string());
        self.kernel.numbers = cuda.then(|| numbers.collect());
        let mut arguments: Vec<wrap::Argument> = Vec::new();
        for (name, array) in self.text.inputs.iter().zip(&self.inputs) {
            arguments.push(wrap::Argument {
                name: (*name).to_string(),
                dtype: type_name(array.dtype()),
                size: array.size(),
                // The host gives every array a dimension.
                dimensions: array.ndim().max(1),
            });
        }
        if !cuda {
            arguments.push(wrap::Argument {
                name: "numbers".to_string(),
                dtype: "int32_t",
                size: self.text.numbers.len(),
                dimensions: 1,
            });
        }
        self.kernel.inputs = arguments;
        let outputs = self.text.outputs.iter().zip(self.written());
        let outputs = outputs.map(|(name, (size, dtype))| wrap::Argument {
            name: (*name).to_string(),
            dtype: type_name(dtype),
            size,
            dimensions: 1,
        });
        self.kernel.outputs = outputs.collect();
    }

    /// The launch as a job of the runner.
    pub fn job(&self, kernel: usize, seed: u32) -> Job {
        let numbers = self.with_call(|call| call.arguments(&self.text, &self.layout));
        let mut inputs: Vec<Vec<u8>> = self.inputs.iter().map(bytes).collect();
        inputs.push(numbers.iter().flat_map(|n| n.to_le_bytes()).collect());
        let size = |(count, dtype): (usize, Dtype)| count * dtype.size();
        Job {
            kernel,
            groups: self.layout.groups as u32,
            threads: self.layout.threads as u32,
            seed,
            inputs,
            outputs: self.written().into_iter().map(size).collect(),
        }
    }

    fn composed(&self, float: Dtype, inputs: &[Array]) -> Result<Vec<Array>> {
        if let Some(forward) = &self.gradient {
            return self.differentiated(forward, float, inputs);
        }
        let composed = Composed {
            program: &self.program,
            sizes: &self.sizes,
            float,
            numbers: &self.numbers,
        };
        composed.outputs(inputs)
    }

    /// MLX's gradients of the composed program, one for each output.
    fn differentiated(
        &self,
        forward: &Forward,
        float: Dtype,
        inputs: &[Array],
    ) -> Result<Vec<Array>> {
        let place = PROGRAMS.with_borrow_mut(|all| {
            all.push((
                forward.program.clone(),
                self.sizes.clone(),
                self.numbers.clone(),
            ));
            all.len() - 1
        });
        let mut primals: Vec<Option<Array>> = vec![None; forward.program.inputs.len()];
        let mut cotangents: Vec<Option<Array>> = vec![None; forward.program.outputs.len()];
        for (source, array) in forward.inputs.iter().zip(inputs) {
            match source {
                Source::Input(i) => primals[*i] = Some(array.clone()),
                Source::Cotangent(i) => cotangents[*i] = Some(array.clone()),
                // The reference computes it.
                Source::Output(_) => {}
            }
        }
        let composed = Composed {
            program: &forward.program,
            sizes: &self.sizes,
            float,
            numbers: &self.numbers,
        };
        // The cotangents of rows and columns, from where the outputs are stored.
        let mut by = Vec::new();
        for (output, cotangent) in forward.program.outputs.iter().zip(cotangents) {
            let width = forward.program.values[output.value].width.as_ref();
            let width = width.map_or(1, |w| self.sizes.of(w));
            let rows = self.sizes.volume(&forward.program.rows) as i32;
            by.push(match (&output.place, cotangent) {
                (Place::At(at), Some(all)) => {
                    let places =
                        Array::from_slice(&composed.places(at, width), &[rows, width as i32])?;
                    Some(ops::take(&ops::reshape(&all, &[-1])?, &places, 0)?)
                }
                _ => None,
            });
        }
        // Inputs that the gradient does not read are behind the results that it reads.
        let missing = |i: usize| {
            let input = &forward.program.inputs[i];
            ops::astype(&forward.primals[i], stored(input.dtype, float))
        };
        let mut all = Vec::new();
        for (i, primal) in primals.into_iter().enumerate() {
            all.push(primal.map_or_else(|| missing(i), Ok)?);
        }
        let wanted: Vec<usize> = forward.outputs.iter().map(|d| d.inputs[0]).collect();
        let given: Vec<Array> = wanted.iter().map(|i| all[*i].clone()).collect();
        let seen: Vec<usize> = by
            .iter()
            .enumerate()
            .filter(|b| b.1.is_some())
            .map(|b| b.0)
            .collect();
        let by: Vec<Array> = by.into_iter().flatten().collect();
        let f = move |x: &[Array]| {
            let mut inputs = all.clone();
            for (i, x) in wanted.iter().zip(x) {
                inputs[*i] = x.clone();
            }
            PROGRAMS.with_borrow(|programs| {
                let (program, sizes, numbers) = &programs[place];
                let composed = Composed {
                    program,
                    sizes,
                    float,
                    numbers,
                };
                let outputs = composed.outputs(&inputs)?;
                // MLX takes one cotangent for an array that is returned twice.
                seen.iter().map(|o| ops::copy(&outputs[*o])).collect()
            })
        };
        Ok(transforms::vjp(f, &given, &by)?.1)
    }

    /// The expected outputs: for each of them what MLX computes in float32, in float64, and in float64 of inputs
    /// that differ a little.
    fn expected(&self) -> Result<Vec<[Vec<f64>; 3]>> {
        let wide = |a: &Array| match a.dtype() {
            Dtype::Float16 | Dtype::Bfloat16 | Dtype::Float32 => ops::astype(a, Dtype::Float64),
            _ => Ok(a.clone()),
        };
        let single = |a: &Array| match a.dtype() {
            Dtype::Float16 | Dtype::Bfloat16 => ops::astype(a, Dtype::Float32),
            _ => Ok(a.clone()),
        };
        let narrow: Result<Vec<Array>> = self.inputs.iter().map(single).collect();
        let exact: Result<Vec<Array>> = self.inputs.iter().map(wide).collect();
        let exact = exact?;
        let moved = exact.iter().enumerate().map(|(i, a)| match a.dtype() {
            Dtype::Float64 => {
                let factor = Array::scalar(1.0 + 1e-6 * (i as f64 - 0.7))?;
                ops::multiply(a, &factor)
            }
            _ => Ok(a.clone()),
        });
        let moved: Result<Vec<Array>> = moved.collect();
        let runs = [
            self.composed(Dtype::Float32, &narrow?)?,
            self.composed(Dtype::Float64, &exact)?,
            self.composed(Dtype::Float64, &moved?)?,
        ];
        let list = |a: &Array| ops::astype(a, Dtype::Float64)?.to_vec::<f64>();
        let all = (0..self.program.outputs.len())
            .map(|o| Ok([list(&runs[0][o])?, list(&runs[1][o])?, list(&runs[2][o])?]));
        all.collect()
    }

    /// The fault of an outcome. `counts` gets the numbers of elements that were compared, and of those where MLX's
    /// own results depend on rounding.
    pub fn wrong(&self, outcome: &Outcome, counts: &mut [usize; 2]) -> Option<String> {
        let outputs = match outcome {
            Ok(outputs) => outputs,
            Err(said) => return Some(said.clone()),
        };
        let expected = match self.expected() {
            Ok(expected) => expected,
            Err(e) => return Some(format!("the reference: {e}")),
        };
        for (o, expected) in expected.iter().enumerate() {
            let (count, dtype) = self.written()[o];
            let got = numbers(&outputs[o], dtype);
            assert_eq!(got.len(), count);
            let output = &self.program.outputs[o];
            let value = &self.program.values[output.value];
            let width = value.width.as_ref().map_or(1, |w| self.sizes.of(w)) as usize;
            let got: Vec<f64> = match &output.place {
                Place::At(_) if self.gradient.is_some() => self.summed(o, &got),
                Place::At(at) => {
                    let composed = Composed {
                        program: &self.program,
                        sizes: &self.sizes,
                        float: self.float,
                        numbers: &self.numbers,
                    };
                    let places = composed.places(at, width as i64);
                    places.iter().map(|p| got[*p as usize]).collect()
                }
                Place::Sum => (0..width)
                    .map(|c| got.iter().skip(c).step_by(width).sum())
                    .collect(),
            };
            let whole = value.scalar != Scalar::F32;
            for (i, x) in got.iter().enumerate() {
                let references = [expected[0][i], expected[1][i], expected[2][i]];
                counts[0] += 1;
                match same(*x, references, dtype, whole) {
                    Some(true) => {}
                    Some(false) => {
                        return Some(format!(
                            "output {o}, element {i}: {x}, expected {} ({references:?})",
                            references[1]
                        ))
                    }
                    None => counts[1] += 1,
                }
            }
        }
        None
    }
}

impl Launch {
    /// A gradient without the axes that the host adds up.
    fn summed(&self, o: usize, got: &[f64]) -> Vec<f64> {
        let axes = self
            .gradient
            .as_ref()
            .map_or(&[][..], |f| &f.outputs[o].sum);
        let shape: Vec<i64> = self.program.outputs[o]
            .shape
            .iter()
            .map(|d| self.sizes.of(d))
            .collect();
        let kept = |a: &usize| !axes.contains(a);
        let count = (0..shape.len())
            .filter(kept)
            .map(|a| shape[a])
            .product::<i64>();
        let mut sums = vec![0.0; count as usize];
        for (place, x) in got.iter().enumerate() {
            let mut to = 0;
            for a in (0..shape.len()).filter(kept) {
                let inner = shape[a + 1..].iter().product::<i64>();
                to = to * shape[a] + place as i64 / inner % shape[a];
            }
            sums[to as usize] += x;
        }
        sums
    }
}

/// True if a result is right; `None` if the references disagree.
fn same(x: f64, [single, exact, moved]: [f64; 3], dtype: Dtype, whole: bool) -> Option<bool> {
    let class = |x: f64| (x.is_nan(), x == f64::INFINITY, x == f64::NEG_INFINITY);
    if class(single) != class(exact) || class(moved) != class(exact) {
        return None;
    }
    if whole {
        return (single == exact && moved == exact).then_some(x == exact);
    }
    if !exact.is_finite() {
        return Some(class(x) == class(exact));
    }
    let size = exact.abs().max(1.0);
    let spread = (single - exact).abs().max((moved - exact).abs());
    if spread > 1e-3 * size {
        return None;
    }
    let (rounding, largest) = match dtype {
        Dtype::Float16 => (1.0 / 1024.0, 65504.0),
        Dtype::Bfloat16 => (1.0 / 128.0, 3.38e38),
        _ => (0.0, 3.4e38),
    };
    if exact.abs() >= largest {
        return Some(x.abs() >= largest * 0.999);
    }
    Some((x - exact).abs() <= 2e-5 * size + 4.0 * spread + rounding * exact.abs() + rounding * 1e-3)
}
