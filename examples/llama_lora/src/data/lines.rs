//! Reads the lines of a JSONL file, one at a time, with a limit on their length.
//!
//! Tests: unit tests below.

use std::io::{BufRead, Read};

use anyhow::{ensure, Result};

use crate::files::{decode, TEXT_LIMIT};

/// Lines with something in them, each with its number, counted from 1.
pub struct Lines<R> {
    source: R,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `source`.
    pub fn new(source: R) -> Self {
        Lines { source, number: 0 }
    }

    /// The number of the line that was read last.
    pub fn number(&self) -> usize {
        self.number
    }

    /// At most `most` lines, each with its number, and the error that ended them.
    pub fn next_lines(&mut self, most: usize) -> (Vec<(usize, String)>, Result<()>) {
        let (mut some, mut bytes) = (Vec::new(), 0);
        // Lines of any length fit into memory together.
        while some.len() < most && bytes < TEXT_LIMIT as usize {
            match self.next_line() {
                Ok(Some(line)) => {
                    bytes += line.len();
                    some.push((self.number, line));
                }
                Ok(None) => break,
                Err(error) => return (some, Err(error)),
            }
        }
        (some, Ok(()))
    }

    /// The next line that is not blank, without its end.
    pub fn next_line(&mut self) -> Result<Option<String>> {
        loop {
            self.number += 1;
            let mut bytes = Vec::new();
            let mut some = (&mut self.source).take(TEXT_LIMIT + 1);
            if some.read_until(b'\n', &mut bytes)? == 0 {
                return Ok(None);
            }
            ensure!(
                bytes.len() as u64 <= TEXT_LIMIT,
                "expected at most {} MB in a line, found more",
                TEXT_LIMIT >> 20
            );
            let line = decode(bytes)?;
            let line = line.trim();
            if !line.is_empty() {
                return Ok(Some(line.to_owned()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn blank_lines_count_and_ends_do_not_matter() {
        let text = "\u{feff}one\r\n\r\n  \ntwo\n\nthree";
        let mut lines = Lines::new(text.as_bytes());
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push((lines.number(), line));
        }
        let wanted = [(1, "one"), (4, "two"), (6, "three")];
        assert_eq!(found, wanted.map(|(n, line)| (n, line.to_owned())));
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut lines = Lines::new(BufReader::new(std::io::repeat(b'x')));
        let error = lines.next_line().unwrap_err().to_string();
        assert_eq!(error, "expected at most 64 MB in a line, found more");
    }
}
