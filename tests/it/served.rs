//! A telnet port whose modem notes under which settings it heard what.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::termios::{ControlFlags, InputFlags, tcgetattr};
use serialport::{SerialPort, TTYPort};

use crate::settings::speedometer;
use crate::support::{Modem, Running, Scratch, share, wait_until};

/// A line, from the modem's side.
pub(crate) struct Line {
    pub(crate) modem: Modem,
    pub(crate) speed: TTYPort,
}

impl Line {
    /// The settings in force, in the words of `--line`.
    pub(crate) fn settings(&self) -> String {
        let settings = tcgetattr(self.modem.master()).unwrap();
        let (control, input) = (settings.control_flags, settings.input_flags);
        let stop = if control.contains(ControlFlags::CSTOPB) {
            2
        } else {
            1
        };
        let flow = match (
            control.contains(ControlFlags::CRTSCTS),
            input.contains(InputFlags::IXON),
            input.contains(InputFlags::IXOFF),
        ) {
            (true, false, false) => ",rtscts",
            (false, true, true) => ",xonxoff",
            (false, false, false) => "",
            other => panic!("{other:?}"),
        };
        let baud = self.speed.baud_rate().unwrap();
        format!("{baud},8,N,{stop}{flow}")
    }
}

/// What a modem heard.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) octets: Vec<u8>,
    /// The commands in it, and the settings under which the end of each came.
    pub(crate) commands: Vec<(String, String)>,
}

/// A telnet port with a modem that echoes, and answers OK to everything.
pub(crate) struct Served {
    pub(crate) server: Running,
    pub(crate) line: Arc<Line>,
    pub(crate) heard: Arc<Mutex<Heard>>,
    enough: Arc<AtomicBool>,
    answering: Option<JoinHandle<()>>,
    _locks: Scratch,
}

impl Served {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(options: &[&str]) -> Self {
        let locks = Scratch::new();
        let modem = Modem::new();
        let speed = speedometer(&modem, 300);
        let mut telnet = vec!["--protocol", "telnet"];
        telnet.extend(options);
        let server = share(&[modem.device()], locks.path(), &telnet);
        let line = Arc::new(Line { modem, speed });
        let heard = Arc::new(Mutex::new(Heard::default()));
        let enough = Arc::new(AtomicBool::new(false));
        let answering = thread::spawn({
            let (line, heard, enough) = (line.clone(), heard.clone(), enough.clone());
            move || {
                let mut command = Vec::new();
                while !enough.load(Ordering::Relaxed) {
                    let said = line.modem.read_now();
                    if said.is_empty() {
                        thread::sleep(Duration::from_millis(2));
                    }
                    for octet in said {
                        heard.lock().unwrap().octets.push(octet);
                        let mut answer = vec![octet];
                        if octet != b'\r' {
                            command.push(octet);
                        } else if !command.is_empty() {
                            let text = command.escape_ascii().to_string();
                            heard.lock().unwrap().commands.push((text, line.settings()));
                            command.clear();
                            answer.extend(b"\r\nOK\r\n");
                        }
                        line.modem.say(&answer);
                    }
                }
            }
        });
        Served {
            server,
            line,
            heard,
            enough,
            answering: Some(answering),
            _locks: locks,
        }
    }

    pub(crate) fn port(&self) -> String {
        self.server.address().port().to_string()
    }

    /// Waits until so many clients have left, and the line is as it was before them.
    #[track_caller]
    pub(crate) fn is_left(&self, times: usize) {
        self.server.logged_times(" left ", times);
        wait_until("the former settings", || {
            self.line.settings() == "300,8,N,1"
        });
    }

    /// What the modem heard since this was last asked.
    pub(crate) fn heard(&self) -> Heard {
        std::mem::take(&mut self.heard.lock().unwrap())
    }

    /// Checks under which settings ATZ came since then.
    #[track_caller]
    pub(crate) fn heard_under(&self, settings: &[&str]) {
        let expected: Vec<_> = settings
            .iter()
            .map(|&settings| ("ATZ".to_owned(), settings.to_owned()))
            .collect();
        let mut commands = self.heard().commands;
        // What is typed before a program has its terminal may come in part, and is typed again.
        commands.retain(|(command, _)| command == "ATZ");
        commands.dedup();
        assert_eq!(commands, expected);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
        let answering = self.answering.take().unwrap();
        assert!(answering.join().is_ok() || thread::panicking());
    }
}
