//! Which session or line is meant.

use std::fs;
use std::path::Path;

use super::survey::{Entry, Survey};
use super::trouble::Trouble;
use crate::control::interface::Session;

/// The fewest digits of a session's number that are taken for it: a slip of the finger hangs up on nobody.
const FEWEST: usize = 4;

/// How many are named where one is not found.
const NAMED: usize = 8;

/// The line that is meant: as in the configuration, without `/dev/`, or by another name of the device.
pub(super) fn line<'a>(survey: &'a Survey, word: &str) -> Result<Entry<'a>, Trouble> {
    let entries = survey.lines();
    if let Some(entry) = try_line(&entries, word) {
        return Ok(entry);
    }
    let names = entries.iter().map(|of| of.name().to_owned());
    Err(Trouble::not_found(format!(
        "{word}: no port has such a line: {}",
        there_are(names.collect(), "lines")
    )))
}

fn try_line<'a>(entries: &[Entry<'a>], word: &str) -> Option<Entry<'a>> {
    let is_it = |name: &str| name == word || name.strip_prefix("/dev/") == Some(word);
    let real = |name: &str| fs::canonicalize(Path::new("/dev").join(name)).ok();
    let by_name = entries.iter().find(|entry| is_it(entry.name()));
    let by_device = || {
        let device = real(word)?;
        entries
            .iter()
            .find(|entry| real(entry.name()).as_ref() == Some(&device))
    };
    by_name.or_else(by_device).copied()
}

/// The session that is meant: by its line, its number, or how its number begins.
pub(super) fn session<'a>(survey: &'a Survey, word: &str) -> Result<&'a Session, Trouble> {
    if let Some(entry) = try_line(&survey.lines(), word) {
        let name = entry.name();
        return entry
            .session
            .ok_or_else(|| Trouble::not_found(format!("{name}: nobody is on it")));
    }
    let number = word.to_ascii_lowercase();
    let with_it = |of: &&Session| number.len() >= FEWEST && of.session.starts_with(&number);
    let sessions: Vec<_> = survey.sessions.iter().filter(with_it).collect();
    let described = |of: &[&Session]| of.iter().map(|of| describe(of)).collect();
    match sessions.as_slice() {
        [session] => Ok(session),
        [] => {
            let all: Vec<_> = survey.sessions.iter().collect();
            Err(Trouble::not_found(format!(
                "{word}: there is no such session or line: {}",
                there_are(described(&all), "sessions")
            )))
        }
        several => match several.iter().find(|of| of.session == number) {
            Some(session) => Ok(session),
            None => Err(Trouble::not_found(format!(
                "{word}: that could be several sessions: {}",
                there_are(described(several), "sessions")
            ))),
        },
    }
}

/// A session in few words.
pub(super) fn describe(session: &Session) -> String {
    let Session {
        session: number,
        client,
        port,
        ..
    } = session;
    match &session.line {
        Some(line) => format!("{number} ({client} on {line})"),
        None => format!("{number} ({client} at port {port})"),
    }
}

pub(super) fn there_are(names: Vec<String>, of: &str) -> String {
    if names.is_empty() {
        return format!("there are no {of}");
    }
    let more = names.len().saturating_sub(NAMED);
    let first: Vec<_> = names.into_iter().take(NAMED).collect();
    let first = first.join(", ");
    if more > 0 {
        format!("there are {first} and {more} more (modemctl status)")
    } else {
        format!("there are {first}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modemctl::sample;

    #[test]
    fn a_session_is_found_by_its_line_and_by_enough_of_its_number() {
        let lines =
            ["/dev/ttyS1", "/dev/ttyS2", "/dev/ttyS3"].map(|path| sample::line(path, "modem"));
        let on = |number: &str, line: &str| sample::session(number, "10.0.0.1:1", line, 1);
        let sessions = vec![
            on("aaaa000000000001", "/dev/ttyS1"),
            on("aaaab00000000002", "/dev/ttyS2"),
        ];
        let survey = sample::machine(lines.to_vec(), sessions);
        let found = |word: &str| {
            let found = session(&survey, word).ok();
            found.map(|of| of.session.as_str())
        };
        for word in ["ttyS1", "/dev/ttyS1", "aaaa0", "AAAA000000000001"] {
            assert_eq!(found(word), Some("aaaa000000000001"), "{word}");
        }
        assert_eq!(found("aaaab"), Some("aaaab00000000002"));
        // Nobody is on it; there is none; it could be both; it is too short, also if there is but one.
        for word in ["ttyS3", "bbbb", "aaaa", "", "aaa"] {
            assert_eq!(found(word), None, "{word}");
        }
        let alone = sample::machine(lines.to_vec(), vec![on("aaaa000000000001", "/dev/ttyS1")]);
        assert!(session(&alone, "").is_err() && session(&alone, "aaa").is_err());
        assert!(session(&alone, "aaaa").is_ok());
    }
}
