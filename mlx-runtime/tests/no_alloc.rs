//! An operation allocates nothing in Rust unless it fails, returns a list, or is a kernel that Rust computes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mlx_macros::{mlx_fn, mlx_model};
use mlx_runtime::nn::{Linear, RmsNorm};
use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::random::{self, Key};
use mlx_runtime::{fft, kernels, linalg, memory, model, ops, Array, Dtype, Result};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: passes every call on to the system's allocator; the counter does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|c| c.set(c.get() + 1));
        // SAFETY: the caller's promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of Rust's allocations in `f`, without the first call, which finds the thread's stream.
fn allocations<T>(f: impl Fn() -> Result<T>) -> usize {
    f().unwrap();
    let before = COUNT.get();
    let made = f();
    let count = COUNT.get() - before;
    assert!(made.is_ok());
    count
}

/// Calls that allocate as often as they are said to, each on its own.
macro_rules! allocate {
    ($times:literal: $($call:expr;)*) => {$(
        assert_eq!(allocations(|| $call), $times, "{}", stringify!($call));
    )*};
}

struct Arrays {
    /// `[2, 3, 4]`.
    a: Array,
    /// `[4, 4]`.
    m: Array,
    /// `[1, 2, 3, 4]`.
    q: Array,
    /// `[2]` of int32.
    i: Array,
    /// `[2, 3, 4]` of bool.
    b: Array,
    /// A float32 scalar.
    zero: Array,
}

fn arrays() -> Arrays {
    let f = Dtype::Float32;
    let a = ops::ones(&[2, 3, 4], f).unwrap();
    Arrays {
        b: ops::greater(&a, &a).unwrap(),
        a,
        m: ops::ones(&[4, 4], f).unwrap(),
        q: ops::ones(&[1, 2, 3, 4], f).unwrap(),
        i: Array::from_slice(&[0i32, 1], &[2]).unwrap(),
        zero: Array::scalar(0.0f32).unwrap(),
    }
}

#[test]
fn elementwise_operations_do_not_allocate() {
    let Arrays { a, b, i, zero, .. } = &arrays();
    allocate! { 0:
        ops::abs(a);
        ops::exp(a);
        ops::tanh(a);
        ops::sigmoid(a);
        ops::erf(a);
        ops::logical_not(b);
        ops::bitwise_invert(i);
        ops::round(a, 2);
        ops::nan_to_num(a, 0.0, None, None);
        ops::clip(a, Some(zero), None);
        ops::astype(a, Dtype::Bfloat16);
        ops::view(a, Dtype::Int32);
        ops::stop_gradient(a);
        ops::add(a, a);
        ops::subtract(a, zero);
        ops::power(a, a);
        ops::less(a, a);
        ops::logical_and(b, b);
        ops::left_shift(i, i);
        ops::remainder(i, i);
        ops::floor_divide(i, i);
        ops::where_(b, a, zero);
        ops::isclose(a, a, 1e-5, 1e-8, false);
        ops::allclose(a, a, 1e-5, 1e-8, false);
        ops::array_equal(a, a, false);
    }
}

#[test]
fn reductions_sorts_and_scans_do_not_allocate() {
    let Arrays { a, b, .. } = &arrays();
    allocate! { 0:
        ops::sum(a, &[], false);
        ops::sum(a, &[1], false);
        ops::sum(a, &[0, 2], true);
        ops::mean(a, &[-1], true);
        ops::max(a, &[], false);
        ops::var(a, &[1], true, 0);
        ops::all(b, &[0], false);
        ops::logsumexp(a, &[-1], true);
        ops::softmax(a, &[-1], true);
        ops::argmax(a, 1, false);
        ops::sort(a, 1);
        ops::argsort(a, -1);
        ops::topk(a, 2, -1);
        ops::partition(a, 1, -1);
        ops::cumsum(a, 1, false, true);
        ops::median(a, &[1], true);
    }
}

