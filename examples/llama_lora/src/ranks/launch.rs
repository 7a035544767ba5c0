//! `launch`: starts several processes of a command on this host, and ends all of them if one ends badly.
//!
//! It sets the variables of `mlx.launch`, so that both start ranks alike.
//!
//! Tests: `tests/ranks.rs`, `--test campaign`.

use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{ensure, Context, Result};
use clap::Parser;
use mlx_runtime::distributed;
use rustix::process::{kill_process, Pid, Signal};
use signal_hook::consts::signal as signals;
use signal_hook::iterator::Signals;

use super::times::seconds;
use super::{Backend, LOST, TIMEOUT};
use crate::cli::{self, Cli, LaunchArgs};
use crate::output::{self, Quiet};

/// Set for processes whose standard input ends with the launcher.
pub const LAUNCHED: &str = "LLAMA_LORA_LAUNCHED";

/// The threads of a process on a CPU.
const THREADS: &str = "MLX_SYS_CPU_THREADS";

/// The time for ranks to end by themselves after one has failed. One that is stopped does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// Variables of other launchers, which would say something else.
const OTHERS: [&str; 8] = [
    "MLX_HOSTFILE",
    "MLX_WORLD_SIZE",
    "NCCL_HOST_IP",
    "NCCL_PORT",
    "MLX_JACCL_COORDINATOR",
    "MLX_IBV_DEVICES",
    "OMPI_COMM_WORLD_RANK",
    "RANK",
];

/// Starts the processes, and waits for them.
pub fn run(args: &LaunchArgs) -> Result<()> {
    let device = device_of(&args.command)?;
    let cpu = device.is_some_and(|d| d.trim().starts_with("cpu"));
    let backend = match args.backend {
        Some(backend) => backend,
        None if !cpu && distributed::is_available(Some("nccl"))? => Backend::Nccl,
        None => Backend::Ring,
    };
    ensure!(
        backend != Backend::Nccl || !cpu && distributed::is_available(Some("nccl"))?,
        "this build of MLX has no NCCL, or the device is the CPU; hint: --backend ring"
    );
    let gpus = match backend {
        Backend::Nccl => gpus(),
        _ => Vec::new(),
    };
    let n = match args.processes {
        Some(n) => n,
        None => {
            ensure!(
                !gpus.is_empty(),
                "the number of processes is not known here; hint: llama_lora launch -n 2 -- {}",
                args.command[0].to_string_lossy()
            );
            gpus.len()
        }
    };
    ensure!(
        (1..=1024).contains(&n),
        "-n is {n}, expected a number from 1 to 1024"
    );
    ensure!(
        gpus.is_empty() || n <= gpus.len(),
        "expected at most {} processes, one a GPU, found -n {n}",
        gpus.len()
    );
    let timeout = seconds(&args.timeout.to_string());
    let timeout = timeout.with_context(|| {
        format!(
            "--timeout is {}, expected seconds from 3 to 86400",
            args.timeout
        )
    })?;
    let signals = Signals::new([
        signals::SIGINT,
        signals::SIGTERM,
        signals::SIGHUP,
        signals::SIGQUIT,
    ]);
    let mut signals = signals.context("cannot listen to signals")?;
    let port = ports(n + 1)?;
    let mut hosts = tempfile::NamedTempFile::new().context("cannot write the list of hosts")?;
    let addresses: Vec<[String; 1]> = (0..n)
        .map(|i| [format!("127.0.0.1:{}", usize::from(port) + i)])
        .collect();
    hosts.write_all(serde_json::to_string(&addresses)?.as_bytes())?;
    let mut all = Vec::with_capacity(n);
    for rank in 0..n {
        let mut command =
            Command::new(std::env::current_exe().context("cannot find this program")?);
        command.args(&args.command).stdin(Stdio::piped());
        for name in OTHERS {
            command.env_remove(name);
        }
        command
            .env("MLX_RANK", rank.to_string())
            .env(TIMEOUT, timeout.to_string())
            .env(LAUNCHED, "1");
        match backend {
            Backend::Nccl => {
                command
                    .env("MLX_WORLD_SIZE", n.to_string())
                    .env("NCCL_HOST_IP", "127.0.0.1")
                    .env("NCCL_PORT", port.to_string());
                if let Some(gpu) = gpus.get(rank) {
                    command.env("CUDA_VISIBLE_DEVICES", gpu);
                }
            }
            _ => {
                command.env("MLX_HOSTFILE", hosts.path());
            }
        }
        if std::env::var_os(THREADS).is_none() && backend == Backend::Ring {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            command.env(THREADS, (cores / n).max(1).to_string());
        }
        match command.spawn() {
            Ok(child) => all.push(child),
            Err(error) => {
                all.iter_mut().for_each(|child| drop(child.kill()));
                return Err(error).with_context(|| format!("cannot start rank {rank}"));
            }
        }
    }
    let patience = PATIENCE;
    let ended = wait(&mut all, &mut signals, patience)?;
    match code(&ended) {
        0 => Ok(()),
        code => Err(Quiet(code).into()),
    }
}

