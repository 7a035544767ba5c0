//! A run of the build script with its own cache, PATH and variables.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The cache that this package was built from.
pub const CACHE: &str = env!("MLX_SYS_TEST_CACHE");

/// The environment of one run; its folder goes when it is dropped.
pub struct Build {
    pub folder: PathBuf,
    env: BTreeMap<String, String>,
}

/// The output of the build script.
#[derive(Debug)]
pub struct Outcome {
    pub stdout: String,
    /// The text that cargo shows as errors; empty if the build succeeded.
    pub error: String,
}

impl Build {
    /// An empty cache, an empty PATH, no package index.
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("build-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for part in ["bin", "cache", "home", "out"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let (target, libc) = match os {
            "macos" => (format!("{arch}-apple-darwin"), ""),
            _ => (format!("{arch}-unknown-linux-gnu"), "gnu"),
        };
        let mut build = Build {
            folder: folder.clone(),
            env: BTreeMap::new(),
        };
        build
            .env("TARGET", &target)
            .env("HOST", &target)
            .env("CARGO_CFG_TARGET_OS", os)
            .env("CARGO_CFG_TARGET_ARCH", arch)
            .env("CARGO_CFG_TARGET_ENV", libc)
            .env("CARGO_MANIFEST_DIR", env!("CARGO_MANIFEST_DIR"))
            .env("CARGO", env!("CARGO"))
            .env("NUM_JOBS", "2")
            .env("OUT_DIR", folder.join("out").to_str().unwrap())
            .env("HOME", folder.join("home").to_str().unwrap())
            .env("PATH", folder.join("bin").to_str().unwrap())
            .env("MLX_SYS_CACHE", folder.join("cache").to_str().unwrap())
            .env("PIP_CONFIG_FILE", "/dev/null")
            .no_network();
        build
    }

    pub fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// A variable that holds a path in this build's folder.
    pub fn env_path(&mut self, name: &str, path: &str) -> &mut Self {
        let path = self.folder.join(path);
        self.env(name, path.to_str().unwrap())
    }

    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.env.remove(name);
        self
    }

    /// pip's index and cargo's are at a closed port.
    pub fn no_network(&mut self) -> &mut Self {
        let home = self.folder.join("home");
        self.env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
            .env("CARGO_HOME", home.to_str().unwrap())
            .env("CARGO_HTTP_PROXY", "http://127.0.0.1:9")
            .env("CARGO_NET_RETRY", "0")
    }

    /// Copies entries of the real cache into this one, if their names start with one of `prefixes`.
    pub fn with(&mut self, prefixes: &[&str]) -> &mut Self {
        for entry in fs::read_dir(CACHE).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let wanted = prefixes.iter().any(|prefix| name.starts_with(prefix));
            if wanted && path.is_dir() && !name.ends_with(".tmp") {
                symlink(&path, self.folder.join("cache").join(name)).unwrap();
            }
        }
        self
    }

    /// Everything that is fetched or generated, and nothing that is compiled.
    pub fn with_all_fetched(&mut self) -> &mut Self {
        self.with(&["mlx-", "mlxc-source-", "scipy-openblas32-", "bindings-"])
    }

    /// Puts a shell script on the PATH.
    pub fn script(&mut self, name: &str, text: &str) -> &mut Self {
        let path = self.folder.join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Puts a program that is installed here on the PATH.
    pub fn tool(&mut self, name: &str) -> &mut Self {
        let path = std::env::var("PATH").unwrap();
        let home = std::env::var("HOME").unwrap();
        self.script(
            name,
            &format!("PATH='{path}' HOME='{home}' exec {name} \"$@\""),
        )
    }

    /// A compiler that writes an empty output file, and one line for each call to `calls`.
    pub fn fake_compiler(&mut self) -> &mut Self {
        let calls = self.folder.join("calls");
        let text = format!(
            "echo \"$@\" >> '{}'\nwhile [ $# -gt 0 ]; do\n  [ \"$1\" = -o ] && : > \"$2\"\n  shift\ndone",
            calls.display()
        );
        self.script("c++", &text)
    }

    /// The arguments of each call of the fake compiler.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The names in this build's cache, locks left out.
    pub fn cached(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("cache")).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.ends_with(".lock"))
            .collect()
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("MLX_SYS_TEST_BUILD_SCRIPT"));
        command
            .env_clear()
            .envs(&self.env)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn run(&self) -> Outcome {
        Outcome::of(self.command().output().unwrap())
    }

    /// Runs it and checks that it went well.
    pub fn succeed(&self) -> Outcome {
        let outcome = self.run();
        assert_eq!(outcome.error, "");
        outcome
    }

    /// Runs it and checks that it failed with one message that holds all of `words`.
    #[track_caller]
    pub fn fail(&self, words: &[&str]) {
        let error = self.run().error;
        for word in words {
            assert!(error.contains(word), "no {word:?} in: {error}");
        }
        assert!(error.lines().count() <= 10, "too long: {error}");
        assert_eq!(error.matches("help: ").count(), 1, "not one hint: {error}");
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Outcome {
    pub fn of(output: std::process::Output) -> Self {
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        let error: Vec<&str> = stdout
            .lines()
            .filter_map(|line| line.strip_prefix("cargo::error="))
            .collect();
        Outcome {
            error: error.join("\n"),
            stdout,
        }
    }

    /// The value of the first line `cargo::NAME=value`.
    pub fn value(&self, name: &str) -> Option<&str> {
        let start = format!("cargo::{name}=");
        self.stdout
            .lines()
            .find_map(|line| line.strip_prefix(&start))
    }
}
