//! Builds the tokenizer of a GGUF file from its metadata.
//!
//! Tests: unit tests below.

use anyhow::{anyhow, bail, ensure, Context, Result};
use tokenizers::models::bpe::{Vocab, BPE};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer};

use super::contain::contained_deep;
use super::llama_cpp::{CONTROL, CUTS, ENDS, UNKNOWN, USER_DEFINED};
use super::{sentencepiece, Template, Text};

/// `tokenizer.ggml.*` of a GGUF file's metadata.
#[derive(Clone, Debug, Default)]
pub struct GgufVocab {
    /// `model`: `gpt2` stands for byte-level BPE, `llama` for SentencePiece's.
    pub model: String,
    /// `pre`: how text is cut before merging.
    pub pre: Option<String>,
    /// `tokens`
    pub tokens: Vec<String>,
    /// `token_type`, as [`llama_cpp`](super::llama_cpp) names them.
    pub types: Vec<i32>,
    /// `merges`, of byte-level BPE.
    pub merges: Vec<String>,
    /// `scores`, of SentencePiece: the pair whose token has the highest score is joined first.
    pub scores: Vec<f32>,
    /// `bos_token_id`
    pub bos: Option<u32>,
    /// `eos_token_id`
    pub eos: Option<u32>,
    /// `eot_token_id`: another token that ends an answer.
    pub eot: Option<u32>,
    /// `unknown_token_id`
    pub unknown: Option<u32>,
    /// `add_bos_token`
    pub add_bos: Option<bool>,
    /// `add_eos_token`
    pub add_eos: Option<bool>,
    /// `add_space_prefix`: SentencePiece puts a space in front of a text.
    pub space_prefix: bool,
    /// `tokenizer.chat_template`
    pub template: Option<String>,
}

/// Builds the tokenizer that `vocab` describes.
pub fn from_gguf(vocab: GgufVocab) -> Result<Text> {
    contained_deep("build the GGUF file's tokenizer", || build(vocab))
}

fn build(vocab: GgufVocab) -> Result<Text> {
    let eos = vocab
        .eos
        .context("tokenizer.ggml.eos_token_id is missing from the GGUF file")?;
    let eos_text = token(&vocab, "eos_token_id", eos)?.to_owned();
    let bos_text = match vocab.bos {
        Some(id) => Some(token(&vocab, "bos_token_id", id)?.to_owned()),
        None => None,
    };
    let sentences = match vocab.model.as_str() {
        "gpt2" => false,
        "llama" => true,
        other => bail!(
            "unsupported tokenizer {other:?} of the GGUF file: expected byte-level BPE (gpt2) or SentencePiece's BPE (llama); \
             use the model's Hugging Face folder instead"
        ),
    };
    let mut tokenizer = match sentences {
        true => sentencepiece::build(&vocab)?,
        false => byte_level(&vocab)?,
    };
    for (kind, special) in [(CONTROL, true), (UNKNOWN, true), (USER_DEFINED, false)] {
        let added = added(&vocab, kind, special);
        match special {
            true => tokenizer.add_special_tokens(added),
            false => tokenizer.add_tokens(added),
        }
        .map_err(broken)?;
    }
    let begin = vocab.bos.zip(bos_text.clone());
    let begin = begin.filter(|_| vocab.add_bos.unwrap_or(sentences));
    let end = Some((eos, eos_text.clone())).filter(|_| vocab.add_eos.unwrap_or(false));
    if begin.is_some() || end.is_some() {
        tokenizer.with_post_processor(Some(around(begin, end)?));
    }
    let control = |id: &u32| vocab.types.get(*id as usize) == Some(&CONTROL);
    let named = ENDS.iter().filter_map(|name| tokenizer.token_to_id(name));
    let mut stops = vec![eos];
    for id in vocab.eot.into_iter().chain(named.filter(control)) {
        if !stops.contains(&id) {
            stops.push(id);
        }
    }
    let mut special = vec![("eos_token", eos_text)];
    special.extend(bos_text.map(|text| ("bos_token", text)));
    let template = vocab
        .template
        .map(|source| Template::new(&source, None, special));
    let template = template.transpose()?;
    Ok(Text::new(tokenizer, template, eos, stops))
}

fn token<'v>(vocab: &'v GgufVocab, name: &str, id: u32) -> Result<&'v str> {
    let text = vocab.tokens.get(id as usize);
    text.map(String::as_str).with_context(|| {
        let tokens = vocab.tokens.len();
        format!("tokenizer.ggml.{name} is {id}, expected less than the {tokens} tokens")
    })
}

/// The tokens that stand around every text.
fn around(begin: Option<(u32, String)>, end: Option<(u32, String)>) -> Result<TemplateProcessing> {
    let all = [begin.as_ref(), end.as_ref()].into_iter().flatten();
    let special: Vec<(String, u32)> = all.map(|(id, text)| (text.clone(), *id)).collect();
    let text = |token: Option<(u32, String)>| token.map(|(_, text)| text);
    let single = [text(begin), Some("$A".to_owned()), text(end)];
    TemplateProcessing::builder()
        .try_single(single.into_iter().flatten().collect::<Vec<String>>())
        .map_err(|e| anyhow!("{e}"))?
        .special_tokens(special)
        .build()
        .map_err(|e| anyhow!("{e}"))
}

