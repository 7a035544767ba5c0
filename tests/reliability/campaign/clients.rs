//! Clients of the metrics port that send too much, too little or nonsense, or stay.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use mlx_fuzz::Random;

use crate::ground::{Ground, TRAIN};
use crate::runner::{End, Fault};

/// The behaviour of a client.
#[derive(Clone, Copy, Debug)]
enum Client {
    /// Connects and says nothing.
    Idle,
    /// Says this, and keeps the connection.
    Says(&'static [u8]),
    /// Says this, and resets or closes it.
    Leaves(&'static [u8]),
    /// A header that does not end.
    Endless,
    /// Any bytes.
    Noise(u64),
    /// Asks for the metrics, and never reads them.
    Deaf,
    /// Asks one byte at a time.
    Slow,
}

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n";

const CLIENTS: [Client; 19] = [
    Client::Idle,
    Client::Says(b"GET /metrics HTTP/1.1\r\nContent-Length: 1000000000000\r\n\r\nx"),
    Client::Says(b"POST /metrics HTTP/1.1\r\nContent-Length: 10000000000\r\n\r\nx"),
    Client::Says(b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
    Client::Says(b"GET /metrics HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n"),
    Client::Says(
        b"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
    ),
    Client::Says(b"GET /metrics HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"),
    Client::Says(b"GET"),
    Client::Says(b"\r\n\r\n\r\n\r\n"),
    Client::Says(b"\0\0\0\0"),
    Client::Says(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Client::Says(b"GET /../../../etc/passwd HTTP/1.1\r\n\r\n"),
    Client::Leaves(b""),
    Client::Leaves(b"GET /metr"),
    Client::Leaves(GET),
    Client::Endless,
    Client::Deaf,
    Client::Slow,
    Client::Noise(0),
];

/// Clients of a kind at a time.
const MANY: usize = 24;

pub fn faults(ground: &Ground) -> Vec<Fault> {
    let mut all: Vec<Client> = CLIENTS.to_vec();
    all.extend((1..6 * ground.times as u64).map(Client::Noise));
    all.into_iter()
        .map(|client| {
            Fault::new(format!("{MANY} clients, {client:?}"), move |ground| {
                besieged(ground, client)
            })
        })
        .collect()
}

fn besieged(ground: &Ground, client: Client) -> End {
    let place = ground.place();
    // Longer than the others, so that there is time for the clients.
    let args = TRAIN
        .replace("--iters 8", "--iters 100000")
        .replace("--save-every 2", "--save-every 100000");
    let mut child = place.start(place.command(&format!("{args} --metrics-port 0")));
    child.wait_for("train loss");
    let said = child.said();
    let Some(at) = said
        .split("http://")
        .nth(1)
        .and_then(|t| t.split('/').next())
    else {
        panic!("no address: {said}");
    };
    let mut kept = Vec::new();
    for i in 0..MANY as u64 {
        if let Ok(mut stream) = TcpStream::connect(at) {
            let bound = Some(Duration::from_millis(200));
            stream.set_write_timeout(bound).unwrap();
            stream.set_read_timeout(bound).unwrap();
            if play(&mut stream, client, ground.seed ^ i << 32) {
                kept.push(stream);
            }
        }
    }
    // It still answers others, and then ends, whoever is connected.
    let mut answer = String::new();
    let asked = TcpStream::connect(at).and_then(|mut other| {
        other.set_read_timeout(Some(Duration::from_secs(10)))?;
        other.write_all(GET)?;
        other.read_to_string(&mut answer)
    });
    assert!(
        answer.contains("200 OK"),
        "{client:?}: {asked:?}, {answer:?}"
    );
    child.signal("TERM");
    let ended = child.end();
    assert_eq!(ended.code(), 0, "{ended}");
    assert!(ended.stdout.contains("and saved; go on with"), "{ended}");
    place.whole_files();
    drop(kept);
    End::Stopped
}

/// True if the connection stays open. The server cut it if nothing can be sent.
fn play(stream: &mut TcpStream, client: Client, seed: u64) -> bool {
    match client {
        Client::Idle => {}
        Client::Says(text) => drop(stream.write_all(text)),
        Client::Leaves(text) => {
            let _ = stream.write_all(text);
            let _ = stream.shutdown(Shutdown::Both);
            return false;
        }
        Client::Endless => {
            let line = [b'a'; 1 << 16];
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nA: ");
            let _ = (0..64).try_for_each(|_| stream.write_all(&line));
        }
        Client::Noise(n) => {
            let mut random = Random::of(seed, n);
            let bytes: Vec<u8> = (0..random.below(4000))
                .map(|_| random.number() as u8)
                .collect();
            let _ = stream.write_all(&bytes);
        }
        Client::Deaf => {
            let _ = (0..200).try_for_each(|_| stream.write_all(GET));
        }
        Client::Slow => {
            let _ = GET.iter().take(20).try_for_each(|b| {
                std::thread::sleep(Duration::from_micros(200));
                stream.write_all(&[*b])
            });
        }
    }
    true
}
