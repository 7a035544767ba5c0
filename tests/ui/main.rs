//! Models that the macros accept and refuse, with every message as rustc prints it.
//!
//! After a change of messages: `TRYBUILD=overwrite cargo test -p mlx-tests --test ui`, then read
//! the difference.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