/// The device that the command asks for; ends the program for a command line that is wrong, before it is started many times.
fn device_of(command: &[OsString]) -> Result<Option<String>> {
    let line = std::iter::once(OsString::from("llama_lora")).chain(command.iter().cloned());
    let cli = Cli::try_parse_from(line).unwrap_or_else(|error| error.exit());
    let device = match cli.command {
        Some(cli::Command::Train(args) | cli::Command::Lora(args)) => args.runtime.device,
        Some(cli::Command::Bench(args)) => args.runtime.device,
        _ => anyhow::bail!(
            "{:?} does not run on several ranks: expected train, lora or bench",
            command[0].to_string_lossy()
        ),
    };
    Ok(device.or_else(|| std::env::var("MLX_DEVICE").ok()))
}

/// The GPUs that processes may use; none if that is not known. The driver is not asked, because that would take memory on
/// one of them.
fn gpus() -> Vec<String> {
    if let Ok(list) = std::env::var("CUDA_VISIBLE_DEVICES") {
        let list = list.split(',').map(str::trim);
        return list.filter(|d| !d.is_empty()).map(str::to_owned).collect();
    }
    let files = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let devices = files.filter(|f| {
        let name = f.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("nvidia");
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    (0..devices.count()).map(|i| i.to_string()).collect()
}

/// The first of `count` ports in a row that are free on this host.
fn ports(count: usize) -> Result<u16> {
    let bind = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    for _ in 0..200 {
        let first = bind(0).context("cannot open a port")?;
        let port = first.local_addr()?.port();
        let others = (1..count).map(|i| u16::try_from(usize::from(port) + i).map(bind));
        if others.into_iter().all(|other| matches!(other, Ok(Ok(_)))) {
            return Ok(port);
        }
    }
    anyhow::bail!("no {count} free ports in a row on this host")
}

/// Waits until all have ended. Passes signals on; once one rank has failed, the others have `patience` to end.
fn wait(all: &mut [Child], signals: &mut Signals, patience: Duration) -> Result<Vec<ExitStatus>> {
    let mut ended: Vec<Option<ExitStatus>> = vec![None; all.len()];
    let mut failed: Option<Instant> = None;
    let mut interrupts = 0;
    loop {
        for (rank, child) in all.iter_mut().enumerate() {
            if ended[rank].is_some() {
                continue;
            }
            let Some(status) = child.try_wait().context("cannot wait for a rank")? else {
                continue;
            };
            ended[rank] = Some(status);
            if let Some(signal) = status.signal() {
                output::note(format_args!("rank {rank} was ended by signal {signal}"));
            }
            if !status.success() {
                failed.get_or_insert_with(Instant::now);
            }
        }
        if let Some(all) = ended.iter().copied().collect::<Option<Vec<_>>>() {
            return Ok(all);
        }
        for signal in signals.pending() {
            interrupts += usize::from(signal == signals::SIGINT);
            // A terminal sends Ctrl-C to the ranks as well. A second SIGINT would end them at once, a SIGTERM does not.
            let pass = match interrupts {
                0 | 1 => Signal::TERM,
                _ => Signal::KILL,
            };
            pass_on(all, &ended, pass);
        }
        if failed.is_some_and(|since| since.elapsed() > patience) {
            output::note("a rank has failed and others do not end: they are killed");
            pass_on(all, &ended, Signal::KILL);
            failed = Some(Instant::now());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

fn pass_on(all: &[Child], ended: &[Option<ExitStatus>], signal: Signal) {
    for (child, _) in all.iter().zip(ended).filter(|(_, e)| e.is_none()) {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended in between.
            let _ = kill_process(pid, signal);
        }
    }
}

/// The exit code of all: that of a rank which failed by itself, or the one for lost ranks.
fn code(ended: &[ExitStatus]) -> u8 {
    let codes = ended.iter().map(|status| status.code().map(|c| c as u8));
    let bad = codes.filter(|code| *code != Some(0));
    // A rank that was killed has no code.
    let mut bad: Vec<u8> = bad.map(|code| code.unwrap_or(LOST)).collect();
    bad.sort_by_key(|code| *code == LOST);
    bad.first().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_counts_more_than_those_that_follow_from_it() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        assert_eq!(code(&[exit(0), exit(0)]), 0);
        assert_eq!(code(&[exit(75), exit(1)]), 1);
        assert_eq!(code(&[exit(0), exit(75)]), LOST);
        assert_eq!(code(&[exit(75), ExitStatus::from_raw(9)]), LOST);
    }

    #[test]
    fn ports_in_a_row_are_free() {
        let first = ports(5).unwrap();
        for i in 0..5 {
            TcpListener::bind((Ipv4Addr::LOCALHOST, first + i)).unwrap();
        }
    }
}
