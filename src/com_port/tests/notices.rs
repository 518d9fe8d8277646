//! What a client is told about the signals and errors of its line, asked or not.

use super::line_state::{BREAK, FRAMING, HOLDING_EMPTY, OVERRUN, PARITY, TRANSMITTER_EMPTY};
use super::modem_state::{
    CARRIER, CARRIER_CHANGED, CTS, CTS_CHANGED, DSR, DSR_CHANGED, RING, RING_ENDED,
};
use super::*;

/// A client that has been greeted on a line where no signal is on.
fn greeted() -> (Control, Fake) {
    let (mut control, fake) = (free(), Fake::new());
    assert_eq!(control.greeting(&fake), Message::ModemState(Some(0)));
    (control, fake)
}

#[track_caller]
fn expect(control: &mut Control, fake: &Fake, notices: &[[u8; 2]]) {
    let told: Vec<_> = control.notices(fake).iter().map(encoded).collect();
    assert_eq!(told, notices);
    // And nothing twice.
    assert_eq!(control.notices(fake), []);
}

fn encoded(message: &Message) -> Vec<u8> {
    message.encode(Sender::Server)
}

#[test]
fn the_greeting_is_the_signals_as_they_are() {
    let (mut control, mut fake) = greeted();
    expect(&mut control, &fake, &[]);
    fake.signals.cts = true;
    fake.signals.carrier = true;
    // What came before it is no change.
    let greeting = control.greeting(&fake);
    assert_eq!(greeting, Message::ModemState(Some(CTS | CARRIER)));
    expect(&mut control, &fake, &[]);
}

#[test]
fn what_changed_is_told_in_one_message() {
    let (mut control, mut fake) = greeted();
    fake.signals.carrier = true;
    fake.signals.cts = true;
    let came = CARRIER | CTS | CARRIER_CHANGED | CTS_CHANGED;
    expect(&mut control, &fake, &[[107, came]]);
    fake.signals.dsr = true;
    let came = CARRIER | CTS | DSR | DSR_CHANGED;
    expect(&mut control, &fake, &[[107, came]]);
    fake.signals = Signals::default();
    let went = CARRIER_CHANGED | CTS_CHANGED | DSR_CHANGED;
    expect(&mut control, &fake, &[[107, went]]);
}

#[test]
fn a_ring_is_told_when_it_begins_and_its_edge_when_it_ends() {
    let (mut control, mut fake) = greeted();
    fake.signals.ring = true;
    expect(&mut control, &fake, &[[107, RING]]);
    fake.signals.ring = false;
    expect(&mut control, &fake, &[[107, RING_ENDED]]);
}

#[test]
fn a_pulse_between_two_looks_is_in_the_counts() {
    for (pulse, change) in [
        (
            Counts {
                carrier: 2,
                ..Counts::default()
            },
            CARRIER_CHANGED,
        ),
        (
            Counts {
                ring: 1,
                ..Counts::default()
            },
            RING_ENDED,
        ),
        (
            Counts {
                dsr: 2,
                ..Counts::default()
            },
            DSR_CHANGED,
        ),
        (
            Counts {
                cts: 2,
                ..Counts::default()
            },
            CTS_CHANGED,
        ),
    ] {
        let (mut control, mut fake) = greeted();
        fake.counts = Some(pulse);
        expect(&mut control, &fake, &[[107, change]]);
    }
}

#[test]
fn a_line_that_does_not_count_has_signals_but_no_errors() {
    let (mut control, mut fake) = (free(), Fake::new());
    fake.counts = None;
    control.greeting(&fake);
    ask(&mut control, &mut fake, &[10, 255]);
    fake.signals.dsr = true;
    expect(&mut control, &fake, &[[107, DSR | DSR_CHANGED]]);
    // What was counted before it could be seen is none of this client's.
    fake.counts = Some(Counts {
        breaks: 9,
        carrier: 9,
        ..Counts::default()
    });
    expect(&mut control, &fake, &[]);
}

#[test]
fn a_mask_is_set_and_told() {
    let (mut control, mut fake) = greeted();
    assert_eq!(ask(&mut control, &mut fake, &[10]), [110, 0]);
    assert_eq!(ask(&mut control, &mut fake, &[11]), [111, 255]);
    for mask in 0..=u8::MAX {
        for code in [10, 11] {
            assert_eq!(
                ask(&mut control, &mut fake, &[code, mask]),
                [code + 100, mask]
            );
            assert_eq!(ask(&mut control, &mut fake, &[code]), [code + 100, mask]);
        }
        assert_eq!(control.wants_notices(), mask != 0);
    }
}

