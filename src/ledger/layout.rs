//! Where things stand in a ledger: numbers at its beginning, two records in two places each, and the
//! octets that are kept.

use std::io::{self, Write};
use std::sync::atomic::{Ordering, compiler_fence};

use serde::Serialize;

use super::ring::Way;
use super::{Left, Turn};

/// The version of all that is in a ledger: this layout, and the text of the records. Whatever
/// changes in either is another version.
pub const VERSION: u64 = 3;

const SIGNATURE: [u8; 8] = *b"modemd\r\n";

/// Numbers are eight octets, the least significant first.
const NUMBER: usize = 8;

/// The numbers of a ledger, in their order.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Signature,
    Version,
    Turn,
    Crashes,
    Lost,
    MovedToLine,
    MovedToClient,
    ToLineFrom,
    ToLineTo,
    ToClientFrom,
    ToClientTo,
    HeadChoice,
    HeadFirst,
    HeadSecond,
    BodyChoice,
    BodyFirst,
    BodySecond,
}

/// Where the records begin: all numbers are before that.
const RECORDS: usize = 256;

/// Where the rings are. Before that is room for a head and four of the largest bodies: of the three gaps
/// around two valid records, one is then large enough for any third. A body may have a turn's octets in
/// it, of two digits each; a head has the rules of a guard.
pub(super) const RINGS: usize = 256 * 1024;

/// Room for what is kept for one side: more than a relay keeps.
pub(super) const RING: usize = 128 * 1024;

/// The size of a ledger in octets. Most of it is never touched and takes no memory.
pub(super) const SIZE: u64 = (RINGS + 2 * RING) as u64;

pub(super) fn read(map: &[u8], number: Number) -> u64 {
    let place = number as usize * NUMBER;
    let mut octets = [0; NUMBER];
    octets.copy_from_slice(&map[place..place + NUMBER]);
    u64::from_le_bytes(octets)
}

/// Everything that was written before is in the memory before this is, and after it what comes
/// after: a process that dies between two stores has made the first.
pub(super) fn write(map: &mut [u8], number: Number, value: u64) {
    let place = number as usize * NUMBER;
    compiler_fence(Ordering::SeqCst);
    map[place..place + NUMBER].copy_from_slice(&value.to_le_bytes());
    compiler_fence(Ordering::SeqCst);
}

pub(super) fn sign(map: &mut [u8]) {
    write(map, Number::Version, VERSION);
    write(map, Number::Signature, u64::from_le_bytes(SIGNATURE));
}

/// The version, if this is a ledger.
pub(super) fn signature(map: &[u8]) -> Option<u64> {
    let is_ours = read(map, Number::Signature) == u64::from_le_bytes(SIGNATURE);
    is_ours.then(|| read(map, Number::Version))
}

/// Whether all that counts octets can go on counting: nobody has ever moved that many.
pub(super) fn counts_are_sane(map: &[u8]) -> bool {
    const MOST: u64 = 1 << 62;
    let counts = [
        Number::Lost,
        Number::MovedToLine,
        Number::MovedToClient,
        Number::ToLineFrom,
        Number::ToLineTo,
        Number::ToClientFrom,
        Number::ToClientTo,
    ];
    counts.into_iter().all(|count| read(map, count) < MOST)
}

/// One of the records.
#[derive(Debug, Clone, Copy)]
pub(super) enum Record {
    Head,
    Body,
}

impl Record {
    fn choice(self) -> Number {
        match self {
            Record::Head => Number::HeadChoice,
            Record::Body => Number::BodyChoice,
        }
    }

    /// Where each of the two places is: where it begins, and its length.
    fn places(self) -> [Number; 2] {
        match self {
            Record::Head => [Number::HeadFirst, Number::HeadSecond],
            Record::Body => [Number::BodyFirst, Number::BodySecond],
        }
    }

    /// The place that is valid.
    fn place(self, map: &[u8]) -> std::ops::Range<usize> {
        let packed = read(map, self.places()[self.chosen(map)]);
        let (begin, length) = ((packed >> 32) as usize, (packed & 0xffff_ffff) as usize);
        // Whatever the numbers say, it is among the records.
        let begin = begin.clamp(RECORDS, RINGS);
        begin..(begin + length).min(RINGS)
    }

    fn chosen(self, map: &[u8]) -> usize {
        usize::from(read(map, self.choice()) != 0)
    }

    pub(super) fn read(self, map: &[u8]) -> &[u8] {
        &map[self.place(map)]
    }

    /// Writes a record beside those that are valid, as far in front as it fits, so that small ones share
    /// one page; then it is the valid one.
    pub(super) fn write(self, map: &mut [u8], record: &impl Serialize) -> io::Result<()> {
        let mut valid = [Record::Head, Record::Body].map(|record| record.place(map));
        valid.sort_by_key(|place| place.start);
        let [first, second] = valid;
        let gaps = [
            RECORDS..first.start,
            first.end..second.start,
            first.end.max(second.end)..RINGS,
        ];
        let mut written = Err(io::ErrorKind::StorageFull.into());
        for gap in gaps {
            if written.is_err() && !gap.is_empty() {
                let begin = gap.start;
                written = write_json(&mut map[gap], record).map(|length| (begin, length));
            }
        }
        let (begin, length) = written?;
        let other = 1 - self.chosen(map);
        write(
            map,
            self.places()[other],
            (begin as u64) << 32 | length as u64,
        );
        write(map, self.choice(), other as u64);
        Ok(())
    }
}

fn write_json(mut room: &mut [u8], record: &impl Serialize) -> io::Result<usize> {
    let before = room.len();
    serde_json::to_writer(&mut room, record)?;
    room.flush()?;
    Ok(before - room.len())
}

const HANDED_OVER: u64 = 1;
const TO_LINE: u64 = 2;
const TO_CLIENT: u64 = 3;
const ACTING: u64 = 4;
const TAKING_UP: u64 = 5;
const LOOKING: u64 = 6;

/// How a session is left, in one number: what it was in its lowest octet, how much above.
pub(super) fn encode(left: Left) -> u64 {
    match left {
        Left::Waiting => 0,
        Left::HandedOver => HANDED_OVER,
        Left::In(Turn::Moving(Way::ToLine, octets)) => TO_LINE | (octets as u64) << 8,
        Left::In(Turn::Moving(Way::ToClient, octets)) => TO_CLIENT | (octets as u64) << 8,
        Left::In(Turn::Acting) => ACTING,
        Left::In(Turn::TakingUp) => TAKING_UP,
        Left::In(Turn::Looking) => LOOKING,
    }
}

pub(super) fn decode(code: u64) -> Left {
    let octets = usize::try_from(code >> 8).unwrap_or(usize::MAX);
    match kind(code) {
        HANDED_OVER => Left::HandedOver,
        TO_LINE => Left::In(Turn::Moving(Way::ToLine, octets)),
        TO_CLIENT => Left::In(Turn::Moving(Way::ToClient, octets)),
        ACTING => Left::In(Turn::Acting),
        TAKING_UP => Left::In(Turn::TakingUp),
        LOOKING => Left::In(Turn::Looking),
        _ => Left::Waiting,
    }
}

pub(super) fn kind(code: u64) -> u64 {
    code & 0xff
}

/// In which kind of turn the process died last, and how often in a row.
pub(super) fn blame(map: &[u8]) -> (u64, u64) {
    let packed = read(map, Number::Crashes);
    (kind(packed), packed >> 8)
}

pub(super) fn set_blame(map: &mut [u8], kind: u64, times: u64) {
    write(map, Number::Crashes, kind | times << 8);
}
