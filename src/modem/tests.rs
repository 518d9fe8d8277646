//! Preparing and hanging up, with modems at the other end of a pseudo terminal.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use nix::fcntl::OFlag;
use nix::libc;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{ControlFlags, tcgetattr};

use super::*;
use crate::claim::{Claim, LockDirectory};
use crate::config::{Dial, Port};

/// A modem that has something to say to some lines.
struct Modem {
    device: PathBuf,
    /// What it heard, line by line, until its line is closed.
    heard: mpsc::Receiver<String>,
}

/// Opens the modem's end.
fn pty() -> (PtyMaster, PathBuf) {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let device = ptsname_r(&master).unwrap().into();
    (master, device)
}

fn open(device: &std::path::Path) -> Line {
    let nowhere = LockDirectory::new(Some("/nonexistent".into()), None);
    let claim = Claim::take(device, &nowhere).unwrap();
    Line::open(device, "115200,8,N,1".parse().unwrap(), claim).unwrap()
}

impl Modem {
    /// It answers as `answer` says, and hears `+++` as a line.
    fn new(mut answer: impl FnMut(&str) -> Option<&'static str> + Send + 'static) -> (Modem, Line) {
        let (mut master, device) = pty();
        let line = open(&device);
        let (tell, heard) = mpsc::channel();
        thread::spawn(move || {
            let mut said = String::new();
            let mut octets = [0; 64];
            while let Ok(count @ 1..) = master.read(&mut octets) {
                for octet in &octets[..count] {
                    said.push(char::from(*octet));
                    if said.ends_with('\r') || said == "+++" {
                        let line = said.trim_end().to_owned();
                        said.clear();
                        let answer = answer(&line);
                        let _ = tell.send(line);
                        if let Some(answer) = answer {
                            master.write_all(answer.as_bytes()).unwrap();
                        }
                    }
                }
            }
        });
        (Modem { device, heard }, line)
    }

    /// All that it heard, when its line is closed.
    fn heard(self, line: Line) -> Vec<String> {
        drop(line);
        let heard = self.heard.iter().collect();
        assert!(self.device.starts_with("/dev/pts"));
        heard
    }
}

const OK: Option<&str> = Some("\r\nOK\r\n");

fn port(change: impl FnOnce(&mut config::Modem)) -> Port {
    let mut port = Port::new("modem");
    let mut modem = config::Modem {
        timeout: Duration::from_millis(200),
        guard_time: Some(Duration::from_millis(20)),
        ..config::Modem::default()
    };
    change(&mut modem);
    port.modem = Some(modem);
    port
}

fn care(change: impl FnOnce(&mut config::Modem)) -> Care {
    Care::of(&port(change)).unwrap()
}

#[test]
fn without_a_word_of_modems_nothing_is_done_with_them() {
    assert_eq!(Care::of(&Port::new("modem")), None);
}

#[test]
fn a_guarded_modem_is_set_up_after_its_init_lines_and_has_an_escape_only_with_a_guard_time() {
    let mut port = port(|modem| modem.init = vec!["ATZ".to_owned()]);
    port.dial = Some(Dial::default());
    for guard_time in [None, Some(Duration::from_secs(1))] {
        port.modem.as_mut().unwrap().guard_time = guard_time;
        let care = Care::of(&port).unwrap();
        assert_eq!(care.preparation[0], setup::clearing());
        assert_eq!(care.preparation[1].line, "ATZ");
        assert_eq!(care.preparation[2..], setup::steps(guard_time));
        assert_eq!(care.can_escape, guard_time.is_some());
    }
    port.modem = None;
    let care = Care::of(&port).unwrap();
    assert_eq!(care.preparation[1..], setup::steps(None));
}

#[tokio::test]
async fn a_modem_is_told_each_line_and_nothing_that_it_said_is_left() {
    let (modem, mut line) = Modem::new(|_| Some("ATZ\r\r\nOK\r\n\r\nRING\r\n"));
    let init = vec!["ATZ".to_owned(), "AT&F&C1&D2".to_owned()];
    let care = care(|modem| modem.init.clone_from(&init));
    care.prepare(&mut line).await.unwrap();
    assert!(
        timeout(Duration::ZERO, line.tty().readable())
            .await
            .is_err()
            || {
                let mut left = [0; 16];
                nix::unistd::read(line.tty().get_ref(), &mut left).is_err()
            }
    );
    assert_eq!(modem.heard(line), init);
}

#[tokio::test]
async fn a_modem_that_says_error_or_nothing_is_of_no_use() {
    let care = care(|modem| modem.init = vec!["ATZ".to_owned()]);
    let (modem, mut line) = Modem::new(|_| Some("\r\nERROR\r\n"));
    let trouble = care.prepare(&mut line).await.unwrap_err();
    assert_eq!(trouble.to_string(), "`ERROR` in answer to `ATZ`");
    assert_eq!(modem.heard(line), ["ATZ"; 3]);

    let (modem, mut line) = Modem::new(|_| None);
    let trouble = care.prepare(&mut line).await.unwrap_err();
    assert_eq!(trouble.to_string(), "no answer to `ATZ`");
    assert_eq!(modem.heard(line), ["ATZ"; 3]);
}

