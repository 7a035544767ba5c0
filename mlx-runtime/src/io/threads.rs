//! Checks that MLX can start the threads that read files.
//!
//! Tests: `tests/no_threads.rs`.

use std::sync::mpsc::channel;
use std::sync::OnceLock;
use std::thread::Builder;

use crate::error::known::MORE_THREADS;
use crate::{Error, ErrorKind, Result};

/// Two pools of four (`thread_pool`, mlx/io/load.cpp).
const POOLS: usize = 8;
/// The usual size of MLX's threads' stacks.
const STACK: usize = 8 << 20;

/// Checks once a process that as many threads can be started as MLX starts to read files. If MLX cannot start all
/// threads of a pool, the destructors of those that run end the process.
pub(crate) fn ready(op: &'static str) -> Result<()> {
    static READY: OnceLock<()> = OnceLock::new();
    if READY.get().is_some() {
        return Ok(());
    }
    let mut started = Vec::new();
    let mut failure = None;
    for _ in 0..POOLS {
        let (hold, held) = channel::<()>();
        // Ends when `hold` is dropped.
        match Builder::new()
            .stack_size(STACK)
            .spawn(move || held.recv().is_err())
        {
            Ok(thread) => started.push((hold, thread)),
            Err(e) => failure = Some(e),
        }
    }
    for (hold, thread) in started {
        drop(hold);
        // The thread does not panic.
        let _ = thread.join();
    }
    match failure {
        None => {
            READY.get_or_init(|| ());
            Ok(())
        }
        Some(e) => Err(no_thread(op, e)),
    }
}

fn no_thread(op: &'static str, e: std::io::Error) -> Error {
    Error::new(
        ErrorKind::Io,
        format!("cannot start a thread to read with: {e}"),
    )
    .with_op(op)
    .with_hint(MORE_THREADS)
    .with_source(e)
}
