//! A node of a graph as calls of the runtime, argument by argument as the macros lower it.

use std::collections::BTreeMap;

use mlx_macros_core::ir::{Arg, Graph, Id, Kind, Op, P};
use mlx_macros_core::syntax::condition;
use mlx_macros_core::syntax::dims::Dim;
use mlx_macros_core::syntax::signature::{Dt, Method, Ty};
use mlx_runtime::__private::ops::{Mask, Parts};
use mlx_runtime::__private::{ops, weak};
use mlx_runtime::nn::KvCache;
use mlx_runtime::{Array, Dtype, Result};

use crate::symbols::number;

/// The dtype that stands for the activations': one that no other dtype of the language is.
pub const FLOAT: Dtype = Dtype::Bfloat16;

/// A dtype of the language as one of MLX.
pub fn dtype(d: Dt) -> Dtype {
    match d {
        Dt::Float => FLOAT,
        Dt::F32 => Dtype::Float32,
        Dt::I32 => Dtype::Int32,
        Dt::U32 => Dtype::Uint32,
        Dt::Bool => Dtype::Bool,
    }
}

/// An array for each argument, of the size that its dims are bound to; nothing is computed.
pub fn unknown(method: &Method) -> Result<Inputs> {
    let mut all = Inputs::new();
    for a in &method.args {
        if let Ty::Tensor(shape, d) = &a.ty {
            let shape: Vec<i32> = shape.iter().map(|d| number(d) as i32).collect();
            let array = mlx_runtime::ops::zeros(&shape, dtype(*d))?;
            all.insert(a.name.to_string(), array);
        }
    }
    Ok(all)
}

/// Arrays by the arguments' names.
pub type Inputs = BTreeMap<String, Array>;

/// The arrays of a value.
pub fn value(inputs: &Inputs, graph: &Graph, id: Id) -> Result<Vec<Array>> {
    let node = &graph.nodes[id];
    match &node.kind {
        Kind::Input(name) => Ok(inputs.get(&name.to_string()).cloned().into_iter().collect()),
        Kind::Op { op, args } => call(inputs, graph, op, args),
        Kind::Tuple(ids) => {
            let mut all = Vec::new();
            for id in ids {
                all.extend(value(inputs, graph, *id)?);
            }
            Ok(all)
        }
        Kind::Item(of, i) => Ok(vec![value(inputs, graph, *of)?[*i].clone()]),
        _ => panic!("a node that no case has"),
    }
}

