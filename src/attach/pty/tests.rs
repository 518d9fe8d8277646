use std::io::{Read, Write};

use nix::sys::termios::{SpecialCharacterIndices, cfgetospeed, tcsendbreak};

use super::*;

/// What the master was told since the last time: doings, and data.
fn told(pty: &Pty) -> (Vec<Doings>, Vec<u8>) {
    let (mut doings, mut data) = (Vec::new(), Vec::new());
    let mut buffer = [0; 64];
    loop {
        match pty.read(&mut buffer).unwrap() {
            Heard::Data(octets) => data.extend_from_slice(octets),
            Heard::Done(done) => doings.push(done),
            Heard::Nothing | Heard::Closed => return (doings, data),
        }
    }
}

fn set(program: &File, change: impl FnOnce(&mut Termios)) {
    let mut termios = tcgetattr(program).unwrap();
    change(&mut termios);
    tcsetattr(program, SetArg::TCSANOW, &termios).unwrap();
}

fn set_speed(program: &File, speed: BaudRate) {
    set(program, |termios| cfsetspeed(termios, speed).unwrap());
}

const NOTHING: Doings = Doings {
    purged_input: false,
    purged_output: false,
};

#[test]
fn a_program_is_noticed_when_it_opens_and_when_it_has_closed() {
    let pty = Pty::make().unwrap();
    pty.take_opens();
    assert!(!pty.is_open().unwrap());
    let opened = |pty: &Pty| {
        let mut fds = [PollFd::new(pty.opens(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    };
    assert!(!opened(&pty));
    let program = open(pty.path()).unwrap();
    assert!(opened(&pty) && pty.is_open().unwrap());
    pty.take_opens();
    assert!(!opened(&pty));
    drop(program);
    assert!(!pty.is_open().unwrap());
}

#[test]
fn what_a_program_leaves_behind_is_read_after_it() {
    let pty = Pty::make().unwrap();
    open(pty.path()).unwrap().write_all(b"ATZ\r").unwrap();
    assert!(!pty.is_open().unwrap());
    assert_eq!(told(&pty).1, b"ATZ\r");
}

#[test]
fn octets_go_both_ways_as_they_are() {
    let pty = Pty::make().unwrap();
    let mut program = open(pty.path()).unwrap();
    let all: Vec<u8> = (0..=255).collect();
    program.write_all(&all).unwrap();
    assert_eq!(told(&pty).1, all);
    assert_eq!(pty.write(&all).unwrap(), all.len());
    let mut read = vec![0; all.len()];
    program.read_exact(&mut read).unwrap();
    assert_eq!(read, all);
    // No echo.
    assert!(told(&pty).1.is_empty());
}

#[test]
fn settings_are_told_however_often_a_program_sets_them() {
    let pty = Pty::make().unwrap();
    let program = open(pty.path()).unwrap();
    told(&pty);
    for (speed, baud) in [
        (BaudRate::B300, 300),
        (BaudRate::B1200, 1200),
        (BaudRate::B0, 0),
    ] {
        // As minicom does it, with flags of its own.
        set(&program, |termios| {
            termios.local_flags = LocalFlags::empty();
        });
        set_speed(&program, speed);
        assert!(!told(&pty).0.is_empty(), "{baud}");
        assert_eq!(pty.settings().unwrap().baud, baud);
        pty.heed_settings().unwrap();
        assert!(pty.settings().unwrap().tells);
        told(&pty);
    }
    set(&program, |termios| {
        termios.control_flags |= ControlFlags::CSTOPB | ControlFlags::CRTSCTS;
        termios.control_flags -= ControlFlags::CLOCAL;
    });
    let settings = pty.settings().unwrap();
    assert_eq!(
        (settings.stop_bits, settings.flow),
        (StopBits::Two, Flow::RtsCts)
    );
    assert!(settings.minds_carrier);
}

#[test]
fn a_program_that_wants_lines_gets_lines_and_has_to_be_looked_at() {
    let pty = Pty::make().unwrap();
    let mut program = open(pty.path()).unwrap();
    set(&program, |termios| {
        termios.local_flags |= LocalFlags::ICANON;
        termios.input_flags |= InputFlags::ICRNL;
    });
    assert!(!pty.settings().unwrap().tells);
    pty.heed_settings().unwrap();
    pty.write(b"OK\rCON").unwrap();
    let mut buffer = [0; 64];
    let count = program.read(&mut buffer).unwrap();
    assert_eq!(&buffer[..count], b"OK\n");
    set(&program, |termios| {
        termios.local_flags -= LocalFlags::ICANON;
        termios.input_flags -= InputFlags::ICRNL;
        termios.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    });
    pty.heed_settings().unwrap();
    assert!(pty.settings().unwrap().tells);
}

#[test]
fn what_a_program_throws_away_is_told() {
    let pty = Pty::make().unwrap();
    let program = open(pty.path()).unwrap();
    told(&pty);
    tcflush(&program, FlushArg::TCIFLUSH).unwrap();
    let input = Doings {
        purged_input: true,
        ..NOTHING
    };
    assert_eq!(told(&pty).0, [input]);
    (&program).write_all(b"unsent").unwrap();
    tcflush(&program, FlushArg::TCOFLUSH).unwrap();
    let output = Doings {
        purged_output: true,
        ..NOTHING
    };
    // What has arrived on the master's side stays there (`pty_flush_buffer()` in `pty.c`).
    assert_eq!(told(&pty).0, [output]);
}

#[test]
fn what_is_in_force_is_shown() {
    let mut pty = Pty::make().unwrap();
    let program = open(pty.path()).unwrap();
    for setting in [
        Setting::Baud(12_345),
        Setting::StopBits(StopBits::Two),
        Setting::Flow(Flow::XonXoff),
        Setting::Dtr(true),
    ] {
        pty.show(setting).unwrap();
    }
    let settings = pty.settings().unwrap();
    assert_eq!((settings.baud, settings.stop_bits), (12_345, StopBits::Two));
    // Data that waits is not lost in what is told of it.
    (&program).write_all(b"data").unwrap();
    pty.show(Setting::Baud(9600)).unwrap();
    pty.forget_doings();
    pty.forget_doings();
    assert_eq!(told(&pty), (Vec::new(), b"data".to_vec()));
    let speed = cfgetospeed(&tcgetattr(&program).unwrap());
    assert_eq!(speed, BaudRate::B9600);
    assert_eq!(
        (settings.flow, settings.inbound_flow),
        (Flow::XonXoff, Flow::XonXoff)
    );
    let termios = tcgetattr(&program).unwrap();
    assert!(termios.input_flags.contains(InputFlags::IXON));
}

#[test]
fn the_next_program_finds_the_settings_and_no_data_of_the_one_before() {
    let pty = Pty::make().unwrap();
    let before = open(pty.path()).unwrap();
    set_speed(&before, BaudRate::B300);
    pty.write(b"unread").unwrap();
    drop(before);
    pty.discard().unwrap();
    let mut program = open(pty.path()).unwrap();
    let unread = program.read(&mut [0; 64]);
    assert_eq!(unread.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert_eq!(pty.settings().unwrap().baud, 300);
}

#[test]
fn another_one_has_the_same_settings_and_no_news() {
    let mut pty = Pty::make().unwrap();
    assert_eq!(told(&pty), (Vec::new(), Vec::new()));
    pty.show(Setting::Baud(12_345)).unwrap();
    let program = open(pty.path()).unwrap();
    set(&program, |termios| {
        termios.control_flags -= ControlFlags::CLOCAL;
    });
    let another = pty.another().unwrap();
    assert_eq!(told(&another), (Vec::new(), Vec::new()));
    assert_eq!(another.settings().unwrap(), pty.settings().unwrap());
    assert_ne!(another.path(), pty.path());
}

#[test]
fn whoever_has_it_open_is_hung_up_when_it_is_gone() {
    let pty = Pty::make().unwrap();
    let mut program = open(pty.path()).unwrap();
    drop(pty);
    assert_eq!(program.read(&mut [0; 64]).unwrap(), 0);
    let lost = program.write(b"AT").unwrap_err();
    assert_eq!(lost.raw_os_error(), Some(libc::EIO));
}

/// Should one of these begin to be told, attach can hand it on.
#[test]
fn a_pseudo_terminal_tells_neither_of_a_break_nor_of_parity() {
    let pty = Pty::make().unwrap();
    let program = open(pty.path()).unwrap();
    told(&pty);
    tcsendbreak(&program, 0).unwrap();
    assert_eq!(told(&pty), (Vec::new(), Vec::new()));
    let mut termios = tcgetattr(&program).unwrap();
    termios.control_flags -= ControlFlags::CSIZE;
    termios.control_flags |= ControlFlags::CS7 | ControlFlags::PARENB;
    // Newer C libraries look whether it has come into force.
    let _ = tcsetattr(&program, SetArg::TCSANOW, &termios);
    let flags = tcgetattr(&program).unwrap().control_flags;
    let of_interest = ControlFlags::CSIZE | ControlFlags::PARENB;
    assert_eq!(flags & of_interest, ControlFlags::CS8);
}
