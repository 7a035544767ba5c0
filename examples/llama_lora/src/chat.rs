//! The command `chat`: a conversation in the terminal. The model is loaded once, and what it has read stays in its cache.
//!
//! Questions and commands come from standard input, a line each; answers go to standard output, everything else to
//! standard error, so that a file of questions gives a file of answers.
//!
//! Tests: `tests/generating.rs`.

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{ensure, Context, Result};
use mlx_models::{CausalLm, Visitor};
use serde_json::{json, Map, Value};

use crate::answering::{Room, Times};
use crate::cli::ChatArgs;
use crate::files::{decode, read_json, write_atomic, TEXT_LIMIT};
use crate::generate::{Reader, Writing};
use crate::output::{self, note};
use crate::session::{Opened, Session};

const HELP: &str = "\
/reset         forget the conversation
/save FILE     write the conversation as JSON; chat --load FILE goes on with it
/help          show this
/exit          end (so do Ctrl-D and /quit)
a line that ends with \\ goes on in the next one";

/// Runs `chat`.
pub fn run(args: &ChatArgs) -> Result<()> {
    let writing = args.writing.writing()?;
    let names = args.writing.template_names()?;
    let messages = match &args.load {
        None => Vec::new(),
        Some(file) => loaded(file)?,
    };
    let _runtime = args.runtime.set_up()?;
    let opened = Opened::of(&args.used)?;
    mlx_models::dispatch(
        opened.family(),
        Chat {
            opened,
            args,
            writing,
            names,
            messages,
        },
    )
}

/// The conversation in a file that `/save` wrote.
fn loaded(file: &Path) -> Result<Vec<Value>> {
    let found: Value = read_json(file)?;
    let messages = found["messages"].as_array().cloned().unwrap_or_default();
    let whole = |m: &Value| m["role"].is_string() && m["content"].is_string();
    ensure!(
        !messages.is_empty() && messages.iter().all(whole),
        "expected {{\"messages\": [{{\"role\": .., \"content\": ..}}, ..]}} in {}",
        file.display()
    );
    Ok(messages)
}

struct Chat<'a> {
    opened: Opened,
    args: &'a ChatArgs,
    writing: Writing,
    names: Map<String, Value>,
    messages: Vec<Value>,
}

impl Visitor for Chat<'_> {
    type Output = Result<()>;

    fn visit<M: CausalLm>(self) -> Result<()> {
        let session = self.opened.load::<M>()?;
        ensure!(
            session.text.has_template(),
            "chat needs a chat template, and the model has none: use generate --prompt"
        );
        let args = self.args;
        args.writing.say_seed(&self.writing);
        let first: Vec<Value> = args
            .system_prompt
            .iter()
            .map(|s| json!({"role": "system", "content": s}))
            .collect();
        let messages = match self.messages.is_empty() {
            true => first.clone(),
            false => self.messages,
        };
        let reader = Reader::new(
            &session.model,
            args.writing.max_kv_size,
            args.writing.prefill_step_size,
        )?;
        let conversation = Conversation {
            session: &session,
            reader,
            first,
            messages,
            names: self.names,
            how: self.writing,
        };
        conversation.run()
    }
}

struct Conversation<'a, M> {
    session: &'a Session<M>,
    reader: Reader<'a, M>,
    /// The messages that every conversation begins with.
    first: Vec<Value>,
    messages: Vec<Value>,
    names: Map<String, Value>,
    how: Writing,
}

impl<M: CausalLm> Conversation<'_, M> {
    fn run(mut self) -> Result<()> {
        let terminal = std::io::stdin().is_terminal();
        if terminal {
            note("/help lists the commands; Ctrl-D ends the chat");
        }
        while let Some(line) = question(terminal)? {
            let (command, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
            let done = match command {
                "" => Ok(()),
                "/exit" | "/quit" => return Ok(()),
                "/help" => {
                    note(HELP);
                    Ok(())
                }
                "/reset" => {
                    self.messages = self.first.clone();
                    note("the conversation is forgotten");
                    Ok(())
                }
                "/save" => self.save(rest.trim()),
                c if c.starts_with('/')
                    && c[1..].chars().all(char::is_alphabetic)
                    && c.len() > 1 =>
                {
                    Err(anyhow::anyhow!("unknown command {c}: type /help"))
                }
                _ => {
                    self.answer(line)?;
                    Ok(())
                }
            };
            // A mistake in a command costs nothing but the line.
            if let Err(error) = done {
                note(format_args!("{error:#}"));
            }
        }
        Ok(())
    }

    /// Writes the answer to `question`.
    fn answer(&mut self, question: String) -> Result<()> {
        let (text, model) = (&self.session.text, &self.session.model);
        self.messages
            .push(json!({"role": "user", "content": question}));
        let ids = text.chat_with(&self.messages, None, true, &self.names)?;
        let mut how = self.how.clone();
        let room = Room::of(self.session, ids.len(), &mut how)?;
        let mut answer = String::new();
        let done = self.reader.stream(text, &ids, &how, |piece| {
            answer += piece;
            output::result(piece)
        });
        output::result("\n")?;
        let done = self.session.origin.explain(done, model)?;
        room.warn(&done);
        if !done.ended && done.tokens.len() == how.most {
            note("stopped at --max-tokens");
        }
        if std::io::stderr().is_terminal() {
            note(format_args!("{}", Times(ids.len(), &done)));
        }
        self.messages
            .push(json!({"role": "assistant", "content": answer}));
        // Another draw for the next answer.
        self.how.seed = self.how.seed.wrapping_add(1);
        Ok(())
    }

    fn save(&self, file: &str) -> Result<()> {
        ensure!(!file.is_empty(), "expected a file, such as /save chat.json");
        let text = serde_json::to_string_pretty(&json!({"messages": self.messages}))? + "\n";
        write_atomic(Path::new(file), text.as_bytes())?;
        note(format_args!(
            "saved {} messages to {file}",
            self.messages.len()
        ));
        Ok(())
    }
}

/// The next lines of standard input up to one that does not end with a backslash; `None` at the end.
fn question(terminal: bool) -> Result<Option<String>> {
    let mut all = String::new();
    loop {
        if terminal {
            // The line is a prompt alone: a failure shows in the next read.
            let _ = std::io::stderr().write_all(if all.is_empty() { b"> " } else { b". " });
        }
        let mut bytes = Vec::new();
        let read =
            std::io::Read::take(std::io::stdin().lock(), TEXT_LIMIT).read_until(b'\n', &mut bytes);
        read.context("cannot read standard input")?;
        if bytes.is_empty() {
            return Ok((!all.is_empty()).then_some(all));
        }
        let line = decode(bytes).context("cannot read standard input")?;
        let line = line.trim_end_matches(['\n', '\r']);
        match line.strip_suffix('\\') {
            Some(begun) => {
                all += begun;
                all.push('\n');
            }
            None => {
                all += line;
                return Ok(Some(all));
            }
        }
    }
}
