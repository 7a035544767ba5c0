//! [`macro@mlx_model`], [`macro@mlx_fn`] and [`macro@mlx_kernel`]: models for MLX with shapes and dtypes that the compiler checks.
//!
//! Depend on this crate together with `mlx-runtime`, which the generated code calls. The phases of the macros are in
//! `mlx-macros-core`; this crate only hands them to rustc.
//!
//! Tests: `mlx-tests --test ui`.

#![forbid(unsafe_code)]

use mlx_macros_core::editor;
use proc_macro::TokenStream;

/// Defines a model: on a struct with named fields it declares the layers, on the inherent `impl` after it the
/// computation.
///
/// While the crate compiles, the macro infers the shape and the dtype of every expression, reports every mistake at its
/// own tokens, fuses operations, and generates code that builds MLX's lazy graph.
///
/// ```
/// use std::sync::Arc;
///
/// use mlx_macros::mlx_model;
/// use mlx_runtime::model::{init, Model};
/// use mlx_runtime::nn::{Linear, RmsNorm};
/// use mlx_runtime::{ops, random::Key, Dtype};
///
/// /// The sizes: a plain struct.
/// pub struct Config {
///     hidden: usize,
///     ffn: usize,
///     depth: usize,
///     eps: f32,
/// }
///
/// #[mlx_model(config = Config)]
/// pub struct Block {
///     #[param(hidden, eps = eps)]
///     norm: RmsNorm,
///     #[lora]
///     #[param(ffn, hidden)]
///     up: Linear,
///     #[param(hidden, ffn)]
///     down: Linear,
/// }
///
/// #[mlx_model]
/// impl Block {
///     pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
///         x + self.down(silu(self.up(self.norm(x))))
///     }
/// }
///
/// #[mlx_model(config = Config)]
/// #[require(depth > 0)]
/// pub struct Net {
///     #[layers(depth)]
///     layers: Vec<Block>,
/// }
///
/// #[mlx_model]
/// impl Net {
///     pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
///         let mut h = x;
///         for layer in self.layers {
///             h = layer(h);
///         }
///         h
///     }
/// }
///
/// fn main() -> mlx_runtime::Result<()> {
///     let config = Arc::new(Config { hidden: 8, ffn: 16, depth: 2, eps: 1e-5 });
///     let net: Net = init(&config, &Key::new(0)?, Dtype::Float32)?;
///     let y = net.forward(&ops::ones(&[2, 5, 8], Dtype::Float32)?)?;
///     assert_eq!(y.shape(), [2, 5, 8]);
///     assert_eq!(net.parameters()[1].0, "layers.0.up.weight");
///     Ok(())
/// }
/// ```
///
/// # The struct
///
/// | attribute | on | meaning |
/// |---|---|---|
/// | `#[mlx_model(config = Type)]` | struct | the type that holds the sizes |
/// | `dims(q = heads * head_dim)`, in the same | struct | names for derived sizes |
/// | `digest = "file"`, in the same | struct | names and shapes are compared with a checkpoint's digest |
/// | `allow(lint)`, in the same, and on the impl | struct, impl | silences a warning |
/// | `fuse(off)`, `fuse(only(..))`, `fuse(except(..))`, in the same | struct | the passes that run |
/// | `#[derive(Debug)]`, below `#[mlx_model]` | struct | shows dtype, tensors and the number of parameters; every model is `Clone` |
/// | `#[require(heads % kv_heads == 0)]` | struct | a condition on the config, checked once at load |
/// | `#[param(..)]` | `Linear`, `Embedding`, `RmsNorm`, `LayerNorm`, `GroupNorm`, `Conv1d`, `Conv2d`, `SwitchLinear`, `Param` | the sizes of a layer, outputs first, and its options (`bias`, `eps`, `stride`, ..) |
/// | `#[rope(head_dim, base = theta)]` | `Rope` | rotary positions |
/// | `#[layers(n, checkpoint = auto)]` | `Vec<Model>` | a stack of layers, with gradient checkpoints |
/// | `#[config(vision)]`, `#[config(width = 2 * width)]` | a sub-model or stack | its config is a field of this model's, or this model's with other values |
/// | none | another type | a sub-model |
/// | `#[lora]` | `Linear`, `SwitchLinear` | `add_lora` may adapt the layer |
/// | `#[when(condition)]` | `Option<..>` | the layer exists only where the condition holds |
/// | `#[frozen]` | a layer with weights | never trained |
/// | `#[tied(field)]` | `Linear` | shares the weight of another field |
/// | `#[weights("name")]` | any field | its name in a checkpoint |
/// | `#[quantize(bits = 4, group_size = 64)]` | `Linear`, `Embedding`, `SwitchLinear` | packed at load |
///
/// # Methods
///
/// A method takes `&self`, tensors (`x: Tensor![B, L, hidden]`, `tokens: Tensor![B, L; i32]`), numbers (`cap: f32`) and at
/// most one `cache: &mut KvCache`. It returns a tensor or a tuple of tensors. A dim that begins with a capital is free:
/// each call binds it. All other dims are fields of the config. The generated method takes `&Array` and returns
/// `mlx_runtime::Result<Array>`. `forward` is what other models call.
///
/// | statement | meaning |
/// |---|---|
/// | `let y = e;`, `let (a, b) = e;`, `let y: Tensor![B, ffn] = e;` | binds; a declared shape is checked |
/// | `h = e;` | assigns a `let mut` |
/// | `for layer in self.layers { h = layer(h, ..); }` | runs a stack; a body may carry and collect more values |
/// | `for t in 0..L { h = .. x[t] ..; }` | runs its body for each position |
/// | `if config.flag { h = e; } else { .. }` | both arms are checked, one is built |
/// | last expression | the result |
///
/// | expression | meaning |
/// |---|---|
/// | `self.layer(x)`, `self.method(x)` | runs a layer, a sub-model, or a method of this model |
/// | `op(x, ..)`, `x.op(..)`, `op(x, axis = -1)` | an operation with MLX's name and argument order |
/// | `a + b`, `a * 2.0` | operators; a number takes the tensor's dtype |
/// | `rearrange!("b l (h d) -> b h l d", x, h = heads)` | splits, moves and joins axes by name |
/// | `scaled_dot_product_attention(q, k, v, causal)` | attention |
/// | `self.rope(q, cache)`, `cache.update(k, v)` | rotary positions and a cache of keys and values |
/// | `if config.flag { a } else { b }`, `config.field`, `layer` | choices and numbers of the config; the index in a stack |
/// | `helper(x, ..)` | a function with [`macro@mlx_fn`] |
///
/// # Checks
///
/// - In a body: shapes, dtypes, names, arguments, and code without effect.
/// - Between models: the callee's signature, also of another crate, as a constant that rustc evaluates at the argument.
/// - At load: every `#[require]`, and the name and shape of every tensor.
/// - At a call: the free dims of the arguments.
///
/// The repository's `docs/language.md` is the whole reference with every operation, `docs/errors.md` lists every error, and
/// `docs/tutorial.md` starts from an empty crate.
#[proc_macro_attribute]
pub fn mlx_model(attr: TokenStream, item: TokenStream) -> TokenStream {
    match editor::is_here() {
        true => editor::attribute(attr.into(), item.into()).into(),
        false => mlx_macros_core::attribute(attr.into(), item.into()).into(),
    }
}

