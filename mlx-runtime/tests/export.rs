//! Functions as files, and the streams that they run on.

use std::collections::HashMap;

use mlx_runtime::device::Device;
use mlx_runtime::stream::{self, ThreadLocalStream};
use mlx_runtime::{export, ops, Array, ErrorKind};

fn list(values: &[f32]) -> Array {
    Array::from_slice(values, &[values.len() as i32]).unwrap()
}

fn values(arrays: &[Array]) -> Vec<Vec<f32>> {
    arrays.iter().map(|a| a.to_vec().unwrap()).collect()
}

#[test]
fn exported_functions_come_back() {
    let folder = tempfile::tempdir().unwrap();
    // A per cent sign, which MLX C would take for a format.
    let path = folder.path().join("100%s.mlxfn");
    let x = [list(&[1.0, 2.0])];
    let names = HashMap::from([("y".to_owned(), list(&[10.0, 20.0]))]);
    export::export_function_named(
        &path,
        |x, names| Ok(vec![ops::add(&x[0], &names["y"])?]),
        &x,
        &names,
        false,
    )
    .unwrap();
    let add = export::import_function(&path).unwrap();
    assert_eq!(values(&add.call_named(&x, &names).unwrap()), [[11.0, 22.0]]);
    assert!(add.call(&x).is_err());

    let many = folder.path().join("many.mlxfn");
    let mut exporter =
        export::exporter(&many, |x| Ok(vec![ops::sum(&x[0], &[], false)?]), false).unwrap();
    exporter.export(&x).unwrap();
    exporter.export(&[list(&[1.0, 2.0, 3.0])]).unwrap();
    drop(exporter);
    let sum = export::import_function(&many).unwrap();
    assert_eq!(
        values(&sum.call(&[list(&[1.0, 1.0, 5.0])]).unwrap()),
        [[7.0]]
    );
    assert!(sum.call(&[list(&[1.0])]).is_err());

    // An operation of this crate is recorded as MLX's own operations.
    let norm = folder.path().join("norm.mlxfn");
    let rows = [
        Array::from_slice(&[3.0f32, 4.0], &[1, 2]).unwrap(),
        x[0].clone(),
    ];
    let f = |x: &[Array]| {
        Ok(vec![mlx_runtime::__private::ops::rms_norm(
            &x[0], &x[1], 0.0,
        )?])
    };
    export::export_function(&norm, f, &rows, false).unwrap();
    let there = values(&export::import_function(&norm).unwrap().call(&rows).unwrap());
    for (a, b) in there[0]
        .iter()
        .zip([3.0 / 12.5f32.sqrt(), 8.0 / 12.5f32.sqrt()])
    {
        assert!((a - b).abs() < 1e-6, "{there:?}");
    }

    changed_files_are_refused(&path);
    // SAFETY: as MLX wrote it.
    let add = unsafe { export::import_function_unchecked(&path) }.unwrap();
    assert_eq!(values(&add.call_named(&x, &names).unwrap()), [[11.0, 22.0]]);

    let e = export::import_function(folder.path().join("99%s")).unwrap_err();
    assert!(e.to_string().contains("99%s"), "{e}");
    let e = export::export_function(&path, |_| panic!("oh"), &x, false).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Panic);
}

/// MLX would record the operations on the process' first stream, whichever thread it belongs to.
#[test]
fn imported_functions_run_on_the_current_stream() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("add.mlxfn");
    let w = list(&[10.0, 20.0]);
    let x = [list(&[1.0, 2.0])];
    let f = move |x: &[Array]| Ok(vec![ops::add(&ops::square(&x[0])?, &w)?]);
    export::export_function(&path, f, &x, false).unwrap();
    let streams = ThreadLocalStream::new(Device::cpu()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let x = [list(&[1.0, 2.0])];
            let add = export::import_function(&path).unwrap();
            let here = streams.here().unwrap();
            let call = || add.call(&x).map(|mut made| made.swap_remove(0));
            let made = stream::with(&here, call).unwrap();
            assert_eq!(made.to_vec::<f32>().unwrap(), [11.0, 24.0]);
            // Another thread cannot evaluate what is on a stream of this one.
            let lazy = stream::with(&here, call).unwrap();
            let elsewhere = std::thread::spawn(move || lazy.eval().map_err(|e| e.kind()));
            assert_eq!(elsewhere.join().unwrap().unwrap_err(), ErrorKind::Device);
            // On the default stream it can.
            let lazy = call().unwrap();
            let elsewhere = std::thread::spawn(move || lazy.to_vec::<f32>());
            assert_eq!(elsewhere.join().unwrap().unwrap(), [11.0, 24.0]);
        });
    });
}

/// MLX itself would go wherever a changed size or number leads it.
fn changed_files_are_refused(path: &std::path::Path) {
    let whole = std::fs::read(path).unwrap();
    let changed = path.with_extension("changed");
    let refused = |bytes: &[u8], what: String| {
        std::fs::write(&changed, bytes).unwrap();
        let e = export::import_function(&changed).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Format, "{what}: {e}");
        assert!(e.hint().unwrap().contains("import_function_unchecked"));
    };
    for at in 0..whole.len() {
        refused(&whole[..at], format!("{at} bytes"));
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        refused(&bytes, format!("byte {at}"));
    }
    refused(&[&whole[..], b"."].concat(), "one byte more".to_owned());
    std::fs::remove_file(changed).unwrap();
}
