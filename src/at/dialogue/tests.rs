//! Dialogues with modems that answer promptly, late, twice, not at all, and in pieces.

use proptest::prelude::*;

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

fn step(line: &str, wants: Wants) -> Step {
    Step {
        line: line.to_owned(),
        wants,
    }
}

fn dialogue(steps: &[(&str, Wants)], now: Instant) -> Dialogue {
    let steps = steps.iter().map(|(line, wants)| step(line, wants.clone()));
    Dialogue::new(steps.collect(), TIMEOUT, now)
}

/// What the dialogue sends now, and then hears at once.
#[track_caller]
fn exchange(dialogue: &mut Dialogue, line: &str, answer: &str, now: Instant) {
    let sent = String::from_utf8(dialogue.output()).unwrap();
    assert_eq!(sent, format!("{line}\r"));
    dialogue.hear(answer.as_bytes(), now);
}

/// The dialogue waits until its time is over.
fn wait(dialogue: &mut Dialogue, now: &mut Instant) {
    *now = dialogue.next_deadline().expect("it waits for something");
    dialogue.advance(*now);
}

fn refused(line: &str, answer: &str) -> Failed {
    Failed::Refused {
        line: line.to_owned(),
        answer: answer.to_owned(),
    }
}

fn no_answer(line: &str) -> Failed {
    Failed::NoAnswer {
        line: line.to_owned(),
    }
}

#[test]
fn each_line_is_said_when_the_one_before_it_was_answered() {
    let now = Instant::now();
    let mut talk = dialogue(
        &[
            ("ATZ", Wants::Ok),
            ("ATX9", Wants::Anything),
            ("ATS2?", Wants::Value(255)),
        ],
        now,
    );
    exchange(&mut talk, "ATZ", "\r\nOK\r\n", now);
    exchange(&mut talk, "ATX9", "\r\nERROR\r\n", now);
    assert_eq!(talk.outcome(), None);
    exchange(&mut talk, "ATS2?", "\r\n255\r\n\r\nOK\r\n", now);
    assert_eq!(talk.outcome(), Some(Ok(())));
    assert_eq!((talk.output(), talk.next_deadline()), (Vec::new(), None));
}

#[test]
fn nothing_to_be_said_is_a_dialogue_that_is_over() {
    let mut talk = dialogue(&[], Instant::now());
    assert_eq!((talk.outcome(), talk.output()), (Some(Ok(())), Vec::new()));
}

#[test]
fn an_echo_a_call_and_the_end_of_one_are_no_answers() {
    let now = Instant::now();
    let mut talk = dialogue(&[("ATE0", Wants::Ok), ("ATS2?", Wants::Value(255))], now);
    let answer = "\r\nNO CARRIER\r\nATE0\r\r\nRING\r\n\r\nOK\r\n";
    exchange(&mut talk, "ATE0", answer, now);
    let answer = "\r\n255\r\n\r\nRING\r\n\r\nNO CARRIER\r\n\r\nOK\r\n";
    exchange(&mut talk, "ATS2?", answer, now);
    assert_eq!(talk.outcome(), Some(Ok(())));
}

#[test]
fn another_value_than_the_wanted_one_is_a_refusal() {
    for answer in [
        "\r\n043\r\n\r\nOK\r\n",
        "\r\nOK\r\n",
        "\r\n255\r\n\r\nERROR\r\n",
    ] {
        let now = Instant::now();
        let steps = [("ATS2=255", Wants::Ok), ("ATS2?", Wants::Value(255))];
        let mut talk = dialogue(&steps, now);
        exchange(&mut talk, "ATS2=255", "\r\nOK\r\n", now);
        exchange(&mut talk, "ATS2?", answer, now);
        let Some(Err(Failed::Refused { line, .. })) = talk.outcome() else {
            panic!("{answer:?}: {:?}", talk.outcome());
        };
        assert_eq!(line, "ATS2?");
    }
}

#[test]
fn the_first_line_is_tried_three_times_and_another_once() {
    let mut now = Instant::now();
    let mut talk = dialogue(&[("ATZ", Wants::Ok)], now);
    for _ in 0..3 {
        assert_eq!(talk.outcome(), None);
        assert_eq!(talk.output(), b"ATZ\r");
        wait(&mut talk, &mut now);
    }
    assert_eq!(talk.outcome(), Some(Err(no_answer("ATZ"))));

    let mut talk = dialogue(&[("ATZ", Wants::Ok), ("ATX4", Wants::Anything)], now);
    exchange(&mut talk, "ATZ", "\r\nOK\r\n", now);
    exchange(&mut talk, "ATX4", "", now);
    wait(&mut talk, &mut now);
    assert_eq!(talk.outcome(), Some(Err(no_answer("ATX4"))));
}

