//! Looks for a function in the source file of its caller.
//!
//! rustc says of a name that is not there only that it is not there, at each place of the generated code.
//!
//! Tests: unit tests below; `tests/one_message`.

use proc_macro2::Span;

use crate::diag::suggest;

/// A function as far as the file says it.
#[derive(Debug, PartialEq)]
pub enum Known {
    /// It has `#[mlx_fn]` or `#[mlx_kernel]`, or may come from elsewhere.
    Maybe,
    /// It is in the file without an attribute.
    Plain,
    /// The file calls it and says nothing else of it.
    Nowhere,
}

/// The function `name` that is called at `at`.
pub fn of(name: &str, at: Span) -> Known {
    let text = at
        .local_file()
        .map(|f| std::fs::read_to_string(f).unwrap_or_default());
    text.map_or(Known::Nowhere, |t| in_text(name, &t))
}

/// The functions with an attribute in the file of `at`.
pub fn marked(at: Span) -> Vec<String> {
    let text = at
        .local_file()
        .map(|f| std::fs::read_to_string(f).unwrap_or_default());
    let text = text.unwrap_or_default();
    let heads = text
        .split("#[mlx_")
        .skip(1)
        .filter_map(|t| t.split_once("fn "));
    let names = heads.map(|(_, t)| t.split(|c: char| !(c.is_alphanumeric() || c == '_')).next());
    names.flatten().map(String::from).collect()
}

/// True if the file of `at` says nothing of a name but that it is used there, once.
pub fn once(name: &str, at: Span) -> bool {
    let text = at
        .local_file()
        .map(|f| std::fs::read_to_string(f).unwrap_or_default());
    let text = text.unwrap_or_default();
    let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    let words = code.flat_map(|l| l.split(|c: char| !(c.is_alphanumeric() || c == '_')));
    words.filter(|w| *w == name).count() == 1 && !text.contains("::*;") && !text.contains("::*,")
}

/// True if the file of `at` gives a field this type before there.
pub fn is_field_before(ty: &str, at: Span) -> bool {
    let text = at
        .local_file()
        .map(|f| std::fs::read_to_string(f).unwrap_or_default());
    let text = text.unwrap_or_default();
    let before = text.lines().take(at.start().line.saturating_sub(1));
    let typed = |l: &str| {
        let l = l.trim_start();
        let found = l.split_once(": ").map(|(_, t)| t.trim_end_matches(','));
        !l.starts_with("//") && found == Some(ty)
    };
    before.into_iter().any(typed)
}

/// True if the file of `at` neither imports a type nor defines it.
pub fn not_imported(name: &str, at: Span) -> bool {
    let Some(file) = at.local_file() else {
        return false;
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let word = |t: &str| {
        t.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .any(|w| w == name)
    };
    let imports = text.split("use ").skip(1).filter_map(|t| t.split_once(';'));
    let imported = imports
        .map(|(tree, _)| tree)
        .any(|t| word(t) || t.contains('*'));
    // A module or a macro around the struct may import it.
    let defined = ["struct", "type", "enum"]
        .iter()
        .any(|k| text.contains(&format!("{k} {name}")));
    let found = !text.is_empty() && word(&text);
    found
        && !imported
        && !defined
        && !text.contains("macro_rules!")
        && !text.contains("extern crate")
}

/// The names of the file of `at` that begin with a capital.
pub fn types(at: Span) -> Vec<String> {
    let text = at
        .local_file()
        .map(|f| std::fs::read_to_string(f).unwrap_or_default());
    let text = text.unwrap_or_default();
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words
        .filter(|w| w.starts_with(char::is_uppercase))
        .map(String::from)
        .collect()
}

/// The model in the file of `at` that a misspelt name means. `None` if the file has a struct of that name, or none like it.
pub fn model_like(name: &str, at: Span) -> Option<String> {
    let text = std::fs::read_to_string(at.local_file()?).ok()?;
    let word = |t: &str| {
        t.split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .next()
            .map(String::from)
    };
    let structs = text.split("struct ").skip(1).filter_map(word);
    let structs: Vec<String> = structs.collect();
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    if structs.iter().any(|s| s == name) || words.filter(|w| *w == name).count() > 1 {
        return None;
    }
    let models = text
        .split("#[mlx_model(")
        .skip(1)
        .filter_map(|t| t.split_once("struct "));
    let models: Vec<String> = models.filter_map(|(_, t)| word(t)).collect();
    let near = suggest(name, models.iter().map(String::as_str));
    near.split('`').nth(1).map(String::from)
}

fn in_text(name: &str, text: &str) -> Known {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let code: Vec<&str> = text
        .lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .collect();
    let code = code.join("\n");
    // These bring in names that the text does not show.
    let others = ["::*;", "::*,", "::*}", "macro_rules!", "include!", "paste!"];
    if others.iter().any(|o| code.contains(o)) {
        return Known::Maybe;
    }
    // A text without the call is not the one that is compiled, as for an example in a comment.
    let mut found = Known::Maybe;
    for (at, _) in code.match_indices(name) {
        let (before, after) = (&code[..at], &code[at + name.len()..]);
        if word(before.chars().next_back()) || word(after.chars().next()) {
            continue;
        }
        let called = after.trim_start().starts_with('(');
        match before
            .trim_end()
            .strip_suffix("fn")
            .filter(|b| !word(b.chars().next_back()))
        {
            // Methods of models are called through `self`.
            Some(_) if is_method(after) => {}
            Some(head) => {
                let start = head.rfind(['}', ';']).map_or(0, |i| i + 1);
                match head[start..].contains("#[mlx_") || head[start..].contains("::mlx_") {
                    true => return Known::Maybe,
                    false => found = Known::Plain,
                }
            }
            None if called && found == Known::Maybe => found = Known::Nowhere,
            None if called => {}
            None => return Known::Maybe,
        }
    }
    found
}

/// True if the arguments begin with `self`.
fn is_method(after: &str) -> bool {
    let args = after.trim_start().strip_prefix('(').map(str::trim_start);
    let args = args.map(|a| a.trim_start_matches('&').trim_start_matches("mut "));
    args.is_some_and(|a| a.starts_with("self"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_found_by_their_form() {
        let marked = "/// Text.\n#[mlx_fn]\npub fn cap(x: T) -> T { x }\nfn g() { cap(x) }";
        assert_eq!(in_text("cap", marked), Known::Maybe);
        assert_eq!(
            in_text("cap", "struct A;\npub fn cap(x: T) -> T { x }"),
            Known::Plain
        );
        assert_eq!(
            in_text("cap", "use helpers::{cap, other};\nfn g() { cap(x) }"),
            Known::Maybe
        );
        assert_eq!(
            in_text("cap", "use helpers::*;\nfn g() { cap(x) }"),
            Known::Maybe
        );
        assert_eq!(
            in_text("cap", "functions!(cap, 3);\nfn g() { cap(x) }"),
            Known::Maybe
        );
        assert_eq!(
            in_text("cap", "// cap of x\nfn g() { cap(x) + x.cap(y) + scap }"),
            Known::Nowhere
        );
        assert_eq!(in_text("cap", "/// fn g() { cap(x) }"), Known::Maybe);
        assert_eq!(
            in_text("cap", "macro_rules! make { () => {} }\nfn g() { cap(x) }"),
            Known::Maybe
        );
    }
}
