#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| mlx_fuzz::feed("gguf", input));
