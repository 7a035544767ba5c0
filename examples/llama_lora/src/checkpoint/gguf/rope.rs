//! Reads the rotary scaling of a GGUF file: keys of its metadata, a table of factors, or both.
//!
//! Tests: unit tests below.

use anyhow::{bail, ensure, Context, Result};
use mlx_runtime::io::Gguf;
use mlx_runtime::nn::RopeScaling;
use mlx_runtime::{ops, Dtype};

use serde_json::{json, Value};

use super::config::exact;
use super::{number_of, text_of};

/// Llama 3.1's factors for each pair.
const FACTORS: &str = "rope_freqs.weight";
const LONG: &str = "rope_factors_long.weight";
const SHORT: &str = "rope_factors_short.weight";

/// Tensors that are no weights of the model.
pub const TABLES: [&str; 3] = [FACTORS, LONG, SHORT];

/// The scaling of a file of this architecture.
///
/// # Errors
/// If a number or table is missing, or the kind is unknown.
pub fn scaling(file: &Gguf, architecture: &str) -> Result<Option<RopeScaling>> {
    let key = |key: &str| format!("{architecture}.rope.{key}");
    let number = |name: &str| number_of(file, &key(name));
    let kind = text_of(file, &key("scaling.type"));
    let by_keys = match kind.as_deref().unwrap_or("none") {
        // The tables of Phi 3 have no kind of their own.
        "none" if file.arrays.contains_key(LONG) => return longrope(file, architecture).map(Some),
        "none" => None,
        "linear" => linear(number("scaling.factor")),
        "yarn" => Some(yarn(file, architecture)?),
        "longrope" => return longrope(file, architecture).map(Some),
        other => {
            bail!("unsupported rope scaling {other:?}: expected none, linear, yarn or longrope")
        }
    };
    // Older files say nothing else.
    let by_keys = by_keys.or(linear(number("scale_linear").filter(|_| kind.is_none())));
    if !file.arrays.contains_key(FACTORS) {
        return Ok(by_keys);
    }
    ensure!(
        by_keys.is_none(),
        "unsupported rope scaling by both {FACTORS} and the metadata: expected one of them"
    );
    let factors = table(file, FACTORS)?;
    Ok(Some(RopeScaling::Factors { factors }))
}

fn linear(factor: Option<f64>) -> Option<RopeScaling> {
    let factor = factor.filter(|f| *f != 0.0 && *f != 1.0)? as f32;
    Some(RopeScaling::Linear { factor })
}

/// The numbers have llama.cpp's defaults.
fn yarn(file: &Gguf, architecture: &str) -> Result<RopeScaling> {
    let key = |key: &str| format!("{architecture}.rope.scaling.{key}");
    let number = |name: &str| number_of(file, &key(name));
    let factor = number("factor")
        .with_context(|| format!("{} is missing from the metadata", key("factor")))?;
    let extrapolated = number("yarn_ext_factor").unwrap_or(1.0);
    ensure!(
        extrapolated == 1.0,
        "unsupported {} {extrapolated}",
        key("yarn_ext_factor")
    );
    let scale = number("attn_factor")
        .or(number("yarn_attn_factor"))
        .unwrap_or(1.0);
    let grown = match factor > 1.0 {
        true => 1.0 + 0.1 * factor.ln(),
        false => 1.0,
    };
    Ok(RopeScaling::Yarn {
        factor: factor as f32,
        original_max_position_embeddings: first(file, architecture)? as f32,
        beta_fast: number("yarn_beta_fast").unwrap_or(32.0) as f32,
        beta_slow: number("yarn_beta_slow").unwrap_or(1.0) as f32,
        truncate: true,
        magnitude: (scale * grown) as f32,
    })
}

fn longrope(file: &Gguf, architecture: &str) -> Result<RopeScaling> {
    let scale = number_of(file, &format!("{architecture}.rope.scaling.attn_factor")).unwrap_or(1.0);
    Ok(RopeScaling::LongRope {
        long_factors: table(file, LONG)?,
        short_factors: table(file, SHORT)?,
        original_max_position_embeddings: first(file, architecture)? as i32,
        magnitude: scale as f32,
    })
}

/// The length that the model was trained on first.
fn first(file: &Gguf, architecture: &str) -> Result<f64> {
    const KEY: &str = "rope.scaling.original_context_length";
    let of = |key: &str| number_of(file, &format!("{architecture}.{key}"));
    of(KEY)
        .or(of("context_length"))
        .with_context(|| format!("{architecture}.{KEY} is missing from the metadata"))
}

