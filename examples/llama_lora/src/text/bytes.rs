//! A tokenizer that needs no training: each byte is a token.
//!
//! Tests: `tests/synth.rs`.

use anyhow::{anyhow, Result};
use tokenizers::models::bpe::{Vocab, BPE};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, Tokenizer};

use super::{Template, Text};

/// Begins a text.
pub const BOS: (&str, u32) = ("<s>", 256);
/// Ends a text.
pub const EOS: (&str, u32) = ("</s>", 257);
/// The number of tokens.
pub const TOKENS: usize = 258;

/// A chat template: the role, a colon, the words.
pub const TEMPLATE: &str =
    "{% for m in messages %}<s>{{ m['role'] }}:{{ m['content'] }}</s>{% endfor %}\
                            {% if add_generation_prompt %}<s>assistant:{% endif %}";

/// The tokenizer: 256 bytes, [`BOS`] and [`EOS`].
pub fn tokenizer() -> Result<Tokenizer> {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let mut vocab: Vocab = alphabet
        .iter()
        .zip(0u32..)
        .map(|(c, i)| (c.to_string(), i))
        .collect();
    for (text, id) in [BOS, EOS] {
        vocab.insert(text.into(), id);
    }
    let bpe = BPE::builder()
        .vocab_and_merges(vocab, vec![])
        .build()
        .map_err(|e| anyhow!("cannot make a tokenizer of bytes: {e}"))?;
    let mut tokenizer = Tokenizer::new(bpe);
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    let special = [BOS, EOS].map(|(text, _)| AddedToken::from(text, true));
    tokenizer
        .add_special_tokens(special)
        .map_err(|e| anyhow!("cannot make a tokenizer of bytes: {e}"))?;
    Ok(tokenizer)
}

/// The same with its template, ready to use.
pub fn text() -> Result<Text> {
    let special = vec![("bos_token", BOS.0.into()), ("eos_token", EOS.0.into())];
    let template = Template::new(TEMPLATE, None, special)?;
    Ok(Text::new(tokenizer()?, Some(template), EOS.1, Vec::new()))
}
