//! Fax by service class 1 (ITU-T T.31): the client speaks T.30, and the modem goes back to command state after
//! each piece of it.

use std::time::{Duration, Instant};

use super::command_state::{Then, Work};
use super::data::{DRAIN_POLL, SETTLING};
use super::hazard::Hazard;
use super::policy::FaxPhase;
use super::{Commands, Guard, State, Taken, World};

const DLE: u8 = 0x10;
const ETX: u8 = 0x03;
/// XON and XOFF: how either side holds up the other (T.31, 8.4.2).
const FLOW: [u8; 2] = [0x11, 0x13];
/// What calls off receiving (T.31, 8.3.4); any other character would.
const CAN: u8 = 0x18;

/// How long a modem may take to send what it has got.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A piece of a fax on its way.
#[derive(Debug)]
pub(super) struct Fax {
    phase: FaxPhase,
    /// The octet before was a DLE.
    is_escaped: bool,
    hazard: Hazard,
    /// The client has to wait until everything has reached the modem: it is looked again at this time; and
    /// since when it has.
    hold: Option<(Instant, Option<Instant>)>,
}

impl Fax {
    pub(super) fn new(phase: FaxPhase) -> Self {
        Fax {
            phase,
            is_escaped: false,
            hazard: Hazard::default(),
            hold: None,
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.hold.map(|(at, _)| at)
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.hold.is_some()
    }

    /// How many octets there are up to the end of the piece, if it is in there.
    fn end(&mut self, data: &[u8]) -> Option<usize> {
        for (at, octet) in data.iter().enumerate() {
            if std::mem::take(&mut self.is_escaped) {
                if *octet == ETX {
                    return Some(at + 1);
                }
            } else {
                self.is_escaped = *octet == DLE;
            }
        }
        None
    }
}

impl Guard {
    /// Octets of the client while a fax is on its way.
    pub(super) fn fax_from_client(&mut self, data: &[u8], now: Instant) -> Taken {
        let State::Fax(fax) = &mut self.state else {
            return Taken::Here(0);
        };
        if fax.phase == FaxPhase::Receive {
            if data.iter().any(|octet| !FLOW.contains(octet)) {
                self.out.to_modem.push(CAN);
                self.wait_for_result(Then::FaxEnds, now + self.rules.timeout);
            }
            return Taken::Here(data.len());
        }
        if fax.is_waiting() {
            return Taken::Here(0);
        }
        let passed = fax.hazard.pass(data);
        if passed < data.len() {
            fax.hold = Some((now + DRAIN_POLL, None));
        }
        match fax.end(&data[..passed]) {
            Some(end) => {
                // `CONNECT` is the answer to a frame that is not the last one (T.31, 8.3.3).
                self.wait_for_result(Then::Fax(FaxPhase::Send), now + LONGEST_REST);
                Taken::Through(end)
            }
            None if passed == 0 => Taken::Here(0),
            None => Taken::Through(passed),
        }
    }

    /// Octets of the modem while a fax is on its way.
    pub(super) fn fax_from_modem(&mut self, data: &[u8], now: Instant) -> Taken {
        let State::Fax(fax) = &mut self.state else {
            return Taken::Here(0);
        };
        if fax.phase == FaxPhase::Receive {
            return match fax.end(data) {
                Some(end) => {
                    self.wait_for_result(Then::Next, now + self.rules.timeout);
                    Taken::Through(end)
                }
                None => Taken::Through(data.len()),
            };
        }
        let flow = data.iter().take_while(|octet| FLOW.contains(octet)).count();
        if flow > 0 {
            return Taken::Through(flow);
        }
        // It has given up: whatever it says is the result.
        self.out.discard = true;
        self.wait_for_result(Then::Next, now + self.rules.timeout);
        Taken::Here(0)
    }

    /// Looks whether everything that was sent has reached the modem.
    pub(super) fn fax_due(&mut self, now: Instant, world: &dyn World) {
        let State::Fax(fax) = &mut self.state else {
            return;
        };
        let Some((at, since)) = &mut fax.hold else {
            return;
        };
        if *at > now {
            return;
        }
        if world.unsent() > 0 {
            *since = None;
        } else if now >= *since.get_or_insert(now) + SETTLING || world.carrier().is_none() {
            fax.hazard.clear();
            fax.hold = None;
            return;
        }
        *at = now + DRAIN_POLL;
    }

    fn wait_for_result(&mut self, then: Then, due: Instant) {
        self.responses.clear();
        let rest = Commands::new();
        self.state = State::Line(Work { due, then, rest });
    }
}
