//! The hub of all ranks, which runs beside rank 0: it collects what ranks agree on, and ends all of them if one fails, is
//! lost, is slow, or is at another point of the program.
//!
//! MLX's collective operations wait for their peers for ever: a rank that is blocked in one cannot find out by itself.
//!
//! Tests: unit tests in `tests.rs`.

use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::message::{prepare, receive, send, End, Message};
use super::Times;

/// The exit code if a rank was lost, so that a script may go on with `--resume`: EX_TEMPFAIL of sysexits.h.
pub const LOST: u8 = 75;

/// The time for rank 0 to report a failure that another rank has had, too, and for the last messages to arrive.
const GRACE: Duration = Duration::from_millis(700);

/// The first rounds, which say nothing about the length of a step.
const FIRST: u64 = 8;

/// Steps of unknown length may take this many times as long as ranks may be apart.
const UNKNOWN: u32 = 40;

/// The hub of a run.
pub(super) struct Hub {
    state: Mutex<State>,
    times: Times,
    size: usize,
    version: String,
}

struct State {
    members: Vec<Option<Seat>>,
    round: Option<Round>,
    rounds: u64,
    last_round: Instant,
    /// The longest time between two rounds.
    longest: Duration,
    failure: Option<(Instant, End)>,
    /// The end that all ranks were told.
    ended: Option<End>,
}

struct Seat {
    stream: TcpStream,
    seen: Instant,
    busy: Option<String>,
    gone: bool,
}

/// Parts that have come.
struct Round {
    at: String,
    since: Instant,
    parts: Vec<Option<String>>,
}

