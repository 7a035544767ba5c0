//! Defines the command line. Flags have mlx-lm's names, which a YAML file given with `--config` may use too.
//!
//! Tests: `tests/bad_input.rs`.

mod results;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mlx_runtime::Dtype;

use crate::settings::{FineTune, GradCheckpoint, Loss, Optimizer, Reporter};
pub use results::{AdapterArgs, AdapterCommand, AdapterFormat, FuseArgs};

/// Fine-tunes language models with LoRA through MLX.
///
/// Without a command the demonstration runs: it fetches a small real model, trains it on the data set that comes with
/// the program, and measures it before and after.
#[derive(Debug, Parser)]
#[command(name = "llama_lora", version, max_term_width = 100)]
pub struct Cli {
    /// The command to run. Without one, the demonstration runs.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train a LoRA adapter
    #[command(args_override_self = true, allow_negative_numbers = true)]
    Train(Box<TrainArgs>),
    /// mlx-lm's spelling: with --train as train, with --test alone as eval of the test split
    #[command(args_override_self = true, allow_negative_numbers = true)]
    Lora(Box<TrainArgs>),
    /// Measure held-out loss and exact match
    #[command(args_override_self = true, allow_negative_numbers = true)]
    Eval(EvalArgs),
    /// Write text
    #[command(allow_negative_numbers = true)]
    Generate(Box<GenerateArgs>),
    /// Talk with a model: turn after turn, on a terminal or from a file
    #[command(allow_negative_numbers = true)]
    Chat(Box<ChatArgs>),
    /// Write the model with an adapter merged into it: a Hugging Face folder, and a GGUF file
    #[command(args_override_self = true, allow_negative_numbers = true)]
    Fuse(Box<FuseArgs>),
    /// Show, convert and merge adapters, this program's, mlx-lm's and PEFT's
    Adapter(AdapterArgs),
    /// Measure speed and memory of a training step on random tokens
    #[command(args_override_self = true, allow_negative_numbers = true)]
    Bench(Box<BenchArgs>),
    /// Make a model of random weights, for trying out and measuring
    #[command(args_override_self = true, allow_negative_numbers = true)]
    Synth(SynthArgs),
    /// Write down the names, shapes and dtypes of a model, for `#[mlx_model(digest = "FILE")]`
    #[command(args_override_self = true, allow_negative_numbers = true)]
    Digest(DigestArgs),
    /// Draw the losses of runs, side by side
    Plot(PlotArgs),
    /// Show a model: layers, graphs, fused operations, memory kept in training, C calls with their lines
    #[command(args_override_self = true, allow_negative_numbers = true)]
    Explain(ExplainArgs),
}

/// Flags of every command that computes.
#[derive(Args, Clone, Debug, Default)]
pub struct RuntimeArgs {
    /// cpu, gpu, or one of several such as gpu:1 [default: MLX_DEVICE; else the first GPU, or the CPU]
    #[arg(long)]
    pub device: Option<String>,
    /// Memory that MLX may use: 24GB, bytes, or a share such as 0.8 or 80% [default: from the machine]
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,
}

/// Flags of `plot`.
#[derive(Args, Clone, Debug)]
pub struct PlotArgs {
    /// Folders of runs, as --adapter-path named them
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// The page to write, or a picture if it ends with .svg
    #[arg(short, long, value_name = "FILE", default_value = "losses.html")]
    pub out: PathBuf,
}

/// Flags of `explain`.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// A Hugging Face folder, a .gguf file, or smollm2-135m-instruct (fetched once)
    pub model: String,
    /// Write a page, that needs nothing else, instead of text
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print the text of this kernel for the CPU, CUDA and Metal, instead of the whole
    #[arg(long, value_name = "NAME", conflicts_with = "html")]
    pub kernel: Option<String>,
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
    /// Recompute activations: auto, never, always, or N for every N layers [default: the model's policy]
    #[arg(long, value_name = "POLICY")]
    pub grad_checkpoint: Option<GradCheckpoint>,
    /// Memory that MLX may use, that is planned for: 24GB, bytes, or a share such as 0.8
    #[arg(long, value_name = "SIZE")]
    pub memory_limit: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
}

