//! A fixed number of cases for each parser. An hour of fuzzing found them clean, and they must stay so.

use mlx_fuzz::{find, input, run};

/// Cases that take about a second each in a debug build.
fn clean(name: &str, cases: u64) {
    let target = find(name).unwrap();
    let seeds = target.seeds();
    assert!(!seeds.is_empty(), "fuzz/seeds/{name} is empty");
    for seed in &seeds {
        run(target, 0, seed.clone()).unwrap();
    }
    for case in 0..cases {
        run(target, case, input(target, &seeds, 0, case)).unwrap();
    }
}

macro_rules! short {
    ($($name:ident $cases:literal;)*) => {$(
        #[test]
        fn $name() {
            // The same stack as rustc's.
            let thread = std::thread::Builder::new().stack_size(8 << 20);
            let run = thread.spawn(|| clean(stringify!($name), $cases)).unwrap();
            if let Err(panic) = run.join() {
                std::panic::resume_unwind(panic);
            }
        }
    )*};
}

short! {
    macros 150;
    settings 300;
    size 5000;
    vocabulary 300;
    template 300;
    jsonl 200;
    adapter 300;
    safetensors 300;
    gguf 300;
    npy 300;
}

#[test]
fn libfuzzer_has_every_parser() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("libfuzzer");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    for target in mlx_fuzz::TARGETS {
        let path = format!("targets/{}.rs", target.name);
        assert!(manifest.contains(&path), "{path}");
        let text = std::fs::read_to_string(folder.join(&path)).unwrap();
        assert!(
            text.contains(&format!("feed({:?}, input)", target.name)),
            "{path}"
        );
    }
}
