//! Outputs that fail: readers that leave, terminals that hang up, disks that are full, descriptors that are closed.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mlx_fuzz::Random;

use crate::child::{self, Running, BOUND};
use crate::ground::{Ground, Place, TRAIN};
use crate::runner::{End, Fault};

/// A command, and what the first lines of its result say.
const COMMANDS: [&str; 9] = [
    TRAIN,
    "eval --model model --data data",
    "generate --model model --prompt hi --max-tokens 8",
    "bench --model synth:tiny --tokens 8 --steps 1 --warmup 0",
    "synth --config tiny --in-memory",
    "explain model --tokens 8",
    "digest model",
    "--help",
    "--version",
];

/// Redirections of a shell, and which outputs they spoil.
const OUTPUTS: [(&str, bool, bool); 9] = [
    (">/dev/full", true, false),
    ("2>/dev/full", false, true),
    (">/dev/full 2>&1", true, true),
    (">&-", true, false),
    ("2>&-", false, true),
    (">&- 2>&- <&-", true, true),
    (">left", true, false),
    ("2>left", false, true),
    (">left 2>&1", true, true),
];

pub fn faults(ground: &Ground) -> Vec<Fault> {
    let mut all = Vec::new();
    for args in COMMANDS {
        for (to, out, err) in OUTPUTS {
            let left = to.contains("left");
            let shown = to.replace("left", "(a pipe that nobody reads)");
            all.push(Fault::new(format!("{args} {shown}"), move |ground| {
                let place = ground.place();
                let child = match left {
                    true => into_nothing(&place, args, out, err),
                    false => place.start(place.shell("", args, to)),
                };
                let child = if err { child.unheard() } else { child };
                let code = child.end().code();
                judge(&place, args, code, out, left, to.contains("&-"))
            }));
        }
        for bytes in [0, 1, 40] {
            all.push(Fault::new(
                format!("{args} 2>&1 | head -c {bytes}"),
                move |ground| {
                    let place = ground.place();
                    let mut command = Command::new("sh");
                    let script = format!(
                        "{{ \"$0\" {args} 2>&1; echo $? >code; }} | head -c {bytes} >/dev/null"
                    );
                    command.args(["-c", &script, env!("CARGO_BIN_EXE_llama_lora")]);
                    place.in_place(&mut command);
                    place.start(command).end();
                    let code = fs::read_to_string(place.path.join("code")).unwrap();
                    judge(&place, args, code.trim().parse().unwrap(), true, true, true)
                },
            ));
        }
    }
    for i in 0..8 * ground.times as u64 {
        let share = Random::of(ground.seed, 2 << 32 | i).below(1100) as u32;
        all.push(Fault::new(
            format!("the terminal of a run closes after {share}/1000"),
            move |ground| terminal(ground, share),
        ));
    }
    all
}

/// Runs a command with outputs whose reader is gone.
fn into_nothing(place: &Place, args: &str, out: bool, err: bool) -> Running {
    let to = |spoilt: bool, name: &str| match spoilt {
        true => {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            Stdio::from(writer)
        }
        false => Stdio::from(File::create(place.said.join(name)).unwrap()),
    };
    let mut command = place.command(args);
    command.stdin(Stdio::null());
    command.stdout(to(out, "left.stdout"));
    command.stderr(to(err, "left.stderr"));
    child::start_as_is(&mut command, place.said.join("left"))
}

/// A run goes on; a result that is lost is an error, and nothing where the reader left.
fn judge(place: &Place, args: &str, code: i32, lost: bool, left: bool, unknown: bool) -> End {
    if args == TRAIN {
        assert_eq!(code, 0, "a run ends because of its output");
        place.goes_on();
        return End::Done;
    }
    match code {
        0 => {
            assert!(
                !lost || unknown || args.starts_with("--"),
                "a result is lost, and the exit code is 0"
            );
            End::Done
        }
        1 => {
            assert!(lost && !left);
            End::Refused
        }
        141 => {
            assert!(lost && left);
            End::Ended
        }
        _ => panic!("exit code {code}"),
    }
}

/// `script` is the terminal: killed, it hangs up.
fn terminal(ground: &Ground, share: u32) -> End {
    let place = ground.place();
    // The shell outlives the hang-up, to note how the run ended.
    let run = format!(
        "trap : HUP; : >ready; {} {TRAIN}; echo $? >code.new; mv code.new code",
        env!("CARGO_BIN_EXE_llama_lora")
    );
    let mut command = Command::new("script");
    command.args(["-qefc", &run, "/dev/null"]);
    place.in_place(&mut command);
    let child = place.start(command);
    let there = |name: &str| {
        let (begun, file) = (Instant::now(), place.path.join(name));
        while !file.exists() {
            assert!(begun.elapsed() < BOUND, "it hangs");
            std::thread::sleep(Duration::from_millis(2));
        }
        file
    };
    there("ready");
    std::thread::sleep(ground.run_time * share / 1000);
    child.signal("KILL");
    let _ = child.end();
    let code = fs::read_to_string(there("code")).unwrap();
    let code: i32 = code.trim().parse().unwrap();
    if place.adapters().exists() {
        place.goes_on();
    }
    match code {
        0 => End::Stopped,
        // Before the first step.
        129 => End::Ended,
        _ => panic!("exit code {code}"),
    }
}
