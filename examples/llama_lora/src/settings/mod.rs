//! Settings of a training run: the command line overrides a YAML file, which overrides mlx-lm's defaults.
//!
//! Tests: `tests.rs` beside it.

pub mod bounds;
mod file;
mod lora;
mod of_run;
mod optimizer;
mod paths;
mod values;

use std::path::PathBuf;

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::optim::{Optimizer as Optimizes, Parts};
use mlx_runtime::runtime::Limit;
use serde::{Deserialize, Serialize};

use crate::cli::{PackArgs, TrainArgs};
use crate::data::{Data, HfDataset};
use crate::output;
use crate::schedule::{Kind, Schedule};
pub use file::FileSettings;
pub use lora::{LoraSettings, Pattern};
pub use of_run::{Measured, OfRun};
pub use optimizer::{
    AdafactorConfig, AdamConfig, AdamwConfig, LionConfig, MuonConfig, Optimizer, OptimizerConfig,
    OptimizerFile, SgdConfig,
};
pub use values::{parse_size, FineTune, GradCheckpoint, Loss, Packing, Reporter};

/// Every setting of a training run, decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the flags in `cli` say what each one is
pub struct Settings {
    pub model: String,
    #[serde(default)]
    pub quantize: Option<Packing>,
    pub data: String,
    /// Data sets in place of `data`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hf_dataset: Vec<HfDataset>,
    #[serde(default)]
    pub fine_tune_type: FineTune,
    pub iters: u64,
    /// Passes over the rows, which decide `iters` once the rows are known.
    #[serde(default)]
    pub epochs: Option<u64>,
    pub batch_size: usize,
    pub num_layers: i32,
    pub learning_rate: f64,
    pub lr_schedule: Option<Schedule>,
    pub optimizer: Optimizer,
    pub optimizer_config: OptimizerConfig,
    pub lora: LoraSettings,
    /// The learning rate of `lora_b` over that of all else.
    #[serde(default)]
    pub loraplus_lr_ratio: Option<f64>,
    /// Norms and biases do not decay.
    #[serde(default)]
    pub decay_matrices_only: bool,
    #[serde(default)]
    pub loss: Loss,
    /// Strength of the comparison of two answers; `None` for the default of the loss.
    #[serde(default)]
    pub beta: Option<f64>,
    #[serde(default)]
    pub simpo_gamma: Option<f64>,
    #[serde(default)]
    pub reference_model: Option<String>,
    /// Several rows in each row of a batch.
    #[serde(default)]
    pub packing: bool,
    pub grad_checkpoint: GradCheckpoint,
    pub grad_accumulation_steps: u64,
    pub max_skipped_steps: u32,
    #[serde(default)]
    pub max_grad_norm: Option<f64>,
    #[serde(default)]
    pub max_grad_value: Option<f64>,
    pub max_seq_length: usize,
    #[serde(default = "default_buckets")]
    pub length_buckets: usize,
    pub truncate: bool,
    #[serde(with = "paths::one")]
    pub adapter_path: PathBuf,
    #[serde(default, with = "paths::optional")]
    pub resume_adapter_file: Option<PathBuf>,
    pub seed: u64,
    pub steps_per_report: u64,
    pub steps_per_eval: u64,
    pub val_batches: i64,
    #[serde(default = "all_batches")]
    pub test_batches: i64,
    pub save_every: u64,
    /// Numbered copies of the adapter that stay; -1 for all.
    #[serde(default)]
    pub save_total_limit: i64,
    #[serde(default)]
    pub keep_best: bool,
    /// Evaluations in a row without a better loss that end the run.
    #[serde(default)]
    pub early_stopping: Option<u64>,
    #[serde(default)]
    pub device: Option<String>,
    pub memory_limit: Option<Limit>,
    #[serde(default)]
    pub metrics_port: Option<u16>,
    /// Programs that the reports are written for, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub report_to: Vec<Reporter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_name: Option<String>,
    /// Say what takes the memory; not part of a run.
    #[serde(skip)]
    pub verbose: bool,
    pub mask_prompt: bool,
    pub test: bool,
    pub compat: bool,
}

/// The name of the model that is fetched automatically.
pub const DEFAULT_MODEL: &str = "smollm2-135m-instruct";
/// The name of the data set inside the program.
pub const DEFAULT_DATA: &str = "fetch-language";

/// The default for the largest number of batch widths.
pub const DEFAULT_BUCKETS: usize = 16;

fn default_buckets() -> usize {
    DEFAULT_BUCKETS
}

fn all_batches() -> i64 {
    -1
}

/// Stands for mlx-lm's default number of layers: 16, or all of a model that has fewer.
const DEFAULT_LAYERS: i32 = 0;

