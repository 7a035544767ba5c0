use mlx_macros::mlx_model;
use mlx_runtime::nn::{Conv1d, Conv2d, LayerNorm, Linear, RmsNorm};

struct Config {
    image: usize,
    patch: usize,
    hidden: usize,
    eps: f32,
    bias: bool,
}

#[mlx_model(config = Config, dims(side = image / patch))]
#[require(image % patch == 0)]
#[require(hidden % 2 == 0)]
struct Net {
    #[param(hidden, patch, patch, 3, stride = patch)]
    patches: Conv2d,
    #[param(2 * hidden, 3, hidden, padding = 1, groups = 2, bias = bias)]
    mix: Conv1d,
    #[param(2 * hidden, eps = eps)]
    norm: LayerNorm,
    #[param(2 * hidden, eps = eps, offset = 1.0)]
    last: RmsNorm,
    #[param(10, 2 * hidden, bias = true)]
    head: Linear,
}

#[mlx_model]
impl Net {
    pub fn forward(&self, x: Tensor![B, image, image, 3]) -> Tensor![B, 10] {
        let h = self.patches(x).flatten(1, 2);
        let h: Tensor![B, side * side, hidden] = gelu(h);
        let h = self.last(self.norm(self.mix(h)));
        self.head(mean(h, 1))
    }
}

fn main() {
    let config = std::sync::Arc::new(Config {
        image: 8,
        patch: 4,
        hidden: 6,
        eps: 1e-6,
        bias: false,
    });
    let key = mlx_runtime::random::key(1).unwrap();
    let dtype = mlx_runtime::Dtype::Float32;
    let net: Net = mlx_runtime::model::init(&config, key, dtype).unwrap();
    let x = mlx_runtime::ops::ones(&[2, 8, 8, 3], dtype).unwrap();
    let y = net.forward(&x).unwrap();
    assert_eq!(y.to_vec::<f32>().unwrap().len(), 20);
    use mlx_runtime::model::Model;
    let names: Vec<String> = net.parameters().into_iter().map(|p| p.0).collect();
    assert!(names.contains(&"patches.bias".to_string()) && !names.contains(&"mix.bias".to_string()));
}
