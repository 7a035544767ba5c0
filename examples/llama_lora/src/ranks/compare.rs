//! Compares the settings, data and parameters of ranks.
//!
//! Tests: unit tests below.

use anyhow::{bail, Result};
use serde_json::Value;

/// Returns an error that names the first difference to rank 0.
pub(super) fn all_alike(at: &str, all: &[Value]) -> Result<()> {
    let Some((first, others)) = all.split_first() else {
        return Ok(());
    };
    for (i, other) in others.iter().enumerate() {
        if let Some(difference) = difference("", first, other) {
            let rank = i + 1;
            bail!("rank {rank} differs from rank 0 at {at}: {difference}; start all ranks with the same arguments, data and model");
        }
    }
    Ok(())
}

/// The place of the first difference, and both values.
fn difference(path: &str, a: &Value, b: &Value) -> Option<String> {
    if a == b {
        return None;
    }
    if let (Value::Object(x), Value::Object(y)) = (a, b) {
        let keys = x.keys().chain(y.keys());
        let mut found = keys.filter_map(|key| {
            let path = match path {
                "" => key.clone(),
                _ => format!("{path}.{key}"),
            };
            let none = Value::Null;
            difference(
                &path,
                x.get(key).unwrap_or(&none),
                y.get(key).unwrap_or(&none),
            )
        });
        return found.next();
    }
    let name = if path.is_empty() { "the value" } else { path };
    Some(format!("{name} is {b} there and {a} on rank 0"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named_with_both_values() {
        let a = json!({"batch_size": 4, "lora": {"rank": 8}, "device": null});
        let mut b = a.clone();
        all_alike("the start", &[a.clone(), b.clone()]).unwrap();
        b["lora"]["rank"] = json!(16);
        let error = all_alike("the start", &[a.clone(), a.clone(), b]).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("rank 2 differs from rank 0"), "{error}");
        assert!(
            error.contains("lora.rank is 16 there and 8 on rank 0"),
            "{error}"
        );
        assert!(all_alike("x", &[json!("a"), json!("b")]).is_err());
        assert!(all_alike("x", &[a, json!({})]).is_err());
    }
}
