//! Programs that dial, behind a guard: what they set the modem up with is carried out, allowed numbers connect,
//! and forbidden ones fail as on a line where nobody answers.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::attached::Attached;
use crate::guarded::{FORBIDDEN, Guarded};
use crate::stage::Stage;
use crate::support::{PATIENCE, bounded, have, wait_for};
use crate::terminal::{Peer, words};

/// The number of a service that greets and hangs up, and the end of what it says.
const GREETING: &str = "5552003";
const GREETED: &str = "5552005: never answers";

/// A guarded modem, and the device that leads to it.
struct Desk {
    guarded: Guarded,
    attached: Attached,
}

impl Desk {
    fn new() -> Desk {
        let guarded = Guarded::telnet();
        let attached = Attached::to(guarded.server.address_of("modem"));
        Desk { guarded, attached }
    }

    /// Waits until the modem is released by a program, and nothing was dialled but this.
    #[track_caller]
    fn is_left(&self, times: usize, dialled: &[&str]) {
        self.guarded.server.logged_times(" left ", times);
        assert_eq!(self.guarded.dialled(), dialled);
    }
}

/// C-Kermit with a script, and what it ended with and told.
#[track_caller]
fn kermit(guarded: &Guarded, script: &str) -> (Option<i32>, String) {
    let script = guarded.scratch.file("script.ksc", script);
    let done = bounded("kermit")
        .arg("-Y")
        .arg("-C")
        .arg(format!("take {}", script.display()))
        .current_dir(guarded.scratch.path())
        .env("HOME", guarded.scratch.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    (done.status.code(), said)
}

/// Dials with C-Kermit on the line that `open` gives it, as on a modem of this make.
#[track_caller]
fn kermit_dials(guarded: &Guarded, open: &str, modem: &str, settings: &str) {
    for (times, (number, code, result)) in [
        (GREETING, 0, "CONNECT 115200"),
        (FORBIDDEN, 3, "NO CARRIER"),
    ]
    .into_iter()
    .enumerate()
    {
        let script = format!(
            "set exit warning off\n{open}\nif fail exit 1\nset modem type {modem}\n{settings}\n\
             set dial timeout 60\nset dial retries 1\nset dial display on\n\
             dial {number}\nif fail exit 3\ninput 60 {{{GREETED}}}\nif fail exit 4\nexit 0\n"
        );
        let (ended, said) = kermit(guarded, &script);
        assert_eq!(ended, Some(code), "{said}");
        assert!(said.contains(result), "{said}");
        guarded.server.logged_times(" left ", times + 1);
    }
    assert_eq!(guarded.dialled(), [GREETING]);
}

#[test]
fn kermit_dials_over_raw_tcp() {
    if !have(&["kermit"]) {
        return;
    }
    let guarded = Guarded::new();
    let address = guarded.server.address_of("modem");
    kermit_dials(
        &guarded,
        &format!("set host {address} /raw-socket"),
        "hayes-2400",
        "",
    );
}

#[test]
fn kermit_dials_over_telnet_with_com_port_control() {
    if !have(&["kermit"]) {
        return;
    }
    let guarded = Guarded::telnet();
    let address = guarded.server.address_of("modem");
    let open = format!("set carrier-watch off\nset host {address} /telnet");
    kermit_dials(&guarded, &open, "itu-t-v250", "set speed 57600");
}

#[test]
fn kermit_dials_on_an_attached_port() {
    if !have(&["kermit"]) {
        return;
    }
    let desk = Desk::new();
    let open = format!("set carrier-watch off\nset line {}", desk.attached.name());
    kermit_dials(
        &desk.guarded,
        &open,
        "atlas",
        "set flow none\nset speed 57600",
    );
}

/// What `chat` ends with on this terminal, and what it told.
#[track_caller]
fn chat(terminal: &str, script: &str) -> (Option<i32>, String) {
    let patience = PATIENCE.as_secs();
    let done = bounded("sh")
        .arg("-c")
        .arg(format!(
            "exec chat -V -s -t {patience} {script} <> {terminal} >&0"
        ))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.code(), said)
}

/// The first code is for the first thing that ends it.
const ABORT: &str = "ABORT BUSY ABORT ERROR ABORT 'NO CARRIER' '' ATZ OK 'AT&F&C1&D2S11=55' OK";

#[test]
fn chat_dials_and_aborts_on_an_attached_port() {
    if !have(&["chat"]) {
        return;
    }
    let desk = Desk::new();
    let attached = desk.attached.name();
    let (code, said) = chat(
        attached,
        &format!("{ABORT} ATDT{GREETING} 'CONNECT 115200' '' answers ''"),
    );
    assert_eq!(code, Some(0), "{said}");
    desk.guarded.server.logged_times(" left ", 1);
    let (code, said) = chat(attached, &format!("{ABORT} ATDT{FORBIDDEN} CONNECT ''"));
    assert_eq!(code, Some(6), "{said}");
    desk.is_left(2, &[GREETING]);
}