#[test]
fn a_modem_that_says_error_has_had_three_tries() {
    let now = Instant::now();
    let mut talk = dialogue(&[("ATZ", Wants::Ok), ("ATX4", Wants::Ok)], now);
    exchange(&mut talk, "ATZ", "\r\nERROR\r\n", now);
    exchange(&mut talk, "ATZ", "\r\nERROR\r\n", now);
    exchange(&mut talk, "ATZ", "\r\nERROR\r\n", now);
    assert_eq!(talk.outcome(), Some(Err(refused("ATZ", "ERROR"))));

    let mut talk = dialogue(&[("ATZ", Wants::Ok), ("ATX4", Wants::Ok)], now);
    exchange(&mut talk, "ATZ", "\r\nERROR\r\n", now);
    exchange(&mut talk, "ATZ", "\r\nOK\r\n", now);
    exchange(&mut talk, "ATX4", "\r\nERROR\r\n", now);
    assert_eq!(talk.outcome(), Some(Err(refused("ATX4", "ERROR"))));
}

#[test]
fn the_late_answer_to_a_first_try_is_not_taken_for_that_to_the_next_line() {
    let mut now = Instant::now();
    let mut talk = dialogue(&[("ATZ", Wants::Ok), ("ATX4", Wants::Ok)], now);
    exchange(&mut talk, "ATZ", "", now);
    wait(&mut talk, &mut now);
    // Both tries are answered by and by.
    exchange(&mut talk, "ATZ", "\r\nOK\r\n", now);
    exchange(&mut talk, "ATS3?", "\r\nOK\r\n", now);
    assert_eq!(talk.output(), b"");
    talk.hear(b"\r\n013\r\n\r\nOK\r\n", now);
    exchange(&mut talk, "ATX4", "\r\nERROR\r\n", now);
    assert_eq!(talk.outcome(), Some(Err(refused("ATX4", "ERROR"))));
}

#[test]
fn a_modem_that_slept_through_the_first_try_is_served_nevertheless() {
    let mut now = Instant::now();
    for answer in ["\r\n013\r\n\r\nOK\r\n", "\r\nERROR\r\n", ""] {
        let mut talk = dialogue(&[("ATZ", Wants::Ok), ("ATX4", Wants::Ok)], now);
        exchange(&mut talk, "ATZ", "", now);
        wait(&mut talk, &mut now);
        exchange(&mut talk, "ATZ", "\r\nOK\r\n", now);
        exchange(&mut talk, "ATS3?", answer, now);
        if !answer.contains("013") {
            wait(&mut talk, &mut now);
        }
        exchange(&mut talk, "ATX4", "\r\nOK\r\n", now);
        assert_eq!(talk.outcome(), Some(Ok(())), "{answer:?}");
    }
}

#[test]
fn nothing_happens_before_it_is_due() {
    let now = Instant::now();
    let mut talk = dialogue(&[("ATZ", Wants::Ok)], now);
    exchange(&mut talk, "ATZ", "", now);
    talk.advance(now + TIMEOUT * 99 / 100);
    assert_eq!((talk.output(), talk.outcome()), (Vec::new(), None));
}

/// A modem of few words: these answers, one for each line that it hears.
fn play(answers: &[String], cuts: &[usize]) -> (Vec<u8>, Option<Result<(), Failed>>) {
    let now = Instant::now();
    let mut talk = dialogue(
        &[
            ("ATE0", Wants::Ok),
            ("ATX4", Wants::Anything),
            ("ATS2=255", Wants::Ok),
            ("ATS2?", Wants::Value(255)),
        ],
        now,
    );
    let (mut sent, mut cuts) = (Vec::new(), cuts.iter().cycle());
    for answer in answers {
        sent.extend(talk.output());
        let mut rest = answer.as_bytes();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            talk.hear(piece, now);
            rest = after;
        }
    }
    sent.extend(talk.output());
    (sent, talk.outcome())
}

proptest! {
    #[test]
    fn answers_mean_the_same_in_whatever_pieces_they_come(
        answers in prop::collection::vec(
            prop::sample::select(vec![
                "\r\nOK\r\n", "\r\nERROR\r\n", "\r\n255\r\n\r\nOK\r\n", "ATE0\r\r\nOK\r\n", "\r\nRING\r\n",
                "\r\nNO CARRIER\r\n", "\r\n043\r\n\r\nOK\r\n", "\r\n+CLIP: \"0301234\",129\r\n\r\nOK\r\n", "",
            ]),
            0..8,
        ),
        cuts in prop::collection::vec(1..9_usize, 1..20),
    ) {
        let answers: Vec<_> = answers.into_iter().map(str::to_owned).collect();
        prop_assert_eq!(play(&answers, &cuts), play(&answers, &[usize::MAX]));
    }

    #[test]
    fn whatever_a_modem_says_a_dialogue_ends_after_so_many_time_outs(
        noise in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)
    ) {
        let mut now = Instant::now();
        let steps = [("ATZ", Wants::Ok), ("ATX4", Wants::Ok)];
        let mut talk = dialogue(&steps, now);
        for said in noise {
            talk.hear(&said, now);
        }
        for _ in 0..=TRIES + steps.len() {
            if talk.outcome().is_none() {
                wait(&mut talk, &mut now);
            }
        }
        prop_assert!(talk.outcome().is_some());
    }
}
