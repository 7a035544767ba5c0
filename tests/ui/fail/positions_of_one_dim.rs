use mlx_macros::mlx_fn;

#[mlx_fn]
pub fn f(x: Tensor![L; i32], cache: &mut KvCache) -> Tensor![L; i32] {
    positions(cache, x)
}

fn main() {}
