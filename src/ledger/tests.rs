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
