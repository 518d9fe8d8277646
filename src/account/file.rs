//! The file itself: a signature and a row of records of one length, each for a call.
//!
//! A record is when the call began and how long it has lasted, both in microseconds as
//! [`crate::uptime::uptime`] has them (8 octets each, little endian), the length of its key (1), and the key:
//! the port's name, a zero and the client's address; the rest is zeros. What is no such record, or has not
//! happened yet, counts as nothing, and its place is taken by the next call; so is that of a call which ended
//! more than 24 hours ago.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::{Booking, Spent};
use crate::shared_file::{SIGNATURE_LENGTH, SharedFile};
use crate::uptime::uptime;

/// What the file begins with, with its version: another version of modemd begins anew.
const SIGNATURE: &[u8; SIGNATURE_LENGTH] = b"modemd account1\n";

/// How long is waited for another process that has the file locked; who gets no lock makes no call.
const PATIENCE: Duration = Duration::from_millis(100);

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a record is.
const SIZE: usize = 128;

/// Where in a record the duration is, and where the length of its key.
const LASTED: usize = 8;
const KEY_LENGTH: usize = 16;
const KEY: usize = 17;

/// The most calls there is room for: 4 MiB.
pub(super) const MOST_CALLS: usize = 32_768;

/// The most of them that are one client's at one port, so that none takes the room of all others.
const MOST_OF_ONE: usize = MOST_CALLS / 4;

/// Whose account it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key(Vec<u8>);

impl Key {
    pub(super) fn new(port: &str, client: &str) -> io::Result<Key> {
        let key = [port.as_bytes(), b"\0", client.as_bytes()].concat();
        // A name of a port has at most 64 octets, an address has 45.
        if key.len() > SIZE - KEY {
            return Err(io::Error::other(
                "the names of port and client are too long",
            ));
        }
        Ok(Key(key))
    }
}

/// A call that has happened.
struct Call<'a> {
    began: Duration,
    lasted: Duration,
    key: &'a [u8],
}

fn duration(octets: &[u8]) -> Option<Duration> {
    let octets = octets.get(..8)?.try_into().ok()?;
    Some(Duration::from_micros(u64::from_le_bytes(octets)))
}

fn usec(duration: Duration) -> [u8; 8] {
    let usec = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    usec.to_le_bytes()
}

impl Call<'_> {
    fn parse(record: &[u8; SIZE], now: Duration) -> Option<Call<'_>> {
        let began = duration(record)?;
        let lasted = duration(&record[LASTED..])?;
        let has_happened = began + lasted <= now;
        let (key, rest) = record[KEY..].split_at_checked(record[KEY_LENGTH].into())?;
        let is_whole = key.contains(&0) && rest.iter().all(|&octet| octet == 0);
        (has_happened && is_whole).then_some(Call { began, lasted, key })
    }

    /// What of it lies within this time before now.
    fn within(&self, time: Duration, now: Duration) -> Duration {
        let end = self.began + self.lasted;
        end.saturating_sub(self.began.max(now.saturating_sub(time)))
    }

    fn counts(&self, now: Duration) -> bool {
        now < self.began + self.lasted + DAY
    }
}

/// The records of all calls.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<u8>);

