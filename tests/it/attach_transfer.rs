//! Files and bulk through devices that `modemctl attach` makes.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread::scope;

use crate::attached::Attached;
use crate::exchange::{Exchange, both_ends_succeed};
use crate::support::{
    Client, Modem, PATIENCE, Scratch, bounded, have, random, read_exactly, share, wait_until,
};

/// A program with a device as its terminal for data.
fn on(attached: &Attached, script: &str) -> Client {
    let child = bounded("sh")
        .arg("-c")
        .arg(format!("exec <> {} >&0; {script}", attached.name()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Client(child)
}

/// A call between two devices in which one end sends a file to the other.
#[track_caller]
fn zmodem_carries_a_file(caller_sends: bool) {
    if !have(&["sz", "rz", "chat"]) {
        return;
    }
    let exchange = Exchange::with_telnet_modems(2);
    let file = exchange.file("sent.bin", 300_000);
    let [called, calling] = [(); 2].map(|()| Attached::to(exchange.address()));
    let into = exchange.scratch.path().join("received");
    fs::create_dir(&into).unwrap();
    let ready = into.join("ready");
    let send = format!("sz --binary --quiet {}; echo $? > sender", file.display());
    let receive = "rz --binary --quiet; echo $? > receiver".to_owned();
    let [from_called, from_calling] = if caller_sends {
        [receive, send]
    } else {
        [send, receive]
    };
    let start = format!("cd {}; chat -s -t {}", into.display(), PATIENCE.as_secs());
    // Who opens first gets the first modem.
    let answers = format!("'' ATS0=1 OK '' && : > {}", ready.display());
    let answers = format!("{start} {answers}; {start} CONNECT '' && {from_called}");
    let _called = on(&called, &answers);
    wait_until("the called modem", || ready.exists());
    let number = &exchange.numbers[0];
    let calls = format!("{start} '' ATDT{number} CONNECT '' && {from_calling}");
    let _calling = on(&calling, &calls);
    both_ends_succeed(&into);
    assert!(fs::read(&file).unwrap() == fs::read(into.join("sent.bin")).unwrap());
    exchange.server.logged_times(" left ", 2);
}

#[test]
fn zmodem_carries_a_file_from_the_device_that_calls() {
    zmodem_carries_a_file(true);
}

#[test]
fn zmodem_carries_a_file_from_the_device_that_is_called() {
    zmodem_carries_a_file(false);
}

#[test]
fn all_of_8_mib_both_ways_at_once_pass_while_the_program_turns_flow_control_on_and_off() {
    const BULK: usize = 8 << 20;
    if !have(&["stty"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = share(&[modem.device()], scratch.path(), &["--protocol", "telnet"]);
    let attached = Attached::to(server.address());
    let mut program = attached.open_at(115_200);
    program.write_all(b"A").unwrap();
    modem.expect(b"A");
    modem.set_blocking(true);
    let (to_line, to_program) = (random(BULK), random(BULK));
    let mut reading = program.try_clone_native().unwrap();
    scope(|scope| {
        scope.spawn(|| modem.master().write_all(&to_program).unwrap());
        scope.spawn(|| program.write_all(&to_line).unwrap());
        scope.spawn(|| {
            for flow in ["crtscts", "-crtscts"].iter().cycle().take(20) {
                let done = bounded("stty")
                    .args(["-F", attached.name(), flow])
                    .status()
                    .unwrap();
                assert!(done.success());
            }
        });
        scope.spawn(|| read_exactly(&mut reading, &to_program));
        read_exactly(modem.master(), &to_line);
    });
    // And nothing more.
    modem.master().write_all(b".").unwrap();
    program.write_all(b"!").unwrap();
    let mut next = [0];
    reading.read_exact(&mut next).unwrap();
    assert_eq!(&next, b".");
    modem.master().read_exact(&mut next).unwrap();
    assert_eq!(&next, b"!");
}
