//! Tests in child processes: this binary again, because a failure may end the process.

use std::process::{Command, Output, Stdio};

/// Names the test in the process that runs it.
const CASE: &str = "MLX_RUNTIME_CHILD";

/// The number that tells the child apart from others of the same test; `None` in the parent.
pub fn child(name: &str) -> Option<String> {
    let case = std::env::var(CASE).ok()?;
    let (test, number) = case.split_once(' ')?;
    (test == name).then(|| number.to_owned())
}

/// The command that runs the test `name` in a child process, as child `number`.
pub fn command(name: &str, number: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(CASE, format!("{name} {number}"))
        .stdin(Stdio::null());
    command
}

/// The status and the stderr of a process, for a message.
#[allow(dead_code)] // not in every test that has this module
pub fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let from = text.len().saturating_sub(2000);
    format!("{}: {}", output.status, text.get(from..).unwrap_or(&text))
}
