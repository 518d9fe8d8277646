//! What is taken for a subnegotiation, and what is thrown away.

use super::*;

fn subnegotiation(content: &[u8]) -> Heard {
    Heard::Subnegotiation(TelnetOption::ComPort, content.to_vec())
}

#[test]
fn the_content_comes_without_its_option_and_with_iac_undoubled() {
    let mut end = End::binary();
    end.expect(
        &[b'a', IAC, SB, COM_PORT, 1, IAC, IAC, 2, IAC, SE, b'b'],
        &[data(b"a"), subnegotiation(&[1, IAC, 2]), data(b"b")],
        &[],
    );
    // A CR is nothing special in there.
    end.expect(
        b"\xff\xfa\x2c\r\n\r\0\xff\xf0",
        &[subnegotiation(b"\r\n\r\0")],
        &[],
    );
    end.expect(&[IAC, SB, COM_PORT, IAC, SE], &[subnegotiation(&[])], &[]);
    // SE is an end only behind IAC.
    end.expect(
        &[IAC, SB, COM_PORT, IAC, IAC, SE, IAC, SE],
        &[subnegotiation(&[IAC, SE])],
        &[],
    );
}

#[test]
fn a_subnegotiation_without_an_option_that_is_on_is_thrown_away() {
    let mut end = End::offering();
    for bytes in [
        &[IAC, SB, IAC, SE][..],
        &[IAC, SB, COM_PORT, 1, 2, IAC, SE],
        &[IAC, SB, 24, 1, IAC, SE],
        &[IAC, SB, IAC, IAC, 1, IAC, SE],
    ] {
        end.expect(bytes, &[], &[]);
    }
    end.expect(b"x", &[data(b"x")], &[]);
}

#[test]
fn an_option_that_is_on_on_either_side_may_subnegotiate() {
    for verb in [WILL, DO] {
        let mut end = End::new(Role::Server);
        end.hear(&[IAC, verb, COM_PORT]);
        end.hear(&[IAC, SB, COM_PORT, 7, IAC, SE]);
        assert_eq!(end.heard.pop(), Some(subnegotiation(&[7])));
    }
}

#[test]
fn another_command_ends_a_subnegotiation_and_is_obeyed() {
    let mut end = End::binary();
    for (command, heard, said) in [
        (&[IAC, BRK][..], &[Heard::Break][..], &[][..]),
        (&[IAC, NOP], &[], &[]),
        (&[IAC, DO, 6], &[], &[IAC, WILL, 6]),
        (
            &[IAC, SB, COM_PORT, 9, IAC, SE],
            &[subnegotiation(&[9])],
            &[],
        ),
    ] {
        end.hear(&[IAC, SB, COM_PORT, b'x', b'y']);
        end.expect(command, heard, said);
        end.expect(b"z", &[data(b"z")], &[]);
        // What was begun is forgotten.
        end.expect(&[IAC, SE], &[], &[]);
    }
}

#[test]
fn an_iac_that_was_not_doubled_spoils_a_subnegotiation_and_leaks_nothing() {
    let mut end = End::binary();
    for octet in 0..SE {
        end.expect(
            &[IAC, SB, COM_PORT, 1, IAC, octet, b'x', b'y', IAC, SE],
            &[],
            &[],
        );
        end.expect(b"z", &[data(b"z")], &[]);
    }
}

#[test]
fn what_is_longer_than_anything_understood_is_thrown_away() {
    let mut end = End::binary();
    for (length, heard) in [(255, true), (256, false), (257, false), (100_000, false)] {
        let content: Vec<u8> = (0..length).map(|n| b"abc"[n % 3]).collect();
        let bytes = [&[IAC, SB, COM_PORT][..], &content, &[IAC, SE, b'x']].concat();
        let mut events = vec![data(b"x")];
        if heard {
            events.insert(0, subnegotiation(&content));
        }
        end.expect(&bytes, &events, &[]);
    }
    // Doubled IACs count once.
    let content = [IAC; 255];
    let bytes = [&[IAC, SB, COM_PORT][..], &[IAC; 510], &[IAC, SE]].concat();
    end.expect(&bytes, &[subnegotiation(&content)], &[]);
}

#[test]
fn what_is_never_closed_is_neither_data_nor_kept() {
    let mut end = End::binary();
    end.hear(&[IAC, SB, COM_PORT]);
    for segment in [&[b'x'; 4096][..], &[IAC; 4096]] {
        for _ in 0..100 {
            end.expect(segment, &[], &[]);
            assert!(end.telnet.content.capacity() <= 2 * LONGEST_CONTENT);
        }
    }
}
