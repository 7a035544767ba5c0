//! Every `#[mlx_kernel]` of the workspace, and kernels that a generator composes in the language: the text of each and of its
//! gradient runs with the shim and computes what MLX's operations do.

use std::fs;
use std::path::{Path, PathBuf};

use mlx_macros_core::entry::kernels::programs;
use mlx_macros_core::entry::optional::variants;
use mlx_macros_core::kernel::ir::{Op, Program};
use mlx_macros_core::syntax::dims::{Dim, Quotient};
use syn::visit::Visit;
use syn::ItemFn;

use crate::composed::Sizes;
use crate::generated::check;
use crate::programs::Launch;
use crate::random::Random;
use crate::source;

/// Functions with the attribute, in files and modules.
#[derive(Default)]
struct Found(Vec<ItemFn>);

impl Visit<'_> for Found {
    fn visit_item_fn(&mut self, f: &ItemFn) {
        let named = |a: &syn::Attribute| {
            a.path()
                .segments
                .last()
                .is_some_and(|s| s.ident == "mlx_kernel")
        };
        if f.attrs.iter().any(named) {
            let mut f = f.clone();
            f.attrs.retain(|a| !named(a));
            self.0.push(f);
        }
    }
}

/// The files that hold kernels: all but those that must not compile.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the folder is readable");
    for path in entries.map(|e| e.expect("the entry is readable").path()) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir()
            && !["target", "fail", "venv"].contains(&name.as_str())
            && !name.starts_with('.')
        {
            files(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Sizes for all names of a program: the rows are few, other sizes can be halved, and parts of rows are inside of them, as
/// the runtime demands.
fn sizes(program: &Program) -> Sizes {
    let mut random = Random::new(1);
    let fits = |sizes: &Sizes| {
        program.values.iter().all(|v| match &v.op {
            Op::Cut { of, start, step } => {
                let width = |w: &Option<Dim>| w.as_ref().map_or(1, |w| sizes.of(w));
                let last = sizes.of(start) + sizes.of(step) * (width(&v.width) - 1);
                last < width(&program.values[*of].width)
            }
            _ => true,
        })
    };
    let tried = (0..200).map(|_| some_sizes(program, &mut random));
    let mut fitting = tried.filter(fits);
    fitting
        .next()
        .unwrap_or_else(|| panic!("{} fits no sizes", program.name))
}

fn some_sizes(program: &Program, random: &mut Random) -> Sizes {
    let inputs = program.inputs.iter().flat_map(|i| &i.shape);
    let outputs = program.outputs.iter().flat_map(|o| &o.shape);
    let mut names: Vec<String> = Vec::new();
    for dim in program.rows.iter().chain(inputs).chain(outputs) {
        for name in dim.terms().flat_map(|t| t.0) {
            let parts = match Quotient::of(name) {
                Some(q) => {
                    let of = q.of.names().into_iter().map(String::from);
                    of.chain(q.by).collect()
                }
                None => vec![],
            };
            names.extend(parts);
            names.push(name.clone());
        }
    }
    names.sort();
    names.dedup();
    let mut all = Vec::new();
    for name in names.iter().filter(|n| Quotient::of(n).is_none()) {
        let size = match name.as_str() {
            "B" => 2,
            "L" => 3,
            _ => *random.pick(&[8, 16, 24, 4]),
        };
        all.push((name.clone(), size));
    }
    // The call gives quotients, too.
    let known = Sizes(all.clone());
    for name in names.iter().filter(|n| Quotient::of(n).is_some()) {
        all.push((name.clone(), known.name(name)));
    }
    Sizes(all)
}

/// Adds a function's kernel and its gradient, or those of each combination of arguments that may be absent.
fn add(f: &ItemFn, seed: u64, to: &mut Vec<Launch>) -> bool {
    let variants = variants(f).unwrap_or_default();
    if !variants.is_empty() {
        return variants.iter().all(|v| add(&v.function, seed, to));
    }
    let Some((program, gradient)) = programs(f) else {
        return false;
    };
    let sizes = sizes(&program);
    to.extend(Launch::new(program.clone(), sizes.clone(), seed));
    if let Ok(Some(gradient)) = gradient {
        to.extend(Launch::gradient(&program, gradient, sizes, seed));
    }
    true
}

#[test]
fn every_kernel_of_the_workspace_agrees_with_mlx() {
    let mut paths = Vec::new();
    files(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
        &mut paths,
    );
    paths.sort();
    let mut launches = Vec::new();
    let mut count = 0;
    for path in paths {
        let text = fs::read_to_string(&path).expect("the file is readable");
        if !text.contains("mlx_kernel") {
            continue;
        }
        let Ok(file) = syn::parse_file(&text) else {
            continue;
        };
        let mut found = Found::default();
        found.visit_file(&file);
        for f in &found.0 {
            assert!(
                add(f, count, &mut launches),
                "{}: {} is no kernel",
                path.display(),
                f.sig.ident
            );
            count += 1;
        }
    }
    println!("{count} kernels");
    // A change of the attribute's name must not leave them out.
    assert!(count >= 100, "{count} kernels");
    check("kernels", &launches);
}

#[test]
fn composed_kernels_agree_with_mlx() {
    let mut random = source::Random(15);
    let mut launches = Vec::new();
    for i in 0..150 {
        let made = source::kernel(&format!("composed{i}"), &mut random);
        let f: ItemFn = syn::parse_str(&made.text).expect("the generator writes a function");
        assert!(add(&f, i, &mut launches), "{}", made.text);
    }
    check("composed", &launches);
}
