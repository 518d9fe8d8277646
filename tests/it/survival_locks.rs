//! Lock files between two processes, and those that one of them left for nothing.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;

use nix::sys::signal::Signal::{SIGKILL, SIGUSR1};

use crate::service::{Service, port};
use crate::support::{Modem, Sleeper, assert_talks, locks_in, read_all, reset, root, wait_until};

/// A lock for the line of a modem, in the name of this process.
fn lock(service: &Service, modem: &Modem, pid: u32) -> PathBuf {
    let name = modem.device().file_name().unwrap().to_str().unwrap();
    service
        .scratch
        .file(&format!("LCK..{name}"), format!("{pid:10}\n"))
}

fn idle() -> (Service, Modem) {
    let modem = Modem::new();
    let service = Service::new(&["modem"], &port("modem", &[&modem], ""));
    (service, modem)
}

#[test]
fn a_lock_that_was_left_to_a_process_which_never_came_is_removed() {
    let (mut service, modem) = idle();
    service.end(SIGUSR1);
    let left = lock(&service, &modem, 1);
    // Another service of ours may be about to take this one over.
    let of_another_line = service.scratch.file("LCK..ttyS99", "         1\n");
    service.begin();
    assert!(!left.exists());
    assert!(of_another_line.exists());
    service
        .server()
        .logged_times("lock left to nobody, removed", 1);
    assert_talks(&mut service.connect(), &modem);
}

#[test]
fn a_lock_of_the_first_process_that_somebody_else_made_is_respected() {
    if !root() {
        return;
    }
    let (mut service, modem) = idle();
    service.end(SIGUSR1);
    let theirs = lock(&service, &modem, 1);
    chown(&theirs, Some(65_534), None).unwrap();
    service.begin();
    assert_eq!(read_all(&mut service.connect()), b"\r\nBUSY\r\n");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "         1\n");
    fs::remove_file(theirs).unwrap();
    assert_talks(&mut service.connect(), &modem);
}

#[test]
fn nobody_takes_the_lock_of_a_call_that_nobody_serves() {
    let (mut service, modem) = idle();
    let mut client = service.connect();
    assert_talks(&mut client, &modem);
    service.rests();
    service.end(SIGUSR1);
    // Another modemd that shares the same line.
    let locks = service.scratch.path();
    let other = crate::support::share(&[modem.device()], locks, &[]);
    assert_eq!(read_all(&mut other.connect()), b"\r\nBUSY\r\n");
    other.logged("in use by pid 1 ");
    drop(other);
    service.assert_locked_by(1);
    service.begin();
    assert_talks(&mut client, &modem);
}

/// A call whose lock has become somebody else's after a crash.
fn stolen() -> (Service, Modem, std::net::TcpStream, Sleeper, PathBuf) {
    let (mut service, modem) = idle();
    let mut client = service.connect();
    assert_talks(&mut client, &modem);
    service.rests();
    service.end(SIGKILL);
    let thief = Sleeper::new();
    let theirs = lock(&service, &modem, thief.pid());
    service.begin();
    (service, modem, client, thief, theirs)
}

#[test]
fn a_call_whose_lock_somebody_has_taken_goes_on_and_leaves_him_the_lock() {
    let (service, modem, mut client, thief, theirs) = stolen();
    let line = service
        .server()
        .logged("the session goes on without that lock");
    assert!(
        line.contains(&format!("in use by pid {} (sleep)", thief.pid())),
        "{line}"
    );
    assert_talks(&mut client, &modem);
    let ours = service.server().pid();
    let pids = service.lock_pids();
    assert!(pids.contains(&ours) && pids.contains(&thief.pid().try_into().unwrap()));
    reset(client);
    wait_until("our locks to go", || {
        locks_in(service.scratch.path()).len() == 1
    });
    assert!(theirs.exists());
}

#[test]
fn a_call_gets_its_lock_back_when_who_has_taken_it_is_gone() {
    // It is tried for two seconds, which may be over before this test has let go.
    let got = (0..10).any(|_| {
        let (service, modem, mut client, thief, _) = stolen();
        drop(thief);
        assert_talks(&mut client, &modem);
        let ours = service.server().pid();
        service.lock_pids().iter().all(|pid| *pid == ours)
    });
    assert!(got);
}
