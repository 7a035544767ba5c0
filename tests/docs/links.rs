//! Every relative link of a Markdown file leads to a file or folder, and to a heading in it; every path and every test
//! that a page names in backquotes is there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::pages;

/// The parts of a page that the test looks at.
#[derive(Default)]
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
    code: Vec<String>,
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading
        .to_lowercase()
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

fn read(text: &str) -> Page {
    let mut page = Page::default();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(text, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let name = anchor(&heading.take().unwrap_or_default());
                let again = (1..).map(|n| format!("{name}-{n}"));
                let free = std::iter::once(name.clone()).chain(again);
                page.anchors
                    .extend(free.into_iter().find(|a| !page.anchors.contains(a)));
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                page.links.push(dest_url.to_string());
            }
            Event::Text(t) => heading.iter_mut().for_each(|h| h.push_str(&t)),
            Event::Code(t) => {
                heading.iter_mut().for_each(|h| h.push_str(&t));
                page.code.push(t.to_string());
            }
            _ => {}
        }
    }
    page
}

/// `folder/link` without `.` and `..`, or nothing if it leaves the repository.
fn resolved(folder: &Path, link: &str) -> Option<PathBuf> {
    let mut path = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => path.pop().then_some(())?,
            Component::Normal(p) => path.push(p),
            _ => {}
        }
    }
    Some(path)
}

fn all() -> BTreeMap<PathBuf, Page> {
    let root = pages::root();
    let text = |p: &PathBuf| fs::read_to_string(root.join(p)).expect("the page is readable");
    let each = pages::files("md").into_iter();
    each.map(|p| (p.clone(), read(&text(&p)))).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (root, pages) = (pages::root(), all());
    let mut lost = Vec::new();
    for (path, page) in &pages {
        let folder = path.parent().unwrap_or(Path::new(""));
        for link in page
            .links
            .iter()
            .filter(|l| !l.contains("://") && !l.starts_with("mailto:"))
        {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => Some(path.clone()),
                file => resolved(folder, file),
            };
            let found = target.is_some_and(|t| match anchor {
                "" => root.join(&t).exists(),
                anchor => pages.get(&t).is_some_and(|p| p.anchors.contains(anchor)),
            });
            if !found {
                lost.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(
        lost.is_empty(),
        "links that lead nowhere:\n{}",
        lost.join("\n")
    );
}

/// Folders that programs make and git ignores.
const MADE: [&str; 1] = ["fuzz/found"];

/// The pages show dependencies on a clone of the repository in a folder `mlx`.
#[test]
fn every_dependency_is_there() {
    let root = pages::root();
    let mut count = 0;
    for path in pages::files("md") {
        let text = fs::read_to_string(root.join(&path)).expect("the page is readable");
        for rest in text.split("= { path = \"../mlx/").skip(1) {
            let folder = rest.split('"').next().unwrap_or_default();
            let manifest = root.join(folder).join("Cargo.toml");
            assert!(manifest.is_file(), "{}: {folder}", path.display());
            count += 1;
        }
    }
    assert!(count > 0, "no page shows a dependency");
}

/// A path that begins with a folder of the root, without a placeholder.
fn is_path(code: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let first = code
        .split_once('/')
        .is_some_and(|(first, rest)| pages::FOLDERS.contains(&first) && !rest.is_empty());
    first && code.chars().all(plain) && !code.contains("..") && !MADE.contains(&code)
}

#[test]
fn every_named_path_is_there() {
    let root = pages::root();
    let mut lost = Vec::new();
    for (path, page) in all() {
        let (folder, change_log) = (
            path.parent().unwrap_or(Path::new("")),
            path.ends_with("CHANGELOG.md"),
        );
        for code in page.code.iter().filter(|c| !change_log && is_path(c)) {
            let there = |folder: &Path| {
                let path = root.join(folder).join(code);
                // A module may be a file or a folder.
                path.exists() || path.with_extension("rs").exists()
            };
            if !there(Path::new("")) && !there(folder) {
                lost.push(format!("{}: `{code}`", path.display()));
            }
        }
    }
    assert!(
        lost.is_empty(),
        "paths that are not there:\n{}",
        lost.join("\n")
    );
}

/// The names that `--test` takes in the workspace's packages.
fn tests() -> BTreeSet<String> {
    let root = pages::root();
    let mut names = BTreeSet::new();
    for manifest in pages::files("toml") {
        let text = fs::read_to_string(root.join(&manifest)).expect("the manifest is readable");
        let named = text.split("[[test]]").skip(1);
        names.extend(named.filter_map(|t| Some(t.split('"').nth(1)?.to_string())));
        if !text.contains("[package]") {
            continue;
        }
        let folder = root.join(&manifest).with_file_name("tests");
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").exists() {
                names.extend(path.file_stem().map(|n| n.to_string_lossy().into_owned()));
            }
        }
    }
    names
}

/// The names after `--test` in a page.
fn named(page: &Page) -> impl Iterator<Item = &str> {
    page.code.iter().flat_map(|code| {
        let words: Vec<&str> = code.split(' ').collect();
        let named = words.windows(2).filter(|w| w[0] == "--test").map(|w| w[1]);
        named.collect::<Vec<_>>()
    })
}

#[test]
fn every_named_test_is_there() {
    let (tests, mut lost) = (tests(), Vec::new());
    for (path, page) in all() {
        let missing = named(&page).filter(|n| !tests.contains(*n));
        lost.extend(missing.map(|n| format!("{}: {n}", path.display())));
    }
    assert!(
        lost.is_empty(),
        "tests that are not there:\n{}",
        lost.join("\n")
    );
}

#[test]
fn every_test_is_in_the_map() {
    let pages = all();
    let map: BTreeSet<&str> = named(&pages[Path::new("CONTRIBUTING.md")]).collect();
    let tests = tests();
    let missing: Vec<&String> = tests.iter().filter(|t| !map.contains(t.as_str())).collect();
    assert!(
        missing.is_empty(),
        "tests that no row of CONTRIBUTING.md names: {missing:?}"
    );
}

#[test]
fn anchors_are_those_of_github() {
    assert_eq!(anchor("How to read an error"), "how-to-read-an-error");
    assert_eq!(
        anchor("What `explain` writes, and why"),
        "what-explain-writes-and-why"
    );
}
