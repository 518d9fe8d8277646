//! What every released version has left in a ledger can be read: `tests/ledger/VERSION/NAME.ledger` is
//! such a ledger (without the zeros at its end), and `NAME.txt` what it says. `UPDATE_EXPECTED=1`
//! writes the latter anew.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::deposit::{Head, Stage};
use crate::ledger::{Ledger, VERSION, Way};
use crate::relay::{Memo, Moved};

fn ledgers() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ledger");
    let mut ledgers = Vec::new();
    for version in fs::read_dir(folder).unwrap() {
        for file in fs::read_dir(version.unwrap().path()).unwrap() {
            ledgers.push(file.unwrap().path());
        }
    }
    ledgers.retain(|path| path.extension().is_some_and(|of| of == "ledger"));
    ledgers.sort();
    ledgers
}

fn open(path: &Path) -> Ledger {
    let (_, memory) = Ledger::new().unwrap();
    memory.write_all_at(&fs::read(path).unwrap(), 0).unwrap();
    Ledger::open(&memory).unwrap()
}

/// In plain words, for people to compare.
fn describe(ledger: &mut Ledger) -> String {
    let mut text = String::new();
    let left = ledger.take_up();
    writeln!(
        text,
        "{left:?}, {:?}, lost {}",
        Moved::counted(ledger),
        ledger.lost()
    )
    .unwrap();
    for way in [Way::ToLine, Way::ToClient] {
        let (from, kept) = ledger.kept(way);
        let begin = kept[..kept.len().min(40)].escape_ascii();
        writeln!(text, "{way:?}: {} kept from {from}: {begin}", kept.len()).unwrap();
    }
    let head: Head = ledger.head().unwrap();
    writeln!(text, "{head:#?}").unwrap();
    if let Stage::Serves(_) = head.stage {
        writeln!(text, "{:#?}", Memo::read(ledger).unwrap()).unwrap();
    }
    text
}

#[test]
fn what_any_version_has_left_is_understood() {
    let ledgers = ledgers();
    assert!(ledgers.len() >= 5, "{ledgers:?}");
    for path in ledgers {
        let said = describe(&mut open(&path));
        let expected = path.with_extension("txt");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&expected, &said).unwrap();
        }
        assert_eq!(
            said,
            fs::read_to_string(&expected).unwrap(),
            "{}",
            path.display()
        );
    }
}

/// Else the next version could not read what this one leaves, and nobody would know.
#[test]
fn what_is_written_down_has_not_changed_without_a_new_version() {
    let mut compared = 0;
    for path in ledgers() {
        let of_this_version = path.parent().unwrap().ends_with(VERSION.to_string());
        if !of_this_version {
            continue;
        }
        let ledger = open(&path);
        let head: Head = ledger.head().unwrap();
        assert_eq!(
            serde_json::to_value(&head).unwrap(),
            ledger.head::<Value>().unwrap(),
            "{}",
            path.display()
        );
        if let Stage::Serves(_) = head.stage {
            let memo = Memo::read(&ledger).unwrap();
            assert_eq!(
                serde_json::to_value(&memo).unwrap(),
                ledger.body::<Value>().unwrap(),
                "{}",
                path.display()
            );
            compared += 1;
        }
    }
    assert!(compared > 0, "no ledger of version {VERSION}");
}
