//! Each operation with the inputs and options that it is called with.

mod elementwise;
mod indexing;
mod layers;
mod matrices;
mod products;
mod shapes;

use mlx_runtime::{Array, Result};

use crate::generate::Generate;

pub type Function = fn(&[Array], &mut Generate) -> Result<Vec<Array>>;

/// The comparisons that suit an operation's results.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Differentiable at the inputs of the call, and computed in float64.
    Smooth,
    /// Differentiable, but computed in float32, or inaccurately in float64.
    Single,
    /// Floats in and out, but with steps or ties: no finite differences.
    Steps,
    /// Results that another run, layout or batch may not give again: only called.
    Called,
}

#[derive(Debug)]
pub struct Operation {
    pub name: &'static str,
    /// A word for each input; see [`Generate::shapes`] and [`Generate::input`].
    pub inputs: &'static str,
    pub range: (f64, f64),
    pub kind: Kind,
    pub f: Function,
}

/// One result or several.
pub trait Outputs {
    fn list(self) -> Vec<Array>;
}

impl Outputs for Array {
    fn list(self) -> Vec<Array> {
        vec![self]
    }
}

impl Outputs for Vec<Array> {
    fn list(self) -> Vec<Array> {
        self
    }
}

impl Outputs for (Array, Array) {
    fn list(self) -> Vec<Array> {
        vec![self.0, self.1]
    }
}

impl Outputs for (Array, Array, Array) {
    fn list(self) -> Vec<Array> {
        vec![self.0, self.1, self.2]
    }
}

macro_rules! rows {
    ($all:ident, $kind:ident, $range:expr; $($name:literal $inputs:literal => |$x:ident, $g:ident| $e:expr;)*) => {$(
        $all.push(crate::table::Operation {
            name: $name,
            inputs: $inputs,
            range: $range,
            kind: crate::table::Kind::$kind,
            f: |$x, $g| {
                let _ = &$g;
                Ok(crate::table::Outputs::list($e?))
            },
        });
    )*};
}

/// Operations of one or two inputs and no options.
macro_rules! plain {
    ($all:ident, $kind:ident, $range:expr, $inputs:literal; $($name:ident($($i:literal),*))*) => {$(
        $all.push(crate::table::Operation {
            name: stringify!($name),
            inputs: $inputs,
            range: $range,
            kind: crate::table::Kind::$kind,
            f: |x, _| Ok(vec![mlx_runtime::ops::$name($(&x[$i]),*)?]),
        });
    )*};
}

pub(crate) use {plain, rows};

pub fn all() -> Vec<Operation> {
    let mut all = Vec::new();
    elementwise::add(&mut all);
    shapes::add(&mut all);
    indexing::add(&mut all);
    products::add(&mut all);
    matrices::add(&mut all);
    layers::add(&mut all);
    all
}
