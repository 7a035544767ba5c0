//! Several texts in one row.
//!
//! Tests: `llama_lora --test packing`.

use crate::{context, ops, Array, Dtype, Error, Result};

/// Rows `[B, L]` of which each holds several texts, one after the other. While [`Segments::during`] runs, a token attends to
/// those before it in its own text alone, and its position is counted from the beginning of its text.
///
/// Rotary positions act through their differences, so that they go on being counted from the beginning of the row. Models
/// with states from token to token, other than attention's, do not separate texts.
///
/// ```
/// use mlx_runtime::{nn::Segments, Array, Dtype};
/// // A text of three tokens, one of two, and padding.
/// let positions = Array::from_slice(&[0i32, 1, 2, 0, 1, 0], &[1, 6])?;
/// let segments = Segments::new(&positions, 3, Dtype::Float32)?;
/// let seen: Vec<bool> = segments.visible().to_vec()?;
/// assert_eq!(seen[3 * 6..4 * 6], [false, false, false, true, false, false]);
/// # Ok::<(), mlx_runtime::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Segments {
    /// `[B, L]`, int32.
    positions: Array,
    /// `[B, 1, L, L]`, true where a query sees a key.
    visible: Array,
    /// The same to be added to scores of one dtype: every layer uses this one, so that one is kept.
    added: Array,
    longest: i32,
}

impl Segments {
    /// `positions [B, L] of i32` counts from 0 in each text; no text is longer than `longest` tokens. Activations have
    /// `dtype`.
    ///
    /// # Errors
    /// If `positions` has another shape or dtype.
    pub fn new(positions: &Array, longest: i32, dtype: Dtype) -> Result<Self> {
        crate::array::check_inputs([positions])?;
        let [batch, length] = *positions.shape() else {
            let text = format!("expected positions [B, L], found {:?}", positions.shape());
            return Err(Error::shape("Segments", text));
        };
        if positions.dtype() != Dtype::Int32 || longest < 1 {
            let text = format!(
                "expected int32 positions in texts of 1 token or more, found {} and {longest}",
                positions.dtype()
            );
            return Err(Error::invalid("Segments", text));
        }
        let first = ops::equal(positions, &Array::scalar(0i32)?)?;
        let texts = ops::cumsum(&ops::astype(&first, Dtype::Int32)?, 1, false, true)?;
        let of_queries = ops::reshape(&texts, &[batch, 1, length, 1])?;
        let of_keys = ops::reshape(&texts, &[batch, 1, 1, length])?;
        let places = ops::arange(0.0, f64::from(length), 1.0, Dtype::Int32)?;
        let before = ops::greater_equal(
            &ops::reshape(&places, &[length, 1])?,
            &ops::reshape(&places, &[1, length])?,
        )?;
        let visible = ops::logical_and(&ops::equal(&of_queries, &of_keys)?, &before)?;
        let number = |x: f32| ops::astype(&Array::scalar(x)?, dtype);
        let added = ops::where_(&visible, &number(0.0)?, &number(f32::NEG_INFINITY)?)?;
        Ok(Segments {
            positions: positions.clone(),
            visible,
            added,
            longest,
        })
    }

    /// Runs `f`, in which models separate the texts.
    pub fn during<T>(&self, f: impl FnOnce() -> T) -> T {
        context::with_segments(Some(self.clone()), f)
    }

    /// `[B, 1, L, L]`, true where a query sees a key.
    pub fn visible(&self) -> &Array {
        &self.visible
    }

    /// [`Segments::visible`] with axes of one for scores `[B, .., L, L]` of `ndim` axes.
    pub(crate) fn visible_in(&self, ndim: usize) -> Result<Array> {
        let [batch, _, length, keys] = *self.visible.shape() else {
            return Ok(self.visible.clone());
        };
        let mut shape = vec![1; ndim.max(3)];
        let last = shape.len();
        (shape[0], shape[last - 2], shape[last - 1]) = (batch, length, keys);
        ops::reshape(&self.visible, &shape)
    }

    /// The mask for scores of queries of `dtype`.
    pub(crate) fn mask(&self, dtype: Dtype) -> &Array {
        match dtype == self.added.dtype() {
            true => &self.added,
            false => &self.visible,
        }
    }

    pub(crate) fn positions(&self) -> &Array {
        &self.positions
    }

    pub(crate) fn longest(&self) -> i32 {
        self.longest
    }

    /// True if queries and keys are those of the rows.
    pub(crate) fn fits(&self, queries: i32, keys: i32) -> bool {
        let length = self.positions.shape()[1];
        queries == length && keys == length
    }
}
