//! A line's settings: in force during a session, and as they were found after it.

use std::io::Write;
use std::os::fd::AsRawFd;

use nix::sys::termios::{
    BaudRate, ControlFlags, InputFlags, LocalFlags, OutputFlags, SetArg,
    SpecialCharacterIndices as Special, Termios, cfsetspeed, tcgetattr, tcsetattr,
};
use serialport::{SerialPort, TTYPort};

use crate::support::{
    Modem, Running, Scratch, contains, locks_in, read_all, read_exactly, reset, share, wait_until,
};

/// On a pseudo terminal the modem's end speaks of the line's settings too (`tty_mode_ioctl()`).
fn settings(modem: &Modem) -> Termios {
    tcgetattr(modem.master()).unwrap()
}

/// Has a session with these `--line` settings and looks at those in force meanwhile.
#[track_caller]
fn during_a_session<T>(
    server: &Running,
    modem: &Modem,
    locks: &Scratch,
    look: impl FnOnce() -> T,
) -> T {
    let mut client = server.connect();
    client.write_all(b"AT\r").unwrap();
    modem.expect(b"AT\r");
    let seen = look();
    reset(client);
    server.logged(" left ");
    wait_until("the lock files to go", || locks_in(locks.path()).is_empty());
    seen
}

/// A descriptor of the line that knows every speed, has set this one, and keeps nobody from it.
pub(crate) fn speedometer(modem: &Modem, baud: u32) -> TTYPort {
    let mut port = serialport::new(modem.device_name(), baud)
        .open_native()
        .unwrap();
    port.set_exclusive(false).unwrap();
    // It still shares a lock, with which nobody else can have his own.
    #[expect(deprecated, reason = "its replacement wants to own the descriptor")]
    nix::fcntl::flock(port.as_raw_fd(), nix::fcntl::FlockArg::UnlockNonblock).unwrap();
    port
}

#[test]
fn during_a_session_the_line_is_raw_and_has_the_settings_asked_for() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let mut left = settings(&modem);
    left.input_flags = InputFlags::all();
    left.output_flags = OutputFlags::all();
    left.local_flags |= LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
    left.control_chars[Special::VMIN as usize] = 0;
    left.control_chars[Special::VTIME as usize] = 50;
    let line = ["--line", "19200,8,N,2,rtscts"];
    let server = share(&[modem.device()], scratch.path(), &line);
    let speed = speedometer(&modem, 300);
    tcsetattr(modem.master(), SetArg::TCSANOW, &left).unwrap();
    let (seen, baud) = during_a_session(&server, &modem, &scratch, || {
        (settings(&modem), speed.baud_rate().unwrap())
    });
    assert_eq!(baud, 19_200);
    let wanted = InputFlags::IGNPAR | InputFlags::IGNBRK;
    assert_eq!(seen.input_flags, wanted);
    assert!(!seen.output_flags.contains(OutputFlags::OPOST));
    let cooked = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG | LocalFlags::IEXTEN;
    assert!(
        !seen.local_flags.intersects(cooked),
        "{:?}",
        seen.local_flags
    );
    let control = seen.control_flags;
    let wanted = ControlFlags::CS8
        | ControlFlags::CSTOPB
        | ControlFlags::CRTSCTS
        | ControlFlags::CREAD
        | ControlFlags::CLOCAL
        | ControlFlags::HUPCL;
    assert!(control.contains(wanted), "{control:?}");
    assert!(!control.contains(ControlFlags::PARENB), "{control:?}");
    assert_eq!(seen.control_chars[Special::VMIN as usize], 1);
    assert_eq!(seen.control_chars[Special::VTIME as usize], 0);
}

#[test]
fn xon_xoff_is_the_only_thing_that_is_asked_of_the_bytes() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let line = ["--line", "9600,8,N,1,xonxoff"];
    let server = share(&[modem.device()], scratch.path(), &line);
    let seen = during_a_session(&server, &modem, &scratch, || settings(&modem));
    let always = InputFlags::IGNPAR | InputFlags::IGNBRK;
    let asked = InputFlags::IXON | InputFlags::IXOFF;
    assert_eq!(seen.input_flags & !always, asked);
}

#[test]
fn after_a_session_the_line_has_the_settings_it_was_found_with() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let mut left = settings(&modem);
    cfsetspeed(&mut left, BaudRate::B2400).unwrap();
    left.input_flags = InputFlags::ICRNL | InputFlags::IXON | InputFlags::ISTRIP;
    left.output_flags = OutputFlags::OPOST | OutputFlags::ONLCR;
    left.local_flags = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::TOSTOP;
    left.control_flags |= ControlFlags::CSTOPB;
    left.control_chars[Special::VERASE as usize] = 8;
    tcsetattr(modem.master(), SetArg::TCSANOW, &left).unwrap();
    let found = settings(&modem);
    let server = share(&[modem.device()], scratch.path(), &[]);
    let seen = during_a_session(&server, &modem, &scratch, || settings(&modem));
    assert_ne!(seen, found);
    assert_eq!(settings(&modem), found);
}

#[test]
fn a_speed_that_no_table_has_is_put_in_force_and_one_that_was_found_comes_back() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let speed = speedometer(&modem, 12_345);
    let line = ["--line", "74880,8,N,1"];
    let server = share(&[modem.device()], scratch.path(), &line);
    let seen = during_a_session(&server, &modem, &scratch, || speed.baud_rate().unwrap());
    assert_eq!(seen, 74_880);
    assert_eq!(speed.baud_rate().unwrap(), 12_345);
}

#[test]
fn what_the_modem_said_while_nobody_was_there_is_not_for_the_next_client() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &[]);
    server.address();
    for _ in 0..2 {
        modem.say(b"RING\r\n");
        modem.say(&[b'.'; 6000]);
        let mut client = server.connect();
        client.write_all(b"AT\r").unwrap();
        modem.expect(b"AT\r");
        modem.say(b"OK\r\n");
        read_exactly(&client, b"OK\r\n");
        modem.say(b"for this client alone");
        reset(client);
        wait_until("the lock files to go", || {
            locks_in(scratch.path()).is_empty()
        });
    }
}

#[test]
fn settings_that_the_line_refuses_are_told_and_the_next_line_is_tried() {
    let scratch = Scratch::new();
    let (one, other) = (Modem::new(), Modem::new());
    let before = settings(&one);
    // The kernel makes every pseudo terminal 8N (`pty_set_termios()`).
    let line = ["--line", "115200,7,E,1"];
    let server = share(&[one.device(), other.device()], scratch.path(), &line);
    let told = read_all(&mut server.connect());
    for modem in [&one, &other] {
        let expected = format!(
            "{}: refuses `115200,7,E,1`: the hardware has data bits 8",
            modem.device_name()
        );
        assert!(
            contains(&told, expected.as_bytes()),
            "{}",
            String::from_utf8_lossy(&told)
        );
        server.logged(&expected);
    }
    assert!(told.starts_with(b"\r\nERROR: ") && told.ends_with(b"\r\n"));
    assert_eq!(settings(&one), before);
    assert!(locks_in(scratch.path()).is_empty());
}
