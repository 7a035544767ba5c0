//! The bytes that a plan charges for the backward pass are those that it keeps, for every form of an operation: on the
//! CPU's fused operations, and composed of MLX's.
//! Bytes are those of the graphs, as [`memory::forecast_within`] finds them: nothing is evaluated.

use std::collections::BTreeSet;
use std::sync::Arc;

use mlx_macros::{mlx_kernel, mlx_model};
use mlx_runtime::__private::Computed;
use mlx_runtime::model::{init, Model};
use mlx_runtime::nn::{
    Conv1d, Conv2d, GroupNorm, LayerNorm, Linear, Param, RmsNorm, Rope, SwitchLinear,
};
use mlx_runtime::random::{self, Key};
use mlx_runtime::{kernels, memory, ops, transforms, Array, Dtype, Result};
use mlx_tests::Config;

#[path = "kept_bytes/passes.rs"]
mod passes;

const N: i32 = 256;

/// Methods of one model, each one form of an operation. Its value goes through an addition and a sign, which keep
/// nothing, so that what is kept is the operation's.
macro_rules! forms {
    ($($name:ident($x:ident) { $($form:tt)* })*) => {
        #[mlx_model(config = Config, fuse(except(kernels)))]
        #[require(hidden % 64 == 0)]
        struct Forms {
            #[param(hidden)]
            norm: RmsNorm,
            #[param(hidden)]
            layer_norm: LayerNorm,
            #[param(hidden, hidden)]
            map: Linear,
            #[param(2, hidden, hidden)]
            experts: SwitchLinear,
            #[param(hidden)]
            group_norm: GroupNorm,
            #[param(hidden, 3, hidden, padding = 1)]
            conv1: Conv1d,
            #[param(1, 3, 3, 1, padding = 1)]
            conv2: Conv2d,
            #[rope(hidden)]
            rope: Rope,
            #[param(hidden)]
            gain: Param,
            #[param(hidden, hidden / 8, dtype = u32)]
            packed: Param,
            #[param(hidden, hidden / 64)]
            scales: Param,
        }

        #[mlx_model]
        impl Forms {
            $(fn $name(&self, $x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
                negative($($form)*)
            })*
        }

        /// The text of each form.
        const TEXTS: &[&str] = &[$(concat!("negative ", stringify!($($form)*))),*];

        const FORMS: &[(&str, Method<Forms>)] = &[
            $((stringify!($name), Forms::$name)),*
        ];
    };
}

/// Five operations that would keep several arrays; a kernel keeps its input.
#[mlx_kernel]
fn bent(x: Tensor![A, B]) -> Tensor![A, B] {
    tanh(x) * softmax(x, -1) * sigmoid(x)
}