#[test]
fn chat_dials_and_aborts_through_socat() {
    if !have(&["chat", "socat"]) {
        return;
    }
    let guarded = Guarded::new();
    for (times, (number, code)) in [(GREETING, 0), (FORBIDDEN, 6)].into_iter().enumerate() {
        let script = format!("{ABORT} ATDT{number} 'CONNECT 115200' '' answers ''");
        let patience = PATIENCE.as_secs();
        let script = guarded.scratch.file(
            "dial",
            format!("chat -V -s -t {patience} {script}\necho $? > code\n"),
        );
        let done = bounded("socat")
            .arg(format!("TCP:{}", guarded.server.address_of("modem")))
            .arg(format!("EXEC:sh {},pty,raw,echo=0", script.display()))
            .current_dir(guarded.scratch.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        let ended = fs::read_to_string(guarded.scratch.path().join("code")).unwrap();
        assert_eq!(ended.trim(), code.to_string(), "{said}");
        guarded.server.logged_times(" left ", times + 1);
    }
    assert_eq!(guarded.dialled(), [GREETING]);
}

/// Makes the first entry of minicom's dialling directory, and dials it.
#[track_caller]
fn minicom_dials(desk: &Desk, number: &str) -> Peer {
    let mut minicom = Peer::run("minicom", &words(&["-D", desk.attached.name()]));
    minicom.says_next("Welcome to minicom");
    // It throws away what was typed before it had its terminal.
    minicom.types_until("ATZ\r", "OK");
    minicom.types("\x01d");
    minicom.says_next("Dialing Directory");
    minicom.types("e");
    minicom.says_next("Change which setting?");
    // Each letter is echoed where it belongs on the screen, and the directory shows the number whole.
    minicom.types(&format!("asomebody\rb{number}\r\r"));
    minicom.says_next(number);
    minicom.types("d");
    minicom.says_next("Autodial");
    minicom.says_next(number);
    minicom
}

#[test]
fn minicom_dials_from_its_directory() {
    if !have(&["minicom"]) {
        return;
    }
    let desk = Desk::new();
    let mut minicom = minicom_dials(&desk, GREETING);
    minicom.says_next("Connected. Press any key to continue");
    minicom.types(" ");
    minicom.says_next(GREETED);
    minicom.says_next("NO CARRIER");
    minicom.types("\x01x\r");
    let (status, said) = minicom.ends();
    assert!(status.success(), "{said}");
    desk.is_left(1, &[GREETING]);

    let mut minicom = minicom_dials(&desk, FORBIDDEN);
    minicom.says_next("No connection: NO CARRIER.");
    // It would try again for ever.
    minicom.says_next("Attempt #2");
    minicom.killed();
    desk.is_left(2, &[GREETING]);
}

/// wvdial, which gives the line to what stands in pppd's place; what it told.
#[track_caller]
fn wvdial(desk: &Desk, stage: &Stage, number: &str) -> String {
    let scratch = &desk.guarded.scratch;
    let pppd = scratch.file(
        "pppd",
        format!(
            "#!/bin/sh\ncd {}\nprintf 'over the line & back' >&0\nhead -c 20 > greeted\n",
            scratch.path().display()
        ),
    );
    fs::set_permissions(&pppd, Permissions::from_mode(0o755)).unwrap();
    let config = scratch.file(
        "wvdial.conf",
        format!(
            "[Dialer Defaults]\nModem = {}\nBaud = 57600\nInit1 = ATZ\n\
             Init2 = ATQ0 V1 E1 S0=0 &C1 &D2\nPhone = {number}\n\
             Username = nobody\nPassword = nothing\nStupid Mode = yes\nDial Attempts = 1\n\
             Auto Reconnect = off\nCheck DNS = no\nAuto DNS = no\nNew PPPD = no\nPPPD Path = {}\n",
            desk.attached.name(),
            pppd.display()
        ),
    );
    let mut wvdial = bounded("wvdial");
    wvdial.arg("--config").arg(config);
    wait_for("a wvdial that does not abort", || {
        let mut wvdial: Command = stage.command(&wvdial);
        let done = wvdial.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        // Every third one does, see `attach_programs`.
        (!said.contains("WVTASK_MAGIC")).then_some(said)
    })
}

#[test]
fn wvdial_dials_and_gives_up() {
    if !have(&["wvdial"]) {
        return;
    }
    // It writes a password into /etc/ppp.
    let Some(stage) = Stage::new() else { return };
    let stage = stage.run("mount -t tmpfs ppp /etc/ppp");
    let desk = Desk::new();
    let said = wvdial(&desk, &stage, "5552001");
    for told in ["Modem initialized.", "CONNECT 115200", "Starting PPP"] {
        assert!(said.contains(told), "no {told} in {said}");
    }
    let said = wvdial(&desk, &stage, FORBIDDEN);
    assert!(said.contains("NO CARRIER"), "{said}");
    assert!(!said.contains("Starting PPP"), "{said}");
    assert!(
        desk.guarded
            .dialled()
            .iter()
            .all(|number| number == "5552001")
    );
}
