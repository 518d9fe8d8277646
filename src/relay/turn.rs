//! A turn: one read of bounded length, of which the others see no more than that.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use tokio::io::unix::AsyncFdReadyGuard;
use tokio::time::Instant;

use crate::ledger::Way;

/// The most that moves in one turn, to the line: as much as a line takes in a few writes, so that those
/// who have more than that to say need fewer reads.
const TO_LINE: usize = 16 * 1024;

/// The most that moves in one turn, to the client. A terminal never gives more (`N_TTY_BUF_SIZE` in the
/// kernel's `n_tty.c`), and a serial line fills this in a third of a second.
const TO_CLIENT: usize = 4096;

/// The most that moves in one turn to a line whose guard has just stopped in the midst of one: what is left
/// is written down each time.
const TO_GUARD: usize = 2048;

/// The most that moves in one turn beside somebody who types, or a modem that says little.
const BESIDE: usize = 1024;

/// What somebody types, or a modem says to it.
const BRIEF: usize = 256;

/// How long after that it counts as typing.
const TYPES_FOR: Duration = Duration::from_millis(10);

thread_local! {
    /// Filled and emptied within one turn.
    static BUFFER: RefCell<[u8; TO_LINE]> = const { RefCell::new([0; TO_LINE]) };
    /// Whose turn was brief last, and when.
    static TYPED: Cell<Option<(u64, Instant)>> = const { Cell::new(None) };
    /// How many relays there were.
    static RELAYS: Cell<u64> = const { Cell::new(0) };
}

/// The most that ever moves in one turn, this way.
pub(super) fn longest(way: Way) -> usize {
    match way {
        Way::ToLine => TO_LINE,
        Way::ToClient => TO_CLIENT,
    }
}

/// What one turn found.
pub(super) enum Read<T> {
    /// So many bytes, handed on with this result; and there may be more.
    Some { passed: T, more: bool },
    /// There was nothing after all.
    Nothing,
    /// The end: the other side has closed.
    End,
}

/// The turns of one relay.
#[derive(Clone, Copy)]
pub(super) struct Turns {
    relay: u64,
    to_line: usize,
}

impl Turns {
    pub(super) fn new() -> Self {
        let relay = RELAYS.get() + 1;
        RELAYS.set(relay);
        Turns {
            relay,
            to_line: TO_LINE,
        }
    }

    /// Whether the guard of the line has taken all of the last one.
    pub(super) fn was_taken(&mut self, all: bool) {
        self.to_line = if all {
            (self.to_line * 2).min(TO_LINE)
        } else {
            TO_GUARD
        };
    }

    /// One turn: reads once and hands on what came.
    pub(super) fn read<T>(
        self,
        from: &impl AsFd,
        way: Way,
        pass: impl FnOnce(&[u8]) -> T,
    ) -> io::Result<Read<T>> {
        BUFFER.with_borrow_mut(|buffer| {
            let room = &mut buffer[..self.length(way)];
            match nix::unistd::read(from, room) {
                Ok(0) => Ok(Read::End),
                Ok(count) => {
                    if count < BRIEF {
                        TYPED.set(Some((self.relay, Instant::now())));
                    }
                    Ok(Read::Some {
                        passed: pass(&room[..count]),
                        more: count == room.len(),
                    })
                }
                Err(Errno::EAGAIN | Errno::EINTR) => Ok(Read::Nothing),
                Err(errno) => Err(errno.into()),
            }
        })
    }

    /// How much may move in this turn.
    fn length(self, way: Way) -> usize {
        match TYPED.get() {
            Some((relay, at)) if relay != self.relay && at.elapsed() < TYPES_FOR => BESIDE,
            _ => match way {
                Way::ToLine => self.to_line,
                Way::ToClient => TO_CLIENT,
            },
        }
    }
}

/// After a short read everything was read, and the next byte makes a new event (`epoll(7)` on
/// edge-triggered use). After a full one `more` may wait, and is still there at the next turn.
pub(super) fn rest<T: AsRawFd>(ready: &mut AsyncFdReadyGuard<'_, T>, more: bool) -> bool {
    if !more {
        ready.clear_ready();
    }
    more
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    /// How many of these octets one turn of a relay takes.
    fn taken(turns: Turns, way: Way, octets: &[u8]) -> usize {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(octets).unwrap();
        match turns.read(&ours, way, <[u8]>::len).unwrap() {
            Read::Some { passed, more } => {
                assert_eq!(more, passed < octets.len());
                let mut rest = Vec::new();
                drop(theirs);
                (&ours).read_to_end(&mut rest).unwrap();
                assert_eq!(passed + rest.len(), octets.len());
                passed
            }
            Read::Nothing | Read::End => panic!("nothing was read"),
        }
    }

    #[test]
    fn a_turn_is_shorter_beside_somebody_who_types_and_only_then() {
        let much = vec![b'x'; 20_000];
        let (bulk, other) = (Turns::new(), Turns::new());
        assert_eq!(taken(bulk, Way::ToLine, &much), TO_LINE);
        assert_eq!(taken(bulk, Way::ToClient, &much), TO_CLIENT);
        // Who says little is not in his own way.
        assert_eq!(taken(bulk, Way::ToClient, b"x"), 1);
        assert_eq!(taken(bulk, Way::ToClient, &much), TO_CLIENT);
        // The clock may only make it longer.
        let mut lengths = Vec::new();
        for _ in 0..100 {
            assert_eq!(taken(other, Way::ToLine, b"x"), 1);
            lengths.push(taken(bulk, Way::ToClient, &much));
        }
        assert!(lengths.contains(&BESIDE), "{lengths:?}");
        TYPED.set(Some((other.relay, Instant::now() - TYPES_FOR)));
        assert_eq!(taken(bulk, Way::ToClient, &much), TO_CLIENT);
    }
}
