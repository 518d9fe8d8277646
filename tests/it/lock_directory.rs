//! Lock directories in which no lock file can be made.

use std::fs::{File, TryLockError, set_permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::stage::{Stage, seen_by};
use crate::support::{
    Modem, Running, Scratch, Sleeper, have, modemd, names_in, read_all, read_until, reset, root,
    share, wait_until,
};

/// Somebody without any privileges.
const NOBODY: &str = "65534";

/// Two sessions, one after the other, on a server that cannot make lock files: they work, the line
/// is held in the kernel meanwhile, and the log has one warning about it, which names `why`.
#[track_caller]
fn sessions_work_without_lock_files(server: Running, modem: &Modem, directory: &Path, why: &str) {
    let before = names_in(directory);
    for session in 1..=2 {
        let mut client = server.connect();
        client.write_all(b"ATZ\r").unwrap();
        modem.expect(b"ATZ\r");
        modem.say(b"OK\r\n");
        read_until(&mut client, b"OK\r\n");
        is_held_in_the_kernel(modem.device());
        assert_eq!(names_in(directory), before, "half-written locks");
        reset(client);
        server.logged_times(" left ", session);
        wait_until("the line to be free", || {
            let line = File::open(modem.device()).unwrap();
            line.try_lock_shared().is_ok()
        });
    }
    let (status, log) = server.stop();
    assert!(status.success());
    let warnings: Vec<_> = log
        .iter()
        .filter(|line| line.contains("no lock file can be made"))
        .collect();
    assert_eq!(warnings.len(), 1, "{log:#?}");
    assert!(warnings[0].contains(why), "{warnings:?}");
    assert_eq!(names_in(directory), before, "left behind");
}

/// Neither those who look at `flock` nor those without privileges get at the line.
#[track_caller]
fn is_held_in_the_kernel(device: &Path) {
    // Root can, `TIOCEXCL` or not; opening it non-blocking disturbs nobody on a pseudo terminal.
    let line = File::open(device).unwrap();
    assert!(matches!(
        line.try_lock_shared(),
        Err(TryLockError::WouldBlock)
    ));
    let opened = Command::new("setpriv")
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .args(["sh", "-c", ": < \"$0\""])
        .arg(device)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&opened.stderr);
    assert!(said.contains("Device or resource busy"), "{said}");
}

/// Everybody may open the line, as far as its mode goes.
fn open_to_all(modem: &Modem) {
    set_permissions(modem.device(), PermissionsExt::from_mode(0o666)).unwrap();
}

/// A server in a mount namespace of its own, in which `mount` was run (with the lock directory as
/// `$0`) before it started.
fn share_after(mount: &str, modem: &Modem, locks: &Path) -> Running {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-ec"])
        .arg(format!("{mount}; exec \"$@\""))
        .arg(locks)
        .arg(modemd().get_program())
        .args(["--listen", "127.0.0.1:0", "--user", "root", "--lock-dir"])
        .arg(locks)
        .arg(modem.device());
    Running::start(command)
}

/// The lock directory as the server sees it.
fn as_seen_by(server: &Running, locks: &Path) -> PathBuf {
    server.address();
    Path::new("/proc")
        .join(server.pid().to_string())
        .join("root")
        .join(locks.strip_prefix("/").unwrap())
}

fn can_mount() -> bool {
    root() && have(&["unshare", "mount", "setpriv"])
}

#[test]
fn a_lock_directory_on_a_read_only_file_system_leaves_the_locks_of_the_kernel() {
    if !can_mount() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    open_to_all(&modem);
    let mount = "mount --bind \"$0\" \"$0\"; mount -o remount,ro,bind \"$0\"";
    let server = share_after(mount, &modem, scratch.path());
    sessions_work_without_lock_files(server, &modem, scratch.path(), "Read-only file system");
}

#[test]
fn a_living_lock_is_respected_where_we_can_make_none() {
    if !can_mount() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let other = Sleeper::new();
    let name = modem.device().file_name().unwrap().to_str().unwrap();
    scratch.file(&format!("LCK..{name}"), format!("{:10}\n", other.pid()));
    let mount = "mount --bind \"$0\" \"$0\"; mount -o remount,ro,bind \"$0\"";
    let server = share_after(mount, &modem, scratch.path());
    assert_eq!(read_all(&mut server.connect()), b"\r\nBUSY\r\n");
    server.logged(&format!("in use by pid {}", other.pid()));
}

#[test]
fn a_lock_directory_without_room_for_a_pid_leaves_the_locks_of_the_kernel() {
    if !can_mount() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    open_to_all(&modem);
    // One page, which is taken; there is room for names, but for nothing in them.
    let mount = "mount -t tmpfs -o size=4k none \"$0\"; head -c 4096 /dev/zero > \"$0\"/full";
    let server = share_after(mount, &modem, scratch.path());
    let directory = hold(&as_seen_by(&server, scratch.path()));
    sessions_work_without_lock_files(server, &modem, &directory.1, "No space left on device");
}

