//! [`Monitor`]: rates by a given clock, what Prometheus reads, events, the port.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{mpsc, Arc};
use std::time::Duration;

use mlx_runtime::monitor::Monitor;
use mlx_runtime::{memory, ops, transforms, Array, Dtype, ErrorKind};
use prometheus_parse::{Scrape, Value};
use tracing::field::{Field, Visit};

/// A clock that stands still until it is told otherwise.
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
    // Five times as fast, for twenty seconds: what was before is forgotten.
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
    // A second window sees what happens after it was made, and neither takes from the other.
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
    let gpu = mlx_runtime::backend::cuda::is_available().unwrap();
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
    // Someone who hangs up.
    drop(TcpStream::connect(at).unwrap());
    assert!(ask(at, "GET /metrics?x=1").starts_with("HTTP/1.1 200"));

    let e = m.serve(at.port()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.to_string().contains(&at.to_string()), "{e}");
    assert!(e.hint().unwrap().contains("another program"), "{e}");
    drop(server);
    // The port is free again, as soon as the thread that listened has seen it.
    let again = (0..1000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(5));
        m.serve(at.port()).ok()
    });
    assert_eq!(again.unwrap().address(), at);
}

/// Sends the fields of every event of ours.
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
