//! With raw calls of MLX C, as a C program makes them: each status is checked, each handle freed.

use std::ffi::c_int;
use std::ptr::null_mut;

use mlx_runtime::Array;
use mlx_sys as sys;

use crate::Inputs;

const NONE: sys::mlx_array = sys::mlx_array { ctx: null_mut() };

/// The last array of a graph.
pub struct Handle(sys::mlx_array);

impl Handle {
    pub fn into_array(self) -> Array {
        let raw = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: owned until now.
        unsafe { Array::from_raw(raw) }.unwrap()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: owned.
        unsafe { sys::mlx_array_free(self.0) };
    }
}

fn ok(status: c_int) {
    assert!(status == 0, "a call failed");
}

/// One call into a new handle.
macro_rules! call {
    ($name:ident($($arg:expr),*)) => {{
        let mut out = NONE;
        ok(sys::$name(&mut out, $($arg),*));
        out
    }};
}

/// As [`call`], in place of a handle that is freed.
macro_rules! next {
    ($old:ident = $name:ident($($arg:expr),*)) => {{
        let new = call!($name($($arg),*));
        ok(sys::mlx_array_free($old));
        $old = new;
    }};
}

unsafe fn copy(of: &Array) -> sys::mlx_array {
    let mut out = NONE;
    // SAFETY: the source is valid, the destination null.
    ok(unsafe { sys::mlx_array_set(&mut out, of.as_raw()) });
    out
}

/// The thread's default stream; owned.
struct Stream(sys::mlx_stream);

impl Stream {
    fn new() -> Self {
        let (mut device, mut stream) = (
            sys::mlx_device { ctx: null_mut() },
            sys::mlx_stream { ctx: null_mut() },
        );
        // SAFETY: null destinations, then handles that were just made.
        unsafe {
            ok(sys::mlx_get_default_device(&mut device));
            ok(sys::mlx_get_default_stream(&mut stream, device));
            ok(sys::mlx_device_free(device));
        }
        Self(stream)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: owned.
        unsafe { sys::mlx_stream_free(self.0) };
    }
}

/// # Safety
/// The inputs are alive; so for each function here.
pub unsafe fn elementwise(i: &Inputs) -> Handle {
    let s = Stream::new();
    let (a, b) = (i.w[0].as_raw(), i.w[1].as_raw());
    // SAFETY: every handle is valid, every destination null.
    unsafe {
        let mut h = copy(&i.w[0]);
        for _ in 0..250 {
            next!(h = mlx_add(h, a, s.0));
            next!(h = mlx_multiply(h, b, s.0));
            next!(h = mlx_subtract(h, a, s.0));
            next!(h = mlx_maximum(h, b, s.0));
        }
        Handle(h)
    }
}

pub unsafe fn shapes(i: &Inputs) -> Handle {
    let s = Stream::new();
    let w = i.w[0].as_raw();
    // SAFETY: every handle is valid, every list has its length, every destination is null.
    unsafe {
        let mut h = copy(&i.w[0]);
        for _ in 0..167 {
            let mut y = call!(mlx_matmul(h, w, s.0));
            let shape = [2, 8, 16];
            next!(y = mlx_reshape(y, shape.as_ptr(), 3, s.0));
            let axes = [1, 0, 2];
            next!(y = mlx_transpose_axes(y, axes.as_ptr(), 3, s.0));
            let shape = [16, 16];
            next!(y = mlx_reshape(y, shape.as_ptr(), 2, s.0));
            let sum = call!(mlx_sum_axis(y, 0, true, s.0));
            next!(h = mlx_add(y, sum, s.0));
            ok(sys::mlx_array_free(sum));
            ok(sys::mlx_array_free(y));
        }
        Handle(h)
    }
}

