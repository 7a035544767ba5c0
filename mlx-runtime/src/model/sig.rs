//! Signatures of models as constants. rustc compares them at each call, so that a wrong shape is a compile error at the
//! argument, across modules and crates.
//!
//! Sizes are compared as text: the macros write every size in one normal form, with the names of
//! the config's fields. A name that begins with a capital is free, and stands for the caller's size.
//!
//! Tests: unit tests below.

use super::const_text::{is_free, names, same, same_bytes, same_inside, Text};

/// The arguments and the result of a model's `forward` or of a helper function.
pub struct Sig {
    /// Its name, such as `Attention::forward`.
    pub callee: &'static str,
    /// Names and types of the arguments.
    pub args: &'static [(&'static str, SigType)],
    /// The result's type.
    pub ret: SigType,
    /// The text before each size of the config in a caller whose config holds the callee's: `vision.`.
    pub prefix: &'static str,
    /// The sizes of the config that have another value in the caller's words.
    pub other: &'static [(&'static str, &'static str)],
}

impl Sig {
    /// The signature in the words of a caller with another config.
    pub const fn renamed(
        &self,
        prefix: &'static str,
        other: &'static [(&'static str, &'static str)],
    ) -> Sig {
        Sig {
            callee: self.callee,
            args: self.args,
            ret: self.ret,
            prefix,
            other,
        }
    }

    const fn bound(&self) -> Bound<'static> {
        Bound {
            prefix: self.prefix,
            other: self.other,
            ..EMPTY
        }
    }
}

/// A type in a signature.
#[derive(Clone, Copy)]
pub enum SigType {
    /// Sizes and dtype.
    Tensor(&'static [&'static str], &'static str),
    /// Several values.
    Tuple(&'static [SigType]),
    /// A cache.
    Cache,
    /// A number.
    Number,
    /// A type with a mistake, which is reported at its definition.
    Unknown,
}

const MAX_FREE: usize = 16;

/// The caller's sizes for the free dims of a signature.
#[derive(Clone, Copy)]
struct Bound<'a> {
    names: [&'a str; MAX_FREE],
    sizes: [&'a str; MAX_FREE],
    len: usize,
    prefix: &'a str,
    other: &'a [(&'a str, &'a str)],
}

impl<'a> Bound<'a> {
    const fn get(&self, name: &str) -> Option<&'a str> {
        let mut i = 0;
        while i < self.len {
            if same(self.names[i], name) {
                return Some(self.sizes[i]);
            }
            i += 1;
        }
        None
    }

    /// The value that a size of the config has in the caller.
    const fn other(&self, name: &str) -> Option<&'a str> {
        let mut i = 0;
        while i < self.other.len() {
            if same(self.other[i].0, name) {
                return Some(self.other[i].1);
            }
            i += 1;
        }
        None
    }

    /// True if a size of the config is `found` in the caller. A product with a size that has another value is left to
    /// the call.
    const fn is(&self, want: &str, found: &str) -> bool {
        if let Some(other) = self.other(want) {
            return same(other, found);
        }
        let mut i = 0;
        while i < self.other.len() {
            if names(want, self.other[i].0) {
                return true;
            }
            i += 1;
        }
        same_inside(self.prefix, want, found)
    }
}

/// True if `found` is `want`, a product, with the caller's sizes for its free ones. A sum is no product, and sizes of another
/// config are compared by [`Bound::is`] alone.
const fn is_product(want: &str, found: &str, bound: &Bound<'_>) -> bool {
    if !bound.prefix.is_empty() || !bound.other.is_empty() {
        return false;
    }
    let (want, found) = (want.as_bytes(), found.as_bytes());
    if is_sum(want) || is_sum(found) {
        return false;
    }
    let (number, names) = factors(want, bound, &[]);
    let (other, others) = factors(found, &EMPTY, &[]);
    if number != other || names != others {
        return false;
    }
    // Each name of `found` is there as often.
    let mut start = 0;
    while start < found.len() {
        let (name, next) = factor(found, start);
        if !is_digit(name[0]) && factors(want, bound, name).1 != factors(found, &EMPTY, name).1 {
            return false;
        }
        start = next;
    }
    true
}

const fn is_sum(dim: &[u8]) -> bool {
    let mut i = 0;
    while i < dim.len() {
        if matches!(dim[i], b' ' | b'/' | b'(') {
            return true;
        }
        i += 1;
    }
    dim.is_empty()
}

const fn is_digit(c: u8) -> bool {
    c.is_ascii_digit() || c == b'-'
}

/// The factor that begins at `start`, and the start of the next one.
const fn factor(dim: &[u8], start: usize) -> (&[u8], usize) {
    let (_, rest) = dim.split_at(start);
    let mut n = 0;
    while n < rest.len() && rest[n] != b'*' {
        n += 1;
    }
    (rest.split_at(n).0, start + n + 1)
}

