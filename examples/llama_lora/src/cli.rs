//! The command line. Flags carry mlx-lm's names; a YAML file given with `--config` may hold the same ones.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::settings::{GradCheckpoint, Optimizer};

/// Fine-tunes language models with LoRA through MLX.
///
/// Without a command it shows what it does: fetches a small real model, trains it on the data set that comes with
/// the program, and measures it before and after.
#[derive(Debug, Parser)]
#[command(name = "llama_lora", version, max_term_width = 100)]
pub struct Cli {
    /// What to do; nothing runs the demonstration.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a LoRA adapter
    #[command(args_override_self = true)]
    Train(Box<TrainArgs>),
    /// Measure held-out loss and exact match
    #[command(args_override_self = true)]
    Eval(EvalArgs),
    /// Write text
    #[command(args_override_self = true)]
    Generate(GenerateArgs),
    /// Write down the names, shapes and dtypes of a model, for `#[mlx_model(digest = "FILE")]`
    #[command(args_override_self = true)]
    Digest(DigestArgs),
    /// Show a model: layers, graphs, what passes fused, memory kept in training, C calls with their lines
    #[command(args_override_self = true)]
    Explain(ExplainArgs),
}

/// Flags of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// A Hugging Face folder, a .gguf file, or smollm2-135m-instruct (fetched once)
    pub model: String,
    /// Write a page, that needs nothing else, instead of text
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Rows in a batch
    #[arg(long, default_value_t = 4)]
    pub batch_size: i64,
    /// Tokens in a row
    #[arg(long, default_value_t = 512)]
    pub tokens: i64,
    /// Rank of the adapter; 0 for none
    #[arg(long, default_value_t = 8)]
    pub lora_rank: i32,
    /// Matrices to adapt, such as self_attn.q_proj,self_attn.v_proj [default: every matrix of a layer]
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    pub lora_keys: Option<Vec<String>>,
    /// Recompute activations: auto, never, always, or N for every N layers [default: what the model declares]
    #[arg(long, value_name = "POLICY")]
    pub grad_checkpoint: Option<GradCheckpoint>,
    /// Memory that MLX may use, such as 8GB
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
}

