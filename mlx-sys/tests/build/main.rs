//! Runs the build script itself, as cargo does, in environments that lack something or have it elsewhere.

mod cache;
mod failures;
mod harness;
mod macos;
mod sources;
