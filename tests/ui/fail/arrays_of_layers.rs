//! Arrays of layers: their lengths, elements that are not there, layers that are no function of one value, and arguments
//! of a sub-model in another order.

use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;

pub struct Config {
    pub hidden: usize,
    pub depth: usize,
}

const TWO: usize = 2;

#[mlx_model(config = Config)]
pub struct Length {
    #[param(hidden, hidden)]
    maps: [Linear; TWO],
}

#[mlx_model]
impl Length {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        x
    }
}

#[mlx_model(config = Config)]
pub struct Element {
    #[param(hidden, hidden)]
    maps: [Linear; 2],
}

#[mlx_model]
impl Element {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.maps[0](x) + self.maps[2](x)
    }

    pub fn scaled(&self, x: Tensor![B, hidden], by: f32, plus: f32) -> Tensor![B, hidden] {
        self.maps[0](self.maps[1](x)) * by + plus
    }
}

#[mlx_model(config = Config)]
pub struct Narrow {
    #[layers(depth)]
    #[param(4, hidden)]
    maps: Vec<Linear>,
}

#[mlx_model]
impl Narrow {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        let mut h = x;
        for map in self.maps {
            h = map(h);
        }
        h
    }
}

#[mlx_model(config = Config)]
pub struct Caller {
    part: Named,
}

#[mlx_model]
impl Caller {
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.part.scaled(x, plus = 1.0, by = 2.0) + self.part.scaled(x, 1.0, pluss = 2.0)
    }
}

#[mlx_model(config = Config)]
pub struct Named {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Named {
    pub fn scaled(&self, x: Tensor![B, hidden], by: f32, plus: f32) -> Tensor![B, hidden] {
        self.map(x) * by + plus
    }
}

fn main() {}
