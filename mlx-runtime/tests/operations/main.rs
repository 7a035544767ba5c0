//! Every operation in every layout under every transform: a sweep over fixed cases, and a fuzzer.
//!
//! Both draw from one table of operations. An operation's value is compared with its value for contiguous inputs and
//! with the compiled function's, its `vjp` with its `jvp` and with finite differences, its `vmap` and the `vmap` of its
//! gradient with a loop.

mod check;
mod children;
mod failed;
mod fuzz;
mod generate;
mod known;
mod layout;
mod sweep;
mod table;

/// The operations, for as long as the program runs.
fn operations() -> &'static [table::Operation] {
    static ALL: std::sync::OnceLock<Vec<table::Operation>> = std::sync::OnceLock::new();
    ALL.get_or_init(table::all)
}
