//! Conversions between arrays and those of `ndarray`, lists and numbers.

use mlx_runtime::{bf16, f16, ops, s, Array, Complex32, Dtype, Element, ErrorKind, Result};
use ndarray::{
    arr0, arr2, Array1, Array2, Array3, ArrayD, ArrayView1, ArrayView2, Ix3, ShapeBuilder,
};

fn there_and_back<T: Element + PartialEq + std::fmt::Debug>(make: impl Fn(usize) -> T) {
    let list: Vec<T> = (0..24).map(make).collect();
    let owned = Array3::from_shape_vec((2, 3, 4), list.clone()).unwrap();
    for a in [
        Array::try_from(&owned).unwrap(),
        Array::try_from(owned.clone()).unwrap(),
    ] {
        assert_eq!((a.shape(), a.dtype()), (&[2, 3, 4][..], T::DTYPE));
        assert_eq!(a.to_vec::<T>().unwrap(), list);
        // The view is of the array's own memory.
        let view = a.as_ndarray::<T>().unwrap();
        assert_eq!(view.as_ptr(), a.as_slice::<T>().unwrap().as_ptr());
        assert_eq!(view.into_dimensionality::<Ix3>().unwrap(), owned);
        assert_eq!(Array3::<T>::try_from(&a).unwrap(), owned);
    }
}

#[test]
fn every_element_type_goes_there_and_back() {
    there_and_back(|i| i % 3 == 0);
    there_and_back(|i| i as u8);
    there_and_back(|i| i as u16);
    there_and_back(|i| i as u32);
    there_and_back(|i| i as u64);
    there_and_back(|i| i as i8 - 9);
    there_and_back(|i| i as i16 - 9);
    there_and_back(|i| i as i32 - 9);
    there_and_back(|i| i as i64 - 9);
    there_and_back(|i| f16::from_f32(i as f32 / 4.0));
    there_and_back(|i| bf16::from_f32(i as f32 / 4.0));
    there_and_back(|i| i as f32 / 3.0);
    there_and_back(|i| i as f64 / 3.0);
    there_and_back(|i| Complex32::new(i as f32, -1.0));
}

#[test]
fn other_layouts_are_read_in_their_order() -> Result<()> {
    let a = arr2(&[[1, 2, 3], [4, 5, 6]]);
    let expected = [1, 4, 2, 5, 3, 6];
    assert_eq!(Array::try_from(&a.t())?.to_vec::<i32>()?, expected);
    let turned = Array::try_from(a.t().to_owned())?;
    assert_eq!(
        (turned.shape(), turned.to_vec::<i32>()?),
        (&[3, 2][..], expected.to_vec())
    );
    let columns = Array2::from_shape_vec((2, 3).f(), vec![1, 4, 2, 5, 3, 6]).unwrap();
    assert_eq!(
        Array::try_from(columns)?.to_vec::<i32>()?,
        [1, 2, 3, 4, 5, 6]
    );
    // Cut: the elements begin inside of the list, or end before it does.
    let cut = Array1::from_vec(vec![0, 1, 2, 3, 4]).slice_move(ndarray::s![1..4]);
    assert_eq!(Array::try_from(cut)?.to_vec::<i32>()?, [1, 2, 3]);
    let back = Array1::from_vec(vec![0, 1, 2]).slice_move(ndarray::s![..;-1]);
    assert_eq!(Array::try_from(back)?.to_vec::<i32>()?, [2, 1, 0]);
    let none = Array2::<f32>::zeros((0, 3));
    assert_eq!(Array::try_from(none)?.shape(), [0, 3]);
    assert_eq!(Array::try_from(arr0(2.5f32))?.item::<f32>()?, 2.5);
    Ok(())
}

#[test]
fn views_are_of_evaluated_rows() -> Result<()> {
    let a = Array::try_from([[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
    let view: ArrayView2<'_, f32> = (&a).try_into()?;
    assert_eq!(view.row(1).to_vec(), [4.0, 5.0, 6.0]);
    // A computed array is a view, too; a strided one is copied or refused.
    let sum = &a + &a;
    assert_eq!(sum.as_ndarray::<f32>()?.sum(), 42.0);
    let t = a.t()?;
    assert_eq!(
        t.as_ndarray::<f32>().unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
    let copy: Array2<f32> = (&t).try_into()?;
    assert_eq!(copy, arr2(&[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]));
    // Another rank, or another dtype.
    let e = ArrayView1::<f32>::try_from(&a).unwrap_err();
    assert_eq!((e.kind(), e.op()), (ErrorKind::Shape, Some("as_ndarray")));
    assert_eq!(a.as_ndarray::<i32>().unwrap_err().kind(), ErrorKind::Dtype);
    assert_eq!(a.to_ndarray::<f64>().unwrap_err().kind(), ErrorKind::Dtype);
    let any: ArrayD<f32> = a.index(s![0, ..])?.to_ndarray()?;
    assert_eq!(any.shape(), [3]);
    Ok(())
}

#[test]
fn lists_and_numbers_become_arrays() -> Result<()> {
    let a = Array::try_from([[[1i32, 2], [3, 4], [5, 6]]])?;
    assert_eq!((a.shape(), a.dtype()), (&[1, 3, 2][..], Dtype::Int32));
    assert_eq!(Vec::<i32>::try_from(&a)?, [1, 2, 3, 4, 5, 6]);
    let b: Array = vec![f16::ONE; 3].try_into()?;
    assert_eq!((b.shape(), b.dtype()), (&[3][..], Dtype::Float16));
    let c: Array = [true, false][..].try_into()?;
    assert_eq!(c.to_vec::<bool>()?, [true, false]);
    let d = Array::try_from(&[[0u8; 0]; 2])?;
    assert_eq!((d.shape(), d.dtype()), (&[2, 0][..], Dtype::Uint8));
    let e = Array::try_from(bf16::from_f32(0.5))?;
    assert_eq!((e.ndim(), e.dtype()), (0, Dtype::Bfloat16));
    let f = Array::try_from(Complex32::new(1.0, 2.0))?;
    assert_eq!(f.item::<Complex32>()?.im, 2.0);
    assert_eq!(
        ops::sum(&Array::try_from([1.0f64, 2.0])?, &[], false)?.item::<f64>()?,
        3.0
    );
    Ok(())
}
