//! Derived gradients against finite differences.

use mlx_macros_core::kernel::ir::{Gradient, Op, Program};
use mlx_macros_core::kernel::vjp::NoGradient;
use mlx_macros_core::syntax::signature::Dt;

use crate::generate::{kernel, Random};
use crate::interpret::{gradients, read, results, run, size, Sizes};

fn sizes(of: &[(&str, i64)]) -> Sizes {
    of.iter().map(|(n, s)| (n.to_string(), *s)).collect()
}

type Read = (Program, Result<Option<Gradient>, NoGradient>);

/// Compares the derivative along a random direction with a difference of the values.
fn check(text: &str, found: &Read, sizes: &Sizes, inputs: &[Vec<f64>], random: &mut Random) {
    let (program, gradient) = found;
    let Ok(Some(gradient)) = gradient else {
        panic!("no gradient: {text}");
    };
    let whole: Vec<bool> = program
        .inputs
        .iter()
        .map(|i| !matches!(i.dtype, Dt::Float | Dt::F32))
        .collect();
    let out = run(program, sizes, inputs, &[]);
    let mut by: Vec<Vec<f64>> = out
        .iter()
        .map(|y| y.iter().map(|_| random.number()).collect())
        .collect();
    // Numbers that the kernel keeps for the gradient have none themselves.
    for by in &mut by[results(text)..] {
        by.fill(0.0);
    }
    let grads = gradients(gradient, sizes, [inputs, &out, &by], &[]);
    let along: Vec<Vec<f64>> = inputs
        .iter()
        .zip(&whole)
        .map(|(x, whole)| {
            x.iter()
                .map(|_| if *whole { 0.0 } else { random.number() })
                .collect()
        })
        .collect();
    let value = |step: f64| {
        let moved: Vec<Vec<f64>> = inputs
            .iter()
            .zip(&along)
            .map(|(x, d)| x.iter().zip(d).map(|(x, d)| x + step * d).collect())
            .collect();
        let out = run(program, sizes, &moved, &[]);
        let each = out.iter().flatten().zip(by.iter().flatten());
        each.map(|(y, b)| y * b).sum::<f64>()
    };
    let terms = || {
        grads
            .iter()
            .flatten()
            .zip(along.iter().flatten())
            .map(|(g, d)| g * d)
    };
    let (derived, scale): (f64, f64) = (terms().sum(), 1.0 + terms().map(f64::abs).sum::<f64>());
    // A kink between the two points spoils one step, not all.
    let close = [1e-5, 1e-6, 1e-4, 1e-7].iter().any(|h| {
        let difference = (value(*h) - value(-h)) / (2.0 * h);
        (difference - derived).abs() <= 2e-5 * scale
    });
    let difference = (value(1e-5) - value(-1e-5)) / 2e-5;
    assert!(
        close,
        "derived {derived}, by differences {difference}:\n{text}\n{:#?}",
        gradient.program
    );
}

/// True if the program cuts more columns than there are, which a call refuses.
fn cuts_too_much(p: &Program, s: &Sizes) -> bool {
    p.values.iter().any(|v| match &v.op {
        Op::Cut { of, start, step } => {
            let n = v.width.as_ref().map_or(1, |d| size(d, s));
            let whole = p.values[*of].width.as_ref().map_or(1, |d| size(d, s));
            size(start, s) + (n - 1) * size(step, s) >= whole
        }
        _ => false,
    })
}

#[test]
fn random_kernels_have_the_gradients_of_finite_differences() {
    let mut random = Random(7);
    let mut compared = 0;
    for i in 0..2000 {
        let k = kernel(&format!("kernel{i}"), &mut random);
        let s = sizes(&[
            ("B", 1 + i % 2),
            ("L", 1 + i % 3),
            ("D", 2 + i % 7),
            ("E", 1 + i % 5),
        ]);
        let inputs = k.inputs(s["B"] * s["L"], [s["D"], s["E"]], &mut random);
        let found = read(&k.text);
        // A difference goes on where a gradient stops.
        let stops = k.text.contains("stop_gradient");
        assert!(found.1.is_ok(), "{:?}: {}", found.1, k.text);
        if !stops && !cuts_too_much(&found.0, &s) {
            check(&k.text, &found, &s, &inputs, &mut random);
            compared += 1;
        }
    }
    assert!(compared > 1200, "{compared} kernels were compared");
}

