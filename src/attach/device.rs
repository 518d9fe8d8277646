//! The device with its link, and what programs have made of its settings.

use std::io;
use std::path::Path;

use nix::errno::Errno;

use super::link::Link;
use super::pty::{Heard, Pty, Settings};
use crate::com_port::{Setting, Wanted};
use crate::config::LineSettings;

/// The speed of a device of whose line nothing is known: that of a typewriter of 1964, so that what a program sets is
/// another one. Programs that set something else alone, as for octets as they are, leave it.
const UNKNOWN: u32 = 134;

/// A device, until dropped.
#[derive(Debug)]
pub(super) struct Device {
    pty: Pty,
    link: Option<Link>,
    line: Option<LineSettings>,
    /// The settings when they were last looked at.
    seen: Settings,
    /// Somebody here has said what they shall be: until then they are those of the line.
    is_set: bool,
    /// The speed is among what was said.
    has_speed: bool,
    /// A program has hung up (`B0`), which whoever sets a speed undoes.
    has_hung_up: bool,
}

impl Device {
    /// Makes one with these settings, if there are any.
    pub(super) fn make(link: Option<&Path>, settings: Option<LineSettings>) -> io::Result<Device> {
        let mut pty = Pty::make()?;
        show(&mut pty, settings.unwrap_or_else(unknown))?;
        let link = link.map(|link| {
            let made = Link::make(link, pty.path());
            // Whatever is wrong with it, people have to know with which.
            made.map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", link.display()))
            })
        });
        let link = link.transpose()?;
        let seen = pty.settings()?;
        pty.forget_doings();
        Ok(Device {
            pty,
            link,
            line: settings,
            seen,
            is_set: settings.is_some(),
            has_speed: settings.is_some(),
            has_hung_up: false,
        })
    }

    pub(super) fn pty(&self) -> &Pty {
        &self.pty
    }

    /// What programs open.
    pub(super) fn path(&self) -> &Path {
        self.link().unwrap_or(self.pty.path())
    }

    pub(super) fn link(&self) -> Option<&Path> {
        self.link.as_ref().map(Link::path)
    }

    /// Whether a program wants to be hung up when carrier is lost.
    pub(super) fn minds_carrier(&self) -> bool {
        self.seen.minds_carrier
    }

    /// Whether changes of the settings are told.
    pub(super) fn tells(&self) -> bool {
        self.seen.tells
    }

    /// What programs write, and what is done with the device, of which notice is taken.
    pub(super) fn hear<'b>(&mut self, buffer: &'b mut [u8]) -> io::Result<Heard<'b>> {
        let heard = self.pty.read(buffer)?;
        if let Heard::Done(_) = heard {
            self.look()?;
        }
        Ok(heard)
    }

    /// Takes notice of what was done with the device, and of no data.
    pub(super) fn catch_up(&mut self) -> io::Result<()> {
        // Each octet of data comes behind one that says so.
        self.hear(&mut [0; 1])?;
        self.look()
    }

    /// Has a program read `data`; gives how many octets there was room for.
    pub(super) fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.heed_settings()?;
        self.pty.write(data)
    }

    /// See [`Pty::heed_settings`].
    pub(super) fn heed_settings(&mut self) -> io::Result<()> {
        if !self.seen.tells {
            self.pty.heed_settings()?;
            self.look()?;
        }
        Ok(())
    }

    /// Looks at the settings.
    pub(super) fn look(&mut self) -> io::Result<()> {
        let seen = self.pty.settings()?;
        self.is_set |= seen.line() != self.seen.line();
        self.has_speed |= seen.baud != self.seen.baud;
        if seen.baud == 0 {
            self.has_hung_up = true;
        }
        self.seen = seen;
        Ok(())
    }

    /// What is wanted of the line.
    pub(super) fn wanted(&self) -> Wanted {
        let line = self.line.as_ref();
        let mut wanted = Wanted {
            data_bits: line.map(|line| line.data_bits),
            parity: line.map(|line| line.parity),
            ..Wanted::default()
        };
        if self.is_set {
            let seen = &self.seen;
            wanted.baud = Some(seen.baud).filter(|baud| self.has_speed && *baud > 0);
            wanted.stop_bits = Some(seen.stop_bits);
            wanted.flow = Some(seen.flow);
            wanted.inbound_flow = Some(seen.inbound_flow);
        }
        if self.has_hung_up {
            wanted.dtr = Some(self.seen.baud > 0);
        }
        wanted
    }

    /// This is in force at the line. A program that has changed it since is told of that change later.
    pub(super) fn show(&mut self, setting: Setting) -> io::Result<()> {
        let is_news = self.pty.settings()?.line() == self.seen.line();
        if is_news && !self.seen.has(setting) {
            self.pty.show(setting)?;
            self.seen = self.pty.settings()?;
            self.pty.forget_doings();
        }
        Ok(())
    }

    /// The line is somebody else's from here on, who may set it up otherwise. What programs here have said stays.
    pub(super) fn forget(&mut self) -> io::Result<()> {
        self.discard()?;
        self.look()?;
        if !self.is_set {
            show(&mut self.pty, unknown())?;
            self.seen = self.pty.settings()?;
        }
        Ok(())
    }

    /// Makes it what the next program shall find: nothing of the last one but the settings.
    pub(super) fn discard(&mut self) -> io::Result<()> {
        match self.pty.discard() {
            Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => {
                // The last program has kept it for itself, and only root can undo that; or the next one does.
                if self.pty.is_open()? {
                    return Ok(());
                }
                self.hang_up()
            }
            done => done,
        }
    }

    /// Hangs up whoever has it open: the link leads to another device with the same settings.
    pub(super) fn hang_up(&mut self) -> io::Result<()> {
        let pty = self.pty.another()?;
        if let Some(link) = &mut self.link {
            link.lead_to(pty.path())?;
        }
        self.pty = pty;
        self.seen = self.pty.settings()?;
        self.pty.forget_doings();
        Ok(())
    }
}

fn unknown() -> LineSettings {
    LineSettings {
        baud: UNKNOWN,
        ..LineSettings::default()
    }
}

fn show(pty: &mut Pty, line: LineSettings) -> io::Result<()> {
    pty.show(Setting::Baud(line.baud))?;
    pty.show(Setting::StopBits(line.stop_bits))?;
    pty.show(Setting::Flow(line.flow))
}