pub unsafe fn mlp(i: &Inputs) -> Handle {
    let s = Stream::new();
    let (w, gain) = (i.w[0].as_raw(), i.gain.as_raw());
    // SAFETY: every handle is valid, every destination null.
    unsafe {
        let mut h = copy(&i.x);
        for _ in 0..250 {
            next!(h = mlx_fast_rms_norm(h, gain, 1e-5, s.0));
            next!(h = mlx_matmul(h, w, s.0));
            next!(h = mlx_add(h, gain, s.0));
            next!(h = mlx_tanh(h, s.0));
        }
        Handle(h)
    }
}

unsafe fn heads(x: sys::mlx_array, w: &Array, s: &Stream) -> sys::mlx_array {
    let (shape, axes) = ([1, 8, 2, 8], [0, 2, 1, 3]);
    // SAFETY: as in `transformer`.
    unsafe {
        let mut y = call!(mlx_matmul(x, w.as_raw(), s.0));
        next!(y = mlx_reshape(y, shape.as_ptr(), 4, s.0));
        next!(y = mlx_transpose_axes(y, axes.as_ptr(), 4, s.0));
        y
    }
}

unsafe fn rotated(x: sys::mlx_array, s: &Stream) -> sys::mlx_array {
    let base = sys::mlx_optional_float {
        value: 1e4,
        has_value: true,
    };
    // SAFETY: as in `transformer`; a null array stands for "absent".
    let out = unsafe { call!(mlx_fast_rope(x, 8, false, base, 1.0, 0, NONE, s.0)) };
    // SAFETY: owned by the caller, who gives it away.
    ok(unsafe { sys::mlx_array_free(x) });
    out
}

unsafe fn norm(x: sys::mlx_array, gain: &Array, s: &Stream) -> sys::mlx_array {
    // SAFETY: as in `transformer`.
    unsafe { call!(mlx_fast_rms_norm(x, gain.as_raw(), 1e-5, s.0)) }
}

unsafe fn block(x: sys::mlx_array, w: &[Array], gain: &Array, s: &Stream) -> sys::mlx_array {
    let (axes, shape) = ([0, 2, 1, 3], [1, 8, 16]);
    // SAFETY: as in `transformer`.
    unsafe {
        let mut n = norm(x, gain, s);
        let (q, k, v) = (heads(n, &w[0], s), heads(n, &w[1], s), heads(n, &w[2], s));
        let (q, k) = (rotated(q, s), rotated(k, s));
        let mut y = call!(mlx_fast_scaled_dot_product_attention(
            q,
            k,
            v,
            1.0 / 8f32.sqrt(),
            c"".as_ptr(),
            NONE,
            NONE,
            false,
            s.0
        ));
        for used in [q, k, v] {
            ok(sys::mlx_array_free(used));
        }
        next!(y = mlx_transpose_axes(y, axes.as_ptr(), 4, s.0));
        next!(y = mlx_reshape(y, shape.as_ptr(), 3, s.0));
        next!(y = mlx_matmul(y, w[3].as_raw(), s.0));
        let x = call!(mlx_add(x, y, s.0));
        ok(sys::mlx_array_free(n));
        n = norm(x, gain, s);
        let mut g = call!(mlx_matmul(n, w[4].as_raw(), s.0));
        let u = call!(mlx_matmul(n, w[5].as_raw(), s.0));
        next!(g = mlx_tanh(g, s.0));
        next!(g = mlx_multiply(g, u, s.0));
        next!(g = mlx_matmul(g, w[6].as_raw(), s.0));
        let out = call!(mlx_add(x, g, s.0));
        for used in [x, y, n, g, u] {
            ok(sys::mlx_array_free(used));
        }
        out
    }
}

pub unsafe fn transformer(i: &Inputs) -> Handle {
    let s = Stream::new();
    // SAFETY: every handle is valid, every list has its length, every destination is null.
    unsafe {
        let mut h = copy(&i.x);
        for _ in 0..42 {
            let next = block(h, &i.w, &i.gain, &s);
            ok(sys::mlx_array_free(h));
            h = next;
        }
        Handle(h)
    }
}