/// Flags of `digest`.
#[derive(Args, Clone, Debug)]
pub struct DigestArgs {
    /// A Hugging Face folder, a .gguf file, or smollm2-135m-instruct (fetched once)
    pub model: String,
    /// File to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// How matrices are packed at load, under mlx-lm's names.
#[derive(Args, Clone, Debug, Default)]
pub struct PackArgs {
    /// Pack the model's matrices while they are read; layers whose width the groups do not divide stay as they are
    #[arg(short, long)]
    pub quantize: bool,
    /// Bits a packed value: 2, 3, 4, 5, 6 or 8; asks for --quantize [default: 4]
    #[arg(long)]
    pub q_bits: Option<i32>,
    /// Values that share a scale: 32, 64 or 128; asks for --quantize [default: 64]
    #[arg(long)]
    pub q_group_size: Option<i32>,
}

/// Flags of `train`. What is left out comes from the `--config` file, then from mlx-lm's defaults.
#[derive(Args, Clone, Debug, Default)]
pub struct TrainArgs {
    /// YAML file with any of these settings; the command line wins over it
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A Hugging Face folder, a .gguf file, or smollm2-135m-instruct (fetched once) [default: smollm2-135m-instruct]
    #[arg(long)]
    pub model: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
    /// Folder with train.jsonl, valid.jsonl and test.jsonl, or fetch-language (comes with the program) [default: fetch-language]
    #[arg(long)]
    pub data: Option<String>,
    /// Steps to train [default: 1000]
    #[arg(long)]
    pub iters: Option<u64>,
    /// Rows in a batch [default: 4]
    #[arg(long)]
    pub batch_size: Option<usize>,
    /// Layers to adapt, counted from the last; -1 for all [default: 16, or all if the model has fewer]
    #[arg(long, allow_negative_numbers = true)]
    pub num_layers: Option<i32>,
    /// Learning rate [default: 1e-5]
    #[arg(long)]
    pub learning_rate: Option<f64>,
    /// adam or adamw [default: adam]
    #[arg(long)]
    pub optimizer: Option<Optimizer>,
    /// Rank of the adapter [default: 8]
    #[arg(long)]
    pub lora_rank: Option<i32>,
    /// Factor of the adapter's output [default: 20]
    #[arg(long)]
    pub lora_scale: Option<f64>,
    /// Chance to drop an input of the adapter while training; only 0 is supported [default: 0]
    #[arg(long, hide = true)]
    pub lora_dropout: Option<f64>,
    /// Matrices to adapt, such as self_attn.q_proj,self_attn.v_proj [default: every matrix of a layer]
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    pub lora_keys: Option<Vec<String>>,
    /// Recompute activations to save memory: auto, never, always, or N for every N layers [default: auto; alone: always]
    #[arg(long, value_name = "POLICY", num_args = 0..=1, default_missing_value = "always")]
    pub grad_checkpoint: Option<GradCheckpoint>,
    /// Longest row, in tokens [default: 2048]
    #[arg(long)]
    pub max_seq_length: Option<usize>,
    /// Cut rows that are longer instead of refusing them
    #[arg(long)]
    pub truncate: bool,
    /// Folder of the adapter, its state, metrics and curve [default: adapters]
    #[arg(long)]
    pub adapter_path: Option<PathBuf>,
    /// Start from this adapter's weights (not its optimiser; see --resume)
    #[arg(long)]
    pub resume_adapter_file: Option<PathBuf>,
    /// Seed of everything random [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Steps between reports [default: 10]
    #[arg(long)]
    pub steps_per_report: Option<u64>,
    /// Steps between evaluations on the valid split [default: 200]
    #[arg(long)]
    pub steps_per_eval: Option<u64>,
    /// Batches of an evaluation; -1 for all [default: 25]
    #[arg(long, allow_negative_numbers = true)]
    pub val_batches: Option<i64>,
    /// Steps between saves [default: 100]
    #[arg(long)]
    pub save_every: Option<u64>,
    /// Go on exactly where the run in --adapter-path stopped
    #[arg(long)]
    pub resume: bool,
    /// Memory that MLX may use, such as 8GB
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,
    /// Learn the answers only, not the prompts
    #[arg(long)]
    pub mask_prompt: bool,
    /// Measure loss and exact match on the test split at the end
    #[arg(long)]
    pub test: bool,
    /// Follow mlx-lm to the letter: its order of batches, its padding, its Adam without bias correction
    #[arg(long)]
    pub compat: bool,
}

/// Flags of `eval`.
#[derive(Args, Clone, Debug)]
pub struct EvalArgs {
    /// Model [default: the adapter's, else smollm2-135m-instruct]
    #[arg(long)]
    pub model: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
    /// Folder of the data [default: fetch-language]
    #[arg(long)]
    pub data: Option<String>,
    /// Adapter to measure; without it, the bare model
    #[arg(long)]
    pub adapter_path: Option<PathBuf>,
    /// Split to measure
    #[arg(long, default_value = "test")]
    pub split: String,
    /// Rows in a batch
    #[arg(long, default_value_t = 8)]
    pub batch_size: usize,
    /// Longest row, in tokens
    #[arg(long, default_value_t = 2048)]
    pub max_seq_length: usize,
    /// Cut rows that are longer instead of refusing them
    #[arg(long)]
    pub truncate: bool,
    /// Count the loss of the answers only
    #[arg(long)]
    pub mask_prompt: bool,
    /// Memory that MLX may use, such as 8GB
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,
}

/// Flags of `generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// Model [default: the adapter's, else smollm2-135m-instruct]
    #[arg(long)]
    pub model: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
    /// Adapter to use
    #[arg(long)]
    pub adapter_path: Option<PathBuf>,
    /// The question; - reads standard input
    #[arg(short, long)]
    pub prompt: String,
    /// Text that sets the scene
    #[arg(long)]
    pub system_prompt: Option<String>,
    /// Continue the prompt as it stands, without the chat template
    #[arg(long)]
    pub ignore_chat_template: bool,
    /// Most tokens to write
    #[arg(short, long, default_value_t = 256)]
    pub max_tokens: usize,
    /// 0 takes the likeliest token every time; higher is more varied
    #[arg(
        long,
        visible_alias = "temperature",
        default_value_t = 0.0,
        allow_negative_numbers = true
    )]
    pub temp: f32,
    /// Draw from the likeliest tokens that make up this probability
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f32,
    /// Seed of the draw
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Memory that MLX may use, such as 8GB
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,
}
