//! A server that runs out of descriptors.

use std::io::Write;
use std::process::Command;

use crate::support::{Modem, Running, Scratch, have, modemd, port, read_until, wait_until};

#[test]
fn without_descriptors_it_pauses_and_serves_those_who_wait_later() {
    if !have(&["prlimit"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let config = scratch.file(
        "modemd.toml",
        format!(
            "[server]\nuser = \"root\"\nlock_dir = \"{}\"\n{}",
            scratch.path().display(),
            port(
                &[modem.device()],
                "busy = \"wait\"\nwait = \"1h\"\nlinger = \"1s\""
            )
        ),
    );
    let mut command = Command::new("prlimit");
    command
        .arg("--nofile=24:24")
        .arg(modemd().get_program())
        .args(["--standalone", "--config"])
        .arg(config);
    let server = Running::start(command);
    let mut first = server.connect();
    first.write_all(b"first").unwrap();
    modem.expect(b"first");
    // The kernel connects all of them, and the server can accept some.
    let waiting: Vec<_> = (0..40).map(|_| server.connect()).collect();
    let mut last = server.connect();
    last.write_all(b"last").unwrap();
    server.logged("clients have to wait: Too many open files");
    // Whoever has the line is served as before.
    modem.say(b"OK");
    read_until(&mut first, b"OK");
    let open = server.descriptors();
    drop(first);
    drop(waiting);
    modem.expect(b"last");
    modem.say(b"OK");
    read_until(&mut last, b"OK");
    wait_until("the descriptors of all others to be closed", || {
        server.descriptors() < open
    });
    let (status, _) = server.stop();
    assert!(status.success());
}
