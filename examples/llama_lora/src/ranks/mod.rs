//! Several processes that train together, each on its part of every batch (data parallelism).
//!
//! MLX's distributed backends carry the gradients. Beside them, the ranks are connected to a hub at rank 0, which notices
//! ranks that fail, end, stop or fall behind, and over which they agree on everything that the host decides.
//!
//! Tests: `tests/ranks.rs`; unit tests in `tests.rs`.

mod compare;
mod hub;
pub mod launch;
mod member;
mod message;
mod place;
#[cfg(test)]
mod tests;
mod times;

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{ensure, Context, Result};
use mlx_runtime::distributed::{self, Group};
use mlx_runtime::low_level::backend::cuda;
use mlx_runtime::model::{TrainStep, Trainable};
use mlx_runtime::runtime::Limit;
use mlx_runtime::{ops, Array, Dtype};
use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::data::Batch;
use crate::eval::Losses;
use crate::files::message;
use crate::mean::Mean;
use crate::output::{self, Quiet};
use crate::train::Stop;
pub use hub::LOST;
use member::Member;
pub use message::End;
pub use place::{find, Backend, Place};
pub use times::{Times, TIMEOUT};

/// The ranks of a run. With one process, every method does nothing, or what one process would do.
pub struct Ranks(Option<Together>);

struct Together {
    place: Place,
    member: Arc<Member>,
    group: Arc<Group>,
    /// The folder with the last save, for messages.
    folder: Arc<OnceLock<String>>,
    /// The hub, on rank 0.
    hub: Option<Arc<hub::Hub>>,
}

/// The cost of reducing the gradients of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Gradients of one step.
    pub bytes: usize,
    /// Pieces in which they are reduced.
    pub buckets: usize,
    /// Time of their reduction alone, in milliseconds. In a step, part of it is hidden behind the backward pass.
    pub ms: f64,
}

impl Ranks {
    /// One process.
    pub fn alone() -> Ranks {
        Ranks(None)
    }

    /// Joins the other ranks that the launcher has started, if it has. `device` is the one that was asked for.
    pub fn join(device: Option<&str>, stop: &Stop) -> Result<Ranks> {
        let var = |name: &str| std::env::var(name).ok();
        let device = device.map(str::to_owned).or_else(|| var("MLX_DEVICE"));
        let cpu = device.is_some_and(|d| d.trim().starts_with("cpu"));
        let nccl = !cpu && distributed::is_available(Some("nccl"))?;
        let Some(place) = find(var, nccl)? else {
            return Ok(Ranks::alone());
        };
        let times = Times::from_env(var(TIMEOUT).as_deref())?;
        if var(launch::LAUNCHED).is_some() {
            end_with_launcher(stop);
        }
        for (name, value) in &place.set {
            std::env::set_var(name, value);
        }
        let mut early = None;
        let (address, listener) = match &place.hub {
            Some(address) => {
                let listener = (place.rank == 0).then(|| listen(address));
                (address.clone(), listener.transpose()?)
            }
            None => {
                let group = mpi(&place)?;
                let met = meet(&group)?;
                early = Some(group);
                met
            }
        };
        let hub = listener.map(|l| hub::serve(l, place.size, times, version()));
        let hub = hub.transpose().context("cannot serve the other ranks")?;
        let folder: Arc<OnceLock<String>> = Arc::default();
        let ended = leave_process(stop.clone(), &place, Arc::clone(&folder));
        let member = Member::join(
            &address,
            (place.rank, place.size),
            (times, var(launch::LAUNCHED).is_some()),
            &version(),
            ended,
        )?;
        let ranks = |group| {
            Ranks(Some(Together {
                place: place.clone(),
                member: Arc::clone(&member),
                group,
                folder,
                hub,
            }))
        };
        // Everyone is there before MLX waits for everyone.
        let joined = member
            .round("the start", String::new())
            .and_then(|_| match early {
                Some(group) => Ok(group),
                None => mlx_group(&place),
            });
        let group = match joined {
            Ok(group) => group,
            Err(error) => {
                member.fail(&message(&error), 1);
                return Err(error);
            }
        };
        if place.rank > 0 {
            output::mute();
        } else {
            output::note(format_args!(
                "{} ranks over {}: each takes its part of every batch",
                place.size,
                place.backend.name()
            ));
        }
        Ok(ranks(group))
    }

