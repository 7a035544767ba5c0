//! Functions with custom rules, vectorised and compiled, and their errors and panics.

use std::collections::HashMap;

use mlx_runtime::ops::fast::{CudaKernel, KernelCall, MetalKernel};
use mlx_runtime::transforms::{
    self, compile_as, custom_function, unary, vmap, CompileCache, CustomJvp, CustomVjp, CustomVmap,
    GradientClosure, NamedClosure,
};
use mlx_runtime::{device, low_level::graph, ops, Array, Error, ErrorKind, Result};

fn scalar(value: f32) -> Array {
    Array::scalar(value).unwrap()
}

fn list(values: &[f32]) -> Array {
    Array::from_slice(values, &[values.len() as i32]).unwrap()
}

fn values(arrays: &[Array]) -> Vec<Vec<f32>> {
    arrays.iter().map(|a| a.to_vec().unwrap()).collect()
}

#[test]
fn each_rule_of_a_custom_function_is_used() {
    let make = || {
        custom_function(|x| Ok(vec![ops::square(&x[0])?]))
            .vjp(|_, cotangents, outputs| Ok(vec![ops::multiply(&cotangents[0], &outputs[0])?]))
            .jvp(|_, tangents, at| {
                assert_eq!(at, [0]);
                Ok(vec![ops::multiply(&tangents[0], scalar(7.0))?])
            })
            .vmap(|x, axes| Ok((vec![ops::negative(&x[0])?], axes.to_vec())))
            .build()
    };
    let f = make();
    let grads = transforms::grad(move |x| f.call(x), &[0])
        .call(&[scalar(3.0)])
        .unwrap();
    assert_eq!(values(&grads), [[9.0]]);
    let f = make();
    let (_, changes) = transforms::jvp(move |x| f.call(x), &[scalar(3.0)], &[scalar(1.0)]).unwrap();
    assert_eq!(values(&changes), [[7.0]]);
    let f = make();
    let rows = vmap(move |x| f.call(x), &[Some(0)], &[0])
        .call(&[list(&[1.0, 2.0])])
        .unwrap();
    assert_eq!(values(&rows), [[-1.0, -2.0]]);
}

#[test]
fn rules_that_make_another_number_of_arrays_are_errors() {
    let f = custom_function(|x| Ok(vec![x[0].clone(), x[0].clone()]))
        .jvp(|_, tangents, _| Ok(tangents.to_vec()))
        .build();
    let e = transforms::jvp(move |x| f.call(x), &[scalar(1.0)], &[scalar(1.0)]).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{e}");
    let e = CustomVmap::new(|x, _| Ok((x.to_vec(), vec![])))
        .unwrap()
        .call(&[scalar(1.0)], &[0])
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{e}");
}

#[test]
fn vectorised_functions_check_their_axes() {
    let add = |x: &[Array]| Ok(vec![ops::add(&x[0], &x[1])?]);
    let a = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3]).unwrap();
    let b = list(&[10.0, 20.0, 30.0]);
    let columns = vmap(add, &[Some(-1), Some(0)], &[-1])
        .call(&[a.clone(), b.clone()])
        .unwrap();
    assert_eq!(values(&columns), [[11.0, 22.0, 33.0, 14.0, 25.0, 36.0]]);
    assert_eq!(columns[0].shape(), [2, 3]);
    for (in_axes, out_axes) in [
        (vec![Some(0), Some(0)], vec![0]),
        (vec![Some(2), None], vec![0]),
        (vec![None, None], vec![0]),
        (vec![Some(0)], vec![0]),
        (vec![Some(1), Some(0)], vec![0, 0]),
        (vec![Some(1), Some(0)], vec![5]),
        (vec![Some(1), Some(0)], vec![i32::MIN]),
    ] {
        assert!(vmap(add, &in_axes, &out_axes)
            .call(&[a.clone(), b.clone()])
            .is_err());
    }
}

