//! The build's error type: the failure, and what to install or set.
//!
//! Tests: `tests/build`.

use std::fmt;

/// A failure, with the text that the user sees.
#[derive(Debug)]
pub struct Error {
    what: String,
    hint: String,
}

/// The result of every step of the build.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// `what` describes the failure; `hint` names what to install or which variable to set.
    pub fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Error {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// The message, without the hint.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// A failure of the file system at `path`.
    pub fn io(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Error::new(
            format!("cannot {doing} {}: {error}", path.display()),
            "MLX_SYS_CACHE names another folder to keep fetched and compiled files in",
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhelp: {}", self.what.trim_end(), self.hint)
    }
}

/// Hands the error to cargo, which prints it and fails the build, and to stderr.
pub fn report(error: &Error) {
    let text = error.to_string();
    eprintln!("error: {text}");
    for line in text.lines() {
        println!("cargo::error={line}");
    }
}
