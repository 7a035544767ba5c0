//! Which public types of the runtime may go to another thread, and which may be shared. The compiler
//! checks what is written here, the test that no type is left out. The reasons are in the crate's
//! docs under "Threads".

use std::collections::BTreeSet;
use std::path::Path;

use mlx_models::llama::Llama;
use mlx_runtime::low_level::{containers, graph, live};
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
    distributed::Group,
    Dtype, Error, ErrorKind, Runtime,
    device::Device, device::DeviceType, device::Info,
    explain::ExplainOptions, explain::ExplainedKernel, explain::Explanation, explain::Launch,
    fft::Norm, linalg::Triangle, memory::Forecast,
    io::GgufValue,
    live::Handles, live::Kind,
    model::Checkpoint, model::LoadOptions, model::LoraConfig, model::LoraPattern, model::MemoryPlan, model::ParamGroups,
    model::Quantization, model::Spans, model::TrainOptions,
    monitor::GpuSample, monitor::GpuWatch, monitor::Monitor, monitor::Rates, monitor::Sample, monitor::Server,
    monitor::Tracing, monitor::Window,
    nn::BatchNormBuilder, nn::ConvBuilder<2>, nn::GroupNormBuilder, nn::MultiHeadAttentionBuilder, nn::RopeScaling,
    nn::TensorKind, nn::losses::Reduction,
    ops::Conv, ops::Indexing, ops::PadMode, ops::Side, KernelCall, ops::fast::CudaKernelBuilder,
    ops::fast::MetalKernelBuilder,
    optim::Adafactor, optim::Adam, optim::AdamW, optim::Lion, optim::Muon, optim::Parts, optim::Run, optim::Sgd,
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
    nn::Conv1d, nn::Conv2d, nn::Embedding, nn::KvCache, nn::LayerNorm, nn::Linear, nn::Param, nn::RmsNorm, nn::SwitchLinear,
    nn::AllToShardedLinear, nn::Rope, nn::Segments, nn::ShardedToAllLinear, nn::Weight, nn::BatchNorm, nn::Dropout, nn::GroupNorm, nn::MultiHeadAttention, nn::Sequential,
    optim::Guarded, optim::OptimState,
    transforms::Closure, transforms::CustomFunction, transforms::Grad, transforms::ValueAndGrad,
    transforms::Vmap, transforms::CustomJvp, transforms::CustomVjp, transforms::CustomVmap,
    transforms::GradientClosure, transforms::NamedClosure,
    Llama,
}

neither! {
    explain::Outline<'static>, model::Leaf<'static>,
    ops::fast::RopeOptions<'static>, Index<'static>, Mask<'static>, packed::Chosen<'static>, RightSide<'static>,
    stream::Stream,
    transforms::Compiled, transforms::CompileCache,
    export::Exporter, export::ImportedFunction, graph::NodeNamer, io::GgufFile,
    CudaKernel, MetalKernel,
    containers::MapStringToArray, containers::MapStringToString, containers::MlxString,
    containers::VectorArray, containers::VectorInt, containers::VectorStream, containers::VectorString,
    containers::VectorVectorArray,
}

/// The types that a module shows to other crates: its own, those of the modules that it makes
/// public, and those that it uses publicly. `folder` holds its modules.
fn shown(items: &[syn::Item], folder: &Path, found: &mut BTreeSet<String>) {
    for item in items {
        let (vis, attrs) = match item {
            syn::Item::Struct(s) => (&s.vis, &s.attrs),
            syn::Item::Enum(e) => (&e.vis, &e.attrs),
            syn::Item::Mod(m) => (&m.vis, &m.attrs),
            syn::Item::Use(u) => (&u.vis, &u.attrs),
            _ => continue,
        };
        let hidden = |a: &syn::Attribute| {
            a.path().is_ident("doc")
                && matches!(&a.meta, syn::Meta::List(l) if l.tokens.to_string() == "hidden")
        };
        if !matches!(vis, syn::Visibility::Public(_)) || attrs.iter().any(hidden) {
            continue;
        }
        match item {
            syn::Item::Struct(s) => found.extend([s.ident.to_string()]),
            syn::Item::Enum(e) => found.extend([e.ident.to_string()]),
            syn::Item::Use(u) => used(&u.tree, folder, found),
            syn::Item::Mod(m) => module(&m.ident.to_string(), folder, found),
            _ => {}
        }
    }
}

fn module(name: &str, folder: &Path, found: &mut BTreeSet<String>) {
    let inner = folder.join(name);
    let files = [folder.join(format!("{name}.rs")), inner.join("mod.rs")];
    if let Some(file) = files.iter().find(|f| f.exists()) {
        let text = std::fs::read_to_string(file).unwrap();
        shown(&syn::parse_file(&text).unwrap().items, &inner, found);
    }
}

fn used(tree: &syn::UseTree, folder: &Path, found: &mut BTreeSet<String>) {
    match tree {
        syn::UseTree::Path(p) if matches!(*p.tree, syn::UseTree::Glob(_)) => {
            module(&p.ident.to_string(), folder, found);
        }
        syn::UseTree::Path(p) => used(&p.tree, folder, found),
        syn::UseTree::Group(g) => g.items.iter().for_each(|t| used(t, folder, found)),
        syn::UseTree::Name(n) => {
            let name = n.ident.to_string();
            // Functions are used, too.
            if name.starts_with(char::is_uppercase) {
                found.insert(name);
            }
        }
        _ => {}
    }
}

/// Names that are no types of this crate: traits, aliases, and what other crates define.
const OTHERS: &[&str] = &[
    "Complex32",
    "Element",
    "Model",
    "Module",
    "Nested",
    "Operand",
    "Optimizer",
    "Parameters",
    "Result",
    "Trainable",
];

#[test]
fn every_public_type_is_in_a_list() {
    let mut found = BTreeSet::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../mlx-runtime/src");
    let text = std::fs::read_to_string(folder.join("lib.rs")).unwrap();
    shown(&syn::parse_file(&text).unwrap().items, &folder, &mut found);
    let bare = |text: &&str| {
        let path = text.split('<').next().unwrap_or_default();
        let name = path.rsplit("::").next().unwrap_or_default();
        name.trim().to_owned()
    };
    let listed: BTreeSet<String> = [BOTH, SENT, NEITHER, OTHERS]
        .concat()
        .iter()
        .map(bare)
        .collect();
    let left: Vec<&String> = found.difference(&listed).collect();
    assert!(left.is_empty(), "in no list: {left:?}");
    let gone: Vec<&String> = listed.difference(&found).collect();
    assert!(
        gone.len() < 20 && found.len() > 90,
        "{} found, not {gone:?}",
        found.len()
    );
}
