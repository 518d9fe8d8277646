//! What is asked of the far end for a device of `modemctl attach`, beside its data.

use std::io::Write;

use modemd::com_port::{BaudRate, Message};
use nix::sys::termios::{FlushArg, tcflush};

use crate::attached::Attached;
use crate::far_server::FarServer;

#[test]
fn what_a_program_throws_away_is_thrown_away_at_the_far_end() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let mut program = attached.open();
    let mut line = server.serve();
    program.write_all(b"AT").unwrap();
    line.expect(b"AT");
    for (flush, what) in [
        (FlushArg::TCIFLUSH, 1),
        (FlushArg::TCOFLUSH, 2),
        (FlushArg::TCIOFLUSH, 3),
    ] {
        line.messages.clear();
        tcflush(&program, flush).unwrap();
        line.hear_until("a purge", |line| {
            line.messages.contains(&Message::Purge(what))
        });
        assert_eq!(line.messages.len(), 1, "{:?}", line.messages);
    }
    // And the line is still the program's.
    program.write_all(b"Z").unwrap();
    line.expect(b"Z");
}

#[test]
fn data_bits_and_parity_of_the_command_line_are_asked_for_before_the_first_octet() {
    let server = FarServer::new();
    let attached = Attached::with(server.address(), &["--line", "1200,7,E,2"]);
    let mut program = attached.open();
    program.write_all(b"ATZ").unwrap();
    let mut line = server.serve();
    line.hear_until("an octet", |line| !line.data.is_empty());
    for asked in [
        Message::BaudRate(BaudRate::Wide(1200)),
        Message::DataSize(7),
        Message::Parity(3),
        Message::StopSize(2),
    ] {
        assert!(line.messages.contains(&asked), "{:?}", line.messages);
    }
    line.expect(b"ATZ");
    // Nor does the next program change them.
    drop(program);
    line.expect_end();
    let _program = attached.open();
    let mut line = server.serve();
    line.hear_until("settings", |line| {
        line.messages.contains(&Message::Parity(3))
    });
    assert!(line.messages.contains(&Message::DataSize(7)));
}
