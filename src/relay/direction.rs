//! One direction of a relay: what was read is written on, and what was not taken is kept.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll, Waker};

use nix::errno::Errno;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};

use super::turn::longest;
use crate::ledger::{Ledger, Way};

/// One direction: what was read here and not yet taken there.
pub(super) struct Direction {
    way: Way,
    kept: Vec<u8>,
    taken: usize,
    /// How many octets were in front of `kept` since it was last empty.
    dropped: usize,
    /// How often it was emptied.
    generation: u64,
    /// How many octets were taken in all.
    pub(super) moved: u64,
}

impl Direction {
    pub(super) fn new(way: Way) -> Self {
        Direction {
            way,
            kept: Vec::new(),
            taken: 0,
            dropped: 0,
            generation: 0,
            moved: 0,
        }
    }

    /// As a ledger has it.
    pub(super) fn found(ledger: &Ledger, way: Way) -> Self {
        let (dropped, kept) = ledger.kept(way);
        Direction {
            kept,
            dropped,
            moved: ledger.counted(way),
            ..Direction::new(way)
        }
    }

    /// Notes what is kept.
    pub(super) fn note(&self, ledger: &mut Ledger) {
        let from = self.dropped + self.taken;
        ledger.follow(self.way, self.generation, from, &self.kept[self.taken..]);
    }

    pub(super) fn is_clear(&self) -> bool {
        self.kept.is_empty()
    }

    pub(super) fn forget(&mut self) {
        self.generation += 1;
        self.kept = Vec::new();
        self.taken = 0;
        self.dropped = 0;
    }

    /// How many octets are kept.
    pub(super) fn kept(&self) -> usize {
        self.kept.len() - self.taken
    }

    /// Writes `bytes`, after what is kept, and keeps what was not taken.
    pub(super) fn pass<T: AsFd + AsRawFd>(
        &mut self,
        bytes: &[u8],
        to: &AsyncFd<T>,
    ) -> io::Result<()> {
        if !self.is_clear() {
            self.keep(bytes);
            return Ok(());
        }
        let written = write(to.get_ref(), bytes)?;
        self.moved += written as u64;
        if written < bytes.len() {
            self.keep(&bytes[written..]);
            mark_full(to);
        }
        Ok(())
    }

    /// Keeps `bytes` for later.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        // Else it would grow for as long as there is always something left.
        if self.taken > self.kept.len() / 2 {
            self.kept.drain(..self.taken);
            self.dropped += self.taken;
            self.taken = 0;
        }
        self.kept.extend_from_slice(bytes);
    }

    /// How many octets of what is kept are written at a time.
    pub(super) fn next(&self) -> usize {
        self.kept().min(longest(self.way))
    }

    /// Writes of what is kept as much as is taken now.
    pub(super) fn pass_kept<T: AsFd + AsRawFd>(
        &mut self,
        to: &mut AsyncFdReadyGuard<'_, T>,
    ) -> io::Result<usize> {
        let next = self.next();
        let written = write(to.get_inner(), &self.kept[self.taken..self.taken + next])?;
        if written < next {
            to.clear_ready();
        }
        self.moved += written as u64;
        self.taken += written;
        if self.taken == self.kept.len() {
            self.forget();
        }
        Ok(written)
    }
}

/// Notes that `fd` takes nothing more until there is an event that says so: as after an `EAGAIN`, for
/// what was written in part has come just as far (`epoll(7)` on edge-triggered use).
fn mark_full<T: AsRawFd>(fd: &AsyncFd<T>) {
    let mut look = Context::from_waker(Waker::noop());
    if let Poll::Ready(Ok(mut ready)) = fd.poll_write_ready(&mut look) {
        ready.clear_ready();
    }
}

/// Writes as much as is taken now, which may be nothing.
fn write(to: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    match nix::unistd::write(to, bytes) {
        Ok(written) => Ok(written),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether the other end is gone, although what it sent before has not been read yet.
pub(super) fn has_hung_up<T: AsRawFd>(fd: &AsyncFd<T>) -> bool {
    let mut look = Context::from_waker(Waker::noop());
    match fd.poll_read_ready(&mut look) {
        Poll::Ready(Ok(ready)) => ready.ready().is_read_closed(),
        Poll::Ready(Err(_)) => true,
        Poll::Pending => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_is_forgotten_although_there_is_always_something_left() {
        const TURN: usize = 4096;
        let mut direction = Direction::new(Way::ToClient);
        for octet in 0..=u8::MAX {
            direction.keep(&[octet; TURN]);
            assert!(direction.kept[direction.taken..].ends_with(&[octet; TURN]));
            direction.taken = direction.kept.len() - 1;
            assert_eq!(direction.kept[direction.taken..], [octet]);
        }
        assert!(direction.kept.capacity() <= 4 * TURN);
    }
}
