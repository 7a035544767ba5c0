//! The hub and its members, in one process: ranks that agree, fail, end, stop, fall behind, and programs that are no ranks.
//!
//! Tests: unit tests.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::hub::{serve, LOST};
use super::member::Member;
use super::message::{send, Message};
use super::Times;

/// The shortest times that `launch` takes.
fn times() -> Times {
    Times::within(Duration::from_secs(3))
}

/// A hub of `size` ranks, and its address.
fn hub(size: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    serve(listener, size, times(), "1".to_owned()).unwrap();
    address
}

/// How a rank was ended: its text and its exit code.
type End = Receiver<(Option<String>, u8)>;

fn join_as(address: &str, rank: usize, size: usize, version: &str) -> (Arc<Member>, End) {
    join_in(address, (rank, size), version, false)
}

fn join_in(
    address: &str,
    place: (usize, usize),
    version: &str,
    one_terminal: bool,
) -> (Arc<Member>, End) {
    let (send, ended) = channel();
    let end = move |text, code| drop(send.send((text, code)));
    let times = (times(), one_terminal);
    let member = Member::join(address, place, times, version, Box::new(end)).unwrap();
    member.set_busy(None);
    (member, ended)
}

/// Ranks that have all come.
fn join(size: usize) -> Vec<(Arc<Member>, End)> {
    let address = hub(size);
    (0..size)
        .map(|rank| join_as(&address, rank, size, "1"))
        .collect()
}

/// The text with which a rank was ended.
fn text(end: &End) -> String {
    let (text, code) = end.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(code, LOST);
    text.unwrap()
}

/// Takes a rank's part of a round on a thread of its own.
fn round(member: &Arc<Member>, at: &str, part: &str) -> thread::JoinHandle<Option<Vec<String>>> {
    let (member, at, part) = (Arc::clone(member), at.to_owned(), part.to_owned());
    thread::spawn(move || member.round(&at, part).ok())
}

#[test]
fn a_round_gives_all_ranks_the_parts_in_the_order_of_ranks() {
    let ranks = join(3);
    for i in 0..100 {
        let started: Vec<_> = ranks
            .iter()
            .enumerate()
            .map(|(rank, (member, _))| {
                round(member, &format!("step {i}"), &format!("{rank} of {i}"))
            })
            .collect();
        let expected: Vec<String> = (0..3).map(|rank| format!("{rank} of {i}")).collect();
        for one in started {
            assert_eq!(one.join().unwrap().unwrap(), expected);
        }
    }
    let last: Vec<_> = ranks
        .iter()
        .map(|(member, _)| {
            let member = Arc::clone(member);
            thread::spawn(move || member.last_round("the end").unwrap())
        })
        .collect();
    last.into_iter().for_each(|one| one.join().unwrap());
    // One that leaves does not end the others.
    assert!(ranks.iter().all(|(_, end)| end.try_recv().is_err()));
}

#[test]
fn a_failure_of_one_ends_all_and_a_failure_of_all_is_reported_once() {
    let ranks = join(3);
    let failed = Arc::clone(&ranks[1].0);
    let failing = thread::spawn(move || failed.fail("no such file", 1));
    for (rank, (_, end)) in ranks.iter().enumerate() {
        let (text, code) = end.recv_timeout(Duration::from_secs(60)).unwrap();
        assert_eq!(code, 1);
        match rank {
            1 => assert_eq!(text.unwrap(), "no such file"),
            _ => assert_eq!(text.unwrap(), "rank 1 failed: no such file"),
        }
    }
    failing.join().unwrap();

    let address = hub(3);
    let ranks = [0, 1, 2].map(|rank| join_in(&address, (rank, 3), "1", true));
    for (member, _) in &ranks {
        let member = Arc::clone(member);
        thread::spawn(move || member.fail("no such model", 1));
    }
    let said = ranks
        .iter()
        .map(|(_, end)| end.recv_timeout(Duration::from_secs(60)).unwrap().0);
    assert_eq!(
        said.collect::<Vec<_>>(),
        [Some("no such model".to_owned()), None, None]
    );

    // A run that was stopped before its first step has a code and no message.
    let ranks = join(2);
    for (member, _) in &ranks {
        let member = Arc::clone(member);
        thread::spawn(move || member.fail("", 143));
    }
    for (_, end) in &ranks {
        assert_eq!(
            end.recv_timeout(Duration::from_secs(60)).unwrap(),
            (None, 143)
        );
    }
}

