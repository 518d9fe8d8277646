//! The device that programs open: a pseudo terminal, whose master tells what is done with it.
//!
//! In packet mode (`TIOCPKT`, `ioctl_tty(2)`) the master is told of new settings and of `tcflush(3)`; of
//! settings only while `EXTPROC` is on (`pty_set_termios()` in the kernel's `pty.c`), which also keeps the
//! kernel from doing anything to what comes in, so that it is on only where there is nothing to do.
//!
//! What a pseudo terminal does not tell: a BREAK, which the kernel takes for done (`send_break()` in
//! `tty_io.c`); parity and data bits, which it takes out of the settings (`pty_set_termios()`); the modem's
//! signals, which it does not have.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::termios::{
    BaudRate, ControlFlags, FlushArg, InputFlags, LocalFlags, SetArg, Termios, cfsetspeed, tcflush,
    tcgetattr, tcsetattr,
};

use crate::com_port::Setting;
use crate::config::{Flow, StopBits};
use crate::line::{Tty, make_raw, put_settings, read_settings};

nix::ioctl_write_ptr_bad!(
    /// `TIOCPKT` (`ioctl_tty(2)`).
    tiocpkt,
    libc::TIOCPKT,
    libc::c_int
);
nix::ioctl_none_bad!(
    /// `TIOCNXCL` (`ioctl_tty(2)`).
    tiocnxcl,
    libc::TIOCNXCL
);
nix::ioctl_write_ptr_bad!(
    /// `TIOCSETD` (`ioctl_tty(2)`).
    tiocsetd,
    libc::TIOCSETD,
    libc::c_int
);

/// What the first octet of a read says (`asm-generic/ioctls.h`): data follows; what had come in was thrown
/// away; what was to go out was.
pub(crate) const DATA: u8 = 0;
const FLUSHED_INPUT: u8 = 1;
const FLUSHED_OUTPUT: u8 = 2;

/// Puts the master in packet mode.
pub(crate) fn tell_doings(master: &PtyMaster) -> nix::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the kernel reads one `int`, which is there.
    #[allow(unsafe_code)]
    unsafe {
        tiocpkt(master.as_raw_fd(), &raw const on)?;
    }
    Ok(())
}

/// Whether the kernel hands on what comes in as it is (`n_tty_set_termios()` in its `n_tty.c`).
pub(crate) fn is_raw(termios: &Termios) -> bool {
    let input = InputFlags::ISTRIP
        | InputFlags::IUCLC
        | InputFlags::IGNCR
        | InputFlags::ICRNL
        | InputFlags::INLCR
        | InputFlags::IXON
        | InputFlags::PARMRK;
    let local = LocalFlags::ICANON | LocalFlags::ISIG | LocalFlags::ECHO;
    !termios.input_flags.intersects(input) && !termios.local_flags.intersects(local)
}

/// What the master was told.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'b> {
    /// Octets that a program has written.
    Data(&'b [u8]),
    /// Something was done with the device.
    Done(Doings),
    /// Nothing, after all.
    Nothing,
    /// No program has the device open, and none has left anything behind.
    Closed,
}

/// What was done with the device: its settings may be others, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doings {
    /// What has come in is not wanted any more.
    pub purged_input: bool,
    /// What was written shall not go out any more.
    pub purged_output: bool,
}

/// What a program has set, as far as a pseudo terminal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bits per second; 0: the modem shall hang up.
    pub baud: u32,
    /// The pause after a character.
    pub stop_bits: StopBits,
    /// What holds the program up.
    pub flow: Flow,
    /// What holds the modem up.
    pub inbound_flow: Flow,
    /// Whether the program is to be hung up when carrier is lost (no `CLOCAL`).
    pub minds_carrier: bool,
    /// Whether a change of the settings is told; otherwise somebody has to look.
    pub tells: bool,
}

impl Settings {
    /// As far as they are the far line's.
    pub(super) fn line(&self) -> (u32, StopBits, Flow, Flow) {
        (self.baud, self.stop_bits, self.flow, self.inbound_flow)
    }

