//! Writes the data set that the demonstration trains on: questions in English, answers in FETCH.
//!
//! FETCH is a small query language invented for this example. No model has seen it, so an untrained one scores
//! about zero, and yet every answer follows from its question by rules:
//!
//! ```text
//! query  = "FETCH" column "IN" table [cond] [limit]
//!        | "COUNT" table [cond] ["PER" column]
//!        | ("MEAN" | "SUM" | "MAX" | "MIN") column "IN" table [cond]
//! cond   = "IF" test [("AND" | "OR") test]
//! test   = column (">" | "<" | "=" | "!=") value
//! limit  = ("TOP" | "LAST") number "BY" column
//! ```
//!
//! `cargo run -p llama_lora --example generate_data -- FOLDER` writes `train.jsonl`, `valid.jsonl` and
//! `test.jsonl`; the committed files are its output. No question and no answer is in two splits.

use std::collections::HashSet;
use std::fmt::Write as _;

/// Rows of each split, in the order in which they are drawn.
pub const SPLITS: [(&str, usize); 3] = [("test", 100), ("valid", 100), ("train", 1000)];

const SEED: u64 = 20_250_101;

struct Table {
    one: &'static str,
    many: &'static str,
    numbers: [&'static str; 3],
    texts: [(&'static str, [&'static str; 6]); 2],
}

const TABLES: [Table; 6] = [
    Table {
        one: "ship",
        many: "ships",
        numbers: ["speed", "crew", "age"],
        texts: [
            (
                "port",
                ["Lisbon", "Oslo", "Genoa", "Dublin", "Malta", "Cairo"],
            ),
            ("flag", ["red", "blue", "white", "green", "black", "gold"]),
        ],
    },
    Table {
        one: "robot",
        many: "robots",
        numbers: ["height", "weight", "price"],
        texts: [
            (
                "owner",
                ["Anna", "Boris", "Clara", "David", "Emma", "Frank"],
            ),
            ("job", ["cook", "guard", "nurse", "pilot", "clerk", "miner"]),
        ],
    },
    Table {
        one: "planet",
        many: "planets",
        numbers: ["mass", "moons", "distance"],
        texts: [
            (
                "star",
                ["Vega", "Sirius", "Rigel", "Altair", "Mira", "Spica"],
            ),
            ("climate", ["hot", "cold", "dry", "wet", "mild", "windy"]),
        ],
    },
    Table {
        one: "castle",
        many: "castles",
        numbers: ["towers", "rooms", "age"],
        texts: [
            (
                "king",
                ["Henry", "Louis", "Otto", "Peter", "Philip", "Carl"],
            ),
            (
                "region",
                ["north", "south", "east", "west", "coast", "valley"],
            ),
        ],
    },
    Table {
        one: "book",
        many: "books",
        numbers: ["pages", "price", "year"],
        texts: [
            (
                "author",
                ["Homer", "Dante", "Virgil", "Milton", "Goethe", "Byron"],
            ),
            (
                "genre",
                ["poetry", "drama", "crime", "war", "love", "travel"],
            ),
        ],
    },
    Table {
        one: "farm",
        many: "farms",
        numbers: ["area", "cows", "yield"],
        texts: [
            ("crop", ["wheat", "corn", "rice", "beans", "cotton", "hay"]),
            (
                "county",
                ["Kent", "Essex", "Devon", "York", "Surrey", "Derby"],
            ),
        ],
    },
];

const GREATER: [&str; 4] = ["above", "over", "greater than", "more than"];
const LESS: [&str; 4] = ["below", "under", "less than", "smaller than"];

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// In English.
    pub prompt: String,
    /// In FETCH.
    pub completion: String,
}

/// SplitMix64: the same numbers on every machine.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

fn test(rng: &mut Rng, table: &Table) -> (String, String) {
    if rng.below(2) == 0 {
        let column = rng.pick(&table.numbers);
        let value = 2 + rng.below(97);
        let (words, sign) = match rng.below(5) {
            0 | 1 => (rng.pick(&GREATER), ">"),
            2 | 3 => (rng.pick(&LESS), "<"),
            _ => (rng.pick(&["equal to", "of exactly"]), "="),
        };
        (
            format!("with {column} {words} {value}"),
            format!("{column} {sign} {value}"),
        )
    } else {
        let (column, values) = &table.texts[rng.below(2)];
        let value = rng.pick(values);
        let (words, sign) = match rng.below(4) {
            0 => (format!("whose {column} is not {value}"), "!="),
            1 => (format!("with {column} {value}"), "="),
            _ => (format!("whose {column} is {value}"), "="),
        };
        (words, format!("{column} {sign} {value}"))
    }
}

