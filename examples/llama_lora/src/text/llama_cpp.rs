//! The constants of llama.cpp's vocabularies.
//!
//! Tests: `tests/export.rs`.

/// A token that merges make.
pub const NORMAL: i32 = 1;
/// The token of text that no other token covers.
pub const UNKNOWN: i32 = 2;
/// A token that steers the model.
pub const CONTROL: i32 = 3;
/// A token that is found before any merge.
pub const USER_DEFINED: i32 = 4;
/// A token that no text has.
pub const UNUSED: i32 = 5;
/// A token that stands for a byte.
pub const BYTE: i32 = 6;

/// Names of tokens that end an answer, of which a file may say nothing.
pub const ENDS: &[&str] = &[
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
];

/// The names under which llama.cpp knows how a text is cut before merging, by the regular expressions of the
/// pre-tokenizer and whether digits stand alone.
pub const CUTS: &[(&str, &[&str], bool)] = &[
    ("gpt-2", &[], false),
    ("smollm", &[], true),
    (
        "llama-bpe",
        &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        false,
    ),
    (
        "qwen2",
        &[
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        false,
    ),
    (
        "tekken",
        &[
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ],
        false,
    ),
];

/// True for a token such as `<0xE4>`.
pub fn is_byte(token: &str) -> bool {
    let hex = token.strip_prefix("<0x").and_then(|t| t.strip_suffix('>'));
    hex.is_some_and(|h| h.len() == 2 && h.bytes().all(|b| b.is_ascii_hexdigit()))
}
