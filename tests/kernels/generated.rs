#![cfg_attr(rustfmt, rustfmt_skip)]
//! Kernels of every operation, and random ones; `cargo xtask generate` writes this file.

use mlx_macros::mlx_kernel;
use mlx_runtime::{Array, Result};

use super::Case;

#[mlx_kernel]
fn each0(x: Tensor![B, D]) -> Tensor![B, D] { abs(x) }
fn call_each0(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each0(&x[0])?]) }
#[mlx_kernel]
fn each1(x: Tensor![B, D]) -> Tensor![B, D] { negative(x) }
fn call_each1(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each1(&x[0])?]) }
#[mlx_kernel]
fn each2(x: Tensor![B, D]) -> Tensor![B, D] { square(x) }
fn call_each2(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each2(&x[0])?]) }
#[mlx_kernel]
fn each3(x: Tensor![B, D]) -> Tensor![B, D] { exp(x) }
fn call_each3(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each3(&x[0])?]) }
#[mlx_kernel]
fn each4(x: Tensor![B, D]) -> Tensor![B, D] { expm1(x) }
fn call_each4(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each4(&x[0])?]) }
#[mlx_kernel]
fn each5(x: Tensor![B, D]) -> Tensor![B, D] { sin(x) }
fn call_each5(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each5(&x[0])?]) }
#[mlx_kernel]
fn each6(x: Tensor![B, D]) -> Tensor![B, D] { cos(x) }
fn call_each6(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each6(&x[0])?]) }
#[mlx_kernel]
fn each7(x: Tensor![B, D]) -> Tensor![B, D] { tan(x) }
fn call_each7(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each7(&x[0])?]) }
#[mlx_kernel]
fn each8(x: Tensor![B, D]) -> Tensor![B, D] { sinh(x) }
fn call_each8(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each8(&x[0])?]) }
#[mlx_kernel]
fn each9(x: Tensor![B, D]) -> Tensor![B, D] { cosh(x) }
fn call_each9(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each9(&x[0])?]) }
#[mlx_kernel]
fn each10(x: Tensor![B, D]) -> Tensor![B, D] { tanh(x) }
fn call_each10(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each10(&x[0])?]) }
#[mlx_kernel]
fn each11(x: Tensor![B, D]) -> Tensor![B, D] { arctan(x) }
fn call_each11(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each11(&x[0])?]) }
#[mlx_kernel]
fn each12(x: Tensor![B, D]) -> Tensor![B, D] { arcsinh(x) }
fn call_each12(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each12(&x[0])?]) }
#[mlx_kernel]
fn each13(x: Tensor![B, D]) -> Tensor![B, D] { erf(x) }
fn call_each13(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each13(&x[0])?]) }
#[mlx_kernel]
fn each14(x: Tensor![B, D]) -> Tensor![B, D] { sigmoid(x) }
fn call_each14(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each14(&x[0])?]) }
#[mlx_kernel]
fn each15(x: Tensor![B, D]) -> Tensor![B, D] { relu(x) }
fn call_each15(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each15(&x[0])?]) }
#[mlx_kernel]
fn each16(x: Tensor![B, D]) -> Tensor![B, D] { relu2(x) }
fn call_each16(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each16(&x[0])?]) }
#[mlx_kernel]
fn each17(x: Tensor![B, D]) -> Tensor![B, D] { relu6(x) }
fn call_each17(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each17(&x[0])?]) }
#[mlx_kernel]
fn each18(x: Tensor![B, D]) -> Tensor![B, D] { leaky_relu(x) }
fn call_each18(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each18(&x[0])?]) }
#[mlx_kernel]
fn each19(x: Tensor![B, D]) -> Tensor![B, D] { elu(x) }
fn call_each19(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each19(&x[0])?]) }
#[mlx_kernel]
fn each20(x: Tensor![B, D]) -> Tensor![B, D] { celu(x) }
fn call_each20(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each20(&x[0])?]) }
#[mlx_kernel]
fn each21(x: Tensor![B, D]) -> Tensor![B, D] { selu(x) }
fn call_each21(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each21(&x[0])?]) }
#[mlx_kernel]
fn each22(x: Tensor![B, D]) -> Tensor![B, D] { silu(x) }
fn call_each22(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each22(&x[0])?]) }
#[mlx_kernel]
fn each23(x: Tensor![B, D]) -> Tensor![B, D] { gelu(x) }
fn call_each23(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each23(&x[0])?]) }
#[mlx_kernel]
fn each24(x: Tensor![B, D]) -> Tensor![B, D] { gelu_approx(x) }
fn call_each24(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each24(&x[0])?]) }
#[mlx_kernel]
fn each25(x: Tensor![B, D]) -> Tensor![B, D] { gelu_fast_approx(x) }
fn call_each25(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each25(&x[0])?]) }
#[mlx_kernel]
fn each26(x: Tensor![B, D]) -> Tensor![B, D] { mish(x) }
fn call_each26(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each26(&x[0])?]) }
#[mlx_kernel]
fn each27(x: Tensor![B, D]) -> Tensor![B, D] { hardswish(x) }
fn call_each27(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each27(&x[0])?]) }
#[mlx_kernel]
fn each28(x: Tensor![B, D]) -> Tensor![B, D] { hard_tanh(x) }
fn call_each28(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each28(&x[0])?]) }
#[mlx_kernel]
fn each29(x: Tensor![B, D]) -> Tensor![B, D] { hard_shrink(x) }
fn call_each29(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each29(&x[0])?]) }
#[mlx_kernel]
fn each30(x: Tensor![B, D]) -> Tensor![B, D] { softshrink(x) }
fn call_each30(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each30(&x[0])?]) }
#[mlx_kernel]
fn each31(x: Tensor![B, D]) -> Tensor![B, D] { softplus(x) }
fn call_each31(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each31(&x[0])?]) }
#[mlx_kernel]
fn each32(x: Tensor![B, D]) -> Tensor![B, D] { softsign(x) }
fn call_each32(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each32(&x[0])?]) }
#[mlx_kernel]
fn each33(x: Tensor![B, D]) -> Tensor![B, D] { log_sigmoid(x) }
fn call_each33(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each33(&x[0])?]) }
#[mlx_kernel]
fn each34(x: Tensor![B, D]) -> Tensor![B, D] { degrees(x) }
fn call_each34(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each34(&x[0])?]) }
#[mlx_kernel]
fn each35(x: Tensor![B, D]) -> Tensor![B, D] { radians(x) }
fn call_each35(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each35(&x[0])?]) }
#[mlx_kernel]
fn each36(x: Tensor![B, D]) -> Tensor![B, D] { log(square(x) + 1.25) }
fn call_each36(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each36(&x[0])?]) }
#[mlx_kernel]
fn each37(x: Tensor![B, D]) -> Tensor![B, D] { log2(square(x) + 1.25) }
fn call_each37(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each37(&x[0])?]) }
#[mlx_kernel]
fn each38(x: Tensor![B, D]) -> Tensor![B, D] { log10(square(x) + 1.25) }
fn call_each38(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each38(&x[0])?]) }
#[mlx_kernel]
fn each39(x: Tensor![B, D]) -> Tensor![B, D] { log1p(square(x) + 1.25) }
fn call_each39(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each39(&x[0])?]) }
#[mlx_kernel]
fn each40(x: Tensor![B, D]) -> Tensor![B, D] { sqrt(square(x) + 1.25) }
fn call_each40(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each40(&x[0])?]) }
#[mlx_kernel]
fn each41(x: Tensor![B, D]) -> Tensor![B, D] { rsqrt(square(x) + 1.25) }
fn call_each41(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each41(&x[0])?]) }
#[mlx_kernel]
fn each42(x: Tensor![B, D]) -> Tensor![B, D] { reciprocal(square(x) + 1.25) }
fn call_each42(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each42(&x[0])?]) }
#[mlx_kernel]
fn each43(x: Tensor![B, D]) -> Tensor![B, D] { arccosh(square(x) + 1.25) }
fn call_each43(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each43(&x[0])?]) }
#[mlx_kernel]
fn each44(x: Tensor![B, D]) -> Tensor![B, D] { arcsin(tanh(x) * 0.75) }
fn call_each44(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each44(&x[0])?]) }
#[mlx_kernel]
fn each45(x: Tensor![B, D]) -> Tensor![B, D] { arccos(tanh(x) * 0.75) }
fn call_each45(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each45(&x[0])?]) }
#[mlx_kernel]
fn each46(x: Tensor![B, D]) -> Tensor![B, D] { arctanh(tanh(x) * 0.75) }
fn call_each46(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each46(&x[0])?]) }
#[mlx_kernel]
fn each47(x: Tensor![B, D]) -> Tensor![B, D] { erfinv(tanh(x) * 0.75) }
fn call_each47(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each47(&x[0])?]) }
#[mlx_kernel]
fn each48(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { add(x, y) }
fn call_each48(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each48(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each49(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { subtract(x, y) }
fn call_each49(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each49(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each50(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { multiply(x, y) }
fn call_each50(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each50(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each51(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { maximum(x, y) }
fn call_each51(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each51(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each52(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { minimum(x, y) }
fn call_each52(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each52(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each53(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { logaddexp(x, y) }
fn call_each53(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each53(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each54(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { arctan2(x, y) }
fn call_each54(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each54(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each55(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { divide(x, square(y) + 0.5) }
fn call_each55(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each55(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each56(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { power(square(x) + 0.5, y) }
fn call_each56(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each56(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each57(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { remainder(x * 3.0, square(y) + 0.7) }
fn call_each57(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each57(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each58(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { where_(less(x, y), x * y, y) }
fn call_each58(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each58(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each59(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { clip(x, y - 0.5, y + 0.5) }
fn call_each59(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each59(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each60(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { swiglu(x, y) }
fn call_each60(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each60(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each61(x: Tensor![B, D], y: Tensor![D]) -> Tensor![B, D] { prelu(x, y) }
fn call_each61(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each61(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each62(x: Tensor![B, D], w: Tensor![D]) -> Tensor![B, D] { rms_norm(x, w, 0.01) }
fn call_each62(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each62(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each63(x: Tensor![B, D], w: Tensor![D], b: Tensor![D]) -> Tensor![B, D] { layer_norm(x, w, b, 0.01) }
fn call_each63(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each63(&x[0], &x[1], &x[2])?]) }
#[mlx_kernel]
fn each64(x: Tensor![B, D]) -> Tensor![B, D] { softmax(x, -1) }
fn call_each64(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each64(&x[0])?]) }
#[mlx_kernel]
fn each65(x: Tensor![B, D]) -> Tensor![B, D] { softmin(x, -1) * 2.0 }
fn call_each65(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each65(&x[0])?]) }
#[mlx_kernel]
fn each66(x: Tensor![B, D]) -> Tensor![B, D] { log_softmax(x, -1) }
fn call_each66(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each66(&x[0])?]) }
#[mlx_kernel]
fn each67(x: Tensor![B, 6]) -> Tensor![B, 3] { glu(x, -1) }
fn call_each67(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each67(&x[0])?]) }
#[mlx_kernel]
fn each68(x: Tensor![B, D]) -> Tensor![B] { sum(x, -1) * 0.5 }
fn call_each68(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each68(&x[0])?]) }
#[mlx_kernel]
fn each69(x: Tensor![B, D]) -> Tensor![B] { mean(square(x), -1) }
fn call_each69(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each69(&x[0])?]) }
#[mlx_kernel]
fn each70(x: Tensor![B, D]) -> Tensor![B] { max(x, -1) * min(x, -1) }
fn call_each70(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each70(&x[0])?]) }
#[mlx_kernel]
fn each71(x: Tensor![B, D]) -> Tensor![B] { prod(x, -1) }
fn call_each71(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each71(&x[0])?]) }
#[mlx_kernel]
fn each72(x: Tensor![B, D]) -> Tensor![B] { logsumexp(x, -1) }
fn call_each72(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each72(&x[0])?]) }
#[mlx_kernel]
fn each73(x: Tensor![B, D]) -> Tensor![B] { var(x, -1, ddof = 1) }
fn call_each73(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each73(&x[0])?]) }
#[mlx_kernel]
fn each74(x: Tensor![B, D]) -> Tensor![B] { std(x, -1) }
fn call_each74(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each74(&x[0])?]) }
#[mlx_kernel]
fn each75(x: Tensor![B, L, D]) -> Tensor![B, L, D] { x * rsqrt(mean(square(x), [1, 2], keepdims) + 0.1) }
fn call_each75(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each75(&x[0])?]) }
#[mlx_kernel]
fn each76(x: Tensor![B, G, K], w: Tensor![G, K]) -> Tensor![B, G, K] { x * rsqrt(mean(square(x), -1, keepdims) + 0.1) * w }
fn call_each76(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each76(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each77(x: Tensor![B, G, K], w: Tensor![G, K]) -> Tensor![B, G*K] { reshape(x * softmax(x, -1) * w, [B, G*K]) }
fn call_each77(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each77(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each78(x: Tensor![B, L, H, K], c: Tensor![L, K]) -> Tensor![B, H, L, K] { transpose(x * tanh(x), [0, 2, 1, 3]) * c }
fn call_each78(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each78(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each79(x: Tensor![B, H, L, K]) -> Tensor![B, L, H*K] { reshape(transpose(softmax(x, -1), [0, 2, 1, 3]), [B, L, H*K]) }
fn call_each79(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each79(&x[0])?]) }
#[mlx_kernel]
fn each80(x: Tensor![B, L, K]) -> Tensor![B, K, L] { transpose(sin(x), [0, 2, 1]) }
fn call_each80(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each80(&x[0])?]) }
#[mlx_kernel]
fn each81(x: Tensor![B, L, K]) -> Tensor![B, L, K] { x * softmax(x, 1) }
fn call_each81(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each81(&x[0])?]) }
#[mlx_kernel]
fn each82(x: Tensor![B, L, 6], c: Tensor![L, 3], s: Tensor![L, 3]) -> Tensor![B, L, 6] { let (a, b) = split(x, 2, -1); concatenate([a * c - b * s, a * s + b * c], -1) }
fn call_each82(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each82(&x[0], &x[1], &x[2])?]) }
#[mlx_kernel]
fn each83(x: Tensor![B, 7]) -> Tensor![B, 3] { slice(x * x, [1], [7], strides = [2], axes = [-1]) }
fn call_each83(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each83(&x[0])?]) }
#[mlx_kernel]
fn each84(x: Tensor![B, 7]) -> Tensor![B, 7] { roll(x * x, 2, -1) + roll(x, -3, -1) }
fn call_each84(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each84(&x[0])?]) }
#[mlx_kernel]
fn each85(x: Tensor![B, D]) -> Tensor![B, D + 3] { square(pad(x * x, [(0, 0), (1, 2)], 0.5)) }
fn call_each85(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each85(&x[0])?]) }
#[mlx_kernel]
fn each86(x: Tensor![B, D], at: Tensor![B, 1; i32]) -> Tensor![B, 1] { logsumexp(x, -1, keepdims) - take_along_axis(x, at, -1) }
fn call_each86(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each86(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each87(x: Tensor![B, D], at: Tensor![B, 3; i32]) -> Tensor![B, 3] { take_along_axis(x * x, at, -1) }
fn call_each87(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each87(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each88(x: Tensor![D, K]) -> Tensor![D, K] { tril(x * x) + triu(x, 1) * 0.5 }
fn call_each88(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each88(&x[0])?]) }
#[mlx_kernel]
fn each89(x: Tensor![B, L, K; f32]) -> Tensor![B, L, K; f32] { softmax(causal_mask(x * x, window = 2), -1) * x + softmax(causal_mask(x), -1) }
fn call_each89(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each89(&x[0])?]) }
#[mlx_kernel]
fn each90(x: Tensor![B, D], y: Tensor![B, K]) -> Tensor![B, D, K] { expand_dims(sin(x), -1) * expand_dims(y, 1) }
fn call_each90(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each90(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each91(x: Tensor![B, D], s: Tensor![B]) -> (Tensor![B, D], Tensor![B]) { (x * expand_dims(s, -1), s * sum(x, -1)) }
fn call_each91(x: &[Array]) -> Result<Vec<Array>> { let y = each91(&x[0], &x[1])?; Ok(vec![y.0, y.1]) }
#[mlx_kernel]
fn each92(x: Tensor![B, L], y: Tensor![]) -> Tensor![B, L] { x * y }
fn call_each92(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each92(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each93(x: Tensor![B, D]) -> Tensor![B, D] { x * astype(arange(D), float) + astype(isfinite(x), float) }
fn call_each93(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each93(&x[0])?]) }
#[mlx_kernel]
fn each94(x: Tensor![B, D]) -> Tensor![B, D] { x + zeros_like(x) + ones_like(x) * x + full([B, D], 2.0) }
fn call_each94(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each94(&x[0])?]) }
#[mlx_kernel]
fn each95(x: Tensor![B, D]) -> Tensor![B, D, 2] { repeat(expand_dims(x * x, -1), 2, -1) }
fn call_each95(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each95(&x[0])?]) }
#[mlx_kernel]
fn each96(x: Tensor![B, H, K]) -> Tensor![B, H, 2, K] { repeat(expand_dims(x * softmax(x, -1), 2), 2, 2) }
fn call_each96(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each96(&x[0])?]) }
#[mlx_kernel]
fn each97(x: Tensor![B, 1], y: Tensor![D]) -> Tensor![B, D] { x * y + broadcast_to(x, [B, D]) * sum(broadcast_to(x, [B, D]), -1, keepdims) }
fn call_each97(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each97(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each98(x: Tensor![B, D]) -> Tensor![B, D] { x * sign(x * 3.0) }
fn call_each98(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each98(&x[0])?]) }
#[mlx_kernel]
fn each99(x: Tensor![B, D]) -> Tensor![B, D] { x * floor(x * 3.0) }
fn call_each99(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each99(&x[0])?]) }
#[mlx_kernel]
fn each100(x: Tensor![B, D]) -> Tensor![B, D] { x * ceil(x * 3.0) }
fn call_each100(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each100(&x[0])?]) }
#[mlx_kernel]
fn each101(x: Tensor![B, D]) -> Tensor![B, D] { x * trunc(x * 3.0) }
fn call_each101(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each101(&x[0])?]) }
#[mlx_kernel]
fn each102(x: Tensor![B, D]) -> Tensor![B, D] { x * round(x * 3.0) }
fn call_each102(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each102(&x[0])?]) }
#[mlx_kernel]
fn each103(x: Tensor![B, D]) -> Tensor![B, D] { x * round(x, 1) + contiguous(x) }
fn call_each103(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each103(&x[0])?]) }
#[mlx_kernel]
fn each104(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { x * floor_divide(x * 4.0, square(y) + 0.5) }
fn call_each104(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each104(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each105(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { where_(logical_or(isnan(x), logical_xor(isinf(x), logical_not(less_equal(x, y)))), x * 2.0, y) }
fn call_each105(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each105(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each106(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { where_(logical_and(greater_equal(x, y), not_equal(x, y)), x * y, where_(logical_or(isposinf(x), isneginf(y)), y, x)) }
fn call_each106(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each106(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each107(x: Tensor![B, D]) -> Tensor![B, D] { nan_to_num(x, 0.5, 100.0, -100.0) * x * astype(equal(x, x), float) }
fn call_each107(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each107(&x[0])?]) }
#[mlx_kernel]
fn each108(x: Tensor![B, D]) -> Tensor![B] { astype(argmax(x, -1), float) * sum(x, -1) + astype(argmin(x, -1), float) }
fn call_each108(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each108(&x[0])?]) }
#[mlx_kernel]
fn each109(x: Tensor![B, D]) -> Tensor![B, D] { x * astype(any(greater(x, zeros_like(x)), -1, keepdims), float) + x * astype(all(less(x, ones_like(x)), -1, keepdims), float) }
fn call_each109(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each109(&x[0])?]) }
#[mlx_kernel]
fn each110(x: Tensor![B, D], n: Tensor![B, D; i32]) -> Tensor![B, D] { x * astype(bitwise_or(bitwise_and(n, n + 1), bitwise_xor(n, bitwise_invert(n))) + left_shift(n, 2) - right_shift(n, 1), float) }
fn call_each110(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each110(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each111(x: Tensor![D, D2]) -> Tensor![D, D2] { x * (eye(D, D2) + tri(D, D2, 1) + zeros([D, D2]) + ones([D, D2])) }
fn call_each111(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each111(&x[0])?]) }
#[mlx_kernel]
fn each112(x: Tensor![B, L, K]) -> Tensor![B, K, L] { square(swapaxes(moveaxis(x, 0, 1), 0, 1)).swapaxes(1, 2) }
fn call_each112(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each112(&x[0])?]) }
#[mlx_kernel]
fn each113(x: Tensor![B, L, K]) -> Tensor![B, L*K] { flatten(unflatten(flatten(x * x, 0, 1), 0, [B, L]), 1, 2) }
fn call_each113(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each113(&x[0])?]) }
#[mlx_kernel]
fn each114(x: Tensor![B, 1, K]) -> Tensor![B, K] { squeeze(stop_gradient(sign(x)) * x, 1) + squeeze(x, 1) }
fn call_each114(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each114(&x[0])?]) }
#[mlx_kernel]
fn each115(table: Tensor![K], at: Tensor![B; i32], x: Tensor![B, L]) -> Tensor![B, L] { expand_dims(take(table * table, at, 0), -1) * x }
fn call_each115(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each115(&x[0], &x[1], &x[2])?]) }
#[mlx_kernel]
fn each116(x: Tensor![B, D], key: Tensor![2; u32]) -> Tensor![B, D] { where_(random::bernoulli(0.75, [B, D], key), x * x / 0.75, zeros_like(x)) }
fn call_each116(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each116(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each117(x: Tensor![B, L, D], key: Tensor![2; u32]) -> Tensor![L, B, D] { transpose(x * astype(random::uniform(0.5, 2.0, [B, L, D], key), float) * astype(right_shift(random::bits([L, 1], key), 28), float), [1, 0, 2]) }
fn call_each117(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each117(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each118(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { mse_loss(x, y, reduction = "none") + l1_loss(x, y, reduction = "none") * x }
fn call_each118(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each118(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each119(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { smooth_l1_loss(x, y, 0.7, reduction = "none") + huber_loss(x * 2.0, y, 0.8) + log_cosh_loss(x, y) }
fn call_each119(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each119(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each120(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { hinge_loss(x, y) + margin_ranking_loss(x, y, sin(y), 0.1) }
fn call_each120(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each120(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each121(x: Tensor![B, D], y: Tensor![B, D], v: Tensor![B, D]) -> Tensor![B, D] { gaussian_nll_loss(x, y, square(v) + 0.5, full = true, reduction = "none") + gaussian_nll_loss(x, y, square(v) + 0.1, reduction = "none") }
fn call_each121(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each121(&x[0], &x[1], &x[2])?]) }
#[mlx_kernel]
fn each122(x: Tensor![B, D], y: Tensor![B, D], w: Tensor![B, D]) -> Tensor![B, D] { binary_cross_entropy(x, sigmoid(y), w, reduction = "none") + binary_cross_entropy(sigmoid(x), sigmoid(y), with_logits = false, reduction = "none") }
fn call_each122(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each122(&x[0], &x[1], &x[2])?]) }
#[mlx_kernel]
fn each123(x: Tensor![B, D], t: Tensor![B; i32], w: Tensor![B; f32]) -> Tensor![B; f32] { cross_entropy(x, t, w) + cross_entropy(x * 0.5, t, label_smoothing = 0.1) }
fn call_each123(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each123(&x[0], &x[1], &x[2])?]) }
#[mlx_kernel]
fn each124(x: Tensor![B, D], t: Tensor![B, D]) -> Tensor![B; f32] { cross_entropy(x, softmax(t, -1)) }
fn call_each124(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each124(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each125(x: Tensor![B, D], t: Tensor![B; i32]) -> Tensor![B] { nll_loss(log_softmax(x, -1), t) }
fn call_each125(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each125(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each126(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B] { kl_div_loss(log_softmax(x, -1), log_softmax(y, -1)) + cosine_similarity_loss(x, y, 1) * vecdot(x, y) }
fn call_each126(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each126(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each127(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D] { x * astype(isclose(x, y * 0.5 + x * 0.5, 0.1, 0.2), float) + y * astype(isclose(x, y, equal_nan = true), float) }
fn call_each127(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each127(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each128(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, 3, D] { stack([x * y, tanh(x), y], 1) }
fn call_each128(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each128(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each129(x: Tensor![B, D], y: Tensor![B, D]) -> Tensor![B, D, 2] { softmax(stack([x * y, tanh(x)], -1), -1) }
fn call_each129(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each129(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each130(x: Tensor![B, D], y: Tensor![D]) -> Tensor![3, B, 2 * D] { tile(x * y, [3, 1, 2]) }
fn call_each130(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each130(&x[0], &x[1])?]) }
#[mlx_kernel]
fn each131(x: Tensor![B, L, D]) -> Tensor![B * 2, L, D] { tile(softmax(x, -1), [2, 1, 1]) }
fn call_each131(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each131(&x[0])?]) }
#[mlx_kernel]
fn each132(x: Tensor![B, 2, D]) -> Tensor![B, D] { silu(take(x, full([], 0, i32), 1)) * take(x, full([], 1, i32), 1) }
fn call_each132(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each132(&x[0])?]) }
#[mlx_kernel]
fn each133(x: Tensor![B, 3, D]) -> Tensor![B, D] { exp(take(x, full([], 2, i32), 1)) * take(x, full([], 0, i32), 1) }
fn call_each133(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![each133(&x[0])?]) }
#[mlx_kernel]
fn random0(y: Tensor![B, L, D], z: Tensor![B, L, E], s: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, E]) {
    let v0 = softplus(s);
    let v1 = concatenate([y, z], -1);
    let v2 = mean(y, -1, keepdims);
    let v3 = sqrt(var(y, -1, keepdims) + 0.1);
    let v4 = log_softmax(z, -1);
    let v5 = mean(square(v1), -1, keepdims);
    let v6 = sqrt(var(y, -1, keepdims) + 0.1);
    let v7 = where_(less(v6, 0.3), v6, v3 * 0.5);
    let v8 = leaky_relu(v7);
    let v9 = log(square(v5) + 1.0);
    let v10 = sin(v6);
    let v11 = sigmoid(v9);
    let v12 = v0 + v8;
    let v13 = v12 + v10;
    let v14 = v13 + v11;
    (v14, v2, v4)
}

fn call_random0(x: &[Array]) -> Result<Vec<Array>> { let y = random0(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random1(y: Tensor![B, L, D], u: Tensor![E], s: Tensor![B, L, 1], t: Tensor![B, L, 1]) -> (Tensor![B, L, E], Tensor![B, L, D], Tensor![B, L, 1]) {
    let v0 = where_(less(u, 0.3), u, t * 0.5);
    let v1 = minimum(s, y);
    let v2 = stop_gradient(s) + 0.25;
    (v0, v1, v2)
}

fn call_random1(x: &[Array]) -> Result<Vec<Array>> { let y = random1(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random2(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], w: Tensor![D], s: Tensor![B, L, 1], t: Tensor![B, L, 1], at: Tensor![B, L, 1; i32]) -> (Tensor![B, L, 1], Tensor![B, L, D], Tensor![B, L, D + E]) {
    let v0 = logaddexp(t, w);
    let v1 = silu(v0);
    let v2 = power(square(t) + 0.5, 0.75);
    let v3 = where_(greater(v1, v0), v1 * 2.0, v0);
    let v4 = s * y;
    let v5 = take_along_axis(v1, at, -1);
    let v6 = max(v4, -1, keepdims);
    let v7 = concatenate([v0, z], -1);
    let v8 = maximum(x, v0);
    let v9 = sigmoid(v5);
    let v10 = tanh(v6);
    let v11 = v9 * v9;
    let v12 = v10 * v0;
    let v13 = expm1(tanh(v9));
    let v14 = log_softmax(v8, -1);
    let v15 = sum(v4, -1, keepdims);
    let v16 = rsqrt(square(v14) + 0.5);
    let v17 = var(v8, -1, keepdims);
    let v18 = concatenate([v14, z], -1);
    let v19 = concatenate([v12, z], -1);
    let v20 = v2 + v11;
    let v21 = v20 + v13;
    let v22 = v21 + v15;
    let v23 = v22 + sum(v16, -1, keepdims);
    let v24 = v23 + v17;
    let v25 = v24 + sum(v18, -1, keepdims);
    let v26 = v25 + sum(v19, -1, keepdims);
    (v26, v3, v7)
}

fn call_random2(x: &[Array]) -> Result<Vec<Array>> { let y = random2(&x[0], &x[1], &x[2], &x[3], &x[4], &x[5], &x[6])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random3(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], s: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = abs(s);
    let v1 = mean(x, -1, keepdims);
    let v2 = mean(square(y), -1, keepdims);
    let v3 = arctan(v2);
    let v4 = concatenate([y, z], -1);
    let v5 = power(square(v3) + 0.5, tanh(v2));
    let v6 = gelu(v3);
    let v7 = sin(v5);
    let v8 = sigmoid(v4);
    let v9 = log_softmax(v4, -1);
    let v10 = v0 + v7;
    let v11 = v10 + sum(v8, -1, keepdims);
    let v12 = v11 + sum(v9, -1, keepdims);
    (v12, v1, v6)
}

fn call_random3(x: &[Array]) -> Result<Vec<Array>> { let y = random3(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random4(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], w: Tensor![D], s: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, D + E], Tensor![B, L, 1]) {
    let v0 = min(x, -1, keepdims);
    let v1 = log_softmax(y, -1);
    let v2 = log_softmax(z, -1);
    let v3 = min(v1, -1, keepdims);
    let v4 = concatenate([y, z], -1);
    let v5 = min(v1, -1, keepdims);
    let v6 = min(z, -1, keepdims);
    let v7 = clip(v3, -1.0, 1.0);
    let v8 = log_softmax(v1, -1);
    let v9 = log1p(square(s));
    let v10 = v2 - mean(v2, -1, keepdims);
    let v11 = v8 / (square(v9) + 1.0);
    let v12 = log_softmax(v10, -1);
    let v13 = log1p(square(w));
    let v14 = abs(v1);
    let v15 = v7 * v12;
    let v16 = v12 / (square(v7) + 1.0);
    let v17 = v0 + v6;
    let v18 = v17 + sum(v11, -1, keepdims);
    let v19 = v18 + sum(v13, -1, keepdims);
    let v20 = v19 + sum(v14, -1, keepdims);
    let v21 = v20 + sum(v15, -1, keepdims);
    let v22 = v21 + sum(v16, -1, keepdims);
    (v22, v4, v5)
}

fn call_random4(x: &[Array]) -> Result<Vec<Array>> { let y = random4(&x[0], &x[1], &x[2], &x[3], &x[4])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random5(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], s: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, D + E], Tensor![B, L, D]) {
    let v0 = power(square(s) + 0.5, 0.75);
    let v1 = softmax(x, -1);
    let v2 = logsumexp(x, -1, keepdims);
    let v3 = sqrt(var(v1, -1, keepdims) + 0.1);
    let v4 = concatenate([y, z], -1);
    let v5 = where_(less(v1, 0.3), v1, v2 * 0.5);
    let v6 = v3 * v2;
    let v7 = v0 + v6;
    (v7, v4, v5)
}

fn call_random5(x: &[Array]) -> Result<Vec<Array>> { let y = random5(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random6(x: Tensor![B, L, D], z: Tensor![B, L, E], s: Tensor![B, L, 1]) -> (Tensor![B, L, E], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = concatenate([x, z], -1);
    let v1 = slice(v0, [D], [D + E], axes = [-1]);
    let v2 = sqrt(var(v0, -1, keepdims) + 0.1);
    let v3 = sqrt(square(s) + 0.5);
    let v4 = reciprocal(square(v3) + 1.0);
    let v5 = arctan(v2);
    (v1, v4, v5)
}

fn call_random6(x: &[Array]) -> Result<Vec<Array>> { let y = random6(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random7(z: Tensor![B, L, E], s: Tensor![B, L, 1], t: Tensor![B, L, 1]) -> (Tensor![B, L, E], Tensor![B, L, 1]) {
    let v0 = softplus(z);
    let v1 = s - t;
    (v0, v1)
}

fn call_random7(x: &[Array]) -> Result<Vec<Array>> { let y = random7(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1]) }
#[mlx_kernel]
fn random8(x: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E]) -> (Tensor![B, L, 1], Tensor![B, L, D + E], Tensor![B, L, D + E]) {
    let v0 = square(u) * 0.5;
    let v1 = concatenate([x, z], -1);
    let v2 = softmax(v1, -1);
    let v3 = rsqrt(square(v2) + 0.5);
    let v4 = rsqrt(square(v2) + 0.5);
    let v5 = max(v1, -1, keepdims);
    let v6 = softplus(v2);
    let v7 = where_(greater(v6, v3), v6 * 2.0, v3);
    let v8 = max(v7, -1, keepdims);
    let v9 = gelu(v3);
    let v10 = mean(square(v6), -1, keepdims);
    let v11 = v10 + v7;
    let v12 = swiglu(v10 + 0.0 * v8, v8 + 0.0 * v10);
    let v13 = log(square(v11) + 1.0);
    let v14 = v1 - v12;
    let v15 = leaky_relu(v4);
    let v16 = concatenate([x, z], -1);
    let v17 = maximum(v16, v16);
    let v18 = v15 * v14;
    let v19 = v17 / (square(v15) + 1.0);
    let v20 = v5 + sum(v0, -1, keepdims);
    let v21 = v20 + sum(v18, -1, keepdims);
    let v22 = v21 + sum(v19, -1, keepdims);
    (v22, v9, v13)
}

fn call_random8(x: &[Array]) -> Result<Vec<Array>> { let y = random8(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random9(y: Tensor![B, L, D], z: Tensor![B, L, E], w: Tensor![D], s: Tensor![B, L, 1]) -> (Tensor![B, L, D], Tensor![B, L, 1], Tensor![B, L, D]) {
    let v0 = min(y, -1, keepdims);
    let v1 = abs(y);
    let v2 = minimum(v1, w);
    let v3 = relu(v0);
    let v4 = swiglu(v1 + 0.0 * v0, v0 + 0.0 * v1);
    let v5 = concatenate([y, z], -1);
    let v6 = where_(less(z, 0.3), z, s * 0.5);
    let v7 = v2 + sum(v5, -1, keepdims);
    let v8 = v7 + sum(v6, -1, keepdims);
    (v8, v3, v4)
}

fn call_random9(x: &[Array]) -> Result<Vec<Array>> { let y = random9(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random10(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E], s: Tensor![B, L, 1], t: Tensor![B, L, 1]) -> (Tensor![B, L, E], Tensor![B, L, 1], Tensor![B, L, D]) {
    let v0 = prod(tanh(x) + 0.1, -1, keepdims);
    let v1 = power(square(u) + 0.5, tanh(t));
    let v2 = rsqrt(square(t) + 0.5);
    let v3 = where_(greater(v0, v2), v0 * 2.0, v2);
    let v4 = swiglu(v3 + 0.0 * v1, v1 + 0.0 * v3);
    let v5 = concatenate([y, z], -1);
    let v6 = rsqrt(square(v5) + 0.5);
    let v7 = abs(v3);
    let v8 = slice(v5, [1], [D + 1], axes = [-1]);
    let v9 = log_softmax(v5, -1);
    let v10 = power(square(v9) + 0.5, tanh(s));
    let v11 = log(square(v2) + 1.0);
    let v12 = softmax(v6, -1);
    let v13 = minimum(v11, v10);
    let v14 = roll(v9, 1, -1);
    let v15 = arctan2(v12, square(v13) + 0.5);
    let v16 = v4 + sum(v14, -1, keepdims);
    let v17 = v16 + sum(v15, -1, keepdims);
    (v17, v7, v8)
}

fn call_random10(x: &[Array]) -> Result<Vec<Array>> { let y = random10(&x[0], &x[1], &x[2], &x[3], &x[4], &x[5])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random11(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], s: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, D]) {
    let v0 = min(z, -1, keepdims);
    let v1 = abs(s);
    let v2 = s * v0;
    let v3 = var(y, -1, keepdims);
    let v4 = exp(tanh(v3));
    let v5 = x - v1;
    let v6 = log_softmax(y, -1);
    let v7 = clip(v6, -1.0, 1.0);
    let v8 = v6 * v7;
    let v9 = v2 + sum(v8, -1, keepdims);
    (v9, v4, v5)
}

fn call_random11(x: &[Array]) -> Result<Vec<Array>> { let y = random11(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random12(y: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E], t: Tensor![B, L, 1]) -> (Tensor![B, L, E], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = roll(z, 1, -1);
    let v1 = u + z;
    let v2 = concatenate([y, v1], -1);
    let v3 = concatenate([y, z], -1);
    let v4 = max(v3, -1, keepdims);
    let v5 = prod(tanh(v3) + 0.1, -1, keepdims);
    let v6 = leaky_relu(v2);
    let v7 = cos(v6);
    let v8 = roll(v3, 1, -1);
    let v9 = mean(square(v8), -1, keepdims);
    let v10 = where_(greater(v7, t), v7 * 2.0, t);
    let v11 = slice(v2, [0], [D], axes = [-1]);
    let v12 = maximum(v9, v11);
    let v13 = sqrt(var(v3, -1, keepdims) + 0.1);
    let v14 = prod(tanh(v11) + 0.1, -1, keepdims);
    let v15 = elu(v14);
    let v16 = square(v12) * 0.5;
    let v17 = gelu_approx(v15);
    let v18 = abs(v16);
    let v19 = v0 + sum(v10, -1, keepdims);
    let v20 = v19 + v13;
    let v21 = v20 + v17;
    let v22 = v21 + sum(v18, -1, keepdims);
    (v22, v4, v5)
}

fn call_random12(x: &[Array]) -> Result<Vec<Array>> { let y = random12(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random13(x: Tensor![B, L, D], y: Tensor![B, L, D], u: Tensor![E], s: Tensor![B, L, 1]) -> (Tensor![B, L, D], Tensor![B, L, D]) {
    let v0 = y - mean(y, -1, keepdims);
    let v1 = cos(u);
    let v2 = elu(x);
    let v3 = power(square(v2) + 0.5, tanh(s));
    let v4 = v0 + sum(v1, -1, keepdims);
    (v4, v3)
}

fn call_random13(x: &[Array]) -> Result<Vec<Array>> { let y = random13(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1]) }
#[mlx_kernel]
fn random14(x: Tensor![B, L, D], w: Tensor![D], s: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, D]) {
    let v0 = logsumexp(x, -1, keepdims);
    let v1 = logaddexp(v0, w);
    let v2 = var(x, -1, keepdims);
    let v3 = elu(s);
    let v4 = where_(greater(v1, v3), v1 * 2.0, v3);
    (v2, v4)
}

fn call_random14(x: &[Array]) -> Result<Vec<Array>> { let y = random14(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1]) }
#[mlx_kernel]
fn random15(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], w: Tensor![D], s: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, D]) {
    let v0 = mean(z, -1, keepdims);
    let v1 = logsumexp(y, -1, keepdims);
    let v2 = s * v0;
    let v3 = relu(w);
    let v4 = x - mean(x, -1, keepdims);
    let v5 = -v4;
    let v6 = arctan2(v5, square(v5) + 0.5);
    let v7 = stop_gradient(v3) + 0.25;
    let v8 = elu(v4);
    let v9 = v8 - v5;
    let v10 = v1 + sum(v7, -1, keepdims);
    let v11 = v10 + sum(v9, -1, keepdims);
    (v11, v2, v6)
}

fn call_random15(x: &[Array]) -> Result<Vec<Array>> { let y = random15(&x[0], &x[1], &x[2], &x[3], &x[4])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random16(x: Tensor![B, L, D], t: Tensor![B, L, 1]) -> (Tensor![B, L, D], Tensor![B, L, 1]) {
    let v0 = x * t;
    let v1 = mean(x, -1, keepdims);
    (v0, v1)
}

fn call_random16(x: &[Array]) -> Result<Vec<Array>> { let y = random16(&x[0], &x[1])?; Ok(vec![y.0, y.1]) }
#[mlx_kernel]
fn random17(y: Tensor![B, L, D], z: Tensor![B, L, E], t: Tensor![B, L, 1]) -> (Tensor![B, L, D], Tensor![B, L, D], Tensor![B, L, D + E]) {
    let v0 = log1p(square(y));
    let v1 = elu(v0);
    let v2 = concatenate([y, z], -1);
    let v3 = sin(v0);
    let v4 = power(square(v2) + 0.5, tanh(v2));
    let v5 = softplus(v4);
    let v6 = log_softmax(v2, -1);
    let v7 = arctan2(v4, square(v4) + 0.5);
    let v8 = v5 * v7;
    let v9 = sqrt(var(v7, -1, keepdims) + 0.1);
    let v10 = min(y, -1, keepdims);
    let v11 = power(square(v7) + 0.5, tanh(t));
    let v12 = elu(t);
    let v13 = v9 * t;
    let v14 = v1 + sum(v8, -1, keepdims);
    let v15 = v14 + v10;
    let v16 = v15 + sum(v11, -1, keepdims);
    let v17 = v16 + v12;
    let v18 = v17 + v13;
    (v18, v3, v6)
}

fn call_random17(x: &[Array]) -> Result<Vec<Array>> { let y = random17(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random18(y: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E]) -> (Tensor![B, L, D], Tensor![B, L, E]) {
    let v0 = maximum(z, u);
    let v1 = minimum(y, y);
    let v2 = gelu_approx(v1);
    let v3 = power(square(v0) + 0.5, 0.75);
    (v2, v3)
}

fn call_random18(x: &[Array]) -> Result<Vec<Array>> { let y = random18(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1]) }
#[mlx_kernel]
fn random19(z: Tensor![B, L, E]) -> Tensor![B, L, 1] {
    let v0 = sqrt(var(z, -1, keepdims) + 0.1);
    v0
}

fn call_random19(x: &[Array]) -> Result<Vec<Array>> { Ok(vec![random19(&x[0])?]) }
#[mlx_kernel]
fn random20(y: Tensor![B, L, D], u: Tensor![E], s: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, E]) {
    let v0 = s * u;
    let v1 = where_(less(u, 0.3), u, s * 0.5);
    let v2 = sqrt(var(v0, -1, keepdims) + 0.1);
    let v3 = erf(v1);
    let v4 = where_(greater(v0, v1), v0 * 2.0, v1);
    let v5 = sqrt(var(v1, -1, keepdims) + 0.1);
    let v6 = sqrt(square(v3) + 0.5);
    let v7 = log(square(v4) + 1.0);
    let v8 = concatenate([y, v4], -1);
    let v9 = v2 + sum(v7, -1, keepdims);
    let v10 = v9 + sum(v8, -1, keepdims);
    (v10, v5, v6)
}

fn call_random20(x: &[Array]) -> Result<Vec<Array>> { let y = random20(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random21(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E], s: Tensor![B, L, 1], t: Tensor![B, L, 1], at: Tensor![B, L, 1; i32]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = u + u;
    let v1 = swiglu(s + 0.0 * u, u + 0.0 * s);
    let v2 = erf(v1);
    let v3 = sqrt(var(x, -1, keepdims) + 0.1);
    let v4 = min(y, -1, keepdims);
    let v5 = where_(greater(t, v3), t * 2.0, v3);
    let v6 = prod(tanh(z) + 0.1, -1, keepdims);
    let v7 = mean(square(v1), -1, keepdims);
    let v8 = log_softmax(v2, -1);
    let v9 = maximum(v5, v5);
    let v10 = sigmoid(v2);
    let v11 = sum(v2, -1, keepdims);
    let v12 = take_along_axis(v10, at, -1);
    let v13 = abs(v12);
    let v14 = sigmoid(v12);
    let v15 = power(square(v13) + 0.5, tanh(v12));
    let v16 = cos(v14);
    let v17 = v4 + sum(v0, -1, keepdims);
    let v18 = v17 + sum(v8, -1, keepdims);
    let v19 = v18 + v9;
    let v20 = v19 + v11;
    let v21 = v20 + v15;
    let v22 = v21 + v16;
    (v22, v6, v7)
}

fn call_random21(x: &[Array]) -> Result<Vec<Array>> { let y = random21(&x[0], &x[1], &x[2], &x[3], &x[4], &x[5], &x[6])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random22(y: Tensor![B, L, D], u: Tensor![E], s: Tensor![B, L, 1]) -> (Tensor![B, L, D], Tensor![B, L, E], Tensor![B, L, 1]) {
    let v0 = rsqrt(square(y) + 0.5);
    let v1 = minimum(u, s);
    let v2 = log1p(square(s));
    let v3 = where_(greater(v1, v2), v1 * 2.0, v2);
    let v4 = leaky_relu(v2);
    let v5 = v1 - v1;
    let v6 = max(v1, -1, keepdims);
    let v7 = expm1(tanh(v5));
    let v8 = where_(greater(v4, v5), v4 * 2.0, v5);
    let v9 = v8 / (square(v7) + 1.0);
    let v10 = v7 - v7;
    let v11 = v0 + sum(v9, -1, keepdims);
    let v12 = v11 + sum(v10, -1, keepdims);
    (v12, v3, v6)
}

fn call_random22(x: &[Array]) -> Result<Vec<Array>> { let y = random22(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random23(y: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = maximum(u, u);
    let v1 = v0 + u;
    let v2 = logaddexp(v1, u);
    let v3 = concatenate([y, z], -1);
    let v4 = var(v3, -1, keepdims);
    let v5 = logsumexp(z, -1, keepdims);
    let v6 = expm1(tanh(v4));
    let v7 = log1p(square(v2));
    let v8 = sin(v4);
    let v9 = v5 + sum(v7, -1, keepdims);
    (v9, v6, v8)
}

fn call_random23(x: &[Array]) -> Result<Vec<Array>> { let y = random23(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random24(x: Tensor![B, L, D], s: Tensor![B, L, 1], t: Tensor![B, L, 1]) -> (Tensor![B, L, D], Tensor![B, L, 1], Tensor![B, L, D]) {
    let v0 = sigmoid(x);
    let v1 = silu(v0);
    let v2 = v0 * v0;
    let v3 = t + t;
    let v4 = s * v1;
    (v2, v3, v4)
}

fn call_random24(x: &[Array]) -> Result<Vec<Array>> { let y = random24(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random25(x: Tensor![B, L, D], y: Tensor![B, L, D], s: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = var(y, -1, keepdims);
    let v1 = swiglu(s + 0.0 * s, s + 0.0 * s);
    let v2 = sum(x, -1, keepdims);
    let v3 = abs(v2);
    let v4 = sqrt(var(x, -1, keepdims) + 0.1);
    let v5 = tanh(v2);
    let v6 = v0 + v4;
    let v7 = v6 + v5;
    (v7, v1, v3)
}

fn call_random25(x: &[Array]) -> Result<Vec<Array>> { let y = random25(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random26(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], t: Tensor![B, L, 1], at: Tensor![B, L, 1; i32]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = concatenate([x, z], -1);
    let v1 = log_softmax(y, -1);
    let v2 = -v0;
    let v3 = -v0;
    let v4 = take_along_axis(v2, at, -1);
    let v5 = stop_gradient(v2) + 0.25;
    let v6 = mean(v1, -1, keepdims);
    let v7 = swiglu(v6 + 0.0 * v3, v3 + 0.0 * v6);
    let v8 = mean(square(v5), -1, keepdims);
    let v9 = min(v7, -1, keepdims);
    let v10 = log(square(v6) + 1.0);
    let v11 = power(square(t) + 0.5, 0.75);
    let v12 = prod(tanh(v7) + 0.1, -1, keepdims);
    let v13 = var(v5, -1, keepdims);
    let v14 = v4 + v10;
    let v15 = v14 + v11;
    let v16 = v15 + v12;
    let v17 = v16 + v13;
    (v17, v8, v9)
}

fn call_random26(x: &[Array]) -> Result<Vec<Array>> { let y = random26(&x[0], &x[1], &x[2], &x[3], &x[4])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random27(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], t: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = concatenate([x, z], -1);
    let v1 = min(y, -1, keepdims);
    let v2 = arctan2(t, square(v1) + 0.5);
    let v3 = reciprocal(square(t) + 1.0);
    let v4 = arctan(v0);
    let v5 = sqrt(var(v4, -1, keepdims) + 0.1);
    let v6 = concatenate([x, z], -1);
    let v7 = var(v6, -1, keepdims);
    let v8 = concatenate([x, z], -1);
    let v9 = swiglu(v6 + 0.0 * v7, v7 + 0.0 * v6);
    let v10 = v2 + sum(v8, -1, keepdims);
    let v11 = v10 + sum(v9, -1, keepdims);
    (v11, v3, v5)
}

fn call_random27(x: &[Array]) -> Result<Vec<Array>> { let y = random27(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random28(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E], t: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = max(y, -1, keepdims);
    let v1 = t - u;
    let v2 = maximum(t, t);
    let v3 = min(v1, -1, keepdims);
    let v4 = sum(z, -1, keepdims);
    let v5 = sqrt(var(y, -1, keepdims) + 0.1);
    let v6 = logsumexp(v1, -1, keepdims);
    let v7 = minimum(v3, v5);
    let v8 = abs(v5);
    let v9 = roll(v1, 1, -1);
    let v10 = min(z, -1, keepdims);
    let v11 = tanh(x);
    let v12 = v10 * v8;
    let v13 = prod(tanh(v9) + 0.1, -1, keepdims);
    let v14 = stop_gradient(v13) + 0.25;
    let v15 = mean(v9, -1, keepdims);
    let v16 = swiglu(v12 + 0.0 * v12, v12 + 0.0 * v12);
    let v17 = elu(t);
    let v18 = v0 + v6;
    let v19 = v18 + v7;
    let v20 = v19 + sum(v11, -1, keepdims);
    let v21 = v20 + v14;
    let v22 = v21 + v15;
    let v23 = v22 + v16;
    let v24 = v23 + v17;
    (v24, v2, v4)
}

fn call_random28(x: &[Array]) -> Result<Vec<Array>> { let y = random28(&x[0], &x[1], &x[2], &x[3], &x[4])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random29(y: Tensor![B, L, D], z: Tensor![B, L, E], t: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = prod(tanh(y) + 0.1, -1, keepdims);
    let v1 = sqrt(square(t) + 0.5);
    let v2 = reciprocal(square(z) + 1.0);
    let v3 = mean(square(y), -1, keepdims);
    let v4 = logaddexp(v3, v3);
    let v5 = where_(less(v2, 0.3), v2, v2 * 0.5);
    let v6 = roll(v2, 1, -1);
    let v7 = power(square(v6) + 0.5, tanh(v5));
    let v8 = v5 + v6;
    let v9 = reciprocal(square(v7) + 1.0);
    let v10 = minimum(v8, v9);
    let v11 = v0 + sum(v10, -1, keepdims);
    (v11, v1, v4)
}

fn call_random29(x: &[Array]) -> Result<Vec<Array>> { let y = random29(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random30(w: Tensor![D], t: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, D], Tensor![B, L, 1]) {
    let v0 = minimum(t, w);
    let v1 = cos(v0);
    let v2 = sqrt(var(v1, -1, keepdims) + 0.1);
    let v3 = clip(v0, -1.0, 1.0);
    let v4 = arctan(v1);
    let v5 = logsumexp(v3, -1, keepdims);
    let v6 = leaky_relu(v5);
    (v2, v4, v6)
}

fn call_random30(x: &[Array]) -> Result<Vec<Array>> { let y = random30(&x[0], &x[1])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random31(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], t: Tensor![B, L, 1]) -> (Tensor![B, L, D], Tensor![B, L, 1], Tensor![B, L, E]) {
    let v0 = mean(y, -1, keepdims);
    let v1 = x - mean(x, -1, keepdims);
    let v2 = logaddexp(v1, t);
    let v3 = mean(square(v1), -1, keepdims);
    let v4 = v2 * v0;
    let v5 = tanh(v3);
    let v6 = var(v1, -1, keepdims);
    let v7 = z - mean(z, -1, keepdims);
    let v8 = gelu(t);
    let v9 = power(square(v7) + 0.5, tanh(v6));
    let v10 = reciprocal(square(v8) + 1.0);
    let v11 = v4 + v10;
    (v11, v5, v9)
}

fn call_random31(x: &[Array]) -> Result<Vec<Array>> { let y = random31(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random32(y: Tensor![B, L, D], z: Tensor![B, L, E], w: Tensor![D], s: Tensor![B, L, 1], t: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, D]) {
    let v0 = where_(less(w, 0.3), w, w * 0.5);
    let v1 = min(y, -1, keepdims);
    let v2 = gelu_approx(s);
    let v3 = where_(less(t, 0.3), t, v1 * 0.5);
    let v4 = sum(z, -1, keepdims);
    let v5 = logaddexp(w, v3);
    let v6 = v2 + sum(v0, -1, keepdims);
    (v6, v4, v5)
}

fn call_random32(x: &[Array]) -> Result<Vec<Array>> { let y = random32(&x[0], &x[1], &x[2], &x[3], &x[4])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random33(y: Tensor![B, L, D], z: Tensor![B, L, E], s: Tensor![B, L, 1], t: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, D], Tensor![B, L, 1]) {
    let v0 = prod(tanh(y) + 0.1, -1, keepdims);
    let v1 = -s;
    let v2 = mean(square(z), -1, keepdims);
    let v3 = swiglu(t + 0.0 * y, y + 0.0 * t);
    let v4 = swiglu(v0 + 0.0 * v3, v3 + 0.0 * v0);
    let v5 = gelu(v2);
    let v6 = -v5;
    let v7 = concatenate([y, z], -1);
    let v8 = v1 + sum(v7, -1, keepdims);
    (v8, v4, v6)
}

fn call_random33(x: &[Array]) -> Result<Vec<Array>> { let y = random33(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random34(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], at: Tensor![B, L, 1; i32]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = softmax(x, -1);
    let v1 = min(x, -1, keepdims);
    let v2 = max(x, -1, keepdims);
    let v3 = take_along_axis(y, at, -1);
    let v4 = mean(square(z), -1, keepdims);
    let v5 = concatenate([v0, z], -1);
    let v6 = mean(square(v0), -1, keepdims);
    let v7 = rsqrt(square(v4) + 0.5);
    let v8 = sum(z, -1, keepdims);
    let v9 = take_along_axis(y, at, -1);
    let v10 = sigmoid(v6);
    let v11 = clip(v8, -1.0, 1.0);
    let v12 = maximum(v10, v10);
    let v13 = log_softmax(y, -1);
    let v14 = -v12;
    let v15 = v1 + sum(v5, -1, keepdims);
    let v16 = v15 + v7;
    let v17 = v16 + v9;
    let v18 = v17 + v11;
    let v19 = v18 + sum(v13, -1, keepdims);
    let v20 = v19 + v14;
    (v20, v2, v3)
}

fn call_random34(x: &[Array]) -> Result<Vec<Array>> { let y = random34(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random35(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E], s: Tensor![B, L, 1], t: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = concatenate([y, z], -1);
    let v1 = arctan2(v0, square(s) + 0.5);
    let v2 = prod(tanh(v1) + 0.1, -1, keepdims);
    let v3 = stop_gradient(v1) + 0.25;
    let v4 = exp(tanh(v0));
    let v5 = prod(tanh(v0) + 0.1, -1, keepdims);
    let v6 = rsqrt(square(u) + 0.5);
    let v7 = mean(square(v3), -1, keepdims);
    let v8 = expm1(tanh(v7));
    let v9 = minimum(v7, v7);
    let v10 = elu(t);
    let v11 = exp(tanh(v9));
    let v12 = v10 * x;
    let v13 = v11 * v11;
    let v14 = v13 + v11;
    let v15 = swiglu(v10 + 0.0 * t, t + 0.0 * v10);
    let v16 = arctan2(v14, square(v15) + 0.5);
    let v17 = maximum(x, v14);
    let v18 = sum(v4, -1, keepdims);
    let v19 = v2 + sum(v6, -1, keepdims);
    let v20 = v19 + sum(v12, -1, keepdims);
    let v21 = v20 + v16;
    let v22 = v21 + sum(v17, -1, keepdims);
    let v23 = v22 + v18;
    (v23, v5, v8)
}

fn call_random35(x: &[Array]) -> Result<Vec<Array>> { let y = random35(&x[0], &x[1], &x[2], &x[3], &x[4], &x[5])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random36(x: Tensor![B, L, D], z: Tensor![B, L, E], t: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, 1]) {
    let v0 = concatenate([x, z], -1);
    let v1 = concatenate([x, z], -1);
    let v2 = v1 * t;
    let v3 = roll(v1, 1, -1);
    let v4 = mean(square(v2), -1, keepdims);
    let v5 = logsumexp(v3, -1, keepdims);
    let v6 = sqrt(var(v1, -1, keepdims) + 0.1);
    let v7 = max(v0, -1, keepdims);
    let v8 = swiglu(x + 0.0 * x, x + 0.0 * x);
    let v9 = power(square(v8) + 0.5, tanh(v5));
    let v10 = slice(v2, [0], [D], axes = [-1]);
    let v11 = erf(v2);
    let v12 = swiglu(v9 + 0.0 * v8, v8 + 0.0 * v9);
    let v13 = power(square(v8) + 0.5, tanh(v12));
    let v14 = v4 + sum(v10, -1, keepdims);
    let v15 = v14 + sum(v11, -1, keepdims);
    let v16 = v15 + sum(v13, -1, keepdims);
    (v16, v6, v7)
}

fn call_random36(x: &[Array]) -> Result<Vec<Array>> { let y = random36(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random37(z: Tensor![B, L, E], s: Tensor![B, L, 1], t: Tensor![B, L, 1]) -> (Tensor![B, L, 1], Tensor![B, L, 1], Tensor![B, L, E]) {
    let v0 = where_(greater(s, s), s * 2.0, s);
    let v1 = maximum(t, z);
    let v2 = cos(t);
    let v3 = sqrt(var(v1, -1, keepdims) + 0.1);
    let v4 = sqrt(square(v1) + 0.5);
    let v5 = minimum(v4, v3);
    let v6 = log(square(v5) + 1.0);
    (v0, v2, v6)
}

fn call_random37(x: &[Array]) -> Result<Vec<Array>> { let y = random37(&x[0], &x[1], &x[2])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random38(x: Tensor![B, L, D], y: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E]) -> (Tensor![B, L, 1], Tensor![B, L, D + E], Tensor![B, L, 1]) {
    let v0 = concatenate([x, z], -1);
    let v1 = max(v0, -1, keepdims);
    let v2 = slice(v0, [1], [D + 1], axes = [-1]);
    let v3 = max(v0, -1, keepdims);
    let v4 = sum(v2, -1, keepdims);
    let v5 = swiglu(v0 + 0.0 * v1, v1 + 0.0 * v0);
    let v6 = maximum(u, v3);
    let v7 = max(x, -1, keepdims);
    let v8 = mean(square(v2), -1, keepdims);
    let v9 = power(square(v6) + 0.5, tanh(v8));
    let v10 = concatenate([y, z], -1);
    let v11 = v4 + sum(v9, -1, keepdims);
    let v12 = v11 + sum(v10, -1, keepdims);
    (v12, v5, v7)
}

fn call_random38(x: &[Array]) -> Result<Vec<Array>> { let y = random38(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
#[mlx_kernel]
fn random39(x: Tensor![B, L, D], z: Tensor![B, L, E], u: Tensor![E], t: Tensor![B, L, 1]) -> (Tensor![B, L, E], Tensor![B, L, 1], Tensor![B, L, E]) {
    let v0 = where_(greater(u, u), u * 2.0, u);
    let v1 = sum(x, -1, keepdims);
    let v2 = logsumexp(x, -1, keepdims);
    let v3 = minimum(u, t);
    let v4 = tanh(v0);
    let v5 = where_(greater(v1, v2), v1 * 2.0, v2);
    let v6 = sqrt(var(z, -1, keepdims) + 0.1);
    let v7 = where_(greater(v4, v5), v4 * 2.0, v5);
    let v8 = abs(v5);
    let v9 = v3 + v8;
    (v9, v6, v7)
}

fn call_random39(x: &[Array]) -> Result<Vec<Array>> { let y = random39(&x[0], &x[1], &x[2], &x[3])?; Ok(vec![y.0, y.1, y.2]) }
/// All of them.
pub const CASES: &[Case] = &[
    Case { name: "each0", call: call_each0, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each1", call: call_each1, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each2", call: call_each2, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each3", call: call_each3, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each4", call: call_each4, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each5", call: call_each5, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each6", call: call_each6, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each7", call: call_each7, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each8", call: call_each8, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each9", call: call_each9, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each10", call: call_each10, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each11", call: call_each11, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each12", call: call_each12, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each13", call: call_each13, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each14", call: call_each14, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each15", call: call_each15, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each16", call: call_each16, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each17", call: call_each17, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each18", call: call_each18, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each19", call: call_each19, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each20", call: call_each20, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each21", call: call_each21, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each22", call: call_each22, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each23", call: call_each23, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each24", call: call_each24, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each25", call: call_each25, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each26", call: call_each26, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each27", call: call_each27, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each28", call: call_each28, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each29", call: call_each29, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each30", call: call_each30, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each31", call: call_each31, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each32", call: call_each32, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each33", call: call_each33, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each34", call: call_each34, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each35", call: call_each35, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each36", call: call_each36, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each37", call: call_each37, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each38", call: call_each38, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each39", call: call_each39, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each40", call: call_each40, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each41", call: call_each41, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each42", call: call_each42, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each43", call: call_each43, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each44", call: call_each44, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each45", call: call_each45, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each46", call: call_each46, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each47", call: call_each47, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each48", call: call_each48, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each49", call: call_each49, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each50", call: call_each50, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each51", call: call_each51, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each52", call: call_each52, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each53", call: call_each53, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each54", call: call_each54, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each55", call: call_each55, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each56", call: call_each56, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each57", call: call_each57, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each58", call: call_each58, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each59", call: call_each59, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each60", call: call_each60, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each61", call: call_each61, arguments: &[(&["B", "D"], "float"), (&["D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each62", call: call_each62, arguments: &[(&["B", "D"], "float"), (&["D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each63", call: call_each63, arguments: &[(&["B", "D"], "float"), (&["D"], "float"), (&["D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each64", call: call_each64, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each65", call: call_each65, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each66", call: call_each66, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each67", call: call_each67, arguments: &[(&["B", "6"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each68", call: call_each68, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each69", call: call_each69, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each70", call: call_each70, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each71", call: call_each71, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each72", call: call_each72, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each73", call: call_each73, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each74", call: call_each74, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each75", call: call_each75, arguments: &[(&["B", "L", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each76", call: call_each76, arguments: &[(&["B", "G", "K"], "float"), (&["G", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each77", call: call_each77, arguments: &[(&["B", "G", "K"], "float"), (&["G", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each78", call: call_each78, arguments: &[(&["B", "L", "H", "K"], "float"), (&["L", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each79", call: call_each79, arguments: &[(&["B", "H", "L", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each80", call: call_each80, arguments: &[(&["B", "L", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each81", call: call_each81, arguments: &[(&["B", "L", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each82", call: call_each82, arguments: &[(&["B", "L", "6"], "float"), (&["L", "3"], "float"), (&["L", "3"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each83", call: call_each83, arguments: &[(&["B", "7"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each84", call: call_each84, arguments: &[(&["B", "7"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each85", call: call_each85, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each86", call: call_each86, arguments: &[(&["B", "D"], "float"), (&["B", "1"], "i32")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each87", call: call_each87, arguments: &[(&["B", "D"], "float"), (&["B", "3"], "i32")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each88", call: call_each88, arguments: &[(&["D", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each89", call: call_each89, arguments: &[(&["B", "L", "K"], "f32")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each90", call: call_each90, arguments: &[(&["B", "D"], "float"), (&["B", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each91", call: call_each91, arguments: &[(&["B", "D"], "float"), (&["B"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each92", call: call_each92, arguments: &[(&["B", "L"], "float"), (&[], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each93", call: call_each93, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each94", call: call_each94, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each95", call: call_each95, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each96", call: call_each96, arguments: &[(&["B", "H", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each97", call: call_each97, arguments: &[(&["B", "1"], "float"), (&["D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each98", call: call_each98, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each99", call: call_each99, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each100", call: call_each100, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each101", call: call_each101, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each102", call: call_each102, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each103", call: call_each103, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each104", call: call_each104, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each105", call: call_each105, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each106", call: call_each106, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each107", call: call_each107, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each108", call: call_each108, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each109", call: call_each109, arguments: &[(&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each110", call: call_each110, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "i32")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each111", call: call_each111, arguments: &[(&["D", "D2"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each112", call: call_each112, arguments: &[(&["B", "L", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each113", call: call_each113, arguments: &[(&["B", "L", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each114", call: call_each114, arguments: &[(&["B", "1", "K"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each115", call: call_each115, arguments: &[(&["K"], "float"), (&["B"], "i32"), (&["B", "L"], "float")], sizes: &[("B", 2), ("D", 5), ("D2", 4), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each116", call: call_each116, arguments: &[(&["B", "D"], "float"), (&["2"], "u32")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each117", call: call_each117, arguments: &[(&["B", "L", "D"], "float"), (&["2"], "u32")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each118", call: call_each118, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each119", call: call_each119, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each120", call: call_each120, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each121", call: call_each121, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each122", call: call_each122, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each123", call: call_each123, arguments: &[(&["B", "D"], "float"), (&["B"], "i32"), (&["B"], "f32")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each124", call: call_each124, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each125", call: call_each125, arguments: &[(&["B", "D"], "float"), (&["B"], "i32")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each126", call: call_each126, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each127", call: call_each127, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each128", call: call_each128, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each129", call: call_each129, arguments: &[(&["B", "D"], "float"), (&["B", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each130", call: call_each130, arguments: &[(&["B", "D"], "float"), (&["D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each131", call: call_each131, arguments: &[(&["B", "L", "D"], "float")], sizes: &[("B", 2), ("D", 5), ("L", 3), ("G", 2), ("K", 4), ("H", 3)] },
    Case { name: "each132", call: call_each132, arguments: &[(&["B", "2", "D"], "float")], sizes: &[("B", 3), ("D", 5)] },
    Case { name: "each133", call: call_each133, arguments: &[(&["B", "3", "D"], "float")], sizes: &[("B", 3), ("D", 16)] },
    Case { name: "random0", call: call_random0, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random1", call: call_random1, arguments: &[(&["B", "L", "D"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random2", call: call_random2, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["D"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "i32")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random3", call: call_random3, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random4", call: call_random4, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["D"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random5", call: call_random5, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random6", call: call_random6, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random7", call: call_random7, arguments: &[(&["B", "L", "E"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random8", call: call_random8, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random9", call: call_random9, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["D"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random10", call: call_random10, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random11", call: call_random11, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random12", call: call_random12, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random13", call: call_random13, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random14", call: call_random14, arguments: &[(&["B", "L", "D"], "float"), (&["D"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random15", call: call_random15, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["D"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random16", call: call_random16, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random17", call: call_random17, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random18", call: call_random18, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random19", call: call_random19, arguments: &[(&["B", "L", "E"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random20", call: call_random20, arguments: &[(&["B", "L", "D"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random21", call: call_random21, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "i32")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random22", call: call_random22, arguments: &[(&["B", "L", "D"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random23", call: call_random23, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random24", call: call_random24, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random25", call: call_random25, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random26", call: call_random26, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "i32")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random27", call: call_random27, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random28", call: call_random28, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random29", call: call_random29, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random30", call: call_random30, arguments: &[(&["D"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random31", call: call_random31, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random32", call: call_random32, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["D"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random33", call: call_random33, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random34", call: call_random34, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "i32")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random35", call: call_random35, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random36", call: call_random36, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random37", call: call_random37, arguments: &[(&["B", "L", "E"], "float"), (&["B", "L", "1"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random38", call: call_random38, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
    Case { name: "random39", call: call_random39, arguments: &[(&["B", "L", "D"], "float"), (&["B", "L", "E"], "float"), (&["E"], "float"), (&["B", "L", "1"], "float")], sizes: &[("B", 2), ("L", 3), ("D", 19), ("E", 33)] },
];