/// Flags of `bench`. The defaults are mlx-lm's for LoRA on the attention of all layers.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// A model as train takes it; synth:llama-3.1-8b makes one of random weights in memory
    #[arg(long)]
    pub model: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
    /// The dtype of the computation: float32, bfloat16 or float16 [default: float32 on a CPU, the checkpoint's own on a
    /// GPU]
    #[arg(long)]
    pub dtype: Option<Dtype>,
    /// Rows in a batch
    #[arg(long, default_value_t = 4)]
    pub batch_size: usize,
    /// Tokens in a row
    #[arg(long, default_value_t = 512)]
    pub tokens: usize,
    /// Recompute activations: auto, never, always, or N for every N layers
    #[arg(long, value_name = "POLICY", default_value = "auto")]
    pub grad_checkpoint: GradCheckpoint,
    /// Steps to time
    #[arg(long, default_value_t = 10)]
    pub steps: usize,
    /// Steps before those
    #[arg(long, default_value_t = 3)]
    pub warmup: usize,
    /// Prepare a step while the one before runs, as train does
    #[arg(long, value_name = "WHETHER", default_value = "on")]
    pub pipeline: Switch,
    /// Learning rate
    #[arg(long, default_value_t = 1e-5)]
    pub learning_rate: f32,
    /// Tensors to train: lora, dora, or full, every tensor of the layers
    #[arg(long, value_name = "KIND", default_value = "lora")]
    pub fine_tune_type: FineTune,
    /// Rank of the adapter
    #[arg(long, default_value_t = 8)]
    pub lora_rank: usize,
    /// Factor of the adapter's output
    #[arg(long, default_value_t = 20.0)]
    pub lora_scale: f32,
    /// Matrices to adapt [default: self_attn.q_proj, k_proj, v_proj, o_proj]
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    pub lora_keys: Option<Vec<String>>,
    /// Layers to adapt, counted from the last; -1 for all
    #[arg(long, default_value_t = -1)]
    pub num_layers: i32,
    /// Seed of adapter and batch; the weights' own is in the model's name
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub runtime: RuntimeArgs,
    /// The device's memory bandwidth in GB/s, for the floor [default: known for some devices]
    #[arg(long)]
    pub bandwidth: Option<f64>,
    /// The device's throughput of matmuls in TFLOP/s, for the floor [default: known for some devices]
    #[arg(long)]
    pub tflops: Option<f64>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)] // the names say it
pub enum Switch {
    On,
    Off,
}

/// Flags of `synth`.
#[derive(Args, Clone, Debug)]
pub struct SynthArgs {
    /// A published model's sizes, such as llama-3.1-8b or qwen3-8b (folder configs/), or a config.json
    #[arg(long)]
    pub config: String,
    /// New folder to write
    #[arg(
        short,
        long,
        value_name = "FOLDER",
        required_unless_present = "in_memory"
    )]
    pub out: Option<PathBuf>,
    /// Make it in memory only, as --model synth:CONFIG does, and report time and memory
    #[arg(long, conflicts_with = "out")]
    pub in_memory: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
    /// Seed of the weights
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// The dtype that the weights are drawn in: bfloat16, float16 or float32 [default: bfloat16]
    #[arg(long)]
    pub dtype: Option<Dtype>,
    /// Size of a file of weights
    #[arg(long, value_name = "SIZE", default_value = "2GB")]
    pub shard_size: String,
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

/// Flags for packing matrices at load, under mlx-lm's names.
#[derive(Args, Clone, Debug, Default)]
pub struct PackArgs {
    /// Pack the model's matrices while they are read; layers with a width that the groups do not divide stay as they
    /// are
    #[arg(short, long)]
    pub quantize: bool,
    /// Bits a packed value: 2, 3, 4, 5, 6 or 8; implies --quantize; 16 does not pack [default: 4]
    #[arg(long, visible_alias = "bits")]
    pub q_bits: Option<i32>,
    /// Values that share a scale: 32, 64 or 128; implies --quantize [default: 64]
    #[arg(long, visible_alias = "group-size")]
    pub q_group_size: Option<i32>,
    /// affine, mxfp4, mxfp8 or nvfp4 (the last three fix bits and group size); implies --quantize [default: affine]
    #[arg(long)]
    pub q_mode: Option<String>,
}

