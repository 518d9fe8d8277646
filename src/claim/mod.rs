//! The exclusive hold on a line, while a session uses it and no longer.
//!
//! No single lock excludes everybody: minicom, cu, mgetty and pppd look at UUCP lock files, picocom
//! and pyserial at `flock(2)`, screen and everyone without privileges at `TIOCEXCL`. A [`Claim`]
//! holds all three, the lock files first, because opening a line raises DTR on somebody else's call.

mod holder;
mod lock_file;

use std::fs::{File, TryLockError};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::libc;
use nix::sys::stat::major;
use nix::unistd::{Gid, Uid};
use tracing::warn;

use crate::config::display_duration;
pub use holder::Holder;
pub(crate) use holder::flock_owner;
pub use lock_file::pid_in;
use lock_file::{LockFile, LockFileError};

/// Why a line cannot be had now.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Somebody else uses it, and will be done some day.
    #[error("{device}: in use by {holder}", device = device.display())]
    Busy {
        /// The line asked for, as configured.
        device: PathBuf,
        /// Who has it, as far as can be told.
        holder: Holder,
    },
    /// Somebody who runs the server has taken it out of service.
    #[error("{device}: out of service; `modemctl resume {device}` puts it back", device = device.display())]
    Drained {
        /// The line asked for, as configured.
        device: PathBuf,
    },
    /// Its modem did not do what it was told when it was last tried.
    #[error("{device}: {why}; it is tried again in {left}", device = device.display(), left = soon(*left))]
    Aside {
        /// The line asked for, as configured.
        device: PathBuf,
        /// What the modem did, or did not do.
        why: String,
        /// How long it will not be tried.
        left: Duration,
    },
    /// It is missing, is no serial line, or does not do what its settings say.
    #[error("{device}: {why}", device = device.display())]
    Broken {
        /// The line asked for, as configured.
        device: PathBuf,
        /// What is wrong, and the way out.
        why: String,
    },
}

impl Unavailable {
    pub(crate) fn broken(device: &Path, why: impl Into<String>) -> Self {
        Unavailable::Broken {
            device: device.to_owned(),
            why: why.into(),
        }
    }

    pub(crate) fn busy(device: &Path, holder: Holder) -> Self {
        Unavailable::Busy {
            device: device.to_owned(),
            holder,
        }
    }
}

/// A time that nobody wants to know to the second, if it is more than a minute.
fn soon(time: Duration) -> String {
    let seconds = time.as_secs() + 1;
    let whole = match seconds {
        ..=60 => seconds,
        more => more.div_ceil(60) * 60,
    };
    display_duration(Duration::from_secs(whole))
}

/// The directory of the UUCP lock files, `/run/lock` on most machines.
#[derive(Debug)]
pub struct LockDirectory {
    path: PathBuf,
    owner: Option<(Uid, Gid)>,
    warned: AtomicBool,
}

impl LockDirectory {
    /// The lock files in `path`; without one, where this system's programs keep them.
    ///
    /// With an `owner` they are made as that user would make them: what root makes in a sticky
    /// directory, nobody else could remove after the privileges are gone.
    #[must_use]
    pub fn new(path: Option<PathBuf>, owner: Option<(Uid, Gid)>) -> Self {
        LockDirectory {
            path: path.unwrap_or_else(|| usual_lock_directory(Path::new("/"))),
            owner,
            warned: AtomicBool::new(false),
        }
    }

    /// The files that lock a line, under all the names that other programs look for.
    #[must_use]
    pub fn files_for(&self, device: &Path) -> Vec<PathBuf> {
        let names = lock_names(device, &real_path(device));
        names.iter().map(|name| self.path.join(name)).collect()
    }

    /// Who holds a line by a lock file, if anybody does whose process lives.
    #[must_use]
    pub fn holder(&self, device: &Path) -> Option<Holder> {
        let mut files = self.files_for(device).into_iter();
        files.find_map(|path| lock_file::holder(&path))
    }

