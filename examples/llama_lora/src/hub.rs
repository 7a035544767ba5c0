//! Models and data sets by their names on the Hugging Face hub: `ORG/NAME`, or `ORG/NAME@REVISION`.
//!
//! The crate `hf-hub` downloads into the cache that Python's `huggingface_hub` uses, so that each finds what the other
//! fetched. `HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` mean what they mean there. A download that broke off
//! goes on where it stopped.
//!
//! Tests: `tests/hub.rs`.

use std::env;
use std::fmt;
use std::fs;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, ensure, Context, Result};
use hf_hub::api::sync::{Api, ApiBuilder};
use hf_hub::{Cache, Repo, RepoType};

use crate::output::note;

/// Times that a download is tried again.
const RETRIES: usize = 3;

/// A model on the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    id: String,
    revision: String,
    data: bool,
}

impl Name {
    /// Reads `ORG/NAME` and `ORG/NAME@REVISION`; `None` if it is neither.
    pub fn parse(text: &str) -> Option<Name> {
        let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (org, name) = id.split_once('/')?;
        let word = |w: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !w.is_empty()
                && w.len() <= 96
                && w.chars().all(plain)
                && !w.starts_with('.')
                && !w.contains("..")
        };
        let known = word(org) && word(name) && revision.split('/').all(word);
        known.then(|| Name {
            id: id.to_owned(),
            revision: revision.to_owned(),
            data: false,
        })
    }

    /// A data set, at `revision` if one is given.
    pub fn data_set(text: &str, revision: Option<&str>) -> Option<Name> {
        let mut name = Name::parse(text)?;
        name.data = true;
        if let Some(revision) = revision {
            name.revision = Name::parse(&format!("a/b@{revision}"))?.revision;
        }
        Some(name)
    }

    fn repo(&self) -> Repo {
        let kind = match self.data {
            true => RepoType::Dataset,
            false => RepoType::Model,
        };
        Repo::with_revision(self.id.clone(), kind, self.revision.clone())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        match self.revision.as_str() {
            "main" => Ok(()),
            revision => write!(f, "@{revision}"),
        }
    }
}

/// The folder of the model in the cache; files that are not there are downloaded.
///
/// # Errors
/// If the hub does not have the model, or cannot be reached and the cache does not have it.
pub fn fetch(name: &Name) -> Result<PathBuf> {
    let cache = cache()?;
    if offline() {
        return cached(&cache, name).with_context(|| {
            format!("{name} is not in the cache {}, and HF_HUB_OFFLINE is set: unset it to download the model", cache.path().display())
        });
    }
    match download(&cache, name) {
        Ok(folder) => Ok(folder),
        Err(error) => match cached(&cache, name).filter(|_| !is_answer(&error)) {
            Some(folder) => {
                note(format_args!(
                    "the hub cannot be reached ({error:#}): {name} is used as the cache has it"
                ));
                Ok(folder)
            }
            None => Err(explained(error, name)),
        },
    }
}

/// The folder of a data set in the cache, and its files that are `wanted`, which are downloaded if they are not there.
///
/// # Errors
/// If the hub does not have the data set, or cannot be reached and the cache does not have it.
pub fn fetch_data(name: &Name, wanted: impl Fn(&str) -> bool) -> Result<(PathBuf, Vec<String>)> {
    let cache = cache()?;
    let kept = || -> Option<(PathBuf, Vec<String>)> {
        let root = cache.path().join(name.repo().folder_name());
        let commit = fs::read_to_string(root.join("refs").join(&name.revision));
        let commit = commit.unwrap_or_else(|_| name.revision.clone());
        let folder = cache.repo(name.repo()).pointer_path(commit.trim());
        let mut files = Vec::new();
        below(&folder, "", &mut files);
        files.retain(|file| wanted(file));
        files.sort_unstable();
        (!files.is_empty()).then_some((folder, files))
    };
    if offline() {
        return kept().with_context(|| {
            format!("the data set {name} is not in the cache {}, and HF_HUB_OFFLINE is set: unset it to download the data", cache.path().display())
        });
    }
    match download_data(&cache, name, &wanted) {
        Ok(found) => Ok(found),
        Err(error) => match kept().filter(|_| !is_answer(&error)) {
            Some(found) => {
                note(format_args!(
                    "the hub cannot be reached ({error:#}): {name} is used as the cache has it"
                ));
                Ok(found)
            }
            None => Err(explained(error, name)),
        },
    }
}

