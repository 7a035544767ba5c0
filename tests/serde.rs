//! Arrays, dtypes and configurations as serde's data.

use mlx_runtime::model::{LoraConfig, Quantization};
use mlx_runtime::optim::{AdamW, Muon};
use mlx_runtime::{ops, Array, Dtype};
use serde_json::{from_str, from_value, json, to_string, to_value};

#[test]
fn arrays_of_every_dtype_go_there_and_back() {
    let values = Array::try_from([[0.0f32, 1.0, 2.0], [3.0, 4.0, 200.0]]).unwrap();
    for &dtype in Dtype::ALL {
        let made = ops::astype(&values, dtype).unwrap();
        // Columns in another order, so that memory is not row-major.
        let made = ops::transpose(&made, &[1, 0]).unwrap();
        let text = to_string(&made).unwrap();
        assert!(text.contains(&format!("\"{dtype}\"")), "{text}");
        let read: Array = from_str(&text).unwrap();
        assert_eq!((read.shape(), read.dtype()), (made.shape(), dtype));
        let same = ops::array_equal(&read, &made, false).unwrap();
        assert!(same.item::<bool>().unwrap(), "{text}");
        let named = to_string(&dtype).unwrap();
        assert_eq!(from_str::<Dtype>(&named).unwrap(), dtype);
    }
    let scalar = to_value(Array::scalar(2i32).unwrap()).unwrap();
    assert_eq!(scalar, json!({"shape": [], "data": {"int32": [2]}}));
}

#[test]
fn data_that_is_no_array_is_an_error() {
    for (value, said) in [
        (json!({"shape": [3], "data": {"float32": [1.0, 2.0]}}), "3"),
        (json!({"shape": [-1], "data": {"float32": []}}), "-1"),
        (json!({"shape": [1], "data": {"float8": [1.0]}}), "float8"),
        // JSON has no NaN: serde_json writes null for it.
        (json!({"shape": [1], "data": {"float32": [null]}}), "null"),
    ] {
        let error = from_value::<Array>(value).err().unwrap().to_string();
        assert!(error.contains(said), "{error}");
    }
    let error = from_str::<Dtype>("\"float\"").unwrap_err().to_string();
    assert!(error.contains("\"float\""), "{error}");
}

#[test]
fn configurations_are_written_and_read() {
    let opt = AdamW {
        learning_rate: 0.5,
        ..AdamW::default()
    };
    assert_eq!(from_value::<AdamW>(to_value(&opt).unwrap()).unwrap(), opt);
    // Fields that are left out keep their defaults; unknown ones are refused.
    assert_eq!(from_value::<Muon>(json!({})).unwrap(), Muon::default());
    assert!(from_value::<Muon>(json!({"learning_rat": 1.0})).is_err());
    let lora = LoraConfig {
        rank: 8,
        scale: 20.0,
        keys: vec!["self_attn.q_proj".into()],
        num_layers: -1,
        ..LoraConfig::default()
    };
    assert_eq!(
        from_value::<LoraConfig>(to_value(&lora).unwrap()).unwrap(),
        lora
    );
    // As MLX writes it into a config.
    let how = Quantization::Affine {
        group_size: 64,
        bits: 4,
    };
    let value = json!({"mode": "affine", "group_size": 64, "bits": 4});
    assert_eq!(to_value(how).unwrap(), value);
    assert_eq!(from_value::<Quantization>(value).unwrap(), how);
    let value = json!({"mode": "mxfp4"});
    assert_eq!(
        from_value::<Quantization>(value).unwrap(),
        Quantization::Mxfp4
    );
}
