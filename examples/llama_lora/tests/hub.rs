//! Covers models by name, against a hub of the test's own on this machine: what is fetched and kept, revisions, tokens,
//! work without a network, a download that breaks off, and what the hub refuses.

#![allow(missing_docs)]

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use common::{message, text, Place};
use serde_json::json;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A hub with the model `org/tiny` of the place.
#[derive(Clone)]
struct Hub {
    files: Arc<HashMap<String, Vec<u8>>>,
    /// Each request: path, range, authorization.
    asked: Arc<Mutex<Vec<[String; 3]>>>,
    /// Breaks the first download of the weights off in the middle.
    breaks: Arc<Mutex<bool>>,
    token: Option<&'static str>,
}

impl Hub {
    /// The hub and its address.
    fn start(place: &Place, breaks: bool, token: Option<&'static str>) -> (Hub, String) {
        let mut files = HashMap::new();
        for entry in std::fs::read_dir(place.path("model")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(name, std::fs::read(path).unwrap());
        }
        files.insert("pytorch_model.bin".into(), vec![0; 10]);
        for (name, split) in [
            ("train", "train"),
            ("validation", "valid"),
            ("test", "test"),
        ] {
            let rows = std::fs::read(place.path(&format!("data/{split}.jsonl"))).unwrap();
            files.insert(format!("data/{name}.jsonl"), rows);
        }
        let hub = Hub {
            files: Arc::new(files),
            asked: Arc::default(),
            breaks: Arc::new(Mutex::new(breaks)),
            token,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = hub.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hub = serving.clone();
                std::thread::spawn(move || hub.serve(stream));
            }
        });
        (hub, address)
    }

    /// Answers requests until the other side leaves.
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut out = stream;
        loop {
            let mut first = String::new();
            if reader.read_line(&mut first).unwrap_or(0) == 0 {
                return;
            }
            let (mut range, mut token) = (String::new(), String::new());
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let line = line.trim();
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').unwrap();
                match name.to_ascii_lowercase().as_str() {
                    "range" => range = value.trim().to_owned(),
                    "authorization" => token = value.trim().to_owned(),
                    _ => {}
                }
            }
            let path = first.split(' ').nth(1).unwrap().to_owned();
            self.asked
                .lock()
                .unwrap()
                .push([path.clone(), range.clone(), token.clone()]);
            if !self.answer(&mut out, &path, &range, &token) {
                return;
            }
        }
    }

    /// False to hang up.
    fn answer(&self, out: &mut TcpStream, path: &str, range: &str, token: &str) -> bool {
        let plain = |out: &mut TcpStream, status: &str, body: &str| {
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            out.write_all(head.as_bytes()).is_ok()
        };
        if self.token.is_some_and(|t| token != format!("Bearer {t}")) {
            return plain(out, "401 Unauthorized", "");
        }
        if path == "/api/models/org/tiny/revision/main"
            || path == "/api/models/org/tiny/revision/v2"
        {
            let own = self.files.keys().filter(|f| !f.starts_with("data/"));
            let names = own.map(|f| json!({"rfilename": f}));
            let info = json!({"sha": COMMIT, "siblings": names.collect::<Vec<_>>()});
            return plain(out, "200 OK", &info.to_string());
        }
        if path == "/api/datasets/org/rows/revision/main" {
            let own = self.files.keys().filter(|f| f.starts_with("data/"));
            let names = own.map(|f| json!({"rfilename": f}));
            let info = json!({"sha": COMMIT, "siblings": names.collect::<Vec<_>>()});
            return plain(out, "200 OK", &info.to_string());
        }
        let file = path
            .strip_prefix("/org/tiny/resolve/")
            .or(path.strip_prefix("/datasets/org/rows/resolve/"))
            .and_then(|p| p.split_once('/'));
        let Some(body) = file.and_then(|(_, name)| self.files.get(name)) else {
            return plain(out, "404 Not Found", "");
        };
        let (from, to) = range
            .strip_prefix("bytes=")
            .unwrap_or("0-")
            .split_once('-')
            .unwrap();
        let from: usize = from.parse().unwrap();
        let to = to
            .parse()
            .map_or(body.len(), |last: usize| (last + 1).min(body.len()));
        let part = &body[from.min(to)..to];
        let head = format!(
            "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{}\r\netag: \"{}\"\r\nx-repo-commit: {COMMIT}\r\n\r\n",
            part.len(), to - 1, body.len(), file.unwrap().1.replace(['.', '/'], "-")
        );
        out.write_all(head.as_bytes()).unwrap();
        if path.ends_with(".safetensors")
            && part.len() > 1
            && std::mem::take(&mut *self.breaks.lock().unwrap())
        {
            let _ = out.write_all(&part[..part.len() / 2]);
            let _ = out.shutdown(std::net::Shutdown::Both);
            return false;
        }
        out.write_all(part).is_ok()
    }

    fn asked(&self) -> Vec<[String; 3]> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn command(place: &Place, address: &str, args: &str) -> Command {
    let mut command = place.command(args);
    command
        .env("HF_HOME", place.path("home"))
        .env("HF_ENDPOINT", address);
    for name in [
        "HF_TOKEN",
        "HF_HUB_OFFLINE",
        "HF_HUB_CACHE",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env_remove(name);
    }
    command
}

