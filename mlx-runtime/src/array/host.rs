//! Between arrays and host memory.
//!
//! Tests: unit tests below.

use std::ffi::c_void;

use half::{bf16, f16};
use mlx_sys as sys;

use super::{ready, Array};
use crate::error::{check, from_c};
use crate::live::Kept;
use crate::lock::graph_lock;
use crate::{stream, Dtype, Element, Error, ErrorKind, Result};

/// Checks that `shape` is one MLX can hold and describes `len` elements.
fn check_shape(op: &'static str, len: usize, shape: &[i32]) -> Result<()> {
    let mut size = 1usize;
    for &d in shape {
        let d = usize::try_from(d)
            .map_err(|_| Error::shape(op, format!("negative dimension in shape {shape:?}")))?;
        size = size
            .checked_mul(d)
            .ok_or_else(|| Error::shape(op, format!("shape {shape:?} is too large")))?;
    }
    if i32::try_from(shape.len()).is_err() {
        return Err(Error::shape(op, format!("{} dimensions", shape.len())));
    }
    if size != len {
        return Err(Error::shape(
            op,
            format!("expected {size} elements for shape {shape:?}, found {len}"),
        ));
    }
    Ok(())
}

impl Array {
    /// An array of `shape` with a copy of `data`, in row-major order.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if `shape` has a negative dimension or another number of elements.
    pub fn from_slice<T: Element>(data: &[T], shape: &[i32]) -> Result<Self> {
        check_shape("from_slice", data.len(), shape)?;
        // SAFETY: `data` holds as many elements of that dtype as `shape` says; they are copied.
        unsafe { new_data("from_slice", data.as_ptr().cast(), shape, T::DTYPE) }
    }

    /// An array of `shape` that takes over `data`, in row-major order.
    ///
    /// MLX uses the memory as it is where its device can (Metal, page-aligned data) and copies it
    /// once where it cannot (CPU, CUDA); either way the vector is freed when MLX has no more use
    /// for it, maybe on another thread.
    ///
    /// # Errors
    /// As [`Array::from_slice`]; `data` is dropped.
    pub fn from_vec<T: Element>(data: Vec<T>, shape: &[i32]) -> Result<Self> {
        /// Frees the vector that `from_vec` leaked into the payload.
        unsafe extern "C" fn free<T>(payload: *mut c_void) {
            // SAFETY: the payload is the box that `from_vec` made; MLX calls this once.
            drop(unsafe { Box::from_raw(payload.cast::<(Vec<T>, Kept)>()) });
        }
        check_shape("from_vec", data.len(), shape)?;
        ready();
        let mut data = Box::new((data, Kept::new()));
        let pointer: *mut T = data.0.as_mut_ptr();
        let payload = Box::into_raw(data);
        // SAFETY: `pointer` leads to as many elements as `shape` says, and stays valid until
        // `free` drops the vector, which is `Send`. If MLX throws before it has taken the
        // payload, the vector leaks: whether `free` ran cannot be told apart then.
        let raw = unsafe {
            sys::mlx_array_new_data_managed_payload(
                pointer.cast(),
                shape.as_ptr(),
                shape.len() as i32,
                T::DTYPE.as_raw(),
                payload.cast(),
                Some(free::<T>),
            )
        };
        Self::from_handle(raw, "from_vec")
    }

