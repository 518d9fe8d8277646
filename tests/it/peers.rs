//! Lines that other programs use too: the real ones, each way round.
//!
//! They look for locks in `/run/lock`, and so does modemd here. A pseudo terminal's number is
//! nobody else's while it is open, so the tests do not meet in there.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use crate::service::Service;
use crate::support::{
    Modem, Running, Scratch, assert_talks, connect, have, modemd, read_until, root, skip,
    wait_until,
};
use crate::terminal::{CU, KERMIT, MINICOM, PICOCOM, Peer, Program, words};

/// Where minicom, cu and kermit look, by way of `/var/lock`.
const LOCK_DIR: &str = "/run/lock";

/// A modem whose line everybody may open: cu becomes `uucp` first, modemd becomes `nobody`.
///
/// While it is open nobody else has a line of that number, so whatever lock there is was left by a
/// test that failed, and ours go with it.
struct Shared {
    modem: Modem,
    link: PathBuf,
    _scratch: Scratch,
}

impl Shared {
    fn new() -> Shared {
        let (scratch, modem) = (Scratch::new(), Modem::new());
        fs::set_permissions(modem.device(), Permissions::from_mode(0o666)).unwrap();
        let name = scratch.path().file_name().unwrap().to_str().unwrap();
        let link = scratch.path().join(format!("usb-{name}"));
        symlink(modem.device(), &link).unwrap();
        let shared = Shared {
            modem,
            link,
            _scratch: scratch,
        };
        shared.remove_locks();
        shared
    }

    fn device(&self) -> &Path {
        self.modem.device()
    }

    /// What programs lock, by the line's own names and by the link's.
    fn locks(&self) -> [PathBuf; 3] {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let (number, link) = (name(self.device()), name(&self.link));
        [number.clone(), format!("pts_{number}"), link]
            .map(|name| Path::new(LOCK_DIR).join(format!("LCK..{name}")))
    }

    fn locked(&self) -> bool {
        self.locks().iter().any(|lock| lock.exists())
    }

