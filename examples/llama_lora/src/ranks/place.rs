//! The place of this process among others, as the launcher's variables say it: those of `llama_lora launch` and `mlx.launch`,
//! of `mpirun` (Open MPI), and of `torchrun`.
//!
//! Tests: unit tests below.

use std::path::Path;

use anyhow::{bail, ensure, Context, Result};

use crate::files::read_json;

/// A backend of MLX, under MLX's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// Sockets.
    Ring,
    /// NCCL, on CUDA.
    Nccl,
    /// MPI.
    #[value(skip)]
    Mpi,
    /// RDMA over Thunderbolt.
    #[value(skip)]
    Jaccl,
}

impl Backend {
    /// MLX's name.
    pub fn name(self) -> &'static str {
        match self {
            Backend::Ring => "ring",
            Backend::Nccl => "nccl",
            Backend::Mpi => "mpi",
            Backend::Jaccl => "jaccl",
        }
    }
}

/// This process among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub rank: usize,
    /// The number of processes.
    pub size: usize,
    /// The backend.
    pub backend: Backend,
    /// The address of the hub; `None` with MPI, which names no host.
    pub hub: Option<String>,
    /// Processes on this host, as far as known.
    pub local_size: usize,
    /// Variables that MLX needs and the launcher has not set.
    pub set: Vec<(&'static str, String)>,
    /// Addresses for MLX's ring that the launcher has not set.
    pub ring: Option<Vec<String>>,
}

/// Says where this process is. `var` reads the environment; `nccl` is true if this build of MLX has NCCL and the device is
/// not the CPU. `None` if there is no other process.
pub fn find(var: impl Fn(&str) -> Option<String>, nccl: bool) -> Result<Option<Place>> {
    let var = |name: &str| var(name).filter(|text| !text.trim().is_empty());
    let number = |name: &str| -> Result<usize> {
        let text = var(name).with_context(|| format!("{name} is not set"))?;
        let number = text.trim().parse();
        number.with_context(|| format!("invalid {name} {text:?}: expected a number"))
    };
    let place = if var("MLX_RANK").is_some() {
        of_mlx(&var, &number)?
    } else if var("OMPI_COMM_WORLD_RANK").is_some() {
        Place {
            rank: number("OMPI_COMM_WORLD_RANK")?,
            size: number("OMPI_COMM_WORLD_SIZE")?,
            backend: Backend::Mpi,
            hub: None,
            local_size: number("OMPI_COMM_WORLD_LOCAL_SIZE").unwrap_or(1),
            set: Vec::new(),
            ring: None,
        }
    } else if ["RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"]
        .iter()
        .all(|name| var(name).is_some())
    {
        of_torchrun(&var, &number, nccl)?
    } else {
        return Ok(None);
    };
    ensure!(
        place.rank < place.size.max(1),
        "rank {} of {}: expected a rank below the number of ranks",
        place.rank,
        place.size
    );
    if place.size < 2 {
        return Ok(None);
    }
    ensure!(
        place.backend != Backend::Nccl || nccl,
        "the launcher asks for NCCL, but this build of MLX has none, or the device is the CPU; hint: --backend ring"
    );
    Ok(Some(place))
}

type Var<'a> = &'a dyn Fn(&str) -> Option<String>;
type Number<'a> = &'a dyn Fn(&str) -> Result<usize>;