    /// Whether that is what they say, as far as they can.
    pub(super) fn has(&self, setting: Setting) -> bool {
        match setting {
            Setting::Baud(baud) => self.baud == baud,
            Setting::StopBits(bits) => self.stop_bits == bits,
            Setting::Flow(flow) => self.flow == flow,
            Setting::InboundFlow(flow) => self.inbound_flow == flow,
            _ => true,
        }
    }
}

/// A pseudo terminal, until dropped: then whoever has it open is hung up.
#[derive(Debug)]
pub struct Pty {
    master: Tty,
    path: PathBuf,
    opens: Inotify,
}

impl Pty {
    /// Makes one, for us and the group that we run as.
    pub fn make() -> io::Result<Pty> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let path = PathBuf::from(ptsname_r(&master)?);
        tell_doings(&master)?;
        // `devpts` gives it to its own group, `tty`.
        chown(&path, None, Some(nix::unistd::getegid().as_raw()))?;
        fs::set_permissions(&path, Permissions::from_mode(0o660))?;
        // Not before somebody has closed it, the master is told that nobody has it open.
        drop(open(&path)?);
        let opens = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        opens.add_watch(&path, AddWatchFlags::IN_OPEN)?;
        let master = Tty::from(File::from(OwnedFd::from(master)));
        let pty = Pty {
            master,
            path,
            opens,
        };
        make_raw(&pty.master)?;
        pty.watch(true)?;
        pty.forget_doings();
        Ok(pty)
    }

    /// Makes another one with the settings of this.
    pub fn another(&self) -> io::Result<Pty> {
        let mut pty = Pty::make()?;
        tcsetattr(&pty.master, SetArg::TCSANOW, &tcgetattr(&self.master)?)?;
        // The C library's `struct termios` has no room for a speed outside its table.
        pty.show(Setting::Baud(read_settings(&self.master)?.line.baud))?;
        pty.forget_doings();
        Ok(pty)
    }

    /// Where programs find it.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The master: readable when [`Pty::read`] has something to give, writable when [`Pty::write`] has room.
    /// While no program has the device open it is always ready.
    #[must_use]
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Readable when somebody has opened the device.
    #[must_use]
    pub fn opens(&self) -> BorrowedFd<'_> {
        self.opens.as_fd()
    }

    /// Takes notice of those who have opened the device.
    pub fn take_opens(&self) {
        while self
            .opens
            .read_events()
            .is_ok_and(|events| !events.is_empty())
        {}
    }

    /// Whether a program has the device open. One that has closed it may have left something to be read.
    pub fn is_open(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.master(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO)?;
        let found = fds[0].revents().unwrap_or(PollFlags::empty());
        Ok(!found.contains(PollFlags::POLLHUP))
    }

    /// Makes it what the last close makes of a serial port: what no program has read is thrown away, nobody has
    /// it for itself (`TIOCEXCL`), it is a terminal (not a network interface, as pppd(8) makes it), and its
    /// settings stay. Whoever has opened it meanwhile has to be looked for.
    ///
    /// Fails with `EBUSY` if somebody has it for himself, be it that he was killed.
    pub fn discard(&self) -> io::Result<()> {
        let is_left = !self.is_open()?;
        let device = open(&self.path)?;
        if is_left {
            let terminal: libc::c_int = 0;
            // SAFETY: the kernel reads one `int`, which is there.
            #[allow(unsafe_code)]
            unsafe {
                tiocnxcl(device.as_raw_fd())?;
                tiocsetd(device.as_raw_fd(), &raw const terminal)?;
            }
        }
        // It is on the side of the programs.
        tcflush(device, FlushArg::TCIFLUSH)?;
        self.take_opens();
        Ok(())
    }

    /// What we did ourselves is no news.
    pub(super) fn forget_doings(&self) {
        // An octet that says what was done comes alone.
        let _ = self.read(&mut [0; 1]);
    }

    /// Has the kernel tell of settings, or not.
    fn watch(&self, on: bool) -> io::Result<()> {
        let mut termios = tcgetattr(&self.master)?;
        if termios.local_flags.contains(LocalFlags::EXTPROC) != on {
            termios.local_flags.set(LocalFlags::EXTPROC, on);
            tcsetattr(&self.master, SetArg::TCSANOW, &termios)?;
        }
        Ok(())
    }

    /// Has the kernel do with what comes in what the settings say; where that is nothing, changes are told from
    /// now on. Not as soon as settings are made: stty(1) calls it an error if they are others right after.
    pub fn heed_settings(&self) -> io::Result<()> {
        self.watch(is_raw(&tcgetattr(&self.master)?))
    }

    /// The next thing that the master is told.
    pub fn read<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Heard<'b>> {
        match nix::unistd::read(&self.master, buffer) {
            Ok(0) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(Heard::Nothing),
            Ok(count) => Ok(match buffer[0] {
                DATA => Heard::Data(&buffer[1..count]),
                told => Heard::Done(Doings {
                    purged_input: told & FLUSHED_INPUT != 0,
                    purged_output: told & FLUSHED_OUTPUT != 0,
                }),
            }),
            Err(Errno::EIO) => Ok(Heard::Closed),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Has a program read `data`; gives how many octets there was room for.
    pub fn write(&self, data: &[u8]) -> io::Result<usize> {
        match nix::unistd::write(&self.master, data) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            done => Ok(done?),
        }
    }

    /// What is set now.
    pub fn settings(&self) -> io::Result<Settings> {
        let termios = tcgetattr(&self.master)?;
        let tells = is_raw(&termios) && termios.local_flags.contains(LocalFlags::EXTPROC);
        let in_force = read_settings(&self.master)?;
        Ok(Settings {
            baud: in_force.line.baud,
            stop_bits: in_force.line.stop_bits,
            flow: in_force.line.flow,
            inbound_flow: in_force.inbound_flow,
            minds_carrier: !termios.control_flags.contains(ControlFlags::CLOCAL),
            tells,
        })
    }

    /// Shows a program what is in force at the far end, if a pseudo terminal can.
    pub fn show(&mut self, setting: Setting) -> io::Result<()> {
        if let Setting::Baud(baud) = setting
            && let Some(speed) = named_speed(baud)
        {
            // Otherwise it has no name, and programs take it for none at all.
            let mut termios = tcgetattr(&self.master)?;
            cfsetspeed(&mut termios, speed)?;
            return Ok(tcsetattr(&self.master, SetArg::TCSANOW, &termios)?);
        }
        let now = read_settings(&self.master)?;
        if let Some(wanted) = now.with(setting) {
            put_settings(&mut self.master, Some(&now), &wanted)?;
        }
        Ok(())
    }
}

