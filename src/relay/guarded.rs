//! A relay on a port with modems: what goes either way is shown to the attendant first, and its guard decides
//! what becomes of it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::attendant::{Attendant, Wire};
use super::orders::ANSWERS;
use super::{End, Relay};
use crate::com_port::{Counts, Setting, Signals, State, Uart};
use crate::guard::Taken;
use crate::line::Line;

/// How much may wait for a client until it is not heard any more. Less than what it takes that its orders are
/// not carried out either.
const UNREAD: usize = ANSWERS / 2;

/// What is to be done with the line itself, between two turns.
#[derive(Debug, Default)]
pub(super) struct Wires {
    discard: bool,
    dtr: Option<bool>,
}

impl Wires {
    pub(super) fn are_to_be_switched(&self) -> bool {
        self.discard || self.dtr.is_some()
    }
}

/// A line as a telnet client may use it whose modem has a guard: the client says what DTR is to be, but the guard
/// switches it; and it can neither throw away what the modem has said, nor keep it from saying it, nor send a
/// BREAK, at which some modems listen for commands.
pub(super) struct Shown<'l> {
    line: &'l mut Line,
    is_guarded: bool,
    is_frozen: bool,
    dtr: Option<bool>,
}

impl<'l> Shown<'l> {
    pub(super) fn new(line: &'l mut Line, attendant: Option<&Attendant<'_>>) -> Self {
        Shown {
            line,
            is_guarded: attendant.is_some_and(Attendant::is_guard),
            is_frozen: attendant.is_some_and(|of| !of.lets_settings_change()),
            dtr: None,
        }
    }

    /// What DTR was switched to.
    pub(super) fn dtr(&self) -> Option<bool> {
        self.dtr
    }
}

impl Uart for Shown<'_> {
    fn set(&mut self, setting: Setting) {
        match setting {
            Setting::Break(_) | Setting::Rts(false) if self.is_guarded => {}
            // With other flow control the far side could have what was sent wait here, and leave nothing of the
            // times between it.
            Setting::Baud(_)
            | Setting::DataBits(_)
            | Setting::Parity(_)
            | Setting::StopBits(_)
            | Setting::Flow(_)
            | Setting::InboundFlow(_)
                if self.is_frozen => {}
            Setting::Dtr(on) => {
                self.dtr = Some(on);
                if !self.is_guarded {
                    self.line.set(setting);
                }
            }
            setting => self.line.set(setting),
        }
    }

    fn state(&self) -> State {
        let state = self.line.state();
        // What was taken note of counts as done; the guard may make it later.
        match self.dtr {
            Some(dtr) if self.is_guarded => State { dtr, ..state },
            _ => state,
        }
    }

    fn signals(&self) -> Signals {
        self.line.signals()
    }

    fn counts(&self) -> Option<Counts> {
        self.line.counts()
    }

    fn unsent(&self) -> u32 {
        self.line.unsent()
    }

    fn discard_received(&mut self) {
        if !self.is_guarded {
            self.line.discard_received();
        }
    }

    fn discard_unsent(&mut self) {
        if !self.is_guarded {
            self.line.discard_unsent();
        }
    }
}

