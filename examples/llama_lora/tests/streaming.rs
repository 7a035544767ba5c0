//! Streamed text equals text that is decoded at once, for every kind of decoder.

use llama_lora::text::{from_folder, Stream, Text};
use proptest::prelude::*;
use serde_json::{json, Value};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

/// A tokenizer with this decoder; its vocabulary is `words`, two special tokens and one that pads.
fn text(decoder: Value, words: &[&str]) -> Text {
    let special = ["<s>", "</s>", "<pad>"];
    let all = special.iter().chain(words);
    let vocab: serde_json::Map<String, Value> = all
        .enumerate()
        .map(|(i, w)| (w.to_string(), json!(i)))
        .collect();
    let added = special.iter().take(2).enumerate().map(|(i, w)| {
        json!({"id": i, "content": w, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    });
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": decoder,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<pad>"}
    });
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, value: &Value| {
        std::fs::write(folder.path().join(name), value.to_string()).unwrap();
    };
    write("tokenizer.json", &file);
    write("tokenizer_config.json", &json!({"eos_token": "</s>"}));
    from_folder(folder.path()).unwrap()
}

/// The stand-ins of a byte-level vocabulary for some bytes: letters, blanks, and parts of characters.
fn byte_level() -> Vec<String> {
    let ids = |bytes: &[u8]| -> String {
        // Printable bytes stand for themselves, the others for the characters from 256 on.
        let printable = |b: u8| matches!(b, 33..=126 | 161..=172 | 174..=255);
        let stand_in = |b: u8| match printable(b) {
            true => char::from(b),
            false => {
                let before = (0..b).filter(|&c| !printable(c)).count() as u32;
                char::from_u32(256 + before).unwrap()
            }
        };
        bytes.iter().map(|&b| stand_in(b)).collect()
    };
    let parts: [&[u8]; 20] = [
        b" hello",
        b"a",
        b" ",
        b"  ",
        b"\n",
        b"\n\n",
        b".",
        b"!",
        &[0xe4],
        &[0xb8],
        &[0xad],
        &[0xe4, 0xb8],
        &[0xad, b'x'],
        &[0xf0, 0x9f],
        &[0xa6],
        &[0x99],
        &[0xff],
        &[0xc3],
        &[0xa9],
        "\u{fffd}".as_bytes(),
    ];
    let words: Vec<String> = parts.into_iter().map(ids).collect();
    let alphabet = ByteLevel::alphabet();
    assert!(words
        .iter()
        .flat_map(|w| w.chars())
        .all(|c| alphabet.contains(&c)));
    words
}

fn decoders() -> Vec<(&'static str, Text)> {
    let level = byte_level();
    let level: Vec<&str> = level.iter().map(String::as_str).collect();
    let pieces = [
        "▁", "▁▁", "▁hello", "▁a", "b", "\n", ".", "<0x41>", "<0xE4>", "<0xB8>", "<0xAD>",
        "<0xFF>", "<0x0A>", "<0x20>", "é", "世", "▁\n",
    ];
    let words = [
        "do", "n", "##ot", ".", ",", "'", "n't", "'s", "it", "##", "!", "?", "'re", "é",
    ];
    let suffixed = ["lo", "w</w>", "er</w>", "n", "</w>", ".</w>", "é</w>"];
    let letters = ["h", "e", "l", "o", "|", "<pad> ", ".", "n't"];
    let replace = json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "});
    let strip = |start: u32, stop: u32| json!({"type": "Strip", "content": " ", "start": start, "stop": stop});
    let sequence = |parts: Vec<Value>| json!({"type": "Sequence", "decoders": parts});
    let (fallback, fuse) = (json!({"type": "ByteFallback"}), json!({"type": "Fuse"}));
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    let metaspace = |scheme: &str| json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": true});
    vec![
        ("bytes", text(byte_level, &level)),
        (
            "llama",
            text(
                sequence(vec![
                    replace.clone(),
                    fallback.clone(),
                    fuse.clone(),
                    strip(1, 0),
                ]),
                &pieces,
            ),
        ),
        (
            "gemma",
            text(
                sequence(vec![replace.clone(), fallback.clone(), fuse.clone()]),
                &pieces,
            ),
        ),
        (
            "both ends",
            text(
                sequence(vec![replace, fallback.clone(), fuse, strip(1, 1)]),
                &pieces,
            ),
        ),
        (
            "each stripped",
            text(sequence(vec![fallback, strip(1, 0)]), &pieces),
        ),
        ("metaspace", text(metaspace("always"), &pieces)),
        ("metaspace first", text(metaspace("first"), &pieces)),
        ("metaspace never", text(metaspace("never"), &pieces)),
        (
            "wordpiece",
            text(
                json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
                &words,
            ),
        ),
        (
            "wordpiece as is",
            text(
                json!({"type": "WordPiece", "prefix": "##", "cleanup": false}),
                &words,
            ),
        ),
        (
            "bpe",
            text(json!({"type": "BPEDecoder", "suffix": "</w>"}), &suffixed),
        ),
        (
            "ctc",
            text(
                json!({"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true}),
                &letters,
            ),
        ),
        ("none", text(Value::Null, &words)),
    ]
}

#[test]
fn pieces_are_the_text_at_every_split() {
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(400));
    for (name, text) in decoders() {
        let tokens = text.vocab_size() as u32;
        let lists = prop::collection::vec(0..tokens, 0..40);
        let run = runner.run(&lists, |ids| {
            let mut stream = Stream::new(&text);
            let mut written = String::new();
            for &id in &ids {
                written += &stream.push(id).unwrap();
            }
            written += &stream.finish().unwrap();
            let all = text.decode(&ids).unwrap();
            prop_assert_eq!(&written, &all, "{:?}", ids);
            // Nothing that was handed out was taken back: each split gives a beginning of the same text.
            let mut stream = Stream::new(&text);
            let mut begun = String::new();
            for &id in &ids {
                begun += &stream.push(id).unwrap();
                prop_assert!(all.starts_with(&begun), "{:?}: {:?}", ids, begun);
            }
            Ok(())
        });
        run.unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

/// Text is handed out as it comes, and not kept until the end.
#[test]
fn whole_characters_come_at_once() {
    for (name, text) in decoders() {
        let mut stream = Stream::new(&text);
        let words: Vec<u32> = (3..text.vocab_size() as u32)
            .filter(|&id| {
                text.decode(&[id])
                    .is_ok_and(|t| t.chars().any(char::is_alphabetic))
            })
            .filter(|&id| !text.spelled(&[3, id]).unwrap().contains('\u{fffd}'))
            .collect();
        let mut pieces = 0;
        for &id in words.iter().cycle().take(50) {
            pieces += usize::from(!stream.push(id).unwrap().is_empty());
        }
        assert!(pieces >= 20, "{name}: {pieces} of 50");
    }
}
