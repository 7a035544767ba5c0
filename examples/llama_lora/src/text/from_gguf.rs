//! Builds the tokenizer of a GGUF file from its metadata.
//!
//! Tests: unit tests below.

use anyhow::{anyhow, bail, ensure, Context, Result};
use tokenizers::models::bpe::{Vocab, BPE};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer};

use super::contain::contained_deep;
use super::{Template, Text};

/// `tokenizer.*` of a GGUF file's metadata.
#[derive(Clone, Debug, Default)]
pub struct GgufVocab {
    /// `tokenizer.ggml.model`: the kind; `gpt2` stands for byte-level BPE.
    pub model: String,
    /// `tokenizer.ggml.pre`: how text is cut before merging.
    pub pre: Option<String>,
    /// `tokenizer.ggml.tokens`
    pub tokens: Vec<String>,
    /// `tokenizer.ggml.token_type`: 3 is a control token, 4 a word that the user added.
    pub types: Vec<i32>,
    /// `tokenizer.ggml.merges`
    pub merges: Vec<String>,
    /// `tokenizer.ggml.bos_token_id`
    pub bos: Option<u32>,
    /// `tokenizer.ggml.eos_token_id`
    pub eos: Option<u32>,
    /// `tokenizer.ggml.add_bos_token`
    pub add_bos: bool,
    /// `tokenizer.chat_template`
    pub template: Option<String>,
}

const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// The regular expression that splits text for Llama 3.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Builds the tokenizer that `vocab` describes.
pub fn from_gguf(vocab: GgufVocab) -> Result<Text> {
    contained_deep("build the GGUF file's tokenizer", || build(vocab))
}

fn build(vocab: GgufVocab) -> Result<Text> {
    if vocab.model != "gpt2" {
        bail!(
            "unsupported tokenizer {:?} of the GGUF file: only byte-level BPE (gpt2) is supported; \
             use the model's Hugging Face folder instead",
            vocab.model
        );
    }
    let token = |name: &str, id: u32| -> Result<String> {
        let text = vocab.tokens.get(id as usize).cloned();
        text.with_context(|| {
            let tokens = vocab.tokens.len();
            format!("tokenizer.ggml.{name} is {id}, expected less than the {tokens} tokens")
        })
    };
    let eos = vocab
        .eos
        .context("tokenizer.ggml.eos_token_id is missing from the GGUF file")?;
    let eos_text = token("eos_token_id", eos)?;
    let bos_text = vocab.bos.map(|id| token("bos_token_id", id)).transpose()?;

    let pre = vocab.pre.as_deref().unwrap_or("default");
    let mut tokenizer = Tokenizer::new(bpe(&vocab, pre)?);
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(pre)?));
    tokenizer.with_decoder(Some(ByteLevel::default()));
    tokenizer
        .add_special_tokens(added(&vocab, CONTROL, true))
        .map_err(broken)?;
    tokenizer
        .add_tokens(added(&vocab, USER_DEFINED, false))
        .map_err(broken)?;
    if let (true, Some(id), Some(text)) = (vocab.add_bos, vocab.bos, &bos_text) {
        let processor = TemplateProcessing::builder()
            .try_single(vec![text.as_str(), "$A"])
            .map_err(|e| anyhow!("{e}"))?
            .special_tokens(vec![(text.clone(), id)])
            .build()
            .map_err(|e| anyhow!("{e}"))?;
        tokenizer.with_post_processor(Some(processor));
    }
    let mut special = vec![("eos_token", eos_text)];
    special.extend(bos_text.map(|text| ("bos_token", text)));
    let template = vocab
        .template
        .map(|source| Template::new(&source, None, special));
    let template = template.transpose()?;
    Ok(Text::new(tokenizer, template, eos, vec![eos]))
}

fn bpe(vocab: &GgufVocab, pre: &str) -> Result<BPE> {
    let mut ids = Vocab::with_capacity(vocab.tokens.len());
    for (id, token) in vocab.tokens.iter().enumerate() {
        ids.insert(token.clone(), u32::try_from(id)?);
    }
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
    BPE::builder()
        .vocab_and_merges(ids, merges)
        .ignore_merges(pre == "llama-bpe")
        .build()
        .map_err(broken)
}

fn pre_tokenizer(pre: &str) -> Result<PreTokenizerWrapper> {
    let bytes = |regex: bool| ByteLevel::new(false, true, regex);
    Ok(match pre {
        "smollm" => Sequence::new(vec![Digits::new(true).into(), bytes(true).into()]).into(),
        "default" | "gpt-2" | "gpt2" => bytes(true).into(),
        "llama-bpe" | "llama3" | "llama-v3" => {
            let split = Split::new(
                SplitPattern::Regex(LLAMA3.into()),
                SplitDelimiterBehavior::Isolated,
                false,
            )
            .map_err(broken)?;
            Sequence::new(vec![split.into(), bytes(false).into()]).into()
        }
        other => bail!(
            "unsupported pre-tokenizer {other:?} of the GGUF file \
             (known: smollm, gpt-2, llama-bpe): use the model's Hugging Face folder instead"
        ),
    })
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

fn broken(error: tokenizers::Error) -> anyhow::Error {
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
            add_bos: true,
            template: Some("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}".into()),
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
        assert!(refused(|v| v.model = "llama".into()).contains("Hugging Face"));
        assert!(refused(|v| v.pre = Some("qwen2".into())).contains("qwen2"));
        assert!(refused(|v| v.eos = None).contains("eos_token_id"));
        assert!(refused(|v| v.eos = Some(9999)).contains("9999"));
        assert!(refused(|v| v.bos = Some(9998)).contains("9998"));
        assert!(refused(|v| v.merges.push("h".into())).contains("pair"));
        assert!(refused(|v| v.merges.push("h zz".into())).contains("zz"));
        assert!(refused(|v| v.template = Some("{% if".into())).contains("template"));
    }
}
