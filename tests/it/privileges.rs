//! From root to nobody in particular: what `/proc/PID/status` says of it.

use std::fs::Permissions;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::unistd::{Group, User};

use crate::support::{
    Modem, PATIENCE, Running, Scratch, locks_in, modemd, names_in, read_all, read_until, reset,
    root,
};

/// The number of the group of serial lines.
pub(crate) fn dialout() -> u32 {
    Group::from_name("dialout").unwrap().unwrap().gid.as_raw()
}

/// The number of the user that has nothing.
pub(crate) fn nobody() -> u32 {
    User::from_name("nobody").unwrap().unwrap().uid.as_raw()
}

/// Checks that nothing is left of root in any thread of a process.
#[track_caller]
pub(crate) fn assert_dropped(pid: i32, uid: u32, gid: u32) {
    let ids = |id: u32| [id; 4].map(|id| id.to_string()).join("\t");
    let none = "0".repeat(16);
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        assert_eq!(field("Uid:"), ids(uid), "{status}");
        assert_eq!(field("Gid:"), ids(gid), "{status}");
        assert_eq!(field("Groups:"), gid.to_string(), "{status}");
        for set in ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"] {
            assert_eq!(field(set), none, "{set} in {status}");
        }
        assert_eq!(field("NoNewPrivs:"), "1", "{status}");
    }
}

/// A line that only its owner and its group may open.
fn restrict(modem: &Modem, group: u32, mode: u32) {
    chown(modem.device(), Some(0), Some(group)).unwrap();
    std::fs::set_permissions(modem.device(), Permissions::from_mode(mode)).unwrap();
}

/// A directory in `scratch` with this mode, of root.
fn directory(scratch: &Scratch, mode: u32) -> PathBuf {
    let path = scratch.path().join("lock");
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

/// A client, and the socket that accepts it, as inetd would hand it in.
pub(crate) fn connection() -> (TcpStream, OwnedFd) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (client, listener.accept().unwrap().0.into())
}

/// A per-connection instance that becomes nobody:dialout.
fn one(modem: &Modem, locks: &Path, more: &[&str], socket: OwnedFd) -> Running {
    let mut command = modemd();
    command.args(["--user", "nobody", "--group", "dialout", "--lock-dir"]);
    command.arg(locks).args(more).arg(modem.device());
    Running::start_on(command, socket)
}

#[test]
fn the_shared_daemon_is_nobody_before_it_serves_anybody() {
    if !root() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    restrict(&modem, dialout(), 0o660);
    let locks = directory(&scratch, 0o1777);
    let mut command = modemd();
    command.args(["--listen", "127.0.0.1:0", "--lock-dir"]);
    command.arg(&locks).args(["--user", "nobody"]);
    command.args(["--group", "dialout"]).arg(modem.device());
    let server = Running::start(command);
    let mut client = server.connect();
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    assert_dropped(server.pid(), nobody(), dialout());
    let lock = locks.join(&locks_in(&locks)[0]);
    assert_eq!(std::fs::metadata(lock).unwrap().uid(), nobody());
    let (status, log) = server.stop();
    assert!(status.success(), "{log:#?}");
    assert!(names_in(&locks).is_empty());
}

#[test]
fn a_line_that_only_root_may_open_is_opened_before_the_drop() {
    if !root() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    restrict(&modem, 0, 0o600);
    let locks = directory(&scratch, 0o1777);
    let (mut client, socket) = connection();
    let mut server = one(&modem, &locks, &[], socket);
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    assert_dropped(server.pid(), nobody(), dialout());
    let lock = locks.join(&locks_in(&locks)[0]);
    assert_eq!(std::fs::metadata(lock).unwrap().uid(), nobody());
    modem.say(b"OK\r\n");
    read_until(&mut client, b"OK\r\n");
    reset(client);
    assert!(server.wait().success());
    // A sticky directory of root, and no privileges: still the locks are gone.
    assert!(names_in(&locks).is_empty(), "{:?}", names_in(&locks));
}

/// A thread of a name lookup would keep the privileges that the others let go of.
#[test]
fn the_drop_also_works_after_a_name_was_looked_up() {
    let Some(names) = crate::name_server::NameServer::start() else {
        return;
    };
    names.knows("127.0.0.1", "desk.example.org");
    names.resolves("desk.example.org", "127.0.0.1");
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let locks = directory(&scratch, 0o1777);
    let (mut client, socket) = connection();
    let mut command = modemd();
    command.args(["--user", "nobody", "--allow", "desk.example.org"]);
    command.arg("--lock-dir").arg(&locks).arg(modem.device());
    let mut server = Running::start_on(names.stage().command(&command), socket);
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    assert_dropped(server.pid(), nobody(), dialout());
    reset(client);
    assert!(server.wait().success(), "{:#?}", server.log());
}

#[test]
fn a_lock_directory_for_root_alone_is_done_without_and_nothing_is_left_in_it() {
    if !root() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let locks = directory(&scratch, 0o755);
    let (mut client, socket) = connection();
    let mut server = one(&modem, &locks, &[], socket);
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    server.logged("no lock file can be made");
    assert!(names_in(&locks).is_empty(), "{:?}", names_in(&locks));
    assert_dropped(server.pid(), nobody(), dialout());
    reset(client);
    assert!(server.wait().success());
    assert!(names_in(&locks).is_empty(), "{:?}", names_in(&locks));
}

#[test]
fn a_stale_lock_of_another_user_is_taken_over_while_we_are_root() {
    if !root() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let locks = directory(&scratch, 0o1777);
    let name = format!("LCK..{}", modem.device().file_name().unwrap().display());
    std::fs::write(locks.join(&name), "   4194303\n").unwrap();
    let (mut client, socket) = connection();
    let mut server = one(&modem, &locks, &[], socket);
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    let held = std::fs::read_to_string(locks.join(&name)).unwrap();
    assert_eq!(held, format!("{:10}\n", server.pid()));
    reset(client);
    assert!(server.wait().success());
    assert!(names_in(&locks).is_empty(), "{:?}", names_in(&locks));
}

#[test]
fn a_user_or_group_that_does_not_exist_is_named_and_nothing_is_served() {
    if !root() {
        return;
    }
    let modem = Modem::new();
    for (user, group, says) in [
        (
            "no-such-user",
            "dialout",
            "user `no-such-user` does not exist",
        ),
        (
            "nobody",
            "no-such-group",
            "group `no-such-group` does not exist",
        ),
    ] {
        let command = || {
            let mut command = modemd();
            command
                .args(["--user", user, "--group", group])
                .arg(modem.device());
            command
        };
        let mut shared = command();
        shared.args(["--listen", "127.0.0.1:0"]);
        let mut server = Running::start(shared);
        assert_eq!(server.wait().code(), Some(77));
        server.logged(says);
        assert!(!server.log().iter().any(|line| line.contains("listening")));

        let (mut client, socket) = connection();
        let mut server = Running::start_on(command(), socket);
        assert_eq!(server.wait().code(), Some(77));
        server.logged(says);
        assert_eq!(read_all(&mut client), b"");
    }
    assert_eq!(modem.read_now(), b"");
}

#[test]
fn who_is_told_to_stay_root_does_so_with_a_warning() {
    if !root() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let server = crate::support::share(&[modem.device()], scratch.path(), &[]);
    server.logged("warning: staying root");
    let mut client = server.connect();
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    modem.say(b"OK");
    read_until(&mut client, b"OK");
    assert_eq!(server.proc_status("Uid"), "0\t0\t0\t0");
    assert_eq!(server.proc_status("NoNewPrivs"), "1");
}
