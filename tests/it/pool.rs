//! Several lines behind one port, some of which do not work.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::{
    Modem, Running, Scratch, connect, have, locks_in, modemd, names_in, read_all, read_until,
    reset, share, wait_for, wait_until,
};

/// What is no serial line, each with what the log says of it.
fn broken(scratch: &Scratch) -> Vec<(PathBuf, &'static str)> {
    let in_scratch = |name| scratch.path().join(name);
    fs::create_dir(in_scratch("directory")).unwrap();
    mkfifo(&in_scratch("fifo"), Mode::from_bits_truncate(0o666)).unwrap();
    symlink("nowhere", in_scratch("dangling")).unwrap();
    symlink("circle", in_scratch("circle")).unwrap();
    vec![
        (in_scratch("missing"), "is not there; is it plugged in"),
        (in_scratch("directory"), "is a directory, not a serial line"),
        (
            in_scratch("fifo"),
            "is a file of another kind, not a serial line",
        ),
        (
            scratch.file("file", "ATZ\r"),
            "is a file of another kind, not a serial line",
        ),
        (
            PathBuf::from("/dev/null"),
            "is a device, but not a serial line",
        ),
        (in_scratch("dangling"), "is not there; is it plugged in"),
        (in_scratch("circle"), "cannot be looked at"),
        // Without a controlling terminal: ENXIO, as a serial line without hardware.
        (PathBuf::from("/dev/tty"), "has no hardware behind it"),
    ]
}

/// A modemd with a lock directory of its own, and without a controlling terminal.
fn share_without_terminal(devices: &[&Path], locks: &Scratch) -> Running {
    let modemd = modemd();
    let mut command = Command::new("setsid");
    command
        .arg(modemd.get_program())
        .args(["--listen", "127.0.0.1:0", "--user", "root", "--lock-dir"])
        .arg(locks.path())
        .args(devices);
    Running::start(command)
}

/// Which of the modems a client is connected to.
#[track_caller]
fn line_of(client: &mut TcpStream, modems: &[&Modem]) -> usize {
    client.write_all(b"AT who\r").unwrap();
    let number = wait_for("a modem to be asked", || {
        modems.iter().position(|modem| !modem.read_now().is_empty())
    });
    modems[number].say(b"me\r\n");
    assert_eq!(read_until(client, b"me\r\n"), b"me\r\n");
    number
}

#[test]
fn of_five_clients_of_three_lines_among_broken_ones_three_are_served() {
    if !have(&["setsid"]) {
        return;
    }
    let (scratch, locks) = (Scratch::new(), Scratch::new());
    let broken = broken(&scratch);
    let modems = [Modem::new(), Modem::new(), Modem::new()];
    let modems: Vec<_> = modems.iter().collect();
    // Broken ones before, between and behind those that work.
    let mut devices: Vec<_> = broken.iter().map(|(path, _)| path.as_path()).collect();
    for (place, modem) in [2, 4, 7].into_iter().zip(&modems) {
        devices.insert(place, modem.device());
    }
    let server = share_without_terminal(&devices, &locks);
    let mut on_line = Vec::new();
    for number in 0..3 {
        let mut client = server.connect();
        assert_eq!(
            line_of(&mut client, &modems),
            number,
            "the first that is free"
        );
        on_line.push(client);
    }
    for _ in 0..2 {
        assert_eq!(read_all(&mut server.connect()), b"\r\nBUSY\r\n");
    }
    assert_eq!(server.logged_times("no line for", 2).len(), 2);
    // A line that is given back is had again; those that are in use are not disturbed.
    reset(on_line.remove(1));
    server.logged(" left ");
    wait_until("two lines' locks", || locks_in(locks.path()).len() == 4);
    let mut next = server.connect();
    assert_eq!(line_of(&mut next, &modems), 1);
    for (client, modem) in on_line.iter_mut().zip([modems[0], modems[2]]) {
        client.write_all(b"still here\r").unwrap();
        modem.expect(b"still here\r");
    }
    drop(next);
    drop(on_line);
    let (status, log) = server.stop();
    assert!(status.success());
    assert!(
        names_in(locks.path()).is_empty(),
        "{:?}",
        names_in(locks.path())
    );
    for (path, why) in &broken {
        let of_it = format!("modemd: warning: {}: ", path.display());
        let lines: Vec<_> = log.iter().filter(|line| line.starts_with(&of_it)).collect();
        assert_eq!(lines.len(), 1, "{}: {log:#?}", path.display());
        assert!(lines[0].contains(why), "{lines:?}");
    }
    assert_eq!(fs::read(scratch.path().join("file")).unwrap(), b"ATZ\r");
}

