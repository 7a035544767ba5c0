//! Random keys, and arrays from random distributions.
//!
//! The generator is counter-based: a [`Key`] determines the result. Without a key, functions draw from this thread's
//! own sequence, which [`seed`] restarts and which otherwise starts at the clock. Code that must give the same result
//! again, on any thread, or that runs in a compiled function, passes keys: `&key` or `None`.
//!
//! Tests: `tests/parity.rs`.

use mlx_sys as sys;

use crate::array::{build, optional};
use crate::error::{check, from_c};
use crate::init::init;
use crate::ops::check_new_shape;
use crate::{Array, Dtype, Error, Operand, Result};

pub use crate::generated::random::*;

/// Returns an error unless there are unsigned integers of `width` bytes: 1, 2, 4 and 8.
pub(crate) fn check_width(op: &'static str, width: i32) -> Result<()> {
    if matches!(width, 1 | 2 | 4 | 8) {
        return Ok(());
    }
    Err(Error::invalid(
        op,
        format!("invalid width {width}: expected 1, 2, 4 or 8 bytes"),
    ))
}

/// The state of the generator: a uint32 array of shape `[2]`.
#[derive(Clone, Debug)]
pub struct Key(Array);

impl Key {
    /// The key of a seed. MLX: `random.key`.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn new(seed: u64) -> Result<Self> {
        init();
        let mut out = sys::mlx_array {
            ctx: std::ptr::null_mut(),
        };
        // SAFETY: the destination is null.
        check("key", unsafe { sys::mlx_random_key(&mut out, seed) })?;
        Array::from_handle(out, "key").map(Self)
    }

    /// Takes an array for a key, for example an input of a compiled function.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Shape`] if it is not a uint32 array of shape `[2]`.
    pub fn from_array(array: Array) -> Result<Self> {
        crate::array::check_inputs([&array])?;
        if array.dtype() != Dtype::Uint32 || array.shape() != [2] {
            return Err(Error::shape(
                "key",
                format!("expected a key, uint32[2], found {array:?}"),
            ));
        }
        Ok(Self(array))
    }

    /// The array.
    pub fn as_array(&self) -> &Array {
        &self.0
    }

    /// The array, to be changed. Its shape and dtype must stay.
    pub(crate) fn as_array_mut(&mut self) -> &mut Array {
        &mut self.0
    }

    /// Two new keys, independent of each other. Use each key once. MLX: `random.split`.
    ///
    /// # Errors
    /// If MLX cannot.
    pub fn split(&self) -> Result<(Self, Self)> {
        let stream = crate::stream::current()?;
        let null = sys::mlx_array {
            ctx: std::ptr::null_mut(),
        };
        let (mut a, mut b) = (null, null);
        // SAFETY: key and stream are valid, both destinations null.
        let status = unsafe { sys::mlx_random_split(&mut a, &mut b, self.0.as_raw(), stream) };
        let (a, b) = (
            Array::from_handle(a, "split"),
            Array::from_handle(b, "split"),
        );
        if status != 0 {
            return Err(from_c("split", &[&self.0]));
        }
        Ok((Self(a?), Self(b?)))
    }
}

/// [`Key::new`] under MLX's name.
///
/// # Errors
/// If memory is exhausted.
pub fn key(seed: u64) -> Result<Key> {
    Key::new(seed)
}

/// `num` new keys, uint32 `[num, 2]`. MLX: `random.split`.
///
/// # Errors
/// If `num` is negative.
pub fn split(key: &Key, num: i32) -> Result<Array> {
    check_new_shape("split", &[num])?;
    build("split", &[&key.0], |out, s| {
        // SAFETY: key and stream are valid; `out` is a null destination.
        unsafe { sys::mlx_random_split_num(out, key.0.as_raw(), num, s) }
    })
}

/// Starts this thread's sequence at `seed`; other threads have their own. MLX: `random.seed`.
///
/// # Errors
/// If memory is exhausted.
pub fn seed(seed: u64) -> Result<()> {
    init();
    // SAFETY: takes a number.
    check("seed", unsafe { sys::mlx_random_seed(seed) })
}

