//! What the journal says of calls through a guarded port, and of those that were refused.

use modemd::at::temperament::Temperament;
use modemd::journal;

use crate::guarded::{ALLOW, Bank, ECHO, FORBIDDEN, told};
use crate::journal::address;
use crate::journald::{Journal, assert_has};
use crate::support::{Scratch, connect, read_until, reset, standalone_command};

#[test]
fn each_call_and_each_refusal_is_one_entry_of_the_journal() {
    let Some(journal) = Journal::start() else {
        return;
    };
    let scratch = Scratch::new();
    let bank = Bank::of(&[Temperament::hayes()]);
    let ports = bank.ports(&format!("[ports.modem.dial]\n{ALLOW}"));
    let _server = journal.service(&standalone_command(&scratch, &ports));
    let port = address(&journal.entry("modem: listening on "));
    let mut client = connect(port);
    let name = client.local_addr().unwrap().to_string();
    let line = bank.guarded()[0].to_str().unwrap();
    let of_it = |text: &str, id: &str, more: &[(&str, &str)]| {
        let entry = journal.entry(text);
        let always = [
            ("MESSAGE_ID", id),
            ("MODEMD_PORT", "modem"),
            ("MODEMD_LINE", line),
            ("MODEMD_CLIENT", &name),
            ("MODEMD_CALL", "outgoing"),
        ];
        assert_has(&entry, &always);
        assert_has(&entry, more);
        assert_eq!(
            entry["MODEMD_SESSION"],
            journal.entry(" is on ")["MODEMD_SESSION"]
        );
        entry
    };

    told(&mut client, &format!("ATDT{FORBIDDEN}"), "NO CARRIER\r\n");
    let why = "it is in `deny`, as `*0900*`";
    let refused = [
        ("PRIORITY", "4"),
        ("MODEMD_NUMBER", FORBIDDEN),
        ("MODEMD_REASON", "refused"),
        ("MODEMD_WHY", why),
    ];
    of_it(" may not call 0900123456", journal::CALL_REFUSED, &refused);
    told(&mut client, "AT D0800 123;", "NO CARRIER\r\n");
    let continued = [("MODEMD_NUMBER", "0800123"), ("MODEMD_REASON", "refused")];
    of_it(" may not call 0800123", journal::CALL_REFUSED, &continued);

    told(&mut client, "ATDT5552004", "BUSY\r\n");
    let busy = [
        ("MODEMD_NUMBER", "5552004"),
        ("MODEMD_RESULT", "BUSY"),
        ("MODEMD_REASON", "not-connected"),
        ("MODEMD_DURATION_USEC", "0"),
        ("MODEMD_BYTES_TO_LINE", "0"),
        ("MODEMD_BYTES_TO_CLIENT", "0"),
    ];
    of_it(" called 5552004", journal::CALL, &busy);

    told(&mut client, "ATDT5552003", "NO CARRIER\r\n");
    let greeting = [
        ("MODEMD_NUMBER", "5552003"),
        ("MODEMD_RESULT", "CONNECT 115200"),
        ("MODEMD_REASON", "carrier-lost"),
        ("MODEMD_RINGS", "0"),
        ("MODEMD_BYTES_TO_LINE", "0"),
    ];
    of_it(" called 5552003", journal::CALL, &greeting);

    told(&mut client, &format!("ATDT{ECHO}"), "CONNECT 115200\r\n");
    let words = [b'w'; 1000];
    std::io::Write::write_all(&mut client, &words).unwrap();
    read_until(&mut client, &words);
    reset(client);
    let echo = [
        ("MODEMD_NUMBER", ECHO),
        ("MODEMD_RESULT", "CONNECT 115200"),
        ("MODEMD_REASON", "session-ended"),
        ("MODEMD_BYTES_TO_LINE", "1000"),
        ("MODEMD_BYTES_TO_CLIENT", "1000"),
    ];
    let entry = of_it(" called 5552001", journal::CALL, &echo);
    let duration: u64 = entry["MODEMD_DURATION_USEC"].parse().unwrap();
    assert!(duration > 0);
    assert!(entry["MODEMD_BEGAN_USEC"].parse::<u64>().is_ok());
    assert_eq!(bank.dialled(), ["5552004", "5552003", ECHO]);
}
