//! Prometheus' endpoint.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tiny_http::{Header, Method, Request, Response};

use super::Monitor;
use crate::{Error, ErrorKind, Result};

/// A thread that answers Prometheus, until dropped.
#[must_use = "the port closes when it is dropped"]
pub struct Server {
    server: Arc<tiny_http::Server>,
    stop: Arc<AtomicBool>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(monitor: Monitor, address: SocketAddr) -> Result<Self> {
        let failed = |e: &dyn std::fmt::Display| {
            let text = format!("cannot serve metrics at {address}: {e}");
            Error::new(ErrorKind::Io, text).with_hint(
                "another program may use the port (`ss -ltnp` lists them): choose another one, or 0 for any that is free",
            )
        };
        let server = tiny_http::Server::http(address).map_err(|e| failed(&e))?;
        let address = server.server_addr().to_ip().unwrap_or(address);
        let (server, stop) = (Arc::new(server), Arc::new(AtomicBool::new(false)));
        let thread = {
            let (server, stop) = (Arc::clone(&server), Arc::clone(&stop));
            std::thread::Builder::new()
                .name("mlx-metrics".to_owned())
                .spawn(move || run(&monitor, &server, &stop))
                .map_err(|e| failed(&e))?
        };
        Ok(Server {
            server,
            stop,
            address,
            thread: Some(thread),
        })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn run(monitor: &Monitor, server: &tiny_http::Server, stop: &AtomicBool) {
    loop {
        match server.recv() {
            // Someone who does not wait for the answer is not our error.
            Ok(request) => {
                let _ = answer(monitor, request);
            }
            Err(_) if stop.load(Ordering::Acquire) => return,
            // A connection that could not be accepted, for want of file descriptors maybe.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn answer(monitor: &Monitor, request: Request) -> std::io::Result<()> {
    let path = request.url().split('?').next().unwrap_or_default();
    let (status, text) = match (request.method(), path) {
        (Method::Get | Method::Head, "/metrics" | "/") => match monitor.prometheus() {
            Ok(text) => (200, text),
            Err(e) => (500, format!("{e}\n")),
        },
        (Method::Get | Method::Head, _) => (404, "the metrics are at /metrics\n".to_owned()),
        _ => (405, "only GET\n".to_owned()),
    };
    let mut response = Response::from_string(text).with_status_code(status);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    if let Ok(header) = Header::from_bytes("Content-Type", kind) {
        response = response.with_header(header);
    }
    request.respond(response)
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
        self.stop.store(true, Ordering::Release);
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
