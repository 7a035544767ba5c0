//! Readers and writers: the data that they return, and their errors and panics.

use std::collections::HashMap;
use std::io::{Cursor, Error, ErrorKind as Io, Read, Result, Seek, SeekFrom, Write};

use mlx_runtime::{io, ops, Array, Dtype, ErrorKind};

fn sample() -> Array {
    Array::from_slice(&[1.0f32, -2.0, 3.5, 0.0, 7.0, 9.0], &[2, 3]).unwrap()
}

/// Works for a number of bytes, then fails in the given way.
#[derive(Clone, Debug)]
struct Fails {
    inner: Cursor<Vec<u8>>,
    left: usize,
    how: fn() -> Error,
}

impl Fails {
    fn used(&mut self, n: usize) -> Result<()> {
        if n > self.left {
            return Err((self.how)());
        }
        self.left -= n;
        Ok(())
    }
}

impl Read for Fails {
    fn read(&mut self, to: &mut [u8]) -> Result<usize> {
        self.used(to.len())?;
        self.inner.read(to)
    }
}

impl Write for Fails {
    fn write(&mut self, from: &[u8]) -> Result<usize> {
        self.used(from.len())?;
        self.inner.write(from)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Seek for Fails {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.inner.seek(to)
    }
}

fn says() -> Error {
    Error::new(Io::StorageFull, "only 50% fits")
}

fn panics() -> Error {
    panic!("oh")
}

#[test]
fn arrays_come_back() {
    let a = sample();
    let npy = io::save_npy_to(Cursor::new(Vec::new()), &a)
        .unwrap()
        .into_inner();
    assert_eq!(&npy[..6], b"\x93NUMPY");
    let b = io::load_npy_from(Cursor::new(npy)).unwrap();
    assert_eq!(b.to_vec::<f32>().unwrap(), a.to_vec::<f32>().unwrap());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("100%s.npy");
    io::save_npy(&path, &a).unwrap();
    assert_eq!(io::load_npy(&path).unwrap().shape(), [2, 3]);
    assert_eq!(
        io::load_npy(folder.path().join("none")).unwrap_err().kind(),
        ErrorKind::Io
    );

    let named = [
        ("a".to_owned(), a.clone()),
        ("n".to_owned(), Array::scalar(3i32).unwrap()),
    ];
    let about = HashMap::from([("by".to_owned(), "a test".to_owned())]);
    let bytes = io::save_safetensors_to(Cursor::new(Vec::new()), &named, &about).unwrap();
    let (arrays, metadata) = io::load_safetensors_from(bytes.clone()).unwrap();
    assert_eq!(metadata["by"], "a test");
    assert_eq!(
        arrays["a"].to_vec::<f32>().unwrap(),
        a.to_vec::<f32>().unwrap()
    );
    assert_eq!(arrays["n"].item::<i32>().unwrap(), 3);
    // MLX's own reader and writer of files agree.
    let path = folder.path().join("b.safetensors");
    io::save_safetensors_in_place(&path, &named, &about).unwrap();
    assert_eq!(io::load_safetensors(&path).unwrap().0["a"].shape(), [2, 3]);
}

/// A file in NumPy's format with a header in other words than NumPy's own.
fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

/// The values are what `numpy.load` gives for these bytes. MLX looks at fixed places of the header.
#[test]
fn headers_of_numpy_are_read_by_their_meaning() {
    let six = [1f32, 2.0, 3.0, 4.0, 5.0, 6.0];
    let little: Vec<u8> = six.iter().flat_map(|v| v.to_le_bytes()).collect();
    let big: Vec<u8> = six.iter().flat_map(|v| v.to_be_bytes()).collect();
    let (rows, columns) = (
        [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
        [1.0, 3.0, 5.0, 2.0, 4.0, 6.0],
    );
    for (header, values) in [
        (
            "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }",
            columns,
        ),
        (
            "{'descr': '<f4',  'fortran_order': True, 'shape': (2, 3), }",
            columns,
        ),
        (
            "{'descr': '<f4', 'shape': (2, 3), 'fortran_order': True}",
            columns,
        ),
        (
            "{'fortran_order': True, 'descr': '<f4', 'shape': (2, 3), }",
            columns,
        ),
        (
            "{\"descr\": \"f4\", \"fortran_order\":\nTrue, \"shape\": (2,3)}",
            columns,
        ),
        ("{'descr':'=f4','fortran_order':False,'shape':(2,3)}", rows),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }  \n",
            rows,
        ),
    ] {
        for version in 1..4 {
            let a = io::load_npy_from(Cursor::new(npy(version, header, &little))).unwrap();
            assert_eq!(a.shape(), [2, 3], "{header}");
            assert_eq!(a.to_vec::<f32>().unwrap(), values, "{header}");
        }
    }
    // The parts of a complex number keep their order when their bytes are swapped.
    let header = "{'descr': '>c8', 'fortran_order': False, 'shape': (3,), }";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.npy");
    std::fs::write(&path, npy(1, header, &big)).unwrap();
    let a = io::load_npy(&path).unwrap();
    let parts = [ops::real(&a).unwrap(), ops::imag(&a).unwrap()];
    assert_eq!(parts[0].to_vec::<f32>().unwrap(), [1.0, 3.0, 5.0]);
    assert_eq!(parts[1].to_vec::<f32>().unwrap(), [2.0, 4.0, 6.0]);
    for (header, what) in [
        (
            "{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }",
            "<c16",
        ),
        (
            "{'descr': '<U3', 'fortran_order': False, 'shape': (1,), }",
            "<U3",
        ),
        (
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }",
            "records",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }",
            "32 bytes",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }",
            "size",
        ),
        (
            "{'descr': '<f4', 'fortran_order': 1, 'shape': (2, 3), }",
            "True or False",
        ),
        ("{'descr': '<f4', 'fortran_order': False}", "shape"),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 1}",
            "\"x\"",
        ),
        (
            "{'descr': '<f4', 'descr': '<i4', 'fortran_order': False, 'shape': (6,)}",
            "twice",
        ),
        (
            "{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} 1",
            "goes on",
        ),
    ] {
        std::fs::write(&path, npy(1, header, &little)).unwrap();
        let from_reader = io::load_npy_from(Cursor::new(npy(1, header, &little)));
        for e in [io::load_npy(&path).unwrap_err(), from_reader.unwrap_err()] {
            assert_eq!(e.kind(), ErrorKind::Format, "{header}: {e}");
            assert!(e.to_string().contains(what), "{header}: {e}");
        }
    }
}

