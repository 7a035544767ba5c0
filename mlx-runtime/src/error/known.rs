//! Classifies MLX's messages into a kind and a hint.
//!
//! A message may carry a user's text: the name of a file, a tensor or a kernel, a compiler's output. So a message is
//! first classified by the prefix that MLX gives it (`[PLACE] TEXT`, or `CALL failed: TEXT` from a driver), and only
//! text that MLX wrote itself is searched.
//!
//! Tests: `tests/errors.rs`.

use super::ErrorKind;

type Row = (&'static str, ErrorKind, &'static str);

/// Kind and hint of a message.
pub(super) fn classify(message: &str) -> (ErrorKind, Option<&'static str>) {
    let (place, text) = place_of(message);
    if FILES.contains(&place) {
        return (kind_of_file(text), None);
    }
    if FOREIGN.iter().any(|start| message.starts_with(start)) {
        return (ErrorKind::Mlx, None);
    }
    if place.ends_with("malloc") || message == "std::bad_alloc" {
        return find(ALLOCATOR, text).unwrap_or((ErrorKind::OutOfMemory, Some(SMALLER)));
    }
    if let Some(reason) = failed_call(place, message) {
        return find(DEVICE, reason).unwrap_or((ErrorKind::Mlx, None));
    }
    if message == "Resource temporarily unavailable" {
        return (ErrorKind::Io, Some(MORE_THREADS));
    }
    let own = without_values(text);
    let by_operation = !place.is_empty() || UNNAMED.iter().any(|start| text.starts_with(start));
    find(PHRASES, &own)
        .or_else(|| find(WORDS, &own).filter(|_| by_operation))
        .unwrap_or((ErrorKind::Mlx, None))
}

/// The place in MLX that a message names first, or nothing, and the rest.
fn place_of(message: &str) -> (&str, &str) {
    let named = message
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    match named {
        Some((place, rest))
            if place
                .chars()
                .all(|c| c.is_alphanumeric() || "_:".contains(c)) =>
        {
            (place, rest)
        }
        _ => ("", message),
    }
}

/// The reason that a driver gave for the failure of a call, with the word before it.
fn failed_call<'a>(place: &str, message: &'a str) -> Option<&'a str> {
    let from_driver = place == "METAL" || CALLS.iter().any(|start| message.starts_with(start));
    let at = message.find(" failed")?;
    from_driver.then(|| &message[at + 1..])
}

/// `[load] Failed to open NAME`, `[read] Unable to read N bytes from file`, or a remark on the content.
fn kind_of_file(text: &str) -> ErrorKind {
    let io = [
        "Failed to open",
        "Unable to read",
        "Unable to write",
        "unable to read",
        "unable to write",
    ];
    if io.iter().any(|start| text.starts_with(start)) {
        ErrorKind::Io
    } else {
        ErrorKind::Format
    }
}

/// The text without quoted, parenthesised and bracketed parts: those are values, some of them a user's.
fn without_values(text: &str) -> String {
    let mut own = String::with_capacity(text.len());
    let mut until = None;
    let mut before = ' ';
    for c in text.chars() {
        match until {
            Some(end) => {
                if c == end {
                    until = None;
                }
            }
            None => match c {
                '"' => until = Some('"'),
                // An apostrophe inside a word does not open a quote.
                '\'' if !before.is_alphanumeric() => until = Some('\''),
                '(' => until = Some(')'),
                '<' => until = Some('>'),
                _ => own.push(c),
            },
        }
        before = c;
    }
    own
}

/// Kind and hint of the first row with a text that the message contains.
fn find(rows: &[Row], text: &str) -> Option<(ErrorKind, Option<&'static str>)> {
    rows.iter()
        .find(|(needle, ..)| text.contains(needle))
        .map(|(_, kind, hint)| (*kind, Some(*hint).filter(|h| !h.is_empty())))
}

/// macOS ends long work of programs while the screen waits for the GPU.
const INTERACTIVITY: &str = "the screen waited for the GPU: start the process again, from the last checkpoint, with smaller \
     batches, more gradient checkpoints (`--grad-checkpoint`), or fewer kernels at once (MLX_MAX_OPS_PER_BUFFER=10)";