forms! {
    f_kernel(x) { bent(x) }
    f_abs(x) { abs(x) }
    f_square(x) { square(x) }
    f_sign(x) { sign(x) }
    f_floor(x) { floor(x) }
    f_ceil(x) { ceil(x) }
    f_trunc(x) { trunc(x) }
    f_round(x) { round(x) }
    f_exp(x) { exp(x) }
    f_expm1(x) { expm1(x) }
    f_log(x) { log(x) }
    f_log2(x) { log2(x) }
    f_log10(x) { log10(x) }
    f_log1p(x) { log1p(x) }
    f_sqrt(x) { sqrt(x) }
    f_rsqrt(x) { rsqrt(x) }
    f_reciprocal(x) { reciprocal(x) }
    f_sin(x) { sin(x) }
    f_cos(x) { cos(x) }
    f_tan(x) { tan(x) }
    f_sinh(x) { sinh(x) }
    f_cosh(x) { cosh(x) }
    f_tanh(x) { tanh(x) }
    f_arcsin(x) { arcsin(x) }
    f_arccos(x) { arccos(x) }
    f_arctan(x) { arctan(x) }
    f_arcsinh(x) { arcsinh(x) }
    f_arccosh(x) { arccosh(x) }
    f_arctanh(x) { arctanh(x) }
    f_degrees(x) { degrees(x) }
    f_radians(x) { radians(x) }
    f_erf(x) { erf(x) }
    f_erfinv(x) { erfinv(x) }
    f_sigmoid(x) { sigmoid(x) }
    f_nan_to_num(x) { nan_to_num(x) }
    f_stop_gradient(x) { stop_gradient(x) }
    f_contiguous(x) { contiguous(x) }
    f_relu(x) { relu(x) }
    f_relu2(x) { relu2(x) }
    f_relu6(x) { relu6(x) }
    f_leaky_relu(x) { leaky_relu(x) }
    f_elu(x) { elu(x) }
    f_celu(x) { celu(x) }
    f_selu(x) { selu(x) }
    f_silu(x) { silu(x) }
    f_gelu(x) { gelu(x) }
    f_gelu_approx(x) { gelu_approx(x) }
    f_gelu_fast_approx(x) { gelu_fast_approx(x) }
    f_mish(x) { mish(x) }
    f_hardswish(x) { hardswish(x) }
    f_hard_tanh(x) { hard_tanh(x) }
    f_hard_shrink(x) { hard_shrink(x) }
    f_softshrink(x) { softshrink(x) }
    f_softplus(x) { softplus(x) }
    f_softsign(x) { softsign(x) }
    f_log_sigmoid(x) { log_sigmoid(x) }
    f_softmin(x) { softmin(x) }
    f_log_softmax(x) { log_softmax(x) }
    f_swiglu(x) { silu(x) * (x + 1.0) }
    f_geglu(x) { gelu_approx(x) * (x + 1.0) }
    f_glu(x) { glu(concatenate([x, x], -1)) }
    f_add(x) { add(x, x + 1.0) }
    f_add_number(x) { x + 1.0 }
    f_subtract(x) { subtract(x, x + 1.0) }
    f_multiply(x) { multiply(x, x + 1.0) }
    f_multiply_number(x) { x * 2.0 }
    f_divide(x) { divide(x, x + 1.0) }
    f_divide_number(x) { x / 2.0 }
    f_divide_by(x) { 2.0 / x }
    f_number_power(x) { power(2.0, x) }
    f_number_minus(x) { 2.0 - x }
    f_clip_below(x) { clip(x, 0.0) }
    f_addmm(x) { addmm(x, x, x + 1.0) }
    f_inner(x) { inner(x, x + 1.0) }
    f_einsum(x) { einsum("ij,jk->ik", [x, x + 1.0]) }
    f_floor_divide(x) { floor_divide(x, x + 1.0) }
    f_zeros_like(x) { x + zeros_like(x + 1.0) }
    f_isnan(x) { where_(isnan(x + 1.0), 0.0, x) }
    f_isclose(x) { where_(isclose(x + 1.0, x + 2.0), 0.0, x) }
    f_logical_and(x) { where_(logical_and(greater(x + 1.0, 0.0), less(x + 2.0, 0.0)), 0.0, x) }
    f_maximum(x) { maximum(x, x + 1.0) }
    f_minimum(x) { minimum(x, x + 1.0) }
    f_power(x) { power(x, x + 1.0) }
    f_power_number(x) { power(x, 3.0) }
    f_logaddexp(x) { logaddexp(x, x + 1.0) }
    f_arctan2(x) { arctan2(x, x + 1.0) }
    f_remainder(x) { remainder(x, x + 1.0) }
    f_where_(x) { where_(greater(x, 0.0), x, x + 1.0) }
    f_clip(x) { clip(x, -1.0, 1.0) }
    f_matmul(x) { matmul(x, x + 1.0) }
    f_outer_sum(x) { x - sum(x, 1, keepdims = true) }
    f_mean(x) { x - mean(x, 1, keepdims = true) }
    f_max(x) { x - max(x, 1, keepdims = true) }
    f_min(x) { x - min(x, 1, keepdims = true) }
    f_prod(x) { x - prod(x, 1, keepdims = true) }
    f_logsumexp(x) { x - logsumexp(x, 1, keepdims = true) }
    f_var(x) { x - var(x, 1, keepdims = true) }
    f_std(x) { x - std(x, 1, keepdims = true) }
    f_softmax(x) { softmax(x, -1) }
    f_cumsum(x) { cumsum(x, 1) }
    f_cumprod(x) { cumprod(x, 1) }
    f_cummax(x) { cummax(x, 1) }
    f_logcumsumexp(x) { logcumsumexp(x, 1) }
    f_sort(x) { sort(x) }
    f_transpose(x) { transpose(x, [1, 0]) }
    f_reshape(x) { unflatten(flatten(x), 0, [hidden, hidden]) }
    f_concatenate(x) { x + sum(concatenate([x, x], 0), 0, keepdims = true) }
    f_stack(x) { x + sum(stack([x, x + 1.0], 0), 0) }
    f_slice(x) { x - slice(x, [0], [1], axes = [1]) }
    f_tile(x) { x + sum(tile(x, [2, 1]), 0, keepdims = true) }
    f_broadcast(x) { x + broadcast_to(sum(x, 0, keepdims = true), [hidden, hidden]) }
    f_triu(x) { triu(x) }
    f_cummin(x) { cummin(x, 1) }
    f_partition(x) { partition(x, 3) }
    f_median(x) { x - median(x, 1, keepdims = true) }
    f_repeat(x) { x + sum(repeat(x, 2, 0), 0, keepdims = true) }
    f_pad(x) { x + sum(pad(x, [(1, 1), (0, 0)]), 0, keepdims = true) }
    f_roll(x) { roll(x, 1, 1) }
    f_tril(x) { tril(x) }
    f_causal_mask(x) { causal_mask(x, 3) }
    f_layer_norm(x) { layer_norm(x) }
    f_norm(x) { self.norm(x) }
    f_linear(x) { self.map(x) }
    f_cross_entropy(x) { x + expand_dims(cross_entropy(x, stop_gradient(argmax(x, -1))).astype(float), 1) }
    f_huber_loss(x) { x + huber_loss(x, x + 1.0) }
    f_log_cosh_loss(x) { x + log_cosh_loss(x, x + 1.0) }
    f_hinge_loss(x) { x + hinge_loss(x, x + 1.0) }
    f_gaussian_nll_loss(x) { x + gaussian_nll_loss(x, x + 1.0, x + 2.0) }
    f_margin_ranking_loss(x) { x + margin_ranking_loss(x, x + 1.0, x + 2.0) }
    f_kl_div_loss(x) { x + expand_dims(kl_div_loss(x, x + 1.0), 1) }
    f_cosine_similarity_loss(x) { x + expand_dims(cosine_similarity_loss(x, x + 1.0), 1) }
    f_nll_loss(x) { x + expand_dims(nll_loss(x, stop_gradient(argmax(x, -1))), 1) }
    f_mse_loss(x) { x + mse_loss(x, x + 1.0) }
    f_l1_loss(x) { x + l1_loss(x, x + 1.0) }
    f_smooth_l1_loss(x) { x + smooth_l1_loss(x, x + 1.0) }
    f_binary_cross_entropy(x) { x + binary_cross_entropy(x, sigmoid(x)) }
    f_rope(x) { squeeze(rope(expand_dims(x, 0), hidden), 0) }
    f_attention(x) { reshape(scaled_dot_product_attention(reshape(x, [1, 1, hidden, hidden]), reshape(x + 1.0, [1, 1, hidden, hidden]), reshape(x + 2.0, [1, 1, hidden, hidden]), causal), [hidden, hidden]) }
    f_isinf(x) { where_(isinf(x + 1.0), 0.0, x) }
    f_isfinite(x) { where_(isfinite(x + 1.0), 0.0, x) }
    f_isposinf(x) { where_(isposinf(x + 1.0), 0.0, x) }
    f_isneginf(x) { where_(isneginf(x + 1.0), 0.0, x) }
    f_equal(x) { where_(equal(x + 1.0, x + 2.0), 0.0, x) }
    f_not_equal(x) { where_(not_equal(x + 1.0, x + 2.0), 0.0, x) }
    f_less_equal(x) { where_(less_equal(x + 1.0, x + 2.0), 0.0, x) }
    f_greater_equal(x) { where_(greater_equal(x + 1.0, x + 2.0), 0.0, x) }
    f_logical_or(x) { where_(logical_or(greater(x + 1.0, 0.0), less(x + 2.0, 0.0)), 0.0, x) }
    f_logical_xor(x) { where_(logical_xor(greater(x + 1.0, 0.0), less(x + 2.0, 0.0)), 0.0, x) }
    f_bitwise_and(x) { where_(bitwise_and(greater(x + 1.0, 0.0), less(x + 2.0, 0.0)), 0.0, x) }
    f_bitwise_or(x) { where_(bitwise_or(greater(x + 1.0, 0.0), less(x + 2.0, 0.0)), 0.0, x) }
    f_bitwise_xor(x) { where_(bitwise_xor(greater(x + 1.0, 0.0), less(x + 2.0, 0.0)), 0.0, x) }
    f_logical_not(x) { where_(logical_not(greater(x + 1.0, 0.0)), 0.0, x) }
    f_bitwise_invert(x) { where_(bitwise_invert(greater(x + 1.0, 0.0)), 0.0, x) }
    f_left_shift(x) { where_(greater(left_shift(argsort(x + 1.0), 1), 3), 0.0, x) }
    f_right_shift(x) { where_(greater(right_shift(argsort(x + 1.0), 1), 3), 0.0, x) }
    f_argsort(x) { where_(greater(argsort(x + 1.0), 3), 0.0, x) }
    f_argpartition(x) { where_(greater(argpartition(x + 1.0, 3), 3), 0.0, x) }
    f_ones_like(x) { x + ones_like(x + 1.0) }
    f_prelu(x) { prelu(x, x + 1.0) }
    f_swiglu_call(x) { swiglu(x, x + 1.0) }
    f_outer(x) { outer(mean(x, 0), mean(x + 1.0, 1)) }
    f_vecdot(x) { x + expand_dims(vecdot(x, x + 1.0), 1) }
    f_tensordot(x) { tensordot(x, x + 1.0, 1) }
    f_gather_mm(x) { squeeze(gather_mm(expand_dims(x, 0), expand_dims(x + 1.0, 0)), 0) }
    f_gather_mm_of_indices(x) { squeeze(gather_mm(reshape(x, [hidden, 1, hidden]), expand_dims(x + 1.0, 0), rhs_indices = zeros([hidden], dtype = i32)), 1) }
    f_quantized_matmul(x) { quantized_matmul(x, self.packed, self.scales, self.scales) }
    f_dequantize(x) { matmul(x, dequantize(self.packed, self.scales, self.scales)) }
    f_swapaxes(x) { swapaxes(x, 0, 1) }
    f_moveaxis(x) { moveaxis(x, 0, 1) }
    f_split(x) { { let (a, b) = split(x, 2, -1); concatenate([b, a], -1) } }
    f_take(x) { take(x, stop_gradient(argmax(x + 1.0, -1)), 0) }
    f_argmin(x) { take(x, stop_gradient(argmin(x + 1.0, -1)), 0) }
    f_take_along_axis(x) { x + take_along_axis(x, stop_gradient(argmax(x + 1.0, -1, keepdims = true)), -1) }
    f_put_along_axis(x) { put_along_axis(x, stop_gradient(argmax(x + 1.0, -1, keepdims = true)), mean(x, 1, keepdims = true), -1) }
    f_topk(x) { x + sum(topk(x, 4), -1, keepdims = true) }
    f_all(x) { where_(all(greater(x + 1.0, 0.0), -1, keepdims = true), 0.0, x) }
    f_any(x) { where_(any(greater(x + 1.0, 0.0), -1, keepdims = true), 0.0, x) }
    f_zeros(x) { x + zeros([hidden, hidden]) }
    f_ones(x) { x + ones([hidden, hidden]) }
    f_full(x) { x + full([hidden, hidden], 2.0) }
    f_arange(x) { x + arange(hidden).astype(float) }
    f_linspace(x) { x + linspace(0.0, 1.0, hidden) }
    f_eye(x) { x + eye(hidden) }
    f_tri(x) { x + tri(hidden) }
    f_random(x) { where_(random::bernoulli(0.5, [hidden, hidden], stop_gradient(slice(argsort(reshape(x, [-1])), [0], [2]))), x, 0.0) }
    f_uniform(x) { x + astype(right_shift(random::bits([hidden, hidden], zeros([2], dtype = u32)), 9), float) + astype(random::uniform(0.0, 1.0, [hidden, hidden], zeros([2], dtype = u32)), float) }
    f_distances(x) { x + sum(distances(KvCache::off(), x).astype(float), -1, keepdims) }
    f_positions(x) { x + positions(KvCache::off(), x).astype(float) }
    f_rms_norm(x) { rms_norm(x, self.gain, 1e-5) }
    f_conv1d(x) { squeeze(conv1d(expand_dims(x, 0), reshape(x + 1.0, [hidden, 1, hidden])), 0) }
    f_conv2d(x) { reshape(conv2d(reshape(x, [1, hidden, 1, hidden]), reshape(x + 1.0, [hidden, 1, 1, hidden])), [hidden, hidden]) }
    f_conv_transpose1d(x) { squeeze(conv_transpose1d(expand_dims(x, 0), reshape(x + 1.0, [hidden, 1, hidden])), 0) }
    f_conv_transpose2d(x) { reshape(conv_transpose2d(reshape(x, [1, hidden, 1, hidden]), reshape(x + 1.0, [hidden, 1, 1, hidden])), [hidden, hidden]) }
    f_visible_keys(x) { where_(visible_keys(reshape(x, [1, 1, hidden, hidden]), reshape(x, [1, 1, hidden, hidden])), x, 0.0) }
    f_max_pool1d(x) { squeeze(max_pool1d(expand_dims(x, 0), 3, 1, padding = 1), 0) }
    f_max_pool1d_apart(x) { repeat(squeeze(max_pool1d(expand_dims(x, 0), 2), 0), 2, 0) }
    f_max_pool2d(x) { reshape(max_pool2d(reshape(x, [1, hidden, hidden, 1]), 3, 1, padding = 1), [hidden, hidden]) }
    f_avg_pool1d(x) { squeeze(avg_pool1d(expand_dims(x, 0), 3, 1, padding = 1), 0) }
    f_avg_pool1d_apart(x) { repeat(squeeze(avg_pool1d(expand_dims(x, 0), 2), 0), 2, 0) }
    f_avg_pool2d(x) { reshape(avg_pool2d(reshape(x, [1, hidden, hidden, 1]), 3, 1, padding = 1), [hidden, hidden]) }
    f_max_pool1d_inside(x) { pad(squeeze(max_pool1d(expand_dims(x, 0), 3, 1), 0), [(1, 1), (0, 0)]) }
    f_gain(x) { x * self.gain }
    f_mask(x) { x * tri(hidden) }
    f_detached(x) { x * stop_gradient(x + 1.0) }
    f_conv1d_of_weights(x) { squeeze(conv1d(expand_dims(x, 0), reshape(outer(self.gain, self.gain), [hidden, 1, hidden])), 0) }
    f_linear_cross_entropy(x) { x + expand_dims(linear_cross_entropy(x, self.map, stop_gradient(argmax(x, -1)).astype(i32), ones([hidden], dtype = f32)).astype(float), 1) }
    f_layer_norm_of_weights(x) { self.layer_norm(x) }
    f_switch_linear(x) { squeeze(self.experts(reshape(x, [hidden, 1, hidden]), zeros([hidden], dtype = i32)), 1) }
    f_group_norm_layer(x) { self.group_norm(x + 1.0) }
    f_conv1_layer(x) { squeeze(self.conv1(expand_dims(x, 0)), 0) }
    f_conv2_layer(x) { reshape(self.conv2(reshape(x, [1, hidden, hidden, 1])), [hidden, hidden]) }
    f_rope_layer(x) { reshape(self.rope(reshape(x, [hidden, 1, 1, hidden]), KvCache::off()), [hidden, hidden]) }
}

