use mlx_macros::mlx_model;
use mlx_runtime::nn::Linear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[param(hidden, hidden)]
    w: Linear,
}

#[mlx_model]
impl Net {
    pub fn pattern(&self, (x, y): Tensor![B]) -> Tensor![B] {
        x + y
    }

    pub fn pair(&self, x: (Tensor![B], Tensor![B])) -> Tensor![B] {
        x
    }

    pub fn nothing(&self, x: Tensor![B]) {}

    pub fn mixed(&self, x: Tensor![B], y: Tensor![2 * N]) -> Tensor![B] {
        x
    }

    pub fn caches(&self, x: Tensor![B], a: &mut KvCache, b: &mut KvCache) -> Tensor![B] {
        x
    }

    pub fn number(&self, x: Tensor![B]) -> f32 {
        x
    }

    pub fn generic<T>(&self, x: Tensor![B]) -> Tensor![B] {
        x
    }

    pub fn text(&self, x: Tensor![B], name: String) -> Tensor![B] {
        x
    }

    pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        self.w(x) + self.mixed(x)
    }
}

fn main() {}
