//! A program's text as the macros emit it.

use mlx_macros_core::kernel::ir::Program;
use mlx_macros_core::kernel::text::{self, Target};
use mlx_macros_core::syntax::dims::Dim;
use mlx_runtime::kernels::rows::text::{Argument, Text};

fn leaked(list: Vec<String>) -> &'static [&'static str] {
    let list: Vec<&'static str> = list.into_iter().map(|s| &*s.leak()).collect();
    list.leak()
}

/// A size as the macros emit it, for sizes of these names.
fn size(dim: &Dim, names: &[String]) -> &'static [(i64, &'static [usize])] {
    let place = |name: &String| {
        names
            .iter()
            .position(|n| n == name)
            .expect("the call has every size")
    };
    let terms = dim.terms().map(|(factors, c)| {
        let places: Vec<usize> = factors.iter().map(place).collect();
        (c, &*places.leak())
    });
    let terms: Vec<(i64, &'static [usize])> = terms.collect();
    terms.leak()
}

/// The text as the macros emit it.
pub fn emitted(program: &Program, target: Target, names: &[String]) -> Option<Text> {
    let made = text::write(program, target)?;
    let argument = |a: &text::Argument| match a {
        text::Argument::Rows => Argument::Rows,
        text::Argument::RowsEach => Argument::RowsEach,
        text::Argument::Size(name) => Argument::Size(size(&Dim::name(name), names)),
        text::Argument::Number(i) => Argument::Number(*i),
    };
    let numbers = made.numbers.iter();
    let numbers = numbers.map(|(a, word)| (argument(a), &*word.clone().leak()));
    let numbers: Vec<(Argument, &'static str)> = numbers.collect();
    let constants = made.constants.into_iter();
    let constants = constants.map(|(name, word)| (&*word.leak(), size(&Dim::name(&name), names)));
    let constants: Vec<(&'static str, _)> = constants.collect();
    let widths: Vec<_> = made.widths.iter().map(|w| size(w, names)).collect();
    let turns = made.turns.into_iter();
    let turns = turns.map(|(width, word)| (&*word.leak(), size(&width, names)));
    let turns: Vec<(&'static str, _)> = turns.collect();
    Some(Text {
        name: program.name.clone().leak(),
        header: made.header.leak(),
        body: made.body.leak(),
        inputs: leaked(made.inputs),
        outputs: leaked(made.outputs),
        constants: constants.leak(),
        numbers: numbers.leak(),
        widths: widths.leak(),
        turns: turns.leak(),
        sums: made.sums,
        together: made.together,
    })
}
