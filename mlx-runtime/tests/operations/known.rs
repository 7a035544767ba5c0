//! Faults of MLX by the numbers in their reports; docs/correctness.md lists them.

use mlx_runtime::{ops, random, s, transforms, Array, Complex32, Dtype, Result};

fn floats(a: &Array) -> Vec<f32> {
    a.to_vec().unwrap()
}

fn array(values: &[f32], shape: &[i32]) -> Array {
    Array::from_slice(values, shape).unwrap()
}

type Part = fn(&Array) -> Result<Array>;

/// A part of `[2]` or `[3]`, and the elements that it takes.
const PARTS: &[(&str, Part, &[f32])] = &[
    ("..;2", |x| x.index(s![..;2]), &[1.0, 0.0]),
    ("1..;5", |x| x.index(s![1..;5]), &[0.0, 1.0]),
    ("-1..;-2", |x| x.index(s![..;-2]), &[0.0, 1.0]),
    ("0..;-1", |x| x.index(s![0..;-1]), &[1.0, 0.0]),
    ("whole", |x| x.index(s![..;-1]), &[1.0, 1.0]),
    ("slice", |x| ops::slice(x, &[0], &[2], &[2]), &[1.0, 0.0]),
    (
        "far",
        |x| ops::slice(x, &[0], &[i32::MAX], &[i32::MAX]),
        &[1.0, 0.0],
    ),
    ("empty", |x| x.index(s![1..1;2]), &[0.0, 0.0]),
    (
        "flip of one",
        |x| ops::flip(&x.index(s![1..])?, &[0]),
        &[0.0, 1.0],
    ),
];

#[test]
fn a_part_has_the_gradient_of_its_elements_alone() {
    for (name, part, taken) in PARTS {
        let f = move |x: &[Array]| {
            let y = part(&x[0])?;
            Ok(vec![ops::sum(&(y * 1000.0f32), &[], false)?])
        };
        let x = [array(&[3.0, 5.0], &[2])];
        let g = transforms::grad(f, &[0]).call(&x).unwrap();
        let expected: Vec<f32> = taken.iter().map(|t| t * 1000.0).collect();
        assert_eq!(floats(&g[0]), expected, "{name}");
        let count = part(&x[0]).unwrap().size() as i32;
        let rows = array(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2]);
        let part = *part;
        let batch = transforms::vmap(move |x| Ok(vec![part(&x[0])?]), &[Some(0)], &[0]);
        assert_eq!(
            batch.call(&[rows]).unwrap()[0].shape(),
            [3, count],
            "{name}"
        );
    }
}

#[test]
fn updates_of_one_element_have_its_gradient() {
    let f = |x: &[Array]| {
        let y = ops::slice_update(&x[0], &x[1], &[0], &[2], &[2])?;
        let weights = Array::from_slice(&[10.0f32, 100.0], &[2])?;
        Ok(vec![ops::sum(&ops::multiply(&y, &weights)?, &[], false)?])
    };
    let x = [array(&[3.0, 5.0], &[2]), array(&[7.0], &[1])];
    let g = transforms::grad(f, &[0, 1]).call(&x).unwrap();
    assert_eq!(
        (floats(&g[0]), floats(&g[1])),
        (vec![0.0, 100.0], vec![10.0])
    );
}

#[test]
fn a_batch_of_scatters_is_a_loop_of_them() {
    // Sources [4, 3], examples along axis 2; rows 3 and 1 get the updates.
    let count = |n: i32| (0..n).map(|i| i as f32).collect::<Vec<_>>();
    let (sources, updates) = (
        array(&count(24), &[4, 3, 2]),
        array(&count(12), &[2, 1, 3, 2]),
    );
    let f = |x: &[Array]| {
        let rows = Array::from_slice(&[3i32, 1], &[2])?;
        Ok(vec![ops::scatter_add(&x[0], &[&rows], &x[1], &[0])?])
    };
    let batch = transforms::vmap(f, &[Some(2), Some(3)], &[2]);
    let got = batch
        .call(&[sources.clone(), updates.clone()])
        .unwrap()
        .remove(0);
    for i in 0..2 {
        let one = [
            sources.index(s![.., .., i]).unwrap(),
            updates.index(s![.., .., .., i]).unwrap(),
        ];
        let expected = f(&one).unwrap().remove(0);
        assert_eq!(
            floats(&got.index(s![.., .., i]).unwrap()),
            floats(&expected),
            "{i}"
        );
    }
}

#[test]
fn an_array_that_failed_stays_failed() {
    // On a separate thread, because MLX stops the stream that failed.
    let ended = std::thread::spawn(|| {
        let singular = array(&[1.0, 2.0, 2.0, 4.0], &[2, 2]);
        let inverse = mlx_runtime::linalg::inv(&singular).unwrap();
        for _ in 0..3 {
            assert!(inverse.to_vec::<f32>().is_err());
            assert!(inverse.eval().is_err());
            assert!(ops::add(&inverse, &singular).unwrap().eval().is_err());
        }
    });
    ended.join().unwrap();
}