    /// Removes the locks of a line that were left to a process that never came: those which name the
    /// first of all processes and are ours by their owner, but for those that this process has taken
    /// over. Only to be asked for lines that no other service of ours shares: it may be about to come.
    pub fn sweep(&self, device: &Path) {
        for path in self.files_for(device) {
            lock_file::remove_if_left(&path);
        }
    }

    fn warn_once(&self, error: &std::io::Error) {
        if !self.warned.swap(true, Ordering::Relaxed) {
            warn!(
                MESSAGE_ID = crate::journal::NO_LOCK_FILES,
                "{}: no lock file can be made: {error}; holding lines by flock and TIOCEXCL alone, \
                 which minicom, cu and mgetty do not look at; make the directory writable for us or \
                 set `lock_dir`",
                self.path.display()
            );
        }
    }
}

/// Where minicom, cu and others of this system look: Fedora and its kin have a directory for serial
/// locks below the one that all others have (`/usr/lib/tmpfiles.d/lockdev.conf` there). It is looked
/// for on the system below `root`.
pub(crate) fn usual_lock_directory(root: &Path) -> PathBuf {
    let has_lockdev = root.join("run/lock/lockdev").is_dir();
    PathBuf::from(if has_lockdev {
        "/run/lock/lockdev"
    } else {
        "/run/lock"
    })
}

/// The hold on one line. Dropping it removes the lock files.
#[derive(Debug)]
pub struct Claim {
    device: PathBuf,
    lock_files: Vec<LockFile>,
}

impl Claim {
    /// Makes the lock files for `device`, which is not opened yet.
    ///
    /// Where the directory cannot be written (or is full) the claim is made without them, with one
    /// warning: [`Claim::secure`] still keeps out all who look at the line itself.
    pub fn take(device: &Path, directory: &LockDirectory) -> Result<Claim, Unavailable> {
        let mut lock_files = Vec::new();
        for path in directory.files_for(device) {
            match LockFile::make(path, directory.owner) {
                Ok(lock_file) => lock_files.push(lock_file),
                Err(LockFileError::Held(holder)) => return Err(Unavailable::busy(device, holder)),
                Err(stuck @ LockFileError::Stuck { .. }) => {
                    return Err(Unavailable::broken(device, stuck.to_string()));
                }
                Err(LockFileError::Unwritable(error)) => {
                    // The other names are still to be looked at.
                    directory.warn_once(&error);
                }
            }
        }
        Ok(Claim {
            device: device.to_owned(),
            lock_files,
        })
    }

    /// A claim that rests on the line's descriptor, which another process has left, locked as it was.
    #[must_use]
    pub fn without_files(device: &Path) -> Claim {
        Claim {
            device: device.to_owned(),
            lock_files: Vec::new(),
        }
    }

    /// Takes over the lock files that another process has left, as [`Claim::leave`] leaves them or as
    /// they are after its death. Tells why one cannot be had, if so; then this can be tried again.
    pub fn take_over(&mut self, lock_files: &[PathBuf]) -> Option<Unavailable> {
        let mut reason = None;
        for path in lock_files {
            if self.lock_files().any(|ours| ours == path) {
                continue;
            }
            match LockFile::take_over(path.clone()) {
                Ok(lock_file) => self.lock_files.push(lock_file),
                Err(LockFileError::Held(holder)) => {
                    reason = Some(Unavailable::busy(&self.device, holder));
                }
                Err(other) => reason = Some(Unavailable::broken(&self.device, other.to_string())),
            }
        }
        reason
    }

    /// Leaves the lock files to the next process. Until then they name the first of all processes,
    /// which always runs and which keeps the line's descriptor meanwhile: nobody takes them for stale.
    pub fn leave(self) {
        for lock_file in self.lock_files {
            lock_file.leave();
        }
    }

    /// The lock files.
    pub fn lock_files(&self) -> impl Iterator<Item = &Path> {
        self.lock_files.iter().map(LockFile::path)
    }

