//! What modemd is to reach, all of it in the same run.

use crate::server::Kind::{self, Minimal, Modemd, ModemdGuarded, ModemdTelnet, Ser2net};
use crate::table::{Table, markdown, number};

/// What a figure is to be.
#[derive(Clone, Copy)]
enum Limit {
    /// So many of this unit, at most or at least.
    Most(f64, &'static str),
    Least(f64, &'static str),
    /// So many times that server's, at most or at least.
    MostOf(Kind, f64),
    LeastOf(Kind, f64),
    /// Less than any peer's.
    BelowPeers,
}

use Limit::{BelowPeers, Least, LeastOf, Most, MostOf};

/// A table, its column, what the figure is called beside the others, and its limit.
type Wanted = (&'static str, &'static str, &'static str, Limit);

const NONE: Limit = Most(0.0, "");

const WAKE_UPS: &[Wanted] = &[
    ("idle-1", "wake-ups", "one session", NONE),
    ("idle-10", "wake-ups", "10", NONE),
    ("idle-100", "wake-ups", "100", NONE),
    ("idle-1000", "wake-ups", "1,000", NONE),
];

const FRESH: &[Wanted] = &[
    ("fresh", "p50", "", MostOf(Minimal, 2.0)),
    ("fresh", "p50", "", BelowPeers),
];

const RELEASED: &[Wanted] = &[("fresh", "released, p50", "", Most(2000.0, " µs"))];

const COLD: &[Wanted] = &[
    (
        "cold-listening",
        "first answer",
        "`Accept=no`",
        MostOf(Minimal, 1.5),
    ),
    (
        "cold-connected",
        "first answer",
        "`Accept=yes`",
        MostOf(Minimal, 1.5),
    ),
];

const POLITE: &[Wanted] = &[
    ("churn-polite", "failed", "failed", NONE),
    ("churn-polite", "descriptors left", "descriptors left", NONE),
    ("churn-polite", "locks left", "locks left", NONE),
];

const RUDE: &[Wanted] = &[
    ("churn-rude", "failed", "failed", NONE),
    ("churn-rude", "descriptors left", "descriptors left", NONE),
    ("churn-rude", "locks left", "locks left", NONE),
];

const DROPPED: &[Wanted] = &[
    ("dropped", "survived", "survived", Least(1.0, "")),
    ("dropped", "descriptors left", "descriptors left", NONE),
];

/// An aim is reached when all its figures are within their limits.
const AIMS: &[(&str, Kind, &[Wanted])] = &[
    (
        "raw bulk from the modem: CPU ≤ 1.15 `min`, speed ≥ 0.9",
        Modemd,
        &[
            ("bulk-from-modem", "CPU", "CPU", MostOf(Minimal, 1.15)),
            ("bulk-from-modem", "speed", "speed", LeastOf(Minimal, 0.9)),
        ],
    ),
    (
        "raw bulk to the modem: CPU ≤ 1.15 `min`, speed ≥ 0.9",
        Modemd,
        &[
            ("bulk-to-modem", "CPU", "CPU", MostOf(Minimal, 1.15)),
            ("bulk-to-modem", "speed", "speed", LeastOf(Minimal, 0.9)),
        ],
    ),
    (
        "raw bulk both ways at once: speed ≥ 0.9 `min`",
        Modemd,
        &[("bulk-both", "speed", "", LeastOf(Minimal, 0.9))],
    ),
    (
        "RFC 2217 bulk, random data: CPU ≤ 1.4 `min`",
        ModemdTelnet,
        &[
            (
                "bulk-from-modem",
                "CPU",
                "from the modem",
                MostOf(Minimal, 1.4),
            ),
            ("bulk-to-modem", "CPU", "to it", MostOf(Minimal, 1.4)),
            ("bulk-both", "CPU", "both ways", MostOf(Minimal, 1.4)),
        ],
    ),
    (
        "raw bulk with a guard: CPU ≤ 1.1 of that without, speed ≥ 0.9",
        ModemdGuarded,
        &[
            (
                "guard-from-modem",
                "CPU",
                "from the modem",
                MostOf(Modemd, 1.1),
            ),
            ("guard-from-modem", "speed", "speed", LeastOf(Modemd, 0.9)),
            ("guard-to-modem", "CPU", "to it", MostOf(Modemd, 1.1)),
            ("guard-to-modem", "speed", "speed", LeastOf(Modemd, 0.9)),
            ("guard-both", "CPU", "both ways", MostOf(Modemd, 1.1)),
            ("guard-both", "speed", "speed", LeastOf(Modemd, 0.9)),
        ],
    ),
    (
        "round trip: p50 ≤ 1.05 `min`, p99 ≤ 1.15, CPU ≤ 1.1",
        Modemd,
        &[
            ("echo-alone", "p50", "p50", MostOf(Minimal, 1.05)),
            ("echo-alone", "p99", "p99", MostOf(Minimal, 1.15)),
            ("echo-alone", "CPU", "CPU", MostOf(Minimal, 1.1)),
        ],
    ),
    (
        "round trip beside a transfer: p50 ≤ 0.8 `min`, p99 ≤ 0.6",
        Modemd,
        &[
            ("echo-beside", "p50", "p50", MostOf(Minimal, 0.8)),
            ("echo-beside", "p99", "p99", MostOf(Minimal, 0.6)),
        ],
    ),
    (
        // At its delay: that of the round trip is allowed a tenth of noise, and so is this one.
        "100 lines, pieces of 16: CPU ≤ 1.1 `min`, delay (p50) ≤ 1.1",
        Modemd,
        &[
            ("lines-100", "CPU", "CPU", MostOf(Minimal, 1.1)),
            ("lines-100", "p50", "delay", MostOf(Minimal, 1.1)),
        ],
    ),
    (
        "memory with one port: ≤ 3 MiB",
        Modemd,
        &[
            ("idle-1", "ports only", "idle", Most(3072.0, " KiB")),
            ("idle-1", "all in use", "in use", Most(3072.0, " KiB")),
        ],
    ),
    (
        "memory with 1,000 ports, and with 1,000 sessions: ≤ 0.25 ser2net's",
        Modemd,
        &[
            ("idle-1000", "ports only", "ports", MostOf(Ser2net, 0.25)),
            ("idle-1000", "all in use", "sessions", MostOf(Ser2net, 0.25)),
        ],
    ),
    ("wake-ups a second, idle: 0", Modemd, WAKE_UPS),
    ("– RFC 2217", ModemdTelnet, WAKE_UPS),
    (
        "fresh connection: p50 ≤ 2 `min`, below every peer",
        Modemd,
        FRESH,
    ),
    ("– RFC 2217", ModemdTelnet, FRESH),
    ("line free again: p50 ≤ 2 ms", Modemd, RELEASED),
    ("– RFC 2217", ModemdTelnet, RELEASED),
    ("cold start: ≤ 1.5 `min`", Modemd, COLD),
    ("– RFC 2217", ModemdTelnet, COLD),
    ("churn, polite: no failure, nothing left", Modemd, POLITE),
    ("– RFC 2217", ModemdTelnet, POLITE),
    ("churn, rude: no failure, nothing left", Modemd, RUDE),
    ("– RFC 2217", ModemdTelnet, RUDE),
    (
        "all sessions dropped at once: survived, nothing left",
        Modemd,
        DROPPED,
    ),
    ("– RFC 2217", ModemdTelnet, DROPPED),
];

/// A row for each aim of which anything was measured.
pub(crate) fn text(tables: &[(&str, Table)]) -> String {
    let mut rows = vec![["aim", "reached", "measured"].map(str::to_owned).to_vec()];
    for (what, kind, wanted) in AIMS {
        let is_here = |(key, ..): &&Wanted| tables.iter().any(|(has, _)| has == key);
        if !wanted.iter().any(|wanted| is_here(&wanted)) {
            continue;
        }
        let judged: Vec<_> = wanted
            .iter()
            .map(|wanted| judge(tables, *kind, wanted))
            .collect();
        let is_reached = judged.iter().all(|(_, is_reached)| *is_reached);
        let texts: Vec<_> = judged.into_iter().map(|(text, _)| text).collect();
        let reached = if is_reached { "yes" } else { "**no**" };
        rows.push(vec![
            (*what).to_owned(),
            reached.to_owned(),
            texts.join(", "),
        ]);
    }
    format!("## Aims\n\n{}", markdown(&rows))
}

/// What it is, and whether that is within the limit.
fn judge(tables: &[(&str, Table)], kind: Kind, wanted: &Wanted) -> (String, bool) {
    let (key, column, label, limit) = wanted;
    let value = |of| {
        let (_, table) = tables.iter().find(|(has, _)| has == key)?;
        table.value(of, column)
    };
    let compare = || {
        let own = value(kind)?;
        Some(match *limit {
            Most(most, unit) => (format!("{}{unit}", number(own)), own <= most),
            Least(least, unit) => (format!("{}{unit}", number(own)), own >= least),
            MostOf(server, most) => {
                let ratio = own / value(server)?;
                (number(ratio), ratio <= most)
            }
            LeastOf(server, least) => {
                let ratio = own / value(server)?;
                (number(ratio), ratio >= least)
            }
            BelowPeers => {
                let peers = Kind::ALL.into_iter().filter(|kind| kind.is_peer());
                let best = peers.filter_map(value).min_by(f64::total_cmp)?;
                (
                    format!("{} of the best peer", number(own / best)),
                    own < best,
                )
            }
        })
    };
    let (text, is_within) = compare().unwrap_or_else(|| ("not measured".to_owned(), false));
    (format!("{label} {text}").trim_start().to_owned(), is_within)
}
