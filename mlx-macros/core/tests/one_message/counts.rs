//! The sums of the errors of all cases.

use crate::cases::Case;
use crate::rustc::Said;

/// Cases with exactly one error, of all.
const SINGLE: usize = 399;
/// Cases whose first error says what to write.
const HELPED: usize = 271;

fn single(said: &[Said]) -> bool {
    said.len() == 1
}

/// True if the first error says what to write, or what was expected.
fn helped(said: &[Said]) -> bool {
    let says = |s: &Said| {
        ["help:", "write", "expected", "did you mean"]
            .iter()
            .any(|w| s.text.contains(w))
    };
    said.first().is_some_and(says)
}

/// The record of all cases, with the counts.
pub fn text(found: &[(Case, Vec<Said>)]) -> String {
    let of = |fits: fn(&[Said]) -> bool| found.iter().filter(|(_, said)| fits(said)).count();
    let mut text = format!(
        "{} cases, {} with one error, {} with a hint\n",
        found.len(),
        of(single),
        of(helped)
    );
    for (case, said) in found {
        text += &format!("--- {}\n", case.name);
        for s in said {
            text += &format!("{}:{} {}\n", s.line, s.at, s.text.replace('\n', "\n    "));
        }
    }
    text
}

/// The counts may only improve.
pub fn check(found: &[(Case, Vec<Said>)]) {
    let of = |fits: fn(&[Said]) -> bool| found.iter().filter(|(_, said)| fits(said)).count();
    assert!(found.len() >= 380, "{} cases", found.len());
    assert!(of(single) >= SINGLE, "{} cases with one error", of(single));
    assert!(of(helped) >= HELPED, "{} cases with a hint", of(helped));
}
