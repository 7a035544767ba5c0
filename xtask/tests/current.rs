//! The generated files in the tree are what their sources say.

#[test]
fn generated_files_are_current() {
    let stale = xtask::generate(true).unwrap();
    assert!(
        stale.is_empty(),
        "{stale:?} are not current: run `cargo xtask generate`"
    );
}
