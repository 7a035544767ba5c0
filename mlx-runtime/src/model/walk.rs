//! Walks over the places in a model, and finds the entries of a digest for the tensors there. All of it runs in
//! constant evaluation.
//!
//! Tests: `mlx-tests --test ui`.

use super::layout::{Digest, DigestPart, DigestTensor, Fact, Value};
use super::names::NamePart;

pub(super) const MAX_PATH: usize = 320;
pub(super) const MAX_LEVELS: usize = 4;
pub(super) const MAX_WHENS: usize = 12;

/// A place in a model: the path of its tensors with `{}` for the number of a layer.
#[derive(Clone, Copy)]
pub(super) struct Walk<'a> {
    path: [u8; MAX_PATH],
    len: usize,
    /// The size of each stack around it, and of the experts in it.
    pub(super) counts: [i64; MAX_LEVELS],
    pub(super) levels: usize,
    /// Conditions on the layer, and the stack that they count.
    pub(super) whens: [(usize, &'a Fact); MAX_WHENS],
    pub(super) conditions: usize,
    /// The nearest stack, counted from 1.
    pub(super) stack: usize,
}

impl<'a> Walk<'a> {
    pub(super) const fn root() -> Self {
        Walk {
            path: [0; MAX_PATH],
            len: 0,
            counts: [0; MAX_LEVELS],
            levels: 0,
            whens: [(0, &Fact::Unknown); MAX_WHENS],
            conditions: 0,
            stack: 0,
        }
    }

    /// The path with a name appended; dots in the name separate words.
    pub(super) const fn join(mut self, name: &str) -> Self {
        let name = name.as_bytes();
        if name.is_empty() {
            return self;
        }
        if self.len > 0 && self.len < MAX_PATH {
            self.path[self.len] = b'.';
            self.len += 1;
        }
        let mut i = 0;
        while i < name.len() && self.len < MAX_PATH {
            self.path[self.len] = name[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    pub(super) const fn part(self, part: &NamePart) -> Self {
        if !part.absolute {
            return self.join(part.name);
        }
        let mut at = self;
        at.len = 0;
        at.levels = 0;
        at.conditions = 0;
        at.stack = 0;
        at.join(part.name)
    }

    pub(super) const fn level(mut self, count: i64) -> Self {
        if self.levels < MAX_LEVELS {
            self.counts[self.levels] = count;
            self.levels += 1;
        }
        self
    }

    pub(super) const fn text(&self) -> &str {
        let (path, _) = self.path.split_at(self.len);
        match core::str::from_utf8(path) {
            Ok(s) => s,
            Err(_) => "",
        }
    }

    /// The number of indices from `low` to `high` that exist at a level.
    pub(super) const fn among(&self, digest: &Digest, level: usize, low: i64, high: i64) -> i64 {
        let (mut conditions, mut w) = (false, 0);
        while w < self.conditions {
            conditions |= self.whens[w].0 == level + 1;
            w += 1;
        }
        if !conditions {
            // A shortcut for the loop below, because constant evaluation is slow, and experts are many.
            let last = if high < self.counts[level] {
                high
            } else {
                self.counts[level] - 1
            };
            return if last < low { 0 } else { last - low + 1 };
        }
        let (mut i, mut n) = (low, 0);
        while i <= high && i < self.counts[level] {
            let (mut all, mut w) = (true, 0);
            while w < self.conditions {
                let (at, fact) = self.whens[w];
                if at == level + 1 {
                    if let Value::Known(0.0) = fact.value(digest, i as f64) {
                        all = false;
                    }
                }
                w += 1;
            }
            if all {
                n += 1;
            }
            i += 1;
        }
        n
    }

    /// The number of tensors that there must be.
    pub(super) const fn wanted(&self, digest: &Digest) -> i64 {
        let (mut all, mut level) = (1, 0);
        while level < self.levels {
            all *= self.among(digest, level, 0, self.counts[level] - 1);
            level += 1;
        }
        all
    }

    /// The number of them that an entry of the digest stands for. With `prefix`, an entry below the path counts too.
    pub(super) const fn found(&self, digest: &Digest, entry: &DigestTensor, prefix: bool) -> i64 {
        let (mut at, mut i, mut level, mut all) = (0, 0, 0, 1);
        while at < self.len {
            let end = word_end(&self.path, at, self.len);
            if i >= entry.parts.len() {
                return 0;
            }
            all *= match &entry.parts[i] {
                DigestPart::Word(w) => equal(&self.path, at, end, w.as_bytes()) as i64,
                DigestPart::Index(ranges) => {
                    if equal(&self.path, at, end, b"{}") {
                        level += 1;
                        let (mut n, mut r) = (0, 0);
                        while r < ranges.len() {
                            n += self.among(digest, level - 1, ranges[r].0, ranges[r].1);
                            r += 1;
                        }
                        n
                    } else {
                        inside(&self.path, at, end, ranges) as i64
                    }
                }
            };
            if all == 0 {
                return 0;
            }
            at = end + 1;
            i += 1;
        }
        if prefix || i == entry.parts.len() {
            all
        } else {
            0
        }
    }

    pub(super) const fn any(&self, digest: &Digest) -> bool {
        let mut i = 0;
        while i < digest.tensors.len() {
            if self.found(digest, &digest.tensors[i], true) > 0 {
                return true;
            }
            i += 1;
        }
        false
    }

    /// The first entry that is one of the tensors, and the number of tensors in all entries.
    pub(super) const fn entries<'d>(&self, digest: &'d Digest) -> (Option<&'d DigestTensor>, i64) {
        let (mut i, mut n, mut first) = (0, 0, None);
        while i < digest.tensors.len() {
            let found = self.found(digest, &digest.tensors[i], false);
            if found > 0 && first.is_none() {
                first = Some(&digest.tensors[i]);
            }
            n += found;
            i += 1;
        }
        (first, n)
    }

    /// The entry with the name most like the path.
    pub(super) const fn nearest(&self, digest: &Digest) -> &'static str {
        let (mut best, mut score, mut i) = ("", 0, 0);
        while i < digest.tensors.len() {
            let parts = digest.tensors[i].parts;
            let (mut at, mut p, mut now) = (0, 0, 0);
            while at < self.len && p < parts.len() {
                let end = word_end(&self.path, at, self.len);
                now += match &parts[p] {
                    DigestPart::Word(w) => 2 * alike(&self.path, at, end, w.as_bytes()),
                    DigestPart::Index(_) => equal(&self.path, at, end, b"{}") as usize * 20,
                };
                at = end + 1;
                p += 1;
            }
            // Words count wherever they stand, those at their own place most.
            at = 0;
            while at < self.len {
                let end = word_end(&self.path, at, self.len);
                p = 0;
                while p < parts.len() {
                    if let DigestPart::Word(w) = &parts[p] {
                        now += equal(&self.path, at, end, w.as_bytes()) as usize * 30;
                    }
                    p += 1;
                }
                at = end + 1;
            }
            if now > score {
                (best, score) = (digest.tensors[i].text, now);
            }
            i += 1;
        }
        best
    }
}

const fn word_end(path: &[u8], mut at: usize, len: usize) -> usize {
    while at < len && path[at] != b'.' {
        at += 1;
    }
    at
}

const fn equal(path: &[u8], at: usize, end: usize, word: &[u8]) -> bool {
    let mut i = 0;
    while i < word.len() {
        if at + i >= end || path[at + i] != word[i] {
            return false;
        }
        i += 1;
    }
    at + i == end
}

/// The similarity of two words: highest for equal words, else the length of the common beginning and end.
const fn alike(path: &[u8], at: usize, end: usize, word: &[u8]) -> usize {
    if equal(path, at, end, word) {
        return 10;
    }
    let (mut i, mut j) = (0, 0);
    while i < word.len() && at + i < end && path[at + i] == word[i] {
        i += 1;
    }
    while j < word.len() && at + j < end && path[end - 1 - j] == word[word.len() - 1 - j] {
        j += 1;
    }
    i + j
}

/// Returns true if a number in a name lies in one of the ranges.
const fn inside(path: &[u8], at: usize, end: usize, ranges: &[(i64, i64)]) -> bool {
    let (mut n, mut i) = (0i64, at);
    while i < end {
        if !path[i].is_ascii_digit() || n > 1_000_000 {
            return false;
        }
        n = n * 10 + (path[i] - b'0') as i64;
        i += 1;
    }
    let mut r = 0;
    while r < ranges.len() {
        if ranges[r].0 <= n && n <= ranges[r].1 && at < end {
            return true;
        }
        r += 1;
    }
    false
}
