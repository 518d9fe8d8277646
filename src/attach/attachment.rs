//! What happens when: programs come and go here, the connection there.

use std::io;
use std::time::Duration;

use nix::poll::PollFlags;
use tokio::time::Instant;

use super::Options;
use super::connection::{CHUNK, Connection};
use super::device::Device;
use super::dial::{BackOff, Dial};
use super::far::Control;
use super::pty::{Doings, Heard};
use super::said;
use super::standing::{Known, Standing};
use crate::com_port::{Told, modem_state};

/// A server that has not said anything for so long does not speak telnet.
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

    /// Somebody has opened the device, or may have.
    pub(super) fn opened(&mut self) -> io::Result<()> {
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
    fn hear_early(&mut self) -> io::Result<()> {
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

    fn call(&mut self) {
        if self.dial.is_none() {
            match Dial::begin(&self.options.server) {
                Ok(dial) => self.dial = Some(dial),
                Err(error) => return self.retry(format!("it cannot be called: {error}")),
            }
        }
        self.enter(Stage::Calling);
    }

    /// The server has been called.
    pub(super) fn called(&mut self) -> io::Result<()> {
        let Some(result) = self.dial.as_ref().and_then(Dial::result) else {
            return Ok(());
        };
        self.dial = None;
        match (&self.stage, result) {
            (Stage::Calling, Ok(socket)) => {
                let connection = Connection::new(socket, self.options.protocol);
                self.known.begin();
                self.enter(Stage::Connected(connection));
                self.look_for_line();
                self.move_on()
            }
            (Stage::Calling, Err(why)) => {
                self.retry(why);
                self.give_up_if_departed()
            }
            // Nobody wants it any more.
            _ => Ok(()),
        }
    }

    fn retry(&mut self, why: String) {
        let wait = self.back_off.wait();
        if self.told.as_ref() != Some(&why) {
            let lost = if self.known.has_line {
                "connection lost"
            } else {
                "not connected"
            };
            self.warn(&format!("{lost}: {why}; trying again"));
            self.told = Some(why.clone());
        }
        self.why = Some(why);
        self.enter(Stage::Retrying(Instant::now() + wait));
    }

    /// Nobody waits for a server that cannot be reached.
    fn give_up_if_departed(&mut self) -> io::Result<()> {
        if self.departed.is_some() && matches!(self.stage, Stage::Retrying(_)) {
            let mut lost = std::mem::take(&mut self.left).len();
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
            self.release()?;
        }
        Ok(())
    }

    /// Looks whether the server has given a line.
    fn look_for_line(&mut self) {
        let Stage::Connected(connection) = &mut self.stage else {
            return;
        };
        if !connection.has_line() {
            if let Some(words) = connection.words() {
                let words = format!("the server says: {words}");
                if self.why.as_ref() != Some(&words) {
                    said::info(&self.options.name, &words);
                    self.why = Some(words);
                }
            }
            return;
        }
        self.why = None;
        self.told = None;
        let mut text = format!("connected to {}", connection.peer());
        if connection.control() == Some(Control::Refused) {
            text += "; it takes no COM port commands: its line stays as it is";
        }
        connection.set_up(self.device.wanted());
        self.known.has_line = true;
        self.since = Instant::now();
        self.info(&text);
    }

    /// Something is to be had of the connection.
    pub(super) fn hear_server(&mut self) -> io::Result<()> {
        let (Stage::Connected(connection) | Stage::Closing(connection)) = &mut self.stage else {
            return Ok(());
        };
        if !connection.listens() {
            return Ok(());
        }
        match connection.hear() {
            Ok(told) => {
                if !self.known.has_line {
                    self.look_for_line();
                }
                for told in told {
                    self.take_notice(told)?;
                }
                self.move_on()
            }
            Err(error) => self.lose(&error),
        }
    }

    fn take_notice(&mut self, told: Told) -> io::Result<()> {
        match told {
            Told::InForce(setting) => {
                self.known.take(setting);
                self.device.show(setting)
            }
            Told::Signals(bits) => {
                let had_carrier = self.known.has(modem_state::CARRIER);
                self.known.signals = Some(bits);
                let is_used = matches!(self.stage, Stage::Connected(_));
                let is_lost = had_carrier && !self.known.has(modem_state::CARRIER);
                if is_used && is_lost && self.device.minds_carrier() {
                    return self.hang_up("the modem has lost carrier");
                }
                Ok(())
            }
            Told::Suspend | Told::Resume => Ok(()),
        }
    }

    /// Whoever has the device open is hung up.
    fn hang_up(&mut self, why: &str) -> io::Result<()> {
        self.info(&format!("hung up: {why}"));
        self.device.hang_up()?;
        if self.device.link().is_none() {
            let path = self.device.path().display();
            self.info(&format!("the device is now {path}"));
        }
        self.left.clear();
        self.release()
    }

    /// The connection has failed.
    fn lose(&mut self, error: &io::Error) -> io::Result<()> {
        let words = match &self.stage {
            Stage::Connected(connection) => connection.words(),
            _ => None,
        };
        let why = match words {
            Some(words) => format!("the server says: {words}"),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                "the server has closed the connection".to_owned()
            }
            None => format!("the connection is lost: {error}"),
        };
        self.lost(why)
    }

    fn lost(&mut self, why: String) -> io::Result<()> {
        let had_line = self.known.has_line;
        if had_line && self.since.elapsed() >= BackOff::LONGEST {
            self.back_off = BackOff::new();
        }
        if matches!(self.stage, Stage::Closing(_)) {
            return self.release();
        }
        self.device.look()?;
        if had_line && self.departed.is_none() && self.device.minds_carrier() {
            self.why = Some(why.clone());
            return self.hang_up(&why);
        }
        self.retry(why);
        self.known.end();
        self.give_up_if_departed()
    }

    /// Whether data can go out now: during a BREAK it would be lost.
    fn sends_data(&self, connection: &Connection) -> bool {
        connection.takes_data() && self.left.is_empty() && self.break_end.is_none()
    }

    /// Something is to be had of the device.
    pub(super) fn hear_program(&mut self, flags: PollFlags) -> io::Result<()> {
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
    fn depart(&mut self) -> io::Result<()> {
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
    pub(super) fn of_program(&self) -> Option<PollFlags> {
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
    fn look_at_settings(&mut self) -> io::Result<()> {
        if !self.device.tells() {
            self.device.look()?;
            let wanted = self.device.wanted();
            if let Stage::Connected(connection) = &mut self.stage {
                connection.tell(|far, out| far.want(wanted, out));
            }
        }
        Ok(())
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

    /// No program has the device open any more, and all that they left behind has been taken.
    fn close(&mut self) -> io::Result<()> {
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

    /// The far line is somebody else's from here on.
    fn release(&mut self) -> io::Result<()> {
        if self.known.has_line {
            let (seconds, to_line, to_program) = self.known.so_far();
            self.info(&format!(
                "released after {seconds} s; {to_line} bytes to the line, {to_program} from it"
            ));
        }
        self.known.end();
        self.departed = None;
        self.break_end = None;
        self.device.discard()?;
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
                due.push((!connection.speaks()).then_some(self.since + SILENCE));
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
        if let Stage::Connected(connection) = &self.stage
            && !connection.speaks()
            && self.since + SILENCE <= now
        {
            let why = "the server does not speak telnet: if it gives the line's bytes as they are, say so \
                       (--raw, or protocol = \"raw\")";
            return self.lost(why.to_owned());
        }
        if self.departed.is_some_and(|departed| departed <= now) {
            if let Stage::Connected(connection) | Stage::Closing(connection) = &self.stage {
                let unsent = connection.unsent();
                self.warn(&format!(
                    "the server did not take all that a program has left behind: {unsent} bytes or more \
                     may be lost"
                ));
            }
            return self.release();
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

fn purge(done: Doings) -> Option<u8> {
    match (done.purged_input, done.purged_output) {
        (false, false) => None,
        (true, false) => Some(1),
        (false, true) => Some(2),
        (true, true) => Some(3),
    }
}
