//! A client's wishes, and what becomes of them at the server.

use proptest::prelude::*;

use super::*;

/// Has the server answer; what the client is told by it.
fn answers(
    remote: &mut Remote,
    messages: Vec<Message>,
    control: &mut Control,
    fake: &mut Fake,
) -> Vec<Told> {
    let mut told = Vec::new();
    for message in messages {
        let content = message.encode(Sender::Client);
        let answer = ask(control, fake, &content);
        let answer = Message::decode(&answer, Sender::Server).expect("an answer");
        told.extend(remote.hear(&answer));
    }
    told
}

fn choice<T: Copy + std::fmt::Debug + 'static>(
    of: &'static [T],
) -> impl Strategy<Value = Option<T>> {
    prop::option::of(prop::sample::select(of))
}

const FLOWS: &[Flow] = &[Flow::None, Flow::XonXoff, Flow::RtsCts];

fn wanted() -> impl Strategy<Value = Wanted> {
    let bits = choice(&[DataBits::Five, DataBits::Seven, DataBits::Eight]);
    let parity = choice(&[Parity::None, Parity::Odd, Parity::Even, Parity::Space]);
    let stop = choice(&[StopBits::One, StopBits::Two]);
    let dtr = prop::option::of(any::<bool>());
    let baud = prop::option::of(1..MAX_BAUD);
    (baud, bits, parity, stop, choice(FLOWS), choice(FLOWS), dtr).prop_map(
        |(baud, data_bits, parity, stop_bits, flow, inbound_flow, dtr)| Wanted {
            baud,
            data_bits,
            parity,
            stop_bits,
            flow,
            inbound_flow,
            dtr,
        },
    )
}

/// Whether what is in force is what was wanted, as far as anything was.
fn is_granted(wanted: Wanted, state: &State) -> bool {
    wanted.baud.is_none_or(|baud| baud == state.baud)
        && wanted.data_bits.is_none_or(|bits| bits == state.data_bits)
        && wanted.parity.is_none_or(|parity| parity == state.parity)
        && wanted.stop_bits.is_none_or(|bits| bits == state.stop_bits)
        && wanted.flow.is_none_or(|flow| flow == state.flow)
        && wanted
            .inbound_flow
            .is_none_or(|flow| flow == state.inbound_flow)
        && wanted.dtr.is_none_or(|dtr| dtr == state.dtr)
}

fn is_in_force(told: Told, state: &State) -> bool {
    match told {
        Told::InForce(Setting::Baud(baud)) => baud == state.baud,
        Told::InForce(Setting::DataBits(bits)) => bits == state.data_bits,
        Told::InForce(Setting::Parity(parity)) => parity == state.parity,
        Told::InForce(Setting::StopBits(bits)) => bits == state.stop_bits,
        Told::InForce(Setting::Flow(flow)) => flow == state.flow,
        Told::InForce(Setting::InboundFlow(flow)) => flow == state.inbound_flow,
        Told::InForce(Setting::Dtr(on)) => on == state.dtr,
        _ => false,
    }
}

proptest! {
    #[test]
    fn what_is_wanted_comes_into_force_and_what_is_in_force_is_told(
        wishes in prop::collection::vec(wanted(), 1..6)
    ) {
        let (mut remote, mut control, mut fake) = (Remote::default(), free(), Fake::new());
        for wanted in wishes {
            let messages = remote.want(wanted);
            let told = answers(&mut remote, messages, &mut control, &mut fake);
            prop_assert!(remote.is_answered());
            prop_assert!(is_granted(wanted, &fake.state), "{wanted:?} {:?}", fake.state);
            prop_assert!(told.iter().all(|told| is_in_force(*told, &fake.state)));
            prop_assert_eq!(remote.want(wanted), []);
        }
    }

    #[test]
    fn nothing_that_a_server_says_is_too_strange(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..8), 0..40)
    ) {
        let mut remote = Remote::default();
        for content in contents {
            if let Some(message) = Message::decode(&content, Sender::Server) {
                remote.hear(&message);
            }
        }
        prop_assert!(remote.is_answered());
    }
}

#[test]
fn what_is_refused_is_told_and_can_be_wanted_again() {
    let (mut remote, mut control, mut fake) = (Remote::default(), free(), Fake::new());
    fake.refuses = true;
    let fast = Wanted {
        baud: Some(115_200),
        ..Wanted::default()
    };
    for _ in 0..2 {
        let messages = remote.want(fast);
        assert_eq!(messages, [Message::BaudRate(BaudRate::Wide(115_200))]);
        let told = answers(&mut remote, messages, &mut control, &mut fake);
        assert_eq!(told, [Told::InForce(Setting::Baud(9600))]);
    }
}

#[test]
fn an_answer_to_what_is_not_wanted_any_more_is_none() {
    let mut remote = Remote::default();
    let of = |baud| Wanted {
        baud: Some(baud),
        ..Wanted::default()
    };
    remote.want(of(300));
    remote.want(of(1200));
    let answer = |baud| Message::BaudRate(BaudRate::Wide(baud));
    assert_eq!(remote.hear(&answer(300)), None);
    assert!(!remote.is_answered());
    assert_eq!(
        remote.hear(&answer(1200)),
        Some(Told::InForce(Setting::Baud(1200)))
    );
    assert!(remote.is_answered());
}

#[test]
fn a_server_that_leaves_something_without_an_answer_is_understood_afterwards() {
    let mut remote = Remote::default();
    let wish = |baud| Wanted {
        baud: Some(baud),
        ..Wanted::default()
    };
    remote.want(wish(12_345));
    remote.request(Setting::Dtr(false));
    let off = Message::Control(set_control::DTR_OFF);
    assert_eq!(remote.hear(&off), Some(Told::InForce(Setting::Dtr(false))));
    assert!(remote.is_answered());
    remote.want(wish(9600));
    let answer = Message::BaudRate(BaudRate::Wide(9600));
    let in_force = Told::InForce(Setting::Baud(9600));
    assert_eq!(remote.hear(&answer), Some(in_force));
    remote.purge(3);
    remote.last_question();
    assert!(!remote.is_answered());
    remote.hear(&Message::Parity(1));
    assert!(remote.is_answered());
    for _ in 0..1000 {
        remote.purge(3);
    }
    remote.last_question();
    remote.hear(&Message::Parity(1));
    assert!(remote.is_answered());
}

#[test]
fn all_that_was_not_wanted_is_asked_for() {
    let (mut remote, mut control, mut fake) = (Remote::default(), free(), Fake::new());
    let wanted = Wanted {
        parity: Some(Parity::Even),
        ..Wanted::default()
    };
    let mut messages = remote.want(wanted);
    messages.extend(remote.ask());
    let told = answers(&mut remote, messages, &mut control, &mut fake);
    let in_force = [
        Setting::Parity(Parity::Even),
        Setting::Baud(9600),
        Setting::DataBits(DataBits::Eight),
        Setting::StopBits(StopBits::One),
        Setting::Flow(Flow::None),
    ];
    assert_eq!(told, in_force.map(Told::InForce));
}
