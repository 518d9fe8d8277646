//! `modemctl attach`: when it connects and when it releases, what becomes of octets, and of whoever has the device
//! open when the far end is lost.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use modemd::com_port::{BaudRate, Message, modem_state};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::termios::{
    BaudRate as Speed, ControlFlags, SetArg, cfgetospeed, cfmakeraw, cfsetspeed, tcgetattr,
    tcsetattr,
};

use crate::attached::Attached;
use crate::fake::{lasting_modemctl, modemctl};
use crate::far_server::{FarClient, FarServer};
use crate::support::{Running, Scratch, wait_until};

fn mind_carrier(device: &File, minds: bool) {
    let mut termios = tcgetattr(device).unwrap();
    termios.control_flags.set(ControlFlags::CLOCAL, !minds);
    tcsetattr(device, SetArg::TCSANOW, &termios).unwrap();
}

pub(crate) fn set_speed(device: &File, speed: Speed) {
    let mut termios = tcgetattr(device).unwrap();
    cfsetspeed(&mut termios, speed).unwrap();
    tcsetattr(device, SetArg::TCSANOW, &termios).unwrap();
}

fn speed(device: &File) -> Speed {
    cfgetospeed(&tcgetattr(device).unwrap())
}

/// Waits until a program has read this.
#[track_caller]
pub(crate) fn expect(device: &mut File, expected: &[u8]) {
    let mut got = vec![0; expected.len()];
    device.read_exact(&mut got).unwrap();
    assert_eq!(got, expected);
}

/// Waits for the end that a program reads on a line that was hung up; at that very moment it reads an error.
#[track_caller]
fn expect_hang_up(device: &mut File) {
    match device.read(&mut [0; 8]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.raw_os_error(), Some(Errno::EIO as i32)),
    }
}

fn baud(messages: &[Message]) -> Vec<u32> {
    let rates = messages.iter().filter_map(|message| match message {
        Message::BaudRate(rate) if rate.rate() > 0 => Some(rate.rate()),
        _ => None,
    });
    rates.collect()
}

#[test]
fn a_line_is_a_programs_from_its_opening_to_its_closing() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let mut program = attached.open();
    let mut line = server.serve();
    attached.process.logged("connected to");
    program.write_all(b"ATI\r").unwrap();
    line.expect(b"ATI\r");
    line.say(b"OK\r\n\xff\x00");
    expect(&mut program, b"OK\r\n\xff\x00");
    drop(program);
    line.expect_end();
    let released = attached.process.logged("released after");
    assert!(
        released.ends_with("4 bytes to the line, 6 from it"),
        "{released}"
    );
    assert!(server.come().is_none());
    let _next = attached.open();
    server.serve();
}

#[test]
fn whoever_only_sets_the_device_up_needs_no_connection_and_the_next_one_finds_it_so() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    // As stty(1) does it, before anybody looks.
    attached.process.signal(Signal::SIGSTOP);
    set_speed(&attached.open(), Speed::B19200);
    attached.process.signal(Signal::SIGCONT);
    let program = attached.open();
    let mut line = server.serve();
    line.hear_until("a speed", |line| !baud(&line.messages).is_empty());
    assert_eq!(baud(&line.messages), [19_200]);
    assert_eq!(speed(&program), Speed::B19200);
    let released = attached.process.log();
    let released = released.iter().filter(|line| line.contains("released"));
    assert_eq!(released.count(), 0);
}

#[test]
fn a_program_that_sets_nothing_sees_the_line_as_it_is_and_changes_nothing() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    for _ in 0..2 {
        let program = attached.open();
        let mut line = server.serve();
        wait_until("the line's speed", || {
            line.hear();
            speed(&program) == Speed::B9600
        });
        drop(program);
        line.expect_end();
        assert!(baud(&line.messages).is_empty());
    }
}

#[test]
fn a_program_that_wants_octets_as_they_are_leaves_the_line_as_it_is() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let make_raw = |device: &File| {
        let mut termios = tcgetattr(device).unwrap();
        cfmakeraw(&mut termios);
        tcsetattr(device, SetArg::TCSANOW, &termios).unwrap();
    };
    for _ in 0..2 {
        let program = attached.open();
        make_raw(&program);
        let mut line = server.serve();
        make_raw(&program);
        wait_until("the line's speed", || {
            line.hear();
            speed(&program) == Speed::B9600
        });
        make_raw(&program);
        (&program).write_all(b"x").unwrap();
        line.expect(b"x");
        assert!(baud(&line.messages).is_empty());
        drop(program);
        line.expect_end();
    }
}

