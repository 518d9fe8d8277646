//! What is wrong, where, and what would be right.

use std::fmt;
use std::path::PathBuf;

/// A value that cannot be what it should be: what is wrong with it, and what to write instead.
///
/// All parsers of single values end in this, whether the value came from a file or from the
/// command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, the value quoted in backquotes.
    pub message: String,
    /// What would be right.
    pub remedy: String,
}

impl Mistake {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.remedy)
    }
}

impl std::error::Error for Mistake {}

/// A mistake in the configuration.
///
/// [`Display`](fmt::Display) prints [`headline`](Self::headline), the line of the file with the
/// value underlined, and the remedy, each on its own line and without a newline at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The port, or the attachment, that is disabled by it; none: it concerns the service or a whole
    /// file.
    pub port: Option<String>,
    /// Where; none if there is no text to point at.
    pub place: Option<Place>,
    /// What and why.
    pub message: String,
    /// What would be right.
    pub remedy: String,
}

impl Problem {
    /// The mistake in one line: `file:line:column: what: why`.
    #[must_use]
    pub fn headline(&self) -> String {
        match &self.place {
            Some(place) => format!("{place}: {}", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        if let Some(place) = &self.place {
            writeln!(f, "    {}", place.text)?;
            writeln!(f, "    {}", place.underline())?;
        }
        write!(f, "    {}", self.remedy)
    }
}

/// A piece of one line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named to the loader.
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1; one more than the line has when something is missing there.
    pub column: usize,
    /// The line without its end; control characters other than tabs are replaced.
    pub text: String,
    /// How many characters are meant, at least 1.
    pub width: usize,
}

impl Place {
    /// `^~~~` under the piece. Tabs before it are repeated, so that it stays below whatever the
    /// width of a tab.
    fn underline(&self) -> String {
        let before = self.text.chars().take(self.column - 1);
        before
            .map(|c| if c == '\t' { c } else { ' ' })
            .chain(std::iter::once('^'))
            .chain(std::iter::repeat_n('~', self.width - 1))
            .collect()
    }
}

/// `file:line:column`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// The longest value that a message repeats in full, in characters.
const LONGEST_QUOTE: usize = 80;

/// `text` in backquotes, on one line and of bearable length, whatever is in it.
pub(super) fn quoted(text: &str) -> String {
    let mut quote = String::from("`");
    for (n, c) in text.chars().enumerate() {
        if n == LONGEST_QUOTE {
            quote.push('…');
            break;
        }
        if c.is_control() {
            quote.extend(c.escape_default());
        } else {
            quote.push(c);
        }
    }
    quote.push('`');
    quote
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_before_the_value_does_not_misplace_the_caret() {
        let problem = Problem {
            port: None,
            place: Some(Place {
                file: "modemd.toml".into(),
                line: 3,
                column: 9,
                text: "\tline\t= \"fast\"".into(),
                width: 6,
            }),
            message: "ports.modem.line: `fast` is no baud rate".into(),
            remedy: "write for example `115200,8,N,1`".into(),
        };
        assert_eq!(
            problem.to_string(),
            "modemd.toml:3:9: ports.modem.line: `fast` is no baud rate\n    \
             \tline\t= \"fast\"\n    \
             \t    \t  ^~~~~~\n    \
             write for example `115200,8,N,1`"
        );
    }

    #[test]
    fn a_quoted_value_cannot_leave_its_line() {
        assert_eq!(quoted("a\nb\u{1b}[2J"), r"`a\nb\u{1b}[2J`");
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), 83);
    }
}
