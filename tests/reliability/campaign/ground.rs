//! The common ground of the faults: a model, data, and the results of an undisturbed run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::child::{self, Ended};
use crate::common::{self, gguf};
use crate::shim::Shim;

/// A run of eight steps with four saves.
pub const TRAIN: &str =
    "train --model model --data data --iters 8 --save-every 2 --batch-size 2 --learning-rate 1e-2 \
                         --lora-rank 2 --steps-per-report 1 --steps-per-eval 4 --val-batches 2 --overwrite";
const RESUME: &str = "train --resume --iters 8 --save-every 2";
pub const STEPS: usize = 8;

/// Files of a run, each with what a run without a fault makes of it.
pub const TENSORS: [&str; 2] = ["adapters.safetensors", "state.safetensors"];
const FILES: [&str; 5] = [
    "adapter_config.json",
    "adapters.safetensors",
    "loss.svg",
    "metrics.jsonl",
    "state.safetensors",
];

/// The model, the data, and the shim.
pub struct Ground {
    /// Every random choice is made of it.
    pub seed: u64,
    /// How often there are as many random faults as usually.
    pub times: usize,
    /// `None` where there is no way to build it.
    pub shim: Option<Shim>,
    /// How long a run takes.
    pub run_time: Duration,
    /// The tensors of [`TENSORS`] after a whole run.
    whole: [Vec<u8>; 2],
    folder: TempDir,
    /// The output of children, apart from the files that faults meet.
    said: TempDir,
    places: AtomicUsize,
}

/// A folder for one fault. Its `model` and `data` are those of the ground.
pub struct Place<'a> {
    pub ground: &'a Ground,
    pub path: PathBuf,
    /// A folder that no fault meets.
    pub said: PathBuf,
    children: AtomicUsize,
}

impl Ground {
    pub fn new() -> Ground {
        let number = |name: &str, usual: u64| {
            let given = std::env::var(name).ok();
            given.map_or(usual, |n| n.parse().expect("a number"))
        };
        let folder = mlx_fuzz::folder().unwrap();
        common::write_model(&folder.path().join("model"), 1);
        common::write_data(&folder.path().join("data"));
        gguf::write(
            &folder.path().join("model"),
            &folder.path().join("model.gguf"),
        );
        let mut ground = Ground {
            seed: number("CAMPAIGN_SEED", 1),
            times: number("CAMPAIGN_TIMES", 1) as usize,
            shim: Shim::build(folder.path()),
            run_time: Duration::ZERO,
            whole: Default::default(),
            folder,
            said: mlx_fuzz::folder().unwrap(),
            places: AtomicUsize::new(0),
        };
        let place = ground.place();
        let begun = Instant::now();
        let ended = place.run(TRAIN);
        let run_time = begun.elapsed();
        assert!(ended.worked(), "{ended}");
        let whole = TENSORS.map(|file| tensors(&place.adapters().join(file)));
        drop(place);
        let place = ground.place();
        let half = place.run(&TRAIN.replace("--iters 8", "--iters 4"));
        assert!(half.worked(), "{half}");
        fs::rename(place.adapters(), ground.folder.path().join("half")).unwrap();
        drop(place);
        (ground.run_time, ground.whole) = (run_time, whole);
        ground
    }

    /// A folder for one fault.
    pub fn place(&self) -> Place<'_> {
        let n = self.places.fetch_add(1, Ordering::SeqCst);
        let path = self.folder.path().join(format!("place-{n}"));
        let said = self.said.path().join(n.to_string());
        fs::create_dir(&path).unwrap();
        fs::create_dir(&said).unwrap();
        for name in ["model", "data"] {
            std::os::unix::fs::symlink(self.folder.path().join(name), path.join(name)).unwrap();
        }
        Place {
            ground: self,
            path,
            said,
            children: AtomicUsize::new(0),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
        let _ = fs::remove_dir_all(&self.said);
    }
}

