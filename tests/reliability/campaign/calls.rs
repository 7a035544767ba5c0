//! System calls that fail, or do a part of what they were asked for.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::child::Ended;
use crate::ground::{Ground, Place, TRAIN};
use crate::runner::{End, Fault};
use crate::shim::{self, Change, Shim, ERRORS};

/// Calls, how they go wrong, how many times in a row, and at how many places of a run.
type Row = (&'static str, &'static str, u64, u64);

/// For a run that trains.
const WRITING: [Row; 20] = [
    // A disk that is full from some moment on, or for a while.
    ("space", "ENOSPC", u64::MAX, 16),
    ("space", "ENOSPC", 7, 16),
    ("space", "EDQUOT", u64::MAX, 5),
    ("create", "ENOSPC", 1, 8),
    ("create", "EMFILE", 1, 4),
    ("write", "ENOSPC", 1, 10),
    ("write", "EIO", 1, 8),
    ("write", "EINTR", 1, 6),
    ("write", "short:1", 3, 6),
    ("write", "short:512", u64::MAX, 3),
    ("write", "short:7", u64::MAX, 1),
    ("fsync", "EIO", 1, 8),
    ("fsync", "ENOSPC", u64::MAX, 3),
    ("rename", "EIO", 1, 8),
    ("rename", "ENOSPC", u64::MAX, 3),
    ("mkdir", "ENOSPC", 1, 1),
    ("ftruncate", "EIO", 1, 3),
    ("fchmod", "EIO", 1, 3),
    ("unlink", "EIO", 1, 4),
    ("flock", "EIO", 1, 4),
];

/// For commands that read, and for a run that goes on.
const READING: [Row; 10] = [
    ("open", "EIO", 1, 9),
    ("open", "EMFILE", u64::MAX, 4),
    ("open", "EINTR", 1, 4),
    ("read", "EIO", 1, 9),
    ("read", "EINTR", 1, 4),
    ("read", "short:1", 1, 4),
    ("read,pread", "short:4096", u64::MAX, 1),
    ("pread", "EIO", 1, 6),
    ("pread", "EINTR", 1, 4),
    ("mmap", "ENOMEM", 1, 3),
];

/// For files that somebody makes shorter while they are read.
const SHRINKING: [Row; 3] = [
    ("read,pread,mmap", "truncate:0", 1, 6),
    ("read,pread,mmap", "truncate:500", 1, 6),
    ("read,pread,mmap", "truncate:39000", 1, 6),
];

/// As many threads at a time and no more.
const THREADS: [Row; 1] = [("thread", "EAGAIN", 1, 16)];

/// A command with a result to compare. It runs in a folder with a finished run.
const READERS: [&str; 4] = [
    "eval --model model --data data --adapter-path adapters",
    "generate --model model --prompt hi --max-tokens 4",
    "digest model",
    "train --resume --iters 8",
];

pub fn faults(ground: &Ground) -> Vec<Fault> {
    let mut all = Vec::new();
    if ground.shim.is_none() {
        return all;
    }
    add(&mut all, ground, TRAIN, &WRITING);
    add(&mut all, ground, TRAIN, &THREADS);
    for args in READERS {
        add(&mut all, ground, args, &READING);
    }
    add(&mut all, ground, READERS[0], &THREADS);
    // MLX writes GGUF files itself, and tries nothing again.
    let again = |row: &Row| row.1 == "EINTR" || row.1.starts_with("short");
    for file in ["a.safetensors", "a.npy", "a.gguf"] {
        let rows = |rows: &[Row]| -> Vec<Row> {
            let kept = |row: &&Row| file != "a.gguf" || !again(row);
            rows.iter().filter(kept).copied().collect()
        };
        add(
            &mut all,
            ground,
            &format!("--work load {file}"),
            &rows(&READING),
        );
        add(&mut all, ground, &format!("--work load {file}"), &SHRINKING);
        let writing = rows(&WRITING[..18]);
        add(&mut all, ground, &format!("--work save {file}"), &writing);
    }
    all
}

