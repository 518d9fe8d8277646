//! Anything three terminals may type, at any time, to emulated modems of any kind on one exchange.
#![no_main]

use std::time::{Duration, Instant, SystemTime};

use libfuzzer_sys::fuzz_target;
use modemd::at::exchange::Exchange;
use modemd::at::modem::CAPACITY;
use modemd::at::temperament::Temperament;

const LINES: usize = 3;

// Input: an octet that chooses the first two modems, then records of a control byte (line, what happens, how much of what follows) and data.
fuzz_target!(|input: &[u8]| {
    let mut now = Instant::now();
    let Some((&kinds, mut rest)) = input.split_first() else {
        return;
    };
    let all = Temperament::all();
    let [one, other] = [usize::from(kinds), usize::from(kinds) / all.len()];
    let modems = [
        all[one % all.len()].clone(),
        all[other % all.len()].clone(),
        Temperament::hayes(),
    ];
    let mut exchange = Exchange::with(&modems, now, SystemTime::UNIX_EPOCH);
    while let Some((&control, behind)) = rest.split_first() {
        let line = usize::from(control) % LINES;
        let (data, behind) = behind.split_at(behind.len().min(usize::from(control >> 4) * 3));
        rest = behind;
        match control >> 2 & 3 {
            0 | 1 => {
                let taken = exchange.receive(line, data, now);
                assert!(taken <= data.len());
            }
            2 => {
                let waiting = exchange.output(line).len();
                exchange.sent(line, waiting, now);
            }
            _ if data.is_empty() => exchange.hang_up_far(line, now),
            _ if data.len() == 3 => {
                exchange.terminal_gone(line, now);
                exchange.discard_output(line, now);
            }
            _ => {
                now += data
                    .iter()
                    .map(|&byte| Duration::from_millis(20) * u32::from(byte))
                    .sum();
                exchange.advance(now);
            }
        }
        for line in 0..LINES {
            assert!(exchange.output(line).len() < 4 * CAPACITY);
            assert!(!exchange.dialled(line).iter().any(String::is_empty));
        }
        assert!(exchange.next_deadline().is_none_or(|due| due > now));
    }
});
