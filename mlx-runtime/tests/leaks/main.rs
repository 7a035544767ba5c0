//! Leaks: repeated work leaves the process as it was. The test compares live handles, MLX's active memory, threads,
//! bytes on the heap, and resident size.
//!
//! This is the only test of its binary, because it looks at the whole process through Linux's `/proc`.
//! `LEAKS_DIVISOR=100` runs a hundredth of the rounds, for tools that make each slow (`.ci/memcheck`);
//! `LEAKS_ON_PURPOSE=1` loses one array.
#![cfg(target_os = "linux")]

mod functions;
mod handles;
mod measure;
mod scopes;

use measure::repeat;
use mlx_runtime::{ops, transforms, Array};

#[test]
fn nothing_is_left_behind() {
    // Rounds panic on purpose.
    std::panic::set_hook(Box::new(|info| {
        let text = info.payload_as_str().unwrap_or("");
        if !text.starts_with(functions::ON_PURPOSE) {
            eprintln!("{info}");
        }
    }));
    // Else MLX has the C++ compiler build each fused kernel.
    transforms::compile_mode(transforms::CompileMode::NoFuse).unwrap();
    let x = Array::from_slice(&[0.5f32; 16], &[4, 4]).unwrap();

    // Ten operations a round.
    repeat("operations", 20_000, |_| handles::operations(&x).unwrap());
    repeat("refused operations", 5_000, |_| handles::refused(&x));
    repeat("containers", 5_000, |_| handles::containers(&x).unwrap());
    repeat("files and texts", 2_000, |_| handles::files(&x).unwrap());
    let dir = tempfile::tempdir().unwrap();
    repeat("exported functions", 500, |_| {
        handles::exported(&x, dir.path()).unwrap()
    });

    repeat("gradients", 3_000, |_| functions::gradients(&x).unwrap());
    repeat("closures", 5_000, |_| functions::closures(&x).unwrap());
    repeat("checkpoints", 3_000, |_| {
        functions::checkpoints(&x).unwrap()
    });
    repeat("custom rules", 2_000, |_| {
        functions::custom_rules(&x).unwrap()
    });
    repeat("compiled functions", 3_000, |i| {
        functions::compiled(i).unwrap()
    });
    repeat("errors in closures", 2_000, |_| {
        functions::fail(&x, || Err(functions::error()));
    });
    repeat("panics in closures", 1_000, |_| {
        functions::fail(&x, || panic!("{}", functions::ON_PURPOSE));
    });

    let streams = scopes::streams().unwrap();
    repeat("device and stream scopes", 3_000, |_| {
        scopes::scopes(&x, &streams).unwrap()
    });
    repeat("threads", 3_000, |_| scopes::thread(&x));
    repeat("compiling threads", 500, |_| scopes::compiling_thread());
    repeat("closures dropped elsewhere", 2_000, |_| {
        scopes::dropped_elsewhere(&x)
    });
    if std::env::var_os("LEAKS_ON_PURPOSE").is_some() {
        // Leaks on purpose, so that `.ci/memcheck` knows that a tool finds leaks.
        std::mem::forget(std::hint::black_box(ops::square(&x).unwrap()));
    }
}
