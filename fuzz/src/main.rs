//! `mlx-fuzz TARGET --cases N --seed S`: prints the cases that it finds, and keeps them in `fuzz/found`.
//!
//! Tests: `tests/short.rs`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use clap::Parser;
use mlx_fuzz::{find, input, run, Found, Target, TARGETS};

/// Feeds mutated input to a parser.
#[derive(Parser)]
struct Args {
    /// The parsers, all of them unless named.
    targets: Vec<String>,
    /// The number that cases are made of.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The first case.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Number of cases for each parser.
    #[arg(long, default_value_t = u64::MAX)]
    cases: u64,
    /// Most minutes for each parser.
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// A file or hexadecimal text to feed once.
    #[arg(long)]
    input: Option<String>,
    /// The file in which a child process notes its present case.
    #[arg(long, hide = true)]
    at: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let named: Option<Vec<&Target>> = args.targets.iter().map(|t| find(t)).collect();
    let Some(mut targets) = named else {
        let all: Vec<&str> = TARGETS.iter().map(|t| t.name).collect();
        eprintln!("unknown parser: expected one of {}", all.join(", "));
        return ExitCode::FAILURE;
    };
    if targets.is_empty() {
        targets = TARGETS.iter().collect();
    }
    if let Some(text) = &args.input {
        let bytes = std::fs::read(text)
            .ok()
            .or_else(|| unhex(text))
            .unwrap_or_default();
        targets.iter().for_each(|t| (t.run)(&bytes));
        return ExitCode::SUCCESS;
    }
    if let Some(at) = &args.at {
        return feed(targets[0], &args, at);
    }
    let mut code = ExitCode::SUCCESS;
    for target in targets {
        if !watch(target, &args) {
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Runs the cases in this process, and notes which it is at.
fn feed(target: &Target, args: &Args, at: &Path) -> ExitCode {
    let (seeds, begun) = (target.seeds(), Instant::now());
    let most = Duration::from_secs_f64(args.minutes * 60.0);
    std::panic::set_hook(Box::new(|_| {}));
    let mut code = ExitCode::SUCCESS;
    for case in args.from..args.from.saturating_add(args.cases) {
        if begun.elapsed() > most {
            break;
        }
        let note = format!("{case:020}");
        if std::fs::write(at, note).is_err() {
            return ExitCode::FAILURE;
        }
        if let Err(found) = run(target, case, input(target, &seeds, args.seed, case)) {
            keep(target, args.seed, &found);
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Runs the cases in a child process, because a stack overflow or a hang may end it.
fn watch(target: &Target, args: &Args) -> bool {
    let begun = Instant::now();
    let most = args.minutes * 60.0;
    let Ok(folder) = mlx_fuzz::folder() else {
        eprintln!("no place for temporary files");
        return false;
    };
    let at = folder.path().join("at");
    let (mut from, mut clean) = (args.from, true);
    let end = args.from.saturating_add(args.cases);
    loop {
        let left = (most - begun.elapsed().as_secs_f64()) / 60.0;
        if from >= end || left <= 0.0 {
            break;
        }
        let _ = std::fs::remove_file(&at);
        let child = std::env::current_exe().and_then(|exe| {
            Command::new(exe)
                .arg(target.name)
                .args([
                    "--seed",
                    &args.seed.to_string(),
                    "--from",
                    &from.to_string(),
                ])
                .args([
                    "--cases",
                    &(end - from).to_string(),
                    "--minutes",
                    &left.to_string(),
                ])
                .arg("--at")
                .arg(&at)
                .spawn()
        });
        let Ok(mut child) = child else {
            eprintln!("{}: no process for it", target.name);
            return false;
        };
        // The same case for a minute is a hang.
        let (mut last, mut since) = (u64::MAX, Instant::now());
        let status = loop {
            if let Ok(Some(status)) = child.try_wait() {
                break Some(status);
            }
            std::thread::sleep(Duration::from_millis(200));
            let now = noted(&at).unwrap_or(last);
            if now != last {
                (last, since) = (now, Instant::now());
            }
            if since.elapsed() > 3 * mlx_fuzz::LONGEST {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        };
        let case = noted(&at).unwrap_or(from);
        let why = match status {
            Some(s) if s.success() => {
                from = case + 1;
                break;
            }
            Some(s) if s.code() == Some(1) => {
                clean = false;
                from = case + 1;
                break;
            }
            Some(s) => format!("the process ended: {s}"),
            None => "it hangs".to_string(),
        };
        clean = false;
        let input = input(target, &target.seeds(), args.seed, case);
        keep(target, args.seed, &Found { case, input, why });
        from = case + 1;
    }
    let (n, time) = (
        from.saturating_sub(args.from),
        begun.elapsed().as_secs_f64() / 60.0,
    );
    let how = if clean { "clean" } else { "not clean" };
    println!(
        "{}: {n} cases in {time:.1} minutes with seed {}: {how}",
        target.name, args.seed
    );
    clean
}

fn noted(at: &Path) -> Option<u64> {
    std::fs::read_to_string(at).ok()?.parse().ok()
}

/// Prints an input and keeps it.
fn keep(target: &Target, seed: u64, found: &Found) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("found")
        .join(target.name);
    let path = folder.join(format!("{seed}-{}", found.case));
    let kept = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, &found.input));
    let hex: String = found
        .input
        .iter()
        .take(200)
        .map(|b| format!("{b:02x}"))
        .collect();
    println!(
        "{} case {}: {}\n  {hex}",
        target.name, found.case, found.why
    );
    match kept {
        Ok(()) => println!("  kept as {}", path.display()),
        Err(e) => println!("  not kept: {e}"),
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let byte = |i: usize| u8::from_str_radix(text.get(i..i + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}