impl Default for Settings {
    /// mlx-lm's defaults, except for settings that exist only here.
    fn default() -> Self {
        Settings {
            model: DEFAULT_MODEL.into(),
            quantize: None,
            data: DEFAULT_DATA.into(),
            hf_dataset: Vec::new(),
            fine_tune_type: FineTune::Lora,
            iters: 1000,
            epochs: None,
            batch_size: 4,
            num_layers: DEFAULT_LAYERS,
            learning_rate: 1e-5,
            lr_schedule: None,
            optimizer: Optimizer::Adam,
            optimizer_config: OptimizerConfig::of(Optimizer::Adam, false),
            lora: LoraSettings::default(),
            loraplus_lr_ratio: None,
            decay_matrices_only: false,
            loss: Loss::Sft,
            beta: None,
            simpo_gamma: None,
            reference_model: None,
            packing: false,
            grad_checkpoint: GradCheckpoint::Auto,
            grad_accumulation_steps: 1,
            max_skipped_steps: 10,
            max_grad_norm: None,
            max_grad_value: None,
            max_seq_length: 2048,
            length_buckets: DEFAULT_BUCKETS,
            truncate: false,
            adapter_path: "adapters".into(),
            resume_adapter_file: None,
            seed: 0,
            steps_per_report: 10,
            steps_per_eval: 200,
            val_batches: 25,
            test_batches: all_batches(),
            save_every: 100,
            save_total_limit: 0,
            keep_best: false,
            early_stopping: None,
            device: None,
            memory_limit: None,
            metrics_port: None,
            report_to: Vec::new(),
            project_name: None,
            verbose: false,
            mask_prompt: false,
            test: false,
            compat: false,
        }
    }
}

impl Settings {
    /// Merges `args` over their YAML file over the defaults, and checks everything that needs no model.
    pub fn resolve(args: &TrainArgs) -> Result<Settings> {
        let file = FileSettings::of(args)?;
        let mut base = Settings::default();
        base.optimizer = pick(&args.optimizer, file.optimizer, base.optimizer);
        let compat = args.compat || file.compat == Some(true);
        base.optimizer_config = OptimizerConfig::of(base.optimizer, compat);
        Self::merge(args, file, base)
    }

    /// The settings of a resumed run: the `saved` ones, except for those that may change between runs.
    pub fn resumed(args: &TrainArgs, saved: Settings) -> Result<Settings> {
        let mut new = Self::merge(args, FileSettings::of(args)?, saved.clone())?;
        // The end of a name stands for the name, which the saved run has whole.
        new.lora.keys = saved.lora.keys_of(new.lora.keys);
        // Everything that decides the next step must be unchanged.
        macro_rules! same {
            ($($field:ident)*) => {$(
                ensure!(
                    new.$field == saved.$field,
                    "the saved run has another {}: expected {:?}, found {:?}: leave it out to go on, or start over without --resume",
                    stringify!($field), saved.$field, new.$field
                );
            )*};
        }
        same!(quantize batch_size grad_accumulation_steps num_layers learning_rate lr_schedule optimizer optimizer_config lora max_seq_length length_buckets
              truncate seed mask_prompt compat resume_adapter_file fine_tune_type max_grad_norm max_grad_value loraplus_lr_ratio
              decay_matrices_only loss beta simpo_gamma reference_model packing);
        Ok(new)
    }

