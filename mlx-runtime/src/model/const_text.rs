//! Text in constants: sizes of signatures compared, and messages put together while rustc evaluates.
//!
//! Tests: `sig.rs`.

const fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'.'
}

/// True if a size is made with a name.
pub(super) const fn names(size: &str, name: &str) -> bool {
    let (size, name) = (size.as_bytes(), name.as_bytes());
    let mut i = 0;
    while i + name.len() <= size.len() {
        let mut j = 0;
        while j < name.len() && size[i + j] == name[j] {
            j += 1;
        }
        let end = i + name.len();
        let before = i > 0 && is_word(size[i - 1]);
        if j == name.len() && !before && (end == size.len() || !is_word(size[end])) {
            return true;
        }
        i += 1;
    }
    false
}

/// True if `found` is `want` with `prefix` before each name.
pub(super) const fn same_inside(prefix: &str, want: &str, found: &str) -> bool {
    let (prefix, want, found) = (prefix.as_bytes(), want.as_bytes(), found.as_bytes());
    let (mut i, mut j) = (0, 0);
    while i < want.len() {
        let starts = want[i].is_ascii_lowercase() || want[i] == b'_';
        if starts && (i == 0 || !is_word(want[i - 1])) {
            let mut k = 0;
            while k < prefix.len() {
                if j >= found.len() || found[j] != prefix[k] {
                    return false;
                }
                j += 1;
                k += 1;
            }
        }
        if j >= found.len() || found[j] != want[i] {
            return false;
        }
        i += 1;
        j += 1;
    }
    j == found.len()
}

/// Text built in a constant, for the message of a failed comparison.
pub(super) struct Text {
    bytes: [u8; 600],
    len: usize,
}

impl Text {
    pub(super) const fn new() -> Self {
        Text {
            bytes: [0; 600],
            len: 0,
        }
    }

    pub(super) const fn push(mut self, s: &str) -> Self {
        let s = s.as_bytes();
        let mut i = 0;
        while i < s.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = s[i];
            self.len += 1;
            i += 1;
        }
        self
    }

    /// A size of the config with `prefix` before each name.
    pub(super) const fn push_inside(mut self, prefix: &str, s: &str) -> Self {
        let bytes = s.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            let starts = bytes[i].is_ascii_lowercase() || bytes[i] == b'_';
            if starts && (i == 0 || !is_word(bytes[i - 1])) {
                self = self.push(prefix);
            }
            if self.len < self.bytes.len() {
                self.bytes[self.len] = bytes[i];
                self.len += 1;
            }
            i += 1;
        }
        self
    }

    #[track_caller]
    pub(super) const fn fail(&self) -> ! {
        let (text, _) = self.bytes.split_at(self.len);
        match core::str::from_utf8(text) {
            Ok(s) => panic!("{}", s),
            Err(_) => panic!("shapes differ"),
        }
    }
}

pub(super) const fn same(a: &str, b: &str) -> bool {
    same_bytes(a.as_bytes(), b.as_bytes())
}

pub(super) const fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}

/// A dim that the call binds: one name that begins with a capital.
pub(super) const fn is_free(dim: &str) -> bool {
    let b = dim.as_bytes();
    if b.is_empty() || !b[0].is_ascii_uppercase() {
        return false;
    }
    let mut i = 0;
    while i < b.len() {
        if matches!(b[i], b'*' | b'/' | b' ') {
            return false;
        }
        i += 1;
    }
    true
}