    /// The number of this process.
    pub fn rank(&self) -> usize {
        self.0.as_ref().map_or(0, |t| t.place.rank)
    }

    /// The number of processes.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(1, |t| t.place.size)
    }

    /// Processes that share this host's memory, as far as known.
    pub fn local_size(&self) -> usize {
        self.0.as_ref().map_or(1, |t| t.place.local_size.max(1))
    }

    /// Returns true if this process writes files, prints and logs.
    pub fn is_writer(&self) -> bool {
        self.rank() == 0
    }

    /// MLX's group, if there are other processes.
    pub fn group(&self) -> Option<Arc<Group>> {
        self.0.as_ref().map(|t| Arc::clone(&t.group))
    }

    /// Names the folder that the run saves in.
    pub fn saves_in(&self, folder: &Path) {
        if let Some(t) = &self.0 {
            let _ = t.folder.set(folder.display().to_string());
        }
    }

    /// Says what takes long from now on, so that the others wait; `None` ends it.
    pub fn busy(&self, what: Option<&str>) {
        if let Some(t) = &self.0 {
            t.member.set_busy(what);
        }
    }

    /// The values of all ranks, in their order.
    pub fn gather<T: Serialize + DeserializeOwned + Clone>(
        &self,
        at: &str,
        value: &T,
    ) -> Result<Vec<T>> {
        let Some(t) = &self.0 else {
            return Ok(vec![value.clone()]);
        };
        let all = t.member.round(at, serde_json::to_string(value)?)?;
        let read = |text: &String| serde_json::from_str(text).context("another rank's message");
        all.iter().map(read).collect()
    }

    /// The value that rank 0 makes.
    pub fn from_writer<T: Serialize + DeserializeOwned + Clone>(
        &self,
        at: &str,
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let own = if self.is_writer() {
            Some(make()?)
        } else {
            None
        };
        let mut all = self.gather(at, &own)?;
        all.swap_remove(0).context("rank 0 sent nothing")
    }

    /// Runs `f` on rank 0 first, and then on the others: what it downloads is then there.
    pub fn writer_first<T>(&self, at: &str, f: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut f = Some(f);
        let mut run = || f.take().map(|f| f()).transpose();
        let early = if self.is_writer() { run()? } else { None };
        self.gather(at, &())?;
        match early {
            Some(value) => Ok(value),
            None => run()?.context("not run"),
        }
    }

    /// Returns an error on all ranks if the values of two of them differ.
    pub fn compare(&self, at: &str, value: &serde_json::Value) -> Result<()> {
        compare::all_alike(at, &self.gather(at, value)?)
    }

    /// Returns an error on all ranks if their parameters or the states of their optimisers differ.
    pub fn compare_states<M: Trainable>(&self, at: &str, step: &TrainStep<M>) -> Result<()> {
        if self.0.is_none() {
            return Ok(());
        }
        let digest = crate::train::digest(&step.state())?;
        self.compare(at, &serde_json::json!({ "parameters": digest }))
    }

    /// The share of memory of a rank, if several share this host's.
    pub fn memory_share(&self) -> Result<Option<Limit>> {
        let local = self.local_size();
        // Each has a GPU with memory of its own.
        let own = local == 1 || cuda::is_available()?;
        Ok((!own).then(|| Limit::Share(0.8 / local as f64)))
    }

    /// Returns true if any rank was asked to stop; all then stop at the same step.
    pub fn stops(&self, stop: &Stop, step: u64) -> Result<bool> {
        if self.0.is_some() {
            let all = self.gather(&format!("step {}", step + 1), &stop.signal())?;
            if let Some(signal) = all.into_iter().find(|s| *s != 0) {
                stop.ask_as(signal);
                return Ok(true);
            }
            // One that came in between is seen at the next step, on all ranks.
            return Ok(false);
        }
        Ok(stop.asked())
    }

    /// The losses of all ranks together.
    pub fn losses(&self, at: &str, own: Losses) -> Result<Losses> {
        let all = self.gather(at, &(own.mean.to_bits(), own.rewards.to_bits()))?;
        let mut losses = Losses::default();
        for (mean, rewards) in all {
            losses.mean = [losses.mean, Mean::from_bits(mean)].into_iter().sum();
            losses.rewards.add_bits(rewards);
        }
        Ok(losses)
    }

    /// This rank's rows of a batch: `rank`, `rank + size`, .. as in mlx-lm.
    pub fn part(&self, batch: Batch) -> Batch {
        match &self.0 {
            Some(t) => batch.part(t.place.rank, t.place.size),
            None => batch,
        }
    }

    /// The rows of a rank's part of `rows` rows.
    pub fn rows(&self, rows: usize) -> usize {
        rows.div_ceil(self.size())
    }

    /// Gives all ranks the state of rank 0's step.
    pub fn share<M: Trainable>(&self, step: &mut TrainStep<M>) -> Result<()> {
        let Some(t) = &self.0 else { return Ok(()) };
        let mut all = std::collections::HashMap::new();
        for (name, array) in step.state() {
            all.insert(name, distributed::broadcast(&array, 0, &t.group)?);
        }
        Ok(step.restore(|name| all.remove(name))?)
    }

    /// Measures the reduction of a step's gradients; `None` with one process.
    pub fn cost<M: Trainable>(&self, step: &TrainStep<M>) -> Result<Option<Cost>> {
        let Some(t) = &self.0 else { return Ok(None) };
        let buckets = step.reduced_bytes();
        let mut best = f64::INFINITY;
        // The first times include connections that are made when they are first used.
        for _ in 0..4 {
            let mut seconds = 0.0;
            for bytes in &buckets {
                let values = i32::try_from(bytes / 4)?.max(1);
                let zeros = ops::zeros(&[values], Dtype::Float32)?;
                zeros.eval()?;
                let sum: Array = distributed::all_sum(&zeros, Some(&t.group))?;
                let started = Instant::now();
                sum.eval()?;
                seconds += started.elapsed().as_secs_f64();
            }
            best = best.min(seconds);
        }
        Ok(Some(Cost {
            bytes: buckets.iter().sum(),
            buckets: buckets.len(),
            ms: best * 1e3,
        }))
    }

    /// Ends the run on all ranks: waits for the others after a success, and ends them after a failure.
    pub fn settle(&self, result: Result<()>) -> Result<()> {
        let Some(t) = &self.0 else { return result };
        let error = match result.and_then(|()| t.member.last_round("the end")) {
            Ok(()) => {
                if let Some(hub) = &t.hub {
                    hub.wait_for_all_to_leave();
                }
                return Ok(());
            }
            Err(error) => error,
        };
        match error.downcast_ref() {
            Some(Quiet(code)) => t.member.fail("", *code),
            None => t.member.fail(&message(&error), 1),
        }
        Err(error)
    }
}

