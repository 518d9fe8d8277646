use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::*;
use crate::journal;

/// What the journal got, each entry as its text and its fields.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Entry>>>);

#[derive(Debug, Clone, Default)]
struct Entry {
    text: String,
    fields: Vec<(&'static str, String)>,
}

impl Entry {
    fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(of, _)| *of == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.text);
        } else {
            self.fields.push((field.name(), value.to_owned()));
        }
    }
}

impl<S: Subscriber> Layer<S> for Told {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        let is_warning = *event.metadata().level() == Level::WARN;
        let is_refusal = entry.get("MESSAGE_ID") == Some(journal::CALL_REFUSED);
        assert_eq!(is_warning, is_refusal, "{entry:?}");
        self.0.lock().unwrap().push(entry);
    }
}

fn calls(shown: ShownNumbers, call: Option<CallMemo>) -> Calls {
    let caller = Caller {
        port: "modem".to_owned(),
        line: "/dev/ttyS1".into(),
        client: "192.168.2.1:50112".to_owned(),
        session: 0xabc,
    };
    Calls::resume(caller, shown, call)
}

fn moved(to_line: u64, to_client: u64) -> Moved {
    Moved { to_line, to_client }
}

/// What the journal gets meanwhile.
fn told(what: impl FnOnce()) -> Vec<Entry> {
    let told = Told::default();
    let registry = tracing_subscriber::registry().with(told.clone());
    tracing::subscriber::with_default(registry, what);
    told.0.lock().unwrap().clone()
}

/// What the journal gets of these events, a second after each other, each with 10 octets to the line and
/// 100 from it; and then the session ends.
fn of(events: &[CallEvent], shown: ShownNumbers) -> Vec<Entry> {
    told(|| {
        let mut calls = calls(shown, None);
        let begin = Instant::now();
        for (event, second) in events.iter().zip(0..) {
            let now = begin + Duration::from_secs(second);
            calls.note(event, moved(10 * second, 100 * second), now);
        }
    })
}

fn texts(events: &[CallEvent], shown: ShownNumbers) -> Vec<String> {
    let entries = of(events, shown).into_iter();
    entries.map(|entry| entry.text).collect()
}

fn dialled(number: &str) -> CallEvent {
    CallEvent::Dialled(number.to_owned())
}

fn caller(number: &str) -> CallEvent {
    CallEvent::Caller(number.to_owned())
}

fn connected(result: &str) -> CallEvent {
    CallEvent::Connected(result.to_owned())
}

fn failed(result: &str) -> CallEvent {
    CallEvent::Failed(result.to_owned())
}

use CallEvent::{Answered, Ended, Ring};
use ShownNumbers::{Full, Hidden, Masked};

#[test]
fn a_call_is_one_entry_with_all_that_is_known_of_it() {
    let before = usec(SystemTime::now());
    let entries = of(
        &[
            dialled("030123456"),
            connected("CONNECT 33600"),
            Ring,
            caller("117"),
            connected("CONNECT"),
            Ended(CallEnd::CarrierLost),
            Ended(CallEnd::SessionEnded),
        ],
        Full,
    );
    let [entry] = &entries[..] else {
        panic!("{entries:#?}")
    };
    assert_eq!(
        entry.text,
        "modem: 192.168.2.1:50112 called 030123456 on /dev/ttyS1: CONNECT 33600, 4s, 40 bytes to the line, \
         400 from it: the far side hung up"
    );
    let began: u64 = entry.get("MODEMD_BEGAN_USEC").unwrap().parse().unwrap();
    assert!((before..=usec(SystemTime::now())).contains(&began));
    let fields = entry.fields.iter();
    let fields: Vec<_> = fields
        .filter(|(name, _)| *name != "MODEMD_BEGAN_USEC")
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        fields,
        [
            &format!("MESSAGE_ID={}", journal::CALL),
            "MODEMD_PORT=modem",
            "MODEMD_LINE=/dev/ttyS1",
            "MODEMD_CLIENT=192.168.2.1:50112",
            "MODEMD_SESSION=0000000000000abc",
            "MODEMD_CALL=outgoing",
            "MODEMD_NUMBER=030123456",
            "MODEMD_RESULT=CONNECT 33600",
            "MODEMD_RINGS=0",
            "MODEMD_REASON=carrier-lost",
            "MODEMD_DURATION_USEC=4000000",
            "MODEMD_BYTES_TO_LINE=40",
            "MODEMD_BYTES_TO_CLIENT=400",
        ]
    );
}

