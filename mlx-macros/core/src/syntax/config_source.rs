//! Reads the fields of the config's struct from the source files of the crate.
//!
//! rustc tells a macro nothing about another type, and no code compiles only where a field is absent.
//!
//! Tests: unit tests below.

use std::path::{Path as File, PathBuf};

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{ItemStruct, Path, Type, UseTree};

/// The fields of the struct that `config` names and their types, if it is in the crate of the model at `at`.
pub fn fields(config: &Path, at: Span) -> Vec<(String, Type)> {
    at.local_file()
        .map_or(vec![], |file| fields_for(config, &file))
}

fn fields_for(config: &Path, file: &File) -> Vec<(String, Type)> {
    let text = read(file);
    let path = whole(config, &text);
    let Some(name) = path.last().filter(|_| !is_foreign(&path, &text)) else {
        return vec![];
    };
    // A config that lends the fields of another type has more than its own.
    if text.contains(&format!("Deref for {name}")) {
        return vec![];
    }
    // One in the file is the one that is meant, also where it cannot be read.
    let found = match path.len() == 1 && starts(&text, name).next().is_some() {
        true => struct_of(&text, name),
        false => of_crate(file, name),
    };
    let fields = found.iter().flat_map(|s| &s.fields);
    let named = fields.filter_map(|f| Some((f.ident.as_ref()?.unraw().to_string(), f.ty.clone())));
    named.collect()
}

/// The text of a file without its comments. Only what is asked for is parsed.
fn read(file: &File) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    code.collect::<Vec<_>>().join("\n")
}

/// True if a model before the one at `at`, in the same file and with the same config, reads the field too.
pub fn read_before(config: &Path, field: &str, at: Span) -> bool {
    let text = at
        .local_file()
        .map(|f| std::fs::read_to_string(f).unwrap_or_default());
    let text = text.unwrap_or_default();
    let before: Vec<&str> = text
        .lines()
        .take(at.start().line.saturating_sub(1))
        .collect();
    let before = before.join("\n");
    let config = config
        .segments
        .iter()
        .map(|s| s.ident.to_string())
        .collect::<Vec<_>>()
        .join("::");
    let models = before.split("mlx_model(").skip(1);
    let same = |m: &&str| {
        let rest = m.trim_start().strip_prefix("config").map(str::trim_start);
        let rest = rest.and_then(|r| r.strip_prefix('=')).map(str::trim_start);
        rest.and_then(|r| r.strip_prefix(config.as_str()))
            .is_some_and(|r| !r.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    };
    let word = |c: char| !(c.is_alphanumeric() || c == '_');
    // The last one is the model's own.
    let all: Vec<&str> = models.collect();
    let others = all
        .len()
        .saturating_sub(usize::from(!before.trim_end().ends_with('}')));
    all[..others]
        .iter()
        .filter(|m| same(m))
        .any(|m| m.split(word).any(|w| w == field))
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The places in a text at which a struct of that name begins.
fn starts<'t>(text: &'t str, name: &syn::Ident) -> impl Iterator<Item = usize> + 't {
    let head = format!("struct {name}");
    let all: Vec<usize> = text.match_indices(&head).map(|(at, _)| at).collect();
    let ends = move |at: &usize| !text[at + head.len()..].starts_with(is_word);
    all.into_iter().filter(ends)
}

/// The one struct of that name in a text.
fn struct_of(text: &str, name: &syn::Ident) -> Option<ItemStruct> {
    let mut starts = starts(text, name);
    let (at, None) = (starts.next()?, starts.next()) else {
        return None;
    };
    let rest = &text[at..];
    let mut depth = 0;
    let end = rest.char_indices().find(|(_, c)| {
        depth += i32::from("{[(".contains(*c)) - i32::from("}])".contains(*c));
        depth == 0 && matches!(c, ';' | '}')
    })?;
    syn::parse_str(&rest[..end.0 + 1]).ok()
}

/// The names of a path that a `use` brings in as `name`, the outermost first.
fn used(tree: &UseTree, name: &syn::Ident, before: &[syn::Ident]) -> Option<Vec<syn::Ident>> {
    let with = |i: &syn::Ident| [before, std::slice::from_ref(i)].concat();
    match tree {
        UseTree::Path(p) => used(&p.tree, name, &with(&p.ident)),
        UseTree::Name(n) => (n.ident == *name).then(|| with(&n.ident)),
        UseTree::Rename(r) => (r.rename == *name).then(|| with(&r.ident)),
        UseTree::Group(g) => g.items.iter().find_map(|t| used(t, name, before)),
        UseTree::Glob(_) => None,
    }
}

/// The path of the config as far as the file says it.
fn whole(config: &Path, text: &str) -> Vec<syn::Ident> {
    let written: Vec<syn::Ident> = config.segments.iter().map(|s| s.ident.clone()).collect();
    let first = written.first().map(ToString::to_string).unwrap_or_default();
    let imports = text.split("use ").skip(1).filter_map(|t| t.split_once(';'));
    let imports = imports.map(|(tree, _)| tree).filter(|t| t.contains(&first));
    let mut imports = imports.filter_map(|t| syn::parse_str::<UseTree>(t).ok());
    let imported = imports.find_map(|tree| used(&tree, written.first()?, &[]));
    let mut path = imported.unwrap_or_default();
    path.extend(written.into_iter().skip(usize::from(!path.is_empty())));
    path
}

/// True if a path leads to another crate.
fn is_foreign(path: &[syn::Ident], text: &str) -> bool {
    let own = ["crate", "self", "super"];
    let module = || {
        text.contains(&format!("mod {} ", path[0])) || text.contains(&format!("mod {};", path[0]))
    };
    path.len() > 1 && !own.iter().any(|o| path[0] == o) && !module()
}

/// The one struct of that name in the crate that holds a file.
fn of_crate(file: &File, name: &syn::Ident) -> Option<ItemStruct> {
    let root = file.ancestors().find(|a| a.join("Cargo.toml").exists())?;
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let head = format!("struct {name}");
    let texts = files
        .iter()
        .filter_map(|f| std::fs::read_to_string(f).ok().map(|t| (f, t)));
    let found = texts
        .filter(|(_, t)| t.contains(&head))
        .map(|(f, _)| read(f));
    let mut found = found.filter_map(|t| struct_of(&t, name));
    match (found.next(), found.next()) {
        (Some(one), None) => Some(one),
        _ => None,
    }
}

fn sources(folder: &File, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(t) if t.is_dir() => sources(&path, files),
            Ok(_) if path.extension().is_some_and(|e| e == "rs") => files.push(path),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_found_in_its_crate_alone() {
        let root = File::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let of = |path: &str, file: &str| {
            let file = root.join(file);
            assert!(file.exists());
            let found = fields_for(&syn::parse_str(path).unwrap(), &file);
            found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        let llama = of("Config", "examples/models/src/llama.rs");
        assert!(llama.iter().any(|f| f == "hidden_size"), "{llama:?}");
        let own = of("Config", "tests/language.rs");
        assert!(own.iter().any(|f| f == "pattern"), "{own:?}");
        // Of another crate, although this one has a struct of that name.
        assert_eq!(of("Config", "tests/reliability/kept_bytes.rs"), [""; 0]);
        assert_eq!(of("absent::Config", "tests/language.rs"), [""; 0]);
        assert_eq!(of("Absent", "tests/language.rs"), [""; 0]);
        // An array's length is no end of the struct.
        let arrays = of("Config", "tests/ui/pass/configs_in_configs.rs");
        assert!(
            arrays.ends_with(&["limits".into(), "kinds".into(), "name".into()]),
            "{arrays:?}"
        );
    }
}
