//! `modemctl attach`: a device here that behaves like a serial port elsewhere.
//!
//! The modules, in the order in which an octet of a program meets them:
//!
//! | module | what it is |
//! |---|---|
//! | [`pty`], `link`, `device` | what programs open, its name, and what they make of its settings |
//! | `attachment` | what happens when: programs come and go here, the connection there |
//! | `dial`, `connection` | the server is called; octets both ways |
//! | [`far`] | telnet with COM port control, the client's side, sans-IO |
//! | `standing`, `callers`, [`interface`] | how it stands, for those who ask |
//! | `said` | for those who do not |
//!
//! One thread waits for all of them with `poll(2)`; only name lookups and connecting, which cannot be waited
//! for so, are done in another. While no program has the device open nothing wakes up.

mod attachment;
mod callers;
mod connection;
mod device;
mod dial;
pub mod far;
pub mod interface;
mod link;
pub mod pty;
mod said;
mod standing;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tokio::time::Instant;

use self::attachment::{Attachment, Stage};
use self::callers::{Asked, Callers};
use self::device::Device;
use self::interface::Description;
use self::standing::Standing;
use crate::config::{LineSettings, Protocol, Target};
use crate::notify;

/// What is to be attached.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it is called where people look.
    pub name: String,
    /// Where the line is.
    pub server: Target,
    /// What is spoken there.
    pub protocol: Protocol,
    /// What the line is set to when a program opens the device; none: as it is there.
    pub line: Option<LineSettings>,
    /// By what name programs find the device.
    pub link: Option<PathBuf>,
    /// In which folder there may be a socket to ask at: the first where one can be made.
    pub folders: Vec<PathBuf>,
}

/// Why nothing could be attached, or is no more.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// There is no device.
    #[error("{name}: the device cannot be made: {source}")]
    Device {
        /// What was to be attached.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// Another process has something of this name attached.
    #[error("{name}: already attached by another process: modemctl status shows it")]
    Taken {
        /// The name.
        name: String,
    },
    /// The kernel does not do as it should.
    #[error("{name}: given up: {source}")]
    System {
        /// What was attached.
        name: String,
        /// What went wrong.
        source: io::Error,
    },
}

/// Attaches it until a signal comes that ends programs.
pub fn run(options: Options) -> Result<(), Failure> {
    let name = options.name.clone();
    let in_general = |source| Failure::System {
        name: name.clone(),
        source,
    };
    let signals = signals().map_err(|errno| in_general(errno.into()))?;
    let callers = listen(&options)?;
    let link = options.link.as_deref();
    let device = Device::make(link, options.line).map_err(|source| Failure::Device {
        name: name.clone(),
        source,
    })?;
    let path = device.path().display();
    said::info(&name, &format!("{} is here at {path}", options.server));
    let attachment = Attachment::new(options, device);
    notify::ready(&attachment.standing());
    serve(attachment, callers, &signals).map_err(in_general)?;
    notify::stopping("releases the line");
    Ok(())
}

/// Those that end a program, of which a closed terminal is one, and that of writing to somebody who is gone.
fn signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// Whoever has no folder for it can be used all the same.
fn listen(options: &Options) -> Result<Option<Callers>, Failure> {
    let mut why = None;
    for folder in &options.folders {
        match Callers::listen(folder, &options.name) {
            Ok(callers) => return Ok(Some(callers)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let name = options.name.clone();
                return Err(Failure::Taken { name });
            }
            Err(error) => why = Some(format!("{}: {error}", folder.display())),
        }
    }
    if let Some(why) = why {
        let text = format!("modemctl status will not show it: {why}");
        said::info(&options.name, &text);
    }
    Ok(None)
}

/// What has become ready.
#[derive(Debug, Clone, Copy)]
enum Source {
    Signals,
    Opens,
    Dial,
    Program,
    Server,
    Caller,
}

fn serve(
    mut attachment: Attachment,
    mut callers: Option<Callers>,
    signals: &SignalFd,
) -> io::Result<()> {
    let mut told = String::new();
    attachment.opened()?;
    loop {
        let standing = attachment.standing();
        if standing != told {
            notify::status(&standing);
            told = standing;
        }
        let ready = wait(&attachment, callers.as_ref(), signals)?;
        for (source, flags) in ready {
            match source {
                Source::Signals => return Ok(()),
                Source::Opens => attachment.opened()?,
                Source::Dial => attachment.called()?,
                Source::Program => attachment.hear_program(flags)?,
                Source::Server => attachment.hear_server()?,
                Source::Caller => {
                    if let Some(callers) = &mut callers {
                        callers.answer(&mut attachment);
                    }
                }
            }
        }
        attachment.tick(Instant::now())?;
    }
}

/// Waits for something to happen, or to be due.
fn wait(
    attachment: &Attachment,
    callers: Option<&Callers>,
    signals: &SignalFd,
) -> io::Result<Vec<(Source, PollFlags)>> {
    let mut sources = Vec::new();
    let mut fds = Vec::new();
    let mut add = |source: Source, fd, flags| {
        sources.push(source);
        fds.push(PollFd::new(fd, flags));
    };
    add(Source::Signals, signals.as_fd(), PollFlags::POLLIN);
    for (source, fd, flags) in attachment.waits_for() {
        add(source, fd, flags);
    }
    for fd in callers.into_iter().flat_map(Callers::all) {
        add(Source::Caller, fd, PollFlags::POLLIN);
    }
    let timeout = match attachment.due() {
        None => PollTimeout::NONE,
        Some(due) => {
            let left = due.saturating_duration_since(Instant::now());
            // Rounded up, since what is not due yet would be waited for with none.
            let left = left + Duration::from_millis(1);
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        }
    };
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let found = fds.iter().map(PollFd::revents);
    let found = found.map(|flags| flags.unwrap_or(PollFlags::empty()));
    let ready = sources.into_iter().zip(found);
    Ok(ready.filter(|(_, flags)| !flags.is_empty()).collect())
}

impl Attachment {
    /// What it can go on with.
    fn waits_for(&self) -> Vec<(Source, BorrowedFd<'_>, PollFlags)> {
        let mut waits = vec![(Source::Opens, self.device.pty().opens(), PollFlags::POLLIN)];
        if let Some(dial) = &self.dial {
            waits.push((Source::Dial, dial.end(), PollFlags::POLLIN));
        }
        if let Some(flags) = self.of_program() {
            waits.push((Source::Program, self.device.pty().master(), flags));
        }
        if let Stage::Connected(connection) | Stage::Closing(connection) = &self.stage {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, connection.listens());
            flags.set(PollFlags::POLLOUT, connection.unsent() > 0);
            if !flags.is_empty() {
                waits.push((Source::Server, connection.socket(), flags));
            }
        }
        waits
    }
}

impl Asked for Attachment {
    fn describe(&self) -> Description {
        Description {
            attached: Standing::of(self).attached(),
        }
    }

    fn send_break(&mut self, msec: u16) -> Result<(), String> {
        self.begin_break(Duration::from_millis(msec.into()))
    }
}