#[test]
fn what_is_in_force_there_is_what_a_program_sees() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let program = attached.open();
    let mut line = server.serve();
    line.answers = false;
    set_speed(&program, Speed::B921600);
    line.hear_until("a speed", |line| baud(&line.messages) == [921_600]);
    line.tell(&Message::BaudRate(BaudRate::Wide(115_200)));
    // The question at the beginning was not answered either.
    line.tell(&Message::BaudRate(BaudRate::Wide(115_200)));
    wait_until("the speed in force", || speed(&program) == Speed::B115200);
    // It is not taken for a wish of the program's.
    line.say(b"x");
    (&program).write_all(b"y").unwrap();
    line.expect(b"y");
    assert_eq!(baud(&line.messages), [921_600]);
}

#[test]
fn what_a_program_has_left_behind_is_delivered_before_the_line_is_released() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    attached.open().write_all(b"ATDT1\r").unwrap();
    let mut line = server.serve();
    line.answers = false;
    line.expect(b"ATDT1\r");
    // The last question is the second one about parity.
    let questions = |line: &FarClient| {
        let all = line.messages.iter();
        all.filter(|message| **message == Message::Parity(0))
            .count()
    };
    line.hear_until("the last question", |line| questions(line) == 2);
    assert!(!line.is_gone);
    // A server may leave a question without an answer, but not two of a kind.
    line.tell(&Message::Parity(1));
    line.say(b"still there");
    line.tell(&Message::Parity(1));
    line.expect_end();
}

#[test]
fn a_line_that_cannot_have_the_parity_that_was_asked_for_is_told_of() {
    let server = FarServer::new();
    let attached = Attached::with(server.address(), &["--line", "9600,7,E,1"]);
    let _program = attached.open();
    let mut line = server.serve();
    line.answers = false;
    let asked = |line: &FarClient| line.messages.contains(&Message::Parity(3));
    line.hear_until("even parity", asked);
    line.tell(&Message::DataSize(7));
    line.tell(&Message::Parity(1));
    attached
        .process
        .logged("the line cannot be set to 9600,7,E,1");
}

#[test]
fn speed_0_drops_dtr_and_another_raises_it() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let program = attached.open();
    let mut line = server.serve();
    set_speed(&program, Speed::B0);
    line.hear_until("DTR off", |line| {
        line.messages.contains(&Message::Control(9))
    });
    set_speed(&program, Speed::B2400);
    line.hear_until("DTR on", |line| {
        line.messages.contains(&Message::Control(8))
    });
    assert_eq!(baud(&line.messages), [2400]);
}

#[test]
fn carrier_that_is_lost_hangs_up_who_minds_it_and_nobody_else() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let mut program = attached.open();
    let mut line = server.serve();
    let carrier = Message::ModemState(Some(modem_state::CARRIER));
    let none = Message::ModemState(Some(modem_state::CARRIER_CHANGED));
    for message in [&none, &carrier, &none, &carrier] {
        line.tell(message);
    }
    // It is there still.
    line.say(b"NO CARRIER");
    expect(&mut program, b"NO CARRIER");
    let before = attached.device();
    mind_carrier(&program, true);
    program.write_all(b"x").unwrap();
    line.expect(b"x");
    line.tell(&none);
    expect_hang_up(&mut program);
    line.expect_end();
    attached
        .process
        .logged("hung up: the modem has lost carrier");
    wait_until("another device", || attached.device() != before);
    // The next one finds a device, with the settings of the one before.
    let next = attached.open();
    let termios = tcgetattr(&next).unwrap();
    assert!(!termios.control_flags.contains(ControlFlags::CLOCAL));
    server.serve();
}

#[test]
fn a_lost_connection_hangs_up_who_minds_carrier_and_is_made_again_for_others() {
    let server = FarServer::new();
    let attached = Attached::to(server.address());
    let mut program = attached.open();
    drop(server.serve());
    attached
        .process
        .logged("connection lost: the server has closed the connection; trying again");
    let mut line = server.serve();
    program.write_all(b"again").unwrap();
    line.expect(b"again");
    mind_carrier(&program, true);
    program.write_all(b".").unwrap();
    line.expect(b".");
    drop(line);
    expect_hang_up(&mut program);
    attached
        .process
        .logged("hung up: the server has closed the connection");
}

