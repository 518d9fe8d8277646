//! systemd's file descriptor store: who keeps the descriptors of a session while there is no process
//! of ours, and gives them to the next one (`FDSTORE=1` in `sd_notify(3)`, and
//! <https://systemd.io/FILE_DESCRIPTOR_STORE>).

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::net::unix::pipe;
use tokio::time::timeout;
use tracing::warn;

/// What the names of stored descriptors begin with; no port has such a name.
const PREFIX: &str = "session@";

/// How long systemd may take to do what it was told.
const PATIENCE: Duration = Duration::from_secs(2);

/// `FileDescriptorStoreMax=` of `modem.service`.
const SHIPPED_ROOM: usize = 4500;

/// The store of this service.
#[derive(Debug, Clone)]
pub struct Store {
    /// For so many descriptors more.
    room: Rc<Cell<usize>>,
}

impl Store {
    /// The store, where there is one. Before version 254 systemd does not say so (`$FDSTORE`), and
    /// what it is told is without effect.
    #[must_use]
    pub fn of_systemd() -> Option<Store> {
        std::env::var_os("NOTIFY_SOCKET")?;
        let said = std::env::var("FDSTORE").ok();
        let room = said.map_or(Some(SHIPPED_ROOM), |most| most.parse().ok());
        let room = room.filter(|room| *room > 0)?;
        Some(Store {
            room: Rc::new(Cell::new(room)),
        })
    }

    /// Has these descriptors of a session kept.
    #[must_use]
    pub fn keep(&self, session: u64, descriptors: &[BorrowedFd<'_>]) -> Option<Kept> {
        let mut kept = self.found(session, 0);
        kept.add(descriptors).then_some(kept)
    }

    /// So many descriptors that another process had kept of a session.
    #[must_use]
    pub fn found(&self, session: u64, count: usize) -> Kept {
        self.room.set(self.room.get().saturating_sub(count));
        Kept {
            name: format!("{PREFIX}{session:016x}"),
            count,
            room: Rc::clone(&self.room),
        }
    }
}

/// The session whose descriptors have this name, if it is one's.
#[must_use]
pub fn session_of(name: &str) -> Option<u64> {
    let number = name.strip_prefix(PREFIX)?;
    u64::from_str_radix(number, 16).ok()
}

/// The descriptors of one session in the store. They are removed when this is dropped.
#[derive(Debug)]
pub struct Kept {
    name: String,
    count: usize,
    room: Rc<Cell<usize>>,
}

impl Kept {
    /// Has more descriptors kept; false if there is no room, or systemd cannot be told.
    ///
    /// `FDPOLL=0`: else systemd throws away what has hung up, and nobody would release the rest.
    pub fn add(&mut self, descriptors: &[BorrowedFd<'_>]) -> bool {
        let Some(room) = self.room.get().checked_sub(descriptors.len()) else {
            warn!(
                "systemd has no room to keep {}, which will end with this process; \
                 FileDescriptorStoreMax= makes more",
                self.name
            );
            return false;
        };
        self.room.set(room);
        self.count += descriptors.len();
        let message = [
            NotifyState::FdStore,
            NotifyState::FdName(&self.name),
            NotifyState::Custom("FDPOLL=0"),
        ];
        let sent = sd_notify::notify_with_fds(&message, descriptors);
        if let Err(error) = &sent {
            warn!("systemd cannot be given {} to keep: {error}", self.name);
        }
        sent.is_ok()
    }

    /// Leaves them to the next process.
    pub fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.room.set(self.room.get() + self.count);
        remove(&self.name);
    }
}

/// Has systemd throw away what it keeps under a name that is no session's: another version of modemd
/// may have had it kept, and this one knows nothing to do with it.
pub fn let_go(name: &str) {
    warn!(
        "systemd keeps something as `{name}`, which this modemd does not know; it is thrown away"
    );
    remove(name);
}

fn remove(name: &str) {
    let message = [NotifyState::FdStoreRemove, NotifyState::FdName(name)];
    if let Err(error) = sd_notify::notify(&message) {
        warn!("systemd cannot be told to let go of {name}: {error}");
    }
}

/// Completes when systemd has done all that it was told, or takes too long (`sd_notify_barrier(3)`).
///
/// Before version 254 it closes what it kept in its own thread. Whoever is the last to close a line
/// may wait half a minute (`closing_wait`); that must not be the first of all processes.
pub async fn settled() {
    let told = || -> io::Result<pipe::Receiver> {
        let (ours, theirs) = io::pipe()?;
        sd_notify::notify_with_fds(&[NotifyState::Custom("BARRIER=1")], &[theirs.as_fd()])?;
        pipe::Receiver::from_owned_fd(ours.into())
    };
    if let Ok(ours) = told() {
        let _ = timeout(PATIENCE, ours.readable()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// systemd hands all names over in one variable, and no process can be started with one of more
    /// than 128 KiB (`MAX_ARG_STRLEN`, execve(2)): no call would survive that.
    #[test]
    fn the_names_of_a_full_store_can_be_handed_over() {
        const LONGEST_VARIABLE: usize = 128 * 1024;
        const FOR_SOCKETS: usize = 16 * 1024;
        let unit = include_str!("../units/modem.service");
        assert!(unit.contains(&format!("\nFileDescriptorStoreMax={SHIPPED_ROOM}\n")));
        let name = format!("{PREFIX}{:016x}:", u64::MAX);
        assert!(SHIPPED_ROOM * name.len() + FOR_SOCKETS < LONGEST_VARIABLE);
    }
}
