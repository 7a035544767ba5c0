//! [`Monitor`]: rates by a given clock, the metrics for Prometheus, events, the port.

use std::collections::BTreeMap;
#[cfg(feature = "serve")]
use std::io::{Read, Write};
#[cfg(feature = "serve")]
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc};
use std::time::Duration;

use mlx_runtime::monitor::Monitor;
#[cfg(feature = "serve")]
use mlx_runtime::ErrorKind;
use mlx_runtime::{memory, ops, transforms, Array, Dtype};
use prometheus_parse::{Scrape, Value};
use tracing::field::{Field, Visit};

/// A clock that stands still until it is set.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicU64>);

impl Clock {
    fn pass(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }

    fn monitor(&self) -> Monitor {
        let at = Arc::clone(&self.0);
        Monitor::with_clock(move || Duration::from_millis(at.load(Ordering::Relaxed))).unwrap()
    }
}

#[test]
fn rates_are_of_the_last_ten_seconds() {
    let clock = Clock::default();
    let m = clock.monitor();
    let rates = || {
        let s = m.sample().unwrap();
        (s.steps_per_second, s.tokens_per_second)
    };
    assert_eq!(rates(), (0.0, 0.0));
    for _ in 0..4 {
        clock.pass(500);
        m.step(100);
    }
    assert_eq!(rates(), (2.0, 200.0));
    // Five times as fast, for twenty seconds: the earlier rate is forgotten.
    for _ in 0..200 {
        clock.pass(100);
        m.step(10);
        m.sample().unwrap();
    }
    assert_eq!(rates(), (10.0, 100.0));
    // Nothing more happens.
    clock.pass(5_000);
    assert_eq!(rates(), (5.0, 50.0));
    clock.pass(100_000);
    rates();
    clock.pass(10_000);
    assert_eq!(rates(), (0.0, 0.0));
    let s = m.sample().unwrap();
    assert_eq!((s.steps, s.tokens, s.seconds), (204, 2_400, 137.0));
}

#[test]
fn a_window_counts_the_time_of_steps_only() {
    let clock = Clock::default();
    let m = clock.monitor();
    let mut window = m.window();
    assert_eq!(window.read().steps_per_second, 0.0);
    for _ in 0..10 {
        clock.pass(200);
        m.step(50);
        // An evaluation, a save.
        clock.pass(1_000);
        m.skip();
    }
    let r = window.read();
    assert_eq!((r.steps, r.tokens, r.seconds), (10, 500, 2.0));
    assert_eq!((r.steps_per_second, r.tokens_per_second), (5.0, 250.0));
    assert_eq!(window.read().steps, 0);
    // A second window counts from its creation, and neither takes from the other.
    let mut other = m.window();
    clock.pass(100);
    m.step(1);
    assert_eq!((other.read().steps, window.read().steps), (1, 1));
}

#[test]
fn steps_of_many_threads_are_all_counted() {
    let m = Monitor::new().unwrap();
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| (0..1000).for_each(|_| m.step(3)));
        }
        for _ in 0..20 {
            m.sample().unwrap();
        }
    });
    let s = m.sample().unwrap();
    assert_eq!((s.steps, s.tokens), (4_000, 12_000));
}

#[test]
fn memory_is_what_mlx_says() {
    let m = Monitor::new().unwrap();
    let a = ops::exp(&ops::ones(&[1000, 1000], Dtype::Float32).unwrap()).unwrap();
    a.eval().unwrap();
    let s = m.sample().unwrap();
    assert!(s.active >= 4_000_000 && s.peak >= s.active, "{s:?}");
    assert_eq!(s.memory_limit, memory::limit().unwrap());
    assert!(s.to_string().contains("steps/s"), "{s}");
    let json = serde_json::to_value(&s).unwrap();
    assert_eq!(json["active"], s.active);
}

#[test]
fn each_shape_that_is_compiled_is_a_recording() {
    let m = Monitor::new().unwrap();
    let f = transforms::compile(|x: &[Array]| Ok(vec![ops::square(&x[0])?]), false);
    let run = |n: i32| {
        let x = ops::ones(&[n], Dtype::Float32).unwrap();
        transforms::eval(&[&f.call(&[x]).unwrap()[0]]).unwrap();
        m.sample().unwrap().recordings
    };
    let first = run(2);
    assert_eq!(run(2), first);
    assert_eq!(run(3), first + 1);
    assert_eq!(run(2), first + 1);
}

