//! What is measured, in the order of the tables.

use std::time::Duration;

use crate::Scale;
use crate::bulk::{self, Ways};
use crate::cold::{self, ACTIVATE, Accept};
use crate::server::{Kind, is_installed};
use crate::stream::Stream;
use crate::table::Figure;
use crate::{connect, echo, lines, many, stopped};

/// One table.
pub(crate) struct Metric {
    /// Its short name, for whoever wants to see only this one.
    pub(crate) key: &'static str,
    pub(crate) title: String,
    pub(crate) kinds: &'static [Kind],
    pub(crate) rounds: usize,
    /// The program without which there is nothing to measure.
    pub(crate) needs: Option<&'static str>,
    /// The peers are measured, too.
    pub(crate) has_peers: bool,
    pub(crate) measure: Box<dyn Fn(Kind) -> Result<Vec<Figure>, String>>,
}

impl Metric {
    pub(crate) fn is_possible(&self) -> bool {
        self.needs.is_none_or(is_installed)
    }
}

/// How many lines and sessions, for what grows with them.
pub(crate) const MANY: [(usize, &str, &str); 4] = [
    (1, "lines-1", "idle-1"),
    (10, "lines-10", "idle-10"),
    (100, "lines-100", "idle-100"),
    (1000, "lines-1000", "idle-1000"),
];

const GUARDED: [Kind; 3] = [Kind::Minimal, Kind::Modemd, Kind::ModemdGuarded];

const COLD: [Kind; 3] = [Kind::Minimal, Kind::Modemd, Kind::ModemdTelnet];

#[expect(clippy::too_many_lines, reason = "it is a list")]
pub(crate) fn metrics(scale: Scale) -> Vec<Metric> {
    let is_full = scale == Scale::Full;
    let time = move |milliseconds: u64| {
        Duration::from_millis(if is_full {
            milliseconds
        } else {
            milliseconds.min(40)
        })
    };
    let count = move |full: usize, brief: usize| if is_full { full } else { brief };
    let rounds = |full: usize| count(full, 1);
    let mut all = Vec::new();
    let mut add = |key, title: &str, kinds, rounds, measure| {
        all.push(Metric {
            key,
            title: title.to_owned(),
            kinds,
            rounds,
            needs: None,
            has_peers: true,
            measure,
        });
    };
    let bulk =
        |ways, stream| Box::new(move |kind| bulk::measure(kind, ways, stream, time(600))) as _;
    for (key, title, ways) in [
        ("bulk-from-modem", "Bulk, modem to client", Ways::FromModem),
        ("bulk-to-modem", "Bulk, client to modem", Ways::ToModem),
        ("bulk-both", "Bulk, both ways at once", Ways::Both),
    ] {
        let measure = bulk(ways, Stream::Any);
        add(key, title, &Kind::ALL[..], rounds(5), measure);
    }
    for (key, title, ways, stream) in [
        (
            "guard-from-modem",
            "Bulk in a guarded call, modem to client",
            Ways::FromModem,
            Stream::Any,
        ),
        (
            "guard-to-modem",
            "Bulk in a guarded call, client to modem, no carriage returns",
            Ways::ToModem,
            Stream::NoReturns,
        ),
        (
            "guard-both",
            "Bulk in a guarded call, both ways at once, no carriage returns",
            Ways::Both,
            Stream::NoReturns,
        ),
        (
            "guard-stops",
            "Bulk in a guarded call, client to modem, with what could be commands",
            Ways::ToModem,
            Stream::Any,
        ),
    ] {
        add(key, title, &GUARDED, rounds(5), bulk(ways, stream));
    }
    add(
        "echo-alone",
        "Round trip of one octet",
        &Kind::ALL,
        rounds(5),
        Box::new(move |kind| echo::measure(kind, count(3000, 50))),
    );
    add(
        "echo-beside",
        "Round trip of one octet beside a transfer on another line",
        &Kind::ALL,
        rounds(5),
        Box::new(move |kind| echo::beside_bulk(kind, time(1000))),
    );
    let many = &MANY[..count(MANY.len(), 2)];
    for &(lines, key, _) in many {
        let title = format!("Lines with 720 pieces of 16 octets a second each: {lines}");
        let measure = move |kind| lines::measure(kind, lines, time(1000));
        // A process for each line is too much for any machine.
        let kinds: &[Kind] = if lines > 100 {
            &FEW_PROCESSES
        } else {
            &Kind::ALL
        };
        add(key, &title, kinds, rounds(2), Box::new(measure));
    }
    for &(ports, _, key) in many {
        let title = format!("Idle ports, then a session on each: {ports}");
        let measure = move |kind| many::idle(kind, ports, time(1500));
        add(key, &title, &Kind::ALL, 1, Box::new(measure));
    }
    add(
        "fresh",
        "A fresh connection, and the line after it",
        &Kind::ALL,
        rounds(3),
        Box::new(move |kind| connect::fresh(kind, count(30, 3))),
    );
    for (key, title, accept) in [
        (
            "cold-listening",
            "Started by its first client (`Accept=no`)",
            Accept::No,
        ),
        (
            "cold-connected",
            "Started for each client (`Accept=yes`)",
            Accept::Yes,
        ),
    ] {
        let measure = move |kind| cold::measure(kind, accept, count(10, 1));
        add(key, title, &COLD, rounds(5), Box::new(measure) as _);
    }
    for (key, title, polite) in [
        ("churn-polite", "Connect, talk, leave", true),
        ("churn-rude", "Connect, talk, reset", false),
    ] {
        let measure = move |kind| connect::churn(kind, count(2000, 20), polite);
        add(key, title, &Kind::ALL, 1, Box::new(measure) as _);
    }
    let sessions = count(1000, 20);
    add(
        "dropped",
        &format!("{sessions} sessions dropped at once"),
        &FEW_PROCESSES,
        1,
        Box::new(move |kind| many::dropped(kind, sessions)),
    );
    add(
        "stopped",
        "Stale octets for a client that has stopped reading",
        &Kind::ALL,
        rounds(3),
        Box::new(move |kind| stopped::measure(kind, time(500))),
    );
    for metric in &mut all {
        metric.needs = metric.key.starts_with("cold").then_some(ACTIVATE);
        // That they work with this is seen in one; how well they do is not our affair then.
        metric.has_peers = is_full || metric.key == "echo-alone";
    }
    all
}

const FEW_PROCESSES: [Kind; 6] = [
    Kind::Minimal,
    Kind::Modemd,
    Kind::ModemdTelnet,
    Kind::Ser2net,
    Kind::Ser2netTuned,
    Kind::Ser2netTelnet,
];
