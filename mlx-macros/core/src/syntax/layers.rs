//! The table of layers that hold weights and take one tensor: their syntax, and the shape of their result.
//!
//! A layer needs a row here, a function of `Loader` and a variant of `Leaf`.
//!
//! Tests: `tests/planted.rs`; `mlx-tests --test models`.

use syn::spanned::Spanned;
use syn::Expr;

use crate::diag::{Diag, Result};
use crate::syntax::args::{dim_expr, Args};
use crate::syntax::condition;
use crate::syntax::dims::{Dim, Shape};
use crate::syntax::names::Names;
use crate::syntax::shapes::{NoPlace, Window};

/// A kind of layer.
pub struct Layer {
    /// The name of its type.
    pub name: &'static str,
    /// Its form, for messages.
    pub form: &'static str,
    /// The function of `Loader` that makes it: of a path, the dims, the options in their order, and
    /// whether it is frozen.
    pub load: &'static str,
    /// The number of its dims.
    pub dims: usize,
    /// True if indices choose among its matrices: then it takes them too, and may have adapters.
    pub indexed: bool,
    /// True if its gradient reads its input for its own weights alone.
    pub linear: bool,
    /// Its options.
    pub options: &'static [(&'static str, Opt)],
    /// The shape of its result for the shape of its argument; the error says which shapes it takes.
    pub(crate) rule: fn(&Held, &Shape, &Names) -> std::result::Result<Shape, Refused>,
}

/// The kind of an option, and its value when it is absent.
#[derive(Clone, Copy)]
pub enum Opt {
    /// A number.
    Number(f64),
    /// A condition.
    Flag(bool),
    /// A size.
    Size(i64),
    /// One size for both axes, or `[a, b]`.
    Pair(i64),
}

/// The value of an option.
pub enum Setting {
    /// A number of the config or a literal.
    Number(Expr),
    /// A condition on the config.
    Flag(Expr),
    /// One size or two.
    Sizes(Vec<Dim>),
}

/// A layer as a field defines it.
pub struct Held {
    /// Its row of the table.
    pub layer: &'static Layer,
    /// Its dims.
    pub dims: Vec<Dim>,
    /// Its options, in the order of the table.
    pub options: Vec<Setting>,
}

/// Why a shape is refused.
pub(crate) enum Refused {
    /// It has another number of dims than this form.
    Rank(String),
    /// The layer takes this form.
    Takes(String),
    /// A window has no place in it.
    NoPlace(NoPlace),
}

/// Every layer of the table.
pub static LAYERS: &[Layer] = &[
    Layer {
        name: "RmsNorm",
        form: "`#[param(dim)]` of a `RmsNorm`",
        load: "rms_norm",
        dims: 1,
        indexed: false,
        linear: false,
        options: &[("eps", Opt::Number(1e-5)), ("offset", Opt::Number(0.0))],
        rule: norm,
    },
    Layer {
        name: "LayerNorm",
        form: "`#[param(dim)]` of a `LayerNorm`",
        load: "layer_norm",
        dims: 1,
        indexed: false,
        linear: false,
        options: &[("eps", Opt::Number(1e-5)), ("bias", Opt::Flag(true))],
        rule: norm,
    },
    Layer {
        name: "GroupNorm",
        form: "`#[param(dim)]` of a `GroupNorm`",
        load: "group_norm",
        dims: 1,
        indexed: false,
        linear: false,
        options: &[
            ("groups", Opt::Size(1)),
            ("eps", Opt::Number(1e-5)),
            ("pytorch_compatible", Opt::Flag(false)),
        ],
        rule: group_norm,
    },
    Layer {
        name: "Conv1d",
        form: "`#[param(out, kernel, in)]` of a `Conv1d`",
        load: "conv1d",
        dims: 3,
        indexed: false,
        linear: true,
        options: &[
            ("stride", Opt::Size(1)),
            ("padding", Opt::Size(0)),
            ("dilation", Opt::Size(1)),
            ("groups", Opt::Size(1)),
            ("bias", Opt::Flag(true)),
        ],
        rule: conv,
    },
    Layer {
        name: "Conv2d",
        form: "`#[param(out, height, width, in)]` of a `Conv2d`",
        load: "conv2d",
        dims: 4,
        indexed: false,
        linear: true,
        options: &[
            ("stride", Opt::Pair(1)),
            ("padding", Opt::Pair(0)),
            ("dilation", Opt::Pair(1)),
            ("groups", Opt::Size(1)),
            ("bias", Opt::Flag(true)),
        ],
        rule: conv,
    },
    Layer {
        name: "SwitchLinear",
        form: "`#[param(experts, out, in)]` of a `SwitchLinear`",
        load: "switch_linear",
        dims: 3,
        indexed: true,
        linear: true,
        options: &[("bias", Opt::Flag(false))],
        rule: rows,
    },
];

/// The layer with that type name.
pub fn find(name: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|l| l.name == name)
}

