//! rust-analyzer on models: hover, definitions, types of variables, renaming, completion and messages in bodies, also in
//! bodies that are half written. Where rust-analyzer is not installed the tests say so and end.

mod client;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock};

use serde_json::{json, Value};

use client::{Client, Place};

const PROBE: &str = include_str!("probe.rs");

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().expect("the workspace")
}

/// The library of the macros that this test was built with.
fn macros() -> PathBuf {
    let program = std::env::current_exe().expect("this program");
    let folder = program.parent().expect("a folder");
    let named = |p: &PathBuf| {
        let name = p
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_string();
        name.starts_with("libmlx_macros-") && !name.ends_with(".d") && !name.ends_with(".rmeta")
    };
    let all = fs::read_dir(folder)
        .expect("a folder")
        .flatten()
        .map(|f| f.path());
    let library = |p: &PathBuf| {
        named(p)
            && p.extension()
                .is_some_and(|e| e == std::env::consts::DLL_EXTENSION)
    };
    let newest = all
        .filter(library)
        .max_by_key(|p| fs::metadata(p).and_then(|m| m.modified()).ok());
    newest.expect("the library of the macros")
}

/// The project without cargo: the runtime, the examples' models, and the probe.
fn project(sysroot: &str, probe: &Path) -> Value {
    let root = root();
    let source = |path: &str| root.join(path);
    let deps = json!([{ "crate": 0, "name": "mlx_macros" }, { "crate": 1, "name": "mlx_runtime" }]);
    json!({
        "sysroot": sysroot,
        "sysroot_src": format!("{sysroot}/lib/rustlib/src/rust/library"),
        "crates": [
            {
                "root_module": source("mlx-macros/src/lib.rs"), "edition": "2021", "deps": [],
                "is_proc_macro": true, "proc_macro_dylib_path": macros(), "is_workspace_member": false,
            },
            {
                "root_module": source("mlx-runtime/src/lib.rs"), "edition": "2021",
                "deps": [{ "crate": 0, "name": "mlx_macros" }], "is_workspace_member": false,
                "env": { "CARGO_MANIFEST_DIR": source("mlx-runtime") },
            },
            {
                "root_module": probe, "edition": "2021", "deps": deps.clone(),
                "env": { "CARGO_MANIFEST_DIR": probe.parent() },
            },
            {
                "root_module": source("examples/models/src/lib.rs"), "edition": "2021", "deps": deps,
                "env": { "CARGO_MANIFEST_DIR": source("examples/models"), "CARGO_PKG_NAME": "mlx-models" },
            },
        ],
    })
}

struct Editor {
    client: Client,
    file: PathBuf,
}

/// The one server of this process, with the probe open; `None` where there is none.
fn editor() -> Option<MutexGuard<'static, Editor>> {
    static EDITOR: OnceLock<Option<Mutex<Editor>>> = OnceLock::new();
    let editor = EDITOR.get_or_init(|| {
        let sysroot = Command::new("rustc")
            .args(["--print", "sysroot"])
            .output()
            .ok()?;
        let sysroot = String::from_utf8(sysroot.stdout).ok()?.trim().to_string();
        let version = Command::new("rust-analyzer").arg("--version").output();
        let is_there = version.is_ok_and(|o| o.status.success());
        if !is_there
            || !Path::new(&sysroot)
                .join("lib/rustlib/src/rust/library")
                .is_dir()
        {
            println!("skipped: needs `rustup component add rust-analyzer rust-src`");
            return None;
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("editor");
        fs::create_dir_all(&folder).expect("a folder");
        let file = folder.join("probe.rs");
        fs::write(&file, PROBE).expect("a file");
        let client = Client::start(&folder, project(&sysroot, &file)).expect("rust-analyzer");
        Some(Mutex::new(Editor { client, file }))
    });
    let mut editor = editor.as_ref()?.lock().unwrap_or_else(|e| e.into_inner());
    let file = editor.file.clone();
    editor.client.open(&file, PROBE);
    Some(editor)
}

/// The place of the mark `|` in a piece of a text.
fn place(text: &str, marked: &str) -> Place {
    let (before, after) = marked.split_once('|').expect("a mark");
    let found = text.find(&format!("{before}{after}"));
    let found = found.unwrap_or_else(|| panic!("no {marked:?} in the text"));
    Place::at(text, found + before.len())
}