/// Flags of `train` that say what an adapter is.
#[derive(Args, Clone, Debug, Default)]
pub struct LoraArgs {
    /// Rank of the adapter [default: 8]
    #[arg(long)]
    pub lora_rank: Option<i32>,
    /// Factor of the adapter's output [default: 20]
    #[arg(long)]
    pub lora_scale: Option<f64>,
    /// In place of --lora-scale: alpha, of which the scale is alpha / rank
    #[arg(long, value_name = "ALPHA")]
    pub lora_alpha: Option<f64>,
    /// The scale is --lora-alpha / sqrt(rank): rsLoRA
    #[arg(long)]
    pub rslora: bool,
    /// Chance to drop an input of the adapter while training [default: 0]
    #[arg(long)]
    pub lora_dropout: Option<f64>,
    /// Matrices to adapt, such as self_attn.q_proj,lm_head,embed_tokens [default: every matrix of a layer]
    #[arg(long, value_delimiter = ',', num_args = 1..)]
    pub lora_keys: Option<Vec<String>>,
    /// Other ranks for some matrices, such as self_attn.q_proj=16,layers.0.mlp.up_proj=4
    #[arg(long, value_name = "KEY=RANK", value_delimiter = ',', num_args = 1..)]
    pub lora_rank_pattern: Option<Vec<String>>,
    /// Other scales for some matrices
    #[arg(long, value_name = "KEY=SCALE", value_delimiter = ',', num_args = 1..)]
    pub lora_scale_pattern: Option<Vec<String>>,
    /// The learning rate of lora_b over that of all else: LoRA+
    #[arg(long, value_name = "RATIO")]
    pub loraplus_lr_ratio: Option<f64>,
}

/// Flags of `train` that say what is minimised.
#[derive(Args, Clone, Debug, Default)]
pub struct LossArgs {
    /// sft, the targets' likelihood; or dpo, orpo or simpo, which compare a chosen with a rejected answer [default: sft]
    #[arg(long)]
    pub loss: Option<Loss>,
    /// Strength of the comparison [default: 0.1; simpo: 2]
    #[arg(long)]
    pub beta: Option<f64>,
    /// The margin that simpo wants, as TRL has it: before --beta is applied, --simpo-gamma / --beta [default: 0.5]
    #[arg(long)]
    pub simpo_gamma: Option<f64>,
    /// The model that dpo compares with [default: the model as it is before training]
    #[arg(long, value_name = "MODEL")]
    pub reference_model: Option<String>,
    /// Put several rows into each row of a batch, up to --max-seq-length, each seeing itself alone
    #[arg(long)]
    pub packing: bool,
}

