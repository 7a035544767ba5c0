//! Kernels in Metal's and CUDA's own languages.
//!
//! Tests: `tests/invalid_arguments`, `mlx-tests --test metal-text`.
//!
//! A kernel is the body of a function; MLX writes the signature from the names of inputs and
//! outputs. It runs on a GPU, has no gradient of its own (see
//! [`crate::transforms::custom_function`]), and can do whatever its language can: MLX checks
//! neither the code nor the places it writes to.
//!
//! ```no_run
//! use mlx_runtime::ops::fast::{CudaKernel, KernelCall};
//! use mlx_runtime::{Array, Dtype};
//! let exp = CudaKernel::new("my_exp", &["x"], &["y"], "
//!     auto i = cooperative_groups::this_grid().thread_rank();
//!     if (i < x_size) { y[i] = exp(float(x[i])); }
//! ").build()?;
//! let x = Array::from_slice(&[0.0f32; 64], &[64])?;
//! let call = KernelCall::new().output(&[64], Dtype::Float32).grid(64, 1, 1).threads(64, 1, 1);
//! let y = exp.call(&[&x], &call)?;
//! # Ok::<(), mlx_runtime::Error>(())
//! ```

use std::ffi::CString;

use mlx_sys as sys;

use crate::array::build_many;
use crate::containers::{VectorArray, VectorString};
use crate::error::{check, from_c};
use crate::handles::c_string;
use crate::init::init;
use crate::live::{live, Live};
use crate::{Array, Dtype, Error, Result};

#[derive(Clone, Debug)]
enum Template {
    Dtype(Dtype),
    Int(i32),
    Bool(bool),
}

/// How a kernel is started, and what it makes.
#[derive(Clone, Debug)]
pub struct KernelCall {
    outputs: Vec<(Vec<i32>, Dtype)>,
    grid: (i32, i32, i32),
    threads: (i32, i32, i32),
    init: Option<f32>,
    verbose: bool,
    templates: Vec<(String, Template)>,
}

impl Default for KernelCall {
    fn default() -> Self {
        Self {
            outputs: Vec::new(),
            grid: (1, 1, 1),
            threads: (1, 1, 1),
            init: None,
            verbose: false,
            templates: Vec::new(),
        }
    }
}

impl KernelCall {
    /// One thread, and no outputs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more output.
    #[must_use]
    pub fn output(mut self, shape: &[i32], dtype: Dtype) -> Self {
        self.outputs.push((shape.to_vec(), dtype));
        self
    }

    /// The number of threads in all, in each direction.
    #[must_use]
    pub fn grid(mut self, x: i32, y: i32, z: i32) -> Self {
        self.grid = (x, y, z);
        self
    }

    /// The number of threads in a group, in each direction.
    #[must_use]
    pub fn threads(mut self, x: i32, y: i32, z: i32) -> Self {
        self.threads = (x, y, z);
        self
    }

    /// The value that the outputs hold when the kernel starts; undefined if not given.
    #[must_use]
    pub fn init_value(mut self, value: f32) -> Self {
        self.init = Some(value);
        self
    }

    /// Prints the source that MLX writes.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    /// A type as template argument `name`.
    #[must_use]
    pub fn template_dtype(mut self, name: &str, dtype: Dtype) -> Self {
        self.templates
            .push((name.to_owned(), Template::Dtype(dtype)));
        self
    }

    /// An integer as template argument `name`.
    #[must_use]
    pub fn template_int(mut self, name: &str, value: i32) -> Self {
        self.templates.push((name.to_owned(), Template::Int(value)));
        self
    }

    /// A truth value as template argument `name`.
    #[must_use]
    pub fn template_bool(mut self, name: &str, value: bool) -> Self {
        self.templates
            .push((name.to_owned(), Template::Bool(value)));
        self
    }

    fn check(&self, op: &'static str) -> Result<()> {
        for (shape, _) in &self.outputs {
            super::check_new_shape(op, shape)?;
        }
        let (g, t) = (self.grid, self.threads);
        if [g.0, g.1, g.2, t.0, t.1, t.2].iter().any(|&n| n < 1) {
            return Err(Error::invalid(
                op,
                format!("expected a grid and groups of 1 or more threads, found {g:?} and {t:?}"),
            ));
        }
        Ok(())
    }
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|n| (*n).to_owned()).collect()
}

