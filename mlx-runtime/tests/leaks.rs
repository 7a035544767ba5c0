//! Every kind of handle, made and dropped many times, leaves the process as large as it was.
//!
//! One test alone, since it looks at the memory of the whole process. Linux says how large that is
//! in `/proc`.
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::io::Cursor;

use mlx_runtime::containers::{
    MapStringToArray, MapStringToString, MlxString, VectorArray, VectorInt, VectorStream,
    VectorString, VectorVectorArray,
};
use mlx_runtime::device::Device;
use mlx_runtime::ops::fast::MetalKernel;
use mlx_runtime::stream::{self, Stream};
use mlx_runtime::{
    device, distributed, graph, io, memory, ops, transforms, Array, Error, ErrorKind, Result,
};

/// Bytes of the process that are in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn containers(x: &Array) -> Result<()> {
    let mut list = VectorArray::from_slice(&[x.clone(), x.clone()])?;
    list.push(x)?;
    let lists = VectorVectorArray::from_slice(&[list.clone(), list])?;
    lists.get(1)?.get(2)?;
    VectorInt::from_slice(&[1, 2, 3])?.clone().set_value(&7)?;
    VectorString::from_slice(&["some text that is long enough for the heap".to_owned()])?.get(0)?;
    VectorStream::from_value(&Stream::default_cpu()?)?.get(0)?;
    MapStringToArray::from_entries([("a name", x)])?
        .clone()
        .entries()?;
    MapStringToString::from_entries([("a", &"b".to_owned())])?.get("a")?;
    let _ = MlxString::from_text("some text that is long enough for the heap")?.clone();
    Ok(())
}

fn closures(x: &Array) -> Result<()> {
    let captured = x.clone();
    let rule = x.clone();
    let f = transforms::custom_function(move |a| Ok(vec![ops::add(&a[0], &captured)?]))
        .vjp(move |_, c, _| Ok(vec![ops::multiply(&c[0], &rule)?]))
        .build();
    transforms::grad(
        move |a| Ok(vec![ops::sum(&f.call(a)?[0], &[], false)?]),
        &[0],
    )
    .call(std::slice::from_ref(x))?[0]
        .eval()?;
    transforms::vmap(|a| Ok(vec![ops::square(&a[0])?]), &[Some(0)], &[0])
        .call(std::slice::from_ref(x))?;
    let named = HashMap::from([("y".to_owned(), x.clone())]);
    transforms::NamedClosure::new(|_, n| Ok(vec![n["y"].clone()]))?.call(&[], &named)?;
    // Errors raised inside of closures.
    let fails = |_: &Array| Err(Error::new(ErrorKind::Mlx, "no"));
    assert!(transforms::unary(fails)
        .call(std::slice::from_ref(x))
        .is_err());
    let panics = x.clone();
    let f = transforms::unary(move |_| ops::reshape(&panics, &[-5]));
    assert!(f.call(std::slice::from_ref(x)).is_err());
    transforms::CompileCache::current()?.erase(1)
}

fn everything_else(x: &Array) -> Result<()> {
    let bytes = io::save_npy_to(Cursor::new(Vec::new()), x)?;
    io::load_npy_from(bytes)?.eval()?;
    let named = [("x".to_owned(), x.clone())];
    let file = io::save_safetensors_to(Cursor::new(Vec::new()), &named, &HashMap::new())?;
    io::load_safetensors_from(file)?.0["x"].eval()?;
    assert!(io::load_npy_from(Cursor::new(vec![0; 40])).is_err());
    let mut gguf = io::GgufFile::new()?;
    gguf.set_array("x", x)?;
    gguf.set_text("t", "text")?;
    let mut names = graph::NodeNamer::new()?;
    names.set_name(x, "x")?;
    graph::export_to_dot(&names, &[&ops::square(x)?])?;
    device::info(Device::cpu())?;
    Device::cpu().description()?;
    let cpu = Stream::default_cpu()?;
    assert!(cpu == cpu.clone() && !cpu.to_string().is_empty() && !stream::all()?.is_empty());
    distributed::all_sum(x, Some(&distributed::init(false, None)?))?.eval()?;
    let _ = MetalKernel::new("k", &["x"], &["y"], "").build();
    let mut y = Array::scalar(1.0f32)?;
    y.assign_scalar(2i32)?;
    y.assign_slice(&[1.0f32; 64], &[8, 8])
}

#[test]
fn handles_are_freed() {
    let x = Array::from_slice(&[0.5f32; 16], &[4, 4]).unwrap();
    let rounds = |n: usize| {
        for _ in 0..n {
            containers(&x).unwrap();
            closures(&x).unwrap();
            everything_else(&x).unwrap();
        }
        stream::synchronize().unwrap();
        (resident(), memory::active().unwrap())
    };
    let (before, active) = rounds(1000);
    let (after, active_after) = rounds(10_000);
    assert_eq!(active_after, active);
    // A leak of 52 bytes in a round would be more; allocators keep a little.
    let grown = after.saturating_sub(before);
    assert!(grown < 1 << 19, "{grown} bytes more after 10,000 rounds");
}
