//! What holds for any input.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::reference::Reference;
use super::*;

/// Octets among which those of telnet are frequent.
fn octets(most: usize) -> impl Strategy<Value = Vec<u8>> {
    let telnet = vec![
        IAC, IAC, IAC, SB, SE, WILL, WONT, DO, DONT, DM, BRK, AYT, NOP, CR, LF, 0, 1, 3, 6, 44,
        b'x',
    ];
    vec(prop_oneof![3 => select(telnet), 1 => any::<u8>()], 0..most)
}

/// Data that has carriage returns, their mates and IACs.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let octet = prop_oneof![
        3 => select(vec![CR, LF, NUL, IAC, b'x']),
        1 => any::<u8>(),
    ];
    vec(octet, 0..12)
}

fn hear_in_pieces(end: &mut End, mut input: &[u8], cuts: &[usize]) {
    for &cut in cuts.iter().cycle() {
        let (segment, rest) = input.split_at(cut.min(input.len()));
        end.hear(segment);
        input = rest;
        if input.is_empty() {
            break;
        }
    }
}

/// What arrives of data that was sent by way of the network virtual terminal.
fn through_terminal(data: &[u8]) -> Vec<u8> {
    let mut arrives = data.to_vec();
    for at in (1..data.len()).rev() {
        if data[at - 1..=at] == *b"\r\n" {
            arrives.remove(at);
        }
    }
    arrives
}

/// Two ends, and the octets on the way to each.
struct Pair {
    ends: [End; 2],
    coming: [Vec<u8>; 2],
}

impl Pair {
    fn new() -> Self {
        Pair {
            ends: [End::new(Role::Server), End::new(Role::Client)],
            coming: [Vec::new(), Vec::new()],
        }
    }

    fn wish(&mut self, end: usize, option: TelnetOption, side: Side, on: bool) {
        let (telnet, out) = (&mut self.ends[end].telnet, &mut self.coming[1 - end]);
        if on {
            telnet.want(option, side, out);
        } else {
            telnet.want_not(option, side, out);
        }
    }

    fn send(&mut self, end: usize, data: &[u8]) {
        self.ends[end].telnet.send(data, &mut self.coming[1 - end]);
    }

    /// As many octets of what is on the way arrive.
    fn deliver(&mut self, to: usize, count: usize) {
        let count = count.min(self.coming[to].len());
        let segment: Vec<_> = self.coming[to].drain(..count).collect();
        self.ends[to].hear(&segment);
        let said = std::mem::take(&mut self.ends[to].said);
        self.coming[1 - to].extend(said);
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            for to in 0..2 {
                self.deliver(to, usize::MAX);
            }
        }
        assert!(self.coming.iter().all(Vec::is_empty), "no end");
    }
}

fn options() -> impl Strategy<Value = TelnetOption> {
    select(TelnetOption::ALL.to_vec())
}

fn sides() -> impl Strategy<Value = Side> {
    select(vec![Side::Us, Side::Them])
}

#[derive(Debug, Clone)]
enum Step {
    Wish(usize, TelnetOption, Side, bool),
    Deliver(usize, usize),
    Send(Vec<u8>),
}

fn wishes() -> impl Strategy<Value = Step> {
    (0..2_usize, options(), sides(), any::<bool>())
        .prop_map(|(end, option, side, on)| Step::Wish(end, option, side, on))
}

