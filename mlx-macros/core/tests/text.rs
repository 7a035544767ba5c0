//! Kernel text in both dialects: names of the source, a line per statement.
//!
//! `mlx-tests --test metal` runs the text.

use mlx_macros_core::entry::kernels::{mistakes, programs};
use mlx_macros_core::kernel::ir::Program;
use mlx_macros_core::kernel::text::{write, Target};

/// A kernel and its gradient.
fn read(text: &str) -> (Program, Option<Program>) {
    let f: syn::ItemFn = syn::parse_str(text).expect("the kernel is a function");
    let (program, gradient) = programs(&f).unwrap_or_else(|| {
        let found = mistakes(Default::default(), f);
        let found: Vec<String> = found.iter().map(|d| d.text()).collect();
        panic!("{}\n{text}", found.join("\n"))
    });
    (program, gradient.ok().flatten().map(|g| g.program))
}

fn text(program: &Program, target: Target) -> String {
    let text = write(program, target).expect("the text is short");
    format!("{}{}", text.header, text.body)
}

const ADD_RMS_NORM: &str = "
pub fn add_rms_norm(x: Tensor![B, L, D], r: Tensor![B, L, D], w: Tensor![D], eps: f32) -> (Tensor![B, L, D], Tensor![B, L, D]) {
    let h = x + r;
    let scale = rsqrt(mean(square(h), -1, keepdims) + eps);
    (h, h * scale * w)
}";

const SWIGLU: &str = "
pub fn swiglu(gate: Tensor![B, L, F], up: Tensor![B, L, F]) -> Tensor![B, L, F] {
    silu(gate) * up
}";

const ROTATE: &str = "
pub fn rotate(x: Tensor![B, L, H, 128], cosine: Tensor![L, 1, 64], sine: Tensor![L, 1, 64]) -> Tensor![B, H, L, 128] {
    let (a, b) = split(x, 2, -1);
    transpose(concatenate([a * cosine - b * sine, b * cosine + a * sine], -1), [0, 2, 1, 3])
}";

const PICK: &str = "
pub fn pick(x: Tensor![B, V], target: Tensor![B, 1; i32]) -> (Tensor![B, 1; f32], Tensor![B, 1; u32]) {
    let x = x.astype(f32);
    let largest = argmax(x, -1, keepdims);
    (logsumexp(x, -1, keepdims) - take_along_axis(x, target, -1), largest)
}";

#[test]
fn a_norm_with_a_sum() {
    let (program, gradient) = read(ADD_RMS_NORM);
    insta::assert_snapshot!("add_rms_norm_metal", text(&program, Target::Metal));
    insta::assert_snapshot!("add_rms_norm_cuda", text(&program, Target::Cuda));
    let gradient = gradient.expect("a norm has a gradient");
    insta::assert_snapshot!("add_rms_norm_vjp_metal", text(&gradient, Target::Metal));
    insta::assert_snapshot!("add_rms_norm_vjp_cuda", text(&gradient, Target::Cuda));
}

#[test]
fn a_gated_unit() {
    let (program, _) = read(SWIGLU);
    insta::assert_snapshot!("swiglu_metal", text(&program, Target::Metal));
    insta::assert_snapshot!("swiglu_cuda", text(&program, Target::Cuda));
}

#[test]
fn a_rotation_of_heads() {
    let (program, _) = read(ROTATE);
    insta::assert_snapshot!("rotate_metal", text(&program, Target::Metal));
}

#[test]
fn an_extreme_and_an_element_at_an_index() {
    let (program, _) = read(PICK);
    insta::assert_snapshot!("pick_metal", text(&program, Target::Metal));
}

const JOINED: &str = "
pub fn joined(gates: Tensor![N, 2, F]) -> Tensor![N, F] {
    silu(take(gates, full([], 0, i32), 1)) * take(gates, full([], 1, i32), 1)
}";

/// Parts of an array are read and written side by side, each by as few instructions as a whole one.
#[test]
fn a_gated_unit_of_one_array() {
    let (program, gradient) = read(JOINED);
    insta::assert_snapshot!("joined_cuda", text(&program, Target::Cuda));
    let gradient = gradient.expect("a gated unit has a gradient");
    insta::assert_snapshot!("joined_vjp_cuda", text(&gradient, Target::Cuda));
}
