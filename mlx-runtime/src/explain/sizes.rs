//! Resolves the names of sizes in reports to numbers.
//!
//! Tests: unit tests below.

use std::collections::BTreeMap;

/// The numbers of names.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sizes {
    numbers: BTreeMap<String, i64>,
    /// Names for sizes, looked up if a name has no number.
    short: &'static [(&'static str, &'static str)],
}

impl Sizes {
    pub(super) fn new(
        config: &[(&'static str, i64)],
        short: &'static [(&'static str, &'static str)],
    ) -> Self {
        let numbers = config.iter().map(|(n, v)| (n.to_string(), *v)).collect();
        Sizes { numbers, short }
    }

    pub(super) fn set(&mut self, name: &str, number: i64) {
        self.numbers.insert(name.to_string(), number);
    }

    /// The number of an expression; `None` if a name in it has none, or it is no whole number.
    pub(super) fn get(&self, text: &str) -> Option<i64> {
        let mut rest = text.trim();
        let value = self.sum(&mut rest)?;
        rest.is_empty().then_some(value)
    }

    /// The numbers of a shape such as `[B, L, q] float`, or of a size alone.
    pub(super) fn shape(&self, ty: &str) -> Option<Vec<i64>> {
        dims(ty)?.iter().map(|d| self.get(d)).collect()
    }

    /// Sets the free dims of a type to the numbers of an array's shape.
    pub(super) fn bind(&mut self, ty: &str, shape: &[i64]) {
        for (dim, n) in dims(ty).unwrap_or_default().iter().zip(shape) {
            if dim.starts_with(|c: char| c.is_uppercase()) && is_name(dim) {
                self.set(dim, *n);
            }
        }
    }

    fn sum(&self, rest: &mut &str) -> Option<i64> {
        let negative = eat(rest, '-');
        let mut value = self.product(rest)?;
        if negative {
            value = value.checked_neg()?;
        }
        loop {
            if eat(rest, '+') {
                value = value.checked_add(self.product(rest)?)?;
            } else if eat(rest, '-') {
                value = value.checked_sub(self.product(rest)?)?;
            } else {
                return Some(value);
            }
        }
    }

    fn product(&self, rest: &mut &str) -> Option<i64> {
        let mut value = self.factor(rest)?;
        loop {
            if eat(rest, '*') {
                value = value.checked_mul(self.factor(rest)?)?;
            } else if eat(rest, '/') {
                let by = self.factor(rest)?;
                value = (value.checked_rem(by)? == 0).then(|| value / by)?;
            } else {
                return Some(value);
            }
        }
    }

    fn factor(&self, rest: &mut &str) -> Option<i64> {
        if eat(rest, '(') {
            let value = self.sum(rest)?;
            return eat(rest, ')').then_some(value);
        }
        *rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && !"_':".contains(c));
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        *rest = after;
        match word.parse() {
            Ok(n) => Some(n),
            Err(_) => self.name(word),
        }
    }

    fn name(&self, name: &str) -> Option<i64> {
        if let Some(n) = self.numbers.get(name) {
            return Some(*n);
        }
        // A size that only a cache knows: nothing is in it in training.
        if name.ends_with('\'') {
            return Some(0);
        }
        let (_, text) = self.short.iter().find(|(n, _)| *n == name)?;
        // Short names stand for sizes of the config alone, so this ends.
        Sizes {
            numbers: self.numbers.clone(),
            short: &[],
        }
        .get(text)
    }
}

/// The sizes of a type `[a, b] dtype`.
pub(super) fn dims(ty: &str) -> Option<Vec<&str>> {
    let (inside, _) = ty.strip_prefix('[')?.split_once(']')?;
    Some(match inside.trim() {
        "" => Vec::new(),
        list => list.split(',').map(str::trim).collect(),
    })
}

/// The dtype of a type, which follows the sizes.
pub(super) fn dtype(ty: &str) -> &str {
    ty.split_once(']').map_or("", |(_, d)| d.trim())
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == ':')
}

fn eat(rest: &mut &str, c: char) -> bool {
    let next = rest.trim_start().strip_prefix(c);
    if let Some(next) = next {
        *rest = next;
    }
    next.is_some()
}

#[cfg(test)]
mod tests {
    use super::Sizes;

    #[test]
    fn sizes_are_computed_as_rust_does() {
        let mut s = Sizes::new(&[("heads", 6), ("kv", 2), ("d", 4)], &[("q", "d*heads")]);
        s.bind("[B, L, q] float", &[3, 5, 24]);
        assert_eq!(s.get("3*B*L*q + 2*d - 1"), Some(3 * 3 * 5 * 24 + 8 - 1));
        assert_eq!(s.get("B*(heads/kv)*d"), Some(36));
        assert_eq!(s.get("(heads*d/(2*kv))"), Some(6));
        assert_eq!(s.get("-1"), Some(-1));
        assert_eq!(s.get("L + Past'"), Some(5));
        assert_eq!(s.shape("[B, L, q] float"), Some(vec![3, 5, 24]));
        assert_eq!(s.shape("[] f32"), Some(vec![]));
    }

    #[test]
    fn what_has_no_number_is_none() {
        let s = Sizes::new(&[("heads", 6), ("zero", 0)], &[]);
        for text in [
            "B",
            "heads/4",
            "heads/zero",
            "heads*",
            "(heads",
            "heads)",
            "",
            "heads heads",
        ] {
            assert_eq!(s.get(text), None, "{text}");
        }
        assert_eq!(s.get("heads*9223372036854775807"), None);
        assert_eq!(s.shape("cache"), None);
    }
}
