//! Single mistakes planted in models that compile: rustc reports each as one error that says what to do.
//!
//! `cases/*.txt` holds the mistakes: `--- base: name`, then the text that goes (`- ..`) and the text that comes in its
//! place (`+ ..`). The base `*` stands for each of them. Every case is a crate of its own, which rustc checks.
//! `found.txt` records the errors, and [`counts`] what they add up to.
//!
//! After a change of messages: `PLANTED=write cargo test -p mlx-macros-core --test one_message`, then read the
//! difference.

mod cases;
mod counts;
mod mends;
mod rustc;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use cases::Case;
use rustc::{Rustc, Said};

/// Each case with the errors that rustc reports.
type Found = Vec<(Case, Vec<Said>)>;

/// A file of this test.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/one_message")
        .join(name)
}

/// Each case with the errors that rustc reports, checked by as many processes as there are cores.
fn checked(rustc: &Rustc, cases: Vec<Case>) -> Found {
    let found: Vec<Mutex<Vec<Said>>> = cases.iter().map(|_| Mutex::default()).collect();
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(i) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < cases.len())
                {
                    *found[i].lock().unwrap() = rustc.errors(i, &cases[i].text);
                }
            });
        }
    });
    let found = found.into_iter().map(|f| f.into_inner().unwrap());
    cases.into_iter().zip(found).collect()
}

/// The compiler, and every case with its errors, for all tests.
fn all() -> &'static (Rustc, Found) {
    static ALL: OnceLock<(Rustc, Found)> = OnceLock::new();
    ALL.get_or_init(|| {
        let rustc = Rustc::new();
        let mut cases = cases::all(&cases::bases());
        let only = std::env::var("CASES").unwrap_or_default();
        cases.retain(|c| c.name.contains(&only));
        let found = checked(&rustc, cases);
        (rustc, found)
    })
}

#[test]
fn the_models_have_no_mistake_before_one_is_planted() {
    let (rustc, _) = all();
    let bases = cases::bases();
    for (name, text) in &bases {
        assert_eq!(
            rustc.errors(usize::MAX, text),
            [],
            "{name} has a mistake before one is planted"
        );
    }
}

/// The least number of messages whose mend is typed in.
const MENDS: usize = 50;

#[test]
fn what_messages_offer_leads_on() {
    let (rustc, found) = all();
    let typed = found.iter().filter_map(|(case, said)| {
        let text = mends::mended(case, said)?;
        let name = format!("{}, mended", case.name);
        Some((Case { name, text }, said.first()?.text.clone()))
    });
    let (cases, before): (Vec<Case>, Vec<String>) = typed.unzip();
    let again = checked(rustc, cases);
    let stuck = again
        .iter()
        .zip(&before)
        .filter_map(|((case, said), before)| {
            let same = said.iter().any(|s| s.text == *before);
            same.then(|| format!("{}: {before}", case.name))
        });
    assert_eq!(stuck.collect::<Vec<_>>(), Vec::<String>::new());
    let whole = std::env::var("CASES").is_err();
    assert!(!whole || again.len() >= MENDS, "{} mends", again.len());
}

#[test]
fn each_mistake_has_one_message() {
    let (_, found) = all();
    let text = counts::text(found);
    if std::env::var("CASES").is_ok() {
        panic!("{text}");
    }
    let recorded = file("found.txt");
    match std::env::var("PLANTED").is_ok_and(|v| v == "write") {
        true => std::fs::write(recorded, text).unwrap(),
        false => {
            let before = std::fs::read_to_string(recorded).unwrap();
            let differ = text
                .lines()
                .zip(before.lines())
                .find(|(now, then)| now != then);
            assert_eq!(differ, None, "`PLANTED=write` records what is found now");
            assert_eq!(text.lines().count(), before.lines().count());
        }
    }
    counts::check(found);
}
