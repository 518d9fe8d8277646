//! Configurations of older servers, and the `modemd.toml` that does the same.
//!
//! Text in, text out: [`import`] touches nothing outside its arguments. A reader for each format finds
//! ports and writes down what it cannot say in our terms; `output` prints them. Nobody is ever let in who
//! was not let in before, and a port that would not be the same is printed as a comment, with the reason.

mod address;
mod draft;
mod format;
mod inetd;
mod masqdialer;
mod options;
mod output;
mod program;
mod ser2net3;
mod ser2net4;
mod serial;
mod words;
mod xinetd;

use std::fmt;

pub use format::Format;

use crate::config::Services;
use draft::{Findings, Script};

/// One file of an older server.
#[derive(Debug, Clone)]
pub struct Input {
    /// What it is called in comments and messages, and one of the things that tell its format.
    pub name: String,
    /// What is in it: UTF-8, or else taken for ISO 8859-1.
    pub bytes: Vec<u8>,
}

/// What came of some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// A `modemd.toml` without mistakes.
    pub toml: String,
    /// What could not be understood at all, in the order of the files.
    pub troubles: Vec<Trouble>,
}

/// A piece of a file that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    place: Place,
    what: String,
}

/// `file:line: what: why`
impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, printable(&self.what))
    }
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    file: String,
    /// From 1 on; 0: the file as a whole.
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.file))?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        Ok(())
    }
}

/// One configuration made of all files. `from` is their format, if they do not say themselves;
/// `services` has the ports that go by a name.
#[must_use]
pub fn import(files: &[Input], from: Option<Format>, services: &Services) -> Imported {
    let mut found = Findings::default();
    let mut xinetd = Vec::new();
    // What a script does is of interest where inetd starts it, whichever file was named first.
    let (scripts, files_of_servers): (Vec<_>, Vec<_>) =
        files.iter().partition(|file| file.bytes.starts_with(b"#!"));
    found.scripts.extend(scripts.into_iter().map(|file| Script {
        name: file.name.clone(),
        text: text(&file.bytes),
        is_used: false,
    }));
    for file in files_of_servers {
        let text = text(&file.bytes);
        let source = Source {
            name: &file.name,
            text: &text,
        };
        match from.or_else(|| format::told(&file.name, &text)) {
            Some(Format::Masqdialer) => masqdialer::read(&source, services, &mut found),
            Some(Format::Inetd) => inetd::read(&source, services, &mut found),
            // What one of its files sets as default counts in all.
            Some(Format::Xinetd) => xinetd.push((file.name.clone(), text)),
            Some(Format::Ser2net3) => ser2net3::read(&source, services, &mut found),
            Some(Format::Ser2net) => ser2net4::read(&source, services, &mut found),
            None => found.trouble(
                source.place(0),
                "the format is not clear: name it with `--from`",
            ),
        }
    }
    let xinetd: Vec<_> = xinetd
        .iter()
        .map(|(name, text)| Source { name, text })
        .collect();
    xinetd::read(&xinetd, services, &mut found);
    for script in std::mem::take(&mut found.scripts) {
        if !script.is_used {
            let place = Place {
                file: script.name,
                line: 0,
            };
            found.trouble(place, "a script that no service in the other files starts");
        }
    }
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    Imported {
        toml: output::toml(&names, &mut found, services),
        troubles: found.troubles,
    }
}

/// A file's text and its name.
struct Source<'f> {
    name: &'f str,
    text: &'f str,
}

impl Source<'_> {
    fn place(&self, line: usize) -> Place {
        Place {
            file: self.name.to_owned(),
            line,
        }
    }

    /// The lines with their numbers.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// The lines with their numbers, those that a backslash continues as one.
    fn joined_lines(&self) -> Vec<(usize, String)> {
        let mut joined: Vec<(usize, String)> = Vec::new();
        let mut goes_on = false;
        for (number, line) in self.lines() {
            let (text, continued) = match line.strip_suffix('\\') {
                Some(text) => (text, true),
                None => (line, false),
            };
            match joined.last_mut() {
                Some((_, before)) if goes_on => before.push_str(text),
                _ => joined.push((number, text.to_owned())),
            }
            goes_on = continued;
        }
        joined
    }
}

/// Files of 1997 are hardly UTF-8.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    match str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// What may stand in a comment or a message: a control character could end either.
fn printable(text: &str) -> String {
    let one = |c: char| match c {
        '\t' => ' ',
        _ if c.is_control() => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    text.chars().map(one).collect()
}
