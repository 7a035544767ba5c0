//! `kill -9` at random moments, and at every call of a run that changes its folder.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use mlx_fuzz::Random;

use crate::child::Ended;
use crate::ground::{tensors, Ground, Place, TRAIN};
use crate::runner::{End, Fault};
use crate::shim::{self, Change};

/// Calls that change a folder.
pub const CHANGES: &str = "create,write,pwrite,ftruncate,fsync,fchmod,rename,mkdir,unlink";

pub fn faults(ground: &Ground) -> Vec<Fault> {
    let mut all = Vec::new();
    for i in 0..40 * ground.times as u64 {
        let share = Random::of(ground.seed, i).below(1200) as u32;
        let kind = ["a new run", "a run that goes on", "a run over another"][i as usize % 3];
        all.push(Fault::new(
            format!("{kind}, after {share}/1000 of its time"),
            move |ground| at_a_moment(ground, i as usize % 3, share),
        ));
    }
    let Some(shim) = &ground.shim else { return all };
    // The first calls set aside what another run has left.
    for i in 1..=20 {
        all.push(Fault::new(
            format!("a run over another, at call {i} that changes a folder"),
            move |ground| {
                let place = ground.place();
                over_another(&place, |command| at_call(&place, command, i))
            },
        ));
    }
    for i in (1..=calls(ground, shim, CHANGES)).step_by(4) {
        all.push(Fault::new(
            format!("at call {i} that changes a folder"),
            move |ground| at_a_call(ground, i),
        ));
    }
    all
}

/// How many calls a run makes of the kinds that are named.
pub fn calls(ground: &Ground, shim: &shim::Shim, calls: &str) -> u64 {
    let place = ground.place();
    let seen = place.said.join("seen");
    let mut command = place.command(TRAIN);
    let none = Change {
        calls,
        at: 0,
        times: 0,
        how: "",
    };
    shim.preload(&mut command, none, &seen);
    place.is_done(&place.start(command).end());
    let count = shim::count(&seen);
    assert!(count > 0, "no {calls}");
    count
}

fn at_a_moment(ground: &Ground, before: usize, share: u32) -> End {
    let place = ground.place();
    let mut args = TRAIN.to_owned();
    match before {
        0 => {}
        1 => {
            place.half_a_run();
            args = "train --resume --iters 8 --save-every 1".to_owned();
        }
        _ => return over_another(&place, |command| at_share(&place, command, share)),
    }
    let ended = at_share(&place, place.command(&args), share);
    let end = killed(&ended);
    if end == End::Done {
        place.is_done(&ended);
    }
    place.goes_on();
    end
}

/// Kills a command after this share of a run's time.
fn at_share(place: &Place, command: Command, share: u32) -> Ended {
    let child = place.start(command);
    std::thread::sleep(place.ground.run_time * share / 1000);
    child.signal("KILL");
    child.end()
}

/// Kills a command at a call that changes a folder.
fn at_call(place: &Place, mut command: Command, at: u64) -> Ended {
    let change = Change {
        calls: CHANGES,
        at,
        times: 1,
        how: "signal:9",
    };
    let shim = place.ground.shim.as_ref().unwrap();
    shim.preload(&mut command, change, &place.said.join("seen"));
    place.start(command).end()
}

fn killed(ended: &Ended) -> End {
    match ended.status.signal() {
        Some(9) => End::Ended,
        _ => {
            assert!(ended.worked(), "{ended}");
            End::Done
        }
    }
}

/// The run before is there, or set aside, or the new one has saved.
fn over_another(place: &Place, kill: impl Fn(Command) -> Ended) -> End {
    let first = place.run(&format!("{TRAIN} --seed 3"));
    assert!(first.worked(), "{first}");
    let state = place.adapters().join("state.safetensors");
    let before = tensors(&state);
    let end = killed(&kill(place.command(TRAIN)));
    place.whole_files();
    let old = place.adapters().join("state.old.safetensors");
    if fs::metadata(&state).is_ok_and(|m| m.len() > 0) {
        if tensors(&state) == before {
            assert!(place.run("train --resume --iters 8").worked());
            assert_eq!(tensors(&state), before);
        } else {
            place.goes_on();
        }
    } else {
        assert!(tensors(&old) == before, "the run before is lost");
        let said = place.run("train --resume --iters 8");
        assert!(
            !said.worked() && said.error().contains("ended before its first save"),
            "{said}"
        );
    }
    // A run from the start gives the bits of one that nothing was before.
    place.is_done(&place.run(TRAIN));
    place.is_tidy();
    end
}

fn at_a_call(ground: &Ground, at: u64) -> End {
    let place = ground.place();
    let ended = at_call(&place, place.command(TRAIN), at);
    let end = killed(&ended);
    // Calls of two threads may come in another order, but the run makes as many.
    assert!(
        end == End::Ended || shim::count(&place.said.join("seen")) < at,
        "{ended}"
    );
    if fs::metadata(place.adapters()).is_ok() {
        place.goes_on();
    }
    end
}
