//! Whatever stands in the memory that systemd kept of a session: no panic, and a relay that goes on
//! with it can. And whatever a session does: what it keeps is there for the next process.
#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;

use libfuzzer_sys::fuzz_target;
use modemd::ledger::{Ledger, Turn, Way};
use modemd::relay::Memo;

/// What was left is read as a session reads it.
fn take_up(memory: &File) {
    let Ok(mut ledger) = Ledger::open(memory) else {
        return;
    };
    ledger.take_up();
    let _ = (ledger.is_to_blame(), ledger.lost());
    let _ = ledger.head::<String>();
    let _ = Memo::read(&ledger);
    for way in [Way::ToLine, Way::ToClient] {
        let moved = ledger.counted(way);
        ledger.count(way, moved + 1);
        let (from, mut kept) = ledger.kept(way);
        ledger.follow(way, 0, from, &kept);
        assert_eq!(ledger.kept(way), (from, kept.clone()));
        kept.truncate(1000);
        kept.extend(b"more");
        ledger.follow(way, 1, 0, &kept);
        assert_eq!(ledger.kept(way), (0, kept));
        ledger.release(way, 5);
    }
    // A record that says it fills its room leaves none for another.
    if ledger.write_head(&"head").is_ok() {
        assert_eq!(ledger.head::<String>().unwrap(), "head");
    }
    ledger.end();
}

/// Two octets are a step: what is done, and how much of it.
fn follow(steps: &[u8]) {
    let (mut ledger, memory) = Ledger::new().unwrap();
    let (mut generation, mut from, mut kept) = (0, 0, Vec::new());
    let mut came = 0_u8;
    for step in steps.chunks_exact(2) {
        let count = usize::from(step[1]) * 20;
        match step[0] % 4 {
            0 if kept.len() < 100_000 => {
                for _ in 0..count {
                    came = came.wrapping_mul(5).wrapping_add(3);
                    kept.push(came);
                }
            }
            1 => {
                let count = count.min(kept.len());
                ledger.begin(Turn::Moving(Way::ToLine, count));
                ledger.release(Way::ToLine, count);
                kept.drain(..count);
                from += count;
                if kept.is_empty() {
                    (generation, from) = (generation + 1, 0);
                }
            }
            2 => {
                ledger = Ledger::open(&memory).unwrap();
                ledger.take_up();
                generation = 0;
            }
            _ => {
                kept.clear();
                (generation, from) = (generation + 1, 0);
            }
        }
        ledger.follow(Way::ToLine, generation, from, &kept);
        let next = Ledger::open(&memory).unwrap();
        assert_eq!(next.kept(Way::ToLine), (from, kept.clone()));
    }
}

// Input: whether it is steps, or what is written over a new ledger and where, in two octets; 65,535
// there stands for the numbers behind the version.
fuzz_target!(|input: &[u8]| {
    let Some((how, rest)) = input.split_first_chunk::<3>() else {
        return;
    };
    if how[0] % 2 == 0 {
        follow(rest);
        return;
    }
    let (_, memory) = Ledger::new().unwrap();
    let at = match u16::from_le_bytes([how[1], how[2]]) {
        u16::MAX => 16,
        at => u64::from(at),
    };
    memory.write_all_at(rest, at).unwrap();
    take_up(&memory);
});