/// `mlx.launch`.
fn of_mlx(var: Var, number: Number) -> Result<Place> {
    let rank = number("MLX_RANK")?;
    let place = |size: usize, local_size: usize, backend: Backend, hub: String| Place {
        rank,
        size,
        backend,
        hub: Some(hub),
        local_size,
        set: Vec::new(),
        ring: None,
    };
    if let Some(file) = var("MLX_HOSTFILE") {
        let file = Path::new(&file);
        // mlx.launch writes an empty file for one process.
        let blank = std::fs::read_to_string(file).is_ok_and(|text| text.trim().is_empty());
        let hosts: Vec<Vec<String>> = match blank {
            true => Vec::new(),
            false => read_json(file).context("MLX_HOSTFILE")?,
        };
        let Some(first) = hosts.first().and_then(|h| h.first()) else {
            return Ok(place(1, 1, Backend::Ring, String::new()));
        };
        let (host, _) = split(first)?;
        let mut last = 0;
        for address in hosts.iter().flatten() {
            last = last.max(split(address)?.1);
        }
        let own = hosts.get(rank).and_then(|h| h.first());
        let own = own.map(|a| split(a)).transpose()?.map(|a| a.0);
        let here = |h: &&Vec<String>| h.first().and_then(|a| split(a).ok()).map(|a| a.0) == own;
        let local = hosts.iter().filter(here).count();
        return Ok(place(hosts.len(), local, Backend::Ring, next(&host, last)?));
    }
    if let Some(coordinator) = var("MLX_JACCL_COORDINATOR") {
        let devices = var("MLX_IBV_DEVICES").context("MLX_IBV_DEVICES is not set")?;
        let devices: Vec<serde_json::Value> =
            read_json(Path::new(&devices)).context("MLX_IBV_DEVICES")?;
        let (host, port) = split(&coordinator)?;
        return Ok(place(devices.len(), 1, Backend::Jaccl, next(&host, port)?));
    }
    if let (Some(host), Some(_)) = (var("NCCL_HOST_IP"), var("MLX_WORLD_SIZE")) {
        let port = u16::try_from(number("NCCL_PORT")?).context("invalid NCCL_PORT")?;
        let hub = next(host.trim(), port)?;
        // One process a GPU: memory is not shared.
        return Ok(place(number("MLX_WORLD_SIZE")?, 1, Backend::Nccl, hub));
    }
    bail!(
        "MLX_RANK is set, but neither MLX_HOSTFILE, nor NCCL_HOST_IP, NCCL_PORT and MLX_WORLD_SIZE, nor \
         MLX_JACCL_COORDINATOR; hint: start with llama_lora launch -n 2 -- train .., or unset MLX_RANK"
    )
}

/// `torchrun`, which keeps the port itself.
fn of_torchrun(var: Var, number: Number, nccl: bool) -> Result<Place> {
    let (rank, size) = (number("RANK")?, number("WORLD_SIZE")?);
    let local_size = match var("LOCAL_WORLD_SIZE") {
        Some(_) => number("LOCAL_WORLD_SIZE")?,
        None => size,
    };
    let host = var("MASTER_ADDR").unwrap_or_default().trim().to_owned();
    let port = u16::try_from(number("MASTER_PORT")?).context("invalid MASTER_PORT")?;
    let hub = next(&host, port)?;
    let mut place = Place {
        rank,
        size,
        backend: if nccl { Backend::Nccl } else { Backend::Ring },
        hub: Some(hub),
        local_size,
        set: vec![("MLX_RANK", rank.to_string())],
        ring: None,
    };
    let more = |by: usize| -> Result<u16> {
        let port = usize::from(port) + 1 + by;
        u16::try_from(port)
            .context("MASTER_PORT is too large: expected room for a port for each rank above it")
    };
    if nccl {
        place.set.extend([
            ("MLX_WORLD_SIZE", size.to_string()),
            ("NCCL_HOST_IP", host),
            ("NCCL_PORT", more(1)?.to_string()),
        ]);
        // MLX takes the first device that it sees.
        if let Some(local) = var("LOCAL_RANK") {
            place.set.push((
                "CUDA_VISIBLE_DEVICES",
                device(&local, var("CUDA_VISIBLE_DEVICES"))?,
            ));
        }
    } else {
        ensure!(
            local_size == size || size < 2,
            "torchrun's variables name no host but the first, and MLX's ring needs all of them; hint: mlx.launch --hostfile HOSTS"
        );
        let address = |i: usize| Ok(format!("127.0.0.1:{}", more(1 + i)?));
        place.ring = Some((0..size).map(address).collect::<Result<_>>()?);
    }
    Ok(place)
}

/// The device of a local rank, from a list of those that the process may use.
fn device(local: &str, visible: Option<String>) -> Result<String> {
    let Some(visible) = visible else {
        return Ok(local.trim().to_owned());
    };
    let devices: Vec<&str> = visible.split(',').map(str::trim).collect();
    let at: usize = local.trim().parse().context("invalid LOCAL_RANK")?;
    match devices[..] {
        // Each process was given its own.
        [one] => Ok(one.to_owned()),
        _ => {
            let device = devices.get(at).with_context(|| {
                format!("local rank {at} has no device: CUDA_VISIBLE_DEVICES is {visible:?}")
            })?;
            Ok((*device).to_owned())
        }
    }
}

