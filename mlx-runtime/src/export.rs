//! Saves functions as files: recorded once, called from any of MLX's languages.
//!
//! The file holds the graph and the arrays that the function captured. It records MLX's own operations alone, not the
//! fused ones of this crate, so that every language that has MLX can call it. An imported function may be called with
//! inputs of the shapes that it was exported with (of any shape if `shapeless`). MLX trusts these files, and a changed
//! one may end the process: [`import_function`] accepts files that this crate wrote, which end with a checksum that MLX
//! ignores.
//!
//! The operations of an imported function run on the stream that is current where it is called. Those that were exported
//! on another device run on the thread's default stream on that device.
//!
//! ```
//! use mlx_runtime::{export, ops, Array};
//! # let folder = std::env::temp_dir().join(format!("mlx-export-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! let path = folder.join("square.mlxfn");
//! let x = [Array::scalar(3.0f32)?];
//! export::export_function(&path, |x: &[Array]| Ok(vec![ops::square(&x[0])?]), &x, false)?;
//! let square = export::import_function(&path)?;
//! assert_eq!(square.call(&x)?[0].item::<f32>()?, 9.0);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), mlx_runtime::Error>(())
//! ```
//!
//! Tests: `tests/export.rs`.

mod seal;

use std::collections::HashMap;
use std::ffi::{c_int, CStr};
use std::path::Path;

use mlx_sys as sys;

use crate::containers::{MapStringToArray, VectorArray};
use crate::context::Scope;
use crate::error::{check, from_c};
use crate::init::init;
use crate::io::{c_path, Replacement};
use crate::kernels::without;
use crate::live::{live, Live};
use crate::lock::{graph_lock, reading};
use crate::stack::deep;
use crate::transforms::closure::{failure, Handle};
use crate::transforms::NamedClosure;
use crate::{Array, Result};

fn named(entries: &HashMap<String, Array>) -> Result<MapStringToArray> {
    MapStringToArray::from_entries(entries.iter().map(|(k, v)| (k.as_str(), v)))
}

/// Has `export` write a new file, seals it, and puts it in the place of the one at `path`.
fn write(
    op: &'static str,
    path: &Path,
    inputs: &[Array],
    export: impl FnOnce(&CStr) -> c_int,
) -> Result<()> {
    let new = Replacement::new(path, "tmp").map_err(|e| e.with_op(op))?;
    let file = c_path(op, new.path())?;
    {
        let _lock = graph_lock();
        if deep(|| export(&file)) != 0 {
            return Err(failure(op, inputs));
        }
    }
    seal_and_commit(new).map_err(|e| e.with_op(op))
}

fn seal_and_commit(new: Replacement) -> Result<()> {
    seal::add("export_function", new.path())?;
    new.commit()
}

/// Writes `f`, recorded for inputs like `inputs`, to the file at `path`. MLX: `export_function`.
///
/// # Errors
/// Returns the error of the function, and an error if it panics, if an operation cannot be exported, or if the file
/// cannot be written.
pub fn export_function<F>(
    path: impl AsRef<Path>,
    f: F,
    inputs: &[Array],
    shapeless: bool,
) -> Result<()>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    const OP: &str = "export_function";
    let f = Handle::new(move |x: &[Array]| without(|| f(x)))?;
    let list = VectorArray::new(OP, inputs)?;
    let _shapeless = Scope::shapeless(shapeless);
    write(OP, path.as_ref(), inputs, |path| {
        // SAFETY: path, function and list are valid.
        unsafe { sys::mlx_export_function(path.as_ptr(), f.as_raw(), list.as_raw(), shapeless) }
    })
}

