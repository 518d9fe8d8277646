//! What a relay does for a port with modems: it keeps records of the calls, and lets the guard stand before the
//! modem where there is one.

use std::cell::Cell;
use std::time::{Duration, Instant};

use jiff::Zoned;
use serde::{Deserialize, Serialize};

use super::Moved;
use crate::account::{Accounts, Booking, Spent};
use crate::call::{CallEvent, CallMemo, Caller, Calls, Observer};
use crate::com_port::Uart as _;
use crate::config::ShownNumbers;
use crate::guard::{self, Guard, Moment, Output, Rules, Taken, World};
use crate::line::Line;
use crate::uptime::uptime;

/// How often at least it is written down how long a call has lasted by now.
const ACCOUNT: Duration = Duration::from_secs(60);

/// How the calls of a session are attended to; the session keeps that, whatever becomes of its port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attendance {
    /// What the records show of numbers.
    pub numbers: ShownNumbers,
    /// What the guard goes by, if there is one.
    pub rules: Option<Rules>,
}

/// What another process needs to go on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Memo {
    guard: Option<guard::Memo>,
    observer: Observer,
    call: Option<CallMemo>,
    running: Option<Running>,
}

impl Memo {
    /// Whether there was a guard.
    pub(super) fn has_guard(&self) -> bool {
        self.guard.is_some()
    }
}

/// A call that is on an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Running {
    booking: Booking,
    /// When it was connected, by the clock of the machine.
    since: Option<Duration>,
}

/// Attends to the calls of one session.
pub struct Attendant<'a> {
    calls: Calls,
    guard: Option<Guard>,
    observer: Observer,
    office: Office<'a>,
    next_account: Option<Instant>,
}

/// Where the calls of a client are counted.
struct Office<'a> {
    accounts: &'a Accounts,
    port: String,
    /// The client, whatever port of its machine it came from.
    host: String,
    running: Cell<Option<Running>>,
}

/// A line, and how many octets it has not been given yet.
#[derive(Clone, Copy)]
pub(super) struct Wire<'l> {
    pub(super) line: &'l Line,
    pub(super) kept: usize,
}

/// The line and the account, as the guard sees them.
struct Sight<'s> {
    wire: Wire<'s>,
    office: &'s Office<'s>,
}

impl World for Sight<'_> {
    fn carrier(&self) -> Option<bool> {
        self.wire.line.carrier()
    }

    fn unsent(&self) -> u32 {
        let Wire { line, kept } = self.wire;
        match line.unsent() {
            0 if kept > 0 => u32::try_from(kept).unwrap_or(u32::MAX),
            // Nobody tells how much that is.
            0 => line.is_sending().into(),
            unsent => unsent,
        }
    }

    fn uptime(&self) -> Duration {
        uptime()
    }

    fn moment(&self) -> Moment {
        let now = Zoned::now();
        let [weekday, hour, minute] = [
            now.weekday().to_monday_zero_offset(),
            now.hour(),
            now.minute(),
        ]
        .map(i8::unsigned_abs);
        Moment {
            weekday,
            minute: u16::from(hour) * 60 + u16::from(minute),
        }
    }

    fn spent(&self) -> Result<Spent, String> {
        let Office {
            accounts,
            port,
            host,
            ..
        } = self.office;
        accounts
            .spent(port, host)
            .map_err(|error| error.to_string())
    }

    fn book(&self) -> Result<(), String> {
        let Office {
            accounts,
            port,
            host,
            ..
        } = self.office;
        let booking = accounts
            .begin(port, host)
            .map_err(|error| error.to_string())?;
        let since = None;
        self.office.running.set(Some(Running { booking, since }));
        Ok(())
    }
}

impl Office<'_> {
    /// Writes down how long the call has lasted by now.
    fn update(&self) {
        if let Some(Running {
            booking,
            since: Some(since),
        }) = self.running.get()
        {
            self.accounts
                .update(booking, uptime().saturating_sub(since));
        }
    }

    fn note(&self, event: &CallEvent) {
        match event {
            CallEvent::Connected(_) => {
                let running = self.running.get().map(|running| Running {
                    since: Some(uptime()),
                    ..running
                });
                self.running.set(running);
            }
            CallEvent::Failed(_) | CallEvent::Ended(_) => {
                self.update();
                self.running.set(None);
            }
            _ => {}
        }
    }
}

impl Drop for Office<'_> {
    fn drop(&mut self) {
        self.update();
    }
}

impl<'a> Attendant<'a> {
    /// For a session of a client on this machine, whose modem is prepared.
    #[must_use]
    pub fn new(
        attendance: Attendance,
        caller: Caller,
        host: String,
        accounts: &'a Accounts,
    ) -> Self {
        Attendant {
            office: Office {
                accounts,
                port: caller.port.clone(),
                host,
                running: Cell::default(),
            },
            calls: Calls::new(caller, attendance.numbers),
            guard: attendance.rules.map(Guard::new),
            observer: Observer::default(),
            next_account: None,
        }
    }

