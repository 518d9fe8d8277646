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
