//! CR and its mate, with the network virtual terminal and without.

use super::*;

#[test]
fn a_carriage_return_is_one_whatever_stands_behind_it() {
    for (sent, line) in [
        (&b"ATZ\r\0"[..], &b"ATZ\r"[..]),
        (b"ATZ\r\n", b"ATZ\r"),
        (b"ATZ\r", b"ATZ\r"),
        (b"ATZ\rATI\r", b"ATZ\rATI\r"),
        (b"\r\r\n\r\0\r", b"\r\r\r\r"),
        (b"\r\n\n\r\0\0", b"\r\n\r\0"),
        (b"a\nb\0c", b"a\nb\0c"),
        (b"\r\xff\xff\n\r\xff\xff\0", b"\r\xff\n\r\xff\0"),
    ] {
        let mut end = End::new(Role::Server);
        end.expect(sent, &[data(line)], &[]);
    }
}

#[test]
fn the_mate_of_a_carriage_return_may_come_later() {
    for mate in [NUL, LF] {
        let mut end = End::offering();
        end.expect(b"a\r", &[data(b"a\r")], &[]);
        end.expect(&[mate], &[], &[]);
        end.expect(&[mate], &[data(&[mate])], &[]);
        let split = [b'\r', IAC, NOP, mate, b'b'];
        end.expect(&split, &[data(b"\rb")], &[]);
        let split = [b'\r', IAC, SB, COM_PORT, b'x', IAC, SE, mate, b'b'];
        end.expect(&split, &[data(b"\rb")], &[]);
    }
}

#[test]
fn binary_data_comes_as_it_is() {
    let mut end = End::binary();
    end.expect(b"\r\0\r\n\r\xff\xff\r", &[data(b"\r\0\r\n\r\xff\r")], &[]);
    end.expect(b"\n", &[data(b"\n")], &[]);
}

#[test]
fn the_change_to_binary_counts_from_its_octet_on() {
    let mut end = End::offering();
    let on = Heard::Switched(TelnetOption::Binary, Side::Them, true);
    end.expect(
        b"\r\n\r\xff\xfb\x00\n\r\n",
        &[data(b"\r\r"), on, data(b"\n\r\n")],
        &[],
    );
    let off = Heard::Switched(TelnetOption::Binary, Side::Them, false);
    end.expect(
        b"\r\xff\xfc\x00\n\r\n",
        &[data(b"\r"), off, data(b"\n\r")],
        b"\xff\xfe\x00",
    );
}

#[test]
fn a_mate_does_not_stand_behind_a_change_to_binary_and_back() {
    let mut end = End::offering();
    end.hear(b"\r\xff\xfb\x00\xff\xfc\x00\nx");
    assert_eq!(end.data(), b"\r\nx");
}

#[test]
fn a_carriage_return_goes_at_once_and_its_mate_with_what_follows() {
    for (pieces, sent) in [
        (&[&b"OK\r"[..]][..], &b"OK\r"[..]),
        (&[b"OK\r", b"x"], b"OK\r\0x"),
        (&[b"OK\r", b"\n"], b"OK\r\n"),
        (&[b"\rx\r\ny\r\r\n"], b"\r\0x\r\ny\r\0\r\n"),
        (&[b"\r", b"", b"\0", b"\n"], b"\r\0\0\n"),
        (&[b"\r\xff"], b"\r\0\xff\xff"),
        (&[b"a\xff\xff"], b"a\xff\xff\xff\xff"),
        (&[b"\n\0"], b"\n\0"),
    ] {
        let mut end = End::new(Role::Server);
        let out: Vec<_> = pieces.iter().map(|piece| end.send(piece)).collect();
        assert_eq!(out.concat(), sent, "{pieces:?}");
    }
}

#[test]
fn nothing_comes_between_a_carriage_return_and_its_mate() {
    let mut end = End::offering();
    assert_eq!(end.send(b"\r"), b"\r");
    end.expect(&[IAC, DO, 6], &[], &[NUL, IAC, WILL, 6]);
    assert_eq!(end.send(b"\n"), b"\n");

    assert_eq!(end.send(b"\r"), b"\r");
    let mut out = Vec::new();
    end.telnet
        .subnegotiate(TelnetOption::ComPort, &[107, 0xff], &mut out);
    let expected = [NUL, IAC, SB, COM_PORT, 107, IAC, IAC, IAC, SE];
    assert_eq!(out, expected);
    assert_eq!(end.send(b"\r"), b"\r");
    let mut out = Vec::new();
    end.telnet.want(TelnetOption::ComPort, Side::Us, &mut out);
    assert_eq!(out, [NUL, IAC, WILL, COM_PORT]);
    // What is not answered has no need of it.
    assert_eq!(end.send(b"\r"), b"\r");
    end.expect(&[IAC, NOP, IAC, DONT, 99], &[], &[]);
    assert_eq!(end.send(b"\n"), b"\n");
}

#[test]
fn binary_data_goes_as_it_is_but_for_iac() {
    let mut end = End::binary();
    assert_eq!(end.send(b"\r\r\n\rx\xff\r"), b"\r\r\n\rx\xff\xff\r");
    end.expect(&[IAC, DO, 6], &[], &[IAC, WILL, 6]);
    assert_eq!(end.send(b"\0"), b"\0");
}

#[test]
fn a_carriage_return_before_binary_was_agreed_to_needs_no_mate_after_it() {
    // The other side has it on since our WILL, which it has answered.
    let mut end = End::offering();
    assert_eq!(end.send(b"\r"), b"\r");
    end.hear(&[IAC, DO, 0]);
    assert_eq!(end.send(b"x"), b"x");
}

#[test]
fn when_binary_is_no_longer_wanted_data_has_line_ends_again_at_once() {
    let mut end = End::binary();
    let mut out = Vec::new();
    end.telnet
        .want_not(TelnetOption::Binary, Side::Us, &mut out);
    end.telnet.send(b"\rx", &mut out);
    assert_eq!(out, b"\xff\xfc\x00\r\0x");
    // Their answer changes nothing about it.
    assert_eq!(end.send(b"\r"), b"\r");
    end.hear(&[IAC, DONT, 0]);
    assert_eq!(end.send(b"x"), b"\0x");
}
