//! Tells if rustc only checks a crate, as for `cargo check`, `cargo clippy` and editors. Nothing of the crate runs then, so
//! the bodies of kernels and their data, more than half of what the macros write, are left out.
//!
//! Tests: unit tests below.

use std::ffi::OsString;
use std::path::Path;
use std::sync::OnceLock;

/// True if the macros run in a compiler that makes no code, or in an editor: the process is that program's.
pub(super) fn is_only_checked() -> bool {
    static ONLY: OnceLock<bool> = OnceLock::new();
    *ONLY.get_or_init(|| without_code(std::env::args_os()))
}

/// True if a process with these arguments makes no code. Without `--emit`, rustc makes a program.
fn without_code(mut args: impl Iterator<Item = OsString>) -> bool {
    const CODE: [&str; 6] = ["link", "obj", "asm", "mir", "llvm-ir", "llvm-bc"];
    let program = args.next().unwrap_or_default();
    let name = Path::new(&program).file_name().unwrap_or_default();
    if name.to_string_lossy().starts_with("rust-analyzer") {
        return true;
    }
    let (mut emits, mut code, mut next) = (false, false, false);
    for arg in args {
        let arg = arg.to_string_lossy();
        let kinds = match (next, arg.strip_prefix("--emit")) {
            (true, _) => Some(&*arg),
            (_, Some(kinds)) => Some(kinds.trim_start_matches('=')),
            _ => None,
        };
        next = arg == "--emit";
        for kind in kinds.into_iter().flat_map(|k| k.split(',')) {
            let kind = kind.split('=').next().unwrap_or(kind);
            emits |= !kind.is_empty();
            code |= CODE.contains(&kind);
        }
    }
    emits && !code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_makes_no_code() {
        let of = |line: &str| without_code(line.split(' ').map(OsString::from));
        let check = "rustc --crate-name a --emit=dep-info,metadata -C debuginfo=1 src/lib.rs";
        assert!(of(check));
        assert!(of(&check.replace("--emit=", "--emit ")));
        assert!(of("clippy-driver rustc --emit=metadata=/tmp/link.rmeta"));
        for made in ["metadata,link", "link", "metadata,asm", "obj=/tmp/metadata"] {
            assert!(!of(&check.replace("metadata", made)), "{made}");
        }
        assert!(of("/usr/bin/rust-analyzer-proc-macro-srv --stdio"));
        // A documentation's example, and a program of the tests.
        assert!(!of("rustc src/main.rs"));
        assert!(!of("expansion_size --nocapture"));
    }
}
