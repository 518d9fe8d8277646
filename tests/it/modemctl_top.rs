//! `modemctl top` in a real terminal.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fake::{Answer, FIRST, Fake, machine};
use crate::support::{PATIENCE, Scratch, bounded, have, wait_for, wait_until};

/// `modemctl top` in a terminal of so many columns and rows, as tmux has it.
pub(crate) struct Top {
    scratch: Scratch,
}

impl Top {
    pub(crate) fn start(socket: &Path, (wide, high): (u32, u32), environment: &str) -> Top {
        let top = Top {
            scratch: Scratch::new(),
        };
        let (wide, high) = (wide.to_string(), high.to_string());
        let folder = top.scratch.path().display();
        let script = format!(
            "cd {folder}; stty -g > before; {environment} timeout --foreground {} {} --socket {} top; \
             echo exit $?; stty -g > after; read end",
            2 * PATIENCE.as_secs(),
            env!("CARGO_BIN_EXE_modemctl"),
            socket.display(),
        );
        let new = [
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &wide,
            "-y",
            &high,
        ];
        let mut command = top.tmux(&new);
        command.arg(script).env("LC_ALL", "C.UTF-8");
        assert!(command.status().unwrap().success());
        top
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = bounded("tmux");
        command
            .arg("-u")
            .arg("-S")
            .arg(self.scratch.path().join("tmux"));
        command.args(arguments);
        command
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.tmux(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.said(&["capture-pane", "-p"])
    }

    /// Waits until the screen has this, and returns it.
    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> String {
        let mut screen = String::new();
        wait_for_or(
            || {
                screen = self.screen();
                screen.contains(text).then(|| screen.clone())
            },
            || format!("{text:?} in\n{}", self.screen()),
        )
    }

    pub(crate) fn press(&self, key: &str) {
        assert!(self.tmux(&["send-keys", key]).status().unwrap().success());
    }

    /// Waits until it has ended so, and the terminal is as before.
    #[track_caller]
    pub(crate) fn has_left(&self, code: i32) {
        self.shows(&format!("exit {code}"));
        let settings =
            |name| fs::read_to_string(self.scratch.path().join(name)).unwrap_or_default();
        wait_until("the terminal's settings", || {
            settings("after").ends_with('\n')
        });
        assert_eq!(settings("before"), settings("after"));
        assert_eq!(
            self.said(&["display", "-p", "#{alternate_on} #{cursor_flag}"]),
            "0 1\n"
        );
    }

    /// The process in the terminal.
    fn process(&self) -> Pid {
        let mut pid = self
            .said(&["display", "-p", "#{pane_pid}"])
            .trim()
            .to_owned();
        // The shell's child is `timeout`, and modemctl is that one's.
        for _ in 0..2 {
            pid = wait_for("a child", || {
                let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
                let child = children.ok()?.trim().to_owned();
                (!child.is_empty()).then_some(child)
            });
        }
        Pid::from_raw(pid.parse().unwrap())
    }
}

impl Drop for Top {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).status();
    }
}

/// As `wait_for`, with more to say in the end.
#[track_caller]
fn wait_for_or<T>(mut condition: impl FnMut() -> Option<T>, what: impl Fn() -> String) -> T {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "waited in vain for {}",
            what()
        );
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn top_fills_a_terminal_of_80_by_24() {
    if !have(&["tmux"]) {
        return;
    }
    let fake = Fake::new(machine);
    let top = Top::start(&fake.socket(), (80, 24), "");
    let screen = top.shows("q quit");
    let gap = "\n".repeat(12);
    assert_eq!(
        screen,
        format!(
            "\
modemd 0.1.0: 1 of 3 lines in use, 1 out of service, 1 client waits

  LINE        CLIENT             SINCE     TO LINE B/s      TO CLIENT B/s    DCD
> /dev/ttyX1  192.168.2.7:50112  1h 13min     0                0             on
  waits (1)   192.168.2.9:40001  1h 13min
  /dev/ttyX2  out of service
  /dev/ttyX3  free
{gap}
/dev/ttyX1 (port modem): 192.168.2.7:50112, session 16275e76514d4ea0, process 77
115200,8,N,1; DTR RTS CTS DSR DCD
1.5 KiB to the line, 12.3 MiB to the client
q quit  j k select  h hang up  d take out of service
"
        )
    );
    top.press("q");
    top.has_left(0);
}

