//! Runs in a child: the runtime's readers and writers, without the program around them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::process::ExitCode;

use mlx_runtime::{io, ops, Array, Dtype, Result};

/// Does what `args` say: exit code 0 and a checksum, or 1 and an error.
pub fn run(args: &[String]) -> ExitCode {
    let [what, path] = args else {
        return ExitCode::from(2);
    };
    let done = match what.as_str() {
        "load" => load(Path::new(path)),
        "save" => save(Path::new(path)),
        _ => return ExitCode::from(2),
    };
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads every array of a file, and gives a checksum of their values.
fn load(path: &Path) -> Result<String> {
    let end = path.extension().and_then(|e| e.to_str());
    let arrays: HashMap<String, Array> = match end {
        Some("npy") => [("array".to_owned(), io::load_npy(path)?)].into(),
        Some("gguf") => io::load_gguf(path)?.arrays,
        Some("safetensors") => io::load_safetensors(path)?.0,
        _ => io::load_safetensors_folder(path)?,
    };
    let mut sum = 0xcbf2_9ce4_8422_2325u64;
    let arrays: BTreeMap<String, Array> = arrays.into_iter().collect();
    for (name, array) in arrays {
        let values = ops::astype(&array, Dtype::Float32)?.to_vec::<f32>()?;
        let bytes = values.iter().flat_map(|v| v.to_le_bytes());
        for byte in name.bytes().chain(bytes) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Ok(format!("{sum:016x}"))
}

/// Arrays of a value, of the kind that the file's name says.
fn save(path: &Path) -> Result<String> {
    let value = Array::scalar(2f32)?;
    let array = ops::full(&[100, 100], &value, Dtype::Float32)?;
    match path.extension().and_then(|e| e.to_str()) {
        Some("npy") => io::save_npy(path, &array)?,
        Some("gguf") => {
            let mut file = io::GgufFile::new()?;
            file.set_array("array", &array)?;
            file.save(path)?;
        }
        _ => io::save_safetensors(path, &[("array".to_owned(), array)], &HashMap::new())?,
    }
    load(path)
}
