//! Paths in JSON: text, or bytes if a path is not UTF-8.
//!
//! Tests: `tests/paths.rs`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes(OsString),
}

impl From<&Path> for Form {
    fn from(path: &Path) -> Form {
        match path.to_str() {
            Some(text) => Form::Text(text.to_owned()),
            None => Form::Bytes(path.as_os_str().to_owned()),
        }
    }
}

impl From<Form> for PathBuf {
    fn from(form: Form) -> PathBuf {
        match form {
            Form::Text(text) => text.into(),
            Form::Bytes(bytes) => bytes.into(),
        }
    }
}

/// For a field of the type `PathBuf`.
pub mod one {
    use super::*;

    pub fn serialize<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        Form::from(path).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        Form::deserialize(from).map(PathBuf::from)
    }
}

/// For a field of the type `Option<PathBuf>`.
pub mod optional {
    use super::*;

    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(Form::from).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Ok(Option::<Form>::deserialize(from)?.map(PathBuf::from))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    #[test]
    fn any_path_comes_back() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Both {
            #[serde(with = "one")]
            a: PathBuf,
            #[serde(with = "optional")]
            b: Option<PathBuf>,
        }
        let odd: PathBuf = OsString::from_vec(b"ad\xff\xfe/ap".to_vec()).into();
        for (a, b) in [
            (odd.clone(), None),
            ("plain \u{e9}".into(), Some(odd)),
            ("".into(), Some("x".into())),
        ] {
            let both = Both { a, b };
            let text = serde_json::to_string(&both).unwrap();
            assert_eq!(serde_json::from_str::<Both>(&text).unwrap(), both, "{text}");
        }
        // A path that is UTF-8 is plain text, as it is for mlx-lm.
        let form = serde_json::to_string(&Form::from(Path::new("adapters"))).unwrap();
        assert_eq!(form, "\"adapters\"");
    }
}