#[test]
fn hover_shows_shapes_and_documentation() {
    let Some(mut e) = editor() else { return };
    let file = e.file.clone();
    for (at, shown) in [
        (
            "forward(&self, |x: Tensor![B, L, hidden]",
            "x: Tensor<(B, L, hidden)>",
        ),
        ("let |y = silu", "let y: Tensor<(B, L, ffn)>"),
        ("self.helper(|y)", "let y: Tensor<(B, L, ffn)>"),
        (
            "let (left, |right)",
            "let right: Tensor<(B, L, _1, hidden)>",
        ),
        ("self.|up(self", "up: Linear"),
        ("self.|up(self", "Up."),
        ("self.|helper(y)", "fn helper"),
        ("= |silu(", "pub fn silu(x: &Array) -> Result<Array>"),
        (".|reshape([", "row-major"),
        ("reshape([|B, L, 2", "let B: usize"),
        ("L, 2, |hidden]", "The width."),
        ("#[param(|ffn, hidden)]", "ffn: usize"),
        ("dims(twice = 2 * |hidden", "The width."),
        ("eps = |eps", "eps: f32"),
        ("#[layers(|depth)]", "depth: usize"),
        ("config.|gated", "gated: bool"),
        ("= |soft_cap(", "Keeps values small."),
        ("h = |block(h)", "block: &Block"),
        ("    |t * cap", "let t: Tensor<(B, L, D)>"),
        ("tanh(x / |cap)", "cap: f32"),
        ("self.|maps[1]", "maps: [Linear; 2]"),
        ("g = |map(g)", "let map: &Linear"),
        ("self.|gate(rest)", "gate: Option<Linear>"),
        ("gate(|rest)", "rest: Tensor<(N, hidden)>"),
        ("= |cache.last;", "cache: &mut KvCache"),
        ("    |product + v", "let product: Tensor<(B, D)>"),
    ] {
        let found = e.client.hover(&file, place(PROBE, at));
        assert!(
            found.contains(shown),
            "{at}: expected {shown:?}, found {found:?}"
        );
    }
}

#[test]
fn definitions_are_found() {
    let Some(mut e) = editor() else { return };
    let file = e.file.clone();
    for (at, to) in [
        ("self.norm(|x)", "forward(&self, |x: Tensor![B, L, hidden]"),
        ("self.helper(|y)", "let |y = silu"),
        ("z * sigmoid(squeeze(|right", "let (left, |right)"),
        ("self.|norm(x)", "    |norm: RmsNorm"),
        ("self.|helper(y)", "fn |helper(&self"),
        ("L, 2, |hidden]", "pub |hidden: usize"),
        ("Tensor![B, L, |twice]", "dims(|twice"),
        ("#[param(|twice, ffn)]", "dims(|twice"),
        ("self.|blocks", "    |blocks: Vec"),
        ("= |soft_cap(", "fn |soft_cap"),
    ] {
        let found = e.client.definition(&file, place(PROBE, at));
        let places: Vec<Place> = found.iter().map(|(_, p)| *p).collect();
        assert!(
            places.contains(&place(PROBE, to)),
            "{at}: expected {to}, found {found:?}"
        );
    }
    let found = e.client.definition(&file, place(PROBE, "= |silu("));
    let of_runtime = |(uri, _): &(String, Place)| uri.ends_with("/nn/activations.rs");
    assert!(found.iter().any(of_runtime), "{found:?}");
}

#[test]
fn variables_show_their_types() {
    let Some(mut e) = editor() else { return };
    let file = e.file.clone();
    let found = e.client.inlays(&file, PROBE);
    for (at, ty) in [
        ("let y| = silu", ": Tensor<(B, L, ffn)>"),
        ("let wide| =", ": Tensor<(B, L, _2, hidden)>"),
        ("let (left|, right)", ": Tensor<(B, L, _1, hidden)>"),
        ("let mut z| =", ": Tensor<(B, L, hidden)>"),
        ("let mut h| =", ": Tensor<(B, L, hidden)>"),
        ("let t| =", ": Tensor<(B, L, D)>"),
    ] {
        let wanted = (place(PROBE, at), ty.to_string());
        assert!(
            found.contains(&wanted),
            "{at}: expected {ty}, found {found:?}"
        );
    }
}