    /// As another process has left it.
    #[must_use]
    pub fn resume(
        attendance: Attendance,
        memo: Memo,
        caller: Caller,
        host: String,
        accounts: &'a Accounts,
        line: &Line,
    ) -> Self {
        let office = Office {
            accounts,
            port: caller.port.clone(),
            host,
            running: Cell::new(memo.running),
        };
        let now = Instant::now();
        let guard = attendance.rules.map(|rules| match memo.guard {
            Some(memo) => Guard::resume(
                rules,
                memo,
                now,
                &Sight {
                    wire: Wire { line, kept: 0 },
                    office: &office,
                },
            ),
            None => Guard::new(rules),
        });
        Attendant {
            calls: Calls::resume(caller, attendance.numbers, memo.call),
            guard,
            observer: memo.observer,
            next_account: memo.running.map(|_| now),
            office,
        }
    }

    pub(super) fn memo(&self) -> Memo {
        Memo {
            guard: self.guard.as_ref().map(Guard::memo),
            observer: self.observer.clone(),
            call: self.calls.memo(),
            running: self.office.running.get(),
        }
    }

    /// Nothing is over: another process goes on.
    pub(super) fn leave(self) {
        self.calls.leave();
    }

    /// So many octets have moved by now.
    pub(super) fn moved(&mut self, moved: Moved) {
        self.calls.moved(moved);
    }

    pub(super) fn is_guard(&self) -> bool {
        self.guard.is_some()
    }

    pub(super) fn listens_to_modem(&self) -> bool {
        self.guard.as_ref().is_none_or(Guard::listens_to_modem)
    }

    /// Whether what the modem says must be read for the client to be heard.
    pub(super) fn must_hear_modem(&self) -> bool {
        self.guard
            .as_ref()
            .is_some_and(|guard| !guard.trusts_carrier())
    }

    /// Whether the client may change the settings of the line now.
    pub(super) fn lets_settings_change(&self) -> bool {
        self.guard.as_ref().is_none_or(Guard::is_idle)
    }

    /// Why the modem is of no use any more, once it is not.
    pub(super) fn is_lost(&self) -> Option<&str> {
        self.guard.as_ref()?.is_lost()
    }

    /// Octets of the client.
    pub(super) fn client(&mut self, data: &[u8], wire: Wire<'_>) -> Taken {
        let office = &self.office;
        if let Some(guard) = &mut self.guard {
            return guard.client(data, Instant::now(), &Sight { wire, office });
        }
        self.observer.client(data, Instant::now());
        Taken::Through(data.len())
    }

    /// Octets of the modem.
    pub(super) fn modem(&mut self, data: &[u8], wire: Wire<'_>) -> Taken {
        let office = &self.office;
        if let Some(guard) = &mut self.guard {
            return guard.modem(data, Instant::now(), &Sight { wire, office });
        }
        self.observer.modem(data, Instant::now());
        Taken::Through(data.len())
    }

    /// What the client had sent and was not taken is thrown away.
    pub(super) fn forget_held(&mut self) {
        if let Some(guard) = &mut self.guard {
            guard.forget_held();
        }
    }

    /// The client has switched DTR, or with a guard wants to.
    pub(super) fn dtr(&mut self, on: bool) {
        match &mut self.guard {
            Some(guard) => guard.dtr(on, Instant::now()),
            None => self.observer.dtr(on),
        }
    }

    /// When [`Self::advance`] is to be called at the latest.
    pub(super) fn due(&self) -> Option<Instant> {
        let of_guard = self.guard.as_ref().and_then(Guard::next_deadline);
        [of_guard, self.calls.next_deadline(), self.next_account]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due.
    pub(super) fn advance(&mut self, wire: Wire<'_>) {
        let now = Instant::now();
        let office = &self.office;
        if let Some(guard) = &mut self.guard
            && guard.next_deadline().is_some_and(|due| due <= now)
        {
            guard.advance(now, &Sight { wire, office });
        }
        self.calls.advance(now);
        if self.next_account.is_some_and(|due| due <= now) {
            self.office.update();
            if let Some(guard) = &mut self.guard {
                guard.count_minutes(now, &Sight { wire, office });
            }
            self.next_account = Some(now + ACCOUNT);
        }
    }

    /// What came of all that, when so many octets had moved.
    pub(super) fn take_output(&mut self, moved: Moved) -> Output {
        let mut output = match &mut self.guard {
            Some(guard) => guard.take_output(),
            None => Output {
                events: self.observer.take_events(),
                ..Output::default()
            },
        };
        let now = Instant::now();
        for event in output.events.drain(..) {
            let mut moved = moved;
            if let CallEvent::Connected(_) = event {
                // What the client is told of it is no part of the call yet.
                moved.to_client += output.to_client.len() as u64;
            }
            self.office.note(&event);
            self.calls.note(&event, moved, now);
        }
        let is_running = self.office.running.get().is_some();
        if is_running != self.next_account.is_some() {
            self.next_account = is_running.then_some(now + ACCOUNT);
        }
        output
    }
}
