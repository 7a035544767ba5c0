//! Signals that ask a program to end, once and twice, at random moments and at the calls of its start.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use mlx_fuzz::Random;

use crate::child::Ended;
use crate::ground::{Ground, Place, TRAIN};
use crate::kills::calls;
use crate::runner::{End, Fault};
use crate::shim::Change;

const SIGNALS: [(&str, i32); 4] = [("INT", 2), ("TERM", 15), ("HUP", 1), ("QUIT", 3)];

pub fn faults(ground: &Ground) -> Vec<Fault> {
    let mut all = Vec::new();
    for i in 0..60 * ground.times as u64 {
        let mut random = Random::of(ground.seed, i);
        // A third of them in the first tenth of the run, before it listens.
        let most = if i % 3 == 0 { 100 } else { 1100 };
        let share = random.below(most) as u32;
        let again = (i % 2 == 1).then(|| Duration::from_micros(random.below(8000) as u64));
        let (name, number) = SIGNALS[random.below(SIGNALS.len())];
        let often = if again.is_some() { "twice" } else { "once" };
        all.push(Fault::new(
            format!("SIG{name} {often}, after {share}/1000 of a run"),
            move |ground| {
                let place = ground.place();
                let child = place.start(place.command(TRAIN));
                std::thread::sleep(ground.run_time * share / 1000);
                child.signal(name);
                if let Some(again) = again {
                    std::thread::sleep(again);
                    child.signal(name);
                }
                trained(&place, &child.end(), number)
            },
        ));
    }
    for (i, args) in OTHERS.iter().cycle().take(24 * ground.times).enumerate() {
        let mut random = Random::of(ground.seed, 1 << 32 | i as u64);
        let share = random.below(800) as u32;
        let (name, number) = SIGNALS[random.below(SIGNALS.len())];
        all.push(Fault::new(
            format!("SIG{name} during {args}"),
            move |ground| {
                let place = ground.place();
                let child = place.start(place.command(args));
                std::thread::sleep(ground.run_time * share / 1000);
                child.signal(name);
                child.signal(name);
                other(&place, &child.end(), number)
            },
        ));
    }
    let Some(shim) = &ground.shim else { return all };
    for (list, most) in [("open,mmap", 24), ("write,rename,fsync,flock", 24)] {
        let count = calls(ground, shim, list);
        for i in 0..most.min(count) {
            let at = 1 + i * count / most.min(count);
            let (name, number) = SIGNALS[i as usize % 3];
            let times = 1 + i / 3 % 2;
            all.push(Fault::new(
                format!("SIG{name}, {times} times, at call {at} of {list}"),
                move |ground| {
                    let place = ground.place();
                    let mut command = place.command(TRAIN);
                    let change = Change {
                        calls: list,
                        at,
                        times,
                        how: &format!("signal:{number}"),
                    };
                    let shim = ground.shim.as_ref().unwrap();
                    shim.preload(&mut command, change, &place.said.join("seen"));
                    trained(&place, &place.start(command).end(), number)
                },
            ));
        }
    }
    all
}

/// Commands that do nothing that a signal could lose.
const OTHERS: [&str; 6] = [
    "eval --model model --data data",
    "generate --model model --prompt hi --max-tokens 40",
    "bench --model synth:tiny --tokens 8 --steps 3 --warmup 0",
    "synth --config tiny --out made",
    "explain model --tokens 8",
    "digest model",
];

fn by_signal(ended: &Ended, number: i32) -> bool {
    ended.status.signal() == Some(number) || ended.status.code() == Some(128 + number)
}

fn trained(place: &Place, ended: &Ended, number: i32) -> End {
    if by_signal(ended, number) {
        if place.adapters().exists() {
            place.goes_on();
        }
        return End::Ended;
    }
    assert_eq!(ended.code(), 0, "{ended}");
    if ended.stdout.contains("trained 8 steps") {
        place.is_done(ended);
        place.goes_on();
        return End::Done;
    }
    assert!(ended.stdout.contains("and saved; go on with"), "{ended}");
    place.goes_on();
    End::Stopped
}

fn other(place: &Place, ended: &Ended, number: i32) -> End {
    let end = match by_signal(ended, number) {
        true => End::Ended,
        false => {
            assert_eq!(ended.code(), 0, "{ended}");
            End::Done
        }
    };
    // A model that was not written to its end is no model.
    if place.path.join("made").exists() {
        let whole = place.run("digest synth:tiny");
        let made = place.run("digest made");
        if made.worked() && end == End::Done {
            assert!(whole.worked(), "{whole}");
        }
    }
    end
}
