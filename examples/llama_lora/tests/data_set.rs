//! The shipped data set equals its generator's output, and its splits do not overlap.

#![allow(missing_docs)]

use std::collections::HashSet;

#[path = "../data/generate.rs"]
mod generate;

#[test]
fn the_committed_files_are_what_the_generator_writes() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    for (name, rows) in generate::splits() {
        let file = std::fs::read_to_string(format!("{folder}/{name}.jsonl")).unwrap();
        assert!(
            generate::jsonl(&rows) == file,
            "data/{name}.jsonl differs from the output of data/generate.rs"
        );
        for line in file.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(row["prompt"].is_string() && row["completion"].is_string());
        }
    }
}

#[test]
fn no_question_and_no_answer_is_in_two_splits() {
    let mut questions = HashSet::new();
    let mut answers: HashSet<String> = HashSet::new();
    for (name, rows) in generate::splits() {
        let wanted = generate::SPLITS.iter().find(|s| s.0 == name).unwrap().1;
        assert_eq!(rows.len(), wanted);
        for row in &rows {
            assert!(
                questions.insert(row.prompt.clone()),
                "twice: {}",
                row.prompt
            );
            assert!(
                !answers.contains(&row.completion),
                "twice: {}",
                row.completion
            );
        }
        answers.extend(rows.into_iter().map(|r| r.completion));
    }
}

#[test]
fn a_question_has_one_answer() {
    let mut seen = std::collections::HashMap::new();
    for (_, rows) in generate::splits() {
        for row in rows {
            let before = seen.insert(row.prompt, row.completion.clone());
            assert!(before.is_none() || before == Some(row.completion));
        }
    }
}
