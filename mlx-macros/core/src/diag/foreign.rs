//! Names of PyTorch, NumPy, JAX, TensorFlow and Rust, and what is written in their place.
//!
//! Tests: `tests/foreign.rs`.

/// A name that another library has for something.
pub struct Foreign {
    /// The name of the call, the argument or the dtype.
    pub name: &'static str,
    /// The library.
    pub of: &'static str,
    /// How it is written there.
    pub theirs: &'static str,
    /// How it is written here.
    pub ours: &'static str,
}

macro_rules! names {
    ($($of:literal { $($name:literal: $theirs:literal => $ours:literal;)* })*) => {
        /// Calls. The tests type each with `x` of `[B, L, hidden]`, `y` of the same shape, `w` of `[hidden, ffn]`, `m`, a mask
        /// of `[B, L, hidden]`, and indices `i` of `[L]`.
        pub const CALLS: &[Foreign] = &[$($(Foreign { name: $name, of: $of, theirs: $theirs, ours: $ours }),*),*];
    };
}

names! {
    "PyTorch" {
        "view": "x.view(B, L * hidden)" => "x.reshape([B, L * hidden])";
        "view_as": "x.view_as(y)" => "x.reshape([B, L, hidden])";
        "reshape_as": "x.reshape_as(y)" => "x.reshape([B, L, hidden])";
        "permute": "x.permute(0, 2, 1)" => "x.transpose([0, 2, 1])";
        "t": "w.t()" => "w.transpose([1, 0])";
        "unsqueeze": "x.unsqueeze(1)" => "x.expand_dims(1)";
        "unsqueeze_": "x.unsqueeze_(1)" => "x.expand_dims(1)";
        "cat": "cat([x, y], 1)" => "concatenate([x, y], 1)";
        "chunk": "z.chunk(2, 1)" => "z.split(2, 1)";
        "tensor_split": "z.tensor_split(2, 1)" => "z.split(2, 1)";
        "unbind": "z.unbind(1)" => "z.split(4, 1)";
        "narrow": "x.narrow(2, 0, 1)" => "x.slice([0], [1], axes = [2])";
        "select": "x.select(2, 0)" => "x.slice([0], [1], axes = [2]).squeeze(2)";
        "index_select": "x.index_select(1, i)" => "x.take(i, 1)";
        "gather": "x.gather(2, x.argsort(2))" => "take_along_axis(x, argsort(x, 2), 2)";
        "scatter": "x.scatter(2, x.argsort(2), y)" => "put_along_axis(x, argsort(x, 2), y, 2)";
        "scatter_": "x.scatter_(2, x.argsort(2), y)" => "put_along_axis(x, argsort(x, 2), y, 2)";
        "masked_fill": "x.masked_fill(m, 0.0)" => "where_(m, 0.0, x)";
        "masked_fill_": "x.masked_fill_(m, 0.0)" => "where_(m, 0.0, x)";
        "expand": "x.expand(B, L, hidden)" => "x.broadcast_to([B, L, hidden])";
        "expand_as": "x.expand_as(y)" => "x.broadcast_to([B, L, hidden])";
        "repeat_interleave": "x.repeat_interleave(2, 1)" => "x.repeat(2, 1)";
        "flip": "x.flip(1)" => "x.take(L - 1 - arange(L), 1)";
        "clamp": "x.clamp(0.0, 1.0)" => "clip(x, 0.0, 1.0)";
        "clamp_": "x.clamp_(0.0, 1.0)" => "clip(x, 0.0, 1.0)";
        "clamp_min": "x.clamp_min(0.0)" => "maximum(x, 0.0)";
        "pow": "x.pow(2)" => "power(x, 2.0)";
        "mul": "x.mul(y)" => "x * y";
        "mul_": "x.mul_(y)" => "x * y";
        "add_": "x.add_(y)" => "x + y";
        "sub": "x.sub(y)" => "x - y";
        "div": "x.div(y)" => "x / y";
        "div_": "x.div_(y)" => "x / y";
        "neg": "x.neg()" => "-x";
        "mm": "mm(x, w)" => "matmul(x, w)";
        "bmm": "bmm(x, w)" => "matmul(x, w)";
        "mv": "mv(x, w)" => "matmul(x, w)";
        "baddbmm": "baddbmm(x, y, w)" => "addmm(0.0 * matmul(x, w), x, w)";
        "linear": "linear(x, w)" => "matmul(x, w)";
        "float": "x.float()" => "x.astype(f32)";
        "half": "x.half()" => "x.astype(float)";
        "bfloat16": "x.bfloat16()" => "x.astype(float)";
        "long": "i.long()" => "i.astype(i32)";
        "int": "i.int()" => "i.astype(i32)";
        "bool": "i.bool()" => "i.astype(bool)";
        "to": "x.to(torch.float32)" => "x.astype(f32)";
        "type": "x.type(torch.float32)" => "x.astype(f32)";
        "type_as": "x.type_as(y)" => "x.astype(float)";
        "detach": "x.detach()" => "stop_gradient(x)";
        "requires_grad_": "x.requires_grad_()" => "x";
        "size": "zeros([x.size(0), 2])" => "zeros([B, 2])";
        "numel": "x / x.numel()" => "x / (B * L * hidden)";
        "norm": "x.norm()" => "sqrt(sum(square(x), -1))";
        "amax": "x.amax(-1)" => "max(x, -1)";
        "amin": "x.amin(-1)" => "min(x, -1)";
        "randn": "x + randn(B, L, hidden)" => "x + y";
        "randn_like": "x + randn_like(x)" => "x + y";
        "empty": "empty(B, L)" => "zeros([B, L])";
        "new_zeros": "x.new_zeros(B, L)" => "zeros([B, L])";
        "full_like": "full_like(x, 2.0)" => "full([B, L, hidden], 2.0)";
        "take_along_dim": "x.take_along_dim(x.argsort(2), 2)" => "take_along_axis(x, argsort(x, 2), 2)";
        "nonzero": "x.nonzero()" => "not_equal(x, 0.0)";
        "eq": "x.eq(y)" => "equal(x, y)";
        "ne": "x.ne(y)" => "not_equal(x, y)";
        "lt": "x.lt(y)" => "less(x, y)";
        "le": "x.le(y)" => "less_equal(x, y)";
        "gt": "x.gt(y)" => "greater(x, y)";
        "ge": "x.ge(y)" => "greater_equal(x, y)";
        "addcmul": "addcmul(x, y, y)" => "x + y * y";
        "logsigmoid": "logsigmoid(x)" => "log_sigmoid(x)";
        "relu_": "x.relu_()" => "relu(x)";
        "hardtanh": "hardtanh(x)" => "hard_tanh(x)";
        "hardshrink": "hardshrink(x)" => "hard_shrink(x)";
        "gelu_new": "gelu_new(x)" => "gelu_approx(x)";
        "quick_gelu": "quick_gelu(x)" => "gelu_fast_approx(x)";
        "swish": "swish(x)" => "silu(x)";
        "rmsnorm": "rmsnorm(x, self.scale)" => "rms_norm(x, self.scale, 1e-5)";
        "flash_attn_func": "flash_attn_func(q, k, v, causal = true)" => "scaled_dot_product_attention(q, k, v, causal)";
        "attention": "attention(q, k, v)" => "scaled_dot_product_attention(q, k, v)";
        "sdpa": "sdpa(q, k, v)" => "scaled_dot_product_attention(q, k, v)";
        "repeat_kv": "scaled_dot_product_attention(q, repeat_kv(k, 2), v)" => "scaled_dot_product_attention(q, k, v)";
        "adaptive_avg_pool2d": "adaptive_avg_pool2d(q, 1)" => "q.mean([1, 2], keepdims = true)";
        "binary_cross_entropy_with_logits": "binary_cross_entropy_with_logits(x, y)" => "binary_cross_entropy(x, y)";
        "kl_div": "kl_div(x, y)" => "kl_div_loss(x, y)";
        "layernorm": "layernorm(x)" => "layer_norm(x)";
        "addbmm": "addbmm(x, y, w)" => "addmm(0.0 * matmul(x, w), x, w)";
        "fill_": "x.fill_(0.0)" => "zeros([B, L, hidden])";
        "copy_": "x.copy_(y)" => "y";
        "cpu": "x.cpu()" => "x";
        "cuda": "x.cuda()" => "x";
        "T": "w.T()" => "w.transpose([1, 0])";
    }
    "NumPy" {
        "concat": "concat([x, y], 1)" => "concatenate([x, y], 1)";
        "vstack": "vstack([x, y])" => "concatenate([x, y], 0)";
        "hstack": "hstack([x, y])" => "concatenate([x, y], 1)";
        "dot": "dot(x, w)" => "matmul(x, w)";
        "where": "where(m, x, y)" => "where_(m, x, y)";
        "absolute": "absolute(x)" => "abs(x)";
        "asarray": "asarray(x)" => "x";
        "array": "array([0.0])" => "zeros([1])";
        "ravel": "x.ravel()" => "x.flatten()";
        "rollaxis": "rollaxis(x, 2, 0)" => "moveaxis(x, 2, 0)";
        "newaxis": "x.newaxis(1)" => "x.expand_dims(1)";
        "average": "average(x)" => "mean(x)";
        "true_divide": "true_divide(x, y)" => "divide(x, y)";
        "mod": "mod(x, y)" => "remainder(x, y)";
        "fmod": "fmod(x, y)" => "remainder(x, y)";
        "invert": "invert(i)" => "bitwise_invert(i)";
        "flatnonzero": "flatnonzero(x)" => "not_equal(x.flatten(), 0.0)";
        "copy": "x.copy()" => "x";
        "identity": "identity(3)" => "eye(3)";
    }
    "JAX" {
        "dot_general": "dot_general(x, w)" => "matmul(x, w)";
        "select_n": "select_n(m, y, x)" => "where_(m, x, y)";
        "dynamic_slice": "dynamic_slice(x, [0, 0, 0], [1, 1, 1])" => "slice(x, [0], [1], axes = [2])";
        "dynamic_update_slice": "dynamic_update_slice(x, y, [0, 0, 0])" => "concatenate([y, x], 1)";
        "expand_dim": "expand_dim(x, 1)" => "expand_dims(x, 1)";
        "one_hot": "one_hot(i, 4)" => "equal(i.expand_dims(-1), arange(4)).astype(float)";
        "top_k": "top_k(x, 1)" => "topk(x, 1)";
        "broadcast": "broadcast(x, [B])" => "broadcast_to(x, [B, L, hidden])";
        "convert_element_type": "convert_element_type(x, jnp.float32)" => "astype(x, f32)";
        "erf_inv": "erf_inv(x)" => "erfinv(x)";
        "hard_swish": "hard_swish(x)" => "hardswish(x)";
        "dot_product_attention": "dot_product_attention(q, k, v)" => "scaled_dot_product_attention(q, k, v)";
    }
    "TensorFlow" {
        "reduce_sum": "reduce_sum(x, -1)" => "sum(x, -1)";
        "reduce_mean": "reduce_mean(x, -1)" => "mean(x, -1)";
        "reduce_max": "reduce_max(x, -1)" => "max(x, -1)";
        "reduce_min": "reduce_min(x, -1)" => "min(x, -1)";
        "cast": "cast(x, tf.float32)" => "astype(x, f32)";
        "clip_by_value": "clip_by_value(x, 0.0, 1.0)" => "clip(x, 0.0, 1.0)";
        "boolean_mask": "boolean_mask(x, m)" => "where_(m, x, 0.0)";
        "sequence_mask": "sequence_mask(i, L)" => "less(arange(L), i)";
        "band_part": "band_part(x, -1, 0)" => "tril(x)";
    }
    "Rust" {
        "clone": "x.clone()" => "x";
        "to_owned": "x.to_owned()" => "x";
        "unwrap": "silu(x).unwrap()" => "silu(x)";
        "expect": "silu(x).expect(\"a value\")" => "silu(x)";
        "into": "x.into()" => "x";
        "as_ref": "x.as_ref()" => "x";
        "borrow": "x.borrow()" => "x";
        "rem": "x.rem(y)" => "remainder(x, y)";
        "not": "m.not()" => "logical_not(m)";
        "item": "x * y.item()" => "x * y";
        "eval": "x.eval()" => "x";
        "shape": "zeros([x.shape(0), 2])" => "zeros([B, 2])";
        "to_dtype": "x.to_dtype(DType::F32)" => "x.astype(f32)";
        "broadcast_add": "x.broadcast_add(y)" => "x + y";
        "broadcast_mul": "x.broadcast_mul(y)" => "x * y";
        "broadcast_div": "x.broadcast_div(y)" => "x / y";
        "swap_dims": "x.swap_dims(1, 2)" => "x.swapaxes(1, 2)";
        "sum_dim": "x.sum_dim(2)" => "x.sum(2, keepdims = true)";
        "mean_dim": "x.mean_dim(2)" => "x.mean(2, keepdims = true)";
        "sqr": "x.sqr()" => "square(x)";
        "powi": "x.powi(2)" => "power(x, 2.0)";
        "powf": "x.powf(2.0)" => "power(x, 2.0)";
        "powf_scalar": "x.powf_scalar(2.0)" => "power(x, 2.0)";
        "iter": "x.iter()" => "x";
    }
}

