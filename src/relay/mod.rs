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

mod attendant;
mod direction;
mod ending;
mod failure;
mod guarded;
mod interpreter;
mod mailbox;
mod memo;
mod orders;
pub(crate) mod receipts;
mod seen;
mod traffic;
mod turn;

use std::io;
use std::pin::Pin;

use tokio::io::Interest;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::client::Client;
use crate::com_port::Rights;
use crate::ledger::{Ledger, Way};
use crate::line::Line;
use crate::tap::Tap;
pub use attendant::{Attendance, Attendant};
use direction::{Direction, has_hung_up};
pub use ending::{End, Limits};
pub use failure::Failure;
use guarded::Wires;
use interpreter::{Interpreter, Order};
pub use mailbox::{Answers, Asked, Mailbox, Request};
pub use memo::Memo;
use orders::{ANSWERS, DATA, Patience, over};
use receipts::Receipts;
use turn::Turns;

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
    /// Who keeps records of calls and guards the modem, on a port with modems.
    attendant: Option<Box<Attendant<'a>>>,
    /// Octets of the client that the guard does not take yet.
    held: Vec<u8>,
    /// What the guard wants of the line itself.
    wires: Wires,
}

impl<'a> Relay<'a> {
    /// For a client that has a line, of which nothing was read yet.
    #[must_use]
    pub fn new(
        client: &'a Client,
        protocol: Protocol,
        limits: Limits,
        ledger: Option<Ledger>,
        attendant: Option<Attendant<'a>>,
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
            attendant: attendant.map(Box::new),
            held: Vec::new(),
            wires: Wires::default(),
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
            let done = order.and_then(|order| match order {
                Some(order) => self.carry_out(order, line),
                None => self.switch_wires(line),
            });
            if let Err(end) = done {
                return end;
            }
            self.note(line);
            // A segment full of orders is many turns.
            yield_now().await;
        }
    }

    /// Moves bytes until there is an order that is to be carried out now, or nothing but wires to switch.
    async fn until_order(
        &mut self,
        line: &Line,
        mut alarm: Pin<&mut Sleep>,
        mut wanted: Pin<&mut impl Future<Output = ()>>,
        mailbox: &Mailbox,
        show: &mut impl FnMut(&Relay<'_>, &Line),
    ) -> Result<Option<Order>, End> {
        let client = self.client.socket();
        let tty = line.tty();
        let mut patience: Patience<'_> = None;
        loop {
            if self.wires.are_to_be_switched() {
                return Ok(None);
            }
            if let Some(order) = self.order_now(line, &mut patience)? {
                return Ok(Some(order));
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
            let listens = self.listens_to_modem()
                && (speaks && self.to_client.is_clear() || self.must_hear_modem());
            let heard = if self.takes_data() {
                Interest::READABLE | Interest::PRIORITY
            } else {
                Interest::PRIORITY
            };
            let more = tokio::select! {
                ready = client.ready(heard), if !self.is_deaf_to_client() => {
                    self.client_turn(ready, line)?
                }
                ready = tty.readable(), if listens => {
                    self.line_turn(ready, line)?
                }
                ready = tty.writable(), if !self.to_line.is_clear() => self.kept_to_line(ready)?,
                ready = client.writable(), if speaks && !self.to_client.is_clear() => {
                    self.kept_to_client(ready)?
                }
                () = over(&mut patience), if patience.is_some() => {
                    return Ok(Some(self.order.take().expect("it was waited for")));
                }
                () = async { if !is_past { alarm.as_mut().await } }, if due.is_some() => match self.overdue(line)? {
                    Some(order) => return Ok(Some(order)),
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
        let is_held = !self.held.is_empty() || self.answers_wait();
        match &self.interpreter {
            None => self.to_line.is_clear() && !is_held,
            Some(interpreter) => self.to_line.kept() < DATA && !is_held || interpreter.in_synch(),
        }
    }
}

fn client_lost(error: io::Error) -> End {
    End::ClientLost(error.into())
}

fn line_lost(error: io::Error) -> End {
    End::LineLost(error.into())
}