fn deliveries() -> impl Strategy<Value = Step> {
    (0..2_usize, 1..12_usize).prop_map(|(to, count)| Step::Deliver(to, count))
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        input in octets(200),
        cuts in vec(1..9_usize, 1..20),
        offers: bool,
        synch: bool,
    ) {
        let mut ends = [(); 2].map(|()| if offers { End::offering() } else { End::binary() });
        let [whole, cut] = &mut ends;
        if synch {
            whole.telnet.synch(true);
            cut.telnet.synch(true);
        }
        whole.hear(&input);
        hear_in_pieces(cut, &input, &cuts);
        prop_assert_eq!(&whole.heard, &cut.heard);
        prop_assert_eq!(&whole.said, &cut.said);
        prop_assert_eq!(whole.send(b"\rx\n"), cut.send(b"\rx\n"));
    }

    #[test]
    fn the_slow_reference_hears_and_says_the_same(input in octets(200)) {
        let reference = Reference::read(&input);
        let mut end = End::offering();
        end.hear(&input);
        prop_assert_eq!(end.heard, reference.heard);
        prop_assert_eq!(end.said, reference.said);
    }

    #[test]
    fn no_answer_is_longer_than_what_it_answers(
        input in octets(200),
        role in select(vec![Role::Server, Role::Client]),
    ) {
        let mut end = End::new(role);
        // The mate of this one may come first.
        end.send(b"\r");
        end.hear(&input);
        prop_assert!(end.said.len() <= input.len() + 1);
        prop_assert!(end.data().len() <= input.len());
        prop_assert!(end.telnet.content.len() <= LONGEST_CONTENT);
    }

    #[test]
    fn what_one_end_sends_arrives_at_the_other(
        binary in [any::<bool>(), any::<bool>()],
        pieces in vec((0..2_usize, text()), 0..20),
        steps in vec((0..2_usize, 1..9_usize), 0..20),
    ) {
        let mut pair = Pair::new();
        for (end, binary) in binary.into_iter().enumerate() {
            pair.wish(end, TelnetOption::Binary, Side::Us, binary);
        }
        pair.settle();
        let mut sent = [Vec::new(), Vec::new()];
        let mut steps = steps.into_iter();
        for (end, piece) in &pieces {
            pair.send(*end, piece);
            sent[*end].extend(piece);
            if let Some((to, count)) = steps.next() {
                pair.deliver(to, count);
            }
        }
        pair.settle();
        for end in 0..2 {
            // A CR LF is the end of a line, which is one octet to a modem.
            let expected = if binary[end] {
                sent[end].clone()
            } else {
                through_terminal(&sent[end])
            };
            prop_assert_eq!(pair.ends[1 - end].data(), expected);
        }
    }

    #[test]
    fn subnegotiations_arrive_as_they_are_and_stand_between_the_data(
        parts in vec((text(), proptest::option::of(text())), 0..10),
        cuts in vec(1..9_usize, 1..20),
    ) {
        let (mut from, mut to) = (End::new(Role::Server), End::binary());
        to.hear(&[IAC, WONT, 0]);
        to.heard.clear();
        let (mut out, mut expected, mut run) = (Vec::new(), Vec::new(), Vec::new());
        for (text, content) in parts {
            from.telnet.send(&text, &mut out);
            run.extend(text);
            if let Some(content) = content {
                from.telnet.subnegotiate(TelnetOption::ComPort, &content, &mut out);
                if !run.is_empty() {
                    expected.push(data(&through_terminal(&std::mem::take(&mut run))));
                }
                expected.push(Heard::Subnegotiation(TelnetOption::ComPort, content));
            }
        }
        if !run.is_empty() {
            expected.push(data(&through_terminal(&run)));
        }
        hear_in_pieces(&mut to, &out, &cuts);
        prop_assert_eq!(to.heard, expected);
    }

    #[test]
    fn two_ends_agree_about_each_option_whatever_they_wanted_meanwhile(
        steps in vec(prop_oneof![wishes(), deliveries()], 0..60),
    ) {
        let mut pair = Pair::new();
        for step in steps {
            match step {
                Step::Wish(end, option, side, on) => pair.wish(end, option, side, on),
                Step::Deliver(to, count) => pair.deliver(to, count),
                Step::Send(..) => {}
            }
        }
        pair.settle();
        let [server, client] = &pair.ends;
        for option in TelnetOption::ALL {
            for (ours, theirs) in [(Side::Us, Side::Them), (Side::Them, Side::Us)] {
                let on = server.telnet.is_on(option, ours);
                prop_assert_eq!(on, client.telnet.is_on(option, theirs), "{:?}", option);
            }
        }
        for end in &pair.ends {
            for (option, state) in end.telnet.us.iter().chain(&end.telnet.them).enumerate() {
                let settled = matches!(state, Negotiation::No | Negotiation::Yes);
                prop_assert!(settled, "{}: {:?}", option, state);
            }
        }
        // The events tell the same story.
        for end in &pair.ends {
            for option in TelnetOption::ALL {
                for side in [Side::Us, Side::Them] {
                    let mut on = false;
                    for heard in &end.heard {
                        if let Heard::Switched(o, s, to) = heard && (*o, *s) == (option, side) {
                            prop_assert_ne!(*to, on);
                            on = *to;
                        }
                    }
                    prop_assert_eq!(on, end.telnet.is_on(option, side));
                }
            }
        }
    }

    #[test]
    fn data_arrives_however_binary_is_switched_on_its_way(
        steps in vec(
            prop_oneof![
                1 => (0..2_usize, any::<bool>()).prop_map(|(end, on)| {
                    let side = [Side::Us, Side::Them][end];
                    Step::Wish(end, TelnetOption::Binary, side, on)
                }),
                2 => deliveries(),
                2 => text().prop_map(Step::Send),
            ],
            0..60,
        ),
    ) {
        const SENDER: usize = 0;
        let mut pair = Pair::new();
        let state = |pair: &Pair| pair.ends[SENDER].telnet.us[TelnetOption::Binary as usize];
        let arrives = |run: Vec<u8>, state| match state {
            Negotiation::Yes => run,
            _ => through_terminal(&run),
        };
        let (mut expected, mut run) = (Vec::new(), Vec::new());
        for step in steps {
            let (before, on_the_way) = (state(&pair), pair.coming[1 - SENDER].len());
            match step {
                Step::Wish(end, option, side, on) => pair.wish(end, option, side, on),
                Step::Deliver(to, count) => pair.deliver(to, count),
                Step::Send(text) => {
                    // Between a WILL and its answer nobody can know how it will be read.
                    if !matches!(before, Negotiation::WantYes | Negotiation::WantYesThenNo) {
                        pair.send(SENDER, &text);
                        run.extend(text);
                    }
                    continue;
                }
            }
            // A mate does not stand behind what was said in between, nor behind a change.
            let said = pair.coming[1 - SENDER].len() > on_the_way;
            let binary = |state| state == Negotiation::Yes;
            if said || binary(before) != binary(state(&pair)) {
                expected.extend(arrives(std::mem::take(&mut run), before));
            }
        }
        expected.extend(arrives(run, state(&pair)));
        pair.settle();
        prop_assert_eq!(pair.ends[1 - SENDER].data(), expected);
    }
}
