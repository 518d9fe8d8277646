use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::at::exchange::Exchange;
use crate::at::plan;
use crate::at::temperament::{Escape, Temperament};

/// What an observer makes of a dialogue, each line of which is said in one piece, a second after the one
/// before: `>` by the client and `<` by the modem; and then pieces of one octet each.
#[track_caller]
fn assert_told(dialogue: &[&str], expected: &[CallEvent]) {
    for longest in [usize::MAX, 1] {
        let mut observer = Observer::default();
        let mut now = Instant::now();
        for said in dialogue {
            now += Duration::from_secs(1);
            let (who, text) = said.split_at(1);
            for piece in text.as_bytes().chunks(longest.min(text.len())) {
                match who {
                    ">" => observer.client(piece, now),
                    _ => observer.modem(piece, now),
                }
            }
        }
        assert_eq!(
            observer.take_events(),
            expected,
            "{dialogue:?} by {longest}"
        );
    }
}

fn dialled(number: &str) -> CallEvent {
    CallEvent::Dialled(number.to_owned())
}

fn connected(result: &str) -> CallEvent {
    CallEvent::Connected(result.to_owned())
}

fn failed(result: &str) -> CallEvent {
    CallEvent::Failed(result.to_owned())
}

use CallEvent::{Answered, Ended, Ring};
const LOST: CallEvent = Ended(CallEnd::CarrierLost);
const HUNG_UP: CallEvent = Ended(CallEnd::HungUp);

#[test]
fn a_call_is_dialled_connected_and_lost() {
    assert_told(
        &[
            ">ATZ\r",
            "<ATZ\r\r\nOK\r\n",
            ">atx4 dt 9,030-123 456\r",
            "<atx4 dt 9,030-123 456\r",
            "<\r\nCARRIER 33600\r\n\r\nCONNECT 33600/ARQ\r\nhello",
            ">ATDT0900\r",
            "<\r\nBUSY\r\nNO CARRIER\r\n",
            "<\r\nNO CARRIER\r\n",
            "<\r\nNO CARRIER\r\n",
        ],
        &[dialled("9030123456"), connected("CONNECT 33600/ARQ"), LOST],
    );
}

#[test]
fn dialling_that_fails_tells_the_result_and_that_it_was_given_up() {
    assert_told(
        &[
            ">ATD1\r",
            "<\r\nBUSY\r\n",
            ">A/",
            "<\r\nNO DIALTONE\r\n",
            ">ATD2\r",
            ">x",
            "<\r\nNO CARRIER\r\n",
            ">ATD3\r",
            ">xATD4\r",
            "<\r\nNO CARRIER\r\n",
            "<\r\nBUSY\r\n",
            ">ATD;\r",
            "<\r\nERROR\r\n",
        ],
        &[
            dialled("1"),
            failed("BUSY"),
            dialled("1"),
            failed("NO DIALTONE"),
            dialled("2"),
            HUNG_UP,
            dialled("3"),
            dialled("4"),
            failed("BUSY"),
            dialled(""),
            failed("ERROR"),
        ],
    );
}

#[test]
fn what_only_the_modem_knows_is_told_as_it_was_typed() {
    for (typed, number) in [
        ("ATDS=2", "S=2"),
        ("atdl", "L"),
        ("ATD>ME7;", ">ME7"),
        ("ATDT0W(0)1!2", "0012"),
        ("ATD*21#", "*21#"),
    ] {
        assert_told(&[&format!(">{typed}\r")], &[dialled(number)]);
    }
}

#[test]
fn a_voice_call_lasts_until_it_is_hung_up() {
    assert_told(
        &[
            ">ATD123;\r",
            "<\r\nOK\r\n",
            ">ATX9\r",
            "<\r\nERROR\r\n",
            ">ATH\r",
            "<\r\nOK\r\n",
            ">ATH\r",
        ],
        &[dialled("123"), HUNG_UP],
    );
}

#[test]
fn a_call_that_comes_in_has_rings_and_a_caller() {
    let caller = CallEvent::Caller("117".to_owned());
    assert_told(
        &[
            "<\r\nRING\r\n",
            "<\r\nNMBR = 117\r\n",
            "<\r\nRING\r\n",
            ">ATA\r",
            "<ATA\r\r\nCONNECT\r\n",
            "<\r\nNO CARRIER\r\n\r\nRING\r\n",
        ],
        &[
            Ring,
            caller,
            Ring,
            Answered,
            connected("CONNECT"),
            LOST,
            Ring,
        ],
    );
}

