//! Files of many rows: read in chunks on all processors, with the same result and the same error as one by one.

#![allow(missing_docs)]

mod common;

use common::{text, Place, TRAIN};

const ROWS: usize = 50_001;

fn rows(bad: &[usize]) -> String {
    let row = |i: usize| match bad.contains(&(i + 1)) {
        true => "{\"text\": 7}\n".to_owned(),
        false => format!("{{\"text\": \"{}\"}}\n", i % 10),
    };
    (0..ROWS).map(row).collect()
}

#[test]
fn many_rows_are_read_in_order_and_the_first_mistake_is_named() {
    let place = Place::new();
    place.write("data/train.jsonl", &rows(&[]));
    let out = place.run(&format!("{TRAIN} --iters 1 --val-batches 0"));
    let said = text(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert!(said.contains("data/train.jsonl: 50000 rows read"), "{said}");
    // Two mistakes of one chunk, and one of a later chunk.
    place.write("data/train.jsonl", &rows(&[49_999, 20_007, 20_001]));
    for _ in 0..3 {
        let said = place.fails(&format!("{TRAIN} --iters 1"));
        assert!(said.contains("train.jsonl, line 20001: "), "{said}");
    }
}
