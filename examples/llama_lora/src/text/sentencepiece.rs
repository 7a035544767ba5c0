//! SentencePiece's byte-pair tokenizer from the pieces and scores of a GGUF file, as transformers builds it.
//!
//! Tests: unit tests below; `tests/gguf_text/dump.py` dumped what sentencepiece itself says.

use std::collections::HashMap;

use anyhow::{ensure, Context, Result};
use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::models::bpe::{Vocab, BPE};
use tokenizers::normalizers::{Prepend, Replace, Sequence as Normalizers};
use tokenizers::Tokenizer;

use super::from_gguf::{broken, ids, GgufVocab};
use super::llama_cpp::{NORMAL, UNKNOWN};

/// Stands for a space.
const SPACE: &str = "\u{2581}";

/// The tokenizer, but for tokens that are added.
pub fn build(vocab: &GgufVocab) -> Result<Tokenizer> {
    ensure!(
        vocab.scores.len() == vocab.tokens.len(),
        "expected a score of tokenizer.ggml.scores for each of the {} tokens, found {}",
        vocab.tokens.len(),
        vocab.scores.len()
    );
    let ids = ids(vocab)?;
    let of_kind = vocab.types.iter().position(|kind| *kind == UNKNOWN);
    let unknown = vocab.unknown.map(|id| id as usize);
    let unknown = unknown.or(of_kind).unwrap_or(0);
    let unknown = vocab.tokens.get(unknown).with_context(|| {
        let tokens = vocab.tokens.len();
        format!(
            "tokenizer.ggml.unknown_token_id is {unknown}, expected less than the {tokens} tokens"
        )
    })?;
    let bytes = ids.contains_key("<0x00>");
    let merges = merges(vocab, &ids);
    let model = BPE::builder()
        .vocab_and_merges(ids, merges)
        .unk_token(unknown.clone())
        .fuse_unk(true)
        .byte_fallback(bytes)
        .build()
        .map_err(broken)?;
    let mut tokenizer = Tokenizer::new(model);
    let replace = |from: &str, to: &str| Replace::new(from, to).map_err(broken);
    let mut before = Vec::new();
    if vocab.space_prefix {
        before.push(Prepend::new(SPACE.to_owned()).into());
    }
    before.push(replace(" ", SPACE)?.into());
    tokenizer
        .with_normalizer(Some(Normalizers::new(before)))
        .map_err(broken)?;
    let mut after = vec![
        replace(SPACE, " ")?.into(),
        ByteFallback::default().into(),
        Fuse::new().into(),
    ];
    if vocab.space_prefix {
        after.push(Strip::new(' ', 1, 0).into());
    }
    tokenizer.with_decoder(Some(Decoders::new(after)));
    Ok(tokenizer)
}

/// Each way to put a piece together from two, the best score first. SentencePiece merges the pair whose result scores best.
fn merges(vocab: &GgufVocab, ids: &Vocab) -> Vec<(String, String)> {
    let scores: HashMap<&str, f32> = vocab
        .tokens
        .iter()
        .map(String::as_str)
        .zip(vocab.scores.iter().copied())
        .collect();
    let mut all: Vec<(f32, usize, usize, &str, &str)> = Vec::new();
    for (i, piece) in vocab.tokens.iter().enumerate() {
        // Control tokens and bytes are not put together.
        if vocab.types.get(i).is_some_and(|t| *t != NORMAL) {
            continue;
        }
        let score = scores.get(piece.as_str()).copied().unwrap_or(f32::MIN);
        let mut own: Vec<(u32, u32, &str, &str)> = piece
            .char_indices()
            .skip(1)
            .filter_map(|(at, _)| {
                let (left, right) = piece.split_at(at);
                Some((*ids.get(left)?, *ids.get(right)?, left, right))
            })
            .collect();
        own.sort_unstable();
        all.extend(
            own.into_iter()
                .map(|(_, _, l, r)| (score, l.chars().count(), r.chars().count(), l, r)),
        );
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)).then(b.2.cmp(&a.2)));
    all.into_iter()
        .map(|(.., l, r)| (l.to_owned(), r.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::from_gguf;
    use super::*;

    fn vocab(dump: &Value) -> GgufVocab {
        let list = |name: &str| dump[name].as_array().unwrap().clone();
        GgufVocab {
            model: "llama".into(),
            tokens: list("tokens")
                .iter()
                .map(|t| t.as_str().unwrap().to_owned())
                .collect(),
            scores: list("scores")
                .iter()
                .map(|s| s.as_f64().unwrap() as f32)
                .collect(),
            types: list("types")
                .iter()
                .map(|t| t.as_i64().unwrap() as i32)
                .collect(),
            unknown: Some(0),
            bos: Some(1),
            eos: Some(2),
            add_bos: Some(true),
            space_prefix: true,
            ..GgufVocab::default()
        }
    }

    #[test]
    fn ids_are_sentencepieces() {
        let dump: Value =
            serde_json::from_str(include_str!("../../tests/gguf_text/dump.json")).unwrap();
        let text = from_gguf::from_gguf(vocab(&dump)).unwrap();
        for case in dump["cases"].as_array().unwrap() {
            let sample = case["text"].as_str().unwrap();
            let wanted: Vec<u32> = case["ids"]
                .as_array()
                .unwrap()
                .iter()
                .map(|n| n.as_u64().unwrap() as u32)
                .collect();
            let found = text.encode(sample, false).unwrap();
            assert_eq!(found, wanted, "{sample:?}");
            assert_eq!(text.decode(&found).unwrap(), sample, "{sample:?}");
        }
        assert_eq!(text.encode("a", true).unwrap()[0], 1);
    }

    #[test]
    fn broken_metadata_is_refused() {
        let dump: Value =
            serde_json::from_str(include_str!("../../tests/gguf_text/dump.json")).unwrap();
        let refused = |change: fn(&mut GgufVocab)| {
            let mut vocab = vocab(&dump);
            change(&mut vocab);
            let error = from_gguf::from_gguf(vocab).err();
            error.map(|e| format!("{e:#}")).unwrap_or_default()
        };
        assert!(refused(|v| v.scores.clear()).contains("tokenizer.ggml.scores"));
        assert!(refused(|v| v.unknown = Some(99_999)).contains("unknown_token_id"));
        assert!(refused(|v| v.model = "bert".into()).contains("Hugging Face"));
    }
}