#[test]
fn a_lock_directory_without_room_for_a_name_leaves_the_locks_of_the_kernel() {
    if !can_mount() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    open_to_all(&modem);
    let mount = "mount -t tmpfs -o nr_inodes=2 none \"$0\"; touch \"$0\"/full";
    let server = share_after(mount, &modem, scratch.path());
    let directory = hold(&as_seen_by(&server, scratch.path()));
    sessions_work_without_lock_files(server, &modem, &directory.1, "No space left on device");
}

/// A directory that can be looked into for as long as it is held, also when the mount namespace in
/// which it was found is gone.
fn hold(directory: &Path) -> (File, PathBuf) {
    use std::os::fd::AsRawFd;
    let held = File::open(directory).unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", held.as_raw_fd()));
    (held, path)
}

#[test]
fn a_lock_directory_that_is_not_there_leaves_the_locks_of_the_kernel() {
    if !root() || !have(&["setpriv"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    open_to_all(&modem);
    let missing = scratch.path().join("lock");
    let server = share(&[modem.device()], &missing, &[]);
    sessions_work_without_lock_files(server, &modem, scratch.path(), "No such file or directory");
}

#[test]
fn a_lock_directory_of_somebody_else_leaves_the_locks_of_the_kernel() {
    if !root() || !have(&["setpriv"]) {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let locks = scratch.path().join("lock");
    std::fs::create_dir(&locks).unwrap();
    set_permissions(&locks, PermissionsExt::from_mode(0o555)).unwrap();
    let nobody = NOBODY.parse().unwrap();
    chown(modem.device(), Some(nobody), Some(nobody)).unwrap();
    open_to_all(&modem);
    // Wherever this was built, a copy can be run by everybody.
    let program = scratch.path().join("modemd");
    std::fs::copy(modemd().get_program(), &program).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"])
        .arg(program)
        .args(["--listen", "127.0.0.1:0", "--lock-dir"])
        .arg(&locks)
        .arg(modem.device());
    let server = Running::start(command);
    sessions_work_without_lock_files(server, &modem, &locks, "Permission denied");
}

#[test]
fn a_lock_directory_that_fills_up_is_written_again_when_there_is_room() {
    if !can_mount() {
        return;
    }
    let (scratch, modem) = (Scratch::new(), Modem::new());
    let mount = "mount -t tmpfs -o size=4k none \"$0\"; head -c 4096 /dev/zero > \"$0\"/full";
    let server = share_after(mount, &modem, scratch.path());
    let locks = as_seen_by(&server, scratch.path());
    let mut first = server.connect();
    first.write_all(b"1").unwrap();
    modem.expect(b"1");
    assert_eq!(names_in(&locks), ["full"]);
    std::fs::remove_file(locks.join("full")).unwrap();
    reset(first);
    server.logged(" left ");
    let mut second = server.connect();
    second.write_all(b"2").unwrap();
    modem.expect(b"2");
    assert!(!names_in(&locks).is_empty());
    let (status, _) = server.stop();
    assert!(status.success());
    assert!(read_all(&mut second).is_empty());
}

/// Fedora and RHEL: nobody but root may write in `/run/lock`, and members of `lock` in a directory
/// of its own (lockdev's tmpfiles.d).
#[test]
fn the_directory_of_lockdev_is_used_where_there_is_one_with_the_group_that_may() {
    const LOCK: u32 = 64_322;
    let Some(stage) = Stage::new() else {
        return;
    };
    let groups = std::fs::read_to_string("/etc/group").unwrap();
    let stage = stage
        .own_run()
        .run("chmod 755 /run/lock; mkdir -m 775 /run/lock/lockdev")
        .run(&format!("chgrp {LOCK} /run/lock/lockdev"))
        .with_modemd_user()
        .file("/etc/group", format!("{groups}lock:x:{LOCK}:modemd\n"));
    let modem = Modem::new();
    open_to_all(&modem);
    let mut command = modemd();
    command
        .args(["--listen", "127.0.0.1:0"])
        .arg(modem.device());
    let server = Running::start(stage.command(&command));
    let mut client = server.connect();
    client.write_all(b"ATZ\r").unwrap();
    modem.expect(b"ATZ\r");
    let lockdev = seen_by(server.pid(), "/run/lock/lockdev");
    assert!(!names_in(&lockdev).is_empty());
    assert_eq!(names_in(&seen_by(server.pid(), "/run/lock")), ["lockdev"]);
    let groups = server.proc_status("Groups");
    assert!(
        groups.split(' ').any(|group| group == LOCK.to_string()),
        "{groups}"
    );
    reset(client);
    wait_until("the lock to be gone", || names_in(&lockdev).is_empty());
    let (status, log) = server.stop();
    assert!(status.success(), "{log:#?}");
    assert!(
        !log.iter().any(|line| line.contains("no lock file")),
        "{log:#?}"
    );
}