#[test]
fn a_client_is_told_what_its_mask_lets_through_if_that_is_anything() {
    for mask in 0..=u8::MAX {
        let (mut control, mut fake) = greeted();
        ask(&mut control, &mut fake, &[11, mask]);
        fake.signals.carrier = true;
        let told = (CARRIER | CARRIER_CHANGED) & mask;
        let notice = [[107, told]];
        expect(&mut control, &fake, &notice[..usize::from(told != 0)]);
        // What was not let through does not come later.
        ask(&mut control, &mut fake, &[11, 255]);
        expect(&mut control, &fake, &[]);
    }
}

#[test]
fn errors_are_told_as_far_as_the_mask_says() {
    let counted = Counts {
        breaks: 1,
        framing: 2,
        parity: 3,
        overrun: 4,
        ..Counts::default()
    };
    let all = BREAK | FRAMING | PARITY | OVERRUN;
    for mask in 0..=u8::MAX {
        let (mut control, mut fake) = greeted();
        ask(&mut control, &mut fake, &[10, mask]);
        fake.counts = Some(counted);
        let notice = [[106, all & mask]];
        expect(&mut control, &fake, &notice[..usize::from(all & mask != 0)]);
    }
    for (counts, bit) in [
        (
            Counts {
                breaks: u32::MAX,
                ..Counts::default()
            },
            BREAK,
        ),
        (
            Counts {
                framing: 1,
                ..Counts::default()
            },
            FRAMING,
        ),
        (
            Counts {
                parity: 1,
                ..Counts::default()
            },
            PARITY,
        ),
        (
            Counts {
                overrun: 1,
                ..Counts::default()
            },
            OVERRUN,
        ),
    ] {
        let (mut control, mut fake) = greeted();
        ask(&mut control, &mut fake, &[10, 255]);
        fake.counts = Some(counts);
        expect(&mut control, &fake, &[[106, bit]]);
        // Counts wrap around.
        fake.counts = Some(Counts::default());
        expect(&mut control, &fake, &[[106, bit]]);
    }
}

#[test]
fn without_a_line_state_mask_no_error_is_told() {
    let (mut control, mut fake) = greeted();
    fake.counts = Some(Counts {
        breaks: 1,
        ..Counts::default()
    });
    expect(&mut control, &fake, &[]);
}

#[test]
fn modem_and_line_may_have_changed_at_once() {
    let (mut control, mut fake) = greeted();
    ask(&mut control, &mut fake, &[10, 255]);
    fake.signals.cts = true;
    fake.counts = Some(Counts {
        cts: 1,
        breaks: 1,
        ..Counts::default()
    });
    let notices = [[107, CTS | CTS_CHANGED], [106, BREAK]];
    expect(&mut control, &fake, &notices);
}

#[test]
fn the_modem_state_is_told_when_asked_for_whatever_the_mask() {
    let (mut control, mut fake) = greeted();
    ask(&mut control, &mut fake, &[11, 0]);
    for request in [&[7][..], &[7, 0], &[7, 255]] {
        fake.signals.carrier = true;
        let told = ask(&mut control, &mut fake, request);
        assert_eq!(told, [107, CARRIER | CARRIER_CHANGED]);
        assert_eq!(ask(&mut control, &mut fake, &[7]), [107, CARRIER]);
        fake.signals.carrier = false;
        assert_eq!(ask(&mut control, &mut fake, &[7]), [107, CARRIER_CHANGED]);
    }
    // An answer is as good as a notice.
    ask(&mut control, &mut fake, &[11, 255]);
    fake.signals.carrier = true;
    ask(&mut control, &mut fake, &[7]);
    expect(&mut control, &fake, &[]);
}

#[test]
fn the_line_state_is_told_when_asked_for_with_the_errors_since() {
    let (mut control, mut fake) = greeted();
    let empty = TRANSMITTER_EMPTY | HOLDING_EMPTY;
    assert_eq!(ask(&mut control, &mut fake, &[6]), [106, empty]);
    fake.unsent = 1;
    fake.counts = Some(Counts {
        overrun: 1,
        ..Counts::default()
    });
    assert_eq!(ask(&mut control, &mut fake, &[6]), [106, OVERRUN]);
    assert_eq!(ask(&mut control, &mut fake, &[6, 255]), [106, 0]);
    ask(&mut control, &mut fake, &[12, 2]);
    assert_eq!(ask(&mut control, &mut fake, &[6]), [106, empty]);
}

#[test]
fn the_greeting_starts_the_errors_afresh() {
    let (mut control, mut fake) = greeted();
    ask(&mut control, &mut fake, &[10, 255]);
    fake.counts = Some(Counts {
        breaks: 1,
        cts: 2,
        ..Counts::default()
    });
    assert_eq!(control.greeting(&fake), Message::ModemState(Some(0)));
    expect(&mut control, &fake, &[]);
}
