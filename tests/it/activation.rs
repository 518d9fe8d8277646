//! Started by systemd's own activation tool, with sockets under names.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use crate::stage::Stage;
use crate::support::{
    Modem, PATIENCE, Running, Scratch, assert_talks, connect, connect_when_up, free_port, have,
    locks_in, modemd, proc_status, read_all, read_until, reset, wait_for, wait_until,
};

/// `systemd-socket-activate` with these options, and the program it is to start.
pub(crate) fn activated(options: &[&str], program: &Command) -> Running {
    let mut command = Command::new("systemd-socket-activate");
    command.args(options);
    command.arg(program.get_program()).args(program.get_args());
    Running::start(command)
}

/// A modemd with a configuration of `ports`, which it does not bind.
fn configured(scratch: &Scratch, ports: &str) -> Command {
    let locks = scratch.path().display();
    let config = format!("[server]\nuser = \"root\"\nlock_dir = \"{locks}\"\n{ports}");
    let mut command = modemd();
    command.arg("--config");
    command.arg(scratch.file("modemd.toml", config));
    command
}

fn port(name: &str, modem: &Modem) -> String {
    let device = modem.device_name();
    format!("[ports.{name}]\nallow = [\"localhost\"]\ndevices = [\"{device}\"]\n")
}

#[track_caller]
fn connect_unix(path: &Path) -> UnixStream {
    let stream = wait_for("a unix listener", || UnixStream::connect(path).ok());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn each_socket_leads_to_the_port_of_its_name() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, first, second) = (Scratch::new(), Modem::new(), Modem::new());
    let ports = port("first", &first) + &port("second", &second);
    let (one, two, three) = (free_port(), free_port(), free_port());
    let path = scratch.path().join("second.sock");
    let server = activated(
        &[
            &format!("--listen=127.0.0.1:{two}"),
            &format!("--listen={}", path.display()),
            &format!("--listen=127.0.0.1:{one}"),
            &format!("--listen=127.0.0.1:{three}"),
            "--fdname=second:second:first:third",
        ],
        &configured(&scratch, &ports),
    );
    let mut client = connect_when_up(one);
    assert_talks(&mut client, &first);
    let mut other = connect_when_up(two);
    assert_talks(&mut other, &second);
    reset(other);
    server.logged("second: 127.0.0.1:");
    server.logged(&format!(" left {}", second.device_name()));
    assert_talks(&mut connect_unix(&path), &second);
    // A name that the configuration does not have.
    assert_eq!(read_all(&mut connect_when_up(three)), b"");
    let line = server.logged("client refused: ");
    assert!(line.contains("`third`"), "{line}");
    // And the daemon is still there.
    first.say(b"RING\r\n");
    read_until(&mut client, b"RING\r\n");
}

#[test]
fn a_port_with_a_mistake_is_closed_and_the_others_are_not() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let ports = port("good", &modem) + &port("bad", &modem) + "busy = \"perhaps\"\n";
    let (good, bad) = (free_port(), free_port());
    let server = activated(
        &[
            &format!("--listen=127.0.0.1:{good}"),
            &format!("--listen=127.0.0.1:{bad}"),
            "--fdname=good:bad",
        ],
        &configured(&scratch, &ports),
    );
    assert_eq!(read_all(&mut connect_when_up(bad)), b"");
    server.logged("`perhaps`");
    server.logged("client refused: ");
    assert_talks(&mut connect_when_up(good), &modem);
}

#[test]
fn a_configuration_that_cannot_be_read_leaves_a_daemon_that_refuses() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, port) = (Scratch::new(), free_port());
    let mut command = modemd();
    command
        .arg("--config")
        .arg(scratch.path().join("missing.toml"));
    // Started as root it becomes the user of the package, which this file does not override.
    let Some(stage) = Stage::new().map(Stage::with_modemd_user) else {
        return;
    };
    let command = stage.command(&command);
    let listen = format!("--listen=127.0.0.1:{port}");
    let server = activated(&[&listen, "--fdname=modem"], &command);
    for times in 1..=3 {
        assert_eq!(read_all(&mut connect_when_up(port)), b"");
        server.logged_times("client refused: ", times);
    }
    server.logged("missing.toml: cannot be read");
    let (status, _) = server.stop();
    assert!(status.success());
}

#[test]
fn devices_on_the_command_line_take_sockets_of_any_name() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, modem, port) = (Scratch::new(), Modem::new(), free_port());
    let mut program = modemd();
    program.args(["--user", "root", "--lock-dir"]);
    program.arg(scratch.path()).arg(modem.device());
    let path = scratch.path().join("modem.sock");
    let listen = format!("--listen=127.0.0.1:{port}");
    let unix = format!("--listen={}", path.display());
    let server = activated(&[&listen, &unix], &program);
    let mut client = connect_when_up(port);
    assert_talks(&mut client, &modem);
    assert_eq!(read_all(&mut connect_unix(&path)), b"\r\nBUSY\r\n");
    let (status, _) = server.stop();
    assert!(status.success());
    assert!(locks_in(scratch.path()).is_empty());
}