/// A connection that says it is a rank, and then nothing.
fn silent(address: &str, rank: usize, size: usize) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let hello = Message::Hello {
        version: "1".to_owned(),
        rank,
        size,
    };
    send(&mut stream, &hello).unwrap();
    stream
}

#[test]
fn a_rank_that_ends_or_says_nothing_is_named_to_all_others() {
    let address = hub(3);
    let others = [0, 2].map(|rank| join_as(&address, rank, 3, "1"));
    drop(silent(&address, 1, 3));
    for (_, end) in &others {
        assert_eq!(text(end), "rank 1 was lost: its process has ended");
    }

    let address = hub(3);
    let others = [0, 2].map(|rank| join_as(&address, rank, 3, "1"));
    let kept = silent(&address, 1, 3);
    for (_, end) in &others {
        let said = text(end);
        assert!(
            said.starts_with("no sign of life of rank 1 for 1 s"),
            "{said}"
        );
    }
    drop(kept);
}

#[test]
fn a_rank_that_is_late_or_elsewhere_is_named() {
    let ranks = join(2);
    // Busy ranks have time.
    ranks[1].0.set_busy(Some("saving"));
    let first = round(&ranks[0].0, "step 7", "");
    thread::sleep(times().lag * 2);
    assert!(ranks[0].1.try_recv().is_err());
    ranks[1].0.set_busy(None);
    for (_, end) in &ranks {
        let said = text(end);
        assert!(
            said.starts_with("rank 1 did not come to \"step 7\" within 2 s"),
            "{said}"
        );
    }
    assert!(first.join().unwrap().is_none());

    let ranks = join(2);
    let _one = round(&ranks[0].0, "step 7", "");
    let _other = round(&ranks[1].0, "a save", "");
    for (_, end) in &ranks {
        let said = text(end);
        assert!(
            said.contains("\"step 7\"") && said.contains("\"a save\""),
            "{said}"
        );
    }
}

#[test]
fn a_rank_that_does_not_come_or_is_another_program_ends_all() {
    let address = hub(3);
    let (_member, end) = join_as(&address, 0, 3, "1");
    let said = text(&end);
    assert!(
        said.starts_with("ranks 1 and 2 of 3 did not come within 3 s"),
        "{said}"
    );

    for (rank, size, version, word) in [
        (1, 2, "2", "version 2"),
        (1, 3, "1", "one of 3 ranks"),
        (0, 2, "1", "started twice"),
    ] {
        let address = hub(2);
        let (member, end) = join_as(&address, 0, 2, "1");
        // It is there once a stranger has come and gone.
        member.set_busy(None);
        thread::sleep(Duration::from_millis(200));
        let (_wrong, its_end) = join_as(&address, rank, size, version);
        for end in [end, its_end] {
            let said = text(&end);
            assert!(said.contains(word), "{said}");
        }
    }
}

#[test]
fn strangers_at_the_port_disturb_nobody() {
    let address = hub(2);
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"",
        &[0xff; 64],
        b"\x02\0\0\0{}",
    ] {
        let mut stranger = TcpStream::connect(&address).unwrap();
        stranger.write_all(bytes).unwrap();
    }
    let ranks = [0, 1].map(|rank| join_as(&address, rank, 2, "1"));
    let parts = [0, 1].map(|i: usize| round(&ranks[i].0, "step 1", &i.to_string()));
    for part in parts {
        assert_eq!(part.join().unwrap().unwrap(), ["0", "1"]);
    }
}