impl Layer {
    /// Reads `#[param(..)]`.
    pub(crate) fn parse(&'static self, args: &mut Args, names: &Names) -> Result<Held> {
        let dims = args.dims(names, self.dims, self.form)?;
        let options = self.options.iter().map(|(name, kind)| {
            let given = match kind {
                Opt::Flag(_) => args.take_flag(name)?,
                _ => args.take(name),
            };
            Ok(match (*kind, given) {
                (Opt::Number(_), Some(e)) => {
                    condition::check_number(&e)?;
                    Setting::Number(e)
                }
                (Opt::Number(n), None) => Setting::Number(syn::parse_quote!(#n)),
                (Opt::Flag(_), Some(e)) => Setting::Flag(e),
                (Opt::Flag(b), None) => Setting::Flag(syn::parse_quote!(#b)),
                (Opt::Size(_), Some(e)) => Setting::Sizes(vec![dim_expr(&e, names)?]),
                (Opt::Size(n), None) => Setting::Sizes(vec![Dim::constant(n)]),
                (Opt::Pair(_), Some(e)) => Setting::Sizes(pair(&e, names)?),
                (Opt::Pair(n), None) => Setting::Sizes(vec![Dim::constant(n); 2]),
            })
        });
        let options = options.collect::<Result<_>>()?;
        let held = Held {
            layer: self,
            dims,
            options,
        };
        for (option, (name, _)) in held.options.iter().zip(self.options) {
            let Setting::Sizes(sizes) = option else {
                continue;
            };
            let least = i64::from(*name != "padding") - 1;
            let below = |d: &&Dim| names.facts.at_most(d, &Dim::constant(least));
            if let Some(d) = sizes.iter().find(below) {
                return Err(Diag::size_below_one(args.span, names.dim(d)));
            }
        }
        if let (Some(groups), Some(out), Some(input)) = (
            held.sizes("groups").first(),
            held.dims.first(),
            held.dims.last(),
        ) {
            let open = |d: &&Dim| names.divide(d, groups).is_none();
            if let Some(size) = [out, input].into_iter().find(open) {
                let (groups, size) = (names.dim(groups), names.dim(size));
                return Err(Diag::not_divided(args.span, groups, size));
            }
        }
        Ok(held)
    }

    /// The options' names.
    pub fn known(&self) -> Vec<&'static str> {
        self.options.iter().map(|o| o.0).collect()
    }
}

fn pair(e: &Expr, names: &Names) -> Result<Vec<Dim>> {
    match e {
        Expr::Array(a) if a.elems.len() == 2 => {
            a.elems.iter().map(|e| dim_expr(e, names)).collect()
        }
        Expr::Array(a) => Err(Diag::expected_one_or_two(e.span(), a.elems.len())),
        e => Ok(vec![dim_expr(e, names)?; 2]),
    }
}

impl Held {
    /// Its numbers and flags.
    pub fn numbers(&self) -> impl Iterator<Item = &Expr> {
        self.options.iter().filter_map(|o| match o {
            Setting::Number(e) | Setting::Flag(e) => Some(e),
            Setting::Sizes(_) => None,
        })
    }

    /// The sizes of an option.
    fn sizes(&self, name: &str) -> &[Dim] {
        let at = self.layer.options.iter().position(|o| o.0 == name);
        match at.and_then(|i| self.options.get(i)) {
            Some(Setting::Sizes(s)) => s,
            _ => &[],
        }
    }
}

/// `[.., dim] -> [.., dim]`.
fn norm(held: &Held, x: &Shape, names: &Names) -> std::result::Result<Shape, Refused> {
    match x.last() == held.dims.first() {
        true => Ok(x.clone()),
        false => {
            let takes = format!("[.., {}]", names.dim(&held.dims[0]));
            Err(Refused::Takes(takes))
        }
    }
}

/// `[B, .., dim] -> [B, .., dim]`.
fn group_norm(held: &Held, x: &Shape, names: &Names) -> std::result::Result<Shape, Refused> {
    match x.len() >= 2 && x.last() == held.dims.first() {
        true => Ok(x.clone()),
        false => {
            let takes = format!("[batch, .., {}]", names.dim(&held.dims[0]));
            Err(Refused::Takes(takes))
        }
    }
}

/// `[.., rows, in] -> [.., rows, out]`, before indices choose.
fn rows(held: &Held, x: &Shape, names: &Names) -> std::result::Result<Shape, Refused> {
    let (out, input) = (&held.dims[1], &held.dims[2]);
    match x.len() >= 2 && x.last() == Some(input) {
        true => Ok([&x[..x.len() - 1], std::slice::from_ref(out)].concat()),
        false => Err(Refused::Takes(format!("[.., rows, {}]", names.dim(input)))),
    }
}

/// `[B, size.., in] -> [B, places.., out]`.
fn conv(held: &Held, x: &Shape, names: &Names) -> std::result::Result<Shape, Refused> {
    let n = held.layer.dims - 2;
    let (out, input) = (&held.dims[0], &held.dims[n + 1]);
    let takes = || {
        let sizes = if n == 1 { "length" } else { "height, width" };
        format!("[batch, {sizes}, {}]", names.dim(input))
    };
    if x.len() != n + 2 {
        return Err(Refused::Rank(takes()));
    }
    if x[n + 1] != *input {
        return Err(Refused::Takes(takes()));
    }
    let mut shape = x.clone();
    shape[n + 1] = out.clone();
    let option = |name: &str, i: usize| {
        let sizes = held.sizes(name);
        sizes.get(i).or(sizes.first())
    };
    for i in 0..n {
        let (Some(stride), Some(padding), Some(dilation)) = (
            option("stride", i),
            option("padding", i),
            option("dilation", i),
        ) else {
            continue;
        };
        let window = Window {
            size: &x[i + 1],
            kernel: &held.dims[i + 1],
            stride,
            padding,
            dilation,
        };
        shape[i + 1] = window
            .places(names, &names.facts)
            .map_err(Refused::NoPlace)?;
    }
    Ok(shape)
}
