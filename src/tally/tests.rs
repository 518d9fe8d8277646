use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::com_port::Counts;
use crate::relay::Moved;

/// A file of this test's own, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("modemd-tally-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        Scratch(path)
    }

    fn tally(&self) -> Tally {
        Tally::in_file(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn moved(to_line: u64, to_client: u64) -> Moved {
    Moved { to_line, to_client }
}

fn framing(count: u32) -> Counts {
    Counts {
        framing: count,
        ..Counts::default()
    }
}

const LINE: &str = "/dev/ttyS1";

fn record(tally: &Tally) -> Record {
    let mut records = tally.read();
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}

#[test]
fn processes_that_count_at_a_port_add_up() {
    let scratch = Scratch::new("add");
    let (one, other) = (scratch.tally(), scratch.tally());
    one.add("modem", PortWord::Busy, 1);
    other.add("modem", PortWord::Busy, 2);
    other.add("fax", PortWord::Denied, 1);
    one.add("modem", PortWord::GaveUp, 3);
    let records = scratch.tally().read();
    assert_eq!(records, one.read());
    let of = |port: &str| records.iter().find(|of| of.port == port).unwrap();
    assert_eq!(of("modem").of_port(PortWord::Busy), 3);
    assert_eq!(of("modem").of_port(PortWord::GaveUp), 3);
    assert_eq!(of("modem").of_port(PortWord::Denied), 0);
    assert_eq!(of("fax").of_port(PortWord::Denied), 1);
}

#[test]
fn sessions_on_a_line_add_up_also_those_that_another_process_has_begun() {
    let scratch = Scratch::new("line");
    let tally = scratch.tally();
    let mut first = tally.begin("modem", Path::new(LINE), Some(framing(7)));
    first.update(moved(10, 20), Some(framing(9)));
    tally.note(&first);
    first.end();
    tally.note(&first);
    let second = tally.begin("modem", Path::new(LINE), Some(framing(9)));
    tally.note(&second);
    let tally = scratch.tally();
    let mut second = tally.resume("modem", Path::new(LINE), Some(framing(10)));
    assert_eq!(second.errors(Some(framing(10))), Some([1, 0, 0, 0]));
    second.update(moved(1, 2), Some(framing(10)));
    tally.note(&second);
    let record = record(&tally);
    assert_eq!(record.line.as_deref(), Some(Path::new(LINE)));
    assert_eq!(record.of_line(LineWord::Sessions), 2);
    assert_eq!(record.of_line(LineWord::ToLine), 11);
    assert_eq!(record.of_line(LineWord::ToClient), 22);
    assert_eq!(record.of_line(LineWord::Framing), 3);
}

#[test]
fn the_time_in_use_goes_on_while_a_session_lasts_and_stands_still_after_it() {
    let scratch = Scratch::new("time");
    let tally = scratch.tally();
    let mut entry = tally.begin("modem", Path::new(LINE), None);
    tally.note(&entry);
    let early = record(&tally).in_use();
    while record(&tally).in_use() == early {}
    entry.end();
    tally.note(&entry);
    let end = record(&tally).in_use();
    assert!(end > early);
    assert_eq!(record(&tally).in_use(), end);
    let mut next = tally.begin("modem", Path::new(LINE), None);
    tally.note(&next);
    next.end();
    tally.note(&next);
    assert!(record(&tally).in_use() >= end);
}

#[test]
fn a_file_of_another_kind_is_begun_anew_and_half_a_record_is_written_over() {
    let scratch = Scratch::new("kind");
    fs::write(&scratch.0, "modemd tally  0\nsomething else").unwrap();
    let tally = scratch.tally();
    assert_eq!(tally.read(), []);
    tally.add("modem", PortWord::Busy, 1);
    let whole = fs::read(&scratch.0).unwrap();
    fs::write(&scratch.0, &whole[..whole.len() - 3]).unwrap();
    let tally = scratch.tally();
    tally.add("fax", PortWord::Busy, 4);
    assert_eq!(record(&tally).of_port(PortWord::Busy), 4);
}

#[test]
fn a_process_that_is_stopped_with_the_file_locked_stops_nobody() {
    let scratch = Scratch::new("locked");
    let tally = scratch.tally();
    tally.add("modem", PortWord::Busy, 1);
    let stopped = fs::File::open(&scratch.0).unwrap();
    stopped.lock().unwrap();
    tally.add("modem", PortWord::Busy, 1);
    drop(stopped);
    tally.add("modem", PortWord::Busy, 1);
    assert_eq!(record(&tally).of_port(PortWord::Busy), 2);
}

#[test]
fn without_a_file_nothing_is_counted_but_the_errors_of_a_session_are() {
    let tally = Tally::default();
    tally.add("modem", PortWord::Busy, 1);
    let entry = tally.begin("modem", Path::new(LINE), Some(framing(u32::MAX)));
    tally.note(&entry);
    assert_eq!(entry.errors(Some(framing(1))), Some([2, 0, 0, 0]));
    assert_eq!(entry.errors(None), None);
    assert_eq!(tally.read(), []);
}

proptest! {
    #[test]
    fn no_octets_are_too_strange_to_be_read(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = records_of(&octets);
    }

    #[test]
    fn what_was_counted_is_found_again(
        counts in prop::collection::vec(("[a-z]{1,9}", "/[a-z/]{1,9}", 1..1000_u64), 1..20)
    ) {
        let scratch = Scratch::new("found");
        let tally = scratch.tally();
        let mut expected = BTreeMap::new();
        for (port, line, count) in &counts {
            let mut entry = tally.begin(port, Path::new(line), None);
            entry.update(moved(*count, 0), None);
            entry.end();
            tally.note(&entry);
            *expected.entry((port.clone(), PathBuf::from(line))).or_default() += count;
        }
        let found: BTreeMap<_, u64> = scratch
            .tally()
            .read()
            .into_iter()
            .map(|of| ((of.port.clone(), of.line.clone().unwrap()), of.of_line(LineWord::ToLine)))
            .collect();
        prop_assert_eq!(found, expected);
    }
}
