//! Work on untrusted files: a panic becomes an error, and deep recursion gets a larger stack.
//!
//! Tests: unit tests below.

use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe};
use std::sync::Once;

use anyhow::{anyhow, Result};

/// Stack for parsers and templates; pages that are not touched cost nothing.
const STACK: usize = 32 << 20;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, and turns a panic into an error without printing it. `what` names the work.
pub fn contained<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            if !CONTAINED.get() {
                before(panic);
            }
        }));
    });
    let outer = CONTAINED.replace(true);
    let out = catch_unwind(AssertUnwindSafe(work));
    CONTAINED.set(outer);
    out.unwrap_or_else(|panic| {
        Err(anyhow!(
            "cannot {what}: internal error {:?}",
            message(&*panic)
        ))
    })
}

/// The same on a separate stack, for recursion as deep as the input is nested.
pub fn contained_deep<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    contained(what, || stacker::grow(STACK, work))
}

fn message(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "an unknown error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_stack_is_large() {
        let error = contained("count", || -> Result<()> { panic!("at {}", 3) }).unwrap_err();
        assert_eq!(error.to_string(), "cannot count: internal error \"at 3\"");
        fn deep(n: usize) -> Result<usize> {
            let room = std::hint::black_box([n; 64]);
            Ok(if n == 0 {
                0
            } else {
                deep(n - 1)? + room[0] / n
            })
        }
        assert_eq!(contained_deep("dig", || deep(20_000)).unwrap(), 20_000);
    }
}
