//! Finds or fetches MLX, compiles MLX C, generates the bindings and links; see `build/mod.rs`.
//!
//! Tests: `tests/build`.

#[path = "build/mod.rs"]
mod build;

fn main() {
    if let Err(error) = build::run() {
        // Cargo fails the build itself then, and prints the message alone: with a bad exit status it
        // would add everything else that this program wrote.
        build::report(&error);
    }
}