/// The metrics of a text, as a parser that others wrote reads them.
fn parse(text: &str) -> BTreeMap<String, Value> {
    let lines = text.lines().map(|l| Ok(l.to_owned()));
    let samples = Scrape::parse(lines).unwrap().samples;
    samples.into_iter().map(|s| (s.metric, s.value)).collect()
}

#[test]
fn prometheus_reads_what_was_sampled() {
    let clock = Clock::default();
    let m = clock.monitor();
    clock.pass(4_000);
    m.step(512);
    m.step(512);
    m.set("train_loss", 0.5).unwrap();
    m.set("diverged", f64::INFINITY).unwrap();
    let text = m.prometheus().unwrap();
    let found = parse(&text);
    assert_eq!(found["mlx_steps_total"], Value::Counter(2.0));
    assert_eq!(found["mlx_tokens_total"], Value::Counter(1024.0));
    assert_eq!(found["mlx_steps_per_second"], Value::Gauge(0.5));
    assert_eq!(found["mlx_tokens_per_second"], Value::Gauge(256.0));
    let limit = memory::limit().unwrap() as f64;
    assert_eq!(found["mlx_memory_limit_bytes"], Value::Gauge(limit));
    assert_eq!(found["train_loss"], Value::Gauge(0.5));
    assert_eq!(found["diverged"], Value::Gauge(f64::INFINITY));
    assert!(matches!(found["mlx_memory_peak_bytes"], Value::Gauge(v) if v >= 0.0));
    let gpu = mlx_runtime::low_level::backend::cuda::is_available().unwrap();
    assert_eq!(found.contains_key("mlx_gpu_memory_total_bytes"), gpu);
    // Every metric is described, once.
    for name in found.keys() {
        assert_eq!(
            text.matches(&format!("# TYPE {name} ")).count(),
            1,
            "{name}"
        );
        assert_eq!(
            text.matches(&format!("# HELP {name} ")).count(),
            1,
            "{name}"
        );
    }
    let version = mlx_runtime::version().unwrap();
    assert!(text.contains(&format!("mlx_info{{version=\"{version}\"}} 1")));
    for bad in ["", "1st", "a b", "a-b", "mlx_steps_total", "ä"] {
        assert!(m.set(bad, 1.0).is_err(), "{bad}");
    }
}

