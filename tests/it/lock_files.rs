//! Lock files that others left, in every state in which they are found.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::sys::stat::Mode;
use nix::unistd::{User, mkfifo};

use crate::support::{
    Modem, Running, Scratch, Sleeper, connect, locks_in, modemd, names_in, read_all, reset, root,
    share, wait_until,
};

/// A line with a modemd, and the lock file that other programs would make for it.
struct Locked {
    modem: Modem,
    scratch: Scratch,
}

impl Locked {
    fn new() -> Locked {
        Locked {
            modem: Modem::new(),
            scratch: Scratch::new(),
        }
    }

    fn lock(&self) -> PathBuf {
        let name = self.modem.device().file_name().unwrap();
        let directory = self.scratch.path();
        directory.join(format!("LCK..{}", name.to_str().unwrap()))
    }

    fn left(&self, content: impl AsRef<[u8]>, age: Duration) {
        fs::write(self.lock(), content).unwrap();
        let times = FileTimes::new().set_modified(SystemTime::now() - age);
        let file = File::options().write(true).open(self.lock()).unwrap();
        file.set_times(times).unwrap();
    }

    fn share(&self) -> Running {
        share(&[self.modem.device()], self.scratch.path(), &[])
    }

    /// A client gets the line and leaves, and nothing is left of any lock.
    #[track_caller]
    fn is_had(&self, server: &Running) {
        let client = connect(server.address());
        wait_until("a session's locks", || {
            locks_in(self.scratch.path()).len() == 2
        });
        let pid = format!("{:10}\n", server.pid());
        assert_eq!(fs::read_to_string(self.lock()).unwrap(), pid);
        reset(client);
        wait_until("the locks to go", || {
            names_in(self.scratch.path()).is_empty()
        });
    }
}

/// A pid that nobody has any more.
fn dead_pid() -> u32 {
    Sleeper::new().pid()
}

#[track_caller]
fn is_told_busy(server: &Running) {
    let said = read_all(&mut connect(server.address()));
    assert_eq!(String::from_utf8_lossy(&said), "\r\nBUSY\r\n");
}

const NOW: Duration = Duration::ZERO;
const LONG_AGO: Duration = Duration::from_secs(3600);

#[test]
fn locks_of_the_dead_are_taken_over_in_every_format() {
    let line = Locked::new();
    let server = line.share();
    let dead = dead_pid();
    let contents: [Vec<u8>; 4] = [
        format!("{dead:10}\n").into(),
        format!("{dead}").into(),
        format!("{dead:10} minicom root\n").into(),
        dead.to_ne_bytes().into(),
    ];
    for (number, content) in contents.iter().enumerate() {
        line.left(content, NOW);
        line.is_had(&server);
        let told = server.logged_times("stale lock of pid", number + 1);
        let removed = format!("{}: stale lock of pid {dead}", line.lock().display());
        assert!(told[number].contains(&removed), "{told:?}");
    }
}

#[test]
fn a_lock_with_the_pid_of_this_modemd_that_it_never_made_is_taken_over() {
    let line = Locked::new();
    let server = line.share();
    line.left(format!("{:10}\n", server.pid()), LONG_AGO);
    line.is_had(&server);
}

#[test]
fn locks_without_a_pid_are_respected_while_they_are_young_and_taken_over_when_old() {
    let line = Locked::new();
    let server = line.share();
    for content in [
        "",
        "\n",
        "minicom\n",
        "0\n",
        "-1\n",
        "99999999999999999999\n",
        "\u{fffd}",
    ] {
        line.left(content, NOW);
        is_told_busy(&server);
        assert_eq!(fs::read_to_string(line.lock()).unwrap(), content);
        line.left(content, LONG_AGO);
        line.is_had(&server);
    }
    let told = server.logged("no line for");
    let holder = format!("another program, which holds {}", line.lock().display());
    assert!(told.contains(&holder), "{told}");
}

