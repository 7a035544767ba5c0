//! The command `fuse`: writes a model with an adapter merged into it, as a Hugging Face folder and as a GGUF file.
//!
//! Tests: `tests/fuse.rs`, `tests/export.rs`.

mod merge;
mod packing;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::memory;

use crate::cli::FuseArgs;
use crate::export;
use crate::output::{self, note, Quiet};
use crate::progress::Counter;
use crate::session::Opened;
use crate::settings::{parse_size, Packing};
use crate::shards::{put, Shards, Written};
use crate::train::Stop;

pub use merge::Merged;

/// Runs the command.
pub fn run(args: &FuseArgs) -> Result<()> {
    if args.upload_repo.is_some() {
        bail!(
            "unsupported --upload-repo: write the folder, then type\n  hf upload NAME {}",
            args.save_path.display()
        );
    }
    if args.trust_remote_code {
        note("--trust-remote-code has no effect, because no code of a model's folder ever runs");
    }
    let packing = Packing::of(&args.packing)?;
    ensure!(
        packing.is_none() || !args.dequantize,
        "expected --dequantize or --quantize with its --q-.. flags, found both: leave one of them out"
    );
    let shard = usize::try_from(parse_size(&args.shard_size)?)?;
    let gguf = args.export_gguf.then(|| args.gguf_path.clone());
    let target = Target::new(&args.save_path, args.overwrite)?;
    let stop = Stop::on_signals()?;
    let _runtime = args.runtime.set_up()?;
    let started = Instant::now();

    let adapter = match args.no_adapter {
        true => None,
        false => Some(args.adapter_path.as_path()),
    };
    let opened = Opened::new(args.model.as_deref(), adapter, None)?;
    let model = opened.name().to_owned();
    target.differs_from(Path::new(&model))?;
    if let (Some(then), None, false) = (opened.packing(), packing, args.dequantize) {
        let (group, bits) = then.how().group_size_and_bits();
        note(format_args!(
            "the adapter was trained on the model packed to {bits} bits: give --q-bits {bits} --q-group-size {group} to pack the result"
        ));
    }
    let merged = Merged::new(opened, args.dequantize, packing.map(Packing::how))
        .with_context(|| format!("cannot fuse {model}"))?;
    let export = gguf
        .map(|path| -> Result<_> { Ok((path, export::Plan::new(&merged, args.gguf_type)?)) })
        .transpose()?;

    stop.training(true);
    let asked = || match stop.asked() {
        true => Err(Quiet(stop.code()).into()),
        false => Ok(()),
    };
    let written = folder(&merged, &target.unfinished(), shard, &asked)?;
    let mut lines = String::new();
    if let Some((path, plan)) = export {
        // A relative path is one inside the folder, as for mlx-lm.
        let inside = target.unfinished().join(&path);
        let bytes = plan.write(&inside, &asked)?;
        lines = format!(
            "wrote {}: {}, {:.2} GB\n",
            args.save_path.join(&path).display(),
            args.gguf_type,
            bytes as f64 / 1e9
        );
    }
    target.finish()?;
    stop.training(false);
    output::result(format!(
        "wrote {}: {} tensors, {:.2} GB in {} files; {:.1} s, at most {:.2} GB in memory\n{lines}",
        args.save_path.display(),
        written.tensors,
        written.bytes as f64 / 1e9,
        written.shards,
        started.elapsed().as_secs_f64(),
        memory::peak()? as f64 / 1e9
    ))?;
    note(format_args!(
        "try it with\n  llama_lora chat --model {}",
        args.save_path.display()
    ));
    Ok(())
}

/// Writes the Hugging Face folder. `asked` is an error if the user wants to stop.
fn folder(
    merged: &Merged,
    to: &Path,
    shard: usize,
    asked: &dyn Fn() -> Result<()>,
) -> Result<Written> {
    put(to, "config.json", merged.json())?;
    merged.beside.write(&merged.text, to)?;
    let names = merged.names();
    let counter = Counter::new("tensors written", names.len());
    let mut out = Shards::new(to, shard);
    for (done, name) in names.iter().enumerate() {
        asked()?;
        for (name, values) in merged.tensor(name)? {
            out.add(name, values)?;
        }
        counter.set(done + 1);
    }
    out.finish()
}

/// The folder to write. It appears whole under its name, or not at all.
struct Target {
    path: PathBuf,
    /// A folder beside it, removed when dropped.
    work: tempfile::TempDir,
}

impl Target {
    fn new(path: &Path, overwrite: bool) -> Result<Target> {
        let shown = path.display();
        if let Ok(mut entries) = fs::read_dir(path) {
            ensure!(
                overwrite || entries.next().is_none(),
                "folder {shown} is not empty: give another --save-path, or --overwrite to replace the folder"
            );
        } else {
            ensure!(
                fs::symlink_metadata(path).is_err(),
                "expected a folder or nothing at {shown}, found something else: give another --save-path"
            );
        }
        let path =
            std::path::absolute(path).context("the current folder does not exist any more")?;
        // A link is followed: the folder that it leads to is replaced.
        let path = fs::canonicalize(&path).unwrap_or(path);
        let parent = path
            .parent()
            .context("expected the name of a folder for --save-path")?;
        let make = || -> std::io::Result<_> {
            fs::create_dir_all(parent)?;
            let work = tempfile::Builder::new()
                .prefix(".fuse-")
                .tempdir_in(parent)?;
            fs::create_dir(work.path().join("new"))?;
            Ok(work)
        };
        let work = make().with_context(|| {
            format!(
                "cannot write to {}; choose another folder with --save-path",
                parent.display()
            )
        })?;
        Ok(Target { path, work })
    }

    /// Refuses to replace the folder that is read.
    fn differs_from(&self, model: &Path) -> Result<()> {
        let same = fs::canonicalize(model).is_ok_and(|m| m.starts_with(&self.path));
        ensure!(
            !same,
            "--save-path {} is the folder of the model: give another one",
            self.path.display()
        );
        Ok(())
    }

    /// The folder to write to.
    fn unfinished(&self) -> PathBuf {
        self.work.path().join("new")
    }

    /// Puts the written folder in its place.
    fn finish(self) -> Result<()> {
        let put = || -> std::io::Result<()> {
            if self.path.exists() {
                fs::rename(&self.path, self.work.path().join("old"))?;
            }
            fs::rename(self.unfinished(), &self.path)
        };
        put().with_context(|| format!("cannot write {}", self.path.display()))
    }
}
