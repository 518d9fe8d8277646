//! Lock files.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::System;
use crate::claim::{LockDirectory, pid_in};
use crate::modemctl::doctor::facts::{Lock, Process};

/// A lock without a pid in it may be one that is just being made.
const UNFINISHED_FOR: Duration = Duration::from_secs(5);

impl System {
    pub(super) fn locks(&self, device: &Path, folder: &Path) -> Vec<Lock> {
        let directory = LockDirectory::new(Some(self.at(folder)), None);
        let real = self.at(device).canonicalize().ok();
        let names = real.map(|real| self.named(&real)).into_iter();
        let files = names
            .chain([device.to_owned()])
            .flat_map(|name| directory.files_for(&name));
        let files: BTreeSet<_> = files.collect();
        files
            .into_iter()
            .filter_map(|file| self.lock(&file))
            .collect()
    }

    fn lock(&self, file: &Path) -> Option<Lock> {
        const ENOUGH: u64 = 128;
        let of = fs::symlink_metadata(file).ok().filter(Metadata::is_file)?;
        let mut content = Vec::new();
        File::open(file)
            .ok()?
            .take(ENOUGH)
            .read_to_end(&mut content)
            .ok()?;
        let pid = pid_in(&content);
        let is_young = of
            .modified()
            .ok()?
            .elapsed()
            .is_ok_and(|age| age < UNFINISHED_FOR);
        if pid.is_none() && is_young {
            return None;
        }
        // Where processes are hidden (proc(5), hidepid), nobody is known to be gone.
        let may_be_hidden = !self.is_there("/proc/1/comm");
        let holder = pid.and_then(|pid| {
            let program = self.program(pid);
            let program = program.or_else(|| may_be_hidden.then(|| "?".to_owned()))?;
            Some(Process { pid, program })
        });
        Some(Lock {
            path: self.named(file),
            owner: of.uid(),
            pid,
            holder,
        })
    }
}
