//! How things stand, in the words of the interface.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::task::yield_now;
use tokio::time::timeout;

use super::Control;
use super::interface::{
    Aside, Counts, Errors, Instance, Line, LineCounts, LineState, Port, PortCounts, Protocol,
    Session, SessionState, Signals,
};
use crate::aside::Pause;
use crate::board::{Look, Stage, Standing};
use crate::claim::LockDirectory;
use crate::com_port::{self, State};
use crate::config::{self, Busy, LineSettings};
use crate::events::usec;
use crate::relay::{Answers, Request};
use crate::tally::{LineWord, PortWord};
use crate::uptime::uptime;

/// How old what is shown of a session may be: a line's signals cost its driver time (with some USB
/// adapters, a transfer), however many look.
const FRESH: Duration = Duration::from_secs(1);

/// How long sessions may take to show themselves, until what is known of them is shown.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// How many lines are looked at until others have their turn.
const AT_ONCE: usize = 16;

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl Control {
    pub(super) fn ports(&self) -> Vec<Port> {
        self.config.borrow().ports.iter().map(port).collect()
    }

    /// All sessions, as they are now.
    pub(super) async fn sessions(&self) -> Vec<Session> {
        let (ours, others) = tokio::join!(self.own_sessions(), self.sessions_elsewhere());
        let mut sessions = ours;
        sessions.extend(others);
        sessions
    }

    async fn own_sessions(&self) -> Vec<Session> {
        let answers = Answers::default();
        let is_old = |look: Look| look.at.elapsed() >= FRESH;
        for standing in self.board.sessions() {
            let serves = matches!(*standing.stage(), Stage::Serving(_));
            if serves && standing.look().is_none_or(is_old) {
                standing.mailbox.put(Request::Look(answers.ask()));
            }
        }
        let _ = timeout(LOOK_LIMIT, answers.all()).await;
        let sessions = self.board.sessions();
        sessions.iter().map(|standing| session(standing)).collect()
    }

    /// All lines, given all sessions.
    pub(super) async fn lines(&self, sessions: &[Session]) -> Vec<Line> {
        let on: BTreeMap<_, _> = sessions
            .iter()
            .filter_map(|of| Some((of.line.as_deref()?, of.session.as_str())))
            .collect();
        let mut lines: BTreeMap<_, Vec<String>> = BTreeMap::new();
        let locks = {
            let config = self.config.borrow();
            for port in &config.ports {
                for device in &port.devices {
                    let ports = lines.entry(device.clone()).or_default();
                    ports.push(port.name.clone());
                }
            }
            LockDirectory::new(config.server.lock_dir.clone(), None)
        };
        let (drained, aside) = (self.drained.now(), self.aside.lines());
        let now = uptime();
        let mut all = Vec::with_capacity(lines.len());
        for (number, (device, ports)) in lines.into_iter().enumerate() {
            let line = text(&device);
            let session = on.get(line.as_str()).map(|session| (*session).to_owned());
            let (state, holder) = if session.is_some() {
                (LineState::InUse, None)
            } else if !device.exists() {
                (LineState::Missing, None)
            } else if let Some(holder) = locks.holder(&device) {
                (LineState::Held, Some(holder.who()))
            } else {
                (LineState::Free, None)
            };
            all.push(Line {
                drained: drained.contains(&device),
                aside: aside.get(&device, now).map(|pause| set_aside(pause, now)),
                line,
                ports,
                state,
                session,
                holder,
            });
            if number % AT_ONCE == 0 {
                yield_now().await;
            }
        }
        all
    }

    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for record in self.tally.read() {
            let of_port = |word| record.of_port(word);
            let of_line = |word| record.of_line(word);
            match &record.line {
                None => counts.ports.push(PortCounts {
                    denied: of_port(PortWord::Denied),
                    busy: of_port(PortWord::Busy),
                    broken: of_port(PortWord::Broken),
                    waits: of_port(PortWord::Waits),
                    waited_usec: of_port(PortWord::Waited),
                    gave_up: of_port(PortWord::GaveUp),
                    port: record.port,
                }),
                Some(line) => counts.lines.push(LineCounts {
                    line: text(line),
                    sessions: of_line(LineWord::Sessions),
                    in_use_usec: micros(record.in_use()),
                    to_line: of_line(LineWord::ToLine),
                    to_client: of_line(LineWord::ToClient),
                    framing: of_line(LineWord::Framing),
                    parity: of_line(LineWord::Parity),
                    overrun: of_line(LineWord::Overrun),
                    breaks: of_line(LineWord::Breaks),
                    port: record.port,
                }),
            }
        }
        counts
    }
}

