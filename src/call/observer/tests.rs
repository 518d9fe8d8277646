mod exchange;

use std::time::Duration;

use super::*;

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