/// The product of a product's numbers, and how often it has the name `of`, or any if that is empty. Bound names stand for
/// their sizes.
const fn factors(dim: &[u8], bound: &Bound<'_>, of: &[u8]) -> (i64, usize) {
    let (mut number, mut names, mut start) = (1i64, 0, 0);
    while start < dim.len() {
        let (text, next) = factor(dim, start);
        start = next;
        let name = match core::str::from_utf8(text) {
            Ok(name) if !name.is_empty() => name,
            _ => return (0, usize::MAX),
        };
        if is_digit(text[0]) {
            match i64::from_str_radix(name, 10) {
                Ok(n) => number = number.wrapping_mul(n),
                Err(_) => return (0, usize::MAX),
            }
            continue;
        }
        match bound.get(name) {
            Some(size) if is_sum(size.as_bytes()) => return (0, usize::MAX),
            Some(size) => {
                let (n, more) = factors(size.as_bytes(), &EMPTY, of);
                number = number.wrapping_mul(n);
                names += more;
            }
            None if of.is_empty() || same_bytes(text, of) => names += 1,
            None => {}
        }
    }
    (number, names)
}

/// Returns true if `found` is an instance of `want`, and binds the free dims of `want`.
const fn matches<'a>(want: &SigType, found: &SigType, mut bound: Bound<'a>) -> (bool, Bound<'a>)
where
    'static: 'a,
{
    match (want, found) {
        (SigType::Cache, SigType::Cache)
        | (SigType::Number, SigType::Number)
        | (SigType::Unknown, _)
        | (_, SigType::Unknown) => (true, bound),
        (SigType::Tuple(a), SigType::Tuple(b)) => {
            let mut ok = a.len() == b.len();
            let mut i = 0;
            while ok && i < a.len() {
                (ok, bound) = matches(&a[i], &b[i], bound);
                i += 1;
            }
            (ok, bound)
        }
        (SigType::Tensor(want, dw), SigType::Tensor(found, df)) => {
            if want.len() != found.len() || !same(dw, df) {
                return (false, bound);
            }
            let mut i = 0;
            let mut all = true;
            while i < want.len() {
                let ok = match (is_free(want[i]), bound.get(want[i])) {
                    (false, _) => {
                        bound.is(want[i], found[i]) || is_product(want[i], found[i], &bound)
                    }
                    (true, Some(size)) => same(size, found[i]),
                    (true, None) => {
                        if bound.len < MAX_FREE {
                            bound.names[bound.len] = want[i];
                            bound.sizes[bound.len] = found[i];
                            bound.len += 1;
                        }
                        true
                    }
                };
                all = all && ok;
                i += 1;
            }
            (all, bound)
        }
        _ => (false, bound),
    }
}

impl Text {
    /// A type with the caller's sizes where they are bound.
    const fn shape(self, ty: &SigType, bound: &Bound<'_>) -> Self {
        match ty {
            SigType::Cache => self.push("a cache"),
            SigType::Number => self.push("a number"),
            SigType::Unknown => self.push("unknown"),
            SigType::Tuple(_) => self.push("a tuple"),
            SigType::Tensor(dims, dtype) => {
                let mut text = self.push("[");
                let mut i = 0;
                while i < dims.len() {
                    if i > 0 {
                        text = text.push(", ");
                    }
                    text = match bound.get(dims[i]) {
                        Some(size) if is_free(dims[i]) => text.push(size),
                        _ => match bound.other(dims[i]) {
                            Some(other) => text.push(other),
                            None => text.push_inside(bound.prefix, dims[i]),
                        },
                    };
                    i += 1;
                }
                text = text.push("]");
                if same(dtype, "float") {
                    text
                } else {
                    text.push(" of ").push(dtype)
                }
            }
        }
    }
}

const EMPTY: Bound<'static> = Bound {
    names: [""; MAX_FREE],
    sizes: [""; MAX_FREE],
    len: 0,
    prefix: "",
    other: &[],
};

/// The source of the result's type in a caller.
#[derive(Clone, Copy)]
pub enum Place {
    /// The caller declares it.
    Declared,
    /// The caller declares none, so the type of the first tensor is assumed.
    Assumed,
    /// The next layer of a stack takes it.
    Stack,
}

/// Compares the number of arguments of a call through [`Definition::call`](super::definition::Definition::call), which rustc does not check.
#[track_caller]
pub const fn check_count(sig: &Sig, caller: &str, what: &str, count: usize) {
    let text = Text::new().push(caller).push(" calls ").push(what);
    if count > sig.args.len() {
        text.push(" with too many arguments for ")
            .push(sig.callee)
            .fail();
    }
    if count < sig.args.len() {
        text.push(" without the argument `")
            .push(sig.args[count].0)
            .push("` of ")
            .push(sig.callee)
            .fail();
    }
}