#[test]
fn whoever_handed_in_a_socket_has_filtered_unless_allow_says_otherwise() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, modem, port) = (Scratch::new(), Modem::new(), free_port());
    let mut program = modemd();
    program.args(["--user", "root", "--allow", "192.0.2.1", "--lock-dir"]);
    program.arg(scratch.path()).arg(modem.device());
    let server = activated(&[&format!("--listen=127.0.0.1:{port}")], &program);
    assert_eq!(read_all(&mut connect_when_up(port)), b"");
    server.logged("refused: its address is not in the port's `allow`");
}

/// The pid in a lock file is that of the process which serves.
fn lock_owner(locks: &Path) -> i32 {
    let name = locks_in(locks).pop().unwrap();
    let text = std::fs::read_to_string(locks.join(name)).unwrap();
    text.trim().parse().unwrap()
}

#[test]
fn each_connection_can_have_an_instance_of_its_own() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, one, two, port) = (Scratch::new(), Modem::new(), Modem::new(), free_port());
    let mut program = modemd();
    program.args(["--user", "root", "--lock-dir"]);
    program
        .arg(scratch.path())
        .args([one.device(), two.device()]);
    let listen = format!("--listen=127.0.0.1:{port}");
    let server = activated(&["--accept", &listen], &program);
    let mut first = connect_when_up(port);
    assert_talks(&mut first, &one);
    let owner = lock_owner(scratch.path());
    assert_ne!(owner, server.pid());
    let mut second = connect(first.peer_addr().unwrap());
    assert_talks(&mut second, &two);
    let mut third = connect(first.peer_addr().unwrap());
    assert_eq!(read_all(&mut third), b"\r\nBUSY\r\n");
    reset(first);
    server.logged(&format!(" left {}", one.device_name()));
    wait_until("the end of the first instance", || {
        // A zombie until systemd-socket-activate has looked.
        let state = proc_status(owner, "State");
        state.is_none_or(|state| state.starts_with('Z'))
    });
    two.say(b"RING\r\n");
    read_until(&mut second, b"RING\r\n");
}

#[test]
fn an_instance_serves_the_only_port_of_a_configuration() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, modem, number) = (Scratch::new(), Modem::new(), free_port());
    let program = configured(&scratch, &port("modem", &modem));
    let listen = format!("--listen=127.0.0.1:{number}");
    let server = activated(&["--accept", &listen], &program);
    assert_talks(&mut connect_when_up(number), &modem);
    server.logged("modem: 127.0.0.1:");
}

#[test]
fn an_instance_that_could_serve_several_ports_is_told_which() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, one, two) = (Scratch::new(), Modem::new(), Modem::new());
    let mut program = configured(&scratch, &(port("one", &one) + &port("two", &two)));
    let number = free_port();
    let listen = format!("--listen=127.0.0.1:{number}");
    let server = activated(&["--accept", &listen], &program);
    assert_eq!(read_all(&mut connect_when_up(number)), b"");
    server.logged("start modemd with `--port NAME`");
    drop(server);

    let number = free_port();
    let listen = format!("--listen=127.0.0.1:{number}");
    let server = activated(&["--accept", &listen], program.args(["--port", "two"]));
    assert_talks(&mut connect_when_up(number), &two);
    server.logged("two: 127.0.0.1:");
    assert_eq!(one.read_now(), b"");
}

#[test]
fn an_instance_knows_no_place_in_a_queue_that_it_does_not_see() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, modem, number) = (Scratch::new(), Modem::new(), free_port());
    let more = "protocol = \"telnet\"\nbusy = \"wait\"\n";
    let program = configured(&scratch, &(port("modem", &modem) + more));
    let listen = format!("--listen=127.0.0.1:{number}");
    let _server = activated(&["--accept", &listen], &program);
    let mut first = connect_when_up(number);
    first.write_all(b"anna").unwrap();
    modem.expect(b"anna");
    for _ in 0..2 {
        let mut waits = connect(first.peer_addr().unwrap());
        let told = read_until(&mut waits, b"wait.\r\n");
        assert_eq!(told, b"\r\nAll modems are busy. Please wait.\r\n");
    }
}

#[test]
fn a_datagram_socket_is_no_port() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let (scratch, modem, number) = (Scratch::new(), Modem::new(), free_port());
    let program = configured(&scratch, &port("modem", &modem));
    let listen = format!("--listen=127.0.0.1:{number}");
    let mut server = activated(&["--datagram", &listen, "--fdname=modem"], &program);
    let client = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    server.logged("Listening on");
    client.send_to(b"ATZ\r", ("127.0.0.1", number)).unwrap();
    assert_eq!(server.wait().code(), Some(69));
    server.logged("socket 1 (`modem`) from systemd");
}
