//! Whatever stands in a lock file: no panic, and a pid is one that a process can have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::claim::pid_in;

fuzz_target!(|data: &[u8]| {
    if let Some(pid) = pid_in(data) {
        assert!((1..=1 << 22).contains(&pid));
    }
});
