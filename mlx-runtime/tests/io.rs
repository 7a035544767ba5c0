//! Files: round trips, bad files, and the old file after a failed save.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use mlx_runtime::io::{
    load_gguf, load_safetensors, load_safetensors_folder, save_safetensors, GgufValue,
};
use mlx_runtime::{ops, Array, Dtype, ErrorKind};

fn arrays() -> Vec<(String, Array)> {
    let f = Array::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], &[2, 3]).unwrap();
    vec![
        ("w".to_owned(), f.clone()),
        ("transposed".to_owned(), ops::transpose(&f, &[]).unwrap()),
        ("half".to_owned(), ops::astype(&f, Dtype::Bfloat16).unwrap()),
        ("flag".to_owned(), Array::scalar(true).unwrap()),
        (
            "empty".to_owned(),
            ops::zeros(&[0, 4], Dtype::Int32).unwrap(),
        ),
    ]
}

fn metadata() -> HashMap<String, String> {
    HashMap::from([("format".to_owned(), "mlx \"quoted\" é".to_owned())])
}

#[test]
fn safetensors_round_trip() {
    let dir = tempfile::tempdir().unwrap();
    // A name that C's printf and MLX's own saving would change.
    let path = dir.path().join("100%s of it.tensors");
    save_safetensors(&path, &arrays(), &metadata()).unwrap();
    let first = fs::read(&path).unwrap();
    let (loaded, meta) = load_safetensors(&path).unwrap();
    assert_eq!(meta, metadata());
    assert_eq!(loaded.len(), 5);
    for (name, a) in arrays() {
        let b = &loaded[&name];
        assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{name}");
        let equal = ops::array_equal(&a, b, false).unwrap();
        assert!(equal.item::<bool>().unwrap(), "{name}");
    }
    // Over itself, with arrays that are not read yet, in another order: the same bytes.
    let (lazy, _) = load_safetensors(&path).unwrap();
    save_safetensors(&path, &lazy.into_iter().collect::<Vec<_>>(), &meta).unwrap();
    assert_eq!(fs::read(&path).unwrap(), first);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn what_cannot_be_saved_is_an_error_and_leaves_the_old_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    save_safetensors(&path, &arrays(), &metadata()).unwrap();
    let old = fs::read(&path).unwrap();
    let one = |name: &str| (name.to_owned(), Array::scalar(1.0f32).unwrap());
    let bad = [
        (vec![one("x"), one("x")], ErrorKind::InvalidArgument),
        (vec![one("__metadata__")], ErrorKind::InvalidArgument),
        (
            vec![("d".to_owned(), Array::scalar(1.0f64).unwrap())],
            ErrorKind::Dtype,
        ),
    ];
    for (arrays, kind) in bad {
        let e = save_safetensors(&path, &arrays, &HashMap::new()).unwrap_err();
        assert_eq!(e.kind(), kind);
    }
    assert_eq!(fs::read(&path).unwrap(), old);
    let e = save_safetensors(dir.path().join("no/folder"), &arrays(), &HashMap::new()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
}

#[test]
fn bad_safetensors_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("%n%s.safetensors");
    assert_eq!(load_safetensors(&path).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(
        load_safetensors(dir.path()).unwrap_err().kind(),
        ErrorKind::Io
    );
    save_safetensors(&path, &arrays(), &metadata()).unwrap();
    let good = fs::read(&path).unwrap();
    for n in [0, 5, 8, 100, good.len() - 1] {
        fs::write(&path, &good[..n]).unwrap();
        let e = load_safetensors(&path).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Format, "{n} bytes");
        assert!(e.hint().is_some());
        assert!(e.to_string().contains("%n%s"), "{e}");
    }
    assert_eq!(load_safetensors("a\0b").unwrap_err().kind(), ErrorKind::Io);
}

#[cfg(unix)]
#[test]
fn a_file_that_shrinks_after_loading_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.safetensors");
    save_safetensors(&path, &arrays(), &metadata()).unwrap();
    // On a separate thread, because MLX stops the stream that failed.
    std::thread::spawn(move || {
        let (loaded, _) = load_safetensors(&path).unwrap();
        fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(16)
            .unwrap();
        assert!(loaded["w"].eval().is_err());
    })
    .join()
    .unwrap();
}