/// The handle of an optional key.
pub(crate) fn raw(key: Option<&Key>) -> sys::mlx_array {
    optional(key.map(Key::as_array))
}

/// Normally distributed with mean `loc` and standard deviation `scale`, `-> shape`.
/// MLX: `random.normal`.
///
/// # Errors
/// If a dimension is negative, or the dtype is not floating point.
pub fn normal<'k>(
    shape: &[i32],
    dtype: Dtype,
    loc: f32,
    scale: f32,
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    let key = key.into();
    check_new_shape("normal", shape)?;
    build("normal", &[], |out, s| {
        let (p, n, d) = (shape.as_ptr(), shape.len(), dtype.as_raw());
        // SAFETY: shape, key and stream are valid; a null key stands for "absent".
        unsafe { sys::mlx_random_normal(out, p, n, d, loc, scale, raw(key), s) }
    })
}

/// Equally distributed in `[low, high)`, arrays or numbers that broadcast to `shape`. MLX: `random.uniform`.
///
/// # Errors
/// If a dimension is negative, or the dtype is not floating point.
pub fn uniform<'k>(
    low: impl Operand,
    high: impl Operand,
    shape: &[i32],
    dtype: Dtype,
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    let (key, draw) = (key.into(), sys::mlx_random_uniform);
    between("uniform", (low, high), shape, dtype, key, draw)
}

/// Integers in `[low, high)`, arrays or numbers that broadcast to `shape`. MLX: `random.randint`.
///
/// # Errors
/// If a dimension is negative, or the dtype is no integer.
pub fn randint<'k>(
    low: impl Operand,
    high: impl Operand,
    shape: &[i32],
    dtype: Dtype,
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    let (key, draw) = (key.into(), sys::mlx_random_randint);
    between("randint", (low, high), shape, dtype, key, draw)
}

/// A function of MLX that draws between two arrays.
type Draw = unsafe extern "C" fn(
    *mut sys::mlx_array,
    sys::mlx_array,
    sys::mlx_array,
    *const i32,
    usize,
    sys::mlx_dtype,
    sys::mlx_array,
    sys::mlx_stream,
) -> i32;

fn between(
    op: &'static str,
    (low, high): (impl Operand, impl Operand),
    shape: &[i32],
    dtype: Dtype,
    key: Option<&Key>,
    draw: Draw,
) -> Result<Array> {
    check_new_shape(op, shape)?;
    let drawn = |low: &Array, high: &Array| {
        build(op, &[low, high], |out, s| {
            let (p, n, d) = (shape.as_ptr(), shape.len(), dtype.as_raw());
            // SAFETY: inputs, shape, key and stream are valid; a null key stands for "absent".
            unsafe { draw(out, low.as_raw(), high.as_raw(), p, n, d, raw(key), s) }
        })
    };
    low.with(dtype, |low| high.with(dtype, |high| drawn(low, high)))
}

/// True with probability `p`, an array or a number that broadcasts to `shape`; bool. MLX: `random.bernoulli`.
///
/// # Errors
/// If a dimension is negative, or `p` does not broadcast to `shape`.
pub fn bernoulli<'k>(
    p: impl Operand,
    shape: &[i32],
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    let key = key.into();
    check_new_shape("bernoulli", shape)?;
    let drawn = |p: &Array| {
        build("bernoulli", &[p], |out, s| {
            let (at, n) = (shape.as_ptr(), shape.len());
            // SAFETY: inputs, shape, key and stream are valid; a null key stands for "absent".
            unsafe { sys::mlx_random_bernoulli(out, p.as_raw(), at, n, raw(key), s) }
        })
    };
    p.with(Dtype::Float32, drawn)
}

/// Class indices drawn with probabilities `softmax(logits)` along `axis`, which goes away;
/// uint32. MLX: `random.categorical`.
///
/// # Errors
/// If the axis does not exist.
pub fn categorical<'k>(
    logits: &Array,
    axis: i32,
    key: impl Into<Option<&'k Key>>,
) -> Result<Array> {
    let key = key.into();
    build("categorical", &[logits], |out, s| {
        // SAFETY: input, key and stream are valid; a null key stands for "absent".
        unsafe { sys::mlx_random_categorical(out, logits.as_raw(), axis, raw(key), s) }
    })
}

