//! Each request has one answer, with what is in force after it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Every request with one octet, or none, behind its code.
fn short_requests() -> impl Iterator<Item = Vec<u8>> {
    (0..=12).flat_map(|code| {
        let alone = std::iter::once(vec![code]);
        alone.chain((0..=u8::MAX).map(move |value| vec![code, value]))
    })
}

/// What a change is made of, so that each has something to change.
fn busy() -> Fake {
    let mut fake = Fake::new();
    fake.state = State {
        baud: 300,
        data_bits: DataBits::Six,
        parity: Parity::Space,
        stop_bits: StopBits::Two,
        flow: Flow::XonXoff,
        inbound_flow: Flow::RtsCts,
        sends_break: true,
        dtr: false,
        rts: false,
    };
    fake
}

#[test]
fn every_request_has_one_answer_with_the_state_in_force() {
    for refuses in [false, true] {
        for settings in [ClientSettings::ANY, ClientSettings::NONE] {
            for start in [Fake::new(), busy()] {
                for request in short_requests() {
                    let (mut control, mut fake) = (with(settings), start.clone());
                    fake.refuses = refuses;
                    let answer = ask(&mut control, &mut fake, &request);
                    let what = format!("{request:?} {settings} {fake:?}");
                    match request[..] {
                        [8 | 9, ..] | [0, _] => assert!(answer.is_empty(), "{what}"),
                        [0] => assert!(answer.starts_with(b"\x64modemd "), "{what}"),
                        [6 | 7 | 10 | 11, ..] => {
                            assert_eq!((answer[0], answer.len()), (request[0] + 100, 2), "{what}");
                        }
                        [12, value] => assert_eq!(answer, [112, value], "{what}"),
                        [12] => assert_eq!(answer, [112, 0], "{what}"),
                        _ => assert_eq!(Some(answer), in_force(&request, &fake), "{what}"),
                    }
                    if refuses || settings == ClientSettings::NONE {
                        assert_eq!(fake.state, start.state, "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_asked_for_comes_into_force() {
    for (request, change) in [
        (&[1, 0, 0, 0x25, 0x80][..], Setting::Baud(9600)),
        (&[1, 0, 0xb7, 0x1b, 0], Setting::Baud(MAX_BAUD)),
        (&[1, 14], Setting::Baud(115_200)),
        (&[2, 5], Setting::DataBits(DataBits::Five)),
        (&[2, 6], Setting::DataBits(DataBits::Six)),
        (&[2, 7], Setting::DataBits(DataBits::Seven)),
        (&[2, 8], Setting::DataBits(DataBits::Eight)),
        (&[3, 1], Setting::Parity(Parity::None)),
        (&[3, 2], Setting::Parity(Parity::Odd)),
        (&[3, 3], Setting::Parity(Parity::Even)),
        (&[3, 4], Setting::Parity(Parity::Mark)),
        (&[3, 5], Setting::Parity(Parity::Space)),
        (&[4, 1], Setting::StopBits(StopBits::One)),
        (&[4, 2], Setting::StopBits(StopBits::Two)),
        (&[5, 1], Setting::Flow(Flow::None)),
        (&[5, 2], Setting::Flow(Flow::XonXoff)),
        (&[5, 3], Setting::Flow(Flow::RtsCts)),
        (&[5, 5], Setting::Break(true)),
        (&[5, 6], Setting::Break(false)),
        (&[5, 8], Setting::Dtr(true)),
        (&[5, 9], Setting::Dtr(false)),
        (&[5, 11], Setting::Rts(true)),
        (&[5, 12], Setting::Rts(false)),
        (&[5, 14], Setting::InboundFlow(Flow::None)),
        (&[5, 15], Setting::InboundFlow(Flow::XonXoff)),
        (&[5, 16], Setting::InboundFlow(Flow::RtsCts)),
    ] {
        for start in [Fake::new(), busy()] {
            let (mut fake, mut expected) = (start.clone(), start);
            expected.set(change);
            let answer = ask(&mut free(), &mut fake, request);
            assert_eq!(fake, expected, "{change:?}");
            // Accepted, it comes back as it went.
            assert_eq!((answer[0], &answer[1..]), (request[0] + 100, &request[1..]));
        }
    }
}

#[test]
fn a_question_or_what_nobody_can_do_changes_nothing() {
    for request in [
        &[1][..],
        &[1, 0],
        &[1, 0, 0],
        &[1, 0, 0, 0, 0],
        &[1, 0, 0xb7, 0x1b, 1],
        &[1, 255, 255, 255, 255],
        &[1, 9],
        &[1, 255],
        &[2],
        &[2, 0],
        &[2, 4],
        &[2, 9],
        &[3, 0],
        &[3, 6],
        &[3, 9],
        &[4, 0],
        &[4, 3],
        &[5, 0],
        &[5, 4],
        &[5, 7],
        &[5, 10],
        &[5, 13],
        &[5, 17],
        &[5, 18],
        &[5, 19],
        &[5, 20],
        &[5, 255],
        &[6],
        &[7],
        &[10],
        &[11],
    ] {
        for start in [Fake::new(), busy()] {
            let mut fake = start.clone();
            let answer = ask(&mut free(), &mut fake, request);
            assert_eq!(fake, start, "{request:?}");
            if let Some(expected) = in_force(request, &start) {
                assert_eq!(answer, expected, "{request:?}");
            }
        }
    }
}

#[test]
fn a_client_changes_what_it_may_and_nothing_else() {
    let requests = [
        (ClientSetting::Baud, &[&[1, 0, 0, 4, 0xb0][..], &[1, 5]][..]),
        (ClientSetting::DataBits, &[&[2, 7]]),
        (ClientSetting::Parity, &[&[3, 3]]),
        (ClientSetting::StopBits, &[&[4, 2]]),
        (ClientSetting::Flow, &[&[5, 3], &[5, 15]]),
        (ClientSetting::Dtr, &[&[5, 9]]),
        (ClientSetting::Rts, &[&[5, 12]]),
        (ClientSetting::Break, &[&[5, 5]]),
    ];
    for allowed in ClientSetting::ALL {
        let mut control = with([allowed].into_iter().collect());
        assert_eq!(control.may_break(), allowed == ClientSetting::Break);
        for (setting, requests) in requests {
            for request in requests {
                let mut fake = Fake::new();
                let answer = ask(&mut control, &mut fake, request);
                assert_eq!(Some(answer), in_force(request, &fake), "{request:?}");
                let changed = fake != Fake::new();
                assert_eq!(changed, setting == allowed, "{request:?}, {allowed}");
            }
        }
    }
}

#[test]
fn no_client_is_faster_than_it_may_be() {
    let mut control = Control::new(Rights {
        settings: ClientSettings::ANY,
        max_baud: Some(19_200),
    });
    let mut fake = Fake::new();
    let wide = |baud: u32| [&[1][..], &baud.to_be_bytes()].concat();
    for (request, baud) in [
        (wide(19_201), 9600),
        (wide(19_200), 19_200),
        (wide(115_200), 19_200),
        (vec![1, 14], 19_200),
        (vec![1, 6], 2400),
        (wide(1), 1),
    ] {
        let answer = ask(&mut control, &mut fake, &request);
        assert_eq!(fake.state.baud, baud);
        assert_eq!(Some(answer), in_force(&request, &fake));
    }
}

#[test]
fn a_speed_is_answered_as_the_hardware_makes_it() {
    let mut fake = Fake::new();
    fake.step = 1000;
    let answer = ask(&mut free(), &mut fake, &[1, 0, 0, 0x25, 0x80]);
    assert_eq!(answer, [101, 0, 0, 0x27, 0x10]);
    // It has no code of Cisco's.
    let answer = ask(&mut free(), &mut fake, &[1, 8]);
    assert_eq!(answer, [101, 0, 0, 0x27, 0x10]);
}

#[test]
fn a_signature_is_asked_for_or_told() {
    let (mut control, mut fake) = (free(), Fake::new());
    let ours = concat!("\x64modemd ", env!("CARGO_PKG_VERSION"));
    assert_eq!(ask(&mut control, &mut fake, &[0]), ours.as_bytes());
    assert!(ask(&mut control, &mut fake, b"\0pyserial").is_empty());
}

#[test]
fn silence_lasts_from_suspend_to_resume() {
    let (mut control, mut fake) = (free(), Fake::new());
    for (request, suspended) in [(9, false), (8, true), (8, true), (9, false), (8, true)] {
        assert!(ask(&mut control, &mut fake, &[request]).is_empty());
        assert_eq!(control.is_suspended(), suspended);
    }
    // A request is carried out, and has its answer, all the same.
    assert_eq!(ask(&mut control, &mut fake, &[2, 7]), [102, 7]);
    control.resume();
    assert!(!control.is_suspended());
}

#[test]
fn a_purge_throws_away_what_it_names() {
    for (value, discarded) in [(1, (1, 0)), (2, (0, 1)), (3, (1, 1))] {
        let mut fake = Fake::new();
        assert_eq!(ask(&mut free(), &mut fake, &[12, value]), [112, value]);
        assert_eq!(fake.discarded, discarded);
    }
    for value in (4..=u8::MAX).chain([0]) {
        let mut fake = Fake::new();
        assert_eq!(ask(&mut free(), &mut fake, &[12, value]), [112, value]);
        assert_eq!(fake, Fake::new());
    }
}

#[test]
fn whatever_may_change_the_line_waits_for_the_data_in_front() {
    for request in short_requests() {
        let waits = message(&request).changes_the_line();
        for start in [Fake::new(), busy()] {
            let mut fake = start.clone();
            ask(&mut free(), &mut fake, &request);
            assert!(waits || fake.state == start.state, "{request:?}");
        }
        let asks = match request[..] {
            [0 | 6..=12, ..] | [_] | [1..=4, 0] => true,
            [5, value] => [0, 4, 7, 10, 13].contains(&value),
            _ => false,
        };
        assert_eq!(waits, !asks, "{request:?}");
    }
    assert!(message(&[1, 0, 0, 0x25, 0x80]).changes_the_line());
    assert!(!message(&[1, 0, 0, 0, 0]).changes_the_line());
}

proptest! {
    #[test]
    fn after_each_message_the_answer_is_the_state(
        requests in vec((0..=12_u8, vec(prop_oneof![0..21_u8, any::<u8>()], 0..6)), 0..40),
        allowed in vec(any::<bool>(), 8),
        max_baud in proptest::option::of(1..=MAX_BAUD),
        refuses: bool,
        step in 1..2000_u32,
    ) {
        let allowed: Vec<bool> = allowed;
        let settings = ClientSetting::ALL.into_iter().zip(allowed);
        let settings = settings.filter(|(_, allowed)| *allowed).map(|(setting, _)| setting);
        let mut control = Control::new(Rights { settings: settings.collect(), max_baud });
        let mut fake = Fake { refuses, step, ..Fake::new() };
        let start = fake.state;
        for (code, value) in requests {
            let request = [&[code][..], &value].concat();
            let before = fake.state;
            let waits = message(&request).changes_the_line();
            let answer = ask(&mut control, &mut fake, &request);
            prop_assert!(waits || fake.state == before);
            if let Some(expected) = in_force(&request, &fake) {
                prop_assert_eq!(&answer, &expected);
            }
            let silent = matches!(code, 8 | 9) || (code == 0 && !value.is_empty());
            prop_assert_eq!(answer.is_empty(), silent);
        }
        prop_assert!(!refuses || fake.state == start);
    }
}
