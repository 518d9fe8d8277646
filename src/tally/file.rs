//! The file itself: where its records are, and what is in them.
//!
//! It begins with [`SIGNATURE`]. A record is its length in octets (4), its kind (2), the length of its key
//! (2), the key, zeros up to a multiple of eight, and its words, all of them little endian. The key of a
//! port is its name, that of a line the port's name, a zero and the line's path.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::shared_file::{SIGNATURE_LENGTH, SharedFile};

/// What the file begins with, with its version: another version of modemd begins anew.
const SIGNATURE: &[u8; SIGNATURE_LENGTH] = b"modemd tally  1\n";

/// What is counted is worth no longer wait for another process that has the file locked.
const PATIENCE: Duration = Duration::from_millis(2);

/// What a record begins with.
const HEAD: usize = 8;

const WORD: usize = 8;

/// The most words of a record.
const MOST_WORDS: usize = 18;

/// The words of one record; those that it does not have are 0.
pub type Words = [u64; MOST_WORDS];

/// What is counted at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortWord {
    /// Clients who may not use it.
    Denied,
    /// Clients who got no line because all were in use.
    Busy,
    /// Clients who got no line because none works.
    Broken,
    /// Clients who had to wait.
    Waits,
    /// For how many microseconds in all.
    Waited,
    /// Clients who left while they waited.
    GaveUp,
}

const PORT_WORDS: usize = 6;

/// What is counted on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineWord {
    /// Sessions begun.
    Sessions,
    /// For how many microseconds it was in use; see [`Record::in_use`].
    InUse,
    /// Octets that the line took.
    ToLine,
    /// Octets that came from the line.
    ToClient,
    /// Characters without a stop bit.
    Framing,
    /// Characters with a wrong parity bit.
    Parity,
    /// Characters lost.
    Overrun,
    /// BREAKs.
    Breaks,
    /// What there was of each of the six before the session that is on the line, or was last.
    Before,
    /// What the driver had counted of the last four when that session began.
    Driver = LineWord::Before as isize + 6,
}

const LINE_WORDS: usize = MOST_WORDS;

/// Whom a record is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Port(String),
    Line(String, PathBuf),
}

impl Key {
    fn kind(&self) -> u16 {
        match self {
            Key::Port(_) => 1,
            Key::Line(..) => 2,
        }
    }

    fn octets(&self) -> Vec<u8> {
        match self {
            Key::Port(port) => port.clone().into_bytes(),
            Key::Line(port, line) => {
                let mut octets = port.clone().into_bytes();
                octets.push(0);
                octets.extend_from_slice(line.as_os_str().as_bytes());
                octets
            }
        }
    }

    fn words(&self) -> usize {
        match self {
            Key::Port(_) => PORT_WORDS,
            Key::Line(..) => LINE_WORDS,
        }
    }

    fn of(kind: u16, octets: &[u8]) -> Option<Key> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        match kind {
            1 => Some(Key::Port(text(octets))),
            2 => {
                let at = octets.iter().position(|&octet| octet == 0)?;
                let line = std::ffi::OsStr::from_bytes(&octets[at + 1..]);
                Some(Key::Line(text(&octets[..at]), line.into()))
            }
            _ => None,
        }
    }

    /// A record of this key in which all is 0.
    fn record(&self) -> io::Result<Vec<u8>> {
        let key = self.octets();
        let too_long = || io::Error::other("a name is too long");
        let key_length = u16::try_from(key.len()).map_err(|_| too_long())?;
        let length = words_at(key.len()) + self.words() * WORD;
        let mut record = Vec::with_capacity(length);
        record.extend_from_slice(&u32::try_from(length).map_err(|_| too_long())?.to_le_bytes());
        record.extend_from_slice(&self.kind().to_le_bytes());
        record.extend_from_slice(&key_length.to_le_bytes());
        record.extend_from_slice(&key);
        record.resize(length, 0);
        Ok(record)
    }
}

/// Where the words of a record begin.
fn words_at(key_length: usize) -> usize {
    (HEAD + key_length).next_multiple_of(WORD)
}

