//! One UUCP lock file in the HDB format: eleven octets, the pid in ten columns and a newline.
//!
//! It is made whole under another name and then linked, so that nobody ever sees it empty, and it is
//! only removed while it still says that it is ours (FHS 3.0, section 5.9).

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::mem::ManuallyDrop;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::kill;
use nix::unistd::{Gid, Pid, Uid, geteuid, setfsgid, setfsuid};
use tracing::{info, warn};

use super::holder::Holder;

/// How long a lock without a pid in it is respected: its maker may be between `open` and `write`.
const UNFINISHED_FOR: Duration = Duration::from_secs(5);

/// How often somebody may take the name between our look and our link before we call it held.
const ATTEMPTS: usize = 4;

/// The lock files of this process. One with our pid that is not among them was left by an earlier
/// process with the same number, as happens all the time in containers.
static OURS: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);

/// Whom a lock names while no process of ours holds it: systemd, which keeps the line's descriptor.
const NEXT_HOLDER: i32 = 1;

fn ours() -> MutexGuard<'static, HashSet<PathBuf>> {
    OURS.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Why a lock file could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockFileError {
    #[error("in use by {0}")]
    Held(Holder),
    #[error(
        "stale lock {path} {stale}, belongs to uid {owner} and cannot be removed: {error}; remove it \
         with `rm {path}`",
        path = path.display()
    )]
    Stuck {
        path: PathBuf,
        stale: Stale,
        owner: u32,
        error: io::Error,
    },
    #[error("{0}")]
    Unwritable(#[from] io::Error),
}

/// A lock that nobody holds.
#[derive(Debug)]
pub(super) struct Stale {
    pid: Option<i32>,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "of pid {pid}, which is gone"),
            None => f.write_str("without a pid"),
        }
    }
}

/// A lock file that is ours until dropped.
#[derive(Debug)]
pub(super) struct LockFile {
    path: PathBuf,
    took_over: bool,
}

