use std::os::unix::fs::FileExt;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::Serializer;
use serde::ser::{Error as _, SerializeSeq as _};

use super::*;

/// Another process' view of the same ledger.
fn again(memory: &File) -> Ledger {
    Ledger::open(memory).unwrap()
}

#[test]
fn what_is_written_down_is_there_for_whoever_opens_the_ledger_next() {
    let (mut ledger, memory) = Ledger::new().unwrap();
    ledger.write_head(&"head").unwrap();
    ledger.write_body(&[1, 2, 3]).unwrap();
    ledger.count(Way::ToClient, 7);
    ledger.follow(Way::ToLine, 0, 0, b"kept");
    let next = again(&memory);
    assert_eq!(next.head::<String>().unwrap(), "head");
    assert_eq!(next.body::<[u8; 3]>().unwrap(), [1, 2, 3]);
    assert_eq!(next.counted(Way::ToClient), 7);
    assert_eq!(next.kept(Way::ToLine), (0, b"kept".to_vec()));
    assert_eq!(next.kept(Way::ToClient), (0, Vec::new()));
}

/// A process dies in this turn, and the next one looks.
fn dies_in(turn: Turn, memory: &File) -> Ledger {
    let mut ledger = again(memory);
    ledger.begin(turn);
    let mut next = again(memory);
    assert_eq!(next.take_up(), Left::In(turn));
    next
}

#[test]
fn whoever_is_in_the_same_turn_twice_in_a_row_is_to_blame() {
    let turns = [
        Turn::Moving(Way::ToLine, 7),
        Turn::Moving(Way::ToClient, 7),
        Turn::Acting,
        Turn::Looking,
        Turn::TakingUp,
    ];
    for turn in turns {
        let (_, memory) = Ledger::new().unwrap();
        assert!(!dies_in(turn, &memory).is_to_blame());
        assert!(dies_in(turn, &memory).is_to_blame(), "{turn:?}");
        // Getting through another kind of turn is no progress in this one.
        let (_, memory) = Ledger::new().unwrap();
        for other in turns.into_iter().filter(|other| *other != turn) {
            let mut next = dies_in(turn, &memory);
            next.begin(other);
            next.end();
            assert!(dies_in(turn, &memory).is_to_blame(), "{turn:?}, {other:?}");
            next.begin(turn);
            next.end();
            assert!(!next.is_to_blame());
        }
    }
}

/// What a relay does with what it keeps for one side.
#[derive(Debug, Clone)]
enum Step {
    /// More comes.
    Keep(usize),
    /// So many are about to be written, of which so many are taken then.
    Write(usize, usize),
    /// All is thrown away, and so many come.
    Forget(usize),
    /// Another process takes it up, before or after so many were announced to be written.
    TakeUp(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let some = 0..5000_usize;
    let step = prop_oneof![
        4 => some.clone().prop_map(Step::Keep),
        4 => (0..5000_usize, 0..5000_usize).prop_map(|(all, taken)| Step::Write(all, taken.min(all))),
        1 => some.clone().prop_map(Step::Forget),
        1 => prop_oneof![Just(0), some].prop_map(Step::TakeUp),
    ];
    vec(step, 1..200)
}

/// What is kept, as a relay has it.
#[derive(Default)]
struct Model {
    generation: u64,
    from: usize,
    kept: Vec<u8>,
    last: u8,
}

impl Model {
    fn keep(&mut self, count: usize) {
        const MOST: usize = 100_000;
        let count = count.min(MOST - self.kept.len());
        for _ in 0..count {
            // A prime: no two stretches of a ring are the same.
            self.last = (self.last + 1) % 251;
            self.kept.push(self.last);
        }
    }

    fn drop(&mut self, count: usize) {
        self.kept.drain(..count);
        self.from += count;
    }

    fn forget(&mut self) {
        self.generation += 1;
        self.from = 0;
        self.kept.clear();
    }
}

/// Text of any length, or an attempt at it that is broken off.
struct Attempt {
    length: usize,
    succeeds: bool,
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = serializer.serialize_seq(None)?;
        for _ in 0..self.length {
            // Each with a comma before it, or the bracket.
            text.serialize_element(&(self.length % 10))?;
        }
        if self.succeeds {
            text.end()
        } else {
            Err(S::Error::custom("broken off"))
        }
    }
}

fn sealed(octets: &[u8], at: u64) -> File {
    let file = File::from(memfd_create(c"test", MFdFlags::MFD_ALLOW_SEALING).unwrap());
    file.set_len(layout::SIZE).unwrap();
    file.write_all_at(octets, at).unwrap();
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    file
}

/// A number that is likely to be at an edge of something.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0..300_000_u64,
        u64::MAX - 9..=u64::MAX,
        any::<u64>().prop_map(|n| n << 32)
    ]
}

