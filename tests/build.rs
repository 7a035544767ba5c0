//! Writes every block of Rust in the Markdown files to a module of the test `docs`, so that the pages need no
//! hidden lines: a block without `main` is a library, a block with one is a program that the test runs.
//!
//! A block that begins with the line `// src/name.rs` is a file of its page. The blocks after it find it with
//! `mod name;`, as they would in a reader's own crate.

#[path = "docs/pages.rs"]
mod pages;

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

/// A fenced block: the words after the fence, its text, and its line.
struct Block {
    info: Vec<String>,
    text: String,
    line: usize,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (event, range) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                open = Some(Block {
                    info: info.split(',').map(|w| w.trim().to_string()).collect(),
                    text: String::new(),
                    line: text[..range.start].lines().count() + 1,
                });
            }
            Event::Text(t) => open.iter_mut().for_each(|b| b.text.push_str(&t)),
            Event::End(TagEnd::CodeBlock) => found.extend(open.take()),
            _ => {}
        }
    }
    found
}

/// `name` in a first line `// src/name.rs`, but not `main`.
fn file_name(block: &Block) -> Option<&str> {
    let name = block.text.lines().next()?.strip_prefix("// src/")?;
    name.strip_suffix(".rs").filter(|n| *n != "main")
}

/// Writes a page's blocks below `out`; appends their modules, and a test of its programs, to `code`.
fn page(path: &Path, text: &str, out: &Path, code: &mut String) {
    let mut files = BTreeMap::new();
    let mut programs = String::new();
    let rust = blocks(text).into_iter().filter(|b| b.info[0] == "rust");
    let page: String = path.with_extension("").to_string_lossy().to_lowercase();
    let page = page.replace(|c: char| !c.is_alphanumeric(), "_");
    for block in rust {
        let name = format!("{page}_line_{}", block.line);
        let folder = out.join(&name);
        fs::create_dir_all(&folder).expect("the output folder is writable");
        for (file, text) in &files {
            fs::write(folder.join(format!("{file}.rs")), text)
                .expect("the output folder is writable");
        }
        let mut text = block.text.clone();
        if text.contains("fn main()") && !block.info.iter().any(|w| w == "no_run") {
            text += "pub fn program() { crate::Outcome::check(main()) }\n";
            let _ = writeln!(programs, "(\"{name}\", {name}::program),");
        }
        let main = folder.join("main.rs");
        fs::write(&main, text).expect("the output folder is writable");
        let _ = writeln!(code, "#[path = {main:?}]\n#[allow(dead_code)]\nmod {name};");
        if let Some(file) = file_name(&block) {
            files.insert(file.to_string(), block.text);
        }
    }
    if !programs.is_empty() {
        let _ = writeln!(
            code,
            "#[test]\nfn {page}() {{ run(\"{page}\", &[\n{programs}]); }}"
        );
    }
}

fn main() {
    let root = pages::root();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let mut code = String::new();
    // A new page is found at the next change of a known one.
    for path in pages::files("md") {
        println!("cargo:rerun-if-changed=../{}", path.display());
        let text = fs::read_to_string(root.join(&path)).expect("the page is readable");
        page(&path, &text, &out.join("docs"), &mut code);
    }
    println!("cargo:rerun-if-changed=../docs");
    fs::write(out.join("docs.rs"), code).expect("the output folder is writable");
}