#[test]
fn calls_that_were_not_connected_say_why() {
    let on = "modem: 192.168.2.1:50112 called 1 on /dev/ttyS1: ";
    for (event, says, reason, result) in [
        (failed("BUSY"), "BUSY", "not-connected", Some("BUSY")),
        (
            Ended(CallEnd::HungUp),
            "no connection: the client hung up",
            "hung-up",
            None,
        ),
        (
            Ended(CallEnd::ModemLost),
            "no connection: the modem did not answer any more",
            "modem-lost",
            None,
        ),
    ] {
        let entries = of(&[dialled("1"), event], Full);
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].text, format!("{on}{says}"));
        assert_eq!(entries[0].get("MODEMD_REASON"), Some(reason));
        assert_eq!(entries[0].get("MODEMD_RESULT"), result);
        assert_eq!(entries[0].get("MODEMD_DURATION_USEC"), Some("0"));
    }
}

#[test]
fn a_call_that_comes_in_has_its_rings_and_who_calls() {
    let events = [
        Ring,
        caller("0301234567"),
        Ring,
        Answered,
        connected("CONNECT 9600"),
        Ended(CallEnd::HungUp),
    ];
    for (shown, from) in [
        (Full, " from 0301234567"),
        (Masked, " from 0301234xxx"),
        (Hidden, " from a hidden number"),
    ] {
        let entries = of(&events, shown);
        assert_eq!(
            entries[0].text,
            format!(
                "modem: 192.168.2.1:50112 had a call{from} on /dev/ttyS1, 2 rings: CONNECT 9600, 1s, 10 bytes to \
                 the line, 100 from it: the client hung up"
            )
        );
        assert_eq!(entries[0].get("MODEMD_CALL"), Some("incoming"));
        assert_eq!(entries[0].get("MODEMD_RINGS"), Some("2"));
    }
    assert_eq!(
        texts(&[Ring, Answered, failed("NO CARRIER")], Full),
        ["modem: 192.168.2.1:50112 had a call on /dev/ttyS1, 1 ring: NO CARRIER"]
    );
}

#[test]
fn a_bell_that_has_stopped_is_a_call_that_nobody_answered() {
    let begin = Instant::now();
    let at = |seconds| begin + Duration::from_secs(seconds);
    let entries = told(|| {
        let mut calls = calls(Full, None);
        assert_eq!(calls.next_deadline(), None);
        calls.note(&Ring, moved(0, 6), begin);
        calls.note(&Ring, moved(0, 12), at(6));
        let deadline = calls.next_deadline().unwrap();
        assert!(deadline > at(13) && deadline < at(15));
        calls.advance(at(13));
        assert!(calls.memo().is_some());
        calls.advance(deadline);
        assert_eq!((calls.memo(), calls.next_deadline()), (None, None));
        // Also if nobody has looked meanwhile.
        calls.note(&Ring, moved(0, 18), at(30));
        calls.note(&caller("117"), moved(0, 18), at(50));
        // An answered one rings no more, however long the modems whistle.
        calls.note(&Answered, moved(4, 18), at(51));
        assert_eq!(calls.next_deadline(), None);
        calls.note(&connected("CONNECT"), moved(4, 40), at(99));
        calls.note(&Ended(CallEnd::TimeLimit), moved(5, 44), at(100));
    });
    let texts: Vec<_> = entries.iter().map(|of| of.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "modem: 192.168.2.1:50112 had a call on /dev/ttyS1, 2 rings: nobody answered",
            "modem: 192.168.2.1:50112 had a call on /dev/ttyS1, 1 ring: nobody answered",
            "modem: 192.168.2.1:50112 had a call from 117 on /dev/ttyS1: CONNECT, 1s, 1 bytes to the line, 4 \
             from it: it lasted as long as it may",
        ]
    );
    assert_eq!(entries[0].get("MODEMD_REASON"), Some("not-connected"));
}

#[test]
fn a_refused_number_is_an_entry_of_its_own_at_once_and_no_call() {
    let refused = |number: &str| CallEvent::Refused {
        number: number.to_owned(),
        why: "`deny` has `*0900*`".to_owned(),
    };
    let entries = of(&[refused("0900123"), Ring, refused("0900")], Masked);
    let texts: Vec<_> = entries.iter().map(|of| of.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "modem: 192.168.2.1:50112 may not call 0900xxx on /dev/ttyS1: `deny` has `*0900*`",
            "modem: 192.168.2.1:50112 may not call 0xxx on /dev/ttyS1: `deny` has `*0900*`",
            "modem: 192.168.2.1:50112 had a call on /dev/ttyS1, 1 ring: no connection: the session ended",
        ]
    );
    assert_eq!(entries[0].get("MESSAGE_ID"), Some(journal::CALL_REFUSED));
    assert_eq!(entries[0].get("MODEMD_NUMBER"), Some("0900xxx"));
    assert_eq!(entries[0].get("MODEMD_WHY"), Some("`deny` has `*0900*`"));
    assert_eq!(entries[0].get("MODEMD_REASON"), Some("refused"));
}

