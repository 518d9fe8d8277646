//! Who does what.

use super::*;

#[test]
fn a_server_offers_each_option_once() {
    let mut telnet = Telnet::new(Role::Server);
    let mut out = Vec::new();
    for (option, side) in OFFERS.into_iter().chain(OFFERS) {
        telnet.want(option, side, &mut out);
    }
    let offers = [
        [IAC, WILL, SGA],
        [IAC, DO, SGA],
        [IAC, WILL, ECHO],
        [IAC, WILL, 0],
        [IAC, DO, 0],
        [IAC, DO, COM_PORT],
    ];
    assert_eq!(out, offers.concat());
}

#[test]
fn a_client_agrees_to_what_a_server_offers_and_that_ends_it() {
    let mut offers = Vec::new();
    let mut server = End::new(Role::Server);
    for (option, side) in OFFERS {
        server.telnet.want(option, side, &mut offers);
    }
    let mut client = End::new(Role::Client);
    client.hear(&offers);
    let answers = [
        [IAC, DO, SGA],
        [IAC, WILL, SGA],
        [IAC, DO, ECHO],
        [IAC, DO, 0],
        [IAC, WILL, 0],
        [IAC, WILL, COM_PORT],
    ];
    assert_eq!(client.said, answers.concat());
    let switched = OFFERS.map(|(option, side)| Heard::Switched(option, side, true));
    server.expect(&client.said, &switched, &[]);
    for (option, side) in OFFERS {
        let theirs = [Side::Them, Side::Us][side as usize];
        assert!(server.telnet.is_on(option, side), "{option:?} {side:?}");
        assert!(client.telnet.is_on(option, theirs), "{option:?} {side:?}");
    }
}

#[test]
fn a_client_may_refuse_all_without_an_answer() {
    let mut end = End::offering();
    for (option, side) in OFFERS {
        let verb = [DONT, WONT][side as usize];
        end.expect(&[IAC, verb, option.code()], &[], &[]);
        assert!(!end.telnet.is_on(option, side));
    }
}

#[test]
fn what_a_client_asks_for_itself_is_agreed_to_once() {
    for option in TelnetOption::ALL {
        for (side, ask, agree) in [(Side::Us, DO, WILL), (Side::Them, WILL, DO)] {
            if (option, side) != (TelnetOption::Echo, Side::Them) {
                let mut end = End::new(Role::Server);
                let asked = [IAC, ask, option.code()];
                let switched = Heard::Switched(option, side, true);
                end.expect(&asked, &[switched], &[IAC, agree, option.code()]);
                end.expect(&asked.repeat(3), &[], &[]);
            }
        }
    }
}

#[test]
fn what_is_on_is_switched_off_when_the_other_side_says_so() {
    let mut end = End::binary();
    end.expect(
        &[IAC, DONT, 0, IAC, DONT, 0, IAC, WONT, COM_PORT],
        &[
            Heard::Switched(TelnetOption::Binary, Side::Us, false),
            Heard::Switched(TelnetOption::ComPort, Side::Them, false),
        ],
        &[IAC, WONT, 0, IAC, DONT, COM_PORT],
    );
    assert!(end.telnet.is_on(TelnetOption::Binary, Side::Them));
}

#[test]
fn only_a_server_echoes() {
    let mut server = End::new(Role::Server);
    server.expect(&[IAC, WILL, ECHO], &[], &[IAC, DONT, ECHO]);
    let mut client = End::new(Role::Client);
    client.expect(&[IAC, DO, ECHO], &[], &[IAC, WONT, ECHO]);
    let on = Heard::Switched(TelnetOption::Echo, Side::Them, true);
    client.expect(&[IAC, WILL, ECHO], &[on], &[IAC, DO, ECHO]);
}

#[test]
fn an_unknown_option_is_refused_each_time_and_its_refusal_never_answered() {
    for code in 0..=u8::MAX {
        if TelnetOption::of_code(code).is_some() || code == TIMING_MARK {
            continue;
        }
        let mut end = End::offering();
        for _ in 0..2 {
            end.expect(&[IAC, DO, code], &[], &[IAC, WONT, code]);
            end.expect(&[IAC, WILL, code], &[], &[IAC, DONT, code]);
            end.expect(&[IAC, WONT, code, IAC, DONT, code], &[], &[]);
        }
    }
}

#[test]
fn each_request_for_a_timing_mark_gets_one() {
    let mut end = End::new(Role::Server);
    for _ in 0..3 {
        end.expect(&[b'x', IAC, DO, 6], &[data(b"x")], &[IAC, WILL, 6]);
    }
    // Nobody asked for theirs.
    end.expect(&[IAC, WILL, 6], &[], &[IAC, DONT, 6]);
    end.expect(&[IAC, DONT, 6, IAC, WONT, 6], &[], &[]);
}

#[test]
fn what_is_no_longer_wanted_is_on_until_the_other_side_has_agreed() {
    let mut end = End::binary();
    let mut out = Vec::new();
    for side in [Side::Us, Side::Them] {
        end.telnet.want_not(TelnetOption::Binary, side, &mut out);
        assert!(end.telnet.is_on(TelnetOption::Binary, side));
    }
    assert_eq!(out, [IAC, WONT, 0, IAC, DONT, 0]);
    end.expect(
        &[IAC, DONT, 0, IAC, WONT, 0],
        &[
            Heard::Switched(TelnetOption::Binary, Side::Us, false),
            Heard::Switched(TelnetOption::Binary, Side::Them, false),
        ],
        &[],
    );
}
