//! How long the threads of a process have run, by the scheduler's own count.
//!
//! Promises: nanoseconds, of all threads of a process, with those of its children or without, as they were when they last went to sleep
//! (a thread that runs is behind by a tick). Does not: count a thread that has ended between two looks.

use std::collections::BTreeMap;
use std::fs;
use std::io;

/// Run time by thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usage(BTreeMap<u32, u64>);

impl Usage {
    /// Of a process, so far.
    ///
    /// # Errors
    ///
    /// When there is no such process, or the scheduler does not count.
    pub(crate) fn of(process: u32) -> io::Result<Self> {
        Self::counted(process, true)
    }

    /// Of a process alone, so far: what it has started is counted apart, or not at all.
    ///
    /// # Errors
    ///
    /// As [`Usage::of`].
    pub(crate) fn alone(process: u32) -> io::Result<Self> {
        Self::counted(process, false)
    }

    fn counted(process: u32, with_children: bool) -> io::Result<Self> {
        let mut usage = Self(BTreeMap::new());
        usage.add(process, with_children)?;
        if usage.0.is_empty() {
            let why = format!("expected a process {process} whose run time is counted");
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
        Ok(usage)
    }

    /// In nanoseconds.
    pub(crate) fn since(&self, earlier: &Self) -> u64 {
        let used = self.0.iter().map(|(thread, now)| {
            let before = earlier.0.get(thread).copied().unwrap_or_default();
            now.saturating_sub(before)
        });
        used.sum()
    }

    fn add(&mut self, process: u32, with_children: bool) -> io::Result<()> {
        for entry in fs::read_dir(format!("/proc/{process}/task"))? {
            let entry = entry?;
            let Some(thread) = number(&entry.file_name().to_string_lossy()) else {
                continue;
            };
            // Whoever has ended meanwhile has no files.
            if let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) {
                self.0.insert(thread, run_time(&text)?);
            }
            if !with_children {
                continue;
            }
            let children = fs::read_to_string(entry.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(number) {
                // As above.
                let _ = self.add(child, true);
            }
        }
        Ok(())
    }
}

/// The first of the three numbers: run time, time of waiting for a core, turns.
fn run_time(text: &str) -> io::Result<u64> {
    let numbers: Vec<u64> = text
        .split_whitespace()
        .filter_map(|number| number.parse().ok())
        .collect();
    match numbers.as_slice() {
        [run, _wait, _turns] => Ok(*run),
        [..] => {
            let why = format!("expected three numbers, not {text:?}");
            Err(io::Error::new(io::ErrorKind::InvalidData, why))
        }
    }
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process_group};

    use super::*;

    #[test]
    fn run_time_is_the_first_number_and_what_is_no_count_is_refused() {
        assert_eq!(run_time("68043512 33140169 147\n").unwrap(), 68_043_512);
        for text in ["", "1 2", "a b c", "1 2 3 4", "-1 2 3"] {
            assert!(run_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn children_count_and_new_threads_do_from_their_start() {
        let old = Usage(BTreeMap::from([(1, 10), (2, 5)]));
        let new = Usage(BTreeMap::from([(1, 15), (3, 7)]));
        assert_eq!(new.since(&old), 12);

        // The shell waits; what it has started works.
        let mut shell = Command::new("sh")
            .args(["-c", "(while :; do :; done) & wait"])
            .process_group(0)
            .spawn()
            .unwrap();
        let before = Usage::of(shell.id()).unwrap();
        let begun = Instant::now();
        let mut used = 0;
        while used < 1_000_000 && begun.elapsed() < Duration::from_secs(20) {
            used = Usage::of(shell.id()).unwrap().since(&before);
        }
        let alone = Usage::alone(shell.id()).unwrap();
        assert!(alone.0.keys().all(|thread| *thread == shell.id()));
        kill_process_group(Pid::from_child(&shell), Signal::KILL).unwrap();
        shell.wait().unwrap();
        assert!(used >= 1_000_000, "{used} ns were counted");
        assert!(Usage::of(u32::MAX).is_err());
    }
}
