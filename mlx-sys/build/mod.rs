//! The build script, one step a module.
//!
//! `config` reads the environment, `locate` finds or fetches MLX, `mlxc` compiles MLX C against it, `bindings` runs
//! bindgen, `link` tells cargo. Everything that is fetched or compiled goes through `cache`.
//!
//! Tests: `tests/build`.

mod bindings;
mod cache;
mod config;
mod error;
mod fetch;
mod link;
mod locate;
mod mlxc;
mod pins;
mod pins_cuda;
mod source;
mod stub;
mod system;

pub use error::{report, Result};

/// Runs the whole build.
pub fn run() -> Result<()> {
    link::rerun_lines();
    if config::flag("DOCS_RS") {
        return bindings::pinned();
    }
    let config = config::Config::from_env()?;
    let cache = cache::Cache::open(&config)?;
    let mlx = locate::locate(&config, &cache)?;
    bindings::generate(&config, &cache, &mlx)?;
    let library = mlxc::build(&config, &cache, &mlx)?;
    link::link(&config, &cache, &mlx, &library);
    Ok(())
}
