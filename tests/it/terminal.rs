//! Programs for people, each on a terminal of its own.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::support::{Modem, Scratch, contains, wait_for, wait_until};

/// A program for people that takes a line, and the words with which it says how that went.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    arguments: fn(&str) -> Vec<String>,
    pub(crate) has_it: &'static str,
    pub(crate) refuses: &'static str,
}

pub(crate) const MINICOM: Program = Program {
    name: "minicom",
    arguments: |device| words(&["-D", device]),
    has_it: "Welcome to minicom",
    refuses: "is locked",
};

pub(crate) const CU: Program = Program {
    name: "cu",
    arguments: |device| words(&["-l", device, "-s", "9600"]),
    has_it: "Connected.",
    refuses: "Line in use",
};

pub(crate) const KERMIT: Program = Program {
    name: "kermit",
    arguments: |device| {
        let script = format!("set line {device}, if fail exit 7, echo GOT-IT, pause 999, exit");
        words(&["-Y", "-C", &script])
    },
    has_it: "GOT-IT",
    refuses: "Locked by process",
};

pub(crate) const PICOCOM: Program = Program {
    name: "picocom",
    arguments: |device| words(&[device]),
    has_it: "Terminal ready",
    // It cannot lock it, or without privileges not even open it.
    refuses: "FATAL: cannot ",
};

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// A [`Program`] that runs on a terminal of its own.
pub(crate) struct Peer {
    child: Child,
    terminal: Modem,
    said: Vec<u8>,
    /// How far [`Peer::says_next`] has come in it.
    asked: usize,
    _home: Scratch,
}

impl Peer {
    pub(crate) fn start(program: &Program, device: &Path) -> Peer {
        let arguments = (program.arguments)(device.to_str().unwrap());
        Peer::run(program.name, &arguments)
    }

    pub(crate) fn run(program: &str, arguments: &[String]) -> Peer {
        let (home, terminal) = (Scratch::new(), Modem::new());
        let open = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(OFlag::O_NOCTTY.bits())
                .open(terminal.device())
                .unwrap()
        };
        // It makes the terminal its own and becomes the program, so that the pid is the program's.
        let child = Command::new("setsid")
            .args(["--ctty", program])
            .args(arguments)
            .env("TERM", "vt100")
            .env("LC_ALL", "C")
            .env("HOME", home.path())
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()))
            .spawn()
            .unwrap();
        Peer {
            child,
            terminal,
            said: Vec::new(),
            asked: 0,
            _home: home,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Presses these keys.
    pub(crate) fn types(&self, keys: &str) {
        self.terminal.say(keys.as_bytes());
    }

    /// Presses these keys every second until there are these words.
    #[track_caller]
    pub(crate) fn types_until(&mut self, keys: &str, words: &str) {
        let mut pressed = None::<Instant>;
        wait_until(&format!("{words:?} on a terminal"), || {
            if pressed.is_none_or(|pressed| pressed.elapsed() > Duration::from_secs(1)) {
                self.types(keys);
                pressed = Some(Instant::now());
            }
            self.has_said_next(words)
        });
    }

    /// Waits for these words among those that it has not been asked for yet.
    #[track_caller]
    pub(crate) fn says_next(&mut self, words: &str) {
        wait_until(&format!("{words:?} on a terminal"), || {
            self.has_said_next(words)
        });
    }

    fn has_said_next(&mut self, words: &str) -> bool {
        self.said.extend(self.terminal.read_now());
        let place = self.said[self.asked..]
            .windows(words.len())
            .position(|window| window == words.as_bytes());
        self.asked += place.map_or(0, |place| place + words.len());
        place.is_some()
    }

    #[track_caller]
    pub(crate) fn says(&mut self, words: &str) {
        let Peer { terminal, said, .. } = self;
        wait_until(&format!("{words:?} on a terminal"), || {
            said.extend(terminal.read_now());
            contains(said, words.as_bytes())
        });
    }

    /// Waits for its end, with all that it said.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> (ExitStatus, String) {
        let Peer {
            child,
            terminal,
            said,
            ..
        } = self;
        let status = wait_for("the end of a program", || {
            said.extend(terminal.read_now());
            child.try_wait().unwrap()
        });
        said.extend(terminal.read_now());
        (status, String::from_utf8_lossy(said).into_owned())
    }

    /// It leads a session, and so a process group. Until it was waited for, the number is its own.
    fn kill_all(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = killpg(
                Pid::from_raw(self.pid().try_into().unwrap()),
                Signal::SIGKILL,
            );
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Closes its terminal's window, and waits until it has tidied up.
    #[track_caller]
    pub(crate) fn window_closed(mut self) {
        self.terminal = Modem::new();
        self.ends();
    }

    /// Kills it with its children, and waits until they are gone: cu has one that reads the line.
    #[track_caller]
    pub(crate) fn killed(mut self) {
        self.kill_all();
        self.ends();
        wait_until("everybody to leave a terminal", || {
            let read = self.terminal.master().read(&mut [0; 512]);
            read.is_err_and(|error| error.raw_os_error() == Some(Errno::EIO as i32))
        });
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.kill_all();
        let _ = self.child.wait();
    }
}
