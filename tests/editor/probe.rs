use mlx_macros::{mlx_fn, mlx_kernel, mlx_model};
use mlx_runtime::nn::{Linear, RmsNorm};

/// Sizes.
pub struct Config {
    /// The width.
    pub hidden: usize,
    pub ffn: usize,
    pub depth: usize,
    pub eps: f32,
    pub gated: bool,
}

#[mlx_model(config = Config, dims(twice = 2 * hidden))]
pub struct Block {
    #[param(hidden, eps = eps)]
    norm: RmsNorm,
    /// Up.
    #[param(ffn, hidden)]
    up: Linear,
    #[param(twice, ffn)]
    down: Linear,
}

#[mlx_model]
impl Block {
    /// Two maps.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = silu(self.up(self.norm(x)));
        let wide = self.helper(y).reshape([B, L, 2, hidden]);
        let (left, right) = split(wide, 2, 2);
        let mut z = soft_cap(squeeze(left, 2), 30.0);
        if config.gated {
            z = z * sigmoid(squeeze(right, 2));
        }
        z
    }

    fn helper(&self, y: Tensor![B, L, ffn]) -> Tensor![B, L, twice] {
        self.down(y)
    }
}

#[mlx_model(config = Config)]
#[require(depth > 0)]
pub struct Net {
    #[layers(depth)]
    blocks: Vec<Block>,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let mut h = x;
        for block in self.blocks {
            h = block(h);
        }
        h
    }
}

/// Keeps values small.
#[mlx_fn]
pub fn soft_cap(x: Tensor![B, L, D], cap: f32) -> Tensor![B, L, D] {
    let t = tanh(x / cap);
    t * cap
}

#[mlx_kernel]
pub fn scaled(v: Tensor![B, D], w: Tensor![D]) -> Tensor![B, D] {
    let product = v * w;
    product + v
}

#[mlx_model(config = Config)]
pub struct Maps {
    #[param(hidden, hidden)]
    maps: [Linear; 2],
    #[when(gated)]
    #[param(hidden, hidden)]
    gate: Option<Linear>,
}

#[mlx_model]
impl Maps {
    pub fn forward(
        &self,
        (x, rest): (Tensor![N, hidden], Tensor![N, hidden]),
        cache: &mut State![last: [N, hidden]],
    ) -> Tensor![N, hidden] {
        let before = cache.last;
        let mut g = self.maps[1](x) + before;
        for map in self.maps {
            g = map(g);
        }
        if config.gated {
            g = g * self.gate(rest);
        }
        cache.last = g;
        g
    }
}
