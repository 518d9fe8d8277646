//! What happens when: programs come and go here, the connection there.

mod program;
mod server;

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::Options;
use super::connection::{CHUNK, Connection};
use super::device::Device;
use super::dial::{BackOff, Dial};
use super::pty::Heard;
use super::said;
use super::standing::{Known, Standing};

/// A server that has not said anything for so long does not speak telnet; what it has not answered by then it never
/// will.
const SILENCE: Duration = Duration::from_secs(10);

/// So long may what a program has left behind stand still before it is given up: as long as the kernel does it
/// for a serial port (`closing_wait`, setserial(8)).
const LINGER: Duration = Duration::from_secs(30);

/// How often to look at settings whose changes are not told.
const LOOKS: Duration = Duration::from_millis(500);

/// How long after the last change a program is done with its settings.
const SETTLED: Duration = Duration::from_millis(100);

/// How it stands with the connection.
#[derive(Debug)]
pub(super) enum Stage {
    /// No program has the device open.
    Closed,
    /// The server is being called.
    Calling,
    /// It will be called again then.
    Retrying(Instant),
    /// It is there.
    Connected(Connection),
    /// No program has the device open any more, and what was left behind goes out.
    Closing(Connection),
}

/// A device and the line that it stands for.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) options: Options,
    pub(super) device: Device,
    pub(super) stage: Stage,
    /// Since when.
    pub(super) since: Instant,
    pub(super) dial: Option<Dial>,
    back_off: BackOff,
    /// Why it is not connected, or was not last time.
    pub(super) why: Option<String>,
    /// What was said last of it.
    told: Option<String>,
    /// What a program has said before there was a connection.
    left: Vec<u8>,
    /// All programs have closed the device; until when what they left behind may stand still.
    departed: Option<Instant>,
    pub(super) known: Known,
    break_end: Option<Instant>,
    look_at: Instant,
}

impl Attachment {
    /// Nobody has the device open.
    pub(super) fn new(options: Options, device: Device) -> Attachment {
        let now = Instant::now();
        Attachment {
            options,
            device,
            stage: Stage::Closed,
            since: now,
            dial: None,
            back_off: BackOff::new(),
            why: None,
            told: None,
            left: Vec::new(),
            departed: None,
            known: Known::default(),
            break_end: None,
            look_at: now,
        }
    }

    fn info(&self, what: &str) {
        said::info(&self.options.name, what);
    }

    fn warn(&self, what: &str) {
        said::warn(&self.options.name, what);
    }

    fn enter(&mut self, stage: Stage) {
        self.stage = stage;
        self.since = Instant::now();
    }

    /// Has all octets that can go go.
    pub(super) fn move_on(&mut self) -> io::Result<()> {
        match &mut self.stage {
            Stage::Connected(connection) => {
                if !self.left.is_empty() && connection.takes_data_behind() {
                    connection.say(&self.left);
                    self.known.to_line += self.left.len() as u64;
                    self.left = Vec::new();
                }
                let to_program = connection.unread();
                if self.departed.is_some() {
                    to_program.clear();
                }
                if !to_program.is_empty() {
                    let count = self.device.write(to_program)?;
                    to_program.drain(..count);
                    self.known.to_program += count as u64;
                }
                match connection.send() {
                    Ok(0) => Ok(()),
                    Ok(_) => {
                        if let Some(departed) = &mut self.departed {
                            *departed = Instant::now() + LINGER;
                        }
                        Ok(())
                    }
                    Err(error) => self.lose(&error),
                }
            }
            Stage::Closing(connection) => {
                connection.unread().clear();
                match connection.send() {
                    Ok(_) if connection.is_finished() => self.release(),
                    Ok(0) => Ok(()),
                    Ok(_) => {
                        self.departed = Some(Instant::now() + LINGER);
                        Ok(())
                    }
                    Err(error) => self.lose(&error),
                }
            }
            _ => Ok(()),
        }
    }