impl Relay<'_> {
    /// Whether the modem is to be read from.
    pub(super) fn listens_to_modem(&self) -> bool {
        let attendant = self.attendant.as_ref();
        attendant.is_none_or(|attendant| attendant.listens_to_modem())
    }

    /// Whether the modem is read from although the client does not take what it has said: else a client that
    /// reads nothing could speak to a modem of which nobody hears that it has lost carrier.
    pub(super) fn must_hear_modem(&self) -> bool {
        let attendant = self.attendant.as_ref();
        attendant.is_some_and(|of| of.must_hear_modem()) && !self.answers_wait()
    }

    /// Whether such a client has to wait itself.
    pub(super) fn answers_wait(&self) -> bool {
        let attendant = self.attendant.as_ref();
        attendant.is_some_and(|of| of.must_hear_modem()) && self.to_client.kept() >= UNREAD
    }

    /// Shows the attendant what the client says.
    pub(super) fn attend_to_client(&mut self, data: &[u8], line: &Line) -> Result<(), End> {
        if self.held.is_empty() {
            let taken = self.offer(data, line)?;
            self.held.extend(&data[taken..]);
            self.turns.was_taken(taken == data.len());
            return Ok(());
        }
        self.held.extend(data);
        self.offer_held(line)
    }

    /// Offers what was held again.
    fn offer_held(&mut self, line: &Line) -> Result<(), End> {
        if self.held.is_empty() {
            return Ok(());
        }
        let mut held = std::mem::take(&mut self.held);
        let taken = self.offer(&held, line)?;
        held.drain(..taken);
        self.held = held;
        Ok(())
    }

    fn wire<'l>(&self, line: &'l Line) -> Wire<'l> {
        let kept = self.to_line.kept();
        Wire { line, kept }
    }

    /// How many octets of the client were taken.
    fn offer(&mut self, data: &[u8], line: &Line) -> Result<usize, End> {
        let mut at = 0;
        while at < data.len() {
            let wire = self.wire(line);
            let Some(attendant) = &mut self.attendant else {
                break;
            };
            let count = match attendant.client(&data[at..], wire) {
                Taken::Through(count) => {
                    self.pass_to_line(&data[at..at + count], line)?;
                    count
                }
                Taken::Here(count) => count,
            };
            at += count;
            self.settle(line)?;
            if count == 0 || self.wires.are_to_be_switched() {
                break;
            }
        }
        Ok(at)
    }

    /// Shows the attendant what the modem says.
    pub(super) fn attend_to_modem(&mut self, data: &[u8], line: &Line) -> Result<(), End> {
        let mut at = 0;
        // The guard may have to be asked twice when one state ends and another begins.
        let mut was_taken = true;
        while at < data.len() {
            let wire = self.wire(line);
            let Some(attendant) = &mut self.attendant else {
                break;
            };
            let count = match attendant.modem(&data[at..], wire) {
                Taken::Through(count) => {
                    self.pass_to_client(&data[at..at + count])?;
                    count
                }
                Taken::Here(count) => count,
            };
            at += count;
            self.settle(line)?;
            if count == 0 && !was_taken {
                break;
            }
            was_taken = count > 0;
        }
        self.offer_held(line)
    }

    /// Delivers what the guard has held up until now, for as long as it does not take too long.
    pub(super) async fn deliver_held(&mut self, line: &Line, patience: Duration) {
        let deadline = Instant::now() + patience;
        while !self.held.is_empty() && !self.wires.are_to_be_switched() {
            let due = self.attendance_due().unwrap_or(deadline);
            if due >= deadline {
                return;
            }
            sleep_until(due).await;
            if self.attend_when_due(line).is_err() {
                return;
            }
        }
    }

    /// When the attendant has something to do.
    pub(super) fn attendance_due(&self) -> Option<Instant> {
        let due = self.attendant.as_ref()?.due()?;
        Some(Instant::from_std(due))
    }

    /// Lets the attendant do what is due.
    pub(super) fn attend_when_due(&mut self, line: &Line) -> Result<(), End> {
        let wire = self.wire(line);
        let Some(attendant) = &mut self.attendant else {
            return Ok(());
        };
        attendant.advance(wire);
        self.settle(line)?;
        self.offer_held(line)
    }

    /// A telnet client has switched DTR.
    pub(super) fn dtr_was_switched(&mut self, on: bool, line: &Line) -> Result<(), End> {
        if let Some(attendant) = &mut self.attendant {
            attendant.dtr(on);
            self.settle(line)?;
        }
        Ok(())
    }

    /// Does what came of it.
    fn settle(&mut self, line: &Line) -> Result<(), End> {
        let moved = self.moved();
        let Some(attendant) = &mut self.attendant else {
            return Ok(());
        };
        let output = attendant.take_output(moved);
        let lost = attendant.is_lost().map(str::to_owned);
        if output.discard {
            self.to_line.forget();
            self.wires.discard = true;
        }
        self.wires.dtr = output.dtr.or(self.wires.dtr);
        if !output.to_modem.is_empty() {
            self.last_byte = Instant::now();
            self.pass_to_line(&output.to_modem, line)?;
        }
        if !output.to_client.is_empty() {
            self.last_byte = Instant::now();
            self.receipts.expect(self.last_byte);
            self.pass_to_client(&output.to_client)?;
        }
        if let Some(why) = lost {
            warn!(
                MODEMD_LINE = %line.device().display(),
                "{}: the modem does not do what it is told: {why}",
                line.device().display()
            );
            return Err(End::ModemLost);
        }
        Ok(())
    }

    /// Does with the line what the guard wants.
    pub(super) fn switch_wires(&mut self, line: &mut Line) -> Result<(), End> {
        self.begin_acting();
        if std::mem::take(&mut self.wires.discard) {
            line.discard_unsent();
        }
        if let Some(on) = self.wires.dtr.take() {
            line.switch_dtr(on);
        }
        self.offer_held(line)
    }
}
