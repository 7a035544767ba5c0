//! `explain`: the computation of a model in training, as text and as a page.
//!
//! Tests: `tests/paths.rs`, `tests/interruptions.rs`.

use anyhow::{ensure, Result};
use mlx_models::{CausalLm, Visitor};
use mlx_runtime::explain::{explain, ExplainOptions, Explanation};
use mlx_runtime::model::{add_lora, ParamGroups};
use mlx_runtime::runtime::Limit;
use mlx_runtime::{memory, random, Array};

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
        let reduction = self.args.ranks.map(|n| {
            let trained = session.model.trainable().into_iter().map(|(_, a)| a);
            reduction(&trained.collect::<Vec<_>>(), n, self.args.link)
        });
        let reduction = reduction.transpose()?.unwrap_or_default();
        let mut options = ExplainOptions::of_shape(&[self.args.batch_size, self.args.tokens]);
        options.checkpoint = self.args.grad_checkpoint.map(Into::into);
        let told = explain(&session.model, &options)?;
        if let Some(name) = &self.args.kernel {
            return one_kernel(&told, name);
        }
        match &self.args.html {
            Some(file) => {
                write_atomic(file, told.html().as_bytes())?;
                output::result(reduction)
            }
            None => output::result(format!("{told}{reduction}")),
        }
    }
}

/// The links whose time is shown: GB/s in each direction, and a name.
const LINKS: [(f64, &str); 3] = [
    (300.0, "NVLink"),
    (10.0, "Thunderbolt 5"),
    (1.25, "10 Gb/s Ethernet"),
];

/// The cost of summing the gradients of a step over `n` ranks, which a ring does in two rounds of `n - 1` exchanges.
fn reduction(trained: &[Array], n: usize, link: Option<f64>) -> Result<String> {
    ensure!(n >= 2, "--ranks is {n}, expected at least 2");
    if let Some(link) = link {
        ensure!(
            link > 0.0,
            "--link is {link}, expected a speed in GB/s above 0"
        );
    }
    let groups = ParamGroups::new(trained)?.sizes();
    let bytes: usize = groups
        .iter()
        .map(|(dtype, _, len)| dtype.size() * len)
        .sum();
    let sent = 2.0 * (n - 1) as f64 / n as f64 * bytes as f64;
    let named = LINKS.map(|(speed, name)| (speed, name.to_owned()));
    let links = match link {
        Some(speed) => vec![(speed, "--link".to_owned())],
        None => named.to_vec(),
    };
    let times: Vec<String> = links
        .iter()
        .map(|(speed, name)| format!("{:.2} ms at {speed} GB/s ({name})", sent / speed / 1e6))
        .collect();
    let dtypes: Vec<&str> = groups.iter().map(|(dtype, ..)| dtype.name()).collect();
    Ok(format!(
        "\nreduction over {n} ranks, once a step\n  {:.2} MB of gradients in {} ({}); each rank sends and receives {:.2} MB\n  \
         alone {}; part of it is hidden behind the backward pass\n",
        bytes as f64 / 1e6,
        match groups.len() {
            1 => "1 group".to_owned(),
            n => format!("{n} groups"),
        },
        dtypes.join(", "),
        sent / 1e6,
        times.join(", ")
    ))
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