/// Defines a function that the bodies of models can call, in this crate or another.
///
/// ```
/// use mlx_macros::{mlx_fn, mlx_model};
/// use mlx_runtime::nn::Linear;
/// use mlx_runtime::{ops, Array, Dtype};
///
/// /// `cap * tanh(x / cap)` keeps every value between `-cap` and `cap`.
/// #[mlx_fn]
/// pub fn soft_cap(x: Tensor![B, D], cap: f32) -> Tensor![B, D] {
///     tanh(x / cap) * cap
/// }
///
/// pub struct Config {
///     hidden: usize,
///     vocab: usize,
///     cap: f32,
/// }
///
/// #[mlx_model(config = Config)]
/// pub struct Head {
///     #[param(vocab, hidden)]
///     map: Linear,
/// }
///
/// #[mlx_model]
/// impl Head {
///     pub fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, vocab] {
///         let y: Tensor![B, vocab] = soft_cap(self.map(x), config.cap);
///         y
///     }
/// }
///
/// fn main() -> mlx_runtime::Result<()> {
///     // It is an ordinary function, too.
///     let y = soft_cap(&ops::full(&[1, 2], &Array::scalar(100f32)?, Dtype::Float32)?, 30.0)?;
///     assert!(y.to_vec::<f32>()?.iter().all(|&y| y < 30.0));
///     Ok(())
/// }
/// ```
///
/// - A function has no config: its sizes are free dims, and its numbers are arguments.
/// - The body has the statements and expressions of [`macro@mlx_model`], without `self`.
/// - Its result has the shape of its first tensor unless a `let` declares another. rustc compares both with the
///   signature.
/// - A call names it by name or path (`helpers::soft_cap(x, 30.0)`). `use` imports the function and its signature together.
#[proc_macro_attribute]
pub fn mlx_fn(_attr: TokenStream, item: TokenStream) -> TokenStream {
    match editor::is_here() {
        true => editor::function(item.into(), mlx_macros_core::functions::expand).into(),
        false => mlx_macros_core::functions::expand(item.into()).into(),
    }
}