#[test]
fn shapes_and_indices_do_not_allocate() {
    let Arrays { a, m, i, zero, .. } = &arrays();
    allocate! { 0:
        ops::reshape(a, &[4, -1]);
        ops::flatten(a, 0, -1);
        ops::unflatten(a, 2, &[2, 2]);
        ops::transpose(a, &[]);
        ops::transpose(a, &[2, 0, 1]);
        ops::swapaxes(a, 1, 2);
        ops::moveaxis(a, 0, 2);
        ops::expand_dims(a, &[0, 2]);
        ops::squeeze(&ops::expand_dims(a, &[0])?, &[0]);
        ops::broadcast_to(zero, &[2, 3]);
        ops::tile(a, &[2, 1, 1]);
        ops::repeat(a, 2, 1);
        ops::roll(a, 1, 0);
        ops::flip(a, &[1]);
        ops::contiguous(a, false);
        ops::as_strided(m, &[2, 2], &[4, 1], 0);
        ops::pad(a, &[(1, 1), (0, 0), (0, 2)], zero);
        ops::concatenate(&[a, a, a], 0);
        ops::stack(&[a, a], 0);
        ops::slice(a, &[0, 0, 0], &[1, 1, 1], &[1, 1, 1]);
        ops::slice_update(a, a, &[0, 0, 0], &[2, 3, 4], &[1, 1, 1]);
        ops::take(a, i, 0);
        ops::take_along_axis(m, &ops::argsort(m, 1)?, 1);
        ops::diagonal(m, 0, 0, 1);
        ops::tril(m, 0);
        ops::diag(m, 0);
    }
    // The list itself.
    allocate! { 1:
        ops::split(a, 2, 0);
        ops::unstack(a, 1);
        ops::broadcast_arrays(&[a, zero]);
    }
}

#[test]
fn arrays_are_made_without_allocations() {
    let Arrays { a, .. } = &arrays();
    let key = &Key::new(1).unwrap();
    allocate! { 0:
        ops::zeros(&[2, 3], Dtype::Float32);
        ops::ones_like(a);
        ops::full(&[2], &Array::scalar(2.0f32)?, Dtype::Float32);
        ops::arange(0.0, 4.0, 1.0, Dtype::Int32);
        ops::linspace(0.0, 1.0, 5, Dtype::Float32);
        ops::eye(3, 3, 0, Dtype::Float32);
        ops::tri(3, 3, 0, Dtype::Float32);
        ops::hanning(8);
        Array::scalar(1i32);
        Array::scalar_as(1.0, Dtype::Bfloat16);
        Array::from_slice(&[1.0f32, 2.0], &[2]);
        random::normal(&[2], Dtype::Float32, 0.0, 1.0, Some(key));
        random::bernoulli(&Array::scalar(0.5f32)?, &[3], None);
        random::gumbel(&[2], Dtype::Float32, Some(key));
        key.split();
    }
    allocate! { 0:
        Ok((a.shape(), a.dtype(), a.ndim(), a.size(), a.nbytes(), a.clone()));
    }
}

#[test]
fn products_and_fast_operations_do_not_allocate() {
    let Arrays { a, m, q, i, .. } = &arrays();
    let w = &ops::ones(&[8, 64], Dtype::Float32).unwrap();
    let (packed, scales, biases) = &ops::quantize(w, 64, 4).unwrap();
    let x = &ops::ones(&[1, 64], Dtype::Float32).unwrap();
    let gain = &ops::ones(&[4], Dtype::Float32).unwrap();
    allocate! { 0:
        ops::matmul(a, m);
        ops::addmm(m, m, m, 1.0, 1.0);
        ops::inner(m, m);
        ops::outer(gain, gain);
        ops::tensordot(a, m, &[2], &[0]);
        ops::kron(m, m);
        ops::gather_mm(a, &ops::swapaxes(a, 1, 2)?, Some(i), Some(i), false);
        ops::quantized_matmul(x, packed, scales, biases, true, 64, 4);
        ops::dequantize(packed, scales, biases, 64, 4);
        fast::rms_norm(a, Some(gain), 1e-5);
        fast::layer_norm(a, Some(gain), None, 1e-5);
        fast::rope(q, 4, false, Some(1e4), 1.0, 0, None);
        fast::scaled_dot_product_attention(q, q, q, 1.0, Mask::Causal, None);
        fft::fft(gain, 4, -1, fft::Norm::Backward);
        fft::rfft2(m, &[4, 4], &[0, 1], fft::Norm::Ortho);
        linalg::norm(m, 2.0, None, false);
        linalg::inv(m);
        linalg::cross(&ops::ones(&[3], Dtype::Float32)?, &ops::ones(&[3], Dtype::Float32)?, -1);
    }
    // The text of the subscripts, for C.
    allocate! { 1:
        ops::einsum("ij,jk->ik", &[m, m]);
    }
}

