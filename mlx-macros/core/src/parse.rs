//! The struct side of the language: what a model holds, read from its attributes.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Expr, Ident, ItemStruct, Lit, LitStr, Meta, Path, Token, Type};

use crate::diag::{suggest, Code, Diag, Result};
use crate::dims::{Dim, Names, Shape};

/// A model as its struct defines it.
pub struct ModelDef {
    /// The struct, without the attributes that only the macros read.
    pub item: ItemStruct,
    /// The config's type.
    pub config: Path,
    /// Named sizes (`dims(q = heads * head_dim)`), expanded to config fields.
    pub names: Names,
    /// Conditions on the config, checked at load.
    pub requires: Vec<Expr>,
    /// The fields, in order.
    pub fields: Vec<Field>,
}

/// One field of a model.
pub struct Field {
    /// Its name.
    pub name: Ident,
    /// Its type as written.
    pub ty: Type,
    /// The name of its tensors in a checkpoint, where it is not the field's.
    pub weights: Option<LitStr>,
    /// What it is.
    pub kind: FieldKind,
    /// Whether LoRA may adapt it.
    pub lora: bool,
    /// Whether it is never trained.
    pub frozen: bool,
    /// Another field whose weight it shares, always or if a flag of the config is set.
    pub tied: Option<Tied>,
}

/// `#[tied(field, when = flag)]`.
pub struct Tied {
    /// The field that owns the weight.
    pub source: Ident,
    /// The config's flag, if it depends on one.
    pub when: Option<Expr>,
}

/// What a field is.
#[allow(missing_docs)] // the fields are named after what they hold
#[allow(clippy::large_enum_variant)] // a model has a few dozen of them
pub enum FieldKind {
    /// `y = x W^T (+ b)`.
    Linear {
        out: Dim,
        input: Dim,
        bias: Option<Expr>,
    },
    /// A table of rows picked by index.
    Embedding { rows: Dim, dim: Dim },
    /// Root-mean-square normalisation over the last axis.
    RmsNorm { dim: Dim, eps: Expr },
    /// Rotary positions; holds no weights.
    Rope {
        dims: Dim,
        base: Expr,
        traditional: Expr,
        scaling: Option<Expr>,
    },
    /// A bare tensor.
    Param { shape: Shape },
    /// A stack of equal sub-models.
    Layers {
        count: Dim,
        model: Type,
        checkpoint: Policy,
    },
    /// A sub-model.
    Model,
}

/// Where a stack of layers is cut for recomputation in the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The fewest boundaries that fit the memory limit.
    Auto,
    /// A boundary every `n` layers.
    Every(u32),
    /// A boundary at each layer.
    Always,
    /// None.
    Never,
}

/// The attributes on fields and structs that only the macros read.
const HELPERS: &[&str] = &[
    "param", "rope", "layers", "lora", "frozen", "tied", "weights", "require",
];

/// Arguments of an attribute: positional expressions, then `key = expr`.
struct Args {
    span: Span,
    positional: Vec<Expr>,
    keyed: Vec<(Ident, Expr)>,
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut args = Args {
            span: input.span(),
            positional: vec![],
            keyed: vec![],
        };
        for e in Punctuated::<Expr, Token![,]>::parse_terminated(input)? {
            match e {
                Expr::Assign(a) => match (&*a.left, a.right) {
                    (Expr::Path(p), value) if p.path.get_ident().is_some() => {
                        let key = p.path.require_ident()?.clone();
                        args.keyed.push((key, *value));
                    }
                    (left, _) => {
                        return Err(syn::Error::new(left.span(), "expected `key = value`"))
                    }
                },
                e if args.keyed.is_empty() => args.positional.push(e),
                e => {
                    let text = "values without a key come first";
                    return Err(syn::Error::new(e.span(), text));
                }
            }
        }
        Ok(args)
    }
}

impl Args {
    fn of(attr: &Attribute) -> Result<Args> {
        let mut args = match &attr.meta {
            Meta::Path(_) => Args {
                span: attr.span(),
                positional: vec![],
                keyed: vec![],
            },
            Meta::List(list) => list.parse_args::<Args>()?,
            Meta::NameValue(nv) => Args {
                span: attr.span(),
                positional: vec![nv.value.clone()],
                keyed: vec![],
            },
        };
        args.span = attr.span();
        Ok(args)
    }

    fn take(&mut self, key: &str) -> Option<Expr> {
        let at = self.keyed.iter().position(|(k, _)| k == key)?;
        Some(self.keyed.remove(at).1)
    }