#[test]
fn names_are_changed_everywhere() {
    let Some(mut e) = editor() else { return };
    let file = e.file.clone();
    let word = |text: &str, old: &str, new: &str| {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(old) {
            let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            let inside = letter(rest[..at].chars().next_back())
                || letter(rest[at + old.len()..].chars().next());
            out += &rest[..at];
            out += if inside { old } else { new };
            rest = &rest[at + old.len()..];
        }
        out + rest
    };
    for (at, old, new) in [
        ("let |wide", "wide", "both"),
        ("self.|up(self", "up", "first"),
        ("pub |hidden", "hidden", "width"),
        ("dims(|twice", "twice", "pair"),
        ("self.|helper(y)", "helper", "last"),
        ("fn |soft_cap", "soft_cap", "capped"),
        ("    |product + v", "product", "scaled_v"),
        ("config.|gated", "gated", "with_gate"),
    ] {
        let found = e.client.renamed(&file, PROBE, place(PROBE, at), new);
        assert_eq!(found, word(PROBE, old, new), "{at}");
    }
    // A free dim is one name in one method.
    let found = e
        .client
        .renamed(&file, PROBE, place(PROBE, "reshape([|B, L, 2"), "Batch");
    let (before, rest) = PROBE.split_once("impl Block {").expect("the impl");
    let (body, after) = rest.split_once("fn helper").expect("the method");
    assert_eq!(
        found,
        format!(
            "{before}impl Block {{{}fn helper{after}",
            word(body, "B", "Batch")
        )
    );
}

#[test]
fn half_a_body_has_completion_and_no_error_of_the_macros() {
    let Some(mut e) = editor() else { return };
    let file = e.file.clone();
    let line = "let y = silu(self.up(self.norm(x)));\n";
    for (typed, offered) in [
        ("let w = self.|\n", &["norm", "up", "down", "helper"][..]),
        ("let w = self.|;\n", &["norm", "up", "down", "helper"]),
        ("self.|\n", &["norm", "up", "down", "helper"]),
        ("let w = self.up(self.|);\n", &["norm", "up", "down"]),
        ("let w = x.resh|\n", &["reshape"]),
        (
            "let w = x.reshape([B, L, config.|]);\n",
            &["hidden", "ffn", "eps"],
        ),
        ("let w = sil|\n", &["silu"]),
        ("let w = x + |;\n", &["x", "silu"]),
        ("let w = soft|\n", &["soft_cap", "softmax"]),
    ] {
        let cursor = typed.find('|').expect("a mark");
        let new = format!("{}        {line}", typed.replacen('|', "", 1));
        let text = PROBE.replace(line, &new);
        let at = text.find(&new).expect("the line") + cursor;
        e.client.open(&file, &text);
        let found = e.client.completions(&file, Place::at(&text, at));
        for name in offered {
            let is_there = found.iter().any(|l| l.split('(').next() == Some(name));
            assert!(is_there, "{typed:?}: expected {name}, found {found:?}");
        }
    }
    for typed in [
        "let w = self.\n",
        "self.\n",
        "let w = self.up(\n",
        "let w = x +\n",
        "let w =\n",
    ] {
        let text = PROBE.replace(line, &format!("{typed}        {line}"));
        e.client.open(&file, &text);
        let found = e.client.messages(&file, &text);
        // The parser of the server says what it expects.
        let own = found.iter().filter(|m| !m.text.starts_with("Syntax Error"));
        assert_eq!(
            own.map(|m| &m.text).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{typed:?}"
        );
    }
}

#[test]
fn messages_stand_at_their_tokens() {
    let Some(mut e) = editor() else { return };
    let file = e.file.clone();
    assert!(e.client.messages(&file, PROBE).is_empty());
    for (old, new, at, message) in [
        ("self.norm(x)", "self.nrm(x)", "nrm", "no field"),
        ("silu(", "sillu(", "sillu", "sillu"),
        ("2, hidden]", "3, hidden]", "", "elements"),
        ("self.down(y)", "self.up(y)", "", "hidden"),
    ] {
        let text = PROBE.replacen(old, new, 1);
        e.client.open(&file, &text);
        let found = e.client.messages(&file, &text);
        let [one] = &found[..] else {
            panic!("{new}: expected one message, found {found:?}");
        };
        assert!(at.is_empty() || one.at == at, "{new}: {one:?}");
        assert!(one.text.contains(message), "{new}: {one:?}");
        assert!(!one.at.contains('\n'), "{new}: {one:?}");
    }
}

#[test]
fn the_models_of_the_examples_have_no_messages() {
    let Some(mut e) = editor() else { return };
    let folder = root().join("examples/models/src");
    let mut files = 0;
    for file in fs::read_dir(folder).expect("a folder").flatten() {
        let file = file.path();
        if file.extension().is_none_or(|x| x != "rs") {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a file");
        e.client.open(&file, &text);
        let found = e.client.messages(&file, &text);
        assert!(found.is_empty(), "{}: {found:?}", file.display());
        files += 1;
    }
    assert!(files > 20, "{files} files");
}
