//! Arrays print as MLX's Python prints them.
//!
//! `data/display.safetensors` was written by `data/dump_display.py`.

use std::path::Path;

use mlx_runtime::device::Device;
use mlx_runtime::stream::{self, ThreadLocalStream};
use mlx_runtime::{io, ops, Array};

#[test]
fn arrays_print_as_in_python() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/display.safetensors");
    let (arrays, metadata) = io::load_safetensors(path).unwrap();
    let texts: Vec<String> = serde_json::from_str(&metadata["texts"]).unwrap();
    assert!(texts.len() > 150);
    for (i, text) in texts.iter().enumerate() {
        assert_eq!(arrays[&i.to_string()].to_string(), *text);
    }
    let views: Vec<String> = serde_json::from_str(&metadata["views"]).unwrap();
    let count = Array::from_slice(&(0..12).collect::<Vec<i32>>(), &[3, 4]).unwrap();
    let row = Array::from_slice(&[1, 2], &[2]).unwrap();
    let made = [
        ops::transpose(&count, &[]),
        ops::slice(&count, &[2, 1], &[-4, 4], &[-1, 2]),
        ops::broadcast_to(&row, &[2, 2]),
    ];
    for (view, text) in made.into_iter().zip(views) {
        assert_eq!(view.unwrap().to_string(), text);
    }
}

#[test]
fn what_cannot_be_computed_says_why() {
    // An array that another thread built on its own stream and did not evaluate cannot be computed here.
    let lazy = std::thread::spawn(|| {
        let own = ThreadLocalStream::new(Device::cpu())?.here()?;
        stream::with(&own, || ops::exp(&Array::from_slice(&[0f32, 0.0], &[2])?))
    });
    let lazy = lazy.join().unwrap().unwrap();
    assert_eq!(format!("{lazy:?}"), "Array(float32[2])");
    let text = lazy.to_string();
    assert!(text.starts_with("Array(float32[2]): eval: "), "{text}");
}
