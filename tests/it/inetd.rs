//! Started by Debian's inetd, with the line of the Modem HOWTO.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::privileges::{assert_dropped, connection, dialout};
use crate::stage::{MODEMD, Stage, seen_by};
use crate::support::{
    Modem, Running, Scratch, connect, connect_when_up, free_port, have, locks_in, modemd, read_all,
    read_until, reset, skip, wait_for, wait_until,
};

/// inetd with one service; `how` is what stands between `stream tcp` and the device.
fn inetd(stage: &Stage, port: u16, how: &str, modem: &Modem) -> Running {
    let modemd = env!("CARGO_BIN_EXE_modemd");
    let how = how.replace("/usr/sbin/modemd", modemd);
    let conf = stage.scratch().file(
        "inetd.conf",
        format!(
            "127.0.0.1:{port} stream tcp {how} {}\n",
            modem.device_name()
        ),
    );
    let mut command = Command::new("/usr/sbin/inetd");
    command.arg("-i").arg(conf);
    Running::start(stage.command(&command))
}

const HOWTO: &str = "nowait root /usr/sbin/tcpd /usr/sbin/modemd";

fn stage() -> Option<Stage> {
    if !have(&["inetd", "tcpd"]) {
        return None;
    }
    Some(Stage::new()?.own_run().with_modemd_user())
}

/// The pid in the first lock file that `inetd`'s children have made.
fn lock_owner(inetd: &Running) -> Option<i32> {
    let locks = seen_by(inetd.pid(), "/run/lock");
    let name = locks_in(&locks).pop()?;
    let text = std::fs::read_to_string(locks.join(name)).ok()?;
    text.trim().parse().ok()
}

#[test]
fn the_howto_line_serves_a_client_as_modemd_and_dialout() {
    let Some(stage) = stage() else { return };
    let (modem, port) = (Modem::new(), free_port());
    let inetd = inetd(&stage, port, HOWTO, &modem);
    let mut client = connect_when_up(port);
    client.write_all(b"ATI\r").unwrap();
    modem.expect(b"ATI\r");
    let pid = wait_for("a lock", || lock_owner(&inetd));
    assert_dropped(pid, MODEMD, dialout());
    modem.say(b"Linux ISDN\r\n");
    assert_eq!(read_until(&mut client, b"\n"), b"Linux ISDN\r\n");
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    // Not a word of ours: stdin, stdout and stderr are the client.
    assert_eq!(read_all(&mut client), b"");
    wait_until("the locks to go", || {
        locks_in(&seen_by(inetd.pid(), "/run/lock")).is_empty()
    });
}

#[test]
fn nothing_of_the_log_reaches_a_client_of_inetd() {
    let Some(stage) = stage() else { return };
    let (modem, port) = (Modem::new(), free_port());
    let missing = HOWTO.to_owned() + " -v --user no-such-user";
    let inetd = inetd(&stage, port, &missing, &modem);
    // An error before the session, which goes to stderr in a shell.
    assert_eq!(read_all(&mut connect_when_up(port)), b"");
    drop(inetd);
}

#[test]
fn a_second_client_of_inetd_is_told_busy_by_a_process_of_its_own() {
    let Some(stage) = stage() else { return };
    let (modem, port) = (Modem::new(), free_port());
    let _inetd = inetd(&stage, port, HOWTO, &modem);
    let mut first = connect_when_up(port);
    first.write_all(b"1").unwrap();
    modem.expect(b"1");
    let mut second = connect(first.peer_addr().unwrap());
    assert_eq!(read_all(&mut second), b"\r\nBUSY\r\n");
    modem.say(b"still here");
    read_until(&mut first, b"still here");
}

#[test]
fn whom_tcpd_denies_gets_nothing_and_no_line() {
    let Some(stage) = stage() else { return };
    if !std::path::Path::new("/etc/hosts.deny").exists() {
        skip("no /etc/hosts.deny");
        return;
    }
    let stage = stage
        .file("/etc/hosts.deny", "modemd: ALL\n")
        .file("/etc/hosts.allow", "");
    let (modem, port) = (Modem::new(), free_port());
    let inetd = inetd(&stage, port, HOWTO, &modem);
    let mut client = connect_when_up(port);
    let _ = client.write_all(b"ATDT1\r");
    let mut got = Vec::new();
    let _ = client.read_to_end(&mut got);
    assert_eq!(got, b"");
    assert_eq!(modem.read_now(), b"");
    assert!(locks_in(&seen_by(inetd.pid(), "/run/lock")).is_empty());
}

#[test]
fn inetd_that_waits_hands_over_the_listening_socket() {
    let Some(stage) = stage() else { return };
    let (modem, port) = (Modem::new(), free_port());
    let how = "wait root /usr/sbin/modemd /usr/sbin/modemd --user root";
    let inetd = inetd(&stage, port, how, &modem);
    let mut owners = Vec::new();
    for round in ["one", "two"] {
        let mut client = connect_when_up(port);
        client.write_all(round.as_bytes()).unwrap();
        modem.expect(round.as_bytes());
        modem.say(round.as_bytes());
        read_until(&mut client, round.as_bytes());
        owners.push(wait_for("a lock", || lock_owner(&inetd)));
        reset(client);
    }
    // One process for both, which would wait for more.
    assert_eq!(owners[0], owners[1]);
    kill(Pid::from_raw(owners[0]), Signal::SIGTERM).unwrap();
}

#[test]
fn a_connection_on_standard_input_is_served_and_the_process_ends_with_it() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let (mut client, theirs) = connection();
    let mut command = modemd();
    command.args(["--user", "root", "--lock-dir"]);
    command.arg(scratch.path()).arg(modem.device());
    let mut server = Running::start_on(command, theirs);
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    modem.say(b"OK\r\n");
    read_until(&mut client, b"OK\r\n");
    reset(client);
    assert!(server.wait().success());
    assert!(locks_in(scratch.path()).is_empty());
}

#[test]
fn a_pipe_or_a_file_on_standard_input_is_no_client() {
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let file = std::fs::File::open(scratch.file("input", "ATZ\r")).unwrap();
    for stdin in [Stdio::from(file), Stdio::piped(), Stdio::null()] {
        let mut command = modemd();
        command.args(["--user", "root"]).arg(modem.device());
        let mut server = Running::start_on(command, stdin);
        assert_eq!(server.wait().code(), Some(64));
        server.logged("no socket was handed in");
        server.logged("modemd --listen 2006 /dev/ttyS1");
    }
    assert_eq!(modem.read_now(), b"");
}