/// Names of modules that the language does without.
const MODULES: &[(&str, &str)] = &[
    ("torch", "PyTorch"),
    ("F", "PyTorch"),
    ("nn", "PyTorch"),
    ("functional", "PyTorch"),
    ("np", "NumPy"),
    ("numpy", "NumPy"),
    ("jnp", "JAX"),
    ("jax", "JAX"),
    ("lax", "JAX"),
    ("tf", "TensorFlow"),
    ("mx", "MLX"),
    ("mlx", "MLX"),
    ("math", "Python"),
    ("Tensor", "Rust"),
    ("f32", "Rust"),
    ("f64", "Rust"),
    ("i32", "Rust"),
    ("std", "Rust"),
    ("core", "Rust"),
    ("Array", "Rust"),
    ("ops", "Rust"),
];

/// Arguments by the names of other libraries.
const ARGUMENTS: &[(&str, &str)] = &[
    ("dim", "axis"),
    ("dims", "axes"),
    ("dim0", "axis1"),
    ("dim1", "axis2"),
    ("start_dim", "start_axis"),
    ("end_dim", "end_axis"),
    ("keepdim", "keepdims"),
    ("keep_dims", "keepdims"),
    ("attn_mask", "mask"),
    ("attention_mask", "mask"),
    ("bias", "mask"),
    ("is_causal", "mask"),
    ("input", "a"),
    ("other", "b"),
    ("tensors", "arrays"),
    ("min", "a_min"),
    ("max", "a_max"),
    ("diagonal", "k"),
    ("shifts", "shift"),
    ("correction", "ddof"),
    ("unbiased", "ddof"),
    ("size", "shape"),
    ("repeats", "reps"),
    ("index", "indices"),
    ("value", "constant_values"),
    ("fill_value", "vals"),
];

