//! What one session has done and has still to do, in memory that outlives the process.
//!
//! A ledger is a memory file that the session maps and keeps current at every turn, and that systemd
//! keeps beside the descriptors of the client and the line. When the process is killed, whatever it
//! wrote last is there for the next one: keeping it current is a few stores to memory and never a
//! system call.
//!
//! A turn is noted before it begins and struck out when all that came of it is in the ledger. So
//! whoever takes a ledger up knows which session the process was busy with when it died, and how many
//! octets of that one turn may be lost: what was read and written on in it is nowhere else.
//!
//! Records are text; there are two places for each, and a number that says which of them is valid, so
//! that a record is there as a whole or not at all. The octets that are kept for either side are
//! in a ring, since there may be many of them at every turn.

mod layout;
mod ring;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use memmap2::MmapMut;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use layout::VERSION;
use layout::{Number, Record};
use ring::Ring;
pub use ring::Way;

/// How often in a row a session may have been in its turn when the process died, until it is not
/// taken up any more.
const CRASHES: u64 = 2;

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Octets were on their way, so many at the most.
    Moving(Way, usize),
    /// Something else was done with the line or the client.
    Acting,
    /// It was looked whether something is to be done, as it is over and over: whoever gets through
    /// that has got through nothing else.
    Looking,
    /// The session was being taken up.
    TakingUp,
}

/// How a session was left by the process that had it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// In good order, by a process that was told to.
    HandedOver,
    /// By a process that died while there was nothing to do for it.
    Waiting,
    /// By a process that died in this turn.
    In(Turn),
}

/// Why a ledger cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be mapped, or is no ledger at all.
    #[error("no ledger: {0}")]
    NoLedger(io::Error),
    /// Another version of modemd wrote it.
    #[error("its state is of version {0}, and this modemd reads version {VERSION}")]
    Version(u64),
    /// A record is not what it should be.
    #[error("its state makes no sense: {0}")]
    Nonsense(#[from] serde_json::Error),
}

/// The ledger of one session.
#[derive(Debug)]
pub struct Ledger {
    map: MmapMut,
    rings: [Ring; 2],
}

