//! Untrusted templates and tokenizers: each fault is one error, and nothing hangs, grows or aborts.

mod common;

use common::Place;
use llama_lora::text::{from_folder, Template};
use serde_json::{json, Value};

/// Templates that loop, swell or nest.
fn hostile() -> Vec<String> {
    let around = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(10_000), close.repeat(10_000))
    };
    let grow = |step: &str| {
        format!("{{% set ns = namespace(x='xxxxxxxx', y=[1, 2], z=(1,), d={{}}) %}}{{% for i in range(1000) %}}{step}{{% endfor %}}{{{{ ns.x | length }}}}")
    };
    let code = |inner: String| format!("{{{{ {inner} }}}}");
    let mut all = vec![
        code(around("(", "1", ")")),
        code(around("[", "1", "]")),
        code(around("{1: ", "1", "}")),
        code(around("not ", "1", "")),
        code(around("-", "1", "")),
        code(around("f(", "1", ")")),
        code(around("a[", "1", "]")),
        code(around("1 if ", "1", " else 2")),
        code(format!("1{}", " + 1".repeat(20_000))),
        code(format!("1{}", " ** 1".repeat(20_000))),
        code(format!("1{}", " and 1".repeat(20_000))),
        code(format!("1{}", " | abs".repeat(20_000))),
        code(format!("a{}", ".b".repeat(20_000))),
        code(format!("a{}", "()".repeat(20_000))),
        code(format!("1{}", " if 1 else 2".repeat(10_000))),
        around("{% if true %}", "x", "{% endif %}"),
        around("{% for i in [1] %}", "x", "{% endfor %}"),
        around("{% macro f() %}", "x", "{% endmacro %}"),
        around("{% set x %}", "x", "{% endset %}"),
        around("{% filter upper %}", "x", "{% endfilter %}"),
        around("{% generation %}", "x", "{% endgeneration %}"),
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}".into(),
        "{% for i in range(100000) %}{{ 'x' * 10000 }}{% endfor %}".into(),
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}".into(),
        "{% macro f() %}{% call f() %}{{ caller() }}{% endcall %}{% endmacro %}{% call f() %}x{% endcall %}".into(),
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}".into(),
        "{% for i in [1] %}{{ loop.cycle() }}{% endfor %}".into(),
        "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns }}".into(),
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}".into(),
        "{% set ns = namespace(x=(1,)) %}{% for i in range(200) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}{{ {ns.x: 1} }}".into(),
        "{% set s = 'x' * 100000 %}{% for i in range(100000) %}{% if 'y' in s %}{% endif %}{% endfor %}".into(),
        "{% set r = range(100000) %}{% for i in r %}{% if -1 in r | list %}{% endif %}{% endfor %}".into(),
        "{{ ".repeat(1_000),
        "{% raw %}".repeat(1_000),
        " ".repeat(1_000_000),
    ];
    for step in [
        "{% set ns.x = ns.x ~ ns.x %}",
        "{% set ns.x = ns.x + ns.x %}",
        "{% set ns.x = ns.x * 2 %}",
        "{% set ns.x = ns.x.replace('x', 'xx') %}",
        "{% set ns.x = ns.x | replace('x', 'xx') %}",
        "{% set ns.x = [ns.x, ns.x] | join %}",
        "{% set ns.x = '%s%s' % (ns.x, ns.x) %}",
        "{% set ns.x = '{}{}'.format(ns.x, ns.x) %}",
        "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}",
        "{% set ns.x = ns.x | tojson | tojson %}",
        "{% set ns.x = ns.x.join(ns.x) %}",
        "{% set ns.y = ns.y + ns.y %}",
        "{% set ns.y = ns.y * 2 %}",
        "{% set ns.y = [ns.y] %}",
        "{% set ns.z = (ns.z, ns.z) %}",
        "{% set ns.d = {'a': ns.d, 'b': ns.d} %}",
        "{% set ns.y = [ns.y, ns.y] %}{% set ns.x = ns.y | string %}",
    ] {
        all.push(grow(step));
    }
    for size in [
        "'x' * 10 ** 12",
        "[0] * 10 ** 12",
        "range(10 ** 12)",
        "10 ** 10 ** 10",
        "'x'.ljust(10 ** 12)",
        "'x'.center(10 ** 12)",
        "'x'.zfill(10 ** 12)",
        "'\\t'.expandtabs(10 ** 12)",
        "'%1000000000000d' % 1",
        "'%.1000000000000f' % 1",
        "'%.70000f' % 1",
        "'%*d' % (10 ** 12, 1)",
        "'{:1000000000000}'.format(1)",
        "'{:.70000f}'.format(1.0)",
        "1 | round(10 ** 12, 'floor')",
        "'a' | indent(10 ** 12)",
        "'a' | center(10 ** 12)",
        "[[1]] | tojson(indent=10 ** 12)",
        "[1] | batch(10 ** 12, 0) | list",
        "[1] | slice(10 ** 12) | list",
        "joiner('x' * 10 ** 12)()",
        "(('x' * 10 ** 5).split('') | length) * 'x' * 10 ** 9",
    ] {
        all.push(code(size.into()));
    }
    all
}