/// Two numbers of a config.
pub struct Config {
    hidden: usize,
    ffn: usize,
}

/// A feed-forward part with its norm.
#[mlx_model(config = Config)]
pub struct Block {
    #[param(hidden)]
    norm: RmsNorm,
    #[param(ffn, hidden)]
    gate: Linear,
    #[param(ffn, hidden)]
    up: Linear,
    #[param(hidden, ffn)]
    down: Linear,
}

#[mlx_model]
impl Block {
    /// The residual stream after it.
    pub fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] {
        let y = self.norm(x);
        x + self.down(silu(self.gate(y)) * self.up(y))
    }
}

/// Attention between heads.
#[mlx_fn]
pub fn attend(q: Tensor![B, L, 16], k: Tensor![B, L, 16]) -> Tensor![B, L, 16] {
    let q = rearrange!("b l (h d) -> b h l d", q, h = 2);
    let k = rearrange!("b l (h d) -> b h l d", k, h = 2);
    let y = scaled_dot_product_attention(rope(q, 8, false), rope(k, 8, false), k, causal);
    rearrange!("b h l d -> b l (h d)", y) * 0.5
}

#[test]
fn generated_code_allocates_for_kernels_alone() {
    let config = std::sync::Arc::new(Config {
        hidden: 16,
        ffn: 32,
    });
    let block: Block = model::init(&config, Key::new(1).unwrap(), Dtype::Float32).unwrap();
    let x = &ops::ones(&[1, 3, 16], Dtype::Float32).unwrap();
    allocate! { 0:
        attend(x, x);
    }
    // On a CPU two kernels, the norm and the gated unit: the work of each, and what describes it to C.
    if kernels::cpu::available(x) {
        allocate! { 21:
            block.forward(x);
        }
    }
}

#[test]
fn reading_elements_copies_nothing() {
    let a = ops::arange(0.0, 1e6, 1.0, Dtype::Float32).unwrap();
    a.eval().unwrap();
    let active = memory::active().unwrap();
    allocate! { 0:
        a.as_slice::<f32>().map(|all| all[999_999]);
        ops::sum(&a, &[], false)?.item::<f32>();
    }
    let (first, again) = (a.as_slice::<f32>().unwrap(), a.clone());
    assert_eq!(first.as_ptr(), a.as_slice::<f32>().unwrap().as_ptr());
    // Another handle, and a view, read the same memory.
    assert_eq!(first.as_ptr(), again.as_slice::<f32>().unwrap().as_ptr());
    let view = ops::reshape(&a, &[1000, 1000]).unwrap();
    assert_eq!(first.as_ptr(), view.as_slice::<f32>().unwrap().as_ptr());
    // A slice of it stays in place.
    let part = ops::slice(&a, &[500], &[600], &[1]).unwrap();
    assert_eq!(
        first[500..].as_ptr(),
        part.as_slice::<f32>().unwrap().as_ptr()
    );
    // Tests beside this one hold some bytes; a copy would be four million.
    assert!(memory::active().unwrap().abs_diff(active) < 1_000_000);
}

#[test]
fn what_fails_may_allocate() {
    let Arrays { a, i, .. } = &arrays();
    ops::add(a, a).unwrap();
    let before = COUNT.get();
    assert!(ops::add(a, i).is_err());
    assert!(COUNT.get() > before);
}
