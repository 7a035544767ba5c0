//! The values that gradients read, as the rows of the table name them.
//!
//! Tests: `mlx-tests --test kept_bytes` measures each form of an operation.

use crate::ir::{Between, Inputs, Keeps};

/// The gradient needs nothing but the gradient of the result.
pub(crate) const NOTHING: Keeps = Keeps {
    inputs: Inputs::None,
    output: false,
    between: Between::Results(0),
    of_number: &[],
    view: false,
    stops: false,
};

/// The gradient reads the inputs.
pub(crate) const INPUTS: Keeps = Keeps {
    inputs: Inputs::All,
    ..NOTHING
};

/// The gradient of one operand reads the other operands.
pub(crate) const PRODUCT: Keeps = Keeps {
    inputs: Inputs::Others,
    ..NOTHING
};

/// The gradient reads the result.
pub(crate) const OUTPUT: Keeps = Keeps {
    output: true,
    ..NOTHING
};

/// The gradient reads the inputs and the result.
pub(crate) const BOTH: Keeps = Keeps {
    output: true,
    ..INPUTS
};

/// The result shares the memory of the first argument.
pub(crate) const VIEW: Keeps = Keeps {
    view: true,
    ..NOTHING
};

/// A view that no gradient passes.
pub(crate) const STOP: Keeps = Keeps {
    stops: true,
    ..VIEW
};