/// One argument as the runtime takes it.
enum Given<'a> {
    One(&'a Array),
    Many(Vec<&'a Array>),
    Cache(KvCache),
    Int(i32),
    Ints(Vec<i32>),
    Parts(Parts<'a>),
    Float(f32),
    Bool(bool),
    Dtype(Dtype),
    Mask(Mask<'a>),
    Text(&'a str),
    Absent,
}

/// A literal.
fn literal(e: &syn::Expr) -> f64 {
    match e {
        syn::Expr::Lit(l) => match &l.lit {
            syn::Lit::Int(i) => i.base10_parse().unwrap(),
            syn::Lit::Float(f) => f.base10_parse().unwrap(),
            _ => panic!("not a number"),
        },
        syn::Expr::Unary(u) => -literal(&u.expr),
        syn::Expr::Paren(p) => literal(&p.expr),
        // A size as a number.
        syn::Expr::Path(p) => {
            let name = p.path.require_ident().unwrap().to_string();
            crate::symbols::number(&Dim::name(&name)) as f64
        }
        syn::Expr::Field(f) => {
            let syn::Member::Named(name) = &f.member else {
                panic!("not a number");
            };
            crate::symbols::number(&Dim::name(&name.to_string())) as f64
        }
        e if condition::function(e).is_some() => {
            let (name, args) = condition::function(e).unwrap();
            let args: Vec<f64> = args.into_iter().map(literal).collect();
            match (name, &args[..]) {
                ("abs", [x]) => x.abs(),
                ("ceil", [x]) => x.ceil(),
                ("cos", [x]) => x.cos(),
                ("exp", [x]) => x.exp(),
                ("floor", [x]) => x.floor(),
                ("ln", [x]) => x.ln(),
                ("log10", [x]) => x.log10(),
                ("log2", [x]) => x.log2(),
                ("max", [x, y]) => x.max(*y),
                ("min", [x, y]) => x.min(*y),
                ("powf", [x, y]) => x.powf(*y),
                ("recip", [x]) => x.recip(),
                ("sin", [x]) => x.sin(),
                ("sqrt", [x]) => x.sqrt(),
                ("tan", [x]) => x.tan(),
                ("tanh", [x]) => x.tanh(),
                other => panic!("unknown function {other:?}"),
            }
        }
        syn::Expr::Binary(b) => {
            let (l, r) = (literal(&b.left), literal(&b.right));
            match b.op {
                syn::BinOp::Add(_) => l + r,
                syn::BinOp::Sub(_) => l - r,
                syn::BinOp::Mul(_) => l * r,
                syn::BinOp::Div(_) => l / r,
                _ => panic!("not a number"),
            }
        }
        _ => panic!("not a number"),
    }
}

/// A cache with as many positions as the rules count in it.
fn past() -> Result<KvCache> {
    let mut cache = KvCache::new();
    let length = number(&Dim::name("Past'")) as i32;
    let keys = mlx_runtime::ops::zeros(&[1, 1, length, 1], mlx_runtime::Dtype::Float32)?;
    cache.update(&keys, &keys)?;
    Ok(cache)
}

fn call(inputs: &Inputs, graph: &Graph, op: &'static Op, args: &[Arg]) -> Result<Vec<Array>> {
    // Values that borrow from the arguments' values: these first.
    let mut held: Vec<Vec<Array>> = Vec::new();
    for a in args {
        held.push(match a {
            Arg::Weak { expr, like } => {
                let like = value(inputs, graph, *like)?;
                vec![weak(literal(expr), &like[0])?]
            }
            other => {
                let mut all = Vec::new();
                for id in other.values() {
                    all.extend(value(inputs, graph, id)?);
                }
                all
            }
        });
    }
    let sizes: Vec<Vec<i32>> = args
        .iter()
        .map(|a| match a {
            Arg::Dims(d) => d.iter().map(|d| number(d) as i32).collect(),
            _ => vec![],
        })
        .collect();
    let mut given = Vec::new();
    for (i, a) in args.iter().enumerate() {
        let kind = op.params[i].1;
        given.push(match (a, kind) {
            (_, P::Cache) => Given::Cache(past()?),
            (Arg::Value(_), P::Mask) => Given::Mask(Mask::Array(&held[i][0])),
            (Arg::Causal, _) => Given::Mask(Mask::Causal),
            (Arg::Sliding(e), _) => Given::Mask(Mask::Sliding(literal(e) as i32)),
            (Arg::Absent, P::Mask) => Given::Mask(Mask::None),
            (Arg::Absent, P::Bool) => Given::Bool(false),
            (Arg::Absent, _) => Given::Absent,
            (Arg::Value(_) | Arg::Weak { .. }, _) => Given::One(&held[i][0]),
            (Arg::Values(_) | Arg::Whole(_), _) => Given::Many(held[i].iter().collect()),
            (Arg::Int(n), P::Parts) => Given::Parts(Parts::Equal(*n as i32)),
            (Arg::Dims(_), P::Parts) => Given::Parts(Parts::Sizes(&sizes[i])),
            (Arg::Int(n), _) => Given::Int(*n as i32),
            (Arg::Ints(l), _) => Given::Ints(l.iter().map(|n| *n as i32).collect()),
            (Arg::Dims(_), P::Size | P::SizeOr(_) | P::OptSize) => Given::Int(sizes[i][0]),
            (Arg::Dims(_), _) => Given::Ints(sizes[i].clone()),
            (Arg::Scalar(e), P::Count) => Given::Int(literal(e) as i32),
            (Arg::Scalar(e), _) => Given::Float(literal(e) as f32),
            (Arg::Bool(e), _) => Given::Bool(
                matches!(e, syn::Expr::Lit(l) if matches!(&l.lit, syn::Lit::Bool(b) if b.value)),
            ),
            (Arg::Dtype(d), _) => Given::Dtype(dtype(*d)),
            (Arg::Text(t), _) => Given::Text(t),
        });
    }
    by_name(&op.function(), &given)
}

/// An argument as the type that a function of the runtime takes.
trait Get<'g>: Sized {
    fn get(g: &'g Given<'g>) -> Self;
}

macro_rules! get {
    ($($ty:ty: $pattern:pat => $value:expr;)*) => {$(
        impl<'g> Get<'g> for $ty {
            fn get(g: &'g Given<'g>) -> Self {
                match g {
                    $pattern => $value,
                    _ => panic!("another argument than {}", stringify!($ty)),
                }
            }
        }
    )*};
}

get! {
    &'g Array: Given::One(a) => a;
    &'g [&'g Array]: Given::Many(all) => all;
    &'g KvCache: Given::Cache(c) => c;
    i32: Given::Int(n) => *n;
    &'g [i32]: Given::Ints(l) => l;
    &'g [i32; 2]: Given::Ints(l) => l[..].try_into().unwrap();
    Parts<'g>: Given::Parts(p) => *p;
    f32: Given::Float(x) => *x;
    f64: Given::Float(x) => f64::from(*x);
    bool: Given::Bool(b) => *b;
    Dtype: Given::Dtype(d) => *d;
    Mask<'g>: Given::Mask(m) => *m;
    &'g str: Given::Text(t) => t;
}

impl<'g, T: Get<'g>> Get<'g> for Option<T> {
    fn get(g: &'g Given<'g>) -> Self {
        match g {
            Given::Absent => None,
            g => Some(T::get(g)),
        }
    }
}

/// One result or several.
trait Results {
    fn all(self) -> Vec<Array>;
}

impl Results for Array {
    fn all(self) -> Vec<Array> {
        vec![self]
    }
}

impl Results for Vec<Array> {
    fn all(self) -> Vec<Array> {
        self
    }
}

/// One call of a function with so many arguments.
macro_rules! with {
    ($name:ident, $given:ident, ($($a:ident)*)) => {{
        let [$($a),*] = $given else {
            panic!("{} with {} arguments", stringify!($name), $given.len());
        };
        Ok(ops::$name($(Get::get($a)),*)?.all())
    }};
}

macro_rules! functions {
    ($($args:tt: $($name:ident)+;)*) => {
        fn by_name(name: &str, given: &[Given<'_>]) -> Result<Vec<Array>> {
            match name {
                $($(stringify!($name) => with!($name, given, $args),)+)*
                _ => panic!("the test does not know `{name}`"),
            }
        }
    };
}

functions! {
    (a):
        abs negative square sign floor ceil trunc exp expm1 log log2 log10 log1p sqrt rsqrt
        reciprocal sin cos tan sinh cosh tanh arcsin arccos arctan arcsinh arccosh arctanh degrees
        radians erf erfinv sigmoid isnan isinf isfinite isposinf isneginf logical_not
        bitwise_invert stop_gradient contiguous zeros_like ones_like relu relu2 relu6 selu silu
        gelu gelu_approx gelu_fast_approx mish hardswish softplus softsign log_sigmoid;
    (a b):
        round astype leaky_relu prelu elu celu hard_shrink softshrink softmin log_softmax glu
        swiglu add subtract multiply divide floor_divide remainder maximum minimum power logaddexp
        arctan2 equal not_equal less less_equal greater greater_equal logical_and logical_or
        logical_xor bitwise_and bitwise_or bitwise_xor left_shift right_shift matmul inner outer
        einsum reshape broadcast_to transpose expand_dims squeeze concatenate stack tile tril triu
        sort argsort zeros ones positions distances causal_mask random_bits;
    (a b c):
        hard_tanh where_ clip vecdot tensordot flatten unflatten swapaxes moveaxis split repeat
        pad roll take take_along_axis partition argpartition topk sum mean max min prod logsumexp
        median all any argmax argmin softmax full random_bernoulli rms_norm mse_loss l1_loss log_cosh_loss
        hinge_loss visible_keys;
    (a b c d):
        nan_to_num put_along_axis var std cumsum cumprod cummax cummin logcumsumexp arange
        linspace eye tri random_uniform layer_norm max_pool1d avg_pool1d max_pool2d avg_pool2d smooth_l1_loss
        huber_loss kl_div_loss nll_loss;
    (a b c d e):
        isclose addmm gather_mm dequantize slice binary_cross_entropy margin_ranking_loss
        cosine_similarity_loss;
    (a b c d e f):
        rope scaled_dot_product_attention conv1d conv2d cross_entropy gaussian_nll_loss;
    (a b c d e f g): quantized_matmul conv_transpose1d conv_transpose2d;
}
