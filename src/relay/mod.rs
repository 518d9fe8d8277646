//! Bytes both ways between a client and a line, until there is a reason to stop.
//!
//! A byte is read into one buffer that all sessions share, and written on at once; only what the
//! other side would not take is kept, and while it is kept nothing more is read from this side. So
//! an idle session owns no memory, a stalled one owns one turn's worth, and backpressure reaches
//! the one who sends. Each turn is one read, so that a transfer on one line delays a keystroke on
//! another by one turn at the most.
//!
//! On a telnet port an interpreter stands in between. What it makes of a turn are data, answers
//! and at most one order; an order that changes the line waits until the data in front of it has
//! left, and what comes behind it waits undecoded, as nothing more is read from the client. Such a
//! client is read a bit further than the line takes its data, to find the order that frees the line.

mod direction;
mod ending;
mod failure;
mod interpreter;
mod mailbox;
mod memo;
mod orders;
pub(crate) mod receipts;
mod seen;
mod turn;

use std::io;
use std::pin::Pin;

use nix::errno::Errno;
use socket2::Socket;
use tokio::io::unix::AsyncFdReadyGuard;
use tokio::io::{Interest, Ready};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::client::{Client, has_urgent_data};
use crate::com_port::Rights;
use crate::ledger::{Ledger, Way};
use crate::line::{Line, Tty};
use crate::tap::Tap;
use direction::{Direction, has_hung_up};
pub use ending::{End, Limits};
pub use failure::Failure;
use interpreter::{Interpreter, Order};
pub use mailbox::{Answers, Asked, Mailbox, Request};
pub use memo::Memo;
use orders::{ANSWERS, DATA, Patience, over};
use receipts::Receipts;
use turn::{Read, Turns, rest};

/// What a port's clients speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The line's bytes as they are.
    Raw,
    /// Telnet with COM port control, by clients with these rights.
    Telnet(Rights),
}

/// How many bytes went where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// From the client to the line.
    pub to_line: u64,
    /// From the line to the client.
    pub to_client: u64,
}

/// What moves bytes between one client and its line.
pub struct Relay<'a> {
    client: &'a Client,
    limits: Limits,
    /// None on a raw port.
    interpreter: Option<Interpreter>,
    /// What is to be done before anything more of the client is decoded.
    order: Option<Order>,
    /// The last time that data in front of the order was seen to move.
    order_since: Instant,
    /// Octets of a telnet client behind the order.
    undecoded: Vec<u8>,
    to_line: Direction,
    to_client: Direction,
    /// The client has closed its sending side, or said so.
    client_closed: bool,
    /// Writing to the client failed; what it sent before may still be there to be read.
    client_deaf: Option<Failure>,
    receipts: Receipts,
    /// Somebody else waits for a line.
    wanted: bool,
    last_byte: Instant,
    last_look: Instant,
    /// What the kernel had still to send at the last look.
    unsent: u32,
    /// Why it has ended.
    end: Option<End>,
    /// Where all this is written down for another process; none where there will not be one.
    ledger: Option<Ledger>,
    /// What is written down there.
    noted: Option<Memo>,
    turns: Turns,
    /// Those who listen in.
    taps: Vec<Tap>,
}

impl<'a> Relay<'a> {
    /// For a client that has a line, of which nothing was read yet.
    #[must_use]
    pub fn new(
        client: &'a Client,
        protocol: Protocol,
        limits: Limits,
        ledger: Option<Ledger>,
    ) -> Self {
        let now = Instant::now();
        let mut to_client = Direction::new(Way::ToClient);
        let mut receipts = Receipts::new(limits.keepalive);
        let interpreter = match protocol {
            Protocol::Raw => None,
            Protocol::Telnet(rights) => {
                let (interpreter, offers) = Interpreter::new(rights);
                // At once: what waits takes a page of the ledger. That the client is gone by now, the
                // first turn learns.
                let _ = to_client.pass(&offers, client.socket());
                receipts.expect(now);
                Some(interpreter)
            }
        };
        Relay {
            client,
            limits,
            interpreter,
            order: None,
            order_since: now,
            undecoded: Vec::new(),
            to_line: Direction::new(Way::ToLine),
            to_client,
            client_closed: false,
            client_deaf: None,
            receipts,
            wanted: false,
            last_byte: now,
            last_look: now,
            unsent: 0,
            end: None,
            ledger,
            noted: None,
            turns: Turns::new(),
            taps: Vec::new(),
        }
    }