    fn merge(args: &TrainArgs, file: FileSettings, base: Settings) -> Result<Settings> {
        if file.train == Some(false) {
            bail!(
                "expected train: true, found false: use the eval command to measure without training"
            );
        }
        // 0 stands for the default, so a user must not pass it: mlx-lm takes it for all layers.
        ensure!(
            args.num_layers != Some(0) && file.num_layers != Some(0),
            "--num-layers is 0, expected at least 1, or -1 for all"
        );
        let lora = file.lora_parameters.unwrap_or_default();
        let optimizer = pick(&args.optimizer, file.optimizer, base.optimizer);
        let mut optimizer_config = base.optimizer_config;
        if let Some(all) = &file.optimizer_config {
            optimizer_config = optimizer_config.with_file(all)?;
        }
        let memory_limit = match &args.runtime.memory_limit {
            Some(text) => Some(text.parse().context("--memory-limit")?),
            None => file.memory_limit.or(base.memory_limit),
        };
        if args.learning_rate.is_some()
            && args.warmup_steps.is_none()
            && (file.lr_schedule.is_some() || base.lr_schedule.is_some())
        {
            output::note("--learning-rate has no effect, because lr_schedule decides");
        }
        let lr_schedule = match args.warmup_steps {
            None => file.lr_schedule.or(base.lr_schedule.clone()),
            Some(warmup) => {
                ensure!(
                    file.lr_schedule.is_none(),
                    "--warmup-steps contradicts lr_schedule of the configuration: set its warmup instead"
                );
                let rate = pick(&args.learning_rate, file.learning_rate, base.learning_rate);
                Some(Schedule {
                    name: Kind::Constant,
                    arguments: vec![rate],
                    warmup,
                    warmup_init: 0.0,
                })
            }
        };
        let epochs = args.epochs.or(file.epochs);
        ensure!(
            epochs.is_none() || args.iters.or(file.iters).is_none(),
            "expected --epochs or --iters, found both"
        );
        let device = args.runtime.device.clone();
        let resume_adapter_file = args
            .resume_adapter_file
            .clone()
            .or(file.resume_adapter_file);
        let packing = PackArgs {
            quantize: args.packing.quantize || file.quantize.unwrap_or(false),
            q_bits: args.packing.q_bits.or(file.q_bits),
            q_group_size: args.packing.q_group_size.or(file.q_group_size),
            q_mode: args.packing.q_mode.clone().or(file.q_mode),
        };
        let settings = Settings {
            model: pick(&args.model, file.model, base.model),
            quantize: Packing::of(&packing)?.or(base.quantize),
            hf_dataset: match (file.hf_dataset, &args.data) {
                // A folder on the command line takes the place of the file's data sets.
                (_, Some(_)) => Vec::new(),
                (Some(sets), None) => sets,
                (None, None) => base.hf_dataset,
            },
            data: pick(&args.data, file.data, base.data),
            fine_tune_type: pick(
                &args.fine_tune_type,
                file.fine_tune_type,
                base.fine_tune_type,
            ),
            iters: pick(&args.iters, file.iters, base.iters),
            // A number of steps takes the place of the saved run's passes.
            epochs: epochs.or(base.epochs.filter(|_| args.iters.or(file.iters).is_none())),
            batch_size: pick(&args.batch_size, file.batch_size, base.batch_size),
            num_layers: pick(&args.num_layers, file.num_layers, base.num_layers),
            learning_rate: pick(&args.learning_rate, file.learning_rate, base.learning_rate),
            lr_schedule,
            optimizer,
            optimizer_config,
            lora: LoraSettings::merge(&args.lora, lora, base.lora)?,
            loraplus_lr_ratio: args
                .lora
                .loraplus_lr_ratio
                .or(file.loraplus_lr_ratio)
                .or(base.loraplus_lr_ratio),
            decay_matrices_only: args.decay_matrices_only
                || file.decay_matrices_only.unwrap_or(base.decay_matrices_only),
            loss: pick(&args.objective.loss, file.loss, base.loss),
            beta: args.objective.beta.or(file.beta).or(base.beta),
            simpo_gamma: args
                .objective
                .simpo_gamma
                .or(file.simpo_gamma)
                .or(base.simpo_gamma),
            reference_model: args
                .objective
                .reference_model
                .clone()
                .or(file.reference_model)
                .or(base.reference_model),
            packing: args.objective.packing || file.packing.unwrap_or(base.packing),
            grad_checkpoint: pick(
                &args.grad_checkpoint,
                file.grad_checkpoint,
                base.grad_checkpoint,
            ),
            grad_accumulation_steps: pick(
                &args.grad_accumulation_steps,
                file.grad_accumulation_steps,
                base.grad_accumulation_steps,
            ),
            max_skipped_steps: pick(
                &args.max_skipped_steps,
                file.max_skipped_steps,
                base.max_skipped_steps,
            ),
            max_grad_norm: args
                .max_grad_norm
                .or(file.max_grad_norm)
                .or(base.max_grad_norm),
            max_grad_value: args
                .max_grad_value
                .or(file.max_grad_value)
                .or(base.max_grad_value),
            max_seq_length: pick(
                &args.max_seq_length,
                file.max_seq_length,
                base.max_seq_length,
            ),
            length_buckets: pick(
                &args.length_buckets,
                file.length_buckets,
                base.length_buckets,
            ),
            truncate: args.truncate || file.truncate.unwrap_or(base.truncate),
            adapter_path: pick(&args.adapter_path, file.adapter_path, base.adapter_path),
            resume_adapter_file: resume_adapter_file.or(base.resume_adapter_file),
            seed: pick(&args.seed, file.seed, base.seed),
            steps_per_report: pick(
                &args.steps_per_report,
                file.steps_per_report,
                base.steps_per_report,
            ),
            steps_per_eval: pick(
                &args.steps_per_eval,
                file.steps_per_eval,
                base.steps_per_eval,
            ),
            val_batches: pick(&args.val_batches, file.val_batches, base.val_batches),
            test_batches: pick(&args.test_batches, file.test_batches, base.test_batches),
            save_every: pick(&args.save_every, file.save_every, base.save_every),
            save_total_limit: pick(
                &args.save_total_limit,
                file.save_total_limit,
                base.save_total_limit,
            ),
            keep_best: args.keep_best || file.keep_best.unwrap_or(base.keep_best),
            early_stopping: args
                .early_stopping
                .or(file.early_stopping)
                .or(base.early_stopping),
            device: device.or(file.device).or(base.device),
            memory_limit,
            metrics_port: args
                .metrics_port
                .or(file.metrics_port)
                .or(base.metrics_port),
            report_to: pick(&args.report_to, file.report_to, base.report_to),
            project_name: args
                .project_name
                .clone()
                .or(file.project_name)
                .or(base.project_name),
            verbose: args.verbose,
            mask_prompt: args.mask_prompt || file.mask_prompt.unwrap_or(base.mask_prompt),
            test: args.test || file.test.unwrap_or(base.test),
            compat: args.compat || file.compat.unwrap_or(base.compat),
        };
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        bounds::all(&serde_yaml_ng::to_value(self)?)?;
        self.lora.check()?;
        self.hf_dataset.iter().try_for_each(HfDataset::check)?;
        for (given, flag, only) in [
            (self.simpo_gamma.is_some(), "--simpo-gamma", Loss::Simpo),
            (
                self.reference_model.is_some(),
                "--reference-model",
                Loss::Dpo,
            ),
        ] {
            ensure!(
                !given || self.loss == only,
                "{flag} needs --loss {}, found {}",
                only.name(),
                self.loss.name()
            );
        }
        ensure!(
            self.beta.is_none() || self.loss.compares(),
            "--beta needs --loss dpo, orpo or simpo"
        );
        ensure!(
            !self.compat || !self.packing && !self.loss.compares(),
            "--compat contradicts --packing and --loss: mlx-lm has neither"
        );
        ensure!(
            !self.packing || !self.loss.compares(),
            "--packing contradicts --loss {}: pairs are not packed",
            self.loss.name()
        );
        let adapts = self.fine_tune_type != FineTune::Full;
        ensure!(
            adapts || self.loraplus_lr_ratio.is_none(),
            "--loraplus-lr-ratio needs an adapter, which --fine-tune-type full has not"
        );
        ensure!(
            self.loraplus_lr_ratio.is_none() || !self.optimizer_config.chooses_rates(),
            "--loraplus-lr-ratio contradicts adafactor's own step sizes: set optimizer_config: {{adafactor: {{relative_step: false}}}}"
        );
        ensure!(
            self.test_batches != 0,
            "--test-batches is 0, expected -1 (all) or at least 1; leave --test out to measure nothing"
        );
        ensure!(
            adapts || self.quantize.is_none(),
            "--fine-tune-type full contradicts --quantize: packed matrices cannot be trained"
        );
        ensure!(
            self.early_stopping.is_none() && !self.keep_best || self.val_batches != 0,
            "--val-batches is 0, expected another number, because --keep-best and --early-stopping look at the valid loss"
        );
        if let Some(schedule) = &self.lr_schedule {
            schedule.check()?;
        }
        if self.compat {
            u32::try_from(self.seed).context(
                "expected a --seed below 2^32 because of --compat, which draws as NumPy does",
            )?;
        }
        Ok(())
    }