/// The numbers below `n` in random order, uint32 `[n]`. MLX: `random.permutation`.
///
/// # Errors
/// If `n` is negative.
pub fn permutation<'k>(n: i32, key: impl Into<Option<&'k Key>>) -> Result<Array> {
    let key = key.into();
    check_new_shape("permutation", &[n])?;
    build("permutation", &[], |out, s| {
        // SAFETY: key and stream are valid; a null key stands for "absent".
        unsafe { sys::mlx_random_permutation_arange(out, n, raw(key), s) }
    })
}

/// `x` with its slices along `axis` in random order. MLX: `random.permutation`.
///
/// # Errors
/// If the axis does not exist.
pub fn shuffle<'k>(x: &Array, axis: i32, key: impl Into<Option<&'k Key>>) -> Result<Array> {
    let key = key.into();
    build("shuffle", &[x], |out, s| {
        // SAFETY: input, key and stream are valid; a null key stands for "absent".
        unsafe { sys::mlx_random_permutation(out, x.as_raw(), axis, raw(key), s) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_determines_the_result() {
        let k = key(7).unwrap();
        let draw = |k: &Key| {
            normal(&[4], Dtype::Float32, 0.0, 1.0, Some(k))
                .unwrap()
                .to_vec::<f32>()
                .unwrap()
        };
        assert_eq!(draw(&k), draw(&key(7).unwrap()));
        let (a, b) = k.split().unwrap();
        assert_ne!(draw(&a), draw(&b));
        assert_eq!(split(&k, 3).unwrap().shape(), [3, 2]);
        assert!(Key::from_array(a.as_array().clone()).is_ok());
        assert!(Key::from_array(Array::scalar(1u32).unwrap()).is_err());
    }

    #[test]
    fn seed_starts_this_threads_sequence() {
        let draw = || {
            seed(3).unwrap();
            let (low, high) = (Array::scalar(0i32).unwrap(), Array::scalar(100i32).unwrap());
            randint(&low, &high, &[8], Dtype::Int32, None)
                .unwrap()
                .to_vec::<i32>()
                .unwrap()
        };
        assert_eq!(draw(), draw());
        assert_eq!(std::thread::spawn(draw).join().unwrap(), draw());
    }

    #[test]
    fn permutations_hold_every_number_once() {
        let mut p = permutation(50, Some(&key(1).unwrap()))
            .unwrap()
            .to_vec::<u32>()
            .unwrap();
        assert_ne!(p, (0..50).collect::<Vec<u32>>());
        p.sort_unstable();
        assert_eq!(p, (0..50).collect::<Vec<u32>>());
        assert!(permutation(-1, None).is_err());
    }

    #[test]
    fn distributions_have_their_moments() {
        let k = key(11).unwrap();
        let mean = |a: &Array| {
            let a = crate::ops::astype(a, Dtype::Float32).unwrap();
            crate::ops::mean(&a, &[], false)
                .unwrap()
                .item::<f32>()
                .unwrap()
        };
        let scalar = |v| Array::scalar(v).unwrap();
        let n = normal(&[10_000], Dtype::Float32, 1.0, 2.0, Some(&k)).unwrap();
        assert!((mean(&n) - 1.0).abs() < 0.1);
        let u = uniform(
            scalar(0.0f32),
            scalar(1.0),
            &[10_000],
            Dtype::Float32,
            Some(&k),
        )
        .unwrap();
        assert!((mean(&u) - 0.5).abs() < 0.02);
        let b = bernoulli(scalar(0.25f32), &[10_000], Some(&k)).unwrap();
        assert!((mean(&b) - 0.25).abs() < 0.02);
        let logits = Array::from_slice(&[0.0f32, f32::NEG_INFINITY], &[1, 2]).unwrap();
        assert_eq!(
            categorical(&logits, -1, Some(&k))
                .unwrap()
                .to_vec::<u32>()
                .unwrap(),
            [0]
        );
        assert!(categorical(&logits, 5, None).is_err());
        assert_eq!(shuffle(&logits, 1, Some(&k)).unwrap().shape(), [1, 2]);
    }
}