macro_rules! kernel {
    ($(#[$doc:meta])* $kernel:ident, $builder:ident, $config:ident, $op:literal,
     $(#[$more_doc:meta])* $more:ident: $more_ty:ty = $default:expr,
     $raw:ident $new:ident $free:ident $apply:ident
     $raw_config:ident $config_new:ident $config_free:ident $add_output:ident $set_grid:ident
     $set_threads:ident $set_init:ident $set_verbose:ident $add_dtype:ident $add_int:ident
     $add_bool:ident) => {
        $(#[$doc])*
        pub struct $kernel(sys::$raw, live!(Kernel));

        /// Options of a kernel.
        #[derive(Clone, Debug)]
        pub struct $builder {
            name: String,
            inputs: Vec<String>,
            outputs: Vec<String>,
            source: String,
            header: String,
            contiguous: bool,
            $more: $more_ty,
        }

        /// Owns one configuration.
        struct $config(sys::$raw_config, live!(KernelConfig));

        impl $config {
            fn new(call: &KernelCall) -> Result<Self> {
                // SAFETY: takes nothing.
                let config = Self(unsafe { sys::$config_new() }, Live::new());
                if config.0.ctx.is_null() {
                    return Err(from_c($op, &[]));
                }
                let raw = config.0;
                for (shape, dtype) in &call.outputs {
                    let (at, n) = (shape.as_ptr(), shape.len());
                    // SAFETY: configuration and list are valid.
                    check($op, unsafe { sys::$add_output(raw, at, n, dtype.as_raw()) })?;
                }
                let ((x, y, z), (i, j, k)) = (call.grid, call.threads);
                // SAFETY: the configuration is valid.
                unsafe {
                    check($op, sys::$set_grid(raw, x, y, z))?;
                    check($op, sys::$set_threads(raw, i, j, k))?;
                    check($op, sys::$set_verbose(raw, call.verbose))?;
                    if let Some(value) = call.init {
                        check($op, sys::$set_init(raw, value))?;
                    }
                }
                for (name, value) in &call.templates {
                    let name = c_string($op, name)?;
                    let name = name.as_ptr();
                    // SAFETY: the configuration and the name are valid; the name is copied.
                    check($op, unsafe {
                        match value {
                            Template::Dtype(d) => sys::$add_dtype(raw, name, d.as_raw()),
                            Template::Int(n) => sys::$add_int(raw, name, *n),
                            Template::Bool(b) => sys::$add_bool(raw, name, *b),
                        }
                    })?;
                }
                Ok(config)
            }
        }

        impl Drop for $config {
            fn drop(&mut self) {
                // SAFETY: owned here.
                unsafe { sys::$config_free(self.0) };
            }
        }

        impl $kernel {
            /// A kernel called `name` (one name for each source: MLX keeps what it built by it),
            /// with the body `source`.
            #[allow(clippy::new_ret_no_self)] // options come first
            pub fn new(name: &str, inputs: &[&str], outputs: &[&str], source: &str) -> $builder {
                $builder {
                    name: name.to_owned(),
                    inputs: names(inputs),
                    outputs: names(outputs),
                    source: source.to_owned(),
                    header: String::new(),
                    contiguous: true,
                    $more: $default,
                }
            }

            /// The outputs for these inputs.
            ///
            /// # Errors
            /// If there are other than the declared inputs or outputs, a number is not positive,
            /// or the current stream is not on a GPU.
            pub fn call(&self, inputs: &[&Array], call: &KernelCall) -> Result<Vec<Array>> {
                call.check($op)?;
                let list = VectorArray::from_refs($op, inputs)?;
                let config = $config::new(call)?;
                build_many($op, inputs, |out, s| {
                    // SAFETY: kernel, list, configuration and stream are valid; `out` is null.
                    unsafe { sys::$apply(out, self.0, list.as_raw(), config.0, s) }
                })
            }
        }

        impl std::fmt::Debug for $kernel {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($kernel))
            }
        }

        impl Drop for $kernel {
            fn drop(&mut self) {
                // SAFETY: owned here.
                unsafe { sys::$free(self.0) };
            }
        }

        impl $builder {
            /// Code before the function.
            #[must_use]
            pub fn header(mut self, header: &str) -> Self {
                header.clone_into(&mut self.header);
                self
            }

            /// True if inputs are copied to row-major memory first where they are not; true unless
            /// said otherwise.
            #[must_use]
            pub fn ensure_row_contiguous(mut self, yes: bool) -> Self {
                self.contiguous = yes;
                self
            }

            $(#[$more_doc])*
            #[must_use]
            pub fn $more(mut self, value: $more_ty) -> Self {
                self.$more = value;
                self
            }

            /// The kernel.
            ///
            /// # Errors
            /// If this build of MLX has no such backend, or a text contains a NUL byte.
            pub fn build(&self) -> Result<$kernel> {
                init();
                let text = |t: &str| -> Result<CString> { c_string($op, t) };
                let (name, source, header) =
                    (text(&self.name)?, text(&self.source)?, text(&self.header)?);
                let inputs = VectorString::from_slice(&self.inputs)?;
                let outputs = VectorString::from_slice(&self.outputs)?;
                // SAFETY: texts and lists are valid, and copied.
                let raw = unsafe {
                    sys::$new(
                        name.as_ptr(),
                        inputs.as_raw(),
                        outputs.as_raw(),
                        source.as_ptr(),
                        header.as_ptr(),
                        self.contiguous,
                        self.$more,
                    )
                };
                if raw.ctx.is_null() {
                    return Err(from_c($op, &[]));
                }
                Ok($kernel(raw, Live::new()))
            }
        }
    };
}

kernel! {
    /// A kernel in Metal's language. MLX: `fast.metal_kernel`. Owns one `mlx_fast_metal_kernel`.
    MetalKernel, MetalKernelBuilder, MetalConfig, "metal_kernel",
    /// True if the outputs are atomic; false unless said otherwise.
    atomic_outputs: bool = false,
    mlx_fast_metal_kernel mlx_fast_metal_kernel_new mlx_fast_metal_kernel_free
    mlx_fast_metal_kernel_apply
    mlx_fast_metal_kernel_config mlx_fast_metal_kernel_config_new
    mlx_fast_metal_kernel_config_free mlx_fast_metal_kernel_config_add_output_arg
    mlx_fast_metal_kernel_config_set_grid mlx_fast_metal_kernel_config_set_thread_group
    mlx_fast_metal_kernel_config_set_init_value mlx_fast_metal_kernel_config_set_verbose
    mlx_fast_metal_kernel_config_add_template_arg_dtype
    mlx_fast_metal_kernel_config_add_template_arg_int
    mlx_fast_metal_kernel_config_add_template_arg_bool
}
kernel! {
    /// A kernel in CUDA C++. MLX: `fast.cuda_kernel`. Owns one `mlx_fast_cuda_kernel`.
    CudaKernel, CudaKernelBuilder, CudaConfig, "cuda_kernel",
    /// Shared memory in bytes; none unless said otherwise.
    shared_memory: i32 = 0,
    mlx_fast_cuda_kernel mlx_fast_cuda_kernel_new mlx_fast_cuda_kernel_free
    mlx_fast_cuda_kernel_apply
    mlx_fast_cuda_kernel_config mlx_fast_cuda_kernel_config_new
    mlx_fast_cuda_kernel_config_free mlx_fast_cuda_kernel_config_add_output_arg
    mlx_fast_cuda_kernel_config_set_grid mlx_fast_cuda_kernel_config_set_thread_group
    mlx_fast_cuda_kernel_config_set_init_value mlx_fast_cuda_kernel_config_set_verbose
    mlx_fast_cuda_kernel_config_add_template_arg_dtype
    mlx_fast_cuda_kernel_config_add_template_arg_int
    mlx_fast_cuda_kernel_config_add_template_arg_bool
}
