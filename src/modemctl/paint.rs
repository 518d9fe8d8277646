//! Colours, where a person reads them.

use std::env;
use std::io::{IsTerminal, stdout};

/// A colour that every terminal has (ECMA-48, SGR).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    /// Its own, but stronger.
    Bold = 1,
    Red = 31,
    Green = 32,
    Yellow = 33,
    Blue = 34,
    /// What is selected.
    Reverse = 7,
}

/// Whether what is written is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint {
    is_on: bool,
}

impl Paint {
    /// For standard output: on a terminal that has colours, unless `NO_COLOR` is set and not empty
    /// (<https://no-color.org>).
    pub(super) fn for_stdout() -> Self {
        let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let has_none = env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            is_on: stdout().is_terminal() && !is_unwanted && !has_none,
        }
    }

    /// `text` in `colour`.
    pub(super) fn paint(self, colour: Colour, text: &str) -> String {
        if self.is_on {
            format!("\x1b[{}m{text}\x1b[0m", colour as u8)
        } else {
            text.to_owned()
        }
    }
}

impl Paint {
    /// For what is to stay plain.
    pub(super) const OFF: Self = Self { is_on: false };
    #[cfg(test)]
    pub(super) const ON: Self = Self { is_on: true };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_ends_with_its_text() {
        assert_eq!(Paint::ON.paint(Colour::Red, "no"), "\x1b[31mno\x1b[0m");
        assert_eq!(Paint::OFF.paint(Colour::Red, "no"), "no");
    }
}
