//! Builds CUDA kernels from their source, and launches them.
//!
//! Tests: unit tests below, `mlx-models --test native_kernels`.

mod compile;

use std::fmt::Write as _;

use mlx_sys as sys;

pub(super) use compile::is_possible;

use crate::array::build_many;
use crate::containers::VectorArray;
use crate::{Array, Dtype, Error, Result};
use compile::Compiled;

const OP: &str = "cuda_kernel";
const COMMON: &str = include_str!("common.cuh");

/// A kernel's source: the body of a function. Each variant of a source has its own name.
pub(crate) struct Kernel<'a> {
    pub name: &'a str,
    pub inputs: &'a [&'a str],
    pub outputs: &'a [&'a str],
    /// Source before the function: defines, and helpers of this kernel alone.
    pub header: &'a [&'a str],
    pub body: &'a str,
}

/// The outputs, scalar arguments and grid of a launch.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    outputs: Vec<(Vec<i32>, Dtype)>,
    /// Declarations at the beginning of the body; other ones are another kernel.
    constants: String,
    /// Arguments after those for arrays.
    numbers: Vec<(&'static str, i32)>,
    blocks: i32,
    threads: i32,
}

/// One block of `threads` for each row.
pub(crate) fn rows(n: i32, threads: i32) -> Launch {
    Launch {
        outputs: Vec::new(),
        constants: String::new(),
        numbers: Vec::new(),
        // MLX counts threads, in 32 bits.
        blocks: n.clamp(1, i32::MAX / threads),
        threads,
    }
}

/// One thread for each of `n` pieces of work.
pub(super) fn pieces(n: usize) -> Launch {
    const THREADS: usize = 256;
    let blocks = i32::try_from(n.div_ceil(THREADS)).unwrap_or(i32::MAX);
    rows(blocks, THREADS as i32)
}

impl Launch {
    /// One more output.
    pub fn output(mut self, shape: &[i32], dtype: Dtype) -> Self {
        self.outputs.push((shape.to_vec(), dtype));
        self
    }

    /// A type in the body.
    pub fn dtype(mut self, name: &str, dtype: Dtype) -> Self {
        let _ = writeln!(self.constants, "using {name} = {};", c_type(dtype));
        self
    }

    /// A constant in the body.
    pub fn constant(mut self, name: &str, value: i32) -> Self {
        let _ = writeln!(self.constants, "constexpr int {name} = {value};");
        self
    }

    /// A truth value in the body.
    pub fn flag(mut self, name: &str, value: bool) -> Self {
        let _ = writeln!(self.constants, "constexpr bool {name} = {value};");
        self
    }

    /// A number that may be another one at each launch.
    pub fn number(mut self, name: &'static str, value: i32) -> Self {
        self.numbers.push((name, value));
        self
    }
}

impl Kernel<'_> {
    /// The kernel's outputs.
    pub fn launch(&self, inputs: &[&Array], launch: &Launch) -> Result<Vec<Array>> {
        if inputs.len() != self.inputs.len() || launch.outputs.len() != self.outputs.len() {
            let text = format!("other arrays than {} has", self.name);
            return Err(Error::invalid(OP, text));
        }
        let arguments = self.arguments(inputs, launch);
        let key = format!("{}({arguments}){}", self.name, launch.constants);
        let kernel = Compiled::get(key, || self.source(&arguments, &launch.constants))?;
        let list = VectorArray::from_refs(OP, inputs)?;
        let outputs = &launch.outputs;
        let sizes: Vec<i32> = outputs.iter().flat_map(|o| o.0.iter().copied()).collect();
        let dimensions: Vec<usize> = outputs.iter().map(|o| o.0.len()).collect();
        let dtypes: Vec<_> = outputs.iter().map(|o| o.1.as_raw()).collect();
        let numbers: Vec<i32> = launch.numbers.iter().map(|n| n.1).collect();
        let call = sys::mlxrs_cuda_launch {
            sizes: sizes.as_ptr(),
            dimensions: dimensions.as_ptr(),
            dtypes: dtypes.as_ptr(),
            outputs: outputs.len(),
            numbers: numbers.as_ptr(),
            count: numbers.len(),
            blocks: launch.blocks,
            threads: launch.threads,
        };
        build_many(OP, inputs, |out, s| {
            // SAFETY: kernel, list and stream are valid, the call's lists are as long as it says,
            // and `out` is null.
            unsafe { sys::mlxrs_cuda_kernel_apply(out, kernel.as_raw(), list.as_raw(), &call, s) }
        })
    }

    /// The parameters of the function.
    fn arguments(&self, inputs: &[&Array], launch: &Launch) -> String {
        let read = self.inputs.iter().zip(inputs);
        let read = read.map(|(name, a)| format!("const {}* {name}", c_type(a.dtype())));
        let written = self.outputs.iter().zip(&launch.outputs);
        let written = written.map(|(name, o)| format!("{}* {name}", c_type(o.1)));
        let numbers = launch.numbers.iter().map(|n| format!("int {}", n.0));
        let all: Vec<String> = read.chain(written).chain(numbers).collect();
        all.join(", ")
    }

    /// The function's name, and the code.
    fn source(&self, arguments: &str, constants: &str) -> (String, String) {
        let name = format!("mlxrs_{}", self.name);
        let header = self.header.concat();
        let code = format!(
            "{COMMON}{header}\nextern \"C\" __global__ void {name}({arguments}) {{\n{constants}{}}}\n",
            self.body
        );
        (name, code)
    }
}