#[test]
fn every_kind_of_closure_carries_errors_and_panics() {
    let one = [scalar(2.0)];
    // With and without anything captured.
    let factor = scalar(3.0);
    let captured = move |x: &Array| ops::multiply(x, &factor);
    assert_eq!(values(&unary(captured).call(&one).unwrap()), [[6.0]]);
    assert_eq!(values(&unary(ops::square).call(&one).unwrap()), [[4.0]]);
    assert!(unary(ops::square).call(&[]).is_err());
    for _ in 0..3 {
        let e = unary(|_| Err(Error::new(ErrorKind::Format, "100% mine")))
            .call(&one)
            .unwrap_err();
        assert!(
            e.kind() == ErrorKind::Format && e.to_string().contains("100% mine"),
            "{e}"
        );
    }
    let e = unary(|_| -> Result<Array> { panic!("oh") })
        .call(&one)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Panic);

    let e = CustomVjp::new(|_, _, _| panic!("oh"))
        .unwrap()
        .call(&one, &one, &one)
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Panic);
    let vjp = CustomVjp::new(|_, c, _| Ok(c.to_vec())).unwrap();
    assert_eq!(values(&vjp.call(&one, &one, &one).unwrap()), [[2.0]]);
    let jvp = CustomJvp::new(|_, t, at| Ok(vec![t[at[0] as usize].clone()])).unwrap();
    assert_eq!(values(&jvp.call(&one, &one, &[0]).unwrap()), [[2.0]]);
    let both = GradientClosure::new(|x| Ok((x.to_vec(), x.to_vec()))).unwrap();
    assert_eq!(values(&both.call(&one).unwrap().1), [[2.0]]);
    let mut named = NamedClosure::new(|_, names| Ok(vec![names["b"].clone()])).unwrap();
    let names = HashMap::from([("b".to_owned(), scalar(5.0))]);
    assert_eq!(values(&named.call(&one, &names).unwrap()), [[5.0]]);
    let kept = scalar(8.0);
    named
        .replace(NamedClosure::new(move |_, _| Ok(vec![kept.clone()])).unwrap())
        .unwrap();
    assert_eq!(values(&named.call(&one, &names).unwrap()), [[8.0]]);
    let mut f = unary(ops::square);
    f.replace(transforms::checkpoint(|x| Ok(vec![ops::negative(&x[0])?])))
        .unwrap();
    assert_eq!(values(&f.call(&one).unwrap()), [[-2.0]]);
}

#[test]
fn what_a_closure_captures_is_dropped_once() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::Arc;
    struct Counted(Arc<AtomicUsize>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let counted = Counted(dropped.clone());
        let f = custom_function(move |x| {
            let _ = &counted;
            Ok(x.to_vec())
        })
        .build();
        f.call(&[scalar(1.0)]).unwrap();
    }
    assert_eq!(dropped.load(Ordering::Relaxed), 5);
}

#[test]
fn the_compile_cache_keeps_and_forgets_by_number() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static RECORDED: AtomicUsize = AtomicUsize::new(0);
    let call = |constants: &[u64]| {
        let f = |x: &[Array]| {
            RECORDED.fetch_add(1, Ordering::Relaxed);
            Ok(vec![ops::transpose(&x[0], &[])?])
        };
        let out = compile_as(f, 77, false, constants)
            .call(&[list(&[4.0, 5.0])])
            .unwrap();
        assert_eq!(values(&out), [[4.0, 5.0]]);
        RECORDED.swap(0, Ordering::Relaxed)
    };
    assert_eq!((call(&[1]), call(&[1]), call(&[2])), (1, 0, 1));
    let cache = CompileCache::current().unwrap();
    cache.erase(77).unwrap();
    assert_eq!((call(&[1]), call(&[1])), (1, 0));
    cache.clear().unwrap();
    assert_eq!(call(&[1]), 1);
    cache.clear().unwrap();
}

#[test]
fn graphs_are_printed_with_names() {
    let (x, y) = (scalar(1.0), scalar(2.0));
    let mut names = graph::NodeNamer::new().unwrap();
    names.set_name(&x, "first").unwrap();
    assert_eq!(names.name(&x).unwrap(), "first");
    let z = ops::multiply(&ops::add(&x, &y).unwrap(), &x).unwrap();
    let text = graph::print_graph(&names, &[&z]).unwrap();
    assert!(
        text.contains("first") && text.contains("Multiply"),
        "{text}"
    );
    assert_eq!(graph::count_nodes(&[&z]).unwrap(), 2);
    assert!(names.set_name(&x, "a\0b").is_err());
}

#[test]
fn kernels_of_a_backend_that_is_not_there_are_errors() {
    let call = KernelCall::new()
        .output(&[1], mlx_runtime::Dtype::Float32)
        .template_int("N", 1)
        .template_bool("B", true)
        .template_dtype("T", mlx_runtime::Dtype::Float32)
        .init_value(0.0);
    if device::is_available(device::Device::gpu()).unwrap() {
        return;
    }
    let x = scalar(1.0);
    // MLX finds out when it is called on Metal, when it is made on CUDA.
    let metal = MetalKernel::new("k", &["x"], &["y"], "")
        .atomic_outputs(true)
        .build();
    assert!(metal.and_then(|k| k.call(&[&x], &call)).is_err());
    let metal = MetalKernel::new("k", &["x"], &["y"], "").header("").build();
    let e = metal
        .and_then(|k| k.call(&[&x], &call.clone().grid(0, 1, 1)))
        .unwrap_err();
    assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{e}");
    let cuda = CudaKernel::new("k", &["x"], &["y"], "")
        .shared_memory(16)
        .build();
    assert!(cuda.and_then(|k| k.call(&[&x], &call)).is_err());
}
