//! Prints, counts and simplifies the graphs that operations build.
//!
//! ```
//! use mlx_runtime::{low_level::graph, ops, Array};
//! let (x, y) = (Array::scalar(1.0f32)?, Array::scalar(2.0f32)?);
//! let mut names = graph::NodeNamer::new()?;
//! names.set_name(&x, "x")?;
//! let sum = ops::add(&x, &y)?;
//! let dot = graph::export_to_dot(&names, &[&sum])?;
//! assert!(dot.starts_with("digraph") && dot.contains("Add") && dot.contains('x'));
//! assert_eq!(graph::count_nodes(&[&sum])?, 1);
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! Tests: `tests/simplify.rs`.

use std::ffi::{c_char, CStr};
use std::ptr::{null, null_mut};

use mlx_sys as sys;

use crate::containers::VectorArray;
use crate::error::{check, from_c};
use crate::handles::c_string;
use crate::init::init;
use crate::live::{live, Live};
use crate::lock::{graph_lock, reading};
use crate::stack::deep;
use crate::{Array, Error, ErrorKind, Result};

/// Names for arrays in a graph's text; arrays without one are called by letters. Owns one
/// `mlx_node_namer`.
pub struct NodeNamer(sys::mlx_node_namer, live!(NodeNamer));

impl NodeNamer {
    /// A namer without names.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn new() -> Result<Self> {
        init();
        // SAFETY: takes nothing.
        let made = Self(unsafe { sys::mlx_node_namer_new() }, Live::new());
        if made.0.ctx.is_null() {
            return Err(from_c("NodeNamer", &[]));
        }
        Ok(made)
    }

    /// Calls an array `name`.
    ///
    /// # Errors
    /// If the name contains a NUL byte.
    pub fn set_name(&mut self, array: &Array, name: &str) -> Result<()> {
        let name = c_string("NodeNamer", name)?;
        // SAFETY: both handles and the name are valid; the name is copied.
        check("NodeNamer", unsafe {
            sys::mlx_node_namer_set_name(self.0, array.as_raw(), name.as_ptr())
        })
    }

    /// The name of an array. An array without a name gets the next letter.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn name(&mut self, array: &Array) -> Result<String> {
        let mut name: *const c_char = null();
        // SAFETY: both handles are valid.
        check("NodeNamer", unsafe {
            sys::mlx_node_namer_get_name(&mut name, self.0, array.as_raw())
        })?;
        // SAFETY: a text of the namer, which nothing changes here.
        Ok(unsafe { crate::handles::text(name) }.into_owned())
    }
}

impl std::fmt::Debug for NodeNamer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeNamer")
    }
}

impl Drop for NodeNamer {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_node_namer_free(self.0) };
    }
}

type Print =
    unsafe extern "C" fn(*mut sys::FILE, sys::mlx_node_namer, sys::mlx_vector_array) -> i32;

/// The text that a function of MLX C prints to a C stream.
fn printed(op: &'static str, names: &NodeNamer, arrays: &[&Array], print: Print) -> Result<String> {
    let list = VectorArray::from_refs(op, arrays)?;
    let (mut at, mut len): (*mut c_char, usize) = (null_mut(), 0);
    // SAFETY: both destinations outlive the stream.
    let stream = unsafe { libc::open_memstream(&mut at, &mut len) };
    if stream.is_null() {
        let e = std::io::Error::last_os_error();
        return Err(Error::new(ErrorKind::Io, e.to_string()).with_op(op));
    }
    let reading = reading();
    // SAFETY: stream, names and list are valid.
    let status = deep(|| unsafe { print(stream.cast(), names.0, list.as_raw()) });
    drop(reading);
    // SAFETY: opened above, closed once; closing makes the text complete.
    unsafe { libc::fclose(stream) };
    let text = if at.is_null() {
        String::new()
    } else {
        // SAFETY: the C library's own text, which ends with a NUL byte.
        unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned()
    };
    // SAFETY: allocated by the C library for the caller that opened the stream; null is ignored.
    unsafe { libc::free(at.cast()) };
    check(op, status)?;
    Ok(text)
}

/// The graph that leads to `arrays` in Graphviz' language. MLX: `export_to_dot`.
///
/// # Errors
/// If memory is exhausted.
pub fn export_to_dot(names: &NodeNamer, arrays: &[&Array]) -> Result<String> {
    printed("export_to_dot", names, arrays, sys::mlx_export_to_dot)
}

/// The graph that leads to `arrays`, one operation a line. MLX: `print_graph`.
///
/// # Errors
/// If memory is exhausted.
pub fn print_graph(names: &NodeNamer, arrays: &[&Array]) -> Result<String> {
    printed("print_graph", names, arrays, sys::mlx_print_graph)
}

/// Returns arrays of the same values with fewer nodes below them. Nodes that only stand for their input are removed
/// (copies for tracing, ends of gradients, custom gradients that have been taken), and so are views of views that lead
/// back.
///
/// MLX walks over every node at each evaluation, a microsecond or more each. Use it for graphs that are evaluated many
/// times, such as recordings of [`crate::transforms::compile`], and take gradients first.
///
/// ```
/// use mlx_runtime::{low_level::graph, ops, Array};
/// let x = Array::from_slice(&[1.0f32, 2.0], &[1, 2])?;
/// let there = ops::transpose(&ops::stop_gradient(&ops::exp(&x)?)?, &[1, 0])?;
/// let back = ops::transpose(&there, &[1, 0])?;
/// assert_eq!(graph::count_nodes(&[&back])?, 4);
/// let same = graph::simplify(&[&back])?;
/// assert_eq!(graph::count_nodes(&[&same[0]])?, 1);
/// assert_eq!(same[0].to_vec::<f32>()?, back.to_vec::<f32>()?);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
///
/// # Errors
/// Returns the error that MLX reports of the graph.
pub fn simplify(arrays: &[&Array]) -> Result<Vec<Array>> {
    const OP: &str = "simplify";
    let list = VectorArray::from_refs(OP, arrays)?;
    let _lock = graph_lock();
    let mut out = VectorArray::null();
    // SAFETY: the list is valid and the destination is ours.
    check(OP, unsafe {
        sys::mlxrs_simplify(out.as_out(), list.as_raw())
    })?;
    out.to_vec(OP)
}

/// The number of operations that evaluating `arrays` would run, as far as the graph shows them.
///
/// # Errors
/// If memory is exhausted.
pub fn count_nodes(arrays: &[&Array]) -> Result<usize> {
    let text = print_graph(&NodeNamer::new()?, arrays)?;
    Ok(text.lines().filter(|line| line.contains("->")).count())
}
