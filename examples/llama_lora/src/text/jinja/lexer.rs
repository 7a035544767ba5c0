//! Splits the text of a template into tokens, by the rules of Jinja's own lexer with `trim_blocks` and `lstrip_blocks`.
//!
//! Tests: `tests/templates.rs`.

use anyhow::{bail, Result};

use super::text::is_space;

#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    /// Text between the tags.
    Text(String),
    PrintBegin,
    PrintEnd,
    BlockBegin,
    BlockEnd,
    Name(String),
    Str(String),
    Int(i128),
    Float(f64),
    Op(&'static str),
}

/// Operators, the long ones first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";",
];

/// Splits `source` into tokens, each with the line it begins on.
pub fn tokens(source: &str) -> Result<Vec<(Token, usize)>> {
    let mut source = source.replace("\r\n", "\n").replace('\r', "\n");
    if source.ends_with('\n') {
        source.pop();
    }
    let mut lexer = Lexer {
        source: &source,
        at: 0,
        line: 1,
        line_starts: true,
        out: Vec::new(),
    };
    while lexer.at < source.len() {
        lexer.data()?;
    }
    Ok(lexer.out)
}

struct Lexer<'s> {
    source: &'s str,
    at: usize,
    line: usize,
    /// The last tag ended with a line break.
    line_starts: bool,
    out: Vec<(Token, usize)>,
}