    /// Takes the locks that live in the kernel, on the line just opened: `flock(2)`, and a look
    /// whether somebody set `TIOCEXCL`, which does not stop root from opening (`ioctl_tty(2)`).
    pub fn secure(&self, tty: &File) -> Result<(), Unavailable> {
        match tty.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Unavailable::busy(&self.device, Holder::of_flock(tty)));
            }
            Err(TryLockError::Error(error)) => {
                return Err(Unavailable::broken(
                    &self.device,
                    format!("cannot be locked: {error}"),
                ));
            }
        }
        if is_exclusive(tty) && !self.may_be_left_over(tty) {
            return Err(Unavailable::busy(&self.device, Holder::of_exclusive_open()));
        }
        Ok(())
    }

    /// Whether an exclusive mode may be what somebody left who was killed. On a serial line it ends
    /// with its last user; on a pseudo terminal it stays while the other side is open, and then a
    /// lock of somebody who is gone, which we removed, tells that it is nobody's.
    fn may_be_left_over(&self, tty: &File) -> bool {
        let is_pseudo = tty.metadata().is_ok_and(|of| is_pseudo_terminal(of.rdev()));
        is_pseudo && self.lock_files.iter().any(LockFile::took_over)
    }
}

/// By its number in the kernel's `Documentation/admin-guide/devices.txt`.
pub(crate) fn is_pseudo_terminal(device: u64) -> bool {
    (136..=143).contains(&major(device))
}

nix::ioctl_read!(
    /// `TIOCGEXCL`, Linux 3.8: whether the terminal is in exclusive mode.
    tiocgexcl,
    b'T',
    0x40,
    libc::c_int
);

fn is_exclusive(tty: &File) -> bool {
    let mut exclusive = 0;
    // SAFETY: `tty` is open for the whole call, and TIOCGEXCL writes one int to a valid place.
    #[allow(unsafe_code)]
    let answer = unsafe { tiocgexcl(tty.as_raw_fd(), &raw mut exclusive) };
    answer.is_ok() && exclusive != 0
}

fn real_path(device: &Path) -> PathBuf {
    // A device that is not there keeps its name: opening it will say what is wrong.
    device.canonicalize().unwrap_or_else(|_| device.to_owned())
}

/// The names under which other programs look for a lock on this line.
///
/// cu, C-Kermit and mgetty take the base name; minicom and gensio turn every `/` below `/dev` into
/// `_`; C-Kermit follows a symbolic link first, the others do not.
fn lock_names(configured: &Path, real: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for path in [real, configured] {
        let below_dev = path.strip_prefix("/dev").ok();
        let base = path.file_name();
        for part in [base.map(Path::new), below_dev].into_iter().flatten() {
            let name = format!("LCK..{}", part.to_string_lossy().replace('/', "_"));
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(configured: &str, real: &str) -> Vec<String> {
        lock_names(Path::new(configured), Path::new(real))
    }

    #[test]
    fn a_plain_line_has_one_lock_name() {
        assert_eq!(names("/dev/ttyS1", "/dev/ttyS1"), ["LCK..ttyS1"]);
    }

    #[test]
    fn a_serial_line_is_no_pseudo_terminal() {
        use nix::sys::stat::makedev;
        assert!(is_pseudo_terminal(makedev(136, 0)));
        assert!(is_pseudo_terminal(makedev(143, 255)));
        // ttyS1, ttyUSB0, ttyACM0.
        for (major, minor) in [(4, 65), (188, 0), (166, 0)] {
            assert!(
                !is_pseudo_terminal(makedev(major, minor)),
                "{major}:{minor}"
            );
        }
    }

    #[test]
    fn a_line_in_a_subdirectory_has_both_spellings() {
        assert_eq!(names("/dev/pts/3", "/dev/pts/3"), ["LCK..3", "LCK..pts_3"]);
    }

    #[test]
    fn a_symbolic_link_is_locked_under_its_own_names_too() {
        assert_eq!(
            names("/dev/serial/by-id/usb-X", "/dev/ttyUSB0"),
            ["LCK..ttyUSB0", "LCK..usb-X", "LCK..serial_by-id_usb-X"]
        );
    }

    #[test]
    fn a_link_outside_dev_is_locked_by_its_base_name() {
        assert_eq!(
            names("/srv/modem", "/dev/ttyS1"),
            ["LCK..ttyS1", "LCK..modem"]
        );
    }
}