    /// The positional values as dims, exactly `n` of them.
    fn dims(&self, names: &Names, n: usize, what: &str) -> Result<Vec<Dim>> {
        if self.positional.len() != n {
            let text = format!("{what} takes {n} dim(s), found {}", self.positional.len());
            return Err(Diag::new(Code::ParamRank, self.span, text));
        }
        self.positional.iter().map(|e| dim_expr(e, names)).collect()
    }

    fn finish(self, known: &[&str]) -> Result<()> {
        match self.keyed.first() {
            None => Ok(()),
            Some((key, _)) => {
                let near = suggest(&key.to_string(), known.iter().copied());
                let text = format!("unknown argument `{key}`{near}");
                Err(Diag::new(Code::Attribute, key.span(), text))
            }
        }
    }
}

/// A dim from an expression, with named sizes expanded.
pub fn dim_expr(e: &Expr, names: &Names) -> Result<Dim> {
    let bad = |text: &str| Diag::new(Code::DimExpr, e.span(), text.to_string());
    match e {
        Expr::Path(p) if p.path.get_ident().is_some() => {
            let name = p.path.require_ident()?.to_string();
            Ok(names
                .0
                .get(&name)
                .cloned()
                .unwrap_or_else(|| Dim::name(&name)))
        }
        Expr::Lit(l) => match &l.lit {
            Lit::Int(i) => Ok(Dim::constant(i.base10_parse()?)),
            _ => Err(bad("a size is a whole number")),
        },
        Expr::Paren(p) => dim_expr(&p.expr, names),
        Expr::Group(g) => dim_expr(&g.expr, names),
        Expr::Binary(b) => {
            let (l, r) = (dim_expr(&b.left, names)?, dim_expr(&b.right, names)?);
            match b.op {
                syn::BinOp::Add(_) => Ok(l.plus(&r)),
                syn::BinOp::Sub(_) => Ok(l.plus(&r.negated())),
                syn::BinOp::Mul(_) => Ok(l.times(&r)),
                syn::BinOp::Div(_) => l.divided_by(&r).ok_or_else(|| {
                    let text = format!(
                        "`{}` is not known to divide `{}`",
                        names.dim(&r),
                        names.dim(&l)
                    );
                    bad(&text)
                }),
                _ => Err(bad("this operator has no meaning for sizes")),
            }
        }
        _ => Err(bad("not a size")),
    }
}

/// Reads `#[mlx_model(config = .., dims(..))] struct ..`; mistakes are gathered.
pub fn model(attr: TokenStream, mut item: ItemStruct) -> std::result::Result<ModelDef, Vec<Diag>> {
    let mut errors = Vec::new();
    let (config, names) = match header(attr, item.ident.span()) {
        Ok(h) => h,
        Err(e) => return Err(vec![e]),
    };
    let requires = collect(&mut errors, requires(&item));
    let mut fields = Vec::new();
    let named = matches!(item.fields, syn::Fields::Named(_));
    if !named {
        let text = "a model is a struct with named fields";
        errors.push(Diag::new(Code::Item, item.ident.span(), text));
    }
    for f in item.fields.iter_mut().filter(|_| named) {
        match field(f, &names) {
            Ok(f) => fields.push(f),
            Err(e) => errors.push(e),
        }
    }
    item.attrs.retain(|a| !is_helper(a));
    for f in &fields {
        let Some(t) = &f.tied else { continue };
        if !fields.iter().any(|o| {
            o.name == t.source
                && matches!(
                    o.kind,
                    FieldKind::Embedding { .. } | FieldKind::Linear { .. }
                )
        }) {
            let near = suggest(
                &t.source.to_string(),
                item.fields
                    .iter()
                    .filter_map(|f| f.ident.as_ref())
                    .map(|i| i.to_string())
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str),
            );
            let text = format!(
                "`{}` is not an Embedding or Linear of this struct{near}",
                t.source
            );
            errors.push(Diag::new(Code::UnknownField, t.source.span(), text));
        }
    }
    if errors.is_empty() {
        Ok(ModelDef {
            item,
            config,
            names,
            requires: requires.unwrap_or_default(),
            fields,
        })
    } else {
        Err(errors)
    }
}

/// The struct without the attributes that only the macros read, for when the model is wrong.
pub fn stripped(mut item: ItemStruct) -> ItemStruct {
    item.attrs.retain(|a| !is_helper(a));
    for f in item.fields.iter_mut() {
        f.attrs.retain(|a| !is_helper(a));
    }
    item
}

fn collect<T>(errors: &mut Vec<Diag>, r: Result<T>) -> Option<T> {
    r.map_err(|e| errors.push(e)).ok()
}

