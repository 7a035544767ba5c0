//! `graph::simplify`: the same values with fewer nodes, whatever views are stacked on each other.

#![allow(missing_docs)]

use mlx_runtime::{low_level::graph, ops, transforms, Array, Dtype, Result};
use proptest::prelude::*;

/// One more operation on an array; `pick` says which factor or axis.
#[derive(Clone, Copy, Debug)]
enum Step {
    Swap(usize),
    Fold(usize),
    Unfold(usize),
    Expand(usize),
    Squeeze,
    Flatten,
    Stop,
    Negate,
    Double,
    Half(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let pick = 0usize..8;
    prop_oneof![
        pick.clone().prop_map(Step::Swap),
        pick.clone().prop_map(Step::Fold),
        pick.clone().prop_map(Step::Unfold),
        pick.clone().prop_map(Step::Expand),
        Just(Step::Squeeze),
        Just(Step::Flatten),
        Just(Step::Stop),
        Just(Step::Negate),
        Just(Step::Double),
        pick.prop_map(Step::Half),
    ]
}

fn apply(a: &Array, step: Step) -> Result<Array> {
    let (shape, n) = (a.shape().to_vec(), a.ndim());
    match step {
        Step::Swap(i) if n > 1 => ops::swapaxes(a, (i % n) as i32, ((i + 1) % n) as i32),
        Step::Fold(i) if n > 1 => {
            let (at, mut folded) = (i % (n - 1), shape.clone());
            let next = folded.remove(at + 1);
            folded[at] *= next;
            ops::reshape(a, &folded)
        }
        Step::Unfold(i) => {
            let mut apart = shape.clone();
            match apart.get_mut(i % n.max(1)).filter(|d| **d % 2 == 0) {
                None => return Ok(a.clone()),
                Some(d) => *d /= 2,
            }
            apart.insert(i % n + 1, 2);
            ops::reshape(a, &apart)
        }
        Step::Expand(i) if n < 7 => ops::expand_dims(a, &[(i % (n + 1)) as i32]),
        Step::Squeeze => {
            let ones: Vec<i32> = (0..n as i32).filter(|&i| shape[i as usize] == 1).collect();
            match ones.is_empty() {
                true => Ok(a.clone()),
                false => ops::squeeze(a, &ones),
            }
        }
        Step::Flatten => ops::flatten(a, 0, -1),
        Step::Stop => ops::stop_gradient(a),
        Step::Negate => ops::negative(a),
        // Two readers of one view.
        Step::Double => ops::add(a, a),
        Step::Half(i) if n > 0 && shape[i % n] % 2 == 0 => {
            let parts = ops::split(a, 2, (i % n) as i32)?;
            ops::concatenate(&[&parts[1], &parts[0]], (i % n) as i32)
        }
        _ => Ok(a.clone()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_stack_of_views_has_the_same_values(
        steps in prop::collection::vec(step(), 1..14),
        evaluated in any::<bool>(),
    ) {
        let start = ops::arange(0.0, 96.0, 1.0, Dtype::Float32).unwrap();
        let start = ops::reshape(&start, &[4, 6, 4]).unwrap();
        if evaluated {
            start.eval().unwrap();
        }
        let (mut a, mut all) = (start, Vec::new());
        for s in &steps {
            a = apply(&a, *s).unwrap();
            all.push(a.clone());
        }
        // The last, and one on the way, which the last may read.
        let wanted = [&a, &all[all.len() / 2]];
        let before = graph::count_nodes(&wanted).unwrap();
        let simple = graph::simplify(&wanted).unwrap();
        let refs: Vec<&Array> = simple.iter().collect();
        prop_assert!(graph::count_nodes(&refs).unwrap() <= before);
        for (x, y) in simple.iter().zip(wanted) {
            prop_assert_eq!(x.shape(), y.shape());
            prop_assert_eq!(x.to_vec::<f32>().unwrap(), y.to_vec::<f32>().unwrap());
        }
    }
}

/// A gradient through custom ones and a checkpoint, recorded with and without.
#[test]
fn gradients_that_were_taken_stay() {
    let scaled = transforms::custom_vjp(
        |x| Ok(vec![ops::multiply(&x[0], &x[1])?, ops::exp(&x[1])?]),
        |x, by, y| {
            let first = ops::multiply(&by[0], &x[1])?;
            let second = ops::add(
                &ops::multiply(&by[0], &x[0])?,
                &ops::multiply(&by[1], &y[1])?,
            )?;
            Ok(vec![first, second])
        },
    );
    let layer = transforms::checkpoint(move |x| {
        let y = scaled.call(x)?;
        Ok(vec![ops::sin(&ops::add(&y[0], &y[1])?)?])
    });
    let gradient = transforms::value_and_grad(
        move |x| {
            let y = layer.call(x)?.swap_remove(0);
            let y = layer.call(&[y, x[1].clone()])?;
            Ok(vec![ops::sum(&y[0], &[], false)?])
        },
        &[0, 1],
    );
    let x = Array::from_slice(&[0.1f32, -0.4, 0.7, 0.2], &[2, 2]).unwrap();
    let w = Array::from_slice(&[0.3f32, 0.9, -0.5, 0.6], &[2, 2]).unwrap();
    let (values, grads) = gradient.call(&[x, w]).unwrap();
    let all: Vec<&Array> = values.iter().chain(&grads).collect();
    let before = graph::count_nodes(&all).unwrap();
    let simple = graph::simplify(&all).unwrap();
    let refs: Vec<&Array> = simple.iter().collect();
    let after = graph::count_nodes(&refs).unwrap();
    assert!(after * 3 < before * 2, "{after} of {before} nodes");
    for (a, b) in simple.iter().zip(all) {
        assert_eq!(a.to_vec::<f32>().unwrap(), b.to_vec::<f32>().unwrap());
    }
}
