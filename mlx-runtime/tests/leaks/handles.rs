//! Arrays, lists, maps, texts, files.

use std::collections::HashMap;
use std::io::Cursor;
use std::path::Path;

use mlx_runtime::device::{self, Device};
use mlx_runtime::low_level::containers::{
    MapStringToArray, MapStringToString, MlxString, VectorArray, VectorInt, VectorStream,
    VectorString, VectorVectorArray,
};
use mlx_runtime::ops::fast::{CudaKernel, MetalKernel};
use mlx_runtime::stream::{self, Stream};
use mlx_runtime::{distributed, export, io, low_level::graph, ops, random, Array, Dtype, Result};

/// Ten operations of as many kinds, evaluated.
pub fn operations(x: &Array) -> Result<()> {
    let a = ops::matmul(x, &ops::transpose(x, &[])?)?;
    let b = ops::softmax(&ops::reshape(&a, &[2, 8])?, &[-1], false)?;
    let c = ops::concatenate(&[&b, &b], 0)?;
    let d = ops::split_at(&c, &[1], 0)?;
    let e = ops::astype(&ops::exp(&d[1])?, Dtype::Float16)?;
    let f = random::normal(&[8], Dtype::Float16, 0.0, 1.0, None)?;
    ops::sum(&ops::add(&e, &f)?, &[], false)?.eval()
}

/// Calls that fail after some of their results are there.
pub fn refused(x: &Array) {
    let wrong = ops::ones(&[3], Dtype::Float32).unwrap();
    assert!(ops::add(x, &wrong).is_err());
    assert!(ops::matmul(x, &wrong).is_err());
    assert!(ops::reshape(x, &[5]).is_err());
    assert!(ops::split_at(x, &[1], 7).is_err());
    assert!(ops::concatenate(&[x, &wrong], 0).is_err());
    assert!(x.as_slice::<i32>().is_err() && x.item::<f32>().is_err());
    assert!(Array::from_vec(vec![1.0f32; 3], &[2]).is_err());
    assert!(io::load_npy_from(Cursor::new(vec![0; 40])).is_err());
    assert!(io::load_safetensors("there is no such file").is_err());
    assert!(VectorString::from_slice(&["a\0b".to_owned()]).is_err());
}

pub fn containers(x: &Array) -> Result<()> {
    let mut list = VectorArray::from_slice(&[x.clone(), x.clone()])?;
    list.push(x)?;
    let lists = VectorVectorArray::from_slice(&[list.clone(), list])?;
    lists.get(1)?.get(2)?;
    assert!(lists.get(2).is_err());
    VectorInt::from_slice(&[1, 2, 3])?.clone().set_value(&7)?;
    VectorString::from_slice(&["some text that is long enough for the heap".to_owned()])?.get(0)?;
    VectorStream::from_value(&Stream::default_cpu()?)?.get(0)?;
    MapStringToArray::from_entries([("a name", x)])?
        .clone()
        .entries()?;
    MapStringToString::from_entries([("a", &"b".to_owned())])?.get("a")?;
    let _ = MlxString::from_text("some text that is long enough for the heap")?.clone();
    let mut y = Array::scalar(1.0f32)?;
    y.assign_scalar(2i32)?;
    y.assign_slice(&[1.0f32; 64], &[8, 8])
}

pub fn files(x: &Array) -> Result<()> {
    let bytes = io::save_npy_to(Cursor::new(Vec::new()), x)?;
    io::load_npy_from(bytes)?.eval()?;
    let named = [("x".to_owned(), x.clone())];
    let file = io::save_safetensors_to(Cursor::new(Vec::new()), &named, &HashMap::new())?;
    io::load_safetensors_from(file)?.0["x"].eval()?;
    Array::from_vec(vec![1.0f32; 100], &[100])?.eval()?;
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
    let _ = CudaKernel::new("k", &["x"], &["y"], "").build();
    x.to_string();
    Ok(())
}

pub fn exported(x: &Array, dir: &Path) -> Result<()> {
    let path = dir.join("f.mlxfn");
    let captured = ops::square(x)?;
    captured.eval()?;
    let f = move |x: &[Array]| Ok(vec![ops::matmul(&x[0], &captured)?]);
    export::export_function(&path, f, std::slice::from_ref(x), false)?;
    let f = export::import_function(&path)?;
    f.call(std::slice::from_ref(x))?[0].eval()?;
    assert!(f.call(&[]).is_err());
    assert!(export::import_function(dir.join("absent")).is_err());
    Ok(())
}
