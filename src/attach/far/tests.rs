//! What a far end makes of what it hears, and is told of what is wanted.

use proptest::prelude::*;

use super::*;
use crate::com_port::BaudRate;

/// A server with COM port control, as far as telnet goes.
fn server(out: &mut Vec<u8>) -> Telnet {
    let mut telnet = Telnet::new(Role::Server);
    telnet.want(TelnetOption::Binary, Side::Us, out);
    telnet.want(TelnetOption::Binary, Side::Them, out);
    telnet.want(TelnetOption::ComPort, Side::Them, out);
    telnet
}

fn answer(telnet: &mut Telnet, message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    let content = message.encode(Sender::Server);
    telnet.subnegotiate(TelnetOption::ComPort, &content, &mut out);
    out
}

/// What a server is sent: its data, and the messages.
fn understood(
    telnet: &mut Telnet,
    mut octets: &[u8],
    out: &mut Vec<u8>,
) -> (Vec<u8>, Vec<Message>) {
    let (mut data, mut messages) = (Vec::new(), Vec::new());
    while let Some(event) = telnet.receive(&mut octets, out) {
        match event {
            Event::Data(part) => data.extend_from_slice(part),
            Event::Subnegotiation(_, content) => {
                messages.extend(Message::decode(&content, Sender::Client));
            }
            _ => {}
        }
    }
    (data, messages)
}

/// A far end that has agreed to COM port control, and its server.
fn agreed() -> (Far, Telnet) {
    let (mut to_server, mut to_far, mut data) = (Vec::new(), Vec::new(), Vec::new());
    let mut far = Far::new(&mut to_server);
    let mut server = server(&mut to_far);
    understood(&mut server, &to_server, &mut to_far);
    to_server.clear();
    assert_eq!(far.control(), Control::Asked);
    far.hear(&to_far, &mut data, &mut to_server);
    understood(&mut server, &to_server, &mut Vec::new());
    assert_eq!((far.control(), data), (Control::Agreed, Vec::new()));
    (far, server)
}

fn fast() -> Wanted {
    Wanted {
        baud: Some(115_200),
        ..Wanted::default()
    }
}

#[test]
fn what_is_wanted_stands_in_its_place_among_the_data() {
    let (mut far, mut server) = agreed();
    let mut out = Vec::new();
    far.say(b"slow\xff", &mut out);
    far.want(fast(), &mut out);
    let length = out.len();
    far.say(b"fast", &mut out);
    let (data, messages) = understood(&mut server, &out[..length], &mut Vec::new());
    assert_eq!(data, b"slow\xff");
    assert_eq!(messages, [Message::BaudRate(BaudRate::Wide(115_200))]);
    let (data, _) = understood(&mut server, &out[length..], &mut Vec::new());
    assert_eq!(data, b"fast");
    assert!(!far.is_answered());
    let answer = answer(&mut server, &messages[0]);
    let told = far.hear(&answer, &mut Vec::new(), &mut Vec::new());
    assert_eq!(told, [Told::InForce(Setting::Baud(115_200))]);
    assert!(far.is_answered());
}

#[test]
fn whoever_refuses_com_port_control_gets_data_and_nothing_else() {
    let (mut out, mut data) = (Vec::new(), Vec::new());
    let mut far = Far::new(&mut out);
    assert!(!far.speaks());
    far.hear(b"CONN\xff\xfe\x2cECT ", &mut data, &mut out);
    assert_eq!(std::mem::take(&mut data), b"CONNECT ");
    assert!(far.speaks());
    assert_eq!(far.control(), Control::Refused);
    out.clear();
    far.want(fast(), &mut out);
    far.ask(&mut out);
    far.ask_last(&mut out);
    far.send_break(false, &mut out);
    far.purge(3, &mut out);
    assert!(out.is_empty(), "{out:?}");
    far.send_break(true, &mut out);
    assert_eq!(std::mem::take(&mut out), b"\xff\xf3");
    far.hear(b"OK", &mut data, &mut out);
    far.say(b"AT", &mut out);
    assert_eq!((&data[..], &out[..]), (&b"OK"[..], &b"AT"[..]));
}

#[test]
fn the_words_of_a_server_without_a_line_are_no_data() {
    let (mut out, mut data) = (Vec::new(), Vec::new());
    let mut far = Far::new(&mut out);
    far.hear(b"\r\nBUSY\r\n", &mut data, &mut out);
    assert_eq!(
        (far.words(), far.control()),
        ("BUSY".to_owned(), Control::Asked)
    );
    far.hear(&[b'x'; 2 * WORDS], &mut data, &mut out);
    assert!(far.words().starts_with("BUSY xxx") && far.words().len() < SHOWN);
    assert!(data.is_empty());
    far.hear(b"\xff\xfd\x2cOK", &mut data, &mut out);
    assert_eq!((far.control(), &data[..]), (Control::Agreed, &b"OK"[..]));
}

#[test]
fn a_server_that_leaves_questions_without_an_answer_gets_data_after_all() {
    let (mut out, mut data) = (Vec::new(), Vec::new());
    for (said, control) in [
        (&b"\xff\xf1"[..], Control::Refused),
        (b"\xff\xfd\x2c", Control::Agreed),
    ] {
        let mut far = Far::new(&mut out);
        far.hear(said, &mut data, &mut out);
        assert!(far.owes_an_answer() && !far.takes_data());
        far.settle();
        assert!(!far.owes_an_answer() && far.takes_data());
        assert_eq!(far.control(), control);
    }
    let mut far = Far::new(&mut out);
    far.hear(b"1st in the queue", &mut data, &mut out);
    assert!(!far.owes_an_answer());
}

#[test]
fn a_server_that_asks_is_told_who_we_are_and_one_that_wants_silence_gets_it() {
    let (mut far, mut server) = agreed();
    let mut out = Vec::new();
    let who = answer(&mut server, &Message::Signature(Vec::new()));
    far.hear(&who, &mut Vec::new(), &mut out);
    let (_, messages) = understood(&mut server, &out, &mut Vec::new());
    let name = concat!("modemctl ", env!("CARGO_PKG_VERSION"));
    assert_eq!(messages, [Message::Signature(name.into())]);
    for (message, silent) in [(Message::Suspend, true), (Message::Resume, false)] {
        let octets = answer(&mut server, &message);
        far.hear(&octets, &mut Vec::new(), &mut out);
        assert_eq!(far.takes_data(), !silent);
    }
}

proptest! {
    #[test]
    fn what_a_far_end_says_means_the_same_however_it_is_cut(
        octets in prop::collection::vec(prop_oneof![Just(0xff), Just(0xfa), Just(0xf0), Just(44), any::<u8>()], 0..200),
        cuts in prop::collection::vec(0..200_usize, 0..20)
    ) {
        let hear = |pieces: &[&[u8]]| {
            let (mut out, mut data, mut told) = (Vec::new(), Vec::new(), Vec::new());
            let mut far = Far::new(&mut out);
            for piece in pieces {
                told.extend(far.hear(piece, &mut data, &mut out));
            }
            (data, told, out, far.control(), far.words())
        };
        let mut places: Vec<_> = cuts.into_iter().filter(|cut| *cut < octets.len()).collect();
        places.sort_unstable();
        let mut pieces = Vec::new();
        let mut begin = 0;
        for place in places.into_iter().chain([octets.len()]) {
            pieces.push(&octets[begin..place]);
            begin = place;
        }
        prop_assert_eq!(hear(&pieces), hear(&[&octets]));
    }
}
