//! Runs rustc on one file with the crates that a model needs.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// An error that rustc reports.
#[derive(Debug, PartialEq)]
pub struct Said {
    /// The line of the place.
    pub line: u64,
    /// The source at the place.
    pub at: String,
    /// The message, with its helps.
    pub text: String,
}

/// rustc with the libraries of the workspace.
pub struct Rustc {
    libraries: Vec<(String, PathBuf)>,
    folders: Vec<String>,
    out: PathBuf,
}

impl Rustc {
    /// Checks the crates of the workspace and notes where cargo put them.
    pub fn new() -> Rustc {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let args = [
            "check",
            "-q",
            "-p",
            "mlx-models",
            "--message-format",
            "json",
        ];
        let done = Command::new(cargo)
            .args(args)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        let (mut libraries, mut folders) = (Vec::new(), Vec::new());
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            folders.extend(strings(&line["linked_paths"]));
            let name = line["target"]["name"]
                .as_str()
                .unwrap_or_default()
                .replace('-', "_");
            if ["mlx_macros", "mlx_runtime", "mlx_models", "serde"].contains(&name.as_str()) {
                let files = strings(&line["filenames"]);
                let file = files
                    .iter()
                    .find(|f| f.ends_with(".rmeta") || f.ends_with(".so") || f.ends_with(".dylib"));
                libraries.extend(file.map(|f| (name, PathBuf::from(f))));
            }
        }
        assert_eq!(
            libraries.len(),
            4,
            "cargo check: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        folders.extend(
            libraries
                .iter()
                .map(|(_, f)| format!("dependency={}", f.parent().unwrap().display())),
        );
        folders.dedup();
        let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("one_message");
        std::fs::create_dir_all(&out).unwrap();
        Rustc {
            libraries,
            folders,
            out,
        }
    }

    /// The errors of a crate with this source.
    pub fn errors(&self, number: usize, source: &str) -> Vec<Said> {
        // A message may name the file: by its name alone, the same in every checkout.
        let file = format!("case{number}.rs");
        std::fs::write(self.out.join(&file), source).unwrap();
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        rustc.args([
            "--edition=2021",
            "--crate-type=lib",
            "--emit=metadata",
            "--error-format=json",
            "--cap-lints=allow",
        ]);
        rustc.current_dir(&self.out).args(["--out-dir", ".", &file]);
        self.folders.iter().for_each(|f| {
            rustc.arg("-L").arg(f);
        });
        for (name, file) in &self.libraries {
            rustc
                .arg("--extern")
                .arg(format!("{name}={}", file.display()));
        }
        // Digests lie beside the models.
        let models = format!("{}/../../examples/models", env!("CARGO_MANIFEST_DIR"));
        let done = rustc.env("CARGO_MANIFEST_DIR", models).output().unwrap();
        let text = String::from_utf8(done.stderr).unwrap();
        text.lines()
            .filter_map(|l| said(&serde_json::from_str(l).unwrap()))
            .collect()
    }
}

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|v| v.as_str().map(String::from)).collect()
}

/// An error, apart from the one that counts all.
fn said(line: &Value) -> Option<Said> {
    let spans = line["spans"].as_array()?;
    let primary = spans.iter().find(|s| s["is_primary"] == true);
    let message = line["message"].as_str()?;
    if line["level"] != "error" || message.starts_with("aborting due to") {
        return None;
    }
    let helps = line["children"].as_array().into_iter().flatten();
    let helps = helps
        .filter(|c| c["level"] == "help")
        .filter_map(|c| c["message"].as_str());
    let text = [message.to_string()]
        .into_iter()
        .chain(helps.map(|h| format!("help: {h}")));
    let at = primary.map(|p| {
        let text = &p["text"][0];
        let place = |key: &str| text[key].as_u64().unwrap_or(1) as usize - 1;
        let line: Vec<char> = text["text"].as_str().unwrap_or_default().chars().collect();
        let end = place("highlight_end").min(line.len());
        line[place("highlight_start").min(end)..end]
            .iter()
            .collect()
    });
    Some(Said {
        line: primary.and_then(|p| p["line_start"].as_u64()).unwrap_or(0),
        at: at.unwrap_or_default(),
        text: text.collect::<Vec<String>>().join("\n"),
    })
}
