use std::sync::Arc;

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::model::{init, Model};
use mlx_runtime::nn::{GroupNorm, Linear, Param};
use mlx_runtime::{ops, random::Key, Dtype};

#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    Gelu,
    Silu,
}

#[derive(Clone, Debug)]
pub struct Inner {
    pub width: usize,
    pub eps: f32,
    pub act: Act,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub hidden: usize,
    pub heads: usize,
    pub depth: usize,
    pub vision: Inner,
    pub extra: Option<Inner>,
    pub limits: [f32; 2],
    pub kinds: Vec<String>,
    pub name: String,
}

pub const SCALE: f32 = 0.5;

/// Half of the pairs turned.
#[mlx_fn]
#[require(D % 2 == 0)]
pub fn rotate_half(x: Tensor![B, D], times: i32) -> Tensor![B, D] {
    let (a, b) = split(x, 2, axis = -1);
    concatenate(&[-b, a], axis = -1) * times
}

/// A sub-model with a config of its own.
#[mlx_model(config = Inner)]
#[require(width % 2 == 0)]
#[derive(Debug)]
pub struct Tower {
    #[param(width, width)]
    map: Linear,
    #[param(width, groups = 2, eps = eps)]
    norm: GroupNorm,
}

#[mlx_model]
impl Tower {
    /// The tower.
    pub fn forward(&self, x: Tensor![B, width]) -> Tensor![B, width] {
        let y = self.encode(x);
        if config.act == Act::Gelu {
            gelu(y)
        } else {
            silu(y)
        }
    }

    /// Its first half.
    pub fn encode(&self, x: Tensor![B, width]) -> Tensor![B, width] {
        self.norm(self.map(x))
    }
}

/// A block, used at two sizes.
#[derive(Debug)]
#[mlx_model(config = Config)]
pub struct Wide {
    #[param(hidden, hidden)]
    map: Linear,
}

#[mlx_model]
impl Wide {
    /// A map.
    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.map(x)
    }
}

#[derive(Debug)]
#[mlx_model(config = Config)]
#[require(hidden % (2 * heads) == 0)]
pub struct Net<A: Model<Config = Config>> {
    #[config(vision)]
    tower: Tower,
    #[when(extra.is_some())]
    #[config(extra)]
    other: Option<Tower>,
    #[config(hidden = 2 * hidden)]
    wide: Wide,
    inner: A,
    #[param(vision.width, hidden)]
    map: Linear,
    #[param(hidden)]
    scale: Param,
}

#[mlx_model]
impl<B: Model<Config = Config>> Net<B> {
    /// All of it.
    #[cfg(not(windows))]
    pub fn forward(&self, x: Tensor![N, hidden]) -> Tensor![N, vision.width] {
        let y = self.inner(x * self.scale / hidden.sqrt());
        let twice = self.wide(concatenate([y, y], -1));
        let (half, _) = split(twice, 2, -1);
        let mut h = self.map(rotate_half(half, 3));
        h = self.tower(h) + self.tower.encode(h);
        if config.extra.is_some() && config.name != "plain" {
            h = self.scaled(h, by = SCALE);
        }
        if config.extra.is_some() {
            let o: Tensor![1, extra.width] = self.other(ones([1, extra.width]));
            h = h + mean(o);
        }
        clip(h, config.limits[0], config.limits[1])
    }

    fn scaled(&self, x: Tensor![N, vision.width], by: f32) -> Tensor![N, vision.width] {
        x * by * config.vision.eps
    }
}

fn main() -> mlx_runtime::Result<()> {
    let inner = |width| Inner {
        width,
        eps: 1e-5,
        act: Act::Silu,
    };
    let config = Config {
        hidden: 8,
        heads: 2,
        depth: 2,
        vision: inner(6),
        extra: Some(inner(4)),
        limits: [-1.0, 1.0],
        kinds: vec!["full".to_string(), "sliding".to_string()],
        name: "net".to_string(),
    };
    let net: Net<Wide> = init(&Arc::new(config.clone()), Key::new(0)?, Dtype::Float32)?;
    let y = net.forward(&ops::ones(&[3, 8], Dtype::Float32)?)?;
    assert_eq!(y.shape(), [3, 6]);
    let names: Vec<String> = net.parameters().into_iter().map(|(n, a)| format!("{n} {:?}", a.shape())).collect();
    assert!(names.contains(&"wide.map.weight [16, 16]".to_string()), "{names:?}");
    assert!(names.contains(&"other.norm.weight [4]".to_string()), "{names:?}");
    assert!(format!("{net:?}").starts_with("Net"));
    // Without it there is no second tower, and an odd size is refused.
    let without = Config { extra: None, ..config };
    let net: Net<Wide> = init(&Arc::new(without), Key::new(0)?, Dtype::Float32)?;
    assert!(!net.parameters().iter().any(|(n, _)| n.starts_with("other")));
    let error = rotate_half(&ops::ones(&[1, 3], Dtype::Float32)?, 2).unwrap_err().to_string();
    assert!(error.contains("rotate_half requires D % 2 == 0, but D = 3"), "{error}");
    Ok(())
}
