//! The backends that MLX was built with.
//!
//! Tests: `tests/private_folder.rs`.

use std::path::{Path, PathBuf};

use mlx_sys as sys;

use crate::containers::MlxString;
use crate::error::check;
use crate::init::init;
use crate::io::c_path;
use crate::Result;

/// The version of MLX that runs, such as `0.32.2`.
///
/// # Errors
/// If memory is exhausted.
pub fn version() -> Result<String> {
    init();
    let mut text = MlxString::default();
    // SAFETY: the destination is ours.
    check("version", unsafe { sys::mlx_version(text.as_out()) })?;
    Ok(text.as_text().into_owned())
}

/// The work that MLX queues on a GPU before it hands a batch of it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Kernels.
    pub kernels: u32,
    /// Elements of all arrays that they read and write.
    pub elements: u64,
}

/// The largest batch. With CUDA, arrays do not count.
pub(crate) fn batch() -> Result<Batch> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let kernels = number("MLX_MAX_OPS_PER_BUFFER");
    if !metal::is_available()? {
        return Ok(Batch {
            kernels: kernels.unwrap_or(100),
            elements: u64::MAX,
        });
    }
    let usual = metal::batch(&metal::architecture()?);
    let millions = number("MLX_MAX_MB_PER_BUFFER").map(|n| u64::from(n) << 20);
    Ok(Batch {
        kernels: kernels.unwrap_or(usual.kernels),
        elements: millions.unwrap_or(usual.elements),
    })
}

/// CUDA. MLX: `mlx.core.cuda`.
pub mod cuda {
    use super::*;

    /// Makes MLX launch kernels one by one, in batches of 20, unless the environment sets these variables. MLX reads
    /// them once, after this.
    ///
    /// CUDA graphs take more of the host's time than single launches: a LoRA step of an 8B on an H100 takes 0.86 of the
    /// time without them. The inputs of a kernel are freed once its batch is done. With batches smaller than MLX's 100,
    /// less memory waits to be freed, and a memory limit is kept more closely.
    pub(crate) fn prefer_launches() {
        for (name, value) in [
            ("MLX_USE_CUDA_GRAPHS", "0"),
            ("MLX_MAX_OPS_PER_BUFFER", "20"),
        ] {
            if std::env::var_os(name).is_none() && cfg!(not(target_os = "macos")) {
                std::env::set_var(name, value);
            }
        }
    }

    /// Returns true if MLX was built for CUDA and finds a device.
    ///
    /// # Errors
    /// If MLX cannot say.
    pub fn is_available() -> Result<bool> {
        init();
        let mut yes = false;
        // SAFETY: the destination outlives the call.
        check("cuda.is_available", unsafe {
            sys::mlx_cuda_is_available(&mut yes)
        })?;
        Ok(yes)
    }
}

/// Metal. MLX: `mlx.core.metal`. Without Metal, setters do nothing.
pub mod metal {
    use super::*;
    use crate::device::{self, Device, Info};

    /// The name of the GPU's architecture, such as `applegpu_g15d`; empty if MLX does not say it.
    pub(crate) fn architecture() -> Result<String> {
        Ok(match device::info_of(Device::gpu(), "architecture")? {
            Some(Info::Text(name)) => name,
            _ => String::new(),
        })
    }

    /// The largest batch of an architecture, whose last letter is its size (`Device::Device`, mlx/backend/metal/device.cpp).
    /// MLX calls the second limit megabytes and counts elements.
    pub(super) fn batch(architecture: &str) -> Batch {
        let (kernels, millions) = match architecture.chars().last() {
            Some('p') => (20, 40),
            Some('s' | 'd') => (50, 50),
            _ => (40, 40),
        };
        Batch {
            kernels,
            elements: millions << 20,
        }
    }

    /// Returns true if MLX was built for Metal and finds a device.
    ///
    /// # Errors
    /// If MLX cannot say.
    pub fn is_available() -> Result<bool> {
        init();
        let mut yes = false;
        // SAFETY: the destination outlives the call.
        check("metal.is_available", unsafe {
            sys::mlx_metal_is_available(&mut yes)
        })?;
        Ok(yes)
    }

    /// The path of MLX's compiled kernels.
    ///
    /// # Errors
    /// If MLX was built without Metal.
    pub fn metallib_path() -> Result<PathBuf> {
        init();
        let mut text = MlxString::default();
        // SAFETY: the destination is ours.
        check("metal.metallib_path", unsafe {
            sys::mlx_metal_get_metallib_path(text.as_out())
        })?;
        Ok(PathBuf::from(text.as_text().into_owned()))
    }

    /// Looks for MLX's compiled kernels at `path`; call it before anything runs.
    ///
    /// # Errors
    /// If the path contains a NUL byte.
    pub fn set_metallib_path(path: impl AsRef<Path>) -> Result<()> {
        const OP: &str = "metal.set_metallib_path";
        init();
        let path = c_path(OP, path.as_ref())?;
        // SAFETY: the path is valid and copied.
        check(OP, unsafe {
            sys::mlx_metal_set_metallib_path(path.as_ptr())
        })
    }

    /// Starts to record the GPU's work into a `.gputrace` file.
    ///
    /// # Errors
    /// If the path contains a NUL byte, or Metal cannot record.
    pub fn start_capture(path: impl AsRef<Path>) -> Result<()> {
        const OP: &str = "metal.start_capture";
        init();
        let path = c_path(OP, path.as_ref())?;
        // SAFETY: the path is valid and copied.
        check(OP, unsafe { sys::mlx_metal_start_capture(path.as_ptr()) })
    }

    /// Ends the recording of [`start_capture`].
    ///
    /// # Errors
    /// If MLX cannot.
    pub fn stop_capture() -> Result<()> {
        init();
        // SAFETY: takes nothing.
        check("metal.stop_capture", unsafe {
            sys::mlx_metal_stop_capture()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_metal_follow_the_size_of_the_chip() {
        for (name, kernels, millions) in [
            ("applegpu_g13g", 40, 40),
            ("applegpu_g15s", 50, 50),
            ("applegpu_g15d", 50, 50),
            ("applegpu_g16p", 20, 40),
            ("", 40, 40),
        ] {
            let elements = millions << 20;
            assert_eq!(metal::batch(name), Batch { kernels, elements }, "{name}");
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(version().unwrap().starts_with("0."));
        if !metal::is_available().unwrap() {
            assert!(metal::metallib_path().is_err());
            metal::stop_capture().unwrap();
        }
        let gpu = crate::device::is_available(crate::device::Device::gpu()).unwrap();
        assert_eq!(
            gpu,
            metal::is_available().unwrap() || cuda::is_available().unwrap()
        );
        assert!(metal::set_metallib_path("a\0b").is_err());
    }
}
