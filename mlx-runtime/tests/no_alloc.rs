//! An operation allocates nothing in Rust unless it fails.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use mlx_runtime::ops::fast::{self, Mask};
use mlx_runtime::{ops, Array, Dtype};

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

#[test]
fn operations_do_not_allocate() {
    let a = ops::ones(&[2, 3, 4], Dtype::Float32).unwrap();
    let q = ops::ones(&[1, 2, 3, 4], Dtype::Float32).unwrap();
    let i = Array::from_slice(&[0i32, 1], &[2]).unwrap();
    let run = || {
        ops::add(&a, &a).unwrap();
        ops::exp(&a).unwrap();
        ops::sum(&a, &[0, 2], true).unwrap();
        ops::reshape(&a, &[4, 6]).unwrap();
        ops::transpose(&a, &[2, 0, 1]).unwrap();
        ops::slice(&a, &[0, 0, 0], &[1, 1, 1], &[1, 1, 1]).unwrap();
        ops::matmul(&a, &ops::swapaxes(&a, 1, 2).unwrap()).unwrap();
        ops::concatenate(&[&a, &a, &a], 0).unwrap();
        ops::take(&a, &i, 0).unwrap();
        ops::where_(&a, &a, &a).unwrap();
        ops::pad(
            &a,
            &[(1, 1), (0, 0), (0, 2)],
            &Array::scalar(0.0f32).unwrap(),
        )
        .unwrap();
        fast::rms_norm(&a, None, 1e-5).unwrap();
        fast::rope(&q, 4, false, Some(1e4), 1.0, 0, None).unwrap();
        fast::scaled_dot_product_attention(&q, &q, &q, 1.0, Mask::Causal, None).unwrap();
        let _ = (a.shape(), a.dtype(), a.clone());
    };
    // The first call on a thread finds its stream.
    run();
    let before = COUNT.get();
    run();
    assert_eq!(COUNT.get() - before, 0);
    assert!(ops::add(&a, &q).is_ok() && ops::add(&a, &i).is_err());
    assert!(COUNT.get() > before);
}