impl From<config::Protocol> for Protocol {
    fn from(protocol: config::Protocol) -> Protocol {
        match protocol {
            config::Protocol::Raw => Protocol::Raw,
            config::Protocol::Telnet => Protocol::Telnet,
        }
    }
}

fn set_aside(pause: &Pause, now: Duration) -> Aside {
    let left = pause.until.saturating_sub(now);
    let until = SystemTime::now().checked_add(left);
    Aside {
        why: pause.why.clone(),
        until_usec: until.map_or(0, usec),
        left_usec: micros(left),
    }
}

fn port(port: &config::Port) -> Port {
    Port {
        name: port.name.clone(),
        protocol: port.protocol.into(),
        instance: match port.instance {
            config::Instance::Shared => Instance::Shared,
            config::Instance::PerConnection => Instance::PerConnection,
        },
        listen: port.listen.iter().map(ToString::to_string).collect(),
        lines: port.devices.iter().map(|device| text(device)).collect(),
        settings: port.line.to_string(),
        queues: matches!(port.busy, Busy::Wait(_)),
    }
}

fn session(standing: &Standing) -> Session {
    let (state, place, line) = match &*standing.stage() {
        Stage::Arrived => (SessionState::Arrived, None, None),
        Stage::Waiting(place) => (SessionState::Waiting, *place, None),
        Stage::Serving(device) => (SessionState::Serving, None, Some(text(device))),
        Stage::Ending(device) => (SessionState::Ending, None, Some(text(device))),
    };
    let age = standing.since().elapsed();
    let since = SystemTime::now().checked_sub(age);
    let look = standing.look();
    let kept = |side: usize| look.map(|look| look.kept[side] as u64);
    Session {
        session: format!("{:016x}", standing.session),
        port: standing.port.clone(),
        client: standing.peer.to_string(),
        state,
        since_usec: since.map_or(0, usec),
        age_usec: micros(age),
        pid: std::process::id(),
        place: place.map(|place| place as u64),
        line,
        to_line: look.map(|look| look.moved.to_line),
        to_client: look.map(|look| look.moved.to_client),
        lost: look.map(|look| look.lost),
        kept_to_line: kept(0),
        kept_to_client: kept(1),
        idle_usec: look.map(|look| micros(look.last_byte.elapsed())),
        settings: look.map(|look| settings(look.state).to_string()),
        signals: look.and_then(|look| signals(look.state, look.signals)),
        errors: look.and_then(|look| errors(look.errors)),
    }
}

fn settings(state: State) -> LineSettings {
    LineSettings {
        baud: state.baud,
        data_bits: state.data_bits,
        parity: state.parity,
        stop_bits: state.stop_bits,
        flow: state.flow,
    }
}

fn signals(state: State, modem: Option<com_port::Signals>) -> Option<Signals> {
    let modem = modem?;
    Some(Signals {
        dtr: state.dtr,
        rts: state.rts,
        cts: modem.cts,
        dsr: modem.dsr,
        dcd: modem.carrier,
        ri: modem.ring,
    })
}

fn errors(counts: Option<[u64; 4]>) -> Option<Errors> {
    let [framing, parity, overrun, breaks] = counts?;
    Some(Errors {
        framing,
        parity,
        overrun,
        breaks,
    })
}
