//! The page.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter, Write as _};

use crate::control::interface::{
    Counts, Description, Line, LineCounts, LineState, Port, PortCounts, Session, SessionState,
};

/// What modemd says of itself, which a page is made of.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Of `Describe`.
    pub description: Description,
    /// Of `ListPorts`.
    pub ports: Vec<Port>,
    /// Of `ListLines`.
    pub lines: Vec<Line>,
    /// Of `ListSessions`.
    pub sessions: Vec<Session>,
    /// Of `GetCounts`.
    pub counts: Counts,
}

/// In which words. The two formats are one but for counters: where a sample is called `x_total`,
/// `OpenMetrics` has the type of `x`, and Prometheus' own text that of `x_total`; neither takes the
/// other's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4, which the textfile collector of `node_exporter` reads, too.
    Prometheus,
    /// What is both at once: it leaves out which metrics are counters.
    Either,
}

impl Form {
    /// What a page of this form is, for HTTP.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Form::Prometheus | Form::Either => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Writes the page.
#[must_use]
pub fn page(answers: &Answers, form: Form) -> String {
    let mut page = Page {
        form,
        text: String::new(),
    };
    page.about_modemd(&answers.description);
    page.about_ports(&PerPort::of(answers));
    page.about_lines(&answers.lines);
    page.about_sessions(&per_line(answers));
    // Ends a page of OpenMetrics; a comment for the other format.
    page.text.push_str("# EOF\n");
    page.text
}

/// What there is to say of a port.
#[derive(Default)]
struct PerPort {
    counts: PortCounts,
    waiting: usize,
}

impl PerPort {
    /// All ports of the configuration, and those that are not there any more and have counts.
    fn of(answers: &Answers) -> BTreeMap<&str, PerPort> {
        let names = answers.ports.iter().map(|port| port.name.as_str());
        let mut ports: BTreeMap<_, _> = names.map(|name| (name, PerPort::default())).collect();
        for counts in &answers.counts.ports {
            ports.entry(&counts.port).or_default().counts = counts.clone();
        }
        for session in &answers.sessions {
            if session.state == SessionState::Waiting {
                ports.entry(&session.port).or_default().waiting += 1;
            }
        }
        ports
    }
}

/// By port and line: all of the configuration, and those that are not there any more and have counts.
fn per_line(answers: &Answers) -> BTreeMap<(&str, &str), LineCounts> {
    let mut lines = BTreeMap::new();
    for port in &answers.ports {
        for line in &port.lines {
            lines.insert((port.name.as_str(), line.as_str()), LineCounts::default());
        }
    }
    for counts in &answers.counts.lines {
        lines.insert((&counts.port, &counts.line), counts.clone());
    }
    lines
}

struct Page {
    form: Form,
    text: String,
}

impl Page {
    fn about_modemd(&mut self, description: &Description) {
        let mut family = self.gauge("modemd_build_info", "The version of modemd; always 1.");
        family.sample(&[("version", &description.version)], 1);
        let mut family = self.gauge(
            "modemd_configuration_mistakes",
            "Mistakes in the configuration; see modemctl check.",
        );
        family.sample(&[], description.problems.len());
    }

    fn about_ports(&mut self, ports: &BTreeMap<&str, PerPort>) {
        let mut family = self.counter(
            "modemd_refusals",
            "Clients who got no line: because they may not (denied), all were in use (busy), or none works (broken).",
        );
        for (port, of) in ports {
            let PortCounts {
                denied,
                busy,
                broken,
                ..
            } = of.counts;
            for (reason, count) in [("denied", denied), ("busy", busy), ("broken", broken)] {
                family.sample(&[("port", port), ("reason", reason)], count);
            }
        }
        let mut family = self.counter("modemd_waits", "Clients who had to wait for a line.");
        for (port, of) in ports {
            family.sample(&[("port", port)], of.counts.waits);
        }
        let mut family = self.counter("modemd_waited_seconds", "How long clients have waited.");
        for (port, of) in ports {
            family.sample(&[("port", port)], Seconds(of.counts.waited_usec));
        }
        let mut family = self.counter("modemd_gave_up", "Clients who left while they waited.");
        for (port, of) in ports {
            family.sample(&[("port", port)], of.counts.gave_up);
        }
        let mut family = self.gauge("modemd_waiting_clients", "Clients who wait for a line now.");
        for (port, of) in ports {
            family.sample(&[("port", port)], of.waiting);
        }
    }

