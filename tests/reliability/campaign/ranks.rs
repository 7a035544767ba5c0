//! Ranks of a run that are killed, stopped or asked to end at random moments.

use std::fs;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mlx_fuzz::Random;

use crate::child::Ended;
use crate::ground::{tensors, Ground, Place, STEPS, TENSORS, TRAIN};
use crate::runner::{End, Fault};

/// The exit code if a rank was lost.
const LOST: i32 = 75;

const RANKS: usize = 2;

/// A run that nothing met: how long it takes, and its tensors.
type Whole = Arc<OnceLock<(Duration, [Vec<u8>; 2])>>;

pub fn faults(ground: &Ground) -> Vec<Fault> {
    let whole = Whole::default();
    let mut all = Vec::new();
    for i in 0..10 * ground.times as u64 {
        let mut random = Random::of(ground.seed, i);
        // A stopped rank takes a second to be noticed, and ten to be ended.
        let signal = ["KILL", "KILL", "TERM", "KILL", "STOP"][i as usize % 5];
        let (rank, share) = (random.below(RANKS), random.below(1100) as u32);
        let whole = Arc::clone(&whole);
        all.push(Fault::new(
            format!("SIG{signal} to rank {rank}, after {share}/1000 of a run"),
            move |ground| {
                let (time, whole) = whole.get_or_init(|| undisturbed(ground));
                at_a_moment(&ground.place(), signal, rank, *time * share / 1000, whole)
            },
        ));
    }
    all
}

fn launch(place: &Place, args: &str) -> Command {
    place.command(&format!("launch -n {RANKS} --timeout 3 -- {args}"))
}

fn undisturbed(ground: &Ground) -> (Duration, [Vec<u8>; 2]) {
    let (place, begun) = (ground.place(), Instant::now());
    let ended = place.start(launch(&place, TRAIN)).end();
    assert!(ended.worked(), "{ended}");
    (begun.elapsed(), results(&place))
}

fn results(place: &Place) -> [Vec<u8>; 2] {
    TENSORS.map(|file| tensors(&place.adapters().join(file)))
}

/// The process of a rank, if it has started.
fn process(launcher: u32, rank: usize) -> Option<String> {
    let out = Command::new("pgrep")
        .args(["-P", &launcher.to_string()])
        .output();
    let mut all: Vec<u32> = String::from_utf8_lossy(&out.unwrap().stdout)
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    all.sort_unstable();
    all.get(rank).map(u32::to_string)
}

fn at_a_moment(
    place: &Place,
    signal: &str,
    rank: usize,
    after: Duration,
    whole: &[Vec<u8>; 2],
) -> End {
    let running = place.start(launch(place, TRAIN));
    std::thread::sleep(after);
    if let Some(process) = process(running.id(), rank) {
        let signal = format!("-{signal}");
        // It may have ended in between.
        let _ = Command::new("kill").args([&signal, &process]).output();
    }
    let ended = running.end();
    let end = match ended.code() {
        0 if ended.stdout.contains("train --resume") => End::Stopped,
        0 => End::Done,
        LOST => End::Refused,
        // SIGTERM before the first step.
        143 => End::Ended,
        _ => panic!("{ended}"),
    };
    assert!(
        end != End::Refused || ended.stderr.contains("error: rank "),
        "{ended}"
    );
    place.whole_files();
    goes_on(place, whole);
    end
}

/// Goes on with all ranks, or begins anew where nothing was saved. The result is that of a run that nothing met.
fn goes_on(place: &Place, whole: &[Vec<u8>; 2]) {
    let resume = "train --resume --iters 8 --save-every 2";
    let state = fs::metadata(place.adapters().join("state.safetensors"));
    let mut ended: Ended = place.start(launch(place, resume)).end();
    if !ended.worked() {
        assert!(
            state.is_err() && ended.error().contains("no saved run"),
            "{ended}"
        );
        ended = place.start(launch(place, TRAIN)).end();
        assert!(ended.worked(), "{ended}");
    }
    assert!(
        results(place) == *whole,
        "not the result of a whole run: {ended}"
    );
    place.is_tidy();
    let metrics = fs::read_to_string(place.adapters().join("metrics.jsonl")).unwrap();
    assert_eq!(metrics.matches("train_loss").count(), STEPS, "{metrics}");
}