/// Compares argument `i` of a call with the signature; the arguments before it bind free dims.
/// `found` describes the argument, with its shape and line.
#[track_caller] // the error shows the call alone
pub const fn check_argument(sig: &Sig, args: &[SigType], i: usize, found: &str) {
    if args.len() != sig.args.len() {
        return;
    }
    let bound = bound(sig, args);
    // Of swapped arguments, the first is reported.
    let mut j = 0;
    while j < i {
        if !matches(&sig.args[j].1, &args[j], bound).0 {
            return;
        }
        j += 1;
    }
    let (ok, bound) = matches(&sig.args[i].1, &args[i], bound);
    if !ok {
        Text::new()
            .push("argument `")
            .push(sig.args[i].0)
            .push("` of ")
            .push(sig.callee)
            .push(" expects ")
            .shape(&sig.args[i].1, &bound)
            .push(", but ")
            .push(found)
            .fail();
    }
}

/// Compares the name that a caller gives argument `i` with the signature's.
#[track_caller] // the error shows the name
pub const fn check_name(sig: &Sig, i: usize, name: &str) {
    let mut at = 0;
    while at < sig.args.len() {
        if same(sig.args[at].0, name) {
            break;
        }
        at += 1;
    }
    let text = Text::new().push(sig.callee);
    if at == sig.args.len() {
        text.push(" has no argument `").push(name).push("`").fail();
    }
    if at != i {
        text.push(": argument `")
            .push(name)
            .push("` is number ")
            .number(at as i64 + 1)
            .push(", found it as number ")
            .number(i as i64 + 1)
            .push(": write the arguments of a sub-model in the order of its signature")
            .fail();
    }
}

/// The caller's sizes for the free dims, each by the first argument that has it alone.
const fn bound(sig: &Sig, args: &[SigType]) -> Bound<'static> {
    let mut bound = sig.bound();
    let mut i = 0;
    while i < args.len() {
        bound = matches(&sig.args[i].1, &args[i], bound).1;
        i += 1;
    }
    bound
}

/// Compares the result of a call with the signature.
#[track_caller]
pub const fn check_result(sig: &Sig, what: &str, args: &[SigType], ret: &SigType, place: Place) {
    if args.len() != sig.args.len() {
        return;
    }
    let bound = bound(sig, args);
    let mut j = 0;
    while j < args.len() {
        // An argument with a mistake is reported; errors that follow from it are not.
        let unknown = matches!(sig.args[j].1, SigType::Unknown);
        if unknown || !matches(&sig.args[j].1, &args[j], bound).0 {
            return;
        }
        j += 1;
    }
    let known = bound.len;
    let (ok, bound) = matches(&sig.ret, ret, bound);
    if ok && bound.len == known {
        return;
    }
    let text = Text::new()
        .push(sig.callee)
        .push(" returns ")
        .shape(&sig.ret, &bound);
    match place {
        Place::Declared => text.push(", but is declared ").shape(ret, &EMPTY),
        Place::Assumed => text
            .push(", but was assumed to return ")
            .shape(ret, &EMPTY)
            .push(" like its first argument\nhelp: declare it: `let y: Tensor!")
            .shape(&sig.ret, &bound)
            .push(" = ")
            .push(what)
            .push("(..)`"),
        Place::Stack => text
            .push(", but the next layer of the stack expects ")
            .shape(ret, &EMPTY),
    }
    .fail();
}

/// The type of the `i`-th result.
const fn result(ty: &SigType, i: usize) -> SigType {
    match ty {
        SigType::Tuple(all) if i < all.len() => all[i],
        other => *other,
    }
}

const fn results(ty: &SigType) -> usize {
    match ty {
        SigType::Tuple(all) => all.len(),
        _ => 1,
    }
}

/// True for a tensor that may have a gradient.
const fn is_float(ty: &SigType) -> bool {
    match ty {
        SigType::Tensor(_, dtype) => same(dtype, "float") || same(dtype, "f32"),
        _ => false,
    }
}