fn condition(rng: &mut Rng, table: &Table) -> (String, String) {
    let count = rng.below(5);
    if count == 0 {
        return (String::new(), String::new());
    }
    let (words, query) = test(rng, table);
    if count < 4 {
        return (format!(" {words}"), format!(" IF {query}"));
    }
    let (more_words, more) = test(rng, table);
    let (joint, sign) = if rng.below(3) == 0 {
        ("or", "OR")
    } else {
        ("and", "AND")
    };
    (
        format!(" {words} {joint} {more_words}"),
        format!(" IF {query} {sign} {more}"),
    )
}

fn any_column(rng: &mut Rng, table: &Table) -> &'static str {
    match rng.below(6) {
        i @ 0..=2 => table.numbers[i],
        i @ 3..=4 => table.texts[i - 3].0,
        _ => "name",
    }
}

fn pair(rng: &mut Rng) -> Pair {
    let table = &TABLES[rng.below(TABLES.len())];
    let (one, many) = (table.one, table.many);
    let (words, cond) = condition(rng, table);
    let (prompt, completion) = match rng.below(10) {
        0..=2 => {
            let column = any_column(rng, table);
            let prompt = match rng.below(3) {
                0 => format!("Show the {column} of all {many}{words}."),
                1 => format!("Give me the {column} of every {one}{words}."),
                _ => format!("What is the {column} of each {one}{words}?"),
            };
            (prompt, format!("FETCH {column} IN {many}{cond}"))
        }
        3..=4 => {
            let prompt = match rng.below(3) {
                0 => format!("How many {many} are there{words}?"),
                1 => format!("Count the {many}{words}."),
                _ => format!("Tell me the number of {many}{words}."),
            };
            (prompt, format!("COUNT {many}{cond}"))
        }
        5 => {
            let column = table.texts[rng.below(2)].0;
            let prompt = match rng.below(2) {
                0 => format!("For each {column}, count the {many}{words}."),
                _ => format!("How many {many} are there per {column}{words}?"),
            };
            (prompt, format!("COUNT {many}{cond} PER {column}"))
        }
        6..=7 => {
            let column = rng.pick(&table.numbers);
            let (how, verb) = match rng.below(4) {
                0 => (rng.pick(&["average", "mean"]), "MEAN"),
                1 => (rng.pick(&["total", "combined"]), "SUM"),
                2 => (rng.pick(&["highest", "maximum", "largest"]), "MAX"),
                _ => (rng.pick(&["lowest", "minimum", "smallest"]), "MIN"),
            };
            let prompt = match rng.below(2) {
                0 => format!("What is the {how} {column} of the {many}{words}?"),
                _ => format!("Find the {how} {column} of all {many}{words}."),
            };
            (prompt, format!("{verb} {column} IN {many}{cond}"))
        }
        _ => {
            let column = any_column(rng, table);
            let by = rng.pick(&table.numbers);
            let n = 2 + rng.below(9);
            let (how, verb) = match rng.below(2) {
                0 => (rng.pick(&["highest", "largest"]), "TOP"),
                _ => (rng.pick(&["lowest", "smallest"]), "LAST"),
            };
            let prompt = match rng.below(2) {
                0 => format!("Show the {column} of the {n} {many} with the {how} {by}{words}."),
                _ => format!(
                    "Of the {many}{words}, list the {column} of the {n} with the {how} {by}."
                ),
            };
            (
                prompt,
                format!("FETCH {column} IN {many}{cond} {verb} {n} BY {by}"),
            )
        }
    };
    Pair { prompt, completion }
}

/// Every split with its rows. The result depends on nothing outside this file.
pub fn splits() -> Vec<(&'static str, Vec<Pair>)> {
    let mut rng = Rng(SEED);
    // Answers of finished splits may not come back; within one split only the question must be new.
    let mut earlier: HashSet<String> = HashSet::new();
    let mut prompts: HashSet<String> = HashSet::new();
    SPLITS
        .iter()
        .map(|&(name, rows)| {
            let mut split = Vec::with_capacity(rows);
            while split.len() < rows {
                let pair = pair(&mut rng);
                if !earlier.contains(&pair.completion) && prompts.insert(pair.prompt.clone()) {
                    split.push(pair);
                }
            }
            earlier.extend(split.iter().map(|p| p.completion.clone()));
            (name, split)
        })
        .collect()
}

/// One JSON object a line. The texts hold letters, digits and plain punctuation only, so nothing needs escaping.
pub fn jsonl(rows: &[Pair]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(
            text,
            r#"{{"prompt": "{}", "completion": "{}"}}"#,
            row.prompt, row.completion
        );
    }
    text
}

#[allow(dead_code)] // the tests include this file as a module
fn main() -> std::io::Result<()> {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/data").into());
    for (name, rows) in splits() {
        std::fs::write(format!("{folder}/{name}.jsonl"), jsonl(&rows))?;
    }
    Ok(())
}
