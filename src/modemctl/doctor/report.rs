//! What was found, for people and for programs.

use std::io::{self, Write};

use super::judge::{Finding, Severity, Verdict};
use crate::modemctl::paint::{Colour, Paint};
use crate::modemctl::printable::printable;

/// For people: a line for each topic that is as it should be, and for each finding, with the way out
/// below it.
pub(super) fn for_people(
    verdicts: &[Verdict],
    paint: Paint,
    out: &mut impl Write,
) -> io::Result<()> {
    for verdict in verdicts {
        if let Some(fine) = &verdict.fine {
            line(
                out,
                &paint.paint(Colour::Green, "ok     "),
                verdict.about,
                fine,
            )?;
        }
        for finding in &verdict.findings {
            let (colour, word) = match finding.severity {
                Severity::Problem => (Colour::Red, "problem"),
                Severity::Warning => (Colour::Yellow, "warning"),
                Severity::Unknown => (Colour::Blue, "unknown"),
            };
            line(
                out,
                &paint.paint(colour, word),
                finding.about,
                &finding.what,
            )?;
            if let Some(mend) = &finding.mend {
                writeln!(out, "             {}", printable(mend))?;
            }
        }
    }
    writeln!(out, "{}", summary(verdicts))
}

fn line(out: &mut impl Write, word: &str, about: &str, what: &str) -> io::Result<()> {
    writeln!(out, "{word}  {about}: {}", printable(what))
}

fn summary(verdicts: &[Verdict]) -> String {
    let count = |severity| {
        findings(verdicts)
            .filter(|f| f.severity == severity)
            .count()
    };
    let (problems, warnings) = (count(Severity::Problem), count(Severity::Warning));
    let unknown = count(Severity::Unknown);
    let mut parts = Vec::new();
    for (number, one, many) in [
        (problems, "problem", "problems"),
        (warnings, "warning", "warnings"),
    ] {
        match number {
            0 => {}
            1 => parts.push(format!("1 {one}")),
            _ => parts.push(format!("{number} {many}")),
        }
    }
    let found = if parts.is_empty() {
        "nothing is wrong".to_owned()
    } else {
        parts.join(", ")
    };
    match (unknown, parts.is_empty()) {
        (0, _) => found,
        (1, true) => format!("{found} with what could be looked at; 1 thing could not"),
        (_, true) => format!("{found} with what could be looked at; {unknown} things could not"),
        (1, false) => format!("{found}; 1 thing could not be looked at"),
        (_, false) => format!("{found}; {unknown} things could not be looked at"),
    }
}

/// For programs: all findings as a JSON array.
pub(super) fn for_programs(verdicts: &[Verdict], out: &mut impl Write) -> io::Result<()> {
    let findings: Vec<&Finding> = findings(verdicts).collect();
    serde_json::to_writer_pretty(&mut *out, &findings)?;
    writeln!(out)
}

pub(super) fn findings(verdicts: &[Verdict]) -> impl Iterator<Item = &Finding> {
    verdicts.iter().flat_map(|verdict| &verdict.findings)
}
