//! Runs cases in child processes, so that a case that ends its process has a number.

use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Set for a child: the cases it is to run.
const CASES: &str = "OPERATIONS_CASES";

/// Cases of one child, so that MLX's caches for a process stay bounded.
const CHUNK: u64 = 5_000;

/// A child that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(120);

/// A line of output of a case: its number, and the text.
pub type Told = (u64, String);

/// Runs `case` for each number of `cases`, and returns the output of all of them, together with `crashed: ..` for each
/// that ended its process.
///
/// `test` is the full name of the test that calls this: the children are runs of it.
pub fn run(test: &str, cases: Range<u64>, case: impl Fn(u64) -> Vec<String>) -> Vec<Told> {
    if let Ok(range) = std::env::var(CASES) {
        child(&range, case);
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let next = std::sync::Mutex::new(cases.start);
    let told = std::sync::Mutex::new(Vec::new());
    let take = || {
        let mut next = next.lock().expect("no panic");
        let chunk = *next..(*next + CHUNK).min(cases.end);
        *next = chunk.end;
        (!chunk.is_empty()).then_some(chunk)
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(chunk) = take() {
                    let found = parent(test, chunk);
                    told.lock().expect("no panic").extend(found);
                }
            });
        }
    });
    let mut told = told.into_inner().expect("no panic");
    told.sort();
    told
}

/// The cases of one child, printed, and the end of the process.
fn child(range: &str, case: impl Fn(u64) -> Vec<String>) -> ! {
    let (from, to) = range.split_once(' ').expect("two numbers");
    let cases: Range<u64> = from.parse().expect("a number")..to.parse().expect("a number");
    let out = std::io::stdout();
    for n in cases {
        writeln!(out.lock(), "@{n}").expect("the parent reads");
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(n)));
        let told = told.unwrap_or_else(|_| vec!["crashed: a panic".to_owned()]);
        for line in told {
            writeln!(out.lock(), "={}", line.replace('\n', " ")).expect("the parent reads");
        }
    }
    writeln!(out.lock(), "@end").expect("the parent reads");
    std::process::exit(0);
}

fn parent(test: &str, chunk: Range<u64>) -> Vec<Told> {
    let mut told = Vec::new();
    let mut from = chunk.start;
    while from < chunk.end {
        let mut child = Command::new(std::env::current_exe().expect("the test's path"))
            .args([test, "--exact", "--nocapture"])
            .env(CASES, format!("{from} {}", chunk.end))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let out = child.stdout.take().expect("piped");
        let (send, lines) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        let (mut at, mut done, mut why) = (None, false, String::new());
        loop {
            match lines.recv_timeout(SILENCE) {
                Ok(line) if line == "@end" => done = true,
                Ok(line) => match (line.strip_prefix('@'), line.strip_prefix('='), at) {
                    (Some(n), _, _) => at = n.parse().ok().or(at),
                    (_, Some(text), Some(n)) => told.push((n, text.to_owned())),
                    _ => {}
                },
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    why = "it hangs".to_owned();
                    child.kill().expect("to end a child");
                }
            }
        }
        reader.join().expect("no panic");
        let status = child.wait().expect("the child's status");
        if done {
            break;
        }
        let n = at.expect("a child that begins a case");
        let why = if why.is_empty() {
            status.to_string()
        } else {
            why
        };
        told.push((n, format!("crashed: {why}")));
        from = n + 1;
    }
    told
}
