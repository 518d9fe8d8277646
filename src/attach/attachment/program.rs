//! What programs do with the device.

use std::io;

use nix::poll::PollFlags;
use tokio::time::Instant;

use super::{Attachment, LINGER, SETTLED, Stage};
use crate::attach::connection::{CHUNK, Connection};
use crate::attach::pty::{Doings, Heard};

impl Attachment {
    /// Somebody has opened the device, or may have.
    pub(in crate::attach) fn opened(&mut self) -> io::Result<()> {
        self.device.pty().take_opens();
        let is_open = self.device.pty().is_open()?;
        match &self.stage {
            Stage::Closed => {
                self.hear_early()?;
                // Whoever only sets the line up, as stty(1) does, needs no line for it.
                if is_open || !self.left.is_empty() {
                    self.call();
                }
            }
            // A line that is released when the server likes it is not waited for.
            Stage::Closing(connection)
                if is_open && connection.unsent() == 0 && !connection.can_tell() =>
            {
                self.release()?;
            }
            Stage::Closing(_) => {}
            _ if is_open => self.departed = None,
            _ => {}
        }
        Ok(())
    }

    /// Keeps what a program has said, which may be gone already.
    pub(super) fn hear_early(&mut self) -> io::Result<()> {
        let mut buffer = [0; CHUNK];
        while self.left.is_empty() {
            match self.device.hear(&mut buffer)? {
                Heard::Data(data) => self.left.extend_from_slice(data),
                Heard::Done(_) => {}
                Heard::Nothing | Heard::Closed => break,
            }
        }
        Ok(())
    }

    /// Nobody waits for a server that cannot be reached.
    pub(super) fn give_up_if_departed(&mut self) -> io::Result<()> {
        if self.departed.is_some() && matches!(self.stage, Stage::Retrying(_)) {
            return self.give_up();
        }
        Ok(())
    }

    /// Whether data can go out now: during a BREAK it would be lost.
    fn sends_data(&self, connection: &Connection) -> bool {
        connection.takes_data() && self.left.is_empty() && self.break_end.is_none()
    }

    /// Something is to be had of the device.
    pub(in crate::attach) fn hear_program(&mut self, flags: PollFlags) -> io::Result<()> {
        let is_ready = match &self.stage {
            Stage::Connected(connection) => self.sends_data(connection),
            Stage::Closed | Stage::Closing(_) => return Ok(()),
            Stage::Calling | Stage::Retrying(_) => false,
        };
        if !is_ready {
            if flags.contains(PollFlags::POLLHUP) {
                self.depart()?;
            }
            return self.move_on();
        }
        let mut buffer = [0; CHUNK];
        let heard = self.device.hear(&mut buffer)?;
        // What was set before the data was written has to be in force for it.
        self.look_at_settings()?;
        let Stage::Connected(connection) = &mut self.stage else {
            return Ok(());
        };
        match heard {
            Heard::Data(data) => {
                connection.say(data);
                self.known.to_line += data.len() as u64;
            }
            Heard::Done(done) => {
                let wanted = self.device.wanted();
                self.look_at = Instant::now() + SETTLED;
                connection.tell(|far, out| {
                    if let Some(what) = purge(done) {
                        far.purge(what, out);
                    }
                    far.want(wanted, out);
                });
                if done.purged_input {
                    connection.unread().clear();
                }
            }
            Heard::Nothing => {}
            Heard::Closed => return self.close(),
        }
        self.move_on()
    }

    /// All programs have closed the device, and what they have left behind cannot go out now.
    pub(super) fn depart(&mut self) -> io::Result<()> {
        if !self.known.has_line {
            self.hear_early()?;
            if self.left.is_empty() {
                return self.release();
            }
        }
        self.departed = Some(Instant::now() + LINGER);
        self.give_up_if_departed()
    }

    /// What the device has to be watched for.
    pub(in crate::attach) fn of_program(&self) -> Option<PollFlags> {
        // Once it is closed, it is always ready to tell that.
        let is_open = self.departed.is_none();
        match &self.stage {
            Stage::Closed | Stage::Closing(_) => None,
            Stage::Calling | Stage::Retrying(_) => is_open.then_some(PollFlags::empty()),
            Stage::Connected(connection) => {
                let mut flags = PollFlags::empty();
                flags.set(PollFlags::POLLIN, self.sends_data(connection));
                flags.set(PollFlags::POLLOUT, is_open && connection.has_unread());
                (is_open || !flags.is_empty()).then_some(flags)
            }
        }
    }

    /// Where nobody tells of new settings.
    pub(super) fn look_at_settings(&mut self) -> io::Result<()> {
        if !self.device.tells() {
            self.device.look()?;
            let wanted = self.device.wanted();
            if let Stage::Connected(connection) = &mut self.stage {
                connection.tell(|far, out| far.want(wanted, out));
            }
        }
        Ok(())
    }

    /// No program has the device open any more, and all that they left behind has been taken.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.device.discard()?;
        match std::mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Connected(mut connection) => {
                connection.unread().clear();
                let finished = connection.finish();
                self.enter(Stage::Closing(connection));
                self.departed = Some(Instant::now() + LINGER);
                match finished {
                    Ok(()) => self.move_on(),
                    Err(error) => self.lose(&error),
                }
            }
            _ => Ok(()),
        }
    }
}

fn purge(done: Doings) -> Option<u8> {
    match (done.purged_input, done.purged_output) {
        (false, false) => None,
        (true, false) => Some(1),
        (false, true) => Some(2),
        (true, true) => Some(3),
    }
}
