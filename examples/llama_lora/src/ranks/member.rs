//! A rank's end of the connection to the hub.
//!
//! Tests: unit tests in `tests.rs`.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, Context, Result};

use super::hub::LOST;
use super::message::{prepare, receive, send, End, Message};
use super::Times;

/// The time after which a rank that has failed ends without an answer of the hub.
const ANSWER: Duration = Duration::from_secs(5);

/// A rank among others.
pub(super) struct Member {
    writer: Mutex<TcpStream>,
    seen: Mutex<Seen>,
    changed: Condvar,
    leaving: AtomicBool,
    times: Times,
    /// True if all ranks write to one terminal, so that one of them says what all know.
    one_terminal: bool,
}

struct Seen {
    /// The last sign of life of the hub.
    hub: Instant,
    /// The result of a round that nobody has taken yet.
    all: Option<Vec<String>>,
    busy: Option<String>,
    /// The message of this rank's own failure.
    failed: Option<String>,
    /// The round that comes is the last one.
    last: bool,
    ended: bool,
}

/// The end of this process: the text to print, unless another rank prints it, and the exit code.
pub(super) type Ended = Box<dyn Fn(Option<String>, u8) + Send + Sync>;

impl Member {
    /// Connects to the hub at `address`, for which rank 0 may still have to start. `ended` ends this process.
    pub fn join(
        address: &str,
        (rank, size): (usize, usize),
        (times, one_terminal): (Times, bool),
        version: &str,
        ended: Ended,
    ) -> Result<Arc<Member>> {
        let mut stream = connect(address, times.join)?;
        let hello = Message::Hello {
            version: version.to_owned(),
            rank,
            size,
        };
        prepare(&stream)?;
        send(&mut stream, &hello).with_context(|| lost_hub(address))?;
        let member = Arc::new(Member {
            writer: Mutex::new(stream.try_clone()?),
            seen: Mutex::new(Seen {
                hub: Instant::now(),
                all: None,
                busy: Some("starting".to_owned()),
                failed: None,
                last: false,
                ended: false,
            }),
            changed: Condvar::new(),
            leaving: AtomicBool::new(false),
            times,
            one_terminal,
        });
        let ended = Arc::new(ended);
        let (reader, beats) = (Arc::clone(&member), Arc::clone(&member));
        let (end, too) = (Arc::clone(&ended), ended);
        let read = move || reader.read(stream, rank, &end);
        let beat = move || beats.beat(&too);
        let failed = "cannot start a thread to watch the other ranks on: raise the limit on threads (`ulimit -u`)";
        let named = |name: &str| thread::Builder::new().name(name.to_owned());
        named("ranks").spawn(read).context(failed)?;
        named("heartbeat").spawn(beat).context(failed)?;
        Ok(member)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, message: &Message) -> std::io::Result<()> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        send(&mut writer, message)
    }

    /// Gives this rank's part of the round `at`, and returns the parts of all ranks in their order. If a rank does not
    /// come, the hub ends this process.
    pub fn round(&self, at: &str, text: String) -> Result<Vec<String>> {
        let part = Message::Part {
            at: at.to_owned(),
            text,
        };
        // If the hub has gone, the thread that reads ends this process.
        let sent = self.send(&part);
        let mut seen = self.seen();
        let wait = |seen| {
            let waited = self.changed.wait_timeout(seen, self.times.silence);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        loop {
            if let Some(all) = seen.all.take() {
                return Ok(all);
            }
            if seen.ended || sent.is_err() && seen.hub.elapsed() > self.times.silence {
                bail!("the connection to rank 0 is lost");
            }
            seen = wait(seen);
        }
    }

    /// The last round: the hub may end after it.
    pub fn last_round(&self, at: &str) -> Result<()> {
        self.seen().last = true;
        self.round(at, String::new())?;
        let _ = self.send(&Message::Bye);
        Ok(())
    }

    /// Says what takes long from now on; `None` ends it.
    pub fn set_busy(&self, what: Option<&str>) {
        let busy = what.map(str::to_owned);
        self.seen().busy.clone_from(&busy);
        // Sent at once, so that a round that another rank has begun does not count this time.
        let _ = self.send(&Message::Alive { busy });
    }

    /// Tells the other ranks that this one has failed, and waits for the hub, which ends this process. Returns if it does
    /// not answer.
    pub fn fail(&self, text: &str, code: u8) {
        self.seen().failed = Some(text.to_owned());
        let failed = Message::Failed {
            text: text.to_owned(),
            code,
        };
        if self.send(&failed).is_ok() {
            thread::sleep(ANSWER);
        }
    }

    fn read(&self, mut stream: TcpStream, rank: usize, ended: &Ended) {
        loop {
            let message = receive(&mut stream);
            if self.leaving.load(Ordering::SeqCst) {
                return;
            }
            let mut seen = self.seen();
            seen.hub = Instant::now();
            match message {
                Ok(Message::All(all)) => {
                    seen.all = Some(all);
                    if seen.last {
                        self.leaving.store(true, Ordering::SeqCst);
                    }
                }
                Ok(Message::End(end)) => {
                    let text = self.told(&end, rank, seen.failed.as_deref());
                    drop(seen);
                    return self.end(ended, text, end.code);
                }
                Ok(_) => {}
                Err(_) => {
                    let text = seen.failed.clone();
                    drop(seen);
                    let text = text.unwrap_or("rank 0 was lost: its process has ended".to_owned());
                    return self.end(ended, Some(text), LOST);
                }
            }
            self.changed.notify_all();
        }
    }

    /// Sends signs of life, and looks for those of the hub.
    fn beat(&self, ended: &Ended) {
        loop {
            thread::sleep(self.times.beat);
            let seen = self.seen();
            if seen.ended || self.leaving.load(Ordering::SeqCst) {
                return;
            }
            let (silent, busy) = (seen.hub.elapsed() > self.times.silence, seen.busy.clone());
            drop(seen);
            if silent {
                let text = format!(
                    "no sign of life of rank 0 for {} s: stopped, or its host cannot be reached",
                    self.times.silence.as_secs()
                );
                return self.end(ended, Some(text), LOST);
            }
            let _ = self.send(&Message::Alive { busy });
        }
    }

    /// The text that this rank prints.
    fn told(&self, end: &End, rank: usize, failed: Option<&str>) -> Option<String> {
        match end.failed {
            _ if end.text.is_empty() => None,
            Some(by) if by == rank => Some(end.text.clone()),
            by if self.one_terminal && (by.is_some() || rank > 0) => None,
            Some(_) if failed == Some(end.text.as_str()) => Some(end.text.clone()),
            Some(by) => Some(format!("rank {by} failed: {}", end.text)),
            None => Some(end.text.clone()),
        }
    }

    fn end(&self, ended: &Ended, text: Option<String>, code: u8) {
        let before = std::mem::replace(&mut self.seen().ended, true);
        self.changed.notify_all();
        if !before {
            ended(text, code);
        }
    }
}

fn connect(address: &str, within: Duration) -> Result<TcpStream> {
    let started = Instant::now();
    loop {
        let error = match dial(address) {
            Ok(stream) => return Ok(stream),
            Err(error) => error,
        };
        if started.elapsed() > within {
            return Err(error).with_context(|| {
                format!(
                    "rank 0 was not reached within {} s at {address}: start rank 0, and open this port and those of MLX",
                    within.as_secs()
                )
            });
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn dial(address: &str) -> Result<TcpStream> {
    let mut last = anyhow!("the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

fn lost_hub(address: &str) -> String {
    format!("cannot talk to rank 0 at {address}")
}
