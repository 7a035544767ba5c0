//! Kernels by name, built once a thread.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::ops::fast::{CudaKernel, KernelCall};
use crate::{Array, Result};

const COMMON: &str = include_str!("common.cuh");

/// A kernel's source. Variants of one source have names of their own.
pub(super) struct Kernel<'a> {
    pub name: &'a str,
    pub inputs: &'a [&'a str],
    pub outputs: &'a [&'a str],
    /// Before the function: defines, and what only this kernel needs.
    pub header: &'a [&'a str],
    pub body: &'a str,
}

thread_local! {
    static BUILT: RefCell<HashMap<String, CudaKernel>> = RefCell::new(HashMap::new());
}

impl Kernel<'_> {
    /// The kernel's outputs.
    pub fn launch(&self, inputs: &[&Array], call: &KernelCall) -> Result<Vec<Array>> {
        BUILT.with_borrow_mut(|built| {
            if let Some(kernel) = built.get(self.name) {
                return kernel.call(inputs, call);
            }
            let header = format!("{COMMON}{}", self.header.concat());
            let name = format!("mlxrs_{}", self.name);
            let kernel = CudaKernel::new(&name, self.inputs, self.outputs, self.body)
                .header(&header)
                .build()?;
            let outputs = kernel.call(inputs, call);
            built.insert(self.name.to_owned(), kernel);
            outputs
        })
    }
}

/// One block of `threads` for each row.
pub(super) fn rows(n: i32, threads: i32) -> KernelCall {
    KernelCall::new()
        .grid(n.saturating_mul(threads), 1, 1)
        .threads(threads, 1, 1)
}

/// One thread for each of `n` pieces of work.
pub(super) fn pieces(n: usize) -> KernelCall {
    const THREADS: i32 = 256;
    let n = i32::try_from(n).unwrap_or(i32::MAX);
    KernelCall::new()
        .grid(n.max(THREADS), 1, 1)
        .threads(THREADS, 1, 1)
}