#[test]
fn whatever_the_bytes_are_nothing_ends_the_process() {
    let npy = io::save_npy_to(Cursor::new(Vec::new()), &sample())
        .unwrap()
        .into_inner();
    for cut in 0..npy.len() {
        let loaded = io::load_npy_from(Cursor::new(npy[..cut].to_vec()));
        assert!(loaded.and_then(|a| a.eval()).is_err(), "{cut}");
    }
    for at in 0..npy.len() {
        for bit in 0..8 {
            let mut bytes = npy.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(a) = io::load_npy_from(Cursor::new(bytes)) {
                if a.nbytes() < 1 << 20 {
                    let _ = a.eval();
                }
            }
        }
    }
    let named = [("a".to_owned(), sample())];
    let file = io::save_safetensors_to(Cursor::new(Vec::new()), &named, &HashMap::new());
    let file = file.unwrap().into_inner();
    for cut in 0..file.len() {
        let e = io::load_safetensors_from(Cursor::new(file[..cut].to_vec())).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Format, "{cut}: {e}");
    }
}

#[test]
fn errors_and_panics_of_readers_and_writers_come_back() {
    let whole = io::save_npy_to(Cursor::new(Vec::new()), &sample()).unwrap();
    for left in [0, 20] {
        let fails = Fails {
            inner: Cursor::new(Vec::new()),
            left,
            how: says,
        };
        let e = io::save_npy_to(fails, &sample()).unwrap_err();
        assert!(
            e.kind() == ErrorKind::Io && e.to_string().contains("only 50% fits"),
            "{e}"
        );
        let fails = Fails {
            inner: Cursor::new(whole.get_ref().clone()),
            left,
            how: panics,
        };
        let e = io::load_npy_from(fails).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Panic, "{e}");
    }
    // The data is read when the array is evaluated, on another thread. The header is read twice.
    let whole_len = whole.get_ref().len();
    let left = 2 * whole_len - sample().nbytes() - 4;
    let fails = Fails {
        inner: whole,
        left,
        how: panics,
    };
    let lazy = io::load_npy_from(fails).unwrap();
    assert!(lazy.eval().is_err());
}

#[test]
fn gguf_files_are_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let mut file = io::GgufFile::new().unwrap();
    file.set_array("w", &sample()).unwrap();
    file.set_numbers("n", &Array::scalar(7u32).unwrap())
        .unwrap();
    file.set_text("t", "50%").unwrap();
    file.set_texts("list", &["a".to_owned(), "b".to_owned()])
        .unwrap();
    assert_eq!(file.text("t").unwrap().as_deref(), Some("50%"));
    assert_eq!(file.text("n").unwrap(), None);
    assert_eq!(file.texts("list").unwrap().unwrap(), ["a", "b"]);
    assert_eq!(
        file.numbers("n").unwrap().unwrap().item::<u32>().unwrap(),
        7
    );
    assert!(file.numbers("none").unwrap().is_none());
    file.save(&path).unwrap();
    let back = io::load_gguf(&path).unwrap();
    assert_eq!(back.arrays["w"].shape(), [2, 3]);
    assert_eq!(back.get("n").unwrap().as_i64(), Some(7));
    assert_eq!(back.get("list").unwrap().as_texts().unwrap(), ["a", "b"]);

    assert!(file.save(folder.path().join("model.bin")).is_err());
    assert!(file.save(folder.path().join("none/model.gguf")).is_err());
    let wide = Array::scalar_as(1.0, Dtype::Float64).unwrap();
    assert_eq!(
        file.set_array("d", &wide).unwrap_err().kind(),
        ErrorKind::Dtype
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