fn download_data(
    cache: &Cache,
    name: &Name,
    wanted: impl Fn(&str) -> bool,
) -> Result<(PathBuf, Vec<String>)> {
    let repo = api(cache)?.repo(name.repo());
    let info = repo.info()?;
    let plain = |file: &str| !file.contains("..") && !file.starts_with('/');
    let all = info.siblings.iter().map(|s| s.rfilename.clone());
    let mut files: Vec<String> = all.filter(|file| plain(file) && wanted(file)).collect();
    files.sort_unstable();
    let folder = cache.repo(name.repo()).pointer_path(&info.sha);
    let missing = files.iter().filter(|f| !folder.join(f).exists()).count();
    if missing > 0 {
        note(format_args!(
            "fetching {missing} files of {name} to {}",
            cache.path().display()
        ));
    }
    for file in &files {
        if !folder.join(file).exists() {
            repo.download(file)
                .with_context(|| format!("cannot download {file}"))?;
        }
    }
    Ok((folder, files))
}

/// Names of files below a folder.
fn below(top: &Path, inside: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(top.join(inside))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = match inside {
            "" => name,
            inside => format!("{inside}/{name}"),
        };
        match entry.path().is_dir() {
            true => below(top, &path, files),
            false => files.push(path),
        }
    }
}

fn offline() -> bool {
    variable("HF_HUB_OFFLINE").is_some_and(|v| !matches!(v.as_str(), "0" | "false" | "no" | "off"))
}

/// A variable of the environment that is not empty.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|v| !v.is_empty())
}

/// The cache; without a home folder there is none.
fn cache() -> Result<Cache> {
    if let Some(folder) = variable("HF_HUB_CACHE") {
        return Ok(Cache::new(folder.into()));
    }
    if let Some(home) = variable("HF_HOME") {
        return Ok(Cache::new(Path::new(&home).join("hub")));
    }
    let home = variable("HOME")
        .context("no folder to keep models in, because HOME is not set: set HF_HOME to a folder")?;
    Ok(Cache::new(Path::new(&home).join(".cache/huggingface/hub")))
}

/// The folder that the cache has for the revision, if weights are in it.
fn cached(cache: &Cache, name: &Name) -> Option<PathBuf> {
    let repo = cache.repo(name.repo());
    let root = cache.path().join(name.repo().folder_name());
    let commit = fs::read_to_string(root.join("refs").join(&name.revision));
    // A revision may be the commit itself.
    let commit = commit.unwrap_or_else(|_| name.revision.clone());
    let folder = repo.pointer_path(commit.trim());
    let files = fs::read_dir(&folder).ok()?.flatten();
    let weights = files.filter(|f| f.path().extension().is_some_and(|e| e == "safetensors"));
    (folder.join("config.json").exists() && weights.count() > 0).then_some(folder)
}

fn download(cache: &Cache, name: &Name) -> Result<PathBuf> {
    let api = api(cache)?;
    let repo = api.repo(name.repo());
    let info = repo.info()?;
    let all: Vec<&str> = info.siblings.iter().map(|s| s.rfilename.as_str()).collect();
    let wanted = wanted(&all);
    ensure!(
        wanted.contains(&"config.json") && wanted.iter().any(|f| f.ends_with(".safetensors")),
        "{name} has no config.json with safetensors beside it: name another model, or convert this one"
    );
    let there = cache.repo(name.repo());
    let missing = wanted.iter().filter(|f| there.get(f).is_none()).count();
    if missing > 0 {
        note(format_args!(
            "fetching {missing} files of {name} to {}",
            cache.path().display()
        ));
    }
    let folder = there.pointer_path(&info.sha);
    for file in wanted {
        let path = match folder.join(file) {
            path if path.exists() => path,
            _ => repo
                .download(file)
                .with_context(|| format!("cannot download {file}"))?,
        };
        ensure!(
            path == folder.join(file),
            "{name} changed while it was downloaded: start again"
        );
    }
    Ok(folder)
}

