//! Serves the metrics for Prometheus, on one thread that waits for no client. Requests, clients and their time are
//! bounded.
//!
//! Tests: `tests/monitor.rs`.

use std::io::{ErrorKind as Io, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Monitor;
use crate::{Error, ErrorKind, Result};

/// Most bytes of a request's head. Bodies are not read.
const HEAD: usize = 8 << 10;
/// Most clients at a time: the one that came first makes room for another.
const CLIENTS: usize = 16;
/// Most bytes after the head that are read and thrown away.
const REST: usize = 64 << 10;
/// A client's time from connecting to having the answer.
const TIME: Duration = Duration::from_secs(5);

/// A thread that answers Prometheus, until dropped.
#[must_use = "the port closes when it is dropped"]
pub struct Server {
    address: SocketAddr,
    /// Dropped, it wakes the thread, which ends.
    wake: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(monitor: Monitor, address: SocketAddr) -> Result<Self> {
        let failed = |e: std::io::Error| {
            let text = format!("cannot serve metrics at {address}: {e}");
            Error::new(ErrorKind::Io, text).with_hint(
                "choose another port, or 0 for any that is free; `ss -ltnp` lists the programs that use one",
            )
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let (wake, woken) = UnixStream::pair().map_err(failed)?;
        let thread = std::thread::Builder::new()
            .name("mlx-metrics".to_owned())
            .spawn(move || run(&monitor, &listener, &woken))
            .map_err(failed)?;
        Ok(Server {
            address,
            wake: Some(wake),
            thread: Some(thread),
        })
    }

    /// The address that it answers on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn run(monitor: &Monitor, listener: &TcpListener, woken: &UnixStream) {
    let mut clients: Vec<Client> = Vec::new();
    loop {
        let mut watched = vec![
            watch(woken.as_raw_fd(), libc::POLLIN),
            watch(listener.as_raw_fd(), libc::POLLIN),
        ];
        watched.extend(clients.iter().map(Client::watch));
        let oldest = clients.first().map(|c| c.since + TIME);
        wait(&mut watched, oldest);
        if watched[0].revents != 0 {
            return;
        }
        let mut ready = watched[2..].iter().map(|w| w.revents != 0);
        clients.retain_mut(|client| {
            let ready = ready.next() == Some(true);
            client.since.elapsed() < TIME && (!ready || client.go_on(monitor))
        });
        if watched[1].revents != 0 {
            accept(listener, &mut clients);
        }
    }
}

/// Takes in all clients that wait.
fn accept(listener: &TcpListener, clients: &mut Vec<Client>) {
    loop {
        match listener.accept() {
            Ok((stream, _)) if stream.set_nonblocking(true).is_ok() => {
                if clients.len() == CLIENTS {
                    clients.remove(0);
                }
                clients.push(Client::new(stream));
            }
            Ok(_) => {}
            Err(e) if e.kind() == Io::WouldBlock => return,
            Err(e) if matches!(e.kind(), Io::Interrupted | Io::ConnectionAborted) => {}
            // For want of file descriptors maybe.
            Err(_) => {
                clients.clear();
                std::thread::sleep(Duration::from_millis(50));
                return;
            }
        }
    }
}

fn watch(fd: RawFd, events: libc::c_short) -> libc::pollfd {
    libc::pollfd {
        fd,
        events,
        revents: 0,
    }
}

/// Returns when one of the files is ready or the time has come.
fn wait(watched: &mut [libc::pollfd], until: Option<Instant>) {
    let left = until.map(|u| u.saturating_duration_since(Instant::now()));
    // Rounded up, so that the time has come when it returns.
    let millis = left.map_or(-1, |l| l.as_millis() as libc::c_int + 1);
    // SAFETY: the pointer and the length are of one list, and its descriptors are open. An interrupted call changes nothing.
    let n = unsafe { libc::poll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, millis) };
    if n < 0 {
        std::thread::sleep(Duration::from_millis(50));
    }
}

struct Client {
    stream: TcpStream,
    since: Instant,
    head: Vec<u8>,
    /// Empty while the request is read.
    answer: Vec<u8>,
    sent: usize,
    rest: usize,
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        Client {
            stream,
            since: Instant::now(),
            head: Vec::new(),
            answer: Vec::new(),
            sent: 0,
            rest: 0,
        }
    }

    fn watch(&self) -> libc::pollfd {
        let writing = self.sent < self.answer.len();
        let events = if writing { libc::POLLOUT } else { libc::POLLIN };
        watch(self.stream.as_raw_fd(), events)
    }

    /// Reads and writes without blocking. Returns `false` when nothing is left to do.
    fn go_on(&mut self, monitor: &Monitor) -> bool {
        let mut buffer = [0; 1024];
        while self.answer.is_empty() {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(n) => self.head.extend(&buffer[..n]),
                Err(e) => return retry(&e),
            }
            self.answer = reply(&self.head, monitor).unwrap_or_default();
        }
        while self.sent < self.answer.len() {
            match self.stream.write(&self.answer[self.sent..]) {
                Ok(0) => return false,
                Ok(n) => self.sent += n,
                Err(e) => return retry(&e),
            }
        }
        // A connection that is closed with unread bytes is reset, and the client may lose the answer. So bytes after
        // the head are discarded until the client closes, sends too much, or its time is over.
        let _ = self.stream.shutdown(Shutdown::Write);
        while self.rest < REST {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(n) => self.rest += n,
                Err(e) => return retry(&e),
            }
        }
        false
    }
}

fn retry(e: &std::io::Error) -> bool {
    matches!(e.kind(), Io::WouldBlock | Io::Interrupted)
}

/// The answer to a request; `None` while its head is not complete.
fn reply(head: &[u8], monitor: &Monitor) -> Option<Vec<u8>> {
    let ends = |end: &[u8]| head.windows(end.len()).any(|w| w == end);
    let complete = ends(b"\r\n\r\n") || ends(b"\n\n");
    if !complete && head.len() <= HEAD {
        return None;
    }
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).unwrap_or_default();
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let (status, text) = match words[..] {
        _ if head.len() > HEAD => ("431 Request Header Fields Too Large", "too long\n".into()),
        [method, target, version] if version.starts_with("HTTP/1.") => {
            match (method, target.split('?').next()) {
                ("GET" | "HEAD", Some("/metrics" | "/")) => match monitor.prometheus() {
                    Ok(text) => ("200 OK", text),
                    Err(e) => ("500 Internal Server Error", format!("{e}\n")),
                },
                ("GET" | "HEAD", _) => ("404 Not Found", "the metrics are at /metrics\n".into()),
                _ => ("405 Method Not Allowed", "only GET\n".into()),
            }
        }
        _ => ("400 Bad Request", "not an HTTP request\n".into()),
    };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        text.len()
    );
    if words.first() != Some(&"HEAD") {
        answer += &text;
    }
    Some(answer.into_bytes())
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.address)
            .finish()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
