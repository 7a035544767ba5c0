//! Messages between ranks: a length and a JSON text over TCP.
//!
//! Tests: unit tests in `tests.rs`.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The longest message. A longer one is no message of this program.
const LONGEST: u32 = 64 << 20;

/// A message between a rank and the hub.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Message {
    /// To the hub: a rank is there.
    Hello {
        /// The program's version.
        version: String,
        rank: usize,
        size: usize,
    },
    /// Both ways, each second. A rank that does something long, such as loading, says so.
    Alive { busy: Option<String> },
    /// To the hub: this rank's part of a round, which is called `at`.
    Part { at: String, text: String },
    /// To a rank: the parts of all ranks.
    All(Vec<String>),
    /// To the hub: this rank has failed.
    Failed { text: String, code: u8 },
    /// To a rank: all ranks end.
    End(End),
    /// To the hub: this rank has nothing left to do.
    Bye,
}

/// The end of all ranks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The rank that failed by itself; `None` if a rank was lost, or ranks disagree.
    pub failed: Option<usize>,
    /// The reason.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

/// Sends a message.
pub(super) fn send(stream: &mut TcpStream, message: &Message) -> Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    if length > LONGEST {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "the message is too long",
        ));
    }
    // One write, so that a message of another thread does not come between.
    stream.write_all(&[&length.to_le_bytes(), text.as_slice()].concat())
}

/// Receives a message.
pub(super) fn receive(stream: &mut TcpStream) -> Result<Message> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(Error::new(
            ErrorKind::InvalidData,
            "not a message of a rank",
        ));
    }
    let mut text = Vec::new();
    stream.take(u64::from(length)).read_to_end(&mut text)?;
    if text.len() < length as usize {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&text)?)
}

/// Settings of a connection: small messages leave at once, and a peer that does not read blocks nobody for long.
pub(super) fn prepare(stream: &TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))
}
