//! The memory that Linux lets a control group of processes use, such as a container's.
//!
//! Tests: unit tests below.

use std::fs;
use std::path::{Path, PathBuf};

/// The smallest limit on this process's groups, in bytes; `None` if nothing limits them.
pub(super) fn limit() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    smallest(&groups, Path::new("/sys/fs/cgroup"))
}

/// The smallest limit that the files below `root` state for `groups`, the text of
/// `/proc/self/cgroup`. A group's ancestors limit it too. A container may see its own group at the
/// root and not under its name, so the root always counts.
fn smallest(groups: &str, root: &Path) -> Option<usize> {
    let mut found = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(name)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (base, files): (PathBuf, &[&str]) = match controllers {
            // Version 2: above `high` the system slows the group down, above `max` it ends it.
            "" => (root.to_owned(), &["memory.max", "memory.high"]),
            c if c.split(',').any(|c| c == "memory") => {
                (root.join("memory"), &["memory.limit_in_bytes"])
            }
            _ => continue,
        };
        let group = base.join(name.trim_start_matches('/'));
        for folder in group.ancestors().take_while(|f| f.starts_with(&base)) {
            for file in files {
                found = match (found, read(&folder.join(file))) {
                    (Some(a), Some(b)) => Some(std::cmp::min(a, b)),
                    (a, b) => a.or(b),
                };
            }
        }
    }
    found
}

/// The number in a file. `max`, and the huge number that version 1 writes instead, are no limit.
fn read(file: &Path) -> Option<usize> {
    let bytes: usize = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (bytes < 1 << 60).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn version_two_takes_the_smallest_of_the_group_and_those_above() {
        let dir = tree(&[
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.high", "9000000000\n"),
            ("a/memory.max", "8000000000\n"),
            ("c/memory.max", "1\n"),
        ]);
        assert_eq!(smallest("0::/a/b\n", dir.path()), Some(8_000_000_000));
        assert_eq!(smallest("0::/d\n", dir.path()), None);
    }

    #[test]
    fn a_container_sees_its_limit_at_the_root() {
        let dir = tree(&[("memory.max", "4000000000\n")]);
        assert_eq!(
            smallest("0::/docker/0123\n", dir.path()),
            Some(4_000_000_000)
        );
    }

    #[test]
    fn version_one_is_the_memory_controller() {
        let groups = "9:name=systemd:/\n8:cpu,cpuacct:/x\n4:memory:/jobs/7\n0::/\n";
        let dir = tree(&[
            ("memory/jobs/7/memory.limit_in_bytes", "2000000000\n"),
            (
                "memory/memory.limit_in_bytes",
                "9223372036854771712\n", // no limit
            ),
            ("cpu/x/memory.limit_in_bytes", "5\n"),
        ]);
        assert_eq!(smallest(groups, dir.path()), Some(2_000_000_000));
    }

    #[test]
    fn nonsense_is_no_limit() {
        let dir = tree(&[("memory.max", "soon\n")]);
        assert_eq!(smallest("0::/\nx\n::\n\n", dir.path()), None);
        assert_eq!(smallest("0::/../../../../etc\n", dir.path()), None);
    }
}
