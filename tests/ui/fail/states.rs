//! States of a cache that are not declared, not used, or of another shape.

use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;

pub struct Config {
    pub hidden: usize,
}

#[mlx_model(config = Config)]
pub struct Cell {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Cell {
    pub fn no_name(&self, x: Tensor![B, hidden], s: &mut State![[B, hidden]]) -> Tensor![B, hidden] {
        self.map(x) + s.h
    }

    pub fn misspelt(&self, x: Tensor![B, hidden], s: &mut State![hidden: [B, hidden]]) -> Tensor![B, hidden] {
        let h = self.map(x) + s.hiden;
        s.hidden = h;
        h
    }

    pub fn other_shape(&self, x: Tensor![B, L, hidden], s: &mut State![h: [B, hidden]]) -> Tensor![B, L, hidden] {
        let y = self.map(x) + s.h.expand_dims(1);
        s.h = y;
        y
    }

    pub fn in_a_loop(&self, x: Tensor![L, B, hidden], s: &mut State![h: [B, hidden]]) -> Tensor![B, hidden] {
        for t in 0..L {
            s.h = self.map(x[t]);
        }
        s.h
    }

    pub fn keeps_one(&self, x: Tensor![B, H, L, D], cache: &mut KvCache) -> Tensor![B, H, L, D] {
        let (k, v) = cache.cross.keep(x);
        k + v
    }
}

#[mlx_model(config = Config)]
pub struct Idle {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Idle {
    pub fn never_read(&self, x: Tensor![B, hidden], s: &mut State![h: [B, hidden]]) -> Tensor![B, hidden] {
        let h = self.map(x);
        s.h = h;
        h
    }

    pub fn never_set(&self, x: Tensor![B, hidden], s: &mut State![h: [B, hidden]]) -> Tensor![B, hidden] {
        self.map(x) + s.h
    }
}

fn main() {}