#[test]
fn locks_of_the_living_are_respected_whatever_their_format_and_age() {
    let line = Locked::new();
    let server = line.share();
    let sleeper = Sleeper::new();
    let pid = sleeper.pid();
    let contents: [Vec<u8>; 2] = [format!("{pid:10}\n").into(), pid.to_ne_bytes().into()];
    for content in &contents {
        line.left(content, LONG_AGO);
        is_told_busy(&server);
        assert_eq!(&fs::read(line.lock()).unwrap(), content);
    }
    for told in server.logged_times("no line for", 2) {
        assert!(told.contains(&format!("pid {pid} (sleep)")), "{told}");
    }
    drop(sleeper);
    line.is_had(&server);
}

/// A directory like `/run/lock`, in which everybody may make files and remove their own.
fn sticky(line: &Locked) {
    fs::set_permissions(line.scratch.path(), Permissions::from_mode(0o1777)).unwrap();
    fs::set_permissions(line.modem.device(), Permissions::from_mode(0o666)).unwrap();
}

/// A modemd that became `nobody` before it met anybody.
fn share_as_nobody(line: &Locked, more: &[&Path]) -> Running {
    let mut command = modemd();
    command
        .args([
            "--listen",
            "127.0.0.1:0",
            "--user",
            "nobody",
            "--group",
            "nogroup",
        ])
        .arg("--lock-dir")
        .arg(line.scratch.path())
        .arg(line.modem.device())
        .args(more);
    Running::start(command)
}

#[test]
fn a_stale_lock_of_somebody_else_in_a_sticky_directory_is_told_with_the_way_out() {
    if !root() {
        return;
    }
    let line = Locked::new();
    sticky(&line);
    let dead = dead_pid();
    let server = share_as_nobody(&line, &[]);
    for (content, age) in [(format!("{dead:10}\n"), NOW), (String::new(), LONG_AGO)] {
        line.left(&content, age);
        let lock = line.lock();
        let said = String::from_utf8(read_all(&mut connect(server.address()))).unwrap();
        assert!(
            said.starts_with("\r\nERROR: no modem here works: "),
            "{said}"
        );
        let told = server.logged("no line for");
        for words in [
            format!("stale lock {}", lock.display()),
            "belongs to uid 0".to_owned(),
            format!("remove it with `rm {}`", lock.display()),
        ] {
            assert!(said.contains(&words), "{said}");
            assert!(told.contains(&words), "{told}");
        }
        assert!(
            said.contains(&format!("pid {dead}")) || content.is_empty(),
            "{said}"
        );
        assert!(!said.contains("pid 0"), "{said}");
        assert_eq!(fs::read_to_string(&lock).unwrap(), content);
        assert_eq!(names_in(line.scratch.path()).len(), 1);
        // Done as told, it works again.
        fs::remove_file(&lock).unwrap();
        line.is_had(&server);
    }
}

#[test]
fn a_line_with_an_unremovable_lock_leaves_the_rest_of_the_pool_alone() {
    if !root() {
        return;
    }
    let (line, other) = (Locked::new(), Modem::new());
    sticky(&line);
    fs::set_permissions(other.device(), Permissions::from_mode(0o666)).unwrap();
    line.left(format!("{:10}\n", dead_pid()), NOW);
    let server = share_as_nobody(&line, &[other.device()]);
    let client = connect(server.address());
    server.logged(&format!(" is on {}", other.device_name()));
    reset(client);
}

#[test]
fn a_living_lock_of_somebody_else_is_respected() {
    if !root() {
        return;
    }
    let line = Locked::new();
    sticky(&line);
    let sleeper = Sleeper::new();
    line.left(format!("{:10}\n", sleeper.pid()), LONG_AGO);
    let server = share_as_nobody(&line, &[]);
    is_told_busy(&server);
    let told = server.logged("no line for");
    assert!(
        told.contains(&format!("pid {} (sleep)", sleeper.pid())),
        "{told}"
    );
    // Also one that says nothing to us.
    fs::set_permissions(line.lock(), Permissions::from_mode(0o600)).unwrap();
    is_told_busy(&server);
}

