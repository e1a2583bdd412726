//! Which core this process runs on.
//!
//! Promises: all threads of this process are on one core until [`Pinned`] is dropped, and afterwards where they were
//! allowed to be before; threads and processes that are started meanwhile inherit it. Does not: keep anybody else
//! off a core.

use std::fs;
use std::io;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

/// Two cores that this process may use.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Cores {
    /// Of client, application, database and authorizer.
    pub(super) client: usize,
    /// Of whoever is measured.
    pub(super) peer: usize,
}

/// That this process is on one core.
#[derive(Debug)]
pub(super) struct Pinned {
    before: CpuSet,
}

impl Cores {
    /// The first two; `None` where there is only one.
    pub(super) fn choose() -> io::Result<Option<Self>> {
        let allowed = sched_getaffinity(None)?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let both = cores.next().zip(cores.next());
        Ok(both.map(|(client, peer)| Self { client, peer }))
    }

    /// Puts this process on the client's.
    pub(super) fn pin_client(&self) -> io::Result<Pinned> {
        let before = sched_getaffinity(None)?;
        let mut only = CpuSet::new();
        only.set(self.client);
        place(&only)?;
        Ok(Pinned { before })
    }

    /// What a peer is started by.
    pub(super) fn peer_command(&self) -> Vec<String> {
        let core = self.peer.to_string();
        ["taskset", "-c", &core].map(str::to_owned).to_vec()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // A process that stays on one core is slower, and no more than that.
        let _ = place(&self.before);
    }
}

/// Twice: a thread that was started meanwhile by one that was not yet placed is found the second time.
fn place(cores: &CpuSet) -> io::Result<()> {
    for _ in 0..2 {
        for entry in fs::read_dir("/proc/self/task")? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.parse().ok());
            let Some(thread) = number.and_then(Pid::from_raw) else {
                continue;
            };
            match sched_setaffinity(Some(thread), cores) {
                // It has ended.
                Err(rustix::io::Errno::SRCH) => {}
                placed => placed?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_are_on_one_core_and_then_where_they_were() {
        let before = sched_getaffinity(None).unwrap();
        let Some(cores) = Cores::choose().unwrap() else {
            return;
        };
        let of_new = || {
            let looked = std::thread::spawn(|| sched_getaffinity(None).unwrap());
            looked.join().unwrap()
        };
        let pinned = cores.pin_client().unwrap();
        assert_eq!((of_new().count(), of_new().is_set(cores.client)), (1, true));
        drop(pinned);
        assert_eq!(of_new(), before);
    }
}