/// dtypes by the names of other libraries.
pub const DTYPES: &[(&str, &str)] = &[
    ("float32", "f32"),
    ("float16", "float"),
    ("bfloat16", "float"),
    ("float64", "f32"),
    ("double", "f32"),
    ("half", "float"),
    ("bf16", "float"),
    ("f16", "float"),
    ("f64", "f32"),
    ("F32", "f32"),
    ("BF16", "float"),
    ("F16", "float"),
    ("int32", "i32"),
    ("int64", "i32"),
    ("int", "i32"),
    ("long", "i32"),
    ("i64", "i32"),
    ("u64", "u32"),
    ("usize", "u32"),
    ("uint32", "u32"),
    ("bool_", "bool"),
    ("boolean", "bool"),
];

/// The row of a call.
pub fn call(name: &str) -> Option<&'static Foreign> {
    CALLS.iter().find(|f| f.name == name)
}

/// A module of another library, and the library.
pub fn module(name: &str) -> Option<(&'static str, &'static str)> {
    MODULES.iter().find(|m| m.0 == name).copied()
}

/// The name of an argument here.
pub fn argument(name: &str) -> Option<&'static str> {
    ARGUMENTS.iter().find(|a| a.0 == name).map(|a| a.1)
}

/// The name of a dtype here.
pub fn dtype(name: &str) -> Option<&'static str> {
    DTYPES.iter().find(|d| d.0 == name).map(|d| d.1)
}