proptest! {
    // Each of them is many.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_kept_is_there_at_any_point_and_in_order(steps in steps(), to_line in any::<bool>()) {
        let way = if to_line { Way::ToLine } else { Way::ToClient };
        let (mut ledger, memory) = Ledger::new().unwrap();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Keep(count) => model.keep(count),
                Step::Write(announced, taken) => {
                    let announced = announced.min(model.kept.len());
                    ledger.release(way, announced);
                    let after = model.kept[announced..].to_vec();
                    prop_assert_eq!(again(&memory).kept(way), (model.from + announced, after));
                    model.drop(taken.min(announced));
                    if model.kept.is_empty() {
                        model.forget();
                    }
                }
                Step::Forget(count) => {
                    model.forget();
                    model.keep(count);
                }
                Step::TakeUp(announced) => {
                    let announced = announced.min(model.kept.len());
                    ledger.release(way, announced);
                    model.drop(announced);
                    model.generation = 0;
                    ledger = again(&memory);
                    ledger.take_up();
                    prop_assert_eq!(ledger.kept(way), (model.from, model.kept.clone()));
                }
            }
            ledger.follow(way, model.generation, model.from, &model.kept);
            prop_assert_eq!(again(&memory).kept(way), (model.from, model.kept.clone()));
        }
    }

    #[test]
    fn a_record_is_there_as_a_whole_or_as_it_was(
        attempts in vec((any::<bool>(), 0..2600_usize, any::<bool>()), 1..60)
    ) {
        let (mut ledger, memory) = Ledger::new().unwrap();
        ledger.count(Way::ToClient, 7);
        ledger.follow(Way::ToLine, 0, 0, b"kept");
        let (mut head, mut body) = (None, None);
        for (is_head, length, succeeds) in attempts {
            if is_head {
                let done = ledger.write_head(&Attempt { length, succeeds });
                prop_assert_eq!(done.is_ok(), succeeds);
                head = if succeeds { Some(length) } else { head };
            } else {
                // The largest are there with room for another.
                let length = 6 * length;
                let done = ledger.write_body(&Attempt { length, succeeds });
                prop_assert_eq!(done.is_ok(), succeeds);
                body = if succeeds { Some(length) } else { body };
            }
            let whole = |length: usize| vec![length % 10; length];
            let next = again(&memory);
            prop_assert_eq!(next.head::<Vec<usize>>().ok(), head.map(whole));
            prop_assert_eq!(next.body::<Vec<usize>>().ok(), body.map(whole));
            // And nothing else has changed.
            prop_assert_eq!(next.counted(Way::ToClient), 7);
            prop_assert_eq!(next.kept(Way::ToLine), (0, b"kept".to_vec()));
            ledger = next;
        }
    }

}

proptest! {
    #[test]
    fn any_numbers_in_a_ledger_are_survived(
        mut numbers in vec(number(), 15),
        turn in 0..8_u64,
        octets in vec(any::<u8>(), 0..1000),
        begins in any::<bool>(),
    ) {
        numbers[0] = numbers[0] << 8 | turn;
        let (_, memory) = Ledger::new().unwrap();
        let ours = [0_u64, 8].map(|at| {
            let mut octets = [0; 8];
            memory.read_exact_at(&mut octets, at).unwrap();
            octets
        });
        let mut all: Vec<u8> = ours.concat();
        all.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        all.resize(256, 0);
        all.extend(octets);
        let memory = sealed(&all, 0);
        let Ok(mut ledger) = Ledger::open(&memory) else {
            return Ok(());
        };
        ledger.take_up();
        let _ = (ledger.is_to_blame(), ledger.lost());
        let _ = ledger.head::<serde_json::Value>();
        let _ = ledger.body::<serde_json::Value>();
        for way in [Way::ToLine, Way::ToClient] {
            let (from, kept) = ledger.kept(way);
            prop_assert!(kept.len() <= layout::RING);
            let _ = ledger.counted(way);
            if begins {
                ledger.release(way, kept.len());
            }
            ledger.follow(way, 0, from, &kept);
            prop_assert_eq!(ledger.kept(way), (from, kept.clone()));
            ledger.follow(way, 0, from, &[&kept[..], b"more"].concat());
            ledger.release(way, 5);
        }
        let _ = ledger.write_head(&"head");
        let _ = ledger.write_body(&"body");
        ledger.end();
    }

    #[test]
    fn any_octets_in_place_of_a_ledger_are_survived(
        octets in vec(any::<u8>(), 0..2000),
        at in 0..4096_u64
    ) {
        let _ = Ledger::open(&sealed(&octets, at));
    }
}