    fn about_lines(&mut self, lines: &[Line]) {
        type Is = fn(&Line) -> bool;
        let families: [(&str, &str, Is); 3] = [
            (
                "modemd_line_up",
                "Whether the line is there, and no other program holds it.",
                |line| !matches!(line.state, LineState::Held | LineState::Missing),
            ),
            (
                "modemd_line_in_use",
                "Whether a session is on the line.",
                |line| line.state == LineState::InUse,
            ),
            (
                "modemd_line_drained",
                "Whether the line is out of service, by modemctl drain.",
                |line| line.drained,
            ),
        ];
        for (name, help, is) in families {
            let mut family = self.gauge(name, help);
            let mut told = BTreeSet::new();
            for line in lines.iter().filter(|line| told.insert(&line.line)) {
                family.sample(&[("line", &line.line)], u8::from(is(line)));
            }
        }
    }

    fn about_sessions(&mut self, lines: &BTreeMap<(&str, &str), LineCounts>) {
        let mut family = self.counter("modemd_sessions", "Sessions begun.");
        for (&(port, line), counts) in lines {
            family.sample(&[("port", port), ("line", line)], counts.sessions);
        }
        let mut family = self.counter("modemd_in_use_seconds", "How long the line was in use.");
        for (&(port, line), counts) in lines {
            let labels = [("port", port), ("line", line)];
            family.sample(&labels, Seconds(counts.in_use_usec));
        }
        let mut family = self.counter(
            "modemd_transferred_bytes",
            "Bytes to the line (to_line), and from the line to clients (to_client).",
        );
        for (&(port, line), counts) in lines {
            for (way, bytes) in [("to_line", counts.to_line), ("to_client", counts.to_client)] {
                family.sample(&[("port", port), ("line", line), ("way", way)], bytes);
            }
        }
        let mut family = self.counter(
            "modemd_line_errors",
            "Characters that came in wrong (framing, parity), or were lost because nobody took them (overrun).",
        );
        for (&(port, line), counts) in lines {
            for (kind, count) in [
                ("framing", counts.framing),
                ("parity", counts.parity),
                ("overrun", counts.overrun),
            ] {
                family.sample(&[("port", port), ("line", line), ("kind", kind)], count);
            }
        }
        let mut family = self.counter("modemd_breaks", "BREAKs received.");
        for (&(port, line), counts) in lines {
            family.sample(&[("port", port), ("line", line)], counts.breaks);
        }
    }

    /// `name` is without `_total`.
    fn counter(&mut self, name: &str, help: &str) -> Family<'_> {
        let sample = format!("{name}_total");
        match self.form {
            Form::OpenMetrics => self.family(name, help, Some("counter"), sample),
            Form::Prometheus => self.family(&sample.clone(), help, Some("counter"), sample),
            Form::Either => self.family(&sample.clone(), help, None, sample),
        }
    }

    fn gauge(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, Some("gauge"), name.to_owned())
    }

    fn family(&mut self, name: &str, help: &str, kind: Option<&str>, sample: String) -> Family<'_> {
        let text = &mut self.text;
        put(text, format_args!("# HELP {name} {help}\n"));
        if let Some(kind) = kind {
            put(text, format_args!("# TYPE {name} {kind}\n"));
        }
        Family { text, sample }
    }
}

/// The samples of one name.
struct Family<'a> {
    text: &'a mut String,
    sample: String,
}

impl Family<'_> {
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(&self.sample);
        for (place, (name, value)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            put(
                self.text,
                format_args!("{before}{name}=\"{}\"", Label(value)),
            );
        }
        let after = if labels.is_empty() { "" } else { "}" };
        put(self.text, format_args!("{after} {value}\n"));
    }
}

fn put(text: &mut String, what: fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a String takes everything");
}

/// A label's value, as it stands in quotes in both formats.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str(r"\\")?,
                '"' => f.write_str(r#"\""#)?,
                '\n' => f.write_str(r"\n")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// Microseconds, in the unit that metrics have.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests;