type Scalars<'a> = &'a [(&'a str, f32)];
type Files<'a> = &'a [(&'a str, Scalars<'a>)];
/// Files, an index, and the expected arrays.
type Case<'a> = (Files<'a>, Option<&'a str>, Scalars<'a>);

/// A folder of files of scalars, and perhaps an index.
fn folder(files: Files<'_>, index: Option<&str>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (file, scalars) in files {
        let arrays = scalars.iter();
        let arrays = arrays.map(|(n, v)| ((*n).to_owned(), Array::scalar(*v).unwrap()));
        let arrays: Vec<_> = arrays.collect();
        save_safetensors(dir.path().join(file), &arrays, &HashMap::new()).unwrap();
    }
    if let Some(map) = index {
        let text = format!(r#"{{"metadata":{{"total_size":8}},"weight_map":{map}}}"#);
        fs::write(dir.path().join("model.safetensors.index.json"), text).unwrap();
    }
    dir
}

#[test]
fn in_a_folder_the_files_decide() {
    let cases: &[Case<'_>] = &[
        // One file, whatever it is called.
        (&[("x.safetensors", &[("a", 1.0)])], None, &[("a", 1.0)]),
        // Shards with an index and without.
        (
            &[
                ("x-1.safetensors", &[("a", 1.0)]),
                ("x-2.safetensors", &[("b", 2.0)]),
            ],
            Some(r#"{"a":"x-1.safetensors","b":"x-2.safetensors"}"#),
            &[("a", 1.0), ("b", 2.0)],
        ),
        (
            &[
                ("x-1.safetensors", &[("a", 1.0)]),
                ("x-2.safetensors", &[("b", 2.0)]),
            ],
            None,
            &[("a", 1.0), ("b", 2.0)],
        ),
        // A tied projection that the index still names.
        (
            &[("model-1.safetensors", &[("a", 1.0)])],
            Some(r#"{"a":"model-1.safetensors","lm_head.weight":"model-1.safetensors"}"#),
            &[("a", 1.0)],
        ),
        // An index that is older than the file.
        (
            &[("model.safetensors", &[("a", 1.0)])],
            Some(r#"{"a":"model-1-of-2.safetensors","b":"model-2-of-2.safetensors"}"#),
            &[("a", 1.0)],
        ),
        // Another copy of the model under other names, and adapters.
        (
            &[
                ("consolidated.safetensors", &[("wq", 3.0), ("a", 9.0)]),
                ("model-1.safetensors", &[("a", 1.0)]),
                ("model-2.safetensors", &[("b", 2.0)]),
                ("adapters.safetensors", &[("a", 4.0)]),
            ],
            None,
            &[("a", 1.0), ("b", 2.0)],
        ),
        (
            &[
                ("adapters.safetensors", &[("a", 4.0)]),
                ("y.safetensors", &[("a", 1.0)]),
            ],
            None,
            &[("a", 1.0)],
        ),
        // Repeated, and the same; the file that the index names for a tensor is missing, and another has it.
        (
            &[
                ("model-1.safetensors", &[("a", 1.0), ("b", f32::NAN)]),
                ("model-2.safetensors", &[("b", f32::NAN)]),
            ],
            Some(r#"{"a":"model-1.safetensors","b":"model-3.safetensors"}"#),
            &[("a", 1.0), ("b", f32::NAN)],
        ),
    ];
    for (files, index, wanted) in cases {
        let dir = folder(files, *index);
        let loaded = load_safetensors_folder(dir.path()).unwrap();
        assert_eq!(loaded.len(), wanted.len(), "{files:?}");
        for (name, value) in *wanted {
            let found = loaded[*name].item::<f32>().unwrap();
            assert_eq!(found.to_bits(), value.to_bits(), "{files:?}");
        }
    }
}

#[test]
fn folders_that_are_no_model_are_refused() {
    let one: Scalars<'_> = &[("a", 1.0)];
    let two: Scalars<'_> = &[("a", 2.0)];
    let a: Files<'_> = &[("model-1.safetensors", one)];
    let both: Files<'_> = &[("model-1.safetensors", one), ("model.safetensors", two)];
    for (files, index, kind, says) in [
        (&[][..], None, ErrorKind::Io, "found none"),
        (
            &[],
            Some(r#"{"a":"x.safetensors"}"#),
            ErrorKind::Io,
            "x.safetensors",
        ),
        (
            &[("adapters.safetensors", one)],
            None,
            ErrorKind::Io,
            "of a model",
        ),
        (
            both,
            None,
            ErrorKind::Format,
            "model-1.safetensors and model.safetensors",
        ),
        (
            both,
            Some(r#"{"a":"model-1.safetensors"}"#),
            ErrorKind::Format,
            "\"a\"",
        ),
        (
            a,
            Some(r#"{"a":"model-1.safetensors","b":"model-2.safetensors"}"#),
            ErrorKind::Io,
            "model-2.safetensors is missing",
        ),
        (
            a,
            Some(r#"{"a":"../x-1.safetensors"}"#),
            ErrorKind::Format,
            "x-1",
        ),
        (
            a,
            Some(r#"{"a":"/etc/passwd"}"#),
            ErrorKind::Format,
            "passwd",
        ),
        (a, Some("{"), ErrorKind::Format, "index"),
    ] {
        let dir = folder(files, index);
        let e = load_safetensors_folder(dir.path()).unwrap_err();
        assert_eq!(e.kind(), kind, "{e}");
        assert!(e.to_string().contains(says), "{e} lacks {says}");
    }
}

/// A GGUF file with an F32 tensor `[2, 3]`, a Q8_0 tensor `[2, 32]` of 0, 1, 2, .. with a scale of
/// a half, and some metadata.
fn gguf() -> Vec<u8> {
    fn string(out: &mut Vec<u8>, s: &str) {
        out.extend((s.len() as u64).to_le_bytes());
        out.extend(s.as_bytes());
    }
    fn info(out: &mut Vec<u8>, name: &str, dims: [u64; 2], kind: u32, offset: u64) {
        string(out, name);
        out.extend(2u32.to_le_bytes());
        out.extend(dims.iter().flat_map(|d| d.to_le_bytes()));
        out.extend(kind.to_le_bytes());
        out.extend(offset.to_le_bytes());
    }
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend(2u64.to_le_bytes());
    out.extend(3u64.to_le_bytes());
    string(&mut out, "general.architecture");
    out.extend(8u32.to_le_bytes());
    string(&mut out, "llama");
    string(&mut out, "tokens");
    out.extend(9u32.to_le_bytes());
    out.extend(8u32.to_le_bytes());
    out.extend(2u64.to_le_bytes());
    string(&mut out, "a");
    string(&mut out, "");
    string(&mut out, "llama.block_count");
    out.extend(4u32.to_le_bytes());
    out.extend(30u32.to_le_bytes());
    // The innermost dimension comes first.
    info(&mut out, "plain", [3, 2], 0, 0);
    info(&mut out, "packed.weight", [32, 2], 8, 32);
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend((0..6).flat_map(|i| (i as f32).to_le_bytes()));
    out.extend([0; 8]);
    for row in 0..2u8 {
        out.extend(0x3800u16.to_le_bytes());
        out.extend((0..32).map(|i| i + 32 * row));
    }
    out
}

#[test]
fn gguf_is_read_with_its_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.gguf");
    fs::write(&path, gguf()).unwrap();
    let file = load_gguf(&path).unwrap();
    assert_eq!(
        file.get("general.architecture").unwrap().as_str(),
        Some("llama")
    );
    assert_eq!(file.get("llama.block_count").unwrap().as_i64(), Some(30));
    let tokens = GgufValue::Texts(vec!["a".to_owned(), String::new()]);
    assert_eq!(file.get("tokens").unwrap(), &tokens);
    assert!(file.get("nothing").is_err());
    assert_eq!(
        file.arrays["plain"].to_vec::<f32>().unwrap(),
        [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    );
    let part = |name: &str| &file.arrays[&format!("packed.{name}")];
    let w = ops::dequantize(part("weight"), part("scales"), part("biases"), 32, 8).unwrap();
    assert_eq!(w.shape(), [2, 32]);
    let w = ops::astype(&w, Dtype::Float32)
        .unwrap()
        .to_vec::<f32>()
        .unwrap();
    let expected: Vec<f32> = (0..64).map(|i| i as f32 / 2.0).collect();
    assert_eq!(w, expected);
}

/// `dump_gguf.py` wrote both files.
#[test]
fn blocks_of_256_have_the_values_of_llama_cpp() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let read = load_gguf(data.join("k_quants.gguf")).unwrap().arrays;
    let (values, _) = load_safetensors(data.join("k_quants.safetensors")).unwrap();
    assert_eq!((read.len(), values.len()), (3, 3));
    for (name, expected) in &values {
        let a = ops::astype(&read[name], Dtype::Float32).unwrap();
        assert_eq!(a.shape(), expected.shape());
        let (a, expected) = (
            a.to_vec::<f32>().unwrap(),
            expected.to_vec::<f32>().unwrap(),
        );
        for (a, b) in a.iter().zip(&expected) {
            // Rounded to float16.
            assert!((a - b).abs() <= b.abs() / 2048.0 + 1e-7, "{name}: {a}, {b}");
        }
    }
}

/// Other users may read the folder, and this thread is a user who may write neither folder nor file.
#[cfg(target_os = "linux")]
#[test]
fn a_gguf_that_may_not_be_written_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.gguf");
    fs::write(&path, gguf()).unwrap();
    let writable = load_gguf(&path).unwrap();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&path, 0o444);
    set(dir.path(), 0o555);
    // Root may write everywhere. The change is this thread's alone, and of files alone.
    // SAFETY: takes a number and changes no memory.
    unsafe { libc::setfsuid(65534) };
    assert!(fs::OpenOptions::new().write(true).open(&path).is_err());
    let read = load_gguf(&path);
    let gone = dir.path().join("none/a.gguf");
    assert_eq!(load_gguf(gone).unwrap_err().kind(), ErrorKind::Io);
    // SAFETY: as above.
    unsafe { libc::setfsuid(libc::geteuid()) };
    set(dir.path(), 0o755);
    let read = read.unwrap();
    assert_eq!(read.metadata, writable.metadata);
    assert_eq!(read.arrays.len(), writable.arrays.len());
    for (name, a) in &read.arrays {
        let same = ops::array_equal(a, &writable.arrays[name], false).unwrap();
        assert!(same.item::<bool>().unwrap(), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe.safetensors");
    let c = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: the path is a C string.
    assert_eq!(unsafe { libc::mkfifo(c.as_ptr(), 0o600) }, 0);
    for e in [
        load_safetensors(&path).unwrap_err(),
        load_gguf(&path).unwrap_err(),
        mlx_runtime::io::load_npy(&path).unwrap_err(),
    ] {
        assert_eq!(e.kind(), ErrorKind::Io);
        assert!(e.to_string().contains("expected a file"), "{e}");
    }
}

#[test]
fn bad_gguf_files_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("%s%n.gguf");
    assert_eq!(load_gguf(&path).unwrap_err().kind(), ErrorKind::Io);
    let good = gguf();
    for n in [0, 3, 24, 100, good.len() - 1] {
        fs::write(&path, &good[..n]).unwrap();
        assert_eq!(
            load_gguf(&path).unwrap_err().kind(),
            ErrorKind::Format,
            "{n} bytes"
        );
    }
}

/// Flips a bit in every byte of the header, one at a time: MLX's reader must never see a header that misleads it, which
/// would end the whole test.
#[test]
fn no_flipped_bit_in_a_header_ends_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let flip_all = |path: &Path, good: &[u8], header: usize, load: &dyn Fn(&Path) -> bool| {
        let mut loaded = 0;
        for at in 0..header {
            let mut bytes = good.to_vec();
            bytes[at] ^= 1 << (at * 5 % 8);
            fs::write(path, &bytes).unwrap();
            loaded += load(path) as usize;
        }
        loaded
    };
    let path = dir.path().join("a.gguf");
    let good = gguf();
    let n = flip_all(&path, &good, good.len() - 100, &|p| {
        load_gguf(p).is_ok_and(|f| f.arrays.values().all(|a| a.eval().is_ok()))
    });
    // Names and numbers may change, and the file stays readable.
    assert!(n > 0);

    let path = dir.path().join("a.safetensors");
    save_safetensors(&path, &arrays(), &metadata()).unwrap();
    let good = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let n = flip_all(&path, &good, header, &|p| {
        load_safetensors(p).is_ok_and(|(f, _)| f.values().all(|a| a.eval().is_ok()))
    });
    assert!(n > 0);
}