/// Serves `size` ranks on threads of its own, which end when all ranks have left or have been ended.
pub(super) fn serve(
    listener: TcpListener,
    size: usize,
    times: Times,
    version: String,
) -> std::io::Result<Arc<Hub>> {
    listener.set_nonblocking(true)?;
    let state = State {
        members: (0..size).map(|_| None).collect(),
        round: None,
        rounds: 0,
        last_round: Instant::now(),
        longest: Duration::ZERO,
        failure: None,
        ended: None,
    };
    let hub = Arc::new(Hub {
        state: Mutex::new(state),
        times,
        size,
        version,
    });
    let watching = Arc::clone(&hub);
    let work = move || {
        if watching.gather(&listener) {
            drop(listener);
            while watching.watch() {
                thread::sleep(watching.times.beat / 4);
            }
        }
    };
    thread::Builder::new().name("hub".to_owned()).spawn(work)?;
    Ok(hub)
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until all ranks have left, for a moment at most: what they have not read yet is lost with this process.
    pub fn wait_for_all_to_leave(&self) {
        let started = Instant::now();
        let left = |state: &State| state.members.iter().flatten().all(|s| s.gone);
        while !left(&self.state()) && started.elapsed() < self.times.silence {
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until all ranks have come. Returns false if they have not.
    fn gather(self: &Arc<Self>, listener: &TcpListener) -> bool {
        let started = Instant::now();
        let mut over = None;
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    let hub = Arc::clone(self);
                    let seat = move || hub.read(stream);
                    // Without a thread the rank waits until the time is over.
                    let _ = thread::Builder::new().spawn(seat);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(10));
                }
                Err(_) => thread::sleep(Duration::from_millis(100)),
            }
            if !self.watch() {
                // A rank that comes now is told, too.
                if over.get_or_insert_with(Instant::now).elapsed() > GRACE {
                    return false;
                }
                continue;
            }
            let mut state = self.state();
            let missing = state.places(|seat| seat.is_none());
            if missing.is_empty() {
                return true;
            }
            if started.elapsed() > self.times.join {
                let text = format!(
                    "{} of {} did not come within {} s: start every rank, and let each reach the address of rank 0",
                    ranks(&missing),
                    self.size,
                    self.times.join.as_secs()
                );
                state.end(lost(text));
            }
        }
    }

    /// Reads from one connection until it ends.
    fn read(&self, mut stream: TcpStream) {
        let Some(rank) = self.seat(&mut stream) else {
            return;
        };
        loop {
            let message = receive(&mut stream);
            let mut state = self.state();
            if state.ended.is_some() {
                // Reads on, because the system would drop the last message of a connection with unread bytes.
                drop(state);
                if message.is_err() {
                    return;
                }
                continue;
            }
            let seat = state.members[rank].as_mut();
            let Some(seat) = seat.filter(|s| !s.gone) else {
                return;
            };
            seat.seen = Instant::now();
            match message {
                Ok(Message::Alive { busy }) => seat.busy = busy,
                Ok(Message::Part { at, text }) => state.part(rank, at, text),
                Ok(Message::Failed { text, code }) => state.fail(rank, text, code),
                Ok(Message::Bye) => {
                    seat.gone = true;
                    return;
                }
                Ok(_) => {}
                Err(error) => {
                    let text = match error.kind() {
                        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => {
                            format!("rank {rank} was lost: its process has ended")
                        }
                        _ => format!("rank {rank} was lost: {error}"),
                    };
                    state.end(lost(text));
                    return;
                }
            }
        }
    }

    /// Gives a new connection the seat that it asks for.
    fn seat(&self, stream: &mut TcpStream) -> Option<usize> {
        // Something else than a rank may have found the port.
        stream.set_nonblocking(false).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        prepare(stream).ok()?;
        let Ok(Message::Hello {
            version,
            rank,
            size,
        }) = receive(stream)
        else {
            return None;
        };
        stream.set_read_timeout(None).ok()?;
        let seat = Seat {
            stream: stream.try_clone().ok()?,
            seen: Instant::now(),
            busy: None,
            gone: false,
        };
        let mut state = self.state();
        if let Some(end) = &state.ended {
            let _ = send(stream, &Message::End(end.clone()));
            return None;
        }
        let wrong = if size != self.size {
            Some(format!(
                "rank {rank} was started as one of {size} ranks, rank 0 as one of {}: start all of them alike",
                self.size
            ))
        } else if version != self.version {
            Some(format!(
                "rank {rank} runs version {version} of the program, rank 0 version {}: install one version everywhere",
                self.version
            ))
        } else if rank >= size || state.members[rank].is_some() {
            Some(format!(
                "rank {rank} was started twice: give each process another rank"
            ))
        } else {
            None
        };
        match wrong {
            None => {
                state.members[rank] = Some(seat);
                Some(rank)
            }
            Some(text) => {
                let mut stream = seat.stream;
                let _ = send(&mut stream, &Message::End(lost(text.clone())));
                state.end(lost(text));
                None
            }
        }
    }

    /// Looks for ranks that are lost or late, and tells the others that this one lives. Returns false at the end.
    fn watch(&self) -> bool {
        let mut state = self.state();
        if state.ended.is_some()
            || state.members.iter().flatten().all(|s| s.gone) && state.all_came()
        {
            return false;
        }
        if let Some((since, end)) = &state.failure {
            if end.failed == Some(0) || since.elapsed() > GRACE {
                let end = end.clone();
                state.end(end);
                return false;
            }
        }
        if let Some(end) = state.late(self.times) {
            state.end(end);
            return false;
        }
        for seat in state.members.iter_mut().flatten().filter(|s| !s.gone) {
            // A failure shows when the connection is read.
            let _ = send(&mut seat.stream, &Message::Alive { busy: None });
        }
        true
    }
}

impl State {
    fn all_came(&self) -> bool {
        self.members.iter().all(Option::is_some)
    }

    /// The ranks whose seats fit.
    fn places(&self, fits: impl Fn(&Option<Seat>) -> bool) -> Vec<usize> {
        let seats = self.members.iter().enumerate();
        seats.filter(|(_, s)| fits(s)).map(|(i, _)| i).collect()
    }