const ASK: &str = "generate --prompt hello -m 6 --model";

fn answer(out: &Output) -> String {
    assert!(out.status.success(), "{}", text(&out.stderr));
    text(&out.stdout)
}

#[test]
fn a_model_is_fetched_once_and_kept_where_python_keeps_it() {
    let place = Place::new();
    let (hub, address) = Hub::start(&place, false, None);
    let wanted = place.ok(&format!("{ASK} model"));
    let out = command(&place, &address, &format!("{ASK} org/tiny"))
        .output()
        .unwrap();
    assert_eq!(answer(&out), wanted);
    assert!(
        text(&out.stderr).contains("files of org/tiny"),
        "{}",
        text(&out.stderr)
    );
    let snapshot = place
        .path("home/hub/models--org--tiny")
        .join("snapshots")
        .join(COMMIT);
    assert!(
        snapshot.join("model.safetensors").exists() && !snapshot.join("pytorch_model.bin").exists()
    );
    assert_eq!(
        std::fs::read_to_string(place.path("home/hub/models--org--tiny/refs/main")).unwrap(),
        COMMIT
    );
    // Only the list is asked for again.
    assert!(hub.asked().len() > 4);
    answer(
        &command(&place, &address, &format!("{ASK} org/tiny"))
            .output()
            .unwrap(),
    );
    assert_eq!(hub.asked().len(), 1);
    // Without a network, by request or not.
    let out = command(&place, "http://127.0.0.1:9", &format!("{ASK} org/tiny"))
        .output()
        .unwrap();
    assert_eq!(answer(&out), wanted);
    assert!(
        text(&out.stderr).contains("cannot be reached"),
        "{}",
        text(&out.stderr)
    );
    let offline = |name: &str| {
        command(&place, &address, &format!("{ASK} {name}"))
            .env("HF_HUB_OFFLINE", "1")
            .output()
            .unwrap()
    };
    assert_eq!(answer(&offline("org/tiny")), wanted);
    assert!(message(&offline("org/other"), 1).contains("HF_HUB_OFFLINE"));
    assert!(hub.asked().is_empty());
    // The name is what an adapter keeps.
    let run = common::TRAIN.replace("--model model", "--model org/tiny");
    assert!(command(&place, &address, &run)
        .output()
        .unwrap()
        .status
        .success());
    answer(
        &command(
            &place,
            &address,
            "generate --prompt x -m 2 --adapter-path adapters",
        )
        .output()
        .unwrap(),
    );
    // A folder of that name is the model.
    std::fs::create_dir_all(place.path("org/tiny")).unwrap();
    assert!(message(
        &command(&place, &address, &format!("{ASK} org/tiny"))
            .output()
            .unwrap(),
        1
    )
    .contains("config.json"));
}

