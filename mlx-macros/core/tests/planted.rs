//! Planted mistakes, each of which must be found with its own words, and unusual models that have none. They are
//! expanded without rustc, so that a case is a few lines and a thousandth of a second.
//!
//! A file of `tests/planted` holds cases that begin with `--- name`. Lines that begin with `@` are arguments of
//! `#[mlx_model]`, those with `#` attributes of the struct, those with `.` fields; then come methods, and in a line that
//! begins with `=>` a part of each message, in their order.
//!
//! After a change of messages: `PLANTED=write cargo test -p mlx-macros-core --test planted`, then read the difference.

use std::path::Path;

use mlx_macros_core::source::sources;

/// A case: its name, its source, and what is expected to be said of it.
struct Case {
    name: String,
    source: String,
    expected: Vec<String>,
}

fn cases(file: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let cases: Vec<Case> = text.split("--- ").skip(1).map(case).collect();
    assert!(!cases.is_empty());
    cases
}

fn case(text: &str) -> Case {
    let (name, lines) = text.split_once('\n').unwrap();
    let mut keys = String::from("config = Config");
    let (mut attrs, mut fields, mut methods) = (String::new(), String::new(), String::new());
    let (mut functions, mut expected) = (String::new(), Vec::new());
    for line in lines.lines() {
        match line.split_at_checked(1) {
            Some(("@", rest)) => keys += &format!(", {rest}"),
            Some((".", rest)) => fields += &format!("{rest},\n"),
            Some(("#", _)) => attrs += &format!("{line}\n"),
            Some(("+", rest)) => functions += &format!("#[mlx_fn] {rest}\n"),
            _ => match line.strip_prefix("=> ") {
                Some(message) => expected.push(message.to_string()),
                None => methods += &format!("{line}\n"),
            },
        }
    }
    let source = format!(
        "{functions} #[mlx_model({keys})] {attrs} struct M {{ {fields} }} #[mlx_model] impl M {{ {methods} }}"
    );
    Case {
        name: name.to_string(),
        source,
        expected,
    }
}

fn mistakes(case: &Case) -> Vec<String> {
    let file = syn::parse_file(&case.source).unwrap_or_else(|e| panic!("{}: {e}", case.name));
    let found = sources(&file).into_iter().flat_map(|s| s.mistakes());
    found.map(|d| d.message).collect()
}

/// The file with the messages that are found now.
fn rewrite(file: &str) {
    let mut all = String::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/planted");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    for text in text.split("--- ").skip(1) {
        let kept = text.lines().filter(|l| !l.starts_with("=>"));
        all += &format!("--- {}\n", kept.collect::<Vec<_>>().join("\n").trim_end());
        for message in mistakes(&case(text)) {
            all += &format!("=> {message}\n");
        }
    }
    std::fs::write(folder.join(file), all).unwrap();
}

/// Compares the messages of each case of a file with those expected, one by one; `counts` says how many there may be.
fn check(file: &str, counts: fn(usize) -> bool) {
    if std::env::var("PLANTED").is_ok_and(|v| v == "write") {
        rewrite(file);
    }
    let mut wrong = String::new();
    for case in cases(file) {
        let found = mistakes(&case);
        let fits = counts(found.len())
            && found.len() == case.expected.len()
            && found
                .iter()
                .zip(&case.expected)
                .all(|(f, e)| f.contains(e.as_str()));
        if !fits {
            wrong += &format!(
                "--- {}\nexpected {:#?}\nfound {found:#?}\n",
                case.name, case.expected
            );
        }
    }
    assert!(wrong.is_empty(), "{file}:\n{wrong}");
}

#[test]
fn mistakes_are_found() {
    check("mistakes.txt", |messages| messages > 0);
}

#[test]
fn unusual_models_have_no_mistakes() {
    check("right.txt", |messages| messages == 0);
}