#[test]
fn a_modem_that_answers_by_itself_has_answered_and_words_in_information_are_no_call() {
    assert_told(
        &["<\r\nRING\r\n", "<\r\nCONNECT 9600\r\n"],
        &[Ring, Answered, connected("CONNECT 9600")],
    );
    assert_told(
        &[">ATI6\r", "<\r\nCONNECT 9600\r\n\r\nOK\r\n", ">ATD1\r"],
        &[dialled("1")],
    );
}

#[test]
fn the_escape_counts_when_the_modem_says_so() {
    let call = [">ATD1\r", "<\r\nCONNECT\r\n"];
    for (then, expected) in [
        (
            &[">+++", "<\r\nOK\r\n", ">ATH\r", "<\r\nOK\r\n"][..],
            Some(HUNG_UP),
        ),
        (&[">+++", "<\r\nOK\r\n", "<\r\nNO CARRIER\r\n"], Some(LOST)),
        (&[">+++", "<\r\nOK\r\n", ">ATZ\r"], Some(HUNG_UP)),
        (&[">x+++ATH\r", "<\r\nOK\r\n\r\nOK\r\n"], Some(HUNG_UP)),
        (&[">+++", "<data", ">ATH\r", "<\r\nOK"], None),
        (&[">++", "<\r\nOK\r\n", ">ATH\r"], None),
        (
            &[
                ">+++",
                "<\r\nOK\r\n",
                ">ATO\r",
                "<\r\nCONNECT\r\n",
                ">ATH\r",
                "<\r\nOK\r\n",
            ],
            None,
        ),
    ] {
        let dialogue: Vec<_> = call.iter().chain(then).copied().collect();
        let expected = [dialled("1"), connected("CONNECT")]
            .into_iter()
            .chain(expected);
        assert_told(&dialogue, &expected.collect::<Vec<_>>());
    }
}

#[test]
fn dtr_going_off_ends_a_call_and_nothing_else() {
    let now = Instant::now();
    let mut observer = Observer::default();
    observer.dtr(false);
    assert_eq!(observer.take_events(), []);
    observer.client(b"ATD1\r", now);
    observer.modem(b"\r\nCONNECT\r\n", now);
    observer.dtr(true);
    observer.dtr(false);
    observer.client(b"ATD2\r", now);
    assert_eq!(
        observer.take_events(),
        [dialled("1"), connected("CONNECT"), HUNG_UP, dialled("2")]
    );
}

#[test]
fn faxes_are_calls_whose_pages_end_like_calls() {
    assert_told(
        &[
            ">AT+FCLASS=1\r",
            "<\r\nOK\r\n",
            ">ATD1\r",
            "<\r\nCONNECT\r\n",
            "<\u{10}\u{3}\r\nNO CARRIER\r\n",
            ">AT+FTM=96\r",
            "<\r\nCONNECT\r\n",
            ">page\u{10}\u{3}",
            "<\r\nOK\r\n",
            ">ATH0\r",
            "<\r\nOK\r\n",
            ">ATD2\r",
            "<\r\nBUSY\r\n",
        ],
        &[
            dialled("1"),
            connected("CONNECT"),
            HUNG_UP,
            dialled("2"),
            failed("BUSY"),
        ],
    );
}

#[test]
fn another_process_goes_on_with_what_was_heard_before() {
    let now = Instant::now();
    let mut observer = Observer::default();
    let over = |observer: &mut Observer, expected: &[CallEvent]| {
        assert_eq!(observer.take_events(), expected);
        let memo = serde_json::to_string(observer).unwrap();
        *observer = serde_json::from_str(&memo).unwrap();
    };
    observer.client(b"ATDT12", now);
    over(&mut observer, &[]);
    observer.client(b"3\r", now);
    over(&mut observer, &[dialled("123")]);
    observer.modem(b"\r\nCONNECT\r\n", now);
    over(&mut observer, &[connected("CONNECT")]);
    observer.modem(b"\r\nNO CARRIER\r\n", now);
    over(&mut observer, &[LOST]);
}

#[test]
fn data_changes_nothing_that_would_have_to_be_written_down() {
    let now = Instant::now();
    let mut observer = Observer::default();
    observer.client(b"ATDT123\r", now);
    observer.modem(b"\r\nCONNECT\r\n", now);
    let before = observer.clone();
    observer.client(b"x+++ATH\r", now);
    observer.modem(b"\r\nNO CARRIER\r\n\r\n", now);
    assert_eq!(observer, before);
    observer.modem(b"\r\nNO CARRIER\r\n", now);
    assert_ne!(observer, before);
}

