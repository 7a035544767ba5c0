//! Arrays from Rust's own lists and numbers, and back.
//!
//! | from | to | copies |
//! |---|---|---|
//! | `Vec<T>` | array of one dimension | none of its own, see [`Array::from_vec`] |
//! | `&[T]`, `[T; N]`, `[[T; M]; N]`, .. up to any depth | array of that rank | one |
//! | a number | scalar | one |
//! | an iterator of `T` | array of one dimension | as of `Vec<T>` |
//! | `Array`, `&Array` | `Vec<T>`, row by row | one, and one more if the array is strided |
//!
//! Tests: `mlx-tests --test api`.

use num_complex::Complex32;

use crate::{bf16, f16, Array, Element, Error, Result};

/// Elements, and lists of them of any depth.
///
/// Sealed.
pub trait Nested: sealed::Nested {}

impl<T: sealed::Nested> Nested for T {}

mod sealed {
    use crate::Element;

    pub trait Nested {
        /// The type of a single element.
        type Item: Element;

        /// Adds the sizes, outermost first.
        fn sizes(shape: &mut Vec<usize>);

        /// Adds the elements in row-major order.
        fn elements(&self, out: &mut Vec<Self::Item>);
    }
}

macro_rules! scalars {
    ($($t:ty)*) => {$(
        impl sealed::Nested for $t {
            type Item = $t;

            fn sizes(_shape: &mut Vec<usize>) {}

            fn elements(&self, out: &mut Vec<$t>) {
                out.push(*self);
            }
        }

        impl TryFrom<$t> for Array {
            type Error = Error;

            /// [`Array::scalar`].
            fn try_from(value: $t) -> Result<Self> {
                Array::scalar(value)
            }
        }
    )*};
}
scalars!(bool u8 u16 u32 u64 i8 i16 i32 i64 f16 bf16 f32 f64 Complex32);

impl<T: sealed::Nested, const N: usize> sealed::Nested for [T; N] {
    type Item = T::Item;

    fn sizes(shape: &mut Vec<usize>) {
        shape.push(N);
        T::sizes(shape);
    }

    fn elements(&self, out: &mut Vec<T::Item>) {
        for part in self {
            part.elements(out);
        }
    }
}

/// Sizes as MLX takes them.
pub(super) fn narrow(op: &'static str, sizes: &[usize]) -> Result<Vec<i32>> {
    let narrow = |n: &usize| i32::try_from(*n);
    let shape: std::result::Result<Vec<i32>, _> = sizes.iter().map(narrow).collect();
    shape.map_err(|_| Error::shape(op, format!("shape {sizes:?} is too large")))
}

impl<T: Nested, const N: usize> TryFrom<[T; N]> for Array {
    type Error = Error;

    /// An array of the lists' rank.
    fn try_from(lists: [T; N]) -> Result<Self> {
        Self::try_from(&lists)
    }
}

impl<T: Nested, const N: usize> TryFrom<&[T; N]> for Array {
    type Error = Error;

    /// An array of the lists' rank.
    fn try_from(lists: &[T; N]) -> Result<Self> {
        let mut sizes = Vec::new();
        <[T; N] as sealed::Nested>::sizes(&mut sizes);
        let mut elements = Vec::new();
        sealed::Nested::elements(lists, &mut elements);
        Self::from_vec(elements, &narrow("try_from", &sizes)?)
    }
}

impl<T: Element> TryFrom<&[T]> for Array {
    type Error = Error;

    /// An array of one dimension.
    fn try_from(data: &[T]) -> Result<Self> {
        Self::from_slice(data, &narrow("try_from", &[data.len()])?)
    }
}

impl<T: Element> TryFrom<Vec<T>> for Array {
    type Error = Error;

    /// An array of one dimension, without a copy of its own: see [`Array::from_vec`].
    fn try_from(data: Vec<T>) -> Result<Self> {
        let shape = narrow("try_from", &[data.len()])?;
        Self::from_vec(data, &shape)
    }
}

impl<T: Element> FromIterator<T> for Array {
    /// An array of one dimension.
    ///
    /// ```
    /// use mlx_runtime::Array;
    /// let squares: Array = (0..4).map(|i| i * i).collect();
    /// assert_eq!(Vec::<i32>::try_from(squares)?, [0, 1, 4, 9]);
    /// # Ok::<(), mlx_runtime::Error>(())
    /// ```
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        let all: Vec<T> = elements.into_iter().collect();
        Array::or_failed(Self::try_from(all))
    }
}

impl<T: Element> TryFrom<Array> for Vec<T> {
    type Error = Error;

    /// [`Array::to_vec`].
    fn try_from(array: Array) -> Result<Self> {
        array.to_vec()
    }
}

impl<T: Element> TryFrom<&Array> for Vec<T> {
    type Error = Error;

    /// [`Array::to_vec`].
    fn try_from(array: &Array) -> Result<Self> {
        array.to_vec()
    }
}