/// Ids as transformers 5.24 gives them. Of the tokens that are named, `tokenizer.json` marks none.
#[test]
fn tokens_that_only_the_configuration_names_are_whole() {
    let place = Place::new();
    let file = place.path("model/tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    tokenizer["added_tokens"] = json!([]);
    std::fs::write(&file, tokenizer.to_string()).unwrap();
    let token = json!({"content": "there", "lstrip": true, "rstrip": false, "normalized": false, "single_word": false, "special": true});
    let mut config = json!({
        "bos_token": "<s>", "eos_token": {"content": "</s>"}, "added_tokens_decoder": {"300": token},
        "additional_special_tokens": ["<tool>"]
    });
    let read = |config: &Value| {
        place.write("model/tokenizer_config.json", &config.to_string());
        from_folder(&place.path("model"))
    };
    let text = read(&config).unwrap();
    let ids = |t: &str| text.encode(t, false).unwrap();
    assert_eq!(
        ids("Hi there</s><s> x<tool>"),
        [39, 72, 258, 257, 256, 220, 87, 259]
    );
    // Special tokens are left out of text.
    assert_eq!(text.decode(&ids("a</s>b there")).unwrap(), "ab");
    config["split_special_tokens"] = json!(true);
    let error = read(&config).err().unwrap().to_string();
    assert!(error.contains("split_special_tokens"), "{error}");
}

#[test]
fn templates_that_loop_swell_or_nest_are_errors() {
    for source in hostile() {
        let done = Template::new(&source, None, vec![]).and_then(|t| t.render(&[], None, true));
        let shown = &source[..source.len().min(120)];
        match done {
            Ok(text) => assert!(
                text.len() < 1 << 20 && source.contains("split"),
                "{shown}: {} bytes",
                text.len()
            ),
            Err(error) => {
                let error = format!("{error:#}");
                assert!(
                    error.len() < 600 && !error.contains("internal error"),
                    "{shown}: {error}"
                );
            }
        }
    }
}

/// Reads the folder and uses the tokenizer. A panic would end the test.
fn use_tokenizer(place: &Place) -> Result<(), String> {
    let text = from_folder(&place.path("model")).map_err(|e| format!("{e:#}"))?;
    let ids = text
        .encode("Hello  wörld\n<s>1", true)
        .map_err(|e| format!("{e:#}"))?;
    text.decode(&ids).map_err(|e| format!("{e:#}"))?;
    text.decode(&[0, 1, 300, 70_000])
        .map_err(|e| format!("{e:#}"))?;
    Ok(())
}

#[test]
fn a_tokenizer_that_is_cut_or_changed_is_an_error_or_works() {
    let place = Place::new();
    let path = place.path("model/tokenizer.json");
    let whole = std::fs::read_to_string(&path).unwrap();
    let mut refused = 0;
    for i in 0..109 {
        let mut end = whole.len() * i / 109;
        while !whole.is_char_boundary(end) {
            end -= 1;
        }
        std::fs::write(&path, &whole[..end]).unwrap();
        refused += usize::from(use_tokenizer(&place).is_err());
    }
    assert_eq!(refused, 109);

    let good: Value = serde_json::from_str(&whole).unwrap();
    let precompiled = |map: &str| json!({"type": "Precompiled", "precompiled_charsmap": map});
    let split = |pattern: &str| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    let changes: Vec<(&str, Value)> = vec![
        ("normalizer", precompiled("")),
        ("normalizer", precompiled("AAAA")),
        ("normalizer", precompiled("not base64!")),
        ("normalizer", precompiled("/////w==")),
        ("normalizer", precompiled("BAAAAAAAAAA=")),
        (
            "normalizer",
            json!({"type": "Replace", "pattern": {"Regex": "("}, "content": ""}),
        ),
        ("normalizer", json!({"type": "Nothing"})),
        ("pre_tokenizer", split("(")),
        ("pre_tokenizer", split("(a*)*b")),
        ("pre_tokenizer", split(&"(".repeat(20_000))),
        (
            "pre_tokenizer",
            split(&format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000))),
        ),
        (
            "pre_tokenizer",
            json!({"type": "Metaspace", "replacement": "ab", "prepend_scheme": "always", "split": true}),
        ),
        ("decoder", json!({"type": "WordPiece", "prefix": "##"})),
        ("decoder", json!({"type": "CTC"})),
        (
            "decoder",
            json!({"type": "Strip", "content": "ab", "start": 1, "stop": 1}),
        ),
        (
            "decoder",
            json!({"type": "Strip", "content": "H", "start": 100, "stop": 100}),
        ),
        (
            "decoder",
            json!({"type": "Sequence", "decoders": [{"type": "Strip", "content": " ", "start": 9, "stop": 9}]}),
        ),
        (
            "decoder",
            json!({"type": "Replace", "pattern": {"Regex": "("}, "content": ""}),
        ),
        ("decoder", json!(7)),
        (
            "post_processor",
            json!({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<x>", "type_id": 0}}], "pair": [], "special_tokens": {}}),
        ),
        (
            "post_processor",
            json!({"type": "BertProcessing", "sep": ["</s>", 9_999_999], "cls": ["<s>", 4_000_000_000u32]}),
        ),
        (
            "padding",
            json!({"strategy": {"Fixed": 10u64.pow(18)}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0, "pad_type_id": 0, "pad_token": "x"}),
        ),
        (
            "truncation",
            json!({"max_length": 1, "strategy": "LongestFirst", "stride": 9, "direction": "Right"}),
        ),
        (
            "added_tokens",
            json!([{"id": 4_000_000_000u32, "content": "<far>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}]),
        ),
        (
            "added_tokens",
            json!([{"id": 0, "content": "", "single_word": true, "lstrip": true, "rstrip": true, "normalized": true, "special": false}]),
        ),
        (
            "model",
            json!({"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}),
        ),
        (
            "model",
            json!({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}),
        ),
        (
            "model",
            json!({"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": [["a"]]}),
        ),
        (
            "model",
            json!({"type": "BPE", "vocab": {"a": 0}, "merges": [], "continuing_subword_prefix": "##é"}),
        ),
        (
            "model",
            json!({"type": "WordPiece", "vocab": {"a": 0}, "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 0}),
        ),
        (
            "model",
            json!({"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "none"}),
        ),
        (
            "model",
            json!({"type": "Unigram", "vocab": [], "unk_id": 5, "byte_fallback": true}),
        ),
        (
            "model",
            json!({"type": "Unigram", "vocab": [["a", -1e308], ["b", 1e308]], "unk_id": 0, "byte_fallback": true}),
        ),
        ("model", json!({})),
    ];
    for (key, value) in changes {
        let mut changed = good.clone();
        let shown = value.to_string();
        changed[key] = value;
        std::fs::write(&path, changed.to_string()).unwrap();
        if let Err(error) = use_tokenizer(&place) {
            assert!(
                !error.contains('\u{1b}'),
                "{key} {}: {error}",
                &shown[..shown.len().min(80)]
            );
        }
    }
}

/// Adds a token that the model has no row for.
fn with_surplus_token(place: &Place) {
    let path = place.path("model/tokenizer.json");
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let token = json!({"id": 258, "content": "<extra>", "single_word": false, "lstrip": false, "rstrip": false,
                       "normalized": false, "special": true});
    file["added_tokens"].as_array_mut().unwrap().push(token);
    std::fs::write(&path, file.to_string()).unwrap();
}

#[test]
fn only_rows_that_use_a_surplus_token_are_refused() {
    let place = Place::new();
    with_surplus_token(&place);
    place.ok("eval --model model --data data --split test");
    let rows = "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\", \"completion\": \"<extra>\"}\n";
    place.write("data/test.jsonl", rows);
    let error = place.fails("eval --model model --data data --split test");
    assert!(
        error.contains("line 2") && error.contains("258") && error.contains("<extra>"),
        "{error}"
    );
    let error = place.fails("generate --model model --max-tokens 2 --prompt <extra>");
    assert!(
        error.contains("<extra>") && error.contains("258"),
        "{error}"
    );
}

#[test]
fn an_end_of_text_that_the_model_does_not_know_is_refused() {
    let place = Place::new();
    with_surplus_token(&place);
    place.write(
        "model/tokenizer_config.json",
        "{\"eos_token\": \"<extra>\"}",
    );
    let error = place.fails("eval --model model --data data --split test");
    assert!(
        error.contains("the end token") && error.contains("<extra>"),
        "{error}"
    );
    let place = Place::new();
    let mut config = common::config();
    config["eos_token_id"] = json!(258);
    place.write("model/config.json", &config.to_string());
    place.write("model/tokenizer_config.json", "{}");
    let error = place.fails("eval --model model --data data --split test");
    assert!(error.contains("258"), "{error}");
}