#[test]
fn data_sets_of_the_hub_are_read_by_split() {
    let place = Place::new();
    let (hub, address) = Hub::start(&place, false, None);
    let run = |data: &str, address: &str| {
        let run = common::TRAIN.replace("--data data", data);
        let out = command(&place, address, &run).output().unwrap();
        assert!(out.status.success(), "{data}: {}", text(&out.stderr));
        let metrics = std::fs::read_to_string(place.path("adapters/metrics.jsonl")).unwrap();
        let losses = metrics.lines().filter_map(|line| {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            record["train_loss"].as_f64()
        });
        losses.collect::<Vec<f64>>()
    };
    let wanted = run("--data data", &address);
    assert!(hub.asked().is_empty());
    assert_eq!(run("--data org/rows", &address), wanted);
    assert!(hub.asked().len() > 3);
    place.write(
        "c.yaml",
        "hf_dataset: {path: org/rows, train_split: train, valid_split: validation, config: {data_dir: data}}\n",
    );
    assert_eq!(run("-c c.yaml", &address), wanted);
    // Once it is there, the hub may be away.
    assert_eq!(run("--data org/rows", "http://127.0.0.1:9"), wanted);
    let run = common::TRAIN.replace("--data data", "--data org/nothing");
    let said = message(&command(&place, &address, &run).output().unwrap(), 1);
    assert!(said.contains("no data set org/nothing"), "{said}");
}

#[test]
fn a_download_that_breaks_off_goes_on() {
    let place = Place::new();
    let (hub, address) = Hub::start(&place, true, None);
    let wanted = place.ok(&format!("{ASK} model"));
    assert_eq!(
        answer(
            &command(&place, &address, &format!("{ASK} org/tiny"))
                .output()
                .unwrap()
        ),
        wanted
    );
    let ranges: Vec<String> = hub
        .asked()
        .into_iter()
        .filter(|a| a[0].ends_with("model.safetensors"))
        .map(|a| a[1].clone())
        .collect();
    let later = ranges
        .iter()
        .filter(|r| r.ends_with('-') && *r != "bytes=0-");
    assert_eq!(later.count(), 1, "{ranges:?}");
}

#[test]
fn revisions_and_tokens_reach_the_hub() {
    let place = Place::new();
    let (hub, address) = Hub::start(&place, false, Some("secret"));
    let ask = format!("{ASK} org/tiny@v2");
    let error = message(&command(&place, &address, &ask).output().unwrap(), 1);
    assert!(
        error.contains("HF_TOKEN") && !error.contains("secret"),
        "{error}"
    );
    hub.asked();
    answer(
        &command(&place, &address, &ask)
            .env("HF_TOKEN", "secret")
            .output()
            .unwrap(),
    );
    let asked = hub.asked();
    assert!(
        asked
            .iter()
            .all(|a| a[0].contains("v2") && a[2] == "Bearer secret"),
        "{asked:?}"
    );
    // As `hf auth login` keeps it.
    place.write("home/token", "secret\n");
    answer(&command(&place, &address, &ask).output().unwrap());
}

#[test]
fn mistakes_say_what_to_do() {
    let place = Place::new();
    let (_, address) = Hub::start(&place, false, None);
    let fails = |args: &str| message(&command(&place, &address, args).output().unwrap(), 1);
    assert!(fails(&format!("{ASK} org/none")).contains("has no model org/none"));
    assert!(fails(&format!("{ASK} nowhere")).contains("ORG/NAME"));
    let out = command(&place, "http://127.0.0.1:9", &format!("{ASK} org/tiny"))
        .output()
        .unwrap();
    assert!(
        message(&out, 1).contains("HF_ENDPOINT"),
        "{}",
        text(&out.stderr)
    );
    let out = command(&place, &address, &format!("{ASK} org/tiny"))
        .env_remove("HF_HOME")
        .env_remove("HOME")
        .output()
        .unwrap();
    assert!(
        message(&out, 1).contains("set HF_HOME"),
        "{}",
        text(&out.stderr)
    );
}