/// Two modems, and an observer at each.
struct Model {
    exchange: Exchange,
    now: Instant,
    observers: [Observer; 2],
    told: [Vec<CallEvent>; 2],
    /// How long the pieces are that are read and written.
    cuts: std::iter::Cycle<std::vec::IntoIter<usize>>,
}

impl Model {
    fn new(temperaments: &[Temperament], cuts: Vec<usize>) -> Self {
        let now = Instant::now();
        let mut model = Model {
            exchange: Exchange::with(temperaments, now, SystemTime::UNIX_EPOCH),
            now,
            observers: Default::default(),
            told: Default::default(),
            cuts: cuts.into_iter().cycle(),
        };
        for line in [0, 1] {
            model.say(line, b"ATQ0S7=30\r", 5_000);
        }
        model
    }

    fn cut(&mut self) -> usize {
        self.cuts.next().unwrap()
    }

    /// The client of a line says this, and then so many milliseconds pass.
    fn say(&mut self, line: usize, data: &[u8], milliseconds: u64) {
        let mut rest = data;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.cut().min(rest.len()));
            self.observers[line].client(piece, self.now);
            let mut sent = 0;
            while sent < piece.len() {
                sent += self.exchange.receive(line, &piece[sent..], self.now);
                self.read();
            }
            rest = behind;
        }
        self.wait(milliseconds);
    }

    /// The clients read all there is.
    fn read(&mut self) {
        let mut is_quiet = false;
        while !is_quiet {
            is_quiet = true;
            for line in [0, 1] {
                let cut = self.cut();
                let output = self.exchange.output(line);
                let piece = output[..cut.min(output.len())].to_vec();
                if !piece.is_empty() {
                    is_quiet = false;
                    self.observers[line].modem(&piece, self.now);
                    self.exchange.sent(line, piece.len(), self.now);
                }
                self.told[line].extend(self.observers[line].take_events());
            }
        }
    }

    fn wait(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        while let Some(due) = self.exchange.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.exchange.advance(self.now);
            self.read();
        }
        self.now = end;
        self.exchange.advance(end);
        self.read();
    }

    fn carrier(&self, line: usize) -> bool {
        self.exchange.carrier(line)
    }

    fn act(&mut self, line: usize, act: &Act) {
        match act {
            Act::Call { number, then } if !self.carrier(line) => {
                let number = number.replace('N', &plan::number(1 - line));
                self.say(line, format!("ATDT{number}\r").as_bytes(), 4_000);
                match then {
                    Then::Answer if !self.carrier(1 - line) => self.say(1 - line, b"ATA\r", 2_000),
                    Then::GiveUp if !self.carrier(line) => self.say(line, b" ", 2_000),
                    _ => {}
                }
                self.wait(90_000);
            }
            Act::AutoAnswer(rings) if !self.carrier(line) => {
                self.say(line, format!("ATS0={rings}\r").as_bytes(), 3_000);
            }
            Act::Data(data) if self.carrier(line) => self.say(line, data, 100),
            Act::Escape(then) if self.carrier(line) => {
                self.wait(1_500);
                self.say(line, b"+++", 3_000);
                self.say(line, then.as_bytes(), 3_000);
            }
            Act::Dtr => {
                self.observers[line].dtr(false);
                self.exchange.terminal_gone(line, self.now);
                self.wait(1_000);
                self.exchange.terminal_came(line);
                self.observers[line].dtr(true);
            }
            Act::LineBreaks => {
                self.exchange.hang_up_far(line, self.now);
                self.wait(3_000);
            }
            _ => {}
        }
    }

    /// Whether the observers tell what the exchange has done.
    fn check(&self) -> Result<(), TestCaseError> {
        for line in [0, 1] {
            let told = &self.told[line];
            let numbers: Vec<&String> = told
                .iter()
                .filter_map(|event| match event {
                    CallEvent::Dialled(number) => Some(number),
                    _ => None,
                })
                .collect();
            let really: Vec<_> = self.exchange.dialled(line).iter().collect();
            prop_assert_eq!(numbers, really, "line {}: {:?}", line, told);
            let mut is_up = false;
            let mut is_begun = false;
            for event in told {
                match event {
                    CallEvent::Dialled(_) | Answered => {
                        prop_assert!(!is_up && !is_begun, "line {line}: {told:?}");
                        is_begun = true;
                    }
                    CallEvent::Connected(_) => {
                        prop_assert!(!is_up && is_begun, "line {line}: {told:?}");
                        (is_up, is_begun) = (true, false);
                    }
                    CallEvent::Failed(_) => {
                        prop_assert!(!is_up && is_begun, "line {line}: {told:?}");
                        is_begun = false;
                    }
                    Ended(_) => {
                        prop_assert!(is_up || is_begun, "line {line}: {told:?}");
                        (is_up, is_begun) = (false, false);
                    }
                    _ => {}
                }
            }
            prop_assert!(!is_begun, "line {}: {:?}", line, told);
            prop_assert_eq!(is_up, self.carrier(line), "line {}: {:?}", line, told);
        }
        Ok(())
    }
}

