//! The modems: pseudo terminals, whose other side the server under test opens.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};

/// One of them, raw from the start.
pub(crate) struct Modem {
    end: File,
    device: PathBuf,
    /// The line stays open here, so that nothing of it is lost before the server opens it; or not,
    /// where it is of interest when the server closes it.
    held: Option<File>,
}

impl Modem {
    pub(crate) fn new() -> io::Result<Modem> {
        let end =
            posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        grantpt(&end)?;
        unlockpt(&end)?;
        let device = PathBuf::from(ptsname_r(&end)?);
        let held = File::options().read(true).write(true).open(&device)?;
        let mut settings = tcgetattr(&held)?;
        cfmakeraw(&mut settings);
        tcsetattr(&held, SetArg::TCSANOW, &settings)?;
        let end: OwnedFd = end.as_fd().try_clone_to_owned()?;
        Ok(Modem {
            end: File::from(end),
            device,
            held: Some(held),
        })
    }

    /// So many.
    pub(crate) fn many(count: usize) -> io::Result<Vec<Modem>> {
        (0..count).map(|_| Modem::new()).collect()
    }

    /// From now on the modem sees the server close the line.
    pub(crate) fn let_go(&mut self) {
        self.held = None;
    }

    pub(crate) fn device(&self) -> &Path {
        &self.device
    }

    /// Waits for one of these events; whether one came.
    pub(crate) fn wait(&self, events: PollFlags, milliseconds: u16) -> io::Result<bool> {
        let mut look = [PollFd::new(self.end.as_fd(), events)];
        Ok(poll(&mut look, milliseconds)? > 0)
    }

    /// Some octets that the line was given; an error when none come.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match (&self.end).read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.wait(PollFlags::POLLIN, PATIENCE)? {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                // Nobody has the line open, as yet.
                Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => {
                    std::thread::yield_now();
                }
                read => return read,
            }
        }
    }

    /// As many octets as there is room for, at least one; an error when there is none.
    pub(crate) fn write(&self, octets: &[u8]) -> io::Result<usize> {
        loop {
            match self.try_write(octets) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !self.wait(PollFlags::POLLOUT, PATIENCE)? {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                written => return written,
            }
        }
    }

    pub(crate) fn try_write(&self, octets: &[u8]) -> io::Result<usize> {
        (&self.end).write(octets)
    }

    pub(crate) fn write_all(&self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            let written = self.write(octets)?;
            octets = &octets[written..];
        }
        Ok(())
    }

    /// Does as a modem that is told to be prepared, and then to dial; says this when it has.
    pub(crate) fn obey_until_dialled(&self, connected: &str) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            let mut octet = [0];
            self.read(&mut octet)?;
            if octet != *b"\r" {
                line.extend(octet);
                continue;
            }
            let answer = match &*line {
                b"ATS2?" => "\r\n255\r\nOK\r\n",
                dial if dial.starts_with(b"ATD") => return self.write_all(connected.as_bytes()),
                _ => "\r\nOK\r\n",
            };
            self.write_all(answer.as_bytes())?;
            line.clear();
        }
    }

    /// Says everything again that it hears, until told to stop.
    pub(crate) fn echo(&self, stop: &AtomicBool) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while !stop.load(Ordering::Relaxed) {
            match (&self.end).read(&mut buffer) {
                Ok(read) => self.write_all(&buffer[..read])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::POLLIN, 100)?;
                }
                // Nobody has the line open now; polling would tell of that at once, over and over.
                Err(_) => std::thread::sleep(std::time::Duration::from_micros(20)),
            }
        }
        Ok(())
    }
}

/// How long something may take that is to happen at once, in milliseconds.
pub(crate) const PATIENCE: u16 = 20_000;