/// As [`export_function`], for a function that takes arrays by name, too.
///
/// # Errors
/// As [`export_function`], and if a name contains a NUL byte.
pub fn export_function_named<F>(
    path: impl AsRef<Path>,
    f: F,
    inputs: &[Array],
    by_name: &HashMap<String, Array>,
    shapeless: bool,
) -> Result<()>
where
    F: Fn(&[Array], &HashMap<String, Array>) -> Result<Vec<Array>> + Send + 'static,
{
    const OP: &str = "export_function";
    let f = NamedClosure::new(move |x: &[Array], names: &HashMap<String, Array>| {
        without(|| f(x, names))
    })?;
    let list = VectorArray::new(OP, inputs)?;
    let map = named(by_name)?;
    let _shapeless = Scope::shapeless(shapeless);
    write(OP, path.as_ref(), inputs, |path| {
        // SAFETY: path, function, list and map are valid.
        unsafe {
            sys::mlx_export_function_kwargs(
                path.as_ptr(),
                f.as_raw(),
                list.as_raw(),
                map.as_raw(),
                shapeless,
            )
        }
    })
}

/// Writes one function for several sets of inputs into one file, which is complete when this is
/// dropped. MLX: `exporter`. Owns one `mlx_function_exporter`.
pub struct Exporter {
    raw: sys::mlx_function_exporter,
    shapeless: bool,
    /// Taken when the exporter is dropped.
    new: Option<Replacement>,
    _live: live!(Exporter),
}

/// An [`Exporter`] of `f` to the file at `path`.
///
/// # Errors
/// If the file cannot be written.
pub fn exporter<F>(path: impl AsRef<Path>, f: F, shapeless: bool) -> Result<Exporter>
where
    F: Fn(&[Array]) -> Result<Vec<Array>> + Send + 'static,
{
    const OP: &str = "exporter";
    init();
    let f = Handle::new(move |x: &[Array]| without(|| f(x)))?;
    let new = Replacement::new(path.as_ref(), "tmp").map_err(|e| e.with_op(OP))?;
    let path = c_path(OP, new.path())?;
    // SAFETY: path and function are valid; the function is copied.
    let raw = unsafe { sys::mlx_function_exporter_new(path.as_ptr(), f.as_raw(), shapeless) };
    if raw.ctx.is_null() {
        return Err(from_c(OP, &[]));
    }
    Ok(Exporter {
        raw,
        shapeless,
        new: Some(new),
        _live: Live::new(),
    })
}

impl Exporter {
    /// Records the function for inputs like these.
    ///
    /// # Errors
    /// Returns the error of the function, and an error if it panics or if an operation cannot be exported.
    pub fn export(&mut self, inputs: &[Array]) -> Result<()> {
        const OP: &str = "exporter";
        let list = VectorArray::new(OP, inputs)?;
        let _lock = graph_lock();
        let _shapeless = Scope::shapeless(self.shapeless);
        // SAFETY: exporter and list are valid.
        let status = deep(|| unsafe { sys::mlx_function_exporter_apply(self.raw, list.as_raw()) });
        match status {
            0 => Ok(()),
            _ => Err(failure(OP, inputs)),
        }
    }

    /// As [`Exporter::export`], with arrays by name: the function gets them after the others, in
    /// the order of their names.
    ///
    /// # Errors
    /// As [`Exporter::export`].
    pub fn export_named(
        &mut self,
        inputs: &[Array],
        by_name: &HashMap<String, Array>,
    ) -> Result<()> {
        const OP: &str = "exporter";
        let list = VectorArray::new(OP, inputs)?;
        let map = named(by_name)?;
        let _lock = graph_lock();
        let _shapeless = Scope::shapeless(self.shapeless);
        // SAFETY: exporter, list and map are valid.
        let status = deep(|| unsafe {
            sys::mlx_function_exporter_apply_kwargs(self.raw, list.as_raw(), map.as_raw())
        });
        match status {
            0 => Ok(()),
            _ => Err(failure(OP, inputs)),
        }
    }
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exporter")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_function_exporter_free(self.raw) };
        // If the disk is full the old file stays. A destructor cannot return the error.
        let _ = self.new.take().map(seal_and_commit);
    }
}

