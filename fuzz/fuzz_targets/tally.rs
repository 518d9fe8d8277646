//! Whatever stands in the file of the counts: no panic, and no more records than there is room for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::tally::records_of;

fuzz_target!(|data: &[u8]| {
    for record in records_of(data) {
        let _ = record.in_use();
        assert!(record.port.len() <= 3 * data.len());
    }
});
