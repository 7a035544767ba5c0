//! The order of the rows that make queries and keys. A pair of values that rotates together lies in the two halves of a
//! head in Hugging Face's files, and side by side in a GGUF of the llama architecture. Everything here is in Hugging
//! Face's order, adapters included, so that one fits both.
//!
//! Tests: unit tests below.

use mlx_runtime::{ops, Array, Result};

/// Brings an axis of `heads` heads from pairs of neighbours to halves. An axis of another size stays as it is, for the
/// model to refuse.
pub fn halves(a: &Array, axis: usize, heads: usize) -> Result<Array> {
    let shape = a.shape();
    let (Ok(heads), Some(&size)) = (i32::try_from(heads), shape.get(axis)) else {
        return Ok(a.clone());
    };
    if heads < 1 || size % (2 * heads) != 0 {
        return Ok(a.clone());
    }
    let mut split = shape[..axis].to_vec();
    split.extend([heads, size / heads / 2, 2]);
    split.extend(&shape[axis + 1..]);
    let apart = ops::reshape(a, &split)?;
    let turned = ops::swapaxes(&apart, axis as i32 + 1, axis as i32 + 2)?;
    ops::reshape(&turned, shape)
}

/// Brings an axis of `heads` heads from halves to pairs of neighbours, as a GGUF of the llama architecture has them.
pub fn neighbours(a: &Array, axis: usize, heads: usize) -> Result<Array> {
    let shape = a.shape();
    let (Ok(heads), Some(&size)) = (i32::try_from(heads), shape.get(axis)) else {
        return Ok(a.clone());
    };
    if heads < 1 || size % (2 * heads) != 0 {
        return Ok(a.clone());
    }
    let mut split = shape[..axis].to_vec();
    split.extend([heads, 2, size / heads / 2]);
    split.extend(&shape[axis + 1..]);
    let apart = ops::reshape(a, &split)?;
    let turned = ops::swapaxes(&apart, axis as i32 + 1, axis as i32 + 2)?;
    ops::reshape(&turned, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_halves_on_either_axis() {
        // Two heads of four values; values 0 and 1 of a head rotate together.
        let rows = Array::from_slice(&[0i32, 1, 2, 3, 4, 5, 6, 7], &[8, 1]).unwrap();
        let wanted = [0, 2, 1, 3, 4, 6, 5, 7];
        let found = halves(&rows, 0, 2).unwrap();
        assert_eq!(
            (found.shape(), found.to_vec::<i32>().unwrap()),
            (&[8, 1][..], wanted.to_vec())
        );
        let columns = ops::reshape(&rows, &[1, 8]).unwrap();
        assert_eq!(
            halves(&columns, 1, 2).unwrap().to_vec::<i32>().unwrap(),
            wanted
        );
        assert_eq!(halves(&columns, 1, 3).unwrap().shape(), [1, 8]);
        let back = neighbours(&halves(&rows, 0, 2).unwrap(), 0, 2).unwrap();
        assert_eq!(back.to_vec::<i32>().unwrap(), rows.to_vec::<i32>().unwrap());
    }
}