/// Kernels one operation each, on sizes that are odd, 1, and more than a block.
#[test]
fn every_operation_has_the_gradient_of_finite_differences() {
    let mut random = Random(11);
    for (text, of) in crate::each::KERNELS {
        let found = read(text);
        let inputs: Vec<Vec<f64>> = found
            .0
            .inputs
            .iter()
            .map(|i| {
                let n = i.shape.iter().map(|d| size(d, &sizes(of))).product::<i64>();
                let whole = !matches!(i.dtype, Dt::Float | Dt::F32);
                (0..n)
                    .map(|_| {
                        if whole {
                            random.below(2) as f64
                        } else {
                            random.number()
                        }
                    })
                    .collect()
            })
            .collect();
        check(text, &found, &sizes(of), &inputs, &mut random);
    }
}

/// Where one launch cannot give the gradient, there is none, and the host composes it.
#[test]
fn what_scatters_has_no_gradient_of_one_launch() {
    for text in [
        "fn f(x: Tensor![B, D], at: Tensor![B, K; i32]) -> Tensor![B, K] { take_along_axis(x, at, -1) * 2.0 }",
        "fn f(x: Tensor![V, D], at: Tensor![B; i32]) -> Tensor![B, D] { take(x, at, 0) * 2.0 }",
        "fn f(x: Tensor![B, D, D2]) -> Tensor![B, D, D2] { x + sum(x, -1, keepdims) * 2.0 }",
    ] {
        let (_, gradient) = read(text);
        assert_eq!(gradient.is_err(), text.contains("take"), "{text}");
    }
}

/// Every operation of the tier is shown by a kernel.
#[test]
fn every_operation_is_among_the_kernels() {
    let shown = |name: &str| {
        crate::each::KERNELS
            .iter()
            .any(|(text, _)| text.contains(&format!("{name}(")))
    };
    let missing: Vec<&str> = mlx_macros_core::kernel::operations()
        .filter(|name| !shown(name))
        .collect();
    assert!(missing.is_empty(), "no kernel shows {missing:?}");
}

/// Kernels with words left out, doubled or taken from others are expanded without a panic.
#[test]
fn changed_kernels_are_expanded_or_refused() {
    let mut random = Random(5);
    let words: Vec<Vec<String>> = crate::each::KERNELS
        .iter()
        .map(|(text, _)| {
            let spaced = text
                .chars()
                .flat_map(|c| match c.is_alphanumeric() || "_.".contains(c) {
                    true => vec![c],
                    false => vec![' ', c, ' '],
                });
            let spaced: String = spaced.collect();
            spaced.split_whitespace().map(String::from).collect()
        })
        .collect();
    let mut expanded = 0;
    for _ in 0..3000 {
        let mut text = words[random.below(words.len())].clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(text.len());
            let other = &words[random.below(words.len())];
            match random.below(4) {
                0 => _ = text.remove(at),
                1 => text.insert(at, text[at].clone()),
                2 => text[at] = other[random.below(other.len())].clone(),
                _ => {
                    text[at] =
                        ["0", "-1", "1", "D", "B", "1e30", "keepdims"][random.below(7)].to_string()
                }
            }
        }
        let text = text.join(" ").replace(" - >", " ->");
        let Ok(tokens) = text.parse::<proc_macro2::TokenStream>() else {
            continue;
        };
        let out = mlx_macros_core::kernels::expand(Default::default(), tokens).to_string();
        expanded += usize::from(!out.contains("compile_error"));
    }
    assert!(expanded > 20, "{expanded} were kernels");
}
