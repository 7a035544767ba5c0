//! Fine-tunes language models with LoRA through MLX.
//!
//! The binary is a thin shell over this library: [`cli`] reads the command line, [`settings`] merges it with a YAML
//! file and mlx-lm's defaults, [`checkpoint`] opens a model, [`data`] turns JSONL into batches, [`train`] runs, and
//! [`adapter`] saves the adapter in mlx-lm's format.
//!
//! Every user mistake comes back as one [`anyhow::Error`]; nothing here panics on input.
//!
//! Tests: `tests/runs.rs`.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod adapter;
pub mod adapter_files;
pub mod advice;
pub mod answering;
pub mod ask;
pub mod bench;
pub mod chat;
pub mod checkpoint;
pub mod cli;
pub mod commands;
pub mod data;
pub mod demo;
pub mod eval;
pub mod explain;
pub mod export;
pub mod fetch;
pub mod files;
pub mod finite;
pub mod fuse;
pub mod generate;
pub mod hub;
pub mod mean;
pub mod metrics;
pub mod objective;
pub mod output;
mod peft;
pub mod plot;
pub mod preference;
pub mod progress;
pub mod random;
pub mod ranks;
pub mod reference;
pub mod sample;
pub mod schedule;
pub mod session;
pub mod settings;
pub mod shards;
pub mod synth;
pub mod tensorboard;
pub mod text;
pub mod train;