fn add(all: &mut Vec<Fault>, ground: &Ground, args: &str, rows: &[Row]) {
    for &(calls, how, times, most) in rows {
        let place = ready(ground, args);
        let none = Change {
            calls,
            at: 0,
            times: 0,
            how: "",
        };
        let (plain, count) = changed(&place, args, none);
        assert!(plain.worked(), "{plain}");
        let most = (most * ground.times as u64).min(count);
        for i in 0..most {
            let (args, at) = (args.to_owned(), 1 + i * count / most);
            let many = if times > 1 {
                " and others after it"
            } else {
                ""
            };
            let result = plain.stdout.clone();
            all.push(Fault::new(
                format!("{args}: {how} at {calls} {at}{many}"),
                move |ground| {
                    let place = ready(ground, &args);
                    let how = &number(how);
                    let change = Change {
                        calls,
                        at,
                        times,
                        how,
                    };
                    let (ended, seen) = changed(&place, &args, change);
                    // Threads that work at the same time may be fewer in another run.
                    if seen < at && calls != "thread" {
                        panic!("{seen} calls only: {ended}");
                    }
                    judge(&place, &args, change, &ended, &result)
                },
            ));
        }
    }
}

/// `ENOSPC` as `errno:28`.
fn number(how: &str) -> String {
    let found = ERRORS.iter().find(|(name, ..)| *name == how);
    found.map_or(how.to_owned(), |(_, n, _)| format!("errno:{n}"))
}

/// A folder with everything that the command reads.
fn ready<'a>(ground: &'a Ground, args: &str) -> Place<'a> {
    let place = ground.place();
    if args.contains("adapters") || args.contains("--resume") {
        place.half_a_run();
    }
    if args.starts_with("--work") {
        let file = args.split(' ').next_back().unwrap();
        let made = place
            .start(work(&place, &format!("--work save {file}")))
            .end();
        assert!(made.worked(), "{made}");
    }
    place
}

/// This program as a child; see `work.rs`.
pub fn work(place: &Place, args: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    place.in_place(command.args(args.split(' ')));
    command
}

/// Runs a command with changed calls; how many calls it made of them.
fn changed(place: &Place, args: &str, change: Change) -> (Ended, u64) {
    let shim: &Shim = place.ground.shim.as_ref().unwrap();
    let seen = place.said.join("seen");
    let mut command = match args.starts_with("--work") {
        true => work(place, args),
        false => place.command(args),
    };
    shim.preload(&mut command, change, &seen);
    (place.start(command).end(), shim::count(&seen))
}

fn judge(place: &Place, args: &str, change: Change, ended: &Ended, result: &str) -> End {
    let worked = ended.worked();
    let transient = change.how == "errno:4" || change.how.starts_with("short");
    assert!(
        worked || !transient,
        "what is to be tried again ends it: {ended}"
    );
    // MLX's writer of GGUF files does not say why it failed.
    if !worked && !args.contains("gguf") {
        names_the_cause(change, ended);
    }
    if args.starts_with("train") {
        if worked {
            place.is_done(ended);
        }
        if place.adapters().exists() {
            if change.calls != "unlink" {
                no_litter(&place.adapters());
            }
            place.goes_on();
        }
    } else if worked {
        assert_eq!(ended.stdout, result, "another result: {ended}");
    }
    if args.starts_with("--work") && !change.how.starts_with("truncate") {
        // The file of before, or the new one, which has the same values.
        let file = args.split(' ').next_back().unwrap();
        no_litter(&place.path);
        let again = place
            .start(work(place, &format!("--work load {file}")))
            .end();
        assert!(again.worked(), "{again}");
        assert_eq!(again.stdout, result);
    }
    if worked {
        End::Done
    } else {
        End::Refused
    }
}

/// An error says what the system said.
fn names_the_cause(change: Change, ended: &Ended) {
    let known = ERRORS
        .iter()
        .find(|(_, n, _)| change.how == format!("errno:{n}"));
    if let Some((_, _, words)) = known {
        assert!(ended.error().contains(words), "no cause: {ended}");
    }
}

/// No file of a writer that failed.
fn no_litter(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.ends_with(".tmp"), "{name} is left");
    }
}
