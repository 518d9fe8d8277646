//! Whatever comes in instead of a request, and however it is cut into segments: it is understood in one
//! way, at the latest when there is as much of it as is looked at, and the answer is HTTP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use modemd::metrics::Form;
use modemd::metrics::http::{LONGEST, Response, request};

// Input: how long the segments are, and what is sent.
fuzz_target!(|input: &[u8]| {
    let Some((&length, stream)) = input.split_first() else {
        return;
    };
    let length = usize::from(length).max(1);
    let ends = (0..stream.len()).step_by(length).chain([stream.len()]);
    let mut cut = ends.filter_map(|end| request(&stream[..end]));
    let asked = request(stream);
    assert_eq!(cut.next(), asked);
    assert!(asked.is_some() || stream.len() < LONGEST);
    let Some(asked) = asked else { return };
    let response = match asked.page {
        Ok(form) => {
            assert_ne!(form, Form::Either);
            Response::page(form, String::new())
        }
        Err(refusal) => Response::from(refusal),
    };
    let (head, whole) = (response.octets(true), response.octets(false));
    assert!(
        whole.starts_with(&head) && head.starts_with(b"HTTP/1.1 ") && head.ends_with(b"\r\n\r\n")
    );
});
