//! Checks the arrays of a call against the signature, the last of the three checks of shapes.
//!
//! Tests: `mlx-tests --test rules`.

use crate::{Array, Dtype, Error, ErrorKind, Result};

/// A size in a signature.
pub enum Size {
    /// A free dim, by its place in the list of names.
    Free(usize),
    /// A size that the config gives, and how the model names it.
    Fixed(i64, &'static str),
    /// A size that is checked elsewhere.
    Any,
}

/// The dtypes that an argument may have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The dtype of the model's activations.
    Float,
    /// float32.
    F32,
    /// int32.
    I32,
    /// uint32.
    U32,
    /// bool.
    Bool,
}

/// An argument of a call and its type in the signature.
pub struct Arg<'a> {
    name: &'static str,
    array: &'a Array,
    class: Class,
    sizes: &'a [Size],
}

impl<'a> Arg<'a> {
    /// The argument `name`.
    pub fn new(name: &'static str, array: &'a Array, class: Class, sizes: &'a [Size]) -> Self {
        Arg {
            name,
            array,
            class,
            sizes,
        }
    }
}

/// The numbers for the free dims `names`, or an error that names both shapes.
pub fn bind<const N: usize>(
    what: &str,
    float: Dtype,
    args: &[Arg<'_>],
    names: [&str; N],
) -> Result<[i64; N]> {
    let mut bound = [-1; N];
    for arg in args {
        let shape = arg.array.shape();
        let fits = shape.len() == arg.sizes.len()
            && shape.iter().zip(arg.sizes).all(|(n, size)| match size {
                Size::Any => true,
                Size::Fixed(m, _) => i64::from(*n) == *m,
                Size::Free(i) if bound[*i] < 0 => {
                    bound[*i] = i64::from(*n);
                    true
                }
                Size::Free(i) => bound[*i] == i64::from(*n),
            });
        let dtype = arg.array.dtype();
        let allowed = match arg.class {
            Class::Float => dtype == float,
            Class::F32 => dtype == Dtype::Float32,
            Class::I32 => dtype == Dtype::Int32,
            Class::U32 => dtype == Dtype::Uint32,
            Class::Bool => dtype == Dtype::Bool,
        };
        if !fits || !allowed {
            return Err(refuse(what, float, arg, &names, &bound));
        }
    }
    Ok(bound)
}

#[cold]
fn refuse(what: &str, float: Dtype, arg: &Arg<'_>, names: &[&str], bound: &[i64]) -> Error {
    let sizes: Vec<String> = arg
        .sizes
        .iter()
        .map(|s| match s {
            Size::Any => "_".to_string(),
            Size::Fixed(n, name) if *name == n.to_string() => n.to_string(),
            Size::Fixed(n, name) => format!("{name}={n}"),
            Size::Free(i) if bound[*i] < 0 => names[*i].to_string(),
            Size::Free(i) => format!("{}={}", names[*i], bound[*i]),
        })
        .collect();
    let class = match arg.class {
        Class::Float => float,
        Class::F32 => Dtype::Float32,
        Class::I32 => Dtype::Int32,
        Class::U32 => Dtype::Uint32,
        Class::Bool => Dtype::Bool,
    };
    Error::new(
        ErrorKind::Shape,
        format!(
            "{what}: expected argument `{}` to be [{}] of {class:?}, found {:?} of {:?}",
            arg.name,
            sizes.join(", "),
            arg.array.shape(),
            arg.array.dtype()
        ),
    )
}

/// A size as MLX takes it.
pub fn size(n: i64) -> Result<i32> {
    i32::try_from(n).map_err(|_| {
        Error::new(
            ErrorKind::Shape,
            format!("size {n} is too large: expected at most 2147483647"),
        )
    })
}
