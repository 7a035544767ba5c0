//! The flags of `fuse` and `adapter`.
//!
//! Tests: `tests/fuse.rs`, `tests/adapter_files.rs`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{PackArgs, RuntimeArgs};

/// Flags of `fuse`, under mlx-lm's names.
#[derive(Args, Clone, Debug)]
pub struct FuseArgs {
    /// A Hugging Face folder or a name of its hub (ORG/NAME), a .gguf file, smollm2-135m-instruct or synth:CONFIG [default: the adapter's]
    #[arg(long)]
    pub model: Option<String>,
    /// Folder of the adapter, this program's, mlx-lm's or PEFT's
    #[arg(long, default_value = "adapters")]
    pub adapter_path: PathBuf,
    /// Write the model as it is, to pack it or to turn it into another format
    #[arg(long, conflicts_with = "adapter_path", requires = "model")]
    pub no_adapter: bool,
    /// Folder to write; it appears whole or not at all
    #[arg(long, default_value = "fused_model")]
    pub save_path: PathBuf,
    /// Replace the folder at --save-path
    #[arg(long)]
    pub overwrite: bool,
    /// Unpack packed matrices; without it they are packed again as they were
    #[arg(long)]
    pub dequantize: bool,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub packing: PackArgs,
    /// Also write a GGUF file for llama.cpp
    #[arg(long)]
    pub export_gguf: bool,
    /// Name of the GGUF file, in the folder at --save-path unless the path is absolute
    #[arg(long, value_name = "FILE", default_value = "ggml-model-f16.gguf")]
    pub gguf_path: PathBuf,
    /// Type of the matrices in the GGUF file
    #[arg(long, value_name = "TYPE", default_value = "f16")]
    pub gguf_type: crate::export::Type,
    /// Size of a file of weights
    #[arg(long, value_name = "SIZE", default_value = "5GB")]
    pub shard_size: String,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub runtime: RuntimeArgs,
    /// mlx-lm's flag for uploads; refused
    #[arg(long, hide = true)]
    pub upload_repo: Option<String>,
    /// mlx-lm's flag; has no effect
    #[arg(long, hide = true)]
    pub trust_remote_code: bool,
}

/// Flags of `adapter`.
#[derive(Args, Clone, Debug)]
pub struct AdapterArgs {
    /// Show, convert or merge
    #[command(subcommand)]
    pub command: AdapterCommand,
}

/// The subcommands of `adapter`.
#[derive(Clone, Debug, Subcommand)]
pub enum AdapterCommand {
    /// Show kind, rank, scale, layers, matrices and size
    Info {
        /// Folder of the adapter, or its file of weights
        adapter: PathBuf,
    },
    /// Write an adapter in another format
    Convert {
        /// Folder of the adapter, or its file of weights
        adapter: PathBuf,
        /// Format to write
        #[arg(long, value_name = "FORMAT")]
        to: AdapterFormat,
        /// Folder to write
        #[arg(long, value_name = "FOLDER")]
        save_path: PathBuf,
        /// Replace an adapter in that folder
        #[arg(long)]
        overwrite: bool,
    },
    /// Write one adapter that adds the weighted sum of what others add
    Merge {
        /// Folders of adapters of one model
        #[arg(required = true, num_args = 2..)]
        adapters: Vec<PathBuf>,
        /// A factor for each adapter [default: 1 for each]
        #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
        weights: Option<Vec<f64>>,
        /// Format to write
        #[arg(long, value_name = "FORMAT", default_value = "mlx")]
        to: AdapterFormat,
        /// Folder to write
        #[arg(long, value_name = "FOLDER")]
        save_path: PathBuf,
        /// Replace an adapter in that folder
        #[arg(long)]
        overwrite: bool,
    },
}

/// The format of an adapter's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AdapterFormat {
    /// mlx-lm's, which this program writes: adapters.safetensors
    Mlx,
    /// Hugging Face's PEFT: adapter_model.safetensors
    Peft,
}

impl std::fmt::Display for AdapterFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            AdapterFormat::Mlx => "mlx-lm",
            AdapterFormat::Peft => "PEFT",
        })
    }
}