    fn remove_locks(&self) {
        for lock in self.locks() {
            let _ = fs::remove_file(lock);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.remove_locks();
    }
}

/// modemd as it runs in production: with the system's lock directory and without privileges.
fn share_as(user: &str, group: &str, device: &Path) -> Running {
    let mut command = modemd();
    command
        .args(["--listen", "127.0.0.1:0", "--user", user, "--group", group])
        .arg(device);
    Running::start(command)
}

fn share(device: &Path) -> Running {
    share_as("nobody", "nogroup", device)
}

fn can_use(program: &Program) -> bool {
    let for_all = |dir: &str| fs::metadata(dir).is_ok_and(|of| of.permissions().mode() & 2 != 0);
    have(&[program.name, "setsid"])
        && (for_all(LOCK_DIR) || skip("/run/lock is not for everybody to write"))
}

/// Connects, and sees the line work.
#[track_caller]
fn gets_the_line(server: &Running, line: &Shared) -> TcpStream {
    let modem = &line.modem;
    let mut client = connect(server.address());
    client.write_all(b"AT I have it\r").unwrap();
    modem.expect(b"AT I have it\r");
    modem.say(b"\r\nso you have\r\n");
    read_until(&mut client, b"so you have\r\n");
    client
}

#[track_caller]
fn is_told_busy(server: &Running) {
    let mut said = String::new();
    connect(server.address()).read_to_string(&mut said).unwrap();
    assert_eq!(said, "\r\nBUSY\r\n");
}

fn refuses_while_we_hold(program: &Program) -> Option<String> {
    if !can_use(program) {
        return None;
    }
    let line = Shared::new();
    let server = share(line.device());
    let mut client = gets_the_line(&server, &line);
    let (status, said) = Peer::start(program, line.device()).ends();
    assert!(said.contains(program.refuses), "{said}");
    assert!(!status.success());
    // And nobody noticed.
    client.write_all(b"AT still here\r").unwrap();
    line.modem.expect(b"AT still here\r");
    line.modem.say(b"yes\r\n");
    assert_eq!(read_until(&mut client, b"\n"), b"yes\r\n");
    let (pid, log) = (server.pid(), server.stop().1);
    assert!(!log.iter().any(|line| line.contains("not ours")), "{log:?}");
    // With modemd gone, it gets the line.
    let mut peer = Peer::start(program, line.device());
    peer.says(program.has_it);
    Some(said.replace(&pid.to_string(), "OUR-PID"))
}

fn is_respected(program: &Program, evidence: impl Fn(&Shared) -> String) {
    if !can_use(program) {
        return;
    }
    let line = Shared::new();
    let server = share(line.device());
    let mut peer = Peer::start(program, line.device());
    peer.says(program.has_it);
    is_told_busy(&server);
    let told = server.logged("no line for");
    let holder = format!("in use by pid {} ({})", peer.pid(), program.name);
    assert!(told.contains(line.modem.device_name()), "{told}");
    assert!(told.contains(&holder), "{told}");
    assert!(told.contains(&evidence(&line)), "{told}");
    assert!(peer.is_running());
    peer.window_closed();
    gets_the_line(&server, &line);
    assert!(server.stop().0.success());
    assert!(!line.locked());
}

fn holds(lock: usize) -> impl Fn(&Shared) -> String {
    move |line| format!("which holds {}", line.locks()[lock].display())
}

#[test]
fn minicom_refuses_a_line_of_ours() {
    refuses_while_we_hold(&MINICOM);
}

#[test]
fn cu_refuses_a_line_of_ours() {
    refuses_while_we_hold(&CU);
}

#[test]
fn kermit_refuses_a_line_of_ours_and_says_who_has_it() {
    if let Some(said) = refuses_while_we_hold(&KERMIT) {
        assert!(said.contains("Locked by process OUR-PID"), "{said}");
    }
}

#[test]
fn picocom_refuses_a_line_of_ours() {
    refuses_while_we_hold(&PICOCOM);
}

#[test]
fn a_line_that_minicom_has_is_busy() {
    is_respected(&MINICOM, holds(1));
}

#[test]
fn a_line_that_cu_has_is_busy() {
    is_respected(&CU, holds(0));
}

#[test]
fn a_line_that_kermit_has_is_busy() {
    is_respected(&KERMIT, holds(0));
}

#[test]
fn a_line_that_picocom_has_is_busy() {
    is_respected(&PICOCOM, |_| "which holds its flock".to_owned());
}

#[test]
fn programs_that_use_a_line_by_a_link_are_told_no_as_well() {
    for program in [&MINICOM, &CU, &KERMIT, &PICOCOM] {
        if !can_use(program) {
            return;
        }
        let line = Shared::new();
        let server = share(&line.link);
        let _client = gets_the_line(&server, &line);
        for path in [&line.link, line.device()] {
            let (_, said) = Peer::start(program, path).ends();
            assert!(said.contains(program.refuses), "{path:?}: {said}");
        }
    }
}

#[test]
fn a_line_that_others_have_by_a_link_or_by_its_own_name_is_busy() {
    for program in [&MINICOM, &CU, &KERMIT, &PICOCOM] {
        if !can_use(program) {
            return;
        }
        let line = Shared::new();
        let server = share(&line.link);
        for path in [&line.link, line.device()] {
            let mut peer = Peer::start(program, path);
            peer.says(program.has_it);
            is_told_busy(&server);
            peer.killed();
            // What it left is root's, or uucp's, in a sticky directory: not for modemd to remove.
            line.remove_locks();
        }
    }
}

#[test]
fn the_lock_of_a_program_that_was_killed_is_taken_over() {
    if !root() {
        return;
    }
    for (program, name) in [(&MINICOM, 1), (&CU, 0), (&KERMIT, 0)] {
        if !can_use(program) {
            return;
        }
        let line = Shared::new();
        let server = share_as("root", "root", line.device());
        let mut peer = Peer::start(program, line.device());
        peer.says(program.has_it);
        let pid = peer.pid();
        peer.killed();
        let left = &line.locks()[name];
        assert!(left.exists());
        gets_the_line(&server, &line);
        server.logged(&format!("{}: stale lock of pid {pid}", left.display()));
        assert!(server.stop().0.success());
        assert!(!line.locked());
    }
}

#[test]
fn programs_take_over_the_locks_of_a_modemd_that_was_killed() {
    if !root() {
        return;
    }
    // Not cu, which becomes uucp and so meets TIOCEXCL: on a pseudo terminal it stays set while
    // the modem's end is open.
    for program in [&MINICOM, &KERMIT] {
        if !can_use(program) {
            return;
        }
        let line = Shared::new();
        let mut server = share_as("root", "root", line.device());
        let _client = gets_the_line(&server, &line);
        server.signal(Signal::SIGKILL);
        server.wait();
        assert!(line.locked());
        let mut peer = Peer::start(program, line.device());
        peer.says(program.has_it);
    }
}

/// These run as root, whom `TIOCEXCL` does not keep out.
#[test]
fn between_two_processes_of_ours_nobody_gets_the_line_of_a_call() {
    let programs = [&MINICOM, &CU, &KERMIT, &PICOCOM];
    if !programs.iter().all(|program| can_use(program)) {
        return;
    }
    let line = Shared::new();
    let mut service = Service::new(&["modem"], "");
    service.scratch.file(
        "modemd.toml",
        format!(
            "[server]\nuser = \"root\"\n[ports.modem]\nallow = [\"localhost\"]\ndevices = [{:?}]\n",
            line.device()
        ),
    );
    service.restart(Signal::SIGUSR1);
    let mut client = service.connect();
    assert_talks(&mut client, &line.modem);
    service.end(Signal::SIGUSR1);
    for program in programs {
        let (status, said) = Peer::start(program, line.device()).ends();
        assert!(said.contains(program.refuses), "{said}");
        assert!(!status.success());
    }
    service.begin();
    assert_talks(&mut client, &line.modem);
    drop(client);
    wait_until("the line to be free", || !line.locked());
    // And then they do.
    Peer::start(&MINICOM, line.device()).says(MINICOM.has_it);
}

/// Whether somebody without privileges can open a terminal.
fn opens_for_nobody(device: &Path) -> bool {
    Command::new("setpriv")
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        .args(["sh", "-c", r#": <>"$0""#])
        .arg(device)
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success()
}

#[test]
fn a_line_that_screen_has_is_busy_also_for_root() {
    if !have(&["screen", "setpriv"]) || !root() {
        return;
    }
    let line = Shared::new();
    // In the foreground: its pid is its own, and it ends when it is told to.
    let device = line.modem.device_name();
    let _screen = Peer::run("screen", &words(&["-D", "-m", device, "9600"]));
    wait_until("screen to take the line", || {
        !opens_for_nobody(line.device())
    });
    for (user, group) in [("root", "root"), ("nobody", "nogroup")] {
        let server = share_as(user, group, line.device());
        is_told_busy(&server);
        let told = server.logged("no line for");
        assert!(told.contains("opened it exclusively (TIOCEXCL)"), "{told}");
        assert!(server.stop().0.success());
        assert!(!line.locked());
    }
}

#[test]
fn nobody_without_privileges_opens_a_line_of_ours() {
    if !have(&["setpriv"]) || !root() {
        return;
    }
    let line = Shared::new();
    let server = share(line.device());
    let client = gets_the_line(&server, &line);
    assert!(!opens_for_nobody(line.device()));
    drop(client);
    server.logged(" left ");
    wait_until("the line to be anybody's", || {
        opens_for_nobody(line.device())
    });
}

#[test]
fn a_program_that_only_listens_does_not_keep_the_next_client_out() {
    let line = Shared::new();
    let _listener = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(line.device())
        .unwrap();
    let server = share(line.device());
    drop(gets_the_line(&server, &line));
    server.logged(" left ");
    wait_until("the locks to go", || !line.locked());
    gets_the_line(&server, &line);
}
