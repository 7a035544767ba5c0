//! Reports of small models, which tests read.

use mlx_macros_core::{analyse, report};

/// The report of a model with these fields and methods.
pub fn graphs(attr: &str, fields: &str, methods: &str) -> String {
    let attr = syn::parse_str(&format!("config = C, {attr}")).unwrap();
    let item = syn::parse_str(&format!("struct Net {{ {fields} }}")).unwrap();
    let methods = syn::parse_str(&format!("impl Net {{ {methods} }}")).unwrap();
    let whole = analyse(attr, item, &methods).unwrap_or_else(|(errors, _)| {
        let texts: Vec<String> = errors.iter().map(|e| e.text()).collect();
        panic!("{}", texts.join("\n"))
    });
    let both = whole.methods.iter().zip(&whole.graphs);
    both.map(|(m, g)| report::text(&m.name.to_string(), g, &whole.model.names))
        .collect()
}

/// Those of some fields that a body reads: a field that none does is a mistake.
#[allow(dead_code)] // for some of the files
pub fn read(fields: &[(&str, &str)], body: &str) -> String {
    let read = |f: &&(&str, &str)| body.contains(&format!("self.{}(", f.0));
    let read = fields.iter().filter(read);
    read.map(|(name, ty)| {
        format!(
            "{} {name}: {},",
            ty.rsplit_once(' ').unwrap().0,
            ty.rsplit_once(' ').unwrap().1
        )
    })
    .collect()
}
