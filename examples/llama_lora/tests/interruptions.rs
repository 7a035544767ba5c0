//! Signals, readers that leave, terminals that close and full disks: in each case a run saves its adapter, and no
//! command panics.

#![cfg(unix)]
#![allow(missing_docs)]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use common::{text, Place, TRAIN};

/// Long enough to be interrupted; nothing is saved before.
const LONG: &str = "--iters 100000 --save-every 100000 --steps-per-eval 100000";

fn kill(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill")
        .args([&format!("-{signal}"), &pid])
        .status();
    assert!(sent.unwrap().success());
}

/// Starts a run, and reads its standard error until it has taken steps.
fn training(place: &Place, more: &str) -> (Child, BufReader<impl Read>) {
    let mut child = place
        .command(&format!("{TRAIN} {more}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("train loss") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
    }
    (child, lines)
}

/// No file of a writer that was interrupted, and no lock.
fn no_litter(place: &Place, folder: &str) {
    let Ok(entries) = fs::read_dir(place.path(folder)) else {
        return;
    };
    for entry in entries {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name}");
    }
}

fn ends_by_itself(status: ExitStatus) -> i32 {
    assert_eq!(status.signal(), None, "{status}");
    status.code().unwrap()
}

#[test]
fn each_signal_that_asks_lets_a_run_save() {
    let place = Place::new();
    for signal in [
        "HUP", "INT", "QUIT", "TERM", "USR1", "USR2", "ALRM", "XCPU", "VTALRM", "PROF",
    ] {
        let folder = format!("at-{signal}");
        let (child, mut lines) = training(&place, &format!("{LONG} --adapter-path {folder}"));
        kill(&child, signal);
        let mut said = String::new();
        lines.read_to_string(&mut said).unwrap();
        let out = child.wait_with_output().unwrap();
        assert_eq!(ends_by_itself(out.status), 0, "{signal}: {said}");
        assert!(said.contains("stopping after this step"), "{said}");
        assert!(text(&out.stdout).contains("train --resume"), "{signal}");
        assert!(place.path(&folder).join("state.safetensors").exists());
        no_litter(&place, &folder);
    }
    // A run under nohup does not end with its terminal.
    let shell = format!("trap '' HUP; exec \"$0\" {TRAIN} --iters 400 --adapter-path kept");
    let mut child = Command::new("sh");
    child.args(["-c", &shell, env!("CARGO_BIN_EXE_llama_lora")]);
    child
        .current_dir(place.path(""))
        .stderr(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("train loss") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
    }
    kill(&child, "HUP");
    let rest = std::thread::spawn(move || lines.read_to_string(&mut line));
    let out = child.wait_with_output().unwrap();
    rest.join().unwrap().unwrap();
    assert!(
        text(&out.stdout).contains("trained 400 steps"),
        "{}",
        text(&out.stdout)
    );
    println!("11 signals, each during training: every run ended by itself and saved");
}

