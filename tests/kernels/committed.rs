//! The kernels that the generator wrote, each against its composed form.

#[path = "generated.rs"]
mod generated;

use mlx_runtime::{ops, Array, Dtype, Result};

use crate::check::{normal, same, values_alike};
use generated::CASES;

/// A kernel with its arguments.
pub struct Case {
    name: &'static str,
    call: fn(&[Array]) -> Result<Vec<Array>>,
    arguments: &'static [(&'static [&'static str], &'static str)],
    sizes: &'static [(&'static str, i32)],
}

impl Case {
    fn shape(&self, i: usize) -> Vec<i32> {
        let size = |d: &&str| {
            let known = self.sizes.iter().find(|s| s.0 == *d).map(|s| s.1);
            known.or_else(|| d.parse().ok()).unwrap()
        };
        self.arguments[i].0.iter().map(size).collect()
    }

    fn inputs(&self, dtype: Dtype) -> Vec<Array> {
        let all = self.arguments.iter().enumerate();
        all.map(|(i, (_, class))| match *class {
            "i32" => {
                let n: i32 = self.shape(i).iter().product();
                let x: Vec<i32> = (0..n).map(|j| j * 7 % 2).collect();
                Array::from_slice(&x, &self.shape(i)).unwrap()
            }
            _ => normal(&self.shape(i), 40 + i as u64, dtype),
        })
        .collect()
    }
}

#[test]
fn values_and_gradients_are_those_of_mlx() {
    for case in CASES {
        same(
            case.name,
            case.call,
            &case.inputs(Dtype::Float32),
            1e-5,
            2e-4,
        );
    }
}

#[test]
fn half_types_are_rounded_once() {
    for case in CASES.iter().filter(|c| c.name.starts_with("each")) {
        for dtype in [Dtype::Float16, Dtype::Bfloat16] {
            // The kernel in float32, rounded, is the kernel in the half type.
            let x = case.inputs(dtype);
            let wide = |a: &Array| match a.dtype() == dtype {
                true => ops::astype(a, Dtype::Float32).unwrap(),
                false => a.clone(),
            };
            let (half, whole) = (
                (case.call)(&x).unwrap(),
                (case.call)(&x.iter().map(wide).collect::<Vec<_>>()).unwrap(),
            );
            for (a, b) in half.iter().zip(&whole) {
                values_alike(case.name, a, &ops::astype(b, a.dtype()).unwrap(), 0.0);
            }
        }
    }
}

#[test]
fn nan_and_infinity_are_those_of_mlx() {
    let odd = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        1e30,
        -1e30,
        1e-30,
    ];
    for case in CASES.iter().filter(|c| c.name.starts_with("each")) {
        let x: Vec<Array> = case
            .inputs(Dtype::Float32)
            .iter()
            .map(|a| match a.dtype() {
                Dtype::Float32 => {
                    let mut x = a.to_vec::<f32>().unwrap();
                    for (i, v) in x.iter_mut().enumerate() {
                        if i % 3 == 1 {
                            *v = odd[i / 3 % odd.len()];
                        }
                    }
                    Array::from_slice(&x, a.shape()).unwrap()
                }
                _ => a.clone(),
            })
            .collect();
        let found = (case.call)(&x).unwrap();
        let want = mlx_runtime::fused::without(|| (case.call)(&x)).unwrap();
        for (a, b) in found.iter().zip(&want) {
            values_alike(case.name, a, b, 1e-5);
        }
    }
}