impl<'s> Lexer<'s> {
    fn rest(&self) -> &'s str {
        &self.source[self.at..]
    }

    fn advance(&mut self, bytes: usize) {
        self.line += self.source[self.at..self.at + bytes].matches('\n').count();
        self.at += bytes;
    }

    fn push(&mut self, token: Token) {
        self.out.push((token, self.line));
    }

    /// Pushes the text before a tag; `sign` follows the tag's opening and `strips` is true for blocks and comments,
    /// which take the blanks before them away if they are first on their line.
    fn text(&mut self, text: &str, sign: Option<u8>, strips: bool) {
        let mut kept = text;
        if sign == Some(b'-') {
            kept = text.trim_end_matches(is_space);
        } else if sign != Some(b'+') && strips {
            let line = text.rfind('\n').map_or(0, |i| i + 1);
            if (line > 0 || self.line_starts) && text[line..].chars().all(is_space) {
                kept = &text[..line];
            }
        }
        if !kept.is_empty() {
            self.push(Token::Text(kept.to_owned()));
        }
        self.advance(text.len());
    }

    /// Text up to a tag, and the tag.
    fn data(&mut self) -> Result<()> {
        let rest = self.rest();
        let tag = rest.char_indices().find(|&(i, c)| {
            c == '{' && matches!(rest.as_bytes().get(i + 1), Some(b'{' | b'%' | b'#'))
        });
        let Some((begin, _)) = tag else {
            self.push(Token::Text(rest.to_owned()));
            self.advance(rest.len());
            return Ok(());
        };
        let kind = rest.as_bytes()[begin + 1];
        let sign = rest
            .as_bytes()
            .get(begin + 2)
            .copied()
            .filter(|s| b"-+".contains(s));
        self.text(&rest[..begin], sign, kind != b'{');
        let opening = 2 + usize::from(sign.is_some());
        match kind {
            b'#' => self.comment(opening),
            b'%' => match raw_tag(self.rest(), opening, "raw") {
                Some(length) => self.raw(length),
                None => {
                    self.push(Token::BlockBegin);
                    self.advance(opening);
                    self.code(true)
                }
            },
            _ => {
                self.push(Token::PrintBegin);
                self.advance(opening);
                self.code(false)
            }
        }
    }

    fn comment(&mut self, opening: usize) -> Result<()> {
        let rest = self.rest();
        let Some(end) = rest[opening..].find("#}").map(|i| i + opening) else {
            bail!("line {}: unterminated comment", self.line);
        };
        let sign = rest.as_bytes()[opening..end].last().copied();
        self.end_of_tag(end, 2, sign, true);
        Ok(())
    }

    /// Moves past the end of a tag, `length` bytes at `end` of the rest, and the blanks that belong to it.
    fn end_of_tag(&mut self, end: usize, length: usize, sign: Option<u8>, trims: bool) {
        let mut to = end + length;
        let after = &self.rest()[to..];
        if sign == Some(b'-') {
            to += after.len() - after.trim_start_matches(is_space).len();
        } else if trims && sign != Some(b'+') && after.starts_with('\n') {
            to += 1;
        }
        self.line_starts = self.rest()[..to].ends_with('\n');
        self.advance(to);
    }

    /// Everything up to `{% endraw %}` is text.
    fn raw(&mut self, opening: usize) -> Result<()> {
        let begun = self.line;
        self.line_starts = self.rest()[..opening].ends_with('\n');
        self.advance(opening);
        let rest = self.rest();
        for (i, _) in rest.match_indices("{%") {
            let sign = rest
                .as_bytes()
                .get(i + 2)
                .copied()
                .filter(|s| b"-+".contains(s));
            let head = 2 + usize::from(sign.is_some());
            let body = &rest[i + head..];
            let name = body.trim_start_matches(is_space);
            let Some(tail) = name.strip_prefix("endraw") else {
                continue;
            };
            let tail = tail.trim_start_matches(is_space);
            let closing = tail
                .as_bytes()
                .first()
                .copied()
                .filter(|s| b"-+".contains(s));
            let tail = &tail[usize::from(closing.is_some())..];
            if !tail.starts_with("%}") {
                continue;
            }
            self.text(&rest[..i], sign, true);
            let end = rest.len() - tail.len() - i;
            self.end_of_tag(end, 2, closing, true);
            return Ok(());
        }
        bail!("line {begun}: expected {{% endraw %}} after {{% raw %}}")
    }

    /// The tokens inside a tag, up to its end.
    fn code(&mut self, block: bool) -> Result<()> {
        let close = if block { "%}" } else { "}}" };
        let mut open: Vec<&'static str> = Vec::new();
        loop {
            let rest = self.rest();
            let Some(first) = rest.chars().next() else {
                bail!("line {}: expected the tag to end with {close:?}", self.line);
            };
            if open.is_empty() {
                let sign = rest
                    .as_bytes()
                    .first()
                    .copied()
                    .filter(|&s| s == b'-' || (block && s == b'+'));
                let skip = usize::from(sign.is_some());
                if rest[skip..].starts_with(close) {
                    self.push(if block {
                        Token::BlockEnd
                    } else {
                        Token::PrintEnd
                    });
                    self.end_of_tag(skip, 2, sign, block);
                    return Ok(());
                }
            }
            if is_space(first) {
                self.advance(first.len_utf8());
            } else if first.is_ascii_digit() {
                self.number()?;
            } else if first == '_' || first.is_alphabetic() {
                let end = rest
                    .find(|c: char| c != '_' && !c.is_alphanumeric())
                    .unwrap_or(rest.len());
                self.push(Token::Name(rest[..end].to_owned()));
                self.advance(end);
            } else if first == '"' || first == '\'' {
                self.string(first)?;
            } else if let Some(op) = OPERATORS.iter().find(|op| rest.starts_with(**op)) {
                match *op {
                    "(" => open.push(")"),
                    "[" => open.push("]"),
                    "{" => open.push("}"),
                    ")" | "]" | "}" if open.pop() != Some(*op) => {
                        bail!("line {}: unexpected {op:?}", self.line)
                    }
                    _ => {}
                }
                self.push(Token::Op(op));
                self.advance(op.len());
            } else {
                bail!("line {}: unexpected character {first:?}", self.line);
            }
        }
    }

    /// `1_000`, `0x1f`, `1.5`, `1e-5`; after a dot only whole numbers, as in `messages.0.role`.
    fn number(&mut self) -> Result<()> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        // Digits with single underscores between them.
        let digits = |from: usize, ok: fn(&u8) -> bool| {
            let mut end = from;
            while bytes.get(end).is_some_and(ok)
                || (end > from
                    && bytes.get(end) == Some(&b'_')
                    && bytes.get(end + 1).is_some_and(ok))
            {
                end += 1;
            }
            end
        };
        let radix = match bytes
            .get(1)
            .filter(|_| bytes[0] == b'0')
            .map(u8::to_ascii_lowercase)
        {
            Some(b'x') => Some((16, u8::is_ascii_hexdigit as fn(&u8) -> bool)),
            Some(b'o') => Some((8, (|b| (b'0'..=b'7').contains(b)) as fn(&u8) -> bool)),
            Some(b'b') => Some((2, (|b| (b'0'..=b'1').contains(b)) as fn(&u8) -> bool)),
            _ => None,
        };
        let line = self.line;
        let int = |text: &str, radix: u32| -> Result<Token> {
            match i128::from_str_radix(&text.replace('_', ""), radix) {
                Ok(value) => Ok(Token::Int(value)),
                Err(_) => bail!("line {line}: the number {text} is too large"),
            }
        };
        if let Some((radix, ok)) = radix {
            let end = digits(2 + usize::from(bytes.get(2) == Some(&b'_')), ok);
            if end > 2 {
                let token = int(&rest[2..end], radix)?;
                self.push(token);
                self.advance(end);
                return Ok(());
            }
        }
        let whole = digits(0, u8::is_ascii_digit);
        let after_dot = self.source[..self.at].ends_with('.');
        let mut end = whole;
        if !after_dot {
            if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
                end = digits(end + 1, u8::is_ascii_digit);
            }
            if bytes
                .get(end)
                .is_some_and(|b| b.eq_ignore_ascii_case(&b'e'))
            {
                let sign = usize::from(bytes.get(end + 1).is_some_and(|b| b"+-".contains(b)));
                if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
                    end = digits(end + 1 + sign, u8::is_ascii_digit);
                }
            }
        }
        if end > whole {
            let value = rest[..end].replace('_', "").parse()?;
            self.push(Token::Float(value));
            self.advance(end);
            return Ok(());
        }
        if whole > 1
            && bytes[0] == b'0'
            && rest[..whole]
                .bytes()
                .any(|b| b.is_ascii_digit() && b != b'0')
        {
            bail!("line {line}: the number {} begins with 0", &rest[..whole]);
        }
        let token = int(&rest[..whole], 10)?;
        self.push(token);
        self.advance(whole);
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<()> {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest[1..].char_indices().find(|&(_, c)| {
            let closes = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        let Some((end, _)) = end else {
            bail!("line {}: a string is not closed by {quote}", self.line);
        };
        let text = unescape(&rest[1..=end], self.line)?;
        self.push(Token::Str(text));
        self.advance(end + 2);
        Ok(())
    }
}

/// The length of `{% raw %}` at the start of `rest`; its line break, if one follows, stays.
fn raw_tag(rest: &str, opening: usize, name: &str) -> Option<usize> {
    let tail = rest[opening..]
        .trim_start_matches(is_space)
        .strip_prefix(name)?;
    let tail = tail.trim_start_matches(is_space);
    if let Some(after) = tail.strip_prefix("-%}") {
        return Some(rest.len() - after.trim_start_matches(is_space).len());
    }
    Some(rest.len() - tail.strip_prefix("%}")?.len())
}

/// Python's escapes. Jinja writes other than ASCII characters as escapes first, so that a backslash before one of
/// them leaves its code in the text.
fn unescape(text: &str, line: usize) -> Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some(e) = chars.next() else {
            bail!("line {line}: a string ends with a backslash");
        };
        let mut code = |digits: usize, radix: u32, first: Option<char>| -> Option<u32> {
            let mut value = first.map_or(Some(0), |c| c.to_digit(radix))?;
            let fixed = radix == 16;
            for _ in 0..digits {
                match chars.peek().and_then(|c| c.to_digit(radix)) {
                    Some(d) => value = value.checked_mul(radix)?.checked_add(d)?,
                    None if fixed => return None,
                    None => break,
                }
                chars.next();
            }
            Some(value)
        };
        let value = match e {
            '\n' => continue,
            '\\' | '\'' | '"' => Some(e as u32),
            'a' => Some(7),
            'b' => Some(8),
            't' => Some(9),
            'n' => Some(10),
            'v' => Some(11),
            'f' => Some(12),
            'r' => Some(13),
            'x' => code(2, 16, None),
            'u' => code(4, 16, None),
            'U' => code(8, 16, None),
            '0'..='7' => code(2, 8, Some(e)),
            'N' => None,
            other => {
                out.push('\\');
                match other as u32 {
                    0..=0x7f => out.push(other),
                    n @ 0x80..=0xff => out.push_str(&format!("x{n:02x}")),
                    n @ 0x100..=0xffff => out.push_str(&format!("u{n:04x}")),
                    n => out.push_str(&format!("U{n:08x}")),
                }
                continue;
            }
        };
        match value.and_then(char::from_u32) {
            Some(c) => out.push(c),
            None => bail!("line {line}: invalid escape \\{e} in a string"),
        }
    }
    Ok(out)
}