    /// Takes a rank's part of a round. The last part ends it.
    fn part(&mut self, rank: usize, at: String, text: String) {
        let size = self.members.len();
        let round = self.round.get_or_insert_with(|| Round {
            at: at.clone(),
            since: Instant::now(),
            parts: vec![None; size],
        });
        if round.at != at {
            let text = format!(
                "rank {rank} is at {at:?}, another rank at {:?}: the ranks do not run the same program on the same data",
                round.at
            );
            return self.end(lost(text));
        }
        round.parts[rank] = Some(text);
        if round.parts.iter().any(Option::is_none) {
            return;
        }
        let parts = self.round.take().map(|r| r.parts).unwrap_or_default();
        let all: Vec<String> = parts.into_iter().flatten().collect();
        self.rounds += 1;
        self.longest = self.longest.max(self.last_round.elapsed());
        self.last_round = Instant::now();
        // Rank 0 last: after the last round this hub ends with it.
        for seat in self.members.iter_mut().rev().flatten() {
            let _ = send(&mut seat.stream, &Message::All(all.clone()));
        }
    }

    /// Records a failure. If several ranks fail alike, rank 0 is the one to say so.
    fn fail(&mut self, rank: usize, text: String, code: u8) {
        let end = End {
            failed: Some(rank),
            text,
            code,
        };
        match &mut self.failure {
            Some((_, first)) if rank == 0 => *first = end,
            Some(_) => {}
            None => self.failure = Some((Instant::now(), end)),
        }
    }

    /// The end of all ranks if one of them is silent or too far behind.
    fn late(&self, times: Times) -> Option<End> {
        let here = |s: &Seat| !s.gone;
        let silent = self.places(|s| {
            s.as_ref()
                .is_some_and(|s| here(s) && s.seen.elapsed() > times.silence)
        });
        if !silent.is_empty() {
            return Some(lost(format!(
                "no sign of life of {} for {} s: stopped, or its host cannot be reached",
                ranks(&silent),
                times.silence.as_secs()
            )));
        }
        let busy = |s: &Option<Seat>| s.as_ref().is_some_and(|s| s.busy.is_some());
        match &self.round {
            Some(round) if round.since.elapsed() > times.lag => {
                let missing: Vec<usize> = (0..round.parts.len())
                    .filter(|&i| round.parts[i].is_none() && !busy(&self.members[i]))
                    .collect();
                (!missing.is_empty()).then(|| {
                    lost(format!(
                        "{} did not come to {:?} within {} s of the first rank",
                        ranks(&missing),
                        round.at,
                        times.lag.as_secs()
                    ))
                })
            }
            None if self.all_came() && !self.members.iter().any(busy) => {
                let longest = match self.rounds {
                    0..FIRST => times.lag * UNKNOWN,
                    _ => times.lag.max(self.longest * 10),
                };
                (self.last_round.elapsed() > longest).then(|| {
                    lost(format!(
                        "no rank has ended its step for {} s: a device or the network between the ranks is stuck",
                        longest.as_secs()
                    ))
                })
            }
            _ => None,
        }
    }

    /// Ends all ranks, rank 0 last: this hub ends with it.
    fn end(&mut self, end: End) {
        if self.ended.is_some() {
            return;
        }
        self.ended = Some(end.clone());
        for (rank, seat) in self.members.iter_mut().enumerate().rev() {
            if rank == 0 {
                thread::sleep(GRACE / 2);
            }
            if let Some(seat) = seat {
                let _ = send(&mut seat.stream, &Message::End(end.clone()));
            }
        }
    }
}

fn lost(text: String) -> End {
    End {
        failed: None,
        text,
        code: LOST,
    }
}

/// `rank 1`, or `ranks 1 and 3`.
fn ranks(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match words.split_last() {
        Some((last, [])) => format!("rank {last}"),
        Some((last, others)) => format!("ranks {} and {last}", others.join(", ")),
        None => "no rank".to_owned(),
    }
}
