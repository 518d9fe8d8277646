//! Whatever somebody says to the control socket: the messages in it are the same however they come in, and a
//! call that is understood is one that can be said again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::varlink::{Call, Frames, frame};

fn messages(pieces: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut frames = Frames::default();
    let mut messages = Vec::new();
    for piece in pieces {
        frames.feed(&piece);
        while let Some(Ok(message)) = frames.next() {
            messages.push(message);
        }
    }
    messages
}

fuzz_target!(|data: &[u8]| {
    let whole = messages(std::iter::once(data.to_vec()));
    assert_eq!(whole, messages(data.iter().map(|octet| vec![*octet])));
    for message in whole {
        let Ok(call) = serde_json::from_slice::<Call>(&message) else {
            continue;
        };
        let _ = call.target();
        let again = frame(&call);
        let again: Call = serde_json::from_slice(&again[..again.len() - 1]).unwrap();
        assert_eq!(again, call);
    }
});