impl Ledger {
    /// An empty ledger, and its memory file for whoever keeps that.
    pub fn new() -> io::Result<(Ledger, File)> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = File::from(memfd_create(c"modemd-session", flags)?);
        file.set_len(layout::SIZE)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let mut ledger = Ledger::map(&file)?;
        layout::sign(&mut ledger.map);
        Ok((ledger, file))
    }

    /// Takes up the ledger that another process has left.
    pub fn open(file: &File) -> Result<Ledger, Unreadable> {
        let seals = fcntl(file, FcntlArg::F_GET_SEALS)
            .map_err(|errno| Unreadable::NoLedger(errno.into()))?;
        let is_sealed = SealFlag::from_bits_retain(seals).contains(SealFlag::F_SEAL_SHRINK);
        let size = file.metadata().map_err(Unreadable::NoLedger)?.size();
        if !is_sealed || size < layout::SIZE {
            return Err(Unreadable::NoLedger(io::ErrorKind::InvalidData.into()));
        }
        let ledger = Ledger::map(file).map_err(Unreadable::NoLedger)?;
        match layout::signature(&ledger.map) {
            Some(VERSION) if layout::counts_are_sane(&ledger.map) => {}
            Some(other) if other != VERSION => return Err(Unreadable::Version(other)),
            _ => return Err(Unreadable::NoLedger(io::ErrorKind::InvalidData.into())),
        }
        Ok(ledger)
    }

    fn map(file: &File) -> io::Result<Ledger> {
        // SAFETY: the file cannot be shrunk, it is sealed; nobody else writes to it, since systemd
        // only keeps it and gives it to one process at a time.
        #[allow(unsafe_code)]
        let map = unsafe { MmapMut::map_mut(file)? };
        let rings = [Way::ToLine, Way::ToClient].map(Ring::new);
        Ok(Ledger { map, rings })
    }

    /// Writes down what stays the same while the session is in this stage.
    pub fn write_head(&mut self, head: &impl Serialize) -> io::Result<()> {
        Record::Head.write(&mut self.map, head)
    }

    /// What was written down last; nothing if that never came about.
    pub fn head<T: DeserializeOwned>(&self) -> Result<T, Unreadable> {
        Ok(serde_json::from_slice(Record::Head.read(&self.map))?)
    }

    /// Writes down what may change at every turn.
    pub fn write_body(&mut self, body: &impl Serialize) -> io::Result<()> {
        Record::Body.write(&mut self.map, body)
    }

    /// What was written down last.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Unreadable> {
        Ok(serde_json::from_slice(Record::Body.read(&self.map))?)
    }

    /// A turn begins, or more is known of the one that has begun.
    pub fn begin(&mut self, turn: Turn) {
        layout::write(&mut self.map, Number::Turn, layout::encode(Left::In(turn)));
    }

    /// All that came of the turn is in the ledger.
    pub fn end(&mut self) {
        let turn = layout::read(&self.map, Number::Turn);
        layout::write(&mut self.map, Number::Turn, layout::encode(Left::Waiting));
        // Whoever gets through the turn in which it crashed before has not crashed twice in a row.
        let (blamed, _) = layout::blame(&self.map);
        if blamed == layout::kind(turn) {
            layout::write(&mut self.map, Number::Crashes, 0);
        }
    }

    /// The session is left for the next process, in good order.
    pub fn hand_over(&mut self) {
        layout::write(
            &mut self.map,
            Number::Turn,
            layout::encode(Left::HandedOver),
        );
    }

    /// How the session was left. The next process asks this once: that it asks is noted as a turn.
    pub fn take_up(&mut self) -> Left {
        let code = layout::read(&self.map, Number::Turn);
        let left = layout::decode(code);
        if let Left::In(turn) = left {
            let (blamed, times) = layout::blame(&self.map);
            let times = if blamed == layout::kind(code) {
                times + 1
            } else {
                1
            };
            layout::set_blame(&mut self.map, layout::kind(code), times);
            if let Turn::Moving(_, octets) = turn {
                let lost = self.lost() + octets as u64;
                layout::write(&mut self.map, Number::Lost, lost);
            }
        }
        self.begin(Turn::TakingUp);
        left
    }

    /// Whether the process died so often in a row while it was busy with this session that it must
    /// be taken for the reason.
    #[must_use]
    pub fn is_to_blame(&self) -> bool {
        layout::blame(&self.map).1 >= CRASHES
    }

    /// How many octets may have been lost in all, at the most.
    #[must_use]
    pub fn lost(&self) -> u64 {
        layout::read(&self.map, Number::Lost)
    }

    /// Notes how many octets have moved in all.
    pub fn count(&mut self, way: Way, octets: u64) {
        layout::write(&mut self.map, way.moved(), octets);
    }

    /// How many octets have moved in all.
    #[must_use]
    pub fn counted(&self, way: Way) -> u64 {
        layout::read(&self.map, way.moved())
    }

    /// Notes what is kept, by now: `kept` is the octets from position `from` on. Positions count on
    /// until nothing is kept any more; then comes another `generation`.
    pub fn follow(&mut self, way: Way, generation: u64, from: usize, kept: &[u8]) {
        self.rings[way as usize].follow(&mut self.map, generation, from, kept);
    }

    /// So many of the octets that are kept are about to be written: they are not kept any more for
    /// whoever does not know whether they were.
    pub fn release(&mut self, way: Way, octets: usize) {
        self.rings[way as usize].release(&mut self.map, octets);
    }

    /// The position of what is kept, and the octets.
    #[must_use]
    pub fn kept(&self, way: Way) -> (usize, Vec<u8>) {
        self.rings[way as usize].kept(&self.map)
    }
}
