//! What was counted at ports and on lines since the machine was started, in a file that all processes
//! share and that outlives them.
//!
//! It is a row of records, each for a port, or for a line as one of a port's: a key and a number of
//! words. A record is made once and never moves. A word is written as a whole, and the sums of it never
//! go down, so that whoever reads meanwhile reads nothing that was not true at some moment. The words of
//! a line have one writer at a time, who has claimed the line; those of a port are changed under a lock.

mod entry;
mod file;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use tracing::warn;

pub use entry::Entry;
use file::{Key, TallyFile};
pub use file::{LineWord, PortWord, Record, Words, records_of};

use crate::com_port;

/// The counts of this machine. Without a file it counts for nobody.
#[derive(Debug, Default)]
pub struct Tally {
    file: Option<RefCell<Open>>,
}

#[derive(Debug)]
struct Open {
    file: TallyFile,
    places: BTreeMap<Key, u64>,
    /// Writing has failed, and that was told.
    is_broken: bool,
}

impl Tally {
    /// In this file, which is made if it is not there.
    pub fn in_file(path: &Path) -> io::Result<Tally> {
        let file = TallyFile::open(path)?;
        Ok(Tally {
            file: Some(RefCell::new(Open {
                file,
                places: BTreeMap::new(),
                is_broken: false,
            })),
        })
    }

    /// Adds to what a port has counted.
    pub fn add(&self, port: &str, word: PortWord, count: u64) {
        let key = Key::Port(port.to_owned());
        self.with(|open| {
            let place = open.place(key)?;
            open.file.add(place, word as usize, count)
        });
    }

    /// A session begins on a line, whose driver has counted so much until now.
    #[must_use]
    pub fn begin(&self, port: &str, line: &Path, counts: Option<com_port::Counts>) -> Entry {
        let (place, words) = self.line(port, line);
        Entry::begin(place, &words, counts)
    }

    /// A session goes on that another process has begun.
    #[must_use]
    pub fn resume(&self, port: &str, line: &Path, counts: Option<com_port::Counts>) -> Entry {
        let (place, words) = self.line(port, line);
        Entry::resume(place, &words, counts)
    }

    fn line(&self, port: &str, line: &Path) -> (Option<u64>, Words) {
        let key = Key::Line(port.to_owned(), line.to_owned());
        let found = self.with(|open| {
            let place = open.place(key)?;
            Ok((place, open.file.words(place)?))
        });
        found.map_or_else(Default::default, |(place, words)| (Some(place), words))
    }

    /// Writes down how a session on a line stands.
    pub fn note(&self, entry: &Entry) {
        if let Some(place) = entry.place() {
            self.with(|open| open.file.write(place, entry.words()));
        }
    }

    /// All that was counted.
    #[must_use]
    pub fn read(&self) -> Vec<Record> {
        self.with(|open| open.file.records()).unwrap_or_default()
    }

    /// Does something with the file. That it fails is no session's business, and told once.
    fn with<T>(&self, what: impl FnOnce(&mut Open) -> io::Result<T>) -> Option<T> {
        let open = &mut *self.file.as_ref()?.borrow_mut();
        match what(open) {
            Ok(done) => Some(done),
            Err(error) => {
                if !open.is_broken {
                    open.is_broken = true;
                    warn!(
                        "{}: cannot be counted in: {error}",
                        open.file.path().display()
                    );
                }
                None
            }
        }
    }
}

impl Open {
    /// Where the record of `key` is, which is made if there is none.
    fn place(&mut self, key: Key) -> io::Result<u64> {
        if let Some(place) = self.places.get(&key) {
            return Ok(*place);
        }
        let place = self.file.find_or_make(&key)?;
        self.places.insert(key, place);
        Ok(place)
    }
}

#[cfg(test)]
mod tests;