/// Host and port of `host:port`.
fn split(address: &str) -> Result<(String, u16)> {
    let parts = address.rsplit_once(':');
    let parts = parts.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
    parts.with_context(|| {
        format!("invalid address {address:?}: expected an IP and a port, such as 10.0.0.1:32323")
    })
}

/// The address of the hub: the port after the last one of MLX.
fn next(host: &str, port: u16) -> Result<String> {
    let port = port
        .checked_add(1)
        .context("no port is left above those of MLX: choose lower ones")?;
    Ok(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn in_env(set: &[(&str, &str)], nccl: bool) -> Result<Option<Place>> {
        let map: HashMap<_, _> = set.iter().copied().collect();
        find(|name| map.get(name).map(|t| (*t).to_owned()), nccl)
    }

    #[test]
    fn nothing_and_groups_of_one_are_no_group() {
        assert_eq!(in_env(&[], false).unwrap(), None);
        let one = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&one, "\n").unwrap();
        let file = one.path().to_str().unwrap();
        let set = [("MLX_RANK", "0"), ("MLX_HOSTFILE", file)];
        assert_eq!(in_env(&set, false).unwrap(), None);
        let one = [("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "1")];
        assert_eq!(in_env(&one, false).unwrap(), None);
    }

    #[test]
    fn mlx_launch_over_ring_and_nccl() {
        let hosts = tempfile::NamedTempFile::new().unwrap();
        let text = r#"[["10.0.0.1:5000", "10.0.0.1:5001"], ["10.0.0.2:5002", "10.0.0.2:5003"]]"#;
        std::fs::write(&hosts, text).unwrap();
        let file = hosts.path().to_str().unwrap();
        let place = in_env(&[("MLX_RANK", "1"), ("MLX_HOSTFILE", file)], false);
        let place = place.unwrap().unwrap();
        assert_eq!((place.rank, place.size, place.local_size), (1, 2, 1));
        assert_eq!(place.backend, Backend::Ring);
        assert_eq!(place.hub.as_deref(), Some("10.0.0.1:5004"));
        let wrong = in_env(&[("MLX_RANK", "2"), ("MLX_HOSTFILE", file)], false);
        assert!(wrong.unwrap_err().to_string().contains("rank 2 of 2"));

        let set = [
            ("MLX_RANK", "3"),
            ("MLX_WORLD_SIZE", "4"),
            ("NCCL_HOST_IP", "127.0.0.1"),
            ("NCCL_PORT", "12345"),
        ];
        let place = in_env(&set, true).unwrap().unwrap();
        assert_eq!(place.backend, Backend::Nccl);
        assert_eq!(place.hub.as_deref(), Some("127.0.0.1:12346"));
        let error = in_env(&set, false).unwrap_err().to_string();
        assert!(error.contains("--backend ring"), "{error}");
        let error = in_env(&set[..1], true).unwrap_err().to_string();
        assert!(error.contains("unset MLX_RANK"), "{error}");
    }

    #[test]
    fn torchrun_on_one_host() {
        let set = [
            ("RANK", "1"),
            ("WORLD_SIZE", "2"),
            ("LOCAL_RANK", "1"),
            ("LOCAL_WORLD_SIZE", "2"),
            ("MASTER_ADDR", "127.0.0.1"),
            ("MASTER_PORT", "29500"),
            ("CUDA_VISIBLE_DEVICES", "4,6"),
        ];
        let ring = in_env(&set, false).unwrap().unwrap();
        assert_eq!(ring.hub.as_deref(), Some("127.0.0.1:29501"));
        let addresses = ["127.0.0.1:29502", "127.0.0.1:29503"].map(str::to_owned);
        assert_eq!(ring.ring, Some(addresses.to_vec()));
        let nccl = in_env(&set, true).unwrap().unwrap();
        assert!(nccl.set.contains(&("NCCL_PORT", "29502".to_owned())));
        assert!(nccl.set.contains(&("CUDA_VISIBLE_DEVICES", "6".to_owned())));
        assert!(in_env(&set[..5], false).unwrap().is_none());
    }

    #[test]
    fn numbers_and_addresses_are_checked() {
        for (name, value) in [("MLX_RANK", "one"), ("MLX_RANK", "-1")] {
            let error = in_env(&[(name, value)], false).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains(value), "{error}");
        }
        assert!(split("nowhere").is_err() && split("10.0.0.1:many").is_err());
        assert!(next("h", u16::MAX).is_err());
    }
}
