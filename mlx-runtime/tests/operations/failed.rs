//! The error of a failed array comes out of each operation, unchanged.

use mlx_runtime::{ops, Array, Dtype};

use crate::check::Call;
use crate::generate::Sizes;
use crate::{layout, operations};

/// The result of an operator on shapes that do not fit.
fn failed() -> Array {
    let of = |n| ops::ones(&[n], Dtype::Float32).unwrap();
    of(2) + of(3)
}

#[test]
fn each_operation_returns_the_error_of_a_failed_input() {
    let first = failed().check().unwrap_err();
    let (mut wrong, mut called) = (Vec::new(), 0);
    for operation in operations() {
        let call = Call::new(operation, None, layout::ALL[0], Sizes::Plain, 1, false);
        for (i, result) in call.with_each(&failed()).into_iter().enumerate() {
            called += 1;
            match result {
                Err(e) if e.to_string() == first.to_string() && e.kind() == first.kind() => {}
                other => wrong.push(format!("{} {i}: {other:?}", operation.name)),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {called}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(called > 300, "{called}");
}