impl Records {
    fn all(&self, now: Duration) -> impl Iterator<Item = Option<Call<'_>>> {
        let (records, _) = self.0.as_chunks::<SIZE>();
        let call = move |record| Call::parse(record, now).filter(|call| call.counts(now));
        records.iter().map(call)
    }

    pub(super) fn spent(&self, key: &Key, now: Duration) -> Spent {
        let mut spent = Spent::default();
        for call in self.all(now).flatten().filter(|call| call.key == key.0) {
            spent.calls += u32::from(now < call.began + HOUR);
            spent.talked += call.within(DAY, now);
        }
        spent
    }

    /// Where the next call is written down.
    fn place(&self, key: &Key, now: Duration) -> io::Result<usize> {
        let (mut free, mut end, mut of_one) = (None, 0, 0);
        for call in self.all(now) {
            match call {
                Some(call) => of_one += usize::from(call.key == key.0),
                None => free = free.or(Some(end)),
            }
            end += 1;
        }
        if of_one >= MOST_OF_ONE {
            let what =
                format!("this client has made {of_one} calls in 24 hours; no more are counted");
            return Err(io::Error::other(what));
        }
        let place = free.unwrap_or(end);
        if place >= MOST_CALLS {
            let what = format!("there were {end} calls in 24 hours; no more are counted");
            return Err(io::Error::other(what));
        }
        Ok(place)
    }

    /// Writes down a call that begins now.
    pub(super) fn begin(&mut self, key: &Key, now: Duration) -> io::Result<Booking> {
        let place = self.place(key, now)?;
        let at = place * SIZE;
        self.0.truncate(self.0.len() / SIZE * SIZE);
        self.0.resize(self.0.len().max(at + SIZE), 0);
        self.0[at..at + SIZE].copy_from_slice(&record(key, now));
        Ok(Booking {
            place: place as u64,
            began: now,
        })
    }

    pub(super) fn update(&mut self, booking: Booking, lasted: Duration) -> io::Result<()> {
        let at = usize::try_from(booking.place)
            .unwrap_or(MOST_CALLS)
            .min(MOST_CALLS)
            * SIZE;
        let record = self.0.get_mut(at..at + SIZE);
        let record = record.filter(|record| record.starts_with(&usec(booking.began)));
        record.ok_or_else(gone)?[LASTED..KEY_LENGTH].copy_from_slice(&usec(lasted));
        Ok(())
    }
}

fn gone() -> io::Error {
    io::Error::other("a call that goes on is not there any more")
}

fn record(key: &Key, began: Duration) -> [u8; SIZE] {
    let mut record = [0; SIZE];
    record[..LASTED].copy_from_slice(&usec(began));
    record[KEY_LENGTH] = u8::try_from(key.0.len()).unwrap_or(0);
    record[KEY..KEY + key.0.len()].copy_from_slice(&key.0);
    record
}

/// What a client has spent at a port at some moment, as the octets of such a file have it.
#[must_use]
pub fn spent_of(octets: &[u8], port: &str, client: &str, now: Duration) -> Spent {
    let records = octets.get(SIGNATURE_LENGTH..).unwrap_or_default();
    let key = Key::new(port, client);
    key.map_or_else(
        |_| Spent::default(),
        |key| Records(records.to_vec()).spent(&key, now),
    )
}

/// The open file.
pub(super) struct AccountFile(SharedFile);

impl AccountFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        SharedFile::open(path, SIGNATURE, PATIENCE).map(AccountFile)
    }

    /// To be called with the file locked.
    fn records(&self) -> io::Result<Records> {
        let octets = self.0.octets(SIGNATURE_LENGTH + MOST_CALLS * SIZE)?;
        let records = octets.get(SIGNATURE_LENGTH..).unwrap_or_default();
        Ok(Records(records.to_vec()))
    }

    pub(super) fn spent(&self, key: &Key) -> io::Result<Spent> {
        // Whatever was written down before has happened by now.
        self.0.locked(|| Ok(self.records()?.spent(key, uptime())))
    }

    pub(super) fn begin(&self, key: &Key) -> io::Result<Booking> {
        self.0.locked(|| {
            let now = uptime();
            let place = self.records()?.place(key, now)? as u64;
            self.0.write_all_at(&record(key, now), at(place))?;
            Ok(Booking { place, began: now })
        })
    }

    pub(super) fn update(&self, booking: Booking, lasted: Duration) -> io::Result<()> {
        self.0.locked(|| {
            let (at, mut began) = (at(booking.place), [0; LASTED]);
            self.0.read_exact_at(&mut began, at)?;
            if began != usec(booking.began) {
                return Err(gone());
            }
            self.0.write_all_at(&usec(lasted), at + LASTED as u64)
        })
    }
}

fn at(place: u64) -> u64 {
    SIGNATURE_LENGTH as u64 + place.saturating_mul(SIZE as u64)
}

#[cfg(test)]
impl Records {
    /// So many more of the last record.
    pub(super) fn repeat_last(&mut self, times: usize) {
        let last = self.0[self.0.len() - SIZE..].repeat(times);
        self.0.extend(last);
    }
}