#[test]
fn what_nobody_left_nobody_takes_over() {
    if !root() {
        return;
    }
    let line = Locked::new();
    sticky(&line);
    line.left(format!("{:10}\n", dead_pid()), NOW);
    let nobody = User::from_name("nobody").unwrap().unwrap();
    chown(line.lock(), Some(nobody.uid.as_raw()), None).unwrap();
    line.is_had(&share_as_nobody(&line, &[]));
}

#[test]
fn what_is_no_file_under_the_name_of_a_lock_keeps_nobody_waiting() {
    for make in [
        (|lock| mkfifo(lock, Mode::from_bits_truncate(0o666)).unwrap()) as fn(&Path),
        |lock| symlink("/dev/zero", lock).unwrap(),
        |lock| symlink("/nonexistent", lock).unwrap(),
        |lock| fs::create_dir(lock).unwrap(),
    ] {
        let line = Locked::new();
        let server = line.share();
        make(&line.lock());
        is_told_busy(&server);
        assert!(line.lock().is_symlink() || line.lock().exists());
        let told = server.logged("no line for");
        assert!(told.contains(&line.lock().display().to_string()), "{told}");
    }
}

#[test]
fn a_lock_of_ours_that_somebody_replaced_is_not_removed() {
    let sleeper = Sleeper::new();
    let theirs = format!("{:10}\n", sleeper.pid());
    for in_place in [true, false] {
        let line = Locked::new();
        let server = line.share();
        let client = connect(server.address());
        server.logged(" is on ");
        if in_place {
            // As cu does it.
            fs::write(line.lock(), &theirs).unwrap();
        } else {
            fs::remove_file(line.lock()).unwrap();
            fs::write(line.lock(), &theirs).unwrap();
        }
        reset(client);
        server.logged(&format!("{}: not ours any more", line.lock().display()));
        server.logged(" left ");
        let (status, _) = server.stop();
        assert!(status.success());
        let lock = line.lock();
        assert_eq!(fs::read_to_string(&lock).unwrap(), theirs);
        let name = lock.file_name().unwrap().to_str().unwrap();
        assert_eq!(names_in(line.scratch.path()), [name]);
    }
}

#[test]
fn a_lock_of_ours_that_somebody_removed_ends_no_session() {
    let line = Locked::new();
    let server = line.share();
    let client = connect(server.address());
    server.logged(" is on ");
    fs::remove_file(line.lock()).unwrap();
    // Its flock and TIOCEXCL still hold.
    is_told_busy(&server);
    reset(client);
    server.logged("our lock is gone");
    line.is_had(&server);
}

#[test]
fn a_line_configured_by_a_link_is_locked_under_both_names() {
    let line = Locked::new();
    let elsewhere = Scratch::new();
    let alias = elsewhere.path().join("usb-FAKE");
    symlink(line.modem.device(), &alias).unwrap();
    let server = share(&[&alias], line.scratch.path(), &[]);
    let client = connect(server.address());
    server.logged(" is on ");
    let number = line.modem.device().file_name().unwrap().to_str().unwrap();
    let mut expected = [
        format!("LCK..{number}"),
        format!("LCK..pts_{number}"),
        "LCK..usb-FAKE".to_owned(),
    ];
    expected.sort();
    assert_eq!(names_in(line.scratch.path()), expected);
    reset(client);
    wait_until("the locks to go", || {
        names_in(line.scratch.path()).is_empty()
    });
    // A lock under any of the names is enough, and those that were made before it are taken back.
    for name in expected {
        let sleeper = Sleeper::new();
        let theirs = line.scratch.file(&name, format!("{:10}\n", sleeper.pid()));
        is_told_busy(&server);
        assert_eq!(names_in(line.scratch.path()), [name]);
        fs::remove_file(theirs).unwrap();
    }
}

#[test]
fn one_line_by_two_names_is_one_line() {
    let line = Locked::new();
    let elsewhere = Scratch::new();
    let alias = elsewhere.path().join("usb-FAKE");
    symlink(line.modem.device(), &alias).unwrap();
    let server = share(&[&alias, line.modem.device()], line.scratch.path(), &[]);
    let _client = connect(server.address());
    server.logged(" is on ");
    is_told_busy(&server);
}
