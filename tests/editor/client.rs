//! A client of a language server: one project, one request after the other.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{json, Value};

/// A message with which the server says that it was asked too early.
const CONTENT_MODIFIED: i64 = -32801;

/// rust-analyzer with an open project.
pub struct Client {
    _server: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    requests: i64,
    versions: HashMap<PathBuf, i64>,
}

/// A place in a text: a line and a column, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(pub u64, pub u64);

impl Place {
    fn of(v: &Value) -> Place {
        let number = |key: &str| v[key].as_u64().unwrap_or_default();
        Place(number("line"), number("character"))
    }

    /// The place of the byte `at` of a text.
    pub fn at(text: &str, at: usize) -> Place {
        let before = &text[..at];
        let line = before.rfind('\n').map_or(0, |i| i + 1);
        Place(
            before.matches('\n').count() as u64,
            text[line..at].chars().count() as u64,
        )
    }

    /// The byte of a text that is here.
    pub fn byte(self, text: &str) -> usize {
        let line: usize = text
            .split_inclusive('\n')
            .take(self.0 as usize)
            .map(str::len)
            .sum();
        line + text[line..]
            .chars()
            .take(self.1 as usize)
            .map(char::len_utf8)
            .sum::<usize>()
    }

    fn json(self) -> Value {
        json!({ "line": self.0, "character": self.1 })
    }
}

/// A message of the server about a text.
#[derive(Debug)]
pub struct Message {
    /// The text that it is about.
    pub at: String,
    /// The first line of the message.
    pub text: String,
}

