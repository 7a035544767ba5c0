//! Covers docs/parity.md: it has each flag of mlx-lm's parsers, and what it says of a flag is true of this program.

#![allow(missing_docs)]

use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory;
use llama_lora::cli::Cli;
use serde_json::Value;

/// Flags of a command of this program, hidden ones included.
fn flags(command: &str) -> BTreeSet<String> {
    let cli = Cli::command();
    let found = cli.find_subcommand(command).unwrap();
    found
        .get_arguments()
        .filter_map(|a| a.get_long())
        .map(|l| format!("--{l}"))
        .collect()
}

#[test]
fn the_page_and_both_programs_agree() {
    let dump: Value = serde_json::from_str(include_str!("mlx_lm/parsers.json")).unwrap();
    let page = include_str!("../../../docs/parity.md");
    let mut rows: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut command = "";
    for line in page.lines() {
        command = line.strip_prefix("## ").unwrap_or(command);
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let [_, flag, status, ..] = cells[..] {
            if let Some(flag) = flag.strip_prefix("`--").and_then(|f| f.strip_suffix('`')) {
                let old = rows.insert((command.to_owned(), format!("--{flag}")), status.to_owned());
                assert_eq!(old, None, "{line}");
            }
        }
    }
    let mut refused = BTreeSet::new();
    for (command, theirs) in dump["commands"].as_object().unwrap() {
        // `fuse` does what `convert` does.
        let own = flags(if command == "convert" {
            "fuse"
        } else {
            command
        });
        for flag in theirs.as_object().unwrap().keys() {
            let status = rows.remove(&(command.clone(), flag.clone()));
            let status = status.unwrap_or_else(|| panic!("{command} {flag} is not on the page"));
            let expected = match status.as_str() {
                "have" | "no effect" => true,
                "different" => command != "convert" || own.contains(flag),
                "refused" => {
                    refused.insert(flag.clone());
                    true
                }
                "missing" => false,
                other => panic!("{command} {flag}: unknown status {other:?}"),
            };
            assert_eq!(own.contains(flag), expected, "{command} {flag} is {status}");
        }
    }
    assert!(rows.is_empty(), "no flags of mlx-lm: {rows:?}");
    assert!(refused.len() <= 5, "{refused:?}");
    // Every flag of mlx_lm.lora is accepted.
    let lora = dump["commands"]["lora"].as_object().unwrap();
    let own = flags("lora");
    assert!(lora.keys().all(|flag| own.contains(flag)));
}
