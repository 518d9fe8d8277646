//! One serial line: opened without waiting for carrier, set up, read back, and left as it was found.

mod console;
mod device;
mod hang_up;
mod left;
mod low_latency;
mod settings;
mod signals;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::termios::{FlushArg, tcdrain, tcflush};
use serde::{Deserialize, Serialize};
use serialport::{SerialPort, TTYPort};
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use crate::claim::{Claim, Unavailable};
use crate::com_port::{Counts, Setting, Signals, State, Uart};
use crate::config::{Flow, LineSettings};
use crate::watched::watch;
pub use left::Memo;
use settings::Saved;
pub(crate) use settings::{InForce, make_raw, put as put_settings, read as read_settings};
use signals::Driven;

/// How often a line is asked whether it has sent everything.
const DRAIN_POLL: Duration = Duration::from_millis(10);

/// The most octets that a UART keeps of its own (16C950: 128), in bits, with all that may surround
/// them.
const HARDWARE_BUFFER_BITS: u32 = 128 * 12;

/// An open line, ours alone. However it is dropped, the settings it was found with come back, DTR goes
/// down unless it is [leased](Line::keep_dtr_up), and the claim is released, in this order.
#[derive(Debug)]
pub struct Line {
    tty: AsyncFd<Tty>,
    device: PathBuf,
    found: Found,
    /// What was asked for last and is in force.
    asked: InForce,
    driven: Driven,
    has_signals: bool,
    /// What was in force on a line without DTR until it was hung up.
    before_speed_0: Option<Saved>,
    /// DTR stays up when the line is closed.
    is_leased: bool,
    /// Until the line is closed.
    claim: Option<Claim>,
}

/// The settings a line was found with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Found {
    settings: Saved,
    /// Whether `ASYNC_LOW_LATENCY` was on, or cannot be had.
    low_latency: bool,
}

/// The descriptor of a line; what [`AsyncFd`] and `nix` need of it.
#[derive(Debug)]
pub struct Tty(TTYPort);

impl AsFd for Tty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the port keeps its descriptor open for as long as it lives, and the borrow ends
        // with it; `serialport` has no `AsFd` of its own.
        #[allow(unsafe_code)]
        unsafe {
            BorrowedFd::borrow_raw(self.0.as_raw_fd())
        }
    }
}

impl From<File> for Tty {
    fn from(file: File) -> Self {
        // SAFETY: the descriptor is open, and nobody else owns it any more.
        #[allow(unsafe_code)]
        Tty(unsafe { TTYPort::from_raw_fd(file.into_raw_fd()) })
    }
}

impl AsRawFd for Tty {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Line {
    /// Opens `device`, which `claim` holds, and puts `settings` into force.
    ///
    /// Must be called in a tokio runtime. Nothing that the modem said before is left to be read.
    pub fn open(device: &Path, settings: LineSettings, claim: Claim) -> Result<Line, Unavailable> {
        let broken = |why: String| Unavailable::broken(device, why);
        let file = device::open(device)?;
        claim.secure(&file)?;
        let mut line = Line::adopt(file, device, settings, claim).map_err(broken)?;
        line.set_up(settings).map_err(broken)?;
        line.has_signals = signals::exist(line.tty.get_ref());
        line.raise_dtr();
        line.discard_received();
        line.discard_unsent();
        Ok(line)
    }

    fn adopt(
        file: File,
        device: &Path,
        settings: LineSettings,
        claim: Claim,
    ) -> Result<Line, String> {
        let tty = Tty::from(file);
        let found = Found {
            settings: Saved::of(&tty)
                .map_err(|errno| format!("its settings cannot be read: {}", errno.desc()))?,
            low_latency: !low_latency::switch_on(tty.as_fd()),
        };
        Ok(Line {
            tty: watch(tty).map_err(|error| format!("cannot be watched: {error}"))?,
            device: device.to_owned(),
            found,
            asked: settings.into(),
            driven: Driven::after_opening(),
            has_signals: false,
            before_speed_0: None,
            is_leased: false,
            claim: Some(claim),
        })
    }

    fn set_up(&mut self, asked: LineSettings) -> Result<(), String> {
        let tty = self.tty.get_mut();
        settings::make_raw(tty)
            .map_err(|errno| format!("cannot be set to raw mode: {}", errno.desc()))?;
        settings::put(tty, None, &self.asked)
            .map_err(|error| format!("refuses `{asked}`: {error}"))?;
        let made = settings::read(tty)
            .map_err(|error| format!("its settings cannot be read back: {error}"))?;
        match self.asked.unlike(&made) {
            None => Ok(()),
            Some((what, value)) => Err(format!(
                "refuses `{asked}`: the hardware has {what} {value}; set `line` to what it can do"
            )),
        }
    }

    /// The line as it was configured.
    #[must_use]
    pub fn device(&self) -> &Path {
        &self.device
    }

    /// The descriptor to read from and to write to.
    #[must_use]
    pub fn tty(&self) -> &AsyncFd<Tty> {
        &self.tty
    }

    /// Whether the line has signals to watch. A pseudo terminal has none, and some adapters have
    /// none either.
    #[must_use]
    pub fn has_signals(&self) -> bool {
        self.has_signals
    }

    /// Whether the hardware has in its own buffer what the kernel does not count any more. Not every driver
    /// tells.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        signals::is_sending(self.tty.get_ref())
    }

