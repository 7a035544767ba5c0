//! The config's struct, where it stands in the file of the model: rustc tells a macro nothing of
//! another type, but that file is known to it.

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::{Item, Path};

/// The fields of the struct that `config` names, if it is in the file of `at`.
pub fn fields(config: &Path, at: Span) -> Vec<String> {
    let (Some(name), Some(path)) = (config.get_ident(), at.local_file()) else {
        return vec![];
    };
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let items = syn::parse_file(&text).map_or(vec![], |f| f.items);
    let found = items.iter().find_map(|i| match i {
        Item::Struct(s) if s.ident == *name => Some(s),
        _ => None,
    });
    let fields = found.iter().flat_map(|s| &s.fields);
    let names = fields.filter_map(|f| f.ident.as_ref());
    names.map(|n| n.unraw().to_string()).collect()
}
