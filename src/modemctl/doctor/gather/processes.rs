//! Who runs, and what they have open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::System;
use crate::claim::flock_owner;
use crate::modemctl::doctor::facts::Process;

#[derive(Default)]
pub(super) struct Processes {
    pub(super) names: BTreeMap<i32, String>,
    pub(super) open: BTreeMap<PathBuf, BTreeSet<Process>>,
    /// Whether somebody's open files were not to be seen.
    pub(super) some_are_hidden: bool,
}

impl System {
    pub(super) fn processes(&self) -> Processes {
        let mut processes = Processes::default();
        let pids = self.names("/proc").into_iter();
        let pids = pids.filter_map(|name| name.parse::<i32>().ok());
        for pid in pids {
            let Some(program) = self.program(pid) else {
                continue;
            };
            processes.names.insert(pid, program.clone());
            let Ok(open) = fs::read_dir(self.at(format!("/proc/{pid}/fd"))) else {
                processes.some_are_hidden |= self.is_there(&format!("/proc/{pid}"));
                continue;
            };
            for target in open
                .flatten()
                .filter_map(|fd| fs::read_link(fd.path()).ok())
            {
                if target.starts_with("/dev") {
                    let process = Process {
                        pid,
                        program: program.clone(),
                    };
                    processes.open.entry(target).or_default().insert(process);
                }
            }
        }
        processes
    }

    /// The name of a running program, which its process may choose freely.
    pub(super) fn program(&self, pid: i32) -> Option<String> {
        let name = self.text(format!("/proc/{pid}/comm"))?;
        Some(name.escape_debug().to_string())
    }

    pub(super) fn flock(&self, of: &Metadata) -> Option<Process> {
        let pid = flock_owner(&self.text("/proc/locks")?, of.dev(), of.ino())?;
        let program = self.program(pid)?;
        Some(Process { pid, program })
    }
}
