//! The keys and values of one layer: whole, the last of them, or packed.
//!
//! Tests: `mlx-tests --test parts`.

use crate::{ops, Array, Error, ErrorKind, Result};

/// The form in which a cache keeps keys and values.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Form {
    /// All of them, as they are.
    #[default]
    Whole,
    /// The last positions, with the first of the text.
    Rotating { size: i32, keep: i32 },
    /// All of them, packed.
    Quantized { group_size: i32, bits: i32 },
}

/// Keys and values, and the number of tokens that passed.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    seen: i32,
    /// Two arrays, or two packed ones of three arrays each.
    arrays: Vec<Array>,
}

impl Keys {
    pub fn seen(&self) -> i32 {
        self.seen
    }

    /// True if no token was dropped.
    pub fn is_whole(&self) -> bool {
        self.arrays
            .iter()
            .all(|a| a.shape().get(2) == Some(&self.seen))
    }

    /// Keeps the first `length` tokens of them all.
    pub fn truncate(&mut self, length: i32) -> Result<()> {
        if self.seen <= length {
            return Ok(());
        }
        for a in &mut self.arrays {
            let mut stop = a.shape().to_vec();
            stop[2] = length;
            *a = ops::slice(a, &vec![0; a.ndim()], &stop, &vec![1; a.ndim()])?;
        }
        self.seen = length;
        Ok(())
    }

    pub fn arrays(&self) -> &[Array] {
        &self.arrays
    }
}

type Updated = ([Array; 2], Keys);

impl Form {
    /// The first keys and values.
    pub fn first(self, keys: &Array, values: &Array) -> Result<Updated> {
        let arrays = self.packed([keys, values])?;
        let seen = keys.dim(2)?;
        Ok((self.read(&arrays)?, Keys { seen, arrays }))
    }

    /// Keys and values behind those before.
    pub fn next(self, before: &Keys, keys: &Array, values: &Array) -> Result<Updated> {
        let cached = before.arrays.first().map_or(&[][..], Array::shape);
        if cached.first() != keys.shape().first() {
            let text = format!(
                "expected new keys for a cache of {cached:?}, found {:?}",
                keys.shape()
            );
            return Err(Error::new(ErrorKind::Shape, text));
        }
        let seen = before.seen.saturating_add(keys.dim(2)?);
        let new = self.packed([keys, values])?;
        let pairs = before.arrays.iter().zip(&new);
        let joined = pairs.map(|(old, new)| match self {
            Form::Rotating { size, keep } => {
                ops::concatenate(&[&last(old, size - 1, keep)?, new], 2)
            }
            _ => ops::concatenate(&[old, new], 2),
        });
        let arrays = joined.collect::<Result<Vec<_>>>()?;
        Ok((self.read(&arrays)?, Keys { seen, arrays }))
    }

    fn read(self, arrays: &[Array]) -> Result<[Array; 2]> {
        match (self, arrays) {
            (Form::Quantized { group_size, bits }, [k, a, b, v, c, d]) => Ok([
                ops::dequantize(k, a, b, group_size, bits)?,
                ops::dequantize(v, c, d, group_size, bits)?,
            ]),
            (_, [k, v, ..]) => Ok([k.clone(), v.clone()]),
            _ => Err(Error::new(
                ErrorKind::Shape,
                "expected keys and values in the cache",
            )),
        }
    }

    fn packed(self, all: [&Array; 2]) -> Result<Vec<Array>> {
        let Form::Quantized { group_size, bits } = self else {
            return Ok(all.map(Array::clone).to_vec());
        };
        let mut packed = Vec::new();
        for a in all {
            let (w, scales, biases) = ops::quantize(a, group_size, bits)?;
            packed.extend([w, scales, biases]);
        }
        Ok(packed)
    }
}

/// The last `size` positions, of which the first `keep` are those of the text.
fn last(a: &Array, size: i32, keep: i32) -> Result<Array> {
    let (length, mut start) = (a.dim(2)?, vec![0; a.ndim()]);
    if length <= size {
        return Ok(a.clone());
    }
    let (strides, stop) = (vec![1; a.ndim()], a.shape().to_vec());
    start[2] = length - size + keep;
    let rest = ops::slice(a, &start, &stop, &strides)?;
    if keep == 0 {
        return Ok(rest);
    }
    let mut stop = stop;
    stop[2] = keep;
    let first = ops::slice(a, &vec![0; a.ndim()], &stop, &strides)?;
    ops::concatenate(&[&first, &rest], 2)
}
