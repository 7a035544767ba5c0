//! The arguments of `#[mlx_model(..)]` on a struct, and what `#[require(..)]` says.
//!
//! Tests: `tests/planted`; `mlx-tests --test ui`.

use super::*;

/// The config's type, named sizes, passes, the file of a digest, and allowed lints.
pub(super) type Header = (Path, Names, Switches, Option<LitStr>, Vec<String>);

/// Mistakes in one argument do not hide those in others; only the config is needed.
pub(super) fn header(
    attr: TokenStream,
    mut names: Names,
    passes: &[&str],
    at: Span,
    errors: &mut Vec<Diag>,
) -> Result<Header> {
    let (mut config, mut digest, mut allowed) = (None, None, Vec::new());
    let mut unknown = false;
    let mut fuse = Switches::All;
    let mut seen: Vec<Path> = Vec::new();
    for meta in Punctuated::<Meta, Token![,]>::parse_terminated.parse2(attr)? {
        if seen.contains(meta.path()) && !meta.path().is_ident("dims") {
            let key = meta.path().to_token_stream();
            errors.push(Diag::key_twice(meta.span(), key));
            continue;
        }
        seen.push(meta.path().clone());
        let read = match &meta {
            Meta::NameValue(nv) if nv.path.is_ident("config") => match &nv.value {
                Expr::Path(p) => {
                    config = Some(p.path.clone());
                    match p.path.get_ident().and_then(unknown_type) {
                        Some(e) => {
                            unknown = true;
                            Err(e)
                        }
                        None => Ok(()),
                    }
                }
                e => return Err(Diag::config_not_a_type(e.span())),
            },
            Meta::NameValue(nv) if nv.path.is_ident("digest") => match &nv.value {
                Expr::Lit(syn::ExprLit {
                    lit: Lit::Str(s), ..
                }) => {
                    digest = Some(s.clone());
                    Ok(())
                }
                e => Err(Diag::digest_form(e.span())),
            },
            Meta::List(list) if list.path.is_ident("dims") => short_names(list, &mut names),
            Meta::List(list) if list.path.is_ident("allow") => lints(list).map(|all| allowed = all),
            Meta::List(list) if list.path.is_ident("fuse") => {
                Switches::parse(list, passes).map(|s| fuse = s)
            }
            other => {
                let name = other.path().to_token_stream().to_string();
                let near = suggest(&name, ["config", "dims", "fuse", "digest", "allow"]);
                if let Meta::NameValue(syn::MetaNameValue {
                    value: Expr::Path(p),
                    ..
                }) = other
                {
                    config.get_or_insert_with(|| p.path.clone());
                }
                Err(Diag::unknown_model_key(other.path().span(), name, near))
            }
        };
        errors.extend(read.err());
    }
    let mut config: Path = config.ok_or_else(|| Diag::no_config(at))?;
    if unknown {
        // A type that is not there would be reported once more: the one that it means stands in.
        let meant = errors.iter().rev().find_map(|e| {
            let near = e.message.split_once("(did you mean `")?.1;
            syn::parse_str(near.split('`').next()?).ok()
        });
        config = meant.unwrap_or_else(|| syn::parse_quote!(::core::convert::Infallible));
    }
    Ok((config, names, fuse, digest, allowed))
}

/// `allow(softmax_axis, ..)`.
pub(crate) fn lints(list: &syn::MetaList) -> Result<Vec<String>> {
    let names = list.parse_args_with(Punctuated::<Ident, Token![,]>::parse_terminated)?;
    let known = || LINTS.iter().map(|l| l.name);
    let name = |i: Ident| match known().any(|k| i == k) {
        true => Ok(i.to_string()),
        false => {
            let near = suggest(&i.to_string(), known());
            Err(Diag::unknown_lint(i.span(), &i, near))
        }
    };
    names.into_iter().map(name).collect()
}

/// `dims(q = heads * head_dim, ..)`.
fn short_names(list: &syn::MetaList, names: &mut Names) -> Result<()> {
    let args = Args::list(list)?;
    if let Some(e) = args.positional.first() {
        return Err(Diag::dim_without_name(e.span()));
    }
    for (name, e) in args.keyed {
        let (dim, text) = (positive(&e, names)?, name.unraw().to_string());
        if names.short.contains_key(&text) {
            return Err(Diag::dim_twice(name.span(), name));
        }
        names.defined.insert(text.clone(), name.span());
        names.short.insert(text, dim);
    }
    Ok(())
}

pub(crate) fn requires(attrs: &[Attribute]) -> Result<Vec<Expr>> {
    let mut all = Vec::new();
    for a in attrs.iter().filter(|a| a.path().is_ident("require")) {
        let mut args = Args::of(a)?;
        if args.positional.is_empty() && args.keyed.is_empty() {
            return Err(Diag::not_a_condition(a.span()));
        }
        for e in &args.positional {
            condition::check(e, condition::Names::Bare)?;
        }
        if let Some((key, _)) = args.keyed.first() {
            return Err(Diag::condition_assigned(key.span(), key));
        }
        all.append(&mut args.positional);
    }
    Ok(all)
}
