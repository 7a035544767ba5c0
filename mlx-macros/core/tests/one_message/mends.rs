//! Types what messages offer in the place of what they blame.

use crate::cases::Case;
use crate::rustc::Said;

/// The text between two marks, and what follows it.
fn between<'t>(text: &'t str, start: &str, end: char) -> Option<&'t str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

fn is_name(text: &str) -> bool {
    let part = |p: &str| {
        let letter = |c: char| c.is_alphanumeric() || c == '_';
        !p.is_empty() && p.chars().all(letter) && !p.starts_with(|c: char| c.is_ascii_digit())
    };
    text.split('.').all(part)
}

/// The case as its first message says that it should be, where it offers a name or an import.
pub fn mended(case: &Case, said: &[Said]) -> Option<String> {
    let first = said.first()?;
    if let Some(import) = between(&first.text, "write `use ", '`') {
        return Some(format!("use {import}\n{}", case.text));
    }
    let meant = between(&first.text, "did you mean `", '`');
    let meant =
        meant.or_else(|| between(&first.text, "write `", '`').filter(|_| is_name(&first.at)));
    let meant = meant.filter(|m| is_name(m))?;
    let blamed = blamed(&first.at, meant).filter(|b| *b != meant)?;
    let blamed = match first.text.contains("expected a dtype") {
        true => path(&case.text, blamed),
        false => blamed,
    };
    Some(replaced(&case.text, blamed, meant))
}

/// The path that begins with a module's name: a message about `np.float32` may stand at `np`.
fn path<'t>(text: &'t str, module: &'t str) -> &'t str {
    let Some(at) = text.find(&format!("{module}.")) else {
        return module;
    };
    let rest = &text[at..];
    let end = rest.find(|c: char| !(c.is_alphanumeric() || "_.".contains(c)));
    &rest[..end.unwrap_or(rest.len())]
}

/// The text with a name in each of its places changed: a message stands at the first one.
fn replaced(text: &str, name: &str, new: &str) -> String {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let inside = letter(before.chars().next_back().or(out.chars().next_back()))
            || letter(after.chars().next());
        out += before;
        out += if inside { name } else { new };
        rest = after;
    }
    out + rest
}

/// The name in a blamed piece of source that stands for another.
fn blamed<'t>(at: &'t str, meant: &str) -> Option<&'t str> {
    if is_name(at) {
        return Some(at);
    }
    let names = at.split(|c: char| !(c.is_alphanumeric() || "_.".contains(c)));
    let near = |n: &&str| is_name(n) && *n != meant && shared(n, meant) * 2 > meant.len();
    names.filter(near).max_by_key(|n| shared(n, meant))
}

/// The letters that two names have in common at their begin and their end.
fn shared(a: &str, b: &str) -> usize {
    let begin = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let end = a
        .chars()
        .rev()
        .zip(b.chars().rev())
        .take_while(|(a, b)| a == b)
        .count();
    (begin + end).min(a.len()).min(b.len())
}