#[derive(Debug, Clone)]
enum Act {
    Call { number: String, then: Then },
    AutoAnswer(u8),
    Data(Vec<u8>),
    Escape(String),
    Dtr,
    LineBreaks,
}

#[derive(Debug, Clone, Copy)]
enum Then {
    Wait,
    Answer,
    GiveUp,
}

/// Data in which nothing is feigned, whatever pieces it comes in and whoever the modem is.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("+++x".to_owned()),
        Just("NO CARRIER\n".to_owned()),
        Just("CONNECT".to_owned()),
        Just("ATDT0900\n".to_owned()),
        "[ -*,-~\n\u{80}]{1,300}",
    ];
    prop::collection::vec(piece, 1..4)
        .prop_map(|pieces| format!("x{}x", pieces.concat()).into_bytes())
}

fn act() -> impl Strategy<Value = Act> {
    let number = prop_oneof![
        4 => Just("N".to_owned()),
        1 => prop::sample::select(vec![plan::ECHO, plan::TIME, plan::GREETING, plan::BUSY, plan::NOBODY_HOME, "117"])
            .prop_map(str::to_owned),
    ];
    let then = prop::sample::select(vec![Then::Wait, Then::Answer, Then::Answer, Then::GiveUp]);
    let escape = prop::sample::select(vec!["ATH\r", "ATO\r", "ATI3\rATH0\r", "ATE0O0\r"]);
    prop_oneof![
        4 => (number, then).prop_map(|(number, then)| Act::Call { number, then }),
        1 => (0..3_u8).prop_map(Act::AutoAnswer),
        2 => data().prop_map(Act::Data),
        2 => escape.prop_map(|then| Act::Escape(then.to_owned())),
        1 => Just(Act::Dtr),
        1 => Just(Act::LineBreaks),
    ]
}

proptest! {
    #[test]
    fn what_is_told_is_what_the_exchange_has_done(
        kinds in (0..5_usize, 0..5_usize),
        acts in prop::collection::vec((0..2_usize, act()), 1..12),
        cuts in prop::collection::vec(prop_oneof![1..4_usize, 1..2000_usize], 1..20),
    ) {
        let all = Temperament::all();
        let temperaments = [all[kinds.0].clone(), all[kinds.1].clone()];
        let mut model = Model::new(&temperaments, cuts);
        for (line, act) in &acts {
            // That escapes in the midst of the data.
            let escapes = temperaments[*line].escape == Escape::AtOnce;
            if escapes && matches!(act, Act::Data(data) if data.windows(3).any(|of| of == b"+++")) {
                continue;
            }
            model.act(*line, act);
            model.check()?;
        }
    }

    #[test]
    fn any_octets_are_taken_and_little_is_kept(
        pieces in prop::collection::vec((any::<bool>(), prop_oneof![
            prop::collection::vec(any::<u8>(), 0..600),
            "(AT(D[0-9]{0,4};?|A|H|O|Z|\\+FCLASS=[01]){1,9}\r|A/|\\+\\+\\+|x){0,50}".prop_map(String::into_bytes),
            "(\r\n(RING|OK|CONNECT|NO CARRIER|BUSY|NMBR=1|ERROR)\r\n|[0-9]\r){0,60}".prop_map(String::into_bytes),
        ]), 0..20),
    ) {
        let mut observer = Observer::default();
        let mut now = Instant::now();
        for (is_client, piece) in pieces {
            now += Duration::from_millis(200);
            if is_client {
                observer.client(&piece, now);
            } else {
                observer.modem(&piece, now);
            }
            prop_assert!(observer.passing.typed.as_ref().is_none_or(|typed| typed.len() <= TYPED));
            prop_assert!(serde_json::to_string(&observer).unwrap().len() < 2_000);
            prop_assert!(observer.take_events().len() <= MOST_EVENTS);
        }
    }
}