/// Flags of `train`. A flag that is not given comes from the `--config` file, then from mlx-lm's defaults.
#[derive(Args, Clone, Debug, Default)]
pub struct TrainArgs {
    /// YAML file with any of these settings; the command line overrides it
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A Hugging Face folder or a name of its hub (ORG/NAME), a .gguf file, smollm2-135m-instruct, or synth:CONFIG (random weights) [default: smollm2-135m-instruct]
    #[arg(long)]
    pub model: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
    /// Folder with train.jsonl, valid.jsonl and test.jsonl, or fetch-language (comes with the program) [default: fetch-language]
    #[arg(long)]
    pub data: Option<String>,
    /// Tensors to train: lora, an adapter; dora, one with norms of its own; or full, every tensor of the last layers
    /// [default: lora]
    #[arg(long, value_name = "KIND")]
    pub fine_tune_type: Option<FineTune>,
    /// Passes over the training rows, in place of --iters
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Batches to train on, each one step of the optimiser unless gradients accumulate [default: 1000]
    #[arg(long)]
    pub iters: Option<u64>,
    /// Rows in a batch [default: 4]
    #[arg(long)]
    pub batch_size: Option<usize>,
    /// Layers to adapt, counted from the last; -1 for all [default: 16, or all if the model has fewer]
    #[arg(long)]
    pub num_layers: Option<i32>,
    /// Learning rate [default: 1e-5]
    #[arg(long)]
    pub learning_rate: Option<f64>,
    /// adam, adamw, sgd, adafactor (which chooses its own step sizes unless the file says relative_step: false),
    /// lion or muon; their numbers are optimizer_config in the file [default: adam]
    #[arg(long)]
    pub optimizer: Option<Optimizer>,
    /// Batches to accumulate gradients over for one step of the optimiser, weighted by targets [default: 1]
    #[arg(long, value_name = "N")]
    pub grad_accumulation_steps: Option<u64>,
    /// Weight decay for matrices alone: not for norms and biases
    #[arg(long)]
    pub decay_matrices_only: bool,
    /// Scale gradients down so that the norm of all together is at most this
    #[arg(long, value_name = "NORM")]
    pub max_grad_norm: Option<f64>,
    /// Cut elements of gradients at this size
    #[arg(long, value_name = "BOUND")]
    pub max_grad_value: Option<f64>,
    /// Steps over which the learning rate rises from 0; schedules of the file have a warm-up of their own
    #[arg(long, value_name = "N")]
    pub warmup_steps: Option<u64>,
    /// Steps in a row that may be left out because their loss or gradient is NaN or infinite [default: 10]
    #[arg(long, value_name = "N")]
    pub max_skipped_steps: Option<u32>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub lora: LoraArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub objective: LossArgs,
    /// Recompute activations to save memory: auto, never, always, or N for every N layers [default: auto; alone: always]
    #[arg(long, value_name = "POLICY", num_args = 0..=1, default_missing_value = "always")]
    pub grad_checkpoint: Option<GradCheckpoint>,
    /// Longest row, in tokens [default: 2048]
    #[arg(long)]
    pub max_seq_length: Option<usize>,
    /// Most different widths that rows are padded to [default: 16]
    #[arg(long, value_name = "N")]
    pub length_buckets: Option<usize>,
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
    #[arg(long)]
    pub val_batches: Option<i64>,
    /// Batches of the test split that --test measures; -1 for all [default: -1]
    #[arg(long, value_name = "N")]
    pub test_batches: Option<i64>,
    /// Steps between saves [default: 100]
    #[arg(long)]
    pub save_every: Option<u64>,
    /// Numbered copies of the adapter to keep, one for each save; -1 for all [default: 0]
    #[arg(long, value_name = "N")]
    pub save_total_limit: Option<i64>,
    /// Keep the adapter with the lowest valid loss in the folder best of --adapter-path
    #[arg(long)]
    pub keep_best: bool,
    /// End after this many evaluations in a row without a lower valid loss
    #[arg(long, value_name = "N")]
    pub early_stopping: Option<u64>,
    /// Continue exactly at the point at which the run in --adapter-path stopped
    #[arg(long)]
    pub resume: bool,
    /// Start over in a folder that holds an adapter, which is replaced
    #[arg(long, conflicts_with = "resume")]
    pub overwrite: bool,
    /// Say what takes the memory of a step
    #[arg(short, long)]
    pub verbose: bool,
    /// Write reports besides: tensorboard; wandb and swanlab take the same files
    #[arg(long, value_name = "WHERE", value_delimiter = ',', num_args = 1..)]
    pub report_to: Option<Vec<Reporter>>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub runtime: RuntimeArgs,
    /// Serve metrics for Prometheus on this port of 127.0.0.1; 0 takes any that is free
    #[arg(long, value_name = "PORT")]
    pub metrics_port: Option<u16>,
    /// Learn the answers only, not the prompts
    #[arg(long)]
    pub mask_prompt: bool,
    /// Measure loss and exact match on the test split at the end
    #[arg(long)]
    pub test: bool,
    /// Follow mlx-lm exactly: its order of batches, its padding, its Adam without bias correction
    #[arg(long)]
    pub compat: bool,
    /// mlx-lm's flag; `train` trains anyway
    #[arg(long = "train", hide = true)]
    pub do_train: bool,
    /// mlx-lm's flag; has no effect
    #[arg(long, hide = true)]
    pub project_name: Option<String>,
    /// mlx-lm's flag; has no effect
    #[arg(long, hide = true)]
    pub clear_cache_threshold: Option<String>,
    /// mlx-lm's flag; has no effect
    #[arg(long, hide = true)]
    pub trust_remote_code: bool,
}

