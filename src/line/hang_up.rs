//! What makes a modem hang up, and whether it has.

use std::time::Duration;

use nix::sys::termios::{BaudRate, ControlFlags, SetArg, cfsetspeed, tcgetattr, tcsetattr};
use tokio::time::sleep;

use super::settings::Saved;
use super::{Line, Tty};
use crate::com_port::Uart as _;
use crate::config::Flow;

/// How long DTR stays down, so that every modem sees it: the kernel's own `close_delay` for serial
/// ports (`tty_port_init()`), ten times the shortest time of register S25.
const DTR_DOWN: Duration = Duration::from_millis(500);

impl Line {
    /// Drops DTR and keeps it down for as long as a modem needs to see it. What is still unsent is
    /// thrown away first.
    pub async fn hang_up(&mut self) {
        self.discard_unsent();
        if self.lower_dtr() {
            sleep(DTR_DOWN).await;
        }
    }

    /// The same also where there is no DTR: speed 0 says "hang up" (termios(3)), which whoever is behind a
    /// pseudo terminal can see. That speed does not stay.
    pub async fn hang_up_even_without_dtr(&mut self) {
        self.hang_up().await;
        if !self.has_signals {
            self.switch_dtr(false);
            sleep(DTR_DOWN).await;
            self.switch_dtr(true);
        }
    }

    /// Switches DTR, or what says the same where there is none.
    pub fn switch_dtr(&mut self, on: bool) {
        let tty = self.tty.get_mut();
        if self.has_signals {
            self.driven.set_dtr(tty, on);
        } else if on {
            if let Some(before) = self.before_speed_0.take() {
                let _ = before.put_back(tty);
            }
        } else if let (None, Ok(before), Ok(mut hung_up)) =
            (&self.before_speed_0, Saved::of(tty), tcgetattr(&*tty))
            && cfsetspeed(&mut hung_up, BaudRate::B0).is_ok()
            && tcsetattr(&*tty, SetArg::TCSANOW, &hung_up).is_ok()
        {
            self.before_speed_0 = Some(before);
        }
    }

    /// Opening raises DTR and RTS, except on a line that was left at speed 0 ("hung up"); and a modem that
    /// was hung up listens only with DTR up.
    pub fn raise_dtr(&mut self) {
        let tty = self.tty.get_mut();
        self.driven.set_dtr(tty, true);
        if self.asked.line.flow != Flow::RtsCts {
            self.driven.set_rts(tty, true);
        }
    }

    /// From now on DTR stays up when the line is closed, also by the kernel should we be killed.
    pub fn keep_dtr_up(&mut self) {
        self.is_leased = true;
        let _ = put_hupcl(self.tty.get_ref(), false);
    }

    /// Whether the modem has a carrier (DCD); none on a line without signals.
    #[must_use]
    pub fn carrier(&self) -> Option<bool> {
        self.has_signals.then(|| self.signals().carrier)
    }

    /// Whether the line has a DTR that went down.
    pub(super) fn lower_dtr(&mut self) -> bool {
        self.driven.set_dtr(self.tty.get_mut(), false)
    }
}

/// Whether the kernel drops DTR with the last close (`HUPCL`).
pub(super) fn put_hupcl(tty: &Tty, on: bool) -> nix::Result<()> {
    let mut termios = tcgetattr(tty)?;
    termios.control_flags.set(ControlFlags::HUPCL, on);
    tcsetattr(tty, SetArg::TCSANOW, &termios)
}