/// A speed as `tcsetattr(3)` has it.
fn named_speed(baud: u32) -> Option<BaudRate> {
    const NAMED: [(u32, BaudRate); 30] = [
        (50, BaudRate::B50),
        (75, BaudRate::B75),
        (110, BaudRate::B110),
        (134, BaudRate::B134),
        (150, BaudRate::B150),
        (200, BaudRate::B200),
        (300, BaudRate::B300),
        (600, BaudRate::B600),
        (1200, BaudRate::B1200),
        (1800, BaudRate::B1800),
        (2400, BaudRate::B2400),
        (4800, BaudRate::B4800),
        (9600, BaudRate::B9600),
        (19_200, BaudRate::B19200),
        (38_400, BaudRate::B38400),
        (57_600, BaudRate::B57600),
        (115_200, BaudRate::B115200),
        (230_400, BaudRate::B230400),
        (460_800, BaudRate::B460800),
        (500_000, BaudRate::B500000),
        (576_000, BaudRate::B576000),
        (921_600, BaudRate::B921600),
        (1_000_000, BaudRate::B1000000),
        (1_152_000, BaudRate::B1152000),
        (1_500_000, BaudRate::B1500000),
        (2_000_000, BaudRate::B2000000),
        (2_500_000, BaudRate::B2500000),
        (3_000_000, BaudRate::B3000000),
        (3_500_000, BaudRate::B3500000),
        (4_000_000, BaudRate::B4000000),
    ];
    let named = NAMED.iter().find(|(number, _)| *number == baud);
    named.map(|(_, speed)| *speed)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK)
        .open(path)
}

#[cfg(test)]
mod tests;
