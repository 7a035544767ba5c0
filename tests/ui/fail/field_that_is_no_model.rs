//! A field of a type that is not a model.

use mlx_macros::mlx_model;

struct C {
    hidden: usize,
}

struct Plain;

#[mlx_model(config = C)]
#[require(hidden > 0)]
struct Net {
    inner: Plain,
}

#[mlx_model]
impl Net {
    fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.inner(x)
    }
}

fn main() {}