/// Bodies of which parts become kernels: a kernel keeps what its gradient reads, and what MLX's operations keep where they
/// compute it.
#[mlx_model(config = Config)]
struct Regions {
    #[param(hidden)]
    gain: Param,
}

#[mlx_model]
impl Regions {
    fn r_cap(&self, x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
        negative(tanh(x / 3.0) * 3.0)
    }

    fn r_norm(&self, x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
        x * rsqrt(mean(square(x), -1, keepdims) + config.eps) * (self.gain + 1.0)
    }

    fn r_gate(&self, x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
        let y = minimum(transpose(x, [1, 0]), 0.7);
        clip(x, -0.7, 0.7) * (y * sigmoid(y * 1.702))
    }

    fn r_two(&self, x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
        let h = exp(x * 0.1);
        let y = h / (abs(h) + 1.0);
        matmul(y, h)
    }

    fn r_arms(&self, x: Tensor![hidden, hidden]) -> Tensor![hidden, hidden] {
        if config.heads == 1 {
            sin(x * 2.0) * 0.5
        } else {
            x + 1.0
        }
    }
}

const REGIONS: &[(&str, Method<Regions>)] = &[
    ("r_cap", Regions::r_cap),
    ("r_norm", Regions::r_norm),
    ("r_gate", Regions::r_gate),
    ("r_two", Regions::r_two),
    ("r_arms", Regions::r_arms),
];

