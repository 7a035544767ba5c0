//! The same numbers as mlx-lm's, from the same weights. The references are in `data`; the Python scripts beside it
//! wrote them.

#![allow(missing_docs)]

mod adapter;
mod device;
mod dump;
mod formula;
#[path = "../levels.rs"]
mod levels;
mod smol;
mod tiny;

#[test]
fn the_numbers_on_every_level() {
    levels::again(&["tiny::", "adapter::"], 9);
    let smol = ["logits_and_perplexity", "ten_steps"];
    levels::again(&smol, 3);
}