    /// A scalar (no dimensions) of `T`'s dtype.
    ///
    /// A float32 scalar promotes half-precision operands to float32: use [`Array::scalar_as`]
    /// for a constant that should take its operand's dtype.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn scalar<T: Element>(value: T) -> Result<Self> {
        ready();
        match value.new_scalar() {
            Some(raw) => Self::from_handle(raw, "scalar"),
            None => Self::from_slice(&[value], &[]),
        }
    }

    /// Makes `self` a scalar, whose handle it reuses. Other clones stay what they are.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn assign_scalar<T: Element>(&mut self, value: T) -> Result<()> {
        let mut raw = self.as_raw();
        // SAFETY: `raw` is our handle, which MLX C overwrites in place.
        match unsafe { value.set_scalar(&mut raw) } {
            Some(status) => check("assign_scalar", status),
            None => self.assign_slice(&[value], &[]),
        }
    }

    /// Makes `self` an array of `shape` with a copy of `data`, see [`Array::from_slice`], and
    /// reuses its handle. Other clones stay what they are.
    ///
    /// # Errors
    /// As [`Array::from_slice`].
    pub fn assign_slice<T: Element>(&mut self, data: &[T], shape: &[i32]) -> Result<()> {
        check_shape("assign_slice", data.len(), shape)?;
        let (p, n) = (shape.as_ptr(), shape.len() as i32);
        let mut raw = self.as_raw();
        // SAFETY: `data` holds as many elements of that dtype as `shape` says; they are copied.
        // `raw` is our handle, which MLX C overwrites in place.
        check("assign_slice", unsafe {
            sys::mlx_array_set_data(&mut raw, data.as_ptr().cast(), p, n, T::DTYPE.as_raw())
        })
    }

    /// An array over memory that is never freed, in row-major order: nothing is copied
    /// where MLX can use the memory as it is (see [`Array::from_vec`]), and nothing is freed.
    ///
    /// # Errors
    /// As [`Array::from_slice`].
    pub fn from_static<T: Element>(data: &'static mut [T], shape: &[i32]) -> Result<Self> {
        /// The memory stays.
        unsafe extern "C" fn keep(_data: *mut c_void) {}
        check_shape("from_static", data.len(), shape)?;
        ready();
        // SAFETY: as many elements as `shape` says, valid for ever and borrowed by this array alone: MLX may
        // write results over an input that nothing else needs.
        let raw = unsafe {
            sys::mlx_array_new_data_managed(
                data.as_mut_ptr().cast(),
                shape.as_ptr(),
                shape.len() as i32,
                T::DTYPE.as_raw(),
                Some(keep),
            )
        };
        Self::from_handle(raw, "from_static")
    }

    /// A scalar of `dtype` that is `value`, rounded.
    ///
    /// # Errors
    /// If memory is exhausted.
    ///
    /// ```
    /// use mlx_runtime::{ops, Array, Dtype};
    /// let x = ops::zeros(&[4], Dtype::Bfloat16)?;
    /// let y = ops::add(&x, &Array::scalar_as(0.5, x.dtype())?)?;
    /// assert_eq!(y.dtype(), Dtype::Bfloat16);
    /// # Ok::<(), mlx_runtime::Error>(())
    /// ```
    pub fn scalar_as(value: f64, dtype: Dtype) -> Result<Self> {
        match dtype {
            Dtype::Bool => Self::scalar(value != 0.0),
            Dtype::Uint8 => Self::scalar(value as u8),
            Dtype::Uint16 => Self::scalar(value as u16),
            Dtype::Uint32 => Self::scalar(value as u32),
            Dtype::Uint64 => Self::scalar(value as u64),
            Dtype::Int8 => Self::scalar(value as i8),
            Dtype::Int16 => Self::scalar(value as i16),
            Dtype::Int32 => Self::scalar(value as i32),
            Dtype::Int64 => Self::scalar(value as i64),
            Dtype::Float16 => Self::scalar(f16::from_f64(value)),
            Dtype::Bfloat16 => Self::scalar(bf16::from_f64(value)),
            Dtype::Float32 => Self::scalar(value as f32),
            Dtype::Float64 => Self::scalar(value),
            Dtype::Complex64 => Self::scalar(num_complex::Complex32::new(value as f32, 0.0)),
        }
    }

    /// The one element of an array of size 1. Evaluates the array.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] if there is not exactly one element, [`ErrorKind::Dtype`] if it is
    /// not a `T`.
    pub fn item<T: Element>(&self) -> Result<T> {
        if self.size() != 1 {
            return Err(Error::shape(
                "item",
                format!(
                    "expected an array of one value, found shape {:?}",
                    self.shape()
                ),
            )
            .with_hint("reduce or index the array first, or use `to_vec`"));
        }
        let elements = self.data::<T>("item")?;
        // SAFETY: evaluated, of this dtype, its bytes valid; one element.
        match unsafe { T::item(self.as_raw()) } {
            Some((status, value)) => check("item", status).map(|()| value),
            None => Ok(elements[0]),
        }
    }

    /// The elements in row-major order, without a copy. Evaluates the array.
    ///
    /// # Errors
    /// [`ErrorKind::Dtype`] if the elements are not `T`, [`ErrorKind::InvalidArgument`] if the
    /// array is a transposed, broadcast or otherwise strided view.
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        self.data("as_slice")
    }

    /// A copy of the elements in row-major order, whatever the layout. Evaluates the array.
    ///
    /// # Errors
    /// [`ErrorKind::Dtype`] if the elements are not `T`.
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.check_dtype::<T>("to_vec")?;
        self.eval()?;
        if self.size() <= 1 || self.is_row_contiguous()? {
            return Ok(self.data::<T>("to_vec")?.to_vec());
        }
        let rows = crate::ops::contiguous(self, false)?;
        Ok(rows.data::<T>("to_vec")?.to_vec())
    }

    /// The bytes of the elements in row-major order, for an array whose layout that is.
    pub(crate) fn bytes(&self) -> Result<&[u8]> {
        self.eval()?;
        self.row_major("bytes")
    }

    fn check_dtype<T: Element>(&self, op: &'static str) -> Result<()> {
        let dtype = self.dtype();
        if dtype == T::DTYPE {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Dtype,
            format!("expected an array of {}, found {dtype}", T::DTYPE),
        )
        .with_op(op)
        .with_hint("convert the array with `ops::astype` first"))
    }

    /// The elements' bytes; evaluated already.
    fn row_major(&self, op: &'static str) -> Result<&[u8]> {
        let size = self.size();
        if size == 0 {
            return Ok(&[]);
        }
        // One element has no layout.
        if size > 1 && !self.is_row_contiguous()? {
            return Err(Error::invalid(
                op,
                format!(
                    "expected a row-major array, found a strided view of shape {:?}",
                    self.shape()
                ),
            )
            .with_hint("use `to_vec`, or `ops::contiguous` first"));
        }
        let lock = moved_by_readers().then(graph_lock);
        if lock.is_some() && self.nbytes() > ON_BOTH_SIDES {
            // Queued work of this thread may read the elements where they were.
            stream::synchronize()?;
        }
        // SAFETY: the handle is valid and evaluated. Every getter of this family returns the same
        // address.
        let bytes = unsafe { sys::mlx_array_data_uint8(self.as_raw()) };
        if bytes.is_null() {
            return Err(from_c(op, &[self]));
        }
        // SAFETY: an evaluated, row-contiguous array has its elements from that address on. MLX
        // reuses a buffer only when nothing else holds the array, and `self` does.
        Ok(unsafe { std::slice::from_raw_parts(bytes, self.nbytes()) })
    }

    fn data<T: Element>(&self, op: &'static str) -> Result<&[T]> {
        self.check_dtype::<T>(op)?;
        self.eval()?;
        let bytes = self.row_major(op)?;
        if bytes.is_empty() {
            return Ok(&[]);
        }
        // SAFETY: evaluated, and of this dtype.
        let elements = unsafe { T::data(self.as_raw()) };
        if elements.is_null() {
            return Err(from_c(op, &[self]));
        }
        if !elements.is_aligned() {
            return Err(
                Error::new(ErrorKind::Mlx, "the data is not aligned to its dtype").with_op(op),
            );
        }
        if !T::valid(bytes) {
            return Err(Error::new(
                ErrorKind::Dtype,
                "expected bytes of 0 or 1 in an array of bool, found others",
            )
            .with_op(op)
            .with_hint("compare the array with 0 first, or view it as uint8"));
        }
        // SAFETY: the dtype is `T`'s, so these are `size` aligned and valid elements.
        Ok(unsafe { std::slice::from_raw_parts(elements, self.size()) })
    }
}