fn api(cache: &Cache) -> Result<Api> {
    let mut builder = ApiBuilder::from_cache(cache.clone())
        .with_retries(RETRIES)
        .with_progress(std::io::stderr().is_terminal());
    if let Some(endpoint) = variable("HF_ENDPOINT") {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    if let Some(token) = variable("HF_TOKEN") {
        builder = builder.with_token(Some(token));
    }
    Ok(builder.build()?)
}

/// The files of a model: those beside `config.json`, and more chat templates. Weights of other programs stay there.
fn wanted<'f>(all: &[&'f str]) -> Vec<&'f str> {
    let text = |name: &str| {
        let kinds = [".json", ".jinja", ".txt", ".model"];
        kinds.iter().any(|kind| name.ends_with(kind))
    };
    let weights = |name: &str| name.ends_with(".safetensors");
    let own = |name: &str| weights(name) && name.starts_with("model");
    let any_own = all.iter().any(|name| own(name));
    let keep = |name: &str| match name.split_once('/') {
        None => text(name) || if any_own { own(name) } else { weights(name) },
        Some((folder, _)) => folder == "additional_chat_templates" && name.ends_with(".jinja"),
    };
    let plain = |name: &str| !name.contains("..") && !name.starts_with('/');
    all.iter()
        .copied()
        .filter(|name| plain(name) && keep(name))
        .collect()
}

/// True if the hub answered, so that the cache would only hide its answer.
fn is_answer(error: &anyhow::Error) -> bool {
    let text = format!("{error:#}");
    [
        "status: 401",
        "status: 403",
        "status: 404",
        "has no config.json",
    ]
    .iter()
    .any(|s| text.contains(s))
}

/// The error with the next step.
fn explained(error: anyhow::Error, name: &Name) -> anyhow::Error {
    let text = format!("{error:#}");
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    if has(&["status: 404"]) {
        let what = if name.data { "data set" } else { "model" };
        anyhow!("the Hugging Face hub has no {what} {name}: check the name, or give the path of a folder that exists")
    } else if has(&["status: 401", "status: 403"]) {
        anyhow!("the Hugging Face hub does not hand out {name} without permission: accept its terms on the hub, and set HF_TOKEN or type hf auth login")
    } else if has(&["has no config.json", "changed while"]) {
        error
    } else if has(&["No space left"]) {
        anyhow!("no space left to download {name}: set HF_HOME to another folder")
    } else {
        let text = text.replace("request error: ", "");
        anyhow!("cannot download {name}: {text}: connect to the network, set HF_ENDPOINT to a mirror, or name a folder that you have")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_hub_are_no_paths() {
        for (text, id, revision) in [
            ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B", "main"),
            ("a/b.c_d@v1.0", "a/b.c_d", "v1.0"),
            ("a/b@refs/pr/3", "a/b", "refs/pr/3"),
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!((name.id.as_str(), name.revision.as_str()), (id, revision));
        }
        for text in [
            "gpt2", "a/b/c", "./a", "../a/b", "a/", "/a", "a/b@", "a/b c", "a/..", "~/a", "",
        ] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn weights_of_other_programs_are_left() {
        let all = [
            "config.json",
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "consolidated.safetensors",
            "pytorch_model.bin",
            "original/params.json",
            "tokenizer.model",
            "README.md",
            "chat_template.jinja",
            "additional_chat_templates/tool_use.jinja",
            "../x.json",
        ];
        assert_eq!(
            wanted(&all),
            [
                "config.json",
                "model.safetensors.index.json",
                "model-00001-of-00002.safetensors",
                "tokenizer.model",
                "chat_template.jinja",
                "additional_chat_templates/tool_use.jinja",
            ]
        );
    }
}
