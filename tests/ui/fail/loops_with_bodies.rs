use mlx_macros::mlx_model;
use mlx_runtime::nn::{Linear, Param};
use mlx_tests::{Config, Mlp};

#[mlx_model(config = Config)]
pub struct Net {
    #[layers(depth)]
    layers: Vec<Mlp>,
    #[param(hidden, hidden)]
    w: Linear,
    #[param(hidden)]
    scale: Param,
}

#[mlx_model]
impl Net {
    pub fn fields(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        for layer in self.layers {
            h = layer(self.w(h));
            h = h * self.scale;
        }
        h
    }

    pub fn shapes(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        let mut s = x.sum(-1);
        for layer in self.layers {
            h = layer(h) + s.expand_dims(-1);
            s = h;
        }
        h
    }

    pub fn tuples(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        let both = (x, x);
        for layer in self.layers {
            let (a, b) = both;
            h = layer(h) + a * b;
        }
        h
    }

    pub fn numbers(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        for l in self.layers {
            if layer == 0 {
                h = l(h);
            } else {
                h = -l(h);
            }
        }
        h
    }

    pub fn lists(&self, x: Tensor![B, L, hidden]) -> Tensor![depth, B, L, hidden] {
        let mut h = x;
        let mut all = vec![];
        let mut others = vec![x];
        others.push(x.sum(-1));
        x.push(h);
        for layer in self.layers {
            h = layer(h);
            if config.eps > 0.0 {
                all.push(h);
            } else {
                h = -h;
            }
        }
        let none = vec![];
        stack(all, 0) + stack(others, 0) + stack(none, 0)
    }

    pub fn places(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        for (i, layer) in self.layers.iter().enumerate() {
            h = layer(h + x[i]);
        }
        for t in 1..L {
            h = h + x;
        }
        h * x[h]
    }
}

fn main() {}