const SMALLER: &str = "use a smaller batch, more gradient checkpoints or quantised weights, or a memory limit that leaves room for other programs (`Runtime::builder().memory_limit(..)`)";
const LOST: &str = "nothing more can run on the GPU in this process: start it again, from the last checkpoint; `nvidia-smi` and the system's log (`dmesg`) say what happened to the GPU";
const ABSENT: &str = "see that `nvidia-smi` lists the GPU and that CUDA_VISIBLE_DEVICES does not hide it; install the driver, or build without the feature `cuda12` or `cuda13` to run on the CPU";
const DRIVER: &str = "NVIDIA's driver is older than this build of MLX needs: update it, or build with the feature `cuda12` instead of `cuda13`";

const NO_RULE: &str = "MLX has no such rule for this operation: call it outside of the transform, or give it rules with `transforms::custom_function`";

/// Places that read and write files (mlx/io, mlx/export.cpp).
const FILES: &[&str] = &[
    "load",
    "save",
    "read",
    "write",
    "mlx_io_reader",
    "mlx_io_writer",
    "safetensor",
    "load_safetensors",
    "save_safetensors",
    "load_gguf",
    "save_gguf",
    "import_function",
    "export_function",
];

/// The hint if a thread cannot be started: all that C++'s library says is the system's text for EAGAIN.
pub(crate) const MORE_THREADS: &str =
    "raise the limit on threads (`ulimit -u`), or on the memory of their stacks (`ulimit -v`)";

/// Prefixes of messages of operations that do not name themselves (mlx/ops.cpp).
const UNNAMED: &[&str] = &[
    "Invalid ",
    "Duplicate axes",
    "Array split",
    "Cannot broadcast",
    "Given groups",
    "Data size",
    "axis specified",
];

/// Prefixes of messages that carry a compiler's output, a path or a host's name.
const FOREIGN: &[&str] = &[
    "Failed to",
    "Could not load",
    "Can not load",
    "There is no kernel named",
    "[Compile::",
    "[ring]",
    "[jaccl]",
    "[nccl]",
    "[mpi]",
    "[distributed]",
    "[Rank",
];

/// Prefixes of the names of calls of CUDA's libraries.
const CALLS: &[&str] = &["cu", "nvrtc", "nccl"];

/// The allocators' messages, when it is not the memory as a whole that ran out.
#[rustfmt::skip] // one row, one line
const ALLOCATOR: &[Row] = &[
    ("maximum allowed buffer size", ErrorKind::OutOfMemory, "one array is larger than the GPU allows: split it"),
    ("Resource limit", ErrorKind::OutOfMemory, "too many buffers are alive: evaluate more often, and pad batches to few different lengths"),
];

