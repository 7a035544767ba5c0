//! Children of the campaign: started with their output in files, waited for within a bound, and looked at.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A child that takes longer hangs. Most take a tenth of a second.
pub const BOUND: Duration = Duration::from_secs(60);

/// A started child.
pub struct Running {
    child: Child,
    out: PathBuf,
    /// The file that receives its standard error.
    heard: bool,
    /// Copies its outputs from pipes.
    copies: Vec<JoinHandle<()>>,
}

/// How a child ended, and what it said.
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Starts a child whose outputs go to files that begin with `out`, unless `command` has others.
pub fn start(command: &mut Command, out: PathBuf) -> Running {
    let file = |name: &str| File::create(out.with_extension(name)).unwrap();
    command
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"));
    start_as_is(command, out)
}

/// Starts a child whose outputs `command` says.
pub fn start_as_is(command: &mut Command, out: PathBuf) -> Running {
    let child = command.spawn().unwrap();
    Running {
        child,
        out,
        heard: true,
        copies: Vec::new(),
    }
}

/// Starts a child whose outputs come through pipes, so that limits on files do not meet them.
pub fn start_through_pipes(command: &mut Command, out: PathBuf) -> Running {
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = start_as_is(command, out);
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    running.copies = vec![
        copy(stdout.unwrap(), running.out.with_extension("stdout")),
        copy(stderr.unwrap(), running.out.with_extension("stderr")),
    ];
    running
}

fn copy(mut from: impl Read + Send + 'static, to: PathBuf) -> JoinHandle<()> {
    std::thread::spawn(move || {
        std::io::copy(&mut from, &mut File::create(to).unwrap()).unwrap();
    })
}

impl Running {
    /// Its standard error is spoilt: that it names an error is not checked.
    pub fn unheard(mut self) -> Running {
        self.heard = false;
        self
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, if it still runs.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
        sent.unwrap();
    }

    /// Its standard error so far.
    pub fn said(&self) -> String {
        text(&self.out, "stderr")
    }

    /// Waits until it has said `words`, or has ended.
    pub fn wait_for(&mut self, words: &str) {
        let begun = Instant::now();
        while !self.said().contains(words) && self.child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < BOUND, "it hangs: {}", self.said());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > BOUND {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("it hangs: {}", self.said());
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        self.copies.drain(..).for_each(|c| c.join().unwrap());
        let ended = Ended {
            status,
            stdout: text(&self.out, "stdout"),
            stderr: text(&self.out, "stderr"),
        };
        ended.check(self.heard);
        ended
    }
}

fn text(out: &std::path::Path, name: &str) -> String {
    let bytes = fs::read(out.with_extension(name)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Texts that a program prints when it breaks.
const BROKEN: [&str; 8] = [
    "panicked",
    "terminate called",
    "stack overflow",
    "memory allocation of",
    "fatal runtime error",
    "Segmentation fault",
    "RUST_BACKTRACE",
    "double free",
];

impl Ended {
    /// Holds after every fault.
    fn check(&self, heard: bool) {
        for words in BROKEN {
            assert!(!self.stderr.contains(words), "{}: {self}", self.status);
        }
        if self.status.code() == Some(1) && heard {
            assert_eq!(self.errors(), 1, "not one error: {self}");
        }
        if let Some(0) = self.status.code() {
            assert_eq!(self.errors(), 0, "an error and exit code 0: {self}");
        }
    }

    fn errors(&self) -> usize {
        let ours = |l: &&str| l.starts_with("error: ");
        self.stderr.lines().filter(ours).count()
    }

    /// The exit code; no signal ended it.
    pub fn code(&self) -> i32 {
        assert_eq!(self.status.signal(), None, "{self}");
        self.status.code().unwrap()
    }

    /// True if its work is done, false if an error says why not.
    pub fn worked(&self) -> bool {
        match self.code() {
            0 => true,
            1 => false,
            _ => panic!("neither done nor an error: {self}"),
        }
    }

    /// The error's line, and those after it.
    pub fn error(&self) -> &str {
        let at = self.stderr.find("error: ").unwrap_or(self.stderr.len());
        self.stderr[at..].trim_end()
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tail: Vec<&str> = self.stderr.lines().rev().take(12).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        write!(
            f,
            "{}, stdout {:?}, stderr: {}",
            self.status,
            self.stdout,
            tail.join("\n    ")
        )
    }
}
