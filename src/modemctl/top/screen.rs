//! The terminal, as `modemctl top` has it and gives it back.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::panic;
use std::sync::Mutex;

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

use crate::modemctl::printable::in_locale;

/// The alternate screen, no cursor, no wrapping (xterm's control sequences; every terminal emulator and
/// the kernel's console know them or do nothing).
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// How the terminal was before.
static FORMER: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal, which is as before when this is dropped, or when something panics.
pub(super) struct Screen {
    shown: Vec<String>,
    size: (usize, usize),
}

impl Screen {
    pub(super) fn enter() -> io::Result<Screen> {
        let former = tcgetattr(io::stdin())?;
        let mut raw = former.clone();
        cfmakeraw(&mut raw);
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |what| {
            leave();
            report(what);
        }));
        *lock() = Some(former);
        let screen = Screen {
            shown: Vec::new(),
            size: (0, 0),
        };
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)?;
        io::stdout().write_all(ENTER.as_bytes())?;
        Ok(screen)
    }

    /// How wide and high it is now.
    pub(super) fn size() -> (usize, usize) {
        let size = terminal_size::terminal_size_of(io::stdout());
        size.map_or((80, 24), |(wide, high)| (wide.0.into(), high.0.into()))
    }

    /// Shows these lines, which is everything.
    pub(super) fn show(&mut self, lines: Vec<String>, size: (usize, usize)) -> io::Result<()> {
        let mut text = String::new();
        if size != self.size {
            self.size = size;
            self.shown.clear();
            text += "\x1b[2J";
        }
        for (row, line) in lines.iter().enumerate() {
            if self.shown.get(row) != Some(line) {
                // Erased first: after a full line the cursor is on its last character.
                let _ = write!(text, "\x1b[{};1H\x1b[2K{}", row + 1, in_locale(line));
            }
        }
        self.shown = lines;
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<Termios>> {
    FORMER
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn leave() {
    if let Some(former) = lock().take() {
        let mut out = io::stdout();
        let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &former);
    }
}
