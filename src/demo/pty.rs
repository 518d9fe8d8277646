//! One pseudoterminal, seen from the modem's side.
//!
//! A master cannot see its slave being opened, only, by EIO, that nobody has it open any more.
//! That state is a permanent EPOLLHUP, which tokio never forgets, so that waiting for the next
//! terminal on such a descriptor would be a busy loop. Therefore, while no terminal is known, the
//! slave is kept open from here, until bytes arrive or the modem has something to say.
//!
//! A pty has no DTR, but a speed of zero means the same: hang up (`termios(3)`). That the settings
//! are others is told in packet mode, see [`crate::attach::pty`]; where the kernel has to work on
//! what comes in it cannot be told, and somebody has to look.

use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::fcntl::{OFlag, open};
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::stat::Mode;
use nix::sys::termios::{
    BaudRate, ControlFlags, FlushArg, LocalFlags, SetArg, Termios, cfmakeraw, cfsetspeed, tcflush,
    tcgetattr, tcsetattr,
};
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use crate::attach::pty::{DATA, is_raw, tell_doings};
use crate::watched::watch;

/// How long until the next try to keep the slave open, where somebody left it exclusive:
/// TIOCEXCL on a pty outlasts its last close, and only root may still open it then.
const RETRY: Duration = Duration::from_secs(1);

/// How often to look at settings whose change is not told.
const LOOK: Duration = Duration::from_secs(1);

/// How long until settings are looked at once more after a change: whoever made it may read them
/// back first (stty(1) does) and should find what he has set.
const SETTLE: Duration = Duration::from_millis(200);

/// A pty that no runtime knows yet.
#[derive(Debug)]
pub(super) struct Unregistered {
    master: PtyMaster,
    device: PathBuf,
}

/// A pty whose master the runtime watches.
pub(super) struct Pty {
    master: Arc<PtyMaster>,
    device: PathBuf,
    watch: Watch,
    /// Our own hold on the slave while no terminal is known.
    kept_open: Option<OwnedFd>,
    /// Reading may bring something.
    readable: bool,
    /// The slave was closed; what was sent before may still be there to read.
    gone: bool,
    /// When to look at the settings.
    looks: Option<Instant>,
}

enum Watch {
    On(AsyncFd<Arc<PtyMaster>>),
    /// See [`RETRY`].
    OffUntil(Instant),
}

/// What reading brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// That many bytes.
    Bytes(usize),
    /// The settings may be others: see [`Pty::look`].
    Settings,
    /// Nothing now.
    Nothing,
    /// The terminal has been closed, and all it sent before is read.
    Gone,
    /// The same, but by now it, or another, is open: DTR went off and on.
    Reopened,
}

impl Unregistered {
    /// Makes a pty, raw: a fresh one would echo to the modem what the modem says.
    pub(super) fn new() -> nix::Result<Self> {
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let master = posix_openpt(flags)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        tell_doings(&master)?;
        make_raw(&master)?;
        let device = ptsname_r(&master)?.into();
        Ok(Self { master, device })
    }

    pub(super) fn device(&self) -> &Path {
        &self.device
    }

    /// Hands the master to the current runtime.
    pub(super) fn register(self) -> io::Result<Pty> {
        let now = Instant::now();
        let mut pty = Pty {
            master: Arc::new(self.master),
            device: self.device,
            watch: Watch::OffUntil(now),
            kept_open: None,
            readable: false,
            gone: false,
            looks: None,
        };
        // There may be one already, and its settings are its own.
        pty.keep_open(now)?;
        Ok(pty)
    }
}

impl Pty {
    /// Takes note of what the runtime knows, and asks to be woken for more.
    pub(super) fn poll_readable(&mut self, cx: &mut Context<'_>) {
        let Watch::On(watch) = &self.watch else {
            return;
        };
        // Readiness is kept here, not there: else a terminal going away would not wake us while
        // the far side's slowness keeps us from reading. Closed is final to tokio: ask no more.
        while !self.gone
            && let Poll::Ready(Ok(mut guard)) = watch.poll_read_ready(cx)
        {
            self.readable = true;
            self.gone = guard.ready().is_read_closed();
            guard.clear_ready();
        }
    }

    /// Reads what the terminal sent.
    pub(super) fn read(&mut self, chunk: &mut [u8]) -> io::Result<Heard> {
        if let Watch::OffUntil(again) = self.watch {
            if again > Instant::now() {
                return Ok(Heard::Nothing);
            }
            let heard = self.read_now(chunk);
            return match heard {
                // The last terminal's end was told before: these are the next one's.
                Heard::Bytes(_) | Heard::Settings => self.watch_anew().map(|()| heard),
                Heard::Nothing | Heard::Reopened => Ok(Heard::Reopened),
                Heard::Gone => Ok(heard),
            };
        }
        if !self.readable && !self.gone {
            return Ok(Heard::Nothing);
        }
        let heard = match self.read_now(chunk) {
            Heard::Nothing if self.gone => Heard::Reopened,
            heard => heard,
        };
        match heard {
            Heard::Bytes(_) => self.kept_open = None,
            Heard::Settings => {}
            Heard::Nothing | Heard::Gone | Heard::Reopened => self.readable = false,
        }
        Ok(heard)
    }

