//! Refuses numbers for which no operation has a meaning.
//!
//! Tests: `tests/planted.rs`, `mlx-tests --test ui`.

use crate::diag::{Diag, Result};
use crate::ir::{Arg, Ctx};
use crate::syntax::literals::{fits_f32, literal};

/// A range that some numbers of operations are in.
struct Range {
    text: &'static str,
    holds: fn(f64) -> bool,
    /// Operation (any, if empty) and argument.
    of: &'static [(&'static str, &'static str)],
}

static RANGES: &[Range] = &[
    Range {
        text: "0 or more",
        holds: |x| x >= 0.0,
        of: &[("", "eps"), ("", "rtol"), ("", "atol"), ("", "lambd")],
    },
    Range {
        text: "above 0",
        holds: |x| x > 0.0,
        of: &[
            ("rope", "base"),
            ("huber_loss", "delta"),
            ("smooth_l1_loss", "beta"),
        ],
    },
    Range {
        text: "not 0",
        holds: |x| x != 0.0,
        of: &[
            ("celu", "alpha"),
            ("rope", "scale"),
            ("scaled_dot_product_attention", "scale"),
        ],
    },
    Range {
        text: "0 or more and below 1",
        holds: |x| (0.0..1.0).contains(&x),
        of: &[("", "label_smoothing")],
    },
    Range {
        text: "between 0 and 31, the bits of a whole number",
        holds: |x| (0.0..=31.0).contains(&x),
        of: &[("left_shift", "b"), ("right_shift", "b")],
    },
];

/// Refuses literals outside of their range.
pub fn check(c: &Ctx<'_>) -> Result<()> {
    let number = |i: usize| match c.args.get(i) {
        Some(Arg::Scalar(e) | Arg::Weak { expr: e, .. }) => literal(e),
        _ => None,
    };
    for (i, (name, _)) in c.op.params.iter().enumerate() {
        let Some(x) = number(i) else { continue };
        if !fits_f32(x) {
            return Err(Diag::number_too_large(c.at(i)));
        }
        let own = |r: &&Range| {
            r.of.iter()
                .any(|(o, n)| n == name && [c.op.name, ""].contains(o))
        };
        if let Some(range) = RANGES.iter().find(own).filter(|r| !(r.holds)(x)) {
            return Err(Diag::number_outside(
                c.at(i),
                c.op.name,
                name,
                range.text,
                x,
            ));
        }
        let divides = matches!(c.op.name, "divide" | "floor_divide" | "remainder");
        if divides && i == 1 && x == 0.0 {
            return Err(Diag::divisor_zero(c.at(i), c.op.name));
        }
    }
    if let ("clip" | "hard_tanh", Some(low), Some(high)) = (c.op.name, number(1), number(2)) {
        if low > high {
            return Err(Diag::limits_turned(c.at(2), c.op.name, low, high));
        }
    }
    Ok(())
}
