//! Checks a model against the digest of a checkpoint, in constant evaluation: a mismatch is a compile error that names
//! the field.
//!
//! Tests: `mlx-tests --test ui`.

use super::const_text::{same, Text};
use super::layout::{Digest, DigestTensor, Fact, FieldLayout, Holds, Layout, TensorLayout, Value};
use super::names::{NamePart, Pattern};
use super::walk::{Walk, MAX_LEVELS, MAX_WHENS};

const MAX_RANK: usize = 8;

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
        .push("`: write the digest again")
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

/// Returns true if something exists. Conditions that depend on the layer are left to the counting of layers.
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
    // The model's own name, if none of the alternatives is there.
    let own: &'static [NamePart] = &[];
    let parts = match parts {
        Some(parts) => parts,
        None if at.join(f.names.own).any(digest) => own,
        None => pattern[0],
    };
    match &f.holds {
        Holds::ModelApart(_) | Holds::LayersApart(_) => {}
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
        // The load compares what is stored in another form.
        if !parts.is_empty() && parts[p].is_other() {
            return;
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

/// Returns true if an entry has the sizes that are left once stacking, transposition and packing are undone, and its
/// number of rows.
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
    text.numbers(&shape, entry.shape.len())
        .push(" of ")
        .push(entry.dtype)
        .fail()
}

impl Text {
    pub(super) const fn number(self, n: i64) -> Self {
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