#[test]
fn top_uses_a_wide_terminal_and_follows_its_size() {
    if !have(&["tmux"]) {
        return;
    }
    let fake = Fake::new(machine);
    let top = Top::start(&fake.socket(), (160, 50), "");
    let screen = top.shows("q quit");
    let row = screen.lines().nth(3).unwrap();
    for part in [
        "> /dev/ttyX1  modem  192.168.2.7:50112",
        "DTR RTS CTS DSR DCD",
        "115200,8,N,1",
    ] {
        assert!(row.contains(part), "{part:?} in {row:?}");
    }
    assert!(
        screen.lines().nth(49).unwrap().starts_with("q quit"),
        "{screen}"
    );
    let smaller = ["resize-window", "-x", "60", "-y", "12"];
    assert!(top.tmux(&smaller).status().unwrap().success());
    wait_until("the smaller screen", || {
        let screen = top.screen();
        let last = screen.lines().nth(11);
        last.is_some_and(|line| line.starts_with("q quit")) && !screen.contains("SIGNALS")
    });
    top.press("C-c");
    top.has_left(0);
}

#[test]
fn top_hangs_up_after_a_question_and_takes_lines_out_of_service() {
    if !have(&["tmux"]) {
        return;
    }
    let fake = Fake::new(machine);
    let top = Top::start(&fake.socket(), (80, 24), "");
    top.shows("> /dev/ttyX1");
    top.press("h");
    top.shows("hang up 192.168.2.7:50112 on /dev/ttyX1? y/n");
    top.press("n");
    top.shows("q quit");
    assert!(!fake.calls().iter().any(|(method, _)| method == "HangUp"));
    top.press("h");
    top.shows("y/n");
    top.press("y");
    top.shows("hung up 192.168.2.7:50112 on /dev/ttyX1");
    assert!(fake.calls().contains(&("HangUp".into(), FIRST.into())));
    top.press("Down");
    top.shows("> waits (1)");
    top.press("j");
    top.shows("> /dev/ttyX2");
    top.press("d");
    top.shows("/dev/ttyX2 is in service again");
    top.press("End");
    top.shows("> /dev/ttyX3");
    top.press("d");
    top.shows("/dev/ttyX3 is out of service");
    assert!(
        fake.calls()
            .contains(&("Resume".into(), "/dev/ttyX2".into()))
    );
    assert!(
        fake.calls()
            .contains(&("Drain".into(), "/dev/ttyX3".into()))
    );
    top.press("q");
    top.has_left(0);
}

#[test]
fn top_waits_for_a_modemd_that_is_restarted() {
    if !have(&["tmux"]) {
        return;
    }
    let is_away = Arc::new(AtomicBool::new(false));
    let fake = Fake::new({
        let is_away = Arc::clone(&is_away);
        move |call| {
            if is_away.load(Ordering::Relaxed) {
                Answer::Hangup(Vec::new())
            } else {
                machine(call)
            }
        }
    });
    let top = Top::start(&fake.socket(), (80, 24), "");
    top.shows("1 of 3 lines in use");
    is_away.store(true, Ordering::Relaxed);
    let screen = top.shows("modemd is restarting");
    assert!(screen.contains("> /dev/ttyX1"), "{screen}");
    is_away.store(false, Ordering::Relaxed);
    top.shows("1 of 3 lines in use");
    top.press("q");
    top.has_left(0);
}

#[test]
fn a_signal_ends_top_and_leaves_the_terminal_as_it_was() {
    if !have(&["tmux"]) {
        return;
    }
    let fake = Fake::new(machine);
    let top = Top::start(&fake.socket(), (80, 24), "");
    top.shows("q quit");
    kill(top.process(), Signal::SIGTERM).unwrap();
    top.has_left(143);
}

#[test]
fn top_has_colours_unless_they_are_unwanted() {
    if !have(&["tmux"]) {
        return;
    }
    let fake = Fake::new(machine);
    for (environment, has_colours) in [("NO_COLOR=", true), ("NO_COLOR=1", false)] {
        let top = Top::start(&fake.socket(), (80, 24), environment);
        top.shows("q quit");
        let screen = top.said(&["capture-pane", "-p", "-e"]);
        assert_eq!(screen.contains('\u{1b}'), has_colours, "{screen:?}");
    }
}

#[test]
fn top_elsewhere_than_on_a_terminal_says_that_it_needs_one() {
    let done = Fake::new(machine).run(&["top"]);
    assert_eq!((done.code, done.out.as_str()), (Some(1), ""));
    assert!(done.err.contains("modemctl status"), "{done:?}");
}