#[test]
fn the_bytes_of_one_element_are_its_own() {
    let bytes = |x: &Array| ops::view(x, Dtype::Uint8)?.to_vec::<u8>();
    // A last axis of size 1 with a stride other than 1.
    let x = array(&[1.5, 2.5, 3.5, 4.5], &[4]);
    let one = x.index(s![1..;3]).unwrap();
    assert_eq!(bytes(&one).unwrap(), 2.5f32.to_ne_bytes());
    let turned = ops::transpose(&array(&[1.5, 2.5], &[1, 2]), &[1, 0]).unwrap();
    let expected = [1.5f32.to_ne_bytes(), 2.5f32.to_ne_bytes()].concat();
    assert_eq!(bytes(&turned).unwrap(), expected);
    let f = |x: &[Array]| Ok(vec![ops::view(&x[0], Dtype::Uint8)?]);
    let batch = transforms::vmap(f, &[Some(1)], &[0]);
    let rows = array(&[1.5, 2.5], &[1, 2]);
    let got = batch.call(&[rows]).unwrap().remove(0);
    assert_eq!((got.shape(), bytes(&got).unwrap()), (&[2, 4][..], expected));
}

#[test]
fn parts_of_a_reversed_array_are_its_own() {
    let x = ops::flip(&array(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2]), &[0]).unwrap();
    let negated = |a: &Array| floats(&ops::negative(a).unwrap());
    let parts = ops::split(&x, 2, 1).unwrap();
    assert_eq!(negated(&parts[0]), [-5.0, -3.0, -1.0]);
    assert_eq!(negated(&parts[1]), [-6.0, -4.0, -2.0]);
    assert_eq!(
        negated(&ops::split_at(&x, &[1], 1).unwrap()[1]),
        [-6.0, -4.0, -2.0]
    );
    assert_eq!(
        negated(&ops::unstack(&x, 1).unwrap()[1]),
        [-6.0, -4.0, -2.0]
    );
    let rolled = ops::roll(&x, 1, 1).unwrap();
    assert_eq!(negated(&rolled), [-6.0, -5.0, -4.0, -3.0, -2.0, -1.0]);
    let y = mlx_runtime::linalg::cross(&x, &array(&[1.0, 0.0, 0.0], &[3]), -1).unwrap();
    assert_eq!(floats(&y), [0.0, 0.0, -6.0, 0.0, 0.0, -4.0, 0.0, 0.0, -2.0]);
    // The tangent alone runs backwards.
    let f = |x: &[Array]| {
        let y = ops::add(&ops::flip(&x[0], &[0])?, &Array::scalar(1.0f32)?)?;
        ops::split(&y, 2, 1)?.iter().map(ops::negative).collect()
    };
    let ones = array(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2]);
    let (_, t) =
        transforms::jvp(f, std::slice::from_ref(&ones), std::slice::from_ref(&ones)).unwrap();
    assert_eq!(floats(&t[0]), [-5.0, -3.0, -1.0]);
    assert_eq!(floats(&t[1]), [-6.0, -4.0, -2.0]);
}

#[test]
fn hadamard_transforms_have_the_gradient_of_their_matrix() {
    for n in [1, 2, 12, 20, 24, 28, 40, 56] {
        let eye = &[ops::eye(n, n, 0, Dtype::Float32).unwrap()];
        // Row `i` is the transform of the unit vector `i`.
        let rows = ops::hadamard_transform(&eye[0], Some(0.5)).unwrap();
        let f = |x: &[Array]| Ok(vec![ops::hadamard_transform(&x[0], Some(0.5))?]);
        let (_, gradients) = transforms::vjp(f, eye, eye).unwrap();
        let transposed = ops::transpose(&rows, &[]).unwrap();
        assert_eq!(
            floats(&gradients[0]),
            floats(&ops::contiguous(&transposed, false).unwrap()),
            "{n}"
        );
    }
    for n in [3, 36, 60, 72, 100] {
        let x = ops::zeros(&[2, n], Dtype::Float32).unwrap();
        let error = ops::hadamard_transform(&x, None).unwrap_err();
        assert_eq!(error.kind(), mlx_runtime::ErrorKind::Shape, "{error}");
    }
}

#[test]
fn the_gradient_of_a_running_extreme_goes_to_nan_parts() {
    let z = [
        Complex32::new(f32::NAN, 2.0),
        Complex32::new(3.0, -1.0),
        Complex32::new(1.0, f32::NAN),
    ];
    for running in [ops::cummin, ops::cummax] {
        let f = move |x: &[Array]| Ok(vec![running(&x[0], Some(0), false, true)?]);
        let x = Array::from_slice(&z, &[3]).unwrap();
        let ones = ops::ones_like(&x).unwrap();
        let (_, g) = transforms::vjp(f, &[x], &[ones]).unwrap();
        let all: Complex32 = g[0].to_vec::<Complex32>().unwrap().iter().sum();
        assert_eq!(all, Complex32::new(3.0, 0.0));
    }
}

#[test]
fn samples_of_a_covariance_that_is_not_finite_are_nan() {
    let mean = array(&[0.0, 0.0], &[2]);
    let cov = array(&[1.0, f32::NAN, f32::INFINITY, 1.0], &[2, 2]);
    let key = random::Key::new(1).unwrap();
    let x = random::multivariate_normal(&mean, &cov, &[3], Dtype::Float32, Some(&key)).unwrap();
    assert!(floats(&x).iter().all(|v| v.is_nan()));
}
