//! Lines of text: what is left out, and the indentation.
//!
//! Tests: `tests/text.rs`.

/// True if `lines` have the word.
pub(super) fn mentions(lines: &[String], word: &str) -> bool {
    lines.iter().any(|l| has(l, word))
}

fn has(line: &str, word: &str) -> bool {
    let part = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let bytes = line.as_bytes();
    let mut found = line.match_indices(word);
    found.any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|i| bytes.get(i));
        !part(before) && !part(bytes.get(at + word.len()))
    })
}

/// Declarations of whole numbers and truth values that nothing reads are left out.
pub(super) fn without_unused(lines: Vec<String>) -> Vec<String> {
    const STARTS: [&str; 5] = [
        "const int ",
        "const bool ",
        "const float ",
        "const long ",
        "constexpr int ",
    ];
    let mut kept: Vec<String> = Vec::with_capacity(lines.len());
    for line in lines.into_iter().rev() {
        let name = STARTS.iter().find_map(|start| line.strip_prefix(start));
        let name = name.and_then(|rest| rest.split_once(" = "));
        // Its readers mostly come next.
        if name.is_none_or(|(name, _)| kept.iter().rev().any(|l| has(l, name))) {
            kept.push(line);
        }
    }
    kept.reverse();
    kept
}

/// Adjacent blocks of one condition become one.
pub(super) fn without_repeated_conditions(lines: Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    // The condition of the block that the last line closes, if it holds statements alone.
    let mut closed: Option<String> = None;
    let mut open: Option<String> = None;
    for line in lines {
        if closed.as_ref() == Some(&line) {
            out.pop();
            open = closed.take();
            continue;
        }
        closed = match (&open, line.as_str()) {
            (Some(condition), "}") => Some(condition.clone()),
            _ => None,
        };
        open = match open {
            _ if line.starts_with("if (") && line.ends_with(") {") => Some(line.clone()),
            Some(condition) if line.ends_with(';') => Some(condition),
            _ => None,
        };
        out.push(line);
    }
    out
}

/// The lines with their indentation, by their braces.
pub(super) fn indented(lines: &[String]) -> String {
    let mut out = String::new();
    let mut depth = 0usize;
    for line in lines {
        let closes = line.chars().take_while(|c| *c == '}').count();
        let here = depth.saturating_sub(closes);
        if !line.starts_with('#') {
            out += &"  ".repeat(here);
        }
        out += line;
        out.push('\n');
        let (open, close) = (line.matches('{').count(), line.matches('}').count());
        depth = (depth + open).saturating_sub(close);
    }
    out
}