impl LockFile {
    pub(super) fn make(path: PathBuf, owner: Option<(Uid, Gid)>) -> Result<Self, LockFileError> {
        let mut ours = ours();
        if ours.contains(&path) {
            return Err(LockFileError::Held(Holder::of_lock_file(
                &path,
                Some(our_pid()),
            )));
        }
        let whole = match Temporary::write(&path, owner, our_pid()) {
            Ok(whole) => whole,
            Err(error) => {
                // We can make none, and yet respect the one that somebody made who could.
                staleness(&path)?;
                return Err(error.into());
            }
        };
        let mut took_over = false;
        for _ in 0..ATTEMPTS {
            match as_owner(owner, || fs::hard_link(&whole.path, &path)) {
                Ok(()) => {
                    ours.insert(path.clone());
                    return Ok(LockFile { path, took_over });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    took_over |= remove_if_stale(&path)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(LockFileError::Held(Holder::of_lock_file(&path, None)))
    }

    /// Takes over the lock that another process has left: one that names [`NEXT_HOLDER`] or somebody
    /// who is gone, or one that is not there any more.
    pub(super) fn take_over(path: PathBuf) -> Result<Self, LockFileError> {
        if !is_left(&path) {
            return LockFile::make(path, None);
        }
        let whole = Temporary::write(&path, None, our_pid())?;
        fs::rename(&whole.path, &path)?;
        ours().insert(path.clone());
        Ok(LockFile {
            path,
            took_over: false,
        })
    }

    /// Leaves the lock to the next process.
    pub(super) fn leave(self) {
        let lock = ManuallyDrop::new(self);
        ours().remove(&lock.path);
        if names(&lock.path, our_pid()) {
            let left = Temporary::write(&lock.path, None, NEXT_HOLDER)
                .and_then(|whole| fs::rename(&whole.path, &lock.path));
            if let Err(error) = left {
                warn!("{}: our lock cannot be left: {error}", lock.path.display());
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether somebody had left a lock who is gone.
    pub(super) fn took_over(&self) -> bool {
        self.took_over
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        let mut ours = ours();
        ours.remove(&self.path);
        match look(&self.path) {
            Ok((content, _)) if pid_in(&content) == Some(our_pid()) => {
                if let Err(error) = fs::remove_file(&self.path) {
                    warn!(
                        "{}: our lock cannot be removed: {error}",
                        self.path.display()
                    );
                }
            }
            Ok(_) => warn!("{}: not ours any more, leaving it", self.path.display()),
            Err(error) => warn!("{}: our lock is gone: {error}", self.path.display()),
        }
    }
}

/// The complete content of a lock under a name that nobody looks for.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn write(lock: &Path, owner: Option<(Uid, Gid)>, pid: i32) -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = lock.with_file_name(format!("LTMP.{}.{number}", our_pid()));
        let open = || OpenOptions::new().write(true).create_new(true).open(&path);
        let opened = as_owner(owner, open).or_else(|error| {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(error);
            }
            // A leftover of an earlier process with our pid, which is not running: we are.
            fs::remove_file(&path)?;
            as_owner(owner, open)
        });
        let mut file = opened?;
        let temporary = Temporary { path };
        // Whatever our umask is: a lock that others cannot read tells them nothing.
        file.set_permissions(Permissions::from_mode(0o644))?;
        file.write_all(format!("{pid:10}\n").as_bytes())?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes the lock at `path` if its owner is gone, and tells whether it did: it may have vanished by
/// itself. An error says who has it.
///
/// Renaming it first makes the look and the removal one step: of two who find the same stale lock,
/// only one gets it under the new name, and whoever finds a fresh lock there puts it back.
fn remove_if_stale(path: &Path) -> Result<bool, LockFileError> {
    let Some(stale) = staleness(path)? else {
        return Ok(false);
    };
    let aside = path.with_file_name(format!("LTMP.{}.stale", our_pid()));
    match fs::rename(path, &aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => {
            return Err(LockFileError::Stuck {
                path: path.to_owned(),
                stale,
                owner: fs::metadata(path).map_or(0, |of| of.uid()),
                error,
            });
        }
    }
    let verdict = staleness(&aside);
    if verdict.is_err() {
        // Between our look and our rename it was replaced by a living one.
        let _ = fs::hard_link(&aside, path);
    } else {
        info!("{}: stale lock {stale}, removed", path.display());
    }
    let _ = fs::remove_file(&aside);
    verdict.map(|stale| stale.is_some())
}

/// How the lock at `path` is stale, if there is one; an error says who holds it.
fn staleness(path: &Path) -> Result<Option<Stale>, LockFileError> {
    let held_by = |pid| Err(LockFileError::Held(Holder::of_lock_file(path, pid)));
    let (content, modified) = match look(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // It says nothing to us, but it is there.
        Err(_) => return held_by(None),
    };
    match pid_in(&content) {
        Some(pid) if pid != our_pid() && is_alive(pid) => held_by(Some(pid)),
        None if is_younger(modified, UNFINISHED_FOR) => held_by(None),
        pid => Ok(Some(Stale { pid })),
    }
}

/// Who holds the lock at `path`, if anybody does.
pub(super) fn holder(path: &Path) -> Option<Holder> {
    match staleness(path) {
        Err(LockFileError::Held(holder)) => Some(holder),
        _ => None,
    }
}

/// What a lock says, and since when.
///
/// Where everybody may make files, there may be anything under its name: a FIFO, which blocks whoever
/// opens it, or a link to a file without an end. Only a regular file is read, and only its beginning.
fn look(path: &Path) -> io::Result<(Vec<u8>, SystemTime)> {
    const ENOUGH: u64 = 128;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_NOCTTY)
        .open(path)?;
    let of = file.metadata()?;
    if !of.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut content = Vec::new();
    file.take(ENOUGH).read_to_end(&mut content)?;
    Ok((content, of.modified()?))
}

/// The pid in a UUCP lock file: the first word in ASCII, or four octets in the machine's order as some
/// old programs write it. A pid has at most 22 bits (`PID_MAX_LIMIT` in the kernel's `threads.h`),
/// so a binary one always has an octet that is zero, and text never has.
#[must_use]
pub fn pid_in(content: &[u8]) -> Option<i32> {
    const PID_MAX: i32 = 1 << 22;
    let pid = if content.contains(&0) {
        i32::from_ne_bytes(content.try_into().ok()?)
    } else {
        let text = std::str::from_utf8(content).ok()?;
        text.split_ascii_whitespace().next()?.parse().ok()?
    };
    (1..=PID_MAX).contains(&pid).then_some(pid)
}

/// Whether the lock at `path` was left to the next process, by one of this user.
fn is_left(path: &Path) -> bool {
    let is_our_users = fs::symlink_metadata(path).is_ok_and(|of| of.uid() == geteuid().as_raw());
    is_our_users && names(path, NEXT_HOLDER)
}

/// Removes the lock at `path` if it was left to the next process and this one has not taken it over.
pub(super) fn remove_if_left(path: &Path) {
    if !ours().contains(path) && is_left(path) {
        info!("{}: lock left to nobody, removed", path.display());
        let _ = fs::remove_file(path);
    }
}

fn names(path: &Path, pid: i32) -> bool {
    look(path).is_ok_and(|(content, _)| pid_in(&content) == Some(pid))
}

fn is_alive(pid: i32) -> bool {
    // EPERM means that there is somebody whom we may not signal.
    kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

fn is_younger(modified: SystemTime, age: Duration) -> bool {
    // A time in the future is a clock that was set back, not a program at work.
    modified.elapsed().is_ok_and(|elapsed| elapsed < age)
}

fn our_pid() -> i32 {
    Pid::this().as_raw()
}

/// Runs `work` with the file access of `owner` (`setfsuid(2)`: of this thread alone).
fn as_owner<T>(owner: Option<(Uid, Gid)>, work: impl FnOnce() -> T) -> T {
    let Some((uid, gid)) = owner else {
        return work();
    };
    let (gid_before, uid_before) = (setfsgid(gid), setfsuid(uid));
    let done = work();
    setfsuid(uid_before);
    setfsgid(gid_before);
    done
}

#[cfg(test)]
mod tests;
