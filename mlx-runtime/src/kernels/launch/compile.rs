//! Compiles kernels for the present GPU, once a process.
//!
//! Tests: `mlx-models --test native_kernels`.

use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use mlx_sys as sys;

use crate::device::{self, Device};
use crate::error::check;
use crate::handles::c_string;
use crate::init::init;
use crate::{Error, ErrorKind, Result};

const OP: &str = "cuda_kernel";

/// Returns true if there is a compiler: MLX may be linked with NVRTC in a way that hides it.
pub(in crate::kernels) fn is_possible() -> bool {
    static YES: OnceLock<bool> = OnceLock::new();
    // SAFETY: takes nothing.
    *YES.get_or_init(|| unsafe { sys::mlxrs_cuda_compiles() })
}

/// Owns one `mlxrs_cuda_kernel`.
pub(super) struct Compiled(sys::mlxrs_cuda_kernel);

// SAFETY: nothing changes a compiled kernel, and freeing one is no matter of threads.
unsafe impl Send for Compiled {}
// SAFETY: as above.
unsafe impl Sync for Compiled {}

impl Compiled {
    /// The kernel for `key`. `source` returns its name and its code, and is called the first time only.
    pub fn get(key: String, source: impl FnOnce() -> (String, String)) -> Result<Arc<Compiled>> {
        static ALL: Mutex<Option<HashMap<String, Arc<Compiled>>>> = Mutex::new(None);
        // Held while a kernel is compiled, because another thread may need the same one soon.
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_or_insert_default().entry(key) {
            Entry::Occupied(there) => Ok(there.get().clone()),
            Entry::Vacant(place) => {
                let (name, code) = source();
                Ok(place.insert(Arc::new(Self::new(&name, &code)?)).clone())
            }
        }
    }

    fn new(name: &str, source: &str) -> Result<Self> {
        init();
        let (name, source) = (c_string(OP, name)?, c_string(OP, source)?);
        let target = c_string(OP, architecture()?)?;
        let mut out = Self(sys::mlxrs_cuda_kernel {
            ctx: std::ptr::null_mut(),
        });
        // SAFETY: the texts are valid and the destination is ours.
        check(OP, unsafe {
            sys::mlxrs_cuda_kernel_new(&mut out.0, name.as_ptr(), source.as_ptr(), target.as_ptr())
        })?;
        Ok(out)
    }

    pub fn as_raw(&self) -> sys::mlxrs_cuda_kernel {
        self.0
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        // SAFETY: owned here.
        unsafe { sys::mlxrs_cuda_kernel_free(self.0) };
    }
}

/// The architecture by NVRTC's name, such as `sm_90`.
fn architecture() -> Result<&'static str> {
    static NAME: OnceLock<String> = OnceLock::new();
    if let Some(name) = NAME.get() {
        return Ok(name);
    }
    // Tests look at graphs of kernels that they do not run.
    if cfg!(test) && !is_possible() {
        return Ok("");
    }
    let part = |key: &str| match device::info_of(Device::gpu(), key)? {
        Some(found) => Ok(found.to_string()),
        None => {
            let text = format!("MLX does not tell the GPU's {key}");
            Err(Error::new(ErrorKind::Device, text).with_op(OP))
        }
    };
    let (major, minor) = (
        part("compute_capability_major")?,
        part("compute_capability_minor")?,
    );
    Ok(NAME.get_or_init(|| format!("sm_{major}{minor}")))
}