#[tokio::test]
async fn a_modem_that_takes_nothing_keeps_nobody_for_ever() {
    let (master, device) = pty();
    let mut line = open(&device);
    // The kernel keeps a few kilobytes for a reader that does not read.
    let much = "A".repeat(100_000);
    let care = care(|modem| modem.init = vec![much.clone()]);
    let trouble = care.prepare(&mut line).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Failed(Failed::NoAnswer { .. })));
    drop(master);
}

#[tokio::test]
async fn a_line_that_is_gone_is_no_fault_of_its_modem() {
    let (master, device) = pty();
    let mut line = open(&device);
    drop(master);
    let care = care(|modem| modem.init = vec!["ATZ".to_owned()]);
    assert!(matches!(
        care.prepare(&mut line).await,
        Err(Trouble::Lost(_))
    ));
    assert!(matches!(
        care.release(&mut line).await,
        Err(Trouble::Lost(_))
    ));
}

#[tokio::test]
async fn that_a_modem_has_hung_up_by_dtr_it_has_to_say_itself() {
    let (modem, mut line) = Modem::new(|_| OK);
    care(|_| {}).release(&mut line).await.unwrap();
    assert_eq!(modem.heard(line), [HANG_UP]);
}

#[tokio::test]
async fn one_that_does_not_hang_up_by_dtr_is_told_to() {
    let mut escaped = false;
    let (modem, mut line) = Modem::new(move |line| {
        escaped |= line.ends_with("+++");
        escaped.then_some("\r\nOK\r\n")
    });
    care(|_| {}).release(&mut line).await.unwrap();
    let heard = modem.heard(line);
    assert_eq!(heard[..3], [HANG_UP; 3], "{heard:?}");
    assert_eq!(heard[3..], ["+++", HANG_UP], "{heard:?}");
}

#[tokio::test]
async fn one_that_is_to_be_told_is_told_first() {
    let (modem, mut line) = Modem::new(|line| if line == "+++" { None } else { OK });
    let care = care(|modem| modem.hangup = HangUp::Escape);
    care.release(&mut line).await.unwrap();
    assert_eq!(modem.heard(line), ["+++", HANG_UP]);
}

#[tokio::test]
async fn one_that_does_not_hang_up_at_all_is_told_of() {
    for hangup in [HangUp::Dtr, HangUp::Escape] {
        let (modem, mut line) = Modem::new(|_| None);
        let care = care(|modem| modem.hangup = hangup);
        let trouble = care.release(&mut line).await.unwrap_err();
        let expected = "does not hang up: no answer to `ATQ0V1H0`";
        assert_eq!(trouble.to_string(), expected);
        let heard = modem.heard(line);
        assert!(heard.contains(&"+++".to_owned()), "{heard:?}");
    }
}

#[tokio::test]
async fn a_guarded_modem_without_an_escape_is_not_escaped_from() {
    let mut port = port(|modem| {
        modem.hangup = HangUp::Escape;
        modem.guard_time = None;
    });
    port.dial = Some(Dial::default());
    let (modem, mut line) = Modem::new(|_| None);
    let care = Care::of(&port).unwrap();
    assert!(care.release(&mut line).await.is_err());
    assert_eq!(modem.heard(line), vec![setup::cleared(HANG_UP); 3]);
}

#[tokio::test]
async fn what_is_on_a_leased_line_stays_on_it() {
    let (mut master, device) = pty();
    let mut line = open(&device);
    let hangs_up = |master: &PtyMaster| {
        let control = tcgetattr(master).unwrap().control_flags;
        control.contains(ControlFlags::HUPCL)
    };
    assert!(hangs_up(&master));
    let care = care(|modem| modem.hangup = HangUp::None);
    care.prepare(&mut line).await.unwrap();
    // As it would be found if we were killed now.
    assert!(!hangs_up(&master));
    care.release(&mut line).await.unwrap();
    drop(line);
    assert!(!hangs_up(&master));
    // It was told nothing: there is nothing but the end.
    let mut heard = [0; 16];
    assert!(master.read(&mut heard).is_err());
}

#[tokio::test]
async fn who_sees_no_dtr_sees_a_speed_of_0_for_a_moment() {
    let (master, device) = pty();
    let line = open(&device);
    let found = tcgetattr(&master).unwrap();
    let speed = |master: &PtyMaster| {
        let settings = libc::termios::from(tcgetattr(master).unwrap());
        settings.c_cflag & libc::CBAUD
    };
    let hanging_up = tokio::spawn(async move {
        let mut line = line;
        line.hang_up_even_without_dtr().await;
        line
    });
    let mut seen = Vec::new();
    while !hanging_up.is_finished() {
        seen.push(speed(&master));
        sleep(Duration::from_millis(1)).await;
    }
    assert!(seen.contains(&libc::B0), "{seen:?}");
    let line = hanging_up.await.unwrap();
    assert_eq!(tcgetattr(&master).unwrap(), found);
    // Nobody was hung up by that: what is said still comes.
    (&master).write_all(b"RING").unwrap();
    let mut heard = [0; 16];
    line.tty().readable().await.unwrap().clear_ready();
    let count = nix::unistd::read(line.tty().get_ref(), &mut heard).unwrap();
    assert_eq!(&heard[..count], b"RING");
}
