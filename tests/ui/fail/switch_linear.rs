use mlx_macros::mlx_model;
use mlx_runtime::nn::SwitchLinear;
use mlx_tests::Config;

#[mlx_model(config = Config)]
pub struct Net {
    #[lora]
    #[param(heads, hidden, hidden)]
    experts: SwitchLinear,
}

#[mlx_model]
impl Net {
    pub fn alone(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        self.experts(x)
    }

    pub fn wide(&self, x: Tensor![B, L, heads], by: Tensor![B; i32]) -> Tensor![B, L, hidden] {
        self.experts(x, by)
    }

    pub fn by_floats(&self, x: Tensor![B, L, hidden], by: Tensor![B]) -> Tensor![B, L, hidden] {
        self.experts(x, by)
    }

    pub fn apart(&self, x: Tensor![B, L, hidden], by: Tensor![L; i32]) -> Tensor![B, L, hidden] {
        self.experts(x, by)
    }
}

fn main() {}