    /// Looks at the settings, after [`Heard::Settings`] or when [`Self::is_to_look`]: whether DTR
    /// is on.
    pub(super) fn look(&mut self, told: bool, now: Instant) -> nix::Result<bool> {
        let mut settings = tcgetattr(&*self.master)?;
        let has_speed = has_speed(&settings);
        let raw = is_raw(&settings);
        let mut tells = settings.local_flags.contains(LocalFlags::EXTPROC);
        if !has_speed || !raw || !tells {
            // That was not set from here: there is a terminal.
            self.kept_open = None;
        }
        if tells != raw && !told {
            settings.local_flags.set(LocalFlags::EXTPROC, raw);
            tcsetattr(&*self.master, SetArg::TCSANOW, &settings)?;
            tells = raw;
        }
        self.looks = match (tells, raw) {
            (true, true) => None,
            _ if told => Some(now + SETTLE),
            _ => Some(now + LOOK),
        };
        Ok(has_speed)
    }

    /// Nobody tells, or somebody else may be there.
    pub(super) fn is_to_look(&self, now: Instant) -> bool {
        !self.gone && self.looks.is_some_and(|at| at <= now)
    }

    /// What is there to read at once, but nothing else.
    pub(super) fn read_waiting(&mut self, chunk: &mut [u8]) -> Option<usize> {
        match self.read_now(chunk) {
            Heard::Bytes(count) => Some(count),
            Heard::Settings => {
                self.looks = Some(Instant::now());
                None
            }
            Heard::Nothing | Heard::Gone | Heard::Reopened => None,
        }
    }

    /// While the slave is kept open from here: finds out whether it is open elsewhere too.
    pub(super) fn look_for_terminal(&mut self, chunk: &mut [u8]) -> Heard {
        self.kept_open = None;
        self.read_now(chunk)
    }

    /// After [`Heard::Gone`]: waits for the next terminal. What the last one left unread in the
    /// kernel is thrown away, and so are its settings.
    pub(super) fn await_terminal(&mut self, now: Instant) -> io::Result<()> {
        self.keep_open(now)?;
        let Some(slave) = &self.kept_open else {
            return Ok(());
        };
        tcflush(slave, FlushArg::TCIFLUSH)?;
        make_raw(&self.master)?;
        Ok(())
    }

    fn keep_open(&mut self, now: Instant) -> io::Result<()> {
        self.watch = Watch::OffUntil(now + RETRY);
        self.looks = None;
        let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let Ok(slave) = open(&self.device, flags, Mode::empty()) else {
            self.gone = true;
            return Ok(());
        };
        self.kept_open = Some(slave);
        self.watch_anew()
    }

    /// After [`Heard::Reopened`], and where a terminal is known to be there: has the runtime
    /// forget that the slave was closed once.
    pub(super) fn watch_anew(&mut self) -> io::Result<()> {
        self.gone = false;
        self.readable = true;
        // The old one has to leave epoll before the same descriptor can enter it.
        self.watch = Watch::OffUntil(Instant::now());
        self.watch = Watch::On(watch(Arc::clone(&self.master))?);
        Ok(())
    }

    /// When [`Self::read`] is worth calling though nothing happened.
    pub(super) fn tries_again(&self) -> Option<Instant> {
        match self.watch {
            Watch::On(_) => self.looks.filter(|_| !self.gone),
            Watch::OffUntil(again) => Some(again),
        }
    }

    /// No terminal is known, and the slave is open only here.
    pub(super) fn is_kept_open(&self) -> bool {
        self.kept_open.is_some()
    }

    /// The terminal was closed, and [`Self::read`] has not come to the end yet.
    pub(super) fn is_gone(&self) -> bool {
        self.gone
    }

    /// Reads and throws away.
    pub(super) fn discard(&mut self, chunk: &mut [u8]) {
        while let Heard::Bytes(_) | Heard::Settings = self.read_now(chunk) {}
    }

    /// Writes as much as the kernel takes; wakes up for more if it does not take all.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> usize {
        let Watch::On(watch) = &self.watch else {
            return 0;
        };
        while let Poll::Ready(Ok(mut guard)) = watch.poll_write_ready(cx) {
            let closed = guard.ready().is_write_closed();
            match guard.try_io(|master| (&**master.get_ref()).write(data)) {
                Ok(Ok(count)) => return count,
                Ok(Err(_)) => return 0,
                Err(_) if closed => return 0,
                Err(_) => {}
            }
        }
        0
    }

    fn read_now(&self, chunk: &mut [u8]) -> Heard {
        match (&*self.master).read(chunk) {
            Ok(0) => Heard::Gone,
            Ok(count) if chunk[0] == DATA => {
                chunk.copy_within(1..count, 0);
                Heard::Bytes(count - 1)
            }
            Ok(_) => Heard::Settings,
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => Heard::Nothing,
            // EIO: no slave is open.
            Err(_) => Heard::Gone,
        }
    }
}

/// The attributes are the slave's, whichever end they are set through (`tty_mode_ioctl` in
/// `drivers/tty/tty_ioctl.c`).
fn make_raw(master: &PtyMaster) -> nix::Result<()> {
    let mut settings = tcgetattr(master)?;
    cfmakeraw(&mut settings);
    settings.local_flags.insert(LocalFlags::EXTPROC);
    if !has_speed(&settings) {
        cfsetspeed(&mut settings, BaudRate::B38400)?;
    }
    tcsetattr(master, SetArg::TCSANOW, &settings)
}

/// B0 has none of these bits. `cfgetospeed(3)` is of no use here: not every speed has a name.
fn has_speed(settings: &Termios) -> bool {
    settings.control_flags.intersects(ControlFlags::CBAUD)
}
