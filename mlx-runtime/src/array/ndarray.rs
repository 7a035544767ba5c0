//! To and from the arrays of the crate `ndarray`, with the feature of that name.
//!
//! | from | to | copies |
//! |---|---|---|
//! | `&Array` in row-major order | [`ArrayView`] | none: the view borrows the array |
//! | `&Array` in any order | [`ndarray::Array`] | one, and one more if the array is strided |
//! | [`ndarray::Array`] in standard layout | `Array` | none of its own, see [`Array::from_vec`] |
//! | any other of `ndarray`'s arrays, or a reference to one | `Array` | one |
//!
//! Tests: `mlx-tests --test ndarray`.

use ndarray::{ArrayBase, ArrayView, ArrayViewD, Data, Dimension, IxDyn, OwnedRepr, RawData};

use super::convert::narrow;
use crate::{Array, Element, Error, ErrorKind, Result};

fn sizes(op: &'static str, a: &Array) -> Result<Vec<usize>> {
    let size = |n: &i32| usize::try_from(*n);
    let sizes: std::result::Result<Vec<usize>, _> = a.shape().iter().map(size).collect();
    sizes.map_err(|_| {
        Error::shape(
            op,
            format!(
                "invalid array {:?}: expected strides that are not negative",
                a.shape()
            ),
        )
    })
}

fn misfit(op: &'static str, a: &Array, e: &ndarray::ShapeError) -> Error {
    Error::new(ErrorKind::Shape, format!("{a:?}: {e}")).with_op(op)
}

impl Array {
    /// The elements as a view of `ndarray`, without a copy. Evaluates the array.
    ///
    /// ```
    /// use mlx_runtime::Array;
    /// let a = Array::try_from([[1.0f32, 2.0], [3.0, 4.0]])?;
    /// let view = a.as_ndarray::<f32>()?;
    /// assert_eq!(view[[1, 0]], 3.0);
    /// # Ok::<(), mlx_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Array::as_slice`]: another dtype, or a strided view of an array.
    pub fn as_ndarray<T: Element>(&self) -> Result<ArrayViewD<'_, T>> {
        const OP: &str = "as_ndarray";
        let elements = self.as_slice::<T>()?;
        ArrayViewD::from_shape(IxDyn(&sizes(OP, self)?), elements).map_err(|e| misfit(OP, self, &e))
    }

    /// A copy of the elements as an array of `ndarray`, whatever the layout. Evaluates the array.
    ///
    /// # Errors
    /// As [`Array::to_vec`].
    pub fn to_ndarray<T: Element>(&self) -> Result<ndarray::ArrayD<T>> {
        const OP: &str = "to_ndarray";
        let elements = self.to_vec::<T>()?;
        ndarray::ArrayD::from_shape_vec(IxDyn(&sizes(OP, self)?), elements)
            .map_err(|e| misfit(OP, self, &e))
    }
}

impl<'a, T: Element, D: Dimension> TryFrom<&'a Array> for ArrayView<'a, T, D> {
    type Error = Error;

    /// [`Array::as_ndarray`], of a rank that is known.
    fn try_from(a: &'a Array) -> Result<Self> {
        let view = a.as_ndarray()?.into_dimensionality();
        view.map_err(|e| misfit("as_ndarray", a, &e))
    }
}

impl<T: Element, D: Dimension> TryFrom<&Array> for ndarray::Array<T, D> {
    type Error = Error;

    /// [`Array::to_ndarray`], of a rank that is known.
    fn try_from(a: &Array) -> Result<Self> {
        let owned = a.to_ndarray()?.into_dimensionality();
        owned.map_err(|e| misfit("to_ndarray", a, &e))
    }
}

impl<T: Element, D: Dimension> TryFrom<ndarray::Array<T, D>> for Array {
    type Error = Error;

    /// Takes the elements over, see [`Array::from_vec`]; copies them where they do not lie in
    /// standard layout.
    fn try_from(a: ArrayBase<OwnedRepr<T>, D>) -> Result<Self> {
        if !a.is_standard_layout() {
            return Self::try_from(&a);
        }
        let shape = narrow("try_from", a.shape())?;
        let size = a.len();
        let (mut elements, offset) = a.into_raw_vec_and_offset();
        match offset {
            // The elements that are cut off stand before or after.
            Some(start) if start > 0 => elements.drain(..start).for_each(drop),
            _ => {}
        }
        elements.truncate(size);
        Self::from_vec(elements, &shape)
    }
}

impl<S: Data + RawData<Elem: Element>, D: Dimension> TryFrom<&ArrayBase<S, D>> for Array {
    type Error = Error;

    /// Copies the elements.
    fn try_from(a: &ArrayBase<S, D>) -> Result<Self> {
        let shape = narrow("try_from", a.shape())?;
        match a.as_slice() {
            Some(elements) => Self::from_slice(elements, &shape),
            None => Self::from_vec(a.iter().copied().collect(), &shape),
        }
    }
}