#[cfg(feature = "serve")]
fn ask(address: std::net::SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[cfg(feature = "serve")]
#[test]
fn the_port_answers_and_closes() {
    let m = Monitor::new().unwrap();
    let server = m.serve(0).unwrap();
    let at = server.address();
    assert!(at.ip().is_loopback());
    m.step(7);
    let answer = ask(at, "GET /metrics");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    assert!(body.contains("mlx_tokens_total 7"), "{body}");
    assert!(ask(at, "GET /else").starts_with("HTTP/1.1 404"));
    assert!(ask(at, "POST /metrics").starts_with("HTTP/1.1 405"));
    // A client that hangs up.
    drop(TcpStream::connect(at).unwrap());
    assert!(ask(at, "GET /metrics?x=1").starts_with("HTTP/1.1 200"));

    let e = m.serve(at.port()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.to_string().contains(&at.to_string()), "{e}");
    assert!(e.hint().unwrap().contains("another port"), "{e}");
    drop(server);
    // The port is free again.
    let again = m.serve(at.port());
    assert_eq!(again.unwrap().address(), at);
}

/// Sends bytes and returns the first line of the answer, if there is one.
#[cfg(feature = "serve")]
fn send(at: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    // A server that has answered may refuse the rest.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(feature = "serve")]
#[test]
fn hostile_clients_harm_nobody() {
    let m = Monitor::new().unwrap();
    let server = m.serve(0).unwrap();
    let at = server.address();
    // Linux says the names of threads.
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten();
        let name = |t: std::fs::DirEntry| std::fs::read_to_string(t.path().join("comm"));
        let names = tasks.flatten().flat_map(name);
        names.filter(|n| n.trim() == "mlx-metrics").count()
    };
    let good = || send(at, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let ok = "HTTP/1.1 200 OK";
    assert_eq!(good(), ok);

    // Bodies of any announced length are not waited for, and not read.
    let mut cases = 0;
    for length in [
        "1000000000000",
        "10000000000",
        "18446744073709551616",
        "-1",
        "x",
        "1",
    ] {
        for method in ["GET", "POST"] {
            let head = format!("{method} /metrics HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
            let wanted = match method {
                "GET" => ok,
                _ => "HTTP/1.1 405 Method Not Allowed",
            };
            assert_eq!(send(at, format!("{head}x").as_bytes()), wanted);
            cases += 1;
        }
    }
    let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx";
    assert_eq!(send(at, chunked), "HTTP/1.1 405 Method Not Allowed");

    // Heads without an end.
    let mut endless = b"GET /metrics HTTP/1.1\r\n".to_vec();
    endless.extend(b"X: y\r\n".repeat(1 << 20));
    for bytes in [&endless, &vec![b'A'; 8 << 20], &vec![0; 8 << 20]] {
        let line = send(at, bytes);
        // The answer may be lost if the client goes on sending.
        assert!(
            ["", "HTTP/1.1 431 Request Header Fields Too Large"].contains(&&*line),
            "{line}"
        );
        cases += 1;
    }
    for bytes in [
        &b"\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /metrics\r\n\r\n",
        b"GET /metrics HTTP/9\r\n\r\n",
        b"GET /metrics HTTP/1.1 x\r\n\r\n",
        b"\xff\xfe /metrics HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ] {
        assert_eq!(send(at, bytes), "HTTP/1.1 400 Bad Request", "{bytes:?}");
        cases += 1;
    }
    // Random bytes, cut requests, and clients that leave.
    let mut state = 1u64;
    for i in 0..300 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut bytes = b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n".to_vec();
        let at_byte = (state >> 33) as usize % bytes.len();
        match i % 3 {
            0 => bytes[at_byte] = (state >> 20) as u8,
            1 => bytes.truncate(at_byte),
            _ => bytes.insert(at_byte, (state >> 20) as u8),
        }
        let mut stream = TcpStream::connect(at).unwrap();
        let _ = stream.write_all(&bytes);
        cases += 1;
    }
    assert_eq!(good(), ok);

    // Clients that say nothing, or never end, take no thread, and no more than a few descriptors.
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(at).unwrap()).collect();
    for mut stream in idle.iter().take(50) {
        let _ = stream.write_all(b"GET /metr");
    }
    assert_eq!(good(), ok);
    // Another test has a server, too.
    assert!(threads() <= 3, "{} threads", threads());
    cases += idle.len();
    // One that sends without end while the server ends.
    let mut flood = TcpStream::connect(at).unwrap();
    flood
        .write_all(b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n")
        .unwrap();
    let flooding = std::thread::spawn(move || while flood.write_all(&[0; 4096]).is_ok() {});
    // Dropping must not wait for clients. If it does, the test hangs here.
    drop(server);
    flooding.join().unwrap();
    drop(idle);
    // The port is free at once.
    drop(m.serve(at.port()).unwrap());
    println!("{cases} hostile requests and clients: every good request was answered");
}

/// Sends the fields of every event of this crate.
struct Subscriber(mpsc::Sender<BTreeMap<String, String>>);

impl tracing::Subscriber for Subscriber {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(BTreeMap<String, String>);
        impl Visit for Fields {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0.insert(field.name().to_owned(), format!("{value:?}"));
            }
        }
        if event.metadata().target() == "mlx_runtime::monitor" {
            let mut fields = Fields(BTreeMap::new());
            event.record(&mut fields);
            let _ = self.0.send(fields.0);
        }
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn events_arrive_until_the_guard_is_dropped() {
    let (sender, events) = mpsc::channel();
    let m = Monitor::new().unwrap();
    m.step(5);
    let guard = tracing::subscriber::with_default(Subscriber(sender), || {
        m.trace().unwrap();
        m.trace_every(Duration::from_millis(1)).unwrap()
    });
    for _ in 0..3 {
        let event = events.recv().unwrap();
        assert_eq!((&*event["steps"], &*event["tokens"]), ("1", "5"));
        assert_eq!(
            event["memory_limit_bytes"],
            memory::limit().unwrap().to_string()
        );
        assert!(event["message"].contains("tok/s"), "{event:?}");
    }
    drop(guard);
    // The subscriber went with the thread: the channel ends.
    while events.recv().is_ok() {}

    // One that waits for an hour ends at once, too.
    drop(m.trace_every(Duration::from_secs(3600)).unwrap());
    drop(m.trace_every(Duration::MAX).unwrap());
}