fn byte_level(vocab: &GgufVocab) -> Result<Tokenizer> {
    let pre = vocab.pre.as_deref().unwrap_or("gpt-2");
    let pre = match pre {
        "default" | "gpt2" => "gpt-2",
        "llama3" | "llama-v3" => "llama-bpe",
        other => other,
    };
    let ids = ids(vocab)?;
    let merges = vocab
        .merges
        .iter()
        .map(|line| {
            // A token may begin with a space's stand-in but never holds a space itself.
            let (a, b) = line.split_once(' ').with_context(|| {
                format!("invalid merge {line:?} in the GGUF file: expected a pair")
            })?;
            for part in [a, b] {
                ensure!(
                    ids.contains_key(part),
                    "invalid merge of {part:?} in the GGUF file: expected a token"
                );
            }
            Ok((a.to_owned(), b.to_owned()))
        })
        .collect::<Result<Vec<_>>>()?;
    let model = BPE::builder()
        .vocab_and_merges(ids, merges)
        .ignore_merges(matches!(pre, "llama-bpe" | "tekken"))
        .build()
        .map_err(broken)?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(pre)?));
    // transformers composes characters for this one.
    tokenizer
        .with_normalizer((pre == "qwen2").then_some(NFC))
        .map_err(broken)?;
    tokenizer.with_decoder(Some(ByteLevel::default()));
    Ok(tokenizer)
}

fn pre_tokenizer(pre: &str) -> Result<PreTokenizerWrapper> {
    let Some((_, regexes, digits)) = CUTS.iter().find(|(name, ..)| *name == pre) else {
        bail!(
            "unsupported pre-tokenizer {pre:?} of the GGUF file (known: {}): use the model's Hugging Face folder instead",
            CUTS.iter().map(|c| c.0).collect::<Vec<_>>().join(", ")
        );
    };
    let mut parts: Vec<PreTokenizerWrapper> = Vec::new();
    if *digits {
        parts.push(Digits::new(true).into());
    }
    for regex in *regexes {
        let pattern = SplitPattern::Regex((*regex).into());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
        parts.push(split.map_err(broken)?.into());
    }
    parts.push(ByteLevel::new(false, true, regexes.is_empty()).into());
    Ok(Sequence::new(parts).into())
}

/// The place of each token.
pub(super) fn ids(vocab: &GgufVocab) -> Result<Vocab> {
    let mut ids = Vocab::with_capacity(vocab.tokens.len());
    for (id, token) in vocab.tokens.iter().enumerate() {
        ids.insert(token.clone(), u32::try_from(id)?);
    }
    Ok(ids)
}

fn added(vocab: &GgufVocab, kind: i32, special: bool) -> Vec<AddedToken> {
    vocab
        .tokens
        .iter()
        .zip(&vocab.types)
        .filter(|(_, &t)| t == kind)
        .map(|(text, _)| AddedToken::from(text.clone(), special).normalized(false))
        .collect()
}

pub(super) fn broken(error: tokenizers::Error) -> anyhow::Error {
    anyhow!("invalid tokenizer in the GGUF file: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::pre_tokenizers::byte_level::ByteLevel;

    /// Bytes, one merge and two control tokens.
    fn vocab() -> GgufVocab {
        let mut tokens: Vec<String> = ByteLevel::alphabet()
            .into_iter()
            .map(String::from)
            .collect();
        tokens.sort_unstable();
        tokens.extend(["he", "<s>", "</s>"].map(String::from));
        let mut types = vec![1; tokens.len()];
        types[257] = CONTROL;
        types[258] = CONTROL;
        GgufVocab {
            model: "gpt2".into(),
            pre: Some("smollm".into()),
            tokens,
            types,
            merges: vec!["h e".into()],
            bos: Some(257),
            eos: Some(258),
            add_bos: Some(true),
            template: Some("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}".into()),
            ..GgufVocab::default()
        }
    }

    #[test]
    fn text_survives_the_round_trip() {
        let text = from_gguf(vocab()).unwrap();
        for sample in ["hello 12", "Grüße, 世界 🦙", " two  spaces\n\nlines", ""] {
            let ids = text.encode(sample, false).unwrap();
            assert_eq!(text.decode(&ids).unwrap(), sample);
            assert!(ids.iter().all(|&id| (id as usize) < text.vocab_size()));
        }
        assert_eq!(text.encode("he", true).unwrap(), [257, 256]);
        let chat = text
            .chat(&[serde_json::json!({"content": "he"})], None, false)
            .unwrap();
        assert_eq!(chat, [257, 256, 258]);
        assert!(text.is_stop(258) && !text.is_stop(257));
    }

    #[test]
    fn a_stream_never_prints_half_a_character() {
        let text = from_gguf(vocab()).unwrap();
        let sample = "é世\n🦙!";
        let mut stream = super::super::Stream::new(&text);
        let mut pieces = Vec::new();
        for id in text.encode(sample, false).unwrap() {
            pieces.push(stream.push(id).unwrap());
        }
        pieces.push(stream.finish().unwrap());
        assert_eq!(pieces.concat(), sample);
        pieces.retain(|p| !p.is_empty());
        assert_eq!(pieces, ["é", "世", "\n", "🦙", "!"]);
    }

    #[test]
    fn broken_metadata_is_refused() {
        let refused = |change: fn(&mut GgufVocab)| {
            let mut vocab = vocab();
            change(&mut vocab);
            from_gguf(vocab)
                .err()
                .map(|e| format!("{e:#}"))
                .unwrap_or_default()
        };
        assert!(refused(|v| v.model = "bert".into()).contains("Hugging Face"));
        assert!(refused(|v| v.pre = Some("other".into())).contains("qwen2"));
        assert!(refused(|v| v.eos = None).contains("eos_token_id"));
        assert!(refused(|v| v.eos = Some(9999)).contains("9999"));
        assert!(refused(|v| v.bos = Some(9998)).contains("9998"));
        assert!(refused(|v| v.merges.push("h".into())).contains("pair"));
        assert!(refused(|v| v.merges.push("h zz".into())).contains("zz"));
        assert!(refused(|v| v.template = Some("{% if".into())).contains("template"));
    }
}