/// Bytes of an array that MLX's CUDA backend makes where the host reaches it (`small_block_size`).
const ON_BOTH_SIDES: usize = 8;

/// True if the first reader of an array moves it to memory that the host reaches, as MLX's CUDA backend
/// does (`Buffer::raw_ptr`, mlx/backend/cuda/allocator.cpp) without a lock of its own: another reader, or
/// an evaluation that starts meanwhile, would have the address from before.
fn moved_by_readers() -> bool {
    crate::kernels::select::moves_arrays_to_readers()
}

/// # Safety
/// `data` leads to as many elements of `dtype` as `shape` says.
unsafe fn new_data(
    op: &'static str,
    data: *const c_void,
    shape: &[i32],
    dtype: Dtype,
) -> Result<Array> {
    ready();
    let count: usize = shape
        .iter()
        .map(|&n| usize::try_from(n).unwrap_or(0))
        .product();
    crate::runtime::enforce::admit_bytes(op, count.saturating_mul(dtype.size()))?;
    // SAFETY: the caller's promise; MLX copies the elements before it returns.
    let raw = unsafe {
        sys::mlx_array_new_data(data, shape.as_ptr(), shape.len() as i32, dtype.as_raw())
    };
    Array::from_handle(raw, op)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_counts_and_dimensions_are_errors() {
        for shape in [&[2, 2][..], &[-1, -3], &[i32::MAX, i32::MAX, i32::MAX], &[]] {
            let e = Array::from_slice(&[1i32, 2, 3], shape).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Shape, "{shape:?}");
            assert!(Array::from_vec(vec![1i32, 2, 3], shape).is_err());
        }
    }

    #[test]
    fn every_element_type_round_trips() {
        fn check<T: Element + PartialEq + std::fmt::Debug>(values: &[T]) {
            let a = Array::from_slice(values, &[values.len() as i32]).unwrap();
            assert_eq!(a.dtype(), T::DTYPE);
            assert_eq!(a.as_slice::<T>().unwrap(), values);
            let b = Array::from_vec(values.to_vec(), &[1, values.len() as i32]).unwrap();
            assert_eq!(b.to_vec::<T>().unwrap(), values);
        }
        check(&[true, false, true]);
        check(&[0u8, 255]);
        check(&[0u16, 65535]);
        check(&[0u32, u32::MAX]);
        check(&[0u64, u64::MAX]);
        check(&[i8::MIN, i8::MAX]);
        check(&[i16::MIN, i16::MAX]);
        check(&[i32::MIN, i32::MAX]);
        check(&[i64::MIN, i64::MAX]);
        check(&[f16::from_f32(1.5), f16::MAX]);
        check(&[bf16::from_f32(1.5), bf16::MAX]);
        check(&[1.5f32, f32::MIN_POSITIVE]);
        check(&[1.5f64, f64::MAX]);
        check::<f32>(&[]);
    }

    #[test]
    fn item_wants_one_element_of_the_right_type() {
        let a = Array::scalar(3i32).unwrap();
        assert_eq!(a.item::<i32>().unwrap(), 3);
        assert_eq!(a.item::<f32>().unwrap_err().kind(), ErrorKind::Dtype);
        let b = Array::from_slice(&[1i32, 2], &[2]).unwrap();
        assert_eq!(b.item::<i32>().unwrap_err().kind(), ErrorKind::Shape);
        assert_eq!(
            Array::from_slice(&[7u8], &[1, 1])
                .unwrap()
                .item::<u8>()
                .unwrap(),
            7
        );
    }

    #[test]
    fn strided_views_are_copied_by_to_vec_and_refused_by_as_slice() {
        let a = Array::from_slice(&[1i32, 2, 3, 4, 5, 6], &[2, 3]).unwrap();
        let t = crate::ops::transpose(&a, &[]).unwrap();
        assert_eq!(t.to_vec::<i32>().unwrap(), [1, 4, 2, 5, 3, 6]);
        assert_eq!(
            t.as_slice::<i32>().unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        let s = crate::ops::slice(&a, &[0, 1], &[2, 3], &[1, 1]).unwrap();
        assert_eq!(s.to_vec::<i32>().unwrap(), [2, 3, 5, 6]);
    }

    #[test]
    fn bytes_that_are_no_bool_are_refused() {
        let a = Array::from_slice(&[0u8, 1, 2], &[3]).unwrap();
        let b = crate::ops::view(&a, Dtype::Bool).unwrap();
        assert_eq!(b.as_slice::<bool>().unwrap_err().kind(), ErrorKind::Dtype);
    }

    #[test]
    fn dim_counts_from_both_ends() {
        let a = crate::ops::zeros(&[2, 3], Dtype::Float32).unwrap();
        assert_eq!(a.dim(0).unwrap(), 2);
        assert_eq!(a.dim(-1).unwrap(), 3);
        for axis in [2, -3, i32::MIN, i32::MAX] {
            assert_eq!(a.dim(axis).unwrap_err().kind(), ErrorKind::Shape);
        }
    }

    #[test]
    fn scalar_as_has_the_dtype_asked_for() {
        for &d in Dtype::ALL {
            let a = Array::scalar_as(1.0, d).unwrap();
            assert_eq!((a.dtype(), a.ndim()), (d, 0));
        }
    }

    #[test]
    fn printing_never_panics() {
        let a = Array::from_slice(&[1.0f32, 2.0], &[2]).unwrap();
        assert_eq!(format!("{a:?}"), "Array(float32[2])");
        assert!(format!("{a}").contains('2'));
    }
}
