//! Errors, and suggestions for misspelt names.
//!
//! Tests: unit tests below; `tests/planted.rs`.

pub mod errors;
pub mod foreign;
pub mod lints;

pub use errors::{Code, Diag};

/// `Result` with a mistake.
pub type Result<T> = std::result::Result<T, Diag>;

/// The nearest of `known` to a misspelt name, as ` (did you mean `x`?)`, or nothing.
pub fn suggest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known, 1 + name.len() / 4)
}

/// As [`suggest`], where other names than the known ones may be meant: only what is most likely a
/// slip of the fingers.
pub fn slip<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(name, known, 1 + name.len() / 10)
}

fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>, limit: usize) -> String {
    // A name of one or two letters is near to everything.
    let limit = if name.len() < 3 { 0 } else { limit };
    known
        .into_iter()
        .map(|k| (distance(name, k), k))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, k)| format!(" (did you mean `{k}`?)"))
        .unwrap_or_default()
}

/// Levenshtein's distance, where swapping two neighbours counts once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            d[i][j] = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => {
                    let same = usize::from(a[i - 1] != b[j - 1]);
                    let mut best = (d[i - 1][j] + 1)
                        .min(d[i][j - 1] + 1)
                        .min(d[i - 1][j - 1] + same);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        best = best.min(d[i - 2][j - 2] + 1);
                    }
                    best
                }
            };
        }
    }
    d[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_near_or_absent() {
        assert_eq!(
            suggest("sofmax", ["softmax", "sigmoid"]),
            " (did you mean `softmax`?)"
        );
        assert_eq!(
            suggest("q_porj", ["k_proj", "q_proj"]),
            " (did you mean `q_proj`?)"
        );
        assert_eq!(suggest("frobnicate", ["softmax"]), "");
    }
}
