//! One serial line: opened without waiting for carrier, set up, read back, and left as it was found.

mod console;
mod device;
mod low_latency;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::termios::{
    ControlFlags, FlushArg, InputFlags, SetArg, SpecialCharacterIndices, Termios, cfmakeraw,
    tcdrain, tcflush, tcgetattr, tcsetattr,
};
use serialport::{SerialPort, TTYPort};
use tokio::io::unix::AsyncFd;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use crate::claim::{Claim, Unavailable};
use crate::config::{DataBits, Flow, LineSettings, Parity, StopBits};
use crate::watched::watch;

/// How long DTR stays down, so that every modem sees it: the kernel's own `close_delay` for serial
/// ports (`tty_port_init()`), ten times the shortest time of register S25.
const DTR_DOWN: Duration = Duration::from_millis(500);

/// How often a line is asked whether it has sent everything.
const DRAIN_POLL: Duration = Duration::from_millis(10);

/// How far the speed in force may be from the speed asked for: what an asynchronous receiver
/// tolerates, and what the kernel rounds to (`tty_termios_encode_baud_rate()`).
const SPEED_TOLERANCE_PERCENT: u32 = 2;

/// An open line, ours alone. However it is dropped, DTR goes down, the settings it was found with
/// come back, and the claim is released, in this order.
#[derive(Debug)]
pub struct Line {
    tty: AsyncFd<Tty>,
    device: PathBuf,
    found: Found,
    /// DTR and the like, which a pseudo terminal does not have.
    has_modem_lines: bool,
    /// Until the line is closed.
    claim: Option<Claim>,
}

