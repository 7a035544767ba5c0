//! Finds or fetches MLX, compiles MLX C, generates the bindings and links; see `build/mod.rs`.

#[path = "build/mod.rs"]
mod build;

fn main() {
    if let Err(error) = build::run() {
        build::report(&error);
        std::process::exit(1);
    }
}