/// A function from a file. Owns one `mlx_imported_function`.
pub struct ImportedFunction {
    raw: sys::mlx_imported_function,
    _live: live!(ImportedFunction),
}

const IMPORT: &str = "import_function";
const OP: &str = "imported_function";

/// The function in the file at `path`, which this crate wrote. MLX: `import_function`.
///
/// # Errors
/// If the file cannot be read, or is not as this crate wrote it.
pub fn import_function(path: impl AsRef<Path>) -> Result<ImportedFunction> {
    let path = path.as_ref();
    seal::check(IMPORT, path)?;
    import(path)
}

/// As [`import_function`], for a file that any of MLX's languages wrote.
///
/// # Errors
/// If the file cannot be read, or is not one that MLX exported as far as MLX notices.
///
/// # Safety
/// The file is as MLX wrote it, and stays so while the function is in use. MLX reads it without checks: sizes and
/// numbers in a changed file make it read outside its memory.
pub unsafe fn import_function_unchecked(path: impl AsRef<Path>) -> Result<ImportedFunction> {
    import(path.as_ref())
}

fn import(path: &Path) -> Result<ImportedFunction> {
    init();
    let path = c_path(IMPORT, path)?;
    let _lock = graph_lock();
    // SAFETY: the path is valid.
    let raw = unsafe { sys::mlx_imported_function_new(path.as_ptr()) };
    if raw.ctx.is_null() {
        return Err(from_c(IMPORT, &[]));
    }
    Ok(ImportedFunction {
        raw,
        _live: Live::new(),
    })
}

/// The outputs of an imported function, moved to this thread's current stream: MLX records them on the first stream
/// that the process made, which may belong to another thread. The function's own nodes stay with this thread.
fn here(
    inputs: &VectorArray,
    apply: impl FnOnce(*mut sys::mlx_vector_array) -> c_int,
) -> Result<Vec<Array>> {
    let mut out = VectorArray::null();
    let _lock = graph_lock();
    let _reading = reading();
    check(OP, deep(|| apply(out.as_out())))?;
    let made = out.to_vec(OP)?;
    crate::io::reads::own(OP, &made)?;
    // SAFETY: lists and stream are valid; no other thread reads or evaluates graphs.
    check(OP, unsafe {
        sys::mlxrs_run_on(out.as_raw(), inputs.as_raw(), crate::stream::current()?)
    })?;
    Ok(made)
}

impl ImportedFunction {
    /// The outputs for these inputs.
    ///
    /// # Errors
    /// If the function was not exported for inputs like these.
    pub fn call(&self, inputs: &[Array]) -> Result<Vec<Array>> {
        let list = VectorArray::new(OP, inputs)?;
        // SAFETY: function and list are valid, the destination null.
        here(&list, |out| unsafe {
            sys::mlx_imported_function_apply(out, self.raw, list.as_raw())
        })
    }

    /// As [`ImportedFunction::call`], with arrays by name.
    ///
    /// # Errors
    /// As [`ImportedFunction::call`].
    pub fn call_named(
        &self,
        inputs: &[Array],
        by_name: &HashMap<String, Array>,
    ) -> Result<Vec<Array>> {
        let list = VectorArray::new(OP, inputs)?;
        let map = named(by_name)?;
        let all = VectorArray::from_refs(
            OP,
            &inputs.iter().chain(by_name.values()).collect::<Vec<_>>(),
        )?;
        // SAFETY: function, list and map are valid, the destination null.
        here(&all, |out| unsafe {
            sys::mlx_imported_function_apply_kwargs(out, self.raw, list.as_raw(), map.as_raw())
        })
    }
}

impl std::fmt::Debug for ImportedFunction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ImportedFunction")
    }
}

impl Drop for ImportedFunction {
    fn drop(&mut self) {
        // SAFETY: owned here; null is ignored.
        unsafe { sys::mlx_imported_function_free(self.raw) };
    }
}
