//! The extent of what MLX's graph compiler does, which is a setting of the process.
//!
//! Tests: unit tests below, `tests/transforms.rs`.

use std::sync::{Mutex, MutexGuard, PoisonError};

use mlx_sys as sys;

use crate::error::check;
use crate::init::init;
use crate::Result;

/// The extent of [`super::compile`]'s work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileMode {
    /// Nothing: functions run as they are.
    Disabled,
    /// Record only.
    NoSimplify,
    /// Record, and merge duplicate nodes.
    NoFuse,
    /// Everything; the default.
    Enabled,
}

/// MLX tells nobody its mode, so the one that was asked for last is kept here.
struct Asked {
    /// `None` if MLX has its default, which the environment decides.
    mode: Option<CompileMode>,
    /// The calls of [`without_fusing`] that run.
    unfused: usize,
}

fn asked() -> MutexGuard<'static, Asked> {
    static ASKED: Mutex<Asked> = Mutex::new(Asked {
        mode: None,
        unfused: 0,
    });
    ASKED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn set(mode: CompileMode) -> Result<()> {
    init();
    let set = |raw| {
        // SAFETY: one of MLX C's own values.
        unsafe { sys::mlx_set_compile_mode(raw) }
    };
    let code = match mode {
        CompileMode::Disabled => {
            // SAFETY: takes nothing.
            unsafe { sys::mlx_disable_compile() }
        }
        CompileMode::NoSimplify => set(sys::mlx_compile_mode__MLX_COMPILE_MODE_NO_SIMPLIFY),
        CompileMode::NoFuse => set(sys::mlx_compile_mode__MLX_COMPILE_MODE_NO_FUSE),
        CompileMode::Enabled => {
            // SAFETY: takes nothing.
            unsafe { sys::mlx_enable_compile() }
        }
    };
    check("compile_mode", code)
}

/// Sets the extent of [`super::compile`]'s work, for the whole process and functions compiled from now on. MLX:
/// `set_compile_mode`.
///
/// # Errors
/// If MLX cannot.
pub fn compile_mode(mode: CompileMode) -> Result<()> {
    let mut asked = asked();
    set(mode)?;
    asked.mode = Some(mode);
    Ok(())
}

/// [`super::compile`] returns functions as they are from now on, in the whole process.
/// MLX: `disable_compile`.
///
/// # Errors
/// If MLX cannot.
pub fn disable_compile() -> Result<()> {
    compile_mode(CompileMode::Disabled)
}

/// Undoes [`disable_compile`], and the environment's `MLX_DISABLE_COMPILE`. MLX: `enable_compile`.
///
/// # Errors
/// If MLX cannot.
pub fn enable_compile() -> Result<()> {
    compile_mode(CompileMode::Enabled)
}

/// Runs `f`, while functions that are compiled keep their operations apart. A mode that does no more is left as it is.
/// Other threads compile so, too, for as long: their results are the same.
pub(crate) fn without_fusing<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    let begin = |asked: &mut Asked| -> Result<bool> {
        let fuses = match asked.mode {
            None => std::env::var_os("MLX_DISABLE_COMPILE").is_none(),
            Some(mode) => mode == CompileMode::Enabled,
        };
        if fuses && asked.unfused == 0 {
            set(CompileMode::NoFuse)?;
        }
        asked.unfused += usize::from(fuses);
        Ok(fuses)
    };
    // Made only where something ends: its drop locks what `begin` has locked.
    let fused = begin(&mut asked())?;
    let _ended = fused.then(|| Ended);
    f()
}

struct Ended;

impl Drop for Ended {
    fn drop(&mut self) {
        let mut asked = asked();
        asked.unfused -= 1;
        let changed = asked.mode.is_some_and(|m| m != CompileMode::Enabled);
        if asked.unfused == 0 && !changed {
            // It was set a moment ago.
            let _ = set(CompileMode::Enabled);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transforms::compile;
    use crate::{graph, ops, Array};

    /// The nodes of a compiled function of three operations.
    fn nodes() -> usize {
        let f = compile(
            |x| Ok(vec![ops::exp(&ops::tanh(&ops::negative(&x[0])?)?)?]),
            false,
        );
        let x = Array::from_slice(&[1f32, 2.0], &[2]).unwrap();
        let y = f.call(&[x]).unwrap();
        graph::count_nodes(&[&y[0]]).unwrap()
    }

    #[test]
    fn operations_stay_apart_for_as_long_as_asked() {
        let fused = nodes();
        let inner = without_fusing(|| {
            let twice = without_fusing(|| Ok(nodes()))?;
            assert_eq!(twice, nodes());
            Ok(twice)
        });
        assert_eq!(inner.unwrap(), fused + 2);
        assert_eq!(nodes(), fused);
        let _ = std::panic::catch_unwind(|| without_fusing::<()>(|| panic!("oh")));
        assert_eq!(nodes(), fused);
        // Another mode that was asked for meanwhile stays.
        without_fusing(|| compile_mode(CompileMode::NoFuse)).unwrap();
        assert_eq!(nodes(), fused + 2);
        // It is on already: nothing begins, and nothing ends.
        assert_eq!(without_fusing(|| Ok(nodes())).unwrap(), fused + 2);
        assert_eq!(nodes(), fused + 2);
        enable_compile().unwrap();
        assert_eq!(nodes(), fused);
    }
}
