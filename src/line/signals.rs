//! The signals of a line: those that we drive, those that the modem drives, and how often they
//! changed.

use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;

use nix::libc::{self, c_int};
use serde::{Deserialize, Serialize};
use serialport::SerialPort;

use super::Tty;
use crate::com_port::{Counts, Signals};

/// `struct serial_icounter_struct` of `include/uapi/linux/serial.h`.
#[repr(C)]
#[derive(Debug)]
struct SerialIcounterStruct {
    cts: c_int,
    dsr: c_int,
    rng: c_int,
    dcd: c_int,
    rx: c_int,
    tx: c_int,
    frame: c_int,
    overrun: c_int,
    parity: c_int,
    brk: c_int,
    buf_overrun: c_int,
    reserved: [c_int; 9],
}

nix::ioctl_read_bad!(
    /// `TIOCGICOUNT` (`ioctl_tty(2)`).
    tiocgicount,
    libc::TIOCGICOUNT,
    SerialIcounterStruct
);
nix::ioctl_read_bad!(
    /// `TIOCMGET` (`ioctl_tty(2)`).
    tiocmget,
    libc::TIOCMGET,
    c_int
);
nix::ioctl_read_bad!(
    /// `TIOCSERGETLSR` (`ioctl_tty(2)`).
    tiocsergetlsr,
    libc::TIOCSERGETLSR,
    c_int
);

/// The transmitter is empty (`TIOCSER_TEMT` of `include/uapi/asm-generic/ioctls.h`).
const TIOCSER_TEMT: c_int = 1;

/// What we drive, as it was last set. The kernel raises both when a line is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Driven {
    pub(super) dtr: bool,
    pub(super) rts: bool,
    pub(super) sends_break: bool,
}

impl Driven {
    pub(super) fn after_opening() -> Self {
        Driven {
            dtr: true,
            rts: true,
            sends_break: false,
        }
    }

    /// As it is; on a line without modem lines as it was last set.
    pub(super) fn read(mut self, tty: &Tty) -> Self {
        if let Some(lines) = modem_lines(tty) {
            self.dtr = lines & libc::TIOCM_DTR != 0;
            self.rts = lines & libc::TIOCM_RTS != 0;
        }
        self
    }

    /// Tells whether the line has a DTR.
    pub(super) fn set_dtr(&mut self, tty: &mut Tty, on: bool) -> bool {
        self.dtr = on;
        tty.0.write_data_terminal_ready(on).is_ok()
    }

    pub(super) fn set_rts(&mut self, tty: &mut Tty, on: bool) {
        self.rts = on;
        let _ = tty.0.write_request_to_send(on);
    }

    /// Starting one waits until all is sent (`tty_ioctl()` in the kernel's `tty_io.c`), and flow
    /// control can make that forever.
    pub(super) fn set_break(&mut self, tty: &Tty, on: bool) {
        let done = if on {
            tty.0.set_break()
        } else {
            tty.0.clear_break()
        };
        if done.is_ok() {
            self.sends_break = on;
        }
    }
}

/// Whether the line has signals at all. A pseudo terminal has not (`ENOTTY`), and some adapters
/// have none either.
pub(super) fn exist(tty: &Tty) -> bool {
    modem_lines(tty).is_some()
}

/// What the modem drives.
pub(super) fn read(tty: &Tty) -> Signals {
    let absent = libc::TIOCM_CTS | libc::TIOCM_DSR | libc::TIOCM_CAR;
    let lines = modem_lines(tty).unwrap_or(absent);
    Signals {
        cts: lines & libc::TIOCM_CTS != 0,
        dsr: lines & libc::TIOCM_DSR != 0,
        ring: lines & libc::TIOCM_RNG != 0,
        carrier: lines & libc::TIOCM_CAR != 0,
    }
}

/// What the driver has counted, if it does.
pub(super) fn counts(tty: &Tty) -> Option<Counts> {
    let mut counts = MaybeUninit::<SerialIcounterStruct>::zeroed();
    // SAFETY: the kernel fills in exactly one `serial_icounter_struct`, and all zeros are a valid
    // one too.
    #[allow(unsafe_code)]
    let counts = unsafe {
        tiocgicount(tty.as_raw_fd(), counts.as_mut_ptr()).ok()?;
        counts.assume_init()
    };
    Some(Counts {
        cts: counts.cts.cast_unsigned(),
        dsr: counts.dsr.cast_unsigned(),
        ring: counts.rng.cast_unsigned(),
        carrier: counts.dcd.cast_unsigned(),
        framing: counts.frame.cast_unsigned(),
        overrun: counts
            .overrun
            .wrapping_add(counts.buf_overrun)
            .cast_unsigned(),
        parity: counts.parity.cast_unsigned(),
        breaks: counts.brk.cast_unsigned(),
    })
}

/// Whether the hardware has still to send some of what it was given; false where the driver does not tell.
pub(super) fn is_sending(tty: &Tty) -> bool {
    let mut status = 0;
    // SAFETY: the descriptor is open for the whole call, and the kernel writes one int to a valid
    // place.
    #[allow(unsafe_code)]
    let answer = unsafe { tiocsergetlsr(tty.as_raw_fd(), &raw mut status) };
    answer.is_ok() && status & TIOCSER_TEMT == 0
}

fn modem_lines(tty: &Tty) -> Option<c_int> {
    let mut lines = 0;
    // SAFETY: the descriptor is open for the whole call, and the kernel writes one int to a valid
    // place.
    #[allow(unsafe_code)]
    let answer = unsafe { tiocmget(tty.as_raw_fd(), &raw mut lines) };
    answer.ok().map(|_| lines)
}