#[test]
fn a_client_of_broken_lines_only_is_told_what_is_wrong_with_each() {
    if !have(&["setsid"]) {
        return;
    }
    let (scratch, locks) = (Scratch::new(), Scratch::new());
    let broken = broken(&scratch);
    let devices: Vec<_> = broken.iter().map(|(path, _)| path.as_path()).collect();
    let server = share_without_terminal(&devices, &locks);
    for _ in 0..3 {
        let mut said = String::new();
        server.connect().read_to_string(&mut said).unwrap();
        assert!(
            said.starts_with("\r\nERROR: no modem here works: "),
            "{said}"
        );
        assert!(said.ends_with("\r\n"), "{said}");
        for (path, why) in &broken {
            let place = said.find(&format!("{}: ", path.display()));
            assert!(place.is_some_and(|at| said[at..].contains(why)), "{said}");
        }
    }
    assert!(names_in(locks.path()).is_empty());
    let (_, log) = server.stop();
    let once = log
        .iter()
        .filter(|line| line.contains("is a directory") && !line.contains("no line"));
    assert_eq!(once.count(), 1, "{log:#?}");
}

#[test]
fn a_fifo_with_somebody_at_the_other_end_is_not_opened() {
    let scratch = Scratch::new();
    let fifo = scratch.path().join("fifo");
    mkfifo(&fifo, Mode::from_bits_truncate(0o666)).unwrap();
    let server = share(&[&fifo], scratch.path(), &[]);
    // It blocks in open(2) until somebody opens the other end.
    let mut reader = Command::new("cat")
        .arg(&fifo)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = read_all(&mut server.connect());
    let came = reader.try_wait().unwrap().is_some();
    reader.kill().unwrap();
    reader.wait().unwrap();
    assert!(said.starts_with(b"\r\nERROR: no modem here works: "));
    assert!(!came, "somebody opened the other end");
}

#[test]
fn a_line_that_failed_is_tried_last_until_it_works() {
    let scratch = Scratch::new();
    let modems = [Modem::new(), Modem::new()];
    let modems: Vec<_> = modems.iter().collect();
    let first = scratch.path().join("first");
    let server = share(&[&first, modems[1].device()], scratch.path(), &[]);
    let is_back = |sessions| {
        server.logged_times(" left ", sessions);
        wait_until("all locks to go", || locks_in(scratch.path()).is_empty());
    };
    let mut client = server.connect();
    assert_eq!(line_of(&mut client, &modems), 1);
    reset(client);
    is_back(1);
    // Plugged in now, and yet not trusted.
    symlink(modems[0].device(), &first).unwrap();
    let mut trusted = server.connect();
    assert_eq!(line_of(&mut trusted, &modems), 1);
    let mut last = server.connect();
    assert_eq!(line_of(&mut last, &modems), 0);
    reset(trusted);
    reset(last);
    is_back(3);
    // It worked, so it is the first again.
    let mut again = server.connect();
    assert_eq!(line_of(&mut again, &modems), 0);
    reset(again);
    is_back(4);
    // Unplugged once more, it is told once more.
    fs::remove_file(&first).unwrap();
    let mut without = server.connect();
    assert_eq!(line_of(&mut without, &modems), 1);
    let told = server.logged_times("first: is not there", 2);
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn two_ports_that_share_a_line_exclude_each_other() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let port = |name: &str| {
        format!(
            "[ports.{name}]\nlisten = [\"127.0.0.1:0\"]\nallow = [\"127.0.0.1\"]\n\
             devices = [{:?}]\n",
            modem.device()
        )
    };
    let ports = format!("{}{}", port("one"), port("two"));
    let server = crate::support::standalone(&scratch, &ports);
    let mut client = connect(server.address_of("one"));
    assert_eq!(line_of(&mut client, &[&modem]), 0);
    assert_eq!(
        read_all(&mut connect(server.address_of("two"))),
        b"\r\nBUSY\r\n"
    );
    reset(client);
    server.logged(" left ");
    wait_until("all locks to go", || locks_in(scratch.path()).is_empty());
    assert_eq!(
        line_of(&mut connect(server.address_of("two")), &[&modem]),
        0
    );
}