fn version() -> String {
    format!(
        "{} (MLX {})",
        env!("CARGO_PKG_VERSION"),
        mlx_runtime::version().unwrap_or_default()
    )
}

/// MLX's group of a place.
fn mlx_group(place: &Place) -> Result<Arc<Group>> {
    let mut file = None;
    if let Some(addresses) = &place.ring {
        let hosts: Vec<[&String; 1]> = addresses.iter().map(|a| [a]).collect();
        let made = tempfile::NamedTempFile::new().context("cannot write the list of hosts")?;
        std::fs::write(made.path(), serde_json::to_string(&hosts)?)?;
        std::env::set_var("MLX_HOSTFILE", made.path());
        file = Some(made);
    }
    let group = distributed::init(true, Some(place.backend.name()));
    drop(file);
    checked(place, group?)
}

/// As [`mlx_group`] with MPI, which is set up first because nothing else says where rank 0 is.
fn mpi(place: &Place) -> Result<Arc<Group>> {
    let group = distributed::init(true, Some("mpi")).context(
        "started by mpirun, but MLX cannot use MPI; hint: install Open MPI, or use llama_lora launch -n 2 -- train ..",
    )?;
    checked(place, group)
}

fn checked(place: &Place, group: Group) -> Result<Arc<Group>> {
    ensure!(
        (group.rank(), group.size()) == (place.rank, place.size),
        "MLX's {} group says rank {} of {}, the launcher rank {} of {}",
        place.backend.name(),
        group.rank(),
        group.size(),
        place.rank,
        place.size
    );
    Ok(Arc::new(group))
}

