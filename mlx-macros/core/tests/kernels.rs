//! Row programs: what the macro reads from a function, and the gradients that it derives, against an interpreter and
//! finite differences.