/// Arrays of `size` bytes that one of `f`'s steps adds to the peak of a gradient with respect to its inputs, each
/// operation at an end before the next one begins.
fn kept(
    inputs: &[Array],
    size: f64,
    step: impl Fn(&Array, &[Array]) -> Result<Array> + Send + Clone + 'static,
) -> Result<f64> {
    let peak = |times: usize| -> Result<f64> {
        let step = step.clone();
        let f = move |x: &[Array]| {
            let mut y = x[0].clone();
            for _ in 0..times {
                y = step(&y, &x[1..])?;
            }
            Ok(vec![ops::sum(&y, &[], false)?])
        };
        let argnums: Vec<i32> = (0..inputs.len() as i32).collect();
        let (values, grads) = transforms::value_and_grad(f, &argnums).call(inputs)?;
        let all: Vec<&Array> = values.iter().chain(&grads).collect();
        Ok(memory::forecast_within(&all, 0)?.peak as f64)
    };
    Ok((peak(48)? - peak(16)?) / 32.0 / size)
}

/// On the CPU's fused operations, or without them.
fn on<T>(fused: bool, f: impl FnOnce() -> T) -> T {
    match fused {
        true => f(),
        false => kernels::without(f),
    }
}

/// A CPU, as [`on`] leaves it.
fn computed(fused: bool) -> Computed {
    Computed {
        fused,
        kernels: fused,
        tiled: false,
    }
}

