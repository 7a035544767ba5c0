//! Options by name are the arguments in a row, and their defaults MLX's.

use mlx_runtime::ops::fast::{self, RopeOptions};
use mlx_runtime::ops::{self, Conv};
use mlx_runtime::{Array, Dtype, ErrorKind, Result};

fn wave(shape: &[i32]) -> Result<Array> {
    let n: i32 = shape.iter().product();
    ops::sin(&ops::arange(0.0, f64::from(n), 1.0, Dtype::Float32)?)?.reshape(shape)
}

#[track_caller]
fn same(a: Result<Array>, b: Result<Array>) {
    let (a, b) = (a.unwrap(), b.unwrap());
    assert_eq!(a.shape(), b.shape());
    assert!(ops::allclose(&a, &b, 1e-5, 1e-5, false)
        .unwrap()
        .item::<bool>()
        .unwrap());
}

#[test]
fn convolutions() -> Result<()> {
    let (x, w) = (wave(&[1, 7, 2])?, wave(&[4, 3, 2])?);
    same(Conv::new().apply(&x, &w), ops::conv1d(&x, &w, 1, 0, 1, 1));
    same(
        Conv::new()
            .stride(&[2])
            .padding(&[1])
            .dilation(&[2])
            .apply(&x, &w),
        ops::conv1d(&x, &w, 2, 1, 2, 1),
    );
    let grouped = wave(&[4, 3, 1])?;
    same(
        Conv::new().groups(2).apply(&x, &grouped),
        ops::conv1d(&x, &grouped, 1, 0, 1, 2),
    );
    same(
        Conv::new()
            .paddings(&[2], &[1])
            .input_dilation(&[2])
            .flip(true)
            .apply(&x, &w),
        ops::conv_general(&x, &w, &[1], &[2], &[1], &[1], &[2], 1, true),
    );
    let conv = Conv::new().stride(&[2]).output_padding(&[1]);
    same(
        conv.transposed(&x, &w),
        ops::conv_transpose1d(&x, &w, 2, 0, 1, 1, 1),
    );
    let (x, w) = (wave(&[1, 3, 4, 2])?, wave(&[3, 2, 2, 2])?);
    let conv = Conv::new().stride(&[2, 1]).padding(&[1, 0]);
    same(
        conv.transposed(&x, &w),
        ops::conv_transpose2d(&x, &w, (2, 1), (1, 0), (1, 1), (0, 0), 1),
    );
    let (x, w) = (wave(&[1, 2, 2, 2, 1])?, wave(&[1, 2, 2, 2, 1])?);
    same(
        Conv::new().stride(&[1, 2, 1]).transposed(&x, &w),
        ops::conv_transpose3d(&x, &w, (1, 2, 1), (0, 0, 0), (1, 1, 1), (0, 0, 0), 1),
    );
    for wrong in [
        Conv::new().flip(true),
        Conv::new().paddings(&[1], &[0]),
        Conv::new().input_dilation(&[2]),
        Conv::new().stride(&[1, 1]),
        Conv::new().stride(&[]),
    ] {
        assert_eq!(
            wrong.transposed(&x, &w).unwrap_err().op(),
            Some("conv_transpose")
        );
    }
    let flat = wave(&[2, 2])?;
    assert_eq!(
        Conv::new().transposed(&flat, &flat).unwrap_err().kind(),
        ErrorKind::Shape
    );
    Ok(())
}

#[test]
fn rotary_positions() -> Result<()> {
    let x = wave(&[1, 1, 3, 8])?;
    let freqs = Array::try_from([1f32, 2.0, 3.0, 4.0])?;
    let at = Array::scalar(5i32)?;
    same(
        RopeOptions::new(8).apply(&x),
        fast::rope(&x, 8, false, Some(1e4), 1.0, 0, None),
    );
    let options = RopeOptions::new(4)
        .traditional(true)
        .base(100.0)
        .scale(0.5)
        .offset(2);
    same(
        options.apply(&x),
        fast::rope(&x, 4, true, Some(100.0), 0.5, 2, None),
    );
    let options = RopeOptions::new(8).freqs(&freqs);
    same(
        options.apply(&x),
        fast::rope(&x, 8, false, None, 1.0, 0, Some(&freqs)),
    );
    same(
        options.apply_from(&x, &at),
        fast::rope(&x, 8, false, None, 1.0, 5, Some(&freqs)),
    );
    Ok(())
}