/// Compares the function that computes the gradient of a kernel with it: it takes the kernel's arguments and then the
/// cotangents of its results, and returns a gradient for each float tensor that is not frozen.
#[track_caller]
pub const fn check_gradient(sig: &Sig, of: &Sig, frozen: &[bool]) {
    let text = Text::new()
        .push(sig.callee)
        .push(" as the gradient of ")
        .push(of.callee);
    let (takes, gives) = (of.args.len() + results(&of.ret), sig.args.len());
    if takes != gives {
        text.push(": expected ")
            .number(takes as i64)
            .push(" arguments, those of the kernel and the cotangents of its results, found ")
            .number(gives as i64)
            .fail();
    }
    let mut bound = EMPTY;
    let mut i = 0;
    while i < sig.args.len() {
        let found = if i < of.args.len() {
            of.args[i].1
        } else {
            result(&of.ret, i - of.args.len())
        };
        let (ok, next) = matches(&sig.args[i].1, &found, bound);
        bound = next;
        if !ok {
            text.push(": argument `")
                .push(sig.args[i].0)
                .push("` is ")
                .shape(&sig.args[i].1, &bound)
                .push(", expected ")
                .shape(&found, &EMPTY)
                .fail();
        }
        i += 1;
    }
    let (mut tensor, mut place, mut i) = (0, 0, 0);
    while i < of.args.len() {
        let ty = of.args[i].1;
        if let SigType::Tensor(..) = ty {
            if is_float(&ty) && !frozen[tensor] {
                let own = result(&sig.ret, place);
                let (ok, next) = matches(&own, &ty, bound);
                bound = next;
                if place >= results(&sig.ret) || !ok {
                    text.push(": the gradient of `")
                        .push(of.args[i].0)
                        .push("` is ")
                        .shape(&ty, &EMPTY)
                        .push(", but it returns ")
                        .shape(&own, &bound)
                        .fail();
                }
                place += 1;
            }
            tensor += 1;
        }
        i += 1;
    }
    if place != results(&sig.ret) {
        text.push(": expected ")
            .number(place as i64)
            .push(" results, one for each float tensor that is not frozen, found ")
            .number(results(&sig.ret) as i64)
            .fail();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIG: Sig = Sig {
        callee: "Attention::forward",
        args: &[
            ("x", SigType::Tensor(&["B", "L", "hidden"], "float")),
            ("cache", SigType::Cache),
        ],
        ret: SigType::Tensor(&["B", "L", "hidden"], "float"),
        prefix: "",
        other: &[],
    };

    const X: SigType = SigType::Tensor(&["N", "T", "hidden"], "float");

    #[test]
    fn equal_up_to_free_dims_passes() {
        const ARGS: &[SigType] = &[X, SigType::Cache];
        const _: () = check_count(&SIG, "Block", "self.attn", 2);
        const _: () = check_argument(&SIG, ARGS, 0, "");
        const _: () = check_argument(&SIG, ARGS, 1, "");
        const _: () = check_result(&SIG, "self.attn", ARGS, &X, Place::Assumed);
    }

    #[test]
    fn sizes_have_the_callers_names() {
        const INNER: Sig = SIG.renamed("vision.", &[]);
        const HELD: SigType = SigType::Tensor(&["N", "T", "vision.hidden"], "float");
        const _: () = check_argument(&INNER, &[HELD, SigType::Cache], 0, "");
        const _: () = check_result(
            &INNER,
            "vision",
            &[HELD, SigType::Cache],
            &HELD,
            Place::Assumed,
        );
        const WIDE: Sig = SIG.renamed("", &[("hidden", "2*hidden")]);
        const TWICE: SigType = SigType::Tensor(&["N", "T", "2*hidden"], "float");
        const _: () = check_argument(&WIDE, &[TWICE, SigType::Cache], 0, "");
        assert!(same_inside("v.", "4*a_b*c + L", "4*v.a_b*v.c + L"));
        assert!(!same_inside("v.", "a*c", "v.a*c") && !same_inside("v.", "a", "v.a2"));
        assert!(names("2*hidden", "hidden") && !names("2*hidden_2", "hidden"));
        let text =
            std::panic::catch_unwind(|| check_argument(&INNER, &[X, SigType::Cache], 0, "x"));
        let text = *text.unwrap_err().downcast::<String>().unwrap();
        assert!(text.contains("[N, T, vision.hidden]"), "{text}");
    }

    #[test]
    fn differences_name_both_shapes() {
        let text = |f: fn()| {
            let found = std::panic::catch_unwind(f);
            *found.unwrap_err().downcast::<String>().unwrap()
        };
        const WRONG: SigType = SigType::Tensor(&["N", "T", "q"], "float");
        assert_eq!(
            text(|| check_argument(
                &SIG,
                &[WRONG, SigType::Cache],
                0,
                "`y` is [N, T, q] (line 3)"
            )),
            "argument `x` of Attention::forward expects [N, T, hidden], but `y` is [N, T, q] (line 3)"
        );
        let args = || check_result(&SIG, "attn", &[X, SigType::Cache], &WRONG, Place::Assumed);
        assert_eq!(
            text(args),
            "Attention::forward returns [N, T, hidden], but was assumed to return [N, T, q] like its \
             first argument\nhelp: declare it: `let y: Tensor![N, T, hidden] = attn(..)`"
        );
        let count = text(|| check_count(&SIG, "Block", "self.attn", 1));
        assert!(count.contains("without the argument `cache`"));
    }
}
