//! Who has a line that we wanted, for the message that says so.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::stat::{major, minor};

/// Who holds a line, as far as can be told from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pid: Option<i32>,
    program: Option<String>,
    by: By,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum By {
    LockFile(PathBuf),
    Flock,
    ExclusiveOpen,
}

impl Holder {
    /// The holder named by a UUCP lock file; no pid where the file does not hold one (yet).
    #[must_use]
    pub fn of_lock_file(path: &Path, pid: Option<i32>) -> Self {
        Holder {
            pid,
            program: pid.and_then(program),
            by: By::LockFile(path.to_owned()),
        }
    }

    /// The holder of the `flock(2)` on this open file, by `/proc/locks` where that can be read.
    #[must_use]
    pub fn of_flock(file: &File) -> Self {
        let pid = fs::read_to_string("/proc/locks")
            .ok()
            .zip(file.metadata().ok())
            .and_then(|(locks, of)| flock_owner(&locks, of.dev(), of.ino()));
        Holder {
            pid,
            program: pid.and_then(program),
            by: By::Flock,
        }
    }

    /// The program's name and number, as far as they are known.
    #[must_use]
    pub fn who(&self) -> String {
        match (self.pid, &self.program) {
            (Some(pid), Some(program)) => format!("{program} ({pid})"),
            (Some(pid), None) => format!("process {pid}"),
            _ => "another program".to_owned(),
        }
    }

    /// Somebody who set `TIOCEXCL`; the kernel does not say who.
    #[must_use]
    pub fn of_exclusive_open() -> Self {
        Holder {
            pid: None,
            program: None,
            by: By::ExclusiveOpen,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.program) {
            (Some(pid), Some(program)) => write!(f, "pid {pid} ({program})")?,
            (Some(pid), None) => write!(f, "pid {pid}")?,
            _ => write!(f, "another program")?,
        }
        match &self.by {
            By::LockFile(path) => write!(f, ", which holds {}", path.display()),
            By::Flock => write!(f, ", which holds its flock"),
            By::ExclusiveOpen => write!(f, ", which opened it exclusively (TIOCEXCL)"),
        }
    }
}

/// The name of a running program; a process may choose it freely, so it is escaped.
fn program(pid: i32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end_matches('\n').escape_debug().to_string())
}

/// Finds the owner in lines like `1: FLOCK  ADVISORY  WRITE 1234 00:18:7 0 EOF` (`proc_locks(5)`).
pub(crate) fn flock_owner(locks: &str, device: u64, inode: u64) -> Option<i32> {
    let of = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    locks
        .lines()
        .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>())
        .find(|fields| fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&of.as_str()))
        .and_then(|fields| fields[4].parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_owner_of_a_flock_is_found_by_device_and_inode() {
        let locks = "1: POSIX  ADVISORY  WRITE 7 00:18:5 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 812 00:18:5 0 EOF\n";
        assert_eq!(flock_owner(locks, 0x18, 5), Some(812));
        assert_eq!(flock_owner(locks, 0x18, 6), None);
    }

    #[test]
    fn a_holder_is_named_with_pid_program_and_lock() {
        let me = i32::try_from(std::process::id()).unwrap();
        let holder = Holder::of_lock_file(Path::new("/run/lock/LCK..ttyS1"), Some(me));
        let text = holder.to_string();
        assert!(text.starts_with(&format!("pid {me} (")), "{text}");
        assert!(text.ends_with("which holds /run/lock/LCK..ttyS1"), "{text}");
    }

    proptest! {
        #[test]
        fn any_text_for_proc_locks_is_survived(locks in ".*") {
            let _ = flock_owner(&locks, 1, 1);
        }
    }
}