#[test]
fn a_signal_at_any_moment_ends_a_run_in_order() {
    let (mut early, mut stopped, mut at_once) = (0, 0, 0);
    let place = Place::new();
    for i in 0..32u64 {
        let folder = format!("outer/run-{i}");
        let child = place
            .command(&format!("{TRAIN} {LONG} --adapter-path {folder}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Moments from the start of the process to well into training.
        std::thread::sleep(Duration::from_millis(i * 12));
        let signal = ["INT", "TERM", "HUP", "INT"][i as usize % 4];
        kill(&child, signal);
        if i % 4 == 3 {
            std::thread::sleep(Duration::from_millis(i / 4));
            // It may have ended.
            let pid = child.id().to_string();
            let _ = Command::new("kill")
                .args(["-INT", &pid])
                .stderr(Stdio::null())
                .status();
        }
        let out = child.wait_with_output().unwrap();
        let saved = place.path(&folder).join("state.safetensors").exists();
        match (out.status.code(), out.status.signal()) {
            (Some(0), _) => {
                assert!(saved && text(&out.stdout).contains("train --resume"));
                no_litter(&place, &folder);
                stopped += 1;
            }
            // The second Ctrl-C, which removes nothing.
            (Some(130), _) if i % 4 == 3 => at_once += 1,
            // Nothing was learnt, and nothing is left.
            (Some(code), _) => {
                assert_eq!(
                    code,
                    match signal {
                        "INT" => 130,
                        "TERM" => 143,
                        _ => 129,
                    }
                );
                let left: Vec<_> = fs::read_dir(place.path(&folder))
                    .map(|all| all.flatten().map(|e| e.file_name()).collect())
                    .unwrap_or_default();
                assert!(
                    !saved && !place.path(&folder).exists(),
                    "moment {i}: {left:?}"
                );
                early += 1;
            }
            // Before it listens to signals, when it has done nothing.
            (None, signal) => {
                assert!([Some(1), Some(2), Some(15)].contains(&signal), "{signal:?}");
                assert!(!place.path(&folder).exists());
                early += 1;
            }
        }
    }
    println!("32 moments: {early} before the first step, {stopped} saved, {at_once} ended at once by a second Ctrl-C");
    assert!(early > 0);
}

#[test]
fn a_run_whose_output_fails_goes_on_and_saves() {
    let place = Place::new();
    let whole = |folder: &str| {
        let metrics = fs::read_to_string(place.path(folder).join("metrics.jsonl")).unwrap();
        assert_eq!(metrics.matches("train_loss").count(), 30, "{folder}");
        place.ok(&format!(
            "eval --model model --data data --adapter-path {folder}"
        ));
    };
    let run = |folder: &str| place.command(&format!("{TRAIN} --iters 30 --adapter-path {folder}"));
    // The reader leaves after the first report.
    let (mut child, lines) = training(&place, "--iters 30 --adapter-path left");
    drop((lines, child.stdout.take()));
    assert!(child.wait().unwrap().success());
    whole("left");
    let full = || File::options().write(true).open("/dev/full").unwrap();
    assert!(run("full")
        .stdout(full())
        .stderr(full())
        .status()
        .unwrap()
        .success());
    whole("full");
    let closed = format!("exec \"$0\" {TRAIN} --iters 30 --adapter-path closed >&- 2>&- <&-");
    let status = Command::new("sh")
        .args(["-c", &closed, env!("CARGO_BIN_EXE_llama_lora")])
        .current_dir(place.path(""))
        .status();
    assert!(status.unwrap().success());
    whole("closed");
    println!("3 outputs that fail: every run took its 30 steps and saved");
}

#[test]
fn a_terminal_that_closes_lets_a_run_save() {
    let place = Place::new();
    // `script` is the terminal: killed, it hangs up.
    let run = format!("{} {TRAIN} {LONG}", env!("CARGO_BIN_EXE_llama_lora"));
    let mut terminal = match Command::new("script")
        .args(["-qefc", &run, "/dev/null"])
        .current_dir(place.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
    {
        Ok(child) => child,
        // Not part of every system.
        Err(_) => return,
    };
    let metrics = place.path("adapters/metrics.jsonl");
    let steps = || {
        fs::read_to_string(&metrics)
            .unwrap_or_default()
            .matches("train_loss")
            .count()
    };
    while steps() < 3 {
        assert!(terminal.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    // The run goes on alone, and its folder is free when it has ended.
    while place.path("adapters/.lock").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Its steps are saved: fewer are none.
    let said = place.fails("train --resume --iters 1");
    assert!(said.contains("the run in adapters has done"), "{said}");
}

#[test]
fn a_command_whose_reader_left_ends_quietly() {
    let place = Place::new();
    let commands = [
        "digest model",
        "explain model --tokens 8",
        "eval --model model --data data",
        "generate --model model --prompt hi --max-tokens 3",
        "synth --config tiny --in-memory",
        "bench --model synth:tiny --tokens 8 --steps 1 --warmup 0",
    ];
    for args in commands {
        let left = || {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            writer
        };
        let out = place
            .command(args)
            .stdout(left())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert_eq!(out.status.code(), Some(141), "{args}");
        let said = text(&out.stderr);
        assert!(
            !said.contains("error") && !said.contains("panicked"),
            "{args}: {said}"
        );
        let both = place
            .command(args)
            .stdout(left())
            .stderr(left())
            .status()
            .unwrap();
        assert_eq!(both.code(), Some(141), "{args}");
        // A result that is lost otherwise is an error.
        let full = File::options().write(true).open("/dev/full").unwrap();
        let out = place.command(args).stdout(full).output().unwrap();
        let said = common::message(&out, 1);
        assert!(
            said.contains("cannot write to standard output: No space left"),
            "{said}"
        );
    }
    println!("{} commands, 3 outputs each: none panicked", commands.len());
}

/// Puts a folder in the place of the state, so that no save succeeds.
fn block(state: &Path) {
    while let Err(error) = fs::create_dir(state) {
        assert_eq!(error.kind(), std::io::ErrorKind::AlreadyExists);
        fs::remove_file(state).unwrap();
    }
}

#[test]
fn a_save_that_fails_is_tried_again_and_only_the_last_one_ends_the_run() {
    let place = Place::new();
    let state = place.path("adapters/state.safetensors");
    let saving = "--save-every 10 --steps-per-eval 100000";
    let (child, mut lines) = training(&place, &format!("--iters 100000 {saving}"));
    let mut line = String::new();
    let mut wait = |text: &str| {
        while !line.contains(text) {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
        }
        line.clear();
    };
    block(&state);
    wait("not saved: ");
    wait("not saved: ");
    fs::remove_dir(&state).unwrap();
    while !state.is_file() {
        wait("train loss");
    }
    kill(&child, "INT");
    let mut said = String::new();
    lines.read_to_string(&mut said).unwrap();
    let out = child.wait_with_output().unwrap();
    assert_eq!(ends_by_itself(out.status), 0, "{said}");
    no_litter(&place, "adapters");
    place.ok("eval --model model --data data --adapter-path adapters");

    // It stays blocked: every step is taken, and the end is an error.
    for (saving, left) in [
        ("--save-every 100000", "nothing was saved before"),
        ("--save-every 3", "the save of step "),
    ] {
        let folder = format!("blocked-{}", left.len());
        let more = format!("--iters 300 {saving} --adapter-path {folder}");
        let (child, mut lines) = training(&place, &more);
        let state = place.path(&folder).join("state.safetensors");
        let mut said = String::new();
        while saving.ends_with(" 3") && !state.is_file() {
            assert!(lines.read_line(&mut said).unwrap() > 0, "it ended");
        }
        block(&state);
        lines.read_to_string(&mut said).unwrap();
        let out = child.wait_with_output().unwrap();
        assert_eq!(ends_by_itself(out.status), 1, "{said}");
        let end = format!("error: step 300 could not be saved; {left}");
        assert!(said.contains(&end), "{said}");
        assert_eq!(said.contains("not saved: "), saving.ends_with(" 3"));
        assert!(said.contains("step   300"), "{said}");
    }
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error() {
    let place = Place::new();
    place.train("--adapter-path whole");
    let before = fs::read(place.path("whole/state.safetensors")).unwrap();
    for blocks in [0, 1, 8, 20] {
        let run =
            format!("ulimit -f {blocks}; exec \"$0\" {TRAIN} --iters 9 --adapter-path limited");
        let out = Command::new("sh")
            .args(["-c", &run, env!("CARGO_BIN_EXE_llama_lora")])
            .current_dir(place.path(""))
            .output()
            .unwrap();
        let said = common::message(&out, 1);
        assert!(said.contains("File too large"), "{said}");
        no_litter(&place, "limited");
        let resume = format!(
            "ulimit -f {blocks}; exec \"$0\" train --resume --iters 8 --adapter-path whole"
        );
        let out = Command::new("sh")
            .args(["-c", &resume, env!("CARGO_BIN_EXE_llama_lora")])
            .current_dir(place.path(""))
            .output()
            .unwrap();
        common::message(&out, 1);
        assert_eq!(
            fs::read(place.path("whole/state.safetensors")).unwrap(),
            before
        );
    }
    println!("8 runs under a limit on files: each was an error, and the state before stayed");
}
