//! A server that is killed while a program has the device that `modemctl attach` makes of its port.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::termios::{ControlFlags, SetArg, tcgetattr, tcsetattr};
use serialport::SerialPort;

use crate::attached::Attached;
use crate::settings::speedometer;
use crate::support::{
    Client, Modem, Running, Scratch, assert_talks, bounded, free_port, have, modemd, read_all,
    read_until, wait_until,
};
use crate::terminal::{Peer, words};

/// A telnet port that is always the same one, with a line whose settings are 300,8,N,1.
struct Server {
    port: u16,
    modem: Modem,
    locks: Scratch,
}

impl Server {
    fn new() -> Server {
        Server {
            port: free_port(),
            modem: Modem::new(),
            locks: Scratch::new(),
        }
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    #[track_caller]
    fn start(&self) -> Running {
        let mut command = modemd();
        command.args(["--listen", &self.address().to_string()]);
        command.args(["--user", "root", "--protocol", "telnet"]);
        command.args(["--line", "300,8,N,1", "--lock-dir"]);
        command.arg(self.locks.path()).arg(self.modem.device());
        let running = Running::start(command);
        running.address();
        running
    }
}

#[track_caller]
fn kill(mut server: Running) {
    server.signal(Signal::SIGKILL);
    server.wait();
}

#[test]
fn a_program_that_does_not_mind_carrier_keeps_the_device_and_gets_the_line_again() {
    let server = Server::new();
    let mut running = server.start();
    let attached = Attached::to(server.address());
    let device = attached.device();
    let mut program = attached.open_at(31_250);
    let speed = speedometer(&server.modem, 300);
    assert_talks(&mut program, &server.modem);
    for times in 1..=2 {
        kill(running);
        attached.process.logged_times("connection lost: ", times);
        running = server.start();
        assert_talks(&mut program, &server.modem);
        // The line is set up as it was for it.
        assert_eq!(speed.baud_rate().unwrap(), 31_250);
        assert_eq!(attached.device(), device);
        attached.process.logged_times(" connected to ", times + 1);
    }
    drop(program);
    running.logged(" left ");
}

/// Whether somebody who has it open is hung up.
fn is_hung_up(mut program: impl Read + Write) -> bool {
    let lost = program.write(b"AT\r").err().and_then(|e| e.raw_os_error());
    lost == Some(Errno::EIO as i32) && program.read(&mut [0; 16]).is_ok_and(|count| count == 0)
}

#[test]
fn a_program_that_minds_carrier_is_hung_up_and_finds_the_line_at_the_same_place() {
    let server = Server::new();
    let running = server.start();
    let attached = Attached::to(server.address());
    let device = attached.device();
    let mut program = attached.open();
    let mut termios = tcgetattr(&program).unwrap();
    termios.control_flags -= ControlFlags::CLOCAL;
    tcsetattr(&program, SetArg::TCSANOW, &termios).unwrap();
    assert_talks(&mut program, &server.modem);
    kill(running);
    // Whoever reads at that moment gets an error, and whoever reads later the end of the file.
    let read = program.read(&mut [0; 16]);
    let error = read.as_ref().err().and_then(std::io::Error::raw_os_error);
    assert!(
        matches!(read, Ok(0)) || error == Some(Errno::EIO as i32),
        "{read:?}"
    );
    assert!(is_hung_up(program));
    wait_until("another device", || attached.device() != device);
    assert!(!Path::new(&device).exists());

    let running = server.start();
    let mut next = attached.open();
    next.write_all(b"AT again\r").unwrap();
    server.modem.expect(b"AT again\r");
    server.modem.say(b"OK\r\n");
    read_until(&mut next, b"OK\r\n");
    drop(next);
    running.logged(" left ");
}

#[test]
fn a_program_that_opens_the_device_before_there_is_a_server_gets_the_line_when_there_is() {
    let server = Server::new();
    let attached = Attached::to(server.address());
    let mut program = attached.open();
    program.write_all(b"AT early\r").unwrap();
    attached.process.logged("not connected: ");
    let _running = server.start();
    server.modem.expect(b"AT early\r");
    server.modem.say(b"OK\r\n");
    read_until(&mut program, b"OK\r\n");
}

#[test]
fn picocom_goes_on_when_the_server_has_been_killed_and_is_back() {
    if !have(&["picocom"]) {
        return;
    }
    let server = Server::new();
    let running = server.start();
    let attached = Attached::to(server.address());
    let mut picocom = Peer::run("picocom", &words(&[attached.name()]));
    picocom.says_next("Terminal ready");
    let talks = |picocom: &mut Peer, words: &str| {
        picocom.types(&format!("AT{words}\r"));
        server.modem.expect(format!("AT{words}\r").as_bytes());
        server.modem.say(format!("{words}!\r\n").as_bytes());
        picocom.says_next(&format!("{words}!"));
    };
    talks(&mut picocom, "before");
    kill(running);
    attached.process.logged("connection lost: ");
    let running = server.start();
    talks(&mut picocom, "after");
    picocom.types("\x01\x18");
    let (status, said) = picocom.ends();
    assert!(status.success(), "{said}");
    running.logged(" left ");
}

#[test]
fn a_cat_that_minds_carrier_ends_when_the_server_is_killed() {
    if !have(&["stty"]) {
        return;
    }
    let server = Server::new();
    let running = server.start();
    let attached = Attached::to(server.address());
    let mut cat = bounded("sh")
        .args(["-c", r#"stty -F "$1" -clocal && exec cat < "$1""#, "sh"])
        .arg(attached.name())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Client)
        .unwrap();
    attached.process.logged(" connected to ");
    let mut out = cat.0.stdout.take().unwrap();
    wait_until("a word to arrive", || {
        // What comes before it has the device is for nobody.
        server.modem.say(b"RING\r\n");
        is_readable(&out)
    });
    kill(running);
    let said = read_all(&mut out);
    assert!(said.starts_with(b"RING\r\n"), "{said:?}");
    cat.0.wait().unwrap();
}

fn is_readable(file: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
}
