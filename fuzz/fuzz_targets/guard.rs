//! Anything a client and the far side may do to a guarded modem, at any time: see tests/guard.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use modemd::config::Refusal;

#[path = "../../tests/guard/model/mod.rs"]
mod model;

use model::{Act, Kind, Line, Scene};

/// What to wait for, in milliseconds.
const WAITS: [u64; 16] = [
    0, 1, 5, 19, 21, 50, 126, 201, 601, 801, 1001, 1250, 3000, 8000, 20_000, 65_000,
];

// Input: ten octets of what the line is like, then records of a control octet (what happens, how much of what
// follows) and data.
fuzz_target!(|input: &[u8]| {
    let Some((line, mut rest)) = input.split_first_chunk::<10>() else {
        return;
    };
    let [kind, flags, octet, hidden, fifo, back, carrier, burst, piece, dtr] = *line;
    let kind = Kind::ALL[usize::from(kind) % Kind::ALL.len()];
    let flag = |bit: u8| flags & 1 << bit != 0;
    let line = Line {
        kind,
        octet_usec: [0, 87, 1000][usize::from(octet) % 3],
        hidden_msec: u64::from(hidden % 8),
        fifo: usize::from(fifo % 17),
        dtr_msec: u64::from(dtr % 2) * 50,
        back_msec: u64::from(back % 50),
        carrier_msec: Some(u64::from(carrier % 6)),
        burst: usize::from(burst % 40),
        piece: usize::from(piece),
        minutes_per_call: flag(0).then_some(1),
        refusal: if flag(1) { Refusal::Error } else { Refusal::NoCarrier },
        has_guard_time: flag(2) && kind != Kind::EscapesAtOnce,
        by_escape: flag(3),
    };
    let mut acts = Vec::new();
    while let Some((control, behind)) = rest.split_first() {
        let (data, behind) = behind.split_at(behind.len().min(usize::from(control >> 3)));
        let (act, next) = match control & 7 {
            0..=2 => (Act::Client(data.to_vec()), behind),
            3 => (Act::Far(data.to_vec()), behind),
            // These have no data.
            4 | 5 => {
                let msec = WAITS[usize::from(control >> 4)];
                (Act::Wait(Duration::from_millis(msec)), &rest[1..])
            }
            6 if control >> 3 < 16 => (Act::FarHangsUp, &rest[1..]),
            6 => (Act::HandOver, &rest[1..]),
            _ => (Act::Dtr(control >> 3 < 16), &rest[1..]),
        };
        acts.push(act);
        rest = next;
    }
    acts.truncate(60);
    let scene = Scene {
        line,
        has_call: flag(4),
        acts,
        ends_by_dtr: flag(5),
    };
    scene.play();
});