    /// Waits until everything has been sent, for as long as any of it is.
    pub async fn sent(&self, patience: Duration) {
        let mut unsent = self.unsent();
        let mut since = Instant::now();
        while unsent > 0 && since.elapsed() < patience {
            sleep(DRAIN_POLL).await;
            let now = self.unsent();
            if now < unsent {
                since = Instant::now();
            }
            unsent = now;
        }
        let tty = self.tty.get_ref().as_fd().try_clone_to_owned();
        if let Ok(tty) = tty
            && unsent == 0
            && self.has_signals
        {
            // What is in the hardware's own buffer is not counted. Waiting for it blocks: on a UART
            // for as long as that buffer takes (`uart_wait_until_sent()` in the kernel's
            // serial_core.c), on a USB adapter that is held up by the modem without an end.
            let baud = self.in_force().line.baud.max(1);
            let buffer = Duration::from_secs(HARDWARE_BUFFER_BITS.into()) / baud;
            let _ = timeout(patience + buffer, spawn_blocking(move || tcdrain(tty))).await;
        }
    }

    /// Gives the line back.
    ///
    /// USB serial drivers have no way to throw away what they were given (`flush_buffer` is missing
    /// in `usb-serial.c` and `cdc-acm.c`), and closing waits up to half a minute for it to leave
    /// (`closing_wait`, which only root may change): not here, where all others would wait too.
    pub async fn close(mut self) {
        if self.unsent() > 0 {
            // Stays here: should the service end meanwhile, no lock file is left behind.
            let _claim = self.claim.take();
            let _ = spawn_blocking(move || drop(self)).await;
        }
    }

    /// What is in force, with the speed as it was asked for. Of a line that is gone: what was.
    fn in_force(&self) -> InForce {
        let asked = self.asked;
        settings::read(self.tty.get_ref()).map_or(asked, |mut now| {
            if settings::is_near(asked.line.baud, now.line.baud) {
                now.line.baud = asked.line.baud;
            }
            now
        })
    }

    fn change(&mut self, setting: Setting) {
        let now = self.in_force();
        let tty = self.tty.get_mut();
        let (Some(wanted), Ok(before)) = (now.with(setting), Saved::of(tty)) else {
            return;
        };
        let done = settings::put(tty, Some(&now), &wanted).is_ok()
            && settings::read(tty).is_ok_and(|made| wanted.unlike(&made).is_none());
        if done {
            self.asked = wanted;
        } else {
            let _ = before.put_back(tty);
        }
        if now.line.flow == Flow::RtsCts && self.asked.line.flow != Flow::RtsCts {
            // The kernel leaves it where flow control had it (`uart_unthrottle()`).
            self.driven.set_rts(tty, self.driven.rts);
        }
    }

    fn restore(&mut self) {
        self.discard_received();
        self.discard_unsent();
        let tty = self.tty.get_mut();
        if self.driven.sends_break {
            self.driven.set_break(tty, false);
        }
        if !self.found.low_latency {
            low_latency::switch_off(tty.as_fd());
        }
        match self.found.settings.put_back(tty) {
            // A device that was unplugged has no settings any more.
            Ok(()) | Err(Errno::EIO | Errno::ENODEV | Errno::ENXIO) => {}
            Err(errno) => warn!(
                "{}: its settings cannot be restored: {}",
                self.device.display(),
                errno.desc()
            ),
        }
    }
}

impl Uart for Line {
    fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Break(on) => {
                // It would stop all sessions until the modem takes what is unsent; [`Line::sent`]
                // waits for that without.
                if !on || self.unsent() == 0 {
                    self.driven.set_break(self.tty.get_ref(), on);
                }
            }
            Setting::Dtr(on) => {
                self.driven.set_dtr(self.tty.get_mut(), on);
            }
            Setting::Rts(on) => self.driven.set_rts(self.tty.get_mut(), on),
            setting => self.change(setting),
        }
    }

    fn state(&self) -> State {
        let InForce { line, inbound_flow } = self.in_force();
        let driven = self.driven.read(self.tty.get_ref());
        State {
            baud: line.baud,
            data_bits: line.data_bits,
            parity: line.parity,
            stop_bits: line.stop_bits,
            flow: line.flow,
            inbound_flow,
            sends_break: driven.sends_break,
            dtr: driven.dtr,
            rts: driven.rts,
        }
    }

    fn signals(&self) -> Signals {
        signals::read(self.tty.get_ref())
    }

    fn counts(&self) -> Option<Counts> {
        signals::counts(self.tty.get_ref())
    }

    /// What the kernel has (`TIOCOUTQ`).
    fn unsent(&self) -> u32 {
        self.tty.get_ref().0.bytes_to_write().unwrap_or(0)
    }

    fn discard_received(&mut self) {
        let _ = tcflush(self.tty.get_ref(), FlushArg::TCIFLUSH);
    }

    /// Closing a line waits up to half a minute for what is unsent (`closing_wait`). Only if there
    /// is any: on a pseudo terminal all is sent when it is written, and a flush takes from the other
    /// side what it has not read yet (`pty_flush_buffer()` in the kernel's `pty.c`).
    fn discard_unsent(&mut self) {
        if self.unsent() > 0 {
            let _ = tcflush(self.tty.get_ref(), FlushArg::TCOFLUSH);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.restore();
        // After the settings: a driver raises DTR again when the speed it is given is not 0.
        if self.is_leased {
            let _ = hang_up::put_hupcl(self.tty.get_ref(), false);
        } else {
            self.lower_dtr();
        }
        // Whoever keeps a copy of the descriptor may be slower to close it. (`serialport` ends the
        // exclusive mode itself.)
        if let Ok(tty) = self.tty.get_ref().as_fd().try_clone_to_owned() {
            let _ = File::from(tty).unlock();
        }
    }
}
