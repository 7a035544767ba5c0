//! The command `synth`.
//!
//! Tests: `tests/synth.rs`.

use std::time::Instant;

use anyhow::Result;
use mlx_models::{CausalLm, Visitor};
use mlx_runtime::memory;

use super::{write, Recipe};
use crate::cli::SynthArgs;
use crate::output;
use crate::session::{Loading, Session};
use crate::settings::{parse_size, Packing};

/// Makes the model that the flags describe.
pub fn run(args: &SynthArgs) -> Result<()> {
    let recipe = Recipe::new(&args.config, args.seed, args.dtype)?;
    let packing = Packing::of(&args.packing)?;
    let gb = |bytes: usize| bytes as f64 / 1e9;
    let started = Instant::now();
    memory::reset_peak()?;
    match &args.out {
        Some(folder) => {
            let shard = usize::try_from(parse_size(&args.shard_size)?)?;
            let written = write(&recipe, folder, packing, shard)?;
            output::result(format!(
                "wrote {}: {} tensors, {:.2} GB in {} files; {:.1} s, at most {:.2} GB in memory\n",
                folder.display(),
                written.tensors,
                gb(written.bytes),
                written.shards,
                started.elapsed().as_secs_f64(),
                gb(memory::peak()?)
            ))
        }
        None => {
            let loading = Loading {
                packing,
                dtype: Some(recipe.dtype()),
                ..Loading::default()
            };
            let family = recipe.config.family;
            let (bytes, tensors) = mlx_models::dispatch(family, Make(recipe, args, loading))?;
            output::result(format!(
                "made {}: {tensors} tensors, {:.2} GB; {:.1} s, at most {:.2} GB in memory\n",
                args.config,
                gb(bytes),
                started.elapsed().as_secs_f64(),
                gb(memory::peak()?)
            ))
        }
    }
}

struct Make<'a>(Recipe, &'a SynthArgs, Loading);

impl Visitor for Make<'_> {
    type Output = Result<(usize, usize)>;

    fn visit<M: CausalLm>(self) -> Self::Output {
        let Make(recipe, args, loading) = self;
        let session = Session::<M>::load_as(recipe.open()?, &args.config, loading)?;
        let all = session.model.parameters();
        Ok((all.iter().map(|(_, a)| a.nbytes()).sum(), all.len()))
    }
}