    /// What the run learns from.
    pub fn data(&self) -> Data {
        Data {
            folder: self.data.clone(),
            sets: self.hf_dataset.clone(),
            seed: self.seed,
        }
    }

    /// The optimiser, with parts of its own for what steps otherwise.
    pub fn build_optimizer(&self) -> Box<dyn Optimizes> {
        let built = |config: &OptimizerConfig| config.build(self.learning_rate);
        let whole = built(&self.optimizer_config);
        if self.loraplus_lr_ratio.is_none() && !self.decay_matrices_only {
            return whole;
        }
        let mut parts = Parts::new(whole);
        if self.decay_matrices_only {
            let kept = built(&self.optimizer_config.without_decay());
            parts = parts.with(|_, shape| shape.len() < 2, kept, 1.0);
        }
        if let Some(ratio) = self.loraplus_lr_ratio {
            let fast = built(&self.optimizer_config);
            parts = parts.with(|name, _| name.ends_with(".lora_b"), fast, ratio as f32);
        }
        Box::new(parts)
    }

    /// Layers to adapt in a model of `total`. An explicit number must fit; the default shrinks to fit.
    pub fn layers_of(&self, total: i32) -> Result<i32> {
        match self.num_layers {
            DEFAULT_LAYERS => Ok(16.min(total)),
            -1 => Ok(total),
            n if n < 0 => bail!("--num-layers is {n}, expected at least 1, or -1 for all"),
            n if n > total => {
                bail!("--num-layers is {n}, expected at most {total}, the layers of the model, or -1 for all")
            }
            n => Ok(n),
        }
    }
}

fn pick<T: Clone>(arg: &Option<T>, file: Option<T>, base: T) -> T {
    arg.clone().or(file).unwrap_or(base)
}

#[cfg(test)]
mod tests;
