//! The pages show the errors that the macros report after the change that the page describes.

use std::fs;

use mlx_macros_core::analyse;
use syn::{File, Item, ItemStruct};

use crate::pages;

/// The messages of the models in a file.
fn messages(code: &str) -> Vec<String> {
    let file: File = syn::parse_str(code).expect("the block is Rust");
    let mut model: Option<ItemStruct> = None;
    let mut found = Vec::new();
    for item in file.items {
        match (item, &model) {
            (Item::Struct(s), _) if !s.attrs.is_empty() => model = Some(s),
            (Item::Impl(i), Some(s)) => {
                let mut s = s.clone();
                let attr = s.attrs.remove(0);
                let attr = attr.meta.require_list().expect("`#[mlx_model(..)]`");
                let errors = analyse(attr.tokens.clone(), s, &i).err();
                found.extend(errors.into_iter().flat_map(|(e, _)| e).map(|e| e.message));
            }
            _ => {}
        }
    }
    found
}

/// Replaces `from` by `to` in the page's first block with it, and looks for the error in the page.
fn shown(page: &str, from: &str, to: &str) {
    let text = fs::read_to_string(pages::root().join(page)).expect("the page is readable");
    let blocks = text.split("```rust\n").skip(1);
    let code = blocks
        .map(|b| b.split("```").next().unwrap_or_default())
        .find(|b| b.contains(from))
        .expect("a block has the text that changes");
    let messages = messages(&code.replace(from, to));
    assert_eq!(messages.len(), 1, "{messages:#?}");
    let line = format!("\nerror: {}\n", messages[0]);
    assert!(text.contains(&line), "{page} lacks {line}");
}

#[test]
fn the_readme_shows_the_error() {
    shown(
        "README.md",
        "self.down(silu(self.gate(y)) * self.up(y))",
        "self.down(self.norm(x))",
    );
}

#[test]
fn the_tutorial_shows_the_error() {
    shown(
        "docs/tutorial.md",
        "#[param(classes, hidden, bias = true)]",
        "#[param(classes, inputs, bias = true)]",
    );
}