#[test]
fn there_is_one_of_a_name_and_a_killed_one_is_in_nobodys_way() {
    let server = FarServer::new();
    let scratch = Scratch::new();
    let link = scratch.path().join("fax");
    let attach = || {
        let mut command = lasting_modemctl(&scratch.path().join("io.modemd"));
        command.arg("attach").arg(server.address().to_string());
        command.arg("--link").arg(&link);
        command
    };
    let first = Running::start(attach());
    first.logged("is here at");
    let mut second = Running::start(attach());
    assert_eq!(second.wait().code(), Some(1));
    second.logged("fax: already attached by another process: modemctl status shows it");
    first.signal(Signal::SIGKILL);
    drop(first);
    assert!(fs::symlink_metadata(&link).is_ok());
    let third = Running::start(attach());
    third.logged("is here at");
    let (status, _) = third.stop();
    assert_eq!(status.code(), Some(0));
    assert!(fs::symlink_metadata(&link).is_err());
    let sockets = fs::read_dir(scratch.path().join("attach")).unwrap();
    assert_eq!(sockets.count(), 0);
}

#[test]
fn a_file_in_the_place_of_the_link_is_left_alone_and_a_link_is_replaced() {
    let scratch = Scratch::new();
    let run = |link: &Path| {
        let mut command = lasting_modemctl(&scratch.path().join("io.modemd"));
        command.args(["attach", "localhost:1", "--link"]).arg(link);
        Running::start(command)
    };
    let file = scratch.file("notes", "mine");
    let mut refused = run(&file);
    assert_eq!(refused.wait().code(), Some(1));
    refused.logged(&format!(
        "notes: the device cannot be made: {}: it exists, and is no symbolic link",
        file.display()
    ));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    let link = scratch.path().join("old");
    symlink("/dev/null", &link).unwrap();
    let attached = run(&link);
    attached.logged("is here at");
    assert_ne!(fs::read_link(&link).unwrap(), Path::new("/dev/null"));
}

#[test]
fn what_cannot_be_attached_is_told_with_the_way_out() {
    let scratch = Scratch::new();
    let file = scratch.file(
        "attach.toml",
        "[fax]\nserver = \"modemhost\"\n[isdn]\nserver = \"h:1\"\n",
    );
    let run = |arguments: &[&str]| {
        let mut command = modemctl(&scratch.path().join("io.modemd"));
        command.arg("attach").args(arguments);
        let done = command.arg("--config").arg(&file).output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        (done.status.code(), said)
    };
    let nowhere = lasting_modemctl(&scratch.path().join("io.modemd"))
        .args(["attach", "modemhost", "--config", "/nowhere"])
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(66));
    // Whoever has only left the port out wants no file.
    let said = String::from_utf8(nowhere.stderr).unwrap();
    assert!(
        said.ends_with(", or the line itself as HOST:PORT\n"),
        "{said}"
    );
    let place = format!("{}:2:10", file.display());
    for (arguments, code, text) in [
        (
            &["fax"][..],
            78,
            format!("attachment `fax` is disabled: {place}: fax.server:"),
        ),
        (
            &["fix"],
            78,
            format!(
                "attachment `fix` is not in {}: there are `isdn`, or name the line itself as HOST:PORT",
                file.display()
            ),
        ),
        (
            &["h:0"],
            2,
            "`0` is no port that a server could be found at".to_owned(),
        ),
        (
            &["isdn", "--raw"],
            2,
            "isdn: --raw and --line are for HOST:PORT".to_owned(),
        ),
        (
            &["h:1", "--line", "fast"],
            2,
            "`fast` is not `baud,data,parity,stop`".to_owned(),
        ),
        (
            &["h:1", "--line", "9600,8,N,1", "--raw"],
            2,
            "cannot be used with".to_owned(),
        ),
    ] {
        let (found, said) = run(arguments);
        assert_eq!(
            (found, said.contains(&text)),
            (Some(code), true),
            "{arguments:?}: {said}"
        );
    }
}
