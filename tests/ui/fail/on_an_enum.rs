use mlx_macros::mlx_model;

#[mlx_model(config = Config)]
enum Net {
    A,
}

fn main() {}