/// The hub's address, which rank 0 makes up and tells the others through MLX. Rank 0 also gets the listener.
fn meet(group: &Group) -> Result<(String, Option<TcpListener>)> {
    let mut own = [0u32; 5];
    let mut listener = None;
    if group.rank() == 0 {
        let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
            .context("cannot open a port for the other ranks")?;
        let name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let address = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), 0));
        let found = address.into_iter().flatten().find_map(|a| match a.ip() {
            std::net::IpAddr::V4(ip) => Some(ip),
            std::net::IpAddr::V6(_) => None,
        });
        let ip = found.unwrap_or(Ipv4Addr::LOCALHOST).octets().map(u32::from);
        own = [
            ip[0],
            ip[1],
            ip[2],
            ip[3],
            u32::from(bound.local_addr()?.port()),
        ];
        listener = Some(bound);
    }
    let all = distributed::broadcast(&Array::from_slice(&own, &[5])?, 0, group)?;
    let [a, b, c, d, port] = all.to_vec::<u32>()?[..] else {
        anyhow::bail!("rank 0 sent no address")
    };
    Ok((format!("{a}.{b}.{c}.{d}:{port}"), listener))
}

/// Listens at the hub's address, or at all addresses if the host has another name for itself.
fn listen(hub: &str) -> Result<TcpListener> {
    let (_, port) = hub.rsplit_once(':').context("the hub has no port")?;
    let bound = TcpListener::bind(hub).or_else(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => Err(error),
        _ => TcpListener::bind((Ipv4Addr::UNSPECIFIED, port.parse().unwrap_or(0))),
    });
    bound.with_context(|| {
        format!("cannot listen on {hub} for the other ranks: the port after MLX's own must be free; hint: choose other ports with the launcher")
    })
}

/// Ends the process from the thread that hears of the end, because the others may wait in MLX for ever.
fn leave_process(stop: Stop, place: &Place, folder: Arc<OnceLock<String>>) -> member::Ended {
    let (rank, size) = (place.rank, place.size);
    Box::new(move |text, code| {
        if let Some(text) = text {
            let saved = match folder.get() {
                Some(folder) if code == LOST => {
                    format!("; what was saved in {folder} is whole, and --resume goes on from it")
                }
                _ => String::new(),
            };
            output::error(format_args!("rank {rank} of {size}: {text}{saved}"));
        }
        stop.leave(code)
    })
}

/// Asks the run to stop if the launcher ends, which holds the other end of the standard input.
fn end_with_launcher(stop: &Stop) {
    let stop = stop.clone();
    let watch = move || {
        let mut byte = [0; 64];
        while std::io::stdin().read(&mut byte).is_ok_and(|n| n > 0) {}
        stop.ask();
    };
    // Without it the run only outlives its launcher.
    let _ = std::thread::Builder::new()
        .name("launcher".to_owned())
        .spawn(watch);
}