fn is_helper(a: &Attribute) -> bool {
    HELPERS.iter().any(|h| a.path().is_ident(h))
}

fn header(attr: TokenStream, at: Span) -> Result<(Path, Names)> {
    let (mut config, mut names) = (None, Names::default());
    for meta in Punctuated::<Meta, Token![,]>::parse_terminated.parse2(attr)? {
        match &meta {
            Meta::NameValue(nv) if nv.path.is_ident("config") => match &nv.value {
                Expr::Path(p) => config = Some(p.path.clone()),
                e => {
                    return Err(Diag::new(
                        Code::Attribute,
                        e.span(),
                        "`config` is the name of a type",
                    ))
                }
            },
            Meta::List(list) if list.path.is_ident("dims") => {
                let args: Args = list.parse_args()?;
                for (name, e) in args.keyed {
                    let dim = dim_expr(&e, &names)?;
                    names.0.insert(name.to_string(), dim);
                }
            }
            other => {
                let name = other.path().to_token_stream().to_string();
                let near = suggest(&name, ["config", "dims"]);
                let text = format!("unknown argument `{name}`{near}; `#[mlx_model]` takes `config = Type` and `dims(name = size, ..)`");
                return Err(Diag::new(Code::Attribute, other.span(), text));
            }
        }
    }
    let text = "name the type that holds the sizes: `#[mlx_model(config = MyConfig)]`";
    let config = config.ok_or_else(|| Diag::new(Code::Attribute, at, text))?;
    Ok((config, names))
}

fn requires(item: &ItemStruct) -> Result<Vec<Expr>> {
    let mut all = Vec::new();
    for a in item.attrs.iter().filter(|a| a.path().is_ident("require")) {
        all.extend(Args::of(a)?.positional);
    }
    Ok(all)
}

