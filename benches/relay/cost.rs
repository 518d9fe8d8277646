//! What a server costs, as the kernel counts it.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::server::is_installed;

/// These and all that came of them.
pub(crate) fn descendants(of: &[Pid]) -> Vec<Pid> {
    let mut all = of.to_vec();
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let children = fs::read_to_string(path).unwrap_or_default();
        all.extend(
            children
                .split_whitespace()
                .filter_map(|child| child.parse().ok().map(Pid::from_raw)),
        );
        next += 1;
    }
    all
}

/// The CPU time that these have used.
pub(crate) fn cpu(processes: &[Pid]) -> Duration {
    let of = |pid: &Pid| {
        let clock = clock_getcpuclockid(*pid).ok()?;
        clock_gettime(clock).ok().map(Duration::from)
    };
    processes.iter().filter_map(of).sum()
}

/// How often these were given a CPU and left it.
pub(crate) fn switches(processes: &[Pid]) -> u64 {
    let mut sum = 0;
    for pid in processes {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten();
        for task in tasks.flatten() {
            let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
            sum += status
                .lines()
                .filter(|line| line.contains("ctxt_switches"))
                .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok())
                .sum::<u64>();
        }
    }
    sum
}

/// Their share of the memory, in KiB (`Pss` of `proc_pid_smaps_rollup(5)`).
pub(crate) fn memory(processes: &[Pid]) -> u64 {
    let of = |pid: &Pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    processes.iter().filter_map(of).sum()
}

/// How many descriptors they have open.
pub(crate) fn descriptors(processes: &[Pid]) -> usize {
    let of = |pid: &Pid| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    processes.iter().map(of).sum()
}

/// Counts system calls, where `perf` is installed and may.
pub(crate) struct Syscalls(Child);

impl Syscalls {
    pub(crate) fn count(processes: &[Pid]) -> Option<Syscalls> {
        if !is_installed("perf") {
            return None;
        }
        let pids: Vec<_> = processes.iter().map(ToString::to_string).collect();
        let mut perf = Command::new("perf");
        perf.args(["stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p"]);
        perf.arg(pids.join(","));
        perf.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let child = perf.spawn().ok()?;
        // It says nothing when it has begun.
        std::thread::sleep(Duration::from_millis(150));
        Some(Syscalls(child))
    }

    pub(crate) fn end(self) -> Option<u64> {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).ok()?);
        kill(pid, Signal::SIGINT).ok()?;
        let said = self.0.wait_with_output().ok()?;
        let text = String::from_utf8_lossy(&said.stderr);
        text.lines()
            .find_map(|line| line.split(',').next()?.parse().ok())
    }
}