/// The type's name in `common.cuh`.
fn c_type(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Float16 => "float16",
        Dtype::Bfloat16 => "bfloat16",
        Dtype::Int32 => "int",
        Dtype::Uint32 => "unsigned",
        Dtype::Bool => "bool",
        Dtype::Float64 => "double",
        Dtype::Int64 => "long long",
        Dtype::Uint64 => "unsigned long long",
        Dtype::Int16 => "short",
        Dtype::Uint16 => "unsigned short",
        Dtype::Int8 => "signed char",
        Dtype::Uint8 => "unsigned char",
        // Complex numbers are in no kernel here.
        _ => "float",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph, ops};

    /// A kernel of one input and two outputs. Its body does not matter.
    fn twice(x: &Array, shape: &[i32]) -> Result<[Array; 2]> {
        let kernel = Kernel {
            name: "twice",
            inputs: &["x"],
            outputs: &["y", "z"],
            header: &[],
            body: "y[threadIdx.x] = z[threadIdx.x] = x[threadIdx.x];",
        };
        let launch = rows(1, 32)
            .output(shape, x.dtype())
            .output(shape, x.dtype());
        let mut made = kernel.launch(&[x], &launch)?.into_iter();
        Ok([made.next().unwrap(), made.next().unwrap()])
    }

    fn simplified(a: &Array) -> Result<(Array, usize)> {
        let made = graph::simplify(&[a])?.remove(0);
        assert_eq!(made.shape(), a.shape());
        let nodes = graph::count_nodes(&[&made])?;
        Ok((made, nodes))
    }

    #[test]
    fn reshapes_around_launches_go_away() -> Result<()> {
        let x = ops::ones(&[4, 4], Dtype::Float32)?;
        x.eval()?;
        let product = ops::matmul(&x, &x)?;
        let [y, z] = twice(&ops::reshape(&product, &[1, 4, 4])?, &[1, 4, 4])?;
        // Product, launch and product: the launch writes the shape that the product reads.
        let flat = ops::reshape(&y, &[4, 4])?;
        assert_eq!(simplified(&ops::matmul(&flat, &x)?)?.1, 3);
        // The other one is made in the same shape for a launch.
        let [last, _] = twice(&ops::reshape(&z, &[2, 8])?, &[16])?;
        assert_eq!(simplified(&last)?.1, 3);
        // Arrays that the caller asks for keep their shape, and so do arrays that are read in two shapes.
        assert_eq!(simplified(&y)?.1, 2);
        let both = ops::add(&ops::reshape(&y, &[16])?, &ops::sum(&y, &[], false)?)?;
        let before = graph::count_nodes(&[&both])?;
        assert_eq!(simplified(&both)?.1, before - 1);
        Ok(())
    }

    #[test]
    fn a_launch_keeps_the_inputs_that_do_not_lie_in_rows() -> Result<()> {
        let x = ops::ones(&[4, 2], Dtype::Float32)?;
        x.eval()?;
        let turned = ops::transpose(&ops::exp(&x)?, &[1, 0])?;
        let [y, _] = twice(&ops::reshape(&turned, &[8])?, &[8])?;
        assert_eq!(simplified(&y)?.1, 4);
        Ok(())
    }

    #[test]
    fn a_kernel_without_code_does_not_run_on_a_cpu() -> Result<()> {
        let [y, _] = twice(&ops::ones(&[2], Dtype::Float32)?, &[2])?;
        if !crate::kernels::select::is_cuda() {
            assert!(y.eval().unwrap_err().to_string().contains("mlxrs_twice"));
        }
        Ok(())
    }
}