fn normal(shape: &[i32], seed: u64) -> Result<Array> {
    let x = random::normal(shape, Dtype::Float32, 0.0, 0.3, Some(&Key::new(seed)?))?;
    x.eval()?;
    Ok(x)
}

fn evaluated<M: Model>(model: &M) -> Result<()> {
    let all = model.parameters();
    transforms::eval(&all.iter().map(|(_, a)| a).collect::<Vec<_>>())
}

fn config() -> Arc<Config> {
    Arc::new(Config {
        hidden: N as usize,
        ffn: 1,
        heads: 1,
        kv_heads: 1,
        head_dim: 1,
        depth: 1,
        vocab: 1,
        eps: 1e-5,
    })
}

type Method<M> = fn(&M, &Array) -> Result<Array>;

/// Fails unless each method of a model with frozen weights keeps what it is charged, with kernels and composed.
fn check_charges<M: Model<Config = Config>>(methods: &[(&'static str, Method<M>)]) -> Result<()> {
    let mut model: M = init(&config(), &Key::new(3)?, Dtype::Float32)?;
    model.freeze();
    evaluated(&model)?;
    let x = [normal(&[N, N], 1)?];
    let array = f64::from(N * N);
    let mut wrong = String::new();
    for &(name, method) in methods {
        for fused in [true, false] {
            let m = model.clone();
            let kept = on(fused, || kept(&x, 4.0 * array, move |x, _| method(&m, x)));
            let kept = kept.unwrap_or_else(|e| panic!("{name}: {e}"));
            let charged = charged(&model, name, fused);
            // Masks of bool, a quarter of an array each, and whole numbers are not charged.
            if (charged - kept).abs() > 0.3 {
                let way = if fused { "fused" } else { "composed" };
                wrong += &format!("{name}, {way}: {charged:.2} charged, {kept:.2} kept\n");
            }
        }
    }
    assert!(wrong.is_empty(), "in arrays:\n{wrong}");
    Ok(())
}

/// Arrays that a method of one `[N, N]` argument is charged.
fn charged<M: Model>(model: &M, method: &str, fused: bool) -> f64 {
    let saved = model.saved(method, &[&[i64::from(N); 2]], &computed(fused));
    saved.values as f64 / f64::from(N * N)
}

#[test]
fn charged_is_kept() -> Result<()> {
    check_charges(FORMS)
}

#[test]
fn kernels_of_regions_keep_what_they_are_charged() -> Result<()> {
    check_charges(REGIONS)
}

/// Operands of trained weights are kept, those of frozen ones are not.
#[test]
fn what_meets_trained_weights_is_kept() -> Result<()> {
    let mut model: Forms = init(&config(), Key::new(3)?, Dtype::Float32)?;
    model.freeze();
    let frozen = model.clone();
    model.unfreeze();
    evaluated(&model)?;
    let mut inputs = vec![normal(&[N, N], 1)?];
    inputs.extend(model.trainable().into_iter().map(|(_, a)| a));
    let array = f64::from(N * N);
    let trained = ["f_gain", "f_conv1_layer", "f_conv2_layer"];
    for (name, method) in FORMS.iter().filter(|f| trained.contains(&f.0)) {
        let (m, method) = (model.clone(), *method);
        let step = move |x: &Array, trained: &[Array]| {
            let mut model = m.clone();
            model.set_trainable(trained)?;
            method(&model, x)
        };
        let kept = kept(&inputs, 4.0 * array, step)?;
        // The gradients of weights, as they are summed, come on top.
        assert!(kept > 0.7, "{name}: {kept:.2} kept");
        assert!((charged(&model, name, true) - 1.0).abs() < 0.3, "{name}");
        assert!(charged(&frozen, name, true) < 0.3, "{name}");
    }
    Ok(())
}

/// A new operation or layer needs a form: what is not measured may be charged wrongly.
#[test]
fn every_operation_has_a_form() {
    let words = |t: &str| -> Vec<String> {
        let words = t.split(|c: char| !c.is_alphanumeric() && c != '_');
        words.map(String::from).collect()
    };
    let said: BTreeSet<String> = TEXTS.iter().flat_map(|t| words(t)).collect();
    let ops = mlx_macros_core::ops::OPS.iter().map(|o| o.name);
    let is_said = |o: &&str| o.split("::").all(|word| said.contains(word));
    let missing: Vec<&str> = ops.filter(|o| !is_said(o)).collect();
    assert!(missing.is_empty(), "`forms!` has no form of {missing:?}");
    let layers = [
        ("RmsNorm", "norm"),
        ("LayerNorm", "layer_norm"),
        ("GroupNorm", "group_norm"),
        ("Conv1d", "conv1"),
        ("Conv2d", "conv2"),
        ("SwitchLinear", "experts"),
    ];
    let known = mlx_macros_core::syntax::layers::LAYERS
        .iter()
        .map(|l| l.name);
    let of_layer = |l: &str| layers.iter().find(|(name, _)| *name == l).map(|(_, f)| *f);
    let missing: Vec<&str> = known
        .filter(|l| !of_layer(l).is_some_and(|field| said.contains(field)))
        .collect();
    assert!(missing.is_empty(), "`forms!` has no form of {missing:?}");
}