impl Place<'_> {
    pub fn adapters(&self) -> PathBuf {
        self.path.join("adapters")
    }

    /// The binary in this folder, with `args` split at spaces.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_llama_lora"));
        self.in_place(command.args(args.split_whitespace()));
        command
    }

    /// `exec`s the binary from a shell, after `before`.
    pub fn shell(&self, before: &str, args: &str, after: &str) -> Command {
        let mut command = Command::new("sh");
        let script = format!("{before} exec \"$0\" {args} {after}");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_llama_lora")]);
        self.in_place(&mut command);
        command
    }

    pub fn in_place(&self, command: &mut Command) {
        command
            .current_dir(&self.path)
            .env("LLAMA_LORA_CACHE", self.path.join("cache"));
    }

    /// Where the next child's output goes.
    pub fn out(&self) -> PathBuf {
        let n = self.children.fetch_add(1, Ordering::SeqCst);
        self.said.join(n.to_string())
    }

    pub fn start(&self, mut command: Command) -> child::Running {
        child::start(&mut command, self.out())
    }

    pub fn run(&self, args: &str) -> Ended {
        self.start(self.command(args)).end()
    }

    /// Gives the place a run that has taken half of its steps.
    pub fn half_a_run(&self) {
        copy(&self.ground.folder.path().join("half"), &self.adapters());
    }

    /// Gives the place a model and data of its own, and a GGUF of the model.
    pub fn own_files(&self) {
        let shared = self.ground.folder.path();
        for name in ["model", "data"] {
            fs::remove_file(self.path.join(name)).unwrap();
            copy(&shared.join(name), &self.path.join(name));
        }
        fs::copy(shared.join("model.gguf"), self.path.join("model.gguf")).unwrap();
    }

    /// Checks a run after a fault: a reader finds every file whole.
    pub fn whole_files(&self) {
        for file in TENSORS {
            let path = self.adapters().join(file);
            if fs::metadata(&path).is_ok_and(|m| m.len() > 0) {
                let (arrays, _) = mlx_runtime::io::load_safetensors(&path).unwrap();
                assert!(!arrays.is_empty(), "{file} is empty");
                for (name, array) in arrays {
                    array
                        .eval()
                        .unwrap_or_else(|e| panic!("{file}, {name}: {e}"));
                }
            }
        }
        if let Ok(text) = fs::read_to_string(self.adapters().join("adapter_config.json")) {
            serde_json::from_str::<Value>(&text).unwrap();
        }
        if let Ok(text) = fs::read_to_string(self.adapters().join("loss.svg")) {
            assert!(text.trim_end().ends_with("</svg>"), "{text}");
        }
        if let Ok(text) = fs::read_to_string(self.adapters().join("metrics.jsonl")) {
            // The last line may be cut short.
            for line in text.split_inclusive('\n').filter(|l| l.ends_with('\n')) {
                serde_json::from_str::<Value>(line).unwrap();
            }
        }
    }

    /// Checks that a run that said it is done is.
    pub fn is_done(&self, ended: &Ended) {
        assert!(ended.worked(), "{ended}");
        for (file, whole) in TENSORS.iter().zip(&self.ground.whole) {
            let found = tensors(&self.adapters().join(file));
            assert!(
                found == *whole,
                "{file} is not that of a whole run: {ended}"
            );
        }
    }

    /// Goes on with the run in the folder, or begins it anew where nothing was saved. It gives the bits of a run that
    /// no fault met, and leaves no other file.
    pub fn goes_on(&self) {
        self.whole_files();
        let state = fs::metadata(self.adapters().join("state.safetensors"));
        let mut ended = self.run(RESUME);
        if ended.worked() {
            assert!(state.is_ok_and(|m| m.len() > 0), "it went on from nothing");
        } else {
            assert!(
                state.is_err() && ended.error().contains("no saved run"),
                "{ended}"
            );
            ended = self.run(TRAIN);
        }
        self.is_done(&ended);
        self.is_tidy();
        let metrics = fs::read_to_string(self.adapters().join("metrics.jsonl")).unwrap();
        assert_eq!(metrics.matches("train_loss").count(), STEPS, "{metrics}");
    }

    /// Checks that a run's folder holds its files and nothing else.
    pub fn is_tidy(&self) {
        let mut names: Vec<String> = fs::read_dir(self.adapters())
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, FILES);
    }
}

/// Copies a folder of files.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// The tensors of a file: past the header, which names folders.
pub fn tensors(path: &Path) -> Vec<u8> {
    let all = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let header = u64::from_le_bytes(all[..8].try_into().unwrap()) as usize;
    all[8 + header..].to_vec()
}