/// `rope_scaling` of a `config.json`, if one can say it.
pub fn json(scaling: &RopeScaling) -> Option<Value> {
    let floats = |all: &[f32]| all.iter().map(|x| exact(*x)).collect::<Vec<_>>();
    Some(match scaling {
        RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": exact(*factor)}),
        RopeScaling::Yarn {
            factor,
            original_max_position_embeddings,
            beta_fast,
            beta_slow,
            truncate,
            magnitude,
        } => json!({
            "rope_type": "yarn", "factor": exact(*factor), "beta_fast": exact(*beta_fast), "beta_slow": exact(*beta_slow),
            "original_max_position_embeddings": *original_max_position_embeddings as u64,
            "attention_factor": exact(*magnitude), "truncate": truncate,
        }),
        RopeScaling::LongRope {
            long_factors,
            short_factors,
            original_max_position_embeddings,
            magnitude,
        } => json!({
            "rope_type": "longrope", "long_factor": floats(long_factors), "short_factor": floats(short_factors),
            "original_max_position_embeddings": original_max_position_embeddings,
            "attention_factor": exact(*magnitude),
        }),
        _ => return None,
    })
}

fn table(file: &Gguf, name: &str) -> Result<Vec<f32>> {
    let table = file.arrays.get(name);
    let table = table.with_context(|| format!("{name} is missing"))?;
    Ok(ops::astype(table, Dtype::Float32)?.to_vec()?)
}

#[cfg(test)]
mod tests {
    use mlx_models::Config;
    use mlx_runtime::io::{self, GgufFile};
    use mlx_runtime::nn::{KvCache, Rope};
    use mlx_runtime::Array;

    use super::*;

    fn file(texts: &[(&str, &str)], numbers: &[(&str, f32)], tables: &[(&str, Vec<f32>)]) -> Gguf {
        let mut out = GgufFile::new().unwrap();
        for (key, text) in texts {
            out.set_text(&format!("llama.{key}"), text).unwrap();
        }
        for (key, n) in numbers {
            let n = Array::scalar(*n).unwrap();
            out.set_numbers(&format!("llama.{key}"), &n).unwrap();
        }
        for (name, values) in tables {
            let values = Array::from_slice(values, &[values.len() as i32]).unwrap();
            out.set_array(name, &values).unwrap();
        }
        out.set_array("x", &Array::from_slice(&[0f32], &[1]).unwrap())
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.gguf");
        out.save(&path).unwrap();
        io::load_gguf(&path).unwrap()
    }

    fn rotated(scaling: Option<&RopeScaling>) -> Vec<f32> {
        let x = ops::ones(&[1, 1, 40, 16], Dtype::Float32).unwrap();
        let rope = Rope::new(16, 10_000.0, false, scaling).unwrap();
        let y = rope.forward(&x, &mut KvCache::off()).unwrap();
        y.to_vec().unwrap()
    }

    /// The same model's folder says `hugging_face`.
    fn same(file: &Gguf, hugging_face: serde_json::Value) {
        let config = serde_json::json!({
            "model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 12,
            "num_attention_heads": 2, "vocab_size": 16, "max_position_embeddings": 64,
            "rope_scaling": hugging_face,
        });
        let theirs = Config::parse(&config.to_string()).unwrap().rope_scaling;
        let (found, wanted) = (
            rotated(scaling(file, "llama").unwrap().as_ref()),
            rotated(theirs.as_ref()),
        );
        assert_ne!(wanted, rotated(None));
        let apart = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-5, "{hugging_face}");
    }

    #[test]
    fn a_scaled_file_turns_as_its_folder_does() {
        use serde_json::json;
        assert_eq!(scaling(&file(&[], &[], &[]), "llama").unwrap(), None);
        let none = file(&[("rope.scaling.type", "none")], &[], &[]);
        assert_eq!(scaling(&none, "llama").unwrap(), None);

        let linear = json!({"rope_type": "linear", "factor": 4.0});
        let kind = [("rope.scaling.type", "linear")];
        same(
            &file(&kind, &[("rope.scaling.factor", 4.0)], &[]),
            linear.clone(),
        );
        same(&file(&[], &[("rope.scale_linear", 4.0)], &[]), linear);

        let yarn = json!({
            "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512,
        });
        let numbers = [
            ("rope.scaling.factor", 4.0),
            ("rope.scaling.original_context_length", 512.0),
        ];
        same(&file(&[("rope.scaling.type", "yarn")], &numbers, &[]), yarn);

        // The table that llama.cpp's converter makes of Llama 3.1's numbers (`generate_extra_tensors`).
        let (factor, low, high, context) = (8.0, 1.0, 4.0, 64.0);
        let factors = (0..8).map(|i| {
            let wavelength = 2.0 * std::f64::consts::PI * 10_000f64.powf(f64::from(i) / 8.0);
            if wavelength < context / high {
                1.0
            } else if wavelength > context / low {
                factor as f32
            } else {
                let smooth = (context / wavelength - low) / (high - low);
                (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
            }
        });
        let llama3 = json!({
            "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
            "original_max_position_embeddings": context,
        });
        let factors: Vec<f32> = factors.collect();
        same(&file(&[], &[], &[(FACTORS, factors.clone())]), llama3);

        let both = file(
            &kind,
            &[("rope.scaling.factor", 4.0)],
            &[(FACTORS, factors)],
        );
        assert!(scaling(&both, "llama")
            .unwrap_err()
            .to_string()
            .contains("both"));
        let unknown = file(&[("rope.scaling.type", "other")], &[], &[]);
        assert!(scaling(&unknown, "llama")
            .unwrap_err()
            .to_string()
            .contains("\"other\""));
    }
}