    /// Moves bytes until there is a reason to stop; what was read by then and not taken yet is for
    /// [`Relay::finish`]. Dropping the future stops as well, and loses nothing.
    ///
    /// `wanted` completes when somebody else waits for a line. What is asked for by `mailbox` is done
    /// between two turns; whoever wants to look is shown things by `show`.
    pub async fn run(
        &mut self,
        line: &mut Line,
        wanted: impl Future<Output = ()>,
        mailbox: &Mailbox,
        mut show: impl FnMut(&Relay<'_>, &Line),
    ) -> End {
        let alarm = sleep_until(self.last_byte);
        tokio::pin!(alarm, wanted);
        self.note(line);
        loop {
            let order = self
                .until_order(line, alarm.as_mut(), wanted.as_mut(), mailbox, &mut show)
                .await;
            if let Err(end) = order.and_then(|order| self.carry_out(order, line)) {
                return end;
            }
            self.note(line);
            // A segment full of orders is many turns.
            yield_now().await;
        }
    }

    /// Moves bytes until there is an order that is to be carried out now.
    async fn until_order(
        &mut self,
        line: &Line,
        mut alarm: Pin<&mut Sleep>,
        mut wanted: Pin<&mut impl Future<Output = ()>>,
        mailbox: &Mailbox,
        show: &mut impl FnMut(&Relay<'_>, &Line),
    ) -> Result<Order, End> {
        let client = self.client.socket();
        let tty = line.tty();
        let mut patience: Patience<'_> = None;
        loop {
            if let Some(order) = self.order_now(line, &mut patience)? {
                return Ok(order);
            }
            let due = self.due(line);
            // A time that moved on with the last byte is looked at when it comes, not at each byte.
            if let Some(due) = due
                && (alarm.is_elapsed() || due < alarm.deadline())
            {
                alarm.as_mut().reset(due);
            }
            // The ticks of a timer are a millisecond apart.
            let is_past = due.is_some_and(|due| due <= self.last_byte);
            let speaks = !self.is_suspended();
            let heard = if self.takes_data() {
                Interest::READABLE | Interest::PRIORITY
            } else {
                Interest::PRIORITY
            };
            let more = tokio::select! {
                ready = client.ready(heard), if !self.is_deaf_to_client() => {
                    self.client_turn(ready, line)?
                }
                ready = tty.readable(), if speaks && self.to_client.is_clear() => {
                    self.line_turn(ready)?
                }
                ready = tty.writable(), if !self.to_line.is_clear() => self.kept_to_line(ready)?,
                ready = client.writable(), if speaks && !self.to_client.is_clear() => {
                    self.kept_to_client(ready)?
                }
                () = over(&mut patience), if patience.is_some() => {
                    return Ok(self.order.take().expect("it was waited for"));
                }
                () = async { if !is_past { alarm.as_mut().await } }, if due.is_some() => match self.overdue(line)? {
                    Some(order) => return Ok(order),
                    None => false,
                },
                request = mailbox.next() => {
                    self.attend(request, line, show)?;
                    false
                }
                () = &mut wanted, if self.client_closed && !self.wanted => {
                    self.wanted = true;
                    false
                }
            };
            self.note(line);
            if more {
                // The others have their turn first.
                yield_now().await;
            }
        }
    }

    /// Whether nothing that the client could send is of use now.
    fn is_deaf_to_client(&self) -> bool {
        let has_no_room = match &self.interpreter {
            None => !self.takes_data(),
            // What is urgent makes room: it may be all that is listened for, but for a connection
            // that is closed, which nothing would ever clear.
            Some(_) => {
                self.to_client.kept() >= ANSWERS
                    || !self.takes_data() && has_hung_up(self.client.socket())
            }
        };
        self.client_closed || self.order.is_some() || has_no_room
    }

    /// Whether there is room for data of the client, or none is needed.
    fn takes_data(&self) -> bool {
        match &self.interpreter {
            None => self.to_line.is_clear(),
            Some(interpreter) => self.to_line.kept() < DATA || interpreter.in_synch(),
        }
    }

    /// Tells whether there may be more to read.
    fn client_turn(
        &mut self,
        ready: io::Result<AsyncFdReadyGuard<'_, Socket>>,
        line: &Line,
    ) -> Result<bool, End> {
        let mut ready = ready.map_err(client_lost)?;
        let socket = self.client.socket().get_ref();
        let priority = ready.ready().is_priority();
        let mut urgent = priority && has_urgent_data(socket);
        if urgent {
            self.synch(true);
        } else if priority {
            ready.clear_ready_matching(Ready::PRIORITY);
        }
        if !self.takes_data() || !ready.ready().is_readable() {
            return Ok(false);
        }
        self.begin(Way::ToLine);
        let turns = self.turns;
        let read = turns.read(socket, Way::ToLine, |bytes| self.hear(bytes, line));
        match read.map_err(client_lost)? {
            Read::End => {
                if let Some(error) = self.client_deaf.take() {
                    return Err(End::ClientLost(error));
                }
                self.client_closed = true;
                self.last_byte = Instant::now();
                Ok(false)
            }
            Read::Some { passed, more } => {
                passed?;
                // A read ends where urgent data begins.
                if urgent && !has_urgent_data(socket) {
                    urgent = false;
                    self.synch(false);
                }
                Ok(rest(&mut ready, more || urgent))
            }
            Read::Nothing => Ok(rest(&mut ready, false)),
        }
    }

    /// Octets of the client.
    fn hear(&mut self, bytes: &[u8], line: &Line) -> Result<(), End> {
        self.begin_with(Way::ToLine, bytes.len());
        if self.interpreter.is_some() {
            self.interpret(bytes, line)
        } else {
            self.say(bytes, line)
        }
    }

    /// Data for the line.
    fn say(&mut self, data: &[u8], line: &Line) -> Result<(), End> {
        self.last_byte = Instant::now();
        self.overhear(Way::ToLine, data);
        let passed = self.to_line.pass(data, line.tty());
        passed.map_err(line_lost)
    }

    /// Tells whether there may be more to read.
    fn line_turn(&mut self, ready: io::Result<AsyncFdReadyGuard<'_, Tty>>) -> Result<bool, End> {
        let mut ready = ready.map_err(line_lost)?;
        let client = self.client.socket();
        self.begin(Way::ToClient);
        let turns = self.turns;
        let read = turns.read(ready.get_inner(), Way::ToClient, |bytes| {
            self.begin_with(Way::ToClient, bytes.len());
            self.overhear(Way::ToClient, bytes);
            match (&self.client_deaf, &mut self.interpreter) {
                (Some(_), _) => Ok(()),
                (None, None) => self.to_client.pass(bytes, client),
                (None, Some(interpreter)) => {
                    self.to_client.pass(&interpreter.translate(bytes), client)
                }
            }
        });
        match read.map_err(line_lost)? {
            // A terminal has no end of file but the loss of its other side.
            Read::End => Err(End::LineLost(Errno::EIO.into())),
            Read::Some { passed, more } => {
                self.last_byte = Instant::now();
                self.receipts.expect(self.last_byte);
                let more = rest(&mut ready, more);
                passed.or_else(|error| self.deafened(error))?;
                Ok(more)
            }
            Read::Nothing => Ok(rest(&mut ready, false)),
        }
    }

    fn kept_to_line(&mut self, ready: io::Result<AsyncFdReadyGuard<'_, Tty>>) -> Result<bool, End> {
        self.begin_kept(Way::ToLine);
        let written = ready.and_then(|mut ready| self.to_line.pass_kept(&mut ready));
        let written = written.map_err(line_lost)?;
        if written > 0 {
            self.last_byte = Instant::now();
            self.order_since = self.last_byte;
        }
        Ok(false)
    }

    fn kept_to_client(
        &mut self,
        ready: io::Result<AsyncFdReadyGuard<'_, Socket>>,
    ) -> Result<bool, End> {
        self.begin_kept(Way::ToClient);
        match ready.and_then(|mut ready| self.to_client.pass_kept(&mut ready)) {
            Ok(0) => {}
            Ok(_) => {
                self.last_byte = Instant::now();
                self.receipts.expect(self.last_byte);
            }
            Err(error) => self.deafened(error)?,
        }
        Ok(false)
    }

    /// The client takes nothing any more. What it sent before it left is still to be read.
    fn deafened(&mut self, error: io::Error) -> Result<(), End> {
        self.to_client.forget();
        if self.client_closed {
            return Err(client_lost(error));
        }
        self.client_deaf = Some(error.into());
        Ok(())
    }
}

fn client_lost(error: io::Error) -> End {
    End::ClientLost(error.into())
}

fn line_lost(error: io::Error) -> End {
    End::LineLost(error.into())
}
