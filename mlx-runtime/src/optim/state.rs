//! The state that an optimiser carries from step to step.
//!
//! Tests: unit tests below.

use std::sync::Arc;

use crate::{transforms, Array, Error, ErrorKind, Result};

/// A flat list of arrays with a name for each, so that it can be saved whole, restored exactly, and
/// go through a compiled function.
#[derive(Clone, Debug)]
pub struct OptimState {
    names: Arc<[String]>,
    arrays: Vec<Array>,
}

impl OptimState {
    /// The arrays with their names.
    pub fn new(named: Vec<(String, Array)>) -> Self {
        let (names, arrays): (Vec<String>, Vec<Array>) = named.into_iter().unzip();
        OptimState {
            names: names.into(),
            arrays,
        }
    }

    /// `step`, a uint64 of 0, then for each of `slots` an array like each of `buffers`:
    /// `m.0`, `m.1`, ..., `v.0`, ...
    pub(super) fn zeros(slots: &[&str], buffers: &[Array]) -> Result<Self> {
        let mut named = vec![("step".to_owned(), Array::scalar(0u64)?)];
        for slot in slots {
            for (i, buffer) in buffers.iter().enumerate() {
                named.push((format!("{slot}.{i}"), crate::ops::zeros_like(buffer)?));
            }
        }
        Ok(Self::new(named))
    }

    /// All arrays, in the order of [`OptimState::names`].
    pub fn arrays(&self) -> &[Array] {
        &self.arrays
    }

    /// The names, unlike each other.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The array of that name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        let i = self.names.iter().position(|n| n == name)?;
        self.arrays.get(i)
    }

    /// Names and arrays.
    pub fn named(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.names.iter().map(String::as_str).zip(&self.arrays)
    }

    /// The same names with other arrays, such as the arrays after a step.
    ///
    /// # Errors
    /// If there are not as many arrays as names.
    pub fn with_arrays(&self, arrays: Vec<Array>) -> Result<Self> {
        if arrays.len() != self.names.len() {
            let text = format!(
                "expected {1} arrays, one for each name, found {0}",
                arrays.len(),
                self.names.len()
            );
            return Err(Error::invalid("OptimState::with_arrays", text));
        }
        Ok(OptimState {
            names: Arc::clone(&self.names),
            arrays,
        })
    }

    /// A saved state in place of this one: `get` gives the array of a name.
    ///
    /// # Errors
    /// If an array is missing, or has another shape or dtype than this state's.
    pub fn restore(&self, mut get: impl FnMut(&str) -> Option<Array>) -> Result<Self> {
        let arrays = self
            .named()
            .map(|(name, old)| matching(name, old, get(name)))
            .collect::<Result<Vec<_>>>()?;
        transforms::eval(&arrays.iter().collect::<Vec<_>>())?;
        self.with_arrays(arrays)
    }
}

/// `found` if it can take the place of `old`.
pub(crate) fn matching(name: &str, old: &Array, found: Option<Array>) -> Result<Array> {
    match found {
        Some(a) if a.shape() == old.shape() && a.dtype() == old.dtype() => Ok(a),
        Some(a) => Err(Error::new(
            ErrorKind::Format,
            format!(
                "{name}: expected {:?} of {:?}, found {:?} of {:?}",
                old.shape(),
                old.dtype(),
                a.shape(),
                a.dtype()
            ),
        )),
        None => Err(Error::new(
            ErrorKind::Format,
            format!("{name} is missing from the saved state"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_shapes_and_dtypes_are_checked() {
        let buffer = Array::from_slice(&[1f32, 2.], &[2]).unwrap();
        let state = OptimState::zeros(&["m"], std::slice::from_ref(&buffer)).unwrap();
        assert_eq!(state.names(), ["step", "m.0"]);
        let saved = |m: Option<Array>| {
            let step = Array::scalar(3u64).unwrap();
            move |name: &str| match name {
                "step" => Some(step.clone()),
                _ => m.clone(),
            }
        };
        let back = state.restore(saved(Some(buffer.clone()))).unwrap();
        assert_eq!(back.get("step").unwrap().item::<u64>().unwrap(), 3);
        assert_eq!(back.get("m.0").unwrap().to_vec::<f32>().unwrap(), [1., 2.]);
        assert!(back.get("v.0").is_none());
        for wrong in [None, Some(Array::scalar(1f32).unwrap())] {
            let error = state.restore(saved(wrong)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Format);
            assert!(error.to_string().contains("m.0"), "{error}");
        }
        assert!(state.with_arrays(vec![buffer]).is_err());
    }
}
