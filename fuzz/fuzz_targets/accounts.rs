//! Whatever stands in the file of what clients have spent: no panic, and no more calls or time than there
//! could be.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use modemd::account::spent_of;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fuzz_target!(|input: (u64, &[u8])| {
    let (now, octets) = input;
    let spent = spent_of(octets, "modem", "10.0.0.1", Duration::from_micros(now));
    let most = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    assert!(spent.calls <= most && spent.talked <= DAY * most);
});
