//! `attach.toml`: serial lines of other machines that programs here use as devices.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::name::check_letters;
use super::problem::{Mistake, quoted};
use super::section::{Entry, Key, Section, in_order};
use super::source::Source;
use super::suggest::nearest;
use super::{LineSettings, Problem, Protocol, Services, Target};

const KEYS: &[Key] = &[
    ("server", r#"server = "modemhost:2007""#),
    ("protocol", r#"protocol = "telnet""#),
    ("line", r#"line = "9600,7,E,1""#),
];

/// A serial line of another machine: a `[NAME]` of `attach.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// Its name, which is the device's, below `/dev/modemd`: letters, digits, `_`, `.` and `-`, at most
    /// 64 of them.
    pub name: String,
    /// Where it is.
    pub server: Target,
    /// What is spoken there: telnet with COM port control, unless said otherwise.
    pub protocol: Protocol,
    /// What the line is set to when a program opens the device; none: as it is there. Data bits and parity
    /// can only be set here, since a pseudo terminal does not tell what a program makes of them.
    pub line: Option<LineSettings>,
}

/// Everything that `attach.toml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachments {
    /// The file, as it was named to the loader.
    pub file: PathBuf,
    /// Those that are free of mistakes, in the order of the file.
    pub attachments: Vec<Attachment>,
    /// The mistakes, in the order of the file. `modemctl check` exits 78 if there are any.
    pub problems: Vec<Problem>,
}

impl Attachments {
    /// Reads a file; `services` has the names that ports may be written with.
    ///
    /// A mistake in a table disables that one and no other.
    #[must_use]
    pub fn parse(file: &Path, bytes: &[u8], services: &Services) -> Self {
        let source = Source::new(file, bytes);
        let mut whole = Section::new(&source, "", None, &[]);
        let mut attachments = Vec::new();
        let mut problems = Vec::new();
        match source.table("[NAME]") {
            Err((span, mistake)) => whole.report("", span, mistake),
            Ok(table) => {
                for (key, value) in in_order(table.get_ref()) {
                    let name = key.get_ref().as_ref();
                    let meant = nearest(name, KEYS.iter().map(|(key, _)| *key));
                    if let Some(meant) = meant.filter(|_| !value.get_ref().is_table()) {
                        whole.unknown(key, Some(format!("write `{meant}` below a `[NAME]`")));
                        continue;
                    }
                    let (attachment, mut found) = attachment(&source, key, value, services);
                    attachments.extend(attachment.filter(|_| found.is_empty()));
                    problems.append(&mut found);
                }
            }
        }
        problems.append(&mut whole.problems);
        problems.sort_by_key(|problem| {
            let place = problem.place.as_ref();
            place.map(|place| (place.line, place.column))
        });
        Self {
            file: file.to_owned(),
            attachments,
            problems,
        }
    }

    /// The attachment called `name`, or why there is none.
    pub fn get(&self, name: &str) -> Result<&Attachment, AttachmentError> {
        if let Some(found) = self.attachments.iter().find(|of| of.name == name) {
            return Ok(found);
        }
        let its_own = |problem: &&Problem| problem.port.as_deref() == Some(name);
        if let Some(problem) = self.problems.iter().find(its_own) {
            return Err(AttachmentError::Disabled {
                name: name.to_owned(),
                why: problem.headline(),
            });
        }
        let of_the_file = self.problems.iter().find(|problem| problem.port.is_none());
        if let Some(problem) = of_the_file.filter(|problem| problem.place.is_none()) {
            return Err(AttachmentError::Unreadable {
                why: problem.headline(),
                remedy: problem.remedy.clone(),
            });
        }
        Err(AttachmentError::Unknown {
            name: name.to_owned(),
            file: self.file.clone(),
            known: self.attachments.iter().map(|of| of.name.clone()).collect(),
            perhaps: of_the_file.map(Problem::headline),
        })
    }
}

/// Reads a `[NAME]` as far as it goes; it is not to be used if there are problems.
fn attachment(
    source: &Source<'_>,
    key: &Spanned<DeString<'_>>,
    value: &Spanned<DeValue<'_>>,
    services: &Services,
) -> (Option<Attachment>, Vec<Problem>) {
    let name = key.get_ref().as_ref();
    let mut section = match check_letters(name, "an attachment") {
        Ok(()) => Section::new(source, name, Some(name), KEYS),
        Err(mistake) => {
            let mut section = Section::new(source, "", Some(name), KEYS);
            section.report("", key.span(), mistake);
            section
        }
    };
    let attachment = if let DeValue::String(_) = value.get_ref() {
        let mut mistake = section.wrong_type("", "a table", value.get_ref());
        if section.problems.is_empty()
            && let Some(text) = source.one_line(value.span())
        {
            mistake.remedy = format!("write `[{name}]`, and `server = {text}` below it");
        }
        section.report("", value.span(), mistake);
        None
    } else {
        let entries = section.table("", value);
        entries.and_then(|entries| read(&mut section, name, key.span(), entries, services))
    };
    (attachment, section.problems)
}

/// Reads the keys of a `[NAME]`; `header` is where the name is.
fn read(
    section: &mut Section<'_>,
    name: &str,
    header: Range<usize>,
    entries: Vec<Entry<'_, '_>>,
    services: &Services,
) -> Option<Attachment> {
    let mut is_there = false;
    let (mut server, mut line) = (None, None);
    // None: nobody can say what is meant.
    let mut protocol = Some(Protocol::Telnet);
    for &(key, value) in &entries {
        match key.get_ref().as_ref() {
            word @ "server" => {
                is_there = true;
                server = section.string(word, value, |text| Target::parse(text, services));
            }
            word @ "protocol" => protocol = section.string(word, value, str::parse),
            word @ "line" => line = section.string(word, value, str::parse),
            word => {
                // TOML takes a dot in a name that has no quotes for a table in a table.
                let dotted = format!("{name}.{word}");
                let is_name = value.get_ref().is_table() && check_letters(&dotted, "").is_ok();
                is_there |= is_name;
                let hint = is_name
                    .then(|| format!("write `[\"{dotted}\"]` if that is the name, or `[{word}]`"));
                // That is not missing which is only misspelt.
                match section.unknown(key, hint) {
                    Some("server") => is_there = true,
                    Some("protocol") => protocol = None,
                    _ => {}
                }
            }
        }
    }
    if !is_there {
        section.missing("server", header);
    }
    for (key, _) in entries {
        if key.get_ref() == "line" && protocol == Some(Protocol::Raw) {
            section.report("line", key.span(), not_over_raw());
        }
    }
    Some(Attachment {
        name: name.to_owned(),
        server: server?,
        protocol: protocol?,
        line,
    })
}

fn not_over_raw() -> Mistake {
    Mistake::new(
        "a far line cannot be set up over `raw`",
        "leave this out, or leave `protocol` out, which then is `telnet`",
    )
}

/// Why [`Attachments::get`] found nothing that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentError {
    /// The file could not be read.
    Unreadable {
        /// The [`Problem::headline`], which names the file.
        why: String,
        /// What helps.
        remedy: String,
    },
    /// It is in the file, with a mistake.
    Disabled {
        /// The name that was asked for.
        name: String,
        /// The first mistake's [`Problem::headline`].
        why: String,
    },
    /// The name is nowhere in the file, as far as it could be read.
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The file.
        file: PathBuf,
        /// The names that can be used.
        known: Vec<String>,
        /// A mistake outside of any table that may have hidden it.
        perhaps: Option<String>,
    },
}

