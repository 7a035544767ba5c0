//! The state of a recording, which the functions it calls read.
//!
//! MLX differentiates, maps, compiles and exports a function by calling it: through C, with arrays and nothing else. The
//! function is the user's closure, it calls the user's model, and neither takes a context. So the state belongs to the
//! thread, in this file alone. A change is a scope ([`Scope`], [`with_cuts`]) and ends where the scope ends, also by a panic.
//! Functions that the runtime calls itself get their settings as arguments instead, as [`crate::runtime::enforce::Check`] shows.
//!
//! Tests: `tests/transforms.rs`, `tests/select.rs` (no other file keeps such a state).

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

use crate::model::cuts::Stack;
use crate::model::layers::Cuts;
use crate::nn::Segments;

#[derive(Clone, Copy)]
struct Flags {
    /// Operations are composed of MLX's.
    composed: bool,
    /// MLX records a graph for `vmap` or `jvp`.
    vectorising: bool,
    /// MLX records a function for any shape.
    shapeless: bool,
    /// The number of gradients around.
    gradients: u32,
}

const NONE: Flags = Flags {
    composed: false,
    vectorising: false,
    shapeless: false,
    gradients: 0,
};

thread_local! {
    // Apart from the cuts, because a value without a destructor can be read while the thread's other values are dropped.
    static FLAGS: Cell<Flags> = const { Cell::new(NONE) };
    static CUTS: RefCell<Cuts> = const { RefCell::new(Cuts::NONE) };
    static SEGMENTS: RefCell<Option<Segments>> = const { RefCell::new(None) };
}

/// A change of this thread's state, until dropped.
#[must_use]
pub(crate) struct Scope {
    before: Flags,
    /// Puts back what this scope changed, and nothing else, so that scopes of different kinds may end in any order.
    restore: fn(&mut Flags, Flags),
    /// It belongs to the thread.
    thread: PhantomData<*const ()>,
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $ty:ty)?): $flag:ident = |$before:ident| $value:expr;)*) => {
        impl Scope {
            $($(#[$doc])* pub fn $name($($arg: $ty)?) -> Self {
                let before = FLAGS.get();
                let $before = before.$flag;
                FLAGS.set(Flags { $flag: $value, ..before });
                Scope {
                    before,
                    restore: |flags, before| flags.$flag = before.$flag,
                    thread: PhantomData,
                }
            })*
        }
    };
}

scopes! {
    /// Composes every operation of MLX's.
    composed(): composed = |_before| true;
    /// Records one gradient more.
    gradient(): gradients = |before| before + 1;
    /// Records no gradient.
    no_gradient(): gradients = |_before| 0;
    /// Records a `vmap` or `jvp`.
    vectorising(): vectorising = |_before| true;
    /// Records for any shape if `yes`, or if a scope around does.
    shapeless(yes: bool): shapeless = |before| before || yes;
}

impl Drop for Scope {
    fn drop(&mut self) {
        let mut flags = FLAGS.get();
        (self.restore)(&mut flags, self.before);
        FLAGS.set(flags);
    }
}

/// Returns true inside [`Scope::composed`].
pub(crate) fn is_composed() -> bool {
    FLAGS.get().composed
}

/// Returns true inside [`Scope::gradient`], see [`crate::transforms::is_differentiating`].
pub(crate) fn is_differentiating() -> bool {
    FLAGS.get().gradients > 0
}

/// Returns true inside two scopes of [`Scope::gradient`].
pub(crate) fn is_differentiating_twice() -> bool {
    FLAGS.get().gradients > 1
}

/// Returns true inside [`Scope::vectorising`].
pub(crate) fn is_vectorising() -> bool {
    FLAGS.get().vectorising
}

/// Returns true inside [`Scope::shapeless`].
pub(crate) fn is_shapeless() -> bool {
    FLAGS.get().shapeless
}

/// Runs `f` with the layer stacks cut as `cuts` says, and returns the stacks that ran.
pub(crate) fn with_cuts<T>(cuts: Cuts, f: impl FnOnce() -> T) -> (T, Vec<Stack>) {
    struct Restore(Option<Cuts>);
    impl Drop for Restore {
        fn drop(&mut self) {
            if let Some(before) = self.0.take() {
                CUTS.replace(before);
            }
        }
    }
    let mut restore = Restore(Some(CUTS.replace(cuts)));
    let result = f();
    let before = restore.0.take().unwrap_or_default();
    (result, CUTS.replace(before).seen)
}

/// Reads or changes the cuts of the stacks that run now.
pub(crate) fn cuts<T>(f: impl FnOnce(&mut Cuts) -> T) -> T {
    CUTS.with_borrow_mut(f)
}

/// Runs `f` with several texts in each row, or with one.
pub(crate) fn with_segments<T>(segments: Option<Segments>, f: impl FnOnce() -> T) -> T {
    struct Restore(Option<Segments>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SEGMENTS.replace(self.0.take());
        }
    }
    let _restore = Restore(SEGMENTS.replace(segments));
    f()
}

/// The texts in each row, if there are several.
pub(crate) fn segments() -> Option<Segments> {
    SEGMENTS.with_borrow(Clone::clone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_nest_and_end_by_a_panic_as_well() {
        let _outer = Scope::gradient();
        {
            let _inner = (Scope::no_gradient(), Scope::composed());
            assert!(!is_differentiating() && is_composed());
        }
        assert!(is_differentiating() && !is_composed());
        let panicked = std::panic::catch_unwind(|| {
            let _inner = (Scope::vectorising(), Scope::shapeless(true));
            let _same = Scope::shapeless(false);
            assert!(is_vectorising() && is_shapeless());
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(panicked.is_err());
        assert!(!is_vectorising() && !is_shapeless());
    }

    #[test]
    fn cuts_come_back_with_the_stacks_that_ran() {
        let nested = Cuts {
            nested: true,
            ..Cuts::NONE
        };
        let (inside, seen) = with_cuts(nested, || {
            let _ = with_cuts(Cuts::NONE, || cuts(|c| c.depth += 1));
            cuts(|c| (c.nested, c.depth))
        });
        assert_eq!((inside, seen.len()), ((true, 0), 0));
        assert!(!cuts(|c| c.nested));
    }
}