/// A driver's reasons: those of CUDA are `cudaGetErrorString`'s (mlx/backend/cuda/utils.cpp), cuBLAS gives a number
/// (cublas_utils.cpp; 3 is `CUBLAS_STATUS_ALLOC_FAILED`), Metal writes `Command buffer execution failed: TEXT`
/// (mlx/backend/metal/device.cpp). The first match counts.
#[rustfmt::skip]
const DEVICE: &[Row] = &[
    ("failed with code: 3.", ErrorKind::OutOfMemory, SMALLER),
    ("out of memory", ErrorKind::OutOfMemory, SMALLER),
    ("Insufficient Memory", ErrorKind::OutOfMemory, SMALLER),
    ("OutOfMemory", ErrorKind::OutOfMemory, SMALLER),
    ("ALLOC_FAILED", ErrorKind::OutOfMemory, SMALLER),
    ("illegal memory access", ErrorKind::DeviceLost, LOST),
    ("illegal instruction", ErrorKind::DeviceLost, LOST),
    ("misaligned address", ErrorKind::DeviceLost, LOST),
    ("invalid program counter", ErrorKind::DeviceLost, LOST),
    ("global/shared address space", ErrorKind::DeviceLost, LOST),
    ("hardware stack error", ErrorKind::DeviceLost, LOST),
    ("device-side assert", ErrorKind::DeviceLost, LOST),
    ("launch failure", ErrorKind::DeviceLost, LOST),
    ("launch timed out", ErrorKind::DeviceLost, LOST),
    ("ECC error", ErrorKind::DeviceLost, LOST),
    ("NVLink error", ErrorKind::DeviceLost, LOST),
    ("or a hardware error", ErrorKind::DeviceLost, LOST),
    ("driver shutting down", ErrorKind::DeviceLost, LOST),
    ("failed: unknown error", ErrorKind::DeviceLost, LOST),
    ("GPU Hang", ErrorKind::DeviceLost, "the GPU was reset: start the process again, from the last checkpoint"),
    ("GPU Timeout", ErrorKind::DeviceLost, "one command took the GPU too long: use smaller arrays, and start the process again"),
    ("Address Fault", ErrorKind::DeviceLost, "the GPU was reset: start the process again, from the last checkpoint"),
    ("victim of GPU error", ErrorKind::DeviceLost, "another program made the GPU fail: start the process again, from the last checkpoint"),
    ("Impacting Interactivity", ErrorKind::DeviceLost, INTERACTIVITY),
    ("Ignored (for causing prior/excessive GPU errors)", ErrorKind::DeviceLost, "the system gives this process no more of the GPU after earlier errors: start it again, from the last checkpoint"),
    ("Innocent Victim", ErrorKind::DeviceLost, "another program made the GPU fail: start the process again, from the last checkpoint"),
    ("no CUDA-capable device", ErrorKind::Device, ABSENT),
    ("invalid device ordinal", ErrorKind::Device, "`device::device_count` says how many GPUs there are; CUDA_VISIBLE_DEVICES may hide some"),
    ("devices are busy or unavailable", ErrorKind::Device, "another program has the GPU to itself: `nvidia-smi` shows which"),
    ("device(s) is/are busy or unavailable", ErrorKind::Device, "another program has the GPU to itself: `nvidia-smi` shows which"),
    ("driver version is insufficient", ErrorKind::Device, DRIVER),
    ("unsupported display driver", ErrorKind::Device, DRIVER),
    ("unsupported toolchain", ErrorKind::Device, DRIVER),
    ("not supported in the installed CUDA driver", ErrorKind::Device, DRIVER),
    ("no kernel image", ErrorKind::Device, "this build of MLX has no code for a GPU of this age; use the CPU: MLX_DEVICE=cpu"),
    ("initialization error", ErrorKind::Device, "CUDA does not survive a fork: start processes anew instead, before MLX is used"),
    ("system not yet initialized", ErrorKind::Device, "a service of the system is not running: with NVSwitch it is nvidia-fabricmanager"),
];

/// MLX's own sentences; the first match counts.
#[rustfmt::skip]
const PHRASES: &[Row] = &[
    ("cannot be broadcast", ErrorKind::Shape, "dimensions must be equal or 1, counted from the last; see `ops::expand_dims` and `ops::reshape`"),
    ("no Stream", ErrorKind::Device, "streams belong to threads: evaluate an array on the thread that built it before it moves to another one"),
    ("match cotangent shape", ErrorKind::Shape, "a value to differentiate is a scalar: reduce it with `ops::sum` or `ops::mean`"),
    ("during function transformations", ErrorKind::InvalidArgument, "do not read values inside a compiled function: return them as outputs"),
    ("without gpu backend", ErrorKind::Device, "this build of MLX has no GPU backend; use `Device::cpu()`"),
    ("GPU backend is not available", ErrorKind::Device, "this build of MLX has no GPU backend; use `Device::cpu()`"),
    ("has no GPU implementation", ErrorKind::Device, "run this operation on the CPU: `stream::with` a stream of `Device::cpu()`"),
    ("has no CUDA implementation", ErrorKind::Device, "run this operation on the CPU: `stream::with` a stream of `Device::cpu()`"),
    ("not yet supported on the GPU", ErrorKind::Device, "run this operation on the CPU: `stream::with` a stream of `Device::cpu()`"),
    ("has no CPU implementation", ErrorKind::Device, "run this operation on a GPU"),
    ("not supported on the GPU", ErrorKind::Dtype, "use float32, or `Device::cpu()`"),
    ("quantized weights", ErrorKind::InvalidArgument, "capture quantised weights in the closure instead of passing them as inputs to differentiate"),
    ("ot implemented", ErrorKind::InvalidArgument, NO_RULE),
    ("ot yet implemented", ErrorKind::InvalidArgument, NO_RULE),
    ("Cannot vmap over", ErrorKind::InvalidArgument, NO_RULE),
    ("NYI", ErrorKind::InvalidArgument, NO_RULE),
    ("not yet supported", ErrorKind::InvalidArgument, NO_RULE),
    ("respect to indices", ErrorKind::InvalidArgument, "indices have no gradient: pass them through `ops::stop_gradient`, or capture them"),
];