impl fmt::Display for AttachmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { why, remedy } => write!(f, "{why}: {remedy}"),
            Self::Disabled { name, why } => {
                write!(f, "attachment {} is disabled: {why}", quoted(name))
            }
            Self::Unknown {
                name,
                file,
                known,
                perhaps,
            } => {
                let name = quoted(name);
                write!(f, "attachment {name} is not in {}: ", file.display())?;
                if let Some(perhaps) = perhaps {
                    write!(f, "perhaps it was not read, see {perhaps}")
                } else if known.is_empty() {
                    f.write_str("it has none, add a [NAME] with its `server`")
                } else {
                    write!(f, "there are `{}`", known.join("`, `"))
                }
            }
        }
    }
}

impl std::error::Error for AttachmentError {}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "[fax]\nserver = \"modemhost:2007\"\n[switch]\nserver = \"modemhost\"\n";

    fn attachments(text: &str) -> Attachments {
        Attachments::parse(
            Path::new("attach.toml"),
            text.as_bytes(),
            &Services::default(),
        )
    }

    fn why_not(text: &str, name: &str) -> String {
        attachments(text).get(name).unwrap_err().to_string()
    }

    #[test]
    fn far_ends_speak_telnet_and_keep_their_settings_unless_it_is_said_otherwise() {
        let attachments = attachments(TWO);
        let fax = attachments.get("fax").unwrap();
        assert_eq!(fax.server.to_string(), "modemhost:2007");
        assert_eq!((fax.protocol, fax.line), (Protocol::Telnet, None));
    }

    #[test]
    fn one_with_a_mistake_is_told_from_one_that_is_not_there() {
        assert_eq!(
            why_not(TWO, "switch"),
            "attachment `switch` is disabled: attach.toml:4:10: switch.server: `modemhost` has no port"
        );
        assert_eq!(
            why_not(TWO, "isdn"),
            "attachment `isdn` is not in attach.toml: there are `fax`"
        );
    }

    #[test]
    fn one_may_be_hidden_by_what_could_not_be_read() {
        assert_eq!(
            why_not("[fax", "fax"),
            "attachment `fax` is not in attach.toml: perhaps it was not read, see \
             attach.toml:1:5: not TOML: unclosed table, expected `]`"
        );
    }

    #[test]
    fn where_there_is_none_it_is_said_how_to_add_one() {
        assert_eq!(
            why_not("", "fax"),
            "attachment `fax` is not in attach.toml: it has none, add a [NAME] with its `server`"
        );
    }

    #[test]
    fn without_a_file_it_is_said_how_to_write_one() {
        let missing = Attachments::load(Path::new("/nonexistent/attach.toml"));
        assert_eq!(
            missing.get("fax").unwrap_err().to_string(),
            "/nonexistent/attach.toml: cannot be read: No such file or directory (os error 2): write \
             one with a `[NAME]` for each line, and `server = \"modemhost:2007\"` below it, or name \
             another with `--config FILE`"
        );
    }
}