/// What was counted for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The port.
    pub port: String,
    /// The line, if it is about one.
    pub line: Option<PathBuf>,
    /// The counts, by [`PortWord`] or [`LineWord`].
    pub words: Words,
}

/// A record, and the place of its words in the file.
struct Found {
    key: Key,
    place: u64,
    words: Words,
}

/// The records of a file, up to the first that is not there as a whole or makes no sense; and where that
/// would be.
fn parse(octets: &[u8]) -> (Vec<Found>, usize) {
    let mut found = Vec::new();
    let mut at = SIGNATURE.len();
    while let Some((record, length)) = first(octets.get(at..).unwrap_or_default()) {
        let place = (at + words_at(record.0.octets().len())) as u64;
        found.extend(Some(Found {
            key: record.0,
            place,
            words: record.1,
        }));
        at += length;
    }
    (found, at)
}

fn first(octets: &[u8]) -> Option<((Key, Words), usize)> {
    let length = u32::from_le_bytes(octets.get(..4)?.try_into().ok()?);
    let kind = u16::from_le_bytes(octets.get(4..6)?.try_into().ok()?);
    let key_length = u16::from_le_bytes(octets.get(6..8)?.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    let key = octets.get(HEAD..HEAD + usize::from(key_length))?;
    let key = Key::of(kind, key).filter(|known| known.octets() == key)?;
    let begin = words_at(usize::from(key_length));
    if length != begin + key.words() * WORD {
        return None;
    }
    let mut words = Words::default();
    let (chunks, _) = octets.get(begin..length)?.as_chunks::<WORD>();
    for (word, chunk) in words.iter_mut().zip(chunks) {
        *word = u64::from_le_bytes(*chunk);
    }
    Some(((key, words), length))
}

/// Reads what a tally file has in it, as [`super::Tally::read`] does.
#[must_use]
pub fn records_of(octets: &[u8]) -> Vec<Record> {
    let record = |found: Found| {
        let (port, line) = match found.key {
            Key::Port(port) => (port, None),
            Key::Line(port, line) => (port, Some(line)),
        };
        Record {
            port,
            line,
            words: found.words,
        }
    };
    parse(octets).0.into_iter().map(record).collect()
}

/// The open file.
#[derive(Debug)]
pub(super) struct TallyFile(SharedFile);

impl TallyFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        SharedFile::open(path, SIGNATURE, PATIENCE).map(TallyFile)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn records(&self) -> io::Result<Vec<Record>> {
        Ok(records_of(&self.0.octets(usize::MAX)?))
    }

    /// The place of the words of a record, which is made if there is none.
    pub(super) fn find_or_make(&self, key: &Key) -> io::Result<u64> {
        self.0.locked(|| {
            let (found, end) = parse(&self.0.octets(usize::MAX)?);
            if let Some(found) = found.iter().find(|found| found.key == *key) {
                return Ok(found.place);
            }
            let record = key.record()?;
            self.0.set_len(end as u64)?;
            self.0.write_all_at(&record, end as u64)?;
            Ok((end + words_at(key.octets().len())) as u64)
        })
    }

    /// The words of a line's record.
    pub(super) fn words(&self, place: u64) -> io::Result<Words> {
        let mut octets = [0; LINE_WORDS * WORD];
        self.0.read_exact_at(&mut octets, place)?;
        let (chunks, _) = octets.as_chunks::<WORD>();
        let mut words = Words::default();
        for (word, chunk) in words.iter_mut().zip(chunks) {
            *word = u64::from_le_bytes(*chunk);
        }
        Ok(words)
    }

    pub(super) fn write(&self, place: u64, words: &Words) -> io::Result<()> {
        let octets: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.0.write_all_at(&octets, place)
    }

    /// Adds to one word of a record that many processes write to.
    pub(super) fn add(&self, place: u64, word: usize, count: u64) -> io::Result<()> {
        let place = place + (word * WORD) as u64;
        self.0.locked(|| {
            let mut octets = [0; WORD];
            self.0.read_exact_at(&mut octets, place)?;
            let sum = u64::from_le_bytes(octets).wrapping_add(count);
            self.0.write_all_at(&sum.to_le_bytes(), place)
        })
    }
}
