//! What is generated: for each file its functions, for each function what its header does not say.

/// One wrapper.
pub struct Row {
    /// The function of MLX C.
    pub c: &'static str,
    /// Its name in Rust.
    pub name: &'static str,
    pub doc: &'static str,
    pub errors: &'static str,
    /// Statements before the call.
    pub check: &'static str,
    /// What is done with the result.
    pub then: &'static str,
    /// Types of text parameters that are more than text.
    pub types: &'static [(&'static str, &'static str)],
}

/// One file of `src/generated`.
pub struct File {
    pub name: &'static str,
    pub doc: &'static str,
    pub uses: &'static str,
    pub rows: &'static [Row],
}

const fn row(c: &'static str, name: &'static str, doc: &'static str, errors: &'static str) -> Row {
    Row {
        c,
        name,
        doc,
        errors,
        check: "",
        then: "",
        types: &[],
    }
}

impl Row {
    const fn check(mut self, check: &'static str) -> Self {
        self.check = check;
        self
    }

    const fn then(mut self, then: &'static str) -> Self {
        self.then = then;
        self
    }

    const fn types(mut self, types: &'static [(&'static str, &'static str)]) -> Self {
        self.types = types;
        self
    }
}

mod conv;
mod distributed;
mod fft;
mod linalg;
mod ops;
mod random;
mod scatter;

pub const FILES: &[File] = &[
    conv::FILE,
    distributed::FILE,
    fft::FILE,
    linalg::FILE,
    ops::FILE,
    random::FILE,
    scatter::FILE,
];