fn last_segment(ty: &Type) -> String {
    match ty {
        Type::Path(p) => p
            .path
            .segments
            .last()
            .map(|s| s.ident.to_string())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

/// `T` of `Vec<T>`.
fn element(ty: &Type) -> Option<Type> {
    let Type::Path(p) = ty else { return None };
    let last = p.path.segments.last().filter(|s| s.ident == "Vec")?;
    match &last.arguments {
        syn::PathArguments::AngleBracketed(a) => match a.args.first()? {
            syn::GenericArgument::Type(t) => Some(t.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn field(f: &mut syn::Field, names: &Names) -> Result<Field> {
    let name = f
        .ident
        .clone()
        .ok_or_else(|| Diag::new(Code::Item, f.span(), "a field needs a name"))?;
    let attrs: Vec<Attribute> = f.attrs.iter().filter(|a| is_helper(a)).cloned().collect();
    f.attrs.retain(|a| !is_helper(a));
    let find = |n: &str| attrs.iter().find(|a| a.path().is_ident(n));
    let kind = kind(f, &name, find, names)?;
    let linear = matches!(kind, FieldKind::Linear { .. });
    for only_linear in ["lora", "tied"] {
        if let (Some(a), false) = (find(only_linear), linear) {
            let text = format!(
                "`#[{only_linear}]` belongs on a `Linear`; `{name}` is a `{}`",
                last_segment(&f.ty)
            );
            return Err(Diag::new(Code::Attribute, a.span(), text));
        }
    }
    let weights = match find("weights").map(Args::of).transpose()? {
        None => None,
        Some(a) => match a.positional.first() {
            Some(Expr::Lit(syn::ExprLit {
                lit: Lit::Str(s), ..
            })) => Some(s.clone()),
            _ => {
                return Err(Diag::new(
                    Code::Attribute,
                    a.span,
                    "write `#[weights(\"name in the checkpoint\")]`",
                ))
            }
        },
    };
    let tied = match find("tied").map(Args::of).transpose()? {
        None => None,
        Some(mut a) => match a.positional.first() {
            Some(Expr::Path(p)) if p.path.get_ident().is_some() => {
                let tied = Tied {
                    source: p.path.require_ident()?.clone(),
                    when: a.take("when"),
                };
                a.finish(&["when"])?;
                Some(tied)
            }
            _ => {
                return Err(Diag::new(
                    Code::Attribute,
                    a.span,
                    "write `#[tied(field)]` or `#[tied(field, when = flag)]`",
                ))
            }
        },
    };
    let (lora, frozen) = (find("lora").is_some(), find("frozen").is_some());
    Ok(Field {
        name,
        ty: f.ty.clone(),
        weights,
        kind,
        lora,
        frozen,
        tied,
    })
}

fn kind<'a>(
    f: &syn::Field,
    name: &Ident,
    find: impl Fn(&str) -> Option<&'a Attribute>,
    names: &Names,
) -> Result<FieldKind> {
    let ty = last_segment(&f.ty);
    if let Some(model) = element(&f.ty) {
        let Some(a) = find("layers") else {
            let text = format!(
                "`{name}` is a stack of layers: say how many, `#[layers(num_hidden_layers)]`"
            );
            return Err(Diag::new(Code::MissingParam, f.ty.span(), text));
        };
        let mut args = Args::of(a)?;
        let count = args.dims(names, 1, "`#[layers]`")?.remove(0);
        let checkpoint = args
            .take("checkpoint")
            .map_or(Ok(Policy::Auto), |e| policy(&e))?;
        args.finish(&["checkpoint"])?;
        return Ok(FieldKind::Layers {
            count,
            model,
            checkpoint,
        });
    }
    let mut param = find("param").map(Args::of).transpose()?;
    let need = || {
        Diag::new(
            Code::MissingParam,
            name.span(),
            format!("`{name}` is a `{ty}` without a shape"),
        )
    };
    let known: &[&str] = match ty.as_str() {
        "Linear" => &["bias"],
        "RmsNorm" => &["eps"],
        _ => &[],
    };
    let kind = match ty.as_str() {
        "Linear" => {
            let args = param.as_mut().ok_or_else(need)?;
            let d = args.dims(names, 2, "a `Linear` is `#[param(out, in)]` and")?;
            FieldKind::Linear {
                out: d[0].clone(),
                input: d[1].clone(),
                bias: args.take("bias"),
            }
        }
        "Embedding" => {
            let args = param.as_ref().ok_or_else(need)?;
            let d = args.dims(names, 2, "an `Embedding` is `#[param(rows, dim)]` and")?;
            FieldKind::Embedding {
                rows: d[0].clone(),
                dim: d[1].clone(),
            }
        }
        "RmsNorm" => {
            let args = param.as_mut().ok_or_else(need)?;
            let dim = args
                .dims(names, 1, "a `RmsNorm` is `#[param(dim)]` and")?
                .remove(0);
            let eps = args.take("eps").unwrap_or_else(|| syn::parse_quote!(1e-5));
            FieldKind::RmsNorm { dim, eps }
        }
        "Rope" => {
            let mut args = match find("rope") {
                Some(a) => Args::of(a)?,
                None => {
                    let text = format!(
                        "`{name}` needs its head size: `#[rope(head_dim, base = rope_theta)]`"
                    );
                    return Err(Diag::new(Code::MissingParam, name.span(), text));
                }
            };
            let dims = args.dims(names, 1, "`#[rope]`")?.remove(0);
            let base = args
                .take("base")
                .unwrap_or_else(|| syn::parse_quote!(10000.0));
            let traditional = args
                .take("traditional")
                .unwrap_or_else(|| syn::parse_quote!(false));
            let scaling = args.take("scaling");
            args.finish(&["base", "traditional", "scaling"])?;
            FieldKind::Rope {
                dims,
                base,
                traditional,
                scaling,
            }
        }
        "Param" => {
            let args = param.as_ref().ok_or_else(need)?;
            let n = args.positional.len();
            FieldKind::Param {
                shape: args.dims(names, n, "a `Param`")?,
            }
        }
        _ => match &param {
            Some(a) => {
                let text = format!("`#[param]` belongs on Linear, Embedding, RmsNorm or Param; `{ty}` is a sub-model and brings its own shapes");
                return Err(Diag::new(Code::Attribute, a.span, text));
            }
            None => FieldKind::Model,
        },
    };
    if let Some(args) = param {
        args.finish(known)?;
    }
    Ok(kind)
}

/// A checkpoint policy from `auto`, `every(4)`, `always` or `never`.
fn policy(e: &Expr) -> Result<Policy> {
    let bad = || Diag::new(Code::Checkpoint, e.span(), "not a checkpoint policy");
    match e {
        Expr::Path(p) if p.path.is_ident("auto") => Ok(Policy::Auto),
        Expr::Path(p) if p.path.is_ident("always") => Ok(Policy::Always),
        Expr::Path(p) if p.path.is_ident("never") => Ok(Policy::Never),
        Expr::Call(c) => match (&*c.func, c.args.first()) {
            (
                Expr::Path(p),
                Some(Expr::Lit(syn::ExprLit {
                    lit: Lit::Int(n), ..
                })),
            ) if p.path.is_ident("every") && c.args.len() == 1 => match n.base10_parse()? {
                0 => Err(bad()),
                k => Ok(Policy::Every(k)),
            },
            _ => Err(bad()),
        },
        _ => Err(bad()),
    }
}
