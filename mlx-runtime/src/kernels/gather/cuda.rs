//! The kernel that copies many arrays into one buffer.
//!
//! Tests: `mlx-models --test native_kernels`.

use std::fmt::Write as _;

use crate::kernels::launch::{rows, Kernel};
use crate::{ops, Array, Result};

/// Arrays that one kernel reads; its arguments must fit in 4 KB.
const MOST: usize = 128;
/// Values that one block copies.
const CHUNK: usize = 4096;

/// The elements of arrays of one dtype, one array after the other, `[..]` each -> `[n]`: a launch for each 128 arrays,
/// while a concatenation has one for each. There is no gradient.
pub(super) fn gather(arrays: &[&Array]) -> Result<Array> {
    let parts = arrays.chunks(MOST).map(part).collect::<Result<Vec<_>>>()?;
    match &parts[..] {
        [all] => Ok(all.clone()),
        _ => ops::concatenate(&parts.iter().collect::<Vec<_>>(), 0),
    }
}

fn part(arrays: &[&Array]) -> Result<Array> {
    let names: Vec<String> = (0..arrays.len()).map(|i| format!("x{i}")).collect();
    let mut inputs: Vec<&str> = names.iter().map(String::as_str).collect();
    inputs.push("places");
    // For each block: the array, the first value, the destination, and the number of values.
    let (mut places, mut end) = (Vec::new(), 0);
    for (i, a) in arrays.iter().enumerate() {
        for from in (0..a.size()).step_by(CHUNK) {
            let count = CHUNK.min(a.size() - from);
            places.extend([i, from, end + from, count].map(narrow));
        }
        end += a.size();
    }
    let blocks = narrow(places.len() / 4);
    let places = Array::from_slice(&places, &[blocks, 4])?;
    let Some(dtype) = arrays.first().map(|a| a.dtype()).filter(|_| blocks > 0) else {
        return ops::concatenate(arrays, 0);
    };
    let call = rows(blocks, 256)
        .dtype("T", dtype)
        .output(&[narrow(end)], dtype);
    let kernel = Kernel {
        name: &format!("gather_{}", arrays.len()),
        inputs: &inputs,
        outputs: &["y"],
        header: &[],
        body: &source(arrays.len()),
    };
    let mut all = arrays.to_vec();
    all.push(&places);
    Ok(kernel.launch(&all, &call)?.swap_remove(0))
}

fn narrow(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

fn source(n: usize) -> String {
    let mut cases = String::new();
    for i in 0..n {
        let _ = writeln!(cases, "  case {i}: from = x{i}; break;");
    }
    format!(
        "const int* place = places + blockIdx.x * 4;\n\
         const T* from = nullptr;\n\
         switch (place[0]) {{\n{cases}}}\n\
         for (int i = threadIdx.x; i < place[3]; i += blockDim.x) {{\n  \
         y[place[2] + i] = from[place[1] + i];\n}}\n"
    )
}
