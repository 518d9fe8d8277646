//! What systemd hears of modemd: the test is systemd, behind `$NOTIFY_SOCKET`.

use std::io::Write;
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{
    Modem, Running, Scratch, connect_when_up, free_port, have, modemd, read_until, reset,
    wait_until,
};
use crate::systemd::Manager;

/// A modemd that binds the addresses of a configuration with these `ports`.
fn standalone(scratch: &Scratch, ports: &str) -> Command {
    let mut command = modemd();
    command.arg("--standalone").arg("--config");
    command.arg(scratch.file("modemd.toml", config(scratch, ports)));
    command
}

fn config(scratch: &Scratch, ports: &str) -> String {
    let locks = scratch.path().display();
    format!("[server]\nuser = \"root\"\nlock_dir = \"{locks}\"\nidle_exit = \"1s\"\n{ports}")
}

fn port(name: &str, devices: &[&Modem]) -> String {
    let devices: Vec<_> = devices.iter().map(|modem| modem.device()).collect();
    format!(
        "[ports.{name}]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"localhost\"]\ndevices = {devices:?}\n"
    )
}

#[test]
fn the_status_tells_who_is_on_which_line() {
    let (scratch, one, two) = (Scratch::new(), Modem::new(), Modem::new());
    let manager = Manager::new(&scratch);
    let server = manager.watch(standalone(&scratch, &port("modem", &[&one, &two])));
    manager.expect(&["READY=1", "STATUS=0 of 2 lines in use"]);
    let client = server.connect();
    let name = client.local_addr().unwrap();
    let device = one.device_name();
    let first = format!("STATUS=1 of 2 lines in use: {device} by {name}");
    manager.expect(&[&first]);
    let other = server.connect();
    let second = format!(
        "STATUS=2 of 2 lines in use: {device} by {name}, {} by {}",
        two.device_name(),
        other.local_addr().unwrap()
    );
    // Sessions have random numbers, and the text their order.
    let status = manager.next();
    assert_eq!(status[0].len(), second.len(), "{status:?}");
    reset(other);
    manager.expect(&[&first]);
    reset(client);
    manager.expect(&["STATUS=0 of 2 lines in use"]);
    server.signal(Signal::SIGTERM);
    manager.expect(&["STOPPING=1", "STATUS=stopping: told to"]);
}

#[test]
fn a_mistake_is_told_in_the_status_until_a_reload_finds_it_mended() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let manager = Manager::new(&scratch);
    let ports = port("good", &[&modem]) + &port("bad", &[&modem]) + "busy = \"perhaps\"\n";
    let server = manager.watch(standalone(&scratch, &ports));
    let ready = manager.next();
    assert_eq!(ready[0], "READY=1");
    let mistake = "STATUS=0 of 1 line in use; the configuration has a mistake: ";
    assert!(ready[1].starts_with(mistake), "{ready:?}");
    assert!(ready[1].contains("modemd.toml:13:8"), "{ready:?}");
    assert!(ready[1].contains("`perhaps`"), "{ready:?}");

    scratch.file("modemd.toml", config(&scratch, &port("good", &[&modem])));
    server.signal(Signal::SIGHUP);
    let reloading = manager.next();
    assert_eq!(reloading[0], "RELOADING=1");
    let when = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(when.parse::<u64>().unwrap() > 0);
    manager.expect(&["READY=1", "STATUS=0 of 1 line in use"]);

    scratch.file("modemd.toml", "nonsense");
    server.signal(Signal::SIGHUP);
    assert_eq!(manager.next()[0], "RELOADING=1");
    let ready = manager.next();
    assert_eq!(ready[0], "READY=1");
    assert!(ready[1].contains("the configuration has a mistake: "));
    server.signal(Signal::SIGTERM);
    assert_eq!(manager.next()[0], "STOPPING=1");
}

#[test]
fn the_watchdog_is_fed_for_as_long_as_the_loop_turns() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let manager = Manager::new(&scratch);
    let mut command = standalone(&scratch, &port("modem", &[&modem]));
    command.env("WATCHDOG_USEC", "100000");
    let _server = manager.watch(command);
    manager.expect(&["READY=1", "STATUS=0 of 1 line in use"]);
    for _ in 0..3 {
        manager.expect(&["WATCHDOG=1"]);
    }
}

