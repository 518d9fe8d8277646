//! `[ports.NAME.modem]`: modems that are prepared before a session, and what becomes of those that do not do
//! what they are told.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use crate::activation::activated;
use crate::control::{Seen, port};
use crate::support::{
    Modem, connect, connect_when_up, contains, free_port, have, locks_in, modemd, read_all,
    read_until, reset, wait_until,
};

type Answer = Box<dyn FnMut(&str) -> Option<&'static str> + Send>;

pub(crate) const OK: Option<&str> = Some("\r\nOK\r\n");

/// A modem with a few words of its own: what it says to each line, or to `+++`.
pub(crate) struct Talker {
    modem: Arc<Modem>,
    heard: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Answer>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Talker {
    pub(crate) fn new(answer: impl FnMut(&str) -> Option<&'static str> + Send + 'static) -> Self {
        let answer: Answer = Box::new(answer);
        let mut talker = Talker {
            modem: Arc::new(Modem::new()),
            heard: Arc::default(),
            answer: Arc::new(Mutex::new(answer)),
            is_over: Arc::default(),
            thread: None,
        };
        let modem = Arc::clone(&talker.modem);
        let (heard, answer) = (Arc::clone(&talker.heard), Arc::clone(&talker.answer));
        let is_over = Arc::clone(&talker.is_over);
        talker.thread = Some(thread::spawn(move || {
            let mut said = String::new();
            while !is_over.load(Ordering::Relaxed) {
                let octets = modem.read_now();
                if octets.is_empty() {
                    thread::sleep(Duration::from_millis(2));
                }
                for octet in octets {
                    said.push(char::from(octet));
                    if said.ends_with('\r') || said == "+++" {
                        let line = std::mem::take(&mut said).trim_end().to_owned();
                        heard.lock().unwrap().push(line.clone());
                        if let Some(answer) = (answer.lock().unwrap())(&line) {
                            modem.say(answer.as_bytes());
                        }
                    }
                }
            }
        }));
        talker
    }

    pub(crate) fn device(&self) -> &Path {
        self.modem.device()
    }

    pub(crate) fn say(&self, octets: &[u8]) {
        self.modem.say(octets);
    }

    /// From now on it says something else.
    pub(crate) fn answers(
        &self,
        answer: impl FnMut(&str) -> Option<&'static str> + Send + 'static,
    ) {
        *self.answer.lock().unwrap() = Box::new(answer);
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// How often it heard this line.
    pub(crate) fn count(&self, line: &str) -> usize {
        self.heard().iter().filter(|heard| *heard == line).count()
    }

    #[track_caller]
    pub(crate) fn expect(&self, line: &str) {
        wait_until(&format!("{line:?} at a modem"), || self.count(line) > 0);
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a port says of its modems.
pub(crate) const MODEM: &str =
    "[ports.modem.modem]\ninit = [\"ATZ\", \"AT&C1\"]\ntimeout = \"1s\"\nguard_time = \"20ms\"\n";

pub(crate) fn care(modems: &[&Talker], more: &str) -> String {
    let devices: Vec<_> = modems.iter().map(|modem| modem.device()).collect();
    port("modem", &devices, &format!("{more}\n{MODEM}"))
}

#[test]
fn a_modem_is_ready_before_the_client_has_it() {
    let modem = Talker::new(|line| match line {
        "ATZ" => Some("ATZ\r\r\nOK\r\n"),
        "ATI" => Some("\r\nHELLO\r\n"),
        _ => OK,
    });
    let seen = Seen::new(&care(&[&modem], ""));
    let mut client = connect(seen.server.address());
    client.write_all(b"ATI\r").unwrap();
    // Nothing of what went before is to be seen.
    let got = read_until(&mut client, b"HELLO\r\n");
    assert_eq!(got, b"\r\nHELLO\r\n");
    assert_eq!(modem.heard(), ["ATZ", "AT&C1", "ATI"]);
}

#[test]
fn the_client_gets_the_next_line_if_a_modem_does_not_do_what_it_is_told() {
    let silent = Talker::new(|_| None);
    let stubborn = Talker::new(|line| {
        if line == "ATZ" {
            OK
        } else {
            Some("\r\nERROR\r\n")
        }
    });
    let good = Talker::new(|line| {
        if line == "ATI" {
            Some("\r\nHELLO\r\n")
        } else {
            OK
        }
    });
    let seen = Seen::new(&care(&[&silent, &stubborn, &good], ""));
    let mut client = connect(seen.server.address());
    client.write_all(b"ATI\r").unwrap();
    read_until(&mut client, b"HELLO\r\n");
    let told = seen.server.logged(silent.device().to_str().unwrap());
    let expected = ": no answer to `ATZ`; it is tried again in 1min";
    assert!(told.ends_with(expected), "{told}");
    let told = seen.server.logged(stubborn.device().to_str().unwrap());
    let expected = ": `ERROR` in answer to `AT&C1`; it is tried again in 1min";
    assert!(told.ends_with(expected), "{told}");

    let mut observer = seen.observer();
    let lines = observer.lines();
    let of = |modem: &Talker| {
        let device = modem.device().to_str().unwrap();
        let line = lines.iter().find(|line| line.line == device).unwrap();
        line.aside.as_ref().map(|aside| aside.why.clone())
    };
    assert_eq!(of(&silent).unwrap(), "no answer to `ATZ`");
    assert_eq!(of(&stubborn).unwrap(), "`ERROR` in answer to `AT&C1`");
    assert_eq!(of(&good), None);

    // Those that are aside are not even tried.
    let mut second = connect(seen.server.address());
    assert_eq!(read_all(&mut second), b"\r\nBUSY\r\n");
    reset(client);
    good.expect("ATQ0V1H0");
    let mut third = connect(seen.server.address());
    third.write_all(b"ATI\r").unwrap();
    read_until(&mut third, b"HELLO\r\n");
    assert_eq!((silent.count("ATZ"), stubborn.count("ATZ")), (3, 1));
}

#[test]
fn all_aside_the_client_learns_why_and_resume_has_them_tried_at_once() {
    let modem = Talker::new(|_| None);
    let ports = care(&[&modem], "");
    let mut seen = Seen::new(&ports);
    let device = modem.device().to_str().unwrap().to_owned();
    let refusal = format!(
        "\r\nERROR: no modem here works: {device}: no answer to `ATZ`; it is tried again in 1min\r\n"
    );
    let mut client = connect(seen.server.address());
    let got = String::from_utf8(read_all(&mut client)).unwrap();
    assert_eq!(got, refusal);
    assert_eq!(modem.count("ATZ"), 3);

    // The next process knows.
    seen.restart(&ports);
    modem.answers(|line| {
        if line == "ATI" {
            Some("\r\nHELLO\r\n")
        } else {
            OK
        }
    });
    let mut client = connect(seen.server.address());
    let got = read_all(&mut client);
    assert!(contains(&got, b"no answer to `ATZ`; it is tried again in "));
    assert_eq!(modem.count("ATZ"), 3);

    let status = modemctl(&seen, &["status"]);
    let told = format!("{device}: no answer to `ATZ`; tried again in ");
    assert!(status.contains(&told), "{status}");
    assert!(
        status.contains("0 of 1 line in use, 1 set aside"),
        "{status}"
    );
    let said = modemctl(&seen, &["resume", &device]);
    let expected = format!("{device}: its modem is tried again when somebody comes\n");
    assert_eq!(said, expected);
    let mut client = connect(seen.server.address());
    client.write_all(b"ATI\r").unwrap();
    read_until(&mut client, b"HELLO\r\n");
    assert!(seen.observer().lines()[0].aside.is_none());
    let said = modemctl(&seen, &["resume", &device]);
    assert_eq!(said, format!("{device}: was in service already\n"));
}

fn modemctl(seen: &Seen, words: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modemctl"));
    let output = command.arg("--socket").arg(seen.socket()).args(words);
    let output = output.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn late_answers_to_a_first_try_confuse_nobody() {
    let mut tries = 0;
    let modem = Talker::new(move |line| match line {
        "ATZ" => {
            tries += 1;
            // Both tries are answered after the second.
            (tries == 2).then_some("\r\nOK\r\n\r\nOK\r\n")
        }
        "ATS3?" => Some("\r\n013\r\n\r\nOK\r\n"),
        "ATI" => Some("\r\nHELLO\r\n"),
        _ => OK,
    });
    let seen = Seen::new(&care(&[&modem], ""));
    let mut client = connect(seen.server.address());
    client.write_all(b"ATI\r").unwrap();
    let got = read_until(&mut client, b"HELLO\r\n");
    assert_eq!(got, b"\r\nHELLO\r\n");
    assert_eq!(modem.heard(), ["ATZ", "ATZ", "ATS3?", "AT&C1", "ATI"]);
}

#[test]
fn who_waits_and_leaves_while_a_modem_is_prepared_gives_it_back() {
    let modem = Talker::new(|_| None);
    let seen = Seen::new(&care(&[&modem], "busy = \"wait\""));
    let client = connect(seen.server.address());
    modem.expect("ATZ");
    assert!(!locks_in(seen.scratch.path()).is_empty());
    modem.answers(|line| {
        if line == "ATI" {
            Some("\r\nHELLO\r\n")
        } else {
            OK
        }
    });
    reset(client);
    wait_until("the lock files to go", || {
        locks_in(seen.scratch.path()).is_empty()
    });
    let mut client = connect(seen.server.address());
    client.write_all(b"ATI\r").unwrap();
    read_until(&mut client, b"HELLO\r\n");
}

#[test]
fn who_could_not_use_a_modem_waits_on_in_front_of_those_who_came_later() {
    let hello = |line: &str| {
        if line == "ATI" {
            Some("\r\nHELLO\r\n")
        } else {
            OK
        }
    };
    let (one, two) = (Talker::new(hello), Talker::new(hello));
    let seen = Seen::new(&care(&[&one, &two], "busy = \"wait\"\nwait = \"10min\""));
    let arrives = || {
        let mut client = connect(seen.server.address());
        client.write_all(b"ATI\r").unwrap();
        client
    };
    let mut on_lines = [arrives(), arrives()];
    for client in &mut on_lines {
        read_until(client, b"HELLO\r\n");
    }
    let told = seen
        .server
        .logged(&format!(" is on {}", one.device().display()));
    let address = on_lines[0].local_addr().unwrap().to_string();
    let [mut leaves, mut stays] = on_lines;
    if !told.contains(&address) {
        std::mem::swap(&mut leaves, &mut stays);
    }
    let mut first = arrives();
    seen.server.logged_times("waits for a line", 1);
    let _second = arrives();
    seen.server.logged_times("waits for a line", 2);
    one.answers(|line| if line == "ATZ" { None } else { OK });
    reset(leaves);
    seen.server.logged("no answer to `ATZ`");
    reset(stays);
    read_until(&mut first, b"HELLO\r\n");
}

#[test]
fn without_a_word_of_modems_the_line_is_told_nothing() {
    let modem = Talker::new(|line| {
        if line == "ATI" {
            Some("\r\nHELLO\r\n")
        } else {
            OK
        }
    });
    let seen = Seen::new(&port("modem", &[modem.device()], ""));
    let mut client = connect(seen.server.address());
    client.write_all(b"ATI\r").unwrap();
    read_until(&mut client, b"HELLO\r\n");
    reset(client);
    seen.server.logged(" left ");
    assert_eq!(modem.heard(), ["ATI"]);
}

#[test]
fn a_process_for_each_client_knows_what_the_others_have_set_aside() {
    if !have(&["systemd-socket-activate"]) {
        return;
    }
    let modem = Talker::new(|_| None);
    let seen = Seen::new(&care(&[&modem], ""));
    read_all(&mut connect(seen.server.address()));
    assert_eq!(modem.count("ATZ"), 3);
    modem.answers(|_| OK);
    let mut program = modemd();
    program
        .arg("--config")
        .arg(seen.scratch.path().join("modemd.toml"))
        .arg("--run-dir")
        .arg(seen.scratch.path().join("run"));
    let number = free_port();
    let listen = format!("--listen=127.0.0.1:{number}");
    let _server = activated(&["--accept", &listen], &program);
    let got = read_all(&mut connect_when_up(number));
    assert!(
        contains(&got, b"no answer to `ATZ`; it is tried again in "),
        "{got:?}"
    );
    assert_eq!(modem.count("ATZ"), 3);
}

#[test]
fn json_says_it_too() {
    let modem = Talker::new(|_| None);
    let seen = Seen::new(&care(&[&modem], ""));
    read_all(&mut connect(seen.server.address()));
    let all = modemctl(&seen, &["status", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    let aside = &all["lines"][0]["aside"];
    assert_eq!(aside["why"], json!("no answer to `ATZ`"));
    assert!(aside["left_usec"].as_u64().unwrap() <= 60_000_000);
    assert!(aside["until_usec"].as_u64().unwrap() > 0);
}