/// Words in messages of MLX's operations about their arguments.
#[rustfmt::skip]
const WORDS: &[Row] = &[
    ("type", ErrorKind::Dtype, ""),
    ("shape", ErrorKind::Shape, ""),
    ("Shape", ErrorKind::Shape, ""),
    ("dimension", ErrorKind::Shape, ""),
    ("axis", ErrorKind::Shape, ""),
    ("axes", ErrorKind::Shape, ""),
    ("split", ErrorKind::Shape, ""),
    ("size", ErrorKind::Shape, ""),
];

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::{Device, DeviceLost, OutOfMemory};

    /// The kind of CUDA's text, as MLX reports it for some call.
    fn cuda(text: &str) -> ErrorKind {
        let kinds = [
            "cudaMallocAsync(&data, size, stream)",
            "cudaGraphLaunch(graph_exec, stream_)",
            "cudaStreamSynchronize(stream_)",
            "cuLaunchKernelEx(&config, func, params, nullptr)",
        ]
        .map(|call| {
            let (kind, hint) = classify(&format!("{call} failed: {text}"));
            assert!(hint.is_some(), "{text}");
            kind
        });
        assert!(kinds.iter().all(|k| *k == kinds[0]), "{text}: {kinds:?}");
        kinds[0]
    }

    #[test]
    fn memory_that_runs_out() {
        assert_eq!(cuda("out of memory"), OutOfMemory);
        for text in [
            "[malloc] Unable to allocate 17179869184 bytes.",
            "cudaMallocManaged(&data, size) failed: out of memory",
            "cublasLtCreate(&handle) failed with code: 3.",
            "cudnnCreate(&handle) failed: CUDNN_STATUS_ALLOC_FAILED.",
            "[metal::malloc] Attempting to allocate 99 bytes which is greater than the maximum allowed buffer size of 9 bytes.",
            "[metal::malloc] Resource limit (499000) exceeded.",
            "[METAL] Command buffer execution failed: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory).",
            "std::bad_alloc",
        ] {
            let (kind, hint) = classify(text);
            assert_eq!(kind, OutOfMemory, "{text}");
            assert!(hint.is_some(), "{text}");
        }
    }

    #[test]
    fn a_gpu_that_fails() {
        // The texts of cudaGetErrorString after which a context is of no use any more.
        for text in [
            "an illegal memory access was encountered",
            "an illegal instruction was encountered",
            "misaligned address",
            "invalid program counter",
            "operation not supported on global/shared address space",
            "hardware stack error",
            "device-side assert triggered",
            "unspecified launch failure",
            "the launch timed out and was terminated",
            "uncorrectable ECC error encountered",
            "uncorrectable NVLink error detected during the execution",
            "Invalid access of peer GPU memory over nvlink or a hardware error",
            "driver shutting down",
            "unknown error",
        ] {
            assert_eq!(cuda(text), DeviceLost, "{text}");
        }
        for text in [
            "Caused GPU Hang Error (00000003:kIOGPUCommandBufferCallbackErrorHang)",
            "Caused GPU Timeout Error (00000002:kIOGPUCommandBufferCallbackErrorTimeout)",
            "Caused GPU Address Fault Error (0000000b:kIOGPUCommandBufferCallbackErrorPageFault)",
            "Impacting Interactivity (0000000e:kIOGPUCommandBufferCallbackErrorImpactingInteractivity)",
            "Ignored (for causing prior/excessive GPU errors) (00000004:kIOGPUCommandBufferCallbackErrorSubmissionsIgnored)",
            "Discarded (victim of GPU error/recovery) (00000005:kIOGPUCommandBufferCallbackErrorInnocentVictim)",
        ] {
            let (kind, hint) = classify(&format!("[METAL] Command buffer execution failed: {text}."));
            assert_eq!(kind, DeviceLost, "{text}");
            assert!(hint.is_some_and(|h| h.contains("again")), "{text}");
        }
    }

    #[test]
    fn what_only_a_cpu_does() {
        for text in [
            "[linalg::inv] This op is not yet supported on the GPU. Explicitly pass a CPU stream to run it.",
            "Eigh has no CUDA implementation.",
            "Eigh has no GPU implementation.",
        ] {
            let (kind, hint) = classify(text);
            assert_eq!(kind, Device, "{text}");
            assert!(hint.is_some_and(|h| h.contains("stream::with")), "{text}");
        }
    }

    #[test]
    fn a_gpu_that_is_not_there() {
        for text in [
            "no CUDA-capable device is detected",
            "invalid device ordinal",
            "CUDA driver version is insufficient for CUDA runtime version",
            "CUDA-capable device(s) is/are busy or unavailable",
            "all CUDA-capable devices are busy or unavailable",
            "system has unsupported display driver / cuda driver combination",
            "the provided PTX was compiled with an unsupported toolchain.",
            "API call is not supported in the installed CUDA driver",
            "no kernel image is available for execution on the device",
            "initialization error",
            "system not yet initialized",
        ] {
            assert_eq!(cuda(text), Device, "{text}");
        }
        for text in [
            "[gpu::eval] GPU backend is not available",
            "[new_stream] Cannot make gpu stream without gpu backend.",
            "FFT has no GPU implementation.",
            "There is no Stream(gpu, 3) in current thread.",
        ] {
            let (kind, hint) = classify(text);
            assert_eq!(kind, Device, "{text}");
            assert!(hint.is_some(), "{text}");
        }
    }

    #[test]
    fn a_users_text_decides_nothing() {
        // Words of every table, in the places in which MLX prints a user's name.
        let words = [FILES, CALLS].concat();
        let needles = [ALLOCATOR, DEVICE, PHRASES, WORDS]
            .into_iter()
            .flatten()
            .map(|row| row.0);
        for word in words.into_iter().chain(needles) {
            let name = format!("/data/{word} type/[{word}] {word} failed: {word}.safetensors");
            for (message, kind) in [
                (
                    format!("[load_safetensors] Failed to open {name}"),
                    ErrorKind::Io,
                ),
                (
                    format!("[import_function] Failed to open {name}"),
                    ErrorKind::Io,
                ),
                (
                    format!("[load_safetensors] Invalid json metadata {name}"),
                    ErrorKind::Format,
                ),
                (
                    format!("[load_safetensors] Tensor '{name}' exceeds the file."),
                    ErrorKind::Format,
                ),
                (
                    format!("[load_gguf] Duplicate parameter name {name}"),
                    ErrorKind::Format,
                ),
                (format!("Failed to compile kernel: {name}"), ErrorKind::Mlx),
                (
                    format!("Failed to load compiled {name} kernel: {name}."),
                    ErrorKind::Mlx,
                ),
                (format!("There is no kernel named {name}."), ErrorKind::Mlx),
                (
                    format!("Could not load C++ shared library {name}"),
                    ErrorKind::Mlx,
                ),
                (
                    format!("[ring] Couldn't open hostfile {name}"),
                    ErrorKind::Mlx,
                ),
                (
                    format!("[nccl] lookup failed for host: {name}"),
                    ErrorKind::Mlx,
                ),
                (format!("[quantize] Invalid mode '{word}'."), ErrorKind::Mlx),
            ] {
                assert_eq!(classify(&message).0, kind, "{message}");
            }
        }
    }

    #[test]
    fn operations_on_their_arguments() {
        let kind = |text| classify(text).0;
        for text in [
            "Invalid axis 7 for array with 2 dimensions.",
            "Array split does not result in sub arrays with equal size: attempting 3 splits along axis 0 for shape (4).",
            "Cannot broadcast array of shape (2,3) into shape (4).",
            "[reshape] Cannot reshape array of size 6 into shape (4).",
            "[stack] All arrays must have the same shape",
            "[gather] Axes don't match array dimensions.",
        ] {
            assert_eq!(kind(text), ErrorKind::Shape, "{text}");
        }
        assert_eq!(kind("[uniform] Unsupported type."), ErrorKind::Dtype);
    }

    #[test]
    fn the_rest_is_as_it_was() {
        let kind = |text| classify(text).0;
        assert_eq!(
            kind("Shapes (2,3) and (4) cannot be broadcast."),
            ErrorKind::Shape
        );
        assert_eq!(
            kind("cublasLtMatmul(...) failed with code: 13."),
            ErrorKind::Mlx
        );
        assert_eq!(
            kind(
                "Failed to compile kernel: error: identifier of type \"size_t\" has another shape."
            ),
            ErrorKind::Mlx
        );
        assert_eq!(kind("something unheard of"), ErrorKind::Mlx);
    }
}