#[test]
fn an_instance_for_one_client_reports_too() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let manager = Manager::new(&scratch);
    let (client, socket) = crate::privileges::connection();
    let mut command = modemd();
    command.args(["--user", "root", "--lock-dir"]);
    command.arg(scratch.path()).arg(modem.device());
    command.env("NOTIFY_SOCKET", manager.path());
    let mut server = Running::start_on(command, socket);
    let name = client.local_addr().unwrap();
    manager.expect(&["READY=1", &format!("STATUS=serving {name}")]);
    let device = modem.device_name();
    let status = format!("STATUS=1 of 1 line in use: {device} by {name}");
    manager.expect(&[&status]);
    reset(client);
    assert!(server.wait().success());
}

/// Otherwise every client that changes its mind would be a failed unit.
#[test]
fn an_instance_whose_client_has_gone_already_has_not_failed() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let manager = Manager::new(&scratch);
    let (client, socket) = crate::privileges::connection();
    reset(client);
    let socket = TcpStream::from(socket);
    wait_until("the reset to arrive", || socket.peer_addr().is_err());
    let mut command = modemd();
    command.args(["--user", "root", "--lock-dir"]);
    command.arg(scratch.path()).arg(modem.device());
    command.env("NOTIFY_SOCKET", manager.path());
    let mut server = Running::start_on(command, OwnedFd::from(socket));
    manager.expect(&["READY=1", "STATUS=the client left at once"]);
    assert!(server.wait().success());
}

#[test]
fn a_name_with_a_line_end_in_it_tells_systemd_nothing_else() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let manager = Manager::new(&scratch);
    let device = scratch.path().join("modem\nMAINPID=1");
    std::os::unix::fs::symlink(modem.device(), &device).unwrap();
    let mut command = modemd();
    command.args(["--listen", "127.0.0.1:0", "--user", "root", "--lock-dir"]);
    command.arg(scratch.path()).arg(device);
    let server = manager.watch(command);
    assert_eq!(manager.next().len(), 2);
    let client = server.connect();
    let status = manager.next();
    assert_eq!(status.len(), 1, "{status:?}");
    assert!(status[0].contains("modem?MAINPID=1 by 127.0.0.1:"));
    reset(client);
}

/// A socket-activated modemd that leaves when nobody has come for a second.
fn activated(scratch: &Scratch, modem: &Modem, number: u16) -> Running {
    let config = scratch.file("modemd.toml", config(scratch, &port("modem", &[modem])));
    let mut command = Command::new("systemd-socket-activate");
    command.arg(format!("--listen=127.0.0.1:{number}"));
    command
        .arg("--fdname=modem")
        .arg(env!("CARGO_BIN_EXE_modemd"));
    command.arg("--config").arg(config);
    Running::start(command)
}

#[test]
fn an_activated_daemon_leaves_when_idle_but_never_while_it_serves_somebody() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let number = free_port();
    let mut busy = activated(&scratch, &modem, number);
    let mut client = connect_when_up(number);
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");

    // Another one, which comes later and has the same patience.
    let (other, spare, number) = (Scratch::new(), Modem::new(), free_port());
    for _ in 0..2 {
        let mut idle = activated(&other, &spare, number);
        let mut guest = connect_when_up(number);
        guest.write_all(b"ATZ\r").unwrap();
        spare.expect(b"ATZ\r");
        reset(guest);
        assert!(idle.wait().success(), "{:#?}", idle.log());
    }

    modem.say(b"OK\r\n");
    read_until(&mut client, b"OK\r\n");
    reset(client);
    assert!(busy.wait().success());
}

#[test]
fn a_reload_changes_the_patience_of_an_idle_daemon() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, modem, number) = (Scratch::new(), Modem::new(), free_port());
    let mut server = activated(&scratch, &modem, number);
    let file = scratch.path().join("modemd.toml");
    let impatient = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, impatient.replace("\"1s\"", "\"1h\"")).unwrap();
    let mut client = connect_when_up(number);
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    reset(client);
    server.logged(" left ");
    std::fs::write(&file, impatient).unwrap();
    server.signal(Signal::SIGHUP);
    assert!(server.wait().success());
}