/// The settings a line was found with.
#[derive(Debug)]
struct Found {
    termios: Termios,
    baud: Option<u32>,
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
        let found = tcgetattr(&file)
            .map_err(|errno| broken(format!("its settings cannot be read: {}", errno.desc())))?;
        let mut line = Line::adopt(file, device, found, claim)
            .map_err(|error| broken(format!("cannot be watched: {error}")))?;
        line.set_raw()
            .and_then(|()| line.set_up(settings))
            .map_err(broken)?;
        line.verify(settings).map_err(broken)?;
        line.raise_dtr();
        line.forget_received();
        line.discard_unsent();
        Ok(line)
    }

    fn adopt(file: File, device: &Path, termios: Termios, claim: Claim) -> io::Result<Line> {
        let low_latency = !low_latency::switch_on(file.as_fd());
        // SAFETY: the descriptor was just opened and nobody else owns it any more.
        #[allow(unsafe_code)]
        let port = unsafe { TTYPort::from_raw_fd(file.into_raw_fd()) };
        let baud = port.baud_rate().ok();
        Ok(Line {
            tty: watch(Tty(port))?,
            device: device.to_owned(),
            found: Found {
                termios,
                baud,
                low_latency,
            },
            has_modem_lines: false,
            claim: Some(claim),
        })
    }

    /// Eight-bit clean whatever the line was left in; deaf to carrier (`CLOCAL`), and hanging up by
    /// itself should we be killed (`HUPCL`).
    fn set_raw(&mut self) -> Result<(), String> {
        let mut raw = self.found.termios.clone();
        cfmakeraw(&mut raw);
        // It leaves some of them as they are: IUCLC, IXANY, IXOFF, IMAXBEL.
        // A BREAK is no octet; it would arrive as one of zeroes (termios(3)).
        raw.input_flags = InputFlags::IGNBRK;
        raw.control_flags |= ControlFlags::CREAD | ControlFlags::CLOCAL | ControlFlags::HUPCL;
        raw.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        raw.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(self.tty.get_ref(), SetArg::TCSANOW, &raw)
            .map_err(|errno| format!("cannot be set to raw mode: {}", errno.desc()))
    }

    fn set_up(&mut self, settings: LineSettings) -> Result<(), String> {
        let port = &mut self.tty.get_mut().0;
        port.set_baud_rate(settings.baud)
            .and_then(|()| port.set_data_bits(data_bits(settings.data_bits)))
            .and_then(|()| port.set_parity(parity(settings.parity)))
            .and_then(|()| port.set_stop_bits(stop_bits(settings.stop_bits)))
            .and_then(|()| port.set_flow_control(flow(settings.flow)))
            .map_err(|error| format!("refuses `{settings}`: {error}"))
    }

    /// `tcsetattr(3)` succeeds when any of the changes could be made, so what counts is what is in
    /// force afterwards.
    fn verify(&self, asked: LineSettings) -> Result<(), String> {
        let port = &self.tty.get_ref().0;
        let in_force = |what, value: String| {
            Err(format!(
                "refuses `{asked}`: the hardware has {what} {value}; set `line` to what it can do"
            ))
        };
        let unreadable = |error| format!("its settings cannot be read back: {error}");
        let baud = port.baud_rate().map_err(unreadable)?;
        if u64::from(baud.abs_diff(asked.baud)) * 100
            > u64::from(asked.baud) * u64::from(SPEED_TOLERANCE_PERCENT)
        {
            return in_force("speed", baud.to_string());
        }
        let bits = port.data_bits().map_err(unreadable)?;
        if bits != data_bits(asked.data_bits) {
            return in_force("data bits", u8::from(bits).to_string());
        }
        let check = port.parity().map_err(unreadable)?;
        if check != parity(asked.parity) {
            return in_force("parity", check.to_string().to_lowercase());
        }
        let stop = port.stop_bits().map_err(unreadable)?;
        if stop != stop_bits(asked.stop_bits) {
            return in_force("stop bits", u8::from(stop).to_string());
        }
        let control = port.flow_control().map_err(unreadable)?;
        if control != flow(asked.flow) {
            return in_force("flow control", control.to_string().to_lowercase());
        }
        Ok(())
    }

    /// Opening raises DTR and RTS, except on a line that was left at speed 0 ("hung up").
    /// A pseudo terminal has no modem lines (`ENOTTY`), and some adapters have none either.
    fn raise_dtr(&mut self) {
        let port = &mut self.tty.get_mut().0;
        self.has_modem_lines = port.write_data_terminal_ready(true).is_ok();
        if !matches!(port.flow_control(), Ok(serialport::FlowControl::Hardware)) {
            let _ = port.write_request_to_send(true);
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

    /// How many octets the kernel has still to send (`TIOCOUTQ`).
    #[must_use]
    pub fn unsent(&self) -> u32 {
        self.tty.get_ref().0.bytes_to_write().unwrap_or(0)
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
            && self.has_modem_lines
        {
            // What is in the hardware's own buffer is not counted; waiting for it blocks, never for
            // longer than that buffer takes (`uart_wait_until_sent()` in the kernel's serial_core.c).
            let _ = timeout(patience, spawn_blocking(move || tcdrain(tty))).await;
        }
    }

    fn forget_received(&self) {
        let _ = tcflush(self.tty.get_ref(), FlushArg::TCIFLUSH);
    }

    /// Throws away what the kernel has still to send: closing a line waits up to half a minute for
    /// it (`closing_wait`). Only if there is any: on a pseudo terminal all is sent when it is
    /// written, and a flush takes from the other side what it has not read yet
    /// (`pty_flush_buffer()` in the kernel's `pty.c`).
    fn discard_unsent(&self) {
        if self.unsent() > 0 {
            let _ = tcflush(self.tty.get_ref(), FlushArg::TCOFLUSH);
        }
    }

    /// Drops DTR and keeps it down for as long as a modem needs to see it. What is still unsent is
    /// thrown away first.
    pub async fn hang_up(&mut self) {
        self.discard_unsent();
        if self.lower_dtr() {
            sleep(DTR_DOWN).await;
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

    /// Whether the line has a DTR that went down.
    fn lower_dtr(&mut self) -> bool {
        self.tty
            .get_mut()
            .0
            .write_data_terminal_ready(false)
            .is_ok()
    }

    fn restore(&mut self) {
        self.forget_received();
        self.discard_unsent();
        let tty = self.tty.get_ref();
        if !self.found.low_latency {
            low_latency::switch_off(tty.as_fd());
        }
        let restored = tcsetattr(tty, SetArg::TCSANOW, &self.found.termios);
        if let Some(baud) = self.found.baud {
            // glibc's `struct termios` has no room for a speed outside its table.
            let port = &mut self.tty.get_mut().0;
            if port.baud_rate().is_ok_and(|now| now != baud) {
                let _ = port.set_baud_rate(baud);
            }
        }
        match restored {
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

impl Drop for Line {
    fn drop(&mut self) {
        self.restore();
        // After the settings: a driver raises DTR again when the speed it is given is not 0.
        self.lower_dtr();
    }
}

fn data_bits(bits: DataBits) -> serialport::DataBits {
    match bits {
        DataBits::Five => serialport::DataBits::Five,
        DataBits::Six => serialport::DataBits::Six,
        DataBits::Seven => serialport::DataBits::Seven,
        DataBits::Eight => serialport::DataBits::Eight,
    }
}

fn parity(parity: Parity) -> serialport::Parity {
    match parity {
        Parity::None => serialport::Parity::None,
        Parity::Odd => serialport::Parity::Odd,
        Parity::Even => serialport::Parity::Even,
        Parity::Mark | Parity::Space => todo!("CMSPAR"),
    }
}

fn stop_bits(bits: StopBits) -> serialport::StopBits {
    match bits {
        StopBits::One => serialport::StopBits::One,
        StopBits::Two => serialport::StopBits::Two,
    }
}

fn flow(flow: Flow) -> serialport::FlowControl {
    match flow {
        Flow::None => serialport::FlowControl::None,
        Flow::RtsCts => serialport::FlowControl::Hardware,
        Flow::XonXoff => serialport::FlowControl::Software,
    }
}
