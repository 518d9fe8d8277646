//! Programs that dial, on the device that `modemctl attach` makes of a telnet port with emulated modems.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::attached::Attached;
use crate::exchange::Exchange;
use crate::stage::Stage;
use crate::support::{PATIENCE, bounded, have, wait_for};
use crate::terminal::{Peer, words};

/// One emulated modem, and the device that leads to it.
struct Desk {
    exchange: Exchange,
    attached: Attached,
}

impl Desk {
    fn new() -> Desk {
        let exchange = Exchange::with_telnet_modems(1);
        let attached = Attached::to(exchange.address());
        Desk { exchange, attached }
    }

    /// The modem is released.
    #[track_caller]
    fn is_left(&self) {
        self.exchange.server.logged(" left ");
    }
}

/// The number of a service that greets and hangs up, and the end of what it says.
const GREETING: &str = "5552003";
const GREETED: &str = "5552005: never answers";

/// Somebody types at a program's terminal.
#[track_caller]
fn dials_by_hand(mut program: Peer, ready: &str, quit: &str) {
    program.says_next(ready);
    // Some throw away what was typed before they had their terminal.
    program.types_until("ATZ\r", "OK");
    program.types(&format!("ATDT{GREETING}\r"));
    program.says_next("CONNECT 115200");
    program.says_next(GREETED);
    program.says_next("NO CARRIER");
    program.types(quit);
    let (status, said) = program.ends();
    assert!(status.success(), "{said}");
}

#[test]
fn somebody_dials_with_picocom() {
    if !have(&["picocom"]) {
        return;
    }
    let desk = Desk::new();
    let arguments = words(&["-b", "57600", desk.attached.name()]);
    let picocom = Peer::run("picocom", &arguments);
    dials_by_hand(picocom, "Terminal ready", "\x01\x18");
    desk.is_left();
}

#[test]
fn somebody_dials_with_minicom() {
    if !have(&["minicom"]) {
        return;
    }
    let desk = Desk::new();
    let minicom = Peer::run("minicom", &words(&["-D", desk.attached.name()]));
    dials_by_hand(minicom, "Welcome to minicom", "\x01x\r");
    desk.is_left();
}

#[test]
fn somebody_dials_with_cu() {
    if !have(&["cu"]) {
        return;
    }
    let desk = Desk::new();
    let arguments = words(&["-l", desk.attached.name(), "-s", "57600"]);
    let cu = Peer::run("cu", &arguments);
    dials_by_hand(cu, "Connected.", "\r~.\r");
    desk.is_left();
}

#[test]
fn kermit_dials_as_on_a_modem_of_its_own_with_and_without_a_look_at_carrier() {
    if !have(&["kermit"]) {
        return;
    }
    for carrier_watch in ["off", "auto"] {
        let desk = Desk::new();
        let script = format!(
            "set exit warning off\nset modem type hayes-2400\nset carrier-watch {carrier_watch}\n\
             set line {}\nif fail exit 1\nset flow none\nset speed 57600\nif fail exit 2\n\
             set dial display on\nset dial hangup off\ndial {GREETING}\nif fail exit 3\n\
             input 60 {{{GREETED}}}\nif fail exit 4\nexit 0\n",
            desk.attached.name()
        );
        let scratch = desk.exchange.scratch.path();
        let kermit = desk.exchange.kermit("dial.ksc", script, scratch);
        let done = kermit.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(
            done.status.success(),
            "{carrier_watch}: {:?}\n{said}",
            done.status
        );
        assert!(said.contains("CONNECT 115200"), "{said}");
        desk.is_left();
    }
}

/// What `chat` ends with, and what it told.
#[track_caller]
fn chat(desk: &Desk, script: &str) -> (Option<i32>, String) {
    let patience = PATIENCE.as_secs();
    let done = bounded("sh")
        .arg("-c")
        .arg(format!(
            "exec chat -V -s -t {patience} {script} <> {} >&0",
            desk.attached.name()
        ))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.code(), said)
}

#[test]
fn chat_dials_again_and_again() {
    if !have(&["chat"]) {
        return;
    }
    let desk = Desk::new();
    for times in 1..=3 {
        let script = format!("'' ATZ OK ATDT{GREETING} 'CONNECT 115200' '' answers '' CARRIER ''");
        let (code, said) = chat(&desk, &script);
        assert_eq!(code, Some(0), "{said}");
        desk.exchange.server.logged_times(" left ", times);
    }
    // The fourth code on is for what ends it.
    let (code, said) = chat(&desk, "ABORT BUSY '' ATZ OK ATDT5552004 CONNECT ''");
    assert_eq!(code, Some(4), "{said}");
}

#[test]
fn wvdial_dials_and_gives_the_line_to_pppd() {
    if !have(&["wvdial"]) {
        return;
    }
    // It writes a password into /etc/ppp.
    let Some(stage) = Stage::new() else { return };
    let stage = stage.run("mount -t tmpfs ppp /etc/ppp");
    let desk = Desk::new();
    let scratch = &desk.exchange.scratch;
    let words = "over the line and back";
    // In pppd's place: what it is started with, and whether its standard input is the line.
    let pppd = scratch.file(
        "pppd",
        format!(
            "#!/bin/sh\ncd {}\necho \"$@\" > arguments\nprintf '{words}' >&0\n\
             head -c {} > echoed\n",
            scratch.path().display(),
            words.len()
        ),
    );
    fs::set_permissions(&pppd, Permissions::from_mode(0o755)).unwrap();
    let config = scratch.file(
        "wvdial.conf",
        format!(
            "[Dialer Defaults]\nModem = {}\nBaud = 57600\nInit1 = ATZ\nPhone = 5552001\n\
             Username = nobody\nPassword = nothing\nStupid Mode = yes\nDial Attempts = 1\n\
             Auto Reconnect = off\nCheck DNS = no\nAuto DNS = no\nNew PPPD = no\nPPPD Path = {}\n",
            desk.attached.name(),
            pppd.display()
        ),
    );
    let mut wvdial = bounded("wvdial");
    wvdial.arg("--config").arg(config);
    let said = wait_for("a wvdial that does not abort", || {
        let mut wvdial = stage.command(&wvdial);
        let done = wvdial.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        // Every third one does, on whatever line: it says that it has lost a stack of its own, which it
        // lays out itself, and where that is differs each time (without ASLR it never aborts).
        (!said.contains("WVTASK_MAGIC")).then_some(said)
    });
    for told in ["Modem initialized.", "CONNECT 115200", "Starting PPP"] {
        assert!(said.contains(told), "no {told} in {said}");
    }
    let read = |name| fs::read_to_string(scratch.path().join(name)).unwrap();
    assert!(read("arguments").starts_with("57600 modem crtscts "));
    assert_eq!(read("echoed"), words);
    desk.is_left();
}