impl Client {
    /// Starts the server and waits until it knows the project.
    pub fn start(root: &Path, project: Value) -> std::io::Result<Client> {
        let mut server = Command::new("rust-analyzer")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(to), Some(from)) = (server.stdin.take(), server.stdout.take()) else {
            return Err(std::io::Error::other("rust-analyzer has no pipes"));
        };
        let mut client = Client {
            _server: server,
            to,
            from: BufReader::new(from),
            requests: 0,
            versions: HashMap::new(),
        };
        client.request(
            "initialize",
            json!({
                "processId": std::process::id(),
                "rootUri": uri(root),
                "capabilities": {
                    "experimental": { "serverStatusNotification": true },
                    "textDocument": {
                        "hover": { "contentFormat": ["plaintext"] },
                        "completion": { "completionItem": { "snippetSupport": false } },
                    },
                },
                "initializationOptions": {
                    "linkedProjects": [project],
                    "checkOnSave": false,
                    "cachePriming": { "enable": false },
                },
            }),
        );
        client.notify("initialized", json!({}));
        while client.read().is_none_or(|m| {
            m["method"] != "experimental/serverStatus" || m["params"]["quiescent"] != true
        }) {}
        Ok(client)
    }

    fn send(&mut self, mut message: Value) {
        message["jsonrpc"] = json!("2.0");
        let text = message.to_string();
        write!(self.to, "Content-Length: {}\r\n\r\n{text}", text.len()).expect("the server reads");
        self.to.flush().expect("the server reads");
    }

    /// The next message; `None` if it was a request, which gets an empty answer.
    fn read(&mut self) -> Option<Value> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            let read = self.from.read_line(&mut line).expect("the server writes");
            assert!(read > 0, "rust-analyzer has ended");
            if let Some(n) = line.strip_prefix("Content-Length: ") {
                length = n.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut text = vec![0; length];
        self.from.read_exact(&mut text).expect("the server writes");
        let message: Value = serde_json::from_slice(&text).expect("JSON");
        if message["method"].is_string() && !message["id"].is_null() {
            self.send(json!({ "id": message["id"], "result": null }));
            return None;
        }
        Some(message)
    }

    fn notify(&mut self, method: &str, params: Value) {
        self.send(json!({ "method": method, "params": params }));
    }

    fn request(&mut self, method: &str, params: Value) -> Value {
        loop {
            self.requests += 1;
            let id = self.requests;
            self.send(json!({ "id": id, "method": method, "params": params.clone() }));
            let answer = loop {
                match self.read() {
                    Some(m) if m["id"] == id && m["method"].is_null() => break m,
                    _ => {}
                }
            };
            if answer["error"]["code"] != CONTENT_MODIFIED {
                return answer["result"].clone();
            }
        }
    }

    /// Opens a file with a text, or changes its text.
    pub fn open(&mut self, file: &Path, text: &str) {
        let version = self.versions.entry(file.to_path_buf()).or_default();
        *version += 1;
        let (version, uri) = (*version, uri(file));
        match version {
            1 => self.notify(
                "textDocument/didOpen",
                json!({ "textDocument": { "uri": uri, "languageId": "rust", "version": 1, "text": text } }),
            ),
            _ => self.notify(
                "textDocument/didChange",
                json!({
                    "textDocument": { "uri": uri, "version": version },
                    "contentChanges": [{ "text": text }],
                }),
            ),
        }
    }

    fn at(&mut self, method: &str, file: &Path, place: Place) -> Value {
        let params = json!({ "textDocument": { "uri": uri(file) }, "position": place.json() });
        self.request(method, params)
    }

    /// The text that hovering shows.
    pub fn hover(&mut self, file: &Path, place: Place) -> String {
        let found = self.at("textDocument/hover", file, place);
        found["contents"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_string()
    }

    /// The files and places of a definition.
    pub fn definition(&mut self, file: &Path, place: Place) -> Vec<(String, Place)> {
        let found = self.at("textDocument/definition", file, place);
        let all = found.as_array().cloned().unwrap_or_default();
        let one = |v: &Value| {
            let uri = v["uri"].as_str().unwrap_or_default().to_string();
            (uri, Place::of(&v["range"]["start"]))
        };
        all.iter().map(one).collect()
    }

    /// The labels that completion offers.
    pub fn completions(&mut self, file: &Path, place: Place) -> Vec<String> {
        let found = self.at("textDocument/completion", file, place);
        let items = found["items"].as_array().or(found.as_array());
        let label = |i: &Value| i["label"].as_str().unwrap_or_default().to_string();
        items.into_iter().flatten().map(label).collect()
    }

    /// The types that stand behind variables: the place, and the type.
    pub fn inlays(&mut self, file: &Path, text: &str) -> Vec<(Place, String)> {
        let end = Place::at(text, text.len());
        let found = self.request(
            "textDocument/inlayHint",
            json!({
                "textDocument": { "uri": uri(file) },
                "range": { "start": Place(0, 0).json(), "end": end.json() },
            }),
        );
        let all = found.as_array().cloned().unwrap_or_default();
        let types = all.iter().filter(|h| h["kind"] == 1).map(|h| {
            let parts = h["label"].as_array().cloned().unwrap_or_default();
            let label = parts.iter().filter_map(|p| p["value"].as_str());
            (Place::of(&h["position"]), label.collect())
        });
        types.collect()
    }

    /// The text with a name changed.
    pub fn renamed(&mut self, file: &Path, text: &str, place: Place, new: &str) -> String {
        let found = self.request(
            "textDocument/rename",
            json!({
                "textDocument": { "uri": uri(file) },
                "position": place.json(),
                "newName": new,
            }),
        );
        let of_file = |c: &&Value| c["textDocument"]["uri"] == uri(file);
        let changes = found["documentChanges"].as_array();
        let document = changes.and_then(|all| all.iter().find(of_file));
        let edits = document.map_or(&found["changes"][uri(file)], |c| &c["edits"]);
        let all = edits.as_array().cloned().unwrap_or_default();
        let each = all.iter().map(|e| {
            let (start, end) = (&e["range"]["start"], &e["range"]["end"]);
            let range = Place::of(start).byte(text)..Place::of(end).byte(text);
            (range, e["newText"].as_str().unwrap_or_default())
        });
        let mut each: Vec<_> = each.collect();
        each.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut out = text.to_string();
        for (range, new) in each {
            out.replace_range(range, new);
        }
        out
    }

    /// The server's own messages about a file.
    pub fn messages(&mut self, file: &Path, text: &str) -> Vec<Message> {
        let params = json!({ "textDocument": { "uri": uri(file) } });
        let found = self.request("textDocument/diagnostic", params);
        let all = found["items"].as_array().cloned().unwrap_or_default();
        let errors = all
            .iter()
            .filter(|d| d["severity"].as_i64().is_none_or(|s| s <= 2));
        let one = |d: &Value| {
            let (start, end) = (&d["range"]["start"], &d["range"]["end"]);
            let range = Place::of(start).byte(text)..Place::of(end).byte(text);
            let message = d["message"].as_str().unwrap_or_default();
            Message {
                at: text[range].to_string(),
                text: message.lines().next().unwrap_or_default().to_string(),
            }
        };
        errors.map(one).collect()
    }
}

fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}
