//! A model against the digest of a checkpoint, in constant evaluation: what does not fit is a
//! compile error that names the field.

use super::layout::{
    Digest, DigestPart, DigestTensor, Fact, FieldLayout, Holds, Layout, TensorLayout, Value,
};
use super::names::{NamePart, Pattern};
use super::sig::{same, Text};

const MAX_PATH: usize = 320;
const MAX_LEVELS: usize = 4;
const MAX_WHENS: usize = 12;
const MAX_RANK: usize = 8;

/// A place in a model: the path of its tensors with `{}` for the number of a layer.
#[derive(Clone, Copy)]
struct Walk<'a> {
    path: [u8; MAX_PATH],
    len: usize,
    /// The size of each stack around it, and of the experts in it.
    counts: [i64; MAX_LEVELS],
    levels: usize,
    /// Conditions on the layer, and the stack that they count.
    whens: [(usize, &'a Fact); MAX_WHENS],
    conditions: usize,
    /// The nearest stack, counted from 1.
    stack: usize,
}

impl<'a> Walk<'a> {
    const fn root() -> Self {
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

    /// The path with a name behind it; dots in the name separate words.
    const fn join(mut self, name: &str) -> Self {
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

    const fn part(self, part: &NamePart) -> Self {
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

    const fn level(mut self, count: i64) -> Self {
        if self.levels < MAX_LEVELS {
            self.counts[self.levels] = count;
            self.levels += 1;
        }
        self
    }

    const fn text(&self) -> &str {
        let (path, _) = self.path.split_at(self.len);
        match core::str::from_utf8(path) {
            Ok(s) => s,
            Err(_) => "",
        }
    }

    /// How many of the indices from `low` to `high` exist at a level.
    const fn among(&self, digest: &Digest, level: usize, low: i64, high: i64) -> i64 {
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

    /// How many tensors there must be.
    const fn wanted(&self, digest: &Digest) -> i64 {
        let (mut all, mut level) = (1, 0);
        while level < self.levels {
            all *= self.among(digest, level, 0, self.counts[level] - 1);
            level += 1;
        }
        all
    }

    /// How many of them an entry of the digest is; with `prefix`, whether it lies below the path.
    const fn found(&self, digest: &Digest, entry: &DigestTensor, prefix: bool) -> i64 {
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

    const fn any(&self, digest: &Digest) -> bool {
        let mut i = 0;
        while i < digest.tensors.len() {
            if self.found(digest, &digest.tensors[i], true) > 0 {
                return true;
            }
            i += 1;
        }
        false
    }

    /// The first entry that is one of the tensors, and how many of them all entries are.
    const fn entries<'d>(&self, digest: &'d Digest) -> (Option<&'d DigestTensor>, i64) {
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

    /// The entry whose name is most like the path.
    const fn nearest(&self, digest: &Digest) -> &'static str {
        let (mut best, mut score, mut i) = ("", 0, 0);
        while i < digest.tensors.len() {
            let parts = digest.tensors[i].parts;
            let (mut at, mut p, mut now) = (0, 0, 0);
            while at < self.len && p < parts.len() {
                let end = word_end(&self.path, at, self.len);
                now += match &parts[p] {
                    DigestPart::Word(w) => 2 * alike(&self.path, at, end, w.as_bytes()),
                    DigestPart::Index(_) => equal(&self.path, at, end, b"{}") as usize * 100,
                };
                at = end + 1;
                p += 1;
            }
            if (at > self.len) == (p == parts.len()) {
                now += 1;
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

/// How much two words have in common: equal words most, then long beginnings and ends.
const fn alike(path: &[u8], at: usize, end: usize, word: &[u8]) -> usize {
    if equal(path, at, end, word) {
        return 50;
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

/// Whether a number in a name lies in one of the ranges.
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

/// Compares field `i` of a model with the digest, and all that is below it.
#[track_caller] // the error shows the field
pub const fn check_field(digest: &Digest, layout: &'static Layout, i: usize) {
    if i < layout.fields.len() {
        field(digest, layout, &layout.fields[i], Walk::root());
    }
}

/// Evaluates condition `i` of a model with the digest's config.
#[track_caller]
pub const fn check_require(digest: &Digest, layout: &Layout, i: usize) {
    if i >= layout.requires.len() {
        return;
    }
    let r = &layout.requires[i];
    let text = Text::new()
        .push(layout.model)
        .push(" requires ")
        .push(r.text);
    match r.holds.value(digest, f64::NAN) {
        Value::Missing(name) => missing(digest, name),
        Value::Known(0.0) => {
            let (mut text, mut n) = (text.push(", but ").push(digest.file).push(" has "), 0);
            while n < r.names.len() {
                if n > 0 {
                    text = text.push(", ");
                }
                text = text.push(r.names[n]).push(" = ");
                text = match digest_number(digest, r.names[n]) {
                    Some(value) => text.number(value as i64),
                    None => text.push("?"),
                };
                n += 1;
            }
            text.fail()
        }
        _ => {}
    }
}

const fn digest_number(digest: &Digest, name: &str) -> Option<f64> {
    let mut i = 0;
    while i < digest.config.len() {
        if same(digest.config[i].0, name) {
            return Some(digest.config[i].1);
        }
        i += 1;
    }
    None
}

#[track_caller]
const fn missing(digest: &Digest, name: &str) -> ! {
    Text::new()
        .push(digest.file)
        .push(" has no `config.")
        .push(name)
        .push("`; write it again")
        .fail()
}

#[track_caller]
const fn model(digest: &Digest, layout: &'static Layout, at: Walk<'static>) {
    let mut i = 0;
    while i < layout.requires.len() {
        check_require(digest, layout, i);
        i += 1;
    }
    i = 0;
    while i < layout.fields.len() {
        field(digest, layout, &layout.fields[i], at);
        i += 1;
    }
}

/// Whether something exists; what depends on the layer is left to the counting of layers.
#[track_caller]
const fn exists(digest: &Digest, when: &'static Fact, at: &mut Walk<'static>) -> bool {
    if when.of_layer() {
        if at.conditions < MAX_WHENS {
            at.whens[at.conditions] = (at.stack, when);
            at.conditions += 1;
        }
        return true;
    }
    match when.value(digest, f64::NAN) {
        Value::Known(n) => n != 0.0,
        Value::Missing(name) => missing(digest, name),
        Value::Unknown => false,
    }
}

#[track_caller]
const fn field(
    digest: &Digest,
    layout: &'static Layout,
    f: &'static FieldLayout,
    mut at: Walk<'static>,
) {
    if !exists(digest, &f.when, &mut at) {
        return;
    }
    let mut pattern = f.names.default;
    let mut s = 0;
    while s < f.names.schemes.len() {
        if same(f.names.schemes[s].0, digest.names) {
            pattern = f.names.schemes[s].1;
        }
        s += 1;
    }
    let parts = choose(digest, pattern, &at);
    // The name that the model itself uses, where none of the alternatives is there.
    let own: &'static [NamePart] = &[];
    let parts = match parts {
        Some(parts) => parts,
        None if at.join(f.names.own).any(digest) => own,
        None => pattern[0],
    };
    match &f.holds {
        Holds::Model(inner) => model(digest, inner, first(&at, parts, f)),
        Holds::Layers(count, inner) => match count.value(digest, f64::NAN) {
            Value::Known(n) => {
                let mut below = first(&at, parts, f).join("{}").level(n as i64);
                below.stack = below.levels;
                model(digest, inner, below)
            }
            Value::Missing(name) => missing(digest, name),
            Value::Unknown => {}
        },
        Holds::Tensors(tensors) => {
            let mut i = 0;
            while i < tensors.len() {
                let mut below = at;
                if exists(digest, &tensors[i].when, &mut below) {
                    tensor(digest, layout, f, &tensors[i], below, parts);
                }
                i += 1;
            }
        }
    }
}

const fn first(at: &Walk<'static>, parts: &[NamePart], f: &FieldLayout) -> Walk<'static> {
    if parts.is_empty() {
        at.join(f.names.own)
    } else {
        at.part(&parts[0])
    }
}

/// The first alternative that the checkpoint holds.
const fn choose(
    digest: &Digest,
    pattern: Pattern,
    at: &Walk<'static>,
) -> Option<&'static [NamePart]> {
    let mut i = 0;
    while i < pattern.len() {
        let mut p = 0;
        while p < pattern[i].len() {
            // An index in a name counts like one layer here.
            let mut place = at.part(&pattern[i][p]);
            if place.levels < MAX_LEVELS {
                place.counts[place.levels] = i64::MAX;
            }
            if place.any(digest) {
                return Some(pattern[i]);
            }
            p += 1;
        }
        i += 1;
    }
    None
}

/// Compares one tensor of a field, in as many parts as the checkpoint has it.
#[track_caller]
const fn tensor(
    digest: &Digest,
    layout: &Layout,
    f: &FieldLayout,
    t: &'static TensorLayout,
    at: Walk<'static>,
    parts: &[NamePart],
) {
    let mut sizes = [0i64; MAX_RANK];
    let rank = t.shape.len();
    let mut i = 0;
    while i < rank && i < MAX_RANK {
        sizes[i] = match t.shape[i].1.value(digest, f64::NAN) {
            Value::Known(n) => n as i64,
            Value::Missing(name) => missing(digest, name),
            Value::Unknown => return,
        };
        i += 1;
    }
    let count = if parts.is_empty() { 1 } else { parts.len() };
    let (mut rows, mut p, mut last) = (0, 0, None);
    while p < count {
        let mut place = if parts.is_empty() {
            at.join(f.names.own)
        } else {
            at.part(&parts[p])
        };
        let stacked = !parts.is_empty() && holds_index(parts[p].name);
        if stacked && rank > 0 {
            place = place.level(sizes[0]);
        }
        let turned = !parts.is_empty() && parts[p].transposed;
        let packed = t.matrix && place.join("scales").entries(digest).1 > 0;
        place = place.join(t.leaf);
        let wanted = place.wanted(digest);
        let (entry, found) = place.entries(digest);
        let Some(entry) = entry else {
            if wanted > 0 {
                start(layout, f)
                    .push(": ")
                    .push(digest.file)
                    .push(" has no `")
                    .push(place.text())
                    .push("`; the nearest name is `")
                    .push(place.nearest(digest))
                    .push("`")
                    .fail()
            }
            return;
        };
        if found < wanted {
            start(layout, f)
                .push(": ")
                .push(digest.file)
                .push(" has ")
                .number(found)
                .push(" of the ")
                .number(wanted)
                .push(" tensors `")
                .push(place.text())
                .push("`")
                .fail()
        }
        // Each entry of that name has the shape, whatever its layers.
        let mut e = 0;
        while e < digest.tensors.len() {
            let one = &digest.tensors[e];
            if place.found(digest, one, false) > 0 {
                let (ok, height) = fits(one, &sizes, rank, stacked, turned, packed, count > 1);
                if !ok {
                    differs(digest, layout, f, t, &sizes, one)
                }
                if same(one.text, entry.text) {
                    rows += height;
                }
            }
            e += 1;
        }
        last = Some(entry);
        p += 1;
    }
    let height = if rank > 0 && !(count > 1 && holds_index(parts[0].name)) {
        sizes[0]
    } else if rank > 1 {
        sizes[1]
    } else {
        return;
    };
    if let (Some(entry), true) = (last, count > 1 && rows != height) {
        differs(digest, layout, f, t, &sizes, entry)
    }
}

const fn holds_index(name: &str) -> bool {
    let b = name.as_bytes();
    let mut i = 0;
    while i < b.len() {
        if b[i] == b'{' {
            return true;
        }
        i += 1;
    }
    false
}

/// Whether an entry has the sizes that are left when stacking, turning and packing are undone, and
/// its number of rows.
const fn fits(
    entry: &DigestTensor,
    sizes: &[i64; MAX_RANK],
    rank: usize,
    stacked: bool,
    turned: bool,
    packed: bool,
    joined: bool,
) -> (bool, i64) {
    let from = if stacked && rank > 0 { 1 } else { 0 };
    let rank = rank - from;
    if entry.shape.len() != rank {
        return (false, 0);
    }
    if rank == 0 {
        return (true, 0);
    }
    let swap = turned && !packed && rank > 1;
    let rows_at = if swap { rank - 1 } else { 0 };
    let mut i = 0;
    while i < rank {
        let at = match (swap, rank - i) {
            (true, 1) => rank - 2,
            (true, 2) => rank - 1,
            _ => i,
        };
        let (want, have) = (sizes[from + at], entry.shape[i]);
        let same = if joined && i == rows_at {
            have > 0 && have <= want
        } else if packed && i + 1 == rank {
            // Words of 32 bits, each value of 2 to 8.
            want > 0 && have * 32 % want == 0 && matches!(have * 32 / want, 2 | 3 | 4 | 5 | 6 | 8)
        } else {
            want == have
        };
        if !same {
            return (false, 0);
        }
        i += 1;
    }
    (true, entry.shape[rows_at])
}

const fn start(layout: &Layout, f: &FieldLayout) -> Text {
    Text::new()
        .push("`")
        .push(layout.model)
        .push(".")
        .push(f.name)
        .push("` (")
        .push(layout.file)
        .push(":")
        .number(f.line as i64)
        .push(")")
}

#[track_caller]
const fn differs(
    digest: &Digest,
    layout: &Layout,
    f: &FieldLayout,
    t: &TensorLayout,
    sizes: &[i64; MAX_RANK],
    entry: &DigestTensor,
) -> ! {
    let mut text = start(layout, f).push(" is [");
    let mut i = 0;
    while i < t.shape.len() {
        if i > 0 {
            text = text.push(", ");
        }
        text = text.push(t.shape[i].0);
        i += 1;
    }
    text = text.push("] = ");
    text = text.numbers(sizes, t.shape.len());
    text = text
        .push(", but in ")
        .push(digest.file)
        .push(" `")
        .push(entry.text)
        .push("` is ");
    let mut shape = [0; MAX_RANK];
    i = 0;
    while i < entry.shape.len() && i < MAX_RANK {
        shape[i] = entry.shape[i];
        i += 1;
    }
    text.numbers(&shape, entry.shape.len()).fail()
}

impl Text {
    const fn number(self, n: i64) -> Self {
        let mut digits = [0u8; 20];
        let (mut at, mut rest) = (digits.len(), n.unsigned_abs());
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let (_, digits) = digits.split_at(at);
        let text = if n < 0 { self.push("-") } else { self };
        match core::str::from_utf8(digits) {
            Ok(s) => text.push(s),
            Err(_) => text,
        }
    }

    const fn numbers(self, sizes: &[i64; MAX_RANK], rank: usize) -> Self {
        let mut text = self.push("[");
        let mut i = 0;
        while i < rank && i < MAX_RANK {
            if i > 0 {
                text = text.push(", ");
            }
            text = text.number(sizes[i]);
            i += 1;
        }
        text.push("]")
    }
}