#[test]
fn events_in_a_strange_order_lose_no_call() {
    let on = "modem: 192.168.2.1:50112";
    for (events, expected) in [
        (
            vec![dialled("1"), dialled("2"), failed("BUSY")],
            vec![
                "called 1 on /dev/ttyS1: no connection: the client hung up",
                "called 2 on /dev/ttyS1: BUSY",
            ],
        ),
        (
            vec![Ring, dialled("1"), Answered, failed("NO CARRIER")],
            vec![
                "had a call on /dev/ttyS1, 1 ring: nobody answered",
                "called 1 on /dev/ttyS1: no connection: the client hung up",
                "had a call on /dev/ttyS1: NO CARRIER",
            ],
        ),
        (
            vec![connected("CONNECT"), failed("NO CARRIER"), failed("ERROR")],
            vec![
                "had a call on /dev/ttyS1: CONNECT, 1s, 10 bytes to the line, 100 from it: the far side hung up",
            ],
        ),
        (vec![Ended(CallEnd::HungUp), failed("BUSY")], vec![]),
    ] {
        let texts = texts(&events, Full);
        let expected: Vec<_> = expected.iter().map(|text| format!("{on} {text}")).collect();
        assert_eq!(texts, expected, "{events:?}");
    }
}

#[test]
fn another_process_goes_on_with_a_call_and_it_is_told_once() {
    let entries = told(|| {
        let begin = Instant::now();
        let mut first = calls(Masked, None);
        first.note(&dialled("030123456"), moved(0, 0), begin);
        first.note(&connected("CONNECT"), moved(14, 11), begin);
        let memo = serde_json::to_string(&first.memo()).unwrap();
        assert!(!memo.contains("456"), "{memo}");
        first.leave();
        let memo = serde_json::from_str(&memo).unwrap();
        let mut second = calls(Masked, memo);
        second.moved(moved(24, 2011));
        drop(second);
    });
    let [entry] = &entries[..] else {
        panic!("{entries:#?}")
    };
    assert_eq!(
        entry.text,
        "modem: 192.168.2.1:50112 called 030123xxx on /dev/ttyS1: CONNECT, 0s, 10 bytes to the line, 2000 from \
         it: the session ended"
    );
}

fn event() -> impl Strategy<Value = CallEvent> {
    const ENDS: [CallEnd; 5] = [
        CallEnd::CarrierLost,
        CallEnd::HungUp,
        CallEnd::TimeLimit,
        CallEnd::SessionEnded,
        CallEnd::ModemLost,
    ];
    prop_oneof![
        any::<String>().prop_map(CallEvent::Dialled),
        (any::<String>(), any::<String>())
            .prop_map(|(number, why)| CallEvent::Refused { number, why }),
        Just(Ring),
        any::<String>().prop_map(CallEvent::Caller),
        Just(Answered),
        any::<String>().prop_map(CallEvent::Connected),
        any::<String>().prop_map(CallEvent::Failed),
        prop::sample::select(&ENDS[..]).prop_map(Ended),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_number_is_told_once_and_forges_nothing(
        events in prop::collection::vec(event(), 0..12)
    ) {
        let entries = of(&events, Full);
        let is = |call: &str, of: &Entry| of.get("MODEMD_CALL") == Some(call);
        let outgoing = entries.iter().filter(|of| is("outgoing", of)).count();
        let dialled = |of: &&CallEvent| {
            matches!(of, CallEvent::Dialled(_) | CallEvent::Refused { .. })
        };
        prop_assert_eq!(outgoing, events.iter().filter(dialled).count());
        for entry in &entries {
            let number = entry.get("MODEMD_NUMBER").unwrap_or_default();
            prop_assert!(number.bytes().all(|octet| octet.is_ascii_graphic()), "{number:?}");
            for (name, value) in &entry.fields {
                prop_assert!(value.bytes().all(|octet| (b' '..=b'~').contains(&octet)), "{name}={value:?}");
            }
            prop_assert!(entry.text.bytes().all(|octet| (b' '..=b'~').contains(&octet)));
        }
    }
}
