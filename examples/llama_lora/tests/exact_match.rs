//! Exact match agrees with `generate`, for every chat template's ending of the prompt.

mod common;

use common::Place;
use llama_lora::ask::Asked;
use llama_lora::data::{held_out, BatchOptions, Limit, Split};
use llama_lora::random::Shuffle;
use llama_lora::session::Opened;
use llama_lora::{eval, generate};
use mlx_models::llama::Llama;
use serde_json::json;

/// Templates that differ in where the answer begins: at the end of the prompt, before it, or inside the text that opens
/// the turn.
const TEMPLATES: [&str; 10] = [
    "{% for m in messages %}<s>{{ m.role }}:{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant:{% endif %}",
    // Empty thoughts, which only the prompt has.
    "{% for m in messages %}<s>{{ m.role }}\n{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant\n<think>\n\n</think>\n\n{% endif %}",
    // Thoughts that the answer's turn has, too.
    "{% for m in messages %}<s>{{ m.role }}\n{% if loop.last and m.role == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant\n{% endif %}",
    // No prompt at all for the answer.
    "{% for m in messages %}{{ m.content }}</s>{% endfor %}",
    // A blank that the prompt ends with and the answer does not.
    "{% for m in messages %}[{{ m.role }}]{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}",
    // The answer begins with a blank, and the prompt does not end with one.
    "{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content.strip() }} [/INST]{% else %} {{ m.content.strip() }} </s>{% endif %}{% endfor %}",
    // Another name for the assistant, and an end after the end.
    "{% for m in messages %}<start>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}</s>\n{% endfor %}{% if add_generation_prompt %}<start>model\n{% endif %}",
    // An end token follows only if there is no prompt for the answer.
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% else %}<s>{% endif %}",
    // The system's text depends on the number of messages.
    "{{ messages | length }}:{% for m in messages %}{{ m.role[0] }}{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}a{% endif %}",
    // Lines of Windows.
    "{% for m in messages %}\r\n# {{ m.role }}\r\n{{ m.content }}</s>\r\n{% endfor %}\r\n{% if add_generation_prompt %}\r\n# assistant\r\n{% endif %}",
];

fn rows(answers: [&str; 6]) -> String {
    let line = |(i, answer): (usize, &str)| {
        json!({"prompt": format!("q{i}"), "completion": answer}).to_string() + "\n"
    };
    answers.into_iter().enumerate().map(line).collect()
}

#[test]
fn exact_match_is_what_generate_writes_on_ten_templates() {
    let (mut exact, mut wrong, mut apart) = (0, 0, 0);
    for (i, template) in TEMPLATES.into_iter().enumerate() {
        let place = Place::new();
        let config = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": template});
        place.write("model/tokenizer_config.json", &config.to_string());
        place.write(
            "data/train.jsonl",
            &rows(["ok", "ok", "ok", "ok", "ok", "ok"]),
        );
        place.write(
            "data/valid.jsonl",
            &rows(["ok", "ok", "ok", "ok", "ok", "ok"]),
        );
        place.write(
            "data/test.jsonl",
            &rows(["ok", "ok", "o", "okk", "no", "ok"]),
        );
        place.ok(
            "train --model model --data data --iters 60 --batch-size 6 --learning-rate 1e-3 --lora-rank 8 \
             --mask-prompt --steps-per-report 60 --steps-per-eval 60 --val-batches 1",
        );
        let path = |name| place.path(name).display().to_string();
        let opened =
            Opened::new(Some(&path("model")), Some(&place.path("adapters")), None).unwrap();
        let session = opened.load::<Llama>().unwrap();
        let (model, text) = (&session.model, &session.text);
        let limit = Limit {
            tokens: 512,
            cut: false,
            pairs: false,
        };
        let split = Split::require(&path("data"), "test", text, limit, true).unwrap();
        let options = BatchOptions {
            batch_size: 4,
            longest: 512,
            buckets: 4,
            mask_prompt: true,
            compat: false,
            packed: false,
        };
        let batches = held_out(&split.rows, options, None, &mut Shuffle::new(0)).unwrap();
        let asked = Asked::of(&split.examples, &split.rows, text).unwrap();
        apart += asked
            .iter()
            .filter(|a| matches!(a, Asked::Apart { .. }))
            .count();
        let score = eval::measure(model, text, (&split.rows, &asked), &batches, |_| {}).unwrap();
        assert_eq!(score.asked, 6, "{template}");
        // If the row has thoughts that the prompt lacks, they are part of the answer.
        let thoughts = if i == 2 {
            "<think>\n\n</think>\n\n"
        } else {
            ""
        };
        let mut written = 0;
        for example in &split.examples {
            let (prompt, truth) = example.question(text).unwrap().unwrap();
            let answer = generate::answer(model, text, &prompt, 40).unwrap();
            written += usize::from(answer.trim() == format!("{thoughts}{truth}"));
        }
        assert_eq!(score.exact, written, "template {i}: {template}");
        exact += score.exact;
        wrong += score.asked - score.exact;
    }
    assert!(
        exact >= 10 && wrong >= 10 && apart >= 10,
        "{exact}, {wrong}, {apart}"
    );
}

/// With empty thoughts in the prompt, the answer begins after the role, and all of it is learnt.
#[test]
fn the_prompt_ends_where_the_two_texts_part() {
    let place = Place::new();
    let config = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": TEMPLATES[1]});
    place.write("model/tokenizer_config.json", &config.to_string());
    let text = llama_lora::text::from_folder(&place.path("model")).unwrap();
    let limit = Limit {
        tokens: 512,
        cut: false,
        pairs: false,
    };
    let line = json!({"prompt": "question", "completion": "yes"}).to_string();
    let split = Split::parse("test".into(), &line, &text, limit, true).unwrap();
    let row = &split.rows[0];
    assert_eq!(text.spelled(&row.tokens[row.prompt..]).unwrap(), "yes</s>");
    assert_eq!(row.targets(true).len(), 4);
    let asked = Asked::of(&split.examples, &split.rows, &text).unwrap();
    let Asked::Apart { prompt, answer } = &asked[0] else {
        panic!("{asked:?}");
    };
    assert!(text
        .spelled(prompt)
        .unwrap()
        .ends_with("<think>\n\n</think>\n\n"));
    assert_eq!(text.spelled(answer).unwrap(), "yes</s>");
}