/// Flags of the commands that use a trained model: `eval`, `generate` and `chat`.
#[derive(Args, Clone, Debug, Default)]
pub struct UsedArgs {
    /// Model [default: the adapter's, else smollm2-135m-instruct]
    #[arg(long)]
    pub model: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
    /// Adapter to use; without it, the bare model
    #[arg(long)]
    pub adapter_path: Option<PathBuf>,
}

/// Flags of `eval`.
#[derive(Args, Clone, Debug)]
pub struct EvalArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub used: UsedArgs,
    /// Folder of the data [default: the adapter's; without one, fetch-language]
    #[arg(long)]
    pub data: Option<String>,
    /// Split to measure
    #[arg(long, default_value = "test")]
    pub split: String,
    /// Rows in a batch
    #[arg(long, default_value_t = 8)]
    pub batch_size: usize,
    /// Longest row, in tokens [default: the adapter's, else 2048]
    #[arg(long)]
    pub max_seq_length: Option<usize>,
    /// Cut rows that are longer instead of refusing them [default: the adapter's, else false]
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub truncate: Option<bool>,
    /// Count the loss of the answers only [default: the adapter's, else false]
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub mask_prompt: Option<bool>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub runtime: RuntimeArgs,
}

/// Flags of `generate` and `chat` that say how an answer is written.
#[derive(Args, Clone, Debug)]
pub struct WritingArgs {
    /// Most tokens to write
    #[arg(short, long, default_value_t = 256)]
    pub max_tokens: usize,
    /// 0 takes the likeliest token every time; higher is more varied
    #[arg(long, visible_alias = "temperature", default_value_t = 0.0)]
    pub temp: f32,
    /// Draw from the likeliest tokens that make up this probability
    #[arg(long, default_value_t = 1.0)]
    pub top_p: f32,
    /// Draw from tokens with at least this share of the likeliest one's probability
    #[arg(long, default_value_t = 0.0)]
    pub min_p: f32,
    /// Tokens that --min-p keeps in any case
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub min_tokens_to_keep: usize,
    /// Draw from this many of the likeliest tokens; 0 for all
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub top_k: usize,
    /// Make tokens that were there lately less likely; 1 changes nothing
    #[arg(long, default_value_t = 1.0)]
    pub repetition_penalty: f32,
    /// Tokens that the penalty looks back at
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub repetition_context_size: usize,
    /// Text that ends the answer and is not part of it; may be given more than once
    #[arg(long, value_name = "TEXT")]
    pub stop: Vec<String>,
    /// Seed of the draw [default: another one each time]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Tokens that attention looks back at: the first 4 and the last ones [default: all]
    #[arg(long, value_name = "N")]
    pub max_kv_size: Option<i32>,
    /// Tokens of the prompt that are read at a time
    #[arg(long, value_name = "N", default_value_t = crate::generate::PREFILL_STEP)]
    pub prefill_step_size: usize,
    /// More names for the chat template as JSON, such as '{"enable_thinking": false}'
    #[arg(long, value_name = "JSON")]
    pub chat_template_config: Option<String>,
    /// mlx-lm's flag; has no effect
    #[arg(long, hide = true)]
    pub trust_remote_code: bool,
}

/// Flags of `chat`.
#[derive(Args, Clone, Debug)]
pub struct ChatArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub used: UsedArgs,
    /// Text that sets the scene
    #[arg(long)]
    pub system_prompt: Option<String>,
    /// Begin with the conversation that /save wrote
    #[arg(long, value_name = "FILE")]
    pub load: Option<PathBuf>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub writing: WritingArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub runtime: RuntimeArgs,
}

/// Flags of `generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub used: UsedArgs,
    /// The question; - reads standard input
    #[arg(short, long)]
    pub prompt: String,
    /// Text that sets the scene
    #[arg(long)]
    pub system_prompt: Option<String>,
    /// Continue the prompt as it stands, without the chat template [default: true if the adapter learnt {"text"} rows]
    #[arg(long, value_name = "WHETHER", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub ignore_chat_template: Option<bool>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub writing: WritingArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub runtime: RuntimeArgs,
}
