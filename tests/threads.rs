//! Which public types of the runtime may go to another thread, and which may be shared. The compiler
//! checks what is written here, the test that no type is left out. The reasons are in the crate's
//! docs under "Threads".

use std::collections::BTreeSet;
use std::path::Path;

use mlx_models::llama::Llama;
use mlx_runtime::ops::fast::{CudaKernel, KernelCall, Mask, MetalKernel};
use mlx_runtime::ops::packed::{self, Packed, RightSide};
use mlx_runtime::*;
use static_assertions::{assert_impl_all, assert_not_impl_any};

/// To another thread, and shared.
macro_rules! both {
    ($($t:ty),* $(,)?) => {
        const BOTH: &[&str] = &[$(stringify!($t)),*];
        $(assert_impl_all!($t: Send, Sync);)*
    };
}

/// To another thread, not shared.
macro_rules! sent {
    ($($t:ty),* $(,)?) => {
        const SENT: &[&str] = &[$(stringify!($t)),*];
        $(assert_impl_all!($t: Send);)*
        $(assert_not_impl_any!($t: Sync);)*
    };
}

/// On their thread alone.
macro_rules! neither {
    ($($t:ty),* $(,)?) => {
        const NEITHER: &[&str] = &[$(stringify!($t)),*];
        $(assert_not_impl_any!($t: Send, Sync);)*
    };
}

both! {
    Dtype, Error, ErrorKind, Runtime,
    device::Device, device::DeviceType, device::Info,
    explain::ExplainOptions, explain::Explanation,
    fft::Norm, linalg::Triangle, memory::Forecast,
    io::GgufValue,
    live::Handles, live::Kind,
    model::Checkpoint, model::LoadOptions, model::LoraConfig, model::MemoryPlan, model::ParamGroups,
    model::Quantization, model::Spans, model::TrainOptions,
    monitor::GpuSample, monitor::Monitor, monitor::Rates, monitor::Sample, monitor::Server,
    monitor::Tracing, monitor::Window,
    nn::RopeScaling,
    ops::Indexing, ops::PadMode, ops::Side, KernelCall, ops::fast::CudaKernelBuilder,
    ops::fast::MetalKernelBuilder,
    optim::Adafactor, optim::Adam, optim::AdamW, optim::Lion, optim::Muon, optim::Run, optim::Sgd,
    optim::Shapes, optim::Skipped, optim::schedule::Schedule,
    runtime::Backend, runtime::Builder, runtime::Chosen, runtime::Gpu, runtime::Limit, runtime::Machine,
    runtime::Report,
    stream::ThreadLocalStream,
    transforms::CompileMode,
}

sent! {
    Array, random::Key, Packed,
    io::Gguf,
    model::LeafMut<'static>, model::Loader, model::Started, model::TrainStep<Llama>, model::Weights,
    nn::Conv1d, nn::Conv2d, nn::Embedding, nn::KvCache, nn::LayerNorm, nn::Linear, nn::Param, nn::RmsNorm,
    nn::Rope, nn::Weight,
    optim::Guarded, optim::OptimState,
    transforms::Closure, transforms::CustomFunction, transforms::Grad, transforms::ValueAndGrad,
    transforms::Vmap, transforms::CustomJvp, transforms::CustomVjp, transforms::CustomVmap,
    transforms::GradientClosure, transforms::NamedClosure,
    Llama,
}

neither! {
    explain::Outline<'static>, model::Leaf<'static>,
    Index<'static>, Mask<'static>, packed::Chosen<'static>, RightSide<'static>,
    stream::Stream,
    transforms::Compiled, transforms::CompileCache,
    distributed::Group, export::Exporter, export::ImportedFunction, graph::NodeNamer, io::GgufFile,
    CudaKernel, MetalKernel,
    containers::MapStringToArray, containers::MapStringToString, containers::MlxString,
    containers::VectorArray, containers::VectorInt, containers::VectorStream, containers::VectorString,
    containers::VectorVectorArray,
}

/// Public in their modules, but not to be named from outside of the crate but by generated code.
const INSIDE: &[&str] = &[
    "Arg",
    "Class",
    "Computed",
    "Cut",
    "Cuts",
    "Digest",
    "DigestPart",
    "DigestTensor",
    "Fact",
    "FactOp",
    "Field",
    "FieldLayout",
    "Fused",
    "Holds",
    "Layout",
    "LoadDim",
    "Meta",
    "Method",
    "NamePart",
    "Names",
    "Node",
    "Place",
    "Quantise",
    "RequireLayout",
    "Saved",
    "Sig",
    "SigType",
    "Size",
    "Stack",
    "TensorLayout",
    "What",
    "Why",
];

/// The names of the types that a folder of sources makes public.
fn declared(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if !path.ends_with("private") {
                declared(&path, found);
            }
            continue;
        }
        if path.extension().is_none_or(|e| e != "rs") {
            continue;
        }
        let file = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for item in file.items {
            let (vis, name) = match &item {
                syn::Item::Struct(s) => (&s.vis, &s.ident),
                syn::Item::Enum(e) => (&e.vis, &e.ident),
                _ => continue,
            };
            if matches!(vis, syn::Visibility::Public(_)) {
                found.insert(name.to_string());
            }
        }
    }
}

#[test]
fn every_public_type_is_in_a_list() {
    let mut found = BTreeSet::new();
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mlx-runtime/src");
    declared(&runtime, &mut found);
    let bare = |text: &&str| {
        let path = text.split('<').next().unwrap_or_default();
        let name = path.rsplit("::").next().unwrap_or_default();
        name.trim().to_owned()
    };
    let listed: BTreeSet<String> = [BOTH, SENT, NEITHER, INSIDE]
        .concat()
        .iter()
        .map(bare)
        .collect();
    let left: Vec<&String> = found.difference(&listed).collect();
    assert!(left.is_empty(), "in no list: {left:?}");
    assert!(found.len() > 100);
}