/// Defines a kernel: a function whose body is one launch over rows, with its gradient.
///
/// Values between its arguments and its results never reach memory. On a CPU the body is Rust, compiled with this
/// crate for each level of the processor, and it takes float32, float16 and bfloat16. Elsewhere, and under `vmap`, `jvp`, a
/// second derivative and export, it is composed of MLX's operations.
///
/// ```
/// use mlx_macros::mlx_kernel;
/// use mlx_runtime::{ops, Dtype};
///
/// /// `x + r`, and its root-mean-square norm times `w`.
/// #[mlx_kernel]
/// pub fn add_rms_norm(
///     x: Tensor![B, L, D],
///     r: Tensor![B, L, D],
///     w: Tensor![D],
///     eps: f32,
/// ) -> (Tensor![B, L, D], Tensor![B, L, D]) {
///     let h = x + r;
///     (h, h * rsqrt(mean(square(h), -1, keepdims) + eps) * w)
/// }
///
/// fn main() -> mlx_runtime::Result<()> {
///     let (x, w) = (ops::ones(&[2, 3, 8], Dtype::Float32)?, ops::ones(&[8], Dtype::Float32)?);
///     let (h, y) = add_rms_norm(&x, &x, &w, 1e-5)?;
///     assert_eq!(h.to_vec::<f32>()?[0], 2.0);
///     assert!((y.to_vec::<f32>()?[0] - 1.0).abs() < 1e-5);
///     Ok(())
/// }
/// ```
///
/// - The language, the types and the messages are those of [`macro@mlx_fn`]. Bodies of models and functions call it as they
///   call a function.
/// - Values are computed as float32, whatever the arrays hold, and rounded once.
/// - A row is the last axis of the results, or the axis along which the body reduces, cuts, joins or chooses. The other axes
///   count rows; they may be permuted, split and joined. An operation that needs more than its own row is an error.
/// - The gradient is derived: it computes again what it needs, and adds up over rows in a fixed order.
/// - `#[frozen] w: Tensor![D]` has no gradient. `#[mlx_kernel(vjp = function)]` names a function that computes the gradients
///   of all other float tensors from the kernel's arguments and the cotangents of its results.
#[proc_macro_attribute]
pub fn mlx_kernel(attr: TokenStream, item: TokenStream) -> TokenStream {
    let expand = |item| mlx_macros_core::kernels::expand(attr.clone().into(), item);
    match editor::is_here() {
        true => editor::function(item.into(), expand).into(),
        false => expand(item.into()).into(),
    }
}

/// Receives a struct and its impl together; called by the code that [`macro@mlx_model`] generates.
#[doc(hidden)]
#[proc_macro]
pub fn __mlx_impl(input: TokenStream) -> TokenStream {
    match editor::is_here() {
        true => editor::expand(input.into()).into(),
        false => mlx_macros_core::expand(input.into()).into(),
    }
}
