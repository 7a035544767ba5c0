//! Every dtype of the safetensors format is read by value or refused by its name.

use std::io::Cursor;

use mlx_runtime::io::{load_safetensors, load_safetensors_from};
use mlx_runtime::{Array, Dtype, ErrorKind};

/// One tensor in a file.
fn file(name: &str, dtype: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let header = serde_json::json!({
        name: {"dtype": dtype, "shape": shape, "data_offsets": [0, data.len()]},
    });
    let text = header.to_string();
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

/// The tensor by both readers.
fn both(dtype: &str, shape: &[usize], data: &[u8]) -> [Array; 2] {
    let bytes = file("F8_E5M2", dtype, shape, data);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    std::fs::write(&path, &bytes).unwrap();
    let by_path = load_safetensors(&path)
        .unwrap()
        .0
        .remove("F8_E5M2")
        .unwrap();
    by_path.eval().unwrap();
    let by_reader = load_safetensors_from(Cursor::new(bytes)).unwrap();
    [by_path, by_reader.0["F8_E5M2"].clone()]
}

#[test]
fn floats_of_eight_bits_have_the_values_of_ml_dtypes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/float8.safetensors");
    let by_reader = load_safetensors_from(std::fs::File::open(path).unwrap()).unwrap();
    for (arrays, metadata) in [load_safetensors(path).unwrap(), by_reader] {
        assert_eq!(metadata["versions"], "ml_dtypes 0.6.0");
        for name in ["E4M3", "E5M2", "E8M0"] {
            assert_eq!(arrays[name].dtype(), Dtype::Bfloat16);
            let found = mlx_runtime::ops::astype(&arrays[name], Dtype::Float32).unwrap();
            let found = found.to_vec::<f32>().unwrap();
            let wanted = arrays[&format!("{name}.values")].to_vec::<f32>().unwrap();
            for (code, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
                let same = found.to_bits() == wanted.to_bits();
                assert!(
                    same || found.is_nan() && wanted.is_nan(),
                    "{name} {code:#x}: {found} for {wanted}"
                );
            }
        }
    }
}

#[test]
fn a_file_with_a_dtype_unknown_to_mlx_is_read_whole() {
    let mut bytes = file("a", "F8_E5M2", &[2, 2], &[0x3c, 0xbc, 0x40, 0x7b]);
    let (arrays, metadata) = load_safetensors_from(Cursor::new(bytes.clone())).unwrap();
    assert!(metadata.is_empty());
    assert_eq!(arrays["a"].shape(), [2, 2]);
    let values = mlx_runtime::ops::astype(&arrays["a"], Dtype::Float32).unwrap();
    assert_eq!(values.to_vec::<f32>().unwrap(), [1.0, -1.0, 2.0, 57344.0]);
    bytes.pop();
    let e = load_safetensors_from(Cursor::new(bytes)).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Format);
}

#[test]
fn integers_floats_and_complex_numbers_are_what_was_written() {
    macro_rules! check {
        ($($name:literal $t:ty: $values:expr;)*) => {$(
            let values: &[$t] = &$values;
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            for array in both($name, &[values.len()], &bytes) {
                assert_eq!(array.to_vec::<$t>().unwrap(), values, $name);
            }
        )*};
    }
    check! {
        "U8" u8: [0, 1, 0x7f, 0x80, 0xff];
        "U16" u16: [0, 1, 0x8000, u16::MAX];
        "U32" u32: [0, 1, 1 << 31, u32::MAX];
        "U64" u64: [0, 1, 1 << 63, u64::MAX];
        "I8" i8: [i8::MIN, -1, 0, 1, i8::MAX];
        "I16" i16: [i16::MIN, -1, 0, i16::MAX];
        "I32" i32: [i32::MIN, -1, 0, i32::MAX];
        "I64" i64: [i64::MIN, -1, 0, i64::MAX];
        "F16" mlx_runtime::f16: [1.0, -0.5, 65504.0].map(mlx_runtime::f16::from_f32);
        "BF16" mlx_runtime::bf16: [1.0, -0.5, 3e38].map(mlx_runtime::bf16::from_f32);
        "F32" f32: [1.5, -0.0, f32::MIN_POSITIVE, f32::INFINITY];
    }
    for array in both("BOOL", &[3], &[0, 1, 1]) {
        assert_eq!(array.to_vec::<bool>().unwrap(), [false, true, true]);
    }
    let parts = [1.0f32, -2.0, 0.5, 4.0];
    let bytes: Vec<u8> = parts.iter().flat_map(|v| v.to_le_bytes()).collect();
    for array in both("C64", &[2], &bytes) {
        assert_eq!(array.dtype(), Dtype::Complex64);
        let real = mlx_runtime::ops::real(&array).unwrap();
        assert_eq!(real.to_vec::<f32>().unwrap(), [1.0, 0.5]);
    }
}

#[test]
fn other_dtypes_are_refused_by_name() {
    for (dtype, bytes) in [
        ("F64", 8),
        ("F4", 1),
        ("F6_E2M3", 3),
        ("F6_E3M2", 3),
        ("F8_E4M3FNUZ", 1),
        ("F8_E5M2FNUZ", 1),
        ("f8_e4m3", 1),
        ("", 1),
    ] {
        let bytes = file("x", dtype, &[1], &vec![0; bytes]);
        let e = load_safetensors_from(Cursor::new(bytes)).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Format);
        assert!(e.to_string().contains(&format!("{dtype:?}")), "{e}");
    }
}
