//! `explain`: the computation of a model in training, as text and as a page.
//!
//! Tests: `tests/paths.rs`, `tests/interruptions.rs`.

use anyhow::Result;
use mlx_models::{CausalLm, Visitor};
use mlx_runtime::explain::{explain, ExplainOptions, Explanation};
use mlx_runtime::model::add_lora;
use mlx_runtime::runtime::Limit;
use mlx_runtime::{memory, random};

use crate::adapter::lora_config;
use crate::cli::ExplainArgs;
use crate::files::write_atomic;
use crate::output;
use crate::session::{self, Opened};
use crate::settings::{bounds, FineTune, Packing, Settings};

/// Explains the model that the flags name.
pub fn run(args: &ExplainArgs) -> Result<()> {
    bounds::flag("batch_size", args.batch_size)?;
    bounds::flag("tokens", args.tokens)?;
    if args.lora_rank != 0 {
        bounds::lora(args.lora_rank, 1.0)?;
    }
    // Nothing is computed: the limit may be another machine's.
    match args.memory_limit.as_deref().map(str::parse).transpose()? {
        Some(Limit::Bytes(bytes)) => drop(memory::set_limit(bytes)?),
        share => drop(session::set_up(None, share)?.keep()),
    }
    let opened = Opened::new(Some(&args.model), None, Packing::of(&args.packing)?)?;
    mlx_models::dispatch(opened.family(), Explain { opened, args })
}

struct Explain<'a> {
    opened: Opened,
    args: &'a ExplainArgs,
}

impl Visitor for Explain<'_> {
    type Output = Result<()>;

    fn visit<M: CausalLm>(self) -> Result<()> {
        let mut session = self.opened.load::<M>()?;
        let mut lora = Settings::default().lora;
        lora.rank = self.args.lora_rank;
        lora.keys = self.args.lora_keys.clone().unwrap_or_default();
        if lora.rank > 0 {
            let config = lora_config(&session.model, &lora, FineTune::Lora, -1);
            add_lora(&mut session.model, &config, &random::key(0)?)?;
        }
        let mut options = ExplainOptions::of_shape(&[self.args.batch_size, self.args.tokens]);
        options.checkpoint = self.args.grad_checkpoint.map(Into::into);
        let told = explain(&session.model, &options)?;
        if let Some(name) = &self.args.kernel {
            return one_kernel(&told, name);
        }
        match &self.args.html {
            Some(file) => write_atomic(file, told.html().as_bytes()),
            None => output::result(told),
        }
    }
}

/// Prints the kernel of that name.
fn one_kernel(told: &Explanation, name: &str) -> Result<()> {
    let all = told.kernels();
    match all.iter().find(|k| k.name == name) {
        Some(kernel) => output::result(kernel),
        None => {
            let names: Vec<&str> = all.iter().map(|k| k.name.as_str()).collect();
            match names.is_empty() {
                true => anyhow::bail!("no kernel {name:?}: the model has none"),
                false => {
                    anyhow::bail!("no kernel {name:?}; hint: --kernel {}", names.join(", or "))
                }
            }
        }
    }
}