    /// What programs have left behind does not arrive in time, or cannot.
    fn give_up(&mut self) -> io::Result<()> {
        let mut lost = self.left.len();
        if let Stage::Connected(connection) | Stage::Closing(connection) = &self.stage {
            lost += connection.unsent();
        }
        let mut buffer = [0; CHUNK];
        loop {
            match self.device.hear(&mut buffer)? {
                Heard::Data(data) => lost += data.len(),
                Heard::Done(_) => {}
                Heard::Nothing | Heard::Closed => break,
            }
        }
        if lost > 0 {
            self.warn(&format!("lost: {lost} bytes that a program has written"));
        }
        self.release()
    }

    /// The far line is somebody else's from here on.
    fn release(&mut self) -> io::Result<()> {
        if self.known.has_line {
            let (seconds, to_line, to_program) = self.known.so_far();
            self.info(&format!(
                "released after {seconds} s; {to_line} bytes to the line, {to_program} from it"
            ));
        }
        self.known.end();
        self.left.clear();
        self.departed = None;
        self.break_end = None;
        self.back_off = BackOff::new();
        self.device.forget()?;
        self.enter(Stage::Closed);
        // Somebody may have come meanwhile.
        self.opened()
    }

    /// When something is to be done although nothing happens.
    pub(super) fn due(&self) -> Option<Instant> {
        let mut due = vec![self.departed, self.break_end];
        match &self.stage {
            Stage::Retrying(until) => due.push(Some(*until)),
            Stage::Connected(connection) => {
                due.push(connection.due());
                due.push(connection.owes_an_answer().then_some(self.since + SILENCE));
                due.push((!self.device.tells()).then_some(self.look_at));
            }
            Stage::Closing(connection) => due.push(connection.due()),
            Stage::Closed | Stage::Calling => {}
        }
        due.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) -> io::Result<()> {
        if let Stage::Retrying(until) = self.stage
            && until <= now
        {
            self.call();
        }
        if self.break_end.is_some_and(|end| end <= now) {
            self.break_end = None;
            self.send_break(false);
        }
        if self.look_at <= now {
            self.look_at = now + LOOKS;
            self.look_at_settings()?;
            self.device.heed_settings()?;
        }
        if let Stage::Connected(connection) | Stage::Closing(connection) = &mut self.stage
            && let Err(error) = connection.look(now)
        {
            return self.lose(&error);
        }
        if let Stage::Connected(connection) = &mut self.stage
            && connection.owes_an_answer()
            && self.since + SILENCE <= now
        {
            if !connection.speaks() {
                let why = "the server does not speak telnet: if it gives the line's bytes as they are, say so \
                           (--raw, or protocol = \"raw\")";
                return self.lost(why.to_owned());
            }
            connection.tell(|far, _| far.settle());
            if !self.known.has_line {
                self.look_for_line()?;
            }
        }
        if self.departed.is_some_and(|departed| departed <= now) {
            return self.give_up();
        }
        self.move_on()
    }

    /// Has a BREAK begin or end.
    fn send_break(&mut self, on: bool) {
        if let Stage::Connected(connection) = &mut self.stage {
            connection.tell(|far, out| far.send_break(on, out));
        }
    }

    /// Sends a BREAK, or says why not.
    pub(super) fn begin_break(&mut self, length: Duration) -> Result<(), String> {
        match &self.stage {
            Stage::Connected(connection) if connection.control().is_none() => {
                Err("without telnet there is no BREAK".to_owned())
            }
            Stage::Connected(connection) if connection.has_line() => {
                self.break_end = Some(Instant::now() + length);
                self.send_break(true);
                Ok(())
            }
            _ => Err(format!("it is not connected: {}", self.standing())),
        }
    }

    /// How it stands, in words.
    pub(super) fn standing(&self) -> String {
        Standing::of(self).to_string()
    }
}
